//! Expected purchases of customers who are alive. The mean only, and only of the living: who is alive, the model says.
//!
//! With h̃ = h/ρ, a purchase rate λ ~ Gamma(n, rate ρ) and a dropout probability p ~ Beta(a, b) after each purchase,
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
//! E = Σ_{m≥1} P(N = m) · S_m,     S_m = Σ_{j<m} E[yʲ],     E[yʲ] = Π_{i<j} (b+i)/(a+b+i)
//! ```
//!
//! (of m purchases that would come, the (j+1)-th does if the customer survived the j before it). All terms are positive,
//! S_m is the same for every horizon, and a term costs two multiplications and an addition per horizon. Very long horizons
//! and very frequent buyers, for whom the sum is long, use the trapezoid rule in logit p instead.

use crate::beta_mean::beta_mean;

/// The future of a living customer, whatever history led there: λ ~ Gamma(n, rate ρ), p ~ Beta(a, b).
///
/// Given that a customer is alive, t_x no longer matters: make one per distinct (x, T), by a model's `expectation`, and multiply
/// by each customer's own P(alive).
#[derive(Debug, Clone, Copy)]
pub struct Expectation {
    /// n and ρ: r + x and α + T.
    pub(super) shape: f64,
    pub(super) rate: f64,
    /// p ~ Beta(a, b).
    pub(super) a: f64,
    pub(super) b: f64,
}

/// Horizons handled together in one pass over the sum: half a year of month ends, few enough to stay in registers.
const BLOCK: usize = 6;

/// Longest sum tried before the trapezoid rule takes over.
const MAX_TERMS: f64 = 4096.0;

/// The sum ends when what is left cannot matter at this relative size.
const NEGLIGIBLE: f64 = 1e-13;

impl Expectation {
    /// Of a living customer with purchase rate λ ~ Gamma(`shape`, `rate`) and dropout probability p ~ Beta(`a`, `b`); all positive.
    pub fn of_law(shape: f64, rate: f64, a: f64, b: f64) -> Self {
        Self { shape, rate, a, b }
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

    /// E_p[(1 − (1 + p h̃)⁻ⁿ)/p] without a sum over counts.
    fn trapezoid(&self, h: f64) -> f64 {
        let n = self.shape;
        // For smaller p the bracket is its limit n·h̃.
        let flat = -(n * h + h + self.b + 1.0).ln() - 36.0;
        beta_mean(self.a, self.b, flat, |p| -(-n * (p * h).ln_1p()).exp_m1() / p)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum and the trapezoid share nothing but the definition.
    #[test]
    fn sum_and_trapezoid_agree() {
        for (r, a, b) in
            [(0.24, 0.79, 2.43), (0.05, 0.02, 0.3), (3.0, 1.0, 1.0), (0.6, 12.0, 40.0), (1.4, 300.0, 2000.0)]
        {
            for (x, t) in [(0, 0.0), (0, 30.0), (1, 12.0), (7, 39.0), (60, 80.0)] {
                let at = Expectation::of_law(r + f64::from(x), 4.4 + t, a, b + f64::from(x));
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
        let at = Expectation::of_law(3.243, 24.414, 0.793, 5.426);
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
}
