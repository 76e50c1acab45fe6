//! One run directory and the steps over it: summarise → fit → diagnose → predict → segment → evaluate.
//!
//! Each step reads what earlier steps left in the directory and writes its own files, whole or not at all, so that a killed run
//! continues where it stopped. The clock is read here and nowhere below. Nothing here knows HTML or a terminal.

mod adopt;
mod alive_grid;
mod away;
mod backend;
mod checks;
mod compare;
mod diagnose;
mod dir;
mod evaluate;
mod export;
mod facts;
mod findings;
mod fit;
mod floor;
mod forecast;
mod horizons;
mod imported;
mod log;
mod meaning;
mod meter;
mod models;
mod pictures;
mod pointwise;
mod predict;
mod prepare;
mod prior;
mod rehearsal;
mod score;
mod segment;
mod sensitivity;
mod shrinkage;
mod summarize;
mod telemetry;
mod warm;
mod watch;

pub use crate::model::{Words, is_shared_dim};
pub use adopt::adopt;
pub use alive_grid::{AliveGrid, alive_grid};
pub use away::{cache, configuration, storage};
pub use backend::{AUTO_GPU_ROW_CHAINS, AUTO_RULE, decide as decide_backend};
pub use compare::{Compared, Comparison, compare};
pub use dir::RunDir;
pub use export::{ExportFormat, ExportSettings, Exported, ExportedGroup, export};
pub use facts::{
    AheadFacts, BandRow, CheckFacts, DataFacts, GroupTotal, HistogramRow, Interval, PredictionFacts, SegmentFacts,
    TestQuantity, TrackingWeek,
};
pub use findings::{Finding, HeldBackBy};
pub use fit::{MaximumFacts, maximum};
pub use forecast::words;
pub use horizons::{Ahead, Horizons, subsample};
pub use imported::{IMPORTED_FIT, Imported, diagnose_files, diagnose_imported, import, is_imported};
pub use log::{Log, read_log};
pub use meaning::Meaning;
pub use models::{PURCHASE, SPEND, model_name, posterior_on_cpu};
pub use pictures::{FitPicture, PairPicture, ParameterPicture, Pictures, pictures};
pub use prepare::{create, create_from, create_warm, plan, plan_of};
pub use prior::{PriorCheck, PriorRow, prior};
pub use rehearsal::{Rehearsal, RehearsalOptions, rehearse};
pub use score::{Scoring, summarize_log};
pub use shrinkage::{FitShrinkage, GroupShrinkage, ShrinkageFacts};
pub use telemetry::{FitCost, FloorCost, PredictionCost, ResourceSample, StepCost, Telemetry, read as read_telemetry};
pub use warm::{WarmSource, cannot_begin, cannot_begin_error, words as warm_words};

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::data::COVARIATES_FILE;
use crate::error::{Error, Result};
use crate::sampler::Progress;

/// One step of a run, ordered as they follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Transactions become one row per customer.
    Summarize,
    /// Posteriors of the population's parameters.
    Fit,
    /// Convergence and verdict.
    Diagnose,
    /// Every customer's future.
    Predict,
    /// RFM segments and value tiers.
    Segment,
    /// Judgement on the holdout window.
    Evaluate,
    /// The report, written by whoever knows HTML.
    Report,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 7] =
        [Self::Summarize, Self::Fit, Self::Diagnose, Self::Predict, Self::Segment, Self::Evaluate, Self::Report];

    /// The step's name: its subcommand and its key in `telemetry.json`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Summarize => "summarize",
            Self::Fit => "fit",
            Self::Diagnose => "diagnose",
            Self::Predict => "predict",
            Self::Segment => "segment",
            Self::Evaluate => "evaluate",
            Self::Report => "report",
        }
    }

    /// Files the step writes, the one that proves it done last.
    pub fn files(self) -> &'static [&'static str] {
        match self {
            Self::Summarize => &[
                "summary.parquet",
                "cells.parquet",
                "spend.parquet",
                "holdout.parquet",
                "weekly.parquet",
                COVARIATES_FILE,
                "facts.json",
            ],
            Self::Fit => &[],
            Self::Diagnose => &["shrinkage.json", "sensitivity.json", "diagnostics.json"],
            Self::Predict => &["customers.parquet", "customers.csv", "checks.json", "predictions.json"],
            Self::Segment => &["segments.csv", "segments.json"],
            Self::Evaluate => &["holdout.json"],
            Self::Report => &["report.html"],
        }
    }
}

