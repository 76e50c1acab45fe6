//! Several runs of the same customers side by side: leave-one-out of their purchase models, and what the holdout said of each.

use std::collections::HashMap;

use ndarray::ArrayView2;
use serde::{Deserialize, Serialize};

use super::fit::open_store;
use super::models::{PURCHASE, model_name};
use super::pointwise::Pointwise;
use super::summarize::read_summary;
use super::{Observer, RunDir, telemetry};
use crate::compare::{LeftOut, Loo, difference, leave_out, loo, stacking_weights};
use crate::data::{Cells, Observations, Summary};
use crate::diagnose::{Diagnostics, Verdict};
use crate::error::{Error, Result};
use crate::evaluate::HoldoutScores;
use crate::importance::k_limit;
use crate::model::family;
use rayon::prelude::*;

/// Log-likelihoods held at once: 64 MB.
const AT_ONCE: usize = 1 << 23;

/// Runs in order of their elpd, the best first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Version of these keys.
    pub schema_version: u32,
    /// Customers that every run saw.
    pub customers: u64,
    /// Pareto k above which a customer's term cannot be trusted, for the run with the fewest draws.
    pub k_limit: f64,
    /// One entry per run.
    pub runs: Vec<Compared>,
}

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Compared {
    /// Its directory.
    pub run: String,
    /// Key of its purchase model.
    pub model: String,
    /// The model's name.
    pub name: String,
    /// Number of groups.
    pub groups: usize,
    /// Whether the diagnostics pass its draws.
    pub verdict: Verdict,
    /// Draws behind the figures.
    pub draws: usize,
    /// Leave-one-out of the purchase model.
    pub loo: Loo,
    /// elpd less that of the best run; 0 for itself.
    pub difference: f64,
    /// Standard error of the difference over customers.
    pub difference_se: f64,
    /// Stacking weight.
    pub weight: f64,
    /// Wall time of the purchase fit, seconds.
    pub fit_s: Option<f64>,
    /// What the holdout window said; none without one.
    pub holdout: Option<HoldoutScores>,
}

/// What one run says of every customer.
struct Said {
    compared: Compared,
    customers: Vec<LeftOut>,
}

/// Compares the purchase models of complete runs by at most `draws` draws of each.
///
/// # Errors
/// Runs of other customers, without draws or without a verdict.
pub fn compare(dirs: &[RunDir], draws: usize, observer: &dyn Observer) -> Result<Comparison> {
    let mut first: Option<Summary> = None;
    let mut said = Vec::new();
    for (k, dir) in dirs.iter().enumerate() {
        observer.comparing(k as u64, dirs.len() as u64);
        same_kind(&dirs[0], dir)?;
        let summary = read_summary(dir)?;
        match &first {
            Some(first) => same_customers(first, &summary, dir)?,
            None => first = Some(summary.clone()),
        }
        said.push(leave_each_out(dir, &summary, draws)?);
    }
    said.sort_by(|a, b| b.compared.loo.elpd.total_cmp(&a.compared.loo.elpd));
    let elpd: Vec<Vec<f64>> = said.iter().map(|s| s.customers.iter().map(|c| c.elpd).collect()).collect();
    let weights = stacking_weights(&elpd.iter().map(Vec::as_slice).collect::<Vec<_>>());
    let differences: Vec<(f64, f64)> = said.iter().map(|s| difference(&s.customers, &said[0].customers)).collect();
    let customers = said.first().map_or(0, |s| s.customers.len() as u64);
    let fewest = said.iter().map(|s| s.compared.draws).min().unwrap_or(0);
    let runs = said
        .into_iter()
        .zip(weights)
        .zip(differences)
        .map(|((s, weight), (difference, difference_se))| Compared { weight, difference, difference_se, ..s.compared });
    Ok(Comparison { schema_version: 1, customers, k_limit: k_limit(fewest), runs: runs.collect() })
}

/// Refuses a run whose customers or histories are others.
fn same_customers(first: &Summary, other: &Summary, dir: &RunDir) -> Result<()> {
    let same = first.customer_id == other.customer_id
        && first.frequency == other.frequency
        && first.recency == other.recency
        && first.age == other.age;
    if same {
        return Ok(());
    }
    Err(Error::new("this run saw other customers or other histories than the first run")
        .at(dir.root().display())
        .seen(format!("{} customers against {}", other.len(), first.len()))
        .advice("compare runs of the same data with the same calibration_end and time unit; models, groups and priors may differ"))
}

