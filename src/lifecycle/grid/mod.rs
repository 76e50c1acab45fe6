//! Which windows, which model and which segmentation predict this shop best: every combination, fitted at several past cutoffs, judged by
//! what happened after each of them.
//!
//! ```text
//! cutoffs × calibration × models × segmentations ──fit──▶ every prediction window ──judge──▶ runs/grid-…/CUTOFF-….json
//!                                                                        averages, shortfalls, recommendation ──▶ grid/CUTOFF/
//! ```
//!
//! Nothing after a cutoff reaches a fit or a prediction; who is first seen after it is never judged; and everyone known at it is judged,
//! whatever the combination. A fit that is done is not made again. Nothing here trains a model that is kept, or changes a configuration.

mod actual;
mod compare;
mod design;
mod record;
mod tables;
mod trial;
mod view;
mod words;

#[cfg(test)]
mod tests;

use std::fs;

pub use design::{Combination, GridPlan};
pub use record::{GridRecord, GridRow, GridState, Recommendation, Standing, Why, grid_schema};
pub use view::{GridView, HeatMap};

use self::actual::Actual;
use self::design::Design;
use self::trial::{FitRecord, Trials};
use super::Project;
use super::project::{write, write_json};
use crate::error::{Error, Result};
use crate::evaluate::{Metric, check_scale_free};
use crate::run::{Observer, Unobserved};

/// What a grid measures: figures without a unit and without the length of the window in them, so that all of them may stand side by side.
pub const SCORES: [Metric; 8] = [
    Metric::CrpsSkill,
    Metric::GiniNormalized,
    Metric::DecileError,
    Metric::RmseOverMean,
    Metric::R2,
    Metric::CalibrationSlope,
    Metric::TotalRatio,
    Metric::Coverage90,
];

/// What decides where nothing else is asked for. The CRPS is least on average for the true distribution, so that level, order and width of
/// the predictions count all at once; an order alone (Gini) would not notice that everyone's purchases halve.
pub const DECIDES: Metric = Metric::CrpsSkill;

/// What a grid search would do.
///
/// # Errors
/// As [`grid`], before anything is fitted.
pub fn plan_grid(project: &Project, observer: &dyn Observer) -> Result<GridPlan> {
    let log = project.log(false, observer)?;
    Ok(Design::of(project, &log)?.plan)
}

/// Fits and judges every combination that the configuration names, and recommends by `by`. Writes `grid/<last cutoff>/`.
///
/// # Errors
/// A metric that is not comparable across windows; data too short for the longest window; no combination that could be judged. One that
/// fails stays in the results with its reason, and stops nothing.
pub fn grid(project: &Project, by: Metric, observer: &dyn Observer) -> Result<GridRecord> {
    check_by(by)?;
    let log = project.log(false, observer)?;
    let design = Design::of(project, &log)?;
    let fits = fit_all(&design, observer)?;
    let record = compare::record(&design, &fits, by)?;
    publish(&design, &fits, &record)?;
    Ok(record)
}

/// Whether a metric may decide.
fn check_by(by: Metric) -> Result<()> {
    check_scale_free(by)?;
    if SCORES.contains(&by) {
        return Ok(());
    }
    let those: Vec<&str> = SCORES.iter().map(|metric| metric.key()).collect();
    Err(Error::new("a grid does not measure this").at("--by").seen(by.key()).advice(those.join(", ")))
}

/// Every fit of the design in its order: from its file, or made now.
fn fit_all(design: &Design<'_>, observer: &dyn Observer) -> Result<Vec<FitRecord>> {
    let total = design.trials.len() as u64;
    let mut fits = Vec::with_capacity(design.trials.len());
    observer.fitting(0, total);
    let mut in_spend = None;
    for &cutoff in &design.plan.cutoffs {
        let trials = || design.trials.iter().filter(|trial| trial.cutoff == cutoff);
        if trials().all(|trial| design.kept(trial).is_ok_and(|kept| kept.is_some())) {
            for trial in trials() {
                fits.extend(design.kept(trial)?);
            }
        } else {
            let in_spend = match in_spend {
                Some(known) => known,
                None => *in_spend.insert(actual::in_spend(design)?),
            };
            let actuals = Actual::all(design, cutoff, in_spend)?;
            let mut work = Trials::new(design, &actuals);
            for trial in trials() {
                let record = match design.kept(trial)? {
                    Some(record) => record,
                    None => work.perform(trial, &Unobserved)?,
                };
                fits.push(record);
                observer.fitting(fits.len() as u64, total);
            }
            work.end()?;
            Actual::forget(design, cutoff)?;
        }
        observer.fitting(fits.len() as u64, total);
    }
    // What a killed search left, and the summary that said what value is.
    design.trials.iter().try_for_each(|trial| design.project.forget_work(&design.work_of(trial)))?;
    design.plan.cutoffs.first().map_or(Ok(()), |&oldest| Actual::forget(design, oldest))?;
    Ok(fits)
}

/// Writes the folder's files, each beside its place and then renamed; the record last, for it is the proof.
fn publish(design: &Design<'_>, fits: &[FitRecord], record: &GridRecord) -> Result<()> {
    let folder = design.project.path(&format!("grid/{}", design.last_cutoff()));
    fs::create_dir_all(&folder).map_err(|e| Error::io("make the grid's folder", &folder, e))?;
    write(&folder.join("results.csv"), &tables::results(design, fits)?)?;
    write(&folder.join("summary.csv"), &tables::summary(record)?)?;
    write_json(&folder.join("grid.json"), record)
}
