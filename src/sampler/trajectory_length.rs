//! The trajectory length that ChEES-HMC learns: stochastic ascent on ln T, its jitter, and the floor under it.
//!
//! Knows one number and its gradient; not the chains that the gradient came from (that is `chees`).
//!
//! Adam without momentum (β₁ = 0, β₂ = 0.95, rate 0.025) on ln T, each update within ±0.35, T in [ε, cap · ε], averaged with weight t^−½
//! (Hoffman, Radul & Sountsov 2021, algorithm 1). Each transition uses T_used = u T, with u from van der Corput's sequence in base 2,
//! beginning at index 1 and shared by all chains.

use serde::{Deserialize, Serialize};

const RATE: f64 = 0.025;
const BETA_2: f64 = 0.95;
const LARGEST_UPDATE: f64 = 0.35;

/// Trajectory length in the making.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct TrajectoryLength {
    log_t: f64,
    log_averaged: f64,
    second_moment: f64,
    updates: f64,
    /// T may not fall below this, a quarter of the slowest direction's period, nor rise above twice as much: after half a period every
    /// direction has been to its other side.
    floor: f64,
    /// Index of the next jitter.
    jitter_index: u64,
}

impl TrajectoryLength {
    pub(super) fn new(t: f64) -> Self {
        Self { log_t: t.ln(), log_averaged: t.ln(), second_moment: 0.0, updates: 0.0, floor: 0.0, jitter_index: 1 }
    }

    /// The next transition's T_used = u T, u in (0, 1).
    pub(super) fn next_used(&mut self) -> f64 {
        let u = van_der_corput(self.jitter_index);
        self.jitter_index += 1;
        u * self.log_t.exp()
    }

    /// Follows a gradient of the criterion with respect to ln T; ignores one that is not a number.
    pub(super) fn learn(&mut self, gradient: f64, step_size: f64, max_leapfrogs: u32) {
        if !gradient.is_finite() {
            return;
        }
        self.updates += 1.0;
        self.second_moment = BETA_2 * self.second_moment + (1.0 - BETA_2) * gradient * gradient;
        let scale = (self.second_moment / (1.0 - BETA_2.powf(self.updates))).sqrt();
        let update = if scale > 0.0 { RATE * gradient / scale } else { 0.0 };
        self.log_t += update.clamp(-LARGEST_UPDATE, LARGEST_UPDATE);
        self.keep_within(step_size, max_leapfrogs);
        let weight = self.updates.powf(-0.5);
        self.log_averaged = weight * self.log_t + (1.0 - weight) * self.log_averaged;
    }

    /// Forgets what was learnt in the coordinates of the last metric, keeps T (times `rescale`), and sets the floor
    /// (π/2) · √λmax, where λmax is the largest variance in the new coordinates.
    pub(super) fn restart(&mut self, rescale: f64, largest_variance: f64) {
        self.log_t += rescale.ln();
        if self.confine(largest_variance) {
            self.log_t = self.log_t.clamp(self.floor.ln(), (2.0 * self.floor).ln());
        }
        self.log_averaged = self.log_t;
        self.second_moment = 0.0;
        self.updates = 0.0;
    }

    /// Sets the floor (π/2) · √λmax, for what is learnt from here on. A variance that says nothing leaves it as it is; says whether it spoke.
    pub(super) fn confine(&mut self, largest_variance: f64) -> bool {
        let speaks = largest_variance.is_finite() && largest_variance > 0.0;
        if speaks {
            self.floor = std::f64::consts::FRAC_PI_2 * largest_variance.sqrt();
        }
        speaks
    }

    /// Takes the average as final.
    pub(super) fn freeze(&mut self, step_size: f64, max_leapfrogs: u32) {
        self.log_t = self.log_averaged;
        self.keep_within(step_size, max_leapfrogs);
        self.log_averaged = self.log_t;
    }

    /// The length after warm-up.
    pub(super) fn settled(&self) -> f64 {
        self.log_t.exp()
    }

