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

use super::{Dropout, Effect, Family, Guess, Moved, Parameter, Role, Unit};

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
            Guess::new(1.0, Unit::One, 0.7),
            "how much customers differ in how often they buy: sd of the logarithm",
        ),
        Parameter::positive(
            "sd_death",
            Guess::new(1.0, Unit::One, 0.7),
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
    effects: &[
        Effect { name: "purchase_coefficient", on: Moved::Purchase, parameter: 0 },
        Effect { name: "dropout_coefficient", on: Moved::Dropout, parameter: 1 },
    ],
    to_natural: |_, values, natural| natural.copy_from_slice(values),
    pull_back: |_, _, _, d_natural, d_values| d_values.copy_from_slice(d_natural),
};
