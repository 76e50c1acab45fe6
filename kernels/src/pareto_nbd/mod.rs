//! Pareto/NBD: purchases at a personal rate until a death at a personal rate, which nobody sees (Schmittlein, Morrison & Colombo
//! 1987, "Counting your customers: who are they and what will they do next?"). One customer at a time, in f64: likelihood,
//! gradient, P(alive), future purchases. No hypergeometric function anywhere.
//!
//! These functions are the judge; the sums over many customers in `cpu`, `gpu` and `simd` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | r, α | purchase rate λ ~ Gamma(r, rate α) | > 0 |
//! | s, β | death rate μ ~ Gamma(s, rate β) | > 0 |
//! | x | repeat purchases | 0, 1, 2, … |
//! | t_x | time of the last of them since the first purchase (not used when x = 0, which counts as 0) | 0 ≤ t_x ≤ T |
//! | T | time observed since the first purchase | ≥ 0 |
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α + s ln β + ln(A + D)
//! A = (α+T)^−(r+x) (β+T)^−s                               still alive at T
//! D = s ∫ (α+τ)^−(r+x) (β+τ)^−(s+1) dτ over (t_x, T)      died at τ
//! ```
//!
//! The integral is a sum over nodes (`quadrature`), and slopes are those of the integrand at these nodes, held where they are.

mod covariates;
mod cpu;
mod future;
mod gpu;
mod quadrature;
mod simd;

pub use cpu::Cpu;
pub use future::{
    discounted_expected_purchases, expected_purchases, expected_purchases_alive, expected_purchases_new,
    probability_of, residual_lifetime,
};
pub use gpu::Gpu;
pub use simd::Simd;

use crate::special::{digamma_rising, ln_rising, logistic, softplus};
use quadrature::{FALL, LogMeans, Span};

/// Parameters per group, in the order r, α, s, β.
pub const K: usize = 4;

/// The model's name where likelihoods are written for several families: [`covariates`](crate::covariates).
#[derive(Debug, Clone, Copy)]
pub struct ParetoNbd;

/// What is known of a death between t_x and T. Means are over τ, given that the customer died.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Death {
    /// ln D − ln A: the log odds of having died by T; −∞ when t_x = T.
    log_odds: f64,
    /// E ln((α+T)/(α+τ)) and E (T−τ)/(α+τ).
    log_alpha: f64,
    gap_alpha: f64,
    /// E ln((β+T)/(β+τ)) and E (T−τ)/(β+τ).
    log_beta: f64,
    gap_beta: f64,
}

impl Death {
    const NEVER: Self =
        Self { log_odds: f64::NEG_INFINITY, log_alpha: 0.0, gap_alpha: 0.0, log_beta: 0.0, gap_beta: 0.0 };

    /// D/A = s/(β+T) ∫ ((α+T)/(α+τ))^n ((β+T)/(β+τ))^(s+1) (c+τ) du.
    fn between(params: [f64; K], x: f64, t_x: f64, t: f64) -> Self {
        let [r, alpha, s, beta] = params;
        let t_x = if x > 0.0 { t_x } else { 0.0 };
        let gap = t - t_x;
        if gap <= 0.0 {
            return Self::NEVER;
        }
        let n = r + x;
        let span = Span::new(params, x, t_x, gap, FALL);
        let mut means = LogMeans::EMPTY;
        for (u, ln_weight) in span.nodes() {
            let delay = span.delay(u);
            let left = gap - delay;
            let (gap_alpha, gap_beta) = (left / (alpha + t_x + delay), left / (beta + t_x + delay));
            let (log_alpha, log_beta) = (gap_alpha.ln_1p(), gap_beta.ln_1p());
            let l = u + ln_weight + n * log_alpha + (s + 1.0) * log_beta;
            means.add(l, [log_alpha, gap_alpha, log_beta, gap_beta]);
        }
        let (log_sum, [log_alpha, gap_alpha, log_beta, gap_beta]) = means.finish();
        let log_odds = log_sum + span.half.ln() + span.early.ln() + s.ln() - (beta + t).ln();
        Self { log_odds, log_alpha, gap_alpha, log_beta, gap_beta }
    }
}

/// ln D − ln A: the log odds of having died by T; −∞ when the last purchase was at T.
pub fn log_odds_dead(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    Death::between(params, f64::from(x), t_x, t).log_odds
}

/// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
pub fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    log_lik_gradient(params, x, t_x, t).0
}

/// Log-likelihood of one customer and its gradient in r, α, s, β; −∞ and zeros when a parameter is not positive and finite.
pub fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let [r, alpha, s, beta] = params;
    let count = f64::from(x);
    let death = Death::between(params, count, t_x, t);
    let dead = logistic(death.log_odds);
    let (grown_alpha, grown_beta) = ((t / alpha).ln_1p(), (t / beta).ln_1p());
    let value =
        ln_rising(r, x) - r * grown_alpha - count * (alpha + t).ln() - s * grown_beta + softplus(death.log_odds);
    // Not 1 − P(alive), which is 0 where s is tiny and dead/s is not.
    let dead_per_s = dead / s;
    let gradient = [
        digamma_rising(r, x) - grown_alpha + dead * death.log_alpha,
        (r * (t / alpha) - count - dead * (r + count) * death.gap_alpha) / (alpha + t),
        dead_per_s + dead * death.log_beta - grown_beta,
        (s * (t / beta) - dead * ((s + 1.0) * death.gap_beta + 1.0)) / (beta + t),
    ];
    (value, gradient)
}

/// P(alive at T): the probability that the customer has not died. One when the last purchase was at T.
pub fn p_alive(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    logistic(-log_odds_dead(params, x, t_x, t))
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}
