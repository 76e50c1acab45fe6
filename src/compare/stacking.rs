//! Weights with which models' predictive densities are best averaged.
//!
//! Yao, Vehtari, Simpson & Gelman (2018), "Using stacking to average Bayesian predictive distributions", Bayesian Analysis 13(3): the
//! weights π ≥ 0, Σπ = 1, that maximise Σᵢ ln Σₖ πₖ exp(elpdᵢₖ). The objective is concave; EM climbs it, slowly where a weight goes to
//! nothing, so that its steps are extrapolated (Varadhan & Roland 2008, "Simple and globally convergent methods for
//! accelerating the convergence of any EM algorithm", Scandinavian Journal of Statistics 35(2), scheme SqS3).

use rayon::prelude::*;

/// The climb ends when two steps of EM move no weight by more.
const STILL: f64 = 1e-9;
/// Most rounds.
const ROUNDS: usize = 2000;
/// Observations of one task.
const CHUNK: usize = 1 << 14;

/// Densities relative to the best model's, observation by observation.
struct Mixture {
    models: usize,
    density: Vec<f64>,
}

impl Mixture {
    /// One step of EM, and the objective where it started.
    fn step(&self, weights: &[f64]) -> (Vec<f64>, f64) {
        let of_chunk = |rows: &[f64]| {
            let (mut share, mut value) = (vec![0.0; self.models], 0.0);
            for row in rows.chunks(self.models) {
                let total: f64 = row.iter().zip(weights).map(|(p, w)| p * w).sum();
                share.iter_mut().zip(row).zip(weights).for_each(|((s, p), w)| *s += p * w / total);
                value += total.ln();
            }
            (share, value)
        };
        let chunks: Vec<(Vec<f64>, f64)> = self.density.par_chunks(CHUNK * self.models).map(of_chunk).collect();
        let (mut share, mut value) = (vec![0.0; self.models], 0.0);
        for (of_chunk, added) in &chunks {
            share.iter_mut().zip(of_chunk).for_each(|(s, add)| *s += add);
            value += added;
        }
        let all: f64 = share.iter().sum();
        share.iter_mut().for_each(|s| *s /= all);
        (share, value)
    }
}

/// One weight per model, from the log predictive densities of the same observations `[model][observation]`.
pub fn stacking_weights(elpd: &[&[f64]]) -> Vec<f64> {
    let models = elpd.len();
    let observations = elpd.first().map_or(0, |first| first.len());
    let mut weights = vec![1.0 / models as f64; models];
    if observations == 0 {
        return weights;
    }
    let best = |i: usize| elpd.iter().map(|of| of[i]).fold(f64::NEG_INFINITY, f64::max);
    let density = (0..observations).flat_map(|i| elpd.iter().map(move |of| (of[i] - best(i)).exp())).collect();
    let mixture = Mixture { models, density };
    for _ in 0..ROUNDS {
        let (once, _) = mixture.step(&weights);
        let (twice, value) = mixture.step(&once);
        let moved = twice.iter().zip(&weights).map(|(s, w)| (s - w).abs()).fold(0.0, f64::max);
        if moved < STILL {
            return twice;
        }
        let leap = leap(&weights, &once, &twice);
        let (settled, leapt) = mixture.step(&leap);
        // Where a leap leads down, the two steps stand.
        weights = if leapt >= value { settled } else { twice };
    }
    weights
}

/// Where two steps seem to lead: x + 2a r + a² v with r the first step, v the second less the first, a = |r|/|v|; back inside, where no
/// weight is nothing for good.
fn leap(start: &[f64], once: &[f64], twice: &[f64]) -> Vec<f64> {
    let r: Vec<f64> = once.iter().zip(start).map(|(one, start)| one - start).collect();
    let v: Vec<f64> = twice.iter().zip(once).zip(&r).map(|((two, one), r)| two - one - r).collect();
    let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
    let a = (norm(&r) / norm(&v)).clamp(1.0, 1e6);
    let far = start.iter().zip(&r).zip(&v).map(|((x, r), v)| x + 2.0 * a * r + a * a * v);
    let mut leap: Vec<f64> = far.zip(twice).map(|(far, two)| far.max(1e-3 * two)).collect();
    let all: f64 = leap.iter().sum();
    leap.iter_mut().for_each(|weight| *weight /= all);
    leap
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two models that are right about 3 and 1 of four equal cases: (3 − ε)/4 in the limit; with densities p for right and q for wrong
    /// the first-order condition 3(p−q)/(πp + (1−π)q) = (p−q)/(πq + (1−π)p) solves to π = (3p − q)/(4(p − q)).
    #[test]
    fn weights_are_the_closed_form() {
        let (p, q) = (0.9f64, 0.1f64);
        let right = [p.ln(), p.ln(), p.ln(), q.ln()];
        let wrong = [q.ln(), q.ln(), q.ln(), p.ln()];
        let weights = stacking_weights(&[&right, &wrong]);
        let expected = (3.0 * p - q) / (4.0 * (p - q));
        assert!((weights[0] - expected).abs() < 1e-6, "{weights:?} for {expected}");
        assert!((weights.iter().sum::<f64>() - 1.0).abs() < 1e-12);
    }

    /// A model that is a little worse nearly everywhere: EM alone takes thousands of steps.
    #[test]
    fn a_model_hardly_worse_gets_little() {
        let n = 200_000;
        let wave = |i: usize| (i as f64 * 0.7).sin();
        let one: Vec<f64> = (0..n).map(wave).collect();
        let other: Vec<f64> = (0..n).map(|i| wave(i) - 0.01 + 0.02 * (i as f64 * 1.3).cos()).collect();
        let weights = stacking_weights(&[&one, &other]);
        // The slope towards the other, mean(e^(difference)) − 1 = −0.01 + ½ (0.01² + ½ 0.02²) + …, is negative: it gets nothing.
        assert!(weights[1] < 1e-6, "{weights:?}");
    }

    #[test]
    fn the_better_model_takes_all() {
        let weights = stacking_weights(&[&[-1.0, -1.0, -1.0], &[-2.0, -3.0, -1.5]]);
        assert!(weights[0] > 0.999_99, "{weights:?}");
        assert_eq!(stacking_weights(&[&[-1.0]]), [1.0]);
    }
}
