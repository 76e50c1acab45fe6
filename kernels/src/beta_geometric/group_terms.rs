//! What a group's histogram of x says of a beta-geometric model by itself: the terms that need no pass over rows. Not the pass.

use super::{K, Law};
use crate::cells::{Cells, RisingSum};
use crate::rows::Sum;

/// Σ w [ ln (r)ₓ + ln (b)_y − ln (a+b)_y ] + N r ln α per group, from the histogram of x; y = x + [`Law::AT_START`].
#[derive(Debug, Clone)]
pub(crate) struct GroupTerms {
    customers: Vec<f64>,
    /// Per group, of x and of y.
    frequencies: Vec<RisingSum>,
    chances: Vec<RisingSum>,
}

impl GroupTerms {
    pub fn new<L: Law>(cells: &Cells) -> Self {
        let mut customers = vec![0.0; cells.n_groups];
        let mut histograms = vec![Vec::new(); cells.n_groups];
        for ((group, x), weight) in cells.group.iter().zip(&cells.frequency).zip(&cells.weight) {
            customers[*group as usize] += weight;
            histograms[*group as usize].push((*x, *weight));
        }
        let counted = |shift: u32| {
            let counts = |of_x: &Vec<(u32, f64)>| of_x.iter().map(|(x, w)| (x.saturating_add(shift), *w)).collect();
            histograms.iter().map(|of_x| RisingSum::new(counts(of_x))).collect()
        };
        Self { customers, frequencies: counted(0), chances: counted(L::AT_START) }
    }

    pub fn at(&self, group: usize, [r, alpha, a, b]: [f64; K]) -> Sum<K> {
        let n = self.customers[group];
        let (of_r, slope_r) = self.frequencies[group].at(r);
        let [(of_b, slope_b), (of_ab, slope_ab)] = [b, a + b].map(|c| self.chances[group].at(c));
        Sum {
            value: of_r + of_b - of_ab + n * r * alpha.ln(),
            gradient: [slope_r + n * alpha.ln(), n * r / alpha, -slope_ab, slope_b - slope_ab],
        }
    }
}
