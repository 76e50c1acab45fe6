//! Gamma-Gamma spend: the mean of x repeat transactions around a personal mean (Fader & Hardie 2013, "The Gamma-Gamma model
//! of monetary value"). One customer at a time, in f64: likelihood, gradient, expected spend.
//!
//! These functions are the judge; the sums over many customers in `cpu` and `gpu` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | p | each transaction ~ Gamma(p, rate ν) | > 0 |
//! | q, v | ν ~ Gamma(q, rate v) | > 0 |
//! | x | repeat purchases | 1, 2, … |
//! | m | their mean spend | > 0 |
//!
//! ```text
//! ln L = lnΓ(px+q) − lnΓ(px) − lnΓ(q) + q ln v + (px−1) ln m + px ln x − (px+q) ln(xm+v)
//! ```

mod cpu;
mod gpu;
mod simd;
mod spenders;

pub use cpu::Cpu;
pub use gpu::Gpu;
pub use simd::Simd;
pub(crate) use spenders::GroupTerms;
pub use spenders::Rows;

use crate::special::{digamma, ln_gamma};

/// Parameters per group, in the order p, q, v.
pub const K: usize = 3;

/// Log-likelihood of one customer with x ≥ 1; −∞ when a parameter is not positive and finite.
pub fn log_lik(params: [f64; K], x: u32, m: f64) -> f64 {
    if !is_possible(&params) {
        return f64::NEG_INFINITY;
    }
    let ([p, q, v], x) = (params, f64::from(x));
    ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(q) + q * v.ln() + (p * x - 1.0) * m.ln() + p * x * x.ln()
        - (p * x + q) * (x * m + v).ln()
}

/// Log-likelihood of one customer with x ≥ 1 and its gradient in p, q, v; −∞ and zeros when a parameter is not positive and
/// finite.
pub fn log_lik_gradient(params: [f64; K], x: u32, m: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let value = log_lik(params, x, m);
    let ([p, q, v], x) = (params, f64::from(x));
    let (psi, ln_scale) = (digamma(p * x + q), (x * m + v).ln());
    let gradient = [
        x * (psi - digamma(p * x) + m.ln() + x.ln() - ln_scale),
        psi - digamma(q) + v.ln() - ln_scale,
        q / v - (p * x + q) / (x * m + v),
    ];
    (value, gradient)
}

/// E[mean transaction | x, m] = p (v + x m) / (p x + q − 1): the customer's own mean, shrunk towards everyone's.
///
/// `x = 0` gives the population mean p v/(q − 1). Infinite where p x + q ≤ 1: the posterior of the customer's mean has no
/// expectation there.
pub fn expected_spend([p, q, v]: [f64; K], x: u32, m: f64) -> f64 {
    let x = f64::from(x);
    let shape = p * x + q - 1.0;
    // 0 · m = 0 also for customers without a mean, whatever stands in their m.
    let total = if x > 0.0 { x * m } else { 0.0 };
    if shape > 0.0 { p * (v + total) / shape } else { f64::INFINITY }
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}
