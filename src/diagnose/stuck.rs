//! Chains that hardly move while others do.
//!
//! Two signs, each held against the other chains, so that a parameter that moves rarely by nature is left alone: how many transitions
//! changed the value, and how wide the chain is between its quartiles. Nothing here words a refusal.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::quantile::quantile_sorted;

/// A chain is stuck that moves less than this share of what the most mobile chain moves.
pub(super) const MOVES_SHARE: f64 = 0.1;
/// A chain is stuck that is narrower than this share of the median chain.
pub(super) const SPREAD_SHARE: f64 = 0.05;
/// Moves of the most mobile chain from which a chain with none is told from bad luck (e^−20 for chains that move alike).
const MOVES_TO_SEE_NONE: usize = 20;
/// The same for a chain with some.
const MOVES_TO_SEE_FEW: usize = 50;
/// Draws per chain from which a chain's spread says something.
const DRAWS_TO_SEE_SPREAD: usize = 100;
/// Draws of a chain that its spread is taken from.
const DRAWS_FOR_SPREAD: usize = 101;

/// What gives a chain away.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Sign {
    /// It changed in `moves` transitions, another chain in `most`.
    Moves { moves: usize, most: usize },
    /// It is as wide as this share of the median chain.
    Spread(f64),
}

impl Sign {
    /// The share that failed.
    pub(super) fn share(self) -> f64 {
        match self {
            Self::Moves { moves, most } => moves as f64 / most as f64,
            Self::Spread(share) => share,
        }
    }

    /// The share it was held against.
    pub(super) fn limit(self) -> f64 {
        match self {
            Self::Moves { .. } => MOVES_SHARE,
            Self::Spread(_) => SPREAD_SHARE,
        }
    }
}

/// Stuck chains of draws `[chain, draw]`, from 0, with what gives them away.
pub(super) fn stuck(draws: ArrayView2<'_, f64>) -> Vec<(usize, Sign)> {
    let (chains, n) = draws.dim();
    if chains < 2 {
        return vec![];
    }
    let moves: Vec<usize> = draws
        .axis_iter(Axis(0))
        .map(|chain| chain.iter().zip(chain.iter().skip(1)).filter(|(before, after)| before != after).count())
        .collect();
    let most = moves.iter().copied().max().unwrap_or(0);
    let spreads: Vec<f64> =
        if n < DRAWS_TO_SEE_SPREAD { vec![] } else { draws.axis_iter(Axis(0)).map(spread).collect() };
    let median = {
        let mut sorted = spreads.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted.get(chains / 2).copied().unwrap_or(0.0)
    };
    let sign = |chain: usize| {
        let moved = moves[chain];
        let few = most >= MOVES_TO_SEE_FEW && (moved as f64) < MOVES_SHARE * most as f64;
        if few || (most >= MOVES_TO_SEE_NONE && moved == 0) {
            return Some(Sign::Moves { moves: moved, most });
        }
        let spread = spreads.get(chain)?;
        (*spread < SPREAD_SHARE * median).then(|| Sign::Spread(spread / median))
    };
    (0..chains).filter_map(|chain| Some((chain, sign(chain)?))).collect()
}

/// Distance of the quartiles of evenly spaced draws: untouched by heavy tails, and cheap.
fn spread(chain: ArrayView1<'_, f64>) -> f64 {
    let step = (chain.len() / DRAWS_FOR_SPREAD).max(1);
    let mut some: Vec<f64> = chain.iter().step_by(step).copied().collect();
    some.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&some, 0.75) - quantile_sorted(&some, 0.25)
}
