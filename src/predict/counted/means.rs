//! Every mean in counted time, without a random number: sums of the chances to be there, given the population parameters, averaged
//! over their draws.
//!
//! P(alive) depends on (group, x, t_x, n), what lies ahead of the living on (group, n) and E[p] alone: both are computed once per
//! distinct one.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;

use super::super::expectation::mean_spend;
use super::super::{Expectations, Settings};
use super::{Calendar, Counted, CountedPopulation, History};
use crate::data::Summary;
use crate::error::Result;
use crate::kernels::s_bg;

/// The posterior means of every customer; also the chance to be there at the end of the horizon, and, where the future is
/// discounted, all purchases to come.
///
/// # Errors
/// Settings or draws that make no sense, times that are not whole.
pub fn expectations_counted(
    summary: &Summary,
    population: &CountedPopulation,
    settings: &Settings,
) -> Result<Expectations> {
    settings.check()?;
    population.check(summary)?;
    let cells = Cells::of(summary, 0..summary.len());
    let means = cells.means(population, &Calendar::of(settings));
    let column = |of: fn(&Means) -> f64| cells.of_customer.par_iter().map(|&c| of(&means[c as usize])).collect();
    let discounted_purchases: Vec<f64> = column(|m| m.discounted);
    let spend = population.spend.as_ref().map(|spend| mean_spend(summary, spend));
    let clv = spend
        .as_ref()
        .map(|spend| spend.par_iter().zip(&discounted_purchases).map(|(spend, mean)| spend * mean).collect());
    Ok(Expectations {
        p_alive: column(|m| m.p_alive),
        purchases: column(|m| m.purchases),
        discounted_purchases,
        spend,
        clv,
        p_alive_end: Some(column(|m| m.p_alive_end)),
        residual_purchases: (settings.monthly_discount > 0.0).then(|| column(|m| m.residual)),
    })
}

/// What is expected of all customers together at one opportunity ahead.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AheadMean {
    /// Customers who are still there.
    pub alive: f64,
    /// Their purchases at it.
    pub purchases: f64,
}

/// The expectations of everyone together at each opportunity of the horizon.
pub fn ahead(summary: &Summary, population: &CountedPopulation, settings: &Settings) -> Result<Vec<AheadMean>> {
    settings.check()?;
    population.check(summary)?;
    let (cells, periods) = (Cells::of(summary, 0..summary.len()), Calendar::of(settings).periods());
    let customers = cells.customers();
    let none = || vec![AheadMean { alive: 0.0, purchases: 0.0 }; periods];
    // Blocks in order: equal sums for any number of threads.
    let blocks: Vec<Vec<AheadMean>> = cells
        .cells
        .par_chunks(CELLS_PER_BLOCK)
        .enumerate()
        .map(|(block, cells)| {
            let mut sums = none();
            for (&(group, history), weight) in cells.iter().zip(&customers[block * CELLS_PER_BLOCK..]) {
                for draw in 0..population.draws() {
                    let alive = weight * population.p_alive_at(draw, group as usize, &history);
                    let outlook = population.outlook(draw, group as usize, &history);
                    let share = outlook.share();
                    for (sum, stay) in sums.iter_mut().zip(outlook.stays()) {
                        sum.alive += alive * stay;
                        sum.purchases += alive * share * stay;
                    }
                }
            }
            sums
        })
        .collect();
    let draws = population.draws() as f64;
    let mut total = none();
    for block in &blocks {
        for (total, sum) in total.iter_mut().zip(block) {
            total.alive += sum.alive / draws;
            total.purchases += sum.purchases / draws;
        }
    }
    Ok(total)
}

/// Cells that one task adds up.
const CELLS_PER_BLOCK: usize = 64;

/// Means of one cell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Means {
    pub p_alive: f64,
    pub purchases: f64,
    pub discounted: f64,
    pub p_alive_end: f64,
    pub residual: f64,
}

/// Distinct (group, history), sorted, and which one each customer belongs to, in the order of rows.
pub(super) struct Cells {
    pub cells: Vec<(u32, History)>,
    pub of_customer: Vec<u32>,
}

