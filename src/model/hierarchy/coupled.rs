//! Hierarchies whose effects are correlated across parameters: the informed coordinates for all parameters of a group at once.
//!
//! | symbol | meaning |
//! | ------ | ------- |
//! | A      | D_l L: the factor of a level's covariance, z = m + A η with η ~ N(0, I) and m the parent's z |
//! | T, b   | what the data below a node say of its z: precision, and precision times centre; diagonal for a group's own pilot |
//! | C      | Cholesky factor of I + Aᵀ T A, the precision of η given the data |
//!
//! η = C⁻ᵀ (C⁻¹ Aᵀ (b − T m) + ε): ε is N(0, I) given the parent and the spreads wherever the pilots are right. That leaves
//! −½ ηᵀη − Σ ln C_ii of the prior of z and of |dz/dε|. A node tells its parent the precision M = (T⁻¹ + A Aᵀ)⁻¹ = W T and r = W b, with
//! W = I − T A (C Cᵀ)⁻¹ Aᵀ. μ is a node without a parent: μ = R⁻ᵀ (R⁻¹ Σr + u) with R Rᵀ = I + ΣM (the identity keeps directions of which
//! nothing is known).

use ndarray::ArrayView1;

use super::correlation::{Cholesky, Correlation};
use super::linear::{
    MOST, Matrix, Vector, ZERO, add, add_outer, cholesky, cholesky_slopes, product, solve, solve_matrix,
    solve_transposed, times, transposed, transposed_times,
};
use super::{Hierarchy, LN_SQRT_TAU, State};
use crate::dist::Transform;

/// x = C⁻ᵀ (C⁻¹ g + ε), and what it was made of.
#[derive(Debug, Clone, Copy)]
struct Normal {
    c: Matrix,
    /// C⁻¹ g.
    t: Vector,
    x: Vector,
}

impl Normal {
    fn new(precision: &Matrix, g: &Vector, local: &Vector, k: usize) -> Self {
        let c = cholesky(precision, k);
        let t = solve(&c, g, k);
        let v: Vector = std::array::from_fn(|i| t[i] + local[i]);
        Self { c, t, x: solve_transposed(&c, &v, k) }
    }

    /// ε at which x is reached.
    fn local(&self, x: &Vector) -> Vector {
        let v = transposed_times(&self.c, x);
        std::array::from_fn(|i| v[i] - self.t[i])
    }

    /// −Σ ln C_ii.
    fn ln_volume(&self, k: usize) -> f64 {
        -(0..k).map(|i| self.c[i][i].ln()).sum::<f64>()
    }

    /// Slopes in ε, g and the precision, given those in x, with that of [`Normal::ln_volume`] added.
    fn slopes(&self, d_x: &Vector, k: usize) -> (Vector, Vector, Matrix) {
        let d_local = solve(&self.c, d_x, k);
        let d_g = solve_transposed(&self.c, &d_local, k);
        let mut d_c = ZERO;
        add_outer(&mut d_c, -1.0, &self.x, &d_local);
        add_outer(&mut d_c, -1.0, &d_g, &self.t);
        (0..k).for_each(|i| d_c[i][i] -= 1.0 / self.c[i][i]);
        (d_local, d_g, cholesky_slopes(&self.c, &d_c, k))
    }
}

/// What is known of a node's z, or the slopes in it.
#[derive(Debug, Clone, Copy)]
struct Known {
    t: Matrix,
    b: Vector,
}

const NOTHING: Known = Known { t: ZERO, b: [0.0; MOST] };

impl Known {
    fn add(&mut self, other: &Self) {
        add(&mut self.t, 1.0, &other.t);
        self.b.iter_mut().zip(other.b).for_each(|(b, other)| *b += other);
    }
}

/// What a node tells its parent: M and r, and the W that makes them.
struct Message {
    told: Known,
    w: Matrix,
}

impl Message {
    fn of(known: &Known, a: &Matrix, k: usize) -> Self {
        let ta = product(&known.t, a);
        let mut precision = product(&transposed(a), &ta);
        (0..k).for_each(|i| precision[i][i] += 1.0);
        let c = cholesky(&precision, k);
        let (left, right) = (solve_matrix(&c, &transposed(&ta), k), solve_matrix(&c, &transposed(a), k));
        let mut w = ZERO;
        (0..k).for_each(|i| w[i][i] = 1.0);
        add(&mut w, -1.0, &product(&transposed(&left), &right));
        let mut t = known.t;
        add(&mut t, -1.0, &product(&transposed(&left), &left));
        Self { told: Known { t, b: times(&w, &known.b) }, w }
    }

