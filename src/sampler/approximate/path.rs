//! Single-path Pathfinder: the best of the normal approximations along a climb to the mode.
//!
//! Zhang, Carpenter, Gelman & Vehtari (2022), "Pathfinder: Parallel quasi-Newton variational inference", Journal of Machine Learning
//! Research 23(306), algorithms 1, 3 and 4. At every point of an L-BFGS climb the steps so far give an inverse Hessian, and that and the
//! gradient a normal; the one with the greatest evidence lower bound is kept. Climbs begin dispersed, so that modes are not missed.

use ndarray::{Array1, ArrayView1, Axis, stack};
use serde::{Deserialize, Serialize};

use super::normal::{Curving, Normal};
use crate::sampler::optimise::find_mode_along;
use crate::sampler::progress::{Phase, Report};
use crate::sampler::{ModeSearch, Purpose, SampleError, Stream};
use crate::target::{Evaluation, LogDensity};

/// Pairs of steps and gradient changes that shape a normal (the paper's J is 6; the climb itself remembers as many).
const MEMORY: usize = 10;
/// Draws behind one evidence lower bound (the paper's K is 5; with a device or cells merged 25 cost hardly more).
const ELBO_DRAWS: u64 = 25;
/// Nats that a climb may leave unclimbed: the best normal lies before the end.
const NATS_FROM_MODE: f64 = 1e-6;
/// Most iterations of a climb.
const MAX_ITERATIONS: usize = 200;
/// Climbs begin within this of the given point, in every coordinate.
const DISPERSION: f64 = 2.0;
/// Halvings of the way to the given point before a climb begins there.
const MAX_PULLS: u32 = 8;

/// What came of one path.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PathFacts {
    /// Points that the climb stood at.
    pub points: usize,
    /// Which of them, from 0, has the best normal.
    pub best: usize,
    /// Evidence lower bound of that normal, nats, from a few draws.
    pub elbo: f64,
    /// Whether the climb ended at a mode.
    pub converged: bool,
}

/// The best normal of path number `path`; none where no point of the climb has one.
pub(super) fn walk(
    density: &mut dyn LogDensity,
    at: &Array1<f64>,
    path: u32,
    seed: u64,
    report: &mut Report<'_>,
) -> Result<Option<(Normal, PathFacts)>, SampleError> {
    let begin = dispersed(density, at, path, seed, report)?;
    let search = ModeSearch { max_iterations: MAX_ITERATIONS, tolerance: NATS_FROM_MODE, ..ModeSearch::default() };
    report.enter(Phase::ModeSearch, 0, 2 * MAX_ITERATIONS as u64, 0);
    let mut curving = Curving::new(density.dim(), MEMORY);
    let mut last: Option<(Vec<f64>, Vec<f64>)> = None;
    let mut normals: Vec<Option<Normal>> = Vec::new();
    let mode = find_mode_along(
        density,
        begin.view(),
        &search,
        &mut |evaluations| {
            report.done = evaluations;
            report.tick(1)
        },
        &mut |x, g| {
            if let Some((from, g_from)) = &last {
                curving.learn((from, g_from), (x, g));
            }
            normals.push(curving.normal(x, g));
            last = Some((x.to_vec(), g.to_vec()));
        },
    )?;
    density.recentre(mode.point.view()).map_err(SampleError::Density)?;
    report.enter(Phase::Approximating, 0, normals.len() as u64 * ELBO_DRAWS, 0);
    let points = normals.len();
    let mut best: Option<(usize, f64, Normal)> = None;
    for (ix, normal) in normals.into_iter().enumerate() {
        let Some(normal) = normal else { continue };
        let elbo = elbo(density, &normal, (path, ix), seed)?;
        report.done += ELBO_DRAWS;
        report.tick(ELBO_DRAWS)?;
        if elbo > best.as_ref().map_or(f64::NEG_INFINITY, |(_, elbo, _)| *elbo) {
            best = Some((ix, elbo, normal));
        }
    }
    Ok(best.map(|(best, elbo, normal)| (normal, PathFacts { points, best, elbo, converged: mode.converged })))
}

/// A possible point within [`DISPERSION`] of `at`.
fn dispersed(
    density: &mut dyn LogDensity,
    at: &Array1<f64>,
    path: u32,
    seed: u64,
    report: &mut Report<'_>,
) -> Result<Array1<f64>, SampleError> {
    let mut stream = Stream::new(seed, Purpose::Start, u64::from(path), 0);
    let mut point: Array1<f64> = at.iter().map(|x| x + DISPERSION * (2.0 * stream.uniform() - 1.0)).collect();
    let mut out = Evaluation::new(1, at.len());
    for _ in 0..MAX_PULLS {
        density.recentre(point.view()).map_err(SampleError::Density)?;
        density.evaluate(point.view().insert_axis(Axis(0)), &mut out).map_err(SampleError::Density)?;
        report.tick(1)?;
        if out.log_density[0].is_finite() && out.gradient.iter().all(|g| g.is_finite()) {
            return Ok(point);
        }
        point.zip_mut_with(at, |x, at| *x = 0.5 * (*x + at));
    }
    Ok(at.clone())
}

/// Mean of ln density − ln normal over a few draws of the normal.
fn elbo(
    density: &mut dyn LogDensity,
    normal: &Normal,
    (path, ix): (u32, usize),
    seed: u64,
) -> Result<f64, SampleError> {
    let draw = |k| {
        let index = u64::from(path + 1) << 32 | (ix as u64 * ELBO_DRAWS + k);
        normal.draw(&mut Stream::new(seed, Purpose::Approximation, index, 1))
    };
    let (points, own): (Vec<Array1<f64>>, Vec<f64>) = (0..ELBO_DRAWS).map(draw).unzip();
    let rows: Vec<ArrayView1<'_, f64>> = points.iter().map(|p| p.view()).collect();
    // Points of one normal have one length, so they always stack.
    let points = stack(Axis(0), &rows).unwrap_or_default();
    let mut out = Evaluation::new(points.nrows(), points.ncols());
    density.evaluate(points.view(), &mut out).map_err(SampleError::Density)?;
    let sum: f64 = out.log_density.iter().zip(&own).map(|(p, q)| p - q).sum();
    Ok(if sum.is_nan() { f64::NEG_INFINITY } else { sum / ELBO_DRAWS as f64 })
}
