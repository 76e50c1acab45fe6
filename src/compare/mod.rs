//! Which of several models of the same customers predicts them best: leave-one-out by Pareto-smoothed importance sampling, differences with
//! their errors, and stacking weights. Log-likelihoods in, figures out; nothing here knows what a model is or where draws are kept.
//!
//! Vehtari, Gelman & Gabry (2017), "Practical Bayesian model evaluation using leave-one-out cross-validation and WAIC", Statistics and
//! Computing 27. A model's elpd is the sum over customers of ln p(customer | all the others).

mod leave_out;
mod stacking;

use serde::{Deserialize, Serialize};

pub use leave_out::{LeftOut, leave_out};
pub use stacking::stacking_weights;

/// Leave-one-out of one model.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Loo {
    /// Expected log predictive density, summed over customers; larger is better.
    pub elpd: f64,
    /// Its standard error.
    pub elpd_se: f64,
    /// Effective number of parameters: the log predictive density with each customer less that without.
    pub p_loo: f64,
    /// Largest Pareto k; null where it is infinite.
    pub k_max: Option<f64>,
    /// Customers whose k is above the limit: their terms cannot be trusted.
    pub k_above: u64,
}

/// Sums up the customers of one model; `limit` is [`crate::importance::k_limit`] of its draws.
pub fn loo(customers: &[LeftOut], limit: f64) -> Loo {
    let (elpd, elpd_se) = sum_with_error(customers.iter().map(|c| c.elpd));
    let k_max = customers.iter().map(|c| c.k).fold(f64::NEG_INFINITY, f64::max);
    Loo {
        elpd,
        elpd_se,
        p_loo: customers.iter().map(|c| c.lpd - c.elpd).sum(),
        k_max: k_max.is_finite().then_some(k_max),
        k_above: customers.iter().filter(|c| c.k.is_nan() || c.k > limit).count() as u64,
    }
}

/// elpd of `model` less that of `best`, with the standard error of the difference over their customers.
pub fn difference(model: &[LeftOut], best: &[LeftOut]) -> (f64, f64) {
    sum_with_error(model.iter().zip(best).map(|(a, b)| a.elpd - b.elpd))
}

/// A sum of n terms and its standard error, √(n · variance).
fn sum_with_error(terms: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let (mut n, mut sum) = (0.0, 0.0);
    terms.clone().for_each(|t| (n, sum) = (n + 1.0, sum + t));
    let mean = sum / n;
    let squares: f64 = terms.map(|t| (t - mean) * (t - mean)).sum();
    (sum, (n * squares / (n - 1.0).max(1.0)).sqrt())
}
