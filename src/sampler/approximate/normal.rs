//! Normal distributions to draw from: with a dense factor, or stretched in a few directions only.
//!
//! Knows nothing of the density that is approximated.

use std::collections::VecDeque;

use ndarray::{Array1, Array2, ArrayView1};

use crate::sampler::Stream;
use crate::sampler::laplace::cholesky;
use crate::sampler::optimise::dot;

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// N(centre, T Tᵀ), drawn from as centre + T z with z standard normal.
#[derive(Debug, Clone)]
pub(super) struct Normal {
    centre: Array1<f64>,
    shape: Shape,
    /// ln |det T|.
    log_det: f64,
}

#[derive(Debug, Clone)]
enum Shape {
    /// T = F.
    Factor(Array2<f64>),
    /// T = D (I + Qᵀ (L − I) Q) with D diagonal and the rows of Q orthonormal.
    Stretched {
        /// Diagonal of D.
        scale: Array1<f64>,
        /// Q, `[directions, dim]`.
        directions: Array2<f64>,
        /// L − I, `[directions, directions]`.
        stretch: Array2<f64>,
    },
}

impl Normal {
    /// From an upper triangular factor F with F Fᵀ = covariance.
    pub(super) fn with_factor(centre: Array1<f64>, factor: Array2<f64>) -> Self {
        let log_det = factor.diag().iter().map(|f| f.ln()).sum();
        Self { centre, shape: Shape::Factor(factor), log_det }
    }

    /// One draw and the log density of this normal there.
    pub(super) fn draw(&self, stream: &mut Stream) -> (Array1<f64>, f64) {
        let mut z: Array1<f64> = (0..self.centre.len()).map(|_| stream.normal()).collect();
        let log_density = -0.5 * z.dot(&z) - self.log_det - z.len() as f64 * LN_SQRT_TAU;
        let offset = match &self.shape {
            Shape::Factor(factor) => factor.dot(&z),
            Shape::Stretched { scale, directions, stretch } => {
                let along = stretch.dot(&directions.dot(&z));
                z += &directions.t().dot(&along);
                z * scale
            }
        };
        (&self.centre + &offset, log_density)
    }
}

/// What the steps of a climb say of the curvature: the inverse Hessian of L-BFGS with a diagonal beginning (Gilbert & Lemaréchal 1989),
/// H = diag(α) + W M Wᵀ, the columns of W the last steps s and the last α∘y, with y the changes of the gradient of −ln π.
#[derive(Debug)]
pub(super) struct Curving {
    alpha: Vec<f64>,
    pairs: VecDeque<(Vec<f64>, Vec<f64>)>,
    capacity: usize,
}

/// A direction that adds less than this part of its length to those before it adds nothing.
const NEGLIGIBLE: f64 = 1e-9;
/// Pairs whose curvature is below this part of |y|² are rounding (Zhang et al. 2022, algorithm 3).
const LEAST_CURVATURE: f64 = 1e-12;

impl Curving {
    pub(super) fn new(dim: usize, capacity: usize) -> Self {
        Self { alpha: vec![1.0; dim], pairs: VecDeque::new(), capacity }
    }

    /// Takes in a step from (x, g) to (to, g_to), g being gradients of ln π.
    pub(super) fn learn(&mut self, (x, g): (&[f64], &[f64]), (to, g_to): (&[f64], &[f64])) {
        let s: Vec<f64> = to.iter().zip(x).map(|(to, x)| to - x).collect();
        let y: Vec<f64> = g.iter().zip(g_to).map(|(g, g_to)| g - g_to).collect();
        // b = yᵀs, a = yᵀ diag(α) y, c = sᵀ diag(1/α) s.
        let b = dot(&s, &y);
        if b.is_nan() || b <= LEAST_CURVATURE * dot(&y, &y) {
            return;
        }
        let a: f64 = y.iter().zip(&self.alpha).map(|(y, alpha)| y * y * alpha).sum();
        let c: f64 = s.iter().zip(&self.alpha).map(|(s, alpha)| s * s / alpha).sum();
        for ((alpha, s), y) in self.alpha.iter_mut().zip(&s).zip(&y) {
            let next = 1.0 / (a / (b * *alpha) + y * y / b - a * s * s / (b * c * *alpha * *alpha));
            if next.is_finite() && next > 0.0 {
                *alpha = next;
            }
        }
        if self.pairs.len() == self.capacity {
            self.pairs.pop_front();
        }
        self.pairs.push_back((s, y));
    }

