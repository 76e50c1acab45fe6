//! How many purchases a living customer makes, and what they are worth today. Not their mean over a horizon, which is
//! `expectation`'s, nor the chance of being alive, which is the model's.
//!
//! With λ ~ Gamma(n, rate ρ) and p ~ Beta(a, b), independent given that the customer is alive, h̃ = h/ρ, and N ~ NegBin(n, z),
//! z = h̃/(1+h̃), the purchases of somebody who never leaves: m ≥ 1 purchases are made by who stays through m − 1 of them, and either
//! has no occasion for more or leaves after the m-th,
//!
//! ```text
//! P(X = m) = Π_{i<m−1} (b+i)/(a+b+i) · [ P(N = m) + P(N > m) a/(a+b+m−1) ],        P(X = 0) = P(N = 0) = (1+h̃)⁻ⁿ
//! P(N > m) = I_z(m+1, n)
//! ```
//!
//! A purchase at time u comes at the rate λ e^(−λ p u), so that with continuous discounting at δ
//!
//! ```text
//! ∫₀^∞ e^(−δu) λ e^(−λpu) du = λ/(λp+δ),     E = (n/ρ) E[ 1/(λ'p+δ) ],     λ' ~ Gamma(n+1, rate ρ)
//! ```
//!
//! by trapezoid rules in ln λ' and logit p: a product of two sets of weights, and one division for each pair.

use super::Expectation;
use crate::beta_mean::beta_mean;
use crate::special::{ln_rising, regularised_beta};

impl Expectation {
    /// P(exactly `count` purchases in (T, T + horizon] | alive at T).
    pub fn probability_of(&self, horizon: f64, count: u32) -> f64 {
        let Self { shape, rate, a, b } = *self;
        let h = horizon.max(0.0) / rate;
        if count == 0 {
            return (-shape * h.ln_1p()).exp();
        }
        if h == 0.0 {
            return 0.0;
        }
        let m = f64::from(count);
        let ln_as_many = ln_rising(shape, count) - ln_rising(1.0, count) - m * (1.0 / h).ln_1p() - shape * h.ln_1p();
        let more = regularised_beta(m + 1.0, shape, h);
        let ln_stayed = ln_rising(b, count - 1) - ln_rising(a + b, count - 1);
        ln_stayed.exp() * (ln_as_many.exp() + more * a / (a + b + (m - 1.0)))
    }

    /// Expected purchases after T without end, each worth e^(−rate·(time since T)), given that the customer is alive at T. Infinite
    /// where the rate is 0 and a ≤ 1, or where it is negative.
    pub fn discounted(&self, rate: f64) -> f64 {
        let Self { shape, rate: scale, a, b } = *self;
        if rate <= 0.0 {
            // λ/(λp) = 1/p
            return if rate == 0.0 && a > 1.0 { (a + b - 1.0) / (a - 1.0) } else { f64::INFINITY };
        }
        let delta = rate * scale;
        let nodes = gamma_nodes(shape + 1.0);
        // For smaller p, λ'p is nothing beside δ at every node.
        let flat = -((shape + 50.0) / delta + b + 1.0).ln() - 36.0;
        let worth = |p: f64| nodes.iter().map(|(lambda, weight)| weight / (lambda * p + delta)).sum::<f64>();
        shape * beta_mean(a, b, flat, worth)
    }
}

/// Nodes and weights (of sum one) of the trapezoid rule in ln λ for λ ~ Gamma(shape, 1), shape ≥ 1.
///
/// With a function that is smooth where |Im ln λ| < π/2 the error is at most about (cos v)^(−shape) e^(−2πv/step) for any v below
/// π/2: some 1e-14 for the step of ⅕, or half a standard deviation where that is smaller.
fn gamma_nodes(shape: f64) -> Vec<(f64, f64)> {
    let step = 0.2f64.min(0.5 / shape.sqrt());
    // Less its largest value, at λ = shape.
    let log_weight = |v: f64| shape * (v - v.exp_m1());
    let side = |direction: f64| {
        let from = u32::from(direction > 0.0);
        let nodes = (from..).map(move |i| direction * step * f64::from(i));
        nodes.map(move |v| (shape * v.exp(), log_weight(v).exp())).take_while(|(_, weight)| *weight > 1e-18)
    };
    let mut nodes: Vec<(f64, f64)> = side(-1.0).chain(side(1.0)).collect();
    let total: f64 = nodes.iter().map(|(_, weight)| weight).sum();
    nodes.iter_mut().for_each(|(_, weight)| *weight /= total);
    nodes
}
