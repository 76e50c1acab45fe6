//! BG/BB over many rows in f64 on all cores: the small-data default, and the reference that other backends difference from.
//!
//! Until t_x a group's histograms are enough; what is left per row is the recurrence of `silence`, a step for each
//! opportunity after the last purchase.

use std::ops::Range;

use super::{GroupTerms, K, Rows, Silence};
use crate::KernelError;
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};

/// The BG/BB likelihood of weighted histories, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    layout: Layout,
    terms: GroupTerms,
    rows: Rows,
}

impl Cpu {
    /// Checks the rows and sorts them by group.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, histories that are not x ≤ t_x ≤ n with x = 0 exactly where t_x = 0,
    /// n above [`MOST_OPPORTUNITIES`](super::MOST_OPPORTUNITIES), negative weights.
    pub fn new(rows: Rows) -> Result<Self, KernelError> {
        rows.check()?;
        let layout = Layout::new(rows.n_groups, &rows.group, CPU_LANE_ROWS)?;
        Ok(Self { layout, terms: GroupTerms::new(&rows), rows })
    }

    /// The rows as handed in.
    pub fn rows_as_given(&self) -> &Rows {
        &self.rows
    }

    /// (x, t_x, n) and weight of a sorted row.
    pub(crate) fn sorted_row(&self, row: usize) -> ((u32, u32, u32), f64) {
        let row = self.layout.order[row] as usize;
        (self.rows.history(row), self.rows.weight[row])
    }

    /// Bytes of temporary tables while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        rows::sum_rows_scratch_bytes(self, chains * self.rows.n_groups)
    }
}

judge!(Cpu, |own, theta, row| {
    let (x, t_x, n) = own.rows.history(row);
    super::log_lik(theta, x, t_x, n)
});

impl Density<K> for Cpu {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn prepare(&self, _group: usize, _theta: &[f64; K]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    /// Σ w ln R.
    fn rows_sum(&self, (): &(), theta: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let mut sum = Sum::ZERO;
        for row in rows {
            let ((x, t_x, n), weight) = self.sorted_row(row);
            let Silence { ln_quiet, slopes, .. } = Silence::new(*theta, x, t_x, n);
            sum += Sum { value: weight * ln_quiet, gradient: slopes.map(|slope| weight * slope) };
        }
        sum
    }

    /// Σ w ln C.
    fn group_sum(&self, group: usize, theta: &[f64; K]) -> Sum<K> {
        self.terms.at(group, *theta)
    }
}
