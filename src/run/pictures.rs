//! Arrays that only pictures need, made from the draws on demand: densities, traces, ranks, autocorrelation, growth of the effective
//! sample size, energies, pairs of parameters, priors. Which of them are drawn, and how, is the report's business.
//!
//! One fit's draws are in memory at a time, and of them only what a picture can show is kept.

mod pairs;
mod priors;

use ndarray::{Array2, ArrayView2, Axis, s};

use super::fit::open_store;
use super::{RunDir, models};
use crate::diagnose::{autocorrelation, density, ess_bulk, ess_tail, rank_counts, trace};
use crate::draws::FitDraws;
use crate::error::Result;
use crate::model::is_shared_dim;

/// Points of a density curve, bins of a rank plot, lags of an autocorrelation, steps of growing draws.
const DENSITY_POINTS: usize = 80;
const RANK_BINS: usize = 20;
const LAGS: usize = 40;
const GROWTH_STEPS: usize = 10;

/// Points of a trace over all chains, and the most and the fewest per chain.
const TRACE_POINTS: usize = 2_400;
const TRACE_PER_CHAIN: (usize, usize) = (30, 150);

/// Chains whose trace and ranks are kept: of more, half are those that lie farthest from the rest.
const CHAINS: usize = 64;

/// One parameter's curves.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ParameterPicture {
    /// Name of the fit.
    pub fit: String,
    /// Name of the variable.
    pub name: String,
    /// Labels along its dimensions, in order.
    pub labels: Vec<String>,
    /// Places and heights of the density curve, where there is one.
    pub density: Option<(Vec<f64>, Vec<f64>)>,
    /// `[chain][point]`, thinned; empty for parameters that are not shown in full. So are the next three.
    pub trace: Vec<Vec<f64>>,
    /// `[chain][bin]`.
    pub ranks: Vec<Vec<u64>>,
    /// `[chain][lag]`.
    pub autocorrelation: Vec<Vec<f64>>,
    /// Draws of all chains together, their bulk and their tail effective sample size.
    pub growth: Vec<(u64, f64, f64)>,
    /// The prior over the neighbourhood of the posterior, on its scale of height; none for parameters of single groups, and where the
    /// prior cannot be drawn from.
    pub prior: Option<(Vec<f64>, Vec<f64>)>,
}

/// What the chains of one fit show together.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FitPicture {
    /// Name of the fit.
    pub fit: String,
    /// Densities of the energies less their mean, and of their change from one draw to the next.
    pub energy: Option<[(Vec<f64>, Vec<f64>); 2]>,
    /// Population parameters two by two.
    pub pairs: Option<PairPicture>,
}

/// Draws of a few population parameters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PairPicture {
    /// Which they are: places in the schema's order.
    pub elements: Vec<usize>,
    /// `[draw][parameter]`, evenly thinned.
    pub points: Vec<Vec<f64>>,
    /// `[draw][parameter]` of draws whose transition diverged, evenly thinned.
    pub divergent: Vec<Vec<f64>>,
    /// The two whose correlation is greatest, and that.
    pub strongest: Option<(usize, usize, f64)>,
}

/// Everything that pictures of the draws need.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pictures {
    /// Every parameter, fit after fit, in the schema's order.
    pub parameters: Vec<ParameterPicture>,
    /// Every fit.
    pub fits: Vec<FitPicture>,
}

/// The curves of every parameter. `in_full` lists, worst first, the parameters (counted over all fits) whose chains are shown too.
pub fn pictures(dir: &RunDir, in_full: &[usize]) -> Result<Pictures> {
    let store = open_store(dir)?;
    // Independent draws have no chains to look at.
    let chains = dir.plan.sampler.kind.samples();
    let mut out = Pictures::default();
    for (fit, model) in models::fits(&dir.plan) {
        let draws = store.read(fit)?;
        let first = out.parameters.len();
        let elements = draws.schema.elements();
        let population: Vec<usize> =
            (0..elements.len()).filter(|&ix| elements[ix].1.iter().all(|(dim, _)| is_shared_dim(dim))).collect();
        let mut priors = priors::draws(dir, fit, model, &population)?;
        for (ix, (name, coords)) in elements.into_iter().enumerate() {
            let values = draws.constrained.index_axis(Axis(2), ix);
            let mut picture = ParameterPicture {
                fit: fit.to_owned(),
                name: name.to_owned(),
                labels: coords.into_iter().map(|(_, label)| label.to_owned()).collect(),
                density: density(&values.iter().copied().collect::<Vec<_>>(), DENSITY_POINTS),
                ..ParameterPicture::default()
            };
            if chains && in_full.contains(&(first + ix)) {
                show_chains(&mut picture, values);
            }
            if let (Some(prior), Some((x, _))) = (priors.remove(&ix), &picture.density) {
                picture.prior = priors::near(&prior, x);
            }
            out.parameters.push(picture);
        }
        let worst = in_full.iter().filter_map(|ix| ix.checked_sub(first)).find(|ix| population.contains(ix));
        out.fits.push(FitPicture {
            fit: fit.to_owned(),
            energy: if chains { energy(&draws) } else { None },
            pairs: pairs::choose(&draws, &population, worst),
        });
    }
    Ok(out)
}

