//! The lattice of (ln λ, ln μ) over which one customer's likelihood is summed, placed at given population parameters.
//!
//! On a regular lattice the sum of a smooth integrand converges exponentially (trapezoid rule): its error is the integrand's Fourier
//! transform at the points of the dual lattice. The integrand is a normal density times L, and e^−λt in ln λ is analytic in a
//! strip of half-width π/2 whatever t, so that two conditions set the lattice's scale C, and one its reach:
//!
//! ```text
//! C⁻¹ = Σ⁻¹ + diag(d_λ, d_μ)           steps: the Cholesky factor of C, so that correlation shears the lattice
//! d_λ = 1.6 + 0.6 √n + 1.15 n          n = max(x, λ̂ t_x): e^nu e^−λt has Fourier transform Γ(n + ik), near normal with variance 1/n
//! d_μ = 2.6 + 1.15 μ̂ t_x
//! reach: all nodes within e^−depth of the largest
//! ```
//!
//! Nodes are looked for where a bound of the integrand is within reach (`integrand`).
//!
//! **Room.** A lattice may be meant for other Σ than that it is placed at, by any factor of variances up to `room` up or down: it is then
//! placed at [`Population::widened`], in steps that suit the narrowest.

use pulp::Arch;

use super::integrand::{History, Integrand, Line, Population, Profile};

/// Node (i, j) lies at u = corner₀ + a i, v = corner₁ + b i + c j.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Lattice {
    pub corner: [f64; 2],
    /// a, b, c.
    pub step: [f64; 3],
    pub rows: usize,
    pub columns: usize,
}

impl Lattice {
    pub fn node(&self, i: usize, j: usize) -> [f64; 2] {
        let [a, b, c] = self.step;
        let (i, j) = (i as f64, j as f64);
        [self.corner[0] + a * i, self.corner[1] + b * i + c * j]
    }
}

/// How fine a lattice is, and how far it reaches.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fineness {
    /// Steps, of those in the head of this file.
    step: f64,
    /// Nats below the largest node at which nodes end.
    depth: f64,
    /// Rows and columns at most; beyond, steps grow.
    most: f64,
    /// By what factor Σ may be narrower than where the lattice is placed.
    narrower: f64,
}

impl Fineness {
    /// For Σ that may become narrower by a factor of variances.
    pub fn for_narrower(self, narrower: f64) -> Self {
        Self { narrower, most: self.most * narrower.sqrt(), ..self }
    }
}

/// What runs are made with: 1e-7 relative.
pub(super) const USUAL: Fineness = Fineness { step: 1.0, depth: 18.0, most: 80.0, narrower: 1.0 };

/// What judges: a quarter of the lattice's cells, and nodes down to 1e-15.
pub(super) const FINE: Fineness = Fineness { step: 0.5, depth: 34.0, most: 512.0, narrower: 1.0 };

/// How far a lattice reaches from a customer's posterior mean where it was placed, in posterior sds: [`USUAL`]'s depth is half its square.
pub(super) const REACH: f64 = 6.0;

/// How many of its sds a customer's posterior must have to every side for a lattice to do.
pub(super) const TAIL: f64 = 5.0;

/// By how much the precision of ln λ and ln μ may grow beyond what a lattice is meant for, per square step and in any direction, for the
/// lattice to be fine enough.
pub(super) const MOST_EXCESS: f64 = 0.5;

/// |ln| of a customer's median beyond which numbers would overflow.
const FARTHEST_MEDIAN: f64 = 150.0;

/// Points along ln μ among which the integrand's height is looked for.
const PROBES: usize = 24;

/// Places lattices, one after another in the same room.
#[derive(Debug, Clone)]
pub(super) struct Placer {
    fineness: Fineness,
    /// The widest registers there are.
    pub arch: Arch,
    pub lattice: Lattice,
    /// `[row][column]`: each node's share of the likelihood. They add up to one.
    pub shares: Vec<f64>,
    room: Vec<f64>,
}

impl Placer {
    pub fn new(fineness: Fineness) -> Self {
        Self { fineness, arch: Arch::new(), lattice: Lattice::default(), shares: Vec::new(), room: Vec::new() }
    }

    /// How the next lattices are made.
    pub fn set_fineness(&mut self, fineness: Fineness) {
        self.fineness = fineness;
    }

    /// Places the nodes of one customer and weighs them; returns ln L, which is no number where covariates move a median beyond
    /// [`FARTHEST_MEDIAN`].
    pub fn place(&mut self, history: &History, population: &Population) -> f64 {
        if !population.mean.iter().all(|mean| mean.abs() <= FARTHEST_MEDIAN) {
            self.lattice = Lattice { rows: 1, columns: 1, ..Lattice::default() };
            self.shares.clear();
            self.shares.push(1.0);
            return f64::NAN;
        }
        let integrand = Integrand::new(history, population);
        let (crest, profile) = integrand.crest();
        let Profile { height: bound, crest: middle, sd, .. } = profile;
        let (from, step) = (middle - 6.0 * sd, sd * (12.0 / (PROBES - 1) as f64));
        let mut probes = [0.0; PROBES];
        let line = Line { integrand: &integrand, u: crest, v: from, step, height: bound, out: &mut probes };
        self.arch.dispatch(line);
        let best = (0..PROBES).fold(0, |best, k| if probes[k] > probes[best] { k } else { best });
        let height = bound + probes[best].ln();
        let step = steps(&integrand, [crest, from + step * best as f64], &self.fineness);
        self.fill(&integrand, [crest, middle], step, height);
        let (all, kept) = self.crop();
        self.shares.iter_mut().for_each(|share| *share /= kept);
        let [a, _, c] = self.lattice.step;
        height + (all * a * c).ln() + population.ln_peak()
    }

