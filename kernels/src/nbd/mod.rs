//! NBD: purchases at a personal rate, by customers who never leave (Ehrenberg 1959, "The pattern of consumer purchases"). One customer
//! at a time, in f64: likelihood, gradient, future purchases.
//!
//! These functions are the judge; the sums over many customers in `cpu` and `gpu` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | r, α | purchase rate λ ~ Gamma(r, rate α) | > 0 |
//! | x | repeat purchases | 0, 1, 2, … |
//! | T | time observed since the first purchase | ≥ 0 |
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α − (r+x) ln(α+T) = ln (r)ₓ − r ln(1 + T/α) − x ln(α+T)        (c)ₓ = Γ(c+x)/Γ(c)
//! ```
//!
//! This is the density of the x moments of purchase, as in the models with dropout: no factor is left out, and when the last one was
//! says nothing.

mod cpu;
mod gpu;

pub use cpu::Cpu;
pub use gpu::Gpu;

use crate::special::{digamma_rising, ln_gamma, ln_rising};

/// Parameters per group, in the order r, α.
pub const K: usize = 2;

/// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
pub fn log_lik(params: [f64; K], x: u32, t: f64) -> f64 {
    if !is_possible(&params) {
        return f64::NEG_INFINITY;
    }
    let [r, alpha] = params;
    ln_rising(r, x) - r * (t / alpha).ln_1p() - f64::from(x) * (alpha + t).ln()
}

/// Log-likelihood of one customer and its gradient in r, α; −∞ and zeros when a parameter is not positive and finite.
pub fn log_lik_gradient(params: [f64; K], x: u32, t: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let [r, alpha] = params;
    // r/α − (r+x)/(α+T)
    let by_alpha = (r * t / alpha - f64::from(x)) / (alpha + t);
    (log_lik(params, x, t), [digamma_rising(r, x) - (t / alpha).ln_1p(), by_alpha])
}

/// Expected purchases in (T, T + horizon] of a customer with `x` repeat purchases in the time `t`: λ ~ Gamma(r+x, α+T).
pub fn expected_purchases([r, alpha]: [f64; K], x: u32, t: f64, horizon: f64) -> f64 {
    (r + f64::from(x)) * horizon / (alpha + t)
}

/// P(exactly n purchases in (T, T + horizon]) of a customer with x purchases in T: negative binomial.
pub fn probability_of([r, alpha]: [f64; K], x: u32, t: f64, horizon: f64, n: u32) -> f64 {
    let (size, rate, count) = (r + f64::from(x), alpha + t, f64::from(n));
    if horizon <= 0.0 {
        return f64::from(u8::from(n == 0));
    }
    let some = if n == 0 { 0.0 } else { count * (horizon / (rate + horizon)).ln() - ln_gamma(count + 1.0) };
    (ln_rising(size, n) + some - size * (horizon / rate).ln_1p()).exp()
}

/// Expected purchases after T without end, a purchase at T + y counting e^(−rate · y); infinite at a rate of zero or less.
pub fn discounted_expected_purchases([r, alpha]: [f64; K], x: u32, t: f64, rate: f64) -> f64 {
    if rate > 0.0 { (r + f64::from(x)) / (alpha + t) / rate } else { f64::INFINITY }
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}
