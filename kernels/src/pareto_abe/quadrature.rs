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
//! Nodes are looked for where a bound of the integrand is within reach: L ≤ λ^x e^−(λ+μ)t_x, log-concave and separable.

use super::K;

/// ln λ and ln μ of one customer before anything is known of the purchases: N₂(mean, Σ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Population {
    pub mean: [f64; 2],
    pub sd: [f64; 2],
    pub corr: f64,
}

impl Population {
    /// From possible parameters, without covariates.
    pub fn new(&[rate, death, sd_rate, sd_death, corr]: &[f64; K]) -> Self {
        Self { mean: [rate.ln(), death.ln()], sd: [sd_rate, sd_death], corr }
    }

    /// The same with other means.
    pub fn shifted(self, [u, v]: [f64; 2]) -> Self {
        Self { mean: [self.mean[0] + u, self.mean[1] + v], ..self }
    }

    /// 1 − ρ².
    pub fn independence(&self) -> f64 {
        (1.0 - self.corr) * (1.0 + self.corr)
    }

    /// Σ⁻¹: uu, uv, vv.
    pub fn precision(&self) -> [f64; 3] {
        let ([a, b], q) = (self.sd, self.independence());
        [1.0 / (a * a * q), -self.corr / (a * b * q), 1.0 / (b * b * q)]
    }

    /// The least and the most variance, in any direction, in units of another's: eigenvalues of Σ₀⁻¹ Σ.
    pub fn variances_in(&self, other: &Self) -> [f64; 2] {
        let ([q_uu, q_uv, q_vv], [a, b]) = (other.precision(), self.sd);
        let half = 0.5 * (q_uu * a * a + 2.0 * q_uv * self.corr * a * b + q_vv * b * b);
        let product = (q_uu * q_vv - q_uv * q_uv) * a * a * b * b * self.independence();
        let most = half + (half * half - product).max(0.0).sqrt();
        [product / most, most]
    }

    /// How far its means are from another's.
    pub fn shift_from(&self, other: &Self) -> [f64; 2] {
        [self.mean[0] - other.mean[0], self.mean[1] - other.mean[1]]
    }

    /// ln of the density's factor before the exponential.
    pub fn ln_peak(&self) -> f64 {
        -(std::f64::consts::TAU * self.sd[0] * self.sd[1]).ln() - 0.5 * self.independence().ln()
    }
}

/// A customer's purchases; t_x is 0 where x is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct History {
    pub x: f64,
    pub t_x: f64,
    pub t: f64,
}

impl History {
    pub fn new(x: u32, t_x: f64, t: f64) -> Self {
        Self { x: f64::from(x), t_x: if x > 0 { t_x } else { 0.0 }, t }
    }
}

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
}

/// What runs are made with: 1e-7 relative.
pub(super) const USUAL: Fineness = Fineness { step: 1.0, depth: 18.0, most: 80.0 };

/// What judges: a quarter of the lattice's cells, and nodes down to 1e-15.
pub(super) const FINE: Fineness = Fineness { step: 0.5, depth: 34.0, most: 512.0 };

/// How far a customer's posterior mean may move along an axis of a lattice, in posterior sds where it was placed, for the lattice to do.
pub(super) const FARTHEST: f64 = 0.5;

/// By what factor the variance along an axis may change.
pub(super) const WIDEST: f64 = 1.5;

/// |ln| of a customer's median beyond which numbers would overflow.
const FARTHEST_MEDIAN: f64 = 150.0;

/// Points along ln μ among which the integrand's height is looked for.
const PROBES: i32 = 16;

/// Places lattices, one after another in the same room.
#[derive(Debug, Clone)]
pub(super) struct Placer {
    fineness: Fineness,
    pub lattice: Lattice,
    /// `[row][column]`: each node's share of the likelihood. They add up to one.
    pub shares: Vec<f64>,
    room: Vec<f64>,
}

/// The integrand without the normal density's factor, and the bound it is looked for under: L ≤ λ^x e^−(λ+μ)t_x.
pub(super) struct Integrand<'a> {
    history: &'a History,
    population: &'a Population,
    precision: [f64; 3],
}

/// The bound along ln μ at one ln λ: concave, at most `height` − ½ ((v − crest)/sd)².
struct Profile {
    /// The largest of the bound, and without what μ costs.
    height: f64,
    without: f64,
    /// Where it is the largest.
    crest: f64,
    /// The sd of v given u.
    sd: f64,
    /// e^crest t_x: the slope of what μ costs.
    cost: f64,
}

impl<'a> Integrand<'a> {
    pub fn new(history: &'a History, population: &'a Population) -> Self {
        Self { history, population, precision: population.precision() }
    }

    /// x u − e^u t_x − ½ ξ² − ½ ((v − mean)/sd)² − e^v t_x, whose crest is mean − W(sd² t_x e^mean).
    fn profile(&self, u: f64) -> Profile {
        let Population { mean, sd: [a, b], corr } = *self.population;
        let xi = (u - mean[0]) / a;
        let (given, sd) = (mean[1] + corr * b * xi, b * self.population.independence().sqrt());
        let w = lambert((sd * sd * self.history.t_x).ln() + given);
        let cost = w / (sd * sd);
        let without = self.history.x * u - u.exp() * self.history.t_x - 0.5 * xi * xi;
        Profile { height: without - cost * (1.0 + 0.5 * w), without, crest: given - w, sd, cost }
    }

