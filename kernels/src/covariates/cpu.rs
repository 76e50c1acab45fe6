//! Customers with parameters of their own, one after another, by the family's scalar density: the judge of the faster sums, and the
//! reference that a device differences from.

use std::ops::Range;

use super::customers::Part;
use super::{Covariates, Customers, N, Personal};
use crate::cells::Cells;
use crate::rows::{self, CPU_LANE_ROWS, Density, Extent, Layout, Sum};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch};

/// The likelihood of rows with covariates, in f64.
///
/// [`ParamBatch::per_group`] is `[chain, group, parameter]` as without covariates, [`ParamBatch::shared`] `[chain, term]`. A chain is
/// impossible, −∞, where a parameter of any customer's own is not positive and finite.
#[derive(Debug, Clone)]
pub struct Cpu<L> {
    customers: Customers<L>,
}

impl<L: Personal> Cpu<L> {
    /// Sorts and checks the rows.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights; covariates that are not finite
    /// or not as many as rows; no terms or more than [`MOST_TERMS`](super::MOST_TERMS), terms that name a parameter the family does not move, a column
    /// that is not there, or both as another term does.
    pub fn new(cells: Cells, covariates: Covariates) -> Result<Self, KernelError> {
        Ok(Self { customers: Customers::new(cells, covariates, CPU_LANE_ROWS)? })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.customers.cells
    }

    /// The covariates as handed in.
    pub fn covariates(&self) -> &Covariates {
        &self.customers.covariates
    }
}

impl<L: Personal> Likelihood for Cpu<L> {
    fn groups(&self) -> usize {
        self.customers.cells.n_groups
    }

    fn rows(&self) -> u64 {
        self.customers.cells.group.len() as u64
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        rows::evaluate(self, params, out)
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        self.customers.extent().check(at)
    }

    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        self.customers.pointwise(params, rows, out)
    }
}

impl<L: Personal> Density<N> for Cpu<L> {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.customers.layout
    }

    fn extent(&self) -> Extent {
        self.customers.extent()
    }

    fn prepare(&self, _group: usize, _point: &[f64; N]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), point: &[f64; N], rows: Range<usize>) -> Sum<N> {
        let mut sum = Sum::ZERO;
        for row in &self.customers.layout.order[rows] {
            let row = *row as usize;
            let own = self.customers.own(point, row);
            let (x, t_x, t, _) = self.customers.history(row);
            let (value, slopes) = L::log_lik_gradient(own, x, t_x, t);
            self.customers.add(&mut sum, point, row, &own, &Part { value, slopes });
        }
        sum
    }

    fn group_sum(&self, _group: usize, _point: &[f64; N]) -> Sum<N> {
        Sum::ZERO
    }
}

impl<L: Personal> Customers<L> {
    /// Unweighted log-likelihoods of rows as handed in, by the scalar density.
    pub fn pointwise(
        &self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        rows::pointwise_at(self.extent(), &self.layout, params, rows, out, |point: [f64; N], row| {
            let (x, t_x, t, _) = self.history(row);
            L::log_lik(self.own(&point, row), x, t_x, t)
        })
    }
}
