//! Futures in counted time, drawn exactly: alive or not, then θ and p from their laws given the history, then opportunity by
//! opportunity. The engine for a horizon, and the prediction of a window that was observed.
//!
//! A customer's numbers under one draw are those at its address, whatever is asked and of whom else; blocks and chunks change none.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::super::customers::Quantiles;
use super::super::engine::{Engine, Future, JointDraws};
use super::super::future::{beta, customer_address, gamma, spend_rate};
use super::super::totals::{Addends, Sums};
use super::super::window::{Window, WindowPosterior};
use super::super::{Interval, Labelling, Settings, quantile};
use super::means::Cells;
use super::{Calendar, CountedPopulation, History, Outlook};
use crate::data::{Holdout, Summary};
use crate::error::{Error, Result};
use crate::kernels::rng::{Ahead, Purpose};

/// Customers whose draws lie in one allocation and are simulated by one thread.
const BLOCK: usize = 32;

/// Opportunities that a customer who is alive lives to see, of the next `most`: P(L ≥ j) = (1−θ)ʲ.
fn lived(u: f64, theta: f64, most: u32) -> u32 {
    // `as` saturates: θ = 0 means never to leave.
    ((u.ln() / (-theta).ln_1p()) as u32).min(most)
}

/// Opportunities up to and with the next purchase, from 1: P(G > j) = (1−p)ʲ.
fn wait(u: f64, p: f64) -> u32 {
    (u.ln() / (-p).ln_1p()).ceil().max(1.0) as u32
}

impl Outlook {
    /// Calls `buy` with each of the next `horizon` opportunities, from 1, at which a customer buys who is alive with the chance
    /// `alive`.
    pub(super) fn live(&self, alive: f64, horizon: u32, rng: &mut Ahead, mut buy: impl FnMut(u32)) {
        if rng.uniform() >= alive {
            return;
        }
        let [c, d] = self.leaving;
        let theta = beta(rng, c, d);
        let lived = lived(rng.uniform(), theta, horizon);
        let Some([a, b]) = self.buying else { return (1..=lived).for_each(buy) };
        if lived == 0 {
            return;
        }
        let p = beta(rng, a, b);
        let mut at = wait(rng.uniform(), p);
        while at <= lived {
            buy(at);
            at = at.saturating_add(wait(rng.uniform(), p));
        }
    }
}

/// P(alive) of some customers under every draw, computed once for those with equal histories.
struct Alive {
    first: usize,
    /// Cell of each customer, and `[cell, draw]`.
    cells: Cells,
    chances: Vec<Vec<f64>>,
}

impl Alive {
    fn of(summary: &Summary, population: &CountedPopulation, rows: Range<usize>) -> Self {
        let cells = Cells::of(summary, rows.clone());
        let chances = cells
            .cells
            .par_iter()
            .map(|(group, history)| {
                (0..population.draws()).map(|draw| population.p_alive_at(draw, *group as usize, history)).collect()
            })
            .collect();
        Self { first: rows.start, cells, chances }
    }

    /// Of one customer, by draw.
    fn by_draw(&self, i: usize) -> &[f64] {
        &self.chances[self.cells.of_customer[i - self.first] as usize]
    }
}

/// The engine on the processor; there is none on a device.
#[derive(Debug)]
pub struct CountedCpu<'a> {
    summary: &'a Summary,
    population: &'a CountedPopulation,
    calendar: Calendar,
    seed: u64,
    chunk_customers: usize,
    sums: Sums<'a>,
    ready: VecDeque<Vec<Future>>,
}

impl<'a> CountedCpu<'a> {
    /// An engine for these customers, draws and labellings.
    ///
    /// # Errors
    /// Settings, draws or labellings that make no sense.
    pub fn new(
        summary: &'a Summary,
        population: &'a CountedPopulation,
        settings: &Settings,
        labellings: &'a [Labelling],
    ) -> Result<Self> {
        settings.check()?;
        population.check(summary)?;
        labellings.iter().try_for_each(|labelling| labelling.check(summary))?;
        Ok(Self {
            summary,
            population,
            calendar: Calendar::of(settings),
            seed: settings.seed,
            chunk_customers: settings.chunk_customers,
            sums: Sums::new(labellings, population.draws(), population.spend.is_some()),
            ready: VecDeque::new(),
        })
    }

