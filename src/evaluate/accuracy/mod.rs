//! How well one prediction did over one window, every measure with its uncertainty: what a model card keeps, a grid compares and a
//! monitor watches. Pure functions of arrays that are parallel to customers; who they are and where the arrays come from is not
//! known here.
//!
//! [`Outcomes`] are checked once; [`accuracy`] measures them, [`super::paired`] measures two predictions of the same customers.

mod ranked;
mod values;

#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::measure::{BLOCKS, Measure};
use super::metric::Metric;
use crate::error::{Error, Result};
pub(super) use values::Replicates;

/// Version of the keys of [`Accuracy`].
const SCHEMA_VERSION: u32 = 1;

/// What was predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// Number of purchases.
    Purchases,
    /// Money spent.
    Value,
}

/// Predictions for one window and what happened in it, parallel to customers. A customer without purchases has an actual of 0:
/// nothing is ever missing.
#[derive(Debug, Clone, Copy)]
pub struct Outcomes<'a> {
    /// What `predicted` and `actual` are.
    pub target: Target,
    /// Length of the window in calendar months.
    pub horizon_months: u32,
    /// Each customer's block, from [`super::blocks`].
    pub block: &'a [u8],
    /// Expected value or purchases.
    pub predicted: &'a [f64],
    /// What happened.
    pub actual: &'a [f64],
    /// Purchases beside their predictive quantiles, for coverage and the quantile score; those are undefined without.
    pub purchases: Option<PurchaseOutcomes<'a>>,
}

/// Purchases in the window beside their predictive quantiles, parallel to customers.
#[derive(Debug, Clone, Copy)]
pub struct PurchaseOutcomes<'a> {
    /// What happened.
    pub actual: &'a [u32],
    /// 5 % quantiles.
    pub q05: &'a [u32],
    /// 25 % quantiles.
    pub q25: &'a [u32],
    /// Medians.
    pub q50: &'a [u32],
    /// 75 % quantiles.
    pub q75: &'a [u32],
    /// 95 % quantiles.
    pub q95: &'a [u32],
    /// CRPS of the draws behind the quantiles at what happened; without them the skill is undefined.
    pub crps: Option<&'a [f64]>,
}

impl PurchaseOutcomes<'_> {
    /// A customer's purchases, and their quantiles in ascending order.
    fn of(&self, row: usize) -> (u32, [u32; 5]) {
        (self.actual[row], [self.q05[row], self.q25[row], self.q50[row], self.q75[row], self.q95[row]])
    }
}

impl Outcomes<'_> {
    /// Checked once, at the edge.
    fn check(&self) -> Result<()> {
        let n = self.predicted.len();
        if n == 0 {
            return Err(Error::new("there is no customer to measure a prediction on")
                .advice("choose a cutoff after the first purchases"));
        }
        let mut lengths = vec![self.block.len(), self.actual.len()];
        if let Some(p) = &self.purchases {
            lengths.extend([p.actual, p.q05, p.q25, p.q50, p.q75, p.q95].map(<[u32]>::len));
            lengths.extend(p.crps.map(<[f64]>::len));
        }
        if lengths.iter().any(|&length| length != n) {
            return Err(Error::new("predictions and outcomes must have one row per customer")
                .seen(format!("{lengths:?} rows beside {n} predictions"))
                .advice("join them by customer_id first"));
        }
        if let Some(row) = (0..n).find(|&row| self.block[row] as usize >= BLOCKS) {
            return Err(Error::new(format!("a customer's block must be below {BLOCKS}"))
                .at(format!("row {row}"))
                .seen(self.block[row])
                .advice("take it from evaluate::blocks"));
        }
        if let Some(row) = (0..n).find(|&row| !self.actual[row].is_finite()) {
            return Err(Error::new("what a customer did must be a finite number")
                .at(format!("row {row}"))
                .seen(self.actual[row])
                .advice("a customer without purchases has 0; nothing is missing once the window has passed"));
        }
        if let Some(row) = (0..n).find(|&row| !self.predicted[row].is_finite()) {
            return Err(Error::new("a prediction must be a finite number")
                .at(format!("row {row}"))
                .seen(self.predicted[row])
                .advice("score the customers again"));
        }
        if let Some(p) = &self.purchases
            && let Some(row) = (0..n).find(|&row| !p.of(row).1.is_sorted())
        {
            return Err(Error::new("quantiles of purchases must not fall from 5 % to 95 %")
                .at(format!("row {row}"))
                .seen(format!("{:?}", p.of(row).1))
                .advice("check the order of the columns"));
        }
        if let Some(crps) = self.purchases.and_then(|p| p.crps)
            && let Some(row) = (0..n).find(|&row| !(crps[row].is_finite() && crps[row] >= 0.0))
        {
            return Err(Error::new("a CRPS must be a finite number of 0 or more")
                .at(format!("row {row}"))
                .seen(crps[row])
                .advice("take it from predict_window"));
        }
        Ok(())
    }
}

