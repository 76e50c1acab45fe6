//! MBG/NBD over many cells in f64 on all cores, as the formula stands: the judge of the faster sums, and the reference that a device
//! differences from.
//!
//! ```text
//! Σ w [ −n ln(α+T) + ln(1 + a/(b+x) · ((α+T)/(α+t_x))ⁿ) ],   n = r + x, t_x = 0 for x = 0
//! ```
//!
//! and the terms in x alone, from a histogram.

use std::ops::Range;

use super::{K, MbgNbd};
use crate::KernelError;
use crate::beta_geometric::GroupTerms;
use crate::cells::Cells;
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};
use crate::special::{logistic, softplus};

/// The MBG/NBD likelihood of weighted cells, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    layout: Layout,
    /// (x, t_x, T, weight), sorted by group.
    sorted: Vec<(f64, f64, f64, f64)>,
    terms: GroupTerms,
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
        let sorted = layout.order.iter().map(|row| {
            let row = *row as usize;
            let (x, t_x) = super::seen(cells.frequency[row], cells.recency[row]);
            (x, t_x, cells.age[row], cells.weight[row])
        });
        Ok(Self { sorted: sorted.collect(), layout, terms: GroupTerms::new::<MbgNbd>(&cells), cells })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// (x, t_x, T, weight) of a sorted cell.
    pub(crate) fn sorted_cell(&self, row: usize) -> (f64, f64, f64, f64) {
        self.sorted[row]
    }

    /// Bytes of temporary tables while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        rows::sum_rows_scratch_bytes(self, chains * self.cells.n_groups)
    }
}

judge!(Cpu, |own, theta, row| {
    let Cells { frequency, recency, age, .. } = &own.cells;
    super::log_lik(theta, frequency[row], recency[row], age[row])
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

    fn rows_sum(&self, (): &(), &[r, alpha, a, b]: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let mut sum = Sum::ZERO;
        let [by_r, by_alpha, by_a, by_b] = &mut sum.gradient;
        for &(x, t_x, t, w) in &self.sorted[rows] {
            let (n, c) = (r + x, b + x);
            let (ln_t, gap) = ((alpha + t).ln(), (t - t_x) / (alpha + t_x));
            let ln_gap = gap.ln_1p();
            let log_odds = (a / c).ln() + n * ln_gap;
            let dropped = w * logistic(log_odds);
            sum.value += w * (softplus(log_odds) - n * ln_t);
            *by_r += dropped * ln_gap - w * ln_t;
            *by_alpha -= (w + dropped * gap) * n / (alpha + t);
            *by_a += dropped / a;
            *by_b -= dropped / c;
        }
        sum
    }

    fn group_sum(&self, group: usize, theta: &[f64; K]) -> Sum<K> {
        self.terms.at(group, *theta)
    }
}
