//! Watches the champion: each labelled snapshot against the baseline that its model's card promised for the same horizon, with inputs beside
//! it. Whether a change counts is `evaluate`'s word; what is done about it is a person's. Nothing here retrains.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::card::Evaluated;
use super::label::{OutcomeRecord, Slice};
use super::project::{read_json, write_json};
use super::snapshot::{SnapshotName, SnapshotRecord};
use crate::error::{Error, Result};
use crate::evaluate::{Accuracy, Judgement, Shift, State, Thresholds, judge};

/// `monitor.json` of a labelled snapshot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MonitorRecord {
    /// Version of this layout.
    pub schema_version: u32,
    /// The snapshot's cutoff.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Last day of its window.
    #[schemars(with = "String")]
    pub window_end: NaiveDate,
    /// Its horizon.
    pub prediction_months: u32,
    /// The model that predicted.
    pub model_id: String,
    /// What its card promised for this horizon; absent where it promised nothing.
    pub baseline: Option<Baseline>,
    /// How the predictions did.
    pub latest: Accuracy,
    /// What was judged; empty without a baseline.
    pub judgements: Vec<Judgement>,
    /// Why nothing could be judged, if so.
    pub not_judged: Option<String>,
    /// How the customers had moved from those the model learned from, when they were scored.
    pub inputs: Vec<Shift>,
    /// Whether a limit was broken, by more than noise.
    pub breach: bool,
    /// Breaches in a row that end with this one.
    pub consecutive: u32,
    /// Whether it is time to look for other windows or another model: two breaches in a row.
    pub recommend_grid: bool,
    /// Where the error comes from: parts of customers, worst first.
    pub worst_slices: Vec<Slice>,
    /// What has most likely happened, in words.
    pub likely_causes: Vec<String>,
}

/// An accuracy to hold others against.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Baseline {
    /// Its cutoff.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Whose predictions it judged.
    pub of: Evaluated,
    /// The figures.
    pub accuracy: Accuracy,
}

/// Breaches in a row that recommend a grid search.
const RECOMMEND_AFTER: u32 = 2;

/// Parts of customers that a record names.
const MOST_SLICES: usize = 6;

impl Project {
    /// What monitoring said of a snapshot; none until it has.
    ///
    /// # Errors
    /// A damaged file.
    pub fn monitored(&self, name: SnapshotName) -> Result<Option<MonitorRecord>> {
        read_json(&self.snapshot_folder(name).join("monitor.json"))
    }

    /// Limits as the configuration sets them.
    fn limits(&self) -> Thresholds {
        let m = &self.section.monitor;
        Thresholds {
            rmse_increase: m.rmse_increase,
            r2_decrease: m.r2_decrease,
            gini_fall: m.gini_decrease,
            slope_low: m.slope_low,
            slope_high: m.slope_high,
            coverage_fall: m.coverage_decrease,
            total_change: m.total_change,
            ..Thresholds::default()
        }
    }
}

/// Judges a labelled snapshot and writes `monitor.json`. Judging again says the same.
///
/// # Errors
/// A snapshot that is not labelled; a card that is gone.
pub fn monitor(project: &Project, name: SnapshotName) -> Result<MonitorRecord> {
    let unlabelled =
        || Error::new("the snapshot is not labelled yet").at(name).advice("`longrun pipeline` labels what has matured");
    let record = project.snapshot(name)?.ok_or_else(unlabelled)?;
    let outcome = project.outcome(name)?.ok_or_else(unlabelled)?;
    let card = project.card(&record.model_id)?;
    let baseline = card
        .evaluation
        .filter(|_| card.prediction_months == record.prediction_months)
        .map(|evaluation| Baseline { cutoff: evaluation.cutoff, of: evaluation.of, accuracy: evaluation.accuracy });
    let is_baseline = baseline.as_ref().is_some_and(|b| b.cutoff == record.cutoff && b.accuracy == outcome.accuracy);
    let not_judged = match &baseline {
        Some(_) if is_baseline => Some("this window is the baseline itself".to_owned()),
        Some(_) => None,
        None if card.prediction_months != record.prediction_months => Some(format!(
            "model {} was evaluated over {} months, this snapshot is of {}: errors over different windows cannot be compared",
            card.id, card.prediction_months, record.prediction_months
        )),
        None => Some(format!(
            "model {} has no evaluation out of time: {}",
            card.id,
            card.evaluation_missing.as_deref().unwrap_or("its card does not say why")
        )),
    };
    let judgements = match &baseline {
        Some(baseline) if !is_baseline => judge(&baseline.accuracy, &outcome.accuracy, &project.limits())?,
        _ => Vec::new(),
    };
    let drifted = project.section.monitor.page_on_inputs && record.major_shifts().next().is_some();
    let breach = drifted || judgements.iter().any(is_breach);
    let consecutive = if breach { 1 + breaches_before(project, name)? } else { 0 };
    let written = MonitorRecord {
        schema_version: 1,
        cutoff: record.cutoff,
        window_end: record.window_end,
        prediction_months: record.prediction_months,
        model_id: record.model_id.clone(),
        not_judged,
        breach,
        consecutive,
        recommend_grid: consecutive >= RECOMMEND_AFTER,
        worst_slices: worst(&outcome),
        likely_causes: likely_causes(&record, &outcome, baseline.as_ref()),
        baseline,
        latest: outcome.accuracy,
        judgements,
        inputs: record.inputs,
    };
    write_json(&project.snapshot_folder(name).join("monitor.json"), &written)?;
    Ok(written)
}

