//! Every customer's posterior predictive distribution over the horizon, streamed in summary order, and the joint totals of any
//! labelling. Means come from [`super::expectations`], draws from an [`Engine`]; here they meet.

use super::engine::{Engine, Future};
use super::{Expectations, Labelling, Totals};
use crate::data::Summary;
use crate::error::{Error, Result};

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

impl<T> From<[T; 5]> for Quantiles<T> {
    /// In ascending order of probability.
    fn from([q05, q25, q50, q75, q95]: [T; 5]) -> Self {
        Self { q05, q25, q50, q75, q95 }
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
    /// What lies further ahead; `None` in continuous time.
    pub ahead: Option<AheadPosterior>,
    /// Mean and spread of spend; `None` without a spend model.
    pub spend: Option<SpendPosterior>,
}

/// How long one customer will stay, in counted time.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AheadPosterior {
    /// P(alive at the end of the horizon).
    pub p_alive_end: f64,
    /// Mean of all purchases to come, each discounted to now; `None` without a discount.
    pub residual_purchases: Option<f64>,
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

/// Receives customers in summary order, a chunk at a time, on any thread: while the next chunk is computed.
pub type Sink<'a> = dyn FnMut(&[CustomerPosterior]) -> Result<()> + Send + 'a;

/// Has `engine` simulate every customer of `summary` under every draw; delivers posteriors to `sink` in summary order and returns the
/// totals of each labelling. `progress` hears how many customers are done. The engine was made for the same summary and labellings.
///
/// # Errors
/// Expectations of another summary; whatever the engine or `sink` return.
pub fn predict_customers(
    engine: &mut dyn Engine,
    summary: &Summary,
    expectations: &Expectations,
    labellings: &[Labelling],
    sink: &mut Sink<'_>,
    progress: &dyn Fn(u64),
) -> Result<Vec<Totals>> {
    let rows = summary.len();
    if expectations.p_alive.len() != rows {
        return Err(Error::new("the expectations belong to another summary")
            .seen(format!("{} expectations for {rows} customers", expectations.p_alive.len())));
    }
    let chunk = engine.chunk_customers().clamp(1, rows.max(1));
    let chunks = rows.div_ceil(chunk);
    let rows_of = |k: usize| k * chunk..rows.min((k + 1) * chunk);
    // While chunk k is computed, k−1 waits in the engine and k−2 is on its way into the sink.
    let mut done: (usize, Vec<Future>) = (0, Vec::new());
    for k in 0..=chunks {
        let (first, futures) = std::mem::take(&mut done);
        let delivered = first + futures.len();
        let (computed, sunk) = rayon::join(
            || {
                if k < chunks {
                    engine.submit(rows_of(k))?;
                }
                if k > 0 { engine.collect() } else { Ok(Vec::new()) }
            },
            || deliver(first, &futures, expectations, sink),
        );
        sunk?;
        done = (delivered, computed?);
        progress(delivered as u64);
    }
    let (first, futures) = done;
    if first + futures.len() != rows {
        return Err(Error::new("the engine returned another number of customers than the summary has")
            .seen(format!("{} of {rows}", first + futures.len())));
    }
    deliver(first, &futures, expectations, sink)?;
    progress(rows as u64);
    let totals = engine.totals()?;
    if totals.len() != labellings.len() {
        return Err(Error::new("the engine added up other labellings").seen(format!(
            "{} for {}",
            totals.len(),
            labellings.len()
        )));
    }
    Ok(labellings.iter().zip(totals).map(|(labelling, draws)| Totals::of(labelling, draws, expectations)).collect())
}

/// Joins the futures of the rows from `first` on with their means.
fn deliver(first: usize, futures: &[Future], expectations: &Expectations, sink: &mut Sink<'_>) -> Result<()> {
    if futures.is_empty() {
        return Ok(());
    }
    let spends = expectations.spend.as_ref().zip(expectations.clv.as_ref());
    let posterior = |(i, future): (usize, &Future)| CustomerPosterior {
        p_alive: expectations.p_alive[i],
        purchases_mean: expectations.purchases[i],
        purchases: future.purchases,
        ahead: expectations.p_alive_end.as_ref().map(|p_alive_end| AheadPosterior {
            p_alive_end: p_alive_end[i],
            residual_purchases: expectations.residual_purchases.as_ref().map(|residual| residual[i]),
        }),
        spend: spends.map(|(spend, clv)| SpendPosterior {
            spend_mean: spend[i],
            clv_mean: clv[i],
            clv_sd: future.value_sd,
            clv: future.value,
        }),
    };
    let posteriors: Vec<CustomerPosterior> = (first..).zip(futures).map(posterior).collect();
    sink(&posteriors)
}
