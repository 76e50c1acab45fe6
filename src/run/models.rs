//! From a plan and a summary to the log densities that a sampler explores: cells, likelihood on the planned backend, priors.

use super::backend::Place;
use super::fit::{PURCHASE, SPEND};
use crate::config::{ModelPlan, Plan};
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::kernels::{Likelihood, bg_nbd, gamma_gamma};
use crate::model::{Family, Posterior, Scale, family};

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
    }
    Ok(())
}

/// The plan with every prior written out in numbers of the data's own scale. Doing it twice changes nothing.
pub(super) fn resolve_priors(plan: &mut Plan, summary: &Summary) -> Result<()> {
    let scale = Scale::of(summary);
    let resolve = |model: &mut ModelPlan| -> Result<()> {
        let spec = model.spec().resolve(family(&model.model)?, &summary.groups, &scale)?;
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

/// The seed of one fit: the fits are independent posteriors and must not share random numbers.
pub(super) fn seed(plan: &Plan, fit: &str) -> u64 {
    const SPEND_FLIP: u64 = 0x5EED_0F5B_E4D0_0000;
    if fit == SPEND { plan.sampler.seed ^ SPEND_FLIP } else { plan.sampler.seed }
}

/// The posterior of one fit.
pub(super) fn posterior(model: &ModelPlan, summary: &Summary, place: &Place) -> Result<Posterior> {
    let family = family(&model.model)?;
    let likelihood = likelihood(family, summary, place)?;
    Posterior::new(family, likelihood, &summary.groups, &model.spec(), &Scale::of(summary))
}

/// The likelihood of a family on a backend.
pub(super) fn likelihood(family: &Family, summary: &Summary, place: &Place) -> Result<Box<dyn Likelihood>> {
    let n_groups = summary.groups.labels.len().max(1);
    let made = match family.key {
        "bg_nbd" => {
            let c = summary.cells();
            let cells = bg_nbd::Cells {
                n_groups,
                group: c.group,
                frequency: c.frequency,
                recency: c.recency,
                age: c.age,
                weight: c.weight,
            };
            match place {
                Place::Cpu => bg_nbd::Cpu::new(cells).map(|l| Box::new(l) as Box<dyn Likelihood>),
                Place::Gpu(device) => bg_nbd::Cpu::new(cells)
                    .and_then(|judge| bg_nbd::Gpu::new(judge, device))
                    .map(|l| Box::new(l) as Box<dyn Likelihood>),
            }
        }
        "gamma_gamma" => {
            let s = summary.spend_rows();
            let weight = vec![1.0; s.group.len()];
            let rows =
                gamma_gamma::Rows { n_groups, group: s.group, frequency: s.frequency, monetary: s.monetary, weight };
            match place {
                Place::Cpu => gamma_gamma::Cpu::new(rows).map(|l| Box::new(l) as Box<dyn Likelihood>),
                Place::Gpu(device) => gamma_gamma::Cpu::new(rows)
                    .and_then(|judge| gamma_gamma::Gpu::new(judge, device))
                    .map(|l| Box::new(l) as Box<dyn Likelihood>),
            }
        }
        other => return Err(Error::new("this model has no likelihood").seen(other)),
    };
    made.map_err(|e| Error::new(format!("the {} likelihood could not be made", family.key)).because(e))
}
