//! Shifted beta-geometric: retention, survival and the lifetime that remains, given the parameters (Fader & Hardie 2010,
//! "Customer-base valuation in a contractual setting: the perils of ignoring heterogeneity"). Not what a period is worth.
//!
//! Who has survived T periods has θ ~ Beta(α, β+T), so that everything after T is that of a new customer with β + T in β's place.

use super::{K, log_lik};
use crate::beta_mean::beta_mean;

/// Share of the customers active before the end of `period`, from 1, who are retained beyond it: (β+t−1)/(α+β+t−1).
pub fn retention([alpha, beta]: [f64; K], period: u32) -> f64 {
    1.0 / (1.0 + alpha / (beta + (f64::from(period) - 1.0)))
}

/// P(active after `periods` periods) of a new customer.
pub fn survival(params: [f64; K], periods: u32) -> f64 {
    log_lik(params, periods, false).exp()
}

/// Expected number of the next `horizon` periods' ends at which a customer who has survived `survived` is retained:
/// Σ_{k≤h} S(T+k)/S(T).
pub fn expected_periods(params: [f64; K], survived: u32, horizon: u32) -> f64 {
    let later = seasoned(params, survived);
    let (mut stays, mut expected) = (1.0, 0.0);
    for period in 1..=horizon {
        stays *= retention(later, period);
        expected += stays;
    }
    expected
}

/// P(retained exactly `n` more times in the next `horizon` periods) of a customer who has survived `survived`.
pub fn probability_of(params: [f64; K], survived: u32, horizon: u32, n: u32) -> f64 {
    if n > horizon {
        return 0.0;
    }
    let later = seasoned(params, survived);
    if n == horizon { survival(later, n) } else { log_lik(later, n + 1, true).exp() }
}

/// Discounted expected residual lifetime, in periods: of a customer who has survived `survived` periods and is about to decide on
/// the next, each period to come counted as 1/(1+rate)^(k−1), the first as 1. Infinite where rate = 0 and α ≤ 1, or the rate is negative.
///
/// ```text
/// Σ_{k≥1} S(T+k)/S(T) (1+d)^(1−k) = (β+T)/(α+β+T) · ₂F₁(1, β+T+1; α+β+T+1; 1/(1+d)) = E[ (1+d)(1−θ)/(d+θ) ],   θ ~ Beta(α, β+T)
/// ```
///
/// The expectation is a trapezoid rule in logit θ, as quick for small rates as for large ones, where the series of ₂F₁ is not.
pub fn discounted_residual_lifetime(params: [f64; K], survived: u32, rate: f64) -> f64 {
    let [alpha, beta] = seasoned(params, survived);
    if rate <= 0.0 {
        return if rate == 0.0 && alpha > 1.0 { beta / (alpha - 1.0) } else { f64::INFINITY };
    }
    // For smaller θ the fraction is (1+d)/d.
    let flat = -(1.0 / rate + beta + 1.0).ln() - 36.0;
    beta_mean(alpha, beta, flat, |theta| (1.0 + rate) * (1.0 - theta) / (rate + theta))
}

/// The parameters of who has survived so many periods.
fn seasoned([alpha, beta]: [f64; K], survived: u32) -> [f64; K] {
    [alpha, beta + f64::from(survived)]
}
