//! BG/NBD: purchases after T, given the parameters: expected, in present value, and the probability of a count. Draws belong to
//! whoever simulates.
//!
//! Who is alive at T has λ ~ Gamma(r+x, α+T) and p ~ Beta(a, b+x); the rest is [`Expectation`]'s.

use super::{K, log_odds_dropped, p_alive};
use crate::beta_geometric::Expectation;
use crate::special::logistic;

/// The future of a customer with `x` repeat purchases in the time `t` observed who is alive at its end.
pub fn expectation([r, alpha, a, b]: [f64; K], x: u32, t: f64) -> Expectation {
    let x = f64::from(x);
    Expectation::of_law(r + x, alpha + t, a, b + x)
}

/// Expected purchases in (T, T + horizon] of a customer with history (x, t_x, T). Zero for a horizon of zero or less.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64) -> f64 {
    let mut expected = [0.0];
    expectation(params, x, t).of_alive(&[horizon], &mut expected);
    p_alive(params, x, t_x, t) * expected[0]
}

/// Expected repeat purchases of a new customer in the time `horizon` after the first purchase.
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

#[cfg(test)]
mod tests {
    use super::*;

    const PUBLISHED: [f64; K] = [0.243, 4.414, 0.793, 2.426];

    #[test]
    fn published_expectations() {
        // Fader, Hardie & Lee's spreadsheet note, customer (2, 30.43, 38.86) over 39 weeks; tolerance half the last digit.
        assert!((expected_purchases(PUBLISHED, 2, 30.43, 38.86, 39.0) - 1.226_028_17).abs() < 5e-9);
        for (weeks, expected) in [(1.0, 0.053_267_89), (3.0, 0.150_865_23), (6.0, 0.280_755_89)] {
            assert!((expected_purchases_new(PUBLISHED, weeks) - expected).abs() < 5e-9, "{weeks} weeks");
        }
    }

    #[test]
    fn whales_and_endless_horizons_stay_sane() {
        let whale = expected_purchases(PUBLISHED, 100_000, 100.0, 100.0, 52.0);
        // 100000/104.4 purchases a week for 52 weeks, less the share that a dropout of about a/(b+x) per purchase takes.
        assert!(whale > 35_000.0 && whale < 52.0 * 958.0, "{whale}");
        let endless = expected_purchases(PUBLISHED, 1, 3.0, 3.0, 1e9);
        assert!(endless.is_finite() && endless > expected_purchases(PUBLISHED, 1, 3.0, 3.0, 1e6));
        assert_eq!(expected_purchases(PUBLISHED, 5, 3.0, 4.0, 0.0), 0.0);
    }

    /// The probabilities know nothing of the expectation but the law, nor the present value of either.
    #[test]
    fn counts_and_present_values_agree_with_expectations() {
        let (x, t_x, t, horizon) = (2, 30.43, 38.86, 39.0);
        let (mut total, mut mean) = (0.0, 0.0);
        for n in 0..400 {
            let p = probability_of(PUBLISHED, x, t_x, t, horizon, n);
            (total, mean) = (total + p, mean + f64::from(n) * p);
        }
        assert!((total - 1.0).abs() < 1e-13, "{total}");
        assert!((mean / expected_purchases(PUBLISHED, x, t_x, t, horizon) - 1.0).abs() < 1e-12, "{mean}");
        // δ ∫ e^(−δh) E[X(h)] dh with v = δh = exp(u − e^(−u)), in steps of 1/16.
        let rate = 0.01;
        let integral: f64 = (-60..100)
            .map(|i| {
                let u = f64::from(i) / 16.0;
                let v = (u - (-u).exp()).exp();
                (-v).exp() * v * (1.0 + (-u).exp()) / 16.0 * expected_purchases(PUBLISHED, x, t_x, t, v / rate)
            })
            .sum();
        let seen = discounted_expected_purchases(PUBLISHED, x, t_x, t, rate);
        assert!((seen / integral - 1.0).abs() < 1e-11, "{seen} {integral}");
    }

    #[test]
    fn counts_and_present_values_at_the_ends() {
        assert_eq!(probability_of(PUBLISHED, 3, 2.0, 4.0, 0.0, 0), 1.0);
        assert_eq!(probability_of(PUBLISHED, 3, 2.0, 4.0, 0.0, 1), 0.0);
        let whale: f64 =
            (0..60_000).step_by(50).map(|n| 50.0 * probability_of(PUBLISHED, 100_000, 100.0, 100.0, 52.0, n)).sum();
        // A step of 50 is fine beside the spread of thousands.
        assert!((whale - 1.0).abs() < 1e-3, "{whale}");
        assert_eq!(discounted_expected_purchases(PUBLISHED, 2, 3.0, 4.0, 0.0), f64::INFINITY);
        let [r, alpha, _, b] = PUBLISHED;
        let ends = discounted_expected_purchases([r, alpha, 3.0, b], 2, 3.0, 4.0, 0.0);
        let nearly = discounted_expected_purchases([r, alpha, 3.0, b], 2, 3.0, 4.0, 1e-9);
        assert!((nearly / ends - 1.0).abs() < 1e-7, "{nearly} {ends}");
        for rate in [1e-12, 1e-3, 1e6] {
            for theta in [[1e-6; K], [1e6; K], [1e-3, 1e4, 50.0, 1e-4], [2.0, 1e-3, 1e-5, 10.0]] {
                let seen = discounted_expected_purchases(theta, 7, 20.0, 30.0, rate);
                assert!(seen.is_finite() && seen >= 0.0, "{theta:?} {rate}: {seen}");
            }
        }
    }
}
