//! From coordinates to the effects of all groups, one parameter after another: the pilots' knowledge up the tree, the effects down it.
//! Effects that are correlated across parameters have a place of their own, `coupled`.

use ndarray::ArrayView1;

use super::{Hierarchy, State};
use crate::dist::Transform;

/// What the data below each node make of one parameter there: about N(centre, 1/precision). Both 0 where nothing is known.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub centre: Vec<f64>,
    pub precision: Vec<f64>,
}

/// μ of one parameter at a point, and how it follows its coordinate and the spread of the first level.
#[derive(Debug, Clone, Copy)]
pub(super) struct Top {
    pub mu: f64,
    /// ∂μ/∂coordinate and ln of it.
    pub slope: f64,
    pub ln_slope: f64,
    /// ∂μ/∂σ and ∂ ln slope/∂σ.
    pub along_sigma: f64,
    pub ln_slope_along_sigma: f64,
    /// c and P, where μ is whitened.
    pub whitened: Option<(f64, f64)>,
}

/// Where a node's effect lies before its data: N(m, s²), m the effect of what it belongs to.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub m: f64,
    pub s: f64,
}

/// All effects at a point.
#[derive(Debug, Clone)]
pub(super) struct Forward {
    /// `[level, k]`.
    pub sigma: Vec<f64>,
    /// `[k]`.
    pub top: Vec<Top>,
    /// `[k]`.
    pub known: Vec<Known>,
    /// `[k, node]`: z, e and w.
    pub z: Vec<f64>,
    pub e: Vec<f64>,
    pub w: Vec<f64>,
    nodes: usize,
}

/// (w, τ w) of a precision at a spread.
pub(super) fn weight(tau: f64, sigma: f64) -> (f64, f64) {
    let w = 1.0 / (1.0 + sigma * sigma * tau);
    (w, tau * w)
}

impl Forward {
    /// Where node `node` of `level` lies before its data, in parameter k.
    pub fn place(&self, h: &Hierarchy, k: usize, level: usize, node: usize) -> Place {
        let m = h.tree.parent(node).map_or(self.top[k].mu, |p| self.z[k * self.nodes + p]);
        Place { m, s: self.sigma[level * h.k() + k] }
    }

    /// The effects as the rest of the hierarchy takes them.
    pub fn state(self) -> State {
        let mu = self.top.iter().map(|top| top.mu).collect();
        State { mu, sigma: self.sigma, correlations: Vec::new(), z: self.z }
    }
}

impl Hierarchy {
    /// σ of every level and parameter at `point`.
    pub(super) fn spreads(&self, point: ArrayView1<'_, f64>) -> Vec<f64> {
        self.sigma.iter().enumerate().map(|(i, c)| c.value(point[self.k() + i])).collect()
    }

    /// What is known of parameter k at every node when each level has its spread: a child tells its parent of N(ẑ, 1/τ + σ²).
    pub(super) fn known(&self, k: usize, sigma: &[f64]) -> Known {
        let (nodes, k_all) = (self.tree.len(), self.k());
        let mut known = Known { centre: vec![0.0; nodes], precision: vec![0.0; nodes] };
        for (g, node) in self.tree.leaves().enumerate() {
            known.centre[node] = self.pilot.centre[[g, k]];
            known.precision[node] = self.pilot.precision[[g, k]];
        }
        for level in (1..self.tree.depth()).rev() {
            for node in self.tree.nodes(level) {
                let Some(parent) = self.tree.parent(node) else { continue };
                let (_, p) = weight(known.precision[node], sigma[level * k_all + k]);
                known.precision[parent] += p;
                known.centre[parent] += p * known.centre[node];
            }
            for parent in self.tree.nodes(level - 1) {
                let sum = known.precision[parent];
                known.centre[parent] = if sum > 0.0 { known.centre[parent] / sum } else { 0.0 };
            }
        }
        known
    }

    /// μ of parameter k at its coordinate `u` and the first level's spread. μ is whitened where a pilot knows something and its prior
    /// has no bounds.
    pub(super) fn top(&self, u: f64, k: usize, sigma: f64, known: &Known) -> Top {
        if self.mu[k].transform != Transform::Identity || self.pilot.precision.column(k).iter().all(|&tau| tau == 0.0) {
            return Top {
                mu: self.mu[k].value(u),
                slope: 1.0,
                ln_slope: 0.0,
                along_sigma: 0.0,
                ln_slope_along_sigma: 0.0,
                whitened: None,
            };
        }
        let (mut sum, mut weighted, mut squares, mut weighted_squares) = (0.0, 0.0, 0.0, 0.0);
        for node in self.tree.nodes(0) {
            let (_, p) = weight(known.precision[node], sigma);
            let z = known.centre[node];
            sum += p;
            weighted += p * z;
            squares += p * p;
            weighted_squares += p * p * z;
        }
        let (c, slope) = (weighted / sum, sum.powf(-0.5));
        // ∂p/∂σ = −2σp².
        let ln_slope_along_sigma = sigma * squares / sum;
        let c_along_sigma = -2.0 * sigma * (weighted_squares - c * squares) / sum;
        Top {
            mu: c + slope * u,
            slope,
            ln_slope: slope.ln(),
            along_sigma: c_along_sigma + u * slope * ln_slope_along_sigma,
            ln_slope_along_sigma,
            whitened: Some((c, sum)),
        }
    }

    /// The spreads at `point`, and room for effects; parameters are opened one after another.
    pub(super) fn begin(&self, point: ArrayView1<'_, f64>) -> Forward {
        let room = || vec![0.0; self.tree.len() * self.k()];
        Forward {
            sigma: self.spreads(point),
            top: Vec::with_capacity(self.k()),
            known: Vec::with_capacity(self.k()),
            z: room(),
            e: room(),
            w: room(),
            nodes: self.tree.len(),
        }
    }

    /// Finds what is known of the next parameter, and its μ.
    pub(super) fn open(&self, forward: &mut Forward, point: ArrayView1<'_, f64>) {
        let k = forward.top.len();
        let known = self.known(k, &forward.sigma);
        forward.top.push(self.top(point[k], k, forward.sigma[k], &known));
        forward.known.push(known);
    }

    /// Every effect at `point`.
    pub(super) fn forward(&self, point: ArrayView1<'_, f64>) -> Forward {
        let mut forward = self.begin(point);
        for k in 0..self.k() {
            self.open(&mut forward, point);
            for (level, node) in self.tree.walk() {
                let place = forward.place(self, k, level, node);
                let local = point[self.at(node, k)];
                let (z, e, w) = if self.centred[k] {
                    (local, (local - place.m) / place.s, 1.0)
                } else {
                    let (w, p) = weight(forward.known[k].precision[node], place.s);
                    let (root, d) = (w.sqrt(), forward.known[k].centre[node] - place.m);
                    (place.m + (1.0 - w) * d + place.s * root * local, place.s * d * p + root * local, w)
                };
                let at = k * forward.nodes + node;
                (forward.z[at], forward.e[at], forward.w[at]) = (z, e, w);
            }
        }
        forward
    }
}
