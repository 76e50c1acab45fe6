//! What a customer's behaviour is to the clusters: six features, five of them logarithms, on one scale. What a customer is worth is
//! none of them.
//!
//! | feature | from the summary | who has it |
//! | --- | --- | --- |
//! | frequency | ln(1 + x) | everyone |
//! | recency gap | ln(1 + T − t_x) | everyone |
//! | age | ln(1 + T) | everyone |
//! | purchase gap | ln(1 + t_x / x) | x > 0 |
//! | spend | ln(1 + m) | x > 0 |
//! | bought once | 1 if x = 0, else 0 | everyone |

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::data::Summary;

/// A feature of behaviour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Repeat purchases.
    Frequency,
    /// Time since the last purchase.
    RecencyGap,
    /// Time since the first purchase.
    Age,
    /// Mean time between purchases.
    PurchaseGap,
    /// Mean spend per repeat purchase.
    Spend,
    /// Whether there was one purchase only.
    BoughtOnce,
}

impl Feature {
    /// All of them, in the order of a point's coordinates.
    pub const ALL: [Self; FEATURES] =
        [Self::Frequency, Self::RecencyGap, Self::Age, Self::PurchaseGap, Self::Spend, Self::BoughtOnce];
}

pub(super) const FEATURES: usize = 6;

/// A customer or a centre on the common scale. A coordinate that tells nobody apart, or that a customer does not have, is 0.
pub(super) type Point = [f64; FEATURES];

/// A customer's features, before they are on a scale; `None` for what the customer does not have.
pub(super) type Features = [Option<f64>; FEATURES];

/// A standard deviation below this is rounding: the feature tells nobody apart. In logarithms it is a relative difference of 10⁻⁹.
const CONSTANT: f64 = 1e-9;

/// The features of the customer in `row`, in the order of [`Feature::ALL`]. What is not a number, or below 0, counts as 0.
pub(super) fn features(summary: &Summary, row: usize) -> Features {
    let log = |v: f64| v.max(0.0).ln_1p();
    let (x, t_x, t) = (f64::from(summary.frequency[row]), summary.recency[row], summary.age[row]);
    let again = x > 0.0;
    [
        Some(log(x)),
        Some(log(t - t_x)),
        Some(log(t)),
        again.then(|| log(t_x / x)),
        again.then(|| log(summary.monetary[row])),
        Some(if again { 0.0 } else { 1.0 }),
    ]
}

/// The common scale: mean 0 and standard deviation 1 among those who have a feature.
///
/// The indicator has two values, which stand 2 apart however rare one of them is, as those of an even indicator would (Gelman 2008,
/// "Scaling regression inputs by dividing by two standard deviations"): divided by its own standard deviation, a kind of customer of
/// whom there is one in ten thousand would be a cluster before anything else is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Scale {
    mean: [f64; FEATURES],
    /// `None` for a feature that is the same for everyone.
    unit: [Option<f64>; FEATURES],
}

impl Scale {
    /// The scale of the customers in `rows`, added up in their order.
    pub(super) fn of(summary: &Summary, rows: &[u32]) -> Self {
        let sum = |term: &dyn Fn(&Features) -> Features| {
            let (mut sum, mut count) = ([0.0; FEATURES], [0.0; FEATURES]);
            for &row in rows {
                for (i, term) in term(&features(summary, row as usize)).into_iter().enumerate() {
                    if let Some(term) = term {
                        sum[i] += term;
                        count[i] += 1.0;
                    }
                }
            }
            std::array::from_fn(|i| if count[i] > 0.0 { sum[i] / count[i] } else { 0.0 })
        };
        let mean: [f64; FEATURES] = sum(&|features| *features);
        let square = |i: usize, v: f64| (v - mean[i]) * (v - mean[i]);
        let variance: [f64; FEATURES] = sum(&|features| std::array::from_fn(|i| features[i].map(|v| square(i, v))));
        let unit = std::array::from_fn(|i| {
            let sd = variance[i].sqrt();
            (sd > CONSTANT).then_some(if Feature::ALL[i] == Feature::BoughtOnce { 0.5 } else { sd })
        });
        Self { mean, unit }
    }

    /// Where a customer with these features is. What a customer does not have is at the mean of those who have it.
    pub(super) fn place(&self, features: &Features) -> Point {
        std::array::from_fn(|i| match (features[i], self.unit[i]) {
            (Some(v), Some(unit)) => (v - self.mean[i]) / unit,
            _ => 0.0,
        })
    }

    /// The features that tell nobody apart.
    pub(super) fn left_out(&self) -> Vec<Feature> {
        Feature::ALL.into_iter().zip(self.unit).filter(|(_, unit)| unit.is_none()).map(|(feature, _)| feature).collect()
    }
}

