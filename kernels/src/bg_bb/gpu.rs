//! BG/BB over many rows on a device: what `shaders/bg_bb.wgsl` needs to know of a history, and of a point, at a reference θ₀.
//!
//! ln L = ln C + ln R. ln C has no sum over i in it: the host has it exactly from three histograms. What is left for the
//! device, ln R − ln R₀, needs no logarithm of a rising factor either, since the difference D = R − R₀ obeys a recurrence with
//! rational coefficients, each of them proportional to a δ. With the letters of `silence`, 0 for the reference:
//!
//! ```text
//! D_i = ΔP_i (1 − q_i R_{i+1}) + S₀_i (Δq_i R_{i+1} + q₀_i D_{i+1}),      D_m = 0
//! ΔP_i = P_i − P₀_i = (δγ (d₀+i) − γ₀ δδ) / ((g+i)(g₀+i))                  ΔS_i = −ΔP_i
//! Δq_i = q_i − q₀_i = (δβ a₀ − (b₀+i) δα) / ((e+i)(e₀+i))
//! ```
//!
//! and so does E = D − δ·∇R₀, whose every term is proportional to two δ (the shader has it). Then
//!
//! ```text
//! ln R − ln R₀ = δ·∇ ln R₀ + E/R₀ − (h − ln1p h),   h = D/R₀            the first part: host, from four sums over the rows
//!              = ln1p h = −ln1p(−D/R)                                   where h < −½
//! ```
//!
//! R, 1 − q R and the gradient run along at θ, as in `silence`. Nothing large is subtracted. A product of a thousand factors
//! near 1 may be off by a thousand roundings in f32, 6e-5; that it is off in what is of second order alone keeps it out of sight.
//! A step is two divisions and some 70 multiplications and additions, without a transcendental function; a row ends with two
//! logarithms. The other way, v_{i+1} − v_i = Σ ± ln1p(δ/(c₀+j)) and ln1p(Σ π_i expm1 v_i), takes four logarithms and an
//! exponential a step.
//!
//! Measured against f64 (llvmpipe; 20,000 histories, some of 100,000 customers; largest error of eight ℓ in nats, for n up to 40
//! and up to 1,000, both arrangements alike; `tests/bg_bb_gpu.rs`):
//!
//! | θ within | apart by | error | of a slope in ln θ |
//! | --- | --- | --- | --- |
//! | 1 % | 9,300 / 20,000 | 5e-8 / 6e-8 | 0.0007 / 0.0009 |
//! | 10 % | 87,000 / 200,000 | 3e-6 / 6e-6 | 0.0008 / 0.0014 |
//! | a factor of 3 | 1.9e6 / 2.4e6 | 0.0006 / 0.0006 | 0.0008 / 0.0013 |

use super::{Cpu, K, MOST_OPPORTUNITIES, Silence};
use crate::KernelError;
use crate::difference::{Difference, Differenced, MOST_STEPS, crossing};
use crate::rows::Sum;

crossing! {
    /// One history at the reference.
    struct Row as "Row" {
        weight: f32,
        purchases: f32,
        misses: f32,
        last: f32,
        silent: f32,
        per_quiet: f32,
        unused_0: f32,
        unused_1: f32,
    }
}

crossing! {
    /// One group of one chain, and how far from the reference.
    struct Point as "Point" {
        alpha: f32,
        beta: f32,
        gamma: f32,
        delta: f32,
        by_alpha: f32,
        by_beta: f32,
        by_gamma: f32,
        by_delta: f32,
    }
}

const _: () = assert!((MOST_OPPORTUNITIES as usize) < MOST_STEPS);

/// R is at least γ/(γ+δ+n). Where that is less than this at the reference, R could underflow in f32 within reach of it: such a
/// row's weight is infinite on the device, and so is the sum, which sends it to f64.
const LEAST_QUIET: f64 = 1e-30;

impl Difference<K> for Cpu {
    const STEM: &'static str = "bg_bb";
    const WGSL: &'static str = include_str!("../../../shaders/bg_bb.wgsl");
    type Row = Row;
    type Point = Point;
    /// Σ w ∇ ln R₀.
    type Sums = [f64; K];

    /// Everybody's share of opportunities used, as a spread-out Beta, and one in five lost at each.
    fn first_reference(&self) -> [f64; K] {
        let rows = self.rows_as_given();
        let (mut purchases, mut chances) = (1.0, 2.0);
        for ((x, t_x), w) in rows.frequency.iter().zip(&rows.recency).zip(&rows.weight) {
            purchases += w * f64::from(*x);
            chances += w * f64::from(*t_x);
        }
        let share = (purchases / chances).clamp(0.02, 0.98);
        [2.0 * share, 2.0 * (1.0 - share), 0.75, 3.0]
    }

    fn mass(&self, row: usize) -> f64 {
        let ((x, ..), weight) = self.sorted_row(row);
        if self.is_brief(row) { 0.0 } else { weight * (f64::from(x) + 1.0) }
    }

    /// No silence, nothing to say.
    fn is_brief(&self, row: usize) -> bool {
        let ((_, t_x, n), _) = self.sorted_row(row);
        t_x == n
    }

    fn steps(&self, row: usize) -> usize {
        let ((_, t_x, n), _) = self.sorted_row(row);
        1 + (n - t_x) as usize
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Self::new(self.rows_as_given().select(rows))
    }

    fn reference_row(&self, _group: usize, row: usize, reference: &[f64; K]) -> (Row, [f64; K]) {
        let ((x, t_x, n), weight) = self.sorted_row(row);
        let silence = Silence::new(*reference, x, t_x, n);
        let [_, _, gamma, delta] = *reference;
        let least_quiet = gamma / (gamma + delta + f64::from(n));
        let row = Row {
            weight: if least_quiet < LEAST_QUIET { f32::INFINITY } else { weight as f32 },
            purchases: x as f32,
            misses: (t_x - x) as f32,
            last: t_x as f32,
            silent: (n - t_x) as f32,
            per_quiet: (1.0 / silence.quiet) as f32,
            unused_0: 0.0,
            unused_1: 0.0,
        };
        (row, silence.slopes.map(|slope| weight * slope))
    }

    /// The value's linear part. Slopes are whole on the device: a sampler forgives them their last digits.
    fn kept(slopes: &[f64; K], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        let value = (0..K).map(|k| slopes[k] * (theta[k] - reference[k])).sum();
        Sum { value, ..Sum::ZERO }
    }

    fn difference(theta: &[f64; K], at: &[f64; K]) -> Point {
        let [alpha, beta, gamma, delta] = theta.map(|p| p as f32);
        let [by_alpha, by_beta, by_gamma, by_delta] = std::array::from_fn(|k| (theta[k] - at[k]) as f32);
        Point { alpha, beta, gamma, delta, by_alpha, by_beta, by_gamma, by_delta }
    }
}

/// The BG/BB likelihood of weighted histories on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
