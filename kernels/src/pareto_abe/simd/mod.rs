//! Abe's Pareto/NBD over many rows in f64, eight at a time, on all cores: the fast CPU path. Its judge is [`super::Cpu`].
//!
//! Every row keeps the lattice of a reference θ₀, and each node's share p⁰ of L there. At θ only the normal density has changed, by
//! the exponential of a quadratic in the node's (i, j):
//!
//! ```text
//! ln L(θ) = ln L(θ₀) + ln Σ p⁰_ij e^Δ_ij,      Δ_ij = ln N₂(node; θ) − ln N₂(node; θ₀) = k₀ + k₁i + k₂j + k₃i² + k₄ij + k₅j²
//! ```
//!
//! e^Δ takes two multiplications a node (`tilt`). Truncation at θ₀ cancels.
//!
//! **How far from θ₀.** A row uses its nodes while its posterior, along either axis of the lattice, has [`super::quadrature::TAIL`] of its sds
//! to both sides, and while Σ at θ is not too narrow for the steps ([`super::quadrature::MOST_EXCESS`]). Any other row gets nodes of its
//! own at θ, at many times the price: results are right wherever they are asked for, and a rule of the row, θ and θ₀ alone
//! decides. Small groups, whose draws lie far apart, have wider and finer lattices ([`room`]). What that leaves of error is measured in
//! `tests/pareto_abe.rs`.

mod block;

use std::ops::Range;

use pulp::Arch;
use rayon::prelude::*;

use super::integrand::Population;
use super::moments::{Moments, RowSums};
use super::quadrature::{Placer, USUAL};
use super::rows::{Chain, Rows, add_to, check_pointwise, mark_impossible};
use super::{first_guess, no_covariates};
use crate::covariates::Covariates;
use crate::extent::settle;
use crate::{Cells, KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, Work};
use block::{Block, Evaluate, Point, Totals, Wanted};

/// Blocks of one task: 128 rows and some 200 kB.
const PIECE_BLOCKS: usize = 16;

/// Nodes × chains below which the calling thread sums alone: a tenth of a millisecond.
const PARALLEL_FROM: usize = 1 << 17;

/// By what factor of variances the Σ of a group of so many customers may leave its reference's, up and down, before rows need lattices
/// of their own. Two thousand leave σ_μ uncertain by a sixth; wider lattices have more nodes.
fn room(customers: f64) -> f64 {
    1.0 + (2000.0 / customers).min(1.0)
}

/// Abe's likelihood of weighted cells or single customers, in f64 with the widest registers that the processor has.
///
/// Results agree with [`super::Cpu`] to 1e-6 a row, and are the same bits for any number of threads, any other chains in the batch and
/// any width of registers, as long as the processor fuses multiply-adds.
#[derive(Debug, Clone)]
pub struct Simd {
    rows: Rows,
    arch: Arch,
    /// θ₀ of each group, and γ₀.
    reference: Chain,
    /// [`room`] of each group.
    rooms: Vec<f64>,
    blocks: Vec<Block>,
    /// Runs of blocks of one group each.
    pieces: Vec<Piece>,
    evaluations: u64,
}

#[derive(Debug, Clone)]
struct Piece {
    group: usize,
    blocks: Range<usize>,
}

