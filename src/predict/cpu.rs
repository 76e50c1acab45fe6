//! The engine on the processor, in f64: a chunk's customers side by side on all threads, while the chunk before is added to the
//! totals. Holds only the draws in which somebody buys; no number depends on threads or chunks.

use std::collections::VecDeque;
use std::ops::Range;

use rayon::prelude::*;

use super::customers::Quantiles;
use super::engine::{Engine, Future, JointDraws};
use super::future::{self, History, customer_address};
use super::laws::Laws;
use super::quantile;
use super::sift::{Sieve, Subject};
use super::totals::{Addends, Sums};
use super::{Grid, Labelling, Population, Settings};
use crate::data::Summary;
use crate::error::{Error, Result};

/// Customers whose draws lie in one allocation and are simulated by one thread.
const BLOCK: usize = 32;

/// The engine that every other is held against.
#[derive(Debug)]
pub struct Cpu<'a> {
    summary: &'a Summary,
    laws: Laws<'a>,
    grid: Grid,
    seed: u64,
    chunk_customers: usize,
    sums: Sums<'a>,
    /// The last chunk simulated, not yet added to the sums.
    to_add: Option<Chunk>,
    ready: VecDeque<Vec<Future>>,
}

/// What a chunk leaves to be added, block by block.
#[derive(Debug)]
struct Chunk {
    first: usize,
    blocks: Vec<Addends>,
}

impl<'a> Cpu<'a> {
    /// An engine for these customers, draws and labellings.
    ///
    /// # Errors
    /// Settings, draws or labellings that make no sense.
    pub fn new(
        summary: &'a Summary,
        population: &'a Population,
        settings: &Settings,
        labellings: &'a [Labelling],
    ) -> Result<Self> {
        settings.check()?;
        population.check(summary)?;
        labellings.iter().try_for_each(|labelling| labelling.check(summary))?;
        Ok(Self {
            summary,
            laws: Laws::new(population),
            grid: settings.grid(),
            seed: settings.seed,
            chunk_customers: settings.chunk_customers,
            sums: Sums::new(labellings, population.draws(), population.spend.is_some()),
            to_add: None,
            ready: VecDeque::new(),
        })
    }

    fn simulate(&self, rows: Range<usize>) -> (Chunk, Vec<Future>) {
        let blocks = rows.len().div_ceil(BLOCK);
        let simulated: Vec<(Addends, Vec<Future>)> = (0..blocks)
            .into_par_iter()
            .map(|block| {
                let first = rows.start + block * BLOCK;
                self.simulate_block(first..rows.end.min(first + BLOCK))
            })
            .collect();
        let (blocks, futures): (Vec<_>, Vec<_>) = simulated.into_iter().unzip();
        (Chunk { first: rows.start, blocks }, futures.into_iter().flatten().collect())
    }

    fn simulate_block(&self, rows: Range<usize>) -> (Addends, Vec<Future>) {
        let Self { summary, laws, grid, seed, .. } = self;
        let mut sieve = Sieve::new(laws.draws());
        let mut by_period = vec![0; grid.periods()];
        let (mut counts, mut values) = (Vec::new(), Vec::new());
        let mut addends = Addends::new(laws.draws());
        let futures = rows
            .map(|i| {
                let history = History::of(summary, i);
                let (group, address) = (summary.group[i], customer_address(&summary.customer_id[i]));
                let by_draw = laws.of(group);
                counts.clear();
                values.clear();
                sieve.each_buying_draw(
                    laws,
                    &Subject { row: i, group, history, address },
                    *seed,
                    grid.length(),
                    |draw, purchases, rng| {
                        let value = if laws.has_spend() {
                            future::value(rng, &by_draw[draw], &history, grid, purchases, &mut by_period)
                        } else {
                            0.0
                        };
                        addends.push(draw, purchases.made, value);
                        counts.push(purchases.made);
                        values.push(value);
                    },
                );
                addends.end_customer();
                let value_sd = standard_deviation(&values, laws.draws());
                Future {
                    purchases: Quantiles::from(quantile::of_counts(&mut counts, laws.draws())),
                    value: Quantiles::from(quantile::of_amounts(&mut values, laws.draws())),
                    value_sd,
                }
            })
            .collect();
        (addends, futures)
    }
}

impl Engine for Cpu<'_> {
    fn chunk_customers(&self) -> usize {
        self.chunk_customers
    }

    fn submit(&mut self, rows: Range<usize>) -> Result<()> {
        let before = self.to_add.take();
        let mut sums = std::mem::take(&mut self.sums);
        let ((chunk, futures), ()) = rayon::join(
            || self.simulate(rows),
            || {
                if let Some(Chunk { first, blocks }) = before {
                    sums.add(first, &blocks);
                }
            },
        );
        (self.sums, self.to_add) = (sums, Some(chunk));
        self.ready.push_back(futures);
        Ok(())
    }

    fn collect(&mut self) -> Result<Vec<Future>> {
        self.ready.pop_front().ok_or_else(|| Error::new("there is no chunk of customers to collect"))
    }

    fn totals(&mut self) -> Result<Vec<JointDraws>> {
        if let Some(Chunk { first, blocks }) = self.to_add.take() {
            self.sums.add(first, &blocks);
        }
        Ok(std::mem::take(&mut self.sums).finish())
    }
}

/// Of a sample of `size` whose values above zero are given, with the n − 1 denominator; 0 for a single draw.
pub(super) fn standard_deviation(positive: &[f64], size: usize) -> f64 {
    let n = size as f64;
    let mean = positive.iter().sum::<f64>() / n;
    let zeros = (size - positive.len()) as f64 * mean * mean;
    let squares: f64 = zeros + positive.iter().map(|v| (v - mean) * (v - mean)).sum::<f64>();
    (squares / (n - 1.0).max(1.0)).sqrt()
}
