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

use super::chart::{beta_pull_back, beta_to_chart, beta_to_natural, gamma_pull_back, gamma_to_chart, gamma_to_natural};
use super::likelihood::{Continuous, array, cells};
use super::{Alternative, Dropout, Effect, Family, Guess, Movable, Moved, Parameter, Role, Unit};
use crate::kernels::bg_nbd;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "bg_nbd",
    name: "BG/NBD",
    title: "BG/NBD (Fader, Hardie & Lee 2005)",
    role: Role::Purchase(Dropout::AfterRepeat),
    parameters: PARAMETERS,
    alternatives: ALTERNATIVES,
    likelihood: |observed, place| place.make(cells(observed), bg_nbd::Simd::new, bg_nbd::Cpu::new, bg_nbd::Gpu::with),
    takes: |theta| bg_nbd::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let kernels = Continuous {
            p_alive: bg_nbd::p_alive,
            expected_purchases: bg_nbd::expected_purchases,
            probability_of: bg_nbd::probability_of,
            discounted_expected_purchases: bg_nbd::discounted_expected_purchases,
        };
        kernels.forecast(theta, data, ahead)
    },
    movable: Some(Movable::by::<bg_nbd::BgNbd>(EFFECTS)),
    to_natural,
    to_chart,
    pull_back,
};

/// r, α, a, b.
pub(super) const PARAMETERS: &[Parameter] = &[
    Parameter::positive(
        "r",
        Guess::new(0.5, Unit::One, 1.0),
        "shape of purchase rates: small means customers differ much",
    ),
    Parameter::positive(
        "alpha",
        Guess::new(0.5, Unit::PerPurchaseRate, 1.5),
        "rate parameter of purchase rates, in time units",
    ),
    Parameter::positive("a", Guess::new(0.9, Unit::One, 1.0), "first shape of the chance to leave after a purchase"),
    Parameter::positive("b", Guess::new(2.1, Unit::One, 1.0), "second shape of the chance to leave after a purchase"),
];

/// ρ for α; φ and κ for a and b.
pub(super) const ALTERNATIVES: &[Alternative] = &[
    Alternative {
        first: 1,
        parameters: &[Parameter::positive(
            "rate",
            Guess::new(1.0, Unit::PurchaseRate, 1.5),
            "mean purchases per time unit of customers that are alive, r / alpha",
        )],
    },
    Alternative {
        first: 2,
        parameters: &[
            Parameter::chance(
                "phi",
                Guess::new(0.3, Unit::One, 1.0),
                "mean chance to leave after a purchase, a / (a + b)",
            ),
            Parameter::positive(
                "kappa",
                Guess::new(3.0, Unit::One, 1.0),
                "how alike customers are in their chance to leave, a + b",
            ),
        ],
    },
];

/// α_i = α exp(−γ z), a_i = a exp(γ_a z), b_i = b exp(γ_b z).
pub(super) const EFFECTS: &[Effect] = &[
    Effect { name: "purchase_coefficient", on: Moved::Purchase, parameter: 1 },
    Effect { name: "dropout_coefficient_a", on: Moved::Dropout, parameter: 2 },
    Effect { name: "dropout_coefficient_b", on: Moved::Dropout, parameter: 3 },
];

/// Natural parameters of chart values.
pub(super) fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    if chart[0] {
        gamma_to_natural(0, values, natural);
    }
    if chart[1] {
        beta_to_natural(2, values, natural);
    }
}

/// The way back, to the derived chart.
pub(super) fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    gamma_to_chart(0, natural, values);
    beta_to_chart(2, natural, values);
}

/// The chain rule back.
pub(super) fn pull_back(chart: &[bool], values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    if chart[0] {
        gamma_pull_back(0, values, natural, d_natural, d_values);
    }
    if chart[1] {
        beta_pull_back(2, values, d_natural, d_values);
    }
}
