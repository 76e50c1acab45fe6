//! Whether the model would have made such customers: replicated data from the population alone, counted as the real ones are.
//!
//! Buyers are counted by purchases, as in continuous time; contracts by the period of their loss, given how many were there to
//! lose. Tracking by calendar week has no meaning here and is left out.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::super::Interval;
use super::super::future::binomial;
use super::super::tracking::{CLASSES, FrequencyBand, Tracking, TrackingSettings, class, class_label, thinned};
use super::{Counted, CountedPopulation, History};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::kernels::rng::{Ahead, Purpose, address_of};
use crate::kernels::{bg_bb, s_bg};

/// Periods in which losses are counted one by one; the last row holds all that are later.
const LOSS_CLASSES: usize = 12;

/// Customers by number of purchases, or by the period of their loss, with what each of a thinned set of draws makes of them. There
/// are no weeks in it.
///
/// # Errors
/// Settings or draws that make no sense.
pub fn track_counted(
    summary: &Summary,
    population: &CountedPopulation,
    settings: &TrackingSettings,
) -> Result<Tracking> {
    population.check(summary)?;
    if settings.draws == 0 {
        return Err(Error::new("tracking needs draws").seen(0));
    }
    let draws = thinned(population.draws(), settings.draws);
    let trials = match population.counted {
        Counted::Opportunities => newcomers(summary),
        Counted::Contracts => at_risk(summary),
    };
    let replicates: Vec<Vec<u64>> =
        draws.par_iter().map(|&draw| replicate(&trials, population, settings.seed, draw)).collect();
    let (classes, label): (usize, fn(usize) -> String) = match population.counted {
        Counted::Opportunities => (CLASSES, class_label),
        Counted::Contracts => (trials.last().map_or(0, |t| loss_class(t.n) + 1), loss_label),
    };
    let frequencies = (0..classes)
        .map(|k| {
            let values: Vec<f64> = replicates.iter().map(|replicate| replicate[k] as f64).collect();
            FrequencyBand {
                frequency: label(k),
                actual: actual(summary, population.counted, k),
                predicted: Interval::of(values.iter().sum::<f64>() / values.len() as f64, values),
            }
        })
        .collect();
    Ok(Tracking { weeks: Vec::new(), calibration_weeks: 0, frequencies })
}

/// Customers of a group who are tried alike: observed for n opportunities from the first on, or under contract at the end of
/// period n.
#[derive(Debug, Clone, Copy)]
struct Trial {
    group: usize,
    n: u32,
    customers: u64,
    address: u64,
}

impl Trial {
    fn all(summary: &Summary, counts: BTreeMap<(u32, u32), u64>) -> Vec<Self> {
        let trial = |((n, group), customers): ((u32, u32), u64)| {
            let label = summary.groups.labels[group as usize].bytes();
            Self { group: group as usize, n, customers, address: address_of(label.chain(n.to_le_bytes())) }
        };
        counts.into_iter().map(trial).collect()
    }
}

/// Everyone, by opportunities observed.
fn newcomers(summary: &Summary) -> Vec<Trial> {
    let mut counts = BTreeMap::new();
    (0..summary.len()).for_each(|i| *counts.entry((History::of(summary, i).n, summary.group[i])).or_default() += 1);
    Trial::all(summary, counts)
}

/// Those who decided at the end of each period.
fn at_risk(summary: &Summary) -> Vec<Trial> {
    let mut ends: BTreeMap<u32, BTreeMap<u32, u64>> = BTreeMap::new();
    for i in 0..summary.len() {
        *ends.entry(summary.group[i]).or_default().entry(History::of(summary, i).n).or_default() += 1;
    }
    let mut counts = BTreeMap::new();
    for (group, ends) in ends {
        let mut at_risk: u64 = ends.values().sum();
        let mut done = 0;
        for (n, customers) in ends {
            (done + 1..=n).for_each(|period| {
                counts.insert((period, group), at_risk);
            });
            (at_risk, done) = (at_risk - customers, n);
        }
    }
    Trial::all(summary, counts)
}

/// Customers of each class in one replicated data set.
fn replicate(trials: &[Trial], population: &CountedPopulation, seed: u64, draw: usize) -> Vec<u64> {
    let mut classes = vec![0; CLASSES.max(LOSS_CLASSES)];
    for trial in trials {
        let rng = &mut Ahead::new(seed, Purpose::Tracking, trial.address, draw as u32);
        let of = |k: usize| population.purchase[[draw, trial.group, k]];
        match population.counted {
            Counted::Contracts => {
                let loss = 1.0 - s_bg::retention([of(0), of(1)], trial.n);
                classes[loss_class(trial.n)] += binomial(rng, trial.customers, loss);
            }
            Counted::Opportunities => {
                let params = [of(0), of(1), of(2), of(3)];
                // One class after the other, each a share of those who are left.
                let (mut left, mut rest) = (trial.customers, 1.0);
                for (k, count) in classes.iter_mut().enumerate().take(CLASSES - 1) {
                    let chance = bg_bb::probability_of(params, 0, 0, 0, trial.n, k as u32);
                    let here = if rest > 0.0 { binomial(rng, left, chance / rest) } else { 0 };
                    *count += here;
                    (left, rest) = (left - here, rest - chance);
                }
                classes[CLASSES - 1] += if u64::from(trial.n) + 1 >= CLASSES as u64 { left } else { 0 };
            }
        }
    }
    classes
}

fn actual(summary: &Summary, counted: Counted, k: usize) -> u64 {
    let is_in = |i: &usize| match counted {
        Counted::Opportunities => class(u64::from(summary.frequency[*i])) == k,
        Counted::Contracts => {
            let History { x, n, .. } = History::of(summary, *i);
            x < n && loss_class(n) == k
        }
    };
    (0..summary.len()).filter(is_in).count() as u64
}

/// The class of a loss at the end of a period, from 1.
fn loss_class(period: u32) -> usize {
    (period.max(1) as usize - 1).min(LOSS_CLASSES - 1)
}

fn loss_label(class: usize) -> String {
    if class + 1 == LOSS_CLASSES { format!("{LOSS_CLASSES}+") } else { (class + 1).to_string() }
}
