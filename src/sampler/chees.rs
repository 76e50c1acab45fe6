//! One ChEES-HMC transition of all chains together, and what it teaches about step size and trajectory length.
//!
//! Hoffman, Radul & Sountsov 2021, "An adaptive-MCMC scheme for setting trajectory lengths in Hamiltonian Monte Carlo". Knows the ensemble at
//! one transition; windows, metric and storage are `run`'s.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | x, p / x′, p′ | a chain's start and its proposal, with their momenta |
//! | m, m′ | means of starts and (weighted by acceptance) of proposals over the chains |
//! | a | acceptance probability |
//! | D | inverse mass; ‖z‖² = Σ z_i² / D_i is the whitened norm, and whitened ⟨z, v⟩ with v = Dp is Σ z_i p_i |
//!
//! Criterion ¼ E(‖x′−m′‖² − ‖x−m‖²)². Its gradient with respect to ln T is estimated forwards and, at no further cost, along the same
//! trajectory reversed in time, which the chain visits equally often with the same a:
//! ½ a Δ (⟨x′−m′, v′⟩ + ⟨x−m, v⟩) T_used with Δ = ‖x′−m′‖² − ‖x−m‖².

use ndarray::{Array2, ArrayView1};

use super::checkpoint::Chain;
use super::leapfrog::{MAX_ENERGY_ERROR, draw_momentum, energy, kick, kick_and_drift};
use super::{Purpose, SampleError, Stream};
use crate::target::{Evaluation, LogDensity};

/// Acceptances enter the harmonic mean no lower than this: one lost chain among many must not set the step size alone.
const ACCEPTANCE_FLOOR: f64 = 1e-3;
/// Chains below this acceptance teach nothing about T.
const LOWEST_WEIGHT: f64 = 1e-4;
/// A refusal counts towards being stuck only when the median chain accepts at least this often: otherwise the step size is at fault.
const HEALTHY_MEDIAN: f64 = 0.2;
/// Below this many chains their means are too noisy to centre on; a running mean over the window takes their place.
pub(super) const FEW_CHAINS: usize = 16;

/// What happened to one chain in a transition.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    /// min(1, exp(H₀ − H₁)), 0 where the energy is not finite.
    pub(super) acceptance: f64,
    /// H at where the chain stands afterwards.
    pub(super) energy: f64,
    pub(super) diverged: bool,
    pub(super) accepted: bool,
}

/// Room for one transition of all chains.
pub(super) struct Ensemble {
    q: Array2<f64>,
    p: Vec<f64>,
    p_start: Vec<f64>,
    out: Evaluation,
    energy_start: Vec<f64>,
    /// Chains whose trajectory met an impossible point: they stay where they are.
    lost: Vec<bool>,
}

/// What all chains hold fixed during a transition.
pub(super) struct Shared<'a> {
    pub(super) inverse_mass: &'a [f64],
    pub(super) step_size: f64,
    pub(super) leapfrogs: u32,
    pub(super) seed: u64,
    pub(super) transition: u32,
}

impl Ensemble {
    pub(super) fn new(chains: usize, dim: usize) -> Self {
        Self {
            q: Array2::zeros((chains, dim)),
            p: vec![0.0; chains * dim],
            p_start: vec![0.0; chains * dim],
            out: Evaluation::new(chains, dim),
            energy_start: vec![0.0; chains],
            lost: vec![false; chains],
        }
    }

    /// Runs every chain's trajectory: `leapfrogs` batches. `tick` is called with the points of each batch.
    pub(super) fn propose(
        &mut self,
        density: &mut dyn LogDensity,
        chains: &[Chain],
        shared: &Shared<'_>,
        tick: &mut dyn FnMut(u64) -> Result<(), SampleError>,
    ) -> Result<(), SampleError> {
        let (d, epsilon) = (shared.inverse_mass, shared.step_size);
        let dim = d.len();
        for (c, chain) in chains.iter().enumerate() {
            let p = &mut self.p[c * dim..(c + 1) * dim];
            draw_momentum(p, d, &mut Stream::new(shared.seed, Purpose::Momentum, c as u64, shared.transition));
            self.energy_start[c] = energy(chain.log_density, p, d);
            self.q.row_mut(c).assign(&ArrayView1::from(&chain.q));
            self.out.log_density[c] = chain.log_density;
            self.out.gradient.row_mut(c).assign(&ArrayView1::from(&chain.gradient));
            self.lost[c] = false;
        }
        self.p_start.copy_from_slice(&self.p);
        for _ in 0..shared.leapfrogs {
            for (c, chain) in chains.iter().enumerate() {
                let mut q = self.q.row_mut(c);
                let g = self.out.gradient.row(c);
                if let (Some(q), Some(g), false) = (q.as_slice_mut(), g.as_slice(), self.lost[c]) {
                    kick_and_drift(q, &mut self.p[c * dim..(c + 1) * dim], g, d, epsilon);
                } else {
                    // A lost chain asks for its start again, a point that is known to be possible.
                    q.assign(&ArrayView1::from(&chain.q));
                }
            }
            density.evaluate(self.q.view(), &mut self.out).map_err(SampleError::Density)?;
            for c in 0..chains.len() {
                let g = self.out.gradient.row(c);
                let possible = self.out.log_density[c].is_finite() && g.iter().all(|g| g.is_finite());
                self.lost[c] |= !possible;
                if let (Some(g), false) = (g.as_slice(), self.lost[c]) {
                    kick(&mut self.p[c * dim..(c + 1) * dim], g, epsilon);
                }
            }
            tick(chains.len() as u64)?;
        }
        Ok(())
    }

