//! A whole run: mode, starts, warm-up windows, blocks of draws; resumed from wherever a checkpoint left it.
//!
//! Decides what happens between transitions. The transitions themselves are `nuts` and `chees`, the ChEES half of
//! a run is `run_chees`, and storage is behind `DrawSink`.
//!
//! **Deterministic although asynchronous.** Within a warm-up window every NUTS chain averages its own step size from its own acceptances; at
//! the window's end, when all chains have made the same number of transitions, the median of ln ε̄ and the moments of draws and gradients are
//! pooled in the order of the chains. After warm-up nothing adapts. So a transition's result depends on its chain's own past and on what
//! was pooled at boundaries, and never on which chain answered first. Checkpoints lie on those boundaries and on ends of blocks.

use ndarray::{Array2, ArrayView1};

use super::async_nuts::{Fixed, Fleet};
use super::begin::{begin_cold, begin_warm, relocate_impossible};
use super::block::{Blocks, Stat, commit_checkpoint};
use super::checkpoint::State;
use super::metric::Contribution;
use super::nuts::Ending;
use super::outcome::{Facts, Outcome};
use super::progress::{Phase, Progress, Report, Running, Watch};
use super::step_size::{DualAveraging, pool, speaks};
use super::warmup::{Window, windows};
use super::{Kind, SampleError, Settings, Start};
use crate::error::Error;
use crate::target::{Checkpoint, DrawSink, Evaluation, LogDensity};

/// Tree depth during the opening window: far from the typical set and with a rough step size, long trajectories are not worth their price.
const OPENING_DEPTH: u32 = 8;
/// Draws that a chain may be ahead of the last committed block, in blocks; bounds what waits in memory.
const LEAD_BLOCKS: u64 = 4;
/// The same, at least, in draws.
const LEAD_DRAWS: u64 = 64;
/// Samples `density`, committing blocks of draws to `sink`, and reports what happened.
///
/// `resume` continues a run from one of its checkpoints with the same settings (`draws` and `shard_draws` may differ) and yields the
/// bits that the uninterrupted run would have. `watch` is called once per batch and can stop the run.
///
/// # Errors
/// See [`SampleError`]. Whatever was committed before stays a valid run to resume.
pub fn sample(
    density: &mut dyn LogDensity,
    settings: &Settings,
    start: &Start,
    resume: Option<&Checkpoint>,
    sink: &mut dyn DrawSink,
    watch: &mut dyn FnMut(&Progress) -> Watch,
) -> Result<Outcome, SampleError> {
    settings.check()?;
    if density.dim() == 0 {
        return Err(SampleError::Start(Error::new("there is nothing to sample: the density has no coordinates")));
    }
    let mut report = Report::new(settings, watch);
    let state = match resume {
        Some(checkpoint) => {
            let state = State::decode(checkpoint, settings, density.dim())?;
            density.recentre(ArrayView1::from(&state.reference)).map_err(SampleError::Density)?;
            report.gradients = state.gradients();
            state
        }
        None => {
            let state = match &start.warm {
                Some(_) => begin_warm(density, settings, start)?,
                None => begin_cold(density, settings, start, &mut report)?,
            };
            report.gradients = state.gradients();
            commit_checkpoint(density, settings, &state, sink)?;
            state
        }
    };
    let mut run = Run { density, settings, state, sink, report };
    run.warm_up()?;
    run.draw()?;
    // Everything is committed: too late to stop.
    run.report.tell();
    Ok(Outcome::new(&run.state, settings))
}

impl State {
    fn gradients(&self) -> u64 {
        let of_chain = |f: &Facts| f.warmup_gradients + f.sampling_gradients;
        self.other_gradients + self.chains.iter().map(|c| of_chain(&c.facts)).sum::<u64>()
    }

    fn divergences(&self, phase: Phase) -> u64 {
        self.chains
            .iter()
            .map(|c| if phase == Phase::Sampling { c.facts.divergences } else { c.facts.warmup_divergences })
            .sum()
    }
}

/// A run under way.
pub(super) struct Run<'a> {
    pub(super) density: &'a mut dyn LogDensity,
    pub(super) settings: &'a Settings,
    pub(super) state: State,
    pub(super) sink: &'a mut dyn DrawSink,
    pub(super) report: Report<'a>,
}

