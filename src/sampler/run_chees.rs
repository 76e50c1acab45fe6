//! The ChEES half of a run: its warm-up windows and its draws, all chains in step.
//!
//! Decides what a window teaches about step size, trajectory length and metric; one transition is `chees`'s, the road through windows and
//! blocks is `run`'s.

use std::collections::VecDeque;

use super::SampleError;
use super::block::{Blocks, Stat};
use super::checkpoint::Chain;
use super::chees::{self, Ensemble, FEW_CHAINS, Shared, Step};
use super::metric::{Contribution, Moments, whitened_largest_eigenvalue};
use super::run::Run;
use super::step_size::DualAveraging;
use super::trajectory_length::TrajectoryLength;
use super::warmup::Window;
use super::whitening::Whitened;
use super::window_draws::WindowDraws;
use crate::error::Error;

/// Transitions of one leapfrog step each before trajectories grow, at most (and at most a tenth of warm-up).
const SINGLE_STEPS: u64 = 10;
/// Numbers (rows × chains × dimension) kept of a window for the widest direction.
const ROWS_KEPT: usize = 1 << 20;
/// ln of a factor by which the trajectory length may move in a window that settles: twice the noise of its ascent over thirty transitions.
const STEADY_LENGTH: f64 = 0.25;
/// A run fails when more than this share of its chains is stuck at the end of a warm-up window.
const LARGEST_STUCK_SHARE: f64 = 0.25;

/// What a transition came to, of `chain` as it stands after it.
fn of_chees(chain: &Chain, step: &Step, step_size: f64, leapfrogs: u32, capped: bool) -> Stat {
    Stat {
        lp: chain.log_density,
        acceptance: step.acceptance,
        energy: step.energy,
        diverging: step.diverged,
        steps: leapfrogs,
        step_size,
        depth: 0,
        capped,
    }
}

