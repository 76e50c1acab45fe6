//! The Γ terms of a beta-geometric model in registers: what the histogram of x in each group adds, factor by factor where counts
//! are small and many, by Stirling's series where they are large and few. The judge's are in `cells`.
//!
//! ```text
//! Σ w [ ln (r)ₓ + ln (b)_{y−1} − ln (a+b)_y ],   (c)ₓ = Γ(c+x)/Γ(c),   over chances y = x or x + 1 above 0
//! ```
//!
//! With N_j customers of y > j, Σ w ln (c)_y = Σ_j N_j ln(c+j), and Σ w ln (c)_{y−1} = Σ_j N_{j+1} ln(c+j). Factors run to j < J;
//! what a larger y has beyond J is one row of the second table.

use std::marker::PhantomData;

use pulp::Simd;

use super::{K, Law};
use crate::simd::gamma::rise;
use crate::simd::ln::ln;
use crate::simd::{Piece, Sums, Table, V};

/// Histograms of y > 0, by group.
#[derive(Debug, Clone)]
pub(super) struct Rising<L> {
    /// (j, N_j, N_{j+1}) for j < J.
    factors: Table<3>,
    /// (J, y − J, w) of the distinct y > J.
    large: Table<3>,
    law: PhantomData<L>,
}

/// A row of `large` costs about as much as this many factors: six logarithms and twelve polynomials against two logarithms.
const LARGE_COST: usize = 4;

/// J is at least this, from where on Stirling's series is exact, and a multiple of the register's eight lanes.
const LEAST_FACTORS: u32 = 16;

impl<L: Law> Rising<L> {
    /// From (y, customers) of the distinct y > 0 of each group, ascending.
    pub fn new(histograms: &[Vec<(u32, f64)>]) -> Self {
        Self::with(histograms, cheapest)
    }

    /// With J chosen by `factors`.
    fn with(histograms: &[Vec<(u32, f64)>], factors: impl Fn(&[(u32, f64)]) -> u32) -> Self {
        let cut: Vec<u32> = histograms.iter().map(|counts| factors(counts)).collect();
        let each = || histograms.iter().zip(&cut);
        let factors = each().map(|(counts, cut)| above(counts, *cut));
        let large = each().map(|(counts, cut)| {
            let beyond = counts.iter().filter(|(y, _)| y > cut);
            beyond.map(|(y, w)| [f64::from(*cut), f64::from(y - cut), *w]).collect()
        });
        Self {
            factors: Table::new(factors, |[j, ..]| [j, 0.0, 0.0]),
            large: Table::new(large, |[cut, beyond, _]| [cut, beyond, 0.0]),
            law: PhantomData,
        }
    }

    pub fn blocks_of(&self, group: usize) -> [usize; 2] {
        [self.factors.blocks_of(group), self.large.blocks_of(group)]
    }

    pub fn bytes(&self) -> u64 {
        self.factors.bytes() + self.large.bytes()
    }

    #[inline(always)]
    pub fn add<S: Simd>(&self, simd: S, piece: Piece, part: usize, theta: [V<S>; K], sums: &mut Sums<S, K>) {
        for row in self.factors.rows(simd, piece, part) {
            add_factor::<S, L>(theta, row, sums);
        }
        for row in self.large.rows(simd, piece, part) {
            add_large::<S, L>(theta, row, sums);
        }
    }
}

