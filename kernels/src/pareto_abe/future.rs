//! Abe's Pareto/NBD: what follows after T, given the population's parameters. Means and probabilities only; predictive draws belong to
//! whoever simulates.
//!
//! Given λ and μ all laws are closed (q = λ + μ), and a customer's are their means over the lattice's shares:
//!
//! ```text
//! P(alive | λ, μ)   = 1 / (1 + μ/q (e^(q (T−t_x)) − 1))
//! E[X(T, T+h) | alive] = λ (1 − e^−μh)/μ
//! P(X = n | alive)  = e^−qh (λh)^n/n! + (λ/q)^n (μ/q) P(Poisson(qh) > n)      alive at T + h; dead before
//! E Σ e^−δy          = λ/(μ + δ)                                               purchases at T + y, given alive
//! ```

use super::integrand::History;
use super::integrand::Population;
use super::quadrature::{FINE, Placer};
use super::{K, is_possible};
use crate::special::ln_gamma;

/// P(alive at T): the probability that the customer has not died. One when the last purchase was at T; NaN at an impossible point.
pub fn p_alive(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    mean(params, x, t_x, t, |alive, _, _| alive).clamp(0.0, 1.0)
}

/// Expected purchases in (T, T + horizon] of a customer with history (x, t_x, T). Zero for a horizon of zero or less.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64) -> f64 {
    mean(params, x, t_x, t, |alive, lambda, mu| alive * purchases(lambda, mu, horizon.max(0.0)))
}

/// Expected repeat purchases of a new customer in the time `horizon` after the first purchase.
pub fn expected_purchases_new(params: [f64; K], horizon: f64) -> f64 {
    expected_purchases(params, 0, 0.0, 0.0, horizon)
}

/// Expected purchases after T, a purchase at T + y counting e^(−rate · y). `rate` per time unit; infinite where it is negative. At a
/// rate of 0 it is the expected number ever, which lognormal rates keep finite.
pub fn discounted_expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, rate: f64) -> f64 {
    if rate < 0.0 {
        return f64::INFINITY;
    }
    mean(params, x, t_x, t, |alive, lambda, mu| alive * lambda / (mu + rate))
}

/// P(exactly n purchases in (T, T + horizon]) of a customer with history (x, t_x, T).
pub fn probability_of(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64, n: u32) -> f64 {
    let given = |alive: f64, lambda: f64, mu: f64| {
        let nothing = if n == 0 { 1.0 - alive } else { 0.0 };
        nothing + alive * probability_alive(lambda, mu, horizon.max(0.0), n)
    };
    mean(params, x, t_x, t, given).clamp(0.0, 1.0)
}

/// P(alive at T) of a customer with known rates.
pub(super) fn alive(lambda: f64, mu: f64, gap: f64) -> f64 {
    let both = lambda + mu;
    let odds = mu / both * (both * gap).exp_m1();
    // Nothing times infinity: rates far beyond any that could have left a customer.
    if odds.is_nan() { 0.0 } else { 1.0 / (1.0 + odds) }
}

/// λ (1 − e^−μh)/μ.
pub(super) fn purchases(lambda: f64, mu: f64, horizon: f64) -> f64 {
    let lost = mu * horizon;
    lambda * horizon * if lost > 0.0 { -(-lost).exp_m1() / lost } else { 1.0 }
}

/// P(n purchases within h | alive).
fn probability_alive(lambda: f64, mu: f64, h: f64, n: u32) -> f64 {
    let (both, count) = (lambda + mu, f64::from(n));
    if h == 0.0 {
        return f64::from(u8::from(n == 0));
    }
    let ln_poisson = |mean: f64| if n == 0 { -mean } else { count * mean.ln() - mean - ln_gamma(count + 1.0) };
    // e^−qh (λh)^n / n! = (λ/q)^n P(Poisson(qh) = n).
    let ln_share = if n == 0 { 0.0 } else { count * (lambda / both).ln() };
    let exactly = ln_poisson(both * h);
    (ln_share + exactly).exp() + mu / both * ln_share.exp() * above(both * h, count, exactly)
}

/// P(Poisson(m) > n), given ln P(Poisson(m) = n): from the side on which terms fall.
fn above(m: f64, n: f64, ln_exactly: f64) -> f64 {
    let (mut term, mut sum, mut k) = (ln_exactly.exp(), 0.0, n);
    if m < n + 1.0 {
        loop {
            k += 1.0;
            term *= m / k;
            sum += term;
            if term <= 1e-17 * sum {
                return sum;
            }
        }
    }
    while term > 1e-17 * sum {
        sum += term;
        if k == 0.0 {
            break;
        }
        term *= k / m;
        k -= 1.0;
    }
    (1.0 - sum).max(0.0)
}

/// The mean of f(P(alive | λ, μ), λ, μ) over what the history says of λ and μ.
fn mean(params: [f64; K], x: u32, t_x: f64, t: f64, f: impl Fn(f64, f64, f64) -> f64) -> f64 {
    if !is_possible(&params) {
        return f64::NAN;
    }
    let (history, population) = (History::new(x, t_x, t), Population::new(&params));
    let mut placer = Placer::new(FINE);
    placer.place(&history, &population);
    let columns = placer.lattice.columns;
    let nodes = placer.shares.iter().enumerate().filter(|(_, share)| **share > 0.0);
    let at = |(node, share): (usize, &f64)| {
        let [lambda, mu] = placer.lattice.node(node / columns, node % columns).map(f64::exp);
        share * f(alive(lambda, mu, t - history.t_x), lambda, mu)
    };
    nodes.map(at).sum()
}
