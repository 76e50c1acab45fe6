//! A whole run: mode, starts, warm-up windows, blocks of draws; resumed from wherever a checkpoint left it.
//!
//! Decides what happens between transitions. The transitions themselves are `nuts` and `chees`; storage is behind `DrawSink`.
//!
//! **Deterministic although asynchronous.** Within a warm-up window every NUTS chain averages its own step size from its own acceptances; at
//! the window's end, when all chains have made the same number of transitions, the median of ln ε̄ and the moments of draws and gradients are
//! pooled in the order of the chains. After warm-up nothing adapts. So a transition's result depends on its chain's own past and on what
//! was pooled at boundaries, and never on which chain answered first. Checkpoints lie on those boundaries and on ends of blocks.

use ndarray::{Array2, ArrayView1};

use super::async_nuts::{Fixed, Fleet};
use super::block::{Blocks, Stat, commit_checkpoint};
use super::checkpoint::{Chain, State};
use super::chees::{self, Ensemble, FEW_CHAINS, Shared, Step};
use super::laplace::{draw_starts, laplace};
use super::metric::{Contribution, whitened_largest_eigenvalue};
use super::nuts::Ending;
use super::optimise::find_mode_watched;
use super::outcome::{Facts, Outcome};
use super::progress::{Phase, Progress, Running, Watch};
use super::step_size::{DualAveraging, pool, speaks};
use super::trajectory_length::TrajectoryLength;
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
/// ChEES: transitions of one leapfrog step each before trajectories grow, at most (and at most a tenth of warm-up).
const SINGLE_STEPS: u64 = 100;
/// ChEES: positions kept of a window for the widest direction.
const ROWS_KEPT: usize = 16_384;
/// A run fails when more than this share of its chains is stuck at the end of a warm-up window.
const LARGEST_STUCK_SHARE: f64 = 0.25;

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

/// What the watcher is told.
struct Report<'a> {
    watch: &'a mut dyn FnMut(&Progress) -> Watch,
    phase: Phase,
    done: u64,
    total: u64,
    divergences: u64,
    gradients: u64,
    running: Option<Running>,
}

impl<'a> Report<'a> {
    fn new(settings: &Settings, watch: &'a mut dyn FnMut(&Progress) -> Watch) -> Self {
        let total = (settings.chains * settings.warmup) as u64;
        Self { watch, phase: Phase::Warmup, done: 0, total, divergences: 0, gradients: 0, running: None }
    }

    fn enter(&mut self, phase: Phase, done: u64, total: u64, divergences: u64) {
        (self.phase, self.done, self.total, self.divergences) = (phase, done, total, divergences);
    }

    /// After a batch of `points` gradients.
    fn tick(&mut self, points: u64) -> Result<(), SampleError> {
        self.gradients += points;
        match self.tell() {
            Watch::Continue => Ok(()),
            Watch::Stop => Err(SampleError::Stopped),
        }
    }