impl Simd {
    /// Sorts and checks the cells, and places nodes at a first reference that depends on the data alone.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        Self::with_covariates(cells, no_covariates())
    }

    /// The same with covariates on parameters 0 (rate) and 1 (death): ln rate_i = ln rate + Σ γ z_i.
    ///
    /// # Errors
    /// Those of [`Simd::new`]; covariates of other rows or other parameters, or not finite.
    pub fn with_covariates(cells: Cells, covariates: Covariates) -> Result<Self, KernelError> {
        let reference = Chain {
            index: 0,
            thetas: vec![first_guess(&cells); cells.n_groups],
            gammas: vec![0.0; covariates.terms.len()],
        };
        let rows = Rows::new(cells, covariates, usize::MAX)?;
        let mut new = Self {
            rows,
            arch: Arch::new(),
            reference,
            rooms: Vec::new(),
            blocks: Vec::new(),
            pieces: Vec::new(),
            evaluations: 0,
        };
        new.place();
        Ok(new)
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.rows.cells
    }

    /// The same on another instruction set, for tests.
    #[cfg(test)]
    pub(crate) fn on(self, arch: Arch) -> Self {
        Self { arch, ..self }
    }

    /// Nodes that an evaluation visits, padding included.
    pub fn nodes(&self) -> u64 {
        self.blocks.iter().map(|block| 8 * block.nodes() as u64).sum()
    }

    /// Bytes of nodes and rows that an evaluation reads, once for all chains.
    pub fn bytes_read(&self) -> u64 {
        self.blocks.iter().map(Block::bytes).sum()
    }

    /// Places every row's nodes at the reference. Rows of like histories, and so of like boxes, share a block.
    fn place(&mut self) {
        let (rows, reference) = (&self.rows, &self.reference);
        let mut eights: Vec<(usize, Vec<u32>)> = Vec::new();
        let mut customers = vec![0.0; rows.cells.n_groups];
        (rows.cells.group.iter().zip(&rows.cells.weight)).for_each(|(g, weight)| customers[*g as usize] += weight);
        self.pieces.clear();
        for group in 0..rows.cells.n_groups {
            let mut order = rows.layout.order[rows.layout.rows_of(group)].to_vec();
            order.sort_by(|&i, &j| {
                let key = |row: u32| {
                    let history = rows.history(row as usize);
                    [history.x, history.t_x, history.t]
                };
                let (one, other) = (key(i), key(j));
                let by = |k: usize| one[k].total_cmp(&other[k]);
                by(0).then(by(1)).then(by(2)).then(i.cmp(&j))
            });
            let first = eights.len();
            eights.extend(order.chunks(8).map(|rows| (group, rows.to_vec())));
            let last = eights.len();
            let piece = |start: usize| Piece { group, blocks: start..last.min(start + PIECE_BLOCKS) };
            self.pieces.extend((first..last).step_by(PIECE_BLOCKS).map(piece));
        }
        self.rooms = customers.into_iter().map(room).collect();
        let block = |(group, inputs): (usize, Vec<u32>)| {
            let room = self.rooms[group];
            let mut placer = Placer::new(USUAL.for_narrower(room * room));
            Block::new(&mut placer, rows, &reference.population(group).widened(room), &reference.gammas, inputs)
        };
        self.blocks = eights.into_par_iter().map(block).collect();
    }

    /// The chains' points in each group.
    fn points(&self, chains: &[Chain]) -> Vec<Vec<Point>> {
        let at = |group: usize| {
            let room = self.rooms[group];
            let reference = self.reference.population(group).widened(room);
            let point = |chain: &Chain| Point::new(&chain.population(group), &reference, room * room, &chain.gammas);
            chains.iter().map(point).collect()
        };
        (0..self.rows.cells.n_groups).map(at).collect()
    }

    /// Evaluates a piece at its group's points; returns the rows that need nodes of their own, as (place in the batch, row).
    fn ask(&self, piece: &Piece, points: &[Point], wanted: &mut Wanted<'_>) -> Vec<(usize, usize)> {
        let (blocks, terms) = (&self.blocks[piece.blocks.clone()], &self.rows.covariates.terms);
        let mut far = Vec::new();
        self.arch.dispatch(Evaluate { blocks, points, terms, wanted, far: &mut far });
        far
    }

    /// ln L and moments of a row on nodes of its own.
    fn alone(&self, placer: &mut Placer, group: &Population, row: usize, gammas: &[f64]) -> Moments {
        let population = self.rows.population(group, row, gammas);
        let ln_lik = placer.place(&self.rows.history(row), &population);
        let (mean, covariance) = placer.spread();
        Moments::of(ln_lik, &placer.lattice, &population, mean, covariance)
    }

    /// A piece's sums at every point.
    fn piece_sums(&self, piece: &Piece, points: &[Point], chains: &[Chain]) -> Vec<RowSums> {
        let mut lanes = vec![Totals::new(self.rows.covariates.terms.len()); points.len()];
        let far = self.ask(piece, points, &mut Wanted::Totals(&mut lanes));
        let mut totals: Vec<RowSums> = lanes.iter().map(Totals::add_up).collect();
        let mut placer = Placer::new(USUAL);
        for (slot, row) in far {
            let chain = &chains[slot];
            let moments = self.alone(&mut placer, &chain.population(piece.group), row, &chain.gammas);
            let corr = chain.thetas[piece.group][4];
            totals[slot].add(&moments.times(self.rows.cells.weight[row]), corr, self.rows.terms(row));
        }
        totals
    }
}

