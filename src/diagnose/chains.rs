//! Chains as arrays `[chain, draw]`: whether they can be judged, split in halves, means and variances.
//!
//! No diagnostics here; only what all of them begin with.

use ndarray::{Array2, ArrayView1, ArrayView2, Axis, CowArray, Ix2, concatenate, s};

/// Draws per chain under which nothing is judged: a half needs two for a variance.
pub(super) const MIN_DRAWS: usize = 4;

/// Whether there is anything to judge: enough draws, all finite, not all equal.
pub(super) fn can_be_judged(draws: ArrayView2<'_, f64>) -> bool {
    draws.nrows() > 0 && draws.ncols() >= MIN_DRAWS && draws.iter().all(|x| x.is_finite()) && varies(draws)
}

/// Whether any two values differ.
pub(super) fn varies(draws: ArrayView2<'_, f64>) -> bool {
    draws.first().is_some_and(|first| draws.iter().any(|x| x != first))
}

/// First halves over second halves: `[2 · chain, draw / 2]`. The middle draw of an odd number is left out.
pub(super) fn split(draws: ArrayView2<'_, f64>) -> Array2<f64> {
    let (n, half) = (draws.ncols(), draws.ncols() / 2);
    let halves = [draws.slice(s![.., ..half]), draws.slice(s![.., n - half..])];
    // Two views of one array have equal row lengths, so they always stack.
    concatenate(Axis(0), &halves).unwrap_or_default()
}

/// Mean of a row.
pub(super) fn mean(values: ArrayView1<'_, f64>) -> f64 {
    values.sum() / values.len() as f64
}

/// Variance of a row with denominator n − 1; NaN for fewer than two values.
pub(super) fn variance(values: ArrayView1<'_, f64>) -> f64 {
    let m = mean(values);
    values.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (values.len() as f64 - 1.0)
}

/// Mean over all chains and draws.
pub(super) fn mean_all(draws: ArrayView2<'_, f64>) -> f64 {
    draws.sum() / draws.len() as f64
}

/// Standard deviation over all chains and draws, with denominator n − 1.
pub(super) fn sd_all(draws: ArrayView2<'_, f64>) -> f64 {
    let draws = at_hand(draws);
    let draws = draws.view();
    let m = mean_all(draws);
    let f = unit(draws, m);
    let squares = draws.iter().map(|x| ((x - m) * f) * ((x - m) * f)).sum::<f64>();
    (squares / (draws.len() as f64 - 1.0)).sqrt() / f
}

/// Distance from 0, in widths of the draws, from which a mean loses digits that a figure needs.
const FAR: f64 = 1e5;

/// Draws that lie far from 0 for their width, seen from one of them; all others as they are. The subtraction of near numbers is exact,
/// while their mean is rounded to the resolution there, which would end up in every variance.
pub(super) fn at_hand(draws: ArrayView2<'_, f64>) -> CowArray<'_, f64, Ix2> {
    let (low, high) =
        draws.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)));
    if low.abs().min(high.abs()) > FAR * (high - low) && high > low {
        CowArray::from(draws.mapv(|x| x - low))
    } else {
        CowArray::from(draws)
    }
}

/// Distances from the centre between which even fourth powers neither vanish nor overflow.
const SQUARABLE: std::ops::Range<f64> = 1e-70..1e70;

/// A power of two that makes the distances from `centre` squarable: 1 wherever they are, so that nothing is rounded.
pub(super) fn unit(draws: ArrayView2<'_, f64>, centre: f64) -> f64 {
    let farthest = draws.iter().map(|x| (x - centre).abs()).fold(0.0, f64::max);
    if SQUARABLE.contains(&farthest) || farthest == 0.0 || !farthest.is_finite() {
        return 1.0;
    }
    // The least power that f64 has a whole reciprocal of.
    (-farthest.log2().floor()).clamp(-1022.0, 1022.0).exp2()
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn an_odd_chain_splits_without_its_middle() {
        let draws = array![[1.0, 2.0, 3.0, 4.0, 5.0], [6.0, 7.0, 8.0, 9.0, 10.0]];
        assert_eq!(split(draws.view()), array![[1.0, 2.0], [6.0, 7.0], [4.0, 5.0], [9.0, 10.0]]);
    }

    #[test]
    fn constants_nans_and_stubs_cannot_be_judged() {
        assert!(can_be_judged(array![[1.0, 2.0, 1.0, 2.0]].view()));
        assert!(!can_be_judged(array![[1.0, 1.0, 1.0, 1.0]].view()));
        assert!(!can_be_judged(array![[1.0, 2.0, f64::NAN, 2.0]].view()));
        assert!(!can_be_judged(array![[1.0, 2.0, f64::INFINITY, 2.0]].view()));
        assert!(!can_be_judged(array![[1.0, 2.0, 3.0]].view()));
        assert!(!can_be_judged(Array2::zeros((0, 0)).view()));
    }
}
