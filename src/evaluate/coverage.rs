//! Do the predictive intervals hold what they promise? By the randomised probability integral transform, which is exact for
//! counts, and by closed intervals of quantiles, which over-cover for counts.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::Summary;
use crate::kernels::rng::{Purpose, Stream};
use crate::predict::{Window, WindowPosterior, customer_address};

/// Shares of customers inside their central intervals.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// Of the 50 % interval.
    #[serde(rename = "50")]
    pub half: f64,
    /// Of the 90 % interval.
    #[serde(rename = "90")]
    pub ninety: f64,
}

impl Coverage {
    /// Shares of transform values inside [0.25, 0.75] and [0.05, 0.95].
    pub fn of_pit(values: &[f64]) -> Self {
        let inside = |low: f64, high: f64| share(values.iter().map(|u| (low..=high).contains(u)));
        Self { half: inside(0.25, 0.75), ninety: inside(0.05, 0.95) }
    }
}

fn share(hits: impl ExactSizeIterator<Item = bool>) -> f64 {
    let n = hits.len() as f64;
    hits.filter(|&hit| hit).count() as f64 / n
}

/// The randomised probability integral transform of every customer (Czado, Gneiting & Held 2009, "Predictive model assessment for
/// count data"): uniform on (0, 1) if and only if the predictive distribution is right.
///
/// With n draws, `below` of them under the observation and `equal` at it, u = (below + U (equal + 1))/(n + 1): the rank of the
/// observation among its own draws, ties broken at random, which is exactly uniform for any number of draws.
pub fn pit_values(summary: &Summary, window: &Window, seed: u64) -> Vec<f64> {
    let n = f64::from(window.draws);
    window
        .customers
        .par_iter()
        .enumerate()
        .map(|(row, WindowPosterior { below, equal, .. })| {
            let address = customer_address(&summary.customer_id[row]);
            let u = Stream::new(seed, Purpose::RandomisedPit, address, 0).uniform();
            (f64::from(*below) + u * (f64::from(*equal) + 1.0)) / (n + 1.0)
        })
        .collect()
}

/// Shares of customers whose purchases lie between the quantiles, ends included: above the nominal share for counts.
pub fn coverage_closed(purchases: &[u32], window: &Window) -> Coverage {
    let pairs = || purchases.iter().zip(&window.customers);
    Coverage {
        half: share(pairs().map(|(k, c)| (c.purchases.q25..=c.purchases.q75).contains(k))),
        ninety: share(pairs().map(|(k, c)| (c.purchases.q05..=c.purchases.q95).contains(k))),
    }
}
