//! One sort of all draws of a quantity, and everything that follows from it: ordered values, normal scores of the halves, and those of
//! their distances from the median.
//!
//! Sorting is what figures of a million draws cost. Ranks of distances need no second sort: on either side of the median the distances
//! stand in order already.

use ndarray::{Array2, ArrayView2};

use super::quantile::quantile_sorted;
use super::rank::Scores;

/// Draws in ascending order, each with its place in `[chain, draw]`.
#[derive(Debug)]
pub(super) struct Ordered {
    chains: usize,
    draws: usize,
    pairs: Vec<(f64, u32)>,
}

impl Ordered {
    /// Sorts `draws` `[chain, draw]`; NaN stands at an end.
    pub(super) fn new(draws: ArrayView2<'_, f64>) -> Self {
        // Pairs sort faster than places that point at values: the comparison stays within the cache line. Equal values may stand in
        // any order: nothing that is made of them asks.
        let mut pairs: Vec<(f64, u32)> = draws.iter().copied().zip(0..).collect();
        pairs.sort_unstable_by(|(x, _), (y, _)| x.total_cmp(y));
        Self { chains: draws.nrows(), draws: draws.ncols(), pairs }
    }

    /// The values alone.
    pub(super) fn values(&self) -> Vec<f64> {
        self.pairs.iter().map(|(x, _)| *x).collect()
    }

    /// Normal scores of the halves (as `chains::split` lays them out), and of their distances from the halves' median: `[half, draw]`.
    pub(super) fn scores(&self, scores: &Scores) -> [Array2<f64>; 2] {
        let half = self.draws / 2;
        let mut pairs: Vec<(f64, u32)> = Vec::with_capacity(2 * self.chains * half);
        for (x, place) in &self.pairs {
            let (chain, draw) = (*place as usize / self.draws, *place as usize % self.draws);
            // The middle draw of an odd number belongs to no half.
            let row = if draw < half {
                Some(chain * half + draw)
            } else if draw >= self.draws - half {
                Some((self.chains + chain) * half + draw - (self.draws - half))
            } else {
                None
            };
            pairs.extend(row.map(|row| (*x, row as u32)));
        }
        both((2 * self.chains, half), &pairs, scores)
    }

    /// The same of whole chains, `[chain, draw]`.
    pub(super) fn whole_scores(&self, scores: &Scores) -> [Array2<f64>; 2] {
        both((self.chains, self.draws), &self.pairs, scores)
    }
}

/// Scores of ascending `pairs` and of their distances from their median.
fn both(shape: (usize, usize), pairs: &[(f64, u32)], scores: &Scores) -> [Array2<f64>; 2] {
    let sorted: Vec<f64> = pairs.iter().map(|(x, _)| *x).collect();
    let median = quantile_sorted(&sorted, 0.5);
    [spread(shape, pairs, scores), spread(shape, &folded(pairs, median), scores)]
}

/// Distances of ascending `pairs` from `median`, ascending: the two sides merged.
fn folded(pairs: &[(f64, u32)], median: f64) -> Vec<(f64, u32)> {
    let split = pairs.partition_point(|(x, _)| *x < median);
    let distance = |&(x, place): &(f64, u32)| ((x - median).abs(), place);
    let mut below = pairs[..split].iter().rev().map(distance).peekable();
    let mut above = pairs[split..].iter().map(distance).peekable();
    let mut out = Vec::with_capacity(pairs.len());
    while let (Some(low), Some(high)) = (below.peek(), above.peek()) {
        let next = if low.0 <= high.0 { below.next() } else { above.next() };
        out.extend(next);
    }
    out.extend(below);
    out.extend(above);
    out
}

/// The scores of ascending `pairs`, each at its place.
fn spread(shape: (usize, usize), pairs: &[(f64, u32)], scores: &Scores) -> Array2<f64> {
    let mut flat = vec![0.0; pairs.len()];
    let mut before = 0;
    for tie in pairs.chunk_by(|(x, _), (y, _)| x == y) {
        let score = scores.of_tie(before, tie.len());
        tie.iter().for_each(|(_, place)| flat[*place as usize] = score);
        before += tie.len();
    }
    Array2::from_shape_vec(shape, flat).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::chains::split;
    use super::super::rank::average_ranks;
    use super::super::reference::ar;
    use super::*;

    /// Against ranks by a sort of their own, with ties and with odd lengths.
    #[test]
    fn one_sort_ranks_halves_and_distances() {
        for draws in [ar(3, 50, 0.3, 0.2), ar(2, 51, 0.0, 0.0).mapv(|x| (x * 4.0).floor() / 4.0)] {
            let halves = split(draws.view());
            let scores = Scores::new(halves.len());
            let [z, far] = Ordered::new(draws.view()).scores(&scores);
            let mut sorted: Vec<f64> = halves.iter().copied().collect();
            sorted.sort_unstable_by(f64::total_cmp);
            let median = quantile_sorted(&sorted, 0.5);
            let folded = halves.mapv(|x| (x - median).abs());
            for (seen, values) in [(z, halves), (far, folded)] {
                let ranks = average_ranks(values.view());
                for (score, rank) in seen.iter().zip(&ranks) {
                    assert_eq!(*score, scores.of_rank(*rank));
                }
            }
        }
    }
}