    /// N(x + H g, H); none where H is not positive definite for rounding.
    pub(super) fn normal(&self, x: &[f64], g: &[f64]) -> Option<Normal> {
        let (dim, n) = (x.len(), self.pairs.len());
        let (alpha, g) = (ArrayView1::from(&self.alpha), ArrayView1::from(g));
        // Rows of Wᵀ.
        let mut w = Array2::<f64>::zeros((2 * n, dim));
        for (k, (s, y)) in self.pairs.iter().enumerate() {
            w.row_mut(k).assign(&ArrayView1::from(s));
            w.row_mut(n + k).assign(&(&ArrayView1::from(y) * &alpha));
        }
        let m = self.middle(&w);
        let centre = &ArrayView1::from(x) + &(&alpha * &g) + w.t().dot(&m.dot(&w.dot(&g)));

        // D⁻¹ W = Qᵀ R, so that H = D (I + Qᵀ R M Rᵀ Q) D.
        let scale = alpha.mapv(f64::sqrt);
        let (directions, r) = orthonormal(&(&w / &scale));
        let kept = directions.nrows();
        let inner = Array2::<f64>::eye(kept) + r.dot(&m).dot(&r.t());
        let lower = cholesky(&inner)?;
        let log_det = scale.iter().chain(lower.diag()).map(|d| d.ln()).sum::<f64>();
        let sound = log_det.is_finite() && centre.iter().all(|c| c.is_finite());
        let shape = Shape::Stretched { scale, directions, stretch: lower - Array2::<f64>::eye(kept) };
        sound.then_some(Normal { centre, shape, log_det })
    }

    /// M, pair by pair: (I − ρsyᵀ) H (I − ρysᵀ) + ρssᵀ with ρ = 1/sᵀy.
    fn middle(&self, w: &Array2<f64>) -> Array2<f64> {
        let n = self.pairs.len();
        let mut m = Array2::<f64>::zeros((2 * n, 2 * n));
        for (k, (s, y)) in self.pairs.iter().enumerate() {
            let rho = 1.0 / dot(s, y);
            let along = w.dot(&ArrayView1::from(y));
            // Hy = W c, and yᵀHy = c · Wᵀy.
            let mut c = m.dot(&along);
            c[n + k] += 1.0;
            let curvature = c.dot(&along);
            for i in 0..2 * n {
                m[[k, i]] -= rho * c[i];
                m[[i, k]] -= rho * c[i];
            }
            m[[k, k]] += rho * rho * curvature + rho;
        }
        m
    }
}

