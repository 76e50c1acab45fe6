//! Log prior of all effects and its gradient: down the tree for the value, back up for the slopes.
//!
//! With e = (z − m)/s, s the spread and m the parent's z, the prior of z is −½e² − ln s. Centred, its slopes are −e/s in z, e/s in m, (e² − 1)/s in s. Otherwise
//! ln |dz/dε| = ln(s√w) comes in, which leaves −½e² + ½ ln w, and with d = ẑ − m, p = τw:
//!
//! | of     | in ε | in m | in s                       | in ẑ  | in τ                        |
//! | ------ | ---- | ---- | -------------------------- | ----- | --------------------------- |
//! | z      | s√w  | w    | 2s w d p + w√w ε           | 1 − w | s²w² d − ½s³w√w ε           |
//! | e      | √w   | −sp  | d p (2w − 1) − s p √w ε    | s p   | s w² d − ½s²w√w ε           |
//! | ½ ln w | 0    | 0    | −s p                       | 0     | −½s²w                       |
//!
//! What a node's children tell it, τ = Σp and ẑ = Σpẑ/Σp over them with p = τ/(1 + σ²τ), has ∂p/∂τ = w² and ∂p/∂σ = −2σp².

use ndarray::ArrayView1;

use super::forward::{Forward, Place, weight};
use super::{Hierarchy, LN_SQRT_TAU};
use crate::dist::Transform;

/// Log priors of one parameter's μ and σ, with their slopes: `(lp, dlp/du, dvalue/du)`.
struct Hyper {
    mu: (f64, f64, f64),
    /// `[level]`.
    sigma: Vec<(f64, f64, f64)>,
}

/// Slopes of one parameter's hyperparameters and of what is known at its nodes.
struct Shared {
    d_mu: f64,
    /// `[level]`.
    d_sigma: Vec<f64>,
    /// `[node]`: slopes in ẑ and τ; nodes of the last level have data, not slopes.
    d_centre: Vec<f64>,
    d_precision: Vec<f64>,
}

impl Hierarchy {
    /// Log prior at `point`; writes the gradient of log prior + L, given `d_values` = ∂L/∂values `[group, k]`.
    pub fn log_prior(&self, point: ArrayView1<'_, f64>, d_values: &[f64], jacobian: bool, gradient: &mut [f64]) -> f64 {
        if let Some(correlation) = self.correlation {
            return self.coupled_log_prior(correlation, point, d_values, jacobian, gradient);
        }
        let forward = self.forward(point);
        let hyper: Vec<Hyper> = (0..self.k()).map(|k| self.hyper(point, &forward, k, jacobian)).collect();
        let total = self.value(&forward, &hyper);
        let mut d_z = self.slopes_of_likelihood(&forward, d_values);
        for (k, hyper) in hyper.iter().enumerate() {
            let mut shared = self.up_the_tree(point, &forward, k, &mut d_z, gradient);
            self.to_hyper(point, &forward, k, hyper, &mut shared, gradient);
        }
        total
    }

    fn hyper(&self, point: ArrayView1<'_, f64>, forward: &Forward, k: usize, jacobian: bool) -> Hyper {
        // A whitened μ has the identity for its transform: the prior is taken at μ itself.
        let mu_at = if self.mu[k].transform == Transform::Identity { forward.top[k].mu } else { point[k] };
        let sigma = (0..self.tree.depth())
            .map(|level| {
                let i = level * self.k() + k;
                self.sigma[i].log_prior(point[self.k() + i], jacobian)
            })
            .collect();
        Hyper { mu: self.mu[k].log_prior(mu_at, jacobian), sigma }
    }

    fn value(&self, forward: &Forward, hyper: &[Hyper]) -> f64 {
        let nodes = self.tree.len();
        let mut total = 0.0;
        for (k, hyper) in hyper.iter().enumerate() {
            total += hyper.mu.0 + hyper.sigma[0].0 + forward.top[k].ln_slope;
            hyper.sigma[1..].iter().for_each(|sigma| total += sigma.0);
            for (level, node) in self.tree.walk() {
                let (e, w) = (forward.e[k * nodes + node], forward.w[k * nodes + node]);
                if self.centred[k] {
                    total -= 0.5 * e * e + forward.place(self, k, level, node).s.ln() + LN_SQRT_TAU;
                } else {
                    total += 0.5 * w.ln() - 0.5 * e * e - LN_SQRT_TAU;
                }
            }
        }
        total
    }

    /// `[k, node]`: slopes in z.
    fn slopes_of_likelihood(&self, forward: &Forward, d_values: &[f64]) -> Vec<f64> {
        let (k_all, nodes) = (self.k(), self.tree.len());
        let mut d_z = vec![0.0; k_all * nodes];
        for (g, node) in self.tree.leaves().enumerate() {
            for k in 0..k_all {
                let at = k * nodes + node;
                d_z[at] = d_values[g * k_all + k] * self.links[k].at(forward.z[at]).slope;
            }
        }
        d_z
    }

