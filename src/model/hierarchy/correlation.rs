//! Correlation of effects across parameters: Ω = L Lᵀ with Ω ~ LKJ(η), density ∝ det(Ω)^(η−1) (Lewandowski, Kurowicka & Joe 2009).
//! What is correlated, and how strongly each parameter spreads, is not known here.
//!
//! | symbol | meaning                                                                   | support |
//! | ------ | ------------------------------------------------------------------------- | ------- |
//! | y_ij   | unconstrained coordinate, i > j ≥ 0                                        | ℝ       |
//! | c_ij   | tanh y_ij: correlation of i and j given 0 … j − 1                          | (−1, 1) |
//! | L_ij   | c_ij √∏_{m<j}(1 − c_im²), L_ii = √∏_{m<i}(1 − c_im²): rows of length 1      | [−1, 1] |
//!
//! It is Stan's transform of a Cholesky factor. Under LKJ(η) the c_ij are independent and (c_ij + 1)/2 ~ Beta(b_j, b_j) with
//! b_j = η + (K − 2 − j)/2 (section 2.4 of the paper, for a C-vine), so that with dc/dy = 1 − c²
//!
//! ln p(y) = Σ_ij b_j ln(1 − c_ij²) − (2 b_j − 1) ln 2 − ln B(b_j, b_j).

use rand_distr::{Beta, Distribution};

use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::kernels::special::ln_gamma;

/// LKJ(η) over K parameters.
#[derive(Debug, Clone, Copy)]
pub(super) struct Correlation {
    eta: f64,
    k: usize,
}

/// L, row by row.
#[derive(Debug, Clone)]
pub(super) struct Cholesky {
    k: usize,
    rows: Vec<f64>,
}

impl Cholesky {
    /// L_ij.
    pub fn at(&self, i: usize, j: usize) -> f64 {
        self.rows[i * self.k + j]
    }

    /// Ω_ij for i > j, row by row.
    pub fn correlations(&self) -> impl Iterator<Item = f64> {
        let k = self.k;
        pairs(k).map(move |(i, j)| (0..=j).map(|m| self.at(i, m) * self.at(j, m)).sum())
    }
}

/// (i, j) with i > j, row by row: the order of coordinates and of reported correlations.
pub(super) fn pairs(k: usize) -> impl Iterator<Item = (usize, usize)> {
    (1..k).flat_map(|i| (0..i).map(move |j| (i, j)))
}

impl Correlation {
    /// `eta` is above 0: 1 makes every matrix equally likely, more draws towards none.
    pub fn new(eta: f64, k: usize) -> Self {
        Self { eta, k }
    }

    /// Number of coordinates.
    pub fn dim(self) -> usize {
        self.k * (self.k - 1) / 2
    }

    /// b_j.
    fn shape(self, j: usize) -> f64 {
        self.eta + 0.5 * (self.k - 2 - j) as f64
    }

    /// L at `y`.
    pub fn cholesky(self, y: &[f64]) -> Cholesky {
        let k = self.k;
        let mut rows = vec![0.0; k * k];
        for i in 0..k {
            let mut left = 1.0; // √∏(1 − c²) so far
            for j in 0..i {
                let (c, s) = tanh_and_sech(y[i * (i - 1) / 2 + j]);
                rows[i * k + j] = c * left;
                left *= s;
            }
            rows[i * k + i] = left;
        }
        Cholesky { k, rows }
    }

