//! Quantiles of samples that are mostly zero: only what is above zero is held. Two definitions, because counts and amounts are
//! different things; nothing else lives here.

/// The probabilities reported everywhere: the ends of the 90 % and 50 % intervals, and the median.
pub(super) const PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.50, 0.75, 0.95];

/// Counts below this are counted, not sorted.
const COUNTED: usize = 64;

/// Samples smaller than this are sorted: places of different quantiles might meet.
const SORTED: usize = 64;

/// For each probability, the smallest value with at least that share of the sample at or below it (type 1 of Hyndman & Fan 1996):
/// for counts, so that a quantile is a count. The sample is `positive`, in any order, and zeros up to `size`.
pub(super) fn of_counts(positive: &mut [u32], size: usize) -> [u32; 5] {
    let zeros = size - positive.len();
    // 0.05 × 500 may round to just above 25; the small step down keeps it the 25th.
    let ranks = PROBABILITIES.map(|q| ((q * size as f64 - 1e-9).ceil().max(1.0) as usize).min(size));
    let mut tally = [0u32; COUNTED];
    let mut large = false;
    for &k in &*positive {
        match tally.get_mut(k as usize) {
            Some(seen) => *seen += 1,
            None => large = true,
        }
    }
    if large {
        positive.sort_unstable();
        return ranks.map(|rank| if rank <= zeros { 0 } else { positive[rank - zeros - 1] });
    }
    let (mut k, mut below) = (0, zeros);
    ranks.map(|rank| {
        while below < rank {
            k += 1;
            below += tally[k] as usize;
        }
        k as u32
    })
}

/// Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996), for amounts and totals, at each probability. The
/// sample is `positive`, which is reordered, and zeros up to `size`.
pub(super) fn of_amounts(positive: &mut [f64], size: usize) -> [f64; 5] {
    let zeros = size - positive.len();
    let mut quantiles = [0.0; 5];
    if size < SORTED {
        positive.sort_unstable_by(f64::total_cmp);
        let at = |place: usize| if place < zeros { 0.0 } else { positive[place - zeros] };
        return PROBABILITIES.map(|q| between(q, size, at));
    }
    // From the highest down, each among what lies below the one before: these places are at least two apart.
    let mut rest = positive;
    for (q, quantile) in PROBABILITIES.iter().zip(&mut quantiles).rev() {
        let below = (q * (size - 1) as f64).floor() as usize;
        if below + 1 < zeros {
            break;
        }
        let at_most = |values: &[f64]| values.iter().copied().fold(f64::INFINITY, f64::min);
        let (low, high);
        if below < zeros {
            (low, high) = (0.0, at_most(rest));
            rest = &mut [];
        } else {
            let (left, &mut middle, right) = rest.select_nth_unstable_by(below - zeros, f64::total_cmp);
            (low, high) = (middle, at_most(right));
            rest = left;
        }
        *quantile = between(*q, size, |place| if place == below { low } else { high });
    }
    quantiles
}

/// One quantile of a sorted sample (type 7).
pub(super) fn of_sorted(sorted: &[f64], q: f64) -> f64 {
    between(q, sorted.len(), |place| sorted[place])
}

fn between(q: f64, size: usize, at: impl Fn(usize) -> f64) -> f64 {
    let place = q * (size - 1) as f64;
    let below = place.floor() as usize;
    let low = at(below);
    if below + 1 < size { low + (place - below as f64) * (at(below + 1) - low) } else { low }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    #[test]
    fn closed_cases() {
        let mut counts: Vec<u32> = (1..=500).collect();
        assert_eq!(of_counts(&mut counts, 500), [25, 125, 250, 375, 475]);
        assert_eq!(of_counts(&mut [7], 1), [7; 5]);
        assert_eq!(of_counts(&mut [7, 3], 10), [0, 0, 0, 0, 7]);
        assert_eq!(of_counts(&mut [], 3), [0; 5]);
        // Type 7 of 0, 1, …, 100 is 100 q exactly (up to rounding in q × 100), whether or not the zero is held.
        for first in 0..2 {
            let mut amounts: Vec<f64> = (first..=100).rev().map(f64::from).collect();
            for (q, found) in PROBABILITIES.iter().zip(of_amounts(&mut amounts, 101)) {
                assert!((found - 100.0 * q).abs() < 1e-12);
            }
        }
        assert_eq!(of_amounts(&mut [3.5], 1), [3.5; 5]);
    }

    /// Every share of zeros, sizes on both sides of every case: equal, to the bit, to sorting the whole sample.
    #[test]
    fn selection_is_sorting() {
        for size in [1, 2, 5, 21, 63, 64, 65, 100, 500] {
            for positive in 0..=size {
                let rng = &mut Stream::new(size as u64, Purpose::Test, positive as u64, 0);
                let mut amounts: Vec<f64> = (0..positive).map(|_| (4.0 * rng.uniform()).exp()).collect();
                let top = if positive % 3 == 0 { 100.0 } else { 9.0 };
                let mut counts: Vec<u32> = (0..positive).map(|_| 1 + (top * rng.uniform()) as u32).collect();
                let mut all_amounts = [vec![0.0; size - positive], amounts.clone()].concat();
                let mut all_counts = [vec![0; size - positive], counts.clone()].concat();
                all_amounts.sort_unstable_by(f64::total_cmp);
                all_counts.sort_unstable();
                assert_eq!(of_amounts(&mut amounts, size), PROBABILITIES.map(|q| of_sorted(&all_amounts, q)));
                let expected = PROBABILITIES.map(|q| {
                    // The smallest value with at least a share q at or below it, word for word.
                    let enough = |k: u32| all_counts.partition_point(|&c| c <= k) as f64 >= q * size as f64 - 1e-9;
                    all_counts.iter().copied().find(|&k| enough(k)).unwrap()
                });
                assert_eq!(of_counts(&mut counts, size), expected, "{positive} of {size}");
            }
        }
    }
}
