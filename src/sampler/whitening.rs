//! Coordinates in which the density looks round, and the density seen in them.
//!
//! Chains live in z with u = m + F z; whoever is outside this room only ever sees u. F is upper triangular. It comes from the curvature at
//! the mode (F Fᵀ = inverse Hessian) and is remade from draws and gradients when a warm-up window closes. A density of more than
//! [`super::MAX_HESSIAN_DIM`] coordinates is sampled as it is, with a diagonal metric.
//!
//! **Remaking.** For a normal with covariance Σ, g = −Σ⁻¹ (z − mean), so that cov(g) = Σ⁻¹ cov(z) Σ⁻¹ however the draws fell: the A with
//! A cov(g) A = cov(z) is Σ itself, without sampling noise, once draws span the space. (The dense form of the diagonal rule in `metric`;
//! Seyboldt, Carlson & Carpenter 2024, "Preconditioning Hamiltonian Monte Carlo by minimizing Fisher divergence".) Both covariances are
//! moved towards the identity by d/n: directions that n draws do not show keep the coordinates they had.

use ndarray::{Array1, Array2, ArrayView1, ArrayView2};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::metric::Contribution;
use super::symmetric::{eigenvalues, geometric_mean, upper_factor};
use crate::target::{EvalError, Evaluation, LogDensity, Schema};

/// u = m + F z.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Whitening {
    /// m, `[dim]`.
    centre: Vec<f64>,
    /// Rows of the upper triangular F, each from its diagonal entry on.
    factor: Vec<f64>,
}

/// New coordinates in place of old ones.
pub(super) struct Remade {
    old: Whitening,
    pub(super) whitening: Whitening,
    /// Largest |ln λ| over the eigenvalues of the covariance learnt, in the old coordinates: how far from round those were. Infinite where
    /// the density is too far from a normal for that to mean anything.
    pub(super) change: f64,
    /// √ of the geometric mean of those eigenvalues.
    pub(super) scale: f64,
}

/// E(−g·z) = dim for any density, and E|z|² E|g|² = dim² for a white normal only. Below this ratio of the one squared to the other draws and gradients
/// are ruled by a few extremes, a dense covariance of them is noise, and only variances are believed.
const LEAST_NORMALITY: f64 = 0.2;

impl Whitening {
    /// From an upper triangular factor; none if an entry is not finite.
    pub(super) fn new(centre: &Array1<f64>, factor: &Array2<f64>) -> Option<Self> {
        let dim = centre.len();
        let mut packed = Vec::with_capacity(dim * (dim + 1) / 2);
        (0..dim).for_each(|i| packed.extend(factor.row(i).iter().skip(i)));
        let sound = packed.iter().all(|f: &f64| f.is_finite()) && (0..dim).all(|i| factor[[i, i]] > 0.0);
        sound.then(|| Self { centre: centre.to_vec(), factor: packed })
    }

    /// Scales alone: F = diag(√variance).
    pub(super) fn scales(centre: &Array1<f64>, variance: &[f64]) -> Option<Self> {
        Self::new(centre, &Array2::from_diag(&variance.iter().map(|v| v.sqrt()).collect::<Array1<f64>>()))
    }

    fn rows(&self) -> impl Iterator<Item = (usize, &[f64])> {
        let dim = self.centre.len();
        let mut rest = self.factor.as_slice();
        (0..dim).map(move |i| {
            let (row, after) = rest.split_at(dim - i);
            rest = after;
            (i, row)
        })
    }

    /// u at z.
    pub(super) fn leave(&self, z: &[f64], u: &mut [f64]) {
        for (i, row) in self.rows() {
            u[i] = self.centre[i] + row.iter().zip(&z[i..]).map(|(f, z)| f * z).sum::<f64>();
        }
    }

    /// z at u.
    pub(super) fn enter(&self, u: &[f64], z: &mut [f64]) {
        let rows: Vec<(usize, &[f64])> = self.rows().collect();
        for (i, row) in rows.into_iter().rev() {
            let rest: f64 = row[1..].iter().zip(&z[i + 1..]).map(|(f, z)| f * z).sum();
            z[i] = (u[i] - self.centre[i] - rest) / row[0];
        }
    }

