//! Pareto-smoothed importance sampling: expectations without one observation, from draws with it.
//!
//! Vehtari, Simpson, Gelman, Yao & Gabry (2024), "Pareto smoothed importance sampling", Journal of Machine Learning Research 25(72);
//! the tail's fit is that of Zhang & Stephens (2009), "A new and efficient estimation method for the generalized Pareto
//! distribution", Technometrics 51(3), with the paper's weak prior on k. Computed as ArviZ computes it.

/// Weak prior on k: as much as this many observations of k = ½.
const PRIOR_DRAWS: f64 = 10.0;
/// Divisor of the scale of the profile likelihood's grid (Zhang & Stephens).
const PRIOR_SCALE: f64 = 3.0;
/// A tail of this many draws or fewer cannot be fitted.
const SHORTEST_TAIL: usize = 4;

/// What leaving one observation out says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// ln p(yᵢ | y₋ᵢ): its expected log predictive density.
    pub elpd: f64,
    /// Shape k of the tail of the importance weights: above [`k_limit`] the estimate cannot be trusted.
    pub k: f64,
    /// ln p(yᵢ | y): the same with it.
    pub lpd: f64,
}

/// k above which an estimate from `draws` draws cannot be trusted: min(1 − 1/log₁₀ S, 0.7).
pub fn k_limit(draws: usize) -> f64 {
    (1.0 - 1.0 / (draws as f64).log10()).min(0.7)
}

/// Leaves one observation out, given its log-likelihood under every draw. `room` is scratch space.
pub fn leave_out(log_lik: &[f64], room: &mut Vec<(f64, usize)>) -> LeftOut {
    let lpd = log_sum_exp(log_lik.iter().copied()) - (log_lik.len() as f64).ln();
    let (weights, k) = smoothed(log_lik, room);
    let top = log_sum_exp(weights.iter().zip(log_lik).map(|(w, l)| w + l));
    LeftOut { elpd: top - log_sum_exp(weights.iter().copied()), k, lpd }
}

/// Log weights −ln Lᵢ, their tail smoothed, and k. Weights are relative to the largest.
fn smoothed(log_lik: &[f64], room: &mut Vec<(f64, usize)>) -> (Vec<f64>, f64) {
    let draws = log_lik.len();
    let least = log_lik.iter().fold(f64::INFINITY, |least, l| least.min(*l));
    let mut weights: Vec<f64> = log_lik.iter().map(|l| least - l).collect();
    room.clear();
    room.extend(weights.iter().copied().zip(0..));
    room.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    let tail = (0.2 * draws as f64).min(3.0 * (draws as f64).sqrt()).ceil() as usize;
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
    let (k, sigma) = fit(&excess);
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

/// k and σ of a generalised Pareto distribution for ascending excesses.
fn fit(excess: &[f64]) -> (f64, f64) {
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

fn log_sum_exp(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if largest == f64::NEG_INFINITY { largest } else { largest + values.map(|v| (v - largest).exp()).sum::<f64>().ln() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    /// Weights of a normal importance sampling problem in closed form: y ~ N(θ, 1), θ | y ~ N(m, s²) from n observations under a flat
    /// prior; leaving one out must give N(y_i | mean of the others, 1 + 1/(n−1)).
    #[test]
    fn leaving_out_is_the_closed_form() {
        let n = 40;
        let y: Vec<f64> = (0..n).map(|i| Stream::new(1, Purpose::Test, i, 0).normal()).collect();
        let mean = y.iter().sum::<f64>() / n as f64;
        let draws: Vec<f64> =
            (0..8000).map(|d| mean + Stream::new(2, Purpose::Test, d, 0).normal() / (n as f64).sqrt()).collect();
        let mut room = Vec::new();
        for y_i in &y {
            let log_lik: Vec<f64> =
                draws.iter().map(|t| -0.5 * (y_i - t).powi(2) - 0.5 * std::f64::consts::TAU.ln()).collect();
            let seen = leave_out(&log_lik, &mut room);
            let (others, variance) = ((mean * n as f64 - y_i) / (n - 1) as f64, 1.0 + 1.0 / (n - 1) as f64);
            let exact = -0.5 * (y_i - others).powi(2) / variance - 0.5 * (std::f64::consts::TAU * variance).ln();
            // Monte Carlo error of 8000 draws; y within three sds moves θ's mean by less than a tenth of an sd of y.
            assert!((seen.elpd - exact).abs() < 0.01, "{y_i}: {} for {exact}", seen.elpd);
            assert!(seen.k < 0.5, "{}", seen.k);
            assert!(seen.elpd < seen.lpd);
        }
    }

    /// `arviz.psislw` 0.23.4 on the negative of these numbers: elpd, k and lpd.
    #[test]
    fn smoothing_is_arviz_s() {
        let cases = [
            (200, 1.0, [-0.5915213145336935, -0.3978791185951263, -0.36230756135573117]),
            (200, 4.0, [-3.898709917607947, 0.3483208004809418, -0.8934371058870472]),
            (1000, 2.0, [-1.5938745455201442, -0.6439071308160348, -0.7014196127366183]),
        ];
        for (draws, scale, [elpd, k, lpd]) in cases {
            let log_lik: Vec<f64> = (0..draws)
                .map(|i: u32| {
                    let (i, square) = (f64::from(i), f64::from(i * i % 997));
                    -scale * ((i * 1.3).sin() * 0.8 + (square * 0.7).cos() * 0.6).abs().powf(1.5)
                })
                .collect();
            let seen = leave_out(&log_lik, &mut Vec::new());
            // The same sums in another order.
            for (seen, expected) in [(seen.elpd, elpd), (seen.k, k), (seen.lpd, lpd)] {
                assert!((seen - expected).abs() < 1e-9, "{draws} × {scale}: {seen} for {expected}");
            }
        }
    }

    #[test]
    fn equal_weights_are_left_alone() {
        let seen = leave_out(&[-2.0; 500], &mut Vec::new());
        assert!((seen.elpd + 2.0).abs() < 1e-12 && (seen.lpd + 2.0).abs() < 1e-12);
        assert_eq!(k_limit(4000), 0.7);
        assert!((k_limit(100) - 0.5).abs() < 1e-12);
    }
}
