//! Running figures for whoever watches: how far, how many divergences, and a first idea of mixing.
//!
//! Cheap on purpose (a few sums per draw). The figures that decide anything come from the diagnostics, on the stored draws.

use super::metric::Moments;
use super::{SampleError, Settings};

/// What a run is busy with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Climbing to the mode; `done` counts points evaluated.
    ModeSearch,
    /// Adapting; `done` counts transitions over all chains.
    Warmup,
    /// Drawing; `done` counts draws over all chains.
    Sampling,
    /// Measuring an approximation against the density; `done` counts points evaluated.
    Approximating,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// What it is busy with.
    pub phase: Phase,
    /// Done in this phase.
    pub done: u64,
    /// Total of this phase, summed over chains (an upper bound for the mode search, and for warm-up until its closing window).
    pub total: u64,
    /// Divergent transitions in this phase.
    pub divergences: u64,
    /// Gradients since the run began, including those of the process it was resumed from.
    pub gradient_evaluations: u64,
    /// The worst coordinate's √(1 + B/W): plain R-hat of the chains' means and variances so far, neither split nor rank-normalised.
    /// None with one chain or fewer than 10 draws per chain. Counts draws since this process began.
    pub r_hat: Option<f64>,
    /// The worst coordinate's effective sample size by batch means (batches of 20 draws, around the mean of all chains).
    /// None before there are 20 batches. Counts draws since this process began.
    pub ess: Option<f64>,
}

/// What the watcher wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// Go on.
    Continue,
    /// End at the next commit, so that nothing is done twice.
    StopWhenSaved,
    /// End now; everything committed so far stays.
    Stop,
}

const BATCH: f64 = 20.0;
const FEWEST_BATCHES: f64 = 20.0;
const FEWEST_DRAWS: f64 = 10.0;

/// Sums behind the running figures.
pub(super) struct Running {
    chains: Vec<Moments>,
    open: Vec<Moments>,
    batches: Moments,
    /// Draws at which the figures are taken next.
    next: u64,
    seen: u64,
    r_hat: Option<f64>,
    ess: Option<f64>,
}

impl Running {
    pub(super) fn new(chains: usize, dim: usize) -> Self {
        let empty = vec![Moments::new(dim); chains];
        Self {
            chains: empty.clone(),
            open: empty,
            batches: Moments::new(dim),
            next: 0,
            seen: 0,
            r_hat: None,
            ess: None,
        }
    }

    pub(super) fn push(&mut self, chain: usize, draw: &[f64]) {
        self.seen += 1;
        self.chains[chain].push(draw);
        self.open[chain].push(draw);
        if self.open[chain].count() == BATCH {
            self.batches.push(self.open[chain].mean());
            self.open[chain] = Moments::new(draw.len());
        }
    }

    /// (R-hat, ESS), recomputed after every tenth draw per chain.
    pub(super) fn figures(&mut self) -> (Option<f64>, Option<f64>) {
        if self.seen >= self.next {
            self.next = self.seen + 10 * self.chains.len() as u64;
            (self.r_hat, self.ess) = (self.compute_r_hat(), self.compute_ess());
        }
        (self.r_hat, self.ess)
    }

    fn compute_r_hat(&self) -> Option<f64> {
        if self.chains.len() < 2 || self.chains.iter().any(|c| c.count() < FEWEST_DRAWS) {
            return None;
        }
        let dim = self.chains[0].mean().len();
        let mut means = Moments::new(dim);
        self.chains.iter().for_each(|c| means.push(c.mean()));
        let worst = (0..dim)
            .map(|i| {
                let within = self.chains.iter().map(|c| c.variance(i)).sum::<f64>() / self.chains.len() as f64;
                (1.0 + means.variance(i) / within).sqrt()
            })
            .fold(0.0, worse);
        worst.is_finite().then_some(worst)
    }

