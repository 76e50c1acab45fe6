//! Pareto/NBD (Schmittlein, Morrison & Colombo 1987): how its parameters are named, and how the names relate. Its likelihood is
//! `kernels::pareto_nbd`.
//!
//! | symbol | meaning                                                         | support |
//! | ------ | --------------------------------------------------------------- | ------- |
//! | r, α   | purchase rate of a customer λ ~ Gamma(r, rate α)                 | > 0     |
//! | s, β   | rate of leaving μ ~ Gamma(s, rate β), at any time                | > 0     |
//! | ρ      | mean purchase rate of customers that are alive, ρ = r / α        | > 0     |
//! | δ      | mean rate of leaving, δ = s / β                                  | > 0     |
//!
//! (r, α) and (s, β) lie on narrow ridges in the likelihood, so that default priors and the hierarchy speak of (r, ρ, s, δ).

use super::chart::{gamma_pull_back, gamma_to_chart, gamma_to_natural};
use super::likelihood::{Continuous, array, cells};
use super::{Alternative, Dropout, Effect, Family, Guess, Movable, Moved, Parameter, Role, Unit};
use crate::kernels::pareto_nbd;

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "pareto_nbd",
    name: "Pareto/NBD",
    title: "Pareto/NBD (Schmittlein, Morrison & Colombo 1987)",
    role: Role::Purchase(Dropout::AnyTime),
    parameters: &[
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
        Parameter::positive(
            "s",
            Guess::new(0.5, Unit::One, 1.0),
            "shape of the rates of leaving: small means customers differ much",
        ),
        Parameter::positive(
            "beta",
            Guess::new(0.5, Unit::PerPurchaseRate, 1.5),
            "rate parameter of the rates of leaving, in time units",
        ),
    ],
    alternatives: &[
        Alternative {
            first: 1,
            parameters: &[Parameter::positive(
                "rate",
                Guess::new(1.0, Unit::PurchaseRate, 1.5),
                "mean purchases per time unit of customers that are alive, r / alpha",
            )],
        },
        Alternative {
            first: 3,
            parameters: &[Parameter::positive(
                "dropout_rate",
                Guess::new(1.0, Unit::PurchaseRate, 1.5),
                "mean rate of leaving per time unit, s / beta",
            )],
        },
    ],
    likelihood: |observed, place| {
        place.make(cells(observed), pareto_nbd::Simd::new, pareto_nbd::Cpu::new, pareto_nbd::Gpu::with)
    },
    takes: |theta| pareto_nbd::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let kernels = Continuous {
            p_alive: pareto_nbd::p_alive,
            expected_purchases: pareto_nbd::expected_purchases,
            probability_of: pareto_nbd::probability_of,
            discounted_expected_purchases: pareto_nbd::discounted_expected_purchases,
        };
        kernels.forecast(theta, data, ahead)
    },
    movable: Some(Movable::by::<pareto_nbd::ParetoNbd>(&[
        Effect { name: "purchase_coefficient", on: Moved::Purchase, parameter: 1 },
        Effect { name: "dropout_coefficient", on: Moved::Dropout, parameter: 3 },
    ])),
    to_natural,
    to_chart,
    pull_back,
};

fn to_natural(chart: &[bool], values: &[f64], natural: &mut [f64]) {
    natural.copy_from_slice(values);
    for (shape, _) in [0, 2].into_iter().zip(chart).filter(|(_, derived)| **derived) {
        gamma_to_natural(shape, values, natural);
    }
}

fn to_chart(natural: &[f64], values: &mut [f64]) {
    values.copy_from_slice(natural);
    [0, 2].into_iter().for_each(|shape| gamma_to_chart(shape, natural, values));
}

fn pull_back(chart: &[bool], values: &[f64], natural: &[f64], d_natural: &[f64], d_values: &mut [f64]) {
    d_values.copy_from_slice(d_natural);
    for (shape, _) in [0, 2].into_iter().zip(chart).filter(|(_, derived)| **derived) {
        gamma_pull_back(shape, values, natural, d_natural, d_values);
    }
}
