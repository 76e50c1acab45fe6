//! Every mean of a prediction, without a random number: expectations given the population parameters (Rao–Blackwell), averaged over
//! their draws.
//!
//! P(alive) and purchases depend on a customer only through (group, x, t_x, T): they are computed once per distinct cell. Spend
//! depends on the customer's own mean and is computed per customer. Nothing here simulates.

use std::cmp::Ordering;
use std::ops::Range;

use ndarray::{Array3, Axis};
use rayon::prelude::*;

use super::interpolate::Interpolation;
use super::laws::{self, Law};
use super::{CovariateDraws, Grid, Population, Settings, together};
use crate::data::Summary;
use crate::error::Result;
use crate::kernels::pareto_abe::{Rates, Strata};
use crate::kernels::{bg_nbd, gamma_gamma, mbg_nbd, nbd, pareto_nbd};
use crate::model::Dropout;

/// Cells per unit of parallel work: enough that the coefficients are shared, few enough that all cores are busy.
const CELLS_PER_BLOCK: usize = 1024;

/// Posterior means, parallel to the summary's rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expectations {
    /// P(alive at the calibration end).
    pub p_alive: Vec<f64>,
    /// Purchases over the horizon.
    pub purchases: Vec<f64>,
    /// Purchases over the horizon, each discounted from the end of its month.
    pub discounted_purchases: Vec<f64>,
    /// Spend per purchase, currency; `None` without a spend model.
    pub spend: Option<Vec<f64>>,
    /// Discounted spend over the horizon, currency; `None` without a spend model.
    ///
    /// The two fits are independent posteriors, so this is the mean of discounted purchases times the mean of spend: the average over
    /// every pair of draws, less noisy than over equal indices alone.
    pub clv: Option<Vec<f64>>,
    /// P(alive at the end of the horizon); counted time only.
    pub p_alive_end: Option<Vec<f64>>,
    /// All purchases to come, each discounted to now; counted time with a discount only.
    pub residual_purchases: Option<Vec<f64>>,
}

impl Expectations {
    /// What customers are ranked by: CLV, or discounted purchases without a spend model.
    pub fn value(&self) -> &[f64] {
        self.clv.as_ref().unwrap_or(&self.discounted_purchases)
    }
}

/// The posterior means of every customer.
///
/// # Errors
/// Settings or draws that make no sense (their messages say which).
pub fn expectations(summary: &Summary, population: &Population, settings: &Settings) -> Result<Expectations> {
    settings.check()?;
    population.check(summary)?;
    let means = purchase_means(summary, population, &settings.grid());
    let column = |of: fn(&PurchaseMeans) -> f64| (0..means.len()).into_par_iter().map(|i| of(means.of(i))).collect();
    let [p_alive, purchases, discounted_purchases]: [Vec<f64>; 3] =
        [column(|m| m.p_alive), column(|m| m.purchases), column(|m| m.discounted)];
    let spend = population.spend.as_ref().map(|spend| mean_spend(summary, spend));
    let clv = spend
        .as_ref()
        .map(|spend| spend.par_iter().zip(&discounted_purchases).map(|(spend, mean)| spend * mean).collect());
    Ok(Expectations {
        p_alive,
        purchases,
        discounted_purchases,
        spend,
        clv,
        p_alive_end: None,
        residual_purchases: None,
    })
}

/// Means of one cell.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct PurchaseMeans {
    pub p_alive: f64,
    pub purchases: f64,
    pub discounted: f64,
}

/// The means of every cell, and the cell of every row of the summary.
#[derive(Debug)]
pub(super) struct MeansByCell {
    means: Vec<PurchaseMeans>,
    of_customer: Vec<u32>,
}

impl MeansByCell {
    /// Number of customers.
    fn len(&self) -> usize {
        self.of_customer.len()
    }

    /// The means of one row of the summary.
    pub fn of(&self, row: usize) -> &PurchaseMeans {
        &self.means[self.of_customer[row] as usize]
    }
}

/// The means of every customer over the periods of `grid`.
pub(super) fn purchase_means(summary: &Summary, population: &Population, grid: &Grid) -> MeansByCell {
    let kinds = population.covariates.as_ref().map(CovariateDraws::kinds);
    let cells = CellIndex::new(summary, kinds.as_deref());
    let means = if population.dropout == Dropout::AnyTimeTogether {
        means_together(&cells.cells, population, grid)
    } else if kinds.is_some() {
        let draws = enough(population.draws(), cells.cells.len());
        cells.cells.par_iter().map(|cell| own_means(cell, population, grid, &draws)).collect()
    } else {
        let blocks = cells.blocks().into_par_iter();
        let by_block: Vec<Vec<PurchaseMeans>> =
            blocks.map(|block| block_means(&cells.cells[block], population, grid)).collect();
        by_block.into_iter().flatten().collect()
    };
    MeansByCell { means, of_customer: cells.of_customer }
}

