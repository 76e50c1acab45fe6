//! Step 3: the draws get their verdict, and groups are told how much they borrowed.

use super::fit::open_store;
use super::shrinkage::{self, ShrinkageFacts};
use super::summarize::read_observations;
use super::{RunDir, models, sensitivity, telemetry, warm};
use crate::diagnose::{
    ApproximationInput, FitDiagnostics, FitLayout, Method, Nearness, Thresholds, diagnose_approximation,
    diagnose_fit_by_blocks, verdict,
};
use crate::draws::{Columns, FitDraws};
use crate::error::{Error, Result};
use crate::model::is_shared_dim;
use crate::sampler::{Approximated, Approximation};
use crate::target::Schema;
use serde::Deserialize;

/// Judges every fit and writes `diagnostics.json`, and `shrinkage.json` where there are groups.
pub(super) fn diagnose(dir: &RunDir) -> Result<()> {
    let store = open_store(dir)?;
    let d = &dir.plan.diagnose;
    let thresholds = Thresholds {
        r_hat: d.max_r_hat,
        // Among many groups some R-hat exceeds the limit by chance; none may exceed five times its distance from 1.
        r_hat_group: 1.0 + 5.0 * (d.max_r_hat - 1.0),
        ess: d.min_ess,
        divergence_share: d.max_divergence_share,
        e_bfmi: d.min_e_bfmi,
        pareto_k: d.max_pareto_k,
        ..Thresholds::default()
    };
    let mut judged = Vec::new();
    let mut shrunk = ShrinkageFacts { schema_version: 1, fits: Vec::new() };
    let grouped = models::fits(&dir.plan).iter().any(|(_, plan)| plan.hierarchy.is_some());
    let sampler = &dir.plan.sampler;
    let samples = sampler.kind.samples();
    let observed = if grouped || samples { Some(read_observations(dir)?) } else { None };
    let chains_per_superchain = sampler.superchains.map(|k| sampler.chains / k.max(1));
    for (name, plan) in models::fits(&dir.plan) {
        if let (Some(observed), true) = (&observed, grouped) {
            shrunk.fits.extend(shrinkage::of_fit(name, plan, observed, &store.read(name)?)?);
        }
        if !samples {
            judged.push(approximation(name, &store.read(name)?, store.entry(name)?.report.as_ref(), &thresholds)?);
            telemetry::record_ess(dir, name, None)?;
            continue;
        }
        let columns = store.columns(name)?;
        let per_group = |variable: &str| group_dim(columns.schema(), variable).is_some();
        let mut fit = judge_columns(&columns, name, &per_group, chains_per_superchain, &thresholds)?;
        fit.facts.notes.extend(dir.plan.warm_start.as_ref().map(|warm| {
            format!(
                "{name} {}: its chains were as far apart as that run's posterior is wide when they began, so R-hat cannot tell whether there \
                 is a place that no chain of that run ever saw",
                warm::words(warm)
            )
        }));
        let least = fit.parameters.iter().map(|p| p.ess_bulk).fold(f64::INFINITY, f64::min);
        telemetry::record_ess(dir, name, least.is_finite().then_some(least))?;
        judged.push(fit);
    }
    if !shrunk.fits.is_empty() {
        dir.write_json("shrinkage.json", &shrunk)?;
    }
    if let (Some(observed), true) = (&observed, samples) {
        sensitivity::write(dir, &store, observed, &mut judged)?;
    }
    dir.write_json("diagnostics.json", &verdict(judged))
}

/// Memory that draws may take at once while they are judged.
const MEMORY_BYTES: usize = 1 << 30;

/// Judges the draws of one fit, a block of elements at a time.
pub(super) fn judge_columns(
    columns: &Columns<'_>,
    fit: &str,
    per_group: &dyn Fn(&str) -> bool,
    chains_per_superchain: Option<usize>,
    thresholds: &Thresholds,
) -> Result<FitDiagnostics> {
    judge_within(MEMORY_BYTES, columns, fit, per_group, chains_per_superchain, thresholds)
}

/// The same within `bytes` of draws at once.
pub(super) fn judge_within(
    bytes: usize,
    columns: &Columns<'_>,
    fit: &str,
    per_group: &dyn Fn(&str) -> bool,
    chains_per_superchain: Option<usize>,
    thresholds: &Thresholds,
) -> Result<FitDiagnostics> {
    let layout = FitLayout {
        fit,
        elements: &columns.schema().elements(),
        chains: columns.chains(),
        draws: columns.draws(),
        stats: &columns.stats()?,
        per_group,
        chains_per_superchain,
    };
    diagnose_fit_by_blocks(&layout, columns.elements_within(bytes), &mut |held| columns.read(held), thresholds)
}

/// Judges what is no sample of the posterior, by what its maker reports.
fn approximation(
    fit: &str,
    draws: &FitDraws,
    report: Option<&serde_json::Value>,
    thresholds: &Thresholds,
) -> Result<FitDiagnostics> {
    let told = Approximated::deserialize(report.unwrap_or(&serde_json::Value::Null)).map_err(|e| {
        Error::new(format!("the draws of {fit} lack their maker's report"))
            .at("draws/manifest.json")
            .advice("finish the fit with longrun resume")
            .because(e)
    })?;
    let nearness = told.trust.map(|trust| Nearness {
        pareto_k: trust.pareto_k,
        effective_draws: trust.effective_draws,
        weighted_draws: trust.weighted_draws,
        elbo: trust.elbo,
        resampled: told.resampled,
    });
    let input = ApproximationInput {
        fit,
        method: match told.kind {
            Approximation::Map => Method::Map,
            Approximation::Laplace => Method::Laplace,
            Approximation::Pathfinder => Method::Pathfinder,
        },
        elements: &draws.schema.elements(),
        values: draws.constrained.view(),
        converged: told.mode.as_ref().is_none_or(|mode| mode.converged),
        maximum: told.kind == Approximation::Pathfinder || told.ridge == Some(0.0),
        standard_errors: told.standard_errors.as_deref(),
        nearness,
    };
    diagnose_approximation(&input, thresholds)
}

/// The dimension along which a variable has one value per group, if it has.
fn group_dim<'a>(schema: &'a Schema, variable: &str) -> Option<&'a str> {
    let variable = schema.variables.iter().find(|v| v.name == variable)?;
    variable.dims.iter().map(String::as_str).find(|dim| !is_shared_dim(dim))
}
