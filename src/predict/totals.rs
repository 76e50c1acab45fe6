//! Totals over groups of customers from joint draws: the customers of one draw share its population parameters, so that the
//! interval of a total is wider than independent customers would make it.
//!
//! Knows what a label is, never what it means: groups, segments and tiers are all the same here. Every sum adds its customers in
//! summary order, one draw apart from another: neither threads nor chunks change a bit.

use ndarray::Array2;
use rayon::prelude::*;

use super::Expectations;
use super::engine::JointDraws;
use super::quantile;
use crate::data::Summary;
use crate::error::{Error, Result};

/// One way of splitting the customers: disjoint and exhaustive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Labelling {
    /// What the split is called: the group column's name, `rfm`, `tier`.
    pub name: String,
    /// The labels, in the order in which totals are listed. A label may have no customer.
    pub labels: Vec<String>,
    /// Index into `labels` per row of the summary.
    pub of_customer: Vec<u32>,
}

impl Labelling {
    /// Every customer under one label.
    pub fn everyone(summary: &Summary) -> Self {
        Self { name: "all".into(), labels: vec!["all".into()], of_customer: vec![0; summary.len()] }
    }

    /// The groups of partial pooling.
    pub fn groups(summary: &Summary) -> Self {
        Self {
            name: summary.groups.column.clone().unwrap_or_else(|| "group".into()),
            labels: summary.groups.labels.clone(),
            of_customer: summary.group.clone(),
        }
    }

    pub(super) fn check(&self, summary: &Summary) -> Result<()> {
        if self.of_customer.len() != summary.len() {
            return Err(Error::new(format!("the labelling `{}` must have one label per customer", self.name))
                .seen(format!("{} for {} customers", self.of_customer.len(), summary.len())));
        }
        if let Some(ix) = self.of_customer.iter().find(|&&ix| ix as usize >= self.labels.len()) {
            return Err(Error::new(format!("the labelling `{}` uses a label that it does not list", self.name))
                .seen(format!("index {ix} with {} labels", self.labels.len())));
        }
        Ok(())
    }
}

/// A mean with a central 90 % interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// Mean.
    pub mean: f64,
    /// 5 % quantile.
    pub q05: f64,
    /// 95 % quantile.
    pub q95: f64,
}

impl Interval {
    /// The mean as given, the quantiles from draws in any order (at least one).
    pub(super) fn of(mean: f64, draws: impl IntoIterator<Item = f64>) -> Self {
        let mut draws: Vec<f64> = draws.into_iter().collect();
        draws.sort_unstable_by(f64::total_cmp);
        Self { mean, q05: quantile::of_sorted(&draws, 0.05), q95: quantile::of_sorted(&draws, 0.95) }
    }
}

/// What all customers under one label will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Total {
    /// The label.
    pub label: String,
    /// Customers under it.
    pub customers: u64,
    /// Mean P(alive); `None` without customers.
    pub p_alive: Option<f64>,
    /// Purchases over the horizon. The mean is the sum of the customers' means.
    pub purchases: Interval,
    /// Discounted spend over the horizon, currency; `None` without a spend model.
    pub clv: Option<Interval>,
}

/// Joint draws of the totals under each label of one labelling.
#[derive(Debug, Clone, PartialEq)]
pub struct Totals {
    /// The labelling's name.
    pub name: String,
    /// Per label, in the labelling's order.
    pub totals: Vec<Total>,
    /// `[label, draw]`: purchases over the horizon.
    pub purchases: Array2<f64>,
    /// `[label, draw]`: discounted spend, currency; `None` without a spend model.
    pub clv: Option<Array2<f64>>,
}

/// Draws that one task adds: few enough for many tasks, enough that a label's sums are a few cache lines side by side.
const SLAB: usize = 32;

/// What a block of customers adds to totals: only the draws in which somebody buys, customer by customer, a customer's in order.
#[derive(Debug)]
pub(super) struct Addends {
    slabs: usize,
    /// For each customer and slab, where its entries start; one more at the end.
    starts: Vec<u32>,
    entries: Vec<Addend>,
}

/// One draw of one customer.
#[derive(Debug, Clone, Copy)]
struct Addend {
    draw: u32,
    purchases: u32,
    value: f64,
}

impl Addends {
    pub fn new(draws: usize) -> Self {
        Self { slabs: draws.div_ceil(SLAB), starts: vec![0], entries: Vec::new() }
    }

    /// The next draw of the current customer, later than those before.
    pub fn push(&mut self, draw: usize, purchases: u32, value: f64) {
        let slab = draw / SLAB;
        debug_assert!((self.starts.len() - 1) % self.slabs <= slab, "draw {draw} comes after a later one");
        while (self.starts.len() - 1) % self.slabs < slab {
            self.starts.push(self.entries.len() as u32);
        }
        self.entries.push(Addend { draw: draw as u32, purchases, value });
    }

