//! Every customer's posterior predictive distribution over the horizon, streamed in summary order, and the joint totals of any
//! labelling. Means come from [`super::expectations`]; here is what needs simulated futures.

use rayon::prelude::*;

use super::quantile::{self, PROBABILITIES};
use super::simulate::{self, History, customer_address};
use super::totals::Accumulator;
use super::{Expectations, Grid, Labelling, Population, Settings, Totals};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Posterior predictive quantiles at 5, 25, 50, 75 and 95 %.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Quantiles<T> {
    /// 5 %.
    pub q05: T,
    /// 25 %.
    pub q25: T,
    /// Median.
    pub q50: T,
    /// 75 %.
    pub q75: T,
    /// 95 %.
    pub q95: T,
}

impl<T> Quantiles<T> {
    fn of(at: impl Fn(f64) -> T) -> Self {
        let [q05, q25, q50, q75, q95] = PROBABILITIES.map(at);
        Self { q05, q25, q50, q75, q95 }
    }
}

impl Quantiles<u32> {
    /// Quantiles of a sorted sample of counts, each a count of the sample.
    pub(super) fn of_counts(sorted: &[u32]) -> Self {
        Self::of(|q| quantile::of_counts(sorted, q))
    }
}

/// What one customer will do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CustomerPosterior {
    /// P(alive at the calibration end).
    pub p_alive: f64,
    /// Mean purchases over the horizon (expectation over the customer, averaged over draws).
    pub purchases_mean: f64,
    /// Predictive quantiles of purchases over the horizon.
    pub purchases: Quantiles<u32>,
    /// Mean and spread of spend; `None` without a spend model.
    pub spend: Option<SpendPosterior>,
}

/// What one customer will spend.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpendPosterior {
    /// Mean spend per purchase, currency.
    pub spend_mean: f64,
    /// Mean discounted spend over the horizon, currency.
    pub clv_mean: f64,
    /// Standard deviation of the predictive draws. A sample's: the law itself has no variance where p x + q ≤ 2.
    pub clv_sd: f64,
    /// Predictive quantiles of discounted spend, currency.
    pub clv: Quantiles<f64>,
}

/// Receives customers in summary order, a chunk at a time.
pub type Sink<'a> = dyn FnMut(&[CustomerPosterior]) -> Result<()> + 'a;

/// Simulates every customer under every draw; delivers posteriors to `sink` in summary order and returns the totals of each
/// labelling. `progress` hears how many customers are done.
///
/// # Errors
/// Settings, draws or labellings that make no sense; whatever `sink` returns.
pub fn predict_customers(
    summary: &Summary,
    population: &Population,
    settings: &Settings,
    expectations: &Expectations,
    labellings: &[Labelling],
    sink: &mut Sink<'_>,
    progress: &dyn Fn(u64),
) -> Result<Vec<Totals>> {
    settings.check()?;
    population.check(summary)?;
    labellings.iter().try_for_each(|labelling| labelling.check(summary))?;
    if expectations.p_alive.len() != summary.len() || expectations.clv.is_some() != population.spend.is_some() {
        return Err(Error::new("the expectations belong to another summary or population").seen(format!(
            "{} expectations for {} customers",
            expectations.p_alive.len(),
            summary.len()
        )));
    }
    let grid = settings.grid();
    let draws = population.draws();
    let chunk = settings.chunk_customers.min(summary.len().max(1));
    let mut counts = vec![0u32; chunk * draws];
    let mut values = vec![0.0f64; chunk * draws];
    let mut totals: Vec<Accumulator<'_>> =
        labellings.iter().map(|labelling| Accumulator::new(labelling, population)).collect();

    for first in (0..summary.len()).step_by(chunk) {
        let customers = chunk.min(summary.len() - first);
        counts[..customers * draws].par_chunks_mut(draws).zip(values.par_chunks_mut(draws)).enumerate().for_each(
            |(i, (counts, values))| {
                simulate_customer(summary, first + i, population, settings.seed, &grid, counts, values);
            },
        );
        for (i, (counts, values)) in counts.chunks(draws).zip(values.chunks(draws)).take(customers).enumerate() {
            totals.iter_mut().for_each(|total| total.add(first + i, counts, values));
        }
        let posteriors: Vec<CustomerPosterior> = counts[..customers * draws]
            .par_chunks_mut(draws)
            .zip(values.par_chunks_mut(draws))
            .enumerate()
            .map(|(i, (counts, values))| summarise(expectations, first + i, counts, values))
            .collect();
        sink(&posteriors)?;
        progress((first + customers) as u64);
    }
    Ok(totals.into_iter().map(|total| total.finish(expectations)).collect())
}

impl History {
    /// The calibration window of one row of the summary.
    pub(super) fn of(summary: &Summary, i: usize) -> Self {
        Self {
            x: summary.frequency[i],
            recency: summary.recency[i],
            age: summary.age[i],
            monetary: summary.monetary[i],
        }
    }
}

/// All draws of one customer: purchases over the horizon and, with a spend model, their discounted value.
fn simulate_customer(
    summary: &Summary,
    i: usize,
    population: &Population,
    seed: u64,
    grid: &Grid,
    counts: &mut [u32],
    values: &mut [f64],
) {
    let (history, group) = (History::of(summary, i), summary.group[i] as usize);
    let address = customer_address(&summary.customer_id[i]);
    let mut by_period = vec![0; grid.periods()];
    for (draw, (count, value)) in counts.iter_mut().zip(values).enumerate() {
        let rng = &mut Stream::new(seed, Purpose::Prediction, address, draw as u32);
        *count = simulate::purchases(rng, population.purchase_at(draw, group), &history, grid, &mut by_period);
        *value = match population.spend_at(draw, group) {
            Some(pqv) if *count > 0 => simulate::spend(rng, pqv, &history, grid, &by_period),
            _ => 0.0,
        };
    }
}

/// Quantiles of one customer's draws, which are sorted in place.
fn summarise(expectations: &Expectations, i: usize, counts: &mut [u32], values: &mut [f64]) -> CustomerPosterior {
    counts.sort_unstable();
    let spend = expectations.spend.as_ref().zip(expectations.clv.as_ref()).map(|(spend, clv)| {
        values.sort_unstable_by(f64::total_cmp);
        SpendPosterior {
            spend_mean: spend[i],
            clv_mean: clv[i],
            clv_sd: standard_deviation(values),
            clv: Quantiles::of(|q| quantile::of_amounts(values, q)),
        }
    });
    CustomerPosterior {
        p_alive: expectations.p_alive[i],
        purchases_mean: expectations.purchases[i],
        purchases: Quantiles::of_counts(counts),
        spend,
    }
}

/// With the n − 1 denominator; 0 for a single draw.
fn standard_deviation(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let squares: f64 = values.iter().map(|v| (v - mean) * (v - mean)).sum();
    (squares / (n - 1.0).max(1.0)).sqrt()
}
