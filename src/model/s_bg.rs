//! The shifted beta-geometric (Fader & Hardie 2007): how its parameters are named, and how the names relate. Its likelihood is
//! `kernels::s_bg`.
//!
//! | symbol | meaning                                                          | support    |
//! | ------ | ---------------------------------------------------------------- | ---------- |
//! | α, β   | chance not to renew θ ~ Beta(α, β), the same at every renewal      | > 0        |
//! | mean and concentration | of θ: α / (α + β) and α + β                       | (0,1), > 0 |

use super::chart::{beta_pull_back, beta_to_chart, beta_to_natural};
use super::likelihood::array;
use super::{Alternative, Family, Forecast, Guess, Parameter, Role, Unit};
use crate::data;
use crate::kernels::s_bg::{self, Rows};

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "s_bg",
    name: "sBG",
    title: "shifted beta-geometric (Fader & Hardie 2007)",
    role: Role::Contract,
    parameters: &[
        Parameter::positive("alpha", Guess::new(0.9, Unit::One, 1.0), "first shape of the chance not to renew"),
        Parameter::positive("beta", Guess::new(2.1, Unit::One, 1.0), "second shape of the chance not to renew"),
    ],
    alternatives: &[Alternative {
        first: 0,
        parameters: &[
            Parameter::chance(
                "churn",
                Guess::new(0.3, Unit::One, 1.0),
                "mean chance not to renew, alpha / (alpha + beta)",
            ),
            Parameter::positive(
                "churn_kappa",
                Guess::new(3.0, Unit::One, 1.0),
                "how alike customers are in it, alpha + beta",
            ),
        ],
    }],
    likelihood: |observed, place| {
        let rows = rows(observed.cells.clone(), &observed.groups);
        // So few distinct histories that the judge is quick enough.
        place.make(rows, s_bg::Cpu::new, s_bg::Cpu::new, s_bg::Gpu::with)
    },
    takes: |theta| s_bg::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let (theta, period, is_lost) = (array(theta), data[0] as u32, data[1] != 0.0);
        let of_living = |value: f64| if is_lost { 0.0 } else { value };
        let (probability, probability_of_none) = ahead.probabilities(|h, n| match is_lost {
            true => f64::from(u8::from(n == 0)),
            false => s_bg::probability_of(theta, period, h as u32, n),
        });
        let kept = |h: f64| of_living(s_bg::expected_periods(theta, period, h as u32));
        // The kernel counts the next renewal in full; here as with opportunities, the j-th from now is a j-th power away.
        let discounted = |rate: f64| of_living(s_bg::discounted_residual_lifetime(theta, period, rate) / (1.0 + rate));
        Forecast {
            p_alive: Some(of_living(1.0)),
            expected_periods: ahead.horizon.map(kept),
            probability,
            probability_of_none,
            discounted_expected_periods: ahead.discount_rate.map(discounted),
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
        beta_to_natural(0, values, natural);
    }
}

fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    beta_to_chart(0, natural, values);
}

fn pull_back(chart: &[bool], values: &[f64], _: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    if chart[0] {
        beta_pull_back(0, values, d_natural, d_values);
    }
}

/// The cells of contracts as the kernel takes them: who renewed less often than decided was lost at the last decision.
pub fn rows(cells: data::Cells, groups: &data::Groups) -> Rows {
    let data::Cells { group, frequency, age, weight, .. } = cells;
    let lost = frequency.iter().zip(&age).map(|(x, t)| f64::from(*x) < *t).collect();
    // Whole numbers: the data's rules saw to it.
    let period = age.into_iter().map(|t| t as u32).collect();
    Rows { n_groups: groups.labels.len().max(1), group, period, lost, weight }
}