    /// The current customer has no more draws.
    pub fn end_customer(&mut self) {
        self.starts.push(self.entries.len() as u32);
        while !(self.starts.len() - 1).is_multiple_of(self.slabs) {
            self.starts.push(self.entries.len() as u32);
        }
    }

    fn customers(&self) -> usize {
        (self.starts.len() - 1) / self.slabs
    }

    fn of(&self, customer: usize, slab: usize) -> &[Addend] {
        let at = customer * self.slabs + slab;
        &self.entries[self.starts[at] as usize..self.starts[at + 1] as usize]
    }
}

/// The running totals of every labelling: one table per labelling and slab of draws, so that tasks share nothing.
#[derive(Debug, Default)]
pub(super) struct Sums<'a> {
    labellings: &'a [Labelling],
    draws: usize,
    has_spend: bool,
    tables: Vec<Table>,
}

/// `[label, draw of the slab]`, each purchases and value.
#[derive(Debug)]
struct Table {
    labelling: usize,
    slab: usize,
    sums: Vec<[[f64; 2]; SLAB]>,
}

impl<'a> Sums<'a> {
    pub fn new(labellings: &'a [Labelling], draws: usize, has_spend: bool) -> Self {
        let table = |labelling: usize, slab| Table {
            labelling,
            slab,
            sums: vec![[[0.0; 2]; SLAB]; labellings[labelling].labels.len()],
        };
        let slabs = draws.div_ceil(SLAB);
        let tables = (0..labellings.len()).flat_map(|l| (0..slabs).map(move |slab| table(l, slab))).collect();
        Self { labellings, draws, has_spend, tables }
    }

    /// Adds the customers of consecutive blocks, of which `first` is the first.
    pub fn add(&mut self, first: usize, blocks: &[Addends]) {
        let labellings = self.labellings;
        self.tables.par_iter_mut().for_each(|Table { labelling, slab, sums }| {
            let mut labels = labellings[*labelling].of_customer[first..].iter();
            for block in blocks {
                for (customer, &label) in (0..block.customers()).zip(&mut labels) {
                    let sums = &mut sums[label as usize];
                    for entry in block.of(customer, *slab) {
                        // Sums of counts are whole numbers below 2^53: exact in f64.
                        let [purchases, value] = &mut sums[entry.draw as usize % SLAB];
                        *purchases += f64::from(entry.purchases);
                        *value += entry.value;
                    }
                }
            }
        });
    }

    /// The totals, per labelling.
    pub fn finish(self) -> Vec<JointDraws> {
        let slabs = self.draws.div_ceil(SLAB);
        let of = |l: usize, which: usize| {
            let tables = &self.tables[l * slabs..][..slabs];
            Array2::from_shape_fn((self.labellings[l].labels.len(), self.draws), |(label, draw)| {
                tables[draw / SLAB].sums[label][draw % SLAB][which]
            })
        };
        (0..self.labellings.len())
            .map(|l| JointDraws { purchases: of(l, 0), value: self.has_spend.then(|| of(l, 1)) })
            .collect()
    }
}

impl Totals {
    /// Joint draws with the means that need none.
    pub(super) fn of(labelling: &Labelling, draws: JointDraws, expectations: &Expectations) -> Self {
        let Labelling { name, labels, of_customer } = labelling;
        let sums = |values: &[f64]| {
            let mut sums = vec![0.0; labels.len()];
            values.iter().zip(of_customer).for_each(|(value, &label)| sums[label as usize] += value);
            sums
        };
        let mut customers = vec![0u64; labels.len()];
        of_customer.iter().for_each(|&label| customers[label as usize] += 1);
        let (p_alive, purchases) = (sums(&expectations.p_alive), sums(&expectations.purchases));
        let clv = expectations.clv.as_deref().map(sums);
        let interval = |means: &[f64], draws: &Array2<f64>, label: usize| {
            Interval::of(means[label], draws.row(label).iter().copied())
        };
        let totals = (0..labels.len())
            .into_par_iter()
            .map(|label| Total {
                label: labels[label].clone(),
                customers: customers[label],
                p_alive: (customers[label] > 0).then(|| p_alive[label] / customers[label] as f64),
                purchases: interval(&purchases, &draws.purchases, label),
                clv: clv.as_ref().zip(draws.value.as_ref()).map(|(means, draws)| interval(means, draws, label)),
            })
            .collect();
        Self { name: name.clone(), totals, purchases: draws.purchases, clv: draws.value }
    }
}
