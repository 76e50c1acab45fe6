//! The normal approximation at a mode, and overdispersed starting points drawn from it.
//!
//! Curvature comes from central differences of the gradient, so a density needs to offer nothing more. How the mode was found is
//! `optimise`'s; what becomes of the starts is `run`'s.

use ndarray::{Array1, Array2};

use super::optimise::Mode;
use super::whitening::Whitening;
use super::{Purpose, SampleError, Stream};
use crate::error::Error;
use crate::target::{Evaluation, LogDensity};

/// Largest dimension whose Hessian is taken: 2·dim gradients and dim² numbers. Beyond it only its diagonal is probed.
pub const MAX_HESSIAN_DIM: usize = 256;
/// Random directions along which the diagonal of a larger Hessian is probed.
const PROBES: u64 = 16;
/// Where their random signs begin: beyond any chain.
const PROBE_ADDRESS: u64 = 1 << 40;
/// Points of one batch of differences.
const BATCH: usize = 64;
/// Difference step, in rough standard deviations: truncation (h²/6 · third derivative) and float32 noise both stay near 1 %.
const DIFFERENCE_STEP: f64 = 0.05;

/// What is known of the covariance at the mode.
#[derive(Debug, Clone, PartialEq)]
pub enum Curvature {
    /// From the Hessian of −ln π.
    Dense {
        /// `[dim, dim]`: inverse of the Hessian (with `ridge` added).
        covariance: Array2<f64>,
        /// `[dim, dim]`, upper triangular F with F Fᵀ = covariance.
        factor: Array2<f64>,
        /// Diagonal of the Hessian.
        precision: Array1<f64>,
        /// What was added to the Hessian, in units of each coordinate's rough precision, to make it positive definite; 0 at a proper maximum.
        ridge: f64,
    },
    /// Variances alone: inverse curvatures where the dimension is large, those of L-BFGS's memory where no ridge helped.
    Diagonal(Array1<f64>),
}

/// A normal approximation: a mode and the covariance there.
#[derive(Debug, Clone, PartialEq)]
pub struct Laplace {
    /// Centre.
    pub mode: Mode,
    /// Covariance.
    pub curvature: Curvature,
    /// Gradients spent on it.
    pub evaluations: u64,
}

/// Measures the curvature at `mode`.
///
/// # Errors
/// [`SampleError::Density`] when the machine under the density broke.
pub fn laplace(density: &mut dyn LogDensity, mode: Mode) -> Result<Laplace, SampleError> {
    let dim = density.dim();
    if dim > MAX_HESSIAN_DIM {
        let curvature = Curvature::Diagonal(probe_diagonal(density, &mode)?);
        return Ok(Laplace { mode, curvature, evaluations: 2 * PROBES });
    }
    whole(density, mode)
}

/// The whole Hessian, whatever the dimension.
pub(super) fn whole(density: &mut dyn LogDensity, mode: Mode) -> Result<Laplace, SampleError> {
    let dim = density.dim();
    let mut hessian = Array2::zeros((dim, dim));
    let mut known = true;
    for first in (0..dim).step_by((BATCH / 2).max(1)) {
        let last = (first + BATCH / 2).min(dim);
        let mut points = Array2::zeros((2 * (last - first), dim));
        let step = |i: usize| DIFFERENCE_STEP * mode.rough_variance[i].sqrt();
        for (row, mut point) in points.rows_mut().into_iter().enumerate() {
            let i = first + row / 2;
            point.assign(&mode.point);
            point[i] += if row % 2 == 0 { step(i) } else { -step(i) };
        }
        let mut out = Evaluation::new(points.nrows(), dim);
        density.evaluate(points.view(), &mut out).map_err(SampleError::Density)?;
        known &= out.log_density.iter().chain(&out.gradient).all(|v| v.is_finite());
        for i in first..last {
            let row = 2 * (i - first);
            let width = points[[row, i]] - points[[row + 1, i]];
            for j in 0..dim {
                hessian[[i, j]] = (out.gradient[[row + 1, j]] - out.gradient[[row, j]]) / width;
            }
        }
    }
    let dense = if known { invert(&hessian, &mode.rough_variance) } else { None };
    let curvature = dense.unwrap_or_else(|| Curvature::Diagonal(mode.rough_variance.clone()));
    Ok(Laplace { mode, curvature, evaluations: 2 * dim as u64 })
}

