//! The state of a run between transitions, and its encoding: everything needed to continue with the same bits.
//!
//! Postcard writes an f64 as its eight bytes, so nothing is rounded. Random numbers are addressed by (seed, chain, transition), so no
//! generator's state is kept. Where the bytes lie is for the storage to know.

use serde::{Deserialize, Serialize};

use super::optimise::Mode;
use super::outcome::Facts;
use super::trajectory_length::TrajectoryLength;
use super::warmup;
use super::whitening::Whitening;
use super::{Kind, SampleError, Settings};
use crate::error::Error;
use crate::target::Checkpoint;

/// Raised whenever the encoding or the meaning of the state changes.
const VERSION: u32 = 2;

/// What must be the same for a checkpoint to be continued.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Fingerprint {
    kind: Kind,
    chains: u64,
    warmup: u64,
    seed: u64,
    dim: u64,
    target_accept: f64,
    max_treedepth: u32,
    max_leapfrogs: u32,
}

impl Fingerprint {
    fn of(settings: &Settings, dim: usize) -> Self {
        Self {
            kind: settings.kind,
            chains: settings.chains as u64,
            warmup: settings.warmup as u64,
            seed: settings.seed,
            dim: dim as u64,
            target_accept: settings.target(),
            max_treedepth: settings.max_treedepth,
            max_leapfrogs: settings.max_leapfrogs,
        }
    }

    /// The first setting that differs, as (name, here, in the checkpoint).
    fn difference(&self, saved: &Self) -> Option<(&'static str, String, String)> {
        let rows = [
            ("kind", self.kind.to_string(), saved.kind.to_string()),
            ("chains", self.chains.to_string(), saved.chains.to_string()),
            ("warmup", self.warmup.to_string(), saved.warmup.to_string()),
            ("seed", self.seed.to_string(), saved.seed.to_string()),
            ("dimension of the density", self.dim.to_string(), saved.dim.to_string()),
            ("target_accept", self.target_accept.to_string(), saved.target_accept.to_string()),
            ("max_treedepth", self.max_treedepth.to_string(), saved.max_treedepth.to_string()),
            ("max_leapfrogs", self.max_leapfrogs.to_string(), saved.max_leapfrogs.to_string()),
        ];
        rows.into_iter().find(|(_, here, there)| here != there)
    }
}

/// One chain between two transitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Chain {
    pub(super) q: Vec<f64>,
    pub(super) log_density: f64,
    pub(super) gradient: Vec<f64>,
    pub(super) facts: Facts,
    /// ChEES: transitions in a row that this chain refused while most others moved.
    pub(super) refusals: u32,
}

/// Refusals in a row after which a chain counts as stuck.
pub(super) const STUCK_AFTER: u32 = 20;

impl Chain {
    pub(super) fn is_stuck(&self) -> bool {
        self.refusals >= STUCK_AFTER
    }
}

/// A run between transitions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    /// Transitions that every chain has made, warm-up included.
    pub(super) transitions: u64,
    pub(super) chains: Vec<Chain>,
    pub(super) inverse_mass: Vec<f64>,
    pub(super) step_size: f64,
    /// How far warm-up has come.
    pub(super) warmup: warmup::Progress,
    /// The coordinates z of everything above; none where chains move in u itself.
    pub(super) whitening: Option<Whitening>,
    /// θ₀: where the density's reference was moved last, in u.
    pub(super) reference: Vec<f64>,
    /// ChEES only.
    pub(super) trajectory: Option<TrajectoryLength>,
    pub(super) mode: Option<Mode>,
    pub(super) other_gradients: u64,
    pub(super) notes: Vec<String>,
}

/// What is written; read back as a [`Saved`].
#[derive(Serialize)]
struct Save<'a> {
    fingerprint: Fingerprint,
    state: &'a State,
}

#[derive(Deserialize)]
struct Saved {
    fingerprint: Fingerprint,
    state: State,
}

impl State {
    /// Draws per chain made after warm-up.
    pub(super) fn draws_done(&self) -> u64 {
        self.warmup.used.map_or(0, |used| self.transitions.saturating_sub(used))
    }

    pub(super) fn encode(&self, settings: &Settings) -> Result<Checkpoint, SampleError> {
        let saved = Save { fingerprint: Fingerprint::of(settings, self.inverse_mass.len()), state: self };
        let bytes = postcard::to_stdvec(&VERSION).and_then(|version| postcard::to_extend(&saved, version));
        Ok(Checkpoint {
            draws_done: self.draws_done(),
            state: bytes.map_err(|e| {
                SampleError::Checkpoint(Error::new("the sampler's state could not be encoded").because(e))
            })?,
        })
    }

    /// Reads the state alone, whatever run it is to serve.
    pub(super) fn read(checkpoint: &Checkpoint) -> Result<Self, SampleError> {
        saved(checkpoint).map(|saved| saved.state)
    }

    /// Whether chains began where an earlier run ended: only then was no mode sought.
    pub(super) fn began_warm(&self) -> bool {
        self.mode.is_none()
    }

    pub(super) fn decode(checkpoint: &Checkpoint, settings: &Settings, dim: usize) -> Result<Self, SampleError> {
        let saved = saved(checkpoint)?;
        if let Some((name, here, there)) = Fingerprint::of(settings, dim).difference(&saved.fingerprint) {
            return Err(SampleError::Checkpoint(
                Error::new(format!("{name} must be {there}, as when the run began"))
                    .seen(here)
                    .advice("resume with the settings of the run, or begin a new one"),
            ));
        }
        let state = saved.state;
        let done = state.draws_done();
        if done != checkpoint.draws_done || state.chains.len() != settings.chains {
            return Err(SampleError::Checkpoint(
                Error::new("the checkpoint contradicts its own number of draws or chains")
                    .seen(format!("{done} against {} draws", checkpoint.draws_done))
                    .advice("restore the run directory from a copy, or fit again"),
            ));
        }
        Ok(state)
    }
}

fn saved(checkpoint: &Checkpoint) -> Result<Saved, SampleError> {
    let damaged = |e: postcard::Error| {
        SampleError::Checkpoint(
            Error::new("the checkpoint's bytes are damaged")
                .because(e)
                .advice("restore the run directory from a copy, or fit again"),
        )
    };
    let (version, rest) = postcard::take_from_bytes::<u32>(&checkpoint.state).map_err(damaged)?;
    if version != VERSION {
        return Err(SampleError::Checkpoint(
            Error::new(format!("the checkpoint must be of version {VERSION}"))
                .seen(version)
                .advice("continue with the version of longrun that began the run"),
        ));
    }
    postcard::from_bytes(rest).map_err(damaged)
}