fn show_chains(picture: &mut ParameterPicture, values: ArrayView2<'_, f64>) {
    let shown = shown_chains(values);
    let (fewest, most) = TRACE_PER_CHAIN;
    let points = (TRACE_POINTS / shown.len().max(1)).clamp(fewest, most);
    let rows = |of: Array2<f64>| of.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>();
    picture.trace = rows(trace(values.select(Axis(0), &shown).view(), points).1);
    let ranks = rank_counts(values, RANK_BINS);
    picture.ranks = shown.iter().filter(|&&c| c < ranks.nrows()).map(|&c| ranks.row(c).to_vec()).collect();
    picture.autocorrelation = rows(autocorrelation(values, LAGS).select(Axis(0), &shown));
    let n = values.ncols();
    picture.growth = (1..=GROWTH_STEPS)
        .map(|step| n * step / GROWTH_STEPS)
        .filter(|&n| n >= 4)
        .map(|n| {
            let part = values.slice(s![.., ..n]);
            (part.len() as u64, ess_bulk(part), ess_tail(part))
        })
        .collect();
}

/// Chains to show, ascending: all, or half of them those whose mean lies farthest from the middle one and half evenly spaced, so that
/// a chain that went its own way is always among them.
fn shown_chains(values: ArrayView2<'_, f64>) -> Vec<usize> {
    let chains = values.nrows();
    if chains <= CHAINS {
        return (0..chains).collect();
    }
    let means: Vec<f64> = values.rows().into_iter().map(|row| row.sum() / row.len() as f64).collect();
    let mut sorted = means.clone();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted[chains / 2];
    let mut order: Vec<usize> = (0..chains).collect();
    order.sort_by(|&a, &b| (means[b] - middle).abs().total_cmp(&(means[a] - middle).abs()));
    let mut shown = order[..CHAINS / 2].to_vec();
    let rest: Vec<usize> = (0..chains).filter(|c| !shown.contains(c)).collect();
    shown.extend((0..CHAINS / 2).map(|i| rest[i * rest.len() / (CHAINS / 2)]));
    shown.sort_unstable();
    shown
}

/// Energies less their mean, and their changes, as densities.
fn energy(draws: &FitDraws) -> Option<[(Vec<f64>, Vec<f64>); 2]> {
    let energy = draws.stats.get("energy")?;
    let mean = energy.mean()?;
    let marginal: Vec<f64> = energy.iter().map(|e| e - mean).collect();
    let change = |chain: ndarray::ArrayView1<'_, f64>| {
        chain.iter().zip(chain.iter().skip(1)).map(|(a, b)| b - a).collect::<Vec<_>>()
    };
    let changes: Vec<f64> = energy.rows().into_iter().flat_map(change).collect();
    Some([density(&marginal, DENSITY_POINTS)?, density(&changes, DENSITY_POINTS)?])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_chains_the_one_that_went_its_own_way_is_shown() {
        let mut values = Array2::from_shape_fn((1_000, 8), |(chain, draw)| ((chain * 7 + draw * 3) % 11) as f64);
        values.row_mut(777).fill(50.0);
        let shown = shown_chains(values.view());
        assert_eq!(shown.len(), CHAINS);
        assert!(shown.contains(&777) && shown.windows(2).all(|pair| pair[0] < pair[1]), "{shown:?}");
        assert_eq!(shown_chains(values.slice(s![..3, ..])), [0, 1, 2]);
    }

    #[test]
    fn what_is_shown_of_chains_is_thinned_and_growth_ends_with_all_draws() {
        let values = Array2::from_shape_fn((64, 200), |(chain, draw)| ((chain * 31 + draw * 17) % 97) as f64);
        let mut picture = ParameterPicture::default();
        show_chains(&mut picture, values.view());
        assert_eq!((picture.trace.len(), picture.trace[0].len()), (64, TRACE_POINTS / 64));
        assert_eq!((picture.ranks.len(), picture.autocorrelation[5].len()), (64, LAGS + 1));
        assert_eq!(picture.growth.len(), GROWTH_STEPS);
        let last = picture.growth.last().expect("ten steps");
        assert_eq!((last.0, last.1), (64 * 200, ess_bulk(values.view())));
        assert_eq!(last.2, ess_tail(values.view()));
    }
}
