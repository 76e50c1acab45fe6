//! What happened after a cutoff, window by window: who was known at it, and what they bought and spent then. Read once for all fits of a
//! cutoff; no fit ever sees it.

use chrono::NaiveDate;

use super::design::{Design, way};
use crate::config::Segmentation;
use crate::data::{Holdout, Ids, Summary};
use crate::error::Result;
use crate::evaluate::blocks;
use crate::lifecycle::fit::{Windows, summarized};
use crate::run::{RunDir, Unobserved, subsample};

/// One window after one cutoff.
pub(super) struct Actual {
    /// Its length.
    pub months: u32,
    /// Everyone known at the cutoff, ascending.
    pub known: Ids,
    /// Rows of those who are judged; everyone when absent.
    pub rows: Option<Vec<usize>>,
    /// Blocks of those who are judged.
    pub block: Vec<u8>,
    /// What they did.
    pub holdout: Holdout,
    /// What is judged of it.
    pub value: Vec<f64>,
    /// Whether that is spend.
    pub in_spend: bool,
}

impl Actual {
    /// Every window of a cutoff. `in_spend` says whether value is spend.
    pub fn all(design: &Design<'_>, cutoff: NaiveDate, in_spend: bool) -> Result<Vec<Self>> {
        design.plan.prediction_months.iter().map(|&months| Self::of(design, cutoff, months, in_spend)).collect()
    }

    fn of(design: &Design<'_>, cutoff: NaiveDate, months: u32, in_spend: bool) -> Result<Self> {
        let dir = summary_of(design, cutoff, months)?;
        let summary = Summary::read_parquet(&dir.path("summary.parquet"))?;
        let all = Holdout::read_parquet(&summary, &dir.path("holdout.parquet"))?;
        let (g, seed) = (&design.project.section.grid, dir.plan.sampler.seed);
        let rows = g.sample_customers.map(|customers| subsample(&summary.customer_id, customers, seed));
        let holdout = match &rows {
            None => all,
            Some(rows) => Holdout {
                purchases: rows.iter().map(|&row| all.purchases[row]).collect(),
                spend: rows.iter().map(|&row| all.spend[row]).collect(),
                ..all
            },
        };
        let block = blocks(&summary.customer_id);
        let block = rows.as_ref().map_or(block.clone(), |rows| rows.iter().map(|&row| block[row]).collect());
        let value =
            if in_spend { holdout.spend.clone() } else { holdout.purchases.iter().map(|&k| f64::from(k)).collect() };
        Ok(Self { months, known: summary.customer_id, rows, block, holdout, value, in_spend })
    }

    /// Removes what was read for a cutoff.
    pub fn forget(design: &Design<'_>, cutoff: NaiveDate) -> Result<()> {
        let each = |&months: &u32| design.project.forget_work(&name(design, cutoff, months));
        design.plan.prediction_months.iter().try_for_each(each)
    }
}

/// Whether value is spend in this grid: what the log can tell of spend before the oldest cutoff decides, for later ones know no less, and
/// all combinations must be judged by the same.
pub(super) fn in_spend(design: &Design<'_>) -> Result<bool> {
    let oldest = design.plan.cutoffs.first().copied().unwrap_or(design.log.last_date);
    let months = design.plan.prediction_months.first().copied().unwrap_or(1);
    Ok(summary_of(design, oldest, months)?.plan.spend.is_some())
}

fn name(design: &Design<'_>, cutoff: NaiveDate, months: u32) -> String {
    format!("{}/actual-{cutoff}-{months}m", design.folder)
}

/// Everyone known at a cutoff and what they did in the window after it, without groups: they do not matter here.
fn summary_of(design: &Design<'_>, cutoff: NaiveDate, months: u32) -> Result<RunDir> {
    let written = design.project.source(&[])?.config;
    let spend = serde_json::to_value(written.spend.model).unwrap_or_default();
    let recipe = design.base.with(way(written.purchase.model, written.purchase.model, Segmentation::None, &spend));
    let windows = Windows { cutoff, calibration_months: None, prediction_months: months };
    let name = name(design, cutoff, months);
    let source = recipe.source(&windows, &name, design.log.last_date)?;
    summarized(design.project, &name, &source, design.log, &Unobserved)
}
