//! Totals over groups of customers from joint draws: the customers of one draw share its population parameters, so that the
//! interval of a total is wider than independent customers would make it.
//!
//! Knows what a label is, never what it means: groups, segments and tiers are all the same here.

use ndarray::{Array2, ArrayView1};

use super::quantile;
use super::{Expectations, Population};
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
        Self { mean, q05: quantile::of_amounts(&draws, 0.05), q95: quantile::of_amounts(&draws, 0.95) }
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

/// Adds customers up in summary order, so that neither threads nor chunks change a bit.
pub(super) struct Accumulator<'a> {
    labelling: &'a Labelling,
    purchases: Array2<f64>,
    clv: Option<Array2<f64>>,
}

impl<'a> Accumulator<'a> {
    pub fn new(labelling: &'a Labelling, population: &Population) -> Self {
        let zeros = || Array2::zeros((labelling.labels.len(), population.draws()));
        Self { labelling, purchases: zeros(), clv: population.spend.as_ref().map(|_| zeros()) }
    }

    /// Adds one customer's draws.
    pub fn add(&mut self, customer: usize, purchases: &[u32], clv: &[f64]) {
        let label = self.labelling.of_customer[customer] as usize;
        // Sums of counts are whole numbers below 2^53: exact in f64.
        self.purchases.row_mut(label).iter_mut().zip(purchases).for_each(|(sum, &k)| *sum += f64::from(k));
        if let Some(total) = &mut self.clv {
            total.row_mut(label).iter_mut().zip(clv).for_each(|(sum, value)| *sum += value);
        }
    }

    pub fn finish(self, expectations: &Expectations) -> Totals {
        let Labelling { name, labels, of_customer } = self.labelling;
        let sums = |values: &[f64]| {
            let mut sums = vec![0.0; labels.len()];
            values.iter().zip(of_customer).for_each(|(value, &label)| sums[label as usize] += value);
            sums
        };
        let customers = sums(&vec![1.0; of_customer.len()]);
        let (p_alive, purchases) = (sums(&expectations.p_alive), sums(&expectations.purchases));
        let clv = expectations.clv.as_deref().map(sums);
        let interval = |mean: f64, draws: ArrayView1<'_, f64>| Interval::of(mean, draws.iter().copied());
        let totals = (0..labels.len())
            .map(|label| Total {
                label: labels[label].clone(),
                customers: customers[label] as u64,
                p_alive: (customers[label] > 0.0).then(|| p_alive[label] / customers[label]),
                purchases: interval(purchases[label], self.purchases.row(label)),
                clv: clv.as_ref().zip(self.clv.as_ref()).map(|(mean, draws)| interval(mean[label], draws.row(label))),
            })
            .collect();
        Totals { name: name.clone(), totals, purchases: self.purchases, clv: self.clv }
    }
}
