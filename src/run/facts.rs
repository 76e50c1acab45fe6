//! The plain records that steps leave in the run directory for the report and for other programs.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::data::DesignColumn;

/// A mean with the ends of its 90 % interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Mean over draws.
    pub mean: f64,
    /// 5 % quantile.
    pub q05: f64,
    /// 95 % quantile.
    pub q95: f64,
}

impl From<&crate::predict::Interval> for Interval {
    fn from(i: &crate::predict::Interval) -> Self {
        Self { mean: i.mean, q05: i.q05, q95: i.q95 }
    }
}

/// `facts.json`: what the data came to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// Lines read.
    pub lines: u64,
    /// Lines rejected; each stands in `rejects.csv`.
    pub rejected: u64,
    /// Lines left out by the policy for zero and negative amounts.
    pub dropped: u64,
    /// Customers of the summary.
    pub customers: u64,
    /// Repeat purchases in the calibration window.
    pub repeat_purchases: u64,
    /// Customers without a repeat purchase.
    pub one_time_customers: u64,
    /// Distinct cells that the purchase likelihood needs.
    pub cells: u64,
    /// Customers whose spend the spend model learns from.
    pub spenders: u64,
    /// Distinct (group, x, mean spend) among them: the rows of the spend likelihood.
    #[serde(default)]
    pub spend_rows: u64,
    /// Name of the grouping, if any.
    pub group_column: Option<String>,
    /// Customers per group.
    pub groups: Vec<(String, u64)>,
    /// Day of the first purchase in the data (absent for summaries).
    pub first_date: Option<NaiveDate>,
    /// Day of the last purchase in the data (absent for summaries).
    pub last_date: Option<NaiveDate>,
    /// First day of the calibration window, if what was bought before it is forgotten.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_start: Option<NaiveDate>,
    /// Last day of the calibration window (absent for summaries).
    pub calibration_end: Option<NaiveDate>,
    /// Last day of the holdout window, if there is one.
    pub holdout_end: Option<NaiveDate>,
    /// Length of the holdout window in time units.
    pub holdout_length: Option<f64>,
    /// Customers first seen in the holdout window: counted, never scored.
    pub holdout_only_customers: u64,
    /// Digest of `summary.parquet`, which the draws name.
    #[serde(default)]
    pub summary_sha256: String,
    /// Digest of `covariates.parquet`, if there is one.
    #[serde(default)]
    pub covariates_sha256: Option<String>,
    /// What its columns are.
    #[serde(default)]
    pub covariates: Vec<DesignColumn>,
    /// What else is worth knowing, in words.
    pub notes: Vec<String>,
}

/// `predictions.json`: totals from the joint draws.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PredictionFacts {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// Months ahead.
    pub horizon_months: u32,
    /// Discount per month.
    pub monthly_discount: f64,
    /// Posterior draws used.
    pub draws: usize,
    /// Expected number of customers alive.
    pub alive_mean: f64,
    /// Purchases of all customers over the horizon.
    pub purchases: Interval,
    /// Discounted value of all customers over the horizon; absent without a spend model.
    pub clv: Option<Interval>,
    /// The same per group of partial pooling.
    pub groups: Vec<GroupTotal>,
    /// The same per RFM segment.
    pub rfm: Vec<GroupTotal>,
    /// The same per value tier.
    pub tiers: Vec<GroupTotal>,
    /// What is expected of everyone at each opportunity or period of the horizon; empty in continuous time.
    #[serde(default)]
    pub ahead: Vec<AheadFacts>,
    /// Parts of a run that have no meaning for the model, each with its reason.
    #[serde(default)]
    pub left_out: Vec<String>,
}

/// One opportunity or period ahead, all customers together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AheadFacts {
    /// Expected number of customers who are still there.
    pub alive: f64,
    /// Their expected purchases, or renewals.
    pub purchases: f64,
}

/// Totals of one set of customers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupTotal {
    /// The set's label.
    pub label: String,
    /// Customers in it.
    pub customers: u64,
    /// Their mean P(alive); none without customers.
    pub p_alive_mean: Option<f64>,
    /// Purchases over the horizon.
    pub purchases: Interval,
    /// Discounted value over the horizon.
    pub clv: Option<Interval>,
}

/// One entry of `segments.json`: an RFM segment or a value tier.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SegmentFacts {
    /// `rfm` or `tier`.
    pub kind: String,
    /// What its customers will do together.
    #[serde(flatten)]
    pub total: GroupTotal,
    /// Share of all customers.
    pub share: f64,
    /// Share of all expected value.
    pub revenue_share: f64,
    /// The least value of a customer in it (tiers).
    pub cut_value: Option<f64>,
    /// What to do with them.
    pub action: String,
}

/// `checks.json`: posterior predictive checks.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CheckFacts {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// Repeat purchases by week.
    pub tracking: Vec<TrackingWeek>,
    /// Leading weeks that end inside the calibration window.
    pub calibration_weeks: usize,
    /// Customers by number of repeat purchases in the calibration window.
    pub frequency_histogram: Vec<HistogramRow>,
    /// Customers whom the rest of this file looks at: everyone, or an evenly spaced part of many.
    #[serde(default)]
    pub replicated_customers: u64,
    /// Customers with a repeat purchase, by the tenth of their time observed in which they bought last.
    #[serde(default)]
    pub recency_histogram: Vec<BandRow>,
    /// Customers with a repeat purchase, by mean spend.
    #[serde(default)]
    pub spend_histogram: Vec<BandRow>,
    /// What was looked at in one number each.
    #[serde(default)]
    pub quantities: Vec<TestQuantity>,
}

/// One bar of a histogram of customers.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct BandRow {
    /// What its customers have in common: `0.1–0.2`.
    pub label: String,
    /// Customers of the data.
    pub actual: u64,
    /// Customers of replicated data, with their 90 % band.
    pub predicted: Interval,
}

/// A test quantity T(data) beside its distribution over replicated data (Gelman, Meng & Stern 1996).
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TestQuantity {
    /// A stable key: `one_time_share`.
    pub name: String,
    /// What it is, in words: `share of customers without a repeat purchase`.
    pub what: String,
    /// `share`, `purchases`, `currency`, `time units` or `ratio`.
    pub unit: String,
    /// T of the data.
    pub observed: f64,
    /// T of replicated data: mean and 90 % interval.
    pub replicated: Interval,
    /// Share of replicated data whose T is at least the observed one, ties counted half: near 0 or 1 the model does not make such data.
    pub p_value: f64,
    /// What a small or large p-value means for the user, where it is one.
    #[serde(default)]
    pub concern: Option<String>,
}

/// One week of the tracking plot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct TrackingWeek {
    /// First day of the week.
    pub week_start: NaiveDate,
    /// Repeat purchases that happened.
    pub actual: u64,
    /// Predicted, with its 90 % band.
    pub predicted: Interval,
    /// Predicted since the beginning, with its 90 % band.
    pub cumulative: Interval,
}

/// One bar of the frequency histogram.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HistogramRow {
    /// `0`, `1`, …, and `7+` for the rest.
    pub repeat_purchases: String,
    /// Customers that have so many.
    pub actual: u64,
    /// Predicted, with its 90 % band.
    pub predicted: Interval,
}
