//! One customer's λ and μ under many draws of the population's parameters: weights of nodes, means under them, exact draws.
//!
//! The nodes are placed once, at a reference amid the draws, and weighed anew at each (`Δ` as in `simd`); a draw too far from the
//! reference gets nodes of its own. A pair (ln λ, ln μ) is drawn by rejection: a node by its weight, a point of its lattice cell,
//! kept with probability f(point)/([`STEEPEST`] f(node)) for the integrand f. That is exact wherever f grows by less than [`STEEPEST`] from a
//! node to the edge of its cell, which is all but some 1e-4 of a customer's probability.

use super::K;
use super::future::{alive, purchases};
use super::quadrature::{FARTHEST, History, Integrand, Lattice, Placer, Population, USUAL, WIDEST};

/// By what factor the integrand may grow from a node to the edge of its cell: steps are at most some 0.8 posterior sds.
const STEEPEST: f64 = 4.0;

/// Draws tried before the last node stands for one.
const MOST_TRIES: usize = 1000;

/// What a customer's purchases say of λ and μ.
#[derive(Debug, Clone)]
pub struct Rates {
    history: History,
    reference: Population,
    /// The reference's nodes, and those of a point too far from it.
    placed: Placer,
    own: Placer,
    /// Mean and variance of i and j at the reference.
    place: [[f64; 2]; 2],
    /// The point that `weights` are for.
    population: Population,
    is_own: bool,
    /// `[row][column]` of the nodes in use, not normalised.
    weights: Vec<f64>,
    by_row: Vec<f64>,
    total: f64,
}

impl Rates {
    /// Of a customer with history (x, t_x, T), with nodes placed at possible parameters, and weighed there.
    pub fn new(reference: &[f64; K], x: u32, t_x: f64, t: f64) -> Self {
        let (history, reference) = (History::new(x, t_x, t), Population::new(reference));
        let mut placed = Placer::new(USUAL);
        placed.place(&history, &reference);
        let (mean, [ii, _, jj]) = placed.spread();
        let mut new = Self {
            history,
            reference,
            own: Placer::new(USUAL),
            place: [mean, [ii, jj]],
            population: reference,
            is_own: false,
            weights: placed.shares.clone(),
            by_row: Vec::new(),
            total: 0.0,
            placed,
        };
        new.add_up();
        new
    }

    /// Sums of the weights.
    fn add_up(&mut self) {
        let columns = self.lattice().columns;
        self.by_row.clear();
        self.by_row.extend(self.weights.chunks_exact(columns).map(|row| row.iter().sum::<f64>()));
        self.total = self.by_row.iter().sum();
    }

    /// Weighs the nodes at other possible parameters. Says whether they are still the reference's.
    pub fn at(&mut self, theta: &[f64; K]) -> bool {
        self.population = Population::new(theta);
        self.is_own = !self.reweigh();
        if self.is_own {
            self.own.place(&self.history, &self.population);
            self.weights.clone_from(&self.own.shares);
            self.add_up();
        }
        !self.is_own
    }

    /// e^Δ by multiplications along lattice lines; whether the lattice does.
    fn reweigh(&mut self) -> bool {
        let Lattice { corner, step: [a, b, c], columns, .. } = self.placed.lattice;
        let (p, q) = (self.population.precision(), self.reference.precision());
        let pull = |[uu, uv, vv]: [f64; 3], population: &Population| {
            let [u, v] = [corner[0] - population.mean[0], corner[1] - population.mean[1]];
            [uu * u + uv * v, uv * u + vv * v]
        };
        let (of_p, of_q) = (pull(p, &self.population), pull(q, &self.reference));
        let [g_u, g_v] = [of_p[0] - of_q[0], of_p[1] - of_q[1]];
        let [d_uu, d_uv, d_vv] = [p[0] - q[0], p[1] - q[1], p[2] - q[2]];
        let (d_u, d_v) = (a * d_uu + b * d_uv, a * d_uv + b * d_vv);
        let (k_1, k_2) = (-(a * g_u + b * g_v), -c * g_v);
        let (k_3, k_4, k_5) = (-0.5 * (a * d_u + b * d_v), -c * d_v, -0.5 * c * c * d_vv);
        let (mut start, mut down, down_growth) = (1.0, (k_1 + k_3).exp(), (2.0 * k_3).exp());
        let (mut across, across_change, growth) = ((k_2 + k_5).exp(), k_4.exp(), (2.0 * k_5).exp());
        let mut sums = [0.0; 5];
        self.weights.clear();
        self.by_row.clear();
        for (i, row) in self.placed.shares.chunks_exact(columns).enumerate() {
            let (mut e_delta, mut ratio) = (start, across);
            let (mut total, mut first, mut second) = (0.0, 0.0, 0.0);
            for (j, share) in row.iter().enumerate() {
                let (weight, j) = (share * e_delta, j as f64);
                self.weights.push(weight);
                total += weight;
                first += weight * j;
                second += weight * j * j;
                e_delta *= ratio;
                ratio *= growth;
            }
            self.by_row.push(total);
            let i = i as f64;
            sums.iter_mut().zip([total, i * total, first, i * i * total, second]).for_each(|(sum, add)| *sum += add);
            start *= down;
            down *= down_growth;
            across *= across_change;
        }
        self.total = sums[0];
        let near = |axis: usize| {
            let [places, variances] = &self.place;
            let (mean, square) = (sums[1 + axis] / sums[0], sums[3 + axis] / sums[0]);
            let (moved, ratio) = (mean - places[axis], (square - mean * mean) / variances[axis]);
            moved * moved < FARTHEST * FARTHEST * variances[axis] && ratio < WIDEST && ratio > 1.0 / WIDEST
        };
        near(0) && near(1)
    }

