//! Covariates of simulated customers, and what they truly do: standard normal numbers, each of which moves how often a customer buys
//! and when the customer lapses.

use serde::{Deserialize, Serialize};

use super::groups::LapseTruth;
use crate::kernels::rng::{Purpose, Stream};

/// In the second place of an address: a customer's covariates.
const COVARIATE_ADDRESS: u32 = 2;

/// Coefficients given to one covariate after another, then again from the start: of purchases, of a (or of the rate of lapsing), of b.
const EFFECTS: [(f64, f64, f64); 5] =
    [(0.4, -0.2, 0.1), (-0.3, 0.2, 0.0), (0.2, 0.0, -0.2), (-0.1, 0.1, 0.1), (0.0, -0.1, 0.0)];

/// One covariate and its coefficients per unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CovariateTruth {
    /// The column's name.
    pub name: String,
    /// Purchase rates are multiplied by exp(this × value).
    pub purchase: f64,
    /// a, or the rate of lapsing, likewise.
    pub dropout: f64,
    /// b likewise, where customers lapse by chance.
    pub dropout_b: f64,
}

impl CovariateTruth {
    /// `covariate_1`, `covariate_2`, …
    pub fn some(count: u32) -> Vec<Self> {
        let digits = count.to_string().len();
        (0..count as usize)
            .map(|i| {
                let (purchase, dropout, dropout_b) = EFFECTS[i % EFFECTS.len()];
                Self { name: format!("covariate_{:0digits$}", i + 1), purchase, dropout, dropout_b }
            })
            .collect()
    }
}

/// What a customer's covariates multiply.
#[derive(Debug, Clone, Copy)]
pub(super) struct Factors {
    /// The purchase rate.
    pub purchase: f64,
    /// a, or the rate of lapsing.
    pub dropout: f64,
    /// b.
    pub dropout_b: f64,
}

impl Factors {
    /// Of a customer with these values.
    pub fn of(truths: &[CovariateTruth], values: impl Iterator<Item = f64>) -> Self {
        let mut sums = [0.0; 3];
        for (truth, z) in truths.iter().zip(values) {
            sums[0] += truth.purchase * z;
            sums[1] += truth.dropout * z;
            sums[2] += truth.dropout_b * z;
        }
        let [purchase, dropout, dropout_b] = sums.map(f64::exp);
        Self { purchase, dropout, dropout_b }
    }

    /// The lapsing of such a customer of a group.
    pub fn lapse(&self, group: LapseTruth) -> LapseTruth {
        match group {
            LapseTruth::Chance { a, b } => LapseTruth::Chance { a: a * self.dropout, b: b * self.dropout_b },
            // μ_i = μ e^γz: the rate parameter of its law is divided by as much.
            LapseTruth::Rate { s, beta } => LapseTruth::Rate { s, beta: beta / self.dropout },
            LapseTruth::Never {} => group,
            LapseTruth::Together { rate, death, sd_rate, sd_death, corr } => {
                LapseTruth::Together { rate, death: death * self.dropout, sd_rate, sd_death, corr }
            }
        }
    }
}

/// The covariates of a customer: a matter of seed and number alone.
pub(super) fn values(seed: u64, customer: u64, count: usize) -> impl Iterator<Item = f64> {
    let mut stream = Stream::new(seed, Purpose::Simulation, customer, COVARIATE_ADDRESS);
    (0..count).map(move |_| stream.normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_follow_the_coefficients() {
        let truths = CovariateTruth::some(2);
        assert_eq!(truths[1].name, "covariate_2");
        let f = Factors::of(&truths, [1.0, 2.0].into_iter());
        // 0.4 − 2 · 0.3; −0.2 + 2 · 0.2; 0.1.
        for (seen, sum) in [(f.purchase, -0.2), (f.dropout, 0.2), (f.dropout_b, 0.1)] {
            assert!((seen.ln() - sum).abs() < 1e-15, "{f:?}");
        }
        let rate = f.lapse(LapseTruth::Rate { s: 2.0, beta: 3.0 });
        assert_eq!(rate, LapseTruth::Rate { s: 2.0, beta: 3.0 / f.dropout });
        assert_eq!(CovariateTruth::some(12)[0].name, "covariate_01");
        assert_ne!(values(1, 5, 3).collect::<Vec<_>>(), values(1, 6, 3).collect::<Vec<_>>());
    }
}
