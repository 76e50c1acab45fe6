//! Step 6: the predictions against what happened in the holdout window.

use super::forecast::Forecast;
use super::predict::settings;
use super::summarize::read_summary;
use super::{Observer, RunDir};
use crate::data::Holdout;
use crate::error::Result;
use crate::evaluate::{evaluate_holdout, write_holdout};

/// Writes `holdout.json`; does nothing without a holdout window.
pub(super) fn evaluate(dir: &RunDir, observer: &dyn Observer) -> Result<()> {
    if !dir.has("holdout.parquet") {
        return Ok(());
    }
    let summary = read_summary(dir)?;
    let holdout = Holdout::read_parquet(&summary, &dir.path("holdout.parquet"))?;
    let (forecast, settings) = (Forecast::of(dir)?, settings(&dir.plan));
    let total = summary.len() as u64;
    let window = forecast.window(&summary, &holdout, &settings, &|done| observer.predicting(done, total))?;
    let scores = evaluate_holdout(&summary, &holdout, &window, settings.seed)?;
    write_holdout(&dir.path("holdout.json"), &scores)
}
