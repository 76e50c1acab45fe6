//! Densities with closed answers and sinks that remember, for the proofs.

use ndarray::{Array2, Array3, ArrayView1, ArrayView2, Axis, concatenate};

use super::{Purpose, Stream};
use crate::target::{Checkpoint, DrawBlock, DrawSink, EvalError, Evaluation, LogDensity, Schema, SinkError, Variable};

type Formula = Box<dyn Fn(&[f64], &mut [f64]) -> f64>;

/// A log density from a closure that writes the gradient and returns the value. Counts what it was asked.
pub(super) struct Toy {
    dim: usize,
    schema: Schema,
    formula: Formula,
    pub(super) points: u64,
    pub(super) batches: u64,
    /// Added to the log density, times the first coordinate of the reference: imitates a float32 backend whose values depend on θ₀.
    pub(super) drift: f64,
    pub(super) reference: Vec<f64>,
    /// Fails at this batch.
    pub(super) breaks_at: Option<u64>,
}

impl Toy {
    pub(super) fn new(dim: usize, formula: impl Fn(&[f64], &mut [f64]) -> f64 + 'static) -> Self {
        let labels: Vec<String> = (0..dim).map(|i| i.to_string()).collect();
        let schema = Schema {
            variables: vec![Variable { name: "theta".into(), dims: vec!["coordinate".into()] }],
            coords: [("coordinate".to_owned(), labels.clone())].into(),
            unconstrained: labels,
        };
        Self {
            dim,
            schema,
            formula: Box::new(formula),
            points: 0,
            batches: 0,
            drift: 0.0,
            reference: vec![0.0; dim],
            breaks_at: None,
        }
    }

    /// Independent normals: means 1, 2, 3 …, the given standard deviations.
    pub(super) fn independent(sd: Vec<f64>) -> Self {
        Self::new(sd.len(), move |q, g| {
            let mut lp = 0.0;
            for i in 0..sd.len() {
                let z = (q[i] - (i + 1) as f64) / sd[i];
                lp -= 0.5 * z * z;
                g[i] = -z / sd[i];
            }
            lp
        })
    }

    /// A normal with mean 0 and precision I/sd² − k·11ᵀ-like: covariance Σ = S (I + c 11ᵀ) S with S = diag(sd), so that
    /// var(q_i) = sd_i² (1 + c) and the correlation of any two is c / (1 + c).
    pub(super) fn rank_one(sd: Vec<f64>, c: f64) -> Self {
        let n = sd.len() as f64;
        // Sherman & Morrison: (I + c 11ᵀ)⁻¹ = I − c / (1 + c n) 11ᵀ.
        let shrink = c / (1.0 + c * n);
        Self::new(sd.len(), move |q, g| {
            let z: Vec<f64> = q.iter().zip(&sd).map(|(q, s)| q / s).collect();
            let total: f64 = z.iter().sum();
            let mut lp = 0.0;
            for i in 0..z.len() {
                let w = z[i] - shrink * total;
                lp -= 0.5 * z[i] * w;
                g[i] = -w / sd[i];
            }
            lp
        })
    }

    /// Independent Student t with ν degrees of freedom: variance ν / (ν − 2).
    pub(super) fn student(dim: usize, nu: f64) -> Self {
        Self::new(dim, move |q, g| {
            let mut lp = 0.0;
            for i in 0..q.len() {
                lp -= 0.5 * (nu + 1.0) * (q[i] * q[i] / nu).ln_1p();
                g[i] = -(nu + 1.0) * q[i] / (nu + q[i] * q[i]);
            }
            lp
        })
    }

    /// Neal's funnel, centred: v ~ N(0, 3²), x_i ~ N(0, eᵛ).
    pub(super) fn funnel(xs: usize) -> Self {
        Self::new(xs + 1, move |q, g| {
            let v = q[0];
            let precision = (-v).exp();
            let square: f64 = q[1..].iter().map(|x| x * x).sum();
            g[0] = -v / 9.0 + 0.5 * square * precision - 0.5 * xs as f64;
            for i in 1..q.len() {
                g[i] = -q[i] * precision;
            }
            -v * v / 18.0 - 0.5 * square * precision - 0.5 * xs as f64 * v
        })
    }