/// Squared distance.
#[inline]
pub(super) fn square_distance(a: &Point, b: &Point) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The middle of a cluster before it is put on any scale: means of the features, so that another run can put it on its own.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Centre {
    /// Mean of ln(1 + x).
    pub frequency: f64,
    /// Mean of ln(1 + T − t_x).
    pub recency_gap: f64,
    /// Mean of ln(1 + T).
    pub age: f64,
    /// Mean of ln(1 + t_x / x) of those with x > 0; null without any.
    pub purchase_gap: Option<f64>,
    /// Mean of ln(1 + m) of those with x > 0; null without any.
    pub spend: Option<f64>,
    /// Share of those who bought once.
    pub bought_once: f64,
}

impl Centre {
    /// The centres of the customers in `rows`, who belong to the cluster that `of_row` says, of `k`; added up in the order of `rows`.
    pub(super) fn all(summary: &Summary, rows: &[u32], of_row: &[u32], k: usize) -> Vec<Self> {
        let mut sums = vec![[(0.0, 0.0); FEATURES]; k];
        for (&row, &cluster) in rows.iter().zip(of_row) {
            for (sum, feature) in sums[cluster as usize].iter_mut().zip(features(summary, row as usize)) {
                if let Some(v) = feature {
                    *sum = (sum.0 + v, sum.1 + 1.0);
                }
            }
        }
        let mean = |(sum, count): (f64, f64)| (count > 0.0).then(|| sum / count);
        sums.into_iter()
            .map(|sums| {
                let [frequency, recency_gap, age, purchase_gap, spend, bought_once] = sums.map(mean);
                // Everyone has these four, and no cluster is empty.
                let [frequency, recency_gap, age, bought_once] =
                    [frequency, recency_gap, age, bought_once].map(|mean| mean.unwrap_or(0.0));
                Self { frequency, recency_gap, age, purchase_gap, spend, bought_once }
            })
            .collect()
    }

    /// Where it is on a scale: the mean of its customers' places.
    pub(super) fn place(&self, scale: &Scale) -> Point {
        let Self { frequency, recency_gap, age, purchase_gap, spend, bought_once } = *self;
        let mut place =
            scale.place(&[Some(frequency), Some(recency_gap), Some(age), purchase_gap, spend, Some(bought_once)]);
        // Those who bought once are at 0 where the others have these two.
        for feature in [Feature::PurchaseGap, Feature::Spend] {
            place[feature as usize] *= 1.0 - bought_once;
        }
        place
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Who did not come again is where the others are on average, in what only they have, and 2 from them by the indicator.
    #[test]
    fn what_a_customer_does_not_have_is_at_the_mean() {
        let summary = Summary {
            frequency: vec![0, 1, 3, 0, 7],
            recency: vec![0.0, 4.0, 6.0, 0.0, 30.0],
            age: vec![20.0, 10.0, 30.0, 5.0, 31.0],
            monetary: vec![0.0, 5.0, 50.0, 0.0, 20.0],
            ..Summary::default()
        };
        let rows = [0, 1, 2, 3, 4];
        let scale = Scale::of(&summary, &rows);
        let places = rows.map(|row| scale.place(&features(&summary, row as usize)));
        for once in [0, 3] {
            assert_eq!(
                (places[once][Feature::PurchaseGap as usize], places[once][Feature::Spend as usize]),
                (0.0, 0.0)
            );
        }
        for (i, feature) in Feature::ALL.into_iter().enumerate() {
            assert_eq!(feature as usize, i);
            let again = matches!(feature, Feature::PurchaseGap | Feature::Spend);
            let who: Vec<f64> =
                if again { [1, 2, 4].map(|row| places[row][i]).into() } else { places.map(|p| p[i]).into() };
            let n = who.len() as f64;
            let mean = who.iter().sum::<f64>() / n;
            // A handful of additions of numbers near 1.
            assert!(mean.abs() < 1e-14, "{feature:?} {mean}");
            let sd = (who.iter().map(|v| v * v).sum::<f64>() / n).sqrt();
            if feature != Feature::BoughtOnce {
                assert!((sd - 1.0).abs() < 1e-14, "{feature:?} {sd}");
            }
        }
        assert!((places[0][5] - places[1][5] - 2.0).abs() < 1e-15);

        // A centre, taken off the scale and put on it again, is the mean of its customers' places.
        let centres = Centre::all(&summary, &rows, &[0, 0, 1, 1, 1], 2);
        for (centre, members) in centres.iter().zip([vec![0, 1], vec![2, 3, 4]]) {
            let place = centre.place(&scale);
            for i in 0..FEATURES {
                let mean = members.iter().map(|&m: &usize| places[m][i]).sum::<f64>() / members.len() as f64;
                assert!((place[i] - mean).abs() < 1e-14, "{i}: {} {mean}", place[i]);
            }
        }
    }
}
