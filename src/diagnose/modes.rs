//! Chains that sit in distinct places: clusters of chains by their medians, where each cluster agrees within itself.
//!
//! Chains are ordered by median and parted where two neighbours lie further apart than [`GAP`] of the wider one's standard deviation (half
//! the distance of its 16 % and 84 % quantiles). They are modes only if the halves of the chains in every place agree: chains that
//! wander slowly lie apart too, but not even each with itself.

use ndarray::{ArrayView2, Axis};

use super::chains::split;
use super::quantile::quantile_sorted;
use super::r_hat::plain;

/// Standard deviations between neighbours that part them.
pub(super) const GAP: f64 = 3.0;
/// R-hat within a place above which it is no place.
const WANDERING: f64 = 1.2;
/// Draws per chain from which a median and a spread are worth comparing.
const LEAST_DRAWS: usize = 20;

/// Where some chains sit.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// Chains, from 0, ascending.
    pub(super) chains: Vec<usize>,
    /// The median of their medians.
    pub(super) centre: f64,
}

/// Distinct places, ascending, and the widest gap between neighbours in standard deviations.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Places {
    pub(super) places: Vec<Place>,
    pub(super) gap: f64,
}

/// The places in which chains of draws `[chain, draw]` sit, if there are two or more; `without` are chains to leave out.
pub(super) fn places(draws: ArrayView2<'_, f64>, without: &[usize]) -> Option<Places> {
    if draws.ncols() < LEAST_DRAWS {
        return None;
    }
    let mut chains: Vec<(f64, f64, usize)> = Vec::with_capacity(draws.nrows());
    for (ix, chain) in draws.axis_iter(Axis(0)).enumerate().filter(|(ix, _)| !without.contains(ix)) {
        let mut sorted = chain.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let at = |prob| quantile_sorted(&sorted, prob);
        chains.push((at(0.5), (at(0.841_345) - at(0.158_655)) / 2.0, ix));
    }
    chains.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.2.cmp(&b.2)));
    let gap = |a: &(f64, f64, usize), b: &(f64, f64, usize)| (b.0 - a.0) / a.1.max(b.1);
    let together = |a: &(f64, f64, usize), b: &(f64, f64, usize)| gap(a, b).is_nan() || gap(a, b) <= GAP;
    let widest = chains.iter().zip(chains.iter().skip(1)).map(|(a, b)| gap(a, b)).fold(0.0, f64::max);
    let places: Vec<Place> = chains
        .chunk_by(together)
        .map(|place| {
            let mut chains: Vec<usize> = place.iter().map(|(.., ix)| *ix).collect();
            chains.sort_unstable();
            Place { chains, centre: place[place.len() / 2].0 }
        })
        .collect();
    let settled = |place: &Place| {
        let rows = draws.select(Axis(0), &place.chains);
        plain(split(rows.view()).view()) < WANDERING
    };
    (places.len() > 1 && places.iter().all(settled)).then_some(Places { places, gap: widest })
}
