//! Small dense symmetric matrices: triangular factors, eigenvalues, and the geometric mean that a metric needs.
//!
//! Plain loops over a few hundred rows at most. Nothing here knows what a matrix stands for.

use ndarray::Array2;

/// Upper triangular U with U Uᵀ = a; none when a is not (comfortably) positive definite: a pivot below `1e-13` of its diagonal entry.
pub(super) fn upper_factor(a: &Array2<f64>) -> Option<Array2<f64>> {
    let n = a.nrows();
    let mut u: Array2<f64> = Array2::zeros((n, n));
    for j in (0..n).rev() {
        for i in (0..=j).rev() {
            let sum = a[[i, j]] - (j + 1..n).map(|k| u[[i, k]] * u[[j, k]]).sum::<f64>();
            if i == j {
                if sum.is_nan() || sum <= 1e-13 * a[[i, i]] || sum <= 0.0 {
                    return None;
                }
                u[[i, i]] = sum.sqrt();
            } else {
                u[[i, j]] = sum / u[[j, j]];
            }
        }
    }
    u.iter().all(|v| v.is_finite()).then_some(u)
}

/// Sweeps of Jacobi rotations; each squares what is left off the diagonal, so this many are never needed.
const MOST_SWEEPS: usize = 30;

/// Eigenvalues and eigenvectors (columns) of a symmetric matrix, by cyclic Jacobi rotations (Golub & Van Loan 2013, algorithm 8.5.3).
fn eigen(a: &Array2<f64>) -> (Vec<f64>, Array2<f64>) {
    // Rows are eigenvectors while rotating: rows are contiguous.
    let mut vectors: Array2<f64> = Array2::eye(a.nrows());
    let values = rotated(a, Some(&mut vectors));
    (values, vectors.reversed_axes())
}

fn rotated(a: &Array2<f64>, mut vectors: Option<&mut Array2<f64>>) -> Vec<f64> {
    let n = a.nrows();
    let mut a = a.clone();
    let size = a.iter().map(|x| x * x).sum::<f64>();
    for _ in 0..MOST_SWEEPS {
        let mut off = 0.0;
        for i in 0..n {
            for j in 0..i {
                off += a[[i, j]] * a[[i, j]];
            }
        }
        if off.is_nan() || off <= 1e-24 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                if a[[p, q]] == 0.0 {
                    continue;
                }
                let tau = (a[[q, q]] - a[[p, p]]) / (2.0 * a[[p, q]]);
                let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
                let c = 1.0 / t.hypot(1.0);
                rotate_columns(&mut a, p, q, c, t * c);
                rotate_rows(&mut a, p, q, c, t * c);
                if let Some(vectors) = &mut vectors {
                    rotate_rows(vectors, p, q, c, t * c);
                }
            }
        }
    }
    a.diag().to_vec()
}

/// The eigenvalues alone.
pub(super) fn eigenvalues(a: &Array2<f64>) -> Vec<f64> {
    rotated(a, None)
}

fn rotate_rows(a: &mut Array2<f64>, p: usize, q: usize, c: f64, s: f64) {
    let (mut first, mut second) = a.multi_slice_mut((ndarray::s![p, ..], ndarray::s![q, ..]));
    for (x, y) in first.iter_mut().zip(second.iter_mut()) {
        (*x, *y) = (c * *x - s * *y, s * *x + c * *y);
    }
}

fn rotate_columns(a: &mut Array2<f64>, p: usize, q: usize, c: f64, s: f64) {
    for mut row in a.rows_mut() {
        let (x, y) = (row[p], row[q]);
        (row[p], row[q]) = (c * x - s * y, s * x + c * y);
    }
}

/// The matrix A with A b A = a, for positive definite a and b: the geometric mean of a and b⁻¹ (Bhatia 2007, chapter 4).
///
/// With a = U Uᵀ and Uᵀ b U = V Λ Vᵀ it is U V Λ^(−½) Vᵀ Uᵀ. None when either matrix is not positive definite.
pub(super) fn geometric_mean(a: &Array2<f64>, b: &Array2<f64>) -> Option<Array2<f64>> {
    let u = upper_factor(a)?;
    let (values, vectors) = eigen(&u.t().dot(b).dot(&u));
    if !values.iter().all(|v| v.is_finite() && *v > 0.0) {
        return None;
    }
    let mut wide = u.dot(&vectors);
    wide.columns_mut().into_iter().zip(&values).for_each(|(mut column, v)| column *= v.powf(-0.25));
    Some(wide.dot(&wide.t()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    fn positive_definite(n: usize, seed: u64) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
        let x = Array2::from_shape_fn((n, n + 3), |_| stream.normal());
        x.dot(&x.t())
    }

    fn largest(a: &Array2<f64>) -> f64 {
        a.iter().fold(0.0, |m, v| m.max(v.abs()))
    }

    #[test]
    fn a_factor_is_upper_and_gives_the_matrix_back() {
        for n in [1, 2, 7, 40] {
            let a = positive_definite(n, n as u64);
            let u = upper_factor(&a).expect("it is positive definite");
            assert!(u.indexed_iter().all(|((i, j), v)| j >= i || *v == 0.0));
            assert!(largest(&(u.dot(&u.t()) - &a)) < 1e-12 * largest(&a));
        }
        let indefinite = ndarray::arr2(&[[1.0, 2.0], [2.0, 1.0]]);
        assert!(upper_factor(&indefinite).is_none());
        assert!(upper_factor(&ndarray::arr2(&[[f64::NAN]])).is_none());
    }

    #[test]
    fn eigenvectors_are_orthogonal_and_diagonalise() {
        for n in [1, 2, 3, 30] {
            let a = positive_definite(n, 9);
            let (values, v) = eigen(&a);
            assert!(largest(&(v.t().dot(&v) - Array2::<f64>::eye(n))) < 1e-12);
            let diagonal = Array2::from_diag(&ndarray::Array1::from(values.clone()));
            assert!(largest(&(v.dot(&diagonal).dot(&v.t()) - &a)) < 1e-11 * largest(&a));
            // The trace is the sum of the eigenvalues.
            assert!((values.iter().sum::<f64>() / a.diag().sum() - 1.0).abs() < 1e-12);
        }
    }

    /// What defines it, A b A = a, and the case it exists for: b = c⁻¹ a c⁻¹ gives A = c.
    #[test]
    fn the_geometric_mean_solves_its_equation() {
        let (a, b) = (positive_definite(12, 1), positive_definite(12, 2));
        let mean = geometric_mean(&a, &b).expect("both are positive definite");
        assert!(largest(&(mean.dot(&b).dot(&mean) - &a)) < 1e-9 * largest(&a));
        let c = ndarray::arr2(&[[4.0, 1.0], [1.0, 0.5]]);
        let inverse = ndarray::arr2(&[[0.5, -1.0], [-1.0, 4.0]]);
        let spread = ndarray::arr2(&[[1.0, 0.3], [0.3, 7.0]]);
        let seen = geometric_mean(&spread, &inverse.dot(&spread).dot(&inverse)).expect("positive definite");
        assert!(largest(&(seen - &c)) < 1e-12);
    }
}
