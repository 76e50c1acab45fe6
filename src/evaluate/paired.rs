//! Champion against challenger: two predictions of the same customers over the same window, every metric's difference with an interval
//! that leaves the same customers out of both. What both find hard cancels, so that a difference far smaller than either error shows.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accuracy::{Outcomes, Replicates, Target};
use super::measure::{Measure, RELATIVE_TOLERANCE};
use super::metric::{Better, Metric};
use crate::error::{Error, Result};

/// Version of the keys of [`Paired`].
const SCHEMA_VERSION: u32 = 1;

/// A challenger held against a champion.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Paired {
    /// Version of these keys.
    pub schema_version: u32,
    /// What was predicted.
    pub target: Target,
    /// Length of the window in calendar months.
    pub horizon_months: u32,
    /// Customers that both predicted.
    pub customers: u64,
    /// Every metric that has a better side, in the order of the table. At 90 %, about one in ten of equal pairs looks different.
    pub differences: Vec<Difference>,
}

/// Both predictions by one metric.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// By what.
    pub metric: Metric,
    /// The champion's.
    pub champion: Measure,
    /// The challenger's.
    pub challenger: Measure,
    /// Challenger less champion.
    pub difference: Measure,
    /// How much better the challenger is: by how much less it misses the metric's better side. Positive is better whatever the metric.
    pub improvement: Measure,
    /// What may be said of the challenger.
    pub verdict: Verdict,
}

/// What the interval of the improvement says of the challenger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval lies above 0.
    Better,
    /// The whole interval lies below 0.
    Worse,
    /// It holds 0, or is not known, or all of it is rounding.
    Indistinguishable,
    /// One of them does not have the metric.
    Undefined,
}

/// Holds a challenger against a champion.
///
/// # Errors
/// They are not the same customers over the same window: other targets, horizons, blocks or outcomes; or neither can be measured.
pub fn paired(champion: &Outcomes<'_>, challenger: &Outcomes<'_>) -> Result<Paired> {
    check_same(champion, challenger)?;
    let (old, new) = (Replicates::of(champion)?, Replicates::of(challenger)?);
    let row = |metric: Metric| {
        let better = metric.better();
        let improvement = old.measure_with(&new, metric, |old, new| Some(better.loss(old)? - better.loss(new)?));
        let (champion, challenger) = (old.measure(metric), new.measure(metric));
        Difference {
            metric,
            champion,
            challenger,
            difference: old.measure_with(&new, metric, |old, new| Some(new - old)),
            improvement,
            verdict: verdict(&champion, &challenger, &improvement),
        }
    };
    Ok(Paired {
        schema_version: SCHEMA_VERSION,
        target: champion.target,
        horizon_months: champion.horizon_months,
        customers: champion.predicted.len() as u64,
        differences: Metric::all().filter(|metric| metric.better() != Better::Neither).map(row).collect(),
    })
}

fn verdict(champion: &Measure, challenger: &Measure, improvement: &Measure) -> Verdict {
    let (Some(old), Some(new), Some(gain)) = (champion.value, challenger.value, improvement.value) else {
        return Verdict::Undefined;
    };
    if gain.abs() <= RELATIVE_TOLERANCE * old.abs().max(new.abs()) {
        return Verdict::Indistinguishable;
    }
    match (improvement.low, improvement.high) {
        (Some(low), _) if low > 0.0 => Verdict::Better,
        (_, Some(high)) if high < 0.0 => Verdict::Worse,
        _ => Verdict::Indistinguishable,
    }
}

