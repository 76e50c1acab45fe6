//! The model card: everything that is known of one model when it is made, for people who decide on it and for programs that make it again.
//! Written once, with the model; nothing rewrites it.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::WarmStartPlan;
use crate::data::Fingerprint;
use crate::evaluate::{Accuracy, ColumnReference};
use crate::version::CodeVersion;

/// Version of the card's layout.
pub const CARD_VERSION: u32 = 1;

/// `models/ID/card.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Card {
    /// Version of this layout.
    pub schema_version: u32,
    /// The model's name: its cutoff, and a digest of configuration, data, program, and what its chains began from if that was an earlier
    /// model. The same always make the same name.
    pub id: String,
    /// When it was made.
    pub created: String,
    /// The program that made it.
    pub program: CodeVersion,
    /// Last day that the model knows.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// First day it learned from; absent when it learned from everything.
    #[schemars(with = "Option<String>")]
    pub calibration_start: Option<NaiveDate>,
    /// The calibration window in months of 30.4375 days; absent when it learned from everything.
    pub calibration_months: Option<u32>,
    /// Months predicted.
    pub prediction_months: u32,
    /// The configuration, complete: with it alone the model can be made again.
    pub config: String,
    /// What it was made of.
    pub data: DataCard,
    /// Its fits, each a posterior of its own.
    pub fits: Vec<FitCard>,
    /// Where and how the posterior was computed.
    pub compute: ComputeCard,
    /// The earlier model that the chains began from; absent where the posterior was sought anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStartPlan>,
    /// Why the posterior was sought anew although an earlier model was to be begun from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_because: Option<String>,
    /// What the diagnostics say.
    pub diagnostics: DiagnosticsCard,
    /// How it predicts customers' value over a window after its cutoff, never within its data; absent where there is no such window.
    pub evaluation: Option<Evaluation>,
    /// Why there is no evaluation.
    pub evaluation_missing: Option<String>,
    /// The distribution of what it learned from, by column: what input drift is measured against.
    pub reference: BTreeMap<String, ColumnReference>,
    /// What it is for.
    pub intended_use: String,
    /// What it is not for, and what to know before using it.
    pub limits: Vec<String>,
    /// The command that makes it again and compares.
    pub reproduce: String,
}

/// The data of a model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DataCard {
    /// Every purchase up to the cutoff, as digests by month.
    pub fingerprint: Fingerprint,
    /// Lines that were read, whatever their day.
    pub lines: u64,
    /// Lines that were rejected.
    pub rejected: u64,
    /// Customers the model learned from.
    pub customers: u64,
    /// Their repeat purchases.
    pub repeat_purchases: u64,
    /// Customers with one purchase.
    pub one_time_customers: u64,
    /// What groups them, if anything.
    pub group_column: Option<String>,
    /// Number of groups.
    pub groups: usize,
    /// What else was noticed, in words.
    pub notes: Vec<String>,
}

/// One fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitCard {
    /// `purchase` or `spend`.
    pub fit: String,
    /// Key of the model.
    pub model: String,
    /// Its name with its paper.
    pub title: String,
    /// Its priors, as numbers, written as in a plan.
    pub priors: serde_json::Value,
    /// The population's parameters; those of single groups are left out where there are many.
    pub posterior: Vec<PosteriorRow>,
    /// Digests of the draws' files: equal digests are equal draws.
    pub draws_sha256: Vec<String>,
}

/// One parameter's posterior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PosteriorRow {
    /// Its name, with its group where it has one: `rate[DE]`.
    pub name: String,
    /// Posterior mean; null where the draws have none.
    pub mean: Option<f64>,
    /// Posterior standard deviation.
    pub sd: Option<f64>,
    /// Monte Carlo standard error of the mean.
    pub mcse: Option<f64>,
    /// Effective sample size.
    pub ess: Option<f64>,
}

/// Where the posterior was computed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ComputeCard {
    /// `cpu` or `gpu`.
    pub backend: String,
    /// The adapter's name, with a GPU.
    pub adapter: Option<String>,
    /// Operating system and processor architecture.
    pub machine: String,
    /// `nuts`, `chees`, or an approximation.
    pub sampler: String,
    /// Chains.
    pub chains: usize,
    /// Draws of each.
    pub draws: usize,
    /// Seed of all randomness.
    pub seed: u64,
}

/// What the diagnostics say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DiagnosticsCard {
    /// `pass`: nothing else becomes a model.
    pub verdict: String,
    /// Reasons against it; empty for a pass.
    pub reasons: Vec<String>,
    /// What the draws are not, where they are no samples of the posterior.
    pub caution: Option<String>,
    /// Divergent transitions.
    pub divergences: u64,
    /// Greatest R-hat of all fits.
    pub worst_r_hat: Option<f64>,
    /// Least effective sample size (bulk) of all fits.
    pub least_ess: Option<f64>,
}

/// Predictions against a later window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Evaluation {
    /// Last day that was known when predicting.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Last day of the window that judged.
    #[schemars(with = "String")]
    pub window_end: NaiveDate,
    /// Whose predictions these are.
    pub of: Evaluated,
    /// Digest of every purchase up to the window's end.
    pub data_digest: String,
    /// How well they did.
    pub accuracy: Accuracy,
}

/// Whose predictions an evaluation judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Evaluated {
    /// This model's own: the data go on for a whole window after its cutoff.
    ThisModel,
    /// Those of the same configuration fitted one window earlier, since there is no window after this model's cutoff yet.
    OneWindowEarlier,
}

/// The JSON Schema of [`Card`].
pub fn card_schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(Card)).unwrap_or_default()
}