    /// Lets `lattice` be the box of a lattice through `middle` in which the bound is within reach of `height`, and weighs its nodes.
    fn fill(&mut self, integrand: &Integrand<'_>, middle: [f64; 2], step: [f64; 3], height: f64) {
        let least = height - self.fineness.depth;
        let [mut a, mut b, mut c] = step;
        let (low, high) = (integrand.edge(middle[0], -1.0, least), integrand.edge(middle[0], 1.0, least));
        let stretch = ((high - low) / (a * self.fineness.most)).max(1.0);
        (a, b) = (a * stretch, b * stretch);
        let below = ((middle[0] - low) / a).floor();
        let rows = below as usize + ((high - middle[0]) / a).floor() as usize + 1;
        let row_u = |i: usize| middle[0] + a * (i as f64 - below);
        // In row i, v of column 0 is middle₁ + b (i − below).
        let row_v = |i: usize| middle[1] + b * (i as f64 - below);
        let reach = |i: usize| {
            let (low, high) = integrand.reach(row_u(i), least);
            (low - row_v(i), high - row_v(i))
        };
        let reaches: Vec<(f64, f64)> = (0..rows).map(reach).collect();
        let (from, to) = reaches.iter().fold((0.0_f64, 0.0_f64), |all, row| (all.0.min(row.0), all.1.max(row.1)));
        c *= ((to - from) / (c * self.fineness.most)).max(1.0);
        let (first, last) = ((from / c).floor(), (to / c).ceil());
        let columns = (last - first) as usize + 1;
        self.room.clear();
        self.room.resize(rows * columns, 0.0);
        for (i, row) in self.room.chunks_exact_mut(columns).enumerate() {
            let line = Line { integrand, u: row_u(i), v: row_v(i) + c * first, step: c, height, out: row };
            self.arch.dispatch(line);
        }
        let corner = [row_u(0), row_v(0) + c * first];
        self.lattice = Lattice { corner, step: [a, b, c], rows, columns };
    }

    /// Cuts off rows and columns without a node in reach; returns the sum of all nodes and of those that are left.
    fn crop(&mut self) -> (f64, f64) {
        let Lattice { rows, columns, .. } = self.lattice;
        let (room, all) = (&self.room, self.room.iter().sum());
        let least = room.iter().copied().fold(0.0, f64::max) * (-self.fineness.depth).exp();
        let row_counts = |i: &usize| room[i * columns..][..columns].iter().any(|node| *node >= least);
        let column_counts = |j: &usize| room.iter().skip(*j).step_by(columns).any(|node| *node >= least);
        let i_0 = (0..rows).find(row_counts).unwrap_or(0);
        let i_1 = (0..rows).rev().find(row_counts).unwrap_or(i_0);
        let j_0 = (0..columns).find(column_counts).unwrap_or(0);
        let j_1 = (0..columns).rev().find(column_counts).unwrap_or(j_0);
        self.lattice.corner = self.lattice.node(i_0, j_0);
        (self.lattice.rows, self.lattice.columns) = (i_1 - i_0 + 1, j_1 - j_0 + 1);
        self.shares.clear();
        for i in i_0..=i_1 {
            self.shares.extend_from_slice(&room[i * columns + j_0..=i * columns + j_1]);
        }
        (all, self.shares.iter().sum())
    }

    /// Mean and covariance (ii, ij, jj) of (i, j) under the shares.
    pub fn spread(&self) -> ([f64; 2], [f64; 3]) {
        let (mut mean, mut square) = ([0.0; 2], [0.0; 3]);
        for (i, row) in self.shares.chunks_exact(self.lattice.columns).enumerate() {
            let (mut sum, mut first, mut second) = (0.0, 0.0, 0.0);
            for (j, share) in row.iter().enumerate() {
                let j = j as f64;
                sum += share;
                first += share * j;
                second += share * j * j;
            }
            let i = i as f64;
            mean[0] += i * sum;
            mean[1] += first;
            square[0] += i * i * sum;
            square[1] += i * first;
            square[2] += second;
        }
        let [i, j] = mean;
        (mean, [square[0] - i * i, square[1] - i * j, square[2] - j * j])
    }
}

/// The Cholesky factor of C, scaled: a, b, c.
fn steps(integrand: &Integrand<'_>, [u, v]: [f64; 2], &Fineness { step: scale, narrower, .. }: &Fineness) -> [f64; 3] {
    let History { x, t_x, .. } = integrand.history;
    let [p_uu, p_uv, p_vv] = integrand.precision.map(|p| narrower * p);
    let n = x.max(u.exp() * t_x);
    let q_uu = p_uu + 1.6 + 0.6 * n.sqrt() + 1.15 * n;
    let q_vv = p_vv + 2.6 + 1.15 * v.exp() * t_x;
    // Of the inverse of Q: C = [q_vv, −q_uv; −q_uv, q_uu]/det Q.
    let det = q_uu * q_vv - p_uv * p_uv;
    let a = (q_vv / det).sqrt();
    [scale * a, -scale * p_uv / (det * a), scale / q_vv.sqrt()]
}
