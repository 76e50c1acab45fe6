//! Finds the mode of a log density by L-BFGS (Nocedal & Wright 2006, algorithm 7.4) with a weak Wolfe line search by bisection
//! (Lewis & Overton 2013).
//!
//! Climbs one point at a time and says how far it got: a mode not reached is a fact with a note, not an error, because sampling only needs
//! a good neighbourhood. Curvature at the mode and starting points around it are `laplace`'s.

use std::collections::VecDeque;

use ndarray::{Array1, ArrayView1, ArrayView2};
use serde::{Deserialize, Serialize};

use super::SampleError;
use crate::error::Error;
use crate::target::{Evaluation, LogDensity};

/// How hard to look for a mode.
#[derive(Debug, Clone, PartialEq)]
pub struct ModeSearch {
    /// Most iterations, over all rounds.
    pub max_iterations: usize,
    /// Pairs of steps and gradient changes that L-BFGS remembers.
    pub memory: usize,
    /// Converged when the quadratic model promises less than this many nats more.
    pub tolerance: f64,
}

impl Default for ModeSearch {
    fn default() -> Self {
        Self { max_iterations: 500, memory: 10, tolerance: 1e-9 }
    }
}

/// Where the log density is highest, as far as the search got.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Mode {
    /// Unconstrained coordinates.
    pub point: Array1<f64>,
    /// Log density there (with the transform's log-Jacobian).
    pub log_density: f64,
    /// Euclidean norm of the gradient there.
    pub gradient_norm: f64,
    /// Nats that the quadratic model still promised at the end, ½ gᵀHg with L-BFGS's inverse Hessian.
    pub promised: f64,
    /// L-BFGS iterations.
    pub iterations: usize,
    /// Points evaluated.
    pub evaluations: u64,
    /// Whether `promised` fell below the tolerance, or no step improved the density and less than a thousandth of a nat was promised.
    pub converged: bool,
    /// Gradient at the point.
    pub gradient: Array1<f64>,
    /// Diagonal of L-BFGS's inverse Hessian: rough variances of the coordinates.
    pub rough_variance: Array1<f64>,
}

/// A search that cannot improve any more is still a mode below this promise, in nats: float32 backends stop here.
const PROMISE_AT_NOISE: f64 = 1e-3;
/// Rounds of search, each with the reference point moved to where the last one ended.
const MAX_ROUNDS: usize = 5;
/// Trials of one line search.
const MAX_TRIALS: usize = 40;
const SUFFICIENT_INCREASE: f64 = 1e-4;
const CURVATURE: f64 = 0.9;

/// Climbs from `at` (`[dim]`, unconstrained) to the mode.
///
/// # Errors
/// [`SampleError::Start`] when `at` has the wrong length or an impossible density; [`SampleError::Density`] when the machine under the
/// density broke.
pub fn find_mode(
    density: &mut dyn LogDensity,
    at: ArrayView1<'_, f64>,
    search: &ModeSearch,
) -> Result<Mode, SampleError> {
    find_mode_watched(density, at, search, &mut |_| Ok(()))
}

