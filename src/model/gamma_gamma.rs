//! Gamma-Gamma spend (Fader & Hardie 2013): how its parameters are named, and how the names relate. Its likelihood is
//! `kernels::gamma_gamma`.
//!
//! | symbol | meaning                                                                | support |
//! | ------ | ---------------------------------------------------------------------- | ------- |
//! | p      | shape of one purchase's spend, z ~ Gamma(p, rate ν)                     | > 0     |
//! | q, v   | ν ~ Gamma(q, rate v) over customers                                     | > 1, > 0 |
//! | M      | mean spend over customers, M = p v / (q − 1)                            | > 0     |
//!
//! q stays above 1, where the population mean is finite. On the CDNOW sample the correlation matrix of (ln p, ln(q−1), ln v) has
//! condition number 772, that of (ln p, ln(q−1), ln M) 10: default priors and the hierarchy speak of the latter.

use super::likelihood::array;
use super::{Alternative, Family, Forecast, Guess, Parameter, Role, Unit};
use crate::data;
use crate::kernels::gamma_gamma as kernel;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "gamma_gamma",
    name: "Gamma-Gamma",
    title: "Gamma-Gamma (Fader & Hardie 2013)",
    role: Role::Spend,
    parameters: &[
        Parameter::positive(
            "p",
            Guess::new(4.0, Unit::One, 1.0),
            "shape of one purchase's spend: large means a customer's purchases are alike",
        ),
        Parameter {
            name: "q",
            low: 1.0,
            high: f64::INFINITY,
            guess: Guess::new(4.0, Unit::One, 1.0),
            meaning: "shape of spend levels over customers: large means customers are alike",
        },
        Parameter::positive(
            "v",
            Guess::new(0.75, Unit::Spend, 1.5),
            "scale of spend levels over customers, in currency",
        ),
    ],
    alternatives: &[Alternative {
        first: 2,
        parameters: &[Parameter::positive(
            "mean_spend",
            Guess::new(1.0, Unit::Spend, 1.0),
            "mean spend per purchase over customers, p v / (q - 1), in currency",
        )],
    }],
    likelihood: |observed, place| {
        let rows = rows(observed.spend.clone(), &observed.groups);
        place.make(rows, kernel::Simd::new, kernel::Cpu::new, kernel::Gpu::with)
    },
    takes: |theta| kernel::is_possible(&array(theta)),
    forecast: |theta, data, _| {
        let spend = kernel::expected_spend(array(theta), data[0] as u32, data[1]);
        Forecast { expected_spend: Some(spend), ..Forecast::default() }
    },
    movable: None,
    to_natural,
    to_chart,
    pull_back,
};

/// The spending customers as the kernel takes them.
pub fn rows(spend: data::SpendRows, groups: &data::Groups) -> kernel::Rows {
    let data::SpendRows { group, frequency, monetary, weight } = spend;
    kernel::Rows { n_groups: groups.labels.len().max(1), group, frequency, monetary, weight }
}

fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    if chart[0] {
        let (p, q, mean) = (values[0], values[1], values[2]);
        natural[2] = mean * (q - 1.0) / p;
    }
}

fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    values[2] = natural[0] * natural[2] / (natural[1] - 1.0);
}

fn pull_back(chart: &[bool], values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    if chart[0] {
        let (p, q, mean) = (values[0], values[1], values[2]);
        let (v, d_v) = (natural[2], d_natural[2]);
        d_values[0] -= d_v * v / p;
        d_values[1] += d_v * mean / p;
        d_values[2] = d_v * (q - 1.0) / p;
    }
}