/// N_j ln((r+j)/(a+b+j)) + N_{j+1} ln(b+j) where y = x; N_{j+1} ln((r+j)(b+j)) − N_j ln(a+b+j) where y = x + 1. Two logarithms
/// and one division.
#[inline(always)]
fn add_factor<S: Simd, L: Law>([r, _, a, b]: [V<S>; K], [j, n_j, n_next]: [V<S>; 3], sums: &mut Sums<S, K>) {
    let (of_r, of_b, of_ab) = (r + j, b + j, (a + b) + j);
    let all = j.all(1.0) / (of_r * of_b * of_ab);
    let per_r = of_b * of_ab * all;
    let per_ab = of_r * of_b * all;
    let per_b = of_r * of_ab * all;
    let n_r = if L::AT_START == 0 { n_j } else { n_next };
    sums.value = if L::AT_START == 0 {
        let ratio = n_j.times_plus(ln(of_r * per_ab), sums.value);
        n_next.times_plus(ln(of_b), ratio)
    } else {
        n_j.times_from(ln(of_ab), n_next.times_plus(ln(of_r * of_b), sums.value))
    };
    sums.slopes[0] = n_r.times_plus(per_r, sums.slopes[0]);
    sums.slopes[2] = n_j.times_from(per_ab, sums.slopes[2]);
    sums.slopes[3] = n_j.times_from(per_ab, n_next.times_plus(per_b, sums.slopes[3]));
}

/// w [ ln (r+J)_{x−J} + ln (b+J)_{y−1−J} − ln (a+b+J)_{y−J} ].
#[inline(always)]
fn add_large<S: Simd, L: Law>([r, _, a, b]: [V<S>; K], [cut, beyond, w]: [V<S>; 3], sums: &mut Sums<S, K>) {
    let (of_r, slope_r) = rise(r + cut, beyond - beyond.all(f64::from(L::AT_START)));
    let (of_b, slope_b) = rise(b + cut, beyond - beyond.all(1.0));
    let (of_ab, slope_ab) = rise((a + b) + cut, beyond);
    sums.value = w.times_plus((of_r + of_b) - of_ab, sums.value);
    sums.slopes[0] = w.times_plus(slope_r, sums.slopes[0]);
    sums.slopes[2] = w.times_from(slope_ab, sums.slopes[2]);
    sums.slopes[3] = w.times_plus(slope_b - slope_ab, sums.slopes[3]);
}

/// The J of least cost: blocks of factors up to J, and of distinct counts beyond it.
fn cheapest(counts: &[(u32, f64)]) -> u32 {
    let Some(largest) = counts.last().map(|(y, _)| *y) else { return 0 };
    let all = |largest: u32| largest.next_multiple_of(8).max(LEAST_FACTORS);
    // Beyond the distinct counts' own price, more factors never pay.
    let most = all(largest.min(8 * (LARGE_COST * counts.len().div_ceil(8)) as u32 + LEAST_FACTORS));
    let cost = |cut: u32| {
        let beyond = counts.len() - counts.partition_point(|(y, _)| *y <= cut);
        cut.min(largest).div_ceil(8) as usize + LARGE_COST * beyond.div_ceil(8)
    };
    (LEAST_FACTORS..=most).step_by(8).min_by_key(|cut| cost(*cut)).unwrap_or(LEAST_FACTORS)
}