    /// The gradient with respect to z, Fᵀ g.
    pub(super) fn pull_back(&self, g: &[f64], out: &mut [f64]) {
        out.fill(0.0);
        for (i, row) in self.rows() {
            out[i..].iter_mut().zip(row).for_each(|(o, f)| *o += f * g[i]);
        }
    }

    /// Diagonal of F D Fᵀ: what the inverse mass D in z amounts to in u, coordinate by coordinate.
    pub(super) fn variances(&self, d: &[f64]) -> Vec<f64> {
        self.rows().map(|(i, row)| row.iter().zip(&d[i..]).map(|(f, d)| f * f * d).sum()).collect()
    }

    /// Better coordinates from draws and gradients `[row, dim]` of a window, both in z; none if they say nothing sound.
    pub(super) fn remake(&self, draws: &Array2<f64>, gradients: &Array2<f64>) -> Option<Remade> {
        let (n, dim) = draws.dim();
        if n < 3 {
            return None;
        }
        let (spread, slopes) = (covariance(draws)?, covariance(gradients)?);
        let towards_identity = dim as f64 / n as f64;
        let shrunk = |mut covariance: Array2<f64>| {
            covariance.diag_mut().iter_mut().for_each(|d| *d += towards_identity);
            covariance
        };
        let shape = geometric_mean(&shrunk(spread), &shrunk(slopes.clone()))?;
        // Tr(A cov(g)) is E|g|², and E|z|² too, in coordinates whitened by A.
        let size = (&shape * &slopes).sum();
        if !((dim as f64 / size).powi(2) >= LEAST_NORMALITY) {
            return self.remake_diagonal(draws, gradients);
        }
        let logs: Vec<f64> = eigenvalues(&shape).iter().map(|v| v.ln()).collect();
        let change = logs.iter().fold(0.0, |worst: f64, l| worst.max(l.abs()));
        let whitening = Self::new(&Array1::from(self.centre.clone()), &self.dense().dot(&upper_factor(&shape)?))?;
        change.is_finite().then(|| Remade {
            change,
            scale: whitening.size() / self.size(),
            old: self.clone(),
            whitening,
        })
    }

    /// The rule of `metric` in u: F = diag((var(u) / var(g))^¼).
    fn remake_diagonal(&self, draws: &Array2<f64>, gradients: &Array2<f64>) -> Option<Remade> {
        let dim = self.centre.len();
        let mut seen = Contribution::new(dim, 0);
        let (mut u, mut back) = (vec![0.0; dim], vec![0.0; dim]);
        for (z, g) in draws.outer_iter().zip(gradients.outer_iter()) {
            self.leave(&z.to_vec(), &mut u);
            self.push_forward(&g.to_vec(), &mut back);
            seen.push(&u, &back, 0.0);
        }
        let mut variance = self.variances(&vec![1.0; dim]);
        seen.update(&mut variance);
        let whitening = Self::scales(&Array1::from(self.centre.clone()), &variance)?;
        let scale = whitening.size() / self.size();
        Some(Remade { change: f64::INFINITY, scale, old: self.clone(), whitening })
    }

    /// The gradient with respect to u of one with respect to z, F⁻ᵀ g.
    fn push_forward(&self, g: &[f64], out: &mut [f64]) {
        out.copy_from_slice(g);
        for (i, row) in self.rows() {
            out[i] /= row[0];
            let own = out[i];
            out[i + 1..].iter_mut().zip(&row[1..]).for_each(|(o, f)| *o -= f * own);
        }
    }

    /// |det F|^(1/dim).
    fn size(&self) -> f64 {
        (self.rows().map(|(_, row)| row[0].ln()).sum::<f64>() / self.centre.len() as f64).exp()
    }

