//! Chains on the move: whether first and second halves differ, and how.
//!
//! Works on the normal scores of halves, first halves over second halves. It explains an R-hat that failed already; it refuses nothing.

use ndarray::{ArrayView2, Axis, s};

use super::chains::{mean, variance};
use super::r_hat::plain;

/// Share of the differences between halves that one motion must explain before it is named.
const SHARE: f64 = 0.75;
/// Least distance between first and second halves, in standard deviations within them.
const LEAST_SHIFT: f64 = 0.3;
/// First halves are still on their way where their means vary this much more than those of second halves (F of 3 and 3 degrees of
/// freedom exceeds it with probability 0.04).
const SETTLING: f64 = 10.0;

/// How chains move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Drift {
    /// All the same way: second halves lie this many standard deviations from first halves.
    Together(f64),
    /// From different places towards one: R-hat of the first halves and of the second.
    Settling { first: f64, second: f64 },
}

/// The motion of chains whose halves have the normal scores `z` `[half, draw]`, if one explains why they differ.
pub(super) fn drift(z: ArrayView2<'_, f64>) -> Option<Drift> {
    let chains = z.nrows() / 2;
    let (firsts, seconds) = (z.slice(s![..chains, ..]), z.slice(s![chains.., ..]));
    let (first, second) = (firsts.map_axis(Axis(1), mean), seconds.map_axis(Axis(1), mean));
    let within = mean(z.map_axis(Axis(1), variance).view()).sqrt();
    let (shift, centre) = (&second - &first, (&second + &first) / 2.0);
    let together = mean(shift.view());
    let within_chains = shift.iter().map(|d| d * d / 4.0).sum::<f64>();
    let middle = mean(centre.view());
    let between_chains = centre.iter().map(|a| (a - middle) * (a - middle)).sum::<f64>();
    let common = together * together / (4.0 * within_chains / chains as f64);
    if within_chains > SHARE * (within_chains + between_chains)
        && common > SHARE
        && together.abs() > LEAST_SHIFT * within
    {
        return Some(Drift::Together(together / within));
    }
    let settling = chains > 1 && variance(first.view()) > SETTLING * variance(second.view());
    settling.then(|| Drift::Settling { first: plain(firsts), second: plain(seconds) })
}
