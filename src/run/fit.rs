//! Step 2: samples or approximates the posterior of every fit, from where an earlier attempt stopped if there was one.

use std::collections::BTreeMap;
use std::time::Instant;

use super::backend;
use super::facts::DataFacts;
use super::summarize::read_observations;
use super::telemetry::{self, FitCost};
use super::{Observer, RunDir, Wish, floor, models, warm};
use crate::config::{Plan, SamplerKind};
use crate::dist::{CovariateSpec, Prior, PriorSpec};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::model::{Place, Posterior, family};
use crate::sampler::{self, ApproximateSettings, Approximation, Kind, ModeSearch, Settings, Start, WarmStart, Watch};
use crate::target::{Checkpoint, LogDensity};
use serde::{Deserialize, Serialize};

/// Explores whatever fit is not complete yet.
pub(super) fn fit(dir: &mut RunDir, observer: &dyn Observer) -> Result<()> {
    let observed = read_observations(dir)?;
    let place = backend::open(&dir.plan.compute)?;
    let mut store = store(dir)?;
    let beginnings = warm::Beginnings::of(dir)?;
    for (name, model) in models::fits(&dir.plan) {
        if store.is_complete(name) {
            continue;
        }
        let started = Instant::now();
        let mut posterior = models::posterior(model, &observed, &place)?;
        let checkpoint = store.checkpoint(name)?;
        let begin = match &beginnings {
            // A fit under way has begun already.
            Some(beginnings) if checkpoint.is_none() => {
                let begin = beginnings.of_fit(&dir.plan, name, posterior.schema());
                Some(begin.map_err(|reason| warm::refuse(&beginnings.plan().from, &reason))?)
            }
            _ => None,
        };
        let Fitted { report, notes, warmup, gradients } =
            explore(&dir.plan, name, &mut posterior, &mut store, (checkpoint.as_ref(), begin), observer)?;
        let wall_s = started.elapsed().as_secs_f64();
        let work = posterior.work();
        store.finish(name, report)?;
        notes.iter().for_each(|note| observer.note(&format!("{name}: {note}")));
        // An approximation that was killed begins again, so that its cost is the whole.
        let resumed = checkpoint.is_some() && dir.plan.sampler.kind.samples();
        telemetry::record_fit(
            dir,
            name,
            FitCost {
                wall_s,
                warmup,
                gradient_evaluations: gradients,
                gradients_per_s: (!resumed).then(|| gradients as f64 / wall_s),
                min_ess_bulk: None,
                min_ess_per_s: None,
                resumed,
                evaluations: work.evaluations,
                evaluations_per_s: work.evaluations as f64 / wall_s,
                bytes_up: work.bytes_up,
                bytes_down: work.bytes_down,
                device_s: work.device_ns.map(|ns| ns as f64 * 1e-9),
                device_bytes: work.device_bytes,
                floor: floor::of_fit(&dir.plan, model, &observed, &place, work.evaluations, wall_s),
            },
        )?;
    }
    if dir.plan.sampler.kind.samples() && !dir.has(warm::KEPT) {
        // A fit stands without it: whoever wants to begin from this run is told then.
        warm::keep(dir, &store)
            .unwrap_or_else(|e| observer.note(&format!("no later run can begin from this one: {e}")));
    }
    Ok(())
}

/// What a fit came to, whoever made it.
struct Fitted {
    report: serde_json::Value,
    notes: Vec<String>,
    warmup: u64,
    gradients: u64,
}