impl Run<'_> {
    pub(super) fn chees_window(&mut self, window: &Window) -> Result<WindowDraws, SampleError> {
        let settings = self.settings;
        let (chains, dim) = (settings.chains, self.density.dim());
        let mut ensemble = Ensemble::new(chains, dim);
        let handed_over = self.state.step_size;
        let mut averaging = DualAveraging::new(handed_over, settings.target());
        let mut contributions = vec![Contribution::new(dim, self.rows_kept()); chains];
        let mut rows: VecDeque<Vec<f64>> = VecDeque::new();
        let keep = (ROWS_KEPT / (chains * dim)).max(2);
        let mut centre = Moments::new(dim);
        let mut reference = self.state.reference.clone();
        if let Some(whitening) = &self.state.whitening {
            whitening.enter(&self.state.reference, &mut reference);
        }
        centre.push(&reference);
        let singles = if self.state.began_warm() { 0 } else { SINGLE_STEPS.min(settings.warmup as u64 / 10) };
        let mut diverged = 0;
        let mut draws = WindowDraws::new(settings);
        let length_before = self.state.trajectory.as_ref().map_or(1.0, TrajectoryLength::settled);
        for transition in window.first..window.end {
            let step_size = averaging.current();
            let single = transition < singles;
            let starts: Vec<f64> = self.state.chains.iter().flat_map(|c| c.q.iter().copied()).collect();
            let trajectory = (!single).then_some(&mut self.state.trajectory).and_then(Option::as_mut);
            let used = trajectory.map_or(step_size, TrajectoryLength::next_used);
            let (leapfrogs, capped) = self.leapfrogs(used, step_size);
            let (steps, shared) = self.chees_transition(&mut ensemble, transition, step_size, leapfrogs)?;
            for (c, (chain, step)) in self.state.chains.iter().zip(&steps).enumerate() {
                let whitening = self.state.whitening.as_ref();
                draws.push(c, &chain.q, whitening, || of_chees(chain, step, step_size, leapfrogs, capped));
            }
            let suspended: Vec<bool> = self.state.chains.iter().map(chees::is_suspended).collect();
            averaging.learn(chees::harmonic_acceptance(&steps, &suspended));
            if chains < FEW_CHAINS {
                self.state.chains.iter().for_each(|c| centre.push(&c.q));
            }
            if let (false, Some(t)) = (single, &mut self.state.trajectory) {
                let few = (chains < FEW_CHAINS).then_some(centre.mean());
                let mass = &self.state.inverse_mass;
                let gradient = ensemble.criterion_gradient(&starts, &steps, &suspended, mass, used, few);
                t.learn(gradient, shared, settings.max_leapfrogs);
            }
            if transition >= window.learn_from {
                for (c, chain) in self.state.chains.iter().enumerate() {
                    contributions[c].push(&chain.q, &chain.gradient, chain.log_density);
                }
                let counts = window.counts(step_size, handed_over);
                diverged += steps.iter().filter(|s| s.diverged && counts).count() as u64;
                if rows.len() == keep {
                    rows.pop_front();
                }
                rows.push_back(self.state.chains.iter().flat_map(|c| c.q.iter().copied()).collect());
            }
        }
        self.state.step_size = averaging.log_averaged().exp();
        let stuck = self.refuse_if_stuck()?;
        let contributions: Vec<Contribution> =
            contributions.into_iter().zip(&stuck).filter(|(_, stuck)| !**stuck).map(|(one, _)| one).collect();
        let lengthened = (self.state.trajectory.as_ref().map_or(1.0, TrajectoryLength::settled) / length_before).ln();
        // A stuck chain is a doubt like any other.
        let steady = lengthened.abs() < STEADY_LENGTH && contributions.len() == self.state.chains.len();
        let closed = self.close_window(window, &contributions, diverged, steady)?;
        let mut healthy: Vec<f64> = rows
            .iter()
            .flat_map(|row| row.chunks_exact(dim.max(1)).enumerate().filter(|(c, _)| !stuck[*c]).flat_map(|(_, q)| q))
            .copied()
            .collect();
        if let Some(remade) = &closed.remade {
            healthy.chunks_exact_mut(dim.max(1)).for_each(|q| remade.carry(q));
        }
        let (step_size, cap) = (self.state.step_size, settings.max_leapfrogs);
        if let Some(t) = &mut self.state.trajectory {
            let widest = || whitened_largest_eigenvalue(&healthy, &self.state.inverse_mass);
            let is_over = self.state.warmup.used.is_some();
            if is_over && window.recognises {
                // The metric is the one that the length was learnt under.
                t.confine(widest());
            } else if window.moves_metric {
                t.restart(closed.rescale, widest());
            }
            if is_over {
                t.freeze(step_size, cap);
                if let Some(floor) = t.floor_above_cap(step_size, cap) {
                    self.state.notes.push(format!(
                        "The slowest direction asks for trajectories of {:.0} leapfrog steps, but sampler.max_leapfrogs caps them at {cap}; NUTS or a higher cap suits this posterior better.",
                        floor / step_size
                    ));
                }
            }
        }
        Ok(draws)
    }

    /// Leapfrog steps for a trajectory of length `used`, and whether the cap cut it.
    fn leapfrogs(&self, used: f64, step_size: f64) -> (u32, bool) {
        let wanted = (used / step_size).ceil().max(1.0);
        let cap = f64::from(self.settings.max_leapfrogs);
        (wanted.min(cap) as u32, wanted > cap)
    }

    /// One transition of all chains; what happened to each, and the step size it used.
    fn chees_transition(
        &mut self,
        ensemble: &mut Ensemble,
        transition: u64,
        step_size: f64,
        leapfrogs: u32,
    ) -> Result<(Vec<Step>, f64), SampleError> {
        let shared = Shared {
            inverse_mass: &self.state.inverse_mass,
            step_size,
            leapfrogs,
            seed: self.settings.seed,
            // `Settings::check` keeps transitions below 2²⁴.
            transition: transition as u32,
        };
        let report = &mut self.report;
        let mut density = Whitened::new(self.density, self.state.whitening.as_ref());
        ensemble.propose(&mut density, &self.state.chains, &shared, &mut |points| report.tick(points))?;
        let mut steps = Vec::with_capacity(self.state.chains.len());
        ensemble.decide(&mut self.state.chains, &shared, &mut steps);
        chees::count_refusals(&mut self.state.chains, &steps);
        self.report.done += steps.len() as u64;
        self.report.divergences += steps.iter().filter(|s| s.diverged).count() as u64;
        let sampling = self.state.warmup.used.is_some();
        for (chain, step) in self.state.chains.iter_mut().zip(&steps) {
            chain.facts.count(sampling, u64::from(leapfrogs), step.diverged, false, step.accepted);
        }
        Ok((steps, step_size))
    }

    /// Which chains are stuck; an error when they are too many.
    fn refuse_if_stuck(&mut self) -> Result<Vec<bool>, SampleError> {
        let stuck: Vec<bool> = self.state.chains.iter().map(Chain::is_stuck).collect();
        let names: Vec<String> = (0..stuck.len()).filter(|c| stuck[*c]).map(|c| c.to_string()).collect();
        if names.len() as f64 > LARGEST_STUCK_SHARE * stuck.len() as f64 {
            return Err(SampleError::Stuck(
                Error::new("too many chains stopped moving during warm-up")
                    .seen(format!("{} of {}: chains {}", names.len(), stuck.len(), names.join(", ")))
                    .advice("use the nuts sampler, whose chains adapt one by one, or check the model for a region of infinite density"),
            ));
        }
        Ok(stuck)
    }

    pub(super) fn chees_draws(&mut self, done: u64) -> Result<(), SampleError> {
        let settings = self.settings;
        let mut ensemble = Ensemble::new(settings.chains, self.density.dim());
        let mut blocks = Blocks::new(settings, done);
        let whitening = self.state.whitening.clone();
        let mut u = vec![0.0; self.density.dim()];
        let first = self.state.transitions - done;
        for transition in self.state.transitions..first + settings.draws as u64 {
            let step_size = self.state.step_size;
            let used = self.state.trajectory.as_mut().map_or(step_size, TrajectoryLength::next_used);
            let (leapfrogs, cut) = self.leapfrogs(used, step_size);
            // A cap that binds while T is learnt is not seen in any one transition.
            let capped =
                cut || self.state.trajectory.as_ref().is_some_and(|t| t.is_capped(step_size, settings.max_leapfrogs));
            let (steps, _) = self.chees_transition(&mut ensemble, transition, step_size, leapfrogs)?;
            for (c, step) in steps.iter().enumerate() {
                let chain = &mut self.state.chains[c];
                chain.facts.cap_hits += u64::from(capped);
                let stat = of_chees(chain, step, step_size, leapfrogs, capped);
                match &whitening {
                    Some(whitening) => whitening.leave(&chain.q, &mut u),
                    None => u.copy_from_slice(&chain.q),
                }
                blocks.push(c, chain, &u, stat);
                if let Some(running) = &mut self.report.running {
                    running.push(c, &u);
                }
            }
            if blocks.ready() {
                blocks.commit(self.density, settings, &mut self.state, self.sink)?;
                if blocks.committed() < settings.draws as u64 {
                    self.report.saved()?;
                }
            }
        }
        Ok(())
    }
}
