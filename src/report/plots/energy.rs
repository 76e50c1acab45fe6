//! Energies of the chains beside how far one transition moves them, and what that makes of every chain: where the second curve is much
//! narrower than the first, chains walk through energies slowly.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Energy;
use super::{Frame, Size, highest};

/// Chains with a line of their own; more share one.
const LINES: usize = 12;

/// Draws the two densities and E-BFMI by chain; `limit` is what E-BFMI must be above.
pub(in crate::report) fn energy(e: &Energy, limit: f64, size: Size) -> String {
    let wide = size.is_wide();
    let height = if wide { 240.0 } else { 420.0 };
    let mut svg =
        Svg::new(size.width(), height, "Energies, and how far one transition moves them", &describe(e, limit));
    let right = size.width() - 8.0;
    let (curves, dots) = if wide {
        let at = 500.0;
        (
            Frame { left: 8.0, right: at, top: 30.0, bottom: height - 40.0 },
            Frame { left: at + 72.0, right, top: 30.0, bottom: height - 40.0 },
        )
    } else {
        (
            Frame { left: 8.0, right, top: 30.0, bottom: 170.0 },
            Frame { left: 64.0, right, top: 236.0, bottom: height - 40.0 },
        )
    };
    densities(&mut svg, &curves, e);
    by_chain(&mut svg, &dots, e, limit);
    svg.finish()
}

fn densities(svg: &mut Svg, frame: &Frame, e: &Energy) {
    let xs = || e.marginal.x.iter().chain(&e.transition.x).copied().filter(|v| v.is_finite());
    let (low, high) = (xs().fold(f64::INFINITY, f64::min), xs().fold(f64::NEG_INFINITY, f64::max));
    let x = Scale::linear(low, high, (frame.left, frame.right));
    let top = highest(e.marginal.y.iter().chain(&e.transition.y).copied(), 1e-12);
    let y = Scale::linear(0.0, top, (frame.bottom, frame.top + 14.0));
    let points = |d: &super::super::view::Density| -> Vec<(f64, f64)> {
        d.x.iter().zip(&d.y).map(|(&at, &v)| (x.at(at), y.at(v))).collect()
    };
    let marginal = points(&e.marginal);
    let area: Vec<_> = marginal.iter().map(|&(x, y)| (x, frame.bottom, y)).collect();
    svg.area("band", &area);
    svg.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom));
    svg.polyline("model-line", marginal.iter().copied());
    let transition = points(&e.transition);
    svg.polyline("tail-line", transition.iter().copied());
    let (ticks, decimals) = x.ticks(5);
    for tick in ticks {
        svg.text("tick", (x.at(tick), frame.bottom + 17.0), Anchor::Middle, &numbers::fixed(tick, decimals));
    }
    let middle = (frame.left + frame.right) / 2.0;
    svg.text("axis-title", (middle, frame.bottom + 34.0), Anchor::Middle, "energy less its mean, and its change");
    svg.text("model-label", (frame.left, frame.top - 8.0), Anchor::Start, "energy of the draws");
    svg.text("tail-label", (frame.right, frame.top - 8.0), Anchor::End, "change in one transition");
}

fn by_chain(svg: &mut Svg, frame: &Frame, e: &Energy, limit: f64) {
    let high = highest(e.e_bfmi.iter().copied(), 1.2);
    let x = Scale::linear(0.0, high, (frame.left, frame.right)).nice(3);
    let (ticks, decimals) = x.ticks(3);
    for tick in ticks {
        let at = x.at(tick);
        svg.line("grid", (at, frame.top), (at, frame.bottom));
        svg.text("tick", (at, frame.bottom + 17.0), Anchor::Middle, &numbers::fixed(tick, decimals));
    }
    let wall = x.at(limit);
    svg.line("reference", (wall, frame.top), (wall, frame.bottom));
    svg.text("warm-label", (wall, frame.top - 8.0), Anchor::Middle, &format!("limit {}", numbers::short(limit)));
    let n = e.e_bfmi.len().max(1) as f64;
    let step = (frame.bottom - frame.top) / n;
    let (mut dots, mut crosses) = (Vec::new(), Vec::new());
    for (chain, value) in e.e_bfmi.iter().enumerate() {
        let at = frame.top + (chain as f64 + 0.5) * step;
        if e.e_bfmi.len() <= LINES {
            svg.text("tick", (frame.left - 8.0, at + 4.0), Anchor::End, &format!("chain {}", chain + 1));
            svg.line("grid", (frame.left, at), (frame.right, at));
        }
        if *value < limit {
            crosses.push((x.at(*value), at));
        } else {
            dots.push((x.at(*value), at));
        }
    }
    let few = e.e_bfmi.len() <= LINES;
    svg.dots(if few { "chain-dots" } else { "points" }, dots);
    svg.crosses("cross", crosses, if few { 4.0 } else { 2.5 });
    if e.e_bfmi.len() > LINES {
        let chains = format!("{} chains", numbers::whole(e.e_bfmi.len() as u64));
        svg.text("tick", (frame.left - 8.0, frame.top + 10.0), Anchor::End, &chains);
    }
    let middle = (frame.left + frame.right) / 2.0;
    svg.text("axis-title", (middle, frame.bottom + 34.0), Anchor::Middle, "E-BFMI by chain, more is better");
}

fn describe(e: &Energy, limit: f64) -> String {
    let low = e.e_bfmi.iter().filter(|v| **v < limit).count();
    let least = e.e_bfmi.iter().copied().filter(|v| v.is_finite()).fold(f64::INFINITY, f64::min);
    match (e.e_bfmi.len(), low) {
        (0, _) => String::from("There is no E-BFMI to show."),
        (n, 0) => format!(
            "E-BFMI of all {n} chains is above {}; the least is {}.",
            numbers::short(limit),
            numbers::fixed(least, 2)
        ),
        (n, low) => format!(
            "E-BFMI of {low} of {n} chains is below {}: they explore energies too slowly. The least is {}.",
            numbers::short(limit),
            numbers::fixed(least, 2)
        ),
    }
}
