//! What the priors say before any purchase is seen: draws of every named variable, summarised, and what they mean to a shop.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, Axis};
use serde::{Deserialize, Serialize};

use super::meaning::{self, Draw, Law, Meaning, World};
use super::summarize::read_observations;
use super::{RunDir, models};
use crate::config::Plan;
use crate::diagnose::quantile;
use crate::error::Result;
use crate::kernels::rng::{Purpose, Stream};
use crate::model::{Place, Role, family};
use crate::target::LogDensity;

/// One element of one variable under the prior.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorRow {
    /// Name of the fit.
    pub fit: String,
    /// Name of the variable.
    pub name: String,
    /// Dimension and label along each of its dimensions.
    pub coords: Vec<(String, String)>,
    /// 5 % quantile.
    pub q05: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
}

/// What the priors of a run say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PriorCheck {
    /// Every named variable.
    pub parameters: Vec<PriorRow>,
    /// What they mean in purchases and money.
    pub meaning: Vec<Meaning>,
}

/// Draws from the prior of every fit of a summarised run (its data set the scale of default priors, and nothing else).
///
/// # Errors
/// An improper (`flat`) prior, which cannot be drawn from.
pub fn prior(dir: &RunDir, draws: u32) -> Result<PriorCheck> {
    let observed = read_observations(dir)?;
    let mut rows = Vec::new();
    let mut parameters = BTreeMap::new();
    for (fit, model) in models::fits(&dir.plan) {
        let posterior = models::posterior(model, &observed, &Place::CPU)?;
        let drawn = (0..u64::from(draws))
            .map(|draw| {
                let mut stream = Stream::new(models::seed(&dir.plan, fit), Purpose::Prior, draw, 0);
                posterior.prior_draw(&mut stream).map(|(_, constrained)| constrained)
            })
            .collect::<Result<Vec<_>>>()?;
        let constrained = Array2::from_shape_fn((drawn.len(), posterior.schema().size()), |(d, ix)| drawn[d][ix]);
        parameters.insert(fit, posterior.family().parameters_of(posterior.schema(), constrained.view())?);
        for (ix, (name, coords)) in posterior.schema().elements().into_iter().enumerate() {
            let values: Vec<f64> = drawn.iter().map(|row| row[ix]).collect();
            rows.push(PriorRow {
                fit: fit.to_owned(),
                name: name.to_owned(),
                coords: coords.into_iter().map(|(dim, label)| (dim.to_owned(), label.to_owned())).collect(),
                q05: quantile(&values, 0.05),
                q50: quantile(&values, 0.5),
                q95: quantile(&values, 0.95),
            });
        }
    }
    Ok(PriorCheck { parameters: rows, meaning: meaning(&dir.plan, &parameters)? })
}

/// What the draws mean: what new customers do.
fn meaning(plan: &Plan, parameters: &BTreeMap<&str, Array3<f64>>) -> Result<Vec<Meaning>> {
    let law = match family(&plan.purchase.model)?.role {
        Role::Purchase(dropout) => Law::AnyTime(dropout),
        Role::Opportunity => Law::Opportunities,
        Role::Contract => Law::Contracts,
        Role::Spend => return Ok(Vec::new()),
    };
    let Some(purchase) = parameters.get(models::PURCHASE) else { return Ok(Vec::new()) };
    let spend = parameters.get(models::SPEND);
    let world = World { law, time_unit_days: plan.data.time_unit_days, seed: models::seed(plan, models::PURCHASE) };
    let draws = purchase.outer_iter().enumerate().map(|(d, purchase)| Draw {
        draw: d as u64,
        purchase,
        spend: spend.map(|s| s.index_axis(Axis(0), d)),
    });
    Ok(meaning::meanings(world, draws))
}