/// Samples or approximates one posterior, as the plan says: from a checkpoint, from where an earlier run ended, or anew.
fn explore(
    plan: &Plan,
    name: &str,
    posterior: &mut Posterior,
    store: &mut DrawStore,
    (checkpoint, warm): (Option<&Checkpoint>, Option<WarmStart>),
    observer: &dyn Observer,
) -> Result<Fitted> {
    let (schema, dim, start) = (posterior.schema().clone(), posterior.dim(), posterior.start());
    let mut goes_on = checkpoint.is_some() && plan.sampler.kind.samples();
    let mut watch = |progress: &sampler::Progress| {
        if std::mem::take(&mut goes_on) {
            observer.resumed(name, progress.gradient_evaluations);
        }
        observer.sampling(name, progress);
        match observer.wish() {
            Wish::GoOn => Watch::Continue,
            Wish::StopWhenSaved => Watch::StopWhenSaved,
            Wish::StopNow => Watch::Stop,
        }
    };
    let unwritten = |e: serde_json::Error| Error::new("could not write the sampler's report").because(e);
    match way(plan, name) {
        Way::Sample(settings) => {
            let mut sink = store.writer(name, &schema, settings.chains, dim)?;
            let start = Start { warm, ..Start::at(start) };
            let outcome = sampler::sample(posterior, &settings, &start, checkpoint, &mut sink, &mut watch)?;
            let counts = &outcome.pooled;
            Ok(Fitted {
                gradients: counts.warmup_gradients + counts.sampling_gradients + outcome.other_gradients,
                warmup: outcome.warmup,
                notes: outcome.notes.clone(),
                report: serde_json::to_value(&outcome).map_err(unwritten)?,
            })
        }
        Way::Approximate(settings) => {
            let mut sink = store.writer(name, &schema, settings.shape().0, dim)?;
            let out = sampler::approximate(posterior, &settings, &start, checkpoint, &mut sink, &mut watch)?;
            Ok(Fitted {
                gradients: out.gradients,
                warmup: 0,
                notes: out.notes.clone(),
                report: serde_json::to_value(&out).map_err(unwritten)?,
            })
        }
    }
}

/// Whether every fit of the plan is complete.
pub(super) fn is_done(dir: &RunDir) -> Result<bool> {
    if !dir.has("draws/manifest.json") || !dir.has("facts.json") {
        return Ok(false);
    }
    let store = open_store(dir)?;
    Ok(models::fits(&dir.plan).iter().all(|(name, _)| store.is_complete(name)))
}

/// Opens the run's draws, or begins them.
fn store(dir: &RunDir) -> Result<DrawStore> {
    if dir.has("draws/manifest.json") {
        open_store(dir)
    } else {
        DrawStore::create(&dir.path("draws"), own_identity(dir)?)
    }
}

/// Opens the run's draws; those of another plan or of other data are refused.
pub(super) fn open_store(dir: &RunDir) -> Result<DrawStore> {
    let path = dir.path("draws");
    let store = DrawStore::open(&path)?;
    if *store.identity() != own_identity(dir)? {
        return Err(Error::new("the draws belong to another plan, to other data or to another version of longrun")
            .at(path.display())
            .advice("undo the change to plan.toml, or start a new run from config.toml"));
    }
    Ok(store)
}

/// Removes draws that do not belong to the summary and the covariates of those digests; says whether there were any.
pub(super) fn drop_foreign_draws(dir: &RunDir, summary_sha256: &str, covariates_sha256: Option<&str>) -> Result<bool> {
    if !dir.has("draws/manifest.json")
        || *DrawStore::open(&dir.path("draws"))?.identity() == identity(dir, summary_sha256, covariates_sha256)
    {
        return Ok(false);
    }
    dir.forget_draws()?;
    Ok(true)
}

/// What the draws depend on, and nothing else: the program, the data, the models with their priors, the sampler, the backend.
fn identity(dir: &RunDir, summary_sha256: &str, covariates_sha256: Option<&str>) -> serde_json::Value {
    let plan = &dir.plan;
    let mut identity = serde_json::json!({
        "longrun": env!("CARGO_PKG_VERSION"),
        "summary_sha256": summary_sha256,
        "covariates_sha256": covariates_sha256,
        "purchase": plan.purchase,
        "spend": plan.spend,
        "sampler": plan.sampler,
        "backend": plan.compute.backend,
        "adapter": plan.compute.adapter,
        "merge_cells": plan.compute.merge_cells,
        "layout": plan.compute.layout,
    });
    // Said only of a sample, so that draws of everyone keep the identity they have always had.
    if let Some(customers) = plan.data.sample_customers {
        identity["sample_customers"] = customers.into();
    }
    // And only of a run that began warm: of what, not of what that was called.
    if let Some(warm) = &plan.warm_start {
        identity["warm_start_sha256"] = warm.sha256.clone().into();
    }
    identity
}

