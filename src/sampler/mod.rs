//! Explores a log density: samples it with many chains at once (NUTS for any number of chains, ChEES-HMC for many), or approximates it.
//!
//! Everything here is a function of the density, the settings and the seed: no clock, no shared stream of random numbers, no dependence on
//! which chain answered first. A run that is killed continues from its last checkpoint with the same bits. Nothing here knows what a
//! coordinate means, where draws are stored, or on which device a gradient was computed.
//!
//! The road through a run: mode search (`optimise`) → curvature and overdispersed starts (`laplace`) → coordinates in which that curvature is
//! round (`whitening`) → warm-up windows (`warmup`, `metric`, `step_size`) until nothing is left to learn (`settled`) → blocks of draws
//! (`block`), with `async_nuts` or `chees` moving the chains and `run` in charge. A run that begins where another ended (`warm`) enters that
//! road at its windows. Beside it stand quick answers that are not samples, and say
//! so (`approximate`).

mod approximate;
mod async_nuts;
mod begin;
mod block;
mod checkpoint;
mod chees;
mod laplace;
mod leapfrog;
mod metric;
mod nuts;
mod optimise;
mod outcome;
mod progress;
mod run;
mod run_chees;
mod settled;
mod step_size;
mod symmetric;
mod trajectory_length;
mod uturn;
mod warm;
mod warmup;
mod whitening;
mod window_draws;

#[cfg(test)]
mod economy;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod recursive_nuts;
#[cfg(test)]
mod succession;
#[cfg(test)]
mod targets;

use std::fmt;

use ndarray::Array1;
use serde::{Deserialize, Serialize};

pub use approximate::{
    ApproximateSettings, Approximated, Approximation, MAX_WHOLE_HESSIAN_DIM, PathFacts, Trust, approximate,
};
pub use laplace::{Curvature, Laplace, MAX_HESSIAN_DIM, laplace};
pub use optimise::{Mode, ModeSearch, find_mode};
pub use outcome::{Facts, Outcome};
pub use progress::{Phase, Progress, Watch};
pub use run::sample;
pub use warm::{Metric, WarmStart, hand_over};

use crate::error::Error;
use crate::kernels::rng::{Purpose, Stream};
use crate::target::{EvalError, SinkError};

/// Which sampler moves the chains.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Multinomial NUTS, each chain with its own trajectory lengths; good from one chain upwards.
    Nuts,
    /// ChEES-HMC (Hoffman, Radul & Sountsov 2021): all chains share step size and trajectory length; made for dozens of chains and more.
    Chees,
}

impl Kind {
    /// The acceptance that the step size aims at unless told otherwise: mean acceptance over leaves 0.8 for NUTS, harmonic mean over chains 0.651
    /// for ChEES.
    pub fn default_target_accept(self) -> f64 {
        match self {
            Self::Nuts => 0.8,
            Self::Chees => 0.651,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nuts => "nuts",
            Self::Chees => "chees",
        })
    }
}

/// How to sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Which sampler.
    pub kind: Kind,
    /// Number of chains, all advanced in one batch.
    pub chains: usize,
    /// Most warm-up transitions per chain; warm-up ends sooner when there is nothing left to learn.
    pub warmup: usize,
    /// Draws per chain after warm-up.
    pub draws: usize,
    /// Acceptance that the step size aims at; [`Kind::default_target_accept`] if none.
    pub target_accept: Option<f64>,
    /// Most doublings of a NUTS trajectory.
    pub max_treedepth: u32,
    /// Most leapfrog steps of a ChEES trajectory.
    pub max_leapfrogs: u32,
    /// Draws per chain in one committed block.
    pub shard_draws: usize,
    /// Whether draws of warm-up are committed too; they wait in memory until their window closes.
    pub save_warmup: bool,
    /// Seed of every random number of the run.
    pub seed: u64,
    /// Points that chains begin at, each shared by equally many chains in a row (which nested R-hat needs); every chain has its own if
    /// none.
    pub superchains: Option<usize>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            kind: Kind::Nuts,
            chains: 4,
            warmup: 1000,
            draws: 1000,
            target_accept: None,
            max_treedepth: 10,
            max_leapfrogs: 1000,
            shard_draws: 100,
            save_warmup: false,
            seed: 1,
            superchains: None,
        }
    }
}

