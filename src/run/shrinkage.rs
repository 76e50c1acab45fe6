//! How much each group borrows: what its own data say alone, the centre it is pooled towards, what it is with the others' help, and
//! the weight of that centre. `shrinkage.json` holds it for every fit with groups.
//!
//! | symbol | meaning |
//! | ------ | ------- |
//! | ẑ, τ   | mode of the group's own data under the weak priors of a fit without groups, and 1/variance that the data alone give it |
//! | z, m   | posterior means of the group's effect and of the centre (what the group belongs to; μ where groups are not nested) |
//! | σ      | spread of the groups' level |
//!
//! Given σ the pooled estimate is about w m + (1 − w) ẑ with w = 1/(1 + σ²τ) (Gelman & Hill 2007, equation 12.1): the group's
//! pooling share is the posterior mean of w. 0 is a group that stands on its own data, 1 one that has nothing but its centre.

use ndarray::{Array2, Axis};
use serde::{Deserialize, Serialize};

use super::models::{self, Alone};
use crate::config::ModelPlan;
use crate::data::Observations;
use crate::draws::{FitDraws, thinned_rows};
use crate::error::Result;
use crate::model::{Effects, Place, Posterior, Role, family};

/// Draws behind the posterior means.
const DRAWS: usize = 400;

/// `shrinkage.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShrinkageFacts {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// One entry per fit with groups.
    pub fits: Vec<FitShrinkage>,
}

/// How the groups of one fit borrowed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitShrinkage {
    /// Name of the fit.
    pub fit: String,
    /// Name of the grouping: the path of its levels.
    pub column: String,
    /// The pooled parameters, in the order of every list below.
    pub parameters: Vec<String>,
    /// σ of the groups' level, on the scale of the link: posterior means.
    pub sigma: Vec<f64>,
    /// One entry per group.
    pub groups: Vec<GroupShrinkage>,
}

/// One group, alone and pooled, on the scale of the parameters.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupShrinkage {
    /// The group's label.
    pub label: String,
    /// Its customers; in the spend fit those whose spend is known.
    pub customers: u64,
    /// The parameter at ẑ; none where the group's own data have no mode.
    pub alone: Vec<Option<f64>>,
    /// The parameter at m.
    pub centre: Vec<f64>,
    /// The parameter at z.
    pub pooled: Vec<f64>,
    /// Pooling share, 0–1.
    pub share: Vec<f64>,
}

/// The shrinkage of one fit; none without a hierarchy.
pub(super) fn of_fit(
    fit: &str,
    plan: &ModelPlan,
    observed: &Observations,
    draws: &FitDraws,
) -> Result<Option<FitShrinkage>> {
    if plan.hierarchy.is_none() {
        return Ok(None);
    }
    let family = family(&plan.model)?;
    let alone = models::alone(family, observed)?;
    let posterior = models::posterior_knowing(plan, observed, &Place::CPU, Some(&alone))?;
    let Some(means) = means(&posterior, draws, &alone) else { return Ok(None) };
    let chart = family.chart_parameters(&family.derived_chart());
    let links = posterior.links();
    let value = |z: f64, k: usize| links[k].value(z);
    let customers = customers(observed, family.role);
    let row = |g: usize| {
        let each = |of: &dyn Fn(usize) -> f64| (0..chart.len()).map(of).collect::<Vec<f64>>();
        GroupShrinkage {
            label: observed.groups.labels[g].clone(),
            customers: customers[g],
            alone: (0..chart.len())
                .map(|k| (alone.pilot.precision[[g, k]] > 0.0).then(|| value(alone.pilot.centre[[g, k]], k)))
                .collect(),
            centre: each(&|k| value(means.centre[[g, k]], k)),
            pooled: each(&|k| value(means.own[[g, k]], k)),
            share: each(&|k| means.share[[g, k]]),
        }
    };
    Ok(Some(FitShrinkage {
        fit: fit.to_owned(),
        column: observed.groups.column.clone().unwrap_or_default(),
        parameters: chart.iter().map(|p| p.name.to_owned()).collect(),
        sigma: means.sigma,
        groups: (0..observed.groups.labels.len()).map(row).collect(),
    }))
}

/// Posterior means over some draws.
struct Means {
    /// `[group, k]`: z, m and w.
    own: Array2<f64>,
    centre: Array2<f64>,
    share: Array2<f64>,
    /// `[k]`: σ of the last level.
    sigma: Vec<f64>,
}

fn means(posterior: &Posterior, draws: &FitDraws, alone: &Alone) -> Option<Means> {
    let rows = thinned_rows(draws.chains, draws.draws, DRAWS);
    let shape = alone.own_precision.raw_dim();
    let mut sums = Means {
        own: Array2::zeros(shape),
        centre: Array2::zeros(shape),
        share: Array2::zeros(shape),
        sigma: vec![0.0; shape[1]],
    };
    let one = 1.0 / rows.len() as f64;
    for (chain, draw) in rows {
        let point = draws.unconstrained.index_axis(Axis(0), chain);
        let Effects { own, parent, spread } = posterior.effects(point.row(draw))?;
        sums.own.scaled_add(one, &own);
        sums.centre.scaled_add(one, &parent);
        for ((g, k), share) in sums.share.indexed_iter_mut() {
            *share += one / (1.0 + spread[k] * spread[k] * alone.own_precision[[g, k]]);
        }
        sums.sigma.iter_mut().zip(&spread).for_each(|(sum, sigma)| *sum += one * sigma);
    }
    Some(sums)
}

/// Customers of each group that the family's likelihood sees.
fn customers(observed: &Observations, role: Role) -> Vec<u64> {
    let mut count = vec![0.0; observed.groups.labels.len()];
    let (group, weight) = match role {
        Role::Spend => (&observed.spend.group, &observed.spend.weight),
        _ => (&observed.cells.group, &observed.cells.weight),
    };
    group.iter().zip(weight).for_each(|(&g, weight)| count[g as usize] += weight);
    count.into_iter().map(|n| n.round() as u64).collect()
}
