//! Abe's Pareto/NBD over many rows in f64 on all cores, every row on a fine lattice placed anew at every point: slow, and right
//! wherever it is asked. The judge, and what a device differences from. What makes fits fast on the CPU is in `simd`.

use std::ops::Range;

use rayon::prelude::*;

use super::K;
use super::integrand::{History, Population};
use super::moments::{Moments, RowSums};
use super::no_covariates;
use super::quadrature::{FINE, Fineness, Placer, USUAL};
use super::rows::{Chain, Rows, add_to, check_pointwise, mark_impossible};
use crate::covariates::Covariates;
use crate::extent::settle;
use crate::rows::Layout;
use crate::{Cells, KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch};

/// Rows of one task: each is some tenth of a millisecond.
const LANE_ROWS: usize = 16;

/// Abe's likelihood of weighted cells or single customers, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    rows: Rows,
    fineness: Fineness,
}

impl Cpu {
    /// Sorts and checks the cells.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        Self::with_covariates(cells, no_covariates())
    }

    /// The same with covariates on parameters 0 (rate) and 1 (death): ln rate_i = ln rate + Σ γ z_i.
    ///
    /// # Errors
    /// Those of [`Cpu::new`]; covariates of other rows or other parameters, or not finite.
    pub fn with_covariates(cells: Cells, covariates: Covariates) -> Result<Self, KernelError> {
        Ok(Self { rows: Rows::new(cells, covariates, LANE_ROWS)?, fineness: FINE })
    }

    /// The same with the nodes of [`super::Simd`], good to 1e-7 for an eighth of the work: what a device differences from.
    ///
    /// # Errors
    /// Those of [`Cpu::new`].
    pub fn usual(cells: Cells) -> Result<Self, KernelError> {
        Ok(Self { fineness: USUAL, ..Self::new(cells)? })
    }

    /// Some rows as handed in, without covariates, alone.
    pub(super) fn select(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Ok(Self { fineness: self.fineness, ..Self::new(self.rows.cells.select(rows))? })
    }

    /// A sorted row, and how many customers it counts.
    pub(super) fn sorted_row(&self, row: usize) -> (History, f64) {
        let row = self.rows.layout.order[row] as usize;
        (self.rows.history(row), self.rows.cells.weight[row])
    }

    pub(super) fn layout_of_rows(&self) -> &Layout {
        &self.rows.layout
    }

    /// The sums over sorted rows of one group, without covariates.
    pub(super) fn moments(&self, theta: &[f64; K], rows: Range<usize>) -> Moments {
        let (population, mut placer) = (Population::new(theta), Placer::new(self.fineness));
        let mut sums = Moments::default();
        for row in &self.rows.layout.order[rows] {
            let row = *row as usize;
            sums += self.row(&mut placer, &population, row, &[]).times(self.rows.cells.weight[row]);
        }
        sums
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.rows.cells
    }

    /// ln L and moments of one row as handed in, unweighted.
    fn row(&self, placer: &mut Placer, group: &Population, row: usize, gammas: &[f64]) -> Moments {
        let population = self.rows.population(group, row, gammas);
        let ln_lik = placer.place(&self.rows.history(row), &population);
        let (mean, covariance) = placer.spread();
        Moments::of(ln_lik, &placer.lattice, &population, mean, covariance)
    }

    fn lane_sums(&self, chain: &Chain, lane: usize) -> RowSums {
        let lane = &self.rows.layout.lanes[lane];
        let (population, corr) = (chain.population(lane.group), chain.thetas[lane.group][4]);
        let mut sums = RowSums::new(self.rows.covariates.terms.len());
        let mut placer = Placer::new(self.fineness);
        for row in &self.rows.layout.order[lane.rows.clone()] {
            let row = *row as usize;
            let moments = self.row(&mut placer, &population, row, &chain.gammas);
            sums.add(&moments.times(self.rows.cells.weight[row]), corr, self.rows.terms(row));
        }
        sums
    }
}

impl Likelihood for Cpu {
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
        for chain in &chains {
            let lanes = 0..self.rows.layout.lanes.len();
            let sums: Vec<RowSums> = lanes.into_par_iter().map(|lane| self.lane_sums(chain, lane)).collect();
            for (lane, sums) in self.rows.layout.lanes.iter().zip(&sums) {
                add_to(out, chain, lane.group, &self.rows.covariates, sums);
            }
        }
        settle(out);
        Ok(())
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        self.rows.extent().check(at)
    }

    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        check_pointwise(&self.rows, params, &rows, out.log_lik.dim())?;
        out.log_lik.fill(f64::NEG_INFINITY);
        for chain in Chain::all(params, self.rows.covariates.terms.len()) {
            let at = |row: u64| {
                let row = row as usize;
                let population = chain.population(self.rows.layout.group_of_input(row));
                self.row(&mut Placer::new(self.fineness), &population, row, &chain.gammas).ln_lik
            };
            let values: Vec<f64> = rows.clone().into_par_iter().map(at).collect();
            out.log_lik.row_mut(chain.index).assign(&ndarray::ArrayView1::from(&values));
        }
        Ok(())
    }
}