    /// Log prior at `y`; writes the gradient of log prior + f, given `d_l` = ∂f/∂L, row by row.
    pub fn log_prior(self, y: &[f64], d_l: &[f64], jacobian: bool, gradient: &mut [f64]) -> f64 {
        let k = self.k;
        let mut total = 0.0;
        for i in 1..k {
            let row = i * (i - 1) / 2;
            // `left[j]` is √∏_{m<j}(1 − c_im²).
            let mut left = vec![1.0; i + 1];
            for j in 0..i {
                left[j + 1] = left[j] * tanh_and_sech(y[row + j]).1;
            }
            let mut d_left = d_l[i * k + i];
            for j in (0..i).rev() {
                let (c, s) = tanh_and_sech(y[row + j]);
                let b = self.shape(j);
                let power = if jacobian { b } else { b - 1.0 };
                let ln_beta = 2.0 * ln_gamma(b) - ln_gamma(2.0 * b);
                total += 2.0 * power * s.ln() - (2.0 * b - 1.0) * std::f64::consts::LN_2 - ln_beta;
                // L_ij = c·left, next left = s·left; dc/dy = s², ds/dy = −s c.
                let d = d_l[i * k + j];
                gradient[row + j] = -2.0 * power * c + left[j] * (d * s * s - d_left * s * c);
                d_left = d_left * s + d * c;
            }
        }
        total
    }

    /// ln det(Ω)^(η−1) at `y`: the density of Ω itself, up to its constant. det Ω = ∏ (1 − c_ij²).
    pub fn ln_kernel(self, y: &[f64]) -> f64 {
        2.0 * (self.eta - 1.0) * y.iter().map(|&y| tanh_and_sech(y).1.ln()).sum::<f64>()
    }

    /// A draw of y.
    pub fn draw(self, stream: &mut Stream) -> Result<Vec<f64>> {
        pairs(self.k)
            .map(|(_, j)| {
                let b = self.shape(j);
                let beta = Beta::new(b, b).map_err(|e| {
                    Error::new("nothing can be drawn from the LKJ prior").at("hierarchy.correlation.eta").because(e)
                })?;
                // y = atanh(2x − 1) = ½ ln(x/(1 − x)).
                let x: f64 = beta.sample(stream);
                Ok(0.5 * (x / (1.0 - x)).ln())
            })
            .collect()
    }
}

