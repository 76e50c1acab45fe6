//! Abe's Pareto/NBD over many cells on a device: what `shaders/pareto_abe.wgsl` needs to know of a cell, and of a point, at a
//! reference θ₀.
//!
//! ```text
//! Δ ln L = ln1p(Σ p⁰ expm1 Δ),      Δ(z) = ln_ratio − ½ s'Ps + (Ps)'z − ½ z'Dz
//! ```
//!
//! z is a node's place from the reference's means in the reference's sds, P the point's precision in those units, D = P − P⁰ and s the
//! shift of the means: differences, formed in f64 and then rounded. The shader computes a node's share p⁰ of the reference's likelihood
//! again, relative to a node in the middle, from twenty numbers of the row: storing all would take a kilobyte and more.
//!
//! A group of a chain whose Σ or means are too far from the reference's is summed on the host, on nodes of its own. Customers with
//! covariates are not computed on devices.

use super::integrand::{History, Population};
use super::quadrature::{Placer, USUAL};
use super::{Cpu, K, first_guess, is_possible};
use crate::KernelError;
use crate::difference::{Difference, Differenced, crossing};
use crate::rows::{Density, Layout, Sum};

crossing! {
    /// One cell at the reference.
    struct Row as "Row" {
        weight: f32,
        frequency: f32,
        recency: f32,
        gap: f32,
        lambda: f32,
        mu: f32,
        ln_scale: f32,
        step_u: f32,
        step_v_row: f32,
        step_v: f32,
        xi: f32,
        eta: f32,
        xi_row: f32,
        eta_row: f32,
        eta_column: f32,
        rows: f32,
        columns: f32,
        rows_before: f32,
        columns_before: f32,
        unused: f32,
    }
}

crossing! {
    /// One group of one chain, seen from the reference.
    struct Point as "Point" {
        diagonal_0: f32,
        cross_0: f32,
        p_uu: f32,
        p_uv: f32,
        p_vv: f32,
        d_uu: f32,
        d_uv: f32,
        d_vv: f32,
        shift_u: f32,
        shift_v: f32,
        ln_ratio: f32,
        per_u: f32,
        per_v: f32,
        corr: f32,
        per_q: f32,
        per_rate: f32,
        per_death: f32,
        per_sd_rate: f32,
        per_sd_death: f32,
        unused: f32,
    }
}

/// Nodes of a row that lanes are cut for: those of sds about 3. The most that there can be, [`USUAL`]'s rows times columns, keep the loops
/// of a thread below what llvmpipe stands.
const STEPS: usize = 1400;

/// How far means may be from a reference, in its sds, and by what factor variances may differ, for the device to do.
const FARTHEST: f64 = 0.5;
const WIDEST: f64 = 1.5;

impl Density<K> for Cpu {
    type Prepared = ();

    fn layout(&self) -> &Layout {
        self.layout_of_rows()
    }

    fn is_possible(&self, parameters: &[f64; K]) -> bool {
        is_possible(parameters)
    }

    fn prepare(&self, _group: usize, _theta: &[f64; K]) {}

    fn prepared_bytes(&self) -> usize {
        0
    }

    fn rows_sum(&self, (): &(), theta: &[f64; K], rows: std::ops::Range<usize>) -> Sum<K> {
        let moments = self.moments(theta, rows);
        Sum { value: moments.ln_lik, gradient: moments.gradient(theta) }
    }

    fn group_sum(&self, _group: usize, _theta: &[f64; K]) -> Sum<K> {
        Sum::ZERO
    }
}

impl Difference<K> for Cpu {
    const STEM: &'static str = "pareto_abe";
    const WGSL: &'static str = include_str!("../../../shaders/pareto_abe.wgsl");
    /// The family's part has all: a row adds six numbers.
    const LANE_WGSL: &'static str = "";
    type Row = Row;
    type Point = Point;
    type Sums = [f64; 0];

    fn first_reference(&self) -> [f64; K] {
        first_guess(self.cells())
    }

    fn mass(&self, row: usize) -> f64 {
        let (History { x, .. }, weight) = self.sorted_row(row);
        weight * (x + 1.0)
    }

    fn steps(&self, _row: usize) -> usize {
        STEPS
    }

