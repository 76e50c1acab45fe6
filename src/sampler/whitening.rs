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

    /// Whether these are coordinates of `dim` numbers, as they must be that someone has read from a file.
    pub(super) fn is_sound(&self, dim: usize) -> bool {
        self.centre.len() == dim
            && self.factor.len() == dim * (dim + 1) / 2
            && self.centre.iter().chain(&self.factor).all(|f| f.is_finite())
            && self.rows().all(|(_, row)| row[0] > 0.0)
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
        let normality = (dim as f64 / size).powi(2);
        if normality.is_nan() || normality < LEAST_NORMALITY {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::targets::Toy;
    use crate::sampler::{Purpose, Stream};

    fn example() -> Whitening {
        let factor = ndarray::arr2(&[[2.0, -1.0, 0.5], [0.0, 0.1, 3.0], [0.0, 0.0, 40.0]]);
        Whitening::new(&Array1::from(vec![1.0, -2.0, 100.0]), &factor).expect("it is sound")
    }

    fn normals(seed: u64, n: usize, dim: usize) -> Array2<f64> {
        let mut stream = Stream::new(seed, Purpose::Test, 0, 0);
        Array2::from_shape_fn((n, dim), |_| stream.normal())
    }

    #[test]
    fn in_and_out_again() {
        let (w, z) = (example(), [0.3, -1.2, 2.0]);
        let (mut u, mut back) = ([0.0; 3], [0.0; 3]);
        w.leave(&z, &mut u);
        // 1 + 2·0.3 + 1.2 + 0.5·2, and so on.
        assert_eq!(u.map(|v| (v * 1e9).round() / 1e9), [3.8, 3.88, 180.0]);
        w.enter(&u, &mut back);
        assert!(z.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
        let mut there = [0.0; 3];
        w.pull_back(&z, &mut there);
        w.push_forward(&there, &mut back);
        assert!(z.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-12), "{back:?}");
        assert_eq!(w.variances(&[1.0, 1.0, 2.0]), [4.0 + 1.0 + 0.5, 0.01 + 18.0, 3200.0]);
        let broken = Array2::from_diag(&Array1::from(vec![1.0, 0.0, 1.0]));
        assert!(Whitening::new(&Array1::zeros(3), &broken).is_none());
    }

    /// The gradient seen in z is the slope of the density along z.
    #[test]
    fn the_gradient_is_that_of_the_density_seen() {
        let w = example();
        let mut toy = Toy::rank_one(vec![1.0, 2.0, 30.0], 0.5);
        let mut seen = Whitened::new(&mut toy, Some(&w));
        let h = 1e-4;
        let mut points = Array2::from_shape_fn((7, 3), |(_, i)| [0.2, -0.4, 0.7][i]);
        (0..3).for_each(|i| {
            points[[1 + 2 * i, i]] += h;
            points[[2 + 2 * i, i]] -= h;
        });
        let mut out = Evaluation::new(7, 3);
        seen.evaluate(points.view(), &mut out).expect("toys do not break");
        for i in 0..3 {
            let slope = (out.log_density[1 + 2 * i] - out.log_density[2 + 2 * i]) / (2.0 * h);
            // A central difference of a quadratic is exact; what is left is rounding of values near 10 over 2e-4.
            assert!((slope - out.gradient[[0, i]]).abs() < 1e-9, "{i}: {slope} against {}", out.gradient[[0, i]]);
        }
    }

    /// Draws of a normal with their gradients lead to its covariance as 1/n, where draws alone would lead there as 1/√n.
    #[test]
    fn few_draws_of_a_normal_are_enough() {
        let dim = 6;
        let identity = Whitening::scales(&Array1::zeros(dim), &vec![1.0; dim]).expect("it is sound");
        let mix = &normals(1, dim, dim) + &(2.0 * Array2::<f64>::eye(dim));
        let target = mix.dot(&mix.t());
        // z = M e has covariance M Mᵀ, and −g = M⁻ᵀ e, found by solving with the target's own whitening.
        let truth =
            Whitening::new(&Array1::zeros(dim), &upper_factor(&target).expect("positive definite")).expect("sound");
        let draws_of = |n: usize| -> (Array2<f64>, Array2<f64>) {
            let e = normals(2, n, dim);
            let (mut z, mut g) = (Array2::zeros((n, dim)), Array2::zeros((n, dim)));
            for t in 0..n {
                let (mut u, mut slope) = (vec![0.0; dim], vec![0.0; dim]);
                truth.leave(&e.row(t).to_vec(), &mut u);
                truth.push_forward(&e.row(t).mapv(|e| -e).to_vec(), &mut slope);
                z.row_mut(t).assign(&Array1::from(u));
                g.row_mut(t).assign(&Array1::from(slope));
            }
            (z, g)
        };
        let error = |n: usize| -> f64 {
            let (z, g) = draws_of(n);
            let found = identity.remake(&z, &g).expect("sound draws").whitening.dense();
            let found = found.dot(&found.t());
            (&found - &target).iter().zip(&target).map(|(d, _)| d * d).sum::<f64>().sqrt()
                / target.iter().map(|t| t * t).sum::<f64>().sqrt()
        };
        // What is left is the pull of 6/n towards the identity, in variances of up to some tens: half of the way after 60 draws, all of it soon.
        assert!(
            error(60) < 0.5 && error(600) < 0.15 && error(6000) < 0.02,
            "{} {} {}",
            error(60),
            error(600),
            error(6000)
        );
    }

    /// Where extremes rule (here a scale that varies by e^±4), correlations are not believed: scales along the axes are all that is learnt.
    #[test]
    fn extremes_are_not_taken_for_a_shape() {
        let w = example();
        let mut z = normals(3, 400, 3);
        let mut g = -&z;
        for t in 0..400 {
            let scale = (2.0 * Stream::new(4, Purpose::Test, t as u64, 0).normal()).exp();
            z.row_mut(t).mapv_inplace(|z| z * scale);
            g.row_mut(t).mapv_inplace(|g| g / scale);
        }
        let remade = w.remake(&z, &g).expect("sound draws");
        assert_eq!(remade.change, f64::INFINITY);
        let dense = remade.whitening.dense();
        assert!(dense.indexed_iter().all(|((i, j), f)| i == j || *f == 0.0), "{dense}");
        // A position keeps its place in u.
        let (mut q, mut before, mut after) = ([0.4, 0.1, -1.0], [0.0; 3], [0.0; 3]);
        w.leave(&q, &mut before);
        remade.carry(&mut q);
        remade.whitening.leave(&q, &mut after);
        assert!(before.iter().zip(after).all(|(a, b)| (a - b).abs() < 1e-12 * a.abs()), "{before:?} {after:?}");
    }
}
