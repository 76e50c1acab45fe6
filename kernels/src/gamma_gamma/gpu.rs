//! Gamma-Gamma over many customers on a device: what `shaders/gamma_gamma.wgsl` needs to know of a customer, and of a point,
//! at a reference θ₀.
//!
//! ```text
//! s = δv/(xm+v₀)
//! −(px+q) ln(xm+v) − its reference = −(δp x + δq) ln(xm+v₀) − (px+q) s + (px+q) (s − ln1p(s))      the first two parts: host
//! ```
//!
//! The host knows the first two parts exactly from four sums over the rows. What is left for f32 is of second order in δv: at ten
//! million customers the whole difference is some 10⁴ nats between posterior draws, and that part some ten.

use super::{Cpu, K, Rows};
use crate::KernelError;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::Sum;

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
    /// Σ w x ln(xm+v₀), Σ w ln(xm+v₀), Σ w x/(xm+v₀), Σ w/(xm+v₀).
    type Sums = [f64; 4];

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

    fn reference_row(&self, _group: usize, row: usize, &[_, _, v]: &[f64; K]) -> (Row, [f64; 4]) {
        let (x, total, weight) = self.sorted_row(row);
        let (ln_scale, per_scale) = (weight * (total + v).ln(), weight / (total + v));
        let row =
            Row { weight: weight as f32, frequency: x as f32, per_scale: (1.0 / (total + v)) as f32, unused: 0.0 };
        (row, [x * ln_scale, ln_scale, x * per_scale, per_scale])
    }

    fn kept(sums: &[f64; 4], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        let &[x_ln_scale, ln_scale, x_per_scale, per_scale] = sums;
        let [p, q, _] = *theta;
        let [dp, dq, dv] = std::array::from_fn(|k| theta[k] - reference[k]);
        let shape = p * x_per_scale + q * per_scale;
        Sum {
            value: -(dp * x_ln_scale + dq * ln_scale) - dv * shape,
            gradient: [-x_ln_scale - dv * x_per_scale, -ln_scale - dv * per_scale, -shape],
        }
    }

    fn difference(&[p, q, v]: &[f64; K], at: &[f64; K]) -> Point {
        Point { p: p as f32, q: q as f32, delta_v: (v - at[2]) as f32, unused: 0.0 }
    }
}

/// The Gamma-Gamma likelihood of weighted customers on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
