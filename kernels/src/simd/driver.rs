//! Walks a family's rows in registers: pieces of groups, all chains per piece, all cores. What a row adds is the family's.
//!
//! **Order.** Row i of a piece adds to lane i mod 8 of a chain's sums; the eight lanes are added pairwise at the piece's end,
//! the pieces of a group in their order, the groups in theirs. A wider register holds more of the eight lanes at once, and more
//! threads take more pieces at once: neither changes an addition. Chains share nothing but the rows they read.

use ndarray::{ArrayViewMut1, ArrayViewMut2};
use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::table::PIECE_BLOCKS;
use super::vector::V;
use crate::rows::{Extent, Sum, settle};
use crate::{KernelError, LikelihoodBatch, ParamBatch};

/// What rows have added up to, lane by lane: the log-likelihood and its slopes in K parameters.
#[derive(Debug, Clone, Copy)]
pub struct Sums<S: Simd, const K: usize> {
    pub value: V<S>,
    pub slopes: [V<S>; K],
}

/// A run of one group's rows: piece `index` of every table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Piece {
    pub group: usize,
    pub index: usize,
}

/// A likelihood's rows, in tables, and what each row adds.
pub(crate) trait Family<const K: usize>: Send + Sync {
    fn n_groups(&self) -> usize;

    /// What a point is made of.
    fn extent(&self) -> Extent {
        Extent::apart(self.n_groups(), K)
    }

    /// Blocks of a group in each of its tables.
    fn blocks_of(&self, group: usize) -> impl Iterator<Item = usize>;

    /// Adds the rows of `piece`, register `part` of every block, at `theta`.
    fn add<S: Simd>(&self, simd: S, piece: Piece, part: usize, theta: [V<S>; K], sums: &mut Sums<S, K>);

    /// What a group adds without any row.
    fn constant(&self, group: usize, theta: &[f64; K]) -> Sum<K>;
}

/// Parameters outside this range count as impossible: squares and triple products of those inside, and of times and spends
/// with them, are normal numbers, so that no formula asks.
pub(crate) const REACH: std::ops::RangeInclusive<f64> = 1e-60..=1e60;

/// Blocks × chains below this, about a tenth of a millisecond, are summed on the calling thread: waking others takes a good
/// part of that.
const PARALLEL_FROM: usize = 8192;

/// Blocks of one task at least: pieces of small groups are taken together.
const UNIT_BLOCKS: usize = 256;

/// A family's pieces, and room for their sums.
#[derive(Debug, Clone)]
pub(crate) struct Driver<const K: usize> {
    arch: Arch,
    pieces: Vec<Piece>,
    /// First piece of each unit of work, and the end of the last.
    units: Vec<usize>,
    blocks: usize,
    /// `[unit][chain block][piece of unit][chain of block]`, as the tasks write them.
    sums: Vec<Sum<K>>,
    possible: Vec<bool>,
}

impl<const K: usize> Driver<K> {
    pub fn new(family: &impl Family<K>) -> Self {
        let (mut pieces, mut units, mut blocks, mut in_unit) = (Vec::new(), vec![0], 0, 0);
        for group in 0..family.n_groups() {
            let longest = family.blocks_of(group).max().unwrap_or(0);
            for index in 0..longest.div_ceil(PIECE_BLOCKS) {
                pieces.push(Piece { group, index });
                let of_piece = |b: usize| b.saturating_sub(index * PIECE_BLOCKS).min(PIECE_BLOCKS);
                let here: usize = family.blocks_of(group).map(of_piece).sum();
                blocks += here;
                in_unit += here;
                if in_unit >= UNIT_BLOCKS {
                    units.push(pieces.len());
                    in_unit = 0;
                }
            }
        }
        if units.last() != Some(&pieces.len()) {
            units.push(pieces.len());
        }
        Self { arch: Arch::new(), pieces, units, blocks, sums: Vec::new(), possible: Vec::new() }
    }

    /// The same on another instruction set, for tests.
    #[cfg(test)]
    pub fn on(mut self, arch: Arch) -> Self {
        self.arch = arch;
        self
    }