/// Orthonormal rows Q that span the rows of V, and R with V = Rᵀ Q: `[kept, dim]` and `[kept, rows of V]`. Gram & Schmidt, each row
/// twice, which keeps orthogonality to rounding.
fn orthonormal(v: &Array2<f64>) -> (Array2<f64>, Array2<f64>) {
    let mut rows: Vec<Array1<f64>> = Vec::with_capacity(v.nrows());
    let mut r = Array2::zeros((v.nrows(), v.nrows()));
    for (j, row) in v.rows().into_iter().enumerate() {
        let mut rest = row.to_owned();
        for _ in 0..2 {
            for (i, q) in rows.iter().enumerate() {
                let along = q.dot(&rest);
                r[[i, j]] += along;
                rest.scaled_add(-along, q);
            }
        }
        let left = rest.dot(&rest).sqrt();
        if left > NEGLIGIBLE * row.dot(&row).sqrt() {
            r[[rows.len(), j]] = left;
            rows.push(rest / left);
        }
    }
    let kept = rows.len();
    let q = Array2::from_shape_fn((kept, v.ncols()), |(i, j)| rows[i][j]);
    (q, r.slice_move(ndarray::s![..kept, ..]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Purpose;

    fn noise(k: u64, dim: usize) -> Vec<f64> {
        let mut stream = Stream::new(1, Purpose::Test, k, 0);
        (0..dim).map(|_| stream.normal()).collect()
    }

    /// H by the textbook's recursion on full matrices, from the same diagonal.
    fn by_hand(curving: &Curving) -> Array2<f64> {
        let dim = curving.alpha.len();
        let mut h = Array2::from_diag(&Array1::from(curving.alpha.clone()));
        let outer = |a: &[f64], b: &[f64]| Array2::from_shape_fn((dim, dim), |(i, j)| a[i] * b[j]);
        for (s, y) in &curving.pairs {
            let rho = 1.0 / dot(s, y);
            let left = Array2::<f64>::eye(dim) - rho * outer(s, y);
            h = left.dot(&h).dot(&left.t()) + rho * outer(s, s);
        }
        h
    }

    /// Fewer coordinates than pairs, as many, and more: T Tᵀ is H, the density is the normal's own, the centre is x + H g.
    #[test]
    fn the_short_form_is_the_recursion() {
        for dim in [3, 8, 30] {
            let mut curving = Curving::new(dim, 4);
            for k in 0..7 {
                let x = noise(k, dim);
                let g: Vec<f64> = x.iter().enumerate().map(|(i, x)| -x * (1.0 + i as f64) - 0.1 * x.powi(3)).collect();
                curving.learn((&vec![0.0; dim], &vec![0.0; dim]), (&x, &g));
            }
            assert_eq!(curving.pairs.len(), 4);
            let h = by_hand(&curving);
            let (x, g) = (noise(10, dim), noise(11, dim));
            let normal = curving.normal(&x, &g).expect("positive definite");
            let centre = ArrayView1::from(&x).to_owned() + h.dot(&ArrayView1::from(&g));
            let Shape::Stretched { scale, directions, stretch } = &normal.shape else { panic!("stretched") };
            let inner = Array2::<f64>::eye(dim) + directions.t().dot(stretch).dot(directions);
            let t = Array2::from_diag(scale).dot(&inner);
            let seen = t.dot(&t.t());
            let size = h.iter().fold(0.0f64, |m, v| m.max(v.abs()));
            for (seen, expected) in seen.iter().zip(&h) {
                assert!((seen - expected).abs() < 1e-9 * size, "{dim}: {seen} for {expected}");
            }
            assert!((&normal.centre - &centre).iter().all(|d| d.abs() < 1e-9 * size));
            let (point, log_density) = normal.draw(&mut Stream::new(2, Purpose::Test, 0, 0));
            // ln N(point) from H itself.
            let lower = cholesky(&h).expect("positive definite");
            let mut rest = (&point - &centre).to_vec();
            let mut square = 0.0;
            for i in 0..dim {
                let z = (rest[i] - (0..i).map(|j| lower[[i, j]] * rest[j]).sum::<f64>()) / lower[[i, i]];
                rest[i] = z;
                square += z * z;
            }
            let log_det: f64 = lower.diag().iter().map(|d| d.ln()).sum();
            let expected = -0.5 * square - log_det - dim as f64 * LN_SQRT_TAU;
            assert!((log_density - expected).abs() < 1e-8, "{dim}: {log_density} for {expected}");
        }
    }

    /// On a quadratic whose axes the steps follow, H is the inverse Hessian itself.
    #[test]
    fn a_quadratic_is_learnt() {
        let variance = [0.01, 1.0, 25.0];
        let mut curving = Curving::new(3, 6);
        for i in 0..3 {
            let mut to = [0.0; 3];
            to[i] = 0.3;
            let g: Vec<f64> = to.iter().zip(variance).map(|(x, v)| -x / v).collect();
            curving.learn((&[0.0; 3], &[0.0; 3]), (&to, &g));
        }
        let normal = curving.normal(&[1.0, 1.0, 1.0], &[-100.0, -1.0, -0.04]).expect("positive definite");
        assert!(normal.centre.iter().all(|c| c.abs() < 1e-9), "{}", normal.centre);
        assert!((normal.log_det - 0.5 * variance.iter().map(|v: &f64| v.ln()).sum::<f64>()).abs() < 1e-9);
    }
}