/// Inverse diagonal of the Hessian from differences along random signs δ: the mean of δ_i (Hδ)_i / δ_i², whose error is what other
/// coordinates add with random signs (Bekas, Kokiopoulou & Saad 2007). Where it is not positive, L-BFGS's rough variance stands.
fn probe_diagonal(density: &mut dyn LogDensity, mode: &Mode) -> Result<Array1<f64>, SampleError> {
    let dim = mode.point.len();
    let mut curvature = Array1::<f64>::zeros(dim);
    let (mut points, mut out) = (Array2::zeros((2, dim)), Evaluation::new(2, dim));
    let scale = mode.rough_variance.mapv(|v| DIFFERENCE_STEP * v.sqrt());
    for probe in 0..PROBES {
        let mut signs = Stream::new(0, Purpose::Start, PROBE_ADDRESS + probe, 0);
        let step = scale.mapv(|s| if signs.uniform() < 0.5 { s } else { -s });
        points.row_mut(0).assign(&(&mode.point + &step));
        points.row_mut(1).assign(&(&mode.point - &step));
        density.evaluate(points.view(), &mut out).map_err(SampleError::Density)?;
        for i in 0..dim {
            curvature[i] += (out.gradient[[1, i]] - out.gradient[[0, i]]) / (2.0 * step[i] * PROBES as f64);
        }
    }
    let rough = &mode.rough_variance;
    Ok((0..dim)
        .map(|i| if curvature[i].is_finite() && curvature[i] > 0.0 { 1.0 / curvature[i] } else { rough[i] })
        .collect())
}

/// Symmetrises, adds the smallest ridge of a geometric sequence that makes it positive definite, and inverts.
fn invert(hessian: &Array2<f64>, rough_variance: &Array1<f64>) -> Option<Curvature> {
    let dim = hessian.nrows();
    let symmetric = Array2::from_shape_fn((dim, dim), |(i, j)| 0.5 * (hessian[[i, j]] + hessian[[j, i]]));
    // Scaled to a unit diagonal, "positive definite" means the same for coordinates of any size.
    let scale: Vec<f64> = (0..dim)
        .map(|i| if symmetric[[i, i]] > 0.0 { symmetric[[i, i]].sqrt() } else { 1.0 / rough_variance[i].sqrt() })
        .collect();
    let unit = Array2::from_shape_fn((dim, dim), |(i, j)| symmetric[[i, j]] / (scale[i] * scale[j]));
    for ridge in [0.0, 1e-6, 1e-4, 1e-2, 0.1, 1.0, 10.0] {
        let mut shifted = unit.clone();
        shifted.diag_mut().iter_mut().for_each(|d| *d += ridge);
        let Some(lower) = cholesky(&shifted) else { continue };
        // H = S L Lᵀ S, so F = S⁻¹ L⁻ᵀ.
        let inverse = invert_lower(&lower);
        let factor = Array2::from_shape_fn((dim, dim), |(i, j)| inverse[[j, i]] / scale[i]);
        if !factor.iter().all(|v| v.is_finite()) {
            continue;
        }
        let covariance = factor.dot(&factor.t());
        let precision = (0..dim).map(|i| shifted[[i, i]] * scale[i] * scale[i]).collect();
        return Some(Curvature::Dense { covariance, factor, precision, ridge });
    }
    None
}

/// Lower L with L Lᵀ = a; none when a is not (comfortably) positive definite.
pub(super) fn cholesky(a: &Array2<f64>) -> Option<Array2<f64>> {
    let n = a.nrows();
    let mut l = Array2::zeros((n, n));
    for i in 0..n {
        for j in 0..=i {
            let sum = a[[i, j]] - (0..j).map(|k| l[[i, k]] * l[[j, k]]).sum::<f64>();
            if i == j {
                // On a unit diagonal, 1e-10 is where float64 differences of gradients end.
                if sum.is_nan() || sum <= 1e-10 {
                    return None;
                }
                l[[i, i]] = sum.sqrt();
            } else {
                l[[i, j]] = sum / l[[j, j]];
            }
        }
    }
    Some(l)
}

fn invert_lower(l: &Array2<f64>) -> Array2<f64> {
    let n = l.nrows();
    let mut out = Array2::zeros((n, n));
    for j in 0..n {
        out[[j, j]] = 1.0 / l[[j, j]];
        for i in j + 1..n {
            let sum = (j..i).map(|k| l[[i, k]] * out[[k, j]]).sum::<f64>();
            out[[i, j]] = -sum / l[[i, i]];
        }
    }
    out
}

