//! What a run came to: counts per chain and pooled, what adaptation settled on, and remarks in plain words.
//!
//! Counts and names what happened; whether the draws are good is for the diagnostics to say.

use serde::{Deserialize, Serialize};

use super::checkpoint::State;
use super::optimise::Mode;
use super::{Kind, Settings};

/// Counts of one chain, or of all together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Gradients asked for during warm-up.
    pub warmup_gradients: u64,
    /// Gradients asked for after warm-up.
    pub sampling_gradients: u64,
    /// Divergent transitions during warm-up.
    pub warmup_divergences: u64,
    /// Divergent transitions after warm-up.
    pub divergences: u64,
    /// Transitions after warm-up that the cap on tree depth (NUTS) cut short, or that the cap on leapfrog steps (ChEES) bound: all of
    /// them where the trajectory length that was learnt stands at the cap.
    pub cap_hits: u64,
    /// Transitions after warm-up that went somewhere else.
    pub moves: u64,
}

impl Facts {
    /// Counts one transition.
    pub(super) fn count(&mut self, sampling: bool, gradients: u64, diverged: bool, capped: bool, moved: bool) {
        if sampling {
            self.sampling_gradients += gradients;
            self.divergences += u64::from(diverged);
            self.cap_hits += u64::from(capped);
            self.moves += u64::from(moved);
        } else {
            self.warmup_gradients += gradients;
            self.warmup_divergences += u64::from(diverged);
        }
    }

    fn add(&mut self, other: &Self) {
        self.warmup_gradients += other.warmup_gradients;
        self.sampling_gradients += other.sampling_gradients;
        self.warmup_divergences += other.warmup_divergences;
        self.divergences += other.divergences;
        self.cap_hits += other.cap_hits;
        self.moves += other.moves;
    }
}

/// What a finished run reports.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Outcome {
    /// Which sampler.
    pub kind: Kind,
    /// Counts per chain.
    pub chains: Vec<Facts>,
    /// Sums over chains.
    pub pooled: Facts,
    /// Gradients spent on mode, curvature, starts, and on evaluating again after the reference moved.
    pub other_gradients: u64,
    /// Transitions per chain that warm-up took: at most as many as the settings allow.
    pub warmup: u64,
    /// The step size after warm-up, in the coordinates that chains moved in: near-standard normal ones where the curvature was learnt.
    pub step_size: f64,
    /// ChEES: the longest trajectory, in the time of the Hamiltonian; each transition uses a jittered part of it.
    pub trajectory_length: Option<f64>,
    /// Diagonal of the inverse mass matrix after warm-up, in the density's own coordinates.
    pub inverse_mass: Vec<f64>,
    /// The reference point θ₀ after warm-up.
    pub reference: Vec<f64>,
    /// The mode found (none after a warm start).
    pub mode: Option<Mode>,
    /// Chains, from 0, that did not move after warm-up, or that ChEES excluded from adaptation.
    pub stuck_chains: Vec<usize>,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
}

impl Outcome {
    pub(super) fn new(state: &State, settings: &Settings) -> Self {
        let mut pooled = Facts::default();
        state.chains.iter().for_each(|c| pooled.add(&c.facts));
        let stuck: Vec<usize> = (0..state.chains.len())
            .filter(|&c| state.chains[c].facts.moves == 0 || state.chains[c].is_stuck())
            .collect();
        let mut notes = state.notes.clone();
        let transitions = (settings.chains * settings.draws) as u64;
        if pooled.cap_hits > 0 {
            let (cap, key) = match settings.kind {
                Kind::Nuts => (format!("the maximum tree depth {}", settings.max_treedepth), "max_treedepth"),
                Kind::Chees => (format!("the cap of {} leapfrog steps", settings.max_leapfrogs), "max_leapfrogs"),
            };
            notes.push(format!(
                "{} of {transitions} transitions were cut short by {cap}; draws stay valid but follow each other more closely. Raise sampler.{key} if effective samples are few.",
                pooled.cap_hits
            ));
        }
        if pooled.divergences > 0 {
            notes.push(format!(
                "{} of {transitions} transitions diverged: some region is too curved for step size {:.3e}. A higher sampler.target_accept takes smaller steps.",
                pooled.divergences, state.step_size
            ));
        }
        if !stuck.is_empty() {
            let names: Vec<String> = stuck.iter().map(usize::to_string).collect();
            notes.push(format!(
                "Stuck chains (counted from 0): {}. Their draws say nothing about the posterior.",
                names.join(", ")
            ));
        }
        Self {
            kind: settings.kind,
            chains: state.chains.iter().map(|c| c.facts.clone()).collect(),
            pooled,
            other_gradients: state.other_gradients,
            warmup: state.warmup.used.unwrap_or(state.transitions),
            step_size: state.step_size,
            trajectory_length: state.trajectory.as_ref().map(super::trajectory_length::TrajectoryLength::settled),
            inverse_mass: match &state.whitening {
                Some(whitening) => whitening.variances(&state.inverse_mass),
                None => state.inverse_mass.clone(),
            },
            reference: state.reference.clone(),
            mode: state.mode.clone(),
            stuck_chains: stuck,
            notes,
        }
    }
}
