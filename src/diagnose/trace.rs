//! Traces for a plot: each chain thinned to as many points as a picture can show.

use ndarray::{Array2, ArrayView2, Axis};

/// At most `points` draws of every chain of `[chain, draw]`, evenly spaced, first and last included: their indices, and the values
/// `[chain, point]`.
pub fn trace(draws: ArrayView2<'_, f64>, points: usize) -> (Vec<usize>, Array2<f64>) {
    let n = draws.ncols();
    let kept: Vec<usize> = match points.min(n) {
        0 => vec![],
        1 => vec![0],
        k => (0..k).map(|i| (i as u128 * (n as u128 - 1) / (k as u128 - 1)) as usize).collect(),
    };
    let values = draws.select(Axis(1), &kept);
    (kept, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_keeps_its_ends() {
        let draws = Array2::from_shape_fn((2, 11), |(chain, draw)| (100 * chain + draw) as f64);
        let (kept, values) = trace(draws.view(), 3);
        assert_eq!(kept, [0, 5, 10]);
        assert_eq!(values, ndarray::array![[0.0, 5.0, 10.0], [100.0, 105.0, 110.0]]);
        assert_eq!(trace(draws.view(), 50).0.len(), 11);
        assert_eq!(trace(draws.view(), 0).1.dim(), (2, 0));
    }
}
