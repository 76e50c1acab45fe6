//! The `[lifecycle.nightly]` table: what an unattended night does, where the project is kept between nights, and how long it may take.
//! Nothing here changes a model.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What `longrun nightly` does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NightlySection {
    /// Where the project is kept between nights, `gs://bucket/name` or `s3://bucket/name`: fetched before the night and sent after it.
    /// Default: where the configuration lies.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
    /// Whether a night that ended well removes what `lifecycle.retention` says has been kept long enough, as `longrun prune --yes` does.
    pub prune: bool,
    /// Days of new data after which a model is fitted anew.
    pub train_every_days: u32,
    /// Whether a fit begins where the newest model ended. One that cannot, because groups, priors or the model changed, begins cold.
    pub warm_start: bool,
    /// Minutes after which the lock of a holder that gave no sign of life is taken over.
    pub lock_minutes: u32,
    /// Seconds from one sign of life to the next.
    pub heartbeat_seconds: u32,
    /// Seconds after a request to stop (SIGTERM) in which the fit may still reach a place where nothing is lost.
    pub grace_seconds: u32,
    /// Minutes after which a night stops and leaves the rest to the next; without end by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deadline_minutes: Option<u32>,
    /// When `lifecycle.webhook` is told how a night ended.
    pub notify: Notify,
}

impl Default for NightlySection {
    fn default() -> Self {
        Self {
            home: None,
            prune: false,
            train_every_days: 1,
            warm_start: true,
            lock_minutes: 5,
            heartbeat_seconds: 30,
            grace_seconds: 15,
            deadline_minutes: None,
            notify: Notify::Problems,
        }
    }
}

/// When the end of a night is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Notify {
    /// Every morning.
    Always,
    /// When it failed, was refused, or ran into its deadline.
    Problems,
    /// Never; alarms are told all the same.
    Never,
}
