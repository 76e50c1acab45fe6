//! Labels a snapshot whose window has passed: what each of its customers bought, beside what was predicted. A customer who bought nothing is
//! labelled 0; one whom the log no longer knows is left out and counted. The predictions themselves are not touched.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::evaluate::join;
use super::fit::{Windows, summarized};
use super::predictions::{CLUSTER, Outcomes, Predictions};
use super::project::{read_json, write_json};
use super::recipe::Recipe;
use super::snapshot::{SnapshotName, SnapshotRecord, check_gone};
use crate::error::{Error, Result};
use crate::evaluate::Accuracy;
use crate::predict::Labelling;
use crate::run::{Log, Observer};

/// `outcome.json`: what became of a snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OutcomeRecord {
    /// Version of this layout.
    pub schema_version: u32,
    /// The snapshot's cutoff.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Last day of its window.
    #[schemars(with = "String")]
    pub window_end: NaiveDate,
    /// How well its predictions did.
    pub accuracy: Accuracy,
    /// Predicted customers whom the log no longer knows.
    pub left_out: u64,
    /// Everyone together.
    pub total: Slice,
    /// Parts of the customers, by tier, cluster, group and past purchases.
    pub slices: Vec<Slice>,
    /// Share of the squared error that the ten worst predicted customers make.
    pub worst_ten_share: f64,
}

/// Some customers: what was predicted of them, and what they did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Slice {
    /// What they are parted by: `value_tier`, `behaviour_cluster`, `frequency`, or the group's column.
    pub by: String,
    /// Which part.
    pub label: String,
    /// Customers in it.
    pub customers: u64,
    /// Value predicted of all of them.
    pub predicted_value: f64,
    /// Their value.
    pub actual_value: f64,
    /// Purchases predicted of all of them.
    pub predicted_purchases: f64,
    /// Their purchases.
    pub actual_purchases: u64,
    /// Share of the squared error of value.
    pub error_share: f64,
}

impl Slice {
    /// Which customers, in words: `value tier Top 5%`, `Cluster 4`, `5+ repeat purchases`.
    pub fn in_words(&self) -> String {
        match self.by.as_str() {
            "frequency" => format!("{} repeat purchases", self.label),
            // Its label says what it is.
            CLUSTER => self.label.clone(),
            by => format!("{} {}", by.replace('_', " "), self.label),
        }
    }
}

impl Project {
    /// What became of a snapshot; none until it is labelled.
    ///
    /// # Errors
    /// A damaged file.
    pub fn outcome(&self, name: SnapshotName) -> Result<Option<OutcomeRecord>> {
        read_json(&self.snapshot_folder(name).join("outcome.json"))
    }
}

/// Whether a snapshot's window has passed, by the calendar and in the data.
pub(super) fn is_mature(project: &Project, record: &SnapshotRecord, log: &Log) -> bool {
    let lag = chrono::Days::new(project.section.schedule.max_data_lag_days.into());
    project.today.date > record.window_end && log.last_date + lag >= record.window_end
}

