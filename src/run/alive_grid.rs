//! P(alive) over recency and frequency, made from the draws on demand because only a picture needs it.

use super::RunDir;
use super::forecast::{Forecast, has_rfm};
use super::summarize::read_summary;
use crate::error::Result;

/// Rows of the map, most columns of it, and draws behind each of its cells.
const ALIVE_ROWS: usize = 13;
const ALIVE_COLUMNS: u32 = 14;
const ALIVE_DRAWS: usize = 60;

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