    fn only(&self, rows: &[u32]) -> Result<Self, KernelError> {
        self.select(rows)
    }

    fn reference_row(&self, _group: usize, row: usize, theta: &[f64; K]) -> (Row, [f64; 0]) {
        let (history, weight) = self.sorted_row(row);
        let population = Population::new(theta);
        let mut placer = Placer::new(USUAL);
        placer.place(&history, &population);
        let ([i, j], _) = placer.spread();
        let (lattice, [sd_u, sd_v]) = (placer.lattice, population.sd);
        let (i, j) = (i.round() as usize, j.round() as usize);
        let [u, v] = lattice.node(i, j);
        let (lambda, mu, gap) = (u.exp(), v.exp(), history.t - history.t_x);
        let relative = (mu + lambda * (-(lambda + mu) * gap).exp()) / (lambda + mu);
        let [a, b, c] = lattice.step;
        let row = Row {
            weight: weight as f32,
            frequency: history.x as f32,
            recency: history.t_x as f32,
            gap: gap as f32,
            lambda: lambda as f32,
            mu: mu as f32,
            ln_scale: (placer.shares[i * lattice.columns + j].ln() - relative.ln()) as f32,
            step_u: a as f32,
            step_v_row: b as f32,
            step_v: c as f32,
            xi: ((u - population.mean[0]) / sd_u) as f32,
            eta: ((v - population.mean[1]) / sd_v) as f32,
            xi_row: (a / sd_u) as f32,
            eta_row: (b / sd_v) as f32,
            eta_column: (c / sd_v) as f32,
            rows: lattice.rows as f32,
            columns: lattice.columns as f32,
            rows_before: i as f32,
            columns_before: j as f32,
            unused: 0.0,
        };
        (row, [])
    }

    fn kept(_: &[f64; 0], _: &[f64; K], _: &[f64; K]) -> Sum<K> {
        Sum::ZERO
    }

    fn difference(theta: &[f64; K], at: &[f64; K]) -> Point {
        let &[rate, death, sd_rate, sd_death, corr] = theta;
        let (population, reference) = (Population::new(theta), Population::new(at));
        let (q, q_0) = (population.independence(), reference.independence());
        let [s_u, s_v] = [at[2] / sd_rate, at[3] / sd_death];
        let [p_uu, p_uv, p_vv] = [s_u * s_u / q, -corr * s_u * s_v / q, s_v * s_v / q];
        let [diagonal_0, cross_0] = [1.0 / q_0, -reference.corr / q_0];
        let shift = |k: usize| (population.mean[k] - reference.mean[k]) / reference.sd[k];
        Point {
            diagonal_0: diagonal_0 as f32,
            cross_0: cross_0 as f32,
            p_uu: p_uu as f32,
            p_uv: p_uv as f32,
            p_vv: p_vv as f32,
            d_uu: (p_uu - diagonal_0) as f32,
            d_uv: (p_uv - cross_0) as f32,
            d_vv: (p_vv - diagonal_0) as f32,
            shift_u: shift(0) as f32,
            shift_v: shift(1) as f32,
            ln_ratio: (population.ln_peak() - reference.ln_peak()) as f32,
            per_u: s_u as f32,
            per_v: s_v as f32,
            corr: corr as f32,
            per_q: (1.0 / q) as f32,
            per_rate: (1.0 / (sd_rate * q * rate)) as f32,
            per_death: (1.0 / (sd_death * q * death)) as f32,
            per_sd_rate: (1.0 / sd_rate) as f32,
            per_sd_death: (1.0 / sd_death) as f32,
            unused: 0.0,
        }
    }

    /// As rows are near in `simd`, were they all prior and no purchases.
    fn is_near(&self, theta: &[f64; K], reference: &[f64; K]) -> bool {
        let (population, reference) = (Population::new(theta), Population::new(reference));
        let [least, most] = population.variances_in(&reference);
        let moved = population.distance_in(&reference);
        least > 1.0 / WIDEST && most < WIDEST && moved < FARTHEST * FARTHEST
    }
}

/// Abe's likelihood of weighted cells on a device: `Gpu::new(Cpu::usual(…)?, &device)`.
pub type Gpu = Differenced<K, Cpu>;
