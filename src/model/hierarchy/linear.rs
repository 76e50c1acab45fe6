//! Matrices as small as a family has parameters: products, Cholesky factors and the way back through them. What they stand for is
//! not known here.

/// The most parameters of a family.
pub(super) const MOST: usize = 4;

/// A vector; entries from K on are zero.
pub(super) type Vector = [f64; MOST];

/// A matrix; entries from K on are zero.
pub(super) type Matrix = [[f64; MOST]; MOST];

pub(super) const ZERO: Matrix = [[0.0; MOST]; MOST];

/// A B.
pub(super) fn product(a: &Matrix, b: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| (0..MOST).map(|m| a[i][m] * b[m][j]).sum()))
}

/// Aᵀ.
pub(super) fn transposed(a: &Matrix) -> Matrix {
    std::array::from_fn(|i| std::array::from_fn(|j| a[j][i]))
}

/// A x.
pub(super) fn times(a: &Matrix, x: &Vector) -> Vector {
    std::array::from_fn(|i| (0..MOST).map(|j| a[i][j] * x[j]).sum())
}

/// Aᵀ x.
pub(super) fn transposed_times(a: &Matrix, x: &Vector) -> Vector {
    std::array::from_fn(|i| (0..MOST).map(|j| a[j][i] * x[j]).sum())
}

/// A += factor x yᵀ.
pub(super) fn add_outer(a: &mut Matrix, factor: f64, x: &Vector, y: &Vector) {
    for (row, x) in a.iter_mut().zip(x) {
        row.iter_mut().zip(y).for_each(|(a, y)| *a += factor * x * y);
    }
}

/// A += factor B.
pub(super) fn add(a: &mut Matrix, factor: f64, b: &Matrix) {
    for (a, b) in a.iter_mut().flatten().zip(b.iter().flatten()) {
        *a += factor * b;
    }
}

/// C with C Cᵀ = Q, lower; NaN where Q is not positive definite. Zero rows of Q from `k` on stay zero.
pub(super) fn cholesky(q: &Matrix, k: usize) -> Matrix {
    let mut c = ZERO;
    for i in 0..k {
        for j in 0..=i {
            let left = q[i][j] - (0..j).map(|m| c[i][m] * c[j][m]).sum::<f64>();
            c[i][j] = if i == j { left.sqrt() } else { left / c[j][j] };
        }
    }
    c
}

/// C⁻¹ x for a lower C.
pub(super) fn solve(c: &Matrix, x: &Vector, k: usize) -> Vector {
    let mut out = [0.0; MOST];
    for i in 0..k {
        let known: f64 = (0..i).map(|j| c[i][j] * out[j]).sum();
        out[i] = (x[i] - known) / c[i][i];
    }
    out
}

/// C⁻ᵀ x for a lower C.
pub(super) fn solve_transposed(c: &Matrix, x: &Vector, k: usize) -> Vector {
    let mut out = [0.0; MOST];
    for i in (0..k).rev() {
        let known: f64 = (i + 1..k).map(|j| c[j][i] * out[j]).sum();
        out[i] = (x[i] - known) / c[i][i];
    }
    out
}

/// C⁻¹ B for a lower C.
pub(super) fn solve_matrix(c: &Matrix, b: &Matrix, k: usize) -> Matrix {
    let columns = transposed(b);
    transposed(&std::array::from_fn(|j| solve(c, &columns[j], k)))
}

/// ∂f/∂Q, symmetric, from ∂f/∂C of its Cholesky factor (Murray 2016): ½ C⁻ᵀ (Φ + Φᵀ) C⁻¹ with Φ the lower half of Cᵀ ∂f/∂C, its
/// diagonal halved. What stands above the diagonal of `d_c` is not looked at.
pub(super) fn cholesky_slopes(c: &Matrix, d_c: &Matrix, k: usize) -> Matrix {
    let lower: Matrix = std::array::from_fn(|i| std::array::from_fn(|j| if j <= i { d_c[i][j] } else { 0.0 }));
    let product = product(&transposed(c), &lower);
    // The lower half with half its diagonal, plus its transpose: every entry of the lower half once.
    let both: Matrix = std::array::from_fn(|i| std::array::from_fn(|j| 0.5 * product[i.max(j)][i.min(j)]));
    // C⁻ᵀ X C⁻¹ = (C⁻ᵀ (C⁻ᵀ X)ᵀ)ᵀ for a symmetric X.
    let half = |x: &Matrix| -> Matrix {
        let columns = transposed(x);
        transposed(&std::array::from_fn(|j| solve_transposed(c, &columns[j], k)))
    };
    half(&transposed(&half(&both)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const K: usize = 3;

    fn sample() -> Matrix {
        [[4.0, 1.2, -0.6, 0.0], [1.2, 3.0, 0.5, 0.0], [-0.6, 0.5, 2.0, 0.0], [0.0; 4]]
    }

    fn near(a: &Matrix, b: &Matrix, tolerance: f64) -> bool {
        a.iter().flatten().zip(b.iter().flatten()).all(|(a, b)| (a - b).abs() < tolerance)
    }

    #[test]
    fn factors_multiply_back_and_solve() {
        let (q, x) = (sample(), [1.0, -2.0, 0.5, 0.0]);
        let c = cholesky(&q, K);
        assert!(near(&product(&c, &transposed(&c)), &q, 1e-15 * 16.0));
        assert!(times(&c, &solve(&c, &x, K)).iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-14));
        let back = transposed_times(&c, &solve_transposed(&c, &x, K));
        assert!(back.iter().zip(&x).all(|(a, b)| (a - b).abs() < 1e-14));
        assert!(near(&product(&c, &solve_matrix(&c, &q, K)), &q, 1e-14));
        let mut indefinite = q;
        indefinite[2][2] = -1.0;
        assert!(cholesky(&indefinite, K)[2][2].is_nan());
    }

    #[test]
    fn slopes_go_through_the_factor() {
        // f = Σ (i + 2j + 1) C_ij³.
        let weight = |i: usize, j: usize| (i + 2 * j + 1) as f64;
        let entries = || (0..K).flat_map(|i| (0..=i).map(move |j| (i, j)));
        let f = |q: &Matrix| {
            let c = cholesky(q, K);
            entries().map(|(i, j)| weight(i, j) * c[i][j].powi(3)).sum::<f64>()
        };
        let (q, mut d_c) = (sample(), ZERO);
        let c = cholesky(&q, K);
        entries().for_each(|(i, j)| d_c[i][j] = 3.0 * weight(i, j) * c[i][j].powi(2));
        let slopes = cholesky_slopes(&c, &d_c, K);
        for (i, j) in entries() {
            let at = |shift: f64| {
                let mut moved = q;
                moved[i][j] += shift;
                if i != j {
                    moved[j][i] += shift;
                }
                f(&moved)
            };
            let numeric = (at(1e-6) - at(-1e-6)) / 2e-6;
            let expected = if i == j { slopes[i][i] } else { slopes[i][j] + slopes[j][i] };
            // Truncation 1e-12, rounding 1e-15/1e-6.
            assert!((numeric - expected).abs() < 1e-7 * (1.0 + numeric.abs()), "{i} {j}: {numeric} against {expected}");
        }
    }
}