/// tanh y and 1/cosh y = √(1 − tanh² y), the latter without cancellation.
fn tanh_and_sech(y: f64) -> (f64, f64) {
    let e = (-y.abs()).exp();
    (y.tanh(), 2.0 * e / (1.0 + e * e))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Purpose;

    fn points(dim: usize) -> Vec<Vec<f64>> {
        (0..6)
            .map(|which| {
                let mut stream = Stream::new(41, Purpose::Test, which, 0);
                (0..dim).map(|_| 0.8 * stream.normal()).collect()
            })
            .collect()
    }

    fn determinant(mut a: Vec<Vec<f64>>) -> f64 {
        let n = a.len();
        let mut det = 1.0;
        for i in 0..n {
            let pivot = (i..n).max_by(|&p, &q| a[p][i].abs().total_cmp(&a[q][i].abs())).unwrap();
            if pivot != i {
                a.swap(pivot, i);
                det = -det;
            }
            det *= a[i][i];
            let pivot = a[i].clone();
            for row in &mut a[i + 1..] {
                let factor = row[i] / pivot[i];
                row.iter_mut().zip(&pivot).for_each(|(x, p)| *x -= factor * p);
            }
        }
        det
    }

    fn matrix(lkj: Correlation, y: &[f64]) -> Vec<Vec<f64>> {
        let mut omega = vec![vec![1.0; lkj.k]; lkj.k];
        for ((i, j), rho) in pairs(lkj.k).zip(lkj.cholesky(y).correlations()) {
            (omega[i][j], omega[j][i]) = (rho, rho);
        }
        omega
    }

    /// The density as the paper writes it: det(Ω)^(η−1), carried over to y by a numerical Jacobian, up to one constant.
    #[test]
    fn the_density_is_the_determinant_to_a_power() {
        for (k, eta) in [(2, 1.0), (3, 1.0), (3, 2.5), (4, 0.7), (4, 4.0)] {
            let lkj = Correlation::new(eta, k);
            let constants: Vec<f64> = points(lkj.dim())
                .iter()
                .map(|y| {
                    let h = 1e-5;
                    let column = |i: usize| -> Vec<f64> {
                        let at = |shift: f64| {
                            let mut moved = y.clone();
                            moved[i] += shift;
                            lkj.cholesky(&moved).correlations().collect::<Vec<_>>()
                        };
                        at(h).iter().zip(at(-h)).map(|(up, down)| (up - down) / (2.0 * h)).collect()
                    };
                    let jacobian = determinant((0..lkj.dim()).map(column).collect()).abs();
                    let by_paper = (eta - 1.0) * determinant(matrix(lkj, y)).ln() + jacobian.ln();
                    lkj.log_prior(y, &vec![0.0; k * k], true, &mut vec![0.0; lkj.dim()]) - by_paper
                })
                .collect();
            // Central differences with h = 1e-5: some 1e-9 relative in each entry.
            assert!(constants.iter().all(|c| (c - constants[0]).abs() < 1e-7), "{k} {eta}: {constants:?}");
            if (k, eta) == (2, 1.0) {
                assert!((constants[0] + 2f64.ln()).abs() < 1e-9, "uniform on (−1, 1) has density 1/2");
            }
        }
    }

    #[test]
    fn gradients_are_the_derivatives() {
        let k = 4;
        let lkj = Correlation::new(1.7, k);
        let weights: Vec<f64> = (0..k * k).map(|i| (i as f64 * 0.7).sin()).collect();
        for jacobian in [true, false] {
            let f = |y: &[f64]| -> f64 {
                let by_l: f64 = lkj.cholesky(y).rows.iter().zip(&weights).map(|(l, w)| w * l * l * l).sum();
                by_l + lkj.log_prior(y, &vec![0.0; k * k], jacobian, &mut vec![0.0; lkj.dim()])
            };
            for y in points(lkj.dim()) {
                let d_l: Vec<f64> = lkj.cholesky(&y).rows.iter().zip(&weights).map(|(l, w)| 3.0 * w * l * l).collect();
                let mut gradient = vec![0.0; lkj.dim()];
                lkj.log_prior(&y, &d_l, jacobian, &mut gradient);
                for i in 0..lkj.dim() {
                    let at = |shift: f64| {
                        let mut moved = y.clone();
                        moved[i] += shift;
                        f(&moved)
                    };
                    let h = 1e-5;
                    let numeric = (at(h) - at(-h)) / (2.0 * h);
                    // Truncation h² = 1e-10 times a third derivative, rounding 1e-15/h.
                    assert!((numeric - gradient[i]).abs() < 1e-7 * (1.0 + numeric.abs()), "{i}: {numeric}");
                }
            }
        }
    }

    /// Every correlation of LKJ(η) is 2·Beta(η + K/2 − 1, η + K/2 − 1) − 1, whose variance is 1/(2η + K − 1).
    #[test]
    fn draws_have_the_marginals_of_the_paper() {
        let (k, n) = (4, 20_000);
        for eta in [1.0, 3.0] {
            let lkj = Correlation::new(eta, k);
            let draws: Vec<Vec<f64>> = (0..n)
                .map(|i| {
                    let y = lkj.draw(&mut Stream::new(5, Purpose::Test, i, 2)).unwrap();
                    lkj.cholesky(&y).correlations().collect()
                })
                .collect();
            let expected = 1.0 / (2.0 * eta + k as f64 - 1.0);
            for pair in 0..lkj.dim() {
                let mean = draws.iter().map(|d| d[pair]).sum::<f64>() / n as f64;
                let variance = draws.iter().map(|d| d[pair] * d[pair]).sum::<f64>() / n as f64;
                // Five standard errors: √(variance/n), and at most √(2/n) of the variance (tails are lighter than a normal's).
                assert!(mean.abs() < 5.0 * (expected / n as f64).sqrt(), "{eta} {pair}: {mean}");
                assert!((variance / expected - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{eta} {pair}: {variance}");
            }
        }
    }
}
