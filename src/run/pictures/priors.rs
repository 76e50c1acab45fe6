//! The prior of population parameters, as curves to lay under their posteriors. Draws, because derived parameters have no density that
//! could be written down.

use std::collections::BTreeMap;

use super::super::{RunDir, models, summarize::read_observations};
use super::DENSITY_POINTS;
use crate::config::ModelPlan;
use crate::diagnose::density;
use crate::error::Result;
use crate::kernels::rng::{Purpose, Stream};
use crate::model::Place;

/// Draws from the prior.
const DRAWS: u64 = 4_000;

/// Draws under which there is no shape to see, only how much of the prior lies there.
const FOR_A_SHAPE: usize = 60;

/// Draws of the prior by element; none of them for a fit whose prior cannot be drawn from (`flat`).
pub(super) fn draws(
    dir: &RunDir,
    fit: &str,
    model: &ModelPlan,
    elements: &[usize],
) -> Result<BTreeMap<usize, Vec<f64>>> {
    let posterior = models::posterior(model, &read_observations(dir)?, &Place::CPU)?;
    let mut out: BTreeMap<usize, Vec<f64>> = elements.iter().map(|&ix| (ix, Vec::new())).collect();
    for draw in 0..DRAWS {
        let mut stream = Stream::new(models::seed(&dir.plan, fit), Purpose::Prior, draw, 0);
        let Ok((_, constrained)) = posterior.prior_draw(&mut stream) else { return Ok(BTreeMap::new()) };
        out.iter_mut().for_each(|(&ix, values)| values.push(constrained[ix]));
    }
    Ok(out)
}

/// The prior's density over three times the posterior's width around it: few priors reach no farther than their posterior, and most
/// reach so far that it would be a needle.
pub(super) fn near(prior: &[f64], posterior: &[f64]) -> Option<(Vec<f64>, Vec<f64>)> {
    let (low, high) = (*posterior.first()?, *posterior.last()?);
    let window = (low - (high - low), high + (high - low));
    let within: Vec<f64> = prior.iter().copied().filter(|v| (window.0..=window.1).contains(v)).collect();
    let share = within.len() as f64 / prior.len() as f64;
    let least = prior.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
    let most = prior.iter().copied().filter(|v| v.is_finite()).fold(f64::NEG_INFINITY, f64::max);
    let (from, to) = (window.0.max(least), window.1.min(most));
    if within.len() >= FOR_A_SHAPE {
        let (x, mut y) = density(&within, DENSITY_POINTS)?;
        y.iter_mut().for_each(|y| *y *= share);
        return Some((x, y));
    }
    // Too few to see a shape: as high as they are many.
    let height = share / (to - from);
    let level = || (0..DENSITY_POINTS).map(|i| from + (to - from) * i as f64 / (DENSITY_POINTS - 1) as f64).collect();
    (to > from && height.is_finite()).then(|| (level(), vec![height; DENSITY_POINTS]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wide_prior_is_as_high_beside_its_posterior_as_it_is() {
        // Even over 0 … 100, so 0.01 high everywhere; the posterior lies over 40 … 50.
        let prior: Vec<f64> = (0..4_000).map(|i| f64::from(i) / 40.0).collect();
        let (x, y) = near(&prior, &[40.0, 45.0, 50.0]).expect("a curve");
        assert!(x[0] >= 30.0 && x[x.len() - 1] <= 60.0);
        // The window is cut to whole draws, one part in 1,200; smoothing keeps an even density even.
        assert!(y.iter().all(|y| (y - 0.01).abs() < 2e-4), "{y:?}");
    }

    #[test]
    fn a_prior_that_is_hardly_there_is_a_level_and_one_that_is_elsewhere_is_zero() {
        let prior: Vec<f64> = (0..4_000).map(f64::from).collect();
        let (x, y) = near(&prior, &[10.0, 20.0]).expect("a level");
        assert_eq!((x[0], x[DENSITY_POINTS - 1], x.len()), (0.0, 30.0, DENSITY_POINTS));
        assert_eq!(y, vec![31.0 / 4_000.0 / 30.0; DENSITY_POINTS]);
        assert_eq!(near(&prior, &[-20.0, -10.0]), None, "the prior begins at 0");
    }
}
