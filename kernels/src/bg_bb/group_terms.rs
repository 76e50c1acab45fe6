//! What a group's histograms of x, t_x − x and t_x say of BG/BB by themselves: ln C, the likelihood until the last purchase.
//! Not the silence after it.

use super::{K, Rows};
use crate::cells::RisingSum;
use crate::rows::Sum;

/// Σ w ln C per group, C = (α)ₓ (β)ₜ₋ₓ / (α+β)ₜ · (δ)ₜ / (γ+δ)ₜ, t = t_x.
#[derive(Debug, Clone)]
pub(crate) struct GroupTerms {
    groups: Vec<Histograms>,
}

#[derive(Debug, Clone)]
struct Histograms {
    purchases: RisingSum,
    misses: RisingSum,
    lasts: RisingSum,
}

impl GroupTerms {
    pub fn new(rows: &Rows) -> Self {
        let mut counts = vec![[const { Vec::new() }; 3]; rows.n_groups];
        for (row, (group, weight)) in rows.group.iter().zip(&rows.weight).enumerate() {
            let (x, t_x, _) = rows.history(row);
            for (histogram, count) in counts[*group as usize].iter_mut().zip([x, t_x - x, t_x]) {
                histogram.push((count, *weight));
            }
        }
        let histograms = |counts: [Vec<(u32, f64)>; 3]| {
            let [purchases, misses, lasts] = counts.map(RisingSum::new);
            Histograms { purchases, misses, lasts }
        };
        Self { groups: counts.into_iter().map(histograms).collect() }
    }

    pub fn at(&self, group: usize, [alpha, beta, gamma, delta]: [f64; K]) -> Sum<K> {
        let Histograms { purchases, misses, lasts } = &self.groups[group];
        let (bought, by_alpha) = purchases.at(alpha);
        let (missed, by_beta) = misses.at(beta);
        let (chances, by_chances) = lasts.at(alpha + beta);
        let (stayed, by_delta) = lasts.at(delta);
        let (could_stay, by_gamma) = lasts.at(gamma + delta);
        Sum {
            value: bought + missed - chances + stayed - could_stay,
            gradient: [by_alpha - by_chances, by_beta - by_chances, -by_gamma, by_delta - by_gamma],
        }
    }
}
