//! What cron calls: works out what is due, and does it. Each piece of work is whole or not there, and doing it twice changes nothing, so a
//! run that was killed, missed or started twice ends where an undisturbed one does.

use std::collections::BTreeSet;
use std::sync::Mutex;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::alert::Alert;
use super::label::{is_mature, label};
use super::monitor::{MonitorRecord, monitor};
use super::snapshot::{SnapshotName, score};
use super::state::{State, next_cutoff};
use super::webhook::Delivery;
use crate::error::{Error, Result};
use crate::run::{Log, Observer, Step};

/// One piece of work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Predict everyone at a cutoff, through both lenses, and move on to the next cutoff.
    Score {
        /// The cutoff.
        #[schemars(with = "String")]
        cutoff: NaiveDate,
    },
    /// Put what happened beside a snapshot's predictions.
    Label {
        /// The snapshot.
        snapshot: String,
    },
    /// Judge a labelled snapshot, and raise an alarm if need be.
    Monitor {
        /// The snapshot.
        snapshot: String,
    },
}

impl std::fmt::Display for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Score { cutoff } => write!(f, "score {cutoff}"),
            Self::Label { snapshot } => write!(f, "label {snapshot}"),
            Self::Monitor { snapshot } => write!(f, "monitor {snapshot}"),
        }
    }
}

/// A cutoff that is due by the calendar while its data are not there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Waiting {
    /// The cutoff.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Day of the last purchase in the data.
    #[schemars(with = "String")]
    pub last_date: NaiveDate,
}

/// What is to be done, or was.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Agenda {
    /// The pieces of work, in order.
    pub actions: Vec<Action>,
    /// What cannot be done yet.
    pub waiting: Option<Waiting>,
    /// The cutoff that is scored next, once it is due.
    #[schemars(with = "Option<String>")]
    pub next_cutoff: Option<NaiveDate>,
}

/// What a run of the pipeline came to.
#[derive(Debug, Clone, Default)]
pub struct PipelineDone {
    /// What was done, and what waits.
    pub agenda: Agenda,
    /// What monitoring said of the snapshots that were judged.
    pub monitored: Vec<MonitorRecord>,
    /// How telling of alarms went.
    pub deliveries: Vec<Delivery>,
    /// The last snapshot that was judged, in this run or before, where it broke its limits.
    pub standing: Option<SnapshotName>,
}

impl PipelineDone {
    /// Whether an alarm was raised, or one stands: the same run tried again says the same.
    pub fn alarmed(&self) -> bool {
        self.standing.is_some() || self.monitored.iter().any(|record| record.breach)
    }

    /// Days for which a cutoff has waited for its data, where that is longer than the configuration allows.
    pub fn overdue(&self, project: &Project) -> Option<i64> {
        let days = (project.today.date - self.agenda.waiting.as_ref()?.cutoff).num_days();
        (days > i64::from(project.section.schedule.max_wait_days)).then_some(days)
    }
}

/// Works out what is due today.
///
/// # Errors
/// No champion; a damaged project.
pub fn agenda(project: &Project, log: &Log) -> Result<Agenda> {
    let (state, champion) = (State::read(project)?, project.champion()?);
    let schedule = &project.section.schedule;
    let months = project.section.prediction_months;
    let first = state.first_cutoff.or(project.section.first_cutoff.map(|day| day.0)).unwrap_or(champion.cutoff);
    let mut next = state.next_cutoff.unwrap_or(first);
    let mut agenda = Agenda::default();
    let lag = chrono::Days::new(schedule.max_data_lag_days.into());
    let mut names = project.snapshots()?;
    // The cutoff's own day must be over.
    while next < project.today.date {
        if log.last_date + lag < next {
            agenda.waiting = Some(Waiting { cutoff: next, last_date: log.last_date });
            break;
        }
        agenda.actions.push(Action::Score { cutoff: next });
        let name = SnapshotName { cutoff: next, months };
        if !names.contains(&name) {
            names.push(name);
        }
        next = next_cutoff(schedule, first, next)?;
    }
    agenda.next_cutoff = Some(next);
    names.sort();
    for name in names {
        let end = super::today::window_end(name.cutoff, name.months)?;
        let mature = match project.snapshot(name)? {
            Some(record) => is_mature(project, &record, log),
            None => project.today.date > end && log.last_date + lag >= end,
        };
        let labelled = project.outcome(name)?.is_some();
        if mature && !labelled {
            agenda.actions.push(Action::Label { snapshot: name.to_string() });
        }
        if (mature || labelled) && !is_settled(project, name)? {
            agenda.actions.push(Action::Monitor { snapshot: name.to_string() });
        }
    }
    Ok(agenda)
}

