//! The state a run begins with, from the mode of the density. (What an earlier run hands over is `warm`'s.)
//!
//! Finds places and scales to start from; what happens afterwards is `run`'s.

use ndarray::Array2;

use super::checkpoint::{Chain, State};
use super::laplace::{draw_starts, laplace};
use super::optimise::find_mode_watched;
use super::outcome::Facts;
use super::progress::{Phase, Report};
use super::trajectory_length::TrajectoryLength;
use super::warmup;
use super::whitening::Whitening;
use super::{Curvature, Kind, MAX_HESSIAN_DIM, ModeSearch, SampleError, Settings, Start};
use crate::error::Error;
use crate::target::{Evaluation, LogDensity};

/// A chain at every row of an evaluation in u, in the coordinates that chains move in.
pub(super) fn chains_at(whitening: Option<&Whitening>, points: &Array2<f64>, at: &Evaluation) -> Vec<Chain> {
    let rows = points.outer_iter().zip(at.gradient.outer_iter()).zip(&at.log_density);
    rows.map(|((u, g), &log_density)| {
        let (mut q, mut gradient) = (u.to_vec(), g.to_vec());
        if let Some(whitening) = whitening {
            whitening.enter(&u.to_vec(), &mut q);
            whitening.pull_back(&g.to_vec(), &mut gradient);
        }
        Chain { q, log_density, gradient, facts: Facts::default(), refusals: 0 }
    })
    .collect()
}

/// Every chain `times` in a row: superchains, whose chains begin at one point and part by their own random numbers.
fn shared(chains: Vec<Chain>, times: usize) -> Vec<Chain> {
    chains.into_iter().flat_map(|chain| std::iter::repeat_n(chain, times)).collect()
}

/// Nats per coordinate that the mode search may leave unclimbed.
const NATS_FROM_MODE: f64 = 1e-4;
/// The same where coordinates are many. The joint mode of a large hierarchy is no place to be: its scales are far from those of typical
/// draws, because thousands of groups each give up a little of their prior for them. Enough climbing to fit the data, and no more.
const NATS_FROM_MODE_OF_MANY: f64 = 1e-2;

/// A step size for an ideally scaled target of `dim` coordinates: of order dim^−¼ (Beskos et al. 2013).
fn first_step_size(dim: usize) -> f64 {
    (dim.max(1) as f64).powf(-0.25)
}

pub(super) fn begin_cold(
    density: &mut dyn LogDensity,
    settings: &Settings,
    start: &Start,
    report: &mut Report<'_>,
) -> Result<State, SampleError> {
    let dim = density.dim();
    // A line search rarely needs more than two evaluations.
    report.enter(Phase::ModeSearch, 0, 2 * start.search.max_iterations as u64, 0);
    // Chains start two standard deviations away and more: a place this near the mode is as good.
    let nats = dim as f64 * if dim <= MAX_HESSIAN_DIM { NATS_FROM_MODE } else { NATS_FROM_MODE_OF_MANY };
    let search = ModeSearch { tolerance: start.search.tolerance.max(nats), ..start.search.clone() };
    let mode = find_mode_watched(density, start.at.view(), &search, &mut |evaluations| {
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
        Curvature::Dense { ridge, .. } if *ridge > 0.0 => notes.push(format!(
            "The Hessian at the mode is not positive definite; a ridge of {ridge} times its diagonal shaped the starting points."
        )),
        Curvature::Diagonal(_) if dim <= MAX_HESSIAN_DIM => {
            notes.push("The Hessian at the mode is unusable; starting points used L-BFGS's rough variances.".to_owned());
        }
        _ => {}
    }
    let per_start = settings.chains_per_start();
    let drawn = settings.chains / per_start;
    let starts = draw_starts(density, &approximation, drawn, settings.seed)?;
    if starts.pulled > 0 {
        notes.push(format!(
            "{} of {drawn} starting points fell where the density is impossible or far too low, and were pulled towards the mode.",
            starts.pulled
        ));
    }
    let step_size = first_step_size(dim);
    let whitening = approximation.whitening();
    let trajectory = (settings.kind == Kind::Chees).then(|| {
        let mut t = TrajectoryLength::new(step_size);
        t.restart(1.0, 1.0);
        t
    });
    Ok(State {
        transitions: 0,
        chains: shared(chains_at(whitening.as_ref(), &starts.points, &starts.at), per_start),
        inverse_mass: match &whitening {
            Some(_) => vec![1.0; dim],
            None => approximation.variances(),
        },
        step_size,
        warmup: warmup::Progress::default(),
        whitening,
        reference: approximation.mode.point.to_vec(),
        trajectory,
        other_gradients: approximation.mode.evaluations + approximation.evaluations + starts.evaluations,
        mode: Some(approximation.mode),
        notes,
    })
}

/// Moves chains at impossible points to the next chain that stands at a possible one.
pub(super) fn relocate_impossible(state: &mut State) -> Result<(), SampleError> {
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
