//! Pareto/NBD over many cells on a device: what `shaders/pareto_nbd.wgsl` needs to know of a cell, and of a point, at a
//! reference θ₀.
//!
//! ```text
//! ln A(θ) − ln A(θ₀) = −δr ln(α₀+T) − δs ln(β₀+T) − n K_α − s K_β        the first two are linear in δ: host
//! K_α = ln1p(δα/(α₀+T)),   K_β = ln1p(δβ/(β₀+T)),   n = r + x
//! v(τ) = Δ ln(integrand/A) = ln(s/s₀) + n (K_α − ln1p(δα/(α₀+τ))) + s K_β − (s+1) ln1p(δβ/(β₀+τ))
//!                            + δr ln((α₀+T)/(α₀+τ)) + δs ln((β₀+T)/(β₀+τ))
//! Δ ln(1 + D/A) = ln1p(p₀ Σ π_j expm1 v(τ_j))                             p₀ = P(dead | θ₀)
//! ```
//!
//! The nodes τ_j are those of the reference ([`super::quadrature`]), whatever θ is. They and their shares π_j of D₀ are computed
//! again by the shader from five numbers of the row: storing them would take 320 bytes.

use super::quadrature::{LogMeans, Span};
use super::{Cpu, Death, K};
use crate::KernelError;
use crate::cells::Cells;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::Sum;

crossing! {
    /// One cell at the reference.
    struct Row as "Row" {
        weight: f32,
        frequency: f32,
        per_age_alpha: f32,
        per_age_beta: f32,
        log_gap_alpha: f32,
        log_gap_beta: f32,
        early: f32,
        per_ratio: f32,
        half: f32,
        panels: f32,
        log_total: f32,
        log_odds: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        r: f32,
        s: f32,
        delta_r: f32,
        delta_alpha: f32,
        delta_s: f32,
        delta_beta: f32,
        r_0: f32,
        s_0: f32,
        log_ratio_s: f32,
        per_s: f32,
        beta_is_less: f32,
        unused: f32,
    }
}

/// Where the integrand is cut at the reference, in nats: more than a point of its own asks for, since that of a point with half
/// of θ₀'s shapes and twice its scales falls to the fourth root only. Up to three panels, for frequent buyers long gone.
const FALL: f64 = 84.0;

/// Sixteen nodes to a panel, of which there is almost always one.
pub(super) const STEPS: usize = 16;

/// ln(D/A) of a cell that cannot have died: exp of it is 0, and nothing overflows.
const NEVER: f32 = -1e4;

impl Difference<K> for Cpu {
    const STEM: &'static str = "pareto_nbd";
    const WGSL: &'static str = include_str!("../../../shaders/pareto_nbd.wgsl");
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀+T) and Σ w ln(β₀+T).
    type Sums = [f64; 2];

    fn first_reference(&self) -> [f64; K] {
        first_reference(self.cells())
    }

    fn mass(&self, row: usize) -> f64 {
        let row = self.row(row);
        row.weight * (row.x + 1.0)
    }

    /// Whoever bought at T is alive.
    fn is_brief(&self, row: usize) -> bool {
        let row = self.row(row);
        row.t_x == row.t
    }

    fn steps(&self, row: usize) -> usize {
        if self.is_brief(row) { 1 } else { STEPS }
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        Self::new(self.cells().select(rows))
    }

    fn reference_row(&self, _group: usize, row: usize, theta: &[f64; K]) -> (Row, [f64; 2]) {
        let super::cpu::Row { x, t_x, t, weight } = self.row(row);
        device_row((x, t_x, t, weight), theta)
    }

    fn kept(sums: &[f64; 2], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        kept(sums, theta, reference)
    }

    fn difference(theta: &[f64; K], reference: &[f64; K]) -> Point {
        point(theta, reference)
    }
}