    fn simulate_block(&self, alive: &Alive, rows: Range<usize>) -> (Addends, Vec<Future>) {
        let Self { summary, population, calendar, seed, .. } = self;
        let (draws, horizon) = (population.draws(), calendar.periods() as u32);
        let (mut counts, mut values) = (Vec::new(), Vec::new());
        let mut addends = Addends::new(draws);
        let futures = rows
            .map(|i| {
                let (history, group) = (History::of(summary, i), summary.group[i] as usize);
                let address = customer_address(&summary.customer_id[i]);
                counts.clear();
                values.clear();
                for (draw, &chance) in alive.by_draw(i).iter().enumerate() {
                    let mut rng = Ahead::new(*seed, Purpose::Prediction, address, draw as u32);
                    let outlook = population.outlook(draw, group, &history);
                    let (mut made, mut worth) = (0, Vec::new());
                    outlook.live(chance, horizon, &mut rng, |at| {
                        made += 1;
                        worth.push(calendar.discount[at as usize - 1]);
                    });
                    if made == 0 {
                        continue;
                    }
                    let value = population.spend_at(draw, group).map_or(0.0, |spend| {
                        let standard: f64 = worth.iter().map(|discount| discount * gamma(&mut rng, spend[0])).sum();
                        standard / spend_rate(&mut rng, spend, history.x, summary.monetary[i])
                    });
                    // Only underflow can make the spend rate zero; the value then saturates.
                    let value = value.min(f64::MAX);
                    addends.push(draw, made, value);
                    counts.push(made);
                    values.push(value);
                }
                addends.end_customer();
                Future {
                    value_sd: super::super::cpu::standard_deviation(&values, draws),
                    purchases: Quantiles::from(quantile::of_counts(&mut counts, draws)),
                    value: Quantiles::from(quantile::of_amounts(&mut values, draws)),
                }
            })
            .collect();
        (addends, futures)
    }
}

impl Engine for CountedCpu<'_> {
    fn chunk_customers(&self) -> usize {
        self.chunk_customers
    }

    fn submit(&mut self, rows: Range<usize>) -> Result<()> {
        let alive = Alive::of(self.summary, self.population, rows.clone());
        let simulated: Vec<(Addends, Vec<Future>)> = (0..rows.len().div_ceil(BLOCK))
            .into_par_iter()
            .map(|block| {
                let first = rows.start + block * BLOCK;
                self.simulate_block(&alive, first..rows.end.min(first + BLOCK))
            })
            .collect();
        let (blocks, futures): (Vec<_>, Vec<_>) = simulated.into_iter().unzip();
        self.sums.add(rows.start, &blocks);
        self.ready.push_back(futures.into_iter().flatten().collect());
        Ok(())
    }

    fn collect(&mut self) -> Result<Vec<Future>> {
        self.ready.pop_front().ok_or_else(|| Error::new("there is no chunk of customers to collect"))
    }

    fn totals(&mut self) -> Result<Vec<JointDraws>> {
        Ok(std::mem::take(&mut self.sums).finish())
    }
}

/// Predicts the window that `holdout` observed, a whole number of opportunities. Of `settings` it needs the seed and the chunk size.
///
/// # Errors
/// Draws that do not fit the summary; a window without an opportunity, of half ones, or for other customers.
pub fn predict_window_counted(
    summary: &Summary,
    holdout: &Holdout,
    population: &CountedPopulation,
    settings: &Settings,
    progress: &dyn Fn(u64),
) -> Result<Window> {
    settings.check()?;
    population.check(summary)?;
    let periods = holdout.length;
    if !(periods >= 1.0 && periods.fract() == 0.0 && periods < f64::from(u32::MAX)) {
        return Err(Error::new("the holdout window must be a whole number of opportunities, at least one")
            .seen(periods)
            .advice("end the calibration a period of data.resolution before the data end"));
    }
    if holdout.purchases.len() != summary.len() {
        return Err(Error::new("the holdout must have one row per customer of the summary").seen(format!(
            "{} rows for {} customers",
            holdout.purchases.len(),
            summary.len()
        )));
    }
    let draws = population.draws();
    let cells = Cells::of(summary, 0..summary.len());
    let means = cells.means(population, &Calendar::plain(periods as usize));
    let mut total_draws = vec![0.0; draws];
    let mut customers = Vec::with_capacity(summary.len());
    for first in (0..summary.len()).step_by(settings.chunk_customers) {
        let rows = first..summary.len().min(first + settings.chunk_customers);
        let alive = Alive::of(summary, population, rows.clone());
        let simulated: Vec<(WindowPosterior, Vec<(usize, u32)>)> = rows
            .clone()
            .into_par_iter()
            .map(|i| {
                let (history, group) = (History::of(summary, i), summary.group[i] as usize);
                let address = customer_address(&summary.customer_id[i]);
                let made: Vec<(usize, u32)> = (alive.by_draw(i).iter().enumerate())
                    .map(|(draw, &chance)| {
                        let mut rng = Ahead::new(settings.seed, Purpose::Prediction, address, draw as u32);
                        let mut made = 0;
                        let outlook = population.outlook(draw, group, &history);
                        outlook.live(chance, periods as u32, &mut rng, |_| made += 1);
                        (draw, made)
                    })
                    .filter(|(_, made)| *made > 0)
                    .collect();
                let mut counts: Vec<u32> = made.iter().map(|(_, made)| *made).collect();
                let mean = means[cells.of_customer[i] as usize].purchases;
                (WindowPosterior::of(mean, &mut counts, draws, holdout.purchases[i]), made)
            })
            .collect();
        for (posterior, made) in simulated {
            customers.push(posterior);
            // Whole numbers below 2^53: exact in f64.
            made.into_iter().for_each(|(draw, made)| total_draws[draw] += f64::from(made));
        }
        progress(rows.end as u64);
    }
    let mean = customers.iter().map(|c: &WindowPosterior| c.mean).sum();
    Ok(Window { draws: draws as u32, customers, total: Interval::of(mean, total_draws.iter().copied()), total_draws })
}