/// (j, N_j, N_{j+1}) for j below `cut` and the largest count.
fn above(counts: &[(u32, f64)], cut: u32) -> Vec<[f64; 3]> {
    let largest = counts.last().map_or(0, |(y, _)| *y);
    let (mut rows, mut left, mut above) = (Vec::new(), counts.len(), 0.0);
    // Downwards, so that each N_j adds the customers of y = j + 1 to the next.
    let mut next = 0.0;
    let mut down_to = |j: u32| {
        while left > 0 && counts[left - 1].0 > j {
            left -= 1;
            above += counts[left].1;
        }
        above
    };
    for j in (0..=cut.min(largest)).rev() {
        let n_j = down_to(j);
        if j < cut.min(largest) {
            rows.push([f64::from(j), n_j, next]);
        }
        next = n_j;
    }
    rows.reverse();
    rows
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;
    use crate::bg_nbd::BgNbd;
    use crate::mbg_nbd::MbgNbd;
    use crate::rows::Sum;
    use crate::simd::{Driver, Family};
    use crate::simulated::batch;
    use crate::special::ln_rising;
    use crate::{LikelihoodBatch, ParamBatch};

    #[test]
    fn factors_count_the_customers_above() {
        let counts = [(1, 5.0), (3, 2.0), (4, 1.0)];
        assert_eq!(above(&counts, 16), [[0.0, 8.0, 3.0], [1.0, 3.0, 3.0], [2.0, 3.0, 1.0], [3.0, 1.0, 0.0]]);
        assert_eq!(above(&counts, 2), [[0.0, 8.0, 3.0], [1.0, 3.0, 3.0]]);
        assert!(above(&[], 16).is_empty());
    }

    #[test]
    fn factors_end_where_single_counts_are_cheaper() {
        let dense: Vec<(u32, f64)> = (1..=120).map(|x| (x, 1.0)).collect();
        assert_eq!(cheapest(&dense), 120);
        let one_whale = [(1, 9.0), (2, 4.0), (100_000, 1.0)];
        assert_eq!(cheapest(&one_whale), 16);
        assert_eq!((cheapest(&[(1, 1.0)]), cheapest(&[])), (16, 0));
    }

    /// A family of histograms alone.
    struct Alone<L>(Rising<L>);

    impl<L: Law> Family<K> for Alone<L> {
        fn n_groups(&self) -> usize {
            self.0.factors.n_groups()
        }

        fn blocks_of(&self, group: usize) -> impl Iterator<Item = usize> {
            self.0.blocks_of(group).into_iter()
        }

        #[inline(always)]
        fn add<S: Simd>(&self, simd: S, piece: Piece, part: usize, theta: [V<S>; K], sums: &mut Sums<S, K>) {
            self.0.add(simd, piece, part, theta, sums);
        }

        fn constant(&self, _group: usize, _theta: &[f64; K]) -> Sum<K> {
            Sum::ZERO
        }
    }

    #[test]
    fn wherever_the_factors_end_the_sum_is_the_same() {
        wherever_the_factors_end::<BgNbd>();
        wherever_the_factors_end::<MbgNbd>();
    }

    fn wherever_the_factors_end<L: Law>() {
        let counts =
            [(1, 9e5), (2, 7.0), (16, 3.0), (17, 1.0), (40, 2.0), (63, 2.0), (64, 1.0), (65, 1.0), (5000, 2.0)];
        let histograms = [counts.to_vec(), Vec::new(), counts[..1].to_vec()];
        let params = batch::<K>(6, 3, [0.3, 6.0, 0.8, 2.5], 3.0);
        let shared = Array2::zeros((6, 0));
        let at = |family: Alone<L>| {
            let mut out = LikelihoodBatch::new(6, 3, K, 0);
            let params = ParamBatch { per_group: params.view(), shared: shared.view() };
            Driver::new(&family).evaluate(&family, params, &mut out).expect("shapes fit");
            out
        };
        let chosen = at(Alone(Rising::new(&histograms)));
        for (chain, theta) in params.outer_iter().enumerate() {
            let terms = |group: usize| {
                let [r, a, b] = [0, 2, 3].map(|k| theta[[group, k]]);
                histograms[group].iter().map(move |(y, w)| {
                    [w * ln_rising(r, y - L::AT_START), w * ln_rising(b, y - 1), w * ln_rising(a + b, *y)]
                })
            };
            let (value, size) = (0..3).flat_map(terms).fold((0.0, 0.0), |(value, size), [of_r, of_b, of_ab]| {
                (value + of_r + of_b - of_ab, size + of_r.abs() + of_b.abs() + of_ab.abs())
            });
            // Thirty rounded terms.
            assert!((chosen.log_lik[chain] - value).abs() <= 1e-14 * size, "{} {value}", chosen.log_lik[chain]);
        }
        for cut in [16, 24, 64, 5000] {
            let other = at(Alone(Rising::with(&histograms, |counts| if counts.is_empty() { 0 } else { cut })));
            for (one, other) in
                chosen.log_lik.iter().zip(&other.log_lik).chain(chosen.per_group.iter().zip(&other.per_group))
            {
                // Millions of customers' terms cancel to about a tenth; thousands of roundings at 5000.
                assert!((one - other).abs() <= 1e-13 * one.abs().max(1e3), "J = {cut}: {other:e} not {one:e}");
            }
        }
    }
}
