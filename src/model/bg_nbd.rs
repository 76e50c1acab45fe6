//! BG/NBD (Fader, Hardie & Lee 2005): how its parameters are named, and how the names relate. Its likelihood is
//! `kernels::bg_nbd`.
//!
//! | symbol | meaning                                                              | support |
//! | ------ | -------------------------------------------------------------------- | ------- |
//! | r, α   | purchase rate of a customer λ ~ Gamma(r, rate α)                      | > 0     |
//! | a, b   | chance to leave after a purchase p ~ Beta(a, b)                       | > 0     |
//! | ρ      | mean purchase rate of customers that are alive, ρ = r / α             | > 0     |
//! | φ, κ   | mean and concentration of p: φ = a / (a + b), κ = a + b               | (0,1), > 0 |
//!
//! (r, α) and (a, b) lie on narrow ridges in the likelihood; (r, ρ, φ, κ) do not: on the CDNOW sample the correlation matrix of
//! (ln r, ln α, ln a, ln b) has condition number 35, that of (ln r, ln ρ, logit φ, ln κ) 4.6. So default priors and the
//! hierarchy speak of the latter.

use super::{Alternative, Family, Parameter, Role};
use crate::data;
use crate::kernels::Cells;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "bg_nbd",
    title: "BG/NBD (Fader, Hardie & Lee 2005)",
    role: Role::Purchase,
    parameters: &[
        Parameter::positive("r", "shape of purchase rates: small means customers differ much"),
        Parameter::positive("alpha", "rate parameter of purchase rates, in time units"),
        Parameter::positive("a", "first shape of the chance to leave after a purchase"),
        Parameter::positive("b", "second shape of the chance to leave after a purchase"),
    ],
    alternatives: &[
        Alternative {
            first: 1,
            parameters: &[Parameter::positive(
                "rate",
                "mean purchases per time unit of customers that are alive, r / alpha",
            )],
        },
        Alternative {
            first: 2,
            parameters: &[
                Parameter {
                    name: "phi",
                    low: 0.0,
                    high: 1.0,
                    meaning: "mean chance to leave after a purchase, a / (a + b)",
                },
                Parameter::positive("kappa", "how alike customers are in their chance to leave, a + b"),
            ],
        },
    ],
    to_natural,
    pull_back,
};

/// The cells of a summary as the kernel takes them.
pub fn cells(cells: data::Cells, groups: &data::Groups) -> Cells {
    let data::Cells { group, frequency, recency, age, weight } = cells;
    Cells { n_groups: groups.labels.len().max(1), group, frequency, recency, age, weight }
}

fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    if chart[0] {
        natural[1] = values[0] / values[1]; // α = r / ρ
    }
    if chart[1] {
        let (phi, kappa) = (values[2], values[3]);
        natural[2] = phi * kappa;
        natural[3] = (1.0 - phi) * kappa;
    }
}

fn pull_back(chart: &[bool], values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    if chart[0] {
        let (alpha, rho) = (natural[1], values[1]);
        d_values[0] += d_natural[1] / rho;
        d_values[1] = -d_natural[1] * alpha / rho;
    }
    if chart[1] {
        let (phi, kappa) = (values[2], values[3]);
        d_values[2] = kappa * (d_natural[2] - d_natural[3]);
        d_values[3] = phi * d_natural[2] + (1.0 - phi) * d_natural[3];
    }
}