    fn tell(&mut self) -> Watch {
        let (r_hat, ess) = self.running.as_mut().map_or((None, None), Running::figures);
        let progress = Progress {
            phase: self.phase,
            done: self.done,
            total: self.total,
            divergences: self.divergences,
            gradient_evaluations: self.gradients,
            r_hat,
            ess,
        };
        (self.watch)(&progress)
    }
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

/// A chain at a row of an evaluation.
fn chain_at(q: ArrayView1<'_, f64>, at: &Evaluation, row: usize) -> Chain {
    Chain {
        q: q.to_vec(),
        log_density: at.log_density[row],
        gradient: at.gradient.row(row).to_vec(),
        facts: Facts::default(),
        refusals: 0,
    }
}

/// A step size for an ideally scaled target of `dim` coordinates: of order dim^−¼ (Beskos et al. 2013).
fn first_step_size(dim: usize) -> f64 {
    (dim.max(1) as f64).powf(-0.25)
}

fn begin_cold(
    density: &mut dyn LogDensity,
    settings: &Settings,
    start: &Start,
    report: &mut Report<'_>,
) -> Result<State, SampleError> {
    let dim = density.dim();
    // A line search rarely needs more than two evaluations.
    report.enter(Phase::ModeSearch, 0, 2 * start.search.max_iterations as u64, 0);
    let mode = find_mode_watched(density, start.at.view(), &start.search, &mut |evaluations| {
        report.done = evaluations;
        report.tick(1)
    })?;
    let mut notes = Vec::new();
    if !mode.converged {
        notes.push(format!(
            "The mode search stopped after {} iterations before it converged (about {:.1e} nats were still promised); warm-up began from where it was.",
            mode.iterations, mode.promised
        ));
    }
    density.recentre(mode.point.view()).map_err(SampleError::Density)?;
    let approximation = laplace(density, mode)?;
    match &approximation.curvature {
        super::Curvature::Dense { ridge, .. } if *ridge > 0.0 => notes.push(format!(
            "The Hessian at the mode is not positive definite; a ridge of {ridge} times its diagonal shaped the starting points."
        )),
        super::Curvature::Diagonal(_) if dim <= super::MAX_HESSIAN_DIM => {
            notes.push("The Hessian at the mode is unusable; starting points used L-BFGS's rough variances.".to_owned());
        }
        _ => {}
    }
    let starts = draw_starts(density, &approximation, settings.chains, settings.seed)?;
    if starts.pulled > 0 {
        notes.push(format!(
            "{} of {} starting points were pulled towards the mode because their density was impossible or absurdly low.",
            starts.pulled, settings.chains
        ));
    }
    let step_size = first_step_size(dim);
    let trajectory = (settings.kind == Kind::Chees).then(|| {
        let mut t = TrajectoryLength::new(step_size);
        t.restart(1.0, approximation.whitened_largest_eigenvalue());
        t
    });
    Ok(State {
        transitions: 0,
        chains: (0..settings.chains).map(|c| chain_at(starts.points.row(c), &starts.at, c)).collect(),
        inverse_mass: approximation.inverse_mass(),
        step_size,
        reference: approximation.mode.point.to_vec(),
        trajectory,
        other_gradients: approximation.mode.evaluations + approximation.evaluations + starts.evaluations,
        mode: Some(approximation.mode),
        notes,
    })
}

fn begin_warm(density: &mut dyn LogDensity, settings: &Settings, start: &Start) -> Result<State, SampleError> {
    let dim = density.dim();
    let Some(warm) = &start.warm else { return Err(SampleError::Start(Error::new("there is no warm start"))) };
    let rows = warm.positions.nrows();
    let scales_fit = warm.inverse_mass.len() == dim && warm.inverse_mass.iter().all(|d| *d > 0.0 && d.is_finite());
    if rows == 0
        || warm.positions.ncols() != dim
        || !scales_fit
        || !(warm.step_size > 0.0 && warm.step_size.is_finite())
    {
        return Err(SampleError::Start(
            Error::new(format!("a warm start needs positions and a positive inverse mass in {dim} coordinates, and a positive step size"))
                .seen(format!("positions {:?}, {} masses, step size {}", warm.positions.dim(), warm.inverse_mass.len(), warm.step_size))
                .advice("warm-start only from a run of the same model on the same groups"),
        ));
    }
    let reference = warm.positions.mean_axis(ndarray::Axis(0)).unwrap_or_else(|| start.at.clone());
    density.recentre(reference.view()).map_err(SampleError::Density)?;
    let points = Array2::from_shape_fn((settings.chains, dim), |(c, i)| warm.positions[[c % rows, i]]);
    let mut at = Evaluation::new(settings.chains, dim);
    density.evaluate(points.view(), &mut at).map_err(SampleError::Density)?;
    let mut state = State {
        transitions: 0,
        chains: (0..settings.chains).map(|c| chain_at(points.row(c), &at, c)).collect(),
        inverse_mass: warm.inverse_mass.clone(),
        step_size: warm.step_size,
        reference: reference.to_vec(),
        trajectory: (settings.kind == Kind::Chees)
            .then(|| TrajectoryLength::new(warm.trajectory_length.unwrap_or(std::f64::consts::FRAC_PI_2))),
        mode: None,
        other_gradients: settings.chains as u64,
        notes: vec!["This run began warm: positions, metric and step size come from an earlier run.".to_owned()],
    };
    relocate_impossible(&mut state)?;
    Ok(state)
}

/// Moves chains at impossible points to the next chain that stands at a possible one.
fn relocate_impossible(state: &mut State) -> Result<(), SampleError> {
    let possible = |c: &Chain| c.log_density.is_finite() && c.gradient.iter().all(|g| g.is_finite());
    let n = state.chains.len();
    for c in 0..n {
        if possible(&state.chains[c]) {
            continue;
        }
        let Some(donor) = (1..n).map(|k| (c + k) % n).find(|&k| possible(&state.chains[k])) else {
            return Err(SampleError::Start(
                Error::new("no chain stands at a possible point").seen(state.chains[c].log_density),
            ));
        };
        let Chain { q, log_density, gradient, .. } = state.chains[donor].clone();
        let chain = &mut state.chains[c];
        (chain.q, chain.log_density, chain.gradient) = (q, log_density, gradient);
        state
            .notes
            .push(format!("Chain {c} stood at an impossible point and was moved to chain {donor}'s during warm-up."));
    }
    Ok(())
}

struct Run<'a> {
    density: &'a mut dyn LogDensity,
    settings: &'a Settings,
    state: State,
    sink: &'a mut dyn DrawSink,
    report: Report<'a>,
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
    fn close_window(&mut self, window: &Window, pooled: &Contribution) -> Result<f64, SampleError> {
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

    fn chees_window(&mut self, window: &Window) -> Result<(), SampleError> {
        let settings = self.settings;
        let (chains, dim) = (settings.chains, self.density.dim());
        let mut ensemble = Ensemble::new(chains, dim);
        let mut averaging = DualAveraging::new(self.state.step_size, settings.target());
        let mut contributions = vec![Contribution::new(dim); chains];
        let mut rows: std::collections::VecDeque<Vec<f64>> = std::collections::VecDeque::new();
        let keep = (ROWS_KEPT / chains).max(2);
        let mut centre = super::metric::Moments::new(dim);
        centre.push(&self.state.reference);
        let singles = SINGLE_STEPS.min(settings.warmup as u64 / 10);
        for transition in window.first..window.end {
            let step_size = averaging.current();
            let single = transition < singles;
            let starts: Vec<f64> = self.state.chains.iter().flat_map(|c| c.q.iter().copied()).collect();
            let trajectory = (!single).then_some(&mut self.state.trajectory).and_then(Option::as_mut);
            let used = trajectory.map_or(step_size, TrajectoryLength::next_used);
            let (leapfrogs, _) = self.leapfrogs(used, step_size);
            let (steps, shared) = self.chees_transition(&mut ensemble, transition, step_size, leapfrogs)?;
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
                    contributions[c].push(&chain.q, &chain.gradient);
                }
                if rows.len() == keep {
                    rows.pop_front();
                }
                rows.push_back(self.state.chains.iter().flat_map(|c| c.q.iter().copied()).collect());
            }
        }
        self.state.step_size = averaging.log_averaged().exp();
        let stuck = self.refuse_if_stuck()?;
        let mut pooled = Contribution::new(dim);
        (0..chains).filter(|c| !stuck[*c]).for_each(|c| pooled.merge(&contributions[c]));
        let rescale = self.close_window(window, &pooled)?;
        let healthy: Vec<f64> = rows
            .iter()
            .flat_map(|row| row.chunks_exact(dim.max(1)).enumerate().filter(|(c, _)| !stuck[*c]).flat_map(|(_, q)| q))
            .copied()
            .collect();
        let last = window.end == settings.warmup as u64;
        let (step_size, cap) = (self.state.step_size, settings.max_leapfrogs);
        if let Some(t) = &mut self.state.trajectory {
            if window.moves_metric {
                t.restart(rescale, whitened_largest_eigenvalue(&healthy, &self.state.inverse_mass));
            }
            if last {
                t.freeze(step_size, cap);
                if let Some(floor) = t.floor_above_cap(step_size, cap) {
                    self.state.notes.push(format!(
                        "The slowest direction asks for trajectories of {:.0} leapfrog steps, but sampler.max_leapfrogs caps them at {cap}; NUTS or a higher cap suits this posterior better.",
                        floor / step_size
                    ));
                }
            }
        }
        Ok(())
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
        ensemble.propose(self.density, &self.state.chains, &shared, &mut |points| report.tick(points))?;
        let mut steps = Vec::with_capacity(self.state.chains.len());
        ensemble.decide(&mut self.state.chains, &shared, &mut steps);
        chees::count_refusals(&mut self.state.chains, &steps);
        self.report.done += steps.len() as u64;
        self.report.divergences += steps.iter().filter(|s| s.diverged).count() as u64;
        let sampling = transition >= self.settings.warmup as u64;
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

