//! NBD over many cells in f64 on all cores, as the formula stands: the judge of the device, and the reference that it differences from.
//!
//! ```text
//! ln L = Σ w ln (r)ₓ + Σ w r ln α − Σ w (r+x) ln(α+T)
//! ```
//!
//! The first two sums need the histogram of x alone, the last one logarithm per cell.

use std::ops::Range;

use super::K;
use crate::KernelError;
use crate::cells::{Cells, RisingSum};
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};

/// The NBD likelihood of weighted cells, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    layout: Layout,
    /// (x, T, weight), sorted by group.
    sorted: Vec<(f64, f64, f64)>,
    /// Σ w ln (r)ₓ as a function of r, and Σ w, by group.
    totals: Vec<(RisingSum, f64)>,
    cells: Cells,
}

impl Cpu {
    /// Sorts and checks the cells.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        cells.check()?;
        let layout = Layout::new(cells.n_groups, &cells.group, CPU_LANE_ROWS)?;
        let row = |row: &u32| *row as usize;
        let sorted = layout.order.iter().map(row);
        let sorted = sorted.map(|row| (f64::from(cells.frequency[row]), cells.age[row], cells.weight[row])).collect();
        let of_group = |group: usize| {
            let rows = || layout.order[layout.rows_of(group)].iter().map(row);
            let counts = rows().map(|row| (cells.frequency[row], cells.weight[row])).collect();
            (RisingSum::new(counts), rows().map(|row| cells.weight[row]).sum())
        };
        let totals = (0..cells.n_groups).map(of_group).collect();
        Ok(Self { sorted, totals, layout, cells })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// (x, T, weight) of a sorted cell.
    pub(super) fn sorted_cell(&self, row: usize) -> (f64, f64, f64) {
        self.sorted[row]
    }

    /// Bytes of temporary tables while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        rows::sum_rows_scratch_bytes(self, chains * self.cells.n_groups)
    }
}

judge!(Cpu, |own, theta, row| super::log_lik(theta, own.cells.frequency[row], own.cells.age[row]));

impl Density<K> for Cpu {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn prepare(&self, _group: usize, _theta: &[f64; K]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), &[r, alpha]: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let mut sum = Sum::ZERO;
        for &(x, t, w) in &self.sorted[rows] {
            let (n, ln_t) = (r + x, (alpha + t).ln());
            sum.value -= w * n * ln_t;
            sum.gradient[0] -= w * ln_t;
            sum.gradient[1] -= w * n / (alpha + t);
        }
        sum
    }

    fn group_sum(&self, group: usize, &[r, alpha]: &[f64; K]) -> Sum<K> {
        let (rising, customers) = &self.totals[group];
        let (value, slope) = rising.at(r);
        let ln_alpha = alpha.ln();
        Sum { value: value + customers * r * ln_alpha, gradient: [slope + customers * ln_alpha, customers * r / alpha] }
    }
}