fn own_identity(dir: &RunDir) -> Result<serde_json::Value> {
    let facts: DataFacts = dir.read_json("facts.json", "summarize")?;
    Ok(identity(dir, &facts.summary_sha256, facts.covariates_sha256.as_deref()))
}

/// How a posterior is explored.
enum Way {
    Sample(Settings),
    Approximate(ApproximateSettings),
}

fn way(plan: &Plan, fit: &str) -> Way {
    match plan.sampler.kind {
        SamplerKind::Nuts => Way::Sample(settings(plan, fit, Kind::Nuts)),
        SamplerKind::Chees => Way::Sample(settings(plan, fit, Kind::Chees)),
        SamplerKind::Map => Way::Approximate(approximation(plan, fit, Approximation::Map)),
        SamplerKind::Laplace => Way::Approximate(approximation(plan, fit, Approximation::Laplace)),
        SamplerKind::Pathfinder => Way::Approximate(approximation(plan, fit, Approximation::Pathfinder)),
    }
}

fn approximation(plan: &Plan, fit: &str, kind: Approximation) -> ApproximateSettings {
    let s = &plan.sampler;
    ApproximateSettings {
        kind,
        chains: s.chains,
        draws: s.draws,
        resample: s.resample.unwrap_or(kind == Approximation::Pathfinder),
        seed: models::seed(plan, fit),
    }
}

fn settings(plan: &Plan, fit: &str, kind: Kind) -> Settings {
    let s = &plan.sampler;
    Settings {
        kind,
        chains: s.chains,
        warmup: s.warmup,
        draws: s.draws,
        target_accept: s.target_accept,
        max_treedepth: s.max_treedepth,
        max_leapfrogs: s.max_leapfrogs,
        shard_draws: s.shard_draws,
        save_warmup: s.save_warmup,
        seed: models::seed(plan, fit),
        superchains: s.superchains,
    }
}

/// A maximum of the likelihood in constrained space, all groups taken together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MaximumFacts {
    /// Which fit.
    pub fit: String,
    /// Key of the model.
    pub model: String,
    /// Log-likelihood there.
    pub log_likelihood: f64,
    /// The family's parameters, and the coefficients of covariates per unit of each.
    pub parameters: BTreeMap<String, f64>,
    /// Gradients it took.
    pub evaluations: u64,
    /// Whether the search ended at a stationary point.
    pub converged: bool,
}

/// The maximum likelihood of each fit of a summarised run: flat priors, no Jacobian, one group, f64.
pub fn maximum(dir: &RunDir) -> Result<Vec<MaximumFacts>> {
    let observed = read_observations(dir)?.pooled();
    models::fits(&dir.plan)
        .into_iter()
        .map(|(name, plan)| {
            let family = family(&plan.model)?;
            let priors = family.parameters.iter().map(|p| (p.name.to_owned(), Prior::Flat)).collect();
            let covariates = plan.covariates.clone().map(|c| CovariateSpec { prior: Prior::Flat, ..c });
            let spec = PriorSpec { priors, hierarchy: None, covariates };
            let mut posterior = models::posterior_of(family, &observed, &spec, &Place::CPU)?.jacobian(false);
            let start = posterior.start();
            let mode = sampler::find_mode(&mut posterior, start.view(), &ModeSearch::default())?;
            let point = mode.point.view();
            let mut row = vec![0.0; posterior.schema().size()];
            posterior.constrain(point, &mut row);
            let log_likelihood = posterior.log_likelihood(point).map_err(|e| e.0)?;
            let called = |(name, coords): (&str, Vec<(&str, &str)>)| match coords.first() {
                Some((_, label)) => format!("{name}[{label}]"),
                None => name.to_owned(),
            };
            let named = posterior.schema().elements().into_iter().map(called).zip(row);
            Ok(MaximumFacts {
                fit: name.to_owned(),
                model: plan.model.clone(),
                log_likelihood,
                parameters: named.collect(),
                evaluations: mode.evaluations,
                converged: mode.converged,
            })
        })
        .collect()
}