fn check_same(champion: &Outcomes<'_>, challenger: &Outcomes<'_>) -> Result<()> {
    let of = |o: &Outcomes<'_>| (o.target, o.horizon_months);
    if of(champion) != of(challenger) {
        return Err(Error::new("champion and challenger must predict the same thing over the same horizon")
            .seen(format!("{:?} and {:?}", of(champion), of(challenger)))
            .advice("score both with one cutoff and one horizon"));
    }
    if champion.block != challenger.block
        || champion.actual != challenger.actual
        || champion.purchases.map(|p| p.actual) != challenger.purchases.map(|p| p.actual)
    {
        return Err(Error::new(
            "champion and challenger must be measured on the same customers and outcomes, row by row",
        )
        .seen(format!("{} and {} rows", champion.block.len(), challenger.block.len()))
        .advice("join both predictions to the same customers by customer_id"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::measure::BLOCKS;
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    struct World {
        block: Vec<u8>,
        actual: Vec<f64>,
        rate: Vec<f64>,
        noise: Vec<[f64; 2]>,
    }

    fn world(customers: usize, seed: u64) -> World {
        let mut world = World { block: Vec::new(), actual: Vec::new(), rate: Vec::new(), noise: Vec::new() };
        for i in 0..customers {
            let rng = &mut Stream::new(seed, Purpose::Test, i as u64, 1);
            let rate = -2.0 * rng.uniform().ln();
            world.rate.push(rate);
            world.actual.push(rate + 1.5 * rng.normal());
            world.noise.push([rng.normal(), rng.normal()]);
            world.block.push((rng.uniform() * BLOCKS as f64) as u8);
        }
        world
    }

    impl World {
        /// The rate with some of one of two noises.
        fn predicted(&self, noise: f64, which: usize) -> Vec<f64> {
            self.rate.iter().zip(&self.noise).map(|(rate, n)| rate + noise * n[which]).collect()
        }

        fn outcomes<'a>(&'a self, predicted: &'a [f64]) -> Outcomes<'a> {
            Outcomes {
                target: Target::Value,
                horizon_months: 6,
                block: &self.block,
                predicted,
                actual: &self.actual,
                purchases: None,
            }
        }
    }

    fn of(paired: &Paired, metric: Metric) -> Difference {
        *paired.differences.iter().find(|row| row.metric == metric).unwrap()
    }

    /// A difference of a thirtieth of an RMSE, less than either's own error, is seen because both stumble over the same customers.
    #[test]
    fn a_small_difference_shows_when_both_are_measured_on_the_same_customers() {
        let world = world(3000, 1);
        let (old, new) = (world.predicted(0.4, 0), world.predicted(0.2, 0));
        let found = paired(&world.outcomes(&old), &world.outcomes(&new)).unwrap();
        let rmse = of(&found, Metric::Rmse);
        assert!(rmse.difference.value.unwrap() < 0.0 && rmse.improvement.value.unwrap() > 0.0);
        assert!(rmse.difference.se < rmse.champion.se.map(|se| se / 2.0), "{rmse:?}");
        assert_eq!(rmse.improvement.value, rmse.difference.value.map(|d| -d));
        for metric in [Metric::Rmse, Metric::R2, Metric::RmseOverMean, Metric::GiniNormalized] {
            assert_eq!(of(&found, metric).verdict, Verdict::Better, "{}", metric.key());
        }
        let back = paired(&world.outcomes(&new), &world.outcomes(&old)).unwrap();
        assert_eq!(of(&back, Metric::Rmse).verdict, Verdict::Worse);
        assert_eq!(of(&back, Metric::Coverage90).verdict, Verdict::Undefined);
        assert!(found.differences.iter().all(|row| row.metric != Metric::MeanActual));
    }

    /// Two predictions that are equally good: over 200 worlds one in ten is called different, as 90 % intervals promise.
    #[test]
    fn equals_are_rarely_told_apart() {
        let mut told = [0u32; 2];
        for seed in 0..200 {
            let world = world(400, 100 + seed);
            let (one, other) = (world.predicted(0.5, 0), world.predicted(0.5, 1));
            let found = paired(&world.outcomes(&one), &world.outcomes(&other)).unwrap();
            for (told, metric) in told.iter_mut().zip([Metric::Rmse, Metric::GiniNormalized]) {
                *told += u32::from(of(&found, metric).verdict != Verdict::Indistinguishable);
            }
        }
        // 20 expected, binomial error 4.2.
        assert!(told.iter().all(|told| (7..=33).contains(told)), "{told:?}");
    }

    #[test]
    fn a_prediction_equals_itself_and_its_rounding() {
        let world = world(500, 3);
        let one = world.predicted(0.5, 0);
        let rounded: Vec<f64> = one.iter().map(|p| p * (1.0 + 1e-14)).collect();
        for other in [&one, &rounded] {
            let found = paired(&world.outcomes(&one), &world.outcomes(other)).unwrap();
            for row in &found.differences {
                let undefined = row.champion.value.is_none();
                let expected = if undefined { Verdict::Undefined } else { Verdict::Indistinguishable };
                assert_eq!(row.verdict, expected, "{}", row.metric.key());
            }
        }
    }

    /// What is to be near 1 is better when nearer, from either side.
    #[test]
    fn a_ratio_is_better_nearer_to_one() {
        let world = world(2000, 4);
        let scaled = |factor: f64| world.rate.iter().map(|rate| rate * factor).collect::<Vec<f64>>();
        for (old, new, verdict) in
            [(1.5, 0.95, Verdict::Better), (0.6, 1.05, Verdict::Better), (1.0, 0.5, Verdict::Worse)]
        {
            let (old, new) = (scaled(old), scaled(new));
            let found = paired(&world.outcomes(&old), &world.outcomes(&new)).unwrap();
            assert_eq!(of(&found, Metric::TotalRatio).verdict, verdict);
        }
    }

    #[test]
    fn other_customers_or_windows_are_refused() {
        let (here, there) = (world(50, 5), world(50, 6));
        let predicted = here.predicted(0.1, 0);
        let complaint = paired(&here.outcomes(&predicted), &there.outcomes(&predicted)).unwrap_err().to_string();
        assert!(complaint.contains("same customers"), "{complaint}");
        let later = Outcomes { horizon_months: 12, ..here.outcomes(&predicted) };
        assert!(paired(&here.outcomes(&predicted), &later).unwrap_err().to_string().contains("same horizon"));
    }
}