    fn chees_draws(&mut self, done: u64) -> Result<(), SampleError> {
        let settings = self.settings;
        let mut ensemble = Ensemble::new(settings.chains, self.density.dim());
        let mut blocks = Blocks::new(settings, done);
        let warmup = settings.warmup as u64;
        for transition in self.state.transitions..warmup + settings.draws as u64 {
            let step_size = self.state.step_size;
            let used = self.state.trajectory.as_mut().map_or(step_size, TrajectoryLength::next_used);
            let (leapfrogs, capped) = self.leapfrogs(used, step_size);
            let (steps, _) = self.chees_transition(&mut ensemble, transition, step_size, leapfrogs)?;
            for (c, step) in steps.iter().enumerate() {
                let chain = &mut self.state.chains[c];
                chain.facts.cap_hits += u64::from(capped);
                let stat = Stat {
                    lp: chain.log_density,
                    acceptance: step.acceptance,
                    energy: step.energy,
                    diverging: step.diverged,
                    steps: leapfrogs,
                    depth: 0,
                    capped,
                };
                blocks.push(c, chain, stat);
                if let Some(running) = &mut self.report.running {
                    running.push(c, &chain.q);
                }
            }
            if blocks.ready() {
                blocks.commit(self.density, settings, &mut self.state, self.sink)?;
            }
        }
        Ok(())
    }
}
