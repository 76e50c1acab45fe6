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

/// Acceptances below this are refusals, and enter the harmonic mean as this much at least (see [`harmonic_acceptance`]).
const ACCEPTANCE_FLOOR: f64 = 1e-3;
/// Refusals in a row after which a chain has no say in adaptation, until it moves again. (It is named stuck only later.)
const SUSPENDED_AFTER: u32 = 3;
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
                let (mut q, g) = (self.q.row_mut(c), self.out.gradient.row(c));
                let p = &mut self.p[c * dim..(c + 1) * dim];
                match (q.as_slice_mut(), g.as_slice()) {
                    (Some(q), Some(g)) if !self.lost[c] => kick_and_drift(q, p, g, d, epsilon),
                    // A lost chain asks for its start again, a point that is known to be possible.
                    _ => q.assign(&ArrayView1::from(&chain.q)),
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
                diverged: error.is_nan() || error > MAX_ENERGY_ERROR,
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
        suspended: &[bool],
        inverse_mass: &[f64],
        used: f64,
        centre: Option<&[f64]>,
    ) -> f64 {
        let dim = inverse_mass.len();
        let weight: Vec<f64> = (0..steps.len())
            .map(|c| {
                if suspended[c] || self.lost[c] || steps[c].acceptance < LOWEST_WEIGHT {
                    0.0
                } else {
                    steps[c].acceptance
                }
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
                let n = suspended.iter().filter(|s| !**s).count() as f64;
                for c in (0..steps.len()).filter(|c| !suspended[*c]) {
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

/// Whether a chain has no say in adaptation.
pub(super) fn is_suspended(chain: &Chain) -> bool {
    chain.refusals >= SUSPENDED_AFTER
}

/// The harmonic mean of the acceptances of chains that are not suspended.
///
/// One lost chain among C must not set the step size for all before it is suspended, so acceptances are floored at 1/C (at 10⁻³ with many
/// chains, and at ¼ with four or fewer): it then weighs about as much as all the others.
pub(super) fn harmonic_acceptance(steps: &[Step], suspended: &[bool]) -> f64 {
    let healthy = || steps.iter().zip(suspended).filter(|(_, suspended)| !**suspended).map(|(s, _)| s.acceptance);
    let n = healthy().count() as f64;
    let floor = (1.0 / n).clamp(ACCEPTANCE_FLOOR, 0.25);
    n / healthy().map(|a| 1.0 / a.max(floor)).sum::<f64>()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::outcome::Facts;
    use crate::sampler::targets::Toy;

    fn standard_normal_chains(n: usize, dim: usize) -> Vec<Chain> {
        (0..n)
            .map(|c| {
                let mut stream = Stream::new(8, Purpose::Test, c as u64, 0);
                let q: Vec<f64> = (0..dim).map(|_| stream.normal()).collect();
                let gradient = q.iter().map(|x| -x).collect();
                let log_density = -0.5 * q.iter().map(|x| x * x).sum::<f64>();
                Chain { q, log_density, gradient, facts: Facts::default(), refusals: 0 }
            })
            .collect()
    }

    /// For a standard normal the flow is x′ = x cos T + p sin T, so the criterion is dim · sin² T and its gradient with respect to ln T is
    /// dim · T · sin 2T: positive before a quarter period, zero there, negative after. Scaling the coordinates changes nothing (whitening).
    #[test]
    fn the_gradient_is_that_of_the_criterion() {
        let (n, dim) = (20_000, 3);
        for scale in [1.0, 30.0] {
            let mut toy = Toy::new(dim, move |q, g| {
                g.iter_mut().zip(q).for_each(|(g, q)| *g = -q / (scale * scale));
                -0.5 * q.iter().map(|x| x * x).sum::<f64>() / (scale * scale)
            });
            let inverse_mass = vec![scale * scale; dim];
            for t in [0.4, 0.8, std::f64::consts::FRAC_PI_2, 2.2] {
                let mut chains = standard_normal_chains(n, dim);
                for chain in &mut chains {
                    chain.q.iter_mut().for_each(|q| *q *= scale);
                    chain.gradient.iter_mut().for_each(|g| *g /= scale);
                }
                let starts: Vec<f64> = chains.iter().flat_map(|c| c.q.iter().copied()).collect();
                let leapfrogs = 20;
                let shared = Shared {
                    inverse_mass: &inverse_mass,
                    step_size: t / f64::from(leapfrogs),
                    leapfrogs,
                    seed: 1,
                    transition: 0,
                };
                let mut ensemble = Ensemble::new(n, dim);
                ensemble.propose(&mut toy, &chains, &shared, &mut |_| Ok(())).expect("toys do not break");
                let mut steps = Vec::new();
                ensemble.decide(&mut chains, &shared, &mut steps);
                let suspended = vec![false; n];
                let found = ensemble.criterion_gradient(&starts, &steps, &suspended, &inverse_mass, t, None);
                let expected = dim as f64 * t * (2.0 * t).sin();
                // One term has a standard deviation near 3 · dim · T; four standard errors of 20,000, and ε² for the integrator.
                let tolerance = 4.0 * 3.0 * dim as f64 * t / (n as f64).sqrt() + 0.01;
                assert!((found - expected).abs() < tolerance, "T {t}: {found} against {expected} ± {tolerance}");
            }
        }
    }

    #[test]
    fn one_lost_chain_does_not_set_the_step_size() {
        let step = |acceptance| Step { acceptance, energy: 0.0, diverged: false, accepted: false };
        for n in [8usize, 1000, 4000] {
            let steps: Vec<Step> = (0..n).map(|c| step(if c == 0 { 0.0 } else { 0.8 })).collect();
            let mut suspended = vec![false; n];
            let floor = (1.0 / n as f64).max(1e-3);
            let expected = n as f64 / ((n - 1) as f64 / 0.8 + 1.0 / floor);
            assert!((harmonic_acceptance(&steps, &suspended) - expected).abs() < 1e-12);
            assert!(expected > 0.4, "{n} chains: {expected}");
            suspended[0] = true;
            assert!((harmonic_acceptance(&steps, &suspended) - 0.8).abs() < 1e-12);
        }
    }

    #[test]
    fn refusals_count_only_against_a_moving_crowd() {
        let mut chains = standard_normal_chains(4, 1);
        let steps = |rest: f64| -> Vec<Step> {
            (0..4)
                .map(|c| Step {
                    acceptance: if c == 0 { 0.0 } else { rest },
                    energy: 0.0,
                    diverged: false,
                    accepted: false,
                })
                .collect()
        };
        (0..30).for_each(|_| count_refusals(&mut chains, &steps(0.01)));
        assert!(!chains[0].is_stuck(), "all refuse: the step size is too large, nobody is stuck");
        (0..30).for_each(|_| count_refusals(&mut chains, &steps(0.7)));
        assert!(chains[0].is_stuck() && chains[1..].iter().all(|c| !c.is_stuck()));
        let mut moving = steps(0.7);
        moving[0].acceptance = 0.5;
        count_refusals(&mut chains, &moving);
        assert!(!chains[0].is_stuck());
    }
}
