//! Ranks: average ranks, the normal scores made of them, and the counts behind a rank plot.
//!
//! Normal score of a value with average rank ρ among S (Blom 1958, as Vehtari et al. 2021):
//! z = Φ⁻¹((ρ − 3/8) / (S + 1/4)).

use ndarray::{Array2, ArrayView2};
use statrs::function::erf::erfc_inv;

/// Average ranks, from 1, of all values together: equal values share the mean of the ranks they take up.
pub(super) fn average_ranks(values: ArrayView2<'_, f64>) -> Array2<f64> {
    // Pairs sort faster than places that point at values: the comparison stays within the cache line.
    let mut order: Vec<(f64, usize)> = values.iter().copied().zip(0..).collect();
    order.sort_unstable_by(|(x, i), (y, j)| x.total_cmp(y).then(i.cmp(j)));
    let mut ranks = vec![0.0; order.len()];
    let mut before = 0;
    for tie in order.chunk_by(|(x, _), (y, _)| x == y) {
        // The mean of before + 1 … before + len.
        let rank = before as f64 + (tie.len() as f64 + 1.0) / 2.0;
        tie.iter().for_each(|(_, i)| ranks[*i] = rank);
        before += tie.len();
    }
    let mut out = Array2::zeros(values.dim());
    out.iter_mut().zip(ranks).for_each(|(to, rank)| *to = rank);
    out
}

/// Normal scores of S values, with those of whole ranks worked out once.
#[derive(Debug)]
pub(super) struct Scores {
    whole: Vec<f64>,
}

impl Scores {
    /// For `size` values.
    pub(super) fn new(size: usize) -> Self {
        Self { whole: (1..=size).map(|rank| score(rank as f64, size)).collect() }
    }

    /// The score of `len` equal values with `before` lesser ones: they share the mean of the ranks before + 1 … before + len.
    pub(super) fn of_tie(&self, before: usize, len: usize) -> f64 {
        self.of_rank(before as f64 + (len as f64 + 1.0) / 2.0)
    }

    /// The score of an average rank.
    pub(super) fn of_rank(&self, rank: f64) -> f64 {
        if rank.fract() == 0.0 { self.whole[rank as usize - 1] } else { score(rank, self.whole.len()) }
    }
}

fn score(rank: f64, size: usize) -> f64 {
    let p = (rank - 0.375) / (size as f64 + 0.25);
    -std::f64::consts::SQRT_2 * erfc_inv(2.0 * p)
}

/// Counts for a rank plot: the ranks of all draws together, in `bins` equal bins, counted per chain: `[chain, bin]`. Chains that
/// agree give flat rows. Empty where a draw is not finite or there is nothing to count.
pub fn rank_counts(draws: ArrayView2<'_, f64>, bins: usize) -> Array2<u64> {
    let total = draws.len();
    if total == 0 || bins == 0 || draws.iter().any(|x| !x.is_finite()) {
        return Array2::zeros((0, 0));
    }
    let mut counts = Array2::zeros((draws.nrows(), bins));
    for ((chain, _), rank) in average_ranks(draws).indexed_iter() {
        let bin = ((rank - 0.5) / total as f64 * bins as f64) as usize;
        counts[[chain, bin.min(bins - 1)]] += 1;
    }
    counts
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    #[test]
    fn ties_share_their_ranks() {
        let ranks = average_ranks(array![[3.0, 1.0, 3.0], [-0.0, 0.0, 3.0]].view());
        assert_eq!(ranks, array![[5.0, 3.0, 5.0], [1.5, 1.5, 5.0]]);
    }

    #[test]
    fn scores_are_normal_quantiles() {
        // scipy 1.17.1: norm.ppf((r − 3/8) / (10 + 1/4)) for r = 1, 2.5, 10; 1e-13 is the accuracy of erfc_inv.
        for (rank, expected) in
            [(1.0, -1.546_635_271_399_23), (2.5, -0.815_765_713_930_934_4), (10.0, 1.546_635_271_399_23)]
        {
            assert!((score(rank, 10) - expected).abs() < 1e-13, "{rank}: {}", score(rank, 10));
        }
    }

    #[test]
    fn rank_counts_show_a_chain_that_sits_low() {
        let draws = Array2::from_shape_fn((2, 50), |(chain, draw)| (draw + 50 * chain) as f64);
        assert_eq!(rank_counts(draws.view(), 4), array![[25, 25, 0, 0], [0, 0, 25, 25]]);
        assert_eq!(rank_counts(array![[1.0, f64::NAN]].view(), 4).len(), 0);
    }
}