/// [`find_mode`] that reports the evaluations so far after each of them, and ends when told so.
pub(super) fn find_mode_watched(
    density: &mut dyn LogDensity,
    at: ArrayView1<'_, f64>,
    search: &ModeSearch,
    tick: &mut dyn FnMut(u64) -> Result<(), SampleError>,
) -> Result<Mode, SampleError> {
    if at.len() != density.dim() {
        let what = format!("the starting point must have {} coordinates", density.dim());
        return Err(SampleError::Start(Error::new(what).seen(at.len())));
    }
    let mut hill = Hill { out: Evaluation::new(1, density.dim()), density, evaluations: 0, tick };
    let mut x = at.to_vec();
    let mut memory = Memory { pairs: VecDeque::new(), capacity: search.memory.max(1) };
    let mut iterations = 0;
    let mut round = 0;
    loop {
        // A float32 backend is exact only near its reference: move it, climb, and repeat until it need not move.
        hill.density.recentre(ArrayView1::from(&x)).map_err(SampleError::Density)?;
        let begin = hill.evaluate(&x)?;
        if !begin.value.is_finite() {
            return Err(impossible_start(&x, begin.value));
        }
        let before = iterations;
        let end = climb(&mut hill, &mut memory, x, begin, search, &mut iterations)?;
        x = end.x;
        round += 1;
        if iterations == before || iterations >= search.max_iterations || round == MAX_ROUNDS {
            return Ok(Mode {
                rough_variance: memory.diagonal(x.len()),
                point: Array1::from(x),
                log_density: end.slope.value,
                gradient_norm: norm(&end.slope.gradient),
                gradient: Array1::from(end.slope.gradient),
                promised: end.promised,
                iterations,
                evaluations: hill.evaluations,
                converged: end.converged,
            });
        }
    }
}

fn impossible_start(x: &[f64], value: f64) -> SampleError {
    let first: Vec<String> = x.iter().take(6).map(|v| format!("{v:.4}")).collect();
    SampleError::Start(
        Error::new("the mode search cannot begin where the log density is impossible")
            .at(format!("[{}{}]", first.join(", "), if x.len() > 6 { ", …" } else { "" }))
            .seen(value)
            .advice("begin from a point inside the priors' support"),
    )
}

/// Value and gradient at a point.
#[derive(Debug, Clone)]
struct Slope {
    value: f64,
    gradient: Vec<f64>,
}

struct Hill<'a> {
    density: &'a mut dyn LogDensity,
    out: Evaluation,
    evaluations: u64,
    tick: &'a mut dyn FnMut(u64) -> Result<(), SampleError>,
}

impl Hill<'_> {
    fn evaluate(&mut self, x: &[f64]) -> Result<Slope, SampleError> {
        (self.tick)(self.evaluations)?;
        let row = ArrayView1::from(x);
        let points: ArrayView2<'_, f64> = row.insert_axis(ndarray::Axis(0));
        self.density.evaluate(points, &mut self.out).map_err(SampleError::Density)?;
        self.evaluations += 1;
        let gradient = self.out.gradient.row(0).to_vec();
        let value = self.out.log_density[0];
        let possible = value.is_finite() && gradient.iter().all(|g| g.is_finite());
        Ok(Slope { value: if possible { value } else { f64::NEG_INFINITY }, gradient })
    }
}

struct Climbed {
    x: Vec<f64>,
    slope: Slope,
    promised: f64,
    converged: bool,
}

fn climb(
    hill: &mut Hill<'_>,
    memory: &mut Memory,
    mut x: Vec<f64>,
    mut slope: Slope,
    search: &ModeSearch,
    iterations: &mut usize,
) -> Result<Climbed, SampleError> {
    loop {
        let mut direction = memory.times(&slope.gradient);
        let mut rise = dot(&direction, &slope.gradient);
        if !(rise.is_finite() && rise >= 0.0) {
            memory.pairs.clear();
            direction = slope.gradient.clone();
            rise = dot(&direction, &slope.gradient);
        }
        let promised = 0.5 * rise;
        // Without memory the promise has the gradient's arbitrary scale and proves nothing, unless there is no slope at all.
        let informed = !memory.pairs.is_empty();
        if promised == 0.0 || (informed && promised < search.tolerance) {
            return Ok(Climbed { x, slope, promised, converged: true });
        }
        if *iterations >= search.max_iterations {
            return Ok(Climbed { x, slope, promised, converged: false });
        }
        *iterations += 1;
        let first_step = if informed { 1.0 } else { 1.0 / norm(&direction).max(1.0) };
        match line_search(hill, &x, &slope, &direction, rise, first_step)? {
            Some((next, next_slope)) => {
                memory.learn(&x, &slope.gradient, &next, &next_slope.gradient);
                (x, slope) = (next, next_slope);
            }
            None if informed => memory.pairs.clear(),
            // Not even a tiny step along the gradient rises: rounding is all that is left, or the hill is not smooth.
            None => return Ok(Climbed { x, slope, promised, converged: promised < PROMISE_AT_NOISE }),
        }
    }
}

