//! Customers with parameters of their own, one after another, by the family's scalar density: the judge of the faster sums, and the
//! reference that a device differences from.

use std::ops::Range;

use super::counted::Counted;
use super::customers::Part;
use super::{Covariates, Customers, K, N, Personal};
use crate::cells::Cells;
use crate::rows::{self, CPU_LANE_ROWS, Density, Extent, Layout, Sum};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch};

/// The likelihood of rows with covariates, in f64.
///
/// [`ParamBatch::per_group`] is `[chain, group, parameter]` as without covariates, [`ParamBatch::shared`] `[chain, term]`. A chain is
/// impossible, −∞, where a parameter of any customer's own is not positive and finite.
#[derive(Debug, Clone)]
pub struct Cpu<L> {
    pub(super) customers: Customers<L>,
    /// For a device: what it leaves to the host, and the largest norm of z among the terms of each parameter.
    pub(super) counted: Counted,
    pub(super) longest: [f64; K],
}

impl<L: Personal> Cpu<L> {
    /// Sorts and checks the rows.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights; covariates that are not finite
    /// or not as many as rows; no terms or more than [`MOST_TERMS`](super::MOST_TERMS), terms that name a parameter the family does not move, a column
    /// that is not there, or both as another term does.
    pub fn new(cells: Cells, covariates: Covariates) -> Result<Self, KernelError> {
        Ok(Self::of(Customers::new(cells, covariates, CPU_LANE_ROWS)?))
    }

    pub(super) fn of(customers: Customers<L>) -> Self {
        let square = |k: usize, row: usize| {
            let of_k = customers.covariates.terms.iter().filter(|term| term.parameter == k);
            of_k.map(|term| customers.known(row)(term.column).powi(2)).sum::<f64>()
        };
        let rows = customers.cells.group.len();
        let longest = |k: usize| (0..rows).map(|row| square(k, row)).fold(0.0, f64::max).sqrt();
        Self { counted: Counted::new(&customers, 0), longest: std::array::from_fn(longest), customers }
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
        rows::evaluate(&Whole(&self.customers), params, out)
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

/// All of the density, row by row.
struct Whole<'a, L>(&'a Customers<L>);

impl<L: Personal> Density<N> for Whole<'_, L> {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.0.layout
    }

    fn extent(&self) -> Extent {
        self.0.extent()
    }

    fn prepare(&self, _group: usize, _point: &[f64; N]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), point: &[f64; N], rows: Range<usize>) -> Sum<N> {
        self.0.sum(point, rows, |own, x, t_x, t| {
            let (value, slopes) = L::log_lik_gradient(*own, x, t_x, t);
            Part { value, slopes }
        })
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