    /// Children before parents, for one parameter.
    fn up_the_tree(
        &self,
        point: ArrayView1<'_, f64>,
        forward: &Forward,
        k: usize,
        slopes: &mut [f64],
        gradient: &mut [f64],
    ) -> Shared {
        let (nodes, depth) = (self.tree.len(), self.tree.depth());
        let known = &forward.known[k];
        let mut shared = Shared {
            d_mu: 0.0,
            d_sigma: vec![0.0; depth],
            d_centre: vec![0.0; if depth > 1 { nodes } else { 0 }],
            d_precision: vec![0.0; if depth > 1 { nodes } else { 0 }],
        };
        for level in (0..depth).rev() {
            for node in self.tree.nodes(level) {
                let at = k * nodes + node;
                let Place { m, s } = forward.place(self, k, level, node);
                let (d_z, d_e, e) = (slopes[at], -forward.e[at], forward.e[at]);
                let local = point[self.at(node, k)];
                let (d_m, d_s);
                if self.centred[k] {
                    gradient[self.at(node, k)] = d_z + d_e / s;
                    d_m = -d_e / s;
                    d_s = (-d_e * e - 1.0) / s;
                } else {
                    let w = forward.w[at];
                    let p = known.precision[node] * w;
                    let (root, d) = (w.sqrt(), known.centre[node] - m);
                    gradient[self.at(node, k)] = d_z * s * root + d_e * root;
                    d_m = d_z * w - d_e * s * p;
                    d_s = d_z * (2.0 * s * w * d * p + w * root * local)
                        + d_e * (d * p * (2.0 * w - 1.0) - s * p * root * local)
                        - s * p;
                    if level + 1 < depth {
                        let e_along_tau = s * w * w * d - 0.5 * s * s * w * root * local;
                        shared.d_centre[node] += d_z * (1.0 - w) + d_e * s * p;
                        shared.d_precision[node] += (d_z * s + d_e) * e_along_tau - 0.5 * s * s * w;
                    }
                }
                match self.tree.parent(node) {
                    Some(parent) => slopes[k * nodes + parent] += d_m,
                    None => shared.d_mu += d_m,
                }
                shared.d_sigma[level] += d_s;
            }
        }
        shared
    }

    /// From slopes in μ, the spreads and what is known to slopes in coordinates.
    fn to_hyper(
        &self,
        point: ArrayView1<'_, f64>,
        forward: &Forward,
        k: usize,
        hyper: &Hyper,
        shared: &mut Shared,
        gradient: &mut [f64],
    ) {
        let (k_all, top) = (self.k(), &forward.top[k]);
        let (_, d_lp_mu, mu_slope) = hyper.mu;
        // A plain μ has slope 1 here and its transform's slope in `mu_slope`; a whitened one the other way round.
        shared.d_sigma[0] += (d_lp_mu + shared.d_mu) * top.along_sigma + top.ln_slope_along_sigma;
        gradient[k] = (d_lp_mu + shared.d_mu * mu_slope) * top.slope;
        if self.tree.depth() > 1 {
            self.down_the_pilots(forward, k, point[k], d_lp_mu + shared.d_mu, shared);
        }
        for (level, &(_, d_lp_sigma, sigma_slope)) in hyper.sigma.iter().enumerate() {
            gradient[k_all + level * k_all + k] = d_lp_sigma + shared.d_sigma[level] * sigma_slope;
        }
    }

    /// Slopes in what parents know become slopes in the spreads below them: μ = c + u/√P with the slope of ln slope = −½ ln P, then
    /// level by level. How the first level's messages follow their own spread is in [`super::forward::Top`] already.
    fn down_the_pilots(&self, forward: &Forward, k: usize, u: f64, d_mu: f64, shared: &mut Shared) {
        let (k_all, known) = (self.k(), &forward.known[k]);
        if let Some((c, sum)) = forward.top[k].whitened {
            let d_sum = -0.5 * (d_mu * u * sum.powf(-0.5) + 1.0) / sum;
            for node in self.tree.nodes(0) {
                let (w, p) = weight(known.precision[node], forward.sigma[k]);
                let d_p = d_sum + d_mu * (known.centre[node] - c) / sum;
                shared.d_centre[node] += d_mu * p / sum;
                shared.d_precision[node] += d_p * w * w;
            }
        }
        for level in 1..self.tree.depth() {
            let sigma = forward.sigma[level * k_all + k];
            for node in self.tree.nodes(level) {
                let Some(parent) = self.tree.parent(node) else { continue };
                let sum = known.precision[parent];
                if sum <= 0.0 {
                    continue;
                }
                let (w, p) = weight(known.precision[node], sigma);
                let (d_centre, d_sum) = (shared.d_centre[parent], shared.d_precision[parent]);
                let d_p = d_sum + d_centre * (known.centre[node] - known.centre[parent]) / sum;
                shared.d_sigma[level] -= d_p * 2.0 * sigma * p * p;
                shared.d_centre[node] += d_centre * p / sum;
                shared.d_precision[node] += d_p * w * w;
            }
        }
    }
}