/// Transitions per chain that the addresses of random numbers can tell apart.
const MAX_TRANSITIONS: usize = (1 << 24) - 1;

impl Settings {
    /// The acceptance that the step size aims at.
    pub fn target(&self) -> f64 {
        self.target_accept.unwrap_or(self.kind.default_target_accept())
    }

    /// Chains in a row that begin at one point.
    fn chains_per_start(&self) -> usize {
        self.superchains.map_or(1, |k| self.chains / k.max(1))
    }

    fn check(&self) -> Result<(), SampleError> {
        let fail = |what: &str, at: &str, seen: String| {
            Err(SampleError::Settings(Error::new(what).at(format!("sampler.{at}")).seen(seen)))
        };
        if self.chains == 0 {
            return fail("there must be at least one chain", "chains", "0".into());
        }
        if let Some(k) = self.superchains
            && (k < 2 || !self.chains.is_multiple_of(k))
        {
            let what = format!("superchains must be at least 2 and divide the {} chains", self.chains);
            return fail(&what, "superchains", k.to_string());
        }
        if self.draws == 0 {
            return fail("there must be at least one draw per chain", "draws", "0".into());
        }
        if self.shard_draws == 0 {
            return fail("a block must hold at least one draw per chain", "shard_draws", "0".into());
        }
        if self.warmup.saturating_add(self.draws) > MAX_TRANSITIONS {
            let seen = format!("{} + {}", self.warmup, self.draws);
            return fail(&format!("warmup + draws must not exceed {MAX_TRANSITIONS}"), "draws", seen);
        }
        if !(1..=20).contains(&self.max_treedepth) {
            return fail("max_treedepth must lie in 1 to 20", "max_treedepth", self.max_treedepth.to_string());
        }
        if self.max_leapfrogs == 0 {
            return fail("a trajectory needs at least one leapfrog step", "max_leapfrogs", "0".into());
        }
        let target = self.target();
        if !(target > 0.0 && target < 1.0) {
            return fail("target_accept must lie strictly between 0 and 1", "target_accept", target.to_string());
        }
        Ok(())
    }
}

/// Where a run begins.
#[derive(Debug, Clone)]
pub struct Start {
    /// `[dim]`, unconstrained: where the mode search begins.
    pub at: Array1<f64>,
    /// How hard to look for the mode.
    pub search: ModeSearch,
    /// Begin from an earlier run of a density in the same coordinates instead of searching; the outcome's notes say so.
    pub warm: Option<WarmStart>,
}

impl Start {
    /// A cold start: search the mode from `at`.
    pub fn at(at: Array1<f64>) -> Self {
        Self { at, search: ModeSearch::default(), warm: None }
    }
}

/// Why sampling ended without an outcome. Draws committed before stay committed, and a run can be resumed from them.
#[derive(Debug)]
pub enum SampleError {
    /// The watcher said stop.
    Stopped,
    /// A setting is impossible.
    Settings(Error),
    /// No chain can start.
    Start(Error),
    /// The machinery under the density broke.
    Density(EvalError),
    /// Storage refused a block.
    Storage(SinkError),
    /// The checkpoint cannot be continued from.
    Checkpoint(Error),
    /// Too many chains stopped moving.
    Stuck(Error),
}

impl fmt::Display for SampleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stopped => f.write_str("sampling was stopped; resume continues from the last committed block"),
            Self::Settings(e) | Self::Start(e) | Self::Checkpoint(e) | Self::Stuck(e) => fmt::Display::fmt(e, f),
            Self::Density(e) => fmt::Display::fmt(e, f),
            Self::Storage(e) => fmt::Display::fmt(e, f),
        }
    }
}

impl std::error::Error for SampleError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Stopped => None,
            Self::Settings(e) | Self::Start(e) | Self::Checkpoint(e) | Self::Stuck(e) => e.source(),
            Self::Density(e) => e.source(),
            Self::Storage(e) => e.source(),
        }
    }
}

impl From<SampleError> for Error {
    fn from(error: SampleError) -> Self {
        match error {
            SampleError::Settings(e) | SampleError::Start(e) | SampleError::Checkpoint(e) | SampleError::Stuck(e) => e,
            SampleError::Density(EvalError(e)) | SampleError::Storage(SinkError(e)) => e,
            stopped @ SampleError::Stopped => Self::new(stopped.to_string()).stopped(),
        }
    }
}
