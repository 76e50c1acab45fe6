//! Predictions of purchases in a window right after the calibration end, of any length, for judging against what happened there.
//!
//! Knows what was observed only to count the draws below and at it; how well that is, `evaluate` says.

use std::ops::Range;

use rayon::prelude::*;

use super::customers::Quantiles;
use super::expectation::{MeansByCell, purchase_means};
use super::future::{History, customer_address};
use super::laws::Laws;
use super::sift::{Sieve, Subject};
use super::{Grid, Interval, Population, Settings, crps, quantile};
use crate::data::{Holdout, Summary};
use crate::error::{Error, Result};

/// One customer's prediction for the window, and where the observation lies among the draws.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WindowPosterior {
    /// Mean purchases (expectation over the customer, averaged over draws).
    pub mean: f64,
    /// Predictive quantiles.
    pub purchases: Quantiles<u32>,
    /// Draws below the observed number.
    pub below: u32,
    /// Draws equal to the observed number.
    pub equal: u32,
    /// Continuous ranked probability score of the draws at the observed number, purchases: 0 is best, and a single certain prediction
    /// has its absolute error.
    pub crps: f64,
}

impl WindowPosterior {
    /// From the mean and the draws above zero, of `draws` in all.
    pub(super) fn of(mean: f64, counts: &mut [u32], draws: usize, observed: u32) -> Self {
        let zeros = draws - counts.len();
        let positive = |is: fn(&u32, &u32) -> bool| counts.iter().filter(|k| is(k, &observed)).count();
        let below = positive(u32::lt) + if observed > 0 { zeros } else { 0 };
        let equal = positive(u32::eq) + if observed == 0 { zeros } else { 0 };
        let crps = crps::of_counts(counts, draws, observed);
        Self {
            mean,
            purchases: Quantiles::from(quantile::of_counts(counts, draws)),
            below: below as u32,
            equal: equal as u32,
            crps,
        }
    }
}

/// Predictions for a window; memory is one [`WindowPosterior`] per customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// Number of draws behind each prediction.
    pub draws: u32,
    /// Parallel to the summary's rows.
    pub customers: Vec<WindowPosterior>,
    /// Purchases of all customers together; the mean is the sum of the customers' means, the quantiles come from joint draws.
    pub total: Interval,
    /// Joint draws of the total.
    pub total_draws: Vec<f64>,
}

/// Customers that one thread takes at a time.
const BLOCK: usize = 64;

/// Predicts the window that `holdout` observed. Of `settings` it needs the seed and the chunk size; no discount, no months.
///
/// # Errors
/// Draws that do not fit the summary; a window without length or for other customers.
pub fn predict_window(
    summary: &Summary,
    holdout: &Holdout,
    population: &Population,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<Window> {
    settings.check()?;
    population.check(summary)?;
    if !(holdout.length.is_finite() && holdout.length > 0.0) {
        return Err(Error::new("the holdout window must have a positive length")
            .seen(holdout.length)
            .advice("end the calibration before the data ends"));
    }
    if holdout.purchases.len() != summary.len() {
        return Err(Error::new("the holdout must have one row per customer of the summary").seen(format!(
            "{} rows for {} customers",
            holdout.purchases.len(),
            summary.len()
        )));
    }
    let means = purchase_means(summary, population, &Grid::single(holdout.length));
    let laws = Laws::new(population);
    let draws = population.draws();
    let block = settings.chunk_customers.clamp(1, BLOCK);
    let mut total_draws = vec![0u64; draws];
    let mut customers = Vec::with_capacity(summary.len());

    for first in (0..summary.len()).step_by(settings.chunk_customers) {
        let rows = first..summary.len().min(first + settings.chunk_customers);
        let empty = || (Vec::new(), vec![0u64; draws]);
        let (chunk, totals) = rows
            .clone()
            .into_par_iter()
            .step_by(block)
            .map(|start| {
                let rows = start..rows.end.min(start + block);
                window_of(summary, holdout, &laws, settings.seed, &means, rows)
            })
            // Whole numbers, and blocks that stay in order: however the threads split them, it is the same.
            .reduce(empty, |(mut customers, mut totals), (more, add)| {
                customers.extend(more);
                totals.iter_mut().zip(add).for_each(|(sum, k)| *sum += k);
                (customers, totals)
            });
        customers.extend(chunk);
        total_draws.iter_mut().zip(totals).for_each(|(sum, k)| *sum += k);
        progress(rows.end as u64);
    }
    let mean = customers.iter().map(|c: &WindowPosterior| c.mean).sum();
    // Whole numbers below 2^53: exact in f64.
    let total_draws: Vec<f64> = total_draws.into_iter().map(|k| k as f64).collect();
    Ok(Window { draws: draws as u32, customers, total: Interval::of(mean, total_draws.iter().copied()), total_draws })
}

/// Consecutive customers, and the sum of their draws.
fn window_of(
    summary: &Summary,
    holdout: &Holdout,
    laws: &Laws<'_>,
    seed: u64,
    means: &MeansByCell,
    rows: Range<usize>,
) -> (Vec<WindowPosterior>, Vec<u64>) {
    let draws = laws.draws();
    let mut sieve = Sieve::new(draws);
    let mut totals = vec![0u64; draws];
    let mut counts = Vec::new();
    let customers = rows
        .map(|i| {
            let (history, group) = (History::of(summary, i), summary.group[i]);
            let subject = Subject { row: i, group, history, address: customer_address(&summary.customer_id[i]) };
            counts.clear();
            sieve.each_buying_draw(laws, &subject, seed, holdout.length, |draw, purchases, _| {
                totals[draw] += u64::from(purchases.made);
                counts.push(purchases.made);
            });
            let observed = holdout.purchases[i];
            WindowPosterior::of(means.of(i).purchases, &mut counts, draws, observed)
        })
        .collect();
    (customers, totals)
}