    /// Slopes in what is known and in A, given those in what is told: dM = W dT Wᵀ − M dS M and dr = W db − W dT S r − M dS r, S = A Aᵀ.
    fn slopes(&self, a: &Matrix, d: &Known) -> (Known, Matrix) {
        let Self { told: Known { t: m, b: r }, w } = self;
        let s = product(a, &transposed(a));
        let mut known = Known { t: product(&transposed(w), &product(&d.t, w)), b: transposed_times(w, &d.b) };
        let d_b = known.b;
        add_outer(&mut known.t, -1.0, &d_b, &times(&s, r));
        let mut d_s = ZERO;
        add(&mut d_s, -1.0, &product(m, &product(&d.t, m)));
        add_outer(&mut d_s, -1.0, &times(m, &d.b), r);
        let mut both = d_s;
        add(&mut both, 1.0, &transposed(&d_s));
        (known, product(&both, a))
    }
}

/// All effects at a point.
pub(super) struct Forward {
    sigma: Vec<f64>,
    factor: Cholesky,
    /// `[level]`.
    a: Vec<Matrix>,
    /// `[node]`.
    known: Vec<Known>,
    /// None where μ is its own coordinate.
    top: Option<Normal>,
    mu: Vector,
    /// `[node]`.
    eta: Vec<Normal>,
    z: Vec<Vector>,
}

impl Forward {
    /// The effects as the rest of the hierarchy takes them.
    pub fn state(self, h: &Hierarchy) -> State {
        let (k, nodes) = (h.k(), h.tree.len());
        State {
            mu: self.mu[..k].to_vec(),
            correlations: self.factor.correlations().collect(),
            z: (0..k * nodes).map(|at| self.z[at % nodes][at / nodes]).collect(),
            sigma: self.sigma,
        }
    }

    /// z of what a node belongs to.
    fn centre(&self, h: &Hierarchy, node: usize) -> Vector {
        h.tree.parent(node).map_or(self.mu, |parent| self.z[parent])
    }

    /// η of a node at ε.
    fn effect(&self, h: &Hierarchy, level: usize, node: usize, local: &Vector) -> Normal {
        let (known, a, m) = (&self.known[node], &self.a[level], self.centre(h, node));
        let mut precision = product(&transposed(a), &product(&known.t, a));
        (0..h.k()).for_each(|i| precision[i][i] += 1.0);
        Normal::new(&precision, &transposed_times(a, &beyond(known, &m)), local, h.k())
    }

    /// Adds the next node.
    fn push(&mut self, h: &Hierarchy, level: usize, node: usize, eta: Normal) {
        let (m, step) = (self.centre(h, node), times(&self.a[level], &eta.x));
        self.z.push(std::array::from_fn(|k| m[k] + step[k]));
        self.eta.push(eta);
    }
}

/// b − T m.
fn beyond(known: &Known, m: &Vector) -> Vector {
    let at_m = times(&known.t, m);
    std::array::from_fn(|i| known.b[i] - at_m[i])
}

impl Hierarchy {
    /// A of every level.
    fn factors(&self, sigma: &[f64], l: &Cholesky) -> Vec<Matrix> {
        let k = self.k();
        let of = |level: usize| {
            let mut a = ZERO;
            (0..k).for_each(|i| (0..=i).for_each(|j| a[i][j] = sigma[level * k + i] * l.at(i, j)));
            a
        };
        (0..self.tree.depth()).map(of).collect()
    }

    /// What is known at every node, children before parents, and ΣM and Σr over the first level.
    fn all_known(&self, a: &[Matrix]) -> (Vec<Known>, Known) {
        let mut known = vec![NOTHING; self.tree.len()];
        for (g, node) in self.tree.leaves().enumerate() {
            for k in 0..self.k() {
                let tau = self.pilot.precision[[g, k]];
                known[node].t[k][k] = tau;
                known[node].b[k] = tau * self.pilot.centre[[g, k]];
            }
        }
        let mut top = NOTHING;
        for (level, node) in self.tree.walk().rev() {
            let told = Message::of(&known[node], &a[level], self.k()).told;
            self.tree.parent(node).map_or(&mut top, |parent| &mut known[parent]).add(&told);
        }
        (known, top)
    }

