//! The continuous ranked probability score (CRPS) of draws that are mostly zero: only what is above zero is held.
//!
//! CRPS = E|X − y| − E|X − X′|/2, with X and X′ independent draws and y what happened (Gneiting & Raftery 2007, equation 21), which for
//! counts is Σ_k (F(k) − 1[y ≤ k])². It is taken of the draws as they are, F their own distribution function: with n draws it exceeds
//! that of the distribution they come from by E|X − X′|/(2n) on average.

/// Of the sample `positive`, which is sorted, and zeros up to `size`, at `observed`.
///
/// With x_(i) the ordered sample, E|X − X′|/2 = Σ_i x_(i) (2i − n − 1)/n². All sums are of whole numbers: exact, whatever the order.
pub(super) fn of_counts(positive: &mut [u32], size: usize, observed: u32) -> f64 {
    positive.sort_unstable();
    let zeros = size - positive.len();
    let missed: u64 = positive.iter().map(|&x| u64::from(x.abs_diff(observed))).sum();
    let missed = missed + zeros as u64 * u64::from(observed);
    let spread: i128 =
        (positive.iter().zip(zeros as i128 + 1..)).map(|(&x, i)| i128::from(x) * (2 * i - size as i128 - 1)).sum();
    let n = size as f64;
    missed as f64 / n - spread as f64 / (n * n)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    #[test]
    fn closed_cases() {
        for (positive, size, observed, expected) in [
            // One draw is a point: its absolute error.
            (&mut [7_u32][..], 1, 3, 4.0),
            (&mut [], 1, 3, 3.0),
            (&mut [], 500, 0, 0.0),
            // 0 or 2 with even chance: (½)² over each of two units, whichever happens.
            (&mut [2], 2, 0, 0.5),
            (&mut [2], 2, 1, 0.5),
            (&mut [2], 2, 3, 1.5),
            // Uniform on 0, …, 3, observed 1: (1/4)² + (1/2)² + (1/4)².
            (&mut [3, 1, 2], 4, 1, 0.375),
        ] {
            assert_eq!(of_counts(positive, size, observed), expected, "{positive:?} of {size} at {observed}");
        }
    }

    /// The definition over every pair, and the sum over the distribution function, on samples of every share of zeros.
    #[test]
    fn it_is_its_definition() {
        for case in 0..60 {
            let rng = &mut Stream::new(case, Purpose::Test, 3, 0);
            let top = if case % 4 == 0 { 3000.0 } else { 6.0 };
            let size = 2 + (90.0 * rng.uniform()) as usize;
            let zeros = rng.uniform();
            let draw = |rng: &mut Stream| if rng.uniform() < zeros { 0 } else { (top * rng.uniform()) as u32 };
            let sample: Vec<u32> = (0..size).map(|_| draw(rng)).collect();
            let observed = draw(rng);
            let n = size as f64;
            let gap = |x: u32, y: u32| f64::from(x.abs_diff(y));
            let missed: f64 = sample.iter().map(|&x| gap(x, observed)).sum();
            let pairs: f64 = sample.iter().flat_map(|&x| sample.iter().map(move |&other| gap(x, other))).sum();
            let direct = missed / n - pairs / (2.0 * n * n);
            let step = |k: u32| {
                let at_most = sample.iter().filter(|&&x| x <= k).count() as f64 / n;
                (at_most - f64::from(u8::from(observed <= k))).powi(2)
            };
            let by_steps: f64 = (0..3000).map(step).sum();
            let mut positive: Vec<u32> = sample.iter().copied().filter(|&x| x > 0).collect();
            let found = of_counts(&mut positive, size, observed);
            // Sums of at most 10⁷, rounded to 1e-16 each way.
            assert!((found - direct).abs() < 1e-9 && (found - by_steps).abs() < 1e-9, "{found} {direct} {by_steps}");
        }
    }
}
