//! What Pareto/NBD tells [`crate::covariates`]: which parameters may be a customer's own, and what rows add there.

use super::gpu::{self, Point, Row, STEPS};
use super::simd::{add_age, add_death};
use super::{K, ParetoNbd};
use crate::cells::Cells;
use crate::covariates::{Case, Parts, Personal, Scale};
use crate::difference::REACH;
use crate::rows::Sum;
use crate::simd::{Sums, V};

impl Personal for ParetoNbd {
    const NAME: &'static str = "Pareto/NBD";
    const PARAMETERS: [&'static str; K] = ["r", "alpha", "s", "beta"];
    const SIGNS: [f64; K] = [0.0, -1.0, 0.0, -1.0];

    fn log_lik(theta: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
        super::log_lik(theta, x, t_x, t)
    }

    fn log_lik_gradient(theta: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
        super::log_lik_gradient(theta, x, t_x, t)
    }
}

impl Parts for ParetoNbd {
    const SCALES: &'static [Scale] = &[Scale { shape: 0, scale: 1 }, Scale { shape: 2, scale: 3 }];
    const CHANCES: Option<u32> = None;

    /// Whoever bought at T is alive.
    fn is_brief(_x: u32, t_x: f64, t: f64) -> bool {
        t_x == t
    }

    /// w [ −n ln(α+T) − s ln(β+T) + G + ln(e^−G + q S) ].
    #[inline(always)]
    fn add<S: pulp::Simd>(case: Case, theta: [V<S>; K], row: [V<S>; 4], sums: &mut Sums<S, K>) {
        let [x, t_x, gap, w] = row;
        add_age(theta, [t_x + gap, w, w * x], sums);
        if !case.is_brief {
            add_death(theta, row, sums);
        }
    }

    const STEM: &'static str = "pareto_nbd";
    const WGSL: &'static str = include_str!("../../../shaders/pareto_nbd.wgsl");
    const OWN_WGSL: &'static str = include_str!("../../../shaders/pareto_nbd/covariates.wgsl");
    /// The nodes are those of the reference.
    const REACH_OF_ONE: f64 = REACH;
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀ᵢ+T) and Σ w ln(β₀ᵢ+T).
    type Sums = [f64; 2];

    fn first_reference(cells: &Cells) -> [f64; K] {
        gpu::first_reference(cells)
    }

    fn steps(_x: u32, _own_chances: bool) -> usize {
        STEPS
    }

    fn device_row(row: (f64, f64, f64, f64), own: &[f64; K]) -> (Row, [f64; 2]) {
        gpu::device_row(row, own)
    }

    fn kept(sums: &[f64; 2], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        gpu::kept(sums, theta, reference)
    }

    fn device_point(theta: &[f64; K], reference: &[f64; K]) -> Point {
        gpu::point(theta, reference)
    }
}