/// A point along `direction` that rises enough and has lost enough slope; the best rise found if none has both; none if nothing rises.
fn line_search(
    hill: &mut Hill<'_>,
    x: &[f64],
    slope: &Slope,
    direction: &[f64],
    rise: f64,
    first_step: f64,
) -> Result<Option<(Vec<f64>, Slope)>, SampleError> {
    let (mut low, mut high, mut step) = (0.0, f64::INFINITY, first_step);
    let mut best: Option<(Vec<f64>, Slope)> = None;
    for _ in 0..MAX_TRIALS {
        let trial: Vec<f64> = x.iter().zip(direction).map(|(x, d)| x + step * d).collect();
        if trial == x {
            break;
        }
        let there = hill.evaluate(&trial)?;
        let enough = there.value >= slope.value + SUFFICIENT_INCREASE * step * rise;
        if enough && dot(&there.gradient, direction) <= CURVATURE * rise {
            return Ok(Some((trial, there)));
        }
        if enough {
            low = step;
            if best.as_ref().is_none_or(|(_, b)| there.value > b.value) {
                best = Some((trial, there));
            }
        } else {
            high = step;
        }
        step = if high.is_finite() { 0.5 * (low + high) } else { 2.0 * low };
    }
    Ok(best)
}

/// L-BFGS's memory: steps s, changes y of the gradient of −ln π, and 1 / sᵀy.
struct Memory {
    pairs: VecDeque<(Vec<f64>, Vec<f64>, f64)>,
    capacity: usize,
}

impl Memory {
    fn learn(&mut self, x: &[f64], g: &[f64], next: &[f64], next_g: &[f64]) {
        let s: Vec<f64> = next.iter().zip(x).map(|(a, b)| a - b).collect();
        let y: Vec<f64> = g.iter().zip(next_g).map(|(a, b)| a - b).collect();
        let curvature = dot(&s, &y);
        if curvature > 1e-12 * norm(&s) * norm(&y) && curvature.is_finite() {
            if self.pairs.len() == self.capacity {
                self.pairs.pop_front();
            }
            self.pairs.push_back((s, y, 1.0 / curvature));
        }
    }

    /// The scale of the inverse Hessian before any pair is applied.
    fn scale(&self) -> f64 {
        self.pairs.back().map_or(1.0, |(_, y, rho)| 1.0 / (rho * dot(y, y)))
    }

    /// Inverse Hessian times `v`, by the two-loop recursion.
    fn times(&self, v: &[f64]) -> Vec<f64> {
        let mut out = v.to_vec();
        let mut alphas = Vec::with_capacity(self.pairs.len());
        for (s, y, rho) in self.pairs.iter().rev() {
            let alpha = rho * dot(s, &out);
            out.iter_mut().zip(y).for_each(|(o, y)| *o -= alpha * y);
            alphas.push(alpha);
        }
        let scale = self.scale();
        out.iter_mut().for_each(|o| *o *= scale);
        for ((s, y, rho), alpha) in self.pairs.iter().zip(alphas.into_iter().rev()) {
            let beta = rho * dot(y, &out);
            out.iter_mut().zip(s).for_each(|(o, s)| *o += (alpha - beta) * s);
        }
        out
    }

    fn diagonal(&self, dim: usize) -> Array1<f64> {
        (0..dim)
            .map(|i| {
                let mut unit = vec![0.0; dim];
                unit[i] = 1.0;
                self.times(&unit)[i]
            })
            .map(|v| if v.is_finite() && v > 0.0 { v } else { 1.0 })
            .collect()
    }
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}
