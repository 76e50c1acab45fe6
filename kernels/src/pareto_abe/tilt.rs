//! e^Δ over a lattice: by what a node's share changes when one normal density takes another's place. Along a line of the lattice it
//! grows by a factor that itself grows by a constant factor: six exponentials in all, then two multiplications a node.

use pulp::Simd;

use crate::simd::V;
use crate::simd::exp::exp;

/// A normal density of (ln λ, ln μ), but for its factor: means, and Σ⁻¹ as uu, uv, vv.
#[derive(Clone, Copy)]
pub(super) struct Normal<S: Simd> {
    pub mean: [V<S>; 2],
    pub precision: [V<S>; 3],
}

/// Δ over a lattice: k₀ + k₁i + k₂j + k₃i² + k₄ij + k₅j², without the ratio of the densities' factors.
pub(super) struct Tilt<S: Simd> {
    pub at_corner: V<S>,
    k: [V<S>; 5],
}

impl<S: Simd> Tilt<S> {
    /// From one density to another, over the lattice at `corner` with steps a, b, c.
    #[inline(always)]
    pub fn new(corner: [V<S>; 2], [a, b, c]: [V<S>; 3], from: Normal<S>, to: Normal<S>) -> Self {
        let ([p_uu, p_uv, p_vv], [q_uu, q_uv, q_vv]) = (to.precision, from.precision);
        // The corner from both means, and the slopes of both exponents there.
        let (u, v) = (corner[0] - to.mean[0], corner[1] - to.mean[1]);
        let (u_0, v_0) = (corner[0] - from.mean[0], corner[1] - from.mean[1]);
        let (p_u, p_v) = (p_uu.times_plus(u, p_uv * v), p_uv.times_plus(u, p_vv * v));
        let (q_u, q_v) = (q_uu.times_plus(u_0, q_uv * v_0), q_uv.times_plus(u_0, q_vv * v_0));
        let half = u.all(0.5);
        let (g_u, g_v) = (p_u - q_u, p_v - q_v);
        let (d_uu, d_uv, d_vv) = (p_uu - q_uu, p_uv - q_uv, p_vv - q_vv);
        let (d_u, d_v) = (a.times_plus(d_uu, b * d_uv), a.times_plus(d_uv, b * d_vv));
        let k = [
            -(a.times_plus(g_u, b * g_v)),
            -(c * g_v),
            -(half * a.times_plus(d_u, b * d_v)),
            -(c * d_v),
            -(half * c * c * d_vv),
        ];
        Self { at_corner: -(half * (u * p_u + v * p_v - (u_0 * q_u + v_0 * q_v))), k }
    }

    /// At the corner, where e^Δ counts as one.
    #[inline(always)]
    pub fn walk(&self) -> Walk<S> {
        let [k_1, k_2, k_3, k_4, k_5] = self.k;
        Walk {
            start: k_1.all(1.0),
            ratio: factor(k_2 + k_5),
            growth: factor(k_5 + k_5),
            down: factor(k_1 + k_3),
            down_growth: factor(k_3 + k_3),
            ratio_change: factor(k_4),
        }
    }
}

/// One line of a lattice: e^Δ is `start` at its first node and grows by `ratio`, which grows by `growth`.
#[derive(Clone, Copy)]
pub(super) struct Walk<S: Simd> {
    pub start: V<S>,
    pub ratio: V<S>,
    pub growth: V<S>,
    down: V<S>,
    down_growth: V<S>,
    ratio_change: V<S>,
}

impl<S: Simd> Walk<S> {
    #[inline(always)]
    pub fn next_line(&mut self) {
        self.start = self.start * self.down;
        self.down = self.down * self.down_growth;
        self.ratio = self.ratio * self.ratio_change;
    }
}

/// e^k, or very much.
#[inline(always)]
fn factor<S: Simd>(k: V<S>) -> V<S> {
    exp(k.at_most(700.0))
}
