//! What the fitted population would have done since the first purchase: repeat purchases by calendar week, and how many customers
//! would have bought how often.
//!
//! Customers are simulated as new ones, from the population alone (λ ~ Gamma(r, α), p ~ Beta(a, b)): a check of the model, not a
//! prediction of the customers' futures.

use chrono::NaiveDate;
use rand_distr::{Distribution, Exp1};
use rayon::prelude::*;

use super::simulate::{self, customer_address};
use super::{Interval, Population};
use crate::data::{Summary, WeeklyRepeats};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Frequency classes 0, 1, …, 6 and "7+".
const CLASSES: usize = 8;

/// What the simulation needs besides the summary and the draws.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackingSettings {
    /// Seed of every simulated history.
    pub seed: u64,
    /// Draws to use at most, evenly thinned; 100 to 200 make a smooth band.
    pub draws: usize,
    /// Days in one unit of the model's time (7 for weeks).
    pub days_per_time_unit: f64,
    /// Time observed after the calibration end (the holdout's length, or 0), time units.
    pub observed_after: f64,
}

/// One calendar week.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackedWeek {
    /// First day.
    pub week_start: NaiveDate,
    /// Repeat purchases in this week.
    pub actual: u64,
    /// Predictive mean and 90 % band of `actual`.
    pub predicted: Interval,
    /// Repeat purchases up to the end of this week.
    pub actual_cumulative: u64,
    /// Predictive mean and 90 % band of `actual_cumulative`.
    pub predicted_cumulative: Interval,
}

/// Customers with one number of repeat purchases in the calibration window.
#[derive(Debug, Clone, PartialEq)]
pub struct FrequencyBand {
    /// `0` … `6`, `7+`.
    pub frequency: String,
    /// Customers who had it.
    pub actual: u64,
    /// Predictive mean and 90 % band of `actual`.
    pub predicted: Interval,
}

/// Actual and replicated histories.
#[derive(Debug, Clone, PartialEq)]
pub struct Tracking {
    /// By calendar week, as in the [`WeeklyRepeats`] given.
    pub weeks: Vec<TrackedWeek>,
    /// Number of leading weeks inside the calibration window.
    pub calibration_weeks: usize,
    /// By number of repeat purchases in the calibration window.
    pub frequencies: Vec<FrequencyBand>,
}

/// Simulates every customer's history from the first purchase to the end of observation, under each of a thinned set of draws.
///
/// Memory: weeks × draws. `progress` hears how many draws are done. A source without dates has no weeks; its histogram is there all
/// the same.
///
/// # Errors
/// Settings or draws that make no sense; weeks without counts or customers without dates.
pub fn track(
    summary: &Summary,
    weekly: &WeeklyRepeats,
    population: &Population,
    settings: &TrackingSettings,
    progress: &dyn Fn(u64),
) -> Result<Tracking> {
    population.check(summary)?;
    let valid = settings.draws > 0
        && settings.days_per_time_unit.is_finite()
        && settings.days_per_time_unit > 0.0
        && settings.observed_after >= 0.0;
    if !valid {
        return Err(Error::new(
            "tracking needs draws, a positive time unit and a window that does not end before it starts",
        )
        .seen(format!("{settings:?}")));
    }
    let weeks = weekly.week_start.len();
    if weekly.repeats.len() != weeks || (weeks > 0 && summary.first_purchase.len() != summary.len()) {
        return Err(Error::new("weekly tracking needs a count for every week and a first purchase for every customer")
            .seen(format!(
                "{} counts for {weeks} weeks, {} dates for {} customers",
                weekly.repeats.len(),
                summary.first_purchase.len(),
                summary.len()
            )));
    }
    let draws = thinned(population.draws(), settings.draws);
    let mut replicates = Vec::with_capacity(draws.len());
    for (done, &draw) in draws.iter().enumerate() {
        replicates.push(replicate(summary, weekly, population, settings, draw));
        progress((done + 1) as u64);
    }

    let band = |of: &dyn Fn(&Replicate) -> u64| {
        let values: Vec<f64> = replicates.iter().map(|replicate| of(replicate) as f64).collect();
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Interval::of(mean, values)
    };
    let running: Vec<Vec<u64>> = replicates.iter().map(|replicate| running_sums(&replicate.by_week)).collect();
    let cumulative_band = |week: usize| {
        let values: Vec<f64> = running.iter().map(|sums| sums[week] as f64).collect();
        Interval::of(values.iter().sum::<f64>() / values.len() as f64, values)
    };
    let mut actual_cumulative = 0;
    let tracked = (0..weeks)
        .map(|week| {
            actual_cumulative += weekly.repeats[week];
            TrackedWeek {
                week_start: weekly.week_start[week],
                actual: weekly.repeats[week],
                predicted: band(&|replicate| replicate.by_week[week]),
                actual_cumulative,
                predicted_cumulative: cumulative_band(week),
            }
        })
        .collect();
    let mut actual = [0; CLASSES];
    summary.frequency.iter().for_each(|&x| actual[class(x)] += 1);
    let frequencies = (0..CLASSES)
        .map(|k| FrequencyBand {
            frequency: if k + 1 == CLASSES { format!("{k}+") } else { k.to_string() },
            actual: actual[k],
            predicted: band(&|replicate| replicate.by_frequency[k]),
        })
        .collect();
    Ok(Tracking { weeks: tracked, calibration_weeks: weekly.calibration_weeks, frequencies })
}

