//! NBD over many cells on a device: what `shaders/nbd.wgsl` needs to know of a cell, and of a point, at a reference θ₀.
//!
//! ```text
//! s = δα/(α₀+T)
//! −(r+x) ln(α+T) − its reference = −δr ln(α₀+T) − (r+x) s + (r+x) (s − ln1p(s))      the first two parts: host
//! ```
//!
//! The host knows the first two parts exactly from three sums over the cells. What is left for f32 is of second order in δα.

use super::{Cpu, K};
use crate::KernelError;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::Sum;

crossing! {
    /// One cell at the reference.
    struct Row as "Row" {
        weight: f32,
        frequency: f32,
        per_age: f32,
        unused: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        r: f32,
        delta_alpha: f32,
        unused_0: f32,
        unused_1: f32,
    }
}

impl Difference<K> for Cpu {
    const STEM: &'static str = "nbd";
    const WGSL: &'static str = include_str!("../../../shaders/nbd.wgsl");
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀+T), Σ w x/(α₀+T), Σ w/(α₀+T).
    type Sums = [f64; 3];

    /// r = 1, and the α that gives everybody's purchases in everybody's time.
    fn first_reference(&self) -> [f64; K] {
        let (mut purchases, mut time) = (1.0, 1.0);
        for (x, t, w) in (0..self.cells().group.len()).map(|row| self.sorted_cell(row)) {
            purchases += w * x;
            time += w * t;
        }
        [1.0, time / purchases]
    }

    fn mass(&self, row: usize) -> f64 {
        let (x, _, weight) = self.sorted_cell(row);
        weight * (x + 1.0)
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Self::new(self.cells().select(rows))
    }

    fn reference_row(&self, _group: usize, row: usize, &[_, alpha]: &[f64; K]) -> (Row, [f64; 3]) {
        let (x, t, weight) = self.sorted_cell(row);
        let per_age = 1.0 / (alpha + t);
        let row = Row { weight: weight as f32, frequency: x as f32, per_age: per_age as f32, unused: 0.0 };
        (row, [weight * (alpha + t).ln(), weight * x * per_age, weight * per_age])
    }

    fn kept(&[ln_age, x_per_age, per_age]: &[f64; 3], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        let [d_r, d_alpha] = std::array::from_fn(|k| theta[k] - reference[k]);
        let n_per_age = theta[0] * per_age + x_per_age;
        Sum { value: -d_r * ln_age - d_alpha * n_per_age, gradient: [-ln_age - d_alpha * per_age, -n_per_age] }
    }

    fn difference(&[r, alpha]: &[f64; K], at: &[f64; K]) -> Point {
        Point { r: r as f32, delta_alpha: (alpha - at[1]) as f32, unused_0: 0.0, unused_1: 0.0 }
    }
}

/// The NBD likelihood of weighted cells on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