/// Told what happens while a run works. All methods have empty defaults.
pub trait Observer: Sync {
    /// A step begins.
    fn step(&self, _step: Step) {}
    /// Bytes of input read, of how many.
    fn reading(&self, _done: u64, _total: u64) {}
    /// The sampler moved on, in the fit of this name.
    fn sampling(&self, _fit: &str, _progress: &Progress) {}
    /// The fit of this name goes on where an earlier attempt stopped, which had made so many gradients.
    fn resumed(&self, _fit: &str, _gradients: u64) {}
    /// Customers predicted, of how many.
    fn predicting(&self, _done: u64, _total: u64) {}
    /// Runs compared, of how many.
    fn comparing(&self, _done: u64, _total: u64) {}
    /// Fits of a grid that are done, of how many.
    fn fitting(&self, _done: u64, _total: u64) {}
    /// Values exported, of how many, of the fit of this name.
    fn exporting(&self, _fit: &str, _done: u64, _total: u64) {}
    /// Something worth a line.
    fn note(&self, _text: &str) {}
    /// What is wanted of the work. Asked between steps, and while a posterior is explored; what was written before stays, and the same
    /// command takes the work up again.
    fn wish(&self) -> Wish {
        Wish::GoOn
    }
}

/// What an observer wants of the work that it observes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Wish {
    /// To go on.
    #[default]
    GoOn,
    /// To stop where nothing is lost: between two steps, or when draws and the state to continue from are next saved.
    StopWhenSaved,
    /// To stop at once; what was done since the last save is done again.
    StopNow,
}

/// An observer that does not look.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {}

/// Performs one step; [`Step::Report`] is the caller's, through [`timed`].
pub fn perform(dir: &mut RunDir, step: Step, observer: &dyn Observer) -> Result<()> {
    timed(dir, step, observer, |dir, observer| match step {
        Step::Summarize => summarize::summarize(dir, None, observer),
        Step::Fit => fit::fit(dir, observer),
        Step::Diagnose => diagnose::diagnose(dir),
        Step::Predict => predict::predict(dir, observer),
        Step::Segment => segment::segment(dir),
        Step::Evaluate => evaluate::evaluate(dir, observer),
        Step::Report => Ok(()),
    })
}

/// Performs the first step, going on from the table of purchases of another run (or of this one): only files that are new or changed since
/// are read. The result is what [`perform`] makes.
///
/// # Errors
/// As [`perform`]; a run without a table.
pub fn summarize_since(dir: &mut RunDir, since: &Path, observer: &dyn Observer) -> Result<()> {
    timed(dir, Step::Summarize, observer, |dir, observer| summarize::summarize(dir, Some(since), observer))
}

/// Performs `work` as `step`: announces it, measures what it costs and records that in `telemetry.json`.
pub fn timed(
    dir: &mut RunDir,
    step: Step,
    observer: &dyn Observer,
    work: impl FnOnce(&mut RunDir, &dyn Observer) -> Result<()>,
) -> Result<()> {
    if observer.wish() != Wish::GoOn {
        return Err(Error::new(format!("stopped before `{}`, as asked", step.name()))
            .advice("nothing is lost: the same command takes it up again")
            .stopped());
    }
    observer.step(step);
    // What was made of this step's last result is stale. Summarising forgets only once it knows that it can write anew.
    if step > Step::Summarize {
        files_of(|later| later != step && follows(later, step)).into_iter().try_for_each(|file| dir.forget(file))?;
    }
    let meter = meter::Meter::start(dir.plan.compute.adapter.as_deref());
    if let Err(error) = work(dir, observer) {
        // What was saved before it stopped is worth as much elsewhere.
        return Err(if error.is_stopped() { dir.send().err().unwrap_or(error) } else { error });
    }
    let (cost, samples) = meter.finish();
    telemetry::record_step(dir, step, cost, samples)?;
    dir.send()
}

/// Whether a step's results stand in the directory.
pub fn is_done(dir: &RunDir, step: Step) -> Result<bool> {
    match step {
        Step::Fit => fit::is_done(dir),
        Step::Evaluate if !dir.has("holdout.parquet") => Ok(true),
        Step::Predict if dir.has("predictions.json") => predict::follows_plan(dir),
        _ => Ok(step.files().last().is_some_and(|name| dir.has(name))),
    }
}

/// Forgets the results of a step and of all that are made of them; draws are kept, for a fit is as fixed as its plan and its data.
///
/// The last step goes first, and of each step the file that proves it done: a kill in between leaves steps that are not done,
/// never a result that looks whole.
pub fn forget(dir: &RunDir, step: Step) -> Result<()> {
    forgotten(step).into_iter().try_for_each(|file| dir.forget(file))
}

/// The files that [`forget`] removes, in its order.
pub fn forgotten(step: Step) -> Vec<&'static str> {
    files_of(|later| follows(later, step))
}

/// Whether a step's results are those of `earlier`, or made of them: predictions are made of draws, not of the verdict on these.
fn follows(step: Step, earlier: Step) -> bool {
    step >= earlier && (earlier != Step::Diagnose || matches!(step, Step::Diagnose | Step::Report))
}

/// The files of some steps, the last step's first, and of each step the proof that it is done first.
fn files_of(wanted: impl Fn(Step) -> bool) -> Vec<&'static str> {
    let steps = Step::ALL.into_iter().rev().filter(|&step| wanted(step));
    steps.flat_map(|step| step.files().iter().rev().copied()).collect()
}
