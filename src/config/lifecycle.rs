//! The `[lifecycle]` table of a project's configuration: windows, the scoring calendar, alarms, and what is kept how long. Checked by
//! whoever opens a project; a run looks at none of it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::day::Day;
use super::nightly::NightlySection;
use super::sections::{PurchaseModel, SamplerKind};

/// The life of a model in a project: when it is trained on what, scored, judged and replaced. Only `longrun` commands that work on a
/// project read this.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LifecycleSection {
    /// Months (of 30.4375 days) before a cutoff whose purchases a model learns from; older ones count only as the one that a customer is
    /// counted from. Default: everything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calibration_months: Option<u32>,
    /// Months (of 30.4375 days) ahead that are predicted, and later compared with what happened.
    pub prediction_months: u32,
    /// First cutoff that is scored; default: the cutoff of the first champion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_cutoff: Option<Day>,
    /// When customers are scored.
    pub schedule: ScheduleSection,
    /// The behaviour lens.
    pub behaviour: BehaviourSection,
    /// When an alarm is raised.
    pub monitor: MonitorSection,
    /// Whom to tell of an alarm, beside `alerts/`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub webhook: Option<WebhookSection>,
    /// What a grid search tries.
    pub grid: GridSection,
    /// How long things are kept.
    pub retention: RetentionSection,
    /// The unattended night.
    pub nightly: NightlySection,
}

impl Default for LifecycleSection {
    fn default() -> Self {
        Self {
            calibration_months: None,
            prediction_months: 12,
            first_cutoff: None,
            schedule: ScheduleSection::default(),
            behaviour: BehaviourSection::default(),
            monitor: MonitorSection::default(),
            webhook: None,
            grid: GridSection::default(),
            retention: RetentionSection::default(),
            nightly: NightlySection::default(),
        }
    }
}

/// When customers are scored: often at first, then less often.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSection {
    /// Days from one cutoff to the next, at first.
    pub every_days: u32,
    /// Weeks after the first cutoff during which that holds.
    pub for_weeks: u32,
    /// Days from one cutoff to the next from then on.
    pub then_every_days: u32,
    /// Days by which the last purchase in the data may lie before a cutoff that is scored. Beyond it the data have most likely not
    /// arrived, and scoring waits.
    pub max_data_lag_days: u32,
    /// Days that a cutoff may wait for its data before the pipeline fails.
    pub max_wait_days: u32,
    /// Share of the customers of an earlier snapshot that may be missing from the log. Beyond it the log has most likely been cut, and
    /// nothing is scored or labelled.
    pub max_gone_share: f64,
}

impl Default for ScheduleSection {
    fn default() -> Self {
        Self {
            every_days: 14,
            for_weeks: 12,
            then_every_days: 30,
            max_data_lag_days: 3,
            max_wait_days: 14,
            max_gone_share: 0.01,
        }
    }
}

/// The behaviour lens.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct BehaviourSection {
    /// Number of clusters, 2 to 10; default: the number from 2 to 10 whose clusters stand apart best (mean silhouette).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clusters: Option<usize>,
}

/// When an alarm is raised. A limit counts when it is exceeded, not when it is met, and when the change is more than noise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MonitorSection {
    /// Largest rise of RMSE over the champion's baseline of the same horizon, as a share of it.
    pub rmse_increase: f64,
    /// Largest fall of R² below the baseline, as a share of it.
    pub r2_decrease: f64,
    /// Largest fall of the normalised Gini coefficient below the baseline.
    pub gini_decrease: f64,
    /// Slope of actual on predicted value below which predictions count as too far apart.
    pub slope_low: f64,
    /// Slope above which they count as too close together.
    pub slope_high: f64,
    /// Largest fall of the 90 % intervals' coverage below the baseline.
    pub coverage_decrease: f64,
    /// Largest relative change of predicted over actual value of all customers against the baseline, either way.
    pub total_change: f64,
    /// Whether a major drift of the inputs is an alarm of its own. By default it is told beside one, as a possible cause.
    pub page_on_inputs: bool,
}

impl Default for MonitorSection {
    fn default() -> Self {
        Self {
            rmse_increase: 0.20,
            r2_decrease: 0.15,
            gini_decrease: 0.10,
            slope_low: 0.5,
            slope_high: 1.5,
            coverage_decrease: 0.10,
            total_change: 0.50,
            page_on_inputs: false,
        }
    }
}

/// Whom to tell of an alarm: a POST with the alert's JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSection {
    /// Where to.
    pub url: String,
    /// Environment variable that holds the secret which signs the body (HMAC-SHA256); unsigned when left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_env: Option<String>,
}

/// What a grid search tries: every pair of windows with every model and segmentation, at every cutoff.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GridSection {
    /// Months of purchases to learn from; 0 is everything.
    pub calibration_months: Vec<u32>,
    /// Months to predict.
    pub prediction_months: Vec<u32>,
    /// Purchase models; default: the configuration's.
    pub models: Vec<PurchaseModel>,
    /// Ways to group customers: `configured` (as `[groups]` says), `none`, `rfm`; default: the configuration's.
    pub segmentations: Vec<Segmentation>,
    /// Number of cutoffs, each with the whole of its prediction window behind it in the data.
    pub cutoffs: u32,
    /// Days from one cutoff to the next.
    pub cutoff_every_days: u32,
    /// How each is fitted: `laplace` is quick, `nuts` with few draws is surer.
    pub sampler: SamplerKind,
    /// Posterior draws that predict, and of `nuts` and `chees` the draws of all chains together.
    pub draws: usize,
    /// Customers drawn by chance to learn from and to be judged on; default: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sample_customers: Option<u64>,
}

impl Default for GridSection {
    fn default() -> Self {
        Self {
            calibration_months: vec![3, 6, 9, 12, 15, 18, 0],
            prediction_months: vec![3, 6, 9, 12],
            models: Vec::new(),
            segmentations: Vec::new(),
            cutoffs: 3,
            cutoff_every_days: 91,
            sampler: SamplerKind::Laplace,
            draws: 200,
            sample_customers: None,
        }
    }
}

/// A way to group customers that a grid search tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Segmentation {
    /// As `[groups]` says.
    Configured,
    /// Everyone together.
    None,
    /// Classes of recency and frequency.
    Rfm,
}

impl Segmentation {
    /// The word in configurations.
    pub fn key(self) -> &'static str {
        match self {
            Self::Configured => "configured",
            Self::None => "none",
            Self::Rfm => "rfm",
        }
    }
}

/// How long things are kept, in months; `longrun prune` removes what is older. The champion and what its ledger needs are always kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RetentionSection {
    /// A model's draws.
    pub models_months: u32,
    /// Model cards.
    pub cards_months: u32,
    /// Predictions, once they are labelled.
    pub predictions_months: u32,
}

impl Default for RetentionSection {
    fn default() -> Self {
        Self { models_months: 9, cards_months: 84, predictions_months: 12 }
    }
}
