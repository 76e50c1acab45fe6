//! MBG/NBD: purchases after T, given the parameters: expected, in present value, and the probability of a count. Draws belong to
//! whoever simulates.
//!
//! Who is alive at T has stayed through x + 1 purchases: λ ~ Gamma(r+x, α+T) and p ~ Beta(a, b+x+1); the rest is [`Expectation`]'s.

use super::{K, log_odds_dropped, p_alive};
use crate::beta_geometric::Expectation;
use crate::special::logistic;

/// The future of a customer with `x` repeat purchases in the time `t` observed who is alive at its end.
pub fn expectation([r, alpha, a, b]: [f64; K], x: u32, t: f64) -> Expectation {
    let x = f64::from(x);
    Expectation::of_law(r + x, alpha + t, a, b + x + 1.0)
}

/// Expected purchases in (T, T + horizon] of a customer with history (x, t_x, T). Zero for a horizon of zero or less.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64) -> f64 {
    let mut expected = [0.0];
    expectation(params, x, t).of_alive(&[horizon], &mut expected);
    p_alive(params, x, t_x, t) * expected[0]
}

/// Expected repeat purchases of a new customer, who may already leave after the first purchase, in the time `horizon` after it.
pub fn expected_purchases_new(params: [f64; K], horizon: f64) -> f64 {
    expected_purchases(params, 0, 0.0, 0.0, horizon)
}

/// P(exactly `n` purchases in (T, T + horizon]) of a customer with history (x, t_x, T).
pub fn probability_of(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64, n: u32) -> f64 {
    let alive = p_alive(params, x, t_x, t) * expectation(params, x, t).probability_of(horizon, n);
    if n == 0 { logistic(log_odds_dropped(params, x, t_x, t)) + alive } else { alive }
}

/// Expected purchases after T without end, each worth e^(−rate·(time since T)): a yearly interest of 10 % on a clock of weeks is
/// rate = ln 1.1 / 52.18. Infinite where rate = 0 and a ≤ 1.
pub fn discounted_expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, rate: f64) -> f64 {
    p_alive(params, x, t_x, t) * expectation(params, x, t).discounted(rate)
}
