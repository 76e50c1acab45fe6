//! The life of a model: a project's folder, models made and evaluated out of time, a champion chosen by people, customers scored on a calendar,
//! what was promised held against what happened, and every past figure made again.
//!
//! ```text
//! train ──▶ models/ID ──promote──▶ champion ──score──▶ outputs/DATE ──label──▶ outcome ──monitor──▶ alerts/
//! ```
//!
//! Every file appears whole; every step done twice is done once. Nothing here knows HTML, HTTP servers or a terminal.

mod alert;
mod alert_markdown;
mod card;
mod card_markdown;
mod check;
mod evaluate;
mod fit;
mod grid;
mod history;
mod label;
mod ledger;
mod models;
mod monitor;
mod pipeline;
mod predictions;
mod project;
mod promote;
mod prune;
mod recipe;
mod reproduce;
mod snapshot;
mod state;
mod today;
mod train;
mod warm;
mod webhook;

pub use alert::{Alert, alert_schema};
pub use card::{
    CARD_VERSION, Card, ComputeCard, DataCard, DiagnosticsCard, Evaluated, Evaluation, FitCard, PosteriorRow,
    card_schema,
};
pub use card_markdown::card_markdown;
pub use check::check as check_section;
pub use grid::{
    Combination, DECIDES as GRID_DECIDES, GridPlan, GridRecord, GridRow, GridState, GridView, HeatMap, Recommendation,
    SCORES as GRID_SCORES, Standing, Why, grid, grid_schema, plan_grid,
};
pub use history::{History, HistoryRow, PromotionRow, history};
pub use label::{OutcomeRecord, Slice, label};
pub use ledger::{Action as LedgerAction, Entry, Ledger, Row as LedgerRow};
pub use models::Alias;
pub use monitor::{Baseline, MonitorRecord, monitor};
pub use pipeline::{Action, Agenda, PipelineDone, Waiting, agenda, pipeline, watch};
pub use project::{Access, CONFIG, Project};
pub use promote::{Comparison, PromoteSettings, Promotion, compare, previous_champion, promote};
pub use prune::{Removal, prune, removals};
pub use reproduce::{FigureRow, Match, Reproduction, reproduce};
pub use snapshot::{IntervalRecord, SnapshotName, SnapshotRecord, score};
pub use state::State;
pub use today::Today;
pub use train::{TrainOptions, Trained, train};
pub use warm::WarmStart;
pub use webhook::{Delivery, Webhook};

/// A model's card, in its folder.
const CARD_FILE: &str = "card.json";
