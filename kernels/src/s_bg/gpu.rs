//! Shifted beta-geometric over cohorts on a device: what `shaders/s_bg.wgsl` needs to know of a period, and of a point, at a
//! reference θ₀. Worth it where groups are many; a group has few periods.
//!
//! ```text
//! s = δβ/(β₀+j),   t = (δα+δβ)/(α₀+β₀+j)
//! stayed ln(β+j) − at risk ln(α+β+j), less its reference = stayed s − at risk t − stayed (s − ln1p(s)) + at risk (t − ln1p(t))
//! ```
//!
//! The first two parts are linear in δ: the host knows them exactly from two sums over the periods. What is left for f32 is of second
//! order in δ.

use super::cohorts::Period;
use super::{Cpu, K};
use crate::KernelError;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::Sum;

crossing! {
    /// One period of one group at the reference.
    struct Row as "Row" {
        stayed: f32,
        at_risk: f32,
        per_beta: f32,
        per_both: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        delta_beta: f32,
        delta_both: f32,
        unused_0: f32,
        unused_1: f32,
    }
}

impl Difference<K> for Cpu {
    const STEM: &'static str = "s_bg";
    const WGSL: &'static str = include_str!("../../../shaders/s_bg.wgsl");
    type Row = Row;
    type Point = Point;
    /// Σ stayed/(β₀+j), Σ at risk/(α₀+β₀+j).
    type Sums = [f64; 2];

    /// α = 1, and the β that loses a new customer as often as anybody was lost.
    fn first_reference(&self) -> [f64; K] {
        let (mut stayed, mut lost) = (1.0, 1.0);
        for period in self.periods() {
            stayed += period.stayed;
            lost += period.at_risk - period.stayed;
        }
        [1.0, stayed / lost]
    }

    fn mass(&self, row: usize) -> f64 {
        self.period(row).at_risk
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        self.of_periods(rows)
    }

    fn reference_row(&self, _group: usize, row: usize, &[alpha, beta]: &[f64; K]) -> (Row, [f64; 2]) {
        let Period { j, stayed, at_risk } = *self.period(row);
        let (per_beta, per_both) = (1.0 / (beta + j), 1.0 / (alpha + beta + j));
        let row = Row {
            stayed: stayed as f32,
            at_risk: at_risk as f32,
            per_beta: per_beta as f32,
            per_both: per_both as f32,
        };
        (row, [stayed * per_beta, at_risk * per_both])
    }

    fn kept(&[stayed, at_risk]: &[f64; 2], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        let [d_alpha, d_beta] = std::array::from_fn(|k| theta[k] - reference[k]);
        Sum { value: d_beta * stayed - (d_alpha + d_beta) * at_risk, gradient: [-at_risk, stayed - at_risk] }
    }

    fn difference(&[alpha, beta]: &[f64; K], at: &[f64; K]) -> Point {
        let [d_alpha, d_beta] = [alpha - at[0], beta - at[1]];
        Point { delta_beta: d_beta as f32, delta_both: (d_alpha + d_beta) as f32, unused_0: 0.0, unused_1: 0.0 }
    }
}

/// The shifted beta-geometric likelihood of weighted customers on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