impl Likelihood for Simd {
    fn groups(&self) -> usize {
        self.rows.cells.n_groups
    }

    fn rows(&self) -> u64 {
        self.rows.cells.group.len() as u64
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        self.rows.extent().clear(params, out)?;
        let chains = Chain::all(params, self.rows.covariates.terms.len());
        mark_impossible(&chains, out);
        let points = self.points(&chains);
        let sums = |piece: &Piece| self.piece_sums(piece, &points[piece.group], &chains);
        let sums: Vec<Vec<RowSums>> = if self.nodes() as usize * chains.len() < PARALLEL_FROM {
            self.pieces.iter().map(sums).collect()
        } else {
            self.pieces.par_iter().map(sums).collect()
        };
        let mut groups: Vec<Vec<RowSums>> = Vec::new();
        let none = || vec![RowSums::new(self.rows.covariates.terms.len()); chains.len()];
        groups.resize_with(self.rows.cells.n_groups, none);
        for (piece, sums) in self.pieces.iter().zip(&sums) {
            groups[piece.group].iter_mut().zip(sums).for_each(|(group, sums)| *group += sums);
        }
        for (group, sums) in groups.iter().enumerate() {
            for (chain, sums) in chains.iter().zip(sums) {
                add_to(out, chain, group, &self.rows.covariates, sums);
            }
        }
        self.evaluations += self.rows() * params.per_group.dim().0 as u64;
        settle(out);
        Ok(())
    }

    /// Places all nodes anew: some ten microseconds a row and core.
    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        self.rows.extent().check(at)?;
        match <[Chain; 1]>::try_from(Chain::all(at, self.rows.covariates.terms.len())) {
            Ok([reference]) if at.per_group.dim().0 == 1 => {
                if reference.thetas != self.reference.thetas || reference.gammas != self.reference.gammas {
                    self.reference = reference;
                    self.place();
                }
                Ok(())
            }
            _ => Err(KernelError::new(
                format!("a reference of {} points, or an impossible one", at.per_group.dim().0),
                "pass one point that is possible",
            )),
        }
    }

    /// On the reference's nodes where they reach: set it amid the points asked for.
    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        check_pointwise(&self.rows, params, &rows, out.log_lik.dim())?;
        let rows = rows.start as usize..rows.end as usize;
        let chains = Chain::all(params, self.rows.covariates.terms.len());
        let points = self.points(&chains);
        let of_piece = |piece: &Piece| {
            let touched = self.blocks[piece.blocks.clone()].iter().any(|block| block.has_any(&rows));
            let mut values = Vec::new();
            if !touched {
                return values;
            }
            let far = self.ask(piece, &points[piece.group], &mut Wanted::Rows(&rows, &mut values));
            let mut placer = Placer::new(USUAL);
            values.extend(far.into_iter().map(|(slot, row): (usize, usize)| {
                let chain = &chains[slot];
                (slot, row, self.alone(&mut placer, &chain.population(piece.group), row, &chain.gammas).ln_lik)
            }));
            values
        };
        let values: Vec<Vec<(usize, usize, f64)>> = self.pieces.par_iter().map(of_piece).collect();
        out.log_lik.fill(f64::NEG_INFINITY);
        for (slot, row, value) in values.into_iter().flatten() {
            out.log_lik[[chains[slot].index, row - rows.start]] = value;
        }
        Ok(())
    }

    fn work(&self) -> Work {
        Work { evaluations: self.evaluations, ..Work::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::proof::machines;
    use crate::simulated::{batch, cells, evaluate};

    #[test]
    fn no_bit_depends_on_the_width_of_registers() {
        let best = Simd::new(cells(2, 200, 0.0)).expect("cells");
        let params = batch::<5>(3, 2, [0.2, 0.02, 1.0, 1.0, 0.3], 0.3);
        let expected = evaluate(&mut best.clone(), &params);
        for arch in machines() {
            let seen = evaluate(&mut best.clone().on(arch), &params);
            assert!(seen.log_lik.iter().all(|value| value.is_finite()));
            assert_eq!((&seen.log_lik, &seen.per_group), (&expected.log_lik, &expected.per_group));
        }
    }
}
