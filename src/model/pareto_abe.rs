//! Pareto/NBD with correlated lognormal rates (Abe 2009): how its parameters are named. Its likelihood is `kernels::pareto_abe`.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | `rate` | median of the customers' purchase rates λ | > 0 |
//! | `death` | median of their rates of leaving μ | > 0 |
//! | `sd_rate`, `sd_death` | sds of ln λ and ln μ: how much customers differ | > 0 |
//! | `corr` | correlation of ln λ and ln μ: whether those who buy often leave soon | (−1, 1) |
//!
//! On the scales that they are sampled on (logarithms, and for `corr` the logit between its ends) these five have no ridge that other
//! names would take away. By default `corr` is uniform between its ends: LKJ(1).

use super::likelihood::{Continuous, array, cells};
use super::{Dropout, Effect, Family, Guess, Made, Movable, Moved, Parameter, Place, Role, Unit};
use crate::data::Observations;
use crate::kernels::{Covariates, KernelError, pareto_abe};

/// The family's row in the table of models.
pub const FAMILY: Family = Family {
    key: "pareto_abe",
    name: "Pareto/NBD (Abe)",
    title: "Pareto/NBD with correlated lognormal rates (Abe 2009)",
    role: Role::Purchase(Dropout::AnyTimeTogether),
    parameters: &[
        Parameter::positive(
            "rate",
            Guess::new(1.0, Unit::PurchaseRate, 1.5),
            "median purchases per time unit of customers that are alive",
        ),
        Parameter::positive("death", Guess::new(1.0, Unit::PurchaseRate, 1.5), "median rate of leaving per time unit"),
        Parameter::positive(
            "sd_rate",
            Guess::new(1.0, Unit::One, 0.5),
            "how much customers differ in how often they buy: sd of the logarithm",
        ),
        Parameter::positive(
            "sd_death",
            Guess::new(1.0, Unit::One, 0.5),
            "how much customers differ in how soon they leave: sd of the logarithm",
        ),
        Parameter {
            name: "corr",
            low: -1.0,
            high: 1.0,
            guess: Guess::new(0.0, Unit::One, 1.0),
            meaning: "correlation of the two logarithms: above 0, those who buy often leave soon",
        },
    ],
    alternatives: &[],
    likelihood: |observed, place| {
        let judge = if place.is_judge { pareto_abe::Cpu::new } else { pareto_abe::Cpu::usual };
        place.make(cells(observed), pareto_abe::Simd::new, judge, pareto_abe::Gpu::with)
    },
    takes: |theta| pareto_abe::is_possible(&array(theta)),
    forecast: |theta, data, ahead| {
        let kernels = Continuous {
            p_alive: pareto_abe::p_alive,
            expected_purchases: pareto_abe::expected_purchases,
            probability_of: pareto_abe::probability_of,
            discounted_expected_purchases: pareto_abe::discounted_expected_purchases,
        };
        kernels.forecast(theta, data, ahead)
    },
    movable: Some(Movable {
        effects: &[
            Effect { name: "purchase_coefficient", on: Moved::Purchase, parameter: 0 },
            Effect { name: "dropout_coefficient", on: Moved::Dropout, parameter: 1 },
        ],
        likelihood: with_covariates,
        own: |theta, gamma, terms, z| {
            let moved = pareto_abe::own(array(theta), gamma, terms, z);
            moved.iter().chain(&theta[moved.len()..]).copied().collect()
        },
    }),
    to_natural: |_, values, natural| natural.copy_from_slice(values),
    to_chart: |natural, values| values.copy_from_slice(natural),
    pull_back: |_, _, _, d_natural, d_values| d_values.copy_from_slice(d_natural),
};

/// The likelihood of customers with parameters of their own.
fn with_covariates(observed: &Observations, known: Covariates, place: &Place) -> Made {
    if place.device.is_some() {
        return Err(KernelError::new(
            "pareto_abe computes covariates on the processor alone",
            "set compute.backend = \"cpu\"",
        ));
    }
    if place.is_judge {
        Ok(Box::new(pareto_abe::Cpu::with_covariates(cells(observed), known)?))
    } else {
        Ok(Box::new(pareto_abe::Simd::with_covariates(cells(observed), known)?))
    }
}
