//! BG/NBD over many cells on a device: `shaders/bg_nbd.wgsl`, whose rows and points `beta_geometric::device` makes.

use super::{BgNbd, Cpu, K};
use crate::KernelError;
use crate::beta_geometric::Law;
use crate::beta_geometric::device::{self, Point, Row};
use crate::difference::{Difference, Differenced};
use crate::rows::Sum;

impl Difference<K> for Cpu {
    const STEM: &'static str = BgNbd::STEM;
    const WGSL: &'static str = BgNbd::WGSL;
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀+T).
    type Sums = [f64; 1];

    fn first_reference(&self) -> [f64; K] {
        device::first_reference(self.cells())
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

    fn reference_row(&self, group: usize, row: usize, reference: &[f64; K]) -> (Row, [f64; 1]) {
        device::row::<BgNbd>(self.sorted_cell(group, row), reference)
    }

    fn kept(sums: &[f64; 1], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        device::kept(sums, theta, reference)
    }

    fn difference(theta: &[f64; K], reference: &[f64; K]) -> Point {
        device::point(theta, reference)
    }
}

/// The BG/NBD likelihood of weighted cells on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