impl Laplace {
    /// One draw: mode + `inflation` · F z, that is with covariance `inflation`² times the approximation's.
    pub fn draw(&self, inflation: f64, stream: &mut Stream) -> Array1<f64> {
        let z: Array1<f64> = (0..self.mode.point.len()).map(|_| stream.normal()).collect();
        let offset = match &self.curvature {
            Curvature::Dense { factor, .. } => factor.dot(&z),
            Curvature::Diagonal(variance) => &z * &variance.mapv(f64::sqrt),
        };
        &self.mode.point + &(offset * inflation)
    }

    /// Coordinates in which the approximation is standard normal; none when only variances are known.
    pub(super) fn whitening(&self) -> Option<Whitening> {
        match &self.curvature {
            Curvature::Dense { factor, .. } => Whitening::new(&self.mode.point, factor),
            Curvature::Diagonal(variance) if variance.len() <= MAX_HESSIAN_DIM => {
                Whitening::scales(&self.mode.point, &variance.to_vec())
            }
            Curvature::Diagonal(_) => None,
        }
    }

    /// Variance of every coordinate.
    pub(super) fn variances(&self) -> Vec<f64> {
        match &self.curvature {
            Curvature::Dense { covariance, .. } => covariance.diag().to_vec(),
            Curvature::Diagonal(variance) => variance.to_vec(),
        }
    }
}

/// Starting points of every chain.
pub(super) struct Starts {
    /// `[chain, dim]`.
    pub(super) points: Array2<f64>,
    /// Their log densities and gradients.
    pub(super) at: Evaluation,
    pub(super) evaluations: u64,
    /// Chains that had to be pulled towards the mode.
    pub(super) pulled: usize,
}

/// Standard deviations of the starts, in those of the approximation: covariance × 4.
const INFLATION: f64 = 2.0;
/// Halvings of the distance to the mode before a chain starts at the mode itself.
const MAX_PULLS: u32 = 12;

