//! What a group's histogram of x says of BG/NBD by itself: the terms that need no pass over rows. Not the pass.

use crate::cells::{Cells, RisingSum};
use crate::rows::Sum;

/// Σ w [ lnΓ(r+x) − lnΓ(r) + lnB(a, b+x) − lnB(a, b) ] + N r ln α per group, from the histogram of x.
#[derive(Debug, Clone)]
pub(crate) struct GroupTerms {
    customers: Vec<f64>,
    frequencies: Vec<RisingSum>,
}

impl GroupTerms {
    pub fn new(cells: &Cells) -> Self {
        let mut customers = vec![0.0; cells.n_groups];
        let mut histograms = vec![Vec::new(); cells.n_groups];
        for ((group, x), weight) in cells.group.iter().zip(&cells.frequency).zip(&cells.weight) {
            customers[*group as usize] += weight;
            histograms[*group as usize].push((*x, *weight));
        }
        Self { customers, frequencies: histograms.into_iter().map(RisingSum::new).collect() }
    }

    pub fn at(&self, group: usize, [r, alpha, a, b]: [f64; super::K]) -> Sum<{ super::K }> {
        let (n, x) = (self.customers[group], &self.frequencies[group]);
        let [(of_r, slope_r), (of_b, slope_b), (of_ab, slope_ab)] = [r, b, a + b].map(|c| x.at(c));
        Sum {
            value: of_r + of_b - of_ab + n * r * alpha.ln(),
            gradient: [slope_r + n * alpha.ln(), n * r / alpha, -slope_ab, slope_b - slope_ab],
        }
    }
}
