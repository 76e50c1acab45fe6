//! What BG/NBD and MBG/NBD tell [`crate::covariates`]: which parameters may be a customer's own, and what rows add there.

use super::device::{self, Point, Row};
use super::simd::{add_age, add_repeat};
use super::{K, Law};
use crate::cells::Cells;
use crate::covariates::{Case, Parts, Personal, Scale};
use crate::rows::Sum;
use crate::simd::gamma::rise_from;
use crate::simd::{Sums, V};

impl<L: Law> Personal for L {
    const NAME: &'static str = <L as Law>::NAME;
    const PARAMETERS: [&'static str; K] = ["r", "alpha", "a", "b"];
    const SIGNS: [f64; K] = [0.0, -1.0, 1.0, 1.0];

    fn log_lik(theta: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
        <L as Law>::log_lik(theta, x, t_x, t)
    }

    fn log_lik_gradient(theta: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
        <L as Law>::log_lik_gradient(theta, x, t_x, t)
    }
}

impl<L: Law> Parts for L {
    const SCALES: &'static [Scale] = &[Scale { shape: 0, scale: 1 }];
    const CHANCES: Option<u32> = Some(L::AT_START);

    /// No chance to leave.
    fn is_brief(x: u32, _t_x: f64, _t: f64) -> bool {
        x == 0 && L::AT_START == 0
    }

    /// w [ −n ln(α+T) + n L + ln(c E + a) − ln c ], and ln (b)_{y−1} − ln (a+b)_y with − ln c in it.
    #[inline(always)]
    fn add<S: pulp::Simd>(case: Case, theta: [V<S>; K], row: [V<S>; 4], sums: &mut Sums<S, K>) {
        let [x, t_x, gap, w] = row;
        add_age(theta, [t_x + gap, w, w * x], sums);
        if case.is_brief {
            return;
        }
        add_repeat::<S, L>(theta, row, sums);
        if case.own_chances {
            let [_, _, a, b] = theta;
            let y = x + x.all(f64::from(L::AT_START));
            let (of_b, slope_b) = rise_from(b, y - x.all(1.0));
            let (of_ab, slope_ab) = rise_from(a + b, y);
            sums.value = w.times_plus(of_b - of_ab, sums.value);
            sums.slopes[2] = w.times_from(slope_ab, sums.slopes[2]);
            sums.slopes[3] = w.times_plus(slope_b - slope_ab, sums.slopes[3]);
        }
    }

    const STEM: &'static str = <L as Law>::STEM;
    const WGSL: &'static str = <L as Law>::WGSL;
    const OWN_WGSL: &'static str = include_str!("../../../shaders/beta_geometric/covariates.wgsl");
    /// No sum over fixed nodes: what f32 keeps of a row far from its reference is its six or seven digits.
    const REACH_OF_ONE: f64 = 256.0;
    type Row = Row;
    type Point = Point;
    /// Σ w ln(α₀ᵢ+T).
    type Sums = [f64; 1];

    fn first_reference(cells: &Cells) -> [f64; K] {
        device::first_reference(cells)
    }

    /// Eight factors of (b)_y and of (a+b)_y at most.
    fn steps(x: u32, own_chances: bool) -> usize {
        if own_chances { 1 + 2 * x.saturating_add(L::AT_START).min(8) as usize } else { 1 }
    }

    fn device_row(row: (f64, f64, f64, f64), own: &[f64; K]) -> (Row, [f64; 1]) {
        device::row::<L>(row, own)
    }

    fn kept(sums: &[f64; 1], theta: &[f64; K], reference: &[f64; K]) -> Sum<K> {
        device::kept(sums, theta, reference)
    }

    fn device_point(theta: &[f64; K], reference: &[f64; K]) -> Point {
        device::point(theta, reference)
    }
}