/// Whether a snapshot has been judged, and its alert, if there is one, written.
fn is_settled(project: &Project, name: SnapshotName) -> Result<bool> {
    Ok(match project.monitored(name)? {
        Some(record) => !record.breach || project.path(&format!("alerts/{name}.json")).exists(),
        None => false,
    })
}

/// Does what is due.
///
/// # Errors
/// As the pieces of work; what was done before the failure stands, and the next run goes on from there.
pub fn pipeline(project: &Project, observer: &dyn Observer) -> Result<PipelineDone> {
    let observer = &OnceTold { observer, told: Mutex::default() };
    let log = project.log(false, observer)?;
    let agenda = agenda(project, &log)?;
    let mut done = PipelineDone::default();
    for action in &agenda.actions {
        perform(project, action, &log, observer, &mut done)
            .map_err(|e| Error::new(format!("the pipeline stopped at `{action}`")).because(e))?;
    }
    done.agenda = agenda;
    done.standing = standing(project)?;
    Ok(done)
}

/// The last snapshot that was judged, if it broke its limits.
fn standing(project: &Project) -> Result<Option<SnapshotName>> {
    for name in project.snapshots()?.into_iter().rev() {
        if let Some(record) = project.monitored(name)? {
            return Ok(record.breach.then_some(name));
        }
    }
    Ok(None)
}

fn perform(
    project: &Project,
    action: &Action,
    log: &Log,
    observer: &dyn Observer,
    done: &mut PipelineDone,
) -> Result<()> {
    match action {
        Action::Score { cutoff } => {
            score(project, *cutoff, log, observer)?;
            bump(project, *cutoff)
        }
        Action::Label { snapshot } => label(project, snapshot.parse()?, log, observer).map(|_| ()),
        Action::Monitor { snapshot } => {
            let (record, delivery) = watch(project, snapshot.parse()?)?;
            done.monitored.push(record);
            done.deliveries.extend(delivery);
            Ok(())
        }
    }
}

/// Judges a snapshot, and raises an alarm if need be: told once, when its alert is first written.
///
/// # Errors
/// As [`monitor`].
pub fn watch(project: &Project, name: SnapshotName) -> Result<(MonitorRecord, Option<Delivery>)> {
    let record = monitor(project, name)?;
    let mut delivery = None;
    if record.breach {
        let known = project.path(&format!("alerts/{name}.json")).exists();
        let alert = Alert::of(record.clone());
        if !known {
            delivery = alert.tell(project);
        }
        alert.write(project)?;
    }
    Ok((record, delivery))
}

/// Moves on to the cutoff after `cutoff`.
fn bump(project: &Project, cutoff: NaiveDate) -> Result<()> {
    let mut state = State::read(project)?;
    let first = *state.first_cutoff.get_or_insert(cutoff);
    let next = next_cutoff(&project.section.schedule, first, cutoff)?;
    if state.next_cutoff.is_none_or(|known| known < next) {
        state.next_cutoff = Some(next);
    }
    state.write(project)
}

/// Tells each thing once: what is true of the log is true at every cutoff.
struct OnceTold<'a> {
    observer: &'a dyn Observer,
    told: Mutex<BTreeSet<String>>,
}

impl Observer for OnceTold<'_> {
    fn step(&self, step: Step) {
        self.observer.step(step);
    }

    fn reading(&self, done: u64, total: u64) {
        self.observer.reading(done, total);
    }

    fn predicting(&self, done: u64, total: u64) {
        self.observer.predicting(done, total);
    }

    fn note(&self, text: &str) {
        let mut told = self.told.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if told.insert(text.to_owned()) {
            self.observer.note(text);
        }
    }
}