/// Labels a snapshot, unless it is labelled.
///
/// # Errors
/// A window that has not passed; predictions that are gone.
pub fn label(project: &Project, name: SnapshotName, log: &Log, observer: &dyn Observer) -> Result<OutcomeRecord> {
    if let Some(outcome) = project.outcome(name)? {
        return Ok(outcome);
    }
    let record = project
        .snapshot(name)?
        .ok_or_else(|| Error::new("there is no such snapshot").at(project.path("outputs").display()).seen(name))?;
    if !is_mature(project, &record, log) {
        return Err(Error::new("the snapshot's window has not passed")
            .at(name)
            .seen(format!(
                "it ends on {}; today is {}, the data end on {}",
                record.window_end, project.today.date, log.last_date
            ))
            .advice("wait until it has; what is not known yet is not nothing"));
    }
    let work = format!("label-{name}-{}", log.key);
    // The window's end is the snapshot's, also where the last days of the data are late.
    let windows =
        Windows { cutoff: record.cutoff, calibration_months: None, prediction_months: record.prediction_months };
    let source = Recipe::of(project)?.source(&windows, &work, record.window_end)?;
    let dir = summarized(project, &work, &source, log, observer)?;
    let predictions = Predictions::read(&project.predictions_file(name, "parquet"))?;
    let outcomes = join(&dir, predictions, record.in_spend)?;
    drop(dir);
    let gone = outcomes.left_out as usize;
    check_gone(project, name, gone, gone + outcomes.actual_value.len())?;
    outcomes.write(&project.snapshot_folder(name), &format!("clv_labelled_{name}"))?;
    let outcome = OutcomeRecord {
        schema_version: 1,
        cutoff: record.cutoff,
        window_end: record.window_end,
        accuracy: outcomes.accuracy(record.prediction_months, record.in_spend)?,
        left_out: outcomes.left_out,
        total: outcomes.slice("all", "all", |_| true),
        slices: outcomes.slices(),
        worst_ten_share: outcomes.worst_share(10),
    };
    write_json(&project.snapshot_folder(name).join("outcome.json"), &outcome)?;
    project.forget_work(&work)?;
    Ok(outcome)
}

/// Parts of customers by purchases in the past.
const FREQUENCIES: [(&str, u32, u32); 4] = [("0", 0, 0), ("1", 1, 1), ("2-4", 2, 4), ("5+", 5, u32::MAX)];

impl Outcomes {
    fn squared_error(&self, i: usize) -> f64 {
        (self.predictions.value[i] - self.actual_value[i]).powi(2)
    }

    fn slice(&self, by: &str, label: &str, is_in: impl Fn(usize) -> bool) -> Slice {
        let mut slice = Slice {
            by: by.to_owned(),
            label: label.to_owned(),
            customers: 0,
            predicted_value: 0.0,
            actual_value: 0.0,
            predicted_purchases: 0.0,
            actual_purchases: 0,
            error_share: 0.0,
        };
        let (mut within, mut all) = (0.0, 0.0);
        for i in 0..self.actual_value.len() {
            all += self.squared_error(i);
            if is_in(i) {
                within += self.squared_error(i);
                slice.customers += 1;
                slice.predicted_value += self.predictions.value[i];
                slice.actual_value += self.actual_value[i];
                slice.predicted_purchases += self.predictions.purchases[i];
                slice.actual_purchases += u64::from(self.actual_purchases[i]);
            }
        }
        slice.error_share = if all > 0.0 { within / all } else { 0.0 };
        slice
    }

    fn slices(&self) -> Vec<Slice> {
        let p = &self.predictions;
        let labellings: [Option<&Labelling>; 3] = [p.tier.as_ref(), p.cluster.as_ref(), self.group.as_ref()];
        let mut slices = Vec::new();
        for labelling in labellings.into_iter().flatten().filter(|l| l.labels.len() <= MOST_PARTS) {
            slices.extend(
                labelling
                    .labels
                    .iter()
                    .zip(0u32..)
                    .map(|(label, place)| self.slice(&labelling.name, label, |i| labelling.of_customer[i] == place)),
            );
        }
        slices.extend(
            FREQUENCIES.iter().map(|&(label, least, most)| {
                self.slice("frequency", label, |i| (least..=most).contains(&p.frequency[i]))
            }),
        );
        slices.retain(|slice| slice.customers > 0);
        slices
    }

    /// Share of the squared error that the `n` worst predicted customers make.
    fn worst_share(&self, n: usize) -> f64 {
        let mut errors: Vec<f64> = (0..self.actual_value.len()).map(|i| self.squared_error(i)).collect();
        errors.sort_unstable_by(|a, b| b.total_cmp(a));
        let all: f64 = errors.iter().sum();
        if all > 0.0 { errors.iter().take(n).sum::<f64>() / all } else { 0.0 }
    }
}

/// Groups beyond which parts are not told one by one.
const MOST_PARTS: usize = 50;