    fn dense(&self) -> Array2<f64> {
        let dim = self.centre.len();
        let mut out = Array2::zeros((dim, dim));
        for (i, row) in self.rows() {
            out.slice_mut(ndarray::s![i, i..]).assign(&ArrayView1::from(row));
        }
        out
    }
}

/// Covariance of `rows` `[row, dim]`; none if it is not finite.
fn covariance(rows: &Array2<f64>) -> Option<Array2<f64>> {
    let centred = rows - &rows.mean_axis(ndarray::Axis(0))?;
    let covariance = centred.t().dot(&centred) / (rows.nrows() - 1) as f64;
    covariance.iter().all(|v| v.is_finite()).then_some(covariance)
}

impl Remade {
    /// Where an old position lies in the new coordinates.
    pub(super) fn carry(&self, z: &mut [f64]) {
        let mut u = vec![0.0; z.len()];
        self.old.leave(z, &mut u);
        self.whitening.enter(&u, z);
    }
}

/// Points × dimension² from which rows are mapped on all cores; each row is its own, so it changes no bit.
const PARALLEL_FROM: usize = 1 << 18;

/// A density seen in z; itself where there is no whitening.
pub(super) struct Whitened<'a> {
    inner: &'a mut dyn LogDensity,
    whitening: Option<&'a Whitening>,
    /// Points in u, and gradients there.
    points: Array2<f64>,
    out: Evaluation,
}

impl<'a> Whitened<'a> {
    pub(super) fn new(inner: &'a mut dyn LogDensity, whitening: Option<&'a Whitening>) -> Self {
        Self { inner, whitening, points: Array2::zeros((0, 0)), out: Evaluation::new(0, 0) }
    }

    /// The density as it is, in u.
    pub(super) fn plain(&self) -> &dyn LogDensity {
        self.inner
    }
}

impl LogDensity for Whitened<'_> {
    fn schema(&self) -> &Schema {
        self.inner.schema()
    }

    fn dim(&self) -> usize {
        self.inner.dim()
    }

    fn evaluate(&mut self, points: ArrayView2<'_, f64>, out: &mut Evaluation) -> Result<(), EvalError> {
        let Some(whitening) = self.whitening else { return self.inner.evaluate(points, out) };
        let points = points.as_standard_layout();
        let (n, dim) = points.dim();
        if self.points.dim() != (n, dim) {
            self.points = Array2::zeros((n, dim));
            self.out = Evaluation::new(n, dim);
        }
        let leave = |(z, mut u): (ArrayView1<'_, f64>, ndarray::ArrayViewMut1<'_, f64>)| {
            if let (Some(z), Some(u)) = (z.as_slice(), u.as_slice_mut()) {
                whitening.leave(z, u);
            }
        };
        let pull_back = |(g, mut to): (ArrayView1<'_, f64>, ndarray::ArrayViewMut1<'_, f64>)| {
            if let (Some(g), Some(to)) = (g.as_slice(), to.as_slice_mut()) {
                whitening.pull_back(g, to);
            }
        };
        let parallel = n * dim * dim >= PARALLEL_FROM;
        let pairs = points.outer_iter().zip(self.points.outer_iter_mut());
        if parallel {
            pairs.collect::<Vec<_>>().into_par_iter().for_each(leave)
        } else {
            pairs.for_each(leave)
        }
        self.inner.evaluate(self.points.view(), &mut self.out)?;
        out.log_density.assign(&self.out.log_density);
        let pairs = self.out.gradient.outer_iter().zip(out.gradient.outer_iter_mut());
        if parallel {
            pairs.collect::<Vec<_>>().into_par_iter().for_each(pull_back)
        } else {
            pairs.for_each(pull_back)
        }
        Ok(())
    }

    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        match self.whitening {
            Some(whitening) => {
                let mut u = vec![0.0; point.len()];
                whitening.leave(&point.to_vec(), &mut u);
                self.inner.constrain(ArrayView1::from(&u), out);
            }
            None => self.inner.constrain(point, out),
        }
    }
}
