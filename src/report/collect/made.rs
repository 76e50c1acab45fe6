//! How the run was made, from its plan and its telemetry.

use super::super::view;
use crate::config::Backend;
use crate::diagnose::{Diagnostics, Method};
use crate::run::{self, DataFacts, RunDir, Step, Telemetry};

/// The facts of the run; `left_out` are the parts that have no meaning for its model.
pub(super) fn facts(
    dir: &RunDir,
    data: &DataFacts,
    diagnostics: &Diagnostics,
    telemetry: &Telemetry,
    left_out: &[String],
) -> view::Facts {
    let plan = &dir.plan;
    let fits = diagnostics
        .fits
        .iter()
        .map(|f| {
            let cost = telemetry.fits.get(&f.fit).copied().unwrap_or_default();
            view::FitFacts {
                fit: f.fit.clone(),
                model: run::model_name(plan, &f.fit).to_owned(),
                backend: match plan.compute.backend {
                    Backend::Cpu => "cpu".to_owned(),
                    Backend::Gpu => "gpu".to_owned(),
                },
                adapter: plan.compute.adapter.clone(),
                sampler: match f.method {
                    Method::Sampling => plan.sampler.kind.key().to_owned(),
                    other => format!("{}: {}, not samples of the posterior", plan.sampler.kind.key(), other.named()),
                },
                sampled: f.method == Method::Sampling,
                pareto_k: f.nearness.map(|nearness| nearness.pareto_k.unwrap_or(f64::INFINITY)),
                effective_draws: f.nearness.map(|nearness| nearness.effective_draws),
                chains: f.chains as u64,
                warmup: cost.warmup,
                draws: f.draws as u64,
                divergences: f.divergences,
                gradient_evaluations: cost.gradient_evaluations,
                seconds: cost.wall_s,
                ess_per_second: cost.min_ess_per_s,
                evaluations_per_second: cost.evaluations_per_s,
                bytes_moved: cost.bytes_up + cost.bytes_down,
                device_seconds: cost.device_s,
                device_bytes: cost.device_bytes,
            }
        })
        .collect();
    let steps = Step::ALL
        .iter()
        .filter_map(|s| {
            telemetry.steps.get(s.name()).map(|t| view::Step {
                name: s.name().to_owned(),
                seconds: t.wall_s,
                peak_memory: t.peak_memory_bytes,
                gpu_utilisation: t.gpu_utilisation,
            })
        })
        .collect();
    let mut other = vec![("platform".to_owned(), format!("{}, {} processors", telemetry.platform, telemetry.cpus))];
    other.push(("why this backend".to_owned(), plan.compute.reason.clone()));
    other.extend(plan.warm_start.as_ref().map(|warm| ("beginning".to_owned(), run::warm_words(warm))));
    other.extend(left_out.iter().map(|part| ("left out".to_owned(), part.clone())));
    other.extend(data.notes.iter().map(|note| ("note".to_owned(), note.clone())));
    view::Facts {
        fits,
        steps,
        data: Some(view::DataFacts {
            source: plan.data.paths.join(", "),
            rows: data.lines,
            rejects: data.rejected,
            customers: data.customers,
            cells: data.cells,
            spenders: data.spenders,
            spend_rows: data.spend_rows,
            days: data.first_date.zip(data.last_date),
            calibration_start: data.calibration_start,
            calibration_end: data.calibration_end,
        }),
        seed: Some(plan.sampler.seed),
        versions: vec![("longrun".to_owned(), plan.longrun_version.clone())],
        other,
    }
}
