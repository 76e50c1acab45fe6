//! Dual averaging of the step size towards a target acceptance (Hoffman & Gelman 2014, section 3.2).
//!
//! Knows acceptance statistics and nothing of what produced them: NUTS runs one per chain, ChEES one for all chains.
//!
//! x_{t+1} = μ − (√t / γ) H̄_t with H̄_t the damped mean of (target − acceptance), and x̄ the average of x = ln ε with weight t^−κ.
//!
//! Acceptance falls faster than it rises, so that steps which wander around x̄ accept less often than x̄ itself does: kept as it is, x̄ would
//! realise 0.87 for a target of 0.8, with steps a third too short. [`DualAveraging::log_calibrated`] reads the step size off the
//! acceptances themselves instead.

use serde::{Deserialize, Serialize};
use statrs::function::erf::{erfc, erfc_inv};

const GAMMA: f64 = 0.05;
const T_0: f64 = 10.0;
const KAPPA: f64 = 0.75;

/// Dual averaging in progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct DualAveraging {
    target: f64,
    mu: f64,
    count: f64,
    mean_error: f64,
    log_step: f64,
    log_averaged: f64,
    /// Every (ln ε, acceptance) so far.
    heard: Vec<(f64, f64)>,
}

/// Fewest transitions from which a step size is read off.
const FEWEST_HEARD: usize = 12;
/// How far beyond the step sizes tried the one read off may lie, in ln ε.
const BEYOND: f64 = 0.2;

impl DualAveraging {
    /// Starts at `step_size`, which is also the value that iterates are drawn to (μ): each window begins from the step size that
    /// the last one settled on, so Stan's ln(10 ε) would only add divergences.
    pub(super) fn new(step_size: f64, target: f64) -> Self {
        let log_step = step_size.ln();
        Self { target, mu: log_step, count: 0.0, mean_error: 0.0, log_step, log_averaged: log_step, heard: Vec::new() }
    }

    /// Learns from one transition's acceptance in [0, 1]; anything that is not a number counts as 0.
    pub(super) fn learn(&mut self, acceptance: f64) {
        let acceptance = if acceptance.is_finite() { acceptance.clamp(0.0, 1.0) } else { 0.0 };
        self.heard.push((self.log_step, acceptance));
        self.count += 1.0;
        let t = self.count;
        let eta = 1.0 / (t + T_0);
        self.mean_error = (1.0 - eta) * self.mean_error + eta * (self.target - acceptance);
        self.log_step = self.mu - t.sqrt() / GAMMA * self.mean_error;
        let weight = t.powf(-KAPPA);
        self.log_averaged = weight * self.log_step + (1.0 - weight) * self.log_averaged;
    }

    /// The step size to try next.
    pub(super) fn current(&self) -> f64 {
        self.log_step.exp()
    }

    /// ln of the averaged step size.
    pub(super) fn log_averaged(&self) -> f64 {
        self.log_averaged
    }

    /// ln of the step size that meets the target by the law of acceptance a(ε) = 2 Φ(−c ε²) (normal energy errors with variance of order ε⁴:
    /// Beskos et al. 2013, "Optimal tuning of the hybrid Monte Carlo algorithm"), c being such that the law's mean over the steps tried is the
    /// mean acceptance that was seen. The first quarter of the transitions, when steps were still on their way, is left out.
    pub(super) fn log_calibrated(&self) -> f64 {
        let late = &self.heard[self.heard.len() / 4..];
        if late.len() < FEWEST_HEARD {
            return self.log_averaged;
        }
        let (low, high) = late.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), (x, _)| (l.min(*x), h.max(*x)));
        let seen: f64 = late.iter().map(|(_, a)| a).sum();
        let law = |s: f64| erfc(s / std::f64::consts::SQRT_2);
        let expected = |log_c: f64| late.iter().map(|(x, _)| law((log_c + 2.0 * x).exp())).sum::<f64>();
        // Between acceptance near 1 at the largest step and near 0 at the smallest.
        let (mut rare, mut frequent) = (3.0 - 2.0 * low, -12.0 - 2.0 * high);
        for _ in 0..50 {
            let middle = 0.5 * (rare + frequent);
            if expected(middle) > seen { frequent = middle } else { rare = middle }
        }
        let wanted = (std::f64::consts::SQRT_2 * erfc_inv(self.target)).ln();
        (0.5 * (wanted - 0.5 * (rare + frequent))).clamp(low - BEYOND, high + BEYOND)
    }
}

