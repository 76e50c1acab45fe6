//! One parameter's chains in four small plots: values in sampling order, ranks by chain, autocorrelation, and what more and more draws
//! are worth. One drawing of a width that fits half a page and a phone alike.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::{Limits, Parameter};
use super::{Frame, highest};

/// Chains drawn in a colour of their own; more share one.
const COLOURS: usize = 8;
/// Points drawn per chain, and over all chains.
const POINTS: usize = 160;
const ALL_POINTS: usize = 2_600;
/// Chains drawn at all.
pub(in crate::report) const CHAINS: usize = 64;

const WIDTH: f64 = 404.0;
const HEIGHT: f64 = 236.0;

/// Draws the panel; nothing when there is nothing to draw. `name` is what the parameter is called.
pub(in crate::report) fn panel(p: &Parameter, name: &str, limits: &Limits) -> Option<String> {
    if p.trace.is_empty() && p.ranks.is_empty() && p.growth.is_empty() {
        return None;
    }
    let mut svg = Svg::new(WIDTH, HEIGHT, &format!("Chains of {name}"), &describe(p, limits));
    let (left, gap, right) = (46.0, 58.0, WIDTH - 6.0);
    let row = |top: f64| (top, top + 76.0);
    let split = |share: f64| left + share * (right - left - gap);
    let frame = |from: f64, to: f64, (top, bottom): (f64, f64)| Frame { left: from, right: to, top, bottom };
    let (first, second) = (row(18.0), row(138.0));
    trace(&mut svg, &frame(left, split(0.62), first), p);
    ranks(&mut svg, &frame(split(0.62) + gap, right, first), p);
    memory(&mut svg, &frame(left, split(0.5), second), p);
    growth(&mut svg, &frame(split(0.5) + gap, right - 26.0, second), p, limits);
    Some(svg.finish())
}

/// What the four plots say.
fn describe(p: &Parameter, limits: &Limits) -> String {
    let agree = if p.r_hat < limits.r_hat { "agree" } else { "do not agree" };
    let enough = if p.ess_bulk > limits.ess && p.ess_tail > limits.ess { "enough" } else { "too few" };
    let mut out = format!(
        "{} chains, which {agree}: R-hat {}. They are worth {} independent draws in the bulk and {} in the tails, {enough} (more than {} are wanted).",
        p.trace.len().max(p.ranks.len()),
        numbers::fixed(p.r_hat, 3),
        numbers::fixed(p.ess_bulk, 0),
        numbers::fixed(p.ess_tail, 0),
        numbers::short(limits.ess)
    );
    if let Some(lag) = forgotten(p) {
        out += &format!(" Autocorrelation falls below 0.1 after {lag} draws.");
    }
    out
}

/// The first lag at which no chain's autocorrelation is above 0.1.
fn forgotten(p: &Parameter) -> Option<usize> {
    let lags = p.autocorrelation.iter().map(Vec::len).min()?;
    (0..lags).find(|&lag| p.autocorrelation.iter().all(|chain| chain[lag] < 0.1))
}

fn heading(svg: &mut Svg, frame: &Frame, text: &str) {
    svg.text("small", (frame.left, frame.top - 6.0), Anchor::Start, text);
    svg.rect("panel-ground", (frame.left, frame.top), (frame.width(), frame.bottom - frame.top), None);
}

/// Ends of the vertical axis.
fn ends(svg: &mut Svg, frame: &Frame, low: &str, high: &str) {
    svg.text("small", (frame.left - 6.0, frame.top + 9.0), Anchor::End, high);
    svg.text("small", (frame.left - 6.0, frame.bottom), Anchor::End, low);
}

/// Ends of the horizontal axis.
fn feet(svg: &mut Svg, frame: &Frame, left: &str, right: &str) {
    svg.text("small", (frame.left, frame.bottom + 14.0), Anchor::Start, left);
    svg.text("small", (frame.right, frame.bottom + 14.0), Anchor::End, right);
}

fn trace(svg: &mut Svg, frame: &Frame, p: &Parameter) {
    heading(svg, frame, "trace");
    let finite = || p.trace.iter().flatten().copied().filter(|v| v.is_finite());
    let (low, high) = (finite().fold(f64::INFINITY, f64::min), finite().fold(f64::NEG_INFINITY, f64::max));
    if !low.is_finite() || !high.is_finite() {
        return;
    }
    let y = Scale::linear(low, high, (frame.bottom - 2.0, frame.top + 2.0));
    let most = (ALL_POINTS / p.trace.len().clamp(1, CHAINS)).clamp(24, POINTS);
    for (chain, values) in p.trace.iter().enumerate().take(CHAINS) {
        let every = values.len().div_ceil(most).max(1);
        let x = Scale::linear(0.0, (values.len().max(2) - 1) as f64, (frame.left, frame.right));
        let points = values.iter().enumerate().step_by(every).map(|(i, v)| (x.at(i as f64), y.at(*v)));
        svg.polyline(&chain_class(chain, p.trace.len()), points);
    }
    let digits = |v: f64| numbers::significant(v, 3);
    ends(svg, frame, &digits(low), &digits(high));
    feet(svg, frame, "first draw", "last");
}

