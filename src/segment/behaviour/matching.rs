//! Who is who among clusters of two runs: ids that stay with a cluster while it stays near where it was, and are never given twice.
//!
//! The new clusters are matched to the old ones so that the sum of their distances is least, where a cluster that is matched to none
//! costs [`FARTHEST`]: no pair farther apart than that is ever made. Values of customers play no part.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::features::{Centre, Point, Scale, square_distance};

/// The distance at which a cluster is another one, in standard deviations of a feature among the customers of the new run.
///
/// Customers drift much less than that between two snapshots a few weeks apart, and clusters worth telling apart are farther from each
/// other. Nearer ones may swap neighbours' ids only if that shortens the sum of all ways.
const FARTHEST: f64 = 1.0;

/// What a run must know of the clusters before it, so that ids go on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PreviousClusters {
    /// The clusters of the last run.
    pub clusters: Vec<KnownCluster>,
    /// The id that the next new cluster gets; every id below it has been given.
    pub next_id: u32,
}

/// A cluster that has its id.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct KnownCluster {
    /// Its id.
    pub id: u32,
    /// Its middle.
    pub centre: Centre,
}

impl Default for PreviousClusters {
    /// Before the first run: no clusters, ids from 1.
    fn default() -> Self {
        Self { clusters: Vec::new(), next_id: 1 }
    }
}

/// The ids of clusters at `places` on `scale`, in their order, and the next id. New ids are given in that order.
pub(super) fn ids(places: &[Point], scale: &Scale, previous: &PreviousClusters) -> (Vec<u32>, u32) {
    let old: Vec<Point> = previous.clusters.iter().map(|known| known.centre.place(scale)).collect();
    let cost: Vec<Vec<f64>> = places
        .iter()
        .map(|place| {
            let to_old = old.iter().map(|old| square_distance(place, old).sqrt());
            to_old.chain(places.iter().map(|_| FARTHEST)).collect()
        })
        .collect();
    // Ids from files may be anything: none that a cluster has is given again.
    let mut next = previous.clusters.iter().map(|known| known.id.saturating_add(1)).fold(previous.next_id, u32::max);
    let matched = least_cost(&cost);
    let mut new_id = || {
        next += 1;
        next - 1
    };
    let id = |column: usize| previous.clusters.get(column).map_or_else(&mut new_id, |known| known.id);
    let ids = matched.into_iter().map(id).collect();
    (ids, next)
}

/// A column for each row, no column twice, with the least sum of costs; there are at least as many columns as rows.
///
/// The Hungarian method with potentials, one shortest augmenting path per row (Kuhn 1955; Jonker & Volgenant 1987): exact, of cubic
/// price. Row and column 0 stand for "none yet".
fn least_cost(cost: &[Vec<f64>]) -> Vec<usize> {
    let (rows, columns) = (cost.len(), cost.first().map_or(0, Vec::len));
    debug_assert!(rows <= columns);
    let (mut of_row, mut of_column) = (vec![0.0; rows + 1], vec![0.0; columns + 1]);
    let mut row_at = vec![0; columns + 1];
    for row in 1..=rows {
        row_at[0] = row;
        let (mut least, mut came_from) = (vec![f64::INFINITY; columns + 1], vec![0; columns + 1]);
        let mut reached = vec![false; columns + 1];
        let mut at = 0;
        loop {
            reached[at] = true;
            let from = row_at[at];
            let (mut step, mut next) = (f64::INFINITY, 0);
            for column in (1..=columns).filter(|&column| !reached[column]) {
                let reduced = cost[from - 1][column - 1] - of_row[from] - of_column[column];
                if reduced < least[column] {
                    (least[column], came_from[column]) = (reduced, at);
                }
                if least[column] < step {
                    (step, next) = (least[column], column);
                }
            }
            for column in 0..=columns {
                if reached[column] {
                    of_row[row_at[column]] += step;
                    of_column[column] -= step;
                } else {
                    least[column] -= step;
                }
            }
            at = next;
            if row_at[at] == 0 {
                break;
            }
        }
        while at != 0 {
            row_at[at] = row_at[came_from[at]];
            at = came_from[at];
        }
    }
    let mut matched = vec![0; rows];
    for (column, &row) in row_at.iter().enumerate().skip(1).filter(|&(_, &row)| row > 0) {
        matched[row - 1] = column - 1;
    }
    matched
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    /// The least sum by trying every column for the first row, and so on.
    fn tried_all(cost: &[Vec<f64>], taken: &mut Vec<usize>) -> f64 {
        if taken.len() == cost.len() {
            return 0.0;
        }
        (0..cost[0].len()).fold(f64::INFINITY, |least, column| {
            if taken.contains(&column) {
                return least;
            }
            let here = cost[taken.len()][column];
            taken.push(column);
            let sum = here + tried_all(cost, taken);
            taken.pop();
            least.min(sum)
        })
    }

    #[test]
    fn no_other_matching_costs_less() {
        for (rows, columns, case) in
            [(1, 1, 0), (1, 4, 1), (2, 2, 2), (3, 3, 3), (3, 5, 4), (4, 6, 5), (5, 5, 6), (5, 7, 7)]
        {
            let mut stream = Stream::new(11, Purpose::Test, case, 0);
            // Coarse, so that ties come up.
            let mut number = || (stream.uniform() * 6.0).floor();
            let cost: Vec<Vec<f64>> = (0..rows).map(|_| (0..columns).map(|_| number()).collect()).collect();
            let found = least_cost(&cost);
            let mut columns_taken = found.clone();
            columns_taken.sort_unstable();
            columns_taken.dedup();
            assert_eq!(columns_taken.len(), rows);
            let sum: f64 = found.iter().zip(&cost).map(|(&column, row)| row[column]).sum();
            assert_eq!(sum, tried_all(&cost, &mut Vec::new()), "{cost:?}");
        }
        assert!(least_cost(&[]).is_empty());
    }
}
