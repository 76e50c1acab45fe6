//! Draws of an approximation held against the density: how good it is, and which draws stand for the density when weighted.

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::normal::Normal;
use crate::importance::{effective, log_sum_exp, smooth};
use crate::sampler::progress::Report;
use crate::sampler::{Purpose, SampleError, Stream};
use crate::target::{Evaluation, LogDensity};

/// Points of one batch.
const BATCH: usize = 256;
/// Log ratios that differ by less are equal for every purpose. A tail of equal weights ends: its shape counts as 0, not as that of the
/// rounding in it.
const EQUAL: f64 = 1e-6;
/// Where the choice of draws begins: beyond any draw.
const CHOICE_ADDRESS: u64 = 1 << 40;

/// How well an approximation stands for the density.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Trust {
    /// Shape k̂ of the tail of the importance ratios density / approximation (Vehtari et al. 2024); none where it is infinite.
    pub pareto_k: Option<f64>,
    /// Independent draws that the weighted draws are worth.
    pub effective_draws: f64,
    /// Draws that were weighted.
    pub weighted_draws: u64,
    /// Of these, draws at impossible points.
    pub impossible_draws: u64,
    /// Evidence lower bound: mean of ln density − ln approximation over the draws, nats; none where some draw was impossible.
    pub elbo: Option<f64>,
}

/// Draws of approximations with their log densities.
pub(super) struct Proposals {
    /// `[draw, dim]`.
    pub(super) points: Array2<f64>,
    pub(super) log_density: Vec<f64>,
    /// ln density − ln approximation.
    pub(super) log_ratio: Vec<f64>,
}

/// Draws `count` points, the i-th from normal i modulo their number, and evaluates them.
pub(super) fn propose(
    density: &mut dyn LogDensity,
    normals: &[Normal],
    count: usize,
    seed: u64,
    report: &mut Report<'_>,
) -> Result<Proposals, SampleError> {
    let mut points = Array2::zeros((count, density.dim()));
    let mut own = Vec::with_capacity(count);
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        let (point, log_density) =
            normals[i % normals.len()].draw(&mut Stream::new(seed, Purpose::Approximation, i as u64, 0));
        row.assign(&point);
        own.push(log_density);
    }
    let mut log_density = Vec::with_capacity(count);
    for batch in points.axis_chunks_iter(Axis(0), BATCH) {
        let mut out = Evaluation::new(batch.nrows(), batch.ncols());
        density.evaluate(batch, &mut out).map_err(SampleError::Density)?;
        log_density.extend(out.log_density.iter().map(|lp| if lp.is_nan() { f64::NEG_INFINITY } else { *lp }));
        report.done += batch.nrows() as u64;
        report.tick(batch.nrows() as u64)?;
    }
    let log_ratio = log_density.iter().zip(&own).map(|(p, q)| p - q).collect();
    Ok(Proposals { points, log_density, log_ratio })
}

/// How far the draws can be trusted, and their smoothed log weights.
pub(super) fn weigh(log_ratio: &[f64]) -> (Trust, Vec<f64>) {
    let count = log_ratio.len();
    let possible: Vec<f64> = log_ratio.iter().copied().filter(|l| l.is_finite()).collect();
    let (low, high) = possible.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), l| (a.min(*l), b.max(*l)));
    let (weights, k) = match possible.is_empty() {
        true => (vec![f64::NEG_INFINITY; count], f64::INFINITY),
        false if high - low < EQUAL => (log_ratio.iter().map(|l| l - high).collect(), 0.0),
        false => smooth(log_ratio.to_vec(), &mut Vec::new()),
    };
    let all_possible = possible.len() == count;
    let trust = Trust {
        pareto_k: k.is_finite().then_some(k),
        effective_draws: if possible.is_empty() { 0.0 } else { effective(&weights) },
        weighted_draws: count as u64,
        impossible_draws: (count - possible.len()) as u64,
        elbo: all_possible.then(|| possible.iter().sum::<f64>() / count as f64),
    };
    (trust, weights)
}

/// `count` indices, each as often as its weight says, in ascending order: systematic resampling with one uniform number.
pub(super) fn resample(log_weights: &[f64], count: usize, seed: u64) -> Vec<usize> {
    let total = log_sum_exp(log_weights.iter().copied());
    let begin = Stream::new(seed, Purpose::Approximation, CHOICE_ADDRESS, 0).uniform();
    let mut out = Vec::with_capacity(count);
    let mut reached = 0.0;
    for (i, weight) in log_weights.iter().enumerate() {
        reached += (weight - total).exp() * count as f64;
        while out.len() < count && begin + (out.len() as f64) < reached {
            out.push(i);
        }
    }
    // Rounding may leave the sum of weights a hair below 1.
    let heaviest = (0..log_weights.len()).max_by(|&a, &b| log_weights[a].total_cmp(&log_weights[b])).unwrap_or(0);
    out.resize(count, *out.last().unwrap_or(&heaviest));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Weights ¼ and ¾: of 400 draws 100 and 300, give or take the one at the edge.
    #[test]
    fn draws_are_kept_as_often_as_they_weigh() {
        let weights = [0.25f64.ln(), f64::NEG_INFINITY, 0.75f64.ln()];
        for seed in 0..20 {
            let kept = resample(&weights, 400, seed);
            let of = |i: usize| kept.iter().filter(|k| **k == i).count();
            assert!(of(0).abs_diff(100) <= 1 && of(1) == 0 && of(2).abs_diff(300) <= 1, "{} {}", of(0), of(2));
            assert!(kept.is_sorted());
        }
    }

    #[test]
    fn equal_ratios_are_perfect_and_impossible_ones_hopeless() {
        let (trust, _) = weigh(&(0..1000).map(|i| 3.0 + 1e-12 * f64::from(i % 7)).collect::<Vec<_>>());
        assert_eq!((trust.pareto_k, trust.impossible_draws), (Some(0.0), 0));
        assert!((trust.effective_draws - 1000.0).abs() < 1e-6 && (trust.elbo.unwrap() - 3.0).abs() < 1e-9);
        let (trust, _) = weigh(&[f64::NEG_INFINITY; 1000]);
        assert_eq!((trust.pareto_k, trust.effective_draws, trust.elbo), (None, 0.0, None));
    }
}
