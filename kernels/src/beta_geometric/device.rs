//! A cell and a point at a reference θ₀, as `shaders/lib/beta_geometric.wgsl` reads them. Which cells there are, and which model's,
//! is the caller's.
//!
//! ```text
//! ln A(θ) − ln A(θ₀) = −δr ln(α₀+T) − (r+x) ln1p(δα/(α₀+T))            the first part is linear in δ: host
//! v = Δ ln D − Δ ln A = ln(a/a₀) − ln1p(δb/c₀) + δr ln((α₀+T)/(α₀+t_x))
//!                       − (r+x) ln1p( δα (T−t_x) / ((α₀+t_x)(α+T)) )                c₀ = b₀ + y − 1
//! ```
//!
//! and the shader forms ln(A+D) from v and from P(dead | θ₀), both without subtracting large numbers.

use super::{K, Law};
use crate::cells::Cells;
use crate::difference::crossing;
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

/// Everybody's purchase rate, a shape below one, a third of the buyers lost at each chance.
pub(crate) fn first_reference(cells: &Cells) -> [f64; K] {
    let Cells { frequency, age, weight, .. } = cells;
    let (mut purchases, mut time) = (0.0, 0.0);
    for ((x, t), w) in frequency.iter().zip(age).zip(weight) {
        purchases += w * f64::from(*x);
        time += w * t;
    }
    let rate = (purchases + 1.0) / (time + 1.0);
    [0.5, 0.5 / rate, 1.0, 2.0]
}

/// A cell (x, t_x, T, weight), and its part w ln(α₀+T) of the sum that the host keeps.
pub(crate) fn row<L: Law>((x, t_x, t, weight): (f64, f64, f64, f64), &[r, alpha, a, b]: &[f64; K]) -> (Row, [f64; 1]) {
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
    let chances = x + f64::from(L::AT_START);
    if chances == 0.0 {
        return (always, sums);
    }
    let gap = (t - t_x) / (alpha + t_x);
    let per_b = 1.0 / (b + (chances - 1.0));
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

/// What the host adds to a group's difference: −δr Σ w ln(α₀+T).
pub(crate) fn kept(&[ln_scale]: &[f64; 1], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
    Sum { value: -(theta[0] - reference[0]) * ln_scale, gradient: [-ln_scale, 0.0, 0.0, 0.0] }
}

/// A point seen from the reference `at`.
pub(crate) fn point(&[r, alpha, a, b]: &[f64; K], at: &[f64; K]) -> Point {
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