fn running_sums(values: &[u64]) -> Vec<u64> {
    values
        .iter()
        .scan(0, |sum, value| {
            *sum += value;
            Some(*sum)
        })
        .collect()
}

/// `wanted` of `available` draws, evenly spaced.
fn thinned(available: usize, wanted: usize) -> Vec<usize> {
    let count = wanted.min(available);
    (0..count).map(|i| i * available / count).collect()
}

fn class(x: u32) -> usize {
    (x as usize).min(CLASSES - 1)
}

/// One replicated data set.
#[derive(Debug, Clone)]
struct Replicate {
    by_week: Vec<u64>,
    by_frequency: [u64; CLASSES],
}

impl Replicate {
    fn empty(weeks: usize) -> Self {
        Self { by_week: vec![0; weeks], by_frequency: [0; CLASSES] }
    }

    fn add(mut self, other: &Self) -> Self {
        self.by_week.iter_mut().zip(&other.by_week).for_each(|(sum, k)| *sum += k);
        self.by_frequency.iter_mut().zip(&other.by_frequency).for_each(|(sum, k)| *sum += k);
        self
    }
}

/// Counts are integers: however rayon splits the sum, it is the same.
fn replicate(
    summary: &Summary,
    weekly: &WeeklyRepeats,
    population: &Population,
    settings: &TrackingSettings,
    draw: usize,
) -> Replicate {
    let empty = || Replicate::empty(weekly.week_start.len());
    (0..summary.len())
        .into_par_iter()
        .fold(empty, |mut replicate, i| {
            simulate_history(summary, i, weekly, population, settings, draw, &mut replicate);
            replicate
        })
        .reduce(empty, |sum, part| sum.add(&part))
}

fn simulate_history(
    summary: &Summary,
    i: usize,
    weekly: &WeeklyRepeats,
    population: &Population,
    settings: &TrackingSettings,
    draw: usize,
    into: &mut Replicate,
) {
    let [r, alpha, a, b] = population.purchase_at(draw, summary.group[i] as usize);
    let address = customer_address(&summary.customer_id[i]);
    let rng = &mut Stream::new(settings.seed, Purpose::Tracking, address, draw as u32);
    let age = summary.age[i];
    let end = age + settings.observed_after;
    // The middle of the day: a purchase t days later falls on the day that t rounds to, which is the day it would be dated.
    // A source that was itself a summary has neither dates nor weeks.
    let first_day = match (weekly.week_start.first(), summary.first_purchase.get(i)) {
        (Some(start), Some(first)) => (*first - *start).num_days() as f64 + 0.5,
        _ => 0.0,
    };

    let lambda = simulate::gamma(rng, r) / alpha;
    let mut dropout = None;
    let (mut time, mut purchases, mut x) = (0.0, 0u32, 0u32);
    loop {
        let gap: f64 = Exp1.sample(rng);
        time += gap / lambda;
        // Also ends a customer whose rate underflowed to zero: the gap is then infinite.
        if time > end || time.is_nan() {
            break;
        }
        let last = *dropout.get_or_insert_with(|| {
            let p = simulate::beta(rng, a, b);
            simulate::geometric(rng, p)
        });
        purchases += 1;
        x += u32::from(time <= age);
        let week = ((first_day + time * settings.days_per_time_unit) / 7.0) as usize;
        if let Some(count) = into.by_week.get_mut(week) {
            *count += 1;
        }
        if purchases == last {
            break;
        }
    }
    into.by_frequency[class(x)] += 1;
}
