//! Importance weights whose tail is smoothed: what a sample of one distribution says of another, and how far it can be believed.
//!
//! Vehtari, Simpson, Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling", Journal of Machine Learning Research 25(72);
//! the tail's fit is that of Zhang & Stephens (2009), "A new and efficient estimation method for the generalized Pareto
//! distribution", Technometrics 51(3), with the paper's weak prior on k. Computed as ArviZ computes it. Log ratios in, log weights out;
//! nothing here knows what is weighted.

/// Weak prior on k: as much as this many observations of k = ½.
const PRIOR_DRAWS: f64 = 10.0;
/// Divisor of the scale of the profile likelihood's grid (Zhang & Stephens).
const PRIOR_SCALE: f64 = 3.0;
/// A tail of this many draws or fewer cannot be fitted.
const SHORTEST_TAIL: usize = 4;

/// k above which an estimate from `draws` draws cannot be trusted: min(1 − 1/log₁₀ S, 0.7).
pub fn k_limit(draws: usize) -> f64 {
    (1.0 - 1.0 / (draws as f64).log10()).min(0.7)
}

/// Draws of the tail that is smoothed, of `draws` independent ones.
fn tail_of(draws: usize) -> usize {
    (0.2 * draws as f64).min(3.0 * (draws as f64).sqrt()).ceil() as usize
}

/// Log weights of log ratios, the largest of which counts as 0, their tail smoothed; and the shape k of that tail. `room` is scratch
/// space. k is infinite where the tail is too short to be fitted.
pub fn smooth(log_ratios: Vec<f64>, room: &mut Vec<(f64, usize)>) -> (Vec<f64>, f64) {
    let tail = tail_of(log_ratios.len());
    smooth_tail(log_ratios, tail, room)
}

/// The same with a tail of `tail` draws, as the draws' own effective number may want it.
pub fn smooth_tail(mut log_ratios: Vec<f64>, tail: usize, room: &mut Vec<(f64, usize)>) -> (Vec<f64>, f64) {
    let draws = log_ratios.len();
    let most = log_ratios.iter().fold(f64::NEG_INFINITY, |most, l| most.max(*l));
    log_ratios.iter_mut().for_each(|l| *l -= most);
    let mut weights = log_ratios;
    room.clear();
    room.extend(weights.iter().copied().zip(0..));
    room.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    if tail + 1 > draws {
        return (weights, f64::INFINITY);
    }
    let cut = room[draws - tail - 1].0.max(f64::MIN_POSITIVE.ln());
    // Weights equal to the cut stay as they are.
    let first = room.partition_point(|(w, _)| *w <= cut);
    let tail = &room[first..];
    if tail.len() <= SHORTEST_TAIL {
        return (weights, f64::INFINITY);
    }
    let base = cut.exp();
    let excess: Vec<f64> = tail.iter().map(|(w, _)| w.exp() - base).collect();
    let (k, sigma) = tail_shape(&excess);
    if k.is_finite() {
        let n = tail.len() as f64;
        for (j, (_, draw)) in tail.iter().enumerate() {
            let p = (j as f64 + 0.5) / n;
            let quantile = if k == 0.0 { -(-p).ln_1p() } else { (-k * (-p).ln_1p()).exp_m1() / k };
            weights[*draw] = (base + sigma * quantile).ln().min(0.0);
        }
    }
    (weights, k)
}

/// k and σ of a generalised Pareto distribution for excesses over a cut, ascending, at least five and most of them above 0.
pub fn tail_shape(excess: &[f64]) -> (f64, f64) {
    let n = excess.len();
    let points = 30 + (n as f64).sqrt() as usize;
    let quartile = excess[(n as f64 / 4.0 + 0.5) as usize - 1];
    let largest = excess[n - 1];
    let of = |b: f64| excess.iter().map(|x| (-b * x).ln_1p()).sum::<f64>() / n as f64;
    let grid: Vec<(f64, f64)> = (1..=points)
        .map(|i| {
            let b = (1.0 - (points as f64 / (i as f64 - 0.5)).sqrt()) / (PRIOR_SCALE * quartile) + 1.0 / largest;
            let k = of(b);
            (b, n as f64 * ((-(b / k)).ln() - k - 1.0))
        })
        .collect();
    let weight = |at: f64| 1.0 / grid.iter().map(|(_, l)| (l - at).exp()).sum::<f64>();
    let (mut sum, mut mean) = (0.0, 0.0);
    for (b, l) in &grid {
        let w = weight(*l);
        if w >= 10.0 * f64::EPSILON {
            sum += w;
            mean += w * b;
        }
    }
    let b = mean / sum;
    let k = of(b);
    ((n as f64 * k + 0.5 * PRIOR_DRAWS) / (n as f64 + PRIOR_DRAWS), -k / b)
}

/// ln Σ exp of some values.
pub fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY { largest } else { largest + values.map(|v| (v - largest).exp()).sum::<f64>().ln() }
}

/// How many independent draws the weights are worth: 1 / Σw² of the normalised weights (Kong 1992).
pub fn effective(log_weights: &[f64]) -> f64 {
    let total = log_sum_exp(log_weights.iter().copied());
    1.0 / log_weights.iter().map(|w| (2.0 * (w - total)).exp()).sum::<f64>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    /// Exponential draws weighted to an exponential of rate 1 − k have ratios with a Pareto tail of shape k exactly.
    #[test]
    fn k_is_the_tail_s() {
        for k in [0.2, 0.5, 0.9] {
            let ratios = (0..20_000).map(|i| -k * Stream::new(3, Purpose::Test, i, 0).uniform().ln()).collect();
            let (weights, seen) = smooth(ratios, &mut Vec::new());
            // A tail of 425: the estimate's sd is (1 + k)/√425 < 0.1; the prior pulls it towards ½ by 10/435 of the way.
            assert!((seen - k).abs() < 0.25, "{k}: {seen}");
            assert!(weights.iter().all(|w| *w <= 0.0));
        }
    }

    #[test]
    fn equal_weights_are_worth_their_number() {
        assert!((effective(&[-3.0; 50]) - 50.0).abs() < 1e-9);
        assert!((effective(&[0.0, f64::NEG_INFINITY, f64::NEG_INFINITY]) - 1.0).abs() < 1e-12);
        assert_eq!(k_limit(4000), 0.7);
        assert!((k_limit(100) - 0.5).abs() < 1e-12);
    }
}