    /// The u at which the bound is largest.
    fn crest(&self) -> f64 {
        let Population { mean: [m, _], sd: [a, b], corr } = *self.population;
        let rises = |u: f64| {
            self.history.x - u.exp() * self.history.t_x - (u - m) / (a * a) - self.profile(u).cost * corr * b / a > 0.0
        };
        let upward = rises(m);
        let mut step = if upward { a } else { -a };
        let mut beyond = m + step;
        while rises(beyond) == upward {
            step *= 2.0;
            beyond += step;
        }
        halve(m, beyond, |u| rises(u) == upward)
    }

    /// The last u on one side at which the bound is at least `least`.
    fn edge(&self, crest: f64, side: f64, least: f64) -> f64 {
        let mut step = side * self.population.sd[0];
        let mut beyond = crest + step;
        while self.profile(beyond).height >= least {
            step *= 2.0;
            beyond += step;
        }
        halve(crest, beyond, |u| self.profile(u).height >= least)
    }

    /// Where v may lie, at one u, for the integrand to be at least `least`.
    fn reach(&self, u: f64, least: f64) -> (f64, f64) {
        let Profile { height, without, crest, sd, .. } = self.profile(u);
        let half = (2.0 * (height - least).max(0.0)).sqrt() * sd;
        let cut =
            if self.history.t_x > 0.0 { ((without - least).max(0.0) / self.history.t_x).ln() } else { f64::INFINITY };
        (crest - half, (crest + half).min(cut))
    }

    /// L(λ, μ) relative to λ^x e^−(λ+μ)t_x.
    fn relative(&self, lambda: f64, mu: f64) -> f64 {
        let both = lambda + mu;
        (mu + lambda * (-both * (self.history.t - self.history.t_x)).exp()) / both
    }

    /// ln of the integrand.
    pub fn ln_at(&self, u: f64, v: f64) -> f64 {
        let (lambda, mu) = (u.exp(), v.exp());
        self.exponent(u, v, lambda + mu) + self.relative(lambda, mu).ln()
    }

    /// x u − (λ+μ) t_x − ½ (u, v) Σ⁻¹ (u, v).
    fn exponent(&self, u: f64, v: f64, both: f64) -> f64 {
        let ([m_u, m_v], [p_uu, p_uv, p_vv]) = (self.population.mean, self.precision);
        let (u_m, v_m) = (u - m_u, v - m_v);
        self.history.x * u - both * self.history.t_x - 0.5 * (p_uu * u_m * u_m + p_vv * v_m * v_m) - p_uv * u_m * v_m
    }
}

/// W(z) ≥ 0 with W e^W = z, from ln z: Newton's method for W + ln W = ln z.
fn lambert(ln_z: f64) -> f64 {
    if ln_z < -40.0 {
        return ln_z.exp();
    }
    let mut w = if ln_z < 500.0 { ln_z.exp().ln_1p() } else { ln_z };
    for _ in 0..5 {
        w *= (1.0 + ln_z - w.ln()) / (1.0 + w);
    }
    w
}

/// Halves the way from a point that passes to one that does not until they meet, or nearly.
fn halve(mut passes: f64, mut fails: f64, test: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..48 {
        let middle = 0.5 * (passes + fails);
        if test(middle) { passes = middle } else { fails = middle }
    }
    passes
}

impl Placer {
    pub fn new(fineness: Fineness) -> Self {
        Self { fineness, lattice: Lattice::default(), shares: Vec::new(), room: Vec::new() }
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
        let crest = integrand.crest();
        let Profile { crest: middle, sd, .. } = integrand.profile(crest);
        let probe = |k: i32| middle + sd * f64::from(k) * (6.0 / f64::from(PROBES));
        let heights = (-PROBES..=PROBES).map(|k| (integrand.ln_at(crest, probe(k)), probe(k)));
        let (height, v_crest) =
            heights.fold((f64::NEG_INFINITY, middle), |best, next| if next.0 > best.0 { next } else { best });
        let step = steps(&integrand, [crest, v_crest], self.fineness.step);
        self.fill(&integrand, [crest, middle], step, height);
        let (all, kept) = self.crop();
        self.shares.iter_mut().for_each(|share| *share /= kept);
        let [a, _, c] = self.lattice.step;
        height + (all * a * c).ln() + population.ln_peak()
    }

    /// Weighs every node of a lattice through `middle` where the bound is within reach of `height`, and lets `lattice` be its box.
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
            let (low, high) = reaches[i];
            let begin = ((low / c).ceil() - first).max(0.0) as usize;
            let end = (((high / c).floor() - first + 1.0).max(0.0) as usize).min(columns);
            let (u, lambda) = (row_u(i), row_u(i).exp());
            for (j, node) in row.iter_mut().enumerate().take(end).skip(begin) {
                let v = row_v(i) + c * (first + j as f64);
                let mu = v.exp();
                *node = integrand.relative(lambda, mu) * (integrand.exponent(u, v, lambda + mu) - height).exp();
            }
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
fn steps(integrand: &Integrand<'_>, [u, v]: [f64; 2], scale: f64) -> [f64; 3] {
    let ([p_uu, p_uv, p_vv], History { x, t_x, .. }) = (integrand.precision, integrand.history);
    let n = x.max(u.exp() * t_x);
    let q_uu = p_uu + 1.6 + 0.6 * n.sqrt() + 1.15 * n;
    let q_vv = p_vv + 2.6 + 1.15 * v.exp() * t_x;
    // Of the inverse of Q: C = [q_vv, −q_uv; −q_uv, q_uu]/det Q.
    let det = q_uu * q_vv - p_uv * p_uv;
    let a = (q_vv / det).sqrt();
    [scale * a, -scale * p_uv / (det * a), scale / q_vv.sqrt()]
}