    /// Whether μ is sampled around what is known of it.
    pub(super) fn whitens_mu(&self) -> bool {
        self.mu.iter().all(|mu| mu.transform == Transform::Identity)
            && self.pilot.precision.iter().any(|&tau| tau > 0.0)
    }

    /// Everything above the nodes.
    fn begin_coupled(&self, correlation: Correlation, point: ArrayView1<'_, f64>) -> Forward {
        let (k, nodes, sigma) = (self.k(), self.tree.len(), self.spreads(point));
        let factor = correlation.cholesky(&self.pair_coordinates(point));
        let a = self.factors(&sigma, &factor);
        let (known, told) = self.all_known(&a);
        let u = self.vector(point, 0);
        let (top, mu) = if self.whitens_mu() {
            let mut precision = told.t;
            (0..k).for_each(|i| precision[i][i] += 1.0);
            let top = Normal::new(&precision, &told.b, &u, k);
            (Some(top), top.x)
        } else {
            (None, std::array::from_fn(|i| self.mu.get(i).map_or(0.0, |mu| mu.value(u[i]))))
        };
        Forward { sigma, factor, a, known, top, mu, eta: Vec::with_capacity(nodes), z: Vec::with_capacity(nodes) }
    }

    /// Every effect at `point`.
    pub(super) fn coupled(&self, correlation: Correlation, point: ArrayView1<'_, f64>) -> Forward {
        let mut forward = self.begin_coupled(correlation, point);
        for (level, node) in self.tree.walk() {
            let eta = forward.effect(self, level, node, &self.vector(point, self.at(node, 0)));
            forward.push(self, level, node, eta);
        }
        forward
    }

    /// K numbers of a point.
    fn vector(&self, point: ArrayView1<'_, f64>, from: usize) -> Vector {
        std::array::from_fn(|k| if k < self.k() { point[from + k] } else { 0.0 })
    }

    /// Writes the coordinates at which μ is `mu` and the η of the nodes, parents first, are the next of `eta`'s, given those of the
    /// spreads and correlations.
    pub(super) fn set_coupled(
        &self,
        correlation: Correlation,
        point: &mut [f64],
        mu: &[f64],
        mut eta: impl FnMut() -> f64,
    ) {
        let k = self.k();
        let origin = self.begin_coupled(correlation, ArrayView1::from(&*point));
        match origin.top {
            Some(top) => {
                let wanted: Vector = std::array::from_fn(|i| mu.get(i).copied().unwrap_or(0.0));
                point[..k].copy_from_slice(&top.local(&wanted)[..k]);
            }
            None => (0..k).for_each(|i| point[i] = self.mu[i].inverse(mu[i])),
        }
        let mut forward = self.begin_coupled(correlation, ArrayView1::from(&*point));
        for (level, node) in self.tree.walk() {
            let x: Vector = std::array::from_fn(|i| if i < k { eta() } else { 0.0 });
            let local = forward.effect(self, level, node, &[0.0; MOST]).local(&x);
            let reached = forward.effect(self, level, node, &local);
            forward.push(self, level, node, reached);
            point[self.at(node, 0)..self.at(node, 0) + k].copy_from_slice(&local[..k]);
        }
    }

    /// As [`Hierarchy::log_prior`].
    pub(super) fn coupled_log_prior(
        &self,
        correlation: Correlation,
        point: ArrayView1<'_, f64>,
        d_values: &[f64],
        jacobian: bool,
        gradient: &mut [f64],
    ) -> f64 {
        let k = self.k();
        let forward = self.coupled(correlation, point);
        let mut back = Backward {
            a: vec![ZERO; self.tree.depth()],
            known: vec![NOTHING; self.tree.len()],
            told: NOTHING,
            mu: [0.0; MOST],
        };
        let mut total = self.up_the_coupled_tree(&forward, d_values, &mut back, gradient);
        total += self.through_mu(&forward, point, jacobian, &mut back, gradient);
        self.down_the_messages(&forward, &mut back);

        let mut d_l = vec![0.0; k * k];
        for (level, d_a) in back.a.iter().enumerate() {
            for i in 0..k {
                let at = level * k + i;
                let d_sigma: f64 = (0..=i).map(|j| d_a[i][j] * forward.factor.at(i, j)).sum();
                (0..=i).for_each(|j| d_l[i * k + j] += d_a[i][j] * forward.sigma[at]);
                let (lp, d_lp, slope) = self.sigma[at].log_prior(point[k + at], jacobian);
                total += lp;
                gradient[k + at] = d_lp + d_sigma * slope;
            }
        }
        let pairs = self.pairs_at();
        total + correlation.log_prior(&self.pair_coordinates(point), &d_l, jacobian, &mut gradient[pairs])
    }

