//! Arrays that only pictures need, made from the draws on demand: densities, traces, ranks, and P(alive) over recency and
//! frequency. Which of them are drawn, and how, is the report's business.

use ndarray::Array2;

use super::fit::open_store;
use super::forecast::{Forecast, has_rfm};
use super::summarize::read_summary;
use super::{RunDir, models};
use crate::diagnose::{density, rank_counts, trace};
use crate::error::Result;

/// Points of a density curve, points of a trace per chain, bins of a rank plot.
const DENSITY_POINTS: usize = 80;
const TRACE_POINTS: usize = 150;
const RANK_BINS: usize = 20;

/// Rows of the P(alive) map, most columns of it, and draws behind each of its cells.
const ALIVE_ROWS: usize = 13;
const ALIVE_COLUMNS: u32 = 14;
const ALIVE_DRAWS: usize = 60;

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
    /// `[chain][point]`, thinned.
    pub trace: Vec<Vec<f64>>,
    /// `[chain][bin]`.
    pub ranks: Vec<Vec<u64>>,
}

/// Posterior mean P(alive) of a customer of a given age.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AliveGrid {
    /// T, time units: the median over customers.
    pub age: f64,
    /// Columns: repeat purchases.
    pub frequency: Vec<u32>,
    /// Rows: time of the last purchase since the first, time units.
    pub recency: Vec<f64>,
    /// `[row][column]`; `None` where no such customer can be.
    pub probability: Vec<Vec<Option<f64>>>,
}

/// The curves of every parameter, one fit's draws in memory at a time.
pub fn parameter_pictures(dir: &RunDir) -> Result<Vec<ParameterPicture>> {
    let store = open_store(dir)?;
    let mut pictures = Vec::new();
    for (fit, _) in models::fits(&dir.plan) {
        let draws = store.read(fit)?;
        for (ix, (name, coords)) in draws.schema.elements().into_iter().enumerate() {
            let values = draws.constrained.index_axis(ndarray::Axis(2), ix);
            let all: Vec<f64> = values.iter().copied().collect();
            // Independent draws have no chains to look at.
            let chains = dir.plan.sampler.kind.samples();
            let traces = if chains { trace(values, TRACE_POINTS).1 } else { Array2::zeros((0, 0)) };
            let ranks = if chains { rank_counts(values, RANK_BINS) } else { Array2::zeros((0, 0)) };
            pictures.push(ParameterPicture {
                fit: fit.to_owned(),
                name: name.to_owned(),
                labels: coords.into_iter().map(|(_, label)| label.to_owned()).collect(),
                density: density(&all, DENSITY_POINTS),
                trace: traces.rows().into_iter().map(|r| r.to_vec()).collect(),
                ranks: ranks.rows().into_iter().map(|r| r.to_vec()).collect(),
            });
        }
    }
    Ok(pictures)
}

/// P(alive) over recency and frequency for a customer of median age, averaged over draws and over groups by their size; none where
/// customers say themselves whether they are.
pub fn alive_grid(dir: &RunDir) -> Result<Option<AliveGrid>> {
    if !has_rfm(&dir.plan)? {
        return Ok(None);
    }
    let summary = read_summary(dir)?;
    let forecast = Forecast::of(dir)?;
    let mut ages = summary.age.clone();
    ages.sort_by(f64::total_cmp);
    let age = ages.get(ages.len() / 2).copied().unwrap_or(0.0);
    let most = summary.frequency.iter().copied().max().unwrap_or(0).min(ALIVE_COLUMNS);
    let frequency: Vec<u32> = (0..=most).collect();
    let mut recency: Vec<f64> = (0..ALIVE_ROWS).map(|i| age * i as f64 / (ALIVE_ROWS - 1) as f64).collect();
    let whole = dir.plan.data.whole_periods;
    if whole {
        recency.iter_mut().for_each(|t_x| *t_x = t_x.round());
        recency.dedup();
    }
    let mut weights = vec![0.0; forecast.groups()];
    summary.group.iter().for_each(|&g| weights[g as usize] += 1.0 / summary.len() as f64);
    let step = (forecast.draws() / ALIVE_DRAWS).max(1);
    let draws: Vec<usize> = (0..forecast.draws()).step_by(step).collect();
    let at = |x: u32, t_x: f64| {
        let total: f64 = draws
            .iter()
            .flat_map(|&d| weights.iter().enumerate().map(move |(g, w)| (d, g, w)))
            .map(|(d, g, w)| w * forecast.p_alive(d, g, (x, t_x, age)))
            .sum();
        total / draws.len() as f64
    };
    let possible = |x: u32, t_x: f64| (x == 0) == (t_x == 0.0) && (!whole || f64::from(x) <= t_x);
    let probability =
        recency.iter().map(|&t_x| frequency.iter().map(|&x| possible(x, t_x).then(|| at(x, t_x))).collect()).collect();
    Ok(Some(AliveGrid { age, frequency, recency, probability }))
}
