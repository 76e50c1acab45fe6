//! Quick answers instead of samples: the mode with standard errors, the normal at the mode, and Pathfinder's normals.
//!
//! The same contract as sampling: a density in, draws committed to a sink. None of it converges to the posterior, so every answer but the
//! mode comes with a measure of how far it can be trusted ([`Trust`]), from importance ratios of the density over the approximation.
//! All draws are committed as one block; whoever is killed before begins again, and gets the same bits.

mod normal;
mod path;
#[cfg(test)]
mod tests;
mod weigh;

use std::fmt;

use ndarray::{Array1, Array2, Array3, ArrayView1};
use serde::{Deserialize, Serialize};

use self::normal::Normal;
use self::weigh::{propose, resample, weigh};
use super::laplace::whole;
use super::optimise::find_mode_watched;
use super::progress::{Phase, Report};
use super::{Curvature, Laplace, Mode, ModeSearch, Progress, SampleError, Watch};
use crate::error::Error;
use crate::target::{Checkpoint, DrawBlock, DrawSink, LogDensity};

pub use path::PathFacts;
pub use weigh::Trust;

/// Largest dimension whose whole Hessian an approximation takes: its cost grows with the cube.
pub const MAX_WHOLE_HESSIAN_DIM: usize = 1024;
/// Draws that are weighted for every draw that is kept, when draws are chosen by importance.
const PROPOSALS_PER_DRAW: usize = 4;
/// Draws that are weighted at least, so that the tail of the ratios can be fitted.
const LEAST_PROPOSALS: usize = 1000;
/// Step of the delta method, in standard deviations of the approximation.
const DELTA_STEP: f64 = 1e-3;

/// Which approximation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Approximation {
    /// The mode in unconstrained coordinates, the log-Jacobian counted in, as one draw; standard errors by the delta method.
    Map,
    /// Independent draws from N(mode, inverse Hessian) in unconstrained coordinates.
    Laplace,
    /// Draws from the best normals along several climbs (Zhang et al. 2022).
    Pathfinder,
}

impl fmt::Display for Approximation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Map => "map",
            Self::Laplace => "laplace",
            Self::Pathfinder => "pathfinder",
        })
    }
}

/// How to approximate.
#[derive(Debug, Clone, PartialEq)]
pub struct ApproximateSettings {
    /// Which approximation.
    pub kind: Approximation,
    /// Rows of the block of draws; of Pathfinder also the number of paths. Independent draws have no chains otherwise.
    pub chains: usize,
    /// Draws in each.
    pub draws: usize,
    /// Whether draws are chosen by their importance weights out of four times as many.
    pub resample: bool,
    /// Seed of every random number.
    pub seed: u64,
}

impl ApproximateSettings {
    /// Chains and draws that are committed: a mode is one draw.
    pub fn shape(&self) -> (usize, usize) {
        if self.kind == Approximation::Map { (1, 1) } else { (self.chains, self.draws) }
    }
}

/// What an approximation came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Approximated {
    /// Which approximation.
    pub kind: Approximation,
    /// What the draws are, in words.
    pub what: String,
    /// The mode, of `map` and `laplace`.
    pub mode: Option<Mode>,
    /// What was added to the Hessian to make it positive definite; 0 at a proper maximum, none where nothing helped or nothing was needed.
    pub ridge: Option<f64>,
    /// `map`: standard errors of the constrained values in the schema's order, by the delta method; none where the Hessian is not positive
    /// definite.
    pub standard_errors: Option<Vec<f64>>,
    /// How far the draws can be trusted; none of a mode.
    pub trust: Option<Trust>,
    /// Whether draws were chosen by their importance weights.
    pub resampled: bool,
    /// Pathfinder's paths.
    pub paths: Vec<PathFacts>,
    /// Gradients of single points.
    pub gradients: u64,
    /// What a reader should know, in sentences.
    pub notes: Vec<String>,
}