    /// A hierarchy like the purchase model's: `groups` × 4 parameters, φ_gk = μ_k + σ_k η_gk, observed y_gk ~ N(φ_gk, s_k), non-centred with
    /// ln σ as coordinate: 8 + 4 · groups dimensions.
    pub(super) fn hierarchy(groups: usize) -> Self {
        let s = [0.05, 0.1, 0.3, 0.6];
        let y = move |g: usize, k: usize| 0.3 * k as f64 + 0.2 * ((g * 7 + k * 3) as f64).sin();
        Self::new(8 + 4 * groups, move |q, grad| {
            grad.fill(0.0);
            let mut lp = 0.0;
            for k in 0..4 {
                let (mu, log_sigma) = (q[k], q[4 + k]);
                let sigma = log_sigma.exp();
                lp += -0.5 * mu * mu - 0.5 * sigma * sigma + log_sigma;
                grad[k] += -mu;
                grad[4 + k] += -sigma * sigma + 1.0;
                for g in 0..groups {
                    let ix = 8 + 4 * g + k;
                    let eta = q[ix];
                    let z = (y(g, k) - mu - sigma * eta) / s[k];
                    lp += -0.5 * z * z - 0.5 * eta * eta;
                    let slope = z / s[k];
                    grad[k] += slope;
                    grad[4 + k] += slope * sigma * eta;
                    grad[ix] += slope * sigma - eta;
                }
            }
            lp
        })
    }
}

impl Toy {
    /// A hierarchy as models write theirs: `groups` × 4 parameters, the well observed ones centred (x = φ), the others not (x = (φ − μ)/σ), with
    /// y_gk ~ N(φ_gk, s_k), φ_gk ~ N(μ_k, σ_k), μ ~ N(0, 1), σ ~ half-N(1), ln σ as coordinate: 8 + 4 · groups dimensions. Data are drawn with
    /// μ = 0.5, σ = 0.15.
    pub(super) fn population(groups: usize) -> Self {
        let s = [0.03, 0.06, 0.3, 0.6];
        let y: Vec<f64> = (0..4 * groups)
            .map(|ix| {
                let mut stream = Stream::new(1, Purpose::Test, ix as u64, 0);
                0.5 + 0.15 * stream.normal() + s[ix % 4] * stream.normal()
            })
            .collect();
        Self::new(8 + 4 * groups, move |q, grad| {
            let mut lp = 0.0;
            let mut total = [[0.0; 4]; 2];
            let sigmas = [4, 5, 6, 7].map(|k: usize| q[k].exp());
            for (g, y) in y.chunks_exact(4).enumerate() {
                let x = &q[8 + 4 * g..12 + 4 * g];
                let to = &mut grad[8 + 4 * g..12 + 4 * g];
                for k in 0..4 {
                    let (mu, sigma) = (q[k], sigmas[k]);
                    let centred = k < 2;
                    let eta = if centred { (x[k] - mu) / sigma } else { x[k] };
                    let z = (y[k] - if centred { x[k] } else { mu + sigma * eta }) / s[k];
                    lp -= 0.5 * z * z + 0.5 * eta * eta + if centred { q[4 + k] } else { 0.0 };
                    let slope = z / s[k];
                    to[k] = if centred { slope - eta / sigma } else { slope * sigma - eta };
                    total[0][k] += if centred { eta / sigma } else { slope };
                    total[1][k] += if centred { eta * eta - 1.0 } else { slope * sigma * eta };
                }
            }
            for k in 0..4 {
                let (mu, sigma) = (q[k], sigmas[k]);
                lp += -0.5 * mu * mu - 0.5 * sigma * sigma + q[4 + k];
                grad[k] = total[0][k] - mu;
                grad[4 + k] = total[1][k] - sigma * sigma + 1.0;
            }
            lp
        })
    }
}

