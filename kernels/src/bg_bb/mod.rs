//! BG/BB: a purchase or none at each of a row of opportunities, until a dropout that may precede any of them (Fader, Hardie &
//! Shang 2010, "Customer-base analysis in a discrete-time noncontractual setting"). One customer at a time, in f64:
//! likelihood, gradient, P(alive), future purchases.
//!
//! These functions are the judge; the sums over many customers in `cpu` and `gpu` are held against them. What an opportunity
//! is, a day, a month or an annual appeal, they do not know.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | α, β | probability p of a purchase at an opportunity ~ Beta(α, β) | > 0 |
//! | γ, δ | probability θ of dropping out before an opportunity ~ Beta(γ, δ) | > 0 |
//! | x | purchases | 0, 1, … t_x |
//! | t_x | opportunity of the last of them, 0 when x = 0 | x ≤ t_x ≤ n |
//! | n | opportunities observed | 0, 1, 2, … |
//!
//! ```text
//! L = B(α+x, β+n−x)/B(α,β) B(γ, δ+n)/B(γ,δ) + Σ_{i<n−t_x} B(α+x, β+t_x−x+i)/B(α,β) B(γ+1, δ+t_x+i)/B(γ,δ)
//!   = C R
//! ln C = Σ_{j<x} ln (α+j)/(α+β+j) + Σ_{j<t_x−x} ln (β+j)/(α+β+x+j) + Σ_{j<t_x} ln (δ+j)/(γ+δ+j)      until t_x
//! R    = P(no purchase at the n − t_x opportunities after t_x | what was seen until t_x)                see `silence`
//! ```
//!
//! All terms of ln C have one sign, and the sum over i is a recurrence of positive terms within [0, 1]: nothing cancels and
//! nothing overflows, whatever n.

mod cpu;
mod future;
mod gpu;
mod group_terms;
mod histories;
mod silence;

pub use cpu::Cpu;
pub use future::{
    discounted_expected_purchases, expected_purchases, expected_purchases_new, p_alive_next, probability_of,
};
pub use gpu::Gpu;
pub(crate) use group_terms::GroupTerms;
pub use histories::{MOST_OPPORTUNITIES, Rows};
pub(crate) use silence::Silence;

/// Parameters per group, in the order α, β, γ, δ.
pub const K: usize = 4;

/// Log-likelihood of one customer; −∞ when a parameter is not positive and finite, or no customer can have such a history.
///
/// This is the probability of one sequence of purchases; the C(t_x−1, x−1) sequences with the same (x, t_x) have the same.
pub fn log_lik(params: [f64; K], x: u32, t_x: u32, n: u32) -> f64 {
    log_lik_gradient(params, x, t_x, n).0
}

/// Log-likelihood of one customer and its gradient in α, β, γ, δ; −∞ and zeros when a parameter is not positive and finite,
/// or no customer can have such a history.
pub fn log_lik_gradient(params: [f64; K], x: u32, t_x: u32, n: u32) -> (f64, [f64; K]) {
    if !is_possible(&params) || !is_history(x, t_x, n) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let (ln_c, by_c) = until_last_purchase(params, x, t_x);
    let silence = Silence::new(params, x, t_x, n);
    (ln_c + silence.ln_quiet, std::array::from_fn(|k| by_c[k] + silence.slopes[k]))
}

/// P(alive at n): the probability that the customer had not dropped out before opportunity n. One when t_x = n.
///
/// Whether the customer lives to see opportunity n + 1, [`p_alive_next`] says.
pub fn p_alive(params: [f64; K], x: u32, t_x: u32, n: u32) -> f64 {
    Silence::new(params, x, t_x, n).alive
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}

/// Whether a customer can have such a history: x ≤ t_x ≤ n, and x = 0 exactly where t_x = 0.
pub fn is_history(x: u32, t_x: u32, n: u32) -> bool {
    x <= t_x && t_x <= n && (x == 0) == (t_x == 0)
}

/// ln C and its gradient.
fn until_last_purchase([alpha, beta, gamma, delta]: [f64; K], x: u32, t_x: u32) -> (f64, [f64; K]) {
    let purchases = LnBetaRatio::new(alpha, beta, x);
    let misses = LnBetaRatio::new(beta, alpha + f64::from(x), t_x - x);
    let survivals = LnBetaRatio::new(delta, gamma, t_x);
    let gradient =
        [purchases.by_own + misses.by_other, purchases.by_other + misses.by_own, survivals.by_other, survivals.by_own];
    (purchases.value + misses.value + survivals.value, gradient)
}

/// ln B(a+k, b)/B(a, b) = Σ_{j<k} ln (a+j)/(a+b+j), and its slopes in a and b.
struct LnBetaRatio {
    value: f64,
    by_own: f64,
    by_other: f64,
}

impl LnBetaRatio {
    fn new(a: f64, b: f64, k: u32) -> Self {
        let (mut value, mut by_own, mut by_other) = (0.0, 0.0, 0.0);
        for j in 0..k {
            let own = a + f64::from(j);
            let per = 1.0 / (own + b);
            value -= (b / own).ln_1p();
            by_own += b / own * per;
            by_other -= per;
        }
        Self { value, by_own, by_other }
    }
}
