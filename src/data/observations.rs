//! What the fits read of all customers: cells for the purchase model, spend rows for the spend model. No identifiers and no dates.

use super::cells::Cells;
use super::summary::{Groups, SpendRows, Summary};

/// All customers as likelihoods see them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observations {
    /// The groups of partial pooling.
    pub groups: Groups,
    /// Purchase histories.
    pub cells: Cells,
    /// Mean spends of those who bought again.
    pub spend: SpendRows,
}

impl Observations {
    /// The observations of a summary: customers with equal histories merged, and those with equal spend.
    pub fn of(summary: &Summary) -> Self {
        Self { groups: summary.groups.clone(), cells: summary.cells(), spend: summary.spend_rows() }
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

    /// The customers of each group as observations of their own, with one group.
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