/// Everybody's purchase rate, shapes below one, a mean observation time and a half until as many have died as not.
pub(super) fn first_reference(cells: &Cells) -> [f64; K] {
    let Cells { frequency, age, weight, .. } = cells;
    let (mut purchases, mut time, mut customers) = (0.0, 0.0, 0.0);
    for ((x, t), w) in frequency.iter().zip(age).zip(weight) {
        purchases += w * f64::from(*x);
        time += w * t;
        customers += w;
    }
    let rate = (purchases + 1.0) / (time + 1.0);
    [0.5, 0.5 / rate, 0.5, 0.5 * (time + 1.0) / (customers + 1.0)]
}

/// A cell (x, t_x, T, weight), and its parts of Σ w ln(α₀+T) and Σ w ln(β₀+T), which the host keeps.
pub(super) fn device_row((x, t_x, t, weight): (f64, f64, f64, f64), theta: &[f64; K]) -> (Row, [f64; 2]) {
    let [_, alpha, _, beta] = *theta;
    let (late_alpha, late_beta) = (alpha + t, beta + t);
    let sums = [weight * late_alpha.ln(), weight * late_beta.ln()];
    let always = Row {
        weight: weight as f32,
        frequency: x as f32,
        per_age_alpha: (1.0 / late_alpha) as f32,
        per_age_beta: (1.0 / late_beta) as f32,
        log_gap_alpha: 0.0,
        log_gap_beta: 0.0,
        early: 1.0,
        per_ratio: 1.0,
        half: 0.0,
        panels: 0.0,
        log_total: 0.0,
        log_odds: NEVER,
    };
    if t_x == t {
        return (always, sums);
    }
    let (span, log_total) = nodes(theta, x, t_x, t);
    let gap = t - t_x;
    let row = Row {
        log_gap_alpha: (gap / (alpha + t_x)).ln_1p() as f32,
        log_gap_beta: (gap / (beta + t_x)).ln_1p() as f32,
        early: span.early as f32,
        per_ratio: (span.early / (alpha.max(beta) + t_x)) as f32,
        half: span.half as f32,
        panels: span.panels as f32,
        log_total: log_total as f32,
        log_odds: Death::between(*theta, x, t_x, t).log_odds.max(f64::from(NEVER)) as f32,
        ..always
    };
    (row, sums)
}

/// What the host adds to a group's difference: what is linear in the shapes.
pub(super) fn kept(&[ln_alpha, ln_beta]: &[f64; 2], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
    let (delta_r, delta_s) = (theta[0] - reference[0], theta[2] - reference[2]);
    Sum { value: -delta_r * ln_alpha - delta_s * ln_beta, gradient: [-ln_alpha, 0.0, -ln_beta, 0.0] }
}

/// A point seen from the reference `at`.
pub(super) fn point(&[r, alpha, s, beta]: &[f64; K], at: &[f64; K]) -> Point {
    Point {
        r: r as f32,
        s: s as f32,
        delta_r: (r - at[0]) as f32,
        delta_alpha: (alpha - at[1]) as f32,
        delta_s: (s - at[2]) as f32,
        delta_beta: (beta - at[3]) as f32,
        r_0: at[0] as f32,
        s_0: at[2] as f32,
        log_ratio_s: ((s - at[2]) / at[2]).ln_1p() as f32,
        per_s: (1.0 / s) as f32,
        beta_is_less: f32::from(u8::from(at[3] < at[1])),
        unused: 0.0,
    }
}

/// The nodes of a cell at the reference, and the logarithm of the sum of their weights in D₀ as the shader forms them: relative
/// to the integrand at t_x, without the factor `half`.
fn nodes(theta: &[f64; K], x: f64, t_x: f64, t: f64) -> (Span, f64) {
    let [r, alpha, s, beta] = *theta;
    let span = Span::new(*theta, x, t_x, t - t_x, FALL);
    let mut total = LogMeans::<0>::EMPTY;
    for (u, ln_weight) in span.nodes() {
        let delay = span.delay(u);
        let fall = (r + x) * (delay / (alpha + t_x)).ln_1p() + (s + 1.0) * (delay / (beta + t_x)).ln_1p();
        total.add(u + ln_weight - fall, []);
    }
    (span, total.finish().0)
}

/// The Pareto/NBD likelihood of weighted cells on a device: `Gpu::new(Cpu::new(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
