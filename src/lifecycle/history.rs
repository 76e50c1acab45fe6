//! Everything that has happened in a project, in order: champions, snapshots, how they did, who moved. A view for people's pages and for
//! programs; nothing here judges anew.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::label::OutcomeRecord;
use super::ledger::Action;
use super::monitor::MonitorRecord;
use super::snapshot::SnapshotRecord;
use super::state::State;
use crate::error::Result;

/// `longrun history --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Version of this layout.
    pub schema_version: u32,
    /// The project's title.
    pub title: String,
    /// Sign or code shown before amounts.
    pub currency: String,
    /// The cutoff that is scored next.
    #[schemars(with = "Option<String>")]
    pub next_cutoff: Option<NaiveDate>,
    /// The champion now.
    pub champion: Option<String>,
    /// Who became champion when, first to last.
    pub promotions: Vec<PromotionRow>,
    /// Every snapshot, by cutoff.
    pub snapshots: Vec<HistoryRow>,
}

/// A change of champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PromotionRow {
    /// When.
    pub time: String,
    /// `promote` or `rollback`.
    pub action: String,
    /// Who.
    pub model_id: String,
    /// The model's cutoff.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// What the person said.
    pub note: String,
}

/// A snapshot and what became of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryRow {
    /// What it said.
    pub snapshot: SnapshotRecord,
    /// What became of it; absent until its window has passed.
    pub outcome: Option<OutcomeRecord>,
    /// How that was judged.
    pub monitor: Option<MonitorRecord>,
    /// Whether it raised an alarm.
    pub alert: bool,
}

/// Collects a project's history.
///
/// # Errors
/// Files that are damaged; a ledger that does not hold.
pub fn history(project: &Project) -> Result<History> {
    let ledger = project.ledger()?;
    let promotions = ledger
        .rows()
        .iter()
        .map(|row| PromotionRow {
            time: row.time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true),
            action: match row.entry.action {
                Action::Promote => "promote".to_owned(),
                Action::Rollback => "rollback".to_owned(),
            },
            model_id: row.entry.model_id.clone(),
            cutoff: row.entry.cutoff,
            note: row.entry.note.clone(),
        })
        .collect();
    let mut snapshots = Vec::new();
    for name in project.snapshots()? {
        let Some(snapshot) = project.snapshot(name)? else { continue };
        snapshots.push(HistoryRow {
            snapshot,
            outcome: project.outcome(name)?,
            monitor: project.monitored(name)?,
            alert: project.path(&format!("alerts/{name}.json")).exists(),
        });
    }
    Ok(History {
        schema_version: 1,
        title: project.plan.output.title.clone(),
        currency: project.plan.data.currency.clone(),
        next_cutoff: State::read(project)?.next_cutoff,
        champion: ledger.champion().map(str::to_owned),
        promotions,
        snapshots,
    })
}
