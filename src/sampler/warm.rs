//! What one run hands to the next: where its chains stood, the metric they moved under, step size, trajectory length and reference. And the
//! state that such a run begins with.
//!
//! Whether two densities are near enough for that to make sense is the caller's to know; here only numbers are looked at. Warm-up still
//! runs, and decides by itself whether anything has moved (`warmup`, `settled`).

use ndarray::Array2;
use serde::{Deserialize, Serialize};

use super::begin::{chains_at, relocate_impossible};
use super::checkpoint::{Chain, State};
use super::trajectory_length::TrajectoryLength;
use super::warmup;
use super::whitening::Whitening;
use super::{Kind, MAX_HESSIAN_DIM, SampleError, Settings};
use crate::error::Error;
use crate::target::{Checkpoint, Evaluation, LogDensity};

/// What an earlier run hands over. Warm-up still runs; it is only shorter to get there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WarmStart {
    /// `[any number ≥ 1][dim]`, unconstrained: where chains ended. Starts are spread evenly over the rows, and share rows where there
    /// are fewer of these.
    pub positions: Vec<Vec<f64>>,
    /// `[dim]`, unconstrained: θ₀.
    pub reference: Vec<f64>,
    /// The metric.
    pub metric: Metric,
    /// Step size under that metric.
    pub step_size: f64,
    /// ChEES: the trajectory length learnt, under that metric.
    pub trajectory_length: Option<f64>,
}

/// The metric of a run in full: the coordinates that chains moved in, and a diagonal inverse mass there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Metric {
    /// None where chains moved in the density's own coordinates.
    whitening: Option<Whitening>,
    inverse_mass: Vec<f64>,
}

impl Metric {
    /// A diagonal inverse mass in the density's own coordinates.
    pub fn diagonal(inverse_mass: Vec<f64>) -> Self {
        Self { whitening: None, inverse_mass }
    }

    fn is_sound(&self, dim: usize) -> bool {
        self.inverse_mass.len() == dim
            && self.inverse_mass.iter().all(|d| *d > 0.0 && d.is_finite())
            && self.whitening.as_ref().is_none_or(|whitening| whitening.is_sound(dim))
    }
}

/// What a run hands over, out of its last checkpoint. Chains that were stuck hand over nothing.
///
/// # Errors
/// A run that has not finished its warm-up; bytes of another version; no chain that moved.
pub fn hand_over(checkpoint: &Checkpoint) -> Result<WarmStart, SampleError> {
    let state = State::read(checkpoint)?;
    if state.warmup.used.is_none() {
        return Err(SampleError::Checkpoint(
            Error::new("the earlier run has not finished its warm-up").advice("finish it with `longrun resume`"),
        ));
    }
    let sound = |chain: &&Chain| {
        chain.facts.moves > 0
            && !chain.is_stuck()
            && chain.log_density.is_finite()
            && chain.q.iter().all(|q| q.is_finite())
    };
    let outside = |chain: &Chain| {
        let mut u = chain.q.clone();
        if let Some(whitening) = &state.whitening {
            whitening.leave(&chain.q, &mut u);
        }
        u
    };
    let positions: Vec<Vec<f64>> = state.chains.iter().filter(sound).map(outside).collect();
    if positions.is_empty() {
        return Err(SampleError::Start(Error::new("no chain of the earlier run moved").advice("begin without it")));
    }
    Ok(WarmStart {
        positions,
        reference: state.reference,
        metric: Metric { whitening: state.whitening, inverse_mass: state.inverse_mass },
        step_size: state.step_size,
        trajectory_length: state.trajectory.as_ref().map(TrajectoryLength::settled),
    })
}

/// The state of a run that begins where another ended.
pub(super) fn begin_warm(
    density: &mut dyn LogDensity,
    settings: &Settings,
    warm: &WarmStart,
) -> Result<State, SampleError> {
    let dim = density.dim();
    let rows = warm.positions.len();
    let finite = |point: &[f64]| point.len() == dim && point.iter().all(|x| x.is_finite());
    let sound = rows > 0
        && warm.positions.iter().all(|point| finite(point))
        && finite(&warm.reference)
        && warm.metric.is_sound(dim)
        && warm.step_size > 0.0
        && warm.step_size.is_finite()
        && warm.trajectory_length.is_none_or(|length| length > 0.0 && length.is_finite());
    if !sound {
        return Err(SampleError::Start(
            Error::new(format!(
                "a warm start needs positions and a reference of {dim} finite coordinates each, a positive metric of as many, and a \
                 positive step size"
            ))
            .seen(format!(
                "{rows} positions of {} coordinates, {} masses, step size {}",
                warm.positions.first().map_or(0, Vec::len),
                warm.metric.inverse_mass.len(),
                warm.step_size
            ))
            .advice("warm-start only from a run of the same model on the same groups"),
        ));
    }
    density.recentre(ndarray::ArrayView1::from(&warm.reference)).map_err(SampleError::Density)?;
    let per_start = settings.chains_per_start();
    let starts = settings.chains / per_start;
    // Evenly over the rows: of superchains that were there before, each new one begins in another.
    let row = |start: usize| if starts <= rows { start * rows / starts } else { start % rows };
    let points = Array2::from_shape_fn((settings.chains, dim), |(c, i)| warm.positions[row(c / per_start)][i]);
    let mut at = Evaluation::new(settings.chains, dim);
    density.evaluate(points.view(), &mut at).map_err(SampleError::Density)?;
    let Metric { whitening, inverse_mass } = warm.metric.clone();
    let scaled = || Whitening::scales(&warm.reference.clone().into(), &inverse_mass);
    let (whitening, inverse_mass) = match whitening {
        None if dim <= MAX_HESSIAN_DIM => match scaled() {
            Some(scales) => (Some(scales), vec![1.0; dim]),
            None => (None, inverse_mass),
        },
        learnt => (learnt, inverse_mass),
    };
    let mut notes =
        vec!["This run began warm: positions, metric, step size and reference come from an earlier run.".to_owned()];
    if starts > rows {
        notes.push(format!("{starts} starting points shared {rows} positions of the earlier run."));
    }
    let mut state = State {
        transitions: 0,
        chains: chains_at(whitening.as_ref(), &points, &at),
        inverse_mass,
        step_size: warm.step_size,
        warmup: warmup::Progress::default(),
        whitening,
        reference: warm.reference.clone(),
        trajectory: (settings.kind == Kind::Chees).then(|| match warm.trajectory_length {
            Some(length) => TrajectoryLength::new(length),
            None => {
                let mut unknown = TrajectoryLength::new(warm.step_size);
                unknown.restart(1.0, 1.0);
                unknown
            }
        }),
        mode: None,
        other_gradients: settings.chains as u64,
        notes,
    };
    relocate_impossible(&mut state)?;
    Ok(state)
}