    fn compute_ess(&self) -> Option<f64> {
        if self.batches.count() < FEWEST_BATCHES {
            return None;
        }
        let mut all = Moments::new(self.batches.mean().len());
        self.chains.iter().for_each(|c| all.merge(c));
        let worst = (0..all.mean().len()).map(|i| self.batches.variance(i) / all.variance(i)).fold(0.0, worse);
        let ess = all.count() / (BATCH * worst);
        ess.is_finite().then_some(ess)
    }
}

/// The larger of two, and NaN if either is: a coordinate without variance must not pass as a good one.
fn worse(a: f64, b: f64) -> f64 {
    if a.is_nan() || b.is_nan() { f64::NAN } else { a.max(b) }
}

/// What the watcher is told.
pub(super) struct Report<'a> {
    watch: &'a mut dyn FnMut(&Progress) -> Watch,
    phase: Phase,
    pub(super) done: u64,
    pub(super) total: u64,
    pub(super) divergences: u64,
    pub(super) gradients: u64,
    pub(super) running: Option<Running>,
    stops_when_saved: bool,
}

impl<'a> Report<'a> {
    pub(super) fn new(settings: &Settings, watch: &'a mut dyn FnMut(&Progress) -> Watch) -> Self {
        Self::of(Phase::Warmup, (settings.chains * settings.warmup) as u64, watch)
    }

    /// At the beginning of a phase.
    pub(super) fn of(phase: Phase, total: u64, watch: &'a mut dyn FnMut(&Progress) -> Watch) -> Self {
        Self { watch, phase, done: 0, total, divergences: 0, gradients: 0, running: None, stops_when_saved: false }
    }

    pub(super) fn enter(&mut self, phase: Phase, done: u64, total: u64, divergences: u64) {
        (self.phase, self.done, self.total, self.divergences) = (phase, done, total, divergences);
    }

    /// After a batch of `points` gradients.
    pub(super) fn tick(&mut self, points: u64) -> Result<(), SampleError> {
        self.gradients += points;
        match self.tell() {
            Watch::Continue => Ok(()),
            Watch::StopWhenSaved => {
                self.stops_when_saved = true;
                Ok(())
            }
            Watch::Stop => Err(SampleError::Stopped),
        }
    }

    /// After a commit that is not the last: ends the run where that was asked for.
    pub(super) fn saved(&self) -> Result<(), SampleError> {
        if self.stops_when_saved { Err(SampleError::Stopped) } else { Ok(()) }
    }

    pub(super) fn tell(&mut self) -> Watch {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    fn watch(chains: usize, draws: u64, draw: impl Fn(usize, u64) -> f64) -> (Option<f64>, Option<f64>) {
        let mut running = Running::new(chains, 1);
        for t in 0..draws {
            for c in 0..chains {
                running.push(c, &[draw(c, t)]);
            }
        }
        running.next = 0;
        running.figures()
    }

    fn normal(c: usize, t: u64) -> f64 {
        Stream::new(5, Purpose::Test, t, c as u32).normal()
    }

    #[test]
    fn independent_draws_look_independent() {
        let (r_hat, ess) = watch(4, 1000, normal);
        assert!((0.999..1.01).contains(&r_hat.unwrap()), "{r_hat:?}");
        // 200 batches: the variance of their means is known to √(2/200) = 10 %; three of those.
        assert!((2900.0..5500.0).contains(&ess.unwrap()), "{ess:?}");
    }

    #[test]
    fn chains_in_different_places_do_not() {
        let (r_hat, ess) = watch(4, 500, |c, t| normal(c, t) + 3.0 * c as f64);
        assert!(r_hat.unwrap() > 2.0);
        assert!(ess.unwrap() < 200.0);
    }

    #[test]
    fn nothing_is_claimed_too_early_or_of_constants() {
        assert_eq!(watch(4, 9, normal), (None, None));
        assert_eq!(watch(1, 50, normal).0, None);
        assert_eq!(watch(4, 500, |_, _| 1.0), (None, None));
    }
}
