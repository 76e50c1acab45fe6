//! Gamma-Gamma over many customers on a device: what `shaders/gamma_gamma.wgsl` needs to know of a customer, and of a point,
//! at a reference θ₀.
//!
//! ```text
//! −(px+q) ln(xm+v) − its reference = −(δp x + δq) ln(xm+v₀) − (px+q) ln1p(δv/(xm+v₀))       the first part: host
//! ```

use std::ops::Range;

use super::{Cpu, K, Rows};
use crate::device::{Adapter, Device};
use crate::difference::{Difference, Differenced, crossing};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch};

crossing! {
    /// One customer at the reference.
    struct Row as "Row" {
        weight: f32,
        frequency: f32,
        per_scale: f32,
        unused: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        p: f32,
        q: f32,
        delta_v: f32,
        unused: f32,
    }
}

impl Difference<K> for Cpu {
    const STEM: &'static str = "gamma_gamma";
    const WGSL: &'static str = include_str!("../../../shaders/gamma_gamma.wgsl");
    type Row = Row;
    type Point = Point;

    /// Shapes of four, and the scale v = m̄ (q−1)/p that gives everybody's mean spend m̄.
    fn first_reference(&self) -> [f64; K] {
        let Rows { monetary, weight, .. } = self.rows_as_given();
        let (mut spend, mut customers) = (0.0, 0.0);
        for (m, w) in monetary.iter().zip(weight) {
            spend += w * m;
            customers += w;
        }
        let mean = if spend > 0.0 { spend / customers } else { 1.0 };
        [4.0, 4.0, 0.75 * mean]
    }

    fn mass(&self, row: usize) -> f64 {
        let (x, _, weight) = self.sorted_row(row);
        weight * (x + 1.0)
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Self::new(self.rows_as_given().select(rows))
    }

    fn reference_row(&self, _group: usize, row: usize, light: bool, &[_, _, v]: &[f64; K]) -> (Row, [f64; K]) {
        let (x, total, weight) = self.sorted_row(row);
        let weight = if light { weight } else { 0.0 };
        let ln_scale = weight * (total + v).ln();
        let row =
            Row { weight: weight as f32, frequency: x as f32, per_scale: (1.0 / (total + v)) as f32, unused: 0.0 };
        (row, [-x * ln_scale, -ln_scale, 0.0])
    }

    fn difference(&[p, q, v]: &[f64; K], at: &[f64; K]) -> Point {
        Point { p: p as f32, q: q as f32, delta_v: (v - at[2]) as f32, unused: 0.0 }
    }
}

/// The Gamma-Gamma likelihood of weighted customers on a device.
#[derive(Debug)]
pub struct Gpu(Differenced<K, Cpu>);

impl Gpu {
    /// Sorts and checks the rows and uploads them at a first reference that depends on the data alone.
    ///
    /// # Errors
    /// As [`Cpu::new`], and when the device fails.
    pub fn new(rows: Rows, device: &Device) -> Result<Self, KernelError> {
        Ok(Self(Differenced::new(Cpu::new(rows)?, device)?))
    }

    /// The f64 likelihood of the same rows.
    pub fn judge(&self) -> &Cpu {
        self.0.judge()
    }

    /// The adapter it runs on.
    pub fn adapter(&self) -> &Adapter {
        self.0.adapter()
    }

    /// Bytes on the device while `chains` chains are evaluated together.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        self.0.device_bytes(chains)
    }
}

impl Likelihood for Gpu {
    fn groups(&self) -> usize {
        self.0.judge().groups()
    }

    fn rows(&self) -> u64 {
        self.0.judge().rows()
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        self.0.evaluate(params, out)
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        self.0.set_reference(at)
    }

    /// In f64 on the host: rows are asked for one by one, which is not what a device is for.
    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        self.0.judge_mut().pointwise(params, rows, out)
    }
}