    /// Bytes that [`Driver::evaluate`] keeps for `chains` chains.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        (self.pieces.len() * chains * size_of::<Sum<K>>() + chains) as u64
    }

    /// Value and gradient of every chain.
    pub fn evaluate<F: Family<K>>(
        &mut self,
        family: &F,
        params: ParamBatch<'_>,
        out: &mut LikelihoodBatch,
    ) -> Result<(), KernelError> {
        let extent = family.extent();
        extent.check(params)?;
        extent.clear(params, out)?;
        let chains = params.per_group.dim().0;
        self.possible.clear();
        let in_reach = |point: &[f64; K]| point[..extent.per_group].iter().all(|p| REACH.contains(p));
        self.possible.extend((0..chains).map(|chain| extent.is_possible(params, chain, in_reach)));
        self.sums.resize(self.pieces.len() * chains, Sum::ZERO);
        let threads = if self.blocks * chains < PARALLEL_FROM { 1 } else { rayon::current_num_threads() };
        let chains_per_task = self.chains_per_task(chains, threads);
        self.sum_pieces(family, params, chains_per_task, threads);
        self.collect(family, params, chains_per_task, threads, out);
        settle(out);
        Ok(())
    }

    /// All chains read a piece together while there are units enough for all threads; fewer chains a task otherwise.
    fn chains_per_task(&self, chains: usize, threads: usize) -> usize {
        let units = (self.units.len() - 1).max(1);
        let blocks = if threads == 1 { 1 } else { (4 * threads).div_ceil(units) };
        chains.div_ceil(blocks).max(1)
    }

    fn sum_pieces<F: Family<K>>(&mut self, family: &F, params: ParamBatch<'_>, chains_per_task: usize, threads: usize) {
        let Self { arch, pieces, units, sums, possible, .. } = self;
        let mut left = sums.as_mut_slice();
        let tasks = units.windows(2).flat_map(|unit| {
            let pieces = &pieces[unit[0]..unit[1]];
            possible
                .chunks(chains_per_task)
                .enumerate()
                .map(move |(i, possible)| (pieces, i * chains_per_task, possible))
        });
        let tasks = tasks.map(|(pieces, first_chain, possible)| {
            let (own, rest) = std::mem::take(&mut left).split_at_mut(pieces.len() * possible.len());
            left = rest;
            Task { family, pieces, first_chain, possible, params, sums: own }
        });
        if threads == 1 {
            tasks.for_each(|task| arch.dispatch(task));
        } else {
            let tasks: Vec<_> = tasks.collect();
            tasks.into_par_iter().for_each(|task| arch.dispatch(task));
        }
    }

    /// Adds the pieces' sums up, chain by chain, in the order of the pieces.
    fn collect<F: Family<K>>(
        &self,
        family: &F,
        params: ParamBatch<'_>,
        chains_per_task: usize,
        threads: usize,
        out: &mut LikelihoodBatch,
    ) {
        let (extent, chains) = (family.extent(), self.possible.len());
        let of_chain = |(chain, ((log_lik, mut slopes), mut shared)): Of<'_>| {
            if !self.possible[chain] {
                *log_lik = f64::NEG_INFINITY;
                return;
            }
            let mut add = |group: usize, sum: &Sum<K>| {
                *log_lik += sum.value;
                let (own, of_all) = sum.gradient.split_at(extent.per_group);
                for (k, slope) in own.iter().enumerate() {
                    slopes[[group, k]] += slope;
                }
                for (t, slope) in of_all[..extent.shared].iter().enumerate() {
                    shared[t] += slope;
                }
            };
            let first_chain = chain - chain % chains_per_task;
            let together = chains_per_task.min(chains - first_chain);
            for unit in self.units.windows(2) {
                let pieces = &self.pieces[unit[0]..unit[1]];
                let block = &self.sums[unit[0] * chains + first_chain * pieces.len()..];
                for (i, piece) in pieces.iter().enumerate() {
                    add(piece.group, &block[i * together + chain - first_chain]);
                }
            }
            for group in 0..family.n_groups() {
                add(group, &family.constant(group, &extent.point(params, chain, group).theta));
            }
        };
        let own = out.log_lik.iter_mut().zip(out.per_group.outer_iter_mut());
        let each = own.zip(out.shared.outer_iter_mut()).enumerate();
        if threads == 1 {
            each.for_each(of_chain);
        } else {
            let each: Vec<_> = each.collect();
            each.into_par_iter().for_each(of_chain);
        }
    }
}

