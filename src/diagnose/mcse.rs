//! Monte Carlo standard errors: how far a figure would move if the sampling were repeated.
//!
//! Mean: sd / √ESS. Standard deviation: delta method on the variance of squared distances, as ArviZ and posterior. Quantile: half the
//! distance between the draws at the 15.9 % and 84.1 % points of Beta(ESS p + 1, ESS (1 − p) + 1) (Vehtari et al. 2021).

use ndarray::ArrayView2;
use statrs::function::beta::inv_beta_reg;

use super::chains::sd_all;
use super::ess::{ess_mean, ess_quantile, ess_sd, squared_distances};

/// Standard error of the mean of draws `[chain, draw]`. NaN wherever the effective sample size is.
pub fn mcse_mean(draws: ArrayView2<'_, f64>) -> f64 {
    sd_all(draws) / ess_mean(draws).sqrt()
}

/// Standard error of the standard deviation.
pub fn mcse_sd(draws: ArrayView2<'_, f64>) -> f64 {
    let (squares, f) = squared_distances(draws);
    of_sd(squares.view(), ess_sd(draws)) / f
}

/// The same from the squared distances and their effective sample size, in the unit of those.
pub(super) fn of_sd(squares: ArrayView2<'_, f64>, ess: f64) -> f64 {
    let n = squares.len() as f64;
    let variance = squares.sum() / n;
    let fourth = squares.iter().map(|s| s * s).sum::<f64>() / n;
    let variance_of_variance = (fourth - variance * variance) / ess;
    (variance_of_variance / variance / 4.0).sqrt()
}

/// Standard error of the `prob` quantile (0 < prob < 1), in the draws' own unit.
pub fn mcse_quantile(draws: ArrayView2<'_, f64>, prob: f64) -> f64 {
    if !(0.0..=1.0).contains(&prob) {
        return f64::NAN;
    }
    let mut sorted: Vec<f64> = draws.iter().copied().collect();
    sorted.sort_unstable_by(f64::total_cmp);
    of_quantile(&sorted, prob, ess_quantile(draws, prob))
}

/// The same from the draws in ascending order and the quantile's effective sample size.
pub(super) fn of_quantile(sorted: &[f64], prob: f64, ess: f64) -> f64 {
    if !ess.is_finite() || sorted.is_empty() {
        return f64::NAN;
    }
    let last = sorted.len() - 1;
    // Φ(∓1), with the digits that ArviZ uses; places count from 0.
    let place =
        |share: f64| inv_beta_reg(ess * prob + 1.0, ess * (1.0 - prob) + 1.0, share) * sorted.len() as f64 - 1.0;
    let low = sorted[place(0.158_655_3).max(0.0).floor() as usize];
    let high = sorted[(place(0.841_344_7).ceil().max(0.0) as usize).min(last)];
    (high - low) / 2.0
}
