//! Weights with which models' predictive densities are best averaged.
//!
//! Yao, Vehtari, Simpson & Gelman (2018), "Using stacking to average Bayesian predictive distributions", Bayesian Analysis 13(3): the
//! weights π ≥ 0, Σπ = 1, that maximise Σᵢ ln Σₖ πₖ exp(elpdᵢₖ). The objective is concave; EM climbs it.

/// EM stops when no weight moves by more.
const STILL: f64 = 1e-9;
/// Most rounds.
const ROUNDS: usize = 20_000;

/// One weight per model, from the log predictive densities of the same observations `[model][observation]`.
pub fn stacking_weights(elpd: &[&[f64]]) -> Vec<f64> {
    let models = elpd.len();
    let observations = elpd.first().map_or(0, |first| first.len());
    let mut weights = vec![1.0 / models as f64; models];
    // Densities relative to the best model's, observation by observation.
    let best = |i: usize| elpd.iter().map(|of| of[i]).fold(f64::NEG_INFINITY, f64::max);
    let density: Vec<f64> =
        (0..observations).flat_map(|i| elpd.iter().map(move |of| (of[i] - best(i)).exp())).collect();
    for _ in 0..ROUNDS {
        let mut share = vec![0.0; models];
        for row in density.chunks(models) {
            let total: f64 = row.iter().zip(&weights).map(|(p, w)| p * w).sum();
            share.iter_mut().zip(row).zip(&weights).for_each(|((s, p), w)| *s += p * w / total);
        }
        share.iter_mut().for_each(|s| *s /= observations as f64);
        let moved = share.iter().zip(&weights).map(|(s, w)| (s - w).abs()).fold(0.0, f64::max);
        weights = share;
        if moved < STILL {
            break;
        }
    }
    weights
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

    #[test]
    fn the_better_model_takes_all() {
        let weights = stacking_weights(&[&[-1.0, -1.0, -1.0], &[-2.0, -3.0, -1.5]]);
        assert!(weights[0] > 0.999_99, "{weights:?}");
        assert_eq!(stacking_weights(&[&[-1.0]]), [1.0]);
    }
}
