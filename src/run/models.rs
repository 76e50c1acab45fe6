//! From a plan and a summary to the log densities that a sampler explores: cells, likelihood on the planned backend, priors.

use ndarray::{Array1, Array2};
use rayon::prelude::*;

use crate::config::{GroupsPlan, ModelPlan, Plan};
use crate::data::Observations;
use crate::dist::{Centring, CovariateSpec, HierarchySpec, PriorSpec};
use crate::error::{Error, Result};
use crate::kernels::covariates::MOST_TERMS;
use crate::kernels::{Covariates, Likelihood};
use crate::model::{Family, Pilot, Place, Posterior, Regression, Scale, family, keys};
use crate::sampler::{self, Curvature, Laplace, ModeSearch};

/// Name of the purchase fit.
pub const PURCHASE: &str = "purchase";
/// Name of the spend fit.
pub const SPEND: &str = "spend";

/// What can be said about priors before any data is seen; `place` tells where a key was written.
pub(super) fn check_priors(plan: &Plan, place: &dyn Fn(&str) -> String) -> Result<()> {
    for (section, model) in [("purchase", Some(&plan.purchase)), ("spend", plan.spend.as_ref())] {
        let Some(model) = model else { continue };
        model.spec().check(family(&model.model)?, section).map_err(|e| {
            // The complaint begins with the key it is about.
            let said = e.to_string();
            let key = said.split_whitespace().next().unwrap_or(section).to_owned();
            e.at(place(&key))
        })?;
        let grouped = plan.groups != GroupsPlan::None;
        if grouped && !model.priors.is_empty() {
            let key = format!("{section}.priors");
            return Err(Error::new(format!("{key} is for a fit without groups")).at(place(&key)).advice(format!(
                "with groups, put priors on {section}.hierarchy.mu and .sigma, or set groups.by = \"none\""
            )));
        }
        if !grouped && model.hierarchy.is_some() {
            let key = format!("{section}.hierarchy");
            return Err(Error::new(format!("{key} needs groups"))
                .at(place(&key))
                .advice(format!("set groups.by, or put priors on the parameters in {section}.priors")));
        }
    }
    Ok(())
}

/// The plan with every prior written out in numbers of the data's own scale. Doing it twice changes nothing.
pub(super) fn resolve_priors(plan: &mut Plan, observed: &Observations) -> Result<()> {
    let scale = Scale::of(observed);
    let resolve = |model: &mut ModelPlan| -> Result<()> {
        let spec = model.spec().resolve(family(&model.model)?, &observed.groups, &scale)?;
        model.priors = spec.priors;
        model.hierarchy = spec.hierarchy;
        model.priors_resolved = true;
        Ok(())
    };
    resolve(&mut plan.purchase)?;
    plan.spend.as_mut().map_or(Ok(()), resolve)
}

/// The fits of a plan, in the order in which they are sampled.
pub(super) fn fits(plan: &Plan) -> Vec<(&'static str, &ModelPlan)> {
    let spend = plan.spend.as_ref().map(|model| (SPEND, model));
    std::iter::once((PURCHASE, &plan.purchase)).chain(spend).collect()
}

/// What the model of a fit is called; its key where the table of models has no name for it.
pub fn model_name<'a>(plan: &'a Plan, fit: &str) -> &'a str {
    let key = fits(plan).into_iter().find(|(name, _)| *name == fit).map_or("none", |(_, model)| model.model.as_str());
    family(key).map_or(key, |family| family.name)
}

/// The seed of one fit: the fits are independent posteriors and must not share random numbers.
pub(super) fn seed(plan: &Plan, fit: &str) -> u64 {
    const SPEND_FLIP: u64 = 0x5EED_0F5B_E4D0_0000;
    if fit == SPEND { plan.sampler.seed ^ SPEND_FLIP } else { plan.sampler.seed }
}

/// The posterior of one fit.
pub(super) fn posterior(plan: &ModelPlan, observed: &Observations, place: &Place) -> Result<Posterior> {
    let family = family(&plan.model)?;
    let chart = family.chart_parameters(&family.derived_chart());
    let left_to_us = |h: &HierarchySpec| chart.iter().any(|p| h.centring.of(p.name) == Centring::Auto);
    let wanted = plan.hierarchy.as_ref().is_some_and(left_to_us);
    let alone = if wanted { Some(alone(family, observed)?) } else { None };
    posterior_knowing(plan, observed, place, alone.as_ref())
}

/// The same with what each group's own data say in hand.
pub(super) fn posterior_knowing(
    plan: &ModelPlan,
    observed: &Observations,
    place: &Place,
    alone: Option<&Alone>,
) -> Result<Posterior> {
    let family = family(&plan.model)?;
    let scale = Scale::of(observed);
    let posterior = posterior_of(family, observed, &plan.spec(), place)?;
    Ok(match alone {
        Some(alone) => posterior.informed(alone.pilot.clone(), &scale),
        None => posterior,
    })
}

/// The posterior that a run on the CPU samples, of customers in hand.
///
/// # Errors
/// Priors that do not fit their parameters, or customers that the model cannot have.
pub fn posterior_on_cpu(plan: &ModelPlan, observed: &Observations) -> Result<Posterior> {
    posterior(plan, observed, &Place::CPU)
}

