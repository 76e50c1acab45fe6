//! What the priors say before any purchase is seen: draws of every named variable, summarised.

use serde::{Deserialize, Serialize};

use super::backend::Place;
use super::summarize::read_observations;
use super::{RunDir, models};
use crate::diagnose::quantile;
use crate::error::Result;
use crate::kernels::rng::{Purpose, Stream};
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

/// Draws from the prior of every fit of a summarised run (its data set the scale of default priors, and nothing else).
///
/// # Errors
/// An improper (`flat`) prior, which cannot be drawn from.
pub fn prior(dir: &RunDir, draws: u32) -> Result<Vec<PriorRow>> {
    let observed = read_observations(dir)?;
    let mut rows = Vec::new();
    for (fit, model) in models::fits(&dir.plan) {
        let posterior = models::posterior(model, &observed, &Place::Cpu)?;
        let drawn = (0..u64::from(draws))
            .map(|draw| {
                let mut stream = Stream::new(models::seed(&dir.plan, fit), Purpose::Prior, draw, 0);
                posterior.prior_draw(&mut stream).map(|(_, constrained)| constrained)
            })
            .collect::<Result<Vec<_>>>()?;
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
    Ok(rows)
}
