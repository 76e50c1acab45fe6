//! What a night tells of itself: signs of life while it works, and how it ended. Both are small objects in the project's folder, for
//! programs and for `longrun status`.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Version of the records' layout.
pub const RECORD_VERSION: u32 = 1;

/// The last sign of life.
pub const HEARTBEAT_FILE: &str = "nightly/heartbeat.json";
/// How the last night ended.
pub const STATUS_FILE: &str = "nightly/status.json";
/// The lock that keeps two machines apart.
pub const LOCK_FILE: &str = "nightly/lock.json";

/// Who works, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Worker {
    /// The machine's name.
    pub host: String,
    /// The process.
    pub pid: u32,
    /// When it began.
    #[schemars(with = "String")]
    pub began: DateTime<Utc>,
}

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Heartbeat {
    /// Version of the layout.
    pub schema_version: u32,
    /// Who works.
    pub worker: Worker,
    /// When this was written.
    #[schemars(with = "String")]
    pub at: DateTime<Utc>,
    /// What the night is busy with.
    pub stage: Stage,
    /// What the stage is busy with, in words.
    pub doing: String,
    /// How much of that is done, 0 to 1, where it is known.
    pub share: Option<f64>,
    /// Gradients of the fit under way, those of earlier attempts included.
    pub gradient_evaluations: Option<u64>,
}

/// The parts of a night, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The project is fetched.
    Fetch,
    /// New purchases are folded into the table.
    Summarize,
    /// A model is fitted to them, judged and evaluated; a healthy one becomes the challenger.
    Refit,
    /// The challenger is compared with the champion.
    Compare,
    /// Whatever the calendar says is due: scoring, labelling, judging.
    Pipeline,
    /// The project is sent home.
    Upload,
}

impl Stage {
    /// The stage's name, as in records and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fetch => "fetch",
            Self::Summarize => "summarize",
            Self::Refit => "refit",
            Self::Compare => "compare",
            Self::Pipeline => "pipeline",
            Self::Upload => "upload",
        }
    }
}

/// How a night ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Everything that was due is done.
    Healthy,
    /// It is done, but the diagnostics refuse the new fit, or an alarm stands.
    Refused,
    /// It failed.
    Failed,
    /// It was asked to stop, and saved what it had.
    Stopped,
    /// It ran into its deadline, and saved what it had.
    Late,
}

impl Outcome {
    /// The process's exit code.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Healthy => 0,
            Self::Refused => 1,
            Self::Failed => 2,
            Self::Stopped => 4,
            Self::Late => 5,
        }
    }

    /// In a word, as in records.
    pub fn name(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Stopped => "stopped",
            Self::Late => "late",
        }
    }
}

/// What one stage cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageCost {
    /// The stage.
    pub stage: Stage,
    /// Seconds by the clock.
    pub seconds: f64,
    /// What it came to, in words.
    pub said: String,
}

/// A night that ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NightRecord {
    /// Version of the layout.
    pub schema_version: u32,
    /// Who worked.
    pub worker: Worker,
    /// When it ended.
    #[schemars(with = "String")]
    pub ended: DateTime<Utc>,
    /// How.
    pub outcome: Outcome,
    /// The process's exit code.
    pub exit_code: u8,
    /// Why, in words, where it is not healthy.
    pub reasons: Vec<String>,
    /// Day of the last purchase that it knew.
    #[schemars(with = "Option<String>")]
    pub last_date: Option<NaiveDate>,
    /// The model that was made, or was there.
    pub model: Option<String>,
    /// Whether a fit began where an earlier model ended.
    pub began_warm: bool,
    /// Gradients that earlier attempts had made, and that were not made again.
    pub gradients_kept: u64,
    /// Gradients that this attempt made.
    pub gradients_made: u64,
    /// The comparison with the champion, in words; the whole of it is `nightly/comparison.json`.
    pub compared: Option<String>,
    /// What was done of the calendar.
    pub pipeline: Vec<String>,
    /// What the stages cost, in order.
    pub stages: Vec<StageCost>,
}

/// The JSON Schema of [`NightRecord`].
pub fn night_schema() -> serde_json::Value {
    schemars::schema_for!(NightRecord).into()
}
