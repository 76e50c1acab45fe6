//! Advice as data: changes of single keys with their reason and source, what no key can mend, and what was refused.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::packet::Packet;
use crate::error::Result;

/// Someone who reads a packet and says what to change.
pub trait Advisor {
    /// `rules` or `llm`.
    fn name(&self) -> &'static str;

    /// What to change, given what was changed before.
    ///
    /// # Errors
    /// No advice could be had. The caller then asks another advisor.
    fn advise(&self, packet: &Packet, history: &[Change]) -> Result<Advice>;
}

/// What an advisor says of one packet.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Advice {
    /// Who says it.
    pub advisor: String,
    /// Changes, each of one key, the most pressing first.
    pub recommendations: Vec<Recommendation>,
    /// What no key can mend, or what is a person's decision.
    pub explanations: Vec<Explanation>,
    /// What was said but must not be applied.
    pub refused: Vec<Refusal>,
}

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recommendation {
    /// The rule that says it, or `llm`.
    pub rule: String,
    /// What was seen.
    pub symptom: String,
    /// The figure it was seen by, where there is one.
    pub figure: Option<f64>,
    /// The key, dotted.
    pub key: String,
    /// What stands there now.
    pub from: Value,
    /// What should stand there.
    pub to: Value,
    /// Why.
    pub why: String,
    /// Where that is known from.
    pub citation: String,
}

/// Something that no key of the configuration can mend, or that a person must decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule that says it, or `llm`.
    pub rule: String,
    /// What was seen.
    pub symptom: String,
    /// The figure it was seen by, where there is one.
    pub figure: Option<f64>,
    /// What it means, and what to do.
    pub text: String,
    /// Where that is known from.
    pub citation: String,
    /// Whether the result must not be used until a person has dealt with it, however healthy the sampler.
    pub blocking: bool,
}

/// Something that was said and is not applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    /// The key, as it was said (shortened).
    pub key: String,
    /// The value, as it was said (shortened).
    pub value: String,
    /// Why not.
    pub reason: String,
}

/// A change that was applied.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The cycle after which it was applied, from 1.
    pub cycle: usize,
    /// The rule that asked for it, or `llm`.
    pub rule: String,
    /// The key, dotted.
    pub key: String,
    /// What stood there.
    pub from: Value,
    /// What stands there since.
    pub to: Value,
    /// Why.
    pub why: String,
}