/// Approximates `density` from `at`, commits the draws to `sink` and reports what happened.
///
/// `resume` is the store's checkpoint: where it says that the draws are committed, the same work is done again for its report, and nothing
/// is committed twice.
///
/// # Errors
/// See [`SampleError`]; among them a density with too many coordinates for its whole Hessian.
pub fn approximate(
    density: &mut dyn LogDensity,
    settings: &ApproximateSettings,
    at: &Array1<f64>,
    resume: Option<&Checkpoint>,
    sink: &mut dyn DrawSink,
    watch: &mut dyn FnMut(&Progress) -> Watch,
) -> Result<Approximated, SampleError> {
    check(density, settings)?;
    let mut report = Report::of(Phase::ModeSearch, 2 * ModeSearch::default().max_iterations as u64, watch);
    let mut out = Approximated {
        kind: settings.kind,
        what: what(settings),
        mode: None,
        ridge: None,
        standard_errors: None,
        trust: None,
        resampled: settings.resample && settings.kind != Approximation::Map,
        paths: Vec::new(),
        gradients: 0,
        notes: Vec::new(),
    };
    let block = match settings.kind {
        Approximation::Map => map(density, at, &mut out, &mut report)?,
        Approximation::Laplace => {
            let curved = curved(density, at, &mut out, &mut report)?;
            let centre = curved.mode.point.clone();
            let factor = match curved.curvature {
                Curvature::Dense { factor, .. } => factor,
                Curvature::Diagonal(variance) => Array2::from_diag(&variance.mapv(f64::sqrt)),
            };
            draw(density, &[Normal::with_factor(centre, factor)], settings, &mut out, &mut report)?
        }
        Approximation::Pathfinder => {
            let normals = paths(density, settings, at, &mut out, &mut report)?;
            draw(density, &normals, settings, &mut out, &mut report)?
        }
    };
    out.gradients = report.gradients;
    if resume.is_none_or(|checkpoint| checkpoint.draws_done == 0) {
        commit(density, settings, &block, sink)?;
    }
    Ok(out)
}

fn check(density: &dyn LogDensity, settings: &ApproximateSettings) -> Result<(), SampleError> {
    let (chains, draws) = settings.shape();
    if chains == 0 || draws == 0 || chains.saturating_mul(draws) >= 1 << 24 {
        let error = Error::new("chains times draws must lie between 1 and 2^24").at("sampler.draws");
        return Err(SampleError::Settings(error.seen(format!("{chains} times {draws}"))));
    }
    let dim = density.dim();
    if dim == 0 {
        return Err(SampleError::Start(Error::new("there is nothing to approximate: the density has no coordinates")));
    }
    if settings.kind != Approximation::Pathfinder && dim > MAX_WHOLE_HESSIAN_DIM {
        let what = format!("{} takes the whole Hessian, of at most {MAX_WHOLE_HESSIAN_DIM} coordinates", settings.kind);
        let error = Error::new(what).at("sampler.kind").seen(format!("{dim} coordinates"));
        return Err(SampleError::Settings(error.advice("use pathfinder, which needs none, or sample with nuts")));
    }
    Ok(())
}

/// What the draws of these settings are.
fn what(settings: &ApproximateSettings) -> String {
    let chosen = if settings.resample { ", chosen by importance weights" } else { "" };
    match settings.kind {
        Approximation::Map => "the mode in unconstrained coordinates with the log-Jacobian, a point estimate and no sample of the posterior".to_owned(),
        Approximation::Laplace => {
            format!("independent draws from a normal approximation at the mode{chosen}, no samples of the posterior")
        }
        Approximation::Pathfinder => {
            format!("independent draws from normal approximations along climbs to the mode{chosen}, no samples of the posterior")
        }
    }
}