impl Run<'_> {
    fn warm_up(&mut self) -> Result<(), SampleError> {
        let (chains, warmup) = (self.settings.chains as u64, self.settings.warmup as u64);
        let divergences = self.state.divergences(Phase::Warmup);
        self.report.enter(Phase::Warmup, chains * self.state.transitions.min(warmup), chains * warmup, divergences);
        let done = self.state.transitions;
        for window in windows(warmup).into_iter().filter(|w| w.first >= done) {
            match self.settings.kind {
                Kind::Nuts => self.nuts_window(&window)?,
                Kind::Chees => self.chees_window(&window)?,
            }
            commit_checkpoint(self.density, self.settings, &self.state, self.sink)?;
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), SampleError> {
        let chains = self.settings.chains as u64;
        let done = self.state.transitions - self.settings.warmup as u64;
        let divergences = self.state.divergences(Phase::Sampling);
        self.report.enter(Phase::Sampling, chains * done, chains * self.settings.draws as u64, divergences);
        self.report.running = Some(Running::new(self.settings.chains, self.density.dim()));
        match self.settings.kind {
            Kind::Nuts => self.nuts_draws(done),
            Kind::Chees => self.chees_draws(done),
        }
    }

    fn nuts_window(&mut self, window: &Window) -> Result<(), SampleError> {
        let settings = self.settings;
        let mut fleet = Fleet::new(&self.state.chains, window.first, self.density.dim(), settings.max_treedepth);
        for lane in &mut fleet.lanes {
            lane.averaging = Some(DualAveraging::new(self.state.step_size, settings.target()));
        }
        let opening = if window.first == 0 { OPENING_DEPTH } else { settings.max_treedepth };
        let fixed = Fixed {
            inverse_mass: &self.state.inverse_mass,
            step_size: self.state.step_size,
            max_depth: settings.max_treedepth.min(opening),
            seed: settings.seed,
            warmup: settings.warmup as u64,
        };
        loop {
            let report = &mut self.report;
            let points = fleet.batch(self.density, &fixed, window.end, &mut |_, lane, ended| {
                if let Some(averaging) = &mut lane.averaging {
                    averaging.learn(ended.acceptance);
                }
                // `transitions` already counts this one.
                if lane.transitions > window.learn_from {
                    lane.contribution.push(&lane.chain.q, &lane.chain.gradient);
                }
                report.done += 1;
                report.divergences += u64::from(ended.ending == Ending::Diverged);
            })?;
            if points == 0 {
                break;
            }
            report.tick(points as u64)?;
        }
        let averaged: Vec<f64> =
            fleet.lanes.iter().filter_map(|l| l.averaging.as_ref()).map(DualAveraging::log_averaged).collect();
        self.state.step_size = pool(&averaged);
        let mut pooled = Contribution::new(self.density.dim());
        for (lane, log_step) in fleet.lanes.iter().zip(&averaged) {
            if speaks(*log_step, self.state.step_size) {
                pooled.merge(&lane.contribution);
            }
        }
        self.state.chains = fleet.lanes.into_iter().map(|l| l.chain).collect();
        self.close_window(window, &pooled)?;
        Ok(())
    }

    /// Takes in what a window pooled: metric, rescaled step size, reference, and log densities at the new reference. Returns the factor by
    /// which time was rescaled.
    pub(super) fn close_window(&mut self, window: &Window, pooled: &Contribution) -> Result<f64, SampleError> {
        let state = &mut self.state;
        let mut rescale = 1.0;
        if window.moves_metric {
            let before = state.inverse_mass.clone();
            pooled.update(&mut state.inverse_mass);
            // Where D grows by a factor everywhere, the same path takes √factor less time.
            let halves: f64 = before.iter().zip(&state.inverse_mass).map(|(b, a)| 0.5 * (b / a).ln()).sum();
            rescale = (halves / before.len().max(1) as f64).exp();
            state.step_size *= rescale;
        }
        state.transitions = window.end;
        state.reference = pooled.draws.mean().to_vec();
        self.density.recentre(ArrayView1::from(&state.reference)).map_err(SampleError::Density)?;
        let dim = state.inverse_mass.len();
        let points = Array2::from_shape_fn((state.chains.len(), dim), |(c, i)| state.chains[c].q[i]);
        let mut at = Evaluation::new(state.chains.len(), dim);
        self.density.evaluate(points.view(), &mut at).map_err(SampleError::Density)?;
        state.other_gradients += state.chains.len() as u64;
        for (c, chain) in state.chains.iter_mut().enumerate() {
            chain.log_density = at.log_density[c];
            chain.gradient.iter_mut().zip(at.gradient.row(c)).for_each(|(to, from)| *to = *from);
        }
        relocate_impossible(state)?;
        self.report.tick(points.nrows() as u64)?;
        Ok(rescale)
    }

    fn nuts_draws(&mut self, done: u64) -> Result<(), SampleError> {
        let settings = self.settings;
        let (warmup, draws) = (settings.warmup as u64, settings.draws as u64);
        let mut fleet =
            Fleet::new(&self.state.chains, self.state.transitions, self.density.dim(), settings.max_treedepth);
        let mut blocks = Blocks::new(settings, done);
        let lead = (LEAD_BLOCKS * settings.shard_draws as u64).max(LEAD_DRAWS);
        let inverse_mass = self.state.inverse_mass.clone();
        let fixed = Fixed {
            inverse_mass: &inverse_mass,
            step_size: self.state.step_size,
            max_depth: settings.max_treedepth,
            seed: settings.seed,
            warmup,
        };
        while blocks.committed() < draws {
            let limit = warmup + blocks.committed().saturating_add(lead).min(draws);
            let report = &mut self.report;
            let points = fleet.batch(self.density, &fixed, limit, &mut |ix, lane, ended| {
                let diverging = ended.ending == Ending::Diverged;
                let stat = Stat {
                    lp: lane.chain.log_density,
                    acceptance: ended.acceptance,
                    energy: ended.energy,
                    diverging,
                    steps: ended.steps,
                    depth: ended.depth,
                    capped: ended.ending == Ending::DepthReached,
                };
                blocks.push(ix, &lane.chain, stat);
                report.done += 1;
                report.divergences += u64::from(diverging);
                if let Some(running) = &mut report.running {
                    running.push(ix, &lane.chain.q);
                }
            })?;
            while blocks.ready() {
                blocks.commit(self.density, settings, &mut self.state, self.sink)?;
            }
            self.report.tick(points as u64)?;
        }
        Ok(())
    }
}