/// The posterior of a family under some priors, with covariates where these have them, in the coordinates that nothing is known of.
pub(super) fn posterior_of(
    family: &'static Family,
    observed: &Observations,
    spec: &PriorSpec,
    place: &Place,
) -> Result<Posterior> {
    let regression = regression(family, observed, spec.covariates.as_ref())?;
    let likelihood = likelihood(family, observed, regression.as_ref(), place)?;
    let posterior = Posterior::new(family, likelihood, &observed.groups, spec, &Scale::of(observed))?;
    Ok(match regression {
        Some(regression) => posterior.with_regression(regression),
        None => posterior,
    })
}

/// The coefficients of a fit with covariates.
pub(super) fn regression(
    family: &Family,
    observed: &Observations,
    spec: Option<&CovariateSpec>,
) -> Result<Option<Regression>> {
    let Some(spec) = spec else { return Ok(None) };
    let design = observed.covariates.as_ref().ok_or_else(|| {
        Error::new("the run has no table of covariates")
            .at("covariates.parquet")
            .advice("run `longrun summarize` on the run directory again")
    })?;
    let regression = Regression::new(family, spec, &design.columns)?;
    // Abe's customers are summed one by one, and take any number.
    if family.key != "pareto_abe" && regression.len() > MOST_TERMS {
        return Err(Error::new(format!("{} takes at most {MOST_TERMS} coefficients of covariates", family.name))
            .at("covariates")
            .seen(format!("{} coefficients of {} columns", regression.len(), design.columns.len()))
            .advice(format!(
                "a column has one in each of {}, and so has every level of a categorical column but one: name fewer covariates under \
                 covariates.purchase or covariates.dropout, merge levels, or make a column of many levels a group (groups.by = \
                 \"column\")",
                family.movable.iter().flat_map(|movable| movable.effects).map(|effect| effect.name).collect::<Vec<_>>().join(", ")
            )));
    }
    Ok(Some(regression))
}

/// What each group's own data make of its parameters.
pub(super) struct Alone {
    /// Mode and marginal precision, under default priors.
    pub pilot: Pilot,
    /// `[group, k]`: the precision without what the prior gives; 0 where the data say nothing.
    pub own_precision: Array2<f64>,
}

/// The mode and curvature of each group alone, in f64, under default priors and without covariates.
///
/// The choice of coordinates rests on it, and what is told of pooling, so a group whose mode is not found simply counts as unknown.
pub(super) fn alone(family: &'static Family, observed: &Observations) -> Result<Alone> {
    let (groups, k, scale) = (observed.groups.labels.len(), family.k(), Scale::of(observed));
    let found: Vec<Option<GroupAlone>> = observed
        .by_group()
        .into_par_iter()
        .map(|group| -> Result<_> {
            // A group without a single row of this family.
            let Ok(likelihood) = likelihood(family, &group, None, &Place::CPU) else { return Ok(None) };
            let mut posterior = Posterior::new(family, likelihood, &group.groups, &PriorSpec::default(), &scale)?;
            let start = posterior.start();
            let found = sampler::find_mode(&mut posterior, start.view(), &ModeSearch::default())
                .and_then(|mode| sampler::laplace(&mut posterior, mode));
            Ok(match found {
                Ok(Laplace { mode, curvature: Curvature::Dense { covariance, .. }, .. }) if mode.converged => {
                    let prior = posterior.prior_precision(mode.point.view());
                    Some(GroupAlone { z: mode.point, variance: covariance.diag().to_owned(), prior })
                }
                _ => None,
            })
        })
        .collect::<Result<_>>()?;
    let known = |g: usize, j: usize| found[g].as_ref().map(|a| (a.z[j], a.variance[j], a.prior[j]));
    let good = |&(z, variance, _): &(f64, f64, f64)| z.is_finite() && variance.is_finite() && variance > 0.0;
    let each = |of: &dyn Fn((f64, f64, f64)) -> f64| {
        Array2::from_shape_fn((groups, k), |(g, j)| known(g, j).filter(good).map_or(0.0, of))
    };
    Ok(Alone {
        pilot: Pilot { centre: each(&|(z, _, _)| z), precision: each(&|(_, variance, _)| 1.0 / variance) },
        own_precision: each(&|(_, variance, prior)| (1.0 / variance - prior).max(0.0)),
    })
}

/// One group's mode, `[k]` each.
struct GroupAlone {
    z: Array1<f64>,
    variance: Array1<f64>,
    /// What the prior gives of the precision.
    prior: Vec<f64>,
}

/// The likelihood of a family on a backend, with the terms of `regression` where there are covariates.
pub(super) fn likelihood(
    family: &Family,
    observed: &Observations,
    regression: Option<&Regression>,
    place: &Place,
) -> Result<Box<dyn Likelihood>> {
    let made = match regression.zip(observed.covariates.as_ref()) {
        None => (family.likelihood)(observed, place),
        Some((regression, design)) => {
            let known = Covariates { values: design.values.clone(), terms: regression.terms() };
            let Some(movable) = &family.movable else {
                return Err(Error::new("no run with covariates can be made with this model")
                    .seen(family.key)
                    .advice(format!("leave [covariates] out, or use {}", keys(|f| f.movable.is_some()).join(", "))));
            };
            (movable.likelihood)(observed, known, place)
        }
    };
    made.map_err(|e| Error::new(format!("the {} likelihood could not be made", family.key)).because(e))
}