    /// Accepts or refuses every proposal and moves the chains. `steps` has room for one per chain.
    pub(super) fn decide(&self, chains: &mut [Chain], shared: &Shared<'_>, steps: &mut Vec<Step>) {
        let dim = shared.inverse_mass.len();
        steps.clear();
        for (c, chain) in chains.iter_mut().enumerate() {
            let h = if self.lost[c] {
                f64::INFINITY
            } else {
                energy(self.out.log_density[c], &self.p[c * dim..(c + 1) * dim], shared.inverse_mass)
            };
            let error = h - self.energy_start[c];
            let acceptance = if error.is_finite() { (-error).min(0.0).exp() } else { 0.0 };
            let mut choice = Stream::new(shared.seed, Purpose::Trajectory, c as u64, shared.transition);
            let accepted = choice.uniform() < acceptance;
            if accepted {
                chain.q.iter_mut().zip(self.q.row(c)).for_each(|(to, from)| *to = *from);
                chain.gradient.iter_mut().zip(self.out.gradient.row(c)).for_each(|(to, from)| *to = *from);
                chain.log_density = self.out.log_density[c];
            }
            steps.push(Step {
                acceptance,
                energy: if accepted { h } else { self.energy_start[c] },
                // Written so that an error that is not a number diverges too.
                diverged: !(error <= MAX_ENERGY_ERROR),
                accepted,
            });
        }
    }

    /// The gradient of the criterion with respect to ln T (up to a positive factor), from the starts in `starts` `[chain × dim]`. Call after
    /// [`Ensemble::decide`]. With few chains, `centre` stands for both means.
    pub(super) fn criterion_gradient(
        &self,
        starts: &[f64],
        steps: &[Step],
        stuck: &[bool],
        inverse_mass: &[f64],
        used: f64,
        centre: Option<&[f64]>,
    ) -> f64 {
        let dim = inverse_mass.len();
        let weight: Vec<f64> = (0..steps.len())
            .map(|c| {
                if stuck[c] || self.lost[c] || steps[c].acceptance < LOWEST_WEIGHT { 0.0 } else { steps[c].acceptance }
            })
            .collect();
        let total: f64 = weight.iter().sum();
        if total == 0.0 {
            return f64::NAN;
        }
        let (mut m, mut m_prime) = (vec![0.0; dim], vec![0.0; dim]);
        match centre {
            Some(centre) => {
                m.copy_from_slice(centre);
                m_prime.copy_from_slice(centre);
            }
            None => {
                let n = stuck.iter().filter(|s| !**s).count() as f64;
                for c in (0..steps.len()).filter(|c| !stuck[*c]) {
                    let q = self.q.row(c);
                    for i in 0..dim {
                        m[i] += starts[c * dim + i] / n;
                        if weight[c] > 0.0 {
                            m_prime[i] += weight[c] / total * q[i];
                        }
                    }
                }
            }
        }
        let (mut sum, mut counted) = (0.0, 0.0);
        for c in (0..steps.len()).filter(|c| weight[*c] > 0.0) {
            let q = self.q.row(c);
            let (mut delta, mut along) = (0.0, 0.0);
            for i in 0..dim {
                let (start, end) = (starts[c * dim + i] - m[i], q[i] - m_prime[i]);
                delta += (end * end - start * start) / inverse_mass[i];
                along += end * self.p[c * dim + i] + start * self.p_start[c * dim + i];
            }
            let term = 0.5 * delta * along * used;
            if term.is_finite() {
                sum += weight[c] * term;
                counted += weight[c];
            }
        }
        sum / counted
    }
}

/// The harmonic mean of the acceptances of chains that are not stuck.
pub(super) fn harmonic_acceptance(steps: &[Step], stuck: &[bool]) -> f64 {
    let healthy = || steps.iter().zip(stuck).filter(|(_, stuck)| !**stuck).map(|(s, _)| s.acceptance);
    let n = healthy().count() as f64;
    n / healthy().map(|a| 1.0 / a.max(ACCEPTANCE_FLOOR)).sum::<f64>()
}

/// Counts refusals in a row of chains that refuse while most others move.
pub(super) fn count_refusals(chains: &mut [Chain], steps: &[Step]) {
    let mut sorted: Vec<f64> = steps.iter().map(|s| s.acceptance).collect();
    sorted.sort_by(f64::total_cmp);
    let median = sorted[sorted.len() / 2];
    for (chain, step) in chains.iter_mut().zip(steps) {
        if step.acceptance >= ACCEPTANCE_FLOOR {
            chain.refusals = 0;
        } else if median >= HEALTHY_MEDIAN {
            chain.refusals = chain.refusals.saturating_add(1);
        }
    }
}
