//! BG/NBD: purchases at a personal rate until a dropout that may follow any repeat purchase (Fader, Hardie & Lee 2005,
//! "Counting your customers" the easy way). One customer at a time, in f64: likelihood, gradient, P(alive), future purchases.
//!
//! These functions are the judge; the sums over many customers in `cpu` and `gpu` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | r, α | purchase rate λ ~ Gamma(r, rate α) | > 0 |
//! | a, b | dropout probability p ~ Beta(a, b) | > 0 |
//! | x | repeat purchases | 0, 1, 2, … |
//! | t_x | time of the last of them since the first purchase (not used when x = 0) | 0 ≤ t_x ≤ T |
//! | T | time observed since the first purchase | ≥ 0 |
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α + lnB(a, b+x) − lnB(a, b) + ln(A + D)
//! ln A = −(r+x) ln(α+T)                                   still active at T
//! ln D = ln a − ln(b+x−1) − (r+x) ln(α+t_x),   x > 0      dropped out at t_x
//! ```

mod cpu;
mod future;
mod gpu;

pub use crate::beta_geometric::Expectation;
pub use cpu::Cpu;
pub use future::{
    discounted_expected_purchases, expectation, expected_purchases, expected_purchases_new, probability_of,
};
pub use gpu::Gpu;

use crate::beta_geometric::{self, Law};
use crate::special::{digamma_rising, ln_rising, logistic, softplus};

/// Parameters per group, in the order r, α, a, b.
pub const K: usize = 4;

/// The model's name where it shares code with MBG/NBD: customers may leave after each repeat purchase.
#[derive(Debug, Clone, Copy)]
pub struct BgNbd;

impl Law for BgNbd {
    const NAME: &'static str = "BG/NBD";
    const AT_START: u32 = 0;
    const STEM: &'static str = "bg_nbd";
    const WGSL: &'static str =
        concat!(include_str!("../../../shaders/bg_nbd.wgsl"), include_str!("../../../shaders/lib/beta_geometric.wgsl"));

    fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
        log_lik(params, x, t_x, t)
    }

    fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
        log_lik_gradient(params, x, t_x, t)
    }
}

/// The BG/NBD likelihood of weighted cells or single customers, in f64 with the widest registers that the processor has. Its judge
/// is [`Cpu`].
pub type Simd = beta_geometric::Simd<BgNbd>;

/// ln D − ln A: the log odds of having dropped out by T; −∞ when x = 0.
pub fn log_odds_dropped([r, alpha, a, b]: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    if x == 0 {
        return f64::NEG_INFINITY;
    }
    let x = f64::from(x);
    (a / (b + (x - 1.0))).ln() + (r + x) * ((t - t_x) / (alpha + t_x)).ln_1p()
}

/// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
pub fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    if !is_possible(&params) {
        return f64::NEG_INFINITY;
    }
    let [r, alpha, a, b] = params;
    let ln_a = -(r + f64::from(x)) * (alpha + t).ln();
    ln_rising(r, x) + r * alpha.ln() + ln_rising(b, x) - ln_rising(a + b, x)
        + ln_a
        + softplus(log_odds_dropped(params, x, t_x, t))
}

/// Log-likelihood of one customer and its gradient in r, α, a, b; −∞ and zeros when a parameter is not positive and finite.
pub fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let [r, alpha, a, b] = params;
    // Not 1 − P(alive), which is 0 where a is tiny and dropped/a is not.
    let dropped = logistic(log_odds_dropped(params, x, t_x, t));
    let n = r + f64::from(x);
    let psi_ab = digamma_rising(a + b, x);
    let mut gradient = [
        digamma_rising(r, x) + alpha.ln() - (alpha + t).ln(),
        r / alpha - n / (alpha + t),
        -psi_ab,
        digamma_rising(b, x) - psi_ab,
    ];
    if x > 0 {
        let gap = (t - t_x) / (alpha + t_x);
        gradient[0] += dropped * gap.ln_1p();
        gradient[1] -= dropped * n * gap / (alpha + t);
        gradient[2] += dropped / a;
        gradient[3] -= dropped / (b + (f64::from(x) - 1.0));
    }
    (log_lik(params, x, t_x, t), gradient)
}

/// P(alive at T): the probability that the customer has not dropped out. One when x = 0.
pub fn p_alive(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    logistic(-log_odds_dropped(params, x, t_x, t))
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}
