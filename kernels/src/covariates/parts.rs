//! What sums over many customers need to know of a family, and families tell nobody else.

use super::K;
use crate::cells::Cells;
use crate::difference::Crossing;
use crate::rows::Sum;
use crate::simd::{Sums, V};

/// The places of a shape and its scale among the parameters.
#[derive(Debug, Clone, Copy)]
pub struct Scale {
    pub shape: usize,
    pub scale: usize,
}

/// What sums over many customers need to know of a family.
pub trait Parts: std::fmt::Debug + Clone + Copy + Send + Sync + 'static {
    /// Every pair (shape, scale) of the family adds shape · ln scale.
    const SCALES: &'static [Scale];

    /// Chances to leave before any repeat purchase, where the density has ln (b)_y − ln (a+b)_y for y = x + this.
    const CHANCES: Option<u32>;

    /// Whether a history (x, t_x, T) leaves no doubt that the customer is alive: [`Parts::add`] has less to do.
    fn is_brief(x: u32, t_x: f64, t: f64) -> bool;

    /// Adds what rows (x, t_x, T − t_x, w) say at parameters of their own, but for ln (r)ₓ, the [`Parts::SCALES`] and, where a and b
    /// are the group's, ln (b)_{y−1} − ln (a+b)_y.
    fn add<S: pulp::Simd>(case: Case, theta: [V<S>; K], row: [V<S>; 4], sums: &mut Sums<S, K>);

    /// Stem of the family's shader.
    const STEM: &'static str;
    /// The family's part of the shader, as without covariates.
    const WGSL: &'static str;
    /// How a customer's own parameters enter it.
    const OWN_WGSL: &'static str;
    /// A customer's own parameters may be beyond those at the reference by this factor before f64 on the host takes over.
    const REACH_OF_ONE: f64;
    /// As in [`Difference`](crate::difference::Difference), of one row at parameters of its own.
    type Row: Crossing + Send + Sync;
    /// As in [`Difference`](crate::difference::Difference).
    type Point: Crossing + Send + Sync;
    /// As in [`Difference`](crate::difference::Difference).
    type Sums: AsRef<[f64]> + AsMut<[f64]> + Clone + Copy + std::fmt::Debug + Default + Send + Sync;

    /// A reference to begin with, from the data alone.
    fn first_reference(cells: &Cells) -> [f64; K];

    /// How often the shader's loops turn for a row that is not brief.
    fn steps(x: u32, own_chances: bool) -> usize;

    /// A row (x, t_x, T, w) at θ₀ of its own, and its part of the sums that the host keeps.
    fn device_row(row: (f64, f64, f64, f64), own: &[f64; K]) -> (Self::Row, Self::Sums);

    /// The part of a group's difference that the device leaves to the host.
    fn kept(sums: &Self::Sums, theta: &[f64; K], reference: &[f64; K]) -> Sum<K>;

    /// A point as the shader wants it.
    fn device_point(theta: &[f64; K], reference: &[f64; K]) -> Self::Point;
}

/// Which terms of the rows [`Parts::add`] is to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// All of them are brief.
    pub is_brief: bool,
    /// Whether a or b is the rows' own.
    pub own_chances: bool,
}
