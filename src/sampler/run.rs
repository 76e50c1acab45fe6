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
use super::begin::{begin_cold, relocate_impossible};
use super::block::{Blocks, Stat, commit_checkpoint};
use super::checkpoint::{Chain, State};
use super::metric::Contribution;
use super::nuts::Ending;
use super::outcome::{Facts, Outcome};
use super::progress::{Phase, Progress, Report, Running, Watch};
use super::settled::{self, Change, draws_wanted, recognised, settled};
use super::step_size::{DualAveraging, pool, speaks};
use super::warm::begin_warm;
use super::warmup::{self, Window};
use super::whitening::{Remade, Whitened};
use super::window_draws::WindowDraws;
use super::{Kind, SampleError, Settings, Start};
use crate::error::Error;
use crate::target::{Checkpoint, DrawSink, Evaluation, LogDensity};

/// Tree depth during the opening window: far from the typical set and with a rough step size, long trajectories are not worth their price.
const OPENING_DEPTH: u32 = 8;
/// Draws that a chain may be ahead of the last committed block, in blocks; bounds what waits in memory.
const LEAD_BLOCKS: u64 = 4;
/// The same, at least, in draws.
const LEAD_DRAWS: u64 = 64;
/// Numbers that may wait in memory ahead of the block being filled.
const LEAD_NUMBERS: u64 = 1 << 24;
/// Draws of all chains that a window keeps for a dense metric.
const ROWS_KEPT: usize = 4096;

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
            // What earlier attempts came to, before anything is added to it.
            report.tick(0)?;
            state
        }
        None => {
            let state = match &start.warm {
                Some(warm) => begin_warm(density, settings, warm)?,
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
        let (chains, most) = (self.settings.chains as u64, self.settings.warmup as u64);
        let divergences = self.state.divergences(Phase::Warmup);
        self.report.enter(Phase::Warmup, chains * self.state.transitions.min(most), chains * most, divergences);
        let dense = self.state.whitening.is_some();
        let wanted = draws_wanted(self.density.dim(), dense);
        let recognising = self.state.began_warm().then(|| warmup::recognising(self.settings.chains, wanted));
        while let Some(window) = warmup::next(most, self.state.transitions, self.state.warmup, recognising) {
            if window.last {
                self.report.total = chains * window.end;
            }
            let draws = match self.settings.kind {
                Kind::Nuts => self.nuts_window(&window)?,
                Kind::Chees => self.chees_window(&window)?,
            };
            draws.commit(self.density, self.settings, &window, &self.state, self.sink)?;
            self.report.saved()?;
        }
        Ok(())
    }

    fn draw(&mut self) -> Result<(), SampleError> {
        let chains = self.settings.chains as u64;
        self.state.warmup.used.get_or_insert(self.state.transitions);
        let done = self.state.draws_done();
        let divergences = self.state.divergences(Phase::Sampling);
        self.report.enter(Phase::Sampling, chains * done, chains * self.settings.draws as u64, divergences);
        self.report.running = Some(Running::new(self.settings.chains, self.density.dim()));
        match self.settings.kind {
            Kind::Nuts => self.nuts_draws(done),
            Kind::Chees => self.chees_draws(done),
        }
    }

    /// Draws that a chain keeps of a window for a dense metric.
    pub(super) fn rows_kept(&self) -> usize {
        match self.state.whitening {
            Some(_) => (ROWS_KEPT / self.settings.chains).max(2),
            None => 0,
        }
    }

    fn nuts_window(&mut self, window: &Window) -> Result<WindowDraws, SampleError> {
        let (settings, dim) = (self.settings, self.density.dim());
        let mut fleet = Fleet::new(&self.state.chains, window.first, dim, settings.max_treedepth);
        for lane in &mut fleet.lanes {
            lane.averaging = Some(DualAveraging::new(self.state.step_size, settings.target()));
            lane.contribution = Contribution::new(dim, self.rows_kept());
        }
        let far_out = window.first == 0 && !window.recognises;
        let opening = if far_out { OPENING_DEPTH } else { settings.max_treedepth };
        let fixed = Fixed {
            inverse_mass: &self.state.inverse_mass,
            step_size: self.state.step_size,
            max_depth: settings.max_treedepth.min(opening),
            seed: settings.seed,
            sampling: false,
        };
        let whitening = self.state.whitening.as_ref();
        let mut density = Whitened::new(self.density, whitening);
        let mut draws = WindowDraws::new(settings);
        let mut diverged = 0;
        loop {
            let report = &mut self.report;
            let points = fleet.batch(&mut density, &fixed, window.end, &mut |ix, lane, ended| {
                let mut step_size = fixed.step_size;
                if let Some(averaging) = &mut lane.averaging {
                    step_size = averaging.current();
                    averaging.learn(ended.acceptance);
                }
                draws.push(ix, &lane.chain.q, whitening, || Stat::of_nuts(lane.chain.log_density, step_size, ended));
                // `transitions` already counts this one.
                if lane.transitions > window.learn_from {
                    lane.contribution.push(&lane.chain.q, &lane.chain.gradient, lane.chain.log_density);
                    diverged +=
                        u64::from(ended.ending == Ending::Diverged && window.counts(step_size, fixed.step_size));
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
            fleet.lanes.iter().filter_map(|l| l.averaging.as_ref()).map(DualAveraging::log_calibrated).collect();
        self.state.step_size = pool(&averaged);
        let (chains, contributions): (Vec<Chain>, Vec<Contribution>) =
            fleet.lanes.into_iter().map(|l| (l.chain, l.contribution)).unzip();
        self.state.chains = chains;
        let of_healthy = |(contribution, log_step): (Contribution, &f64)| {
            speaks(*log_step, self.state.step_size).then_some(contribution)
        };
        let healthy: Vec<Contribution> = contributions.into_iter().zip(&averaged).filter_map(of_healthy).collect();
        // A chain that cannot speak is a doubt like any other.
        let steady = healthy.len() == self.state.chains.len();
        self.close_window(window, &healthy, diverged, steady)?;
        Ok(draws)
    }

    /// Takes in what a window's healthy chains pooled: metric, rescaled step size, reference, and log densities at the new reference.
    /// `steady` says whether what else the sampler learns stayed put.
    pub(super) fn close_window(
        &mut self,
        window: &Window,
        healthy: &[Contribution],
        diverged: u64,
        steady: bool,
    ) -> Result<Closed, SampleError> {
        let dim = self.density.dim();
        let state = &mut self.state;
        let pooled = Contribution::pool(healthy, dim);
        let mut closed = Closed { rescale: 1.0, remade: None };
        // In u, before the coordinates change.
        let centre = pooled.draws.mean();
        match &state.whitening {
            Some(whitening) => whitening.leave(centre, &mut state.reference),
            None => state.reference.copy_from_slice(centre),
        }
        state.transitions = window.end;
        state.warmup.length = window.end - window.first;
        state.warmup.settled = false;
        if window.moves_metric {
            let handed_over = window.recognises.then(|| state.clone());
            let change = closed.move_metric(state, healthy, &pooled);
            let transitions = pooled.draws.count().max(1.0);
            let change = Change { divergence_share: diverged as f64 / transitions, ..change };
            let share = window.end as f64 / self.settings.warmup as f64;
            let run = settled::Run { warm: state.began_warm(), share };
            state.warmup.settled = steady && settled(healthy, &change, run);
            match handed_over {
                Some(before) if state.warmup.settled && recognised(healthy, &change, &before.inverse_mass) => {
                    // Nothing has moved: the metric stays what it was, and the step size found under it is final.
                    *state = before;
                    closed = Closed { rescale: 1.0, remade: None };
                    state.warmup.settled = true;
                    state.warmup.used = Some(window.end);
                }
                _ => state.step_size *= closed.rescale,
            }
        }
        if window.last {
            state.warmup.used = Some(window.end);
        }
        self.density.recentre(ArrayView1::from(&state.reference)).map_err(SampleError::Density)?;
        let points = Array2::from_shape_fn((state.chains.len(), dim), |(c, i)| state.chains[c].q[i]);
        let mut at = Evaluation::new(state.chains.len(), dim);
        Whitened::new(self.density, state.whitening.as_ref())
            .evaluate(points.view(), &mut at)
            .map_err(SampleError::Density)?;
        state.other_gradients += state.chains.len() as u64;
        for (c, chain) in state.chains.iter_mut().enumerate() {
            chain.log_density = at.log_density[c];
            chain.gradient.iter_mut().zip(at.gradient.row(c)).for_each(|(to, from)| *to = *from);
        }
        relocate_impossible(state)?;
        self.report.tick(points.nrows() as u64)?;
        Ok(closed)
    }

    fn nuts_draws(&mut self, done: u64) -> Result<(), SampleError> {
        let (settings, dim) = (self.settings, self.density.dim());
        let (first, draws) = (self.state.transitions - done, settings.draws as u64);
        let mut fleet = Fleet::new(&self.state.chains, self.state.transitions, dim, settings.max_treedepth);
        let mut blocks = Blocks::new(settings, done);
        let (shard, width) = (settings.shard_draws as u64, (settings.chains * dim) as u64);
        let lead = (LEAD_BLOCKS * shard).max(LEAD_DRAWS).min(shard + 1 + LEAD_NUMBERS / width);
        let inverse_mass = self.state.inverse_mass.clone();
        let fixed = Fixed {
            inverse_mass: &inverse_mass,
            step_size: self.state.step_size,
            max_depth: settings.max_treedepth,
            seed: settings.seed,
            sampling: true,
        };
        let whitening = self.state.whitening.clone();
        let mut density = Whitened::new(self.density, whitening.as_ref());
        let mut u = vec![0.0; dim];
        while blocks.committed() < draws {
            let limit = first + blocks.committed().saturating_add(lead).min(draws);
            let report = &mut self.report;
            let points = fleet.batch(&mut density, &fixed, limit, &mut |ix, lane, ended| {
                let stat = Stat::of_nuts(lane.chain.log_density, fixed.step_size, ended);
                match &whitening {
                    Some(whitening) => whitening.leave(&lane.chain.q, &mut u),
                    None => u.copy_from_slice(&lane.chain.q),
                }
                blocks.push(ix, &lane.chain, &u, stat);
                report.done += 1;
                report.divergences += u64::from(stat.diverging);
                if let Some(running) = &mut report.running {
                    running.push(ix, &u);
                }
            })?;
            while blocks.ready() {
                blocks.commit(density.plain(), settings, &mut self.state, self.sink)?;
                if blocks.committed() < draws {
                    self.report.saved()?;
                }
            }
            self.report.tick(points as u64)?;
        }
        Ok(())
    }
}

/// What the end of a window changed.
pub(super) struct Closed {
    /// The factor by which time was rescaled.
    pub(super) rescale: f64,
    /// New coordinates, if there are any.
    pub(super) remade: Option<Remade>,
}

impl Closed {
    /// Moves the metric to what a window's draws say: the coordinates themselves where they are learnt, a diagonal otherwise.
    fn move_metric(&mut self, state: &mut State, healthy: &[Contribution], pooled: &Contribution) -> Change {
        let dim = state.inverse_mass.len().max(1);
        let before = state.inverse_mass.clone();
        if let Some(whitening) = &state.whitening {
            let [draws, gradients] = Contribution::rows(healthy, dim);
            if let Some(remade) = whitening.remake(&draws, &gradients) {
                state.whitening = Some(remade.whitening.clone());
                state.chains.iter_mut().for_each(|chain| remade.carry(&mut chain.q));
                state.inverse_mass.fill(1.0);
                let halves: f64 = before.iter().map(|b| 0.5 * b.ln()).sum();
                self.rescale = (halves / dim as f64).exp() / remade.scale;
                let change = Change { metric: remade.change, dense: true, divergence_share: 0.0 };
                self.remade = Some(remade);
                return change;
            }
        }
        pooled.update(&mut state.inverse_mass);
        // Where D grows by a factor everywhere, the same path takes √factor less time.
        let mut logs: Vec<f64> = before.iter().zip(&state.inverse_mass).map(|(b, a)| (b / a).ln()).collect();
        self.rescale = (0.5 * logs.iter().sum::<f64>() / dim as f64).exp();
        logs.iter_mut().for_each(|l| *l = l.abs());
        logs.sort_by(f64::total_cmp);
        // Of hundreds of coordinates, one in a hundred moves by chance.
        let metric = logs[(dim - 1) - (dim - 1) / 100];
        Change { metric, dense: false, divergence_share: 0.0 }
    }
}