impl Cells {
    /// Of some rows of a summary.
    pub fn of(summary: &Summary, rows: Range<usize>) -> Self {
        let key = |i: usize| (summary.group[i], History::of(summary, i));
        let mut cells: Vec<_> = rows.clone().into_par_iter().map(key).collect();
        cells.par_sort_unstable();
        cells.dedup();
        let of_customer = rows
            .into_par_iter()
            // Every key is among those that the list was made of.
            .map(|i| cells.binary_search(&key(i)).unwrap_or(0) as u32)
            .collect();
        Self { cells, of_customer }
    }

    /// Customers per cell.
    fn customers(&self) -> Vec<f64> {
        let mut customers = vec![0.0; self.cells.len()];
        self.of_customer.iter().for_each(|&cell| customers[cell as usize] += 1.0);
        customers
    }

    /// The means of every cell.
    pub fn means(&self, population: &CountedPopulation, calendar: &Calendar) -> Vec<Means> {
        let mut by_age: BTreeMap<(u32, u32), Vec<usize>> = BTreeMap::new();
        for (cell, (group, history)) in self.cells.iter().enumerate() {
            by_age.entry((*group, history.n)).or_default().push(cell);
        }
        let by_age: Vec<_> = by_age.into_iter().collect();
        let found: Vec<Vec<(usize, Means)>> = by_age
            .par_iter()
            .map(|((group, n), members)| {
                let lives: Vec<Life> = (0..population.draws())
                    .map(|draw| Life::of(population, draw, *group as usize, *n, calendar))
                    .collect();
                let mean = |cell: &usize| (*cell, self.cell_means(*cell, population, &lives));
                members.par_iter().map(mean).collect()
            })
            .collect();
        let mut means = vec![Means::default(); self.cells.len()];
        found.into_iter().flatten().for_each(|(cell, of_cell)| means[cell] = of_cell);
        means
    }

    fn cell_means(&self, cell: usize, population: &CountedPopulation, lives: &[Life]) -> Means {
        let (group, history) = &self.cells[cell];
        let mut sum = Means::default();
        for (draw, life) in lives.iter().enumerate() {
            let alive = population.p_alive_at(draw, *group as usize, history);
            let share = population.outlook(draw, *group as usize, history).share();
            sum.p_alive += alive;
            sum.purchases += alive * share * life.opportunities;
            sum.discounted += alive * share * life.discounted;
            sum.p_alive_end += alive * life.to_the_end;
            sum.residual += alive * share * life.residual;
        }
        let mean = |sum: f64| sum / lives.len() as f64;
        Means {
            p_alive: mean(sum.p_alive),
            purchases: mean(sum.purchases),
            discounted: mean(sum.discounted),
            p_alive_end: mean(sum.p_alive_end),
            residual: mean(sum.residual),
        }
    }
}

/// What is left of the life of whoever is alive at n, under one draw.
struct Life {
    /// Σ_{j≤h} s_j.
    opportunities: f64,
    /// Σ_{j≤h} s_j (1+rate)⁻ʲ.
    discounted: f64,
    /// s_h.
    to_the_end: f64,
    /// Σ_j s_j (1+rate)⁻ʲ; 0 where the rate is 0, when it may be infinite.
    residual: f64,
}

impl Life {
    fn of(population: &CountedPopulation, draw: usize, group: usize, n: u32, calendar: &Calendar) -> Self {
        // Of all histories the one without purchases: how long who is alive stays does not depend on them.
        let outlook = population.outlook(draw, group, &History { x: 0, t_x: 0, n });
        let mut life = Self { opportunities: 0.0, discounted: 0.0, to_the_end: 1.0, residual: 0.0 };
        for (discount, stay) in calendar.discount.iter().zip(outlook.stays()) {
            life.opportunities += stay;
            life.discounted += discount * stay;
            life.to_the_end = stay;
        }
        if calendar.rate > 0.0 {
            // Both leave as the shifted beta-geometric says, of parameters c, d − n; the kernel counts the first period as 1.
            let first = match population.counted {
                Counted::Opportunities => 2,
                Counted::Contracts => 0,
            };
            let params = [0, 1].map(|k| population.purchase[[draw, group, first + k]]);
            life.residual = s_bg::discounted_residual_lifetime(params, n, calendar.rate) / (1.0 + calendar.rate);
        }
        life
    }
}
