//! What the fits read of all customers: cells for the purchase model, spend rows for the spend model. No identifiers and no dates.

use ndarray::{Array2, Axis};

use super::cells::Cells;
use super::covariates::Design;
use super::summary::{Groups, SpendRows, Summary};

/// All customers as likelihoods see them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observations {
    /// The groups of partial pooling.
    pub groups: Groups,
    /// Purchase histories.
    pub cells: Cells,
    /// What is known of each cell's customers beside their purchases, in the order of cells.
    pub covariates: Option<Design>,
    /// Mean spends of those who bought again.
    pub spend: SpendRows,
}

impl Observations {
    /// The observations of a summary: customers with equal histories merged, and those with equal spend.
    pub fn of(summary: &Summary) -> Self {
        Self { groups: summary.groups.clone(), cells: summary.cells(), covariates: None, spend: summary.spend_rows() }
    }

    /// Gives every cell, which must be one customer each, its row of `design`; customers with equal histories and equal covariates
    /// become one cell where `merge` asks for it.
    #[must_use]
    pub fn with_covariates(mut self, design: Design, merge: bool) -> Self {
        if !merge {
            self.covariates = Some(design);
            return self;
        }
        let (all, values) = (&self.cells, &design.values);
        let history = |i: usize| (all.group[i], all.frequency[i], all.recency[i].to_bits(), all.age[i].to_bits());
        let numbers = |i: usize| values.row(i).into_iter().map(|z| z.to_bits());
        let mut order: Vec<usize> = (0..all.len()).collect();
        order.sort_unstable_by(|&i, &j| history(i).cmp(&history(j)).then_with(|| numbers(i).cmp(numbers(j))));
        let same = |&i: &usize, &j: &usize| history(i) == history(j) && numbers(i).eq(numbers(j));
        let (mut cells, mut first) = (Cells::default(), Vec::new());
        for alike in order.chunk_by(same) {
            let i = alike[0];
            first.push(i);
            cells.group.push(all.group[i]);
            cells.frequency.push(all.frequency[i]);
            cells.recency.push(all.recency[i]);
            cells.age.push(all.age[i]);
            cells.weight.push(alike.iter().map(|&i| all.weight[i]).sum());
        }
        let values: Array2<f64> = design.values.select(Axis(0), &first);
        self.cells = cells;
        self.covariates = Some(Design { values, ..design });
        self
    }

    /// Number of customers.
    pub fn customers(&self) -> f64 {
        self.cells.weight.iter().sum()
    }

    /// Customers per cell: how much shorter the purchase likelihood is than its customers are many.
    pub fn compression(&self) -> f64 {
        self.customers() / self.cells.len().max(1) as f64
    }

    /// Spenders per spend row.
    pub fn spend_compression(&self) -> f64 {
        self.spend.customers() / self.spend.len().max(1) as f64
    }

    /// The customers of each group as observations of their own, with one group and without covariates.
    pub fn by_group(&self) -> Vec<Self> {
        let mut parts = vec![Self { groups: Groups::all(), ..Self::default() }; self.groups.labels.len()];
        for i in 0..self.cells.len() {
            let (from, to) = (&self.cells, &mut parts[self.cells.group[i] as usize].cells);
            to.group.push(0);
            to.frequency.push(from.frequency[i]);
            to.recency.push(from.recency[i]);
            to.age.push(from.age[i]);
            to.weight.push(from.weight[i]);
        }
        for i in 0..self.spend.len() {
            let (from, to) = (&self.spend, &mut parts[self.spend.group[i] as usize].spend);
            to.group.push(0);
            to.frequency.push(from.frequency[i]);
            to.monetary.push(from.monetary[i]);
            to.weight.push(from.weight[i]);
        }
        parts
    }

    /// The same customers as one group.
    #[must_use]
    pub fn pooled(mut self) -> Self {
        self.groups = Groups::all();
        self.cells.group.fill(0);
        self.spend.group.fill(0);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_with_equal_covariates_merge_and_no_others() {
        let summary = Summary {
            customer_id: ["a", "b", "c", "d"].into_iter().collect(),
            frequency: vec![1, 1, 0, 1],
            recency: vec![2.0, 2.0, 0.0, 2.0],
            age: vec![3.0; 4],
            monetary: vec![0.0; 4],
            group: vec![0; 4],
            groups: Groups::all(),
            ..Summary::default()
        };
        let customers = || {
            let cells = Cells {
                group: summary.group.clone(),
                frequency: summary.frequency.clone(),
                recency: summary.recency.clone(),
                age: summary.age.clone(),
                weight: vec![1.0; 4],
            };
            Observations { cells, groups: Groups::all(), ..Observations::default() }
        };
        let design =
            Design { columns: vec![], values: ndarray::array![[0.5, 1.0], [0.5, -1.0], [0.5, 1.0], [0.5, 1.0]] };
        let merged = customers().with_covariates(design.clone(), true);
        assert_eq!(merged.cells.frequency, [0, 1, 1]);
        // Bits of negative numbers come after those of positive ones.
        assert_eq!(merged.cells.weight, [1.0, 2.0, 1.0]);
        assert_eq!(merged.covariates.unwrap().values, ndarray::array![[0.5, 1.0], [0.5, 1.0], [0.5, -1.0]]);
        let apart = customers().with_covariates(design.clone(), false);
        assert_eq!((apart.cells, apart.covariates), (customers().cells, Some(design)));
    }

    #[test]
    fn groups_come_apart_and_together_again() {
        let summary = Summary {
            customer_id: ["a", "b", "c", "d"].into_iter().collect(),
            frequency: vec![1, 0, 1, 1],
            recency: vec![2.0, 0.0, 2.0, 2.0],
            age: vec![3.0; 4],
            monetary: vec![5.0, 0.0, 5.0, 5.0],
            group: vec![1, 0, 1, 0],
            groups: Groups { column: Some("g".into()), labels: vec!["x".into(), "y".into()] },
            ..Summary::default()
        };
        let all = Observations::of(&summary);
        assert_eq!(all.customers(), 4.0);
        let [x, y] = <[Observations; 2]>::try_from(all.by_group()).unwrap();
        assert_eq!((x.cells.weight, y.cells.weight), (vec![1.0, 1.0], vec![2.0]));
        assert_eq!((x.spend.weight, y.spend.weight), (vec![1.0], vec![2.0]));
        let one = all.pooled();
        assert_eq!((one.groups, one.cells.group), (Groups::all(), vec![0, 0, 0]));
    }
}
