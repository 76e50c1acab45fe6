//! A smooth function of a customer's age, evaluated at a few Chebyshev points and read off at every age.
//!
//! Knows nothing of purchases: ages in, points and weights out. The weights do not depend on the function, so that one matrix
//! serves every posterior draw.

use std::f64::consts::{FRAC_PI_2, PI};

use ndarray::Array2;

/// ln of the relative accuracy asked for: 1e-12, far below what 500 posterior draws resolve.
const LN_ACCURACY: f64 = 27.6;

/// Where to evaluate, and how to combine.
#[derive(Debug)]
pub(super) struct Interpolation {
    /// Ages at which the function is to be evaluated.
    pub points: Vec<f64>,
    /// `[age, point]`; `None` when the points are the ages themselves.
    weights: Option<Array2<f64>>,
}

impl Interpolation {
    /// For functions of T that are analytic and bounded where Re(c + T) ≥ 0; `ages` are distinct and ascending, c > 0.
    ///
    /// In ζ = ln(c + T) such a function is analytic in the strip |Im ζ| ≤ π/2, so that the error falls like ρ^−n with
    /// ρ = (π/2 + √(π²/4 + w²))/w, w half the width of the interval in ζ (Trefethen 2013, Approximation Theory and
    /// Approximation Practice, theorem 8.2).
    pub fn over(ages: &[f64], c: f64) -> Self {
        let exact = || Self { points: ages.to_vec(), weights: None };
        let (Some(first), Some(last)) = (ages.first(), ages.last()) else { return exact() };
        let (low, high) = ((c + first).ln(), (c + last).ln());
        let half = (high - low) / 2.0;
        let rho = (FRAC_PI_2 + FRAC_PI_2.hypot(half)) / half;
        let n = (LN_ACCURACY / rho.ln()).ceil() as usize + 2;
        if half <= 0.0 || n + 1 >= ages.len() {
            return exact();
        }
        let at = |j: usize| (PI * (j as f64 + 0.5) / (n + 1) as f64).cos();
        let points = (0..=n).map(|j| ((low + half * (1.0 + at(j))).exp() - c).max(0.0)).collect();
        let weights = Array2::from_shape_fn((ages.len(), n + 1), |(i, j)| {
            lagrange(((c + ages[i]).ln() - low) / half - 1.0, j, n, at)
        });
        Self { points, weights: Some(weights) }
    }

    /// Values at every age from the values at the points.
    pub fn read(&self, at_points: &[f64], at_ages: &mut [f64]) {
        match &self.weights {
            None => at_ages.copy_from_slice(at_points),
            Some(weights) => {
                for (value, row) in at_ages.iter_mut().zip(weights.rows()) {
                    *value = row.iter().zip(at_points).map(|(w, f)| w * f).sum();
                }
            }
        }
    }
}

/// The j-th Lagrange polynomial on the Chebyshev points of the first kind: (2/(n+1)) Σ′_k T_k(x_j) T_k(x).
fn lagrange(x: f64, j: usize, n: usize, at: impl Fn(usize) -> f64) -> f64 {
    let (theta_j, theta) = (at(j).acos(), x.clamp(-1.0, 1.0).acos());
    let sum: f64 = (1..=n).map(|k| (k as f64 * theta_j).cos() * (k as f64 * theta).cos()).sum();
    (1.0 + 2.0 * sum) / (n + 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1/(c′ + T)^s with c′ ≥ c is such a function; 1e-11 is the accuracy asked for with a constant of ten.
    #[test]
    fn reads_a_smooth_function_at_every_age() {
        let ages: Vec<f64> = (0..500).map(|i| f64::from(i) / 7.0).collect();
        let interpolation = Interpolation::over(&ages, 1.5);
        assert!(interpolation.points.len() < 50, "{}", interpolation.points.len());
        for (c, s) in [(1.5, 0.3), (4.0, 3.0), (30.0, 40.0)] {
            let f = |t: f64| (c / (c + t)).powf(s);
            let at_points: Vec<f64> = interpolation.points.iter().map(|&t| f(t)).collect();
            let mut values = vec![0.0; ages.len()];
            interpolation.read(&at_points, &mut values);
            for (&t, value) in ages.iter().zip(values) {
                assert!((value - f(t)).abs() < 1e-11, "T {t}: {value} against {}", f(t));
            }
        }
    }

    #[test]
    fn few_ages_are_evaluated_as_they_are() {
        let ages = [0.0, 1.0, 40.0];
        assert_eq!(Interpolation::over(&ages, 2.0).points, ages);
        assert_eq!(Interpolation::over(&[3.0], 2.0).points, [3.0]);
        assert!(Interpolation::over(&[], 2.0).points.is_empty());
    }
}
