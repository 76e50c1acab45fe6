//! Small drawings of one parameter: its density, its chains over time, its ranks by chain. They stretch to the room they get
//! and carry no text; the page writes the figures beside them.

use super::super::svg::Svg;
use super::super::view::{Density, Parameter};
use super::highest;

/// Chains drawn in a colour of their own; more share one.
const COLOURS: usize = 8;
/// Points drawn per chain.
const POINTS: usize = 160;
/// Chains drawn at all.
const CHAINS: usize = 64;

/// The parameter's density, with its 5 % to 95 % part shaded; nothing when there is no curve.
pub(in crate::report) fn density(p: &Parameter, title: &str) -> Option<String> {
    let Density { x, y } = p.density.as_ref()?;
    let (low, high) = (*x.first()?, *x.last()?);
    let top = highest(y.iter().copied(), 0.0);
    if !(high > low && top > 0.0) {
        return None;
    }
    let at = |i: usize| (100.0 * (x[i] - low) / (high - low), 96.0 - 92.0 * y[i] / top);
    let mut svg = Svg::stretched("density", title);
    let inside: Vec<_> =
        (0..x.len()).filter(|&i| (p.q05..=p.q95).contains(&x[i])).map(|i| (at(i).0, 96.0, at(i).1)).collect();
    svg.area("band", &inside);
    svg.polyline("model-line", (0..x.len()).map(at));
    let middle = 100.0 * (p.q50 - low) / (high - low);
    svg.line("median", (middle, 4.0), (middle, 96.0));
    Some(svg.finish())
}

/// The chains' values in sampling order with the interval they span; nothing when there are none.
pub(in crate::report) fn trace(p: &Parameter, title: &str) -> Option<(String, f64, f64)> {
    let finite = || p.trace.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || !high.is_finite() {
        return None;
    }
    let span = if high > low { high - low } else { 1.0 };
    let mut svg = Svg::stretched("trace", title);
    for (chain, values) in p.trace.iter().enumerate().take(CHAINS) {
        let every = values.len().div_ceil(POINTS).max(1);
        let last = (values.len().max(2) - 1) as f64;
        svg.polyline(
            &chain_class(chain, p.trace.len()),
            values
                .iter()
                .enumerate()
                .step_by(every)
                .map(|(i, v)| (100.0 * i as f64 / last, 98.0 - 96.0 * (v - low) / span)),
        );
    }
    Some((svg.finish(), low, high))
}

/// How each chain's draws rank among all: flat lines within the band when chains agree; nothing when there are no ranks.
pub(in crate::report) fn rank_plot(p: &Parameter, title: &str) -> Option<String> {
    let bins = p.ranks.iter().map(Vec::len).max().filter(|b| *b > 0)?;
    let total: u64 = p.ranks.iter().flatten().map(|c| u64::from(*c)).sum();
    if total == 0 {
        return None;
    }
    let expected = total as f64 / (p.ranks.len() * bins) as f64;
    // ±2.58 standard deviations of a count with equal chances: 99 % of the counts of independent draws.
    let sd = (expected * (1.0 - 1.0 / bins as f64)).sqrt();
    // Expected in the middle, so that too many and too few look alike.
    let reach = highest(p.ranks.iter().flatten().map(|c| (f64::from(*c) - expected).abs()), 4.0 * sd);
    let y = |v: f64| 50.0 - 48.0 * (v - expected) / reach;
    let mut svg = Svg::stretched("ranks", title);
    let (low, high) = (y(expected - 2.58 * sd), y(expected + 2.58 * sd));
    svg.rect("expected", (0.0, high), (100.0, low - high), None);
    for (chain, counts) in p.ranks.iter().enumerate().take(CHAINS) {
        let step = 100.0 / counts.len().max(1) as f64;
        let corners =
            counts.iter().enumerate().flat_map(|(i, c)| [i, i + 1].map(|k| (k as f64 * step, y(f64::from(*c)))));
        svg.polyline(&chain_class(chain, p.ranks.len()), corners);
    }
    Some(svg.finish())
}

fn chain_class(chain: usize, chains: usize) -> String {
    if chains > COLOURS { String::from("chain many") } else { format!("chain c{chain}") }
}
