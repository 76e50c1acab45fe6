//! Predictions of purchases in a window right after the calibration end, of any length, for judging against what happened there.
//!
//! Knows what was observed only to count the draws below and at it; how well that is, `evaluate` says.

use rayon::prelude::*;

use super::customers::Quantiles;
use super::expectation::purchase_means;
use super::simulate::{self, History, customer_address};
use super::{Grid, Interval, Population, Settings};
use crate::data::{Holdout, Summary};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

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
    let grid = Grid::single(holdout.length);
    let means = purchase_means(summary, population, &grid);
    let draws = population.draws();
    let chunk = settings.chunk_customers.min(summary.len().max(1));
    let mut counts = vec![0u32; chunk * draws];
    let mut total_draws = vec![0.0; draws];
    let mut customers = Vec::with_capacity(summary.len());

    for first in (0..summary.len()).step_by(chunk) {
        let size = chunk.min(summary.len() - first);
        let counts = &mut counts[..size * draws];
        counts.par_chunks_mut(draws).enumerate().for_each(|(i, counts)| {
            let i = first + i;
            let (history, group) = (History::of(summary, i), summary.group[i] as usize);
            let address = customer_address(&summary.customer_id[i]);
            for (draw, count) in counts.iter_mut().enumerate() {
                let rng = &mut Stream::new(settings.seed, Purpose::Prediction, address, draw as u32);
                *count = simulate::purchases(rng, population.purchase_at(draw, group), &history, &grid, &mut [0]);
            }
        });
        // Whole numbers below 2^53: the order of the sums changes nothing.
        for counts in counts.chunks(draws) {
            total_draws.iter_mut().zip(counts).for_each(|(sum, &k)| *sum += f64::from(k));
        }
        customers.par_extend(counts.par_chunks_mut(draws).enumerate().map(|(i, counts)| {
            let observed = holdout.purchases[first + i];
            counts.sort_unstable();
            let below = counts.partition_point(|&k| k < observed);
            WindowPosterior {
                mean: means[first + i].purchases,
                purchases: Quantiles::of_counts(counts),
                below: below as u32,
                equal: (counts.partition_point(|&k| k <= observed) - below) as u32,
            }
        }));
        progress((first + size) as u64);
    }
    let mean = customers.iter().map(|c| c.mean).sum();
    Ok(Window { draws: draws as u32, customers, total: Interval::of(mean, total_draws.iter().copied()), total_draws })
}
