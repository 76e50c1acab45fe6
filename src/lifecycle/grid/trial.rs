//! One fit, and every window judged from it. What it came to is a small file of its own, so that a killed search goes on where it stopped.

use std::collections::BTreeMap;
use std::time::Instant;

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::SCORES;
use super::actual::Actual;
use super::design::{Design, Trial};
use crate::config::Segmentation;
use crate::diagnose::{Diagnostics, Verdict};
use crate::error::{Error, Result};
use crate::evaluate::{Outcomes, PurchaseOutcomes, Scored, Target, scored};
use crate::lifecycle::fit::fitted;
use crate::lifecycle::project::write_json;
use crate::run::{self, Horizons, Observer, RunDir, Step};

/// What a fit came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct FitRecord {
    pub schema_version: u32,
    pub cutoff: NaiveDate,
    /// First day to learn from; the first in the data when absent.
    pub calibration_start: Option<NaiveDate>,
    pub model: String,
    pub segmentation: Segmentation,
    /// Whether it ended without a fit that may be judged, and why.
    pub unusable: Option<Unusable>,
    /// Every window, judged.
    pub windows: BTreeMap<u32, Scored>,
    /// Seconds it took; no result depends on them.
    pub seconds: f64,
}

/// Why there is nothing to judge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "state", content = "reason")]
pub(super) enum Unusable {
    /// The fit is there, and its diagnostics refuse it; or it cannot say what is judged.
    Refused(String),
    /// It could not be made. Tried again next time.
    Failed(String),
}

impl FitRecord {
    /// Whether it settles a window: by a judgement, or by being refused.
    pub fn says(&self, months: u32) -> bool {
        matches!(self.unusable, Some(Unusable::Refused(_))) || self.windows.contains_key(&months)
    }
}

/// The fits of one cutoff.
pub(super) struct Trials<'a, 'd> {
    design: &'a Design<'d>,
    actuals: &'a [Actual],
    /// Work that shares one summary, oldest first.
    work: Vec<String>,
    /// Whose summary that is.
    of: Option<(Option<u32>, Segmentation)>,
}

impl<'a, 'd> Trials<'a, 'd> {
    pub fn new(design: &'a Design<'d>, actuals: &'a [Actual]) -> Self {
        Self { design, actuals, work: Vec::new(), of: None }
    }

    /// Makes a fit and judges its windows. A fit that fails is told in its record.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn perform(&mut self, trial: &Trial<'_>, observer: &dyn Observer) -> Result<FitRecord> {
        let of = (trial.windows.calibration_months, trial.segmentation);
        if self.of != Some(of) {
            self.end()?;
            self.of = Some(of);
        }
        let name = self.design.work_of(trial);
        let started = Instant::now();
        let (unusable, windows) = match self.judged(trial, &name, observer) {
            Ok(Ok(windows)) => (None, windows),
            Ok(Err(refused)) => (Some(Unusable::Refused(refused)), BTreeMap::new()),
            Err(failed) => (Some(Unusable::Failed(failed.to_string())), BTreeMap::new()),
        };
        self.work.push(name);
        let record = FitRecord {
            schema_version: 1,
            cutoff: trial.cutoff,
            calibration_start: trial.windows.calibration_start()?,
            model: trial.model.key().to_owned(),
            segmentation: trial.segmentation,
            unusable,
            windows,
            seconds: started.elapsed().as_secs_f64(),
        };
        if !matches!(record.unusable, Some(Unusable::Failed(_))) {
            write_json(&self.design.record_path(trial), &record)?;
        }
        Ok(record)
    }

    /// Removes finished work.
    pub fn end(&mut self) -> Result<()> {
        self.work.drain(..).try_for_each(|name| self.design.project.forget_work(&name))
    }

    /// Every window, or why the fit is refused.
    fn judged(
        &self,
        trial: &Trial<'_>,
        name: &str,
        observer: &dyn Observer,
    ) -> Result<Result<BTreeMap<u32, Scored>, String>> {
        let (project, log) = (self.design.project, self.design.log);
        let source = trial.recipe.source(&trial.windows, name, log.last_date)?;
        let mut dir = project.work(name, &source)?;
        if let Some(first) = self.work.first()
            && !run::is_done(&dir, Step::Summarize)?
        {
            run::adopt(&mut dir, &project.path(&format!("runs/{first}")))?;
        }
        drop(dir);
        let dir = fitted(project, name, &source, log, observer)?;
        let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
        if diagnostics.verdict == Verdict::Fail {
            return Ok(Err(diagnostics.reasons.join("; ")));
        }
        let in_spend = self.actuals.iter().any(|actual| actual.in_spend);
        if in_spend && dir.plan.spend.is_none() {
            return Ok(Err("no spend to learn from before the cutoff, so that value cannot be predicted".to_owned()));
        }
        self.scores(&dir, observer).map(Ok)
    }

    fn scores(&self, dir: &RunDir, observer: &dyn Observer) -> Result<BTreeMap<u32, Scored>> {
        let Some(any) = self.actuals.first() else { return Ok(BTreeMap::new()) };
        let horizons = Horizons::of(dir, any.rows.as_deref())?;
        self.actuals.iter().map(|actual| Ok((actual.months, score(&horizons, actual, observer)?))).collect()
    }
}

/// Predicts a window and measures the predictions by what happened in it.
fn score(horizons: &Horizons, actual: &Actual, observer: &dyn Observer) -> Result<Scored> {
    let judged = (0..actual.block.len()).map(|i| actual.rows.as_ref().map_or(i, |rows| rows[i]));
    if !judged.map(|row| &actual.known[row]).eq(horizons.customers().iter()) {
        return Err(Error::new("the fit has other customers than those who are known at the cutoff")
            .seen(format!("{} for {}", horizons.customers().len(), actual.block.len()))
            .advice("this is a fault of the program: please report it"));
    }
    let ahead = horizons.window(&actual.holdout, observer)?;
    let customers = &ahead.window.customers;
    let predicted: Vec<f64> =
        if actual.in_spend { ahead.value } else { customers.iter().map(|customer| customer.mean).collect() };
    let quantile = |of: fn(&crate::predict::Quantiles<u32>) -> u32| -> Vec<u32> {
        customers.iter().map(|customer| of(&customer.purchases)).collect()
    };
    let (q05, q25, q50) = (quantile(|q| q.q05), quantile(|q| q.q25), quantile(|q| q.q50));
    let (q75, q95) = (quantile(|q| q.q75), quantile(|q| q.q95));
    let crps: Vec<f64> = customers.iter().map(|customer| customer.crps).collect();
    let outcomes = Outcomes {
        target: if actual.in_spend { Target::Value } else { Target::Purchases },
        horizon_months: actual.months,
        block: &actual.block,
        predicted: &predicted,
        actual: &actual.value,
        purchases: Some(PurchaseOutcomes {
            actual: &actual.holdout.purchases,
            q05: &q05,
            q25: &q25,
            q50: &q50,
            q75: &q75,
            q95: &q95,
            crps: Some(&crps),
        }),
    };
    scored(&outcomes, &SCORES)
}
