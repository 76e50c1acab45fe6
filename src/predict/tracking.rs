//! What the fitted population would have done since the first purchase: repeat purchases by calendar week, and how many customers
//! would have bought how often.
//!
//! Customers are simulated as new ones, from the population alone: a check of the model, not a
//! prediction of the customers' futures. Nothing tells customers of one group and day of first purchase apart then, so that they are
//! simulated as a cohort: how many of them buy again at all, and what those do.

use chrono::NaiveDate;
use rayon::prelude::*;

use super::future::{History, Outlook, Purchases, binomial};
use super::laws::Law;
use super::{CovariateDraws, Interval, Population};
use crate::data::{Summary, WeeklyRepeats};
use crate::error::{Error, Result};
use crate::kernels::rng::{Ahead, Purpose, address_of};

/// Frequency classes 0, 1, …, 6 and "7+".
pub(super) const CLASSES: usize = 8;

/// Draws simulated between two words to `progress`.
const DRAWS_AT_ONCE: usize = 64;

/// From here on purchases are counted week by week instead of placed one by one.
const MANY_TIMES: u32 = 64;

/// Cohorts below this are simulated customer by customer.
const LARGE: u64 = 8;

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
/// Memory: weeks × draws, and 16 bytes per customer while they are sorted into cohorts. `progress` hears how many draws are done. A source without dates has no weeks; its histogram is there all
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
    let kinds = population.covariates.as_ref().map(CovariateDraws::kinds);
    let cohorts = cohorts(summary, weekly, kinds.as_deref());
    let mut replicates = Vec::with_capacity(draws.len());
    for draws in draws.chunks(DRAWS_AT_ONCE) {
        replicates.par_extend(draws.par_iter().map(|&draw| replicate(&cohorts, weeks, population, settings, draw)));
        progress(replicates.len() as u64);
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
    summary.frequency.iter().for_each(|&x| actual[class(u64::from(x))] += 1);
    let frequencies = (0..CLASSES)
        .map(|k| FrequencyBand {
            frequency: class_label(k),
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
pub(super) fn thinned(available: usize, wanted: usize) -> Vec<usize> {
    let count = wanted.min(available);
    (0..count).map(|i| i * available / count).collect()
}

pub(super) fn class(x: u64) -> usize {
    (x as usize).min(CLASSES - 1)
}

/// What a class is called.
pub(super) fn class_label(k: usize) -> String {
    if k + 1 == CLASSES { format!("{k}+") } else { k.to_string() }
}

/// Customers of one group who bought first on the same day and were observed equally long; with equal covariates, where there are some.
#[derive(Debug, Clone, Copy)]
struct Cohort {
    group: usize,
    age: f64,
    /// Days from the start of the first week to the first purchase.
    first_day: i32,
    customers: u64,
    /// One of them.
    customer: usize,
    /// Of its random numbers: a hash of what makes it a cohort.
    address: u64,
}

/// Group, age (its bits), first day and kind.
type Key = (u32, u64, i32, u32);

/// The cohorts of a summary, in order. A source that was itself a summary has neither dates nor weeks: all buy first on day 0.
fn cohorts(summary: &Summary, weekly: &WeeklyRepeats, kinds: Option<&[u32]>) -> Vec<Cohort> {
    let first_day = |i: usize| match (weekly.week_start.first(), summary.first_purchase.get(i)) {
        (Some(start), Some(first)) => (*first - *start).num_days() as i32,
        _ => 0,
    };
    // Ages are not negative, so their bits sort as they do.
    let key = |i: usize| -> (Key, u32) {
        let kind = kinds.map_or(0, |kinds| kinds[i]);
        ((summary.group[i], summary.age[i].to_bits(), first_day(i), kind), i as u32)
    };
    let mut keys: Vec<(Key, u32)> = (0..summary.len()).into_par_iter().map(key).collect();
    keys.par_sort_unstable();
    let cohort = |same: &[(Key, u32)]| {
        let ((group, age, first_day, kind), customer) = same[0];
        let label = summary.groups.labels[group as usize].bytes();
        // Customers without covariates are all of the kind 0, which leaves the address as it is.
        let kind = kind.to_le_bytes().into_iter().filter(|_| kind > 0);
        let address = address_of(label.chain(age.to_le_bytes()).chain(first_day.to_le_bytes()).chain(kind));
        let (group, age) = (group as usize, f64::from_bits(age));
        Cohort { group, age, first_day, customers: same.len() as u64, customer: customer as usize, address }
    };
    keys.chunk_by(|one, next| one.0 == next.0).map(cohort).collect()
}

/// One replicated data set.
#[derive(Debug, Clone)]
struct Replicate {
    by_week: Vec<u64>,
    by_frequency: [u64; CLASSES],
}

/// Every cohort under one draw.
fn replicate(
    cohorts: &[Cohort],
    weeks: usize,
    population: &Population,
    settings: &TrackingSettings,
    draw: usize,
) -> Replicate {
    let mut replicate = Replicate { by_week: vec![0; weeks], by_frequency: [0; CLASSES] };
    let mut times = Vec::new();
    for cohort in cohorts {
        let law = population.law_of(draw, cohort.group, cohort.customer);
        simulate_cohort(cohort, &law, settings, draw, &mut times, &mut replicate);
    }
    replicate
}

/// `times` is room for the purchases of one customer.
fn simulate_cohort(
    cohort: &Cohort,
    law: &Law,
    settings: &TrackingSettings,
    draw: usize,
    times: &mut Vec<f64>,
    into: &mut Replicate,
) {
    let rng = &mut Ahead::new(settings.seed, Purpose::Tracking, cohort.address, draw as u32);
    let end = cohort.age + settings.observed_after;
    let newcomer = History { x: 0, recency: 0.0, age: 0.0, monetary: 0.0 };
    let outlook = Outlook::new(law, &newcomer, end);
    // Of a large cohort, how many buy again; the uniform numbers of those lie below the limit.
    let below = outlook.buys_below();
    let (tried, limit) = if cohort.customers < LARGE {
        (cohort.customers, 1.0)
    } else {
        (binomial(rng, cohort.customers, below), below)
    };
    into.by_frequency[0] += cohort.customers - tried;
    // The middle of the day: a purchase t days later falls on the day that t rounds to, which is the day it would be dated.
    let first_day = f64::from(cohort.first_day) + 0.5;
    for _ in 0..tried {
        let u = limit * rng.uniform();
        let Some(purchases) = outlook.purchases(u, rng) else {
            into.by_frequency[0] += 1;
            continue;
        };
        let x = if purchases.planned < MANY_TIMES {
            first_times(rng, end, purchases, times);
            for &time in &*times {
                count(&mut into.by_week, week_of(first_day + time * settings.days_per_time_unit), 1);
            }
            times.iter().filter(|&&time| time <= cohort.age).count() as u64
        } else {
            first_counts(rng, cohort, (end, settings.days_per_time_unit), purchases, &mut into.by_week)
        };
        into.by_frequency[class(x)] += 1;
    }
}

/// The week that holds a moment, in days from the first week's beginning. Customers who did not buy in a calibration window that
/// forgets what was before it have their first purchase before the first week.
fn week_of(day: f64) -> i64 {
    (day / 7.0).floor() as i64
}

/// Counts purchases in a week, if it is one that is counted.
fn count(by_week: &mut [u64], week: i64, purchases: u64) {
    if let Some(count) = usize::try_from(week).ok().and_then(|week| by_week.get_mut(week)) {
        *count += purchases;
    }
}

/// The times of the purchases made: the first of the planned ones, which are uniform in their share of the time up to `end`.
fn first_times(rng: &mut Ahead, end: f64, Purchases { planned, made, until }: Purchases, times: &mut Vec<f64>) {
    times.clear();
    times.extend((0..planned).map(|_| until * end * rng.uniform()));
    if made < planned {
        times.sort_unstable_by(f64::total_cmp);
        times.truncate(made as usize);
    }
}

/// Adds the same purchases to their weeks, of which there are fewer than purchases: week by week, the planned ones that fall into it
/// are a binomial number of those left. Returns how many are made up to the cohort's age.
fn first_counts(
    rng: &mut Ahead,
    cohort: &Cohort,
    (end, days): (f64, f64),
    Purchases { planned, made, until }: Purchases,
    by_week: &mut [u64],
) -> u64 {
    let end = until * end;
    let first_day = f64::from(cohort.first_day) + 0.5;
    let mut week = week_of(first_day);
    let (mut at, mut planned, mut made, mut within) = (0.0, u64::from(planned), u64::from(made), 0);
    while made > 0 && at < end {
        // Weeks that nobody counts are one stretch; the age parts a week.
        let week_ends = if week < by_week.len() as i64 { (7.0 * (week + 1) as f64 - first_day) / days } else { end };
        let next = if at < cohort.age { week_ends.min(cohort.age) } else { week_ends }.min(end);
        let here = if next < end { binomial(rng, planned, (next - at) / (end - at)) } else { planned };
        let done = here.min(made);
        count(by_week, week, done);
        within += if next <= cohort.age { done } else { 0 };
        (planned, made, at) = (planned - here, made - done, next);
        week += i64::from(next >= week_ends);
    }
    within
}
