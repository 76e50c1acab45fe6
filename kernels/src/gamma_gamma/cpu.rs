//! Gamma-Gamma over many customers in f64 on all cores: the small-data default, and the reference that other backends
//! difference from. One logarithm and one division per row.

use std::ops::Range;

use super::{GroupTerms, K, Rows};
use crate::KernelError;
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};

/// The Gamma-Gamma likelihood of weighted customers, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    layout: Layout,
    sorted: Vec<Spender>,
    terms: GroupTerms,
    rows: Rows,
}

#[derive(Debug, Clone, Copy)]
struct Spender {
    x: f64,
    /// x m.
    total: f64,
    weight: f64,
}

impl Cpu {
    /// Sorts and checks the rows.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, x = 0, a mean spend that is not positive, negative weights.
    pub fn new(rows: Rows) -> Result<Self, KernelError> {
        rows.check()?;
        let layout = Layout::new(rows.n_groups, &rows.group, CPU_LANE_ROWS)?;
        let spender = |row: &u32| {
            let row = *row as usize;
            let x = f64::from(rows.frequency[row]);
            Spender { x, total: x * rows.monetary[row], weight: rows.weight[row] }
        };
        let sorted = layout.order.iter().map(spender).collect();
        Ok(Self { layout, sorted, terms: GroupTerms::new(&rows), rows })
    }

    /// The rows as handed in.
    pub fn rows_as_given(&self) -> &Rows {
        &self.rows
    }

    /// (x, x m, weight) of a sorted row.
    pub(crate) fn sorted_row(&self, row: usize) -> (f64, f64, f64) {
        let Spender { x, total, weight } = self.sorted[row];
        (x, total, weight)
    }

    /// Bytes of temporary tables while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        rows::sum_rows_scratch_bytes(self, chains * self.rows.n_groups)
    }
}

judge!(Cpu, |own, theta, row| super::log_lik(theta, own.rows.frequency[row], own.rows.monetary[row]));

impl Density<K> for Cpu {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn prepare(&self, _group: usize, _theta: &[f64; K]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    /// Σ w [ −(px+q) ln(xm+v) ]: linear in p and q, so that the value follows from its slopes.
    fn rows_sum(&self, (): &(), &[p, q, v]: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let (mut by_p, mut by_q, mut by_v) = (0.0, 0.0, 0.0);
        for Spender { x, total, weight } in &self.sorted[rows] {
            let scale = total + v;
            let ln_scale = weight * scale.ln();
            by_p -= x * ln_scale;
            by_q -= ln_scale;
            by_v -= weight * (p * x + q) / scale;
        }
        Sum { value: p * by_p + q * by_q, gradient: [by_p, by_q, by_v] }
    }

    fn group_sum(&self, group: usize, theta: &[f64; K]) -> Sum<K> {
        self.terms.at(group, *theta)
    }
}
