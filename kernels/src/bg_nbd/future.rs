//! BG/NBD: expected purchases after T, given the parameters. The mean only; predictive draws belong to whoever simulates.
//!
//! With h̃ = h/(α+T), n = r + x and p ~ Beta(a, b+x), given that the customer is alive at T,
//!
//! ```text
//! E[X(T, T+h) | alive] = E_p[ (1 − (1 + p h̃)⁻ⁿ) / p ]
//! ```
//!
//! The textbook form of this expectation has a − 1 in a denominator and fails at a = 1. Here y = 1 − p, z = h̃/(1+h̃): the
//! power in the bracket is the generating function of N ~ NegBin(n, z), N being the purchases in (T, T+h) of a customer who
//! never drops out, so that
//!
//! ```text
//! E = Σ_{m≥1} P(N = m) · S_m,     S_m = Σ_{j<m} E[yʲ],     E[yʲ] = Π_{i<j} (b+x+i)/(a+b+x+i)
//! ```
//!
//! (of m purchases that would come, the (j+1)-th does if the customer survived the j before it). All terms are positive,
//! S_m is the same for every horizon, and a term costs two multiplications and an addition per horizon. Very long horizons
//! and very frequent buyers, for whom the sum is long, use the trapezoid rule in logit p instead.

use super::{K, p_alive};

/// Expected purchases in (T, T + horizon] of a customer with history (x, t_x, T). Zero for a horizon of zero or less.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64) -> f64 {
    let mut expected = [0.0];
    Expectation::new(params, x, t).of_alive(&[horizon], &mut expected);
    p_alive(params, x, t_x, t) * expected[0]
}

/// Expected repeat purchases of a new customer in the time `horizon` after the first purchase.
pub fn expected_purchases_new(params: [f64; K], horizon: f64) -> f64 {
    expected_purchases(params, 0, 0.0, 0.0, horizon)
}

/// Expected future purchases of customers who share (x, T), for many horizons at once.
///
/// Given that a customer is alive, t_x no longer matters: compute this once per distinct (x, T) and multiply by each
/// customer's own [`p_alive`].
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// n = r + x and the rate α + T of the purchase rate's posterior.
    shape: f64,
    rate: f64,
    /// p ~ Beta(a, b + x).
    a: f64,
    b: f64,
}

/// Horizons handled together in one pass over the sum: half a year of month ends, few enough to stay in registers.
const BLOCK: usize = 6;

/// Longest sum tried before the trapezoid rule takes over.
const MAX_TERMS: f64 = 4096.0;

/// The sum ends when what is left cannot matter at this relative size.
const NEGLIGIBLE: f64 = 1e-13;

impl Expectation {
    /// The expectation for a customer with `x` repeat purchases in the time `t` observed.
    pub fn new([r, alpha, a, b]: [f64; K], x: u32, t: f64) -> Self {
        let x = f64::from(x);
        Self { shape: r + x, rate: alpha + t, a, b: b + x }
    }

    /// E[X(T, T + h) | alive at T] for every h in `horizons`, written to `out` (same length).
    ///
    /// # Panics
    /// When `out` is shorter than `horizons`.
    pub fn of_alive(&self, horizons: &[f64], out: &mut [f64]) {
        for (horizons, out) in horizons.chunks(BLOCK).zip(out[..horizons.len()].chunks_mut(BLOCK)) {
            let longest = horizons.iter().fold(0.0, |longest: f64, h| longest.max(*h)) / self.rate;
            // The terms fall by z = h̃/(1+h̃) once j passes n·h̃; (1+h̃)⁻ⁿ must not underflow.
            let sum_is_short =
                (self.shape + 33.0) * (1.0 + longest) < MAX_TERMS && self.shape * longest.ln_1p() < 600.0;
            if sum_is_short {
                self.sum_of_counts(horizons, out);
            } else {
                for (h, out) in horizons.iter().zip(out) {
                    *out = self.trapezoid(h.max(0.0) / self.rate);
                }
            }
        }
    }

