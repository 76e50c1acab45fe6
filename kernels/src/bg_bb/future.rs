//! BG/BB: what a customer will do at the next opportunities, given the parameters. Probabilities and means only; predictive
//! draws belong to whoever simulates.
//!
//! Given that the customer is alive at n, p ~ Beta(a, b) and θ ~ Beta(γ, d) independently, a = α+x, b = β+n−x, d = δ+n. With
//! e = a+b, g = γ+d, the probabilities of living to see the j-th opportunity from now, and of k purchases at i of them,
//!
//! ```text
//! s_j    = E[(1−θ)ʲ]              = Π_{i<j} (d+i)/(g+i)
//! c_i(k) = E[C(i,k) pᵏ (1−p)ⁱ⁻ᵏ]    c_k(k) = Π_{j<k} (a+j)/(e+j),   c_{i+1}/c_i = (i+1)/(i+1−k) · (b+i−k)/(e+i)
//! ```
//!
//! The closed forms of the paper have γ − 1 in a denominator and a ₂F₁; here the first are sums of positive terms, and the second
//! a mean over θ.

use super::{K, p_alive};
use crate::beta_mean::beta_mean;

/// Expected purchases at the next `horizon` opportunities of a customer with history (x, t_x, n).
///
/// `P(alive) E[p] Σ_{j≤h} s_j`; takes a step for each opportunity.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: u32, n: u32, horizon: u32) -> f64 {
    let Alive { d, g, .. } = Alive::new(params, x, n);
    let (mut lives, mut sum) = (1.0, 0.0);
    for j in (0..horizon).map(f64::from) {
        lives *= (d + j) / (g + j);
        sum += lives;
    }
    p_alive(params, x, t_x, n) * share(params, x, n) * sum
}

/// Expected purchases of a new customer, of whom nothing has been seen yet, at the first `horizon` opportunities.
pub fn expected_purchases_new(params: [f64; K], horizon: u32) -> f64 {
    expected_purchases(params, 0, 0, 0, horizon)
}

/// Probability of exactly `purchases` purchases at the next `horizon` opportunities of a customer with history (x, t_x, n).
///
/// P(alive) ( Σ_{k≤i<h} c_i(k) s_i γ/(g+i) + c_h(k) s_h ), and for k = 0 also 1 − P(alive). Takes a step for each opportunity.
pub fn probability_of(params: [f64; K], x: u32, t_x: u32, n: u32, horizon: u32, purchases: u32) -> f64 {
    if purchases > horizon {
        return 0.0;
    }
    let alive = p_alive(params, x, t_x, n);
    let gone = if purchases == 0 { 1.0 - alive } else { 0.0 };
    gone + alive * Alive::new(params, x, n).probability_of(horizon, purchases)
}

/// Expected purchases at all opportunities to come, the j-th from now divided by (1 + rate)ʲ, of a customer with history
/// (x, t_x, n): the paper's DERT, discounted expected residual transactions. `rate` is per opportunity.
///
/// Infinite for a negative rate, and at rate 0 when γ ≤ 1.
pub fn discounted_expected_purchases(params: [f64; K], x: u32, t_x: u32, n: u32, rate: f64) -> f64 {
    p_alive(params, x, t_x, n) * share(params, x, n) * Alive::new(params, x, n).discounted_life(rate)
}

/// P(alive in the next period): the probability that the customer lives to see opportunity n + 1, P(alive) s₁.
pub fn p_alive_next(params: [f64; K], x: u32, t_x: u32, n: u32) -> f64 {
    let Alive { d, g, .. } = Alive::new(params, x, n);
    p_alive(params, x, t_x, n) * (d / g)
}

/// E[p] of a customer with x purchases at n opportunities lived through.
fn share([alpha, beta, ..]: [f64; K], x: u32, n: u32) -> f64 {
    (alpha + f64::from(x)) / (alpha + beta + f64::from(n))
}

/// What is known of a customer who is alive.
struct Alive {
    a: f64,
    b: f64,
    gamma: f64,
    d: f64,
    g: f64,
}

/// Sums are brought down by [`STEP_DOWN`] when they exceed its inverse: probabilities of few purchases at many opportunities
/// grow by thousands of binary orders on the way.
const STEP_DOWN: f64 = f64::from_bits((1023 - 512) << 52);

impl Alive {
    fn new([alpha, beta, gamma, delta]: [f64; K], x: u32, n: u32) -> Self {
        let d = delta + f64::from(n);
        Self { a: alpha + f64::from(x), b: beta + (f64::from(n) - f64::from(x)), gamma, d, g: gamma + d }
    }

    /// Σ_{k≤i<h} c_i s_i γ/(g+i) + c_h s_h, relative to c_k s_k, whose logarithm is added at the end.
    fn probability_of(&self, horizon: u32, purchases: u32) -> f64 {
        let Self { a, b, gamma, d, g } = *self;
        let k = f64::from(purchases);
        let first = |j: f64| -(b / (a + j)).ln_1p() - (gamma / (d + j)).ln_1p();
        let mut ln_scale: f64 = (0..purchases).map(|j| first(f64::from(j))).sum();
        let (mut term, mut sum) = (1.0, 0.0);
        for i in (purchases..horizon).map(f64::from) {
            sum += term * gamma / (g + i);
            term *= (i + 1.0) / (i + 1.0 - k) * ((b + i - k) / (a + b + i)) * ((d + i) / (g + i));
            if term > 1.0 / STEP_DOWN {
                term *= STEP_DOWN;
                sum *= STEP_DOWN;
                ln_scale -= STEP_DOWN.ln();
            }
        }
        ((sum + term).ln() + ln_scale).exp()
    }

    /// Σ_{j≥1} s_j (1+rate)⁻ʲ = E[ (1−θ)/(rate+θ) ], θ ~ Beta(γ, d): who leaves with the chance θ lives through j opportunities with
    /// (1−θ)ʲ.
    fn discounted_life(&self, rate: f64) -> f64 {
        let Self { gamma, d, .. } = *self;
        if rate.is_nan() {
            return f64::NAN;
        } else if rate <= 0.0 {
            return if rate == 0.0 && gamma > 1.0 { d / (gamma - 1.0) } else { f64::INFINITY };
        }
        // For smaller θ the fraction is 1/rate.
        let flat = -(1.0 / rate + d + 1.0).ln() - 36.0;
        beta_mean(gamma, d, flat, |theta| (1.0 - theta) / (rate + theta))
    }
}
