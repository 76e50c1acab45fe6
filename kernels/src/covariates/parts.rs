//! What sums over many customers need to know of a family, and families tell nobody else.

use super::K;
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
}

/// Which terms of the rows [`Parts::add`] is to add.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    /// All of them are brief.
    pub is_brief: bool,
    /// Whether a or b is the rows' own.
    pub own_chances: bool,
}