    /// Σ_m P(N = m) S_m for up to [`BLOCK`] horizons side by side.
    fn sum_of_counts(&self, horizons: &[f64], out: &mut [f64]) {
        let Self { shape, rate, a, b } = *self;
        // Per horizon: z, and P(N = m) less its factor Γ(n+m)/(Γ(n) m!), which all horizons share.
        let (mut z, mut mass, mut sum) = ([0.0; BLOCK], [0.0; BLOCK], [0.0; BLOCK]);
        for (i, h) in horizons.iter().enumerate() {
            let h = h.max(0.0) / rate;
            (z[i], mass[i]) = (h / (1.0 + h), (-shape * h.ln_1p()).exp());
        }
        let (mut factor, mut survival, mut survivals, mut m) = (1.0, 1.0, 0.0, 0.0);
        loop {
            // Eight terms, then a look at whether they still matter. survival is E[yᵐ], survivals S_m.
            for _ in 0..8 {
                let per = 1.0 / ((m + 1.0) * (a + b + m));
                factor *= (shape + m) * (a + b + m) * per;
                survivals += survival;
                survival *= (b + m) * (m + 1.0) * per;
                m += 1.0;
                let term = factor * survivals;
                for i in 0..BLOCK {
                    mass[i] *= z[i];
                    sum[i] += mass[i] * term;
                }
            }
            let done = (0..horizons.len()).all(|i| {
                // Each further term is at most this times the one before, since S_{m+1}/S_m ≤ (m+1)/m.
                let ratio = z[i] * (shape + m).max(m + 1.0) / m;
                ratio < 1.0 && mass[i] * factor * survivals * ratio <= NEGLIGIBLE * (1.0 - ratio) * sum[i]
            });
            if done || m >= 2.0 * MAX_TERMS {
                break;
            }
            // The shared factor grows without bound for frequent buyers; P(N = m) does not.
            mass.iter_mut().for_each(|mass| *mass *= factor);
            factor = 1.0;
        }
        out.copy_from_slice(&sum[..out.len()]);
    }

    /// E_p[(1 − (1 + p h̃)⁻ⁿ)/p] by the trapezoid rule in u = logit p, where the Beta density loses its singular ends.
    ///
    /// Good to about 1e-12. The step is ¼, less when the Beta is so narrow that ¼ would miss it. Left of the first node the
    /// bracket is constant and the weights are a geometric series.
    fn trapezoid(&self, h: f64) -> f64 {
        let Self { shape, a, b, .. } = *self;
        let step = 0.25f64.min(0.6 * (1.0 / a + 1.0 / b).sqrt());
        let mode = (a / b).ln();
        let log_weight = |u: f64| -a * (-u).exp().ln_1p() - b * u.exp().ln_1p();
        let top = log_weight(mode);
        // Left end: either the weight is nothing, or p is so small that the bracket is its limit n·h̃.
        let flat = -(shape * h + h + b + 1.0).ln() - 36.0;
        let steps_until = |direction: f64, enough: &dyn Fn(f64) -> bool| {
            let mut steps = 1;
            while !enough(mode + direction * step * f64::from(steps)) && steps < 1 << 20 {
                steps += 1;
            }
            steps
        };
        let left = steps_until(-1.0, &|u| u < flat || log_weight(u) - top < -42.0);
        let right = steps_until(1.0, &|u| log_weight(u) - top < -42.0);
        let (mut total, mut weighted) = (0.0, 0.0);
        for i in -left..=right {
            let u = mode + step * f64::from(i);
            let mut weight = (log_weight(u) - top).exp();
            if i == -left {
                weight /= -(-a * step).exp_m1();
            }
            let p = 1.0 / (1.0 + (-u).exp());
            total += weight;
            weighted += weight * -(-shape * (p * h).ln_1p()).exp_m1() / p;
        }
        weighted / total
    }
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

    /// The sum and the trapezoid share nothing but the definition.
    #[test]
    fn sum_and_trapezoid_agree() {
        for (r, a, b) in
            [(0.24, 0.79, 2.43), (0.05, 0.02, 0.3), (3.0, 1.0, 1.0), (0.6, 12.0, 40.0), (1.4, 300.0, 2000.0)]
        {
            for (x, t) in [(0, 0.0), (0, 30.0), (1, 12.0), (7, 39.0), (60, 80.0)] {
                let at = Expectation::new([r, 4.4, a, b], x, t);
                let horizons = [0.01, 1.0, 13.0, 52.0];
                let mut sum = [0.0; 4];
                at.sum_of_counts(&horizons, &mut sum);
                for (h, sum) in horizons.iter().zip(sum) {
                    let trapezoid = at.trapezoid(h / at.rate);
                    // The trapezoid's own error, as its documentation states it.
                    assert!((sum / trapezoid - 1.0).abs() < 2e-12, "r {r} a {a} b {b} x {x} h {h}: {sum} {trapezoid}");
                }
            }
        }
    }

    #[test]
    fn horizons_share_no_error() {
        let at = Expectation::new(PUBLISHED, 3, 20.0);
        let horizons: Vec<f64> = (0..30).map(|month| f64::from(month) * 4.348).collect();
        let mut together = vec![0.0; 30];
        at.of_alive(&horizons, &mut together);
        assert_eq!(together[0], 0.0);
        for (h, together) in horizons.iter().zip(&together) {
            let mut alone = [0.0];
            at.of_alive(&[*h], &mut alone);
            // Fewer terms are needed alone than beside a longer horizon: a difference of the truncation's size.
            assert!((alone[0] - together).abs() <= 1e-13 * together);
        }
        assert!(together.windows(2).all(|pair| pair[0] < pair[1]));
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
}