/// Expectations of cells with parameters of their own, times draws, that are worth their time: half a minute on two cores.
const EVALUATIONS: usize = 20_000_000;

/// Draws that are never left out.
const FEWEST_DRAWS: usize = 16;

/// The draws that means of so many cells with parameters of their own, or with integrals, are taken over, evenly thinned. The more
/// customers there are, the closer are the draws to one another, and the fewer are needed.
fn enough(draws: usize, cells: usize) -> Vec<usize> {
    let count = (EVALUATIONS / cells.max(1)).max(FEWEST_DRAWS).min(draws);
    (0..count).map(|i| i * draws / count).collect()
}

/// Means of cells whose customers' rates go together.
fn means_together(cells: &[Cell], population: &Population, grid: &Grid) -> Vec<PurchaseMeans> {
    let draws = enough(population.draws(), cells.len());
    let strata = |group: usize, customer: usize| {
        let laws: Vec<Law> = draws.iter().map(|draw| population.law_of(*draw, group, customer)).collect();
        laws::strata(&laws)
    };
    let is_own = population.covariates.is_some();
    let groups = if is_own { 0 } else { population.groups() };
    let of_group: Vec<Strata> = (0..groups).into_par_iter().map(|group| strata(group, 0)).collect();
    let of_cell = |rates: &mut Rates, cell: &Cell| {
        let history = (cell.x, cell.recency, cell.age);
        match of_group.get(cell.group) {
            Some(strata) => together::means(rates, strata, history, grid),
            None => together::means(rates, &strata(cell.group, cell.customer), history, grid),
        }
    };
    cells.par_iter().map_init(Rates::default, of_cell).collect()
}

/// Means of one cell whose customers have parameters of their own.
fn own_means(cell: &Cell, population: &Population, grid: &Grid, draws: &[usize]) -> PurchaseMeans {
    let laws = draws.iter().map(|draw| population.law_of(*draw, cell.group, cell.customer));
    let horizons: Vec<f64> = (1..=grid.periods()).map(|k| k as f64 * grid.width).collect();
    let mut expected = vec![0.0; grid.periods()];
    let mut sum = PurchaseMeans::default();
    for law in laws {
        purchases_alive(population.dropout, law.four(), cell.x, cell.age, &horizons, &mut expected);
        let p_alive = law.p_alive(cell.x, cell.recency, cell.age);
        sum.p_alive += p_alive;
        sum.purchases += p_alive * expected[grid.periods() - 1];
        sum.discounted += p_alive * discounted(&expected, &grid.discount);
    }
    let n = draws.len() as f64;
    PurchaseMeans { p_alive: sum.p_alive / n, purchases: sum.purchases / n, discounted: sum.discounted / n }
}

/// E[spend per purchase] of every customer, averaged over draws `[draw, group, 3]`: p (v + x m)/(p x + q − 1) has no logarithm, only one
/// division.
pub(super) fn mean_spend(summary: &Summary, spend: &Array3<f64>) -> Vec<f64> {
    // A group's draws side by side.
    let by_group: Vec<Vec<[f64; 3]>> = (spend.axis_iter(Axis(1)))
        .map(|draws| draws.rows().into_iter().map(|row| [row[0], row[1], row[2]]).collect())
        .collect();
    (0..summary.len())
        .into_par_iter()
        .map(|i| {
            let m = summary.monetary[i];
            // Repeat purchases that were all free teach nothing about spend, as in the spend fit.
            let x = if m > 0.0 { summary.frequency[i] } else { 0 };
            let by_draw = &by_group[summary.group[i] as usize];
            by_draw.iter().map(|params| gamma_gamma::expected_spend(*params, x, m)).sum::<f64>() / by_draw.len() as f64
        })
        .collect()
}

/// One distinct (group, x, T, t_x), and kind where there are covariates.
#[derive(Debug, Clone, Copy)]
struct Cell {
    group: usize,
    x: u32,
    age: f64,
    recency: f64,
    /// Number of its row of covariates among the distinct ones.
    kind: u32,
    /// Some customer of the cell.
    customer: usize,
}

impl Cell {
    fn of(summary: &Summary, kinds: Option<&[u32]>, i: usize) -> Self {
        Self {
            group: summary.group[i] as usize,
            x: summary.frequency[i],
            age: summary.age[i],
            recency: summary.recency[i],
            kind: kinds.map_or(0, |kinds| kinds[i]),
            customer: i,
        }
    }

    fn order(&self, other: &Self) -> Ordering {
        (self.group, self.x)
            .cmp(&(other.group, other.x))
            .then(self.age.total_cmp(&other.age))
            .then(self.recency.total_cmp(&other.recency))
            .then(self.kind.cmp(&other.kind))
    }
}

/// Distinct cells in order, and which one each customer belongs to.
struct CellIndex {
    cells: Vec<Cell>,
    of_customer: Vec<u32>,
}

