//! BG/NBD over many cells in f64 on all cores: the small-data default, and the reference that other backends difference from.
//!
//! Per cell this is the formula of the module above; what makes it fast is that a group's cells share few distinct times and
//! few distinct x, so that their logarithms and reciprocals are tabulated once per group and point. What is left per cell is
//! one exponential and one logarithm.

use std::ops::Range;

use super::{BgNbd, K};
use crate::KernelError;
use crate::beta_geometric::GroupTerms;
use crate::cells::Cells;
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};

/// The BG/NBD likelihood of weighted cells, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    rows: Rows,
    terms: GroupTerms,
    cells: Cells,
}

impl Cpu {
    /// Sorts, checks and tabulates the cells.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        cells.check()?;
        Ok(Self { rows: Rows::new(&cells)?, terms: GroupTerms::new::<BgNbd>(&cells), cells })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// (x, t_x, T, weight) of a sorted cell of a group.
    pub(crate) fn sorted_cell(&self, group: usize, row: usize) -> (f64, f64, f64, f64) {
        let Cell { x, weight, recency, age, .. } = self.rows.cells[row];
        let times = &self.rows.times[group];
        (x, times[recency as usize], times[age as usize], weight)
    }

    /// x of a sorted cell.
    pub(crate) fn cell_x(&self, row: usize) -> f64 {
        self.rows.cells[row].x
    }

    /// w (x + 1) of a sorted cell.
    pub(crate) fn cell_mass(&self, row: usize) -> f64 {
        let Cell { x, weight, .. } = self.rows.cells[row];
        weight * (x + 1.0)
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

/// Cells sorted by group, with times and counts replaced by their places in the group's tables.
#[derive(Debug, Clone)]
struct Rows {
    layout: Layout,
    cells: Vec<Cell>,
    times: Vec<Vec<f64>>,
    counts: Vec<Vec<u32>>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    x: f64,
    weight: f64,
    /// Places of t_x and T in the group's times, of x in its counts.
    recency: u32,
    age: u32,
    count: u32,
}

/// Logarithms and reciprocals at one point, by place.
pub struct Tables {
    /// (ln(α + t), 1/(α + t)) per distinct time.
    times: Vec<(f64, f64)>,
    /// (ln(a/(b+x−1)), 1/(b+x−1)) per distinct count; unused at x = 0.
    counts: Vec<(f64, f64)>,
}

impl Rows {
    fn new(cells: &Cells) -> Result<Self, KernelError> {
        let layout = Layout::new(cells.n_groups, &cells.group, CPU_LANE_ROWS)?;
        let (mut times, mut counts, mut sorted) = (Vec::new(), Vec::new(), Vec::with_capacity(layout.n_rows()));
        for group in 0..cells.n_groups {
            let order = &layout.order[layout.rows_of(group)];
            let row = |row: &u32| *row as usize;
            // −0 and 0 must be one time, whatever the source made of them.
            let recency = |i: usize| if cells.frequency[i] == 0 { 0.0 } else { cells.recency[i] + 0.0 };
            let mut t: Vec<f64> = order.iter().map(row).flat_map(|i| [recency(i), cells.age[i] + 0.0]).collect();
            t.sort_by(f64::total_cmp);
            t.dedup();
            let mut c: Vec<u32> = order.iter().map(row).map(|i| cells.frequency[i]).collect();
            c.sort_unstable();
            c.dedup();
            // Every value searched for was put there above.
            let place = |value: f64| t.partition_point(|known| *known < value) as u32;
            sorted.extend(order.iter().map(row).map(|i| Cell {
                x: f64::from(cells.frequency[i]),
                weight: cells.weight[i],
                recency: place(recency(i)),
                age: place(cells.age[i]),
                count: c.partition_point(|known| *known < cells.frequency[i]) as u32,
            }));
            times.push(t);
            counts.push(c);
        }
        Ok(Self { layout, cells: sorted, times, counts })
    }
}

impl Density<K> for Cpu {
    type Prepared = Tables;

    fn layout(&self) -> &Layout {
        &self.rows.layout
    }

    fn prepare(&self, group: usize, &[_, alpha, a, b]: &[f64; K]) -> Tables {
        let time = |t: &f64| ((alpha + t).ln(), 1.0 / (alpha + t));
        let count = |x: &u32| {
            let per = 1.0 / (b + (f64::from(*x) - 1.0));
            if *x == 0 { (f64::NEG_INFINITY, 0.0) } else { ((a * per).ln(), per) }
        };
        Tables {
            times: self.rows.times[group].iter().map(time).collect(),
            counts: self.rows.counts[group].iter().map(count).collect(),
        }
    }

    fn prepared_bytes(&self) -> usize {
        let entries = self.rows.times.iter().zip(&self.rows.counts).map(|(t, c)| t.len() + c.len()).max();
        entries.unwrap_or(0) * size_of::<(f64, f64)>()
    }

    /// Σ w [ −(r+x) ln(α+T) + [x>0] ln(1 + D/A) ].
    fn rows_sum(&self, tables: &Tables, &[r, _, a, _]: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let (mut value, mut by_r, mut by_alpha, mut dropped, mut by_b) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for cell in &self.rows.cells[rows] {
            let Cell { x, weight: w, .. } = *cell;
            let n = r + x;
            let (ln_t, per_t) = tables.times[cell.age as usize];
            value -= w * n * ln_t;
            by_r -= w * ln_t;
            by_alpha -= w * n * per_t;
            if x > 0.0 {
                let (ln_tx, per_tx) = tables.times[cell.recency as usize];
                let (ln_odds, per_b) = tables.counts[cell.count as usize];
                let log_odds = ln_odds + n * (ln_t - ln_tx);
                let e = (-log_odds.abs()).exp();
                value += w * (log_odds.max(0.0) + (1.0 + e).ln());
                let p = w * if log_odds > 0.0 { 1.0 } else { e } / (1.0 + e);
                by_r += p * (ln_t - ln_tx);
                by_alpha += p * n * (per_t - per_tx);
                dropped += p;
                by_b -= p * per_b;
            }
        }
        Sum { value, gradient: [by_r, by_alpha, dropped / a, by_b] }
    }

    fn group_sum(&self, group: usize, theta: &[f64; K]) -> Sum<K> {
        self.terms.at(group, *theta)
    }
}