    fn lattice(&self) -> &Lattice {
        if self.is_own { &self.own.lattice } else { &self.placed.lattice }
    }

    /// f(P(alive | λ, μ), λ, μ) at every node in use, for [`Rates::mean`].
    pub fn values<const N: usize>(&self, f: impl Fn(f64, f64, f64) -> [f64; N]) -> Vec<[f64; N]> {
        let (lattice, gap) = (self.lattice(), self.history.t - self.history.t_x);
        let at = |node: usize| {
            let [lambda, mu] = lattice.node(node / lattice.columns, node % lattice.columns).map(f64::exp);
            f(alive(lambda, mu, gap), lambda, mu)
        };
        (0..self.weights.len()).map(at).collect()
    }

    /// The mean of values at the nodes in use.
    pub fn mean<const N: usize>(&self, values: &[[f64; N]]) -> [f64; N] {
        let mut sums = [0.0; N];
        for (weight, values) in self.weights.iter().zip(values) {
            sums.iter_mut().zip(values).for_each(|(sum, value)| *sum += weight * value);
        }
        sums.map(|sum| sum / self.total)
    }

    /// P(alive at T).
    pub fn p_alive(&self) -> f64 {
        let [p_alive] = self.mean(&self.values(|alive, _, _| [alive]));
        p_alive
    }

    /// P(alive at T) of a customer with these λ and μ.
    pub fn alive_given(&self, [lambda, mu]: [f64; 2]) -> f64 {
        alive(lambda, mu, self.history.t - self.history.t_x)
    }

    /// λ and μ drawn from what the purchases say of them, from uniform numbers.
    pub fn draw(&self, mut uniform: impl FnMut() -> f64) -> [f64; 2] {
        let lattice = self.lattice();
        let integrand = Integrand::new(&self.history, &self.population);
        // The integrand at a node is its weight, but for a factor that the heaviest node tells best.
        let heaviest =
            (0..self.weights.len()).fold(0, |at, node| if self.weights[node] > self.weights[at] { node } else { at });
        let [u, v] = lattice.node(heaviest / lattice.columns, heaviest % lattice.columns);
        let ln_factor = integrand.ln_at(u, v) - self.weights[heaviest].ln();
        let [a, b, c] = lattice.step;
        for _ in 0..MOST_TRIES {
            let node = self.node(uniform() * self.total);
            let [u, v] = lattice.node(node / lattice.columns, node % lattice.columns);
            let (i, j) = (uniform() - 0.5, uniform() - 0.5);
            let (u, v) = (u + a * i, v + b * i + c * j);
            let grown = (integrand.ln_at(u, v) - ln_factor).exp() / self.weights[node];
            if uniform() * STEEPEST < grown {
                return [u.exp(), v.exp()];
            }
        }
        lattice.node(heaviest / lattice.columns, heaviest % lattice.columns).map(f64::exp)
    }

    /// The node at which the weights' sum passes `place`.
    fn node(&self, mut place: f64) -> usize {
        let columns = self.lattice().columns;
        let mut last = 0;
        for ((i, row), sum) in self.weights.chunks_exact(columns).enumerate().zip(&self.by_row) {
            if place >= *sum {
                place -= sum;
                continue;
            }
            for (j, weight) in row.iter().enumerate() {
                if *weight > 0.0 {
                    last = i * columns + j;
                    if place < *weight {
                        return last;
                    }
                    place -= weight;
                }
            }
        }
        last
    }
}

/// Expected purchases within h of a customer who is alive and has these λ and μ: λ (1 − e^−μh)/μ.
pub fn expected_purchases_given([lambda, mu]: [f64; 2], horizon: f64) -> f64 {
    purchases(lambda, mu, horizon)
}