/// The step size several chains agree on: the median of their ln ε̄, so that one stuck chain cannot drag the others down.
pub(super) fn pool(log_averaged: &[f64]) -> f64 {
    let mut sorted: Vec<f64> = log_averaged.to_vec();
    sorted.sort_by(f64::total_cmp);
    let n = sorted.len();
    let middle = if n % 2 == 1 { sorted[n / 2] } else { 0.5 * (sorted[n / 2 - 1] + sorted[n / 2]) };
    middle.exp()
}

/// Whether a chain's ln ε̄ is near enough to the pooled step size for the chain to speak for the posterior: one that needs steps a hundred
/// times smaller is stuck somewhere special.
pub(super) fn speaks(log_averaged: f64, pooled: f64) -> bool {
    log_averaged > pooled.ln() - 100f64.ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Acceptance 1/(1+ε) meets the target 0.8 at ε = 0.25, from far above and far below.
    #[test]
    fn it_finds_the_step_that_meets_the_target() {
        for start in [1e-3, 0.25, 50.0] {
            let mut da = DualAveraging::new(start, 0.8);
            for _ in 0..400 {
                da.learn(1.0 / (1.0 + da.current()));
            }
            let found = da.log_averaged().exp();
            // The pull towards μ leaves a relative error of about γ·|ln start/ε*|/√t divided by the slope 0.16: 9 % at most.
            assert!((found / 0.25 - 1.0).abs() < 0.1, "{start} led to {found}");
        }
    }

    /// Acceptances that follow the law with noise of ±0.3, in a window of 60 transitions: the step size that meets the target on average over
    /// windows, where the average of the iterates falls short.
    #[test]
    fn calibration_meets_the_target_where_averaging_falls_short() {
        for (target, c) in [(0.8, 0.3), (0.8, 20.0), (0.65, 1.0)] {
            let truth = (std::f64::consts::SQRT_2 * erfc_inv(target) / c).sqrt().ln();
            let (mut averaged, mut calibrated) = (0.0, 0.0);
            for window in 0..40 {
                let mut da = DualAveraging::new(truth.exp(), target);
                let mut noise = crate::sampler::Stream::new(3, crate::sampler::Purpose::Test, window, 0);
                for _ in 0..60 {
                    let mean = erfc(c * da.current().powi(2) / std::f64::consts::SQRT_2);
                    // Symmetric noise that keeps the acceptance within [0, 1].
                    let reach = 0.3f64.min(mean).min(1.0 - mean);
                    da.learn(mean + reach * (2.0 * noise.uniform() - 1.0));
                }
                averaged += (da.log_averaged() - truth) / 40.0;
                calibrated += (da.log_calibrated() - truth) / 40.0;
            }
            // Forty windows know the mean to about 0.01.
            assert!(calibrated.abs() < 0.03, "target {target}: {calibrated}");
            assert!(averaged < calibrated - 0.02, "target {target}: averaging is off by {averaged}");
        }
    }

    #[test]
    fn not_a_number_counts_as_a_rejection() {
        let (mut a, mut b) = (DualAveraging::new(1.0, 0.8), DualAveraging::new(1.0, 0.8));
        a.learn(f64::NAN);
        b.learn(0.0);
        assert_eq!(a, b);
        assert!(a.current() < 1.0);
    }

    #[test]
    fn one_stuck_chain_does_not_move_the_pool() {
        let (half, tiny): (f64, f64) = (0.5f64.ln(), 1e-12f64.ln());
        let pooled = pool(&[half, tiny, half, half]);
        assert_eq!(pooled, half.exp());
        assert!(speaks(half, pooled) && !speaks(tiny, pooled));
        assert!((pool(&[half, half + 0.2]) - (half + 0.1).exp()).abs() < 1e-15);
    }
}
