//! BG/NBD over many cells on a device: what `shaders/bg_nbd.wgsl` needs to know of a cell, and of a point, at a reference θ₀.
//!
//! ```text
//! ln A(θ) − ln A(θ₀) = −δr ln(α₀+T) − (r+x) ln1p(δα/(α₀+T))            the first part is linear in δ: host
//! v = Δ ln D − Δ ln A = ln(a/a₀) − ln1p(δb/(b₀+x−1)) + δr ln((α₀+T)/(α₀+t_x))
//!                       − (r+x) ln1p( δα (T−t_x) / ((α₀+t_x)(α+T)) )
//! ```
//!
//! and the shader forms ln(A+D) from v and from P(dead | θ₀), both without subtracting large numbers.

use super::{Cpu, K};
use crate::KernelError;
use crate::cells::Cells;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::Sum;

crossing! {
    /// One cell at the reference.
    struct Row as "Row" {
        weight: f32,
        frequency: f32,
        per_age: f32,
        gap: f32,
        log_gap: f32,
        per_b: f32,
        log_odds: f32,
        tail: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        r: f32,
        delta_r: f32,
        delta_alpha: f32,
        log_ratio_a: f32,
        per_a: f32,
        delta_b: f32,
        unused_0: f32,
        unused_1: f32,
    }
}

/// ln(D/A) of a cell that cannot have dropped out: exp of it is 0, and nothing overflows.
const NEVER: f32 = -1e4;

impl Difference<K> for Cpu {
    const STEM: &'static str = "bg_nbd";
    const WGSL: &'static str = include_str!("../../../shaders/bg_nbd.wgsl");
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀+T).
    type Sums = [f64; 1];

    /// Everybody's purchase rate, a shape below one, a third of the buyers lost at each purchase.
    fn first_reference(&self) -> [f64; K] {
        let Cells { frequency, age, weight, .. } = self.cells();
        let (mut purchases, mut time) = (0.0, 0.0);
        for ((x, t), w) in frequency.iter().zip(age).zip(weight) {
            purchases += w * f64::from(*x);
            time += w * t;
        }
        let rate = (purchases + 1.0) / (time + 1.0);
        [0.5, 0.5 / rate, 1.0, 2.0]
    }

    fn mass(&self, row: usize) -> f64 {
        self.cell_mass(row)
    }

    /// Whoever never came back cannot have dropped out.
    fn is_brief(&self, row: usize) -> bool {
        self.cell_x(row) == 0.0
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Self::new(self.cells().select(rows))
    }

    fn reference_row(&self, group: usize, row: usize, &[r, alpha, a, b]: &[f64; K]) -> (Row, [f64; 1]) {
        let (x, t_x, t, weight) = self.sorted_cell(group, row);
        let sums = [weight * (alpha + t).ln()];
        let always = Row {
            weight: weight as f32,
            frequency: x as f32,
            per_age: (1.0 / (alpha + t)) as f32,
            gap: 0.0,
            log_gap: 0.0,
            per_b: 0.0,
            log_odds: NEVER,
            tail: 0.0,
        };
        if x == 0.0 {
            return (always, sums);
        }
        let gap = (t - t_x) / (alpha + t_x);
        let per_b = 1.0 / (b + x - 1.0);
        let log_odds = (a * per_b).ln() + (r + x) * gap.ln_1p();
        let odds_against = (-log_odds.abs()).exp();
        let row = Row {
            gap: gap as f32,
            log_gap: gap.ln_1p() as f32,
            per_b: per_b as f32,
            log_odds: log_odds as f32,
            tail: (odds_against / (1.0 + odds_against)) as f32,
            ..always
        };
        (row, sums)
    }

    fn kept(&[ln_scale]: &[f64; 1], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        Sum { value: -(theta[0] - reference[0]) * ln_scale, gradient: [-ln_scale, 0.0, 0.0, 0.0] }
    }

    fn difference(&[r, alpha, a, b]: &[f64; K], at: &[f64; K]) -> Point {
        Point {
            r: r as f32,
            delta_r: (r - at[0]) as f32,
            delta_alpha: (alpha - at[1]) as f32,
            log_ratio_a: ((a - at[2]) / at[2]).ln_1p() as f32,
            per_a: (1.0 / a) as f32,
            delta_b: (b - at[3]) as f32,
            unused_0: 0.0,
            unused_1: 0.0,
        }
    }
}

/// The BG/NBD likelihood of weighted cells on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