/// Draws each chain's start; where the density is impossible or absurdly low, halves the way to the mode until it is not.
pub(super) fn draw_starts(
    density: &mut dyn LogDensity,
    laplace: &Laplace,
    chains: usize,
    seed: u64,
) -> Result<Starts, SampleError> {
    let dim = density.dim();
    let mode = &laplace.mode.point;
    let mut points = Array2::zeros((chains, dim));
    for (chain, mut row) in points.rows_mut().into_iter().enumerate() {
        let mut stream = Stream::new(seed, Purpose::Start, chain as u64, 0);
        row.assign(&laplace.draw(INFLATION, &mut stream));
    }
    // A normal loses ½ · 4 · dim nats on average at covariance × 4. Several times that is a place where the approximation is simply wrong.
    let lowest = laplace.mode.log_density - 100.0 - 10.0 * dim as f64;
    let mut at = Evaluation::new(chains, dim);
    let mut evaluations = 0;
    let mut pulled = vec![false; chains];
    for pull in 0..=MAX_PULLS + 1 {
        density.evaluate(points.view(), &mut at).map_err(SampleError::Density)?;
        evaluations += chains as u64;
        let bad: Vec<usize> = (0..chains)
            .filter(|c| {
                let possible = at.log_density[*c].is_finite() && at.gradient.row(*c).iter().all(|g| g.is_finite());
                !(possible && at.log_density[*c] >= lowest)
            })
            .collect();
        if bad.is_empty() {
            break;
        }
        if pull > MAX_PULLS {
            return Err(SampleError::Start(
                Error::new("no chain can start: even the mode itself has an impossible density or gradient")
                    .at(format!("chain {}", bad[0]))
                    .seen(at.log_density[bad[0]])
                    .advice("check the data and the priors for a value that makes the likelihood infinite"),
            ));
        }
        for c in bad {
            pulled[c] = true;
            let shrink = if pull == MAX_PULLS { 0.0 } else { 0.5 };
            let mut row = points.row_mut(c);
            row.zip_mut_with(mode, |x, m| *x = m + shrink * (*x - m));
        }
    }
    Ok(Starts { points, at, evaluations, pulled: pulled.iter().filter(|p| **p).count() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::targets::Toy;
    use crate::sampler::{ModeSearch, find_mode};

    fn approximate(toy: &mut Toy, at: &[f64]) -> Laplace {
        let mode = find_mode(toy, ndarray::ArrayView1::from(at), &ModeSearch::default()).expect("a mode");
        laplace(toy, mode).expect("a curvature")
    }

    /// A normal is its own approximation: covariance S (I + c 11ᵀ) S, its whitened largest eigenvalue, and draws that have it.
    #[test]
    fn a_normal_is_recovered() {
        let sd = [1e-2, 1.0, 50.0, 3.0];
        let c = 2.0;
        let mut toy = Toy::rank_one(sd.to_vec(), c);
        let approximation = approximate(&mut toy, &[0.01, -1.0, 20.0, 1.0]);
        let Curvature::Dense { covariance, ridge, .. } = &approximation.curvature else { panic!("{approximation:?}") };
        assert_eq!(*ridge, 0.0);
        for i in 0..4 {
            for j in 0..4 {
                let expected = sd[i] * sd[j] * (c + f64::from(u8::from(i == j)));
                // Differences of a linear gradient are exact up to rounding of about 1e-16 / 0.05 per unit of curvature.
                assert!((covariance[[i, j]] / expected - 1.0).abs() < 1e-6, "{i} {j}: {}", covariance[[i, j]]);
            }
        }
        let n = 4000;
        let mut square = 0.0;
        for k in 0..n {
            let x = approximation.draw(2.0, &mut Stream::new(9, Purpose::Test, k, 0));
            square += (x[2] / 50.0).powi(2) / n as f64;
        }
        // Inflated by 2: variance 4 · (1 + c); five standard errors of a variance.
        assert!((square / (4.0 * (1.0 + c)) - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{square}");
    }

    /// At the saddle of x²y² − (x⁴ + y⁴) style densities the Hessian is no precision matrix; a ridge makes one and is reported.
    #[test]
    fn a_saddle_gets_a_ridge() {
        let mut toy = Toy::new(2, |q, g| {
            g[0] = -q[0] + 0.1 * q[1];
            g[1] = 0.5 * q[1] + 0.1 * q[0];
            -0.5 * q[0] * q[0] + 0.25 * q[1] * q[1] + 0.1 * q[0] * q[1]
        });
        let mode = Mode {
            point: Array1::zeros(2),
            log_density: 0.0,
            gradient_norm: 0.0,
            promised: 0.0,
            iterations: 0,
            evaluations: 0,
            converged: false,
            gradient: Array1::zeros(2),
            rough_variance: Array1::ones(2),
        };
        let approximation = laplace(&mut toy, mode).expect("a curvature");
        let Curvature::Dense { covariance, ridge, .. } = &approximation.curvature else { panic!("{approximation:?}") };
        assert!(*ridge > 0.0);
        assert!(covariance.iter().all(|v| v.is_finite()) && covariance[[0, 0]] > 0.0 && covariance[[1, 1]] > 0.0);
        assert!(approximation.whitening().is_some());
    }

    /// Half of the plane is impossible: every start ends inside, those outside were pulled, those inside were not touched.
    #[test]
    fn starts_are_pulled_into_the_possible() {
        let mut toy = Toy::new(2, |q, g| {
            (g[0], g[1]) = (-q[0], -q[1]);
            if q[0] > 0.2 { f64::NEG_INFINITY } else { -0.5 * (q[0] * q[0] + q[1] * q[1]) }
        });
        let approximation = approximate(&mut toy, &[-1.0, 1.0]);
        let starts = draw_starts(&mut toy, &approximation, 200, 4).expect("starts");
        assert!(starts.points.column(0).iter().all(|x| *x <= 0.2));
        // P(2 z > 0.2) = 0.460; five standard errors of a proportion of 200.
        assert!((starts.pulled as f64 / 200.0 - 0.460).abs() < 5.0 * 0.0353, "{}", starts.pulled);
        let spread = starts.points.column(1).iter().map(|y| y * y).sum::<f64>() / 200.0;
        assert!(spread > 1.5, "starts must be wider than the density: {spread}");
    }

    #[test]
    fn no_possible_start_is_an_error() {
        let mut toy = Toy::new(1, |q, g| {
            g[0] = f64::NAN;
            -q[0] * q[0]
        });
        let approximation = Laplace {
            mode: Mode {
                point: Array1::zeros(1),
                log_density: 0.0,
                gradient_norm: 0.0,
                promised: 0.0,
                iterations: 0,
                evaluations: 0,
                converged: true,
                gradient: Array1::zeros(1),
                rough_variance: Array1::ones(1),
            },
            curvature: Curvature::Diagonal(Array1::ones(1)),
            evaluations: 0,
        };
        assert!(matches!(draw_starts(&mut toy, &approximation, 3, 1), Err(SampleError::Start(_))));
    }
}