/// Refuses a run whose model means another kind of history: a density in continuous time and the probability of a sequence of
/// opportunities are not in the same units.
fn same_kind(first: &RunDir, other: &RunDir) -> Result<()> {
    let kind = |dir: &RunDir| Ok::<_, Error>(std::mem::discriminant(&family(&dir.plan.purchase.model)?.role));
    if kind(first)? == kind(other)? {
        return Ok(());
    }
    Err(Error::new("this run's model reads its customers in another way than the first run's")
        .at(other.root().display())
        .seen(format!("{} against {}", model_name(&other.plan, PURCHASE), model_name(&first.plan, PURCHASE)))
        .advice("densities in continuous time and probabilities of opportunities cannot be compared; compare their holdouts instead"))
}

fn leave_each_out(dir: &RunDir, summary: &Summary, draws: usize) -> Result<Said> {
    // With covariates hardly two customers are alike: every customer is a row of its own.
    let by_customer = dir.plan.purchase.covariates.is_some();
    let observed = Observations::read(dir.root(), dir.plan.compute.merge_cells && !by_customer)?;
    if !dir.plan.sampler.kind.samples() {
        return Err(Error::new("leave-one-out needs samples of the posterior")
            .at(dir.root().display())
            .seen(format!("sampler.kind = \"{}\"", dir.plan.sampler.kind.key()))
            .advice("fit it with nuts or chees"));
    }
    if let Some(customers) = dir.plan.data.sample_customers {
        return Err(Error::new("leave-one-out needs a posterior of all customers")
            .at(dir.root().display())
            .seen(format!("data.sample_customers = {customers}"))
            .advice("fit it without data.sample_customers"));
    }
    let store = open_store(dir)?;
    if !store.is_complete(PURCHASE) {
        return Err(Error::new("the purchase fit of this run is not complete")
            .at(dir.root().display())
            .advice("finish it with longrun resume"));
    }
    let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
    let (schema, thinned) = (&store.entry(PURCHASE)?.schema, store.thinned(PURCHASE, draws)?);
    let mut pointwise = Pointwise::new(&dir.plan.purchase, &observed, schema, thinned.view())?;
    let draws = pointwise.draws();
    let rows = observed.cells.len();
    let block = (AT_ONCE / draws).max(1);
    let mut cells: Vec<LeftOut> = Vec::with_capacity(rows);
    for start in (0..rows).step_by(block) {
        let end = rows.min(start + block);
        cells.extend(leave_rows_out(pointwise.of(start..end)?.view()));
    }
    let customers = if by_customer { cells } else { of_customers(summary, &observed.cells, &cells)? };
    let fit_s = telemetry::read(dir).fits.get(PURCHASE).map(|fit| fit.wall_s);
    let holdout = if dir.has("holdout.json") { Some(dir.read_json("holdout.json", "evaluate")?) } else { None };
    Ok(Said {
        compared: Compared {
            run: dir.root().display().to_string(),
            model: dir.plan.purchase.model.clone(),
            name: model_name(&dir.plan, PURCHASE).to_owned(),
            groups: observed.groups.labels.len().max(1),
            verdict: diagnostics.verdict,
            draws,
            loo: loo(&customers, k_limit(draws)),
            difference: 0.0,
            difference_se: 0.0,
            weight: 1.0,
            fit_s,
            holdout,
        },
        customers,
    })
}

/// Of log-likelihoods `[draw, row]`, each row left out.
fn leave_rows_out(log_lik: ArrayView2<'_, f64>) -> Vec<LeftOut> {
    let by_row: Vec<Vec<f64>> = log_lik.columns().into_iter().map(|row| row.to_vec()).collect();
    by_row.par_iter().map_init(Vec::new, |room, row| leave_out(row, room)).collect()
}

/// Every customer's cell, found by its history.
fn of_customers(summary: &Summary, cells: &Cells, said: &[LeftOut]) -> Result<Vec<LeftOut>> {
    let key = |group: u32, x: u32, recency: f64, age: f64| {
        // Time of the last repeat purchase means nothing to whoever made none.
        (group, x, if x == 0 { 0 } else { (recency + 0.0).to_bits() }, (age + 0.0).to_bits())
    };
    let places: HashMap<_, usize> = (0..cells.len())
        .map(|i| (key(cells.group[i], cells.frequency[i], cells.recency[i], cells.age[i]), i))
        .collect();
    (0..summary.len())
        .map(|i| {
            let key = key(summary.group[i], summary.frequency[i], summary.recency[i], summary.age[i]);
            places.get(&key).map(|place| said[*place]).ok_or_else(|| {
                Error::new("a customer of the summary has no cell")
                    .seen(&summary.customer_id[i])
                    .advice("the run directory was changed by hand: run longrun summarize on it again")
            })
        })
        .collect()
}