fn ranks(svg: &mut Svg, frame: &Frame, p: &Parameter) {
    heading(svg, frame, "ranks by chain");
    let bins = p.ranks.iter().map(Vec::len).max().unwrap_or(0);
    let total: u64 = p.ranks.iter().flatten().map(|c| u64::from(*c)).sum();
    if total == 0 {
        return;
    }
    let expected = total as f64 / (p.ranks.len() * bins) as f64;
    // ±2.58 standard deviations of a count with equal chances: 99 % of the counts of independent draws.
    let sd = (expected * (1.0 - 1.0 / bins as f64)).sqrt();
    // Expected in the middle, so that too many and too few look alike.
    let reach = highest(p.ranks.iter().flatten().map(|c| (f64::from(*c) - expected).abs()), 4.0 * sd);
    let y = Scale::linear(expected - reach, expected + reach, (frame.bottom - 2.0, frame.top + 2.0));
    let (low, high) = (y.at(expected - 2.58 * sd), y.at(expected + 2.58 * sd));
    svg.rect("expected", (frame.left, high), (frame.width(), low - high), None);
    for (chain, counts) in p.ranks.iter().enumerate().take(CHAINS) {
        let x = Scale::linear(0.0, counts.len().max(1) as f64, (frame.left, frame.right));
        let corners =
            counts.iter().enumerate().flat_map(|(i, c)| [i, i + 1].map(|k| (x.at(k as f64), y.at(f64::from(*c)))));
        svg.polyline(&chain_class(chain, p.ranks.len()), corners);
    }
    feet(svg, frame, "low", "high");
}

fn memory(svg: &mut Svg, frame: &Frame, p: &Parameter) {
    heading(svg, frame, "autocorrelation");
    let lags = p.autocorrelation.iter().map(Vec::len).max().unwrap_or(0);
    if lags < 2 {
        return;
    }
    let least = p.autocorrelation.iter().flatten().copied().filter(|v| v.is_finite()).fold(-0.2, f64::min);
    let x = Scale::linear(0.0, (lags - 1) as f64, (frame.left, frame.right));
    let y = Scale::linear(least, 1.0, (frame.bottom - 2.0, frame.top + 2.0));
    svg.line("axis", (frame.left, y.at(0.0)), (frame.right, y.at(0.0)));
    if p.autocorrelation.len() > COLOURS {
        let band: Vec<_> = (0..lags)
            .map(|lag| {
                let at = || p.autocorrelation.iter().filter_map(|c| c.get(lag)).copied().filter(|v| v.is_finite());
                let (low, high) = (at().fold(f64::INFINITY, f64::min), at().fold(f64::NEG_INFINITY, f64::max));
                (x.at(lag as f64), y.at(low), y.at(high))
            })
            .collect();
        svg.area("band", &band);
    }
    for (chain, rho) in p.autocorrelation.iter().enumerate().take(COLOURS) {
        let points = rho.iter().enumerate().map(|(lag, v)| (x.at(lag as f64), y.at(*v)));
        svg.polyline(&chain_class(chain, p.autocorrelation.len()), points);
    }
    svg.text("small", (frame.left - 6.0, frame.top + 9.0), Anchor::End, "1");
    svg.text("small", (frame.left - 6.0, y.at(0.0) + 4.0), Anchor::End, "0");
    feet(svg, frame, "lag 0", &(lags - 1).to_string());
}

fn growth(svg: &mut Svg, frame: &Frame, p: &Parameter, limits: &Limits) {
    heading(svg, frame, "effective draws");
    let Some(last) = p.growth.last() else { return };
    let high = highest(p.growth.iter().flat_map(|g| [g.bulk, g.tail]), 1.2 * limits.ess);
    let x = Scale::linear(0.0, last.draws as f64, (frame.left, frame.right));
    let y = Scale::linear(0.0, high, (frame.bottom, frame.top + 4.0));
    let wanted = y.at(limits.ess);
    svg.line("reference", (frame.left, wanted), (frame.right, wanted));
    type Of = fn(&super::super::view::Growth) -> f64;
    let lines: [(&str, &str, Of); 2] = [("model-line", "bulk", |g| g.bulk), ("tail-line", "tail", |g| g.tail)];
    for (class, _, of) in lines {
        svg.polyline(class, p.growth.iter().map(|g| (x.at(g.draws as f64), y.at(of(g)))));
        svg.dots(&format!("{class}-dots"), p.growth.iter().map(|g| (x.at(g.draws as f64), y.at(of(g)))));
    }
    let names: Vec<_> = lines.iter().filter(|(_, _, of)| of(last).is_finite()).collect();
    let places: Vec<f64> = names.iter().map(|(_, _, of)| y.at(of(last)) + 4.0).collect();
    for ((class, name, _), at) in names.iter().zip(super::spread(&places, 12.0)) {
        let class = if *class == "model-line" { "small model-label" } else { "small tail-label" };
        svg.text(class, (frame.right + 6.0, at), Anchor::Start, name);
    }
    // What is wanted is named, and what would lie on its name is not.
    svg.text("small", (frame.left - 6.0, wanted + 4.0), Anchor::End, &numbers::short(limits.ess));
    if wanted - frame.top > 18.0 {
        svg.text("small", (frame.left - 6.0, frame.top + 9.0), Anchor::End, &numbers::significant(high, 2));
    }
    if frame.bottom - wanted > 16.0 {
        svg.text("small", (frame.left - 6.0, frame.bottom), Anchor::End, "0");
    }
    feet(svg, frame, "0", &format!("{} draws", numbers::whole(last.draws)));
}

fn chain_class(chain: usize, chains: usize) -> String {
    if chains > COLOURS { String::from("chain many") } else { format!("chain c{chain}") }
}
