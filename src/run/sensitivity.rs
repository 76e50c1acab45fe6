//! How each fit leans on its priors and on its data, by weighting its draws: `sensitivity.json`. The log-likelihood of a draw is what the
//! sampler recorded less what the priors make of it, so that no customer is looked at again.

use super::{RunDir, models};
use crate::config::ModelPlan;
use crate::data::Observations;
use crate::diagnose::{FitDiagnostics, FitSensitivity, Lean, ParameterSensitivity, Sensitivity, power_scaling};
use crate::draws::DrawStore;
use crate::error::Result;
use crate::model::Place;

/// Pareto k from which weights are not trusted.
const TRUSTED: f64 = 0.7;

/// Draws that are weighted, at most.
const DRAWS: usize = 4000;

/// Writes `sensitivity.json` of a sampled run, and adds to each fit's notes what leans on its prior.
pub(super) fn write(
    dir: &RunDir,
    store: &DrawStore,
    observed: &Observations,
    judged: &mut [FitDiagnostics],
) -> Result<()> {
    let mut fits = Vec::new();
    for ((fit, plan), judged) in models::fits(&dir.plan).into_iter().zip(judged) {
        let Some(found) = of_fit(fit, plan, observed, store)? else { continue };
        judged.facts.notes.extend(notes(&found));
        fits.push(found);
    }
    dir.write_json("sensitivity.json", &Sensitivity::of(fits))
}

/// One fit; `None` where the sampler kept no log densities.
fn of_fit(fit: &str, plan: &ModelPlan, observed: &Observations, store: &DrawStore) -> Result<Option<FitSensitivity>> {
    let draws = store.sample(fit, DRAWS)?;
    let Some(lp) = draws.stats.get("lp") else { return Ok(None) };
    let posterior = models::posterior(plan, observed, &Place::CPU)?;
    let points = draws.unconstrained.index_axis(ndarray::Axis(0), 0);
    let priors: Vec<_> = points.rows().into_iter().map(|point| posterior.log_prior(point)).collect();
    let stated: Vec<f64> = priors.iter().map(|p| p.stated).collect();
    let log_likelihood: Vec<f64> = lp.iter().zip(&priors).map(|(lp, prior)| lp - prior.whole).collect();
    let name = |(name, coords): (&str, Vec<(&str, &str)>)| {
        let coords: Vec<String> = coords.iter().map(|(dim, label)| format!("{dim}={label}")).collect();
        if coords.is_empty() { name.to_owned() } else { format!("{name}[{}]", coords.join(", ")) }
    };
    let names: Vec<String> = draws.schema.elements().into_iter().map(name).collect();
    let values = draws.constrained.index_axis(ndarray::Axis(0), 0);
    Ok(Some(power_scaling(fit, &names, values, &stated, &log_likelihood)))
}

/// What is worth a note of it: the parameters, at most three, that lean on their prior most.
fn notes(found: &FitSensitivity) -> Vec<String> {
    if found.pareto_k >= TRUSTED {
        return Vec::new();
    }
    let mut leaning: Vec<_> = found.parameters.iter().filter(|p| p.diagnosis == Lean::Prior).collect();
    leaning.sort_by(|a, b| b.prior.total_cmp(&a.prior));
    let said = |p: &&ParameterSensitivity| {
        format!(
            "the posterior of {} in {} follows its prior ({:.2} per doubling of the prior's weight, {:.2} of the data's): the data say \
             little of it, so choose its prior on purpose (longrun prior shows what it says)",
            p.parameter, found.fit, p.prior, p.likelihood
        )
    };
    leaning.iter().take(3).map(said).collect()
}
