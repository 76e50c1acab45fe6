//! Whether a warm-up window found anything that is still moving.
//!
//! Judged when the window has closed, from what its chains pooled: a pure function of them, so that a resumed run decides alike. It asks four
//! things: do the chains tell the same story, has the log density stopped drifting, did the metric stay, did trajectories stay whole. Any
//! doubt means another window.

use super::MAX_HESSIAN_DIM;
use super::metric::{Contribution, Moments};

/// Most ln of a factor by which the metric may have moved in any direction.
const LARGEST_CHANGE: f64 = 1.1;
/// Chains of the pooled draws must agree: √(1 + B/W) of every coordinate, and of the log density, below this.
const LARGEST_R_HAT: f64 = 1.25;
/// Share of divergent transitions.
const LARGEST_DIVERGENCE_SHARE: f64 = 0.005;
/// Draws pooled, per coordinate that a dense metric has learnt.
const DRAWS_PER_COORDINATE: f64 = 3.0;
/// Draws pooled, at least.
const FEWEST_DRAWS: f64 = 60.0;

/// Most ln of a factor by which a metric that was handed over may be off in any direction (1.5 in variance, 1.2 in scale): one learnt from a
/// window as short is no better.
const SMALL_CHANGE: f64 = 0.4;
/// The mean gradient of a coordinate in which the density is round says how many standard deviations the draws' centre lies off the
/// density's. Most of that.
const FARTHEST_OFF: f64 = 0.5;
/// Where coordinates are too many to hear a slow one, a run that began warm has slow ones where they belong, or as far off as one
/// posterior is from the next: it may settle after this share of the most transitions.
const WARM_SHARE_OF_MANY: f64 = 0.2;

/// What a window changed.
pub(super) struct Change {
    /// Largest |ln| of the factors by which the metric moved.
    pub(super) metric: f64,
    /// Whether that metric is dense.
    pub(super) dense: bool,
    /// Divergent transitions per transition.
    pub(super) divergence_share: f64,
}

/// Draws that a window must pool for its metric to be judged.
pub(super) fn draws_wanted(dim: usize, dense: bool) -> f64 {
    if dense { (DRAWS_PER_COORDINATE * dim as f64).max(FEWEST_DRAWS) } else { FEWEST_DRAWS }
}

/// What is known of a warm-up beside its last window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// Whether it began where an earlier run ended.
    pub(super) warm: bool,
    /// Transitions made, as a share of the most.
    pub(super) share: f64,
}

/// Whether a metric that was handed over still holds, and the chains stand where the density is: of a window that has settled.
pub(super) fn recognised(chains: &[Contribution], change: &Change, inverse_mass: &[f64]) -> bool {
    let pooled = Contribution::pool(chains, inverse_mass.len());
    let off = |i: usize| pooled.gradients.mean()[i].abs() * inverse_mass[i].sqrt();
    let near = (0..inverse_mass.len()).filter(|&i| off(i) < FARTHEST_OFF).count();
    change.metric < SMALL_CHANGE && near >= inverse_mass.len() - inverse_mass.len() / 100
}

/// Whether nothing is left to learn. Where coordinates are too many for a dense metric, a few slow ones (the spread of ten thousand groups,
/// say) cannot be heard among the calm: such a warm-up runs its full length, or a good part of it where it began warm.
pub(super) fn settled(chains: &[Contribution], change: &Change, run: Run) -> bool {
    let draws: f64 = chains.iter().map(|c| c.draws.count()).sum();
    let dim = chains.first().map_or(0, |c| c.draws.mean().len());
    (dim <= MAX_HESSIAN_DIM || run.warm && run.share >= WARM_SHARE_OF_MANY)
        && draws >= draws_wanted(dim, change.dense)
        && change.metric < LARGEST_CHANGE
        && change.divergence_share <= LARGEST_DIVERGENCE_SHARE
        && levels_agree(chains)
        && coordinates_agree(chains, dim)
}