    /// The floor, if the cap on leapfrog steps lies below it.
    pub(super) fn floor_above_cap(&self, step_size: f64, max_leapfrogs: u32) -> Option<f64> {
        (self.floor > step_size * f64::from(max_leapfrogs)).then_some(self.floor)
    }

    /// Whether the cap on leapfrog steps is what keeps the length where it is: no transition then asks for more than the cap, and none
    /// is as long as was learnt.
    pub(super) fn is_capped(&self, step_size: f64, max_leapfrogs: u32) -> bool {
        // Both sides are the exponential of one logarithm where the cap has bound.
        self.log_t >= (step_size * f64::from(max_leapfrogs)).ln()
    }

    fn keep_within(&mut self, step_size: f64, max_leapfrogs: u32) {
        // The cap is applied last: it wins over the floor.
        let lowest = self.floor.max(step_size).ln();
        let half_period = if self.floor > 0.0 { 2.0 * self.floor.max(step_size) } else { f64::INFINITY };
        let highest = (step_size * f64::from(max_leapfrogs)).min(half_period).ln();
        self.log_t = self.log_t.max(lowest).min(highest);
    }
}

/// Digits of `index` in base 2, mirrored at the point: ½, ¼, ¾, ⅛, …
fn van_der_corput(index: u64) -> f64 {
    // Exact for every index below 2⁵³.
    (index.reverse_bits() >> 11) as f64 / 9_007_199_254_740_992.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_the_sequence_from_index_one() {
        let mut t = TrajectoryLength::new(1.0);
        let seen: Vec<f64> = (0..7).map(|_| t.next_used()).collect();
        assert_eq!(seen, [0.5, 0.25, 0.75, 0.125, 0.625, 0.375, 0.875]);
    }

    /// A gradient of ln T that vanishes at T = 3: −(ln T − ln 3).
    #[test]
    fn it_climbs_to_where_the_gradient_vanishes() {
        for start in [0.05, 3.0, 90.0] {
            let mut t = TrajectoryLength::new(start);
            for _ in 0..800 {
                let gradient = 3f64.ln() - t.log_t;
                t.learn(gradient, 0.01, 100_000);
            }
            t.freeze(0.01, 100_000);
            // Adam's steps near the optimum are about the rate; the average smooths them.
            assert!((t.settled().ln() - 3f64.ln()).abs() < 0.05, "{start} led to {}", t.settled());
        }
    }

    #[test]
    fn the_cap_wins_over_the_floor_and_says_so() {
        let mut t = TrajectoryLength::new(1.0);
        t.restart(1.0, 400.0);
        assert_eq!(t.settled(), std::f64::consts::FRAC_PI_2 * 20.0);
        assert_eq!(t.floor_above_cap(0.1, 1000), None);
        assert!(t.floor_above_cap(0.01, 1000).is_some());
        assert!(!t.is_capped(0.1, 1000));
        t.freeze(0.01, 1000);
        assert!(t.is_capped(0.01, 1000));
        assert!((t.settled() - 10.0).abs() < 1e-12);
    }

    #[test]
    fn it_stays_within_half_a_period_of_the_slowest_direction() {
        let mut t = TrajectoryLength::new(50.0);
        t.restart(1.0, 1.0);
        assert!((t.settled() - std::f64::consts::PI).abs() < 1e-12);
        (0..100).for_each(|_| t.learn(1.0, 0.1, 1000));
        assert!((t.settled() - std::f64::consts::PI).abs() < 1e-12);
        (0..1000).for_each(|_| t.learn(-1.0, 0.1, 1000));
        assert!((t.settled() - std::f64::consts::FRAC_PI_2).abs() < 1e-12);
    }

    #[test]
    fn a_gradient_that_is_not_a_number_changes_nothing() {
        let mut t = TrajectoryLength::new(2.0);
        let before = t.clone();
        t.learn(f64::NAN, 0.1, 1000);
        t.learn(f64::INFINITY, 0.1, 1000);
        assert_eq!(t, before);
    }
}
