//! One observation left out: its log predictive density given all the others, from draws with it, by importance weights 1 / L.

use crate::importance::{log_sum_exp, smooth};

/// What leaving one observation out says of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LeftOut {
    /// ln p(yᵢ | y₋ᵢ): its expected log predictive density.
    pub elpd: f64,
    /// Shape k of the tail of the importance weights: above [`crate::importance::k_limit`] the estimate cannot be trusted.
    pub k: f64,
    /// ln p(yᵢ | y): the same with it.
    pub lpd: f64,
}

/// Leaves one observation out, given its log-likelihood under every draw. `room` is scratch space.
pub fn leave_out(log_lik: &[f64], room: &mut Vec<(f64, usize)>) -> LeftOut {
    let lpd = log_sum_exp(log_lik.iter().copied()) - (log_lik.len() as f64).ln();
    let (weights, k) = smooth(log_lik.iter().map(|l| -l).collect(), room);
    let top = log_sum_exp(weights.iter().zip(log_lik).map(|(w, l)| w + l));
    LeftOut { elpd: top - log_sum_exp(weights.iter().copied()), k, lpd }
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
    }
}
