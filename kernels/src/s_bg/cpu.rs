//! Shifted beta-geometric over cohorts in f64 on all cores: the small-data default, and the reference that other backends difference
//! from. What is summed is periods, not customers: for each group, one row per period in which anybody was at risk.
//!
//! ```text
//! ln L = lost ln α − Σ_j [ stayed_j ln(1 + α/(β+j)) + lost_j ln(α+β+j) ]
//! ```

use std::ops::Range;

use super::cohorts::{Period, lost, periods, terms};
use super::{K, Rows};
use crate::KernelError;
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};

/// The shifted beta-geometric likelihood of weighted customers, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    /// Of the periods, group by group.
    layout: Layout,
    periods: Vec<Period>,
    /// Customers lost, by group.
    lost: Vec<f64>,
    rows: Rows,
    rows_layout: Layout,
}

impl Cpu {
    /// Checks the rows and counts them by period.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, a loss in period 0, lifetimes beyond [`super::MOST_PERIODS`], negative weights.
    pub fn new(rows: Rows) -> Result<Self, KernelError> {
        rows.check()?;
        let rows_layout = Layout::new(rows.n_groups, &rows.group, usize::MAX)?;
        let by_group = periods(&rows);
        let groups = by_group.iter().enumerate();
        let group: Vec<u32> = groups.flat_map(|(group, of_group)| vec![group as u32; of_group.len()]).collect();
        let layout = Layout::new(rows.n_groups, &group, CPU_LANE_ROWS)?;
        Ok(Self { layout, periods: by_group.concat(), lost: lost(&rows), rows, rows_layout })
    }

    /// The rows as handed in.
    pub fn rows_as_given(&self) -> &Rows {
        &self.rows
    }

    /// A row of [`Density::layout`].
    pub(super) fn period(&self, row: usize) -> &Period {
        &self.periods[row]
    }

    /// All of them.
    pub(super) fn periods(&self) -> &[Period] {
        &self.periods
    }

    /// The terms of the given periods alone: no customers, and nothing that a group adds besides.
    pub(super) fn of_periods(&self, keep: &[u32]) -> Result<Self, KernelError> {
        let n_groups = self.rows.n_groups;
        let group: Vec<u32> = keep.iter().map(|row| self.layout.group_of_input(*row as usize) as u32).collect();
        let layout = Layout::new(n_groups, &group, CPU_LANE_ROWS)?;
        let periods = layout.order.iter().map(|i| self.periods[keep[*i as usize] as usize]).collect();
        let rows = Rows { n_groups, ..Rows::default() };
        let rows_layout = Layout::new(n_groups, &[], usize::MAX)?;
        Ok(Self { layout, periods, lost: vec![0.0; n_groups], rows, rows_layout })
    }

    /// Bytes of temporary tables while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        rows::sum_rows_scratch_bytes(self, chains * self.rows.n_groups)
    }
}

judge!(Cpu, |own, theta, row| super::log_lik(theta, own.rows.period[row], own.rows.lost[row]));

impl Density<K> for Cpu {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn handed_in(&self) -> &Layout {
        &self.rows_layout
    }

    fn prepare(&self, _group: usize, _theta: &[f64; K]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), theta: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let mut sum = Sum::ZERO;
        for period in &self.periods[rows] {
            let (value, gradient) = terms(period, theta);
            sum += Sum { value, gradient };
        }
        sum
    }

    fn group_sum(&self, group: usize, &[alpha, _]: &[f64; K]) -> Sum<K> {
        let lost = self.lost[group];
        Sum { value: lost * alpha.ln(), gradient: [lost / alpha, 0.0] }
    }
}
