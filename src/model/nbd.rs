//! NBD (Ehrenberg 1959): BG/NBD's purchases without its dropout. Parameters and names are the first of [`super::bg_nbd`]'s; the
//! likelihood is `kernels::nbd`.
//!
//! | symbol | meaning                                                | support |
//! | ------ | ------------------------------------------------------ | ------- |
//! | r, α   | purchase rate of a customer λ ~ Gamma(r, rate α)        | > 0     |
//! | ρ      | mean purchase rate, ρ = r / α                           | > 0     |

use super::bg_nbd::{ALTERNATIVES, PARAMETERS};
use super::chart::{gamma_pull_back, gamma_to_chart, gamma_to_natural};
use super::likelihood::{array, cells};
use super::{Dropout, Family, Forecast, Role};
use crate::kernels::nbd;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "nbd",
    name: "NBD",
    title: "NBD (Ehrenberg 1959)",
    role: Role::Purchase(Dropout::Never),
    parameters: PARAMETERS.split_at(2).0,
    alternatives: ALTERNATIVES.split_at(1).0,
    likelihood: |observed, place| place.make(cells(observed), nbd::Cpu::new, nbd::Cpu::new, nbd::Gpu::with),
    takes: |theta| nbd::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let (theta, x, t) = (array(theta), data[0] as u32, data[2]);
        let (probability, probability_of_none) = ahead.probabilities(|h, n| nbd::probability_of(theta, x, t, h, n));
        let discounted = |rate| nbd::discounted_expected_purchases(theta, x, t, rate);
        Forecast {
            p_alive: Some(1.0),
            expected_purchases: ahead.horizon.map(|h| nbd::expected_purchases(theta, x, t, h)),
            probability,
            probability_of_none,
            discounted_expected_purchases: ahead.discount_rate.map(discounted),
            ..Forecast::default()
        }
    },
    movable: None,
    to_natural,
    to_chart,
    pull_back,
};

fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    if chart[0] {
        gamma_to_natural(0, values, natural);
    }
}

fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    gamma_to_chart(0, natural, values);
}

fn pull_back(chart: &[bool], values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    if chart[0] {
        gamma_pull_back(0, values, natural, d_natural, d_values);
    }
}
