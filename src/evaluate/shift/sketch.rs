//! A distribution in at most 512 points, good enough for its Kolmogorov–Smirnov distance to later values.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Points at most. A distance is then too small by a five-hundredth at most; with fewer distinct values than this it is exact.
const POINTS: usize = 512;

/// λ at which Kolmogorov's distribution leaves 5 %.
const LAMBDA_95: f64 = 1.358_099;

/// Values of a sample, how many are at most and how many below each: all distinct values when they are few, else those at evenly
/// spaced ranks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Sketch {
    /// Ascending.
    pub value: Vec<f64>,
    /// Sample values at most this.
    pub at_most: Vec<u64>,
    /// Sample values below this.
    pub below: Vec<u64>,
}

/// A Kolmogorov–Smirnov distance between two samples, and what chance makes of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Ks {
    /// Largest distance between the two distribution functions.
    pub distance: f64,
    /// What one in twenty pairs of samples of one distribution exceeds. Ties make it rarer still.
    pub critical_95: f64,
    /// How often two samples of one distribution are at least this far apart.
    pub p_value: f64,
}

impl Sketch {
    /// Of an ascending sample.
    pub(super) fn of(sorted: &[f64]) -> Self {
        let mut value: Vec<f64> = sorted.to_vec();
        value.dedup();
        if value.len() > POINTS {
            value = (0..POINTS).map(|i| sorted[i * (sorted.len() - 1) / (POINTS - 1)]).collect();
            value.dedup();
        }
        let counts = |is: fn(f64, f64) -> bool| {
            value.iter().map(|&v| sorted.partition_point(|&x| is(x, v)) as u64).collect::<Vec<u64>>()
        };
        Self { at_most: counts(|x, v| x <= v), below: counts(|x, v| x < v), value }
    }

    /// Whether its columns have one length.
    pub(super) fn is_whole(&self) -> bool {
        self.at_most.len() == self.value.len() && self.below.len() == self.value.len()
    }

    /// The distance of a later sample in any order; `None` when either is empty.
    ///
    /// Both distribution functions rise, so that between two neighbouring points they are farthest apart at an end.
    pub(super) fn ks(&self, now: &[f64]) -> Option<Ks> {
        let (n, m) = (*self.at_most.last()? as f64, now.len() as f64);
        if now.is_empty() {
            return None;
        }
        let points = self.value.len();
        // Of the later values: those between a point and the one before, and those at it.
        let (mut between, mut at) = (vec![0u64; points + 1], vec![0u64; points]);
        for &x in now {
            let place = self.value.partition_point(|&v| v < x);
            if self.value.get(place) == Some(&x) { at[place] += 1 } else { between[place] += 1 }
        }
        let (mut so_far, mut distance) = (0u64, 0.0_f64);
        for j in 0..points {
            so_far += between[j];
            distance = distance.max((self.below[j] as f64 / n - so_far as f64 / m).abs());
            so_far += at[j];
            distance = distance.max((self.at_most[j] as f64 / n - so_far as f64 / m).abs());
        }
        // Stephens (1970): Kolmogorov's limit holds from samples of a handful on with this scale.
        let size = (n * m / (n + m)).sqrt();
        let scale = size + 0.12 + 0.11 / size;
        Some(Ks { distance, critical_95: LAMBDA_95 / scale, p_value: survival(scale * distance) })
    }
}

/// P(K > λ) of Kolmogorov's distribution: 2 Σ (−1)^(k−1) exp(−2 k² λ²).
fn survival(lambda: f64) -> f64 {
    // The series needs many terms near 0, where the answer is 1 to six digits.
    if lambda < 0.27 {
        return 1.0;
    }
    let term = |k: i32| f64::from(1 - 2 * ((k + 1) % 2)) * (-2.0 * f64::from(k * k) * lambda * lambda).exp();
    (2.0 * (1..=20).map(term).sum::<f64>()).clamp(0.0, 1.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    #[test]
    fn distances_in_closed_cases() {
        let sketch = Sketch::of(&[0.0, 0.0, 1.0, 2.0]);
        assert_eq!(sketch, Sketch { value: vec![0.0, 1.0, 2.0], at_most: vec![2, 3, 4], below: vec![0, 2, 3] });
        for (now, expected) in [
            (&[2.0, 0.0, 1.0, 0.0][..], 0.0),
            (&[3.0], 1.0),
            (&[-1.0], 1.0),
            // Half the reference is at most 0.5, nothing of this is.
            (&[0.6, 0.6], 0.5),
            (&[1.0], 0.5),
            (&[0.0, 2.0], 0.25),
        ] {
            assert_eq!(sketch.ks(now).unwrap().distance, expected, "{now:?}");
        }
        assert_eq!(sketch.ks(&[]), None);
        assert_eq!(Sketch::of(&[]).ks(&[1.0]), None);
    }

    /// Points of Kolmogorov's distribution: Smirnov (1948), table.
    #[test]
    fn kolmogorov_has_its_table() {
        for (lambda, expected) in [(0.5, 0.963_945), (1.0, 0.269_999_7), (LAMBDA_95, 0.05), (1.627_62, 0.01)] {
            assert!((survival(lambda) - expected).abs() < 2e-6, "{lambda}: {}", survival(lambda));
        }
        assert_eq!(survival(0.1), 1.0);
        assert!((0.0..1e-60).contains(&survival(9.0)));
    }

    /// 20 000 distinct values in 512 points: as near the full distance as the spacing of the points allows.
    #[test]
    fn a_sketch_of_many_values_is_close() {
        let sample = |purpose: u64, n: u64, shift: f64| -> Vec<f64> {
            let of = |i| Stream::new(purpose, Purpose::Test, i, 0).normal() + shift;
            (0..n).map(of).collect()
        };
        let mut reference = sample(1, 20_000, 0.0);
        reference.sort_by(f64::total_cmp);
        for shift in [0.0, 0.02, 0.3] {
            let now = sample(2, 3000, shift);
            let full = now.iter().chain(&reference).map(|&x| {
                let share = |values: &[f64]| values.iter().filter(|v| **v <= x).count() as f64 / values.len() as f64;
                (share(&reference[..]), share(&now))
            });
            let full = full.step_by(7).map(|(f, g)| (f - g).abs()).fold(0.0, f64::max);
            let found = Sketch::of(&reference).ks(&now).unwrap().distance;
            assert!((found - full).abs() < 1.0 / 500.0, "{found} {full}");
        }
    }
}
