//! Where divergences gather: the parameters in which divergent draws lie elsewhere than the rest.
//!
//! By ranks, so that every scale is comparable: p is the share of all draws below a divergent draw. If divergences fell anywhere, p would
//! be uniform with mean ½ and variance 1/12.

use serde::{Deserialize, Serialize};

use super::parameter::null_is_nan;

/// Least distance of mean p from ½, in standard deviations of a uniform number, that is worth naming.
const LEAST_SHIFT: f64 = 0.5;
/// And in standard errors.
const LEAST_ERRORS: f64 = 3.0;

/// Where the divergent draws of one parameter lie among all its draws.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DivergencePlace {
    /// The parameter with its coordinates.
    pub parameter: String,
    /// How far the divergent draws' mean rank is from the middle, in standard deviations of a rank: −√3 where all of them are the lowest
    /// draws there are, √3 where they are the highest.
    #[serde(deserialize_with = "null_is_nan")]
    pub shift: f64,
    /// Median of the divergent draws.
    #[serde(deserialize_with = "null_is_nan")]
    pub median: f64,
    /// The share of all draws below that median.
    #[serde(deserialize_with = "null_is_nan")]
    pub quantile: f64,
}

/// Where `divergent` draws lie among all draws in ascending order; `None` where they lie anywhere. The caller names the parameter.
pub(super) fn place(sorted: &[f64], divergent: &mut [f64]) -> Option<DivergencePlace> {
    if divergent.is_empty() {
        return None;
    }
    let total = sorted.len() as f64;
    let share = |x: f64| {
        let (below, upto) = (sorted.partition_point(|y| *y < x), sorted.partition_point(|y| *y <= x));
        (below + upto) as f64 / 2.0 / total
    };
    let count = divergent.len() as f64;
    let shift = (divergent.iter().map(|x| share(*x)).sum::<f64>() / count - 0.5) * 12.0_f64.sqrt();
    divergent.sort_unstable_by(f64::total_cmp);
    let median = super::quantile::quantile_sorted(divergent, 0.5);
    let told = shift.abs() >= LEAST_SHIFT && shift.abs() * count.sqrt() >= LEAST_ERRORS;
    told.then(|| DivergencePlace { parameter: String::new(), shift, median, quantile: share(median) })
}