/// √(1 + B/W) from every part's moments.
fn disagreement(parts: &[&Moments], i: usize) -> f64 {
    let mut means = Moments::new(1);
    parts.iter().for_each(|p| means.push(&[p.mean()[i]]));
    let within = parts.iter().map(|p| p.variance(i)).sum::<f64>() / parts.len() as f64;
    (1.0 + means.variance(0) / within).sqrt()
}

/// Every coordinate, over chains (a single chain has nothing to disagree with). Of hundreds, one in a hundred may disagree by chance.
fn coordinates_agree(chains: &[Contribution], dim: usize) -> bool {
    let parts: Vec<&Moments> = chains.iter().map(|c| &c.draws).collect();
    let agree = (0..dim).filter(|&i| disagreement(&parts, i) < LARGEST_R_HAT).count();
    parts.len() < 2 || agree >= dim - dim / 100
}

/// The log density, over halves of chains: a drift shows in one chain already.
fn levels_agree(chains: &[Contribution]) -> bool {
    let halves: Vec<Moments> = chains
        .iter()
        .flat_map(|c| {
            let (early, late) = c.levels.split_at(c.levels.len() / 2);
            [early, late]
        })
        .map(|half| {
            let mut moments = Moments::new(1);
            half.iter().for_each(|l| moments.push(&[*l]));
            moments
        })
        .collect();
    disagreement(&halves.iter().collect::<Vec<_>>(), 0) < LARGEST_R_HAT
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::{Purpose, Stream};

    const COLD: Run = Run { warm: false, share: 0.1 };
    const STILL: Change = Change { metric: 0.2, dense: true, divergence_share: 0.0 };

    /// Four chains of 32 draws in three coordinates, moved by `shift(chain, draw)`; the level is that of a standard normal.
    fn chains(shift: impl Fn(usize, usize) -> f64, level: impl Fn(usize) -> f64) -> Vec<Contribution> {
        (0..4)
            .map(|c| {
                let mut one = Contribution::new(3, 0);
                for t in 0..32 {
                    let mut stream = Stream::new(2, Purpose::Test, c as u64, t as u32);
                    let z: Vec<f64> = (0..3).map(|_| stream.normal()).collect();
                    let lp = -0.5 * z.iter().map(|z| z * z).sum::<f64>() + level(t);
                    one.push(&z.iter().map(|z| z + shift(c, t)).collect::<Vec<_>>(), &[0.0; 3], lp);
                }
                one
            })
            .collect()
    }

    #[test]
    fn independent_draws_have_settled() {
        assert!(settled(&chains(|_, _| 0.0, |_| 0.0), &STILL, COLD));
    }

    /// As calm as can be, in one coordinate more than a dense metric takes.
    #[test]
    fn very_many_coordinates_never_settle_early() {
        let of = |dim: usize| -> Vec<Contribution> {
            let one = |c: u64| {
                let mut one = Contribution::new(dim, 0);
                for t in 0..400 {
                    let mut stream = Stream::new(3, Purpose::Test, c, t);
                    let z: Vec<f64> = (0..dim).map(|_| stream.normal()).collect();
                    one.push(&z, &vec![0.0; dim], stream.normal());
                }
                one
            };
            (0..4).map(one).collect()
        };
        assert!(settled(&of(MAX_HESSIAN_DIM), &STILL, COLD));
        assert!(!settled(&of(MAX_HESSIAN_DIM + 1), &Change { dense: false, ..STILL }, COLD));
    }

    #[test]
    fn every_doubt_counts() {
        let calm = chains(|_, _| 0.0, |_| 0.0);
        assert!(!settled(&calm, &Change { metric: 2.0, ..STILL }, COLD));
        assert!(!settled(&calm, &Change { metric: f64::NAN, ..STILL }, COLD));
        assert!(!settled(&calm, &Change { divergence_share: 0.02, ..STILL }, COLD));
        assert!(!settled(&calm[..1], &STILL, COLD), "32 draws are too few");
        assert!(!settled(&chains(|c, _| c as f64, |_| 0.0), &STILL, COLD), "chains in different places");
        assert!(!settled(&chains(|_, _| 0.0, |t| 0.2 * t as f64), &STILL, COLD), "a level that drifts");
    }
}
