//! Shapes of distributions that mislead their mean: tails so heavy that moments may not exist, and two humps with a valley between.
//!
//! Both are remarks about the posterior, not about the sampling: chains that agree may have either.

use super::density::density;
use crate::importance::tail_shape;

/// Pareto k of the draws' own tails from which mean and standard deviation are in doubt (Vehtari et al. 2024).
pub(super) const HEAVY: f64 = 0.7;
/// Draws that a tail needs for its shape to be worth a remark.
const LEAST_TAIL: usize = 20;
/// A valley this deep, as a share of the lower hump beside it, parts two humps.
const VALLEY: f64 = 0.5;
/// Least share of the draws on either side of a valley.
const LEAST_HUMP: f64 = 0.05;
/// Points of the curve that is searched for a valley.
const POINTS: usize = 128;

/// Pareto k of the heavier tail of draws in ascending order; `effective` of them are worth as much as independent ones. The tail has
/// min(0.2 S, 3 √(S / r)) draws, r = effective / S, as the `posterior` package takes it. NaN where no tail can be fitted.
pub(super) fn tail_k(sorted: &[f64], effective: f64) -> f64 {
    let draws = sorted.len() as f64;
    let r = if effective.is_finite() { (effective / draws).min(1.0) } else { 1.0 };
    let tail = (0.2 * draws).min(3.0 * (draws / r).sqrt()).ceil() as usize;
    if tail < LEAST_TAIL || tail + 1 > sorted.len() {
        return f64::NAN;
    }
    let cut = sorted[sorted.len() - tail - 1];
    let right: Vec<f64> = sorted[sorted.len() - tail..].iter().map(|x| x - cut).collect();
    let cut = sorted[tail];
    let left: Vec<f64> = sorted[..tail].iter().rev().map(|x| cut - x).collect();
    [right, left].iter().map(|excess| shape(excess)).fold(f64::NAN, f64::max)
}

/// k of ascending excesses; NaN for ties at the cut and for what is not finite.
fn shape(excess: &[f64]) -> f64 {
    let quartile = excess[excess.len() / 4];
    let (k, _) = if quartile > 0.0 { tail_shape(excess) } else { (f64::NAN, f64::NAN) };
    if k.is_finite() { k } else { f64::NAN }
}

/// Two humps: where they and the valley between them lie, and how deep that is as a share of the lower hump.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Valley {
    pub(super) low: f64,
    pub(super) at: f64,
    pub(super) high: f64,
    pub(super) depth: f64,
}

/// The deepest valley of a curve through draws in ascending order, if it parts two humps. `effective` decides how smooth the curve is.
pub(super) fn valley(sorted: &[f64], effective: f64) -> Option<Valley> {
    let points = (effective.clamp(50.0, 4096.0) as usize).min(sorted.len());
    // Even quantiles stand for all draws: no more of them than there are effective draws, so that noise makes no humps.
    let thinned: Vec<f64> = (0..points)
        .map(|i| sorted[((2 * i + 1) as f64 / (2 * points) as f64 * sorted.len() as f64) as usize])
        .collect();
    let distinct = thinned.windows(2).filter(|pair| pair[0] < pair[1]).count();
    if points < 50 || 2 * distinct < points {
        return None;
    }
    let (x, y) = density(&thinned, POINTS)?;
    let highest = |from: usize, to: usize| (from..to).reduce(|best, i| if y[i] > y[best] { i } else { best });
    let depth = |i: usize| -> Option<(f64, usize, usize)> {
        let (low, high) = (highest(0, i)?, highest(i + 1, POINTS)?);
        Some((y[i] / y[low].min(y[high]), low, high))
    };
    let (at, (depth, low, high)) =
        (1..POINTS - 1).filter_map(|i| Some((i, depth(i)?))).min_by(|(_, a), (_, b)| a.0.total_cmp(&b.0))?;
    let below = thinned.partition_point(|value| *value < x[at]) as f64 / points as f64;
    let humps = depth < VALLEY && below.min(1.0 - below) >= LEAST_HUMP;
    humps.then(|| Valley { low: x[low], at: x[at], high: x[high], depth })
}
