//! MBG/NBD: purchases at a personal rate until a dropout that may follow any purchase, the first one included (Batislam, Denizel
//! & Filiztekin 2007, "Empirical validation and comparison of models for customer base analysis"). One customer at a time, in f64:
//! likelihood, gradient, P(alive), future purchases.
//!
//! These functions are the judge; the sums over many customers in `cpu` and `gpu`, and those shared with BG/NBD, are held against
//! them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | r, α | purchase rate λ ~ Gamma(r, rate α) | > 0 |
//! | a, b | dropout probability p ~ Beta(a, b) | > 0 |
//! | x | repeat purchases | 0, 1, 2, … |
//! | t_x | time of the last of them since the first purchase; 0 when x = 0, whatever is handed in | 0 ≤ t_x ≤ T |
//! | T | time observed since the first purchase | ≥ 0 |
//!
//! ```text
//! ln L = lnΓ(r+x) − lnΓ(r) + r ln α + lnB(a, b+x) − lnB(a, b) − ln(a+b+x) + ln( (b+x)(α+T)⁻ⁿ + a(α+t_x)⁻ⁿ )        n = r + x
//! ```
//!
//! With c = b + x and the chance q = ((α+t_x)/(α+T))ⁿ that a living customer of this history is not seen after t_x, this is
//!
//! ```text
//! ln L = ln (r)ₓ + ln (b)ₓ − ln (a+b)ₓ + r ln α − n ln(α+t_x) + ln( (c q + a)/(c + a) )       (c)ₓ = Γ(c+x)/Γ(c)
//! ```
//!
//! whose last part is ln(1 − c(1−q)/(c+a)): nothing large is subtracted from anything large, and ln L is 0 where T is.

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
use crate::special::{digamma_rising, ln_rising, logistic};

/// Parameters per group, in the order r, α, a, b.
pub const K: usize = 4;

/// The model's name where it shares code with BG/NBD: customers may leave after each purchase.
#[derive(Debug, Clone, Copy)]
pub struct MbgNbd;

impl Law for MbgNbd {
    const NAME: &'static str = "MBG/NBD";
    const AT_START: u32 = 1;
    const STEM: &'static str = "mbg_nbd";
    const WGSL: &'static str = concat!(
        include_str!("../../../shaders/mbg_nbd.wgsl"),
        include_str!("../../../shaders/lib/beta_geometric.wgsl")
    );

    fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
        log_lik(params, x, t_x, t)
    }

    fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
        log_lik_gradient(params, x, t_x, t)
    }
}

/// The MBG/NBD likelihood of weighted cells or single customers, in f64 with the widest registers that the processor has. Its judge
/// is [`Cpu`].
pub type Simd = beta_geometric::Simd<MbgNbd>;

/// ln D − ln A = ln(a/(b+x)) + n ln((α+T)/(α+t_x)): the log odds of having dropped out by T.
pub fn log_odds_dropped([r, alpha, a, b]: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    let (x, t_x) = seen(x, t_x);
    (a / (b + x)).ln() + (r + x) * ((t - t_x) / (alpha + t_x)).ln_1p()
}

/// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
pub fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    if !is_possible(&params) {
        return f64::NEG_INFINITY;
    }
    let [r, alpha, a, b] = params;
    let purchases = ln_rising(r, x) + ln_rising(b, x) - ln_rising(a + b, x);
    let (x, t_x) = seen(x, t_x);
    let (c, n) = (b + x, r + x);
    let gap = ((t - t_x) / (alpha + t_x)).ln_1p();
    let missing = -c * (-n * gap).exp_m1() / (c + a);
    let silence = if missing < 0.5 { (-missing).ln_1p() } else { ((c * (-n * gap).exp() + a) / (c + a)).ln() };
    // r ln α − n ln(α+t_x)
    purchases - r * (t_x / alpha).ln_1p() - x * (alpha + t_x).ln() + silence
}

/// Log-likelihood of one customer and its gradient in r, α, a, b; −∞ and zeros when a parameter is not positive and finite.
pub fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let [r, alpha, a, b] = params;
    let alive = p_alive(params, x, t_x, t);
    let (psi_r, psi_b, psi_ab) = (digamma_rising(r, x), digamma_rising(b, x), digamma_rising(a + b, x));
    let value = log_lik(params, x, t_x, t);
    let (x, t_x) = seen(x, t_x);
    let (c, n) = (b + x, r + x);
    let gap = (t - t_x) / (alpha + t_x);
    // (1 − q) / ((c + a)(c q + a))
    let silence = -(-n * gap.ln_1p()).exp_m1() / (c + a) / (c * (-n * gap.ln_1p()).exp() + a);
    let gradient = [
        psi_r - (t_x / alpha).ln_1p() - alive * gap.ln_1p(),
        // r/α − n/(α+t_x), and what the silence since t_x adds
        (r * t_x / alpha - x) / (alpha + t_x) + alive * n * gap / (alpha + t),
        -psi_ab + c * silence,
        psi_b - psi_ab - a * silence,
    ];
    (value, gradient)
}

/// P(alive at T): the probability that the customer has not dropped out.
pub fn p_alive(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    logistic(-log_odds_dropped(params, x, t_x, t))
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}

/// x as a number, and t_x, which is the first purchase's time where there was no other.
fn seen(x: u32, t_x: f64) -> (f64, f64) {
    (f64::from(x), if x == 0 { 0.0 } else { t_x })
}
