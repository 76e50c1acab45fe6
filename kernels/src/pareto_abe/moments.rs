//! What rows add up to: ln L, and posterior means of ξ = (u − m_λ)/σ_λ, η = (v − m_μ)/σ_μ, their squares and product, from which
//! every slope follows.
//!
//! With q = 1 − ρ², from ln N₂ = −ln σ_λ − ln σ_μ − ½ ln q − (ξ² − 2ρξη + η²)/(2q) + const:
//!
//! ```text
//! ∂/∂m_λ = E[ξ − ρη]/(σ_λ q)             ∂/∂rate = ∂/∂m_λ / rate,   ∂/∂γ = z ∂/∂m_λ
//! ∂/∂σ_λ = (E[ξ² − ρξη]/q − 1)/σ_λ
//! ∂/∂ρ   = ρ/q + E[ξη]/q − ρ E[ξ² − 2ρξη + η²]/q²
//! ```

use std::ops::AddAssign;

use super::K;
use super::integrand::Population;
use super::quadrature::Lattice;

/// Weighted sums over rows that share a population but for their covariates.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Moments {
    pub ln_lik: f64,
    pub customers: f64,
    /// ξ and η.
    pub first: [f64; 2],
    /// ξ², ξη, η².
    pub second: [f64; 3],
}

impl Moments {
    /// Of one customer, from mean and covariance of the node's (i, j).
    pub fn of(ln_lik: f64, lattice: &Lattice, population: &Population, mean: [f64; 2], covariance: [f64; 3]) -> Self {
        let Population { mean: m, sd, .. } = population;
        let ([a, b, c], [i, j], [ii, ij, jj]) = (lattice.step, mean, covariance);
        let xi = (lattice.corner[0] + a * i - m[0]) / sd[0];
        let eta = (lattice.corner[1] + b * i + c * j - m[1]) / sd[1];
        let (a, b, c) = (a / sd[0], b / sd[1], c / sd[1]);
        let second = [
            xi * xi + a * a * ii,
            xi * eta + a * (b * ii + c * ij),
            eta * eta + b * b * ii + 2.0 * b * c * ij + c * c * jj,
        ];
        Self { ln_lik, customers: 1.0, first: [xi, eta], second }
    }

    /// The same customers `weight` times.
    pub fn times(self, weight: f64) -> Self {
        Self {
            ln_lik: weight * self.ln_lik,
            customers: weight * self.customers,
            first: self.first.map(|sum| weight * sum),
            second: self.second.map(|sum| weight * sum),
        }
    }

    /// q σ ∂/∂m for both means: what a covariate multiplies.
    pub fn pulls(&self, corr: f64) -> [f64; 2] {
        let [xi, eta] = self.first;
        [xi - corr * eta, eta - corr * xi]
    }

    /// Slopes in the five parameters.
    pub fn gradient(&self, &[rate, death, sd_rate, sd_death, corr]: &[f64; K]) -> [f64; K] {
        let q = (1.0 - corr) * (1.0 + corr);
        let ([pull_u, pull_v], [uu, uv, vv], n) = (self.pulls(corr), self.second, self.customers);
        [
            pull_u / (sd_rate * q * rate),
            pull_v / (sd_death * q * death),
            ((uu - corr * uv) / q - n) / sd_rate,
            ((vv - corr * uv) / q - n) / sd_death,
            (corr * n + uv - corr * (uu - 2.0 * corr * uv + vv) / q) / q,
        ]
    }
}

impl AddAssign for Moments {
    fn add_assign(&mut self, other: Self) {
        self.ln_lik += other.ln_lik;
        self.customers += other.customers;
        self.first.iter_mut().zip(other.first).for_each(|(sum, add)| *sum += add);
        self.second.iter_mut().zip(other.second).for_each(|(sum, add)| *sum += add);
    }
}

/// [`Moments`] of some rows of one group, and for each covariate term Σ z (q σ ∂/∂m).
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RowSums {
    pub moments: Moments,
    pub pulls: Vec<f64>,
}

impl RowSums {
    pub fn new(terms: usize) -> Self {
        Self { moments: Moments::default(), pulls: vec![0.0; terms] }
    }

    /// Adds a row, whose covariates are `z` of each term, on the parameter of each term.
    pub fn add(&mut self, moments: &Moments, corr: f64, terms: impl Iterator<Item = (usize, f64)>) {
        self.moments += *moments;
        let pulls = moments.pulls(corr);
        self.pulls.iter_mut().zip(terms).for_each(|(sum, (parameter, z))| *sum += z * pulls[parameter]);
    }
}

impl AddAssign<&RowSums> for RowSums {
    fn add_assign(&mut self, other: &RowSums) {
        self.moments += other.moments;
        self.pulls.iter_mut().zip(&other.pulls).for_each(|(sum, add)| *sum += add);
    }
}
