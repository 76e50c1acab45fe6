//! What `shaders/futures/summarise.wgsl` is told of quantiles, and what it says of a customer. Which order statistics make a quantile
//! is decided here, in f64.

use super::{Future, PROBABILITIES};
use crate::difference::crossing;

/// Order statistics wanted: one per quantile of counts, two per quantile of values; in rows of four, as uniforms are.
type Ranks = [u32; 12];

crossing! {
    /// What all customers share.
    struct Shape as "Shape" {
        draws: u32,
        values_at: u32,
        with_spend: u32,
        unused: u32,
        count_ranks: Ranks,
        value_ranks: Ranks,
        value_shares: [f32; 8],
    }
}

crossing! {
    /// One customer's results.
    struct Summary as "Summary" {
        p_alive: f32,
        purchases_mean: f32,
        value_mean: f32,
        value_sd: f32,
        purchases: [u32; 5],
        value: [f32; 5],
    }
}

/// The shader with everything it follows.
pub fn wgsl() -> String {
    [
        include_str!("../../../shaders/lib/log1p_expm1.wgsl"),
        include_str!("../../../shaders/lib/customer.wgsl"),
        include_str!("../../../shaders/futures/summarise.wgsl"),
    ]
    .concat()
}

impl Shape {
    /// Ranks from 0 of `draws` sorted draws. Counts: type 1 of Hyndman & Fan 1996, so that a quantile is a count; values: type 7.
    pub fn new(draws: usize, values_at: usize, with_spend: bool) -> Self {
        let (mut count_ranks, mut value_ranks, mut value_shares) = ([0; 12], [0; 12], [0.0; 8]);
        for (i, q) in PROBABILITIES.into_iter().enumerate() {
            // 0.05 × 500 may round to just above 25; the small step down keeps it the 25th.
            let rank = (q * draws as f64 - 1e-9).ceil().max(1.0) as usize;
            count_ranks[i] = (rank.min(draws) - 1) as u32;
            let place = q * (draws - 1) as f64;
            value_ranks[2 * i] = place as u32;
            value_ranks[2 * i + 1] = (place as usize + 1).min(draws - 1) as u32;
            value_shares[i] = place.fract() as f32;
        }
        Self {
            draws: draws as u32,
            values_at: values_at as u32,
            with_spend: u32::from(with_spend),
            unused: 0,
            count_ranks,
            value_ranks,
            value_shares,
        }
    }
}

impl From<&Summary> for Future {
    fn from(summary: &Summary) -> Self {
        Self {
            p_alive: f64::from(summary.p_alive),
            purchases_mean: f64::from(summary.purchases_mean),
            purchases: summary.purchases,
            value_mean: f64::from(summary.value_mean),
            value_sd: f64::from(summary.value_sd),
            value: summary.value.map(f64::from),
        }
    }
}