    /// Densities of all nodes, and their slopes, children before parents.
    fn up_the_coupled_tree(
        &self,
        forward: &Forward,
        d_values: &[f64],
        back: &mut Backward,
        gradient: &mut [f64],
    ) -> f64 {
        let k = self.k();
        let mut d_z = vec![[0.0; MOST]; self.tree.len()];
        for (g, node) in self.tree.leaves().enumerate() {
            for i in 0..k {
                d_z[node][i] = d_values[g * k + i] * self.links[i].at(forward.z[node][i]).slope;
            }
        }
        let mut total = 0.0;
        for (level, node) in self.tree.walk().rev() {
            let (eta, a, known) = (&forward.eta[node], &forward.a[level], &forward.known[node]);
            let (m, d_node) = (forward.centre(self, node), d_z[node]);
            total += eta.ln_volume(k) - (0..k).map(|i| 0.5 * eta.x[i] * eta.x[i] + LN_SQRT_TAU).sum::<f64>();
            // z = m + A η.
            let through = transposed_times(a, &d_node);
            let d_eta: Vector = std::array::from_fn(|i| through[i] - eta.x[i]);
            let (d_local, d_g, d_q) = eta.slopes(&d_eta, k);
            gradient[self.at(node, 0)..self.at(node, 0) + k].copy_from_slice(&d_local[..k]);
            add_outer(&mut back.a[level], 1.0, &d_node, &eta.x);
            // g = Aᵀ d with d = b − T m; the precision is I + Aᵀ T A.
            let d_d = times(a, &d_g);
            add_outer(&mut back.a[level], 1.0, &beyond(known, &m), &d_g);
            add(&mut back.a[level], 2.0, &product(&product(&known.t, a), &d_q));
            let of = &mut back.known[node];
            of.b = d_d;
            add_outer(&mut of.t, -1.0, &d_d, &m);
            add(&mut of.t, 1.0, &product(a, &product(&d_q, &transposed(a))));
            let lost = times(&known.t, &d_d);
            let up = self.tree.parent(node).map_or(&mut back.mu, |parent| &mut d_z[parent]);
            (0..k).for_each(|i| up[i] += d_node[i] - lost[i]);
        }
        total
    }

    /// The density of μ, and its slopes.
    fn through_mu(
        &self,
        forward: &Forward,
        point: ArrayView1<'_, f64>,
        jacobian: bool,
        back: &mut Backward,
        gradient: &mut [f64],
    ) -> f64 {
        let k = self.k();
        let mut total = 0.0;
        for i in 0..k {
            let at = if forward.top.is_some() { forward.mu[i] } else { point[i] };
            let (lp, d_lp, slope) = self.mu[i].log_prior(at, jacobian);
            total += lp;
            back.mu[i] = d_lp + back.mu[i] * slope;
        }
        let Some(top) = &forward.top else {
            gradient[..k].copy_from_slice(&back.mu[..k]);
            return total;
        };
        let (d_u, d_b, d_precision) = top.slopes(&back.mu, k);
        gradient[..k].copy_from_slice(&d_u[..k]);
        back.told = Known { t: d_precision, b: d_b };
        total + top.ln_volume(k)
    }

    /// Slopes in what parents know become slopes in what children know and in their levels' A.
    fn down_the_messages(&self, forward: &Forward, back: &mut Backward) {
        for (level, node) in self.tree.walk() {
            let d = self.tree.parent(node).map_or(back.told, |parent| back.known[parent]);
            let a = &forward.a[level];
            let (known, d_a) = Message::of(&forward.known[node], a, self.k()).slopes(a, &d);
            back.known[node].add(&known);
            add(&mut back.a[level], 1.0, &d_a);
        }
    }
}

/// Slopes on their way back.
struct Backward {
    /// `[level]`.
    a: Vec<Matrix>,
    /// `[node]`.
    known: Vec<Known>,
    /// In ΣM and Σr of the first level.
    told: Known,
    mu: Vector,
}
