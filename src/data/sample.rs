//! A part of the customers, drawn without replacement: so many of each group as its share of all asks for, and at least one. Cells keep
//! whole weights. Which customers these are depends on the seed and on the order of rows alone, never on threads. Purchases and spend
//! are drawn apart, as they are fitted apart.

use ndarray::Axis;

use super::cells::Cells;
use super::covariates::Design;
use super::observations::Observations;
use super::summary::SpendRows;
use crate::kernels::rng::{Purpose, Stream};

/// Which draw of a sample a stream serves.
const CELLS: u32 = 0;
const SPEND: u32 = 1;

impl Observations {
    /// About `customers` of these customers (all, where there are no more), and the same share of spenders. The sample exceeds
    /// `customers` by less than one customer a group.
    #[must_use]
    pub fn sampled(self, customers: u64, seed: u64) -> Self {
        let all = self.customers();
        if customers as f64 >= all {
            return self;
        }
        let share = customers as f64 / all;
        let groups = self.groups.labels.len().max(1);
        let kept = Draw::new(&self.cells.group, &self.cells.weight, groups, share).of(seed, CELLS);
        let rows: Vec<usize> = (0..self.cells.len()).filter(|&i| kept[i] > 0.0).collect();
        let pick = |of: &[u32]| rows.iter().map(|&i| of[i]).collect::<Vec<u32>>();
        let measure = |of: &[f64]| rows.iter().map(|&i| of[i]).collect::<Vec<f64>>();
        let cells = Cells {
            group: pick(&self.cells.group),
            frequency: pick(&self.cells.frequency),
            recency: measure(&self.cells.recency),
            age: measure(&self.cells.age),
            weight: measure(&kept),
        };
        let covariates =
            self.covariates.map(|design| Design { values: design.values.select(Axis(0), &rows), ..design });
        let kept = Draw::new(&self.spend.group, &self.spend.weight, groups, share).of(seed, SPEND);
        let rows: Vec<usize> = (0..self.spend.len()).filter(|&i| kept[i] > 0.0).collect();
        let spend = SpendRows {
            group: rows.iter().map(|&i| self.spend.group[i]).collect(),
            frequency: rows.iter().map(|&i| self.spend.frequency[i]).collect(),
            monetary: rows.iter().map(|&i| self.spend.monetary[i]).collect(),
            weight: rows.iter().map(|&i| kept[i]).collect(),
        };
        Self { groups: self.groups, cells, covariates, spend }
    }
}

/// Weighted rows of several groups, of which a share is wanted.
struct Draw<'a> {
    group: &'a [u32],
    weight: &'a [f64],
    /// Customers left to look at, by group.
    left: Vec<f64>,
    /// Customers left to take.
    wanted: Vec<f64>,
}

impl<'a> Draw<'a> {
    fn new(group: &'a [u32], weight: &'a [f64], groups: usize, share: f64) -> Self {
        let mut left = vec![0.0; groups];
        group.iter().zip(weight).for_each(|(&g, w)| left[g as usize] += w);
        let wanted = left.iter().map(|n| (n * share).ceil().min(*n)).collect();
        Self { group, weight, left, wanted }
    }

    /// How many customers of every row are taken. Each customer in turn is taken with chance (still wanted)/(still left), which makes
    /// all subsets of that size equally likely: Knuth (1997), The Art of Computer Programming 2, algorithm 3.4.2 S.
    fn of(mut self, seed: u64, which: u32) -> Vec<f64> {
        let rows = self.group.iter().zip(self.weight).enumerate();
        rows.map(|(row, (&g, &weight))| {
            let g = g as usize;
            let mut stream = Stream::new(seed, Purpose::Subsample, row as u64, which);
            let mut taken = 0.0;
            // Weights are whole numbers of customers.
            for _ in 0..weight as u64 {
                if stream.uniform() * self.left[g] < self.wanted[g] {
                    self.wanted[g] -= 1.0;
                    taken += 1.0;
                }
                self.left[g] -= 1.0;
            }
            taken
        })
        .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::Groups;
    use super::*;

    fn shop() -> Observations {
        let groups = Groups { column: Some("g".into()), labels: vec!["a".into(), "b".into(), "c".into()] };
        let cells = Cells {
            group: vec![0, 0, 1, 1, 2],
            frequency: vec![0, 3, 0, 1, 0],
            recency: vec![0.0, 2.0, 0.0, 1.0, 0.0],
            age: vec![9.0; 5],
            weight: vec![6000.0, 2000.0, 1500.0, 499.0, 1.0],
        };
        let spend = SpendRows {
            group: vec![0, 1],
            frequency: vec![3, 1],
            monetary: vec![5.0, 7.0],
            weight: vec![2000.0, 499.0],
        };
        Observations { groups, cells, covariates: None, spend }
    }

    #[test]
    fn every_group_gives_its_share_and_at_least_one() {
        let sample = shop().sampled(1000, 7);
        let of = |g: u32| -> f64 {
            sample.cells.group.iter().zip(&sample.cells.weight).filter(|(x, _)| **x == g).map(|(_, w)| w).sum()
        };
        assert_eq!([of(0), of(1), of(2)], [800.0, 200.0, 1.0]);
        assert!(sample.cells.weight.iter().all(|w| w.fract() == 0.0 && *w > 0.0));
        // 800 of 8000 with 2000 of the second kind: hypergeometric, mean 200, sd 11.6; five of them.
        let second = sample.cells.weight[1];
        assert!((second - 200.0).abs() < 58.0, "{second}");
        assert_eq!(sample.spend.weight, [200.0, 50.0]);
        assert_eq!(sample, shop().sampled(1000, 7));
        assert_ne!(sample, shop().sampled(1000, 8));
    }

    #[test]
    fn a_sample_of_all_is_all() {
        assert_eq!(shop().sampled(10_000, 7), shop());
    }

    #[test]
    fn covariates_stay_with_their_customers() {
        let mut customers = shop();
        customers.covariates =
            Some(Design { columns: vec![], values: ndarray::array![[0.0], [1.0], [2.0], [3.0], [4.0]] });
        let sample = customers.sampled(3, 1);
        let design = sample.covariates.as_ref().map(|d| d.values.column(0).to_vec());
        let kept: Vec<f64> = (0..5)
            .filter(|&i| {
                (0..sample.cells.len()).any(|j| {
                    (sample.cells.group[j], sample.cells.frequency[j])
                        == (shop().cells.group[i], shop().cells.frequency[i])
                })
            })
            .map(|i| i as f64)
            .collect();
        assert_eq!(design, Some(kept));
    }
}