/// Whether a limit is broken, by more than noise.
pub(super) fn is_breach(judgement: &Judgement) -> bool {
    judgement.state == State::Breach
}

/// Breaches in a row right before a snapshot, of those of the same horizon.
fn breaches_before(project: &Project, name: SnapshotName) -> Result<u32> {
    let mut earlier = project.snapshots()?.into_iter().filter(|n| n.months == name.months && n.cutoff < name.cutoff);
    match earlier.next_back() {
        Some(last) => Ok(project.monitored(last)?.map_or(0, |record| record.consecutive)),
        None => Ok(0),
    }
}

/// The parts that contribute more to the error than to the number of customers, by the excess of value predicted or missing.
fn worst(outcome: &OutcomeRecord) -> Vec<Slice> {
    let all = outcome.total.customers.max(1) as f64;
    let excess = |slice: &Slice| slice.error_share - slice.customers as f64 / all;
    let mut slices: Vec<Slice> = outcome.slices.iter().filter(|slice| excess(slice) > 0.0).cloned().collect();
    slices.sort_by(|a, b| excess(b).total_cmp(&excess(a)));
    slices.truncate(MOST_SLICES);
    slices
}

/// A ratio this far from 1 is told.
const TOLD: f64 = 0.10;

fn likely_causes(record: &SnapshotRecord, outcome: &OutcomeRecord, baseline: Option<&Baseline>) -> Vec<String> {
    let total = &outcome.total;
    let mut causes = Vec::new();
    let change = |actual: f64, predicted: f64| (predicted > 0.0).then(|| actual / predicted - 1.0);
    let percent = |share: f64| format!("{:.0} %", 100.0 * share.abs());
    let direction = |share: f64| if share > 0.0 { "more" } else { "less" };
    // A baseline that was off the same way is no change.
    let usual = baseline.and_then(|b| b.accuracy.get(crate::evaluate::Metric::TotalRatio).value).filter(|r| *r > 0.0);
    let purchases = change(total.actual_purchases as f64, total.predicted_purchases);
    if let Some(share) = purchases.filter(|share| share.abs() > TOLD) {
        causes.push(format!("customers bought {} {} often than predicted", percent(share), direction(share)));
    }
    if record.in_spend && total.actual_purchases > 0 && total.predicted_purchases > 0.0 {
        let each = change(
            total.actual_value / total.actual_purchases as f64,
            total.predicted_value / total.predicted_purchases,
        );
        if let Some(share) = each.filter(|share| share.abs() > TOLD) {
            causes.push(format!("they spent {} {} per purchase than predicted", percent(share), direction(share)));
        }
    }
    if let (Some(usual), Some(share)) = (usual, change(total.actual_value, total.predicted_value))
        && (share + 1.0 - 1.0 / usual).abs() < TOLD / 2.0
        && share.abs() > TOLD
    {
        causes.push("the predictions were off by as much in the baseline: the model, not the customers".to_owned());
    }
    if outcome.worst_ten_share > 0.5 {
        causes.push(format!(
            "ten customers make {} of the squared error: look at them one by one before anything else",
            percent(outcome.worst_ten_share)
        ));
    }
    for input in record.major_shifts() {
        causes.push(format!("`{}` of the customers has moved far from what the model learned from", input.column));
    }
    if outcome.left_out > 0 {
        causes.push(format!("{} customers of the snapshot are no longer in the log", outcome.left_out));
    }
    causes
}
