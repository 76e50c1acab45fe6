//! Fits and summaries at a cutoff, as work under `runs/`: what every command of a project does before it does its own.

use chrono::NaiveDate;

use super::Project;
use super::today::window_start;
use crate::config::Source;
use crate::error::Result;
use crate::run::{self, Log, Observer, RunDir, Step, WarmSource};

/// The windows of one cutoff.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Last day that is known.
    pub cutoff: NaiveDate,
    /// Months to learn from; everything when absent.
    pub calibration_months: Option<u32>,
    /// Months to predict.
    pub prediction_months: u32,
}

impl Windows {
    /// The project's windows at a cutoff.
    pub fn of(project: &Project, cutoff: NaiveDate) -> Self {
        let section = &project.section;
        Self { cutoff, calibration_months: section.calibration_months, prediction_months: section.prediction_months }
    }

    /// First day to learn from; the first in the data when absent.
    pub fn calibration_start(&self) -> Result<Option<NaiveDate>> {
        self.calibration_months.map(|months| window_start(self.cutoff, months)).transpose()
    }

    /// The overrides that make a run of it.
    pub fn sets(&self) -> Result<Vec<String>> {
        let mut sets = vec![
            format!("data.calibration_end={}", self.cutoff),
            format!("predict.horizon_months={}", self.prediction_months),
        ];
        sets.extend(self.calibration_start()?.map(|start| format!("data.calibration_start={start}")));
        Ok(sets)
    }
}

/// Summarises the log for `source`, whose cutoff and folder (`runs/<name>`) are set, or takes the summary that stands.
pub(super) fn summarized(
    project: &Project,
    name: &str,
    source: &Source,
    log: &Log,
    observer: &dyn Observer,
) -> Result<RunDir> {
    let mut dir = project.work(name, source)?;
    if !run::is_done(&dir, Step::Summarize)? {
        run::summarize_log(&mut dir, log, observer)?;
    }
    Ok(dir)
}

/// The same, fitted and judged: from where an earlier attempt stopped.
pub(super) fn fitted(
    project: &Project,
    name: &str,
    source: &Source,
    log: &Log,
    observer: &dyn Observer,
) -> Result<RunDir> {
    judged(summarized(project, name, source, log, observer)?, observer)
}

fn judged(mut dir: RunDir, observer: &dyn Observer) -> Result<RunDir> {
    for step in [Step::Fit, Step::Diagnose] {
        if !run::is_done(&dir, step)? {
            run::perform(&mut dir, step, observer)?;
        }
    }
    Ok(dir)
}

/// The same with chains that begin where an earlier run ended; or why they cannot. `cold` is what the work is called that begins cold:
/// it is where the data are read, and it stays where it is then needed.
pub(super) fn fitted_warm(
    project: &Project,
    (name, cold): (&str, &str),
    source: [&Source; 2],
    from: &WarmSource,
    log: &Log,
    observer: &dyn Observer,
) -> Result<Result<RunDir, String>> {
    let [source, cold_source] = source;
    let refusal = from.refusal_as_written(source)?;
    if let Some(reason) = refusal {
        return Ok(Err(reason));
    }
    // What is there already has been found to go together.
    let begun = project.path(&format!("runs/{name}/facts.json")).exists();
    if !begun {
        let dir = summarized(project, cold, cold_source, log, observer)?;
        if let Some(reason) = run::cannot_begin(&dir, from)? {
            return Ok(Err(reason));
        }
    }
    let mut dir = project.work_from(name, source, Some(from))?;
    if !run::is_done(&dir, Step::Summarize)? && !run::adopt(&mut dir, &project.path(&format!("runs/{cold}")))? {
        run::summarize_log(&mut dir, log, observer)?;
    }
    project.forget_work(cold)?;
    judged(dir, observer).map(Ok)
}

/// `runs/<name>` as an override.
pub(super) fn in_work(project: &Project, name: &str) -> String {
    let path = project.path(&format!("runs/{name}"));
    format!("output.dir={}", serde_json::Value::from(path.to_string_lossy()))
}
