//! What a grid search found, as programs read it: `grid.json`. Says nothing of when it was made or how long that took: equal input makes
//! equal files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::design::{Combination, GridPlan};
use crate::evaluate::{Averaged, Metric, Target};
use crate::version::CodeVersion;

/// `grid/DATE/grid.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GridRecord {
    /// Version of this layout.
    pub schema_version: u32,
    /// The program that made it.
    pub program: CodeVersion,
    /// Digest of all purchases in the log.
    pub data_digest: String,
    /// What was tried.
    pub plan: GridPlan,
    /// How each was fitted, and with how many draws.
    pub sampler: String,
    /// Draws that predict.
    pub draws: usize,
    /// Customers drawn by chance to learn from and to be judged on; all when absent.
    pub sample_customers: Option<u64>,
    /// What value is; null where nothing could be judged.
    pub target: Option<Target>,
    /// The metric that decides.
    pub by: Metric,
    /// What the project is configured to do.
    pub configured: Combination,
    /// Every combination, the best first; those without a rank come last.
    pub rows: Vec<GridRow>,
    /// The recommendation over all prediction windows.
    pub recommendation: Recommendation,
    /// The recommendation for each prediction window.
    pub by_prediction: Vec<Recommendation>,
}

/// The JSON Schema of [`GridRecord`].
pub fn grid_schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(GridRecord)).unwrap_or_default()
}

/// A combination over all cutoffs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GridRow {
    /// Which.
    #[serde(flatten)]
    pub combination: Combination,
    /// 1 is the best; none where a cutoff is missing.
    pub rank: Option<u32>,
    /// What became of it.
    pub state: GridState,
    /// Why it has no rank.
    pub reason: Option<String>,
    /// Customers judged, over all cutoffs.
    pub customers: u64,
    /// Means over the cutoffs that could be judged.
    pub scores: BTreeMap<Metric, Averaged>,
    /// By how much it falls short of the best of all, by the metric that decides, on the same customers at the same cutoffs.
    pub shortfall: Option<Averaged>,
    /// What may be said of that.
    pub standing: Option<Standing>,
}

/// What became of a combination.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GridState {
    /// Judged at every cutoff.
    Judged,
    /// Refused by its diagnostics, at one cutoff at least.
    Refused,
    /// Its fit failed, at one cutoff at least.
    Failed,
    /// Judged, but the metric that decides does not exist for it.
    Undefined,
}

impl GridState {
    /// The word in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Judged => "judged",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Undefined => "undefined",
        }
    }
}

/// What the interval of a shortfall says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Nothing has a better mean.
    Best,
    /// The interval holds 0, or is not known.
    Indistinguishable,
    /// The whole interval lies above 0.
    Worse,
}

impl Standing {
    /// The word in files.
    pub fn key(self) -> &'static str {
        match self {
            Self::Best => "best",
            Self::Indistinguishable => "indistinguishable",
            Self::Worse => "worse",
        }
    }
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Recommendation {
    /// The prediction window it is for; over all of them when null.
    pub prediction_months: Option<u32>,
    /// The one with the best mean.
    pub best: Combination,
    /// That mean.
    pub best_score: Averaged,
    /// The one to take.
    pub take: Combination,
    /// Its mean.
    pub score: Averaged,
    /// Others that cannot be told from the best.
    pub indistinguishable: Vec<Combination>,
    /// Combinations that were compared.
    pub compared: u32,
    /// Why this one is to be taken.
    pub why: Why,
    /// The same in a sentence or two.
    pub words: String,
    /// Lines for the project's configuration.
    pub config: String,
}

/// Why a combination is recommended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nothing else comes near.
    Alone,
    /// Of those that cannot be told apart, it is what the project does now.
    Configured,
    /// Of those that cannot be told apart, it learns from most.
    MostData,
}