impl CellIndex {
    fn new(summary: &Summary, kinds: Option<&[u32]>) -> Self {
        let of = |i: u32| Cell::of(summary, kinds, i as usize);
        let mut order: Vec<u32> = (0..summary.len() as u32).collect();
        order.par_sort_unstable_by(|&i, &j| of(i).order(&of(j)).then(i.cmp(&j)));
        let mut cells: Vec<Cell> = Vec::new();
        let mut of_customer = vec![0; summary.len()];
        for i in order {
            let cell = of(i);
            if cells.last().is_none_or(|last| last.order(&cell).is_ne()) {
                cells.push(cell);
            }
            of_customer[i as usize] = (cells.len() - 1) as u32;
        }
        Self { cells, of_customer }
    }

    /// Ranges of at most [`CELLS_PER_BLOCK`] cells with the same group and x.
    fn blocks(&self) -> Vec<Range<usize>> {
        let mut blocks = Vec::new();
        let mut start = 0;
        for same in self.cells.chunk_by(|one, next| (one.group, one.x) == (next.group, next.x)) {
            for part in same.chunks(CELLS_PER_BLOCK) {
                blocks.push(start..start + part.len());
                start += part.len();
            }
        }
        blocks
    }
}

/// Means of cells that share group and x, sorted by age.
fn block_means(cells: &[Cell], population: &Population, grid: &Grid) -> Vec<PurchaseMeans> {
    let mut sums = vec![PurchaseMeans::default(); cells.len()];
    let Some(&Cell { group, x, .. }) = cells.first() else { return sums };
    let draws = population.draws();

    // Purchases given alive depend on T alone within a block, and smoothly.
    let mut ages: Vec<f64> = cells.iter().map(|cell| cell.age).collect();
    ages.dedup();
    // The scales that T is added to.
    let scales = if population.dropout == Dropout::AnyTime { &[1, 3][..] } else { &[1] };
    let of_draw = |d: usize| scales.iter().map(move |&k| population.purchase_at(d, group)[k]);
    let interpolation = Interpolation::over(&ages, (0..draws).flat_map(of_draw).fold(f64::INFINITY, f64::min));

    let periods = grid.periods();
    let horizons: Vec<f64> = (1..=periods).map(|k| k as f64 * grid.width).collect();
    let mut expected = vec![0.0; periods];
    let mut at_points = [vec![0.0; interpolation.points.len()], vec![0.0; interpolation.points.len()]];
    let mut at_ages = [vec![0.0; ages.len()], vec![0.0; ages.len()]];

    for draw in 0..draws {
        let params = population.purchase_at(draw, group);
        for (j, &age) in interpolation.points.iter().enumerate() {
            purchases_alive(population.dropout, params, x, age, &horizons, &mut expected);
            at_points[0][j] = expected[periods - 1];
            at_points[1][j] = discounted(&expected, &grid.discount);
        }
        for (points, ages) in at_points.iter().zip(&mut at_ages) {
            interpolation.read(points, ages);
        }
        let law = Law::new(population.dropout, params);
        let mut age_ix = 0;
        for (cell, sum) in cells.iter().zip(&mut sums) {
            if cell.age != ages[age_ix] {
                age_ix += 1;
            }
            let p_alive = law.p_alive(x, cell.recency, cell.age);
            sum.p_alive += p_alive;
            sum.purchases += p_alive * at_ages[0][age_ix];
            sum.discounted += p_alive * at_ages[1][age_ix];
        }
    }
    for sum in &mut sums {
        sum.p_alive /= draws as f64;
        sum.purchases /= draws as f64;
        sum.discounted /= draws as f64;
    }
    sums
}

/// E[purchases within each horizon | alive at T].
fn purchases_alive(dropout: Dropout, params: [f64; 4], x: u32, age: f64, horizons: &[f64], expected: &mut [f64]) {
    match dropout {
        Dropout::AfterRepeat => bg_nbd::expectation(params, x, age).of_alive(horizons, expected),
        Dropout::AfterAny => mbg_nbd::expectation(params, x, age).of_alive(horizons, expected),
        Dropout::Never => horizons
            .iter()
            .zip(expected)
            .for_each(|(h, expected)| *expected = nbd::expected_purchases([params[0], params[1]], x, age, *h)),
        // Lognormal rates have no such law; theirs are means over nodes.
        Dropout::AnyTime | Dropout::AnyTimeTogether => horizons
            .iter()
            .zip(expected)
            .for_each(|(h, expected)| *expected = pareto_nbd::expected_purchases_alive(params, x, age, *h)),
    }
}

/// Σ_k discount_k (E_k − E_{k−1}), E_k the expected purchases up to the end of period k.
pub(super) fn discounted(cumulative: &[f64], discount: &[f64]) -> f64 {
    let mut before = 0.0;
    let mut sum = 0.0;
    for (&now, &factor) in cumulative.iter().zip(discount) {
        sum += factor * (now - before);
        before = now;
    }
    sum
}