/// A chain's number and its place in the results: value, slopes of its groups, slopes of what they share.
type Of<'a> = (usize, ((&'a mut f64, ArrayViewMut2<'a, f64>), ArrayViewMut1<'a, f64>));

/// Some pieces for some chains.
struct Task<'a, 'p, F, const K: usize> {
    family: &'a F,
    pieces: &'a [Piece],
    first_chain: usize,
    possible: &'a [bool],
    params: ParamBatch<'p>,
    /// `[piece][chain]`.
    sums: &'a mut [Sum<K>],
}

impl<F: Family<K>, const K: usize> WithSimd for Task<'_, '_, F, K> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { family, pieces, first_chain, possible, params, sums } = self;
        let extent = family.extent();
        for (piece, sums) in pieces.iter().zip(sums.chunks_exact_mut(possible.len())) {
            for ((i, possible), sum) in possible.iter().enumerate().zip(sums) {
                if *possible {
                    let point = extent.point(params, first_chain + i, piece.group);
                    *sum = piece_sum(simd, family, *piece, point.theta);
                }
            }
        }
    }
}

/// One piece at one point.
#[inline(always)]
fn piece_sum<S: Simd, F: Family<K>, const K: usize>(simd: S, family: &F, piece: Piece, theta: [f64; K]) -> Sum<K> {
    let zero = V::splat(simd, 0.0);
    let mut at = [zero; K];
    for (register, theta) in at.iter_mut().zip(theta) {
        *register = V::splat(simd, theta);
    }
    let (mut value, mut slopes) = ([0.0; 8], [[0.0; 8]; K]);
    for part in 0..8 / S::F64_LANES {
        let mut sums = Sums { value: zero, slopes: [zero; K] };
        family.add(simd, piece, part, at, &mut sums);
        sums.value.store(&mut value, part);
        for (slope, lanes) in sums.slopes.into_iter().zip(&mut slopes) {
            slope.store(lanes, part);
        }
    }
    let pairwise = |[a, b, c, d, e, f, g, h]: [f64; 8]| ((a + e) + (c + g)) + ((b + f) + (d + h));
    let mut sum = Sum { value: pairwise(value), gradient: [0.0; K] };
    for (slope, lanes) in sum.gradient.iter_mut().zip(slopes) {
        *slope = pairwise(lanes);
    }
    sum
}

#[cfg(test)]
mod tests {
    use crate::Likelihood;
    use crate::simd::proof::machines;
    use crate::simulated::{batch, cells, evaluate, spenders};
    use crate::{bg_nbd, gamma_gamma, mbg_nbd};

    #[test]
    fn no_bit_depends_on_the_width_of_registers() {
        let check = |mut narrow: Box<dyn Likelihood>, mut wide: Box<dyn Likelihood>, params| {
            let (narrow, wide) = (evaluate(narrow.as_mut(), &params), evaluate(wide.as_mut(), &params));
            assert!(narrow.log_lik.iter().all(|value| value.is_finite()));
            assert_eq!((narrow.log_lik, narrow.per_group), (wide.log_lik, wide.per_group));
        };
        let best = bg_nbd::Simd::new(cells(3, 3000, 0.0)).expect("cells");
        let best_from_start = mbg_nbd::Simd::new(cells(3, 3000, 0.0)).expect("cells");
        let best_spend = gamma_gamma::Simd::new(spenders(3, 3000, 0.0)).expect("rows");
        for arch in machines() {
            let (other, params) = (best.clone().on(arch), batch::<4>(3, 3, [0.3, 6.0, 0.8, 2.5], 0.7));
            check(Box::new(best.clone()), Box::new(other), params);
            let (other, params) = (best_from_start.clone().on(arch), batch::<4>(3, 3, [0.5, 6.0, 0.9, 1.6], 0.7));
            check(Box::new(best_from_start.clone()), Box::new(other), params);
            let (other, params) = (best_spend.clone().on(arch), batch::<3>(3, 3, [6.0, 4.0, 15.0], 0.7));
            check(Box::new(best_spend.clone()), Box::new(other), params);
        }
    }
}