/// Draws on their way to a sink: `[draw, dim]`, with their statistics.
struct Kept {
    points: Array2<f64>,
    stats: Vec<(&'static str, Vec<f64>)>,
}

/// Mode and curvature. The curvature is measured twice, the second time with steps in the first's own standard deviations.
fn curved(
    density: &mut dyn LogDensity,
    at: &Array1<f64>,
    out: &mut Approximated,
    report: &mut Report<'_>,
) -> Result<Laplace, SampleError> {
    let mut mode = find_mode_watched(density, at.view(), &ModeSearch::default(), &mut |evaluations| {
        report.done = evaluations;
        report.tick(1)
    })?;
    density.recentre(mode.point.view()).map_err(SampleError::Density)?;
    let rough = whole(density, mode.clone())?;
    report.tick(rough.evaluations)?;
    if matches!(rough.curvature, Curvature::Dense { ridge: 0.0, .. }) {
        mode.rough_variance = rough.variances().into();
    }
    let laplace = whole(density, mode)?;
    report.tick(laplace.evaluations)?;
    out.ridge = match &laplace.curvature {
        Curvature::Dense { ridge, .. } => Some(*ridge),
        Curvature::Diagonal(_) => None,
    };
    if !laplace.mode.converged {
        out.notes.push(format!(
            "The mode search stopped after {} iterations before it converged (about {:.1e} nats were still promised).",
            laplace.mode.iterations, laplace.mode.promised
        ));
    }
    out.mode = Some(laplace.mode.clone());
    Ok(laplace)
}

fn map(
    density: &mut dyn LogDensity,
    at: &Array1<f64>,
    out: &mut Approximated,
    report: &mut Report<'_>,
) -> Result<Kept, SampleError> {
    let laplace = curved(density, at, out, report)?;
    out.standard_errors = match &laplace.curvature {
        Curvature::Dense { factor, ridge: 0.0, .. } => Some(standard_errors(density, &laplace.mode.point, factor)),
        _ => None,
    };
    let points = laplace.mode.point.insert_axis(ndarray::Axis(0));
    Ok(Kept { points, stats: vec![("lp", vec![laplace.mode.log_density])] })
}

/// Delta method: with J the slopes of the constrained values and Σ = F Fᵀ, the variances are the squared lengths of the rows of J F, whose
/// columns are slopes along the columns of F.
fn standard_errors(density: &dyn LogDensity, mode: &Array1<f64>, factor: &Array2<f64>) -> Vec<f64> {
    let size = density.schema().size();
    let (mut above, mut below) = (vec![0.0; size], vec![0.0; size]);
    let mut variance = vec![0.0; size];
    for column in factor.columns() {
        let step = &column * DELTA_STEP;
        density.constrain((mode + &step).view(), &mut above);
        density.constrain((mode - &step).view(), &mut below);
        for ((v, a), b) in variance.iter_mut().zip(&above).zip(&below) {
            *v += ((a - b) / (2.0 * DELTA_STEP)).powi(2);
        }
    }
    variance.into_iter().map(f64::sqrt).collect()
}

/// The normals of every path that has one.
fn paths(
    density: &mut dyn LogDensity,
    settings: &ApproximateSettings,
    at: &Array1<f64>,
    out: &mut Approximated,
    report: &mut Report<'_>,
) -> Result<Vec<Normal>, SampleError> {
    let mut normals = Vec::with_capacity(settings.chains);
    for path in 0..settings.chains as u32 {
        match path::walk(density, at, path, settings.seed, report)? {
            Some((normal, facts)) => {
                normals.push(normal);
                out.paths.push(facts);
            }
            None => out.notes.push(format!("Path {} found no normal approximation and was left out.", path + 1)),
        }
    }
    if normals.is_empty() {
        let error = Error::new("no path to the mode has a normal approximation").at("sampler.kind").seen("pathfinder");
        return Err(SampleError::Start(error.advice("sample with nuts, or tighten the priors")));
    }
    Ok(normals)
}

/// Draws from the normals, weighted, and chosen by their weights where the settings say so.
fn draw(
    density: &mut dyn LogDensity,
    normals: &[Normal],
    settings: &ApproximateSettings,
    out: &mut Approximated,
    report: &mut Report<'_>,
) -> Result<Kept, SampleError> {
    let wanted = settings.chains * settings.draws;
    let count = if settings.resample { PROPOSALS_PER_DRAW * wanted } else { wanted }.max(LEAST_PROPOSALS);
    report.enter(Phase::Approximating, 0, count as u64, 0);
    let proposals = propose(density, normals, count, settings.seed, report)?;
    let (trust, weights) = weigh(&proposals.log_ratio);
    if trust.impossible_draws == trust.weighted_draws {
        let error = Error::new("no draw of the approximation falls where the density is possible").at("sampler.kind");
        return Err(SampleError::Start(error.seen(settings.kind).advice("sample with nuts")));
    }
    out.trust = Some(trust);
    let kept = if settings.resample { resample(&weights, wanted, settings.seed) } else { (0..wanted).collect() };
    let pick = |values: &[f64]| kept.iter().map(|i| values[*i]).collect::<Vec<f64>>();
    let mut stats = vec![("lp", pick(&proposals.log_density)), ("log_ratio", pick(&proposals.log_ratio))];
    if settings.kind == Approximation::Pathfinder {
        stats.push(("path", kept.iter().map(|i| (i % normals.len()) as f64).collect()));
    }
    Ok(Kept { points: proposals.points.select(ndarray::Axis(0), &kept), stats })
}

/// Commits all draws as one block.
fn commit(
    density: &dyn LogDensity,
    settings: &ApproximateSettings,
    kept: &Kept,
    sink: &mut dyn DrawSink,
) -> Result<(), SampleError> {
    let (chains, draws) = settings.shape();
    let mut row = vec![0.0; density.schema().size()];
    let mut constrained = Array3::zeros((chains, draws, row.len()));
    let mut unconstrained = Array3::zeros((chains, draws, density.dim()));
    for (i, point) in kept.points.rows().into_iter().enumerate() {
        let at = ndarray::s![i / draws, i % draws, ..];
        density.constrain(point, &mut row);
        unconstrained.slice_mut(at).assign(&point);
        constrained.slice_mut(at).assign(&ArrayView1::from(&row));
    }
    let column = |values: &Vec<f64>| Array2::from_shape_fn((chains, draws), |(c, t)| values[c * draws + t]);
    let stats: Vec<(&'static str, Array2<f64>)> =
        kept.stats.iter().map(|(name, values)| (*name, column(values))).collect();
    let block = DrawBlock {
        first_draw: 0,
        unconstrained: unconstrained.view(),
        constrained: constrained.view(),
        stats: &stats,
    };
    // There is nothing to continue from: what is not committed is done again.
    sink.commit(&block, &Checkpoint { draws_done: draws as u64, state: Vec::new() }).map_err(SampleError::Storage)
}
