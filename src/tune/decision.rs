//! What was decided after one cycle: the proof that it is done, and the page on which a reader finds who said what and what became of it.

use serde::{Deserialize, Serialize};

use crate::advise::{Advice, Change, Stage};

/// The layout's version.
pub const DECISION_VERSION: u32 = 1;

/// `decision.json` of a cycle.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// The layout's version, [`DECISION_VERSION`].
    pub schema_version: u32,
    /// The cycle, from 1.
    pub cycle: usize,
    /// Whether it was a short run or everything that the configuration says.
    pub stage: Stage,
    /// Customers that were fitted; none where the data could not be read.
    pub customers: Option<u64>,
    /// Whether the verdict passed.
    pub passed: bool,
    /// The verdict's reasons; where the data could not be read, why. These stay at home: they name groups and files as they are.
    pub reasons: Vec<String>,
    /// What was advised, and by whom.
    pub advice: Advice,
    /// Why the rules answered in the model's place, where they did.
    pub fallback: Option<Fallback>,
    /// What was applied.
    pub applied: Vec<Change>,
    /// Keys whose change was declined, by a person or because the configuration would not have it, with the reason.
    pub declined: Vec<(String, String)>,
    /// What comes next.
    pub next: Next,
    /// Seconds that the cycle took.
    pub seconds: f64,
}

/// Why the rules answered in the model's place.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Fallback {
    /// In words.
    pub why: String,
}

/// What comes after a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
    /// Another short run.
    Cycle,
    /// Everything that the configuration says.
    Confirm,
    /// Nothing: the verdict of everything passed.
    Passed,
    /// Nothing: no advice is left, or a person must act.
    Stopped,
}
