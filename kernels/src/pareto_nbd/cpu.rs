//! Pareto/NBD over many cells in f64 on all cores, one cell after another: the judge's sums, and the reference that a device
//! differences from. What makes fits fast on the CPU is in `simd`.

use std::ops::Range;

use super::{Death, K};
use crate::KernelError;
use crate::cells::{Cells, RisingSum};
use crate::rows::{self, CPU_LANE_ROWS, Density, Layout, Sum, judge};
use crate::special::{logistic, softplus};

/// The Pareto/NBD likelihood of weighted cells, in f64.
#[derive(Debug, Clone)]
pub struct Cpu {
    layout: Layout,
    sorted: Vec<Row>,
    terms: Vec<GroupTerms>,
    cells: Cells,
}

/// A cell; t_x is 0 where x is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row {
    pub x: f64,
    pub t_x: f64,
    pub t: f64,
    pub weight: f64,
}

/// Σ w ln (r)ₓ + N r ln α + N s ln β of a group.
#[derive(Debug, Clone)]
struct GroupTerms {
    customers: f64,
    frequencies: RisingSum,
}

impl Cpu {
    /// Sorts and checks the cells.
    ///
    /// # Errors
    /// Columns of unequal length, groups out of range, times not in 0 ≤ t_x ≤ T < ∞, negative weights.
    pub fn new(cells: Cells) -> Result<Self, KernelError> {
        cells.check()?;
        let layout = Layout::new(cells.n_groups, &cells.group, CPU_LANE_ROWS)?;
        let row = |i: usize| {
            let x = f64::from(cells.frequency[i]);
            let t_x = if x > 0.0 { cells.recency[i] } else { 0.0 };
            Row { x, t_x, t: cells.age[i], weight: cells.weight[i] }
        };
        let sorted: Vec<Row> = layout.order.iter().map(|i| row(*i as usize)).collect();
        let terms = (0..cells.n_groups).map(|group| {
            let cells_of = || layout.order[layout.rows_of(group)].iter().map(|i| *i as usize);
            GroupTerms {
                customers: cells_of().map(|i| cells.weight[i]).sum(),
                frequencies: RisingSum::new(cells_of().map(|i| (cells.frequency[i], cells.weight[i])).collect()),
            }
        });
        Ok(Self { terms: terms.collect(), layout, sorted, cells })
    }

    /// The cells as handed in.
    pub fn cells(&self) -> &Cells {
        &self.cells
    }

    /// A sorted cell.
    pub(super) fn row(&self, row: usize) -> Row {
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

    /// Σ w [ −(r+x) ln(α+T) − s ln(β+T) + ln(1 + D/A) ].
    fn rows_sum(&self, (): &(), theta: &[f64; K], rows: Range<usize>) -> Sum<K> {
        let mut sum = Sum::ZERO;
        for Row { x, t_x, t, weight } in &self.sorted[rows] {
            let [r, alpha, s, beta] = *theta;
            let (n, late_alpha, late_beta) = (r + x, alpha + t, beta + t);
            let death = Death::between(*theta, *x, *t_x, *t);
            let dead = logistic(death.log_odds);
            let (ln_alpha, ln_beta) = (late_alpha.ln(), late_beta.ln());
            let slopes = [
                dead * death.log_alpha - ln_alpha,
                -n * (1.0 + dead * death.gap_alpha) / late_alpha,
                dead * death.log_beta + dead / s - ln_beta,
                -(s + dead * ((s + 1.0) * death.gap_beta + 1.0)) / late_beta,
            ];
            sum.value += weight * (softplus(death.log_odds) - n * ln_alpha - s * ln_beta);
            sum.gradient.iter_mut().zip(slopes).for_each(|(sum, slope)| *sum += weight * slope);
        }
        sum
    }

    fn group_sum(&self, group: usize, &[r, alpha, s, beta]: &[f64; K]) -> Sum<K> {
        let GroupTerms { customers: n, frequencies } = &self.terms[group];
        let (rising, slope) = frequencies.at(r);
        let (ln_alpha, ln_beta) = (alpha.ln(), beta.ln());
        Sum {
            value: rising + n * (r * ln_alpha + s * ln_beta),
            gradient: [slope + n * ln_alpha, n * r / alpha, n * ln_beta, n * s / beta],
        }
    }
}
