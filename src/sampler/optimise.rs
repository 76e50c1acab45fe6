//! Finds the mode of a log density by L-BFGS (Nocedal & Wright 2006, algorithm 7.4) with a weak Wolfe line search by bisection
//! (Lewis & Overton 2013).
//!
//! Climbs one point at a time and says how far it got: a mode not reached is a fact with a note, not an error, because sampling only needs
//! a good neighbourhood. Curvature at the mode and starting points around it are `laplace`'s.

use std::collections::VecDeque;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
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
const MAX_TRIALS: usize = 30;
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
    find_mode_along(density, at, search, tick, &mut |_, _| ())
}

/// [`find_mode_watched`] that tells the points it stood at and their gradients, the first and the last included.
pub(super) fn find_mode_along(
    density: &mut dyn LogDensity,
    at: ArrayView1<'_, f64>,
    search: &ModeSearch,
    tick: &mut dyn FnMut(u64) -> Result<(), SampleError>,
    stood: &mut dyn FnMut(&[f64], &[f64]),
) -> Result<Mode, SampleError> {
    if at.len() != density.dim() {
        let what = format!("the starting point must have {} coordinates", density.dim());
        return Err(SampleError::Start(Error::new(what).seen(at.len())));
    }
    let mut hill = Hill { out: Evaluation::new(1, density.dim()), density, evaluations: 0, tick, stood };
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
        if round == 0 {
            (hill.stood)(&x, &begin.gradient);
        }
        let before = begin.value;
        let end = climb(&mut hill, &mut memory, x, begin, search, &mut iterations)?;
        x = end.x;
        round += 1;
        let gained = end.slope.value - before;
        if gained < PROMISE_AT_NOISE || iterations >= search.max_iterations || round == MAX_ROUNDS {
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
    stood: &'a mut dyn FnMut(&[f64], &[f64]),
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
        let mut found = line_search(hill, &x, &slope, &direction, rise, first_step)?;
        if found.is_none() && informed {
            // The memory may mislead where the hill changes shape; the gradient cannot.
            let uphill: Vec<f64> = slope.gradient.iter().map(|g| g * memory.scale()).collect();
            let rise = dot(&uphill, &slope.gradient);
            found = line_search(hill, &x, &slope, &uphill, rise, 1.0)?;
        }
        let Some((next, next_slope)) = found else {
            // Nothing rises: rounding is all that is left, or the hill is not smooth.
            return Ok(Climbed { x, slope, promised, converged: informed && promised < PROMISE_AT_NOISE });
        };
        memory.learn(&x, &slope.gradient, &next, &next_slope.gradient);
        (x, slope) = (next, next_slope);
        (hill.stood)(&x, &slope.gradient);
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
        // Strictly higher: where values are rounded, "not lower" could be said of every tiny step, for ever.
        let enough = there.value > slope.value && there.value >= slope.value + SUFFICIENT_INCREASE * step * rise;
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

    /// The diagonal of the inverse Hessian, in O(dim · pairs²): H = γI + W M Wᵀ with the columns of W the steps and the changes, M updated
    /// pair by pair as (I − ρsyᵀ) H (I − ρysᵀ) + ρssᵀ says.
    fn diagonal(&self, dim: usize) -> Array1<f64> {
        let n = self.pairs.len();
        let gamma = self.scale();
        let columns: Vec<&[f64]> = self
            .pairs
            .iter()
            .map(|(s, ..)| s.as_slice())
            .chain(self.pairs.iter().map(|(_, y, _)| y.as_slice()))
            .collect();
        let mut m = Array2::<f64>::zeros((2 * n, 2 * n));
        for (k, (_, y, rho)) in self.pairs.iter().enumerate() {
            let along: Array1<f64> = columns.iter().map(|w| dot(w, y)).collect();
            // Hy = W c, and yᵀHy = c · Wᵀy.
            let mut c = m.dot(&along);
            c[n + k] += gamma;
            let curvature = c.dot(&along);
            for i in 0..2 * n {
                m[[k, i]] -= rho * c[i];
                m[[i, k]] -= rho * c[i];
            }
            m[[k, k]] += rho * rho * curvature + rho;
        }
        (0..dim)
            .map(|i| {
                let w: Array1<f64> = columns.iter().map(|column| column[i]).collect();
                gamma + w.dot(&m.dot(&w))
            })
            .map(|v| if v.is_finite() && v > 0.0 { v } else { 1.0 })
            .collect()
    }
}

pub(super) fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn norm(a: &[f64]) -> f64 {
    dot(a, a).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::targets::Toy;

    fn search(toy: &mut Toy, at: &[f64]) -> Mode {
        find_mode(toy, ArrayView1::from(at), &ModeSearch::default()).expect("the search must end")
    }

    /// Rosenbrock's valley upside down: the top, 0, is at (1, 1), from the classical start and from far away.
    #[test]
    fn it_climbs_a_curved_ridge() {
        for at in [[-1.2, 1.0], [-30.0, 500.0]] {
            let mut toy = Toy::new(2, |q, g| {
                let (a, b) = (1.0 - q[0], q[1] - q[0] * q[0]);
                g[0] = 2.0 * a + 400.0 * b * q[0];
                g[1] = -200.0 * b;
                -a * a - 100.0 * b * b
            });
            let mode = search(&mut toy, &at);
            assert!(mode.converged, "{mode:?}");
            // A promise of 1e-9 nats where the smallest curvature is about 0.4: √(2e-9/0.4) = 7e-5.
            assert!((mode.point[0] - 1.0).abs() < 1e-4 && (mode.point[1] - 1.0).abs() < 2e-4, "{mode:?}");
            assert_eq!(mode.evaluations, toy.points);
        }
    }

    /// Scales from 1e-2 to 1e2 in one density, 30 coordinates: every mean found to a hundredth of its own standard deviation.
    #[test]
    fn scales_of_any_size() {
        let sd: Vec<f64> = (0..30).map(|i| 10f64.powi(i % 5 - 2)).collect();
        let mut toy = Toy::independent(sd.clone());
        let mode = search(&mut toy, &[0.0; 30]);
        assert!(mode.converged, "{} nats promised after {} iterations", mode.promised, mode.iterations);
        for (i, (found, sd)) in mode.point.iter().zip(sd).enumerate() {
            assert!((found - (i + 1) as f64).abs() < 0.01 * sd, "coordinate {i}: {found}");
        }
    }

    /// A value near −1e5 in float32 moves in steps of 0.008 nat. The search must stop in good time, near enough, and say that it converged.
    #[test]
    fn float32_values_do_not_trap_it() {
        let mut toy = Toy::new(3, |q, g| {
            let mut lp = -1e5;
            for i in 0..3 {
                let z = q[i] * 10f64.powi(i as i32);
                lp -= 0.5 * z * z;
                g[i] = f64::from((-z * 10f64.powi(i as i32)) as f32);
            }
            f64::from(lp as f32)
        });
        let mode = search(&mut toy, &[3.0, -2.0, 1.0]);
        assert!(mode.evaluations < 300, "{} evaluations", mode.evaluations);
        assert!(mode.converged && mode.log_density > -1e5 - 0.05, "{mode:?}");
        assert!(mode.rough_variance.iter().all(|v| v.is_finite() && *v > 0.0));
    }

    /// The exponential of a coordinate rises forever: iterations are bounded and the mode says that it is none.
    #[test]
    fn an_unbounded_density_ends_without_convergence() {
        let mut toy = Toy::new(1, |q, g| {
            g[0] = 1.0;
            q[0]
        });
        let mode = search(&mut toy, &[0.0]);
        assert!(!mode.converged && mode.iterations <= ModeSearch::default().max_iterations, "{mode:?}");
    }

    /// Beyond the edge at 1 the density is impossible; the top at 0.9 is found from 0 although first steps fall over the edge.
    #[test]
    fn it_backs_off_from_an_edge() {
        let mut toy = Toy::new(1, |q, g| {
            g[0] = 400.0 * (0.9 - q[0]);
            if q[0] < 1.0 { -200.0 * (q[0] - 0.9).powi(2) } else { f64::NAN }
        });
        let mode = search(&mut toy, &[0.0]);
        assert!(mode.converged && (mode.point[0] - 0.9).abs() < 1e-5, "{mode:?}");
    }

    /// The compact form against the recursion applied to every unit vector.
    #[test]
    fn the_diagonal_is_that_of_the_recursion() {
        let mut memory = Memory { pairs: VecDeque::new(), capacity: 4 };
        for k in 0..6 {
            let mut stream = crate::sampler::Stream::new(1, crate::sampler::Purpose::Test, k, 0);
            let x: Vec<f64> = (0..9).map(|_| stream.normal()).collect();
            let g: Vec<f64> = x.iter().enumerate().map(|(i, x)| -x * (1.0 + i as f64) - 0.1 * x.powi(3)).collect();
            memory.learn(&[0.0; 9], &[0.0; 9], &x, &g);
        }
        assert_eq!(memory.pairs.len(), 4);
        for (i, found) in memory.diagonal(9).iter().enumerate() {
            let mut unit = vec![0.0; 9];
            unit[i] = 1.0;
            let expected = memory.times(&unit)[i];
            assert!((found - expected).abs() < 1e-12 * expected.abs(), "coordinate {i}: {found} against {expected}");
        }
    }

    #[test]
    fn an_impossible_start_is_an_error_that_says_where() {
        let mut toy = Toy::new(2, |_, _| f64::NEG_INFINITY);
        let error = find_mode(&mut toy, ArrayView1::from(&[1.0, 2.0]), &ModeSearch::default()).unwrap_err().to_string();
        assert!(error.contains("[1.0000, 2.0000]") && error.contains("-inf"), "{error}");
        let error = find_mode(&mut toy, ArrayView1::from(&[1.0]), &ModeSearch::default()).unwrap_err().to_string();
        assert!(error.contains("2 coordinates") && error.contains("found 1"), "{error}");
    }
}
