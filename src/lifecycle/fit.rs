//! Fits and summaries at a cutoff, as work under `runs/`: what every command of a project does before it does its own.

use chrono::NaiveDate;

use super::Project;
use super::today::window_start;
use crate::config::Source;
use crate::error::Result;
use crate::run::{self, Log, Observer, RunDir, Step};

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
    let mut dir = summarized(project, name, source, log, observer)?;
    for step in [Step::Fit, Step::Diagnose] {
        if !run::is_done(&dir, step)? {
            run::perform(&mut dir, step, observer)?;
        }
    }
    Ok(dir)
}

/// `runs/<name>` as an override.
pub(super) fn in_work(project: &Project, name: &str) -> String {
    let path = project.path(&format!("runs/{name}"));
    format!("output.dir={}", serde_json::Value::from(path.to_string_lossy()))
}