impl LogDensity for Toy {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn evaluate(&mut self, points: ArrayView2<'_, f64>, out: &mut Evaluation) -> Result<(), EvalError> {
        assert_eq!(out.log_density.len(), points.nrows(), "the batch and its answers differ in length");
        if self.breaks_at == Some(self.batches) {
            return Err(EvalError(crate::error::Error::new("the device was lost").at("adapter 0")));
        }
        self.batches += 1;
        self.points += points.nrows() as u64;
        for (row, point) in points.outer_iter().enumerate() {
            assert!(point.iter().all(|x| !x.is_nan()), "asked for a point that is not a number");
            let (mut g, point) = (out.gradient.row_mut(row), point.as_standard_layout());
            let (g, point) = (g.as_slice_mut().expect("rows are contiguous"), point.as_slice().expect("so are points"));
            let value = (self.formula)(point, g);
            let possible = value.is_finite();
            out.log_density[row] = if possible { value + self.drift * self.reference[0] } else { f64::NEG_INFINITY };
            if !possible {
                out.gradient.row_mut(row).fill(0.0);
            }
        }
        Ok(())
    }

    /// exp of every coordinate, so that a constrained value is never mistaken for an unconstrained one.
    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        out.iter_mut().zip(point).for_each(|(o, p)| *o = p.exp());
    }

    fn recentre(&mut self, at: ArrayView1<'_, f64>) -> Result<(), EvalError> {
        self.reference = at.to_vec();
        Ok(())
    }
}

/// One commit, remembered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Commit {
    pub(super) first_draw: u64,
    pub(super) unconstrained: Array3<f64>,
    pub(super) constrained: Array3<f64>,
    pub(super) stats: Vec<(&'static str, Array2<f64>)>,
    pub(super) checkpoint: Checkpoint,
}

/// A sink that remembers everything.
#[derive(Debug, Default)]
pub(super) struct Memory {
    pub(super) commits: Vec<Commit>,
}

impl Memory {
    /// `[chain, draw, dim]` of all blocks.
    pub(super) fn draws(&self) -> Array3<f64> {
        let views: Vec<_> = self.commits.iter().map(|c| c.unconstrained.view()).collect();
        concatenate(Axis(1), &views).expect("blocks have equal chains and dimensions")
    }

    /// `[chain, draw]` of one statistic.
    pub(super) fn stat(&self, name: &str) -> Array2<f64> {
        let of = |c: &Commit| c.stats.iter().find(|(n, _)| *n == name).map(|(_, s)| s.clone());
        let all: Vec<Array2<f64>> = self.commits.iter().filter_map(of).collect();
        let views: Vec<_> = all.iter().map(|s| s.view()).collect();
        concatenate(Axis(1), &views).expect("blocks have equal chains")
    }
}

impl DrawSink for Memory {
    fn commit(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint) -> Result<(), SinkError> {
        self.commits.push(Commit {
            first_draw: block.first_draw,
            unconstrained: block.unconstrained.to_owned(),
            constrained: block.constrained.to_owned(),
            stats: block.stats.to_vec(),
            checkpoint: checkpoint.clone(),
        });
        Ok(())
    }
}

/// A sink that refuses everything, as a full disk does.
pub(super) struct Full;

impl DrawSink for Full {
    fn commit(&mut self, _: &DrawBlock<'_>, _: &Checkpoint) -> Result<(), SinkError> {
        Err(SinkError(crate::error::Error::new("no space left")))
    }
}

/// Mean and its Monte Carlo standard error of a function of the draws, by batch means within chains (20 batches each): independent of the
/// sampler's own figures.
pub(super) fn mean_and_mcse(draws: &Array3<f64>, of: impl Fn(ArrayView1<'_, f64>) -> f64) -> (f64, f64) {
    let (chains, n, _) = draws.dim();
    let per_chain = (80 / chains).clamp(2, 20);
    let length = n / per_chain;
    let mut means = Vec::new();
    for c in 0..chains {
        for b in 0..per_chain {
            let sum: f64 = (b * length..(b + 1) * length).map(|t| of(draws.slice(ndarray::s![c, t, ..]))).sum();
            means.push(sum / length as f64);
        }
    }
    let k = means.len() as f64;
    let mean = means.iter().sum::<f64>() / k;
    let variance = means.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / (k - 1.0);
    (mean, (variance / k).sqrt())
}
