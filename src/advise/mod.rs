//! What to change in a configuration whose fit is refused: symptoms in, recommendations out. Two advisors behind one trait: rules, and a
//! language model whose answer is never trusted.
//!
//! ```text
//! Packet (aggregates only) ──Advisor──▶ Advice ──whitelist──▶ what may be applied
//! ```
//!
//! Nothing here knows models, devices, files, clocks or sockets: whoever calls makes the packet, carries the request and applies the
//! advice.

mod advice;
mod answer;
mod language_model;
mod markdown;
mod packet;
mod prompt;
mod rules;
mod whitelist;

#[cfg(test)]
mod patient;

pub use advice::{Advice, Advisor, Change, Explanation, Recommendation, Refusal};
pub use answer::{ANSWER_BYTES, answer_schema, judge};
pub use language_model::{Exchange, LanguageModel, Post, Reply, Transport, TransportFailure};
pub use markdown::markdown;
pub use packet::{
    CostFigures, DataFigures, DateFormat, Figure, FitFigures, GroupFigure, LeaningFigure, Limits, ModelFigures,
    PACKET_VERSION, Packet, PriorFigure, ReadingFigures, SHORT_RUN_DEPTH, Stage, Symptom, significant,
};
pub use prompt::prompt;
pub use rules::{RULES, Rule, Rules};
pub use whitelist::{Allowed, Bounds, DATE_FORMATS, OWN, WHITELIST, allowed, check, settings, toml_text};