/// How well a prediction did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Accuracy {
    /// Version of these keys.
    pub schema_version: u32,
    /// What was predicted.
    pub target: Target,
    /// Length of the window in calendar months.
    pub horizon_months: u32,
    /// Customers measured on.
    pub customers: u64,
    /// Every metric, by its key.
    pub measures: BTreeMap<Metric, Measure>,
    /// Ten groups by prediction, the best first.
    pub deciles: Vec<Decile>,
}

/// A tenth of the customers by prediction. Customers tied at a cut are shared out in proportion.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Decile {
    /// 1, the best tenth by prediction, to 10.
    pub decile: u32,
    /// Customers in it: sizes differ by one at most.
    pub customers: u64,
    /// Mean prediction; null without customers.
    pub mean_predicted: Option<f64>,
    /// Mean of what they did.
    pub mean_actual: Measure,
}

impl Accuracy {
    /// One measure; [`Measure::UNDEFINED`] where the file it was read from does not have it.
    pub fn get(&self, metric: Metric) -> Measure {
        self.measures.get(&metric).copied().unwrap_or(Measure::UNDEFINED)
    }

    /// Whether a metric of these two may be compared: the same target, and the same horizon unless the metric is scale-free.
    ///
    /// # Errors
    /// They may not; the message says why and what to take instead.
    pub fn check_comparable(&self, other: &Self, metric: Metric) -> Result<()> {
        if self.target != other.target {
            return Err(Error::new(format!(
                "the {} of purchases and that of value are different things",
                metric.label()
            ))
            .advice("compare predictions of the same target"));
        }
        if self.horizon_months != other.horizon_months && !metric.scale_free() {
            return Err(Error::new(format!("the {} must not be compared across horizons", metric.label()))
                .seen(format!("{} and {} months", self.horizon_months, other.horizon_months))
                .advice(
                    "it grows with what happens in the window; take rmse_over_mean, gini_normalized or decile_error",
                ));
        }
        Ok(())
    }

    /// Which of two is better by a metric: `Greater` when it is `self`. `None` where the metric has no better side, or is undefined in
    /// one of them. Says nothing of chance: on the same customers, [`super::paired`] does.
    ///
    /// # Errors
    /// They may not be compared.
    pub fn compare(&self, other: &Self, metric: Metric) -> Result<Option<Ordering>> {
        self.check_comparable(other, metric)?;
        let loss = |of: &Self| metric.better().loss(of.get(metric).value?);
        Ok(loss(self).zip(loss(other)).map(|(mine, theirs)| theirs.total_cmp(&mine)))
    }
}

/// Measures a prediction. A few sorts and one pass over the customers for each of a hundred blocks; equal bits for any number of
/// threads.
///
/// # Errors
/// No customers; rows that do not fit together; numbers that are not finite.
pub fn accuracy(outcomes: &Outcomes<'_>) -> Result<Accuracy> {
    let replicates = Replicates::of(outcomes)?;
    Ok(Accuracy {
        schema_version: SCHEMA_VERSION,
        target: outcomes.target,
        horizon_months: outcomes.horizon_months,
        customers: outcomes.predicted.len() as u64,
        measures: Metric::all().map(|metric| (metric, replicates.measure(metric))).collect(),
        deciles: replicates.deciles(),
    })
}
