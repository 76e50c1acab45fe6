//! A few parameters two by two: draws as dots, draws whose transition diverged as crosses on top.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Pairs;
use super::{Frame, Size};

/// Draws the lower triangle. `divergences` is how many there are in all, drawn or not.
pub(in crate::report) fn pairs(pairs: &Pairs, divergences: u64, size: Size) -> String {
    let n = pairs.names.len();
    let cells = n.saturating_sub(1).max(1);
    // A bold name of thirteen letters and a tick of five beside it.
    let (left, gap) = if size.is_wide() { (132.0, 10.0) } else { (46.0, 5.0) };
    let foot = 44.0;
    // Two parameters alone need no more than half of a page.
    let paper = if size.is_wide() { [440.0, 640.0, 840.0][(cells - 1).min(2)] } else { size.width() };
    let cell = (paper - left - 6.0 - gap * (cells - 1) as f64) / cells as f64;
    let tall = cell * 0.78;
    let top = 26.0;
    let height = top + cells as f64 * (tall + gap) - gap + foot;
    let mut svg = Svg::new(size.width(), height, "Draws of parameters, two by two", &describe(pairs, divergences));
    if n < 2 {
        return svg.finish();
    }
    let scale = |k: usize, range: (f64, f64)| {
        let all =
            || pairs.points.iter().chain(&pairs.divergent).filter_map(|p| p.get(k)).copied().filter(|v| v.is_finite());
        let (low, high) = (all().fold(f64::INFINITY, f64::min), all().fold(f64::NEG_INFINITY, f64::max));
        let margin = 0.04 * (high - low);
        Scale::linear(low - margin, high + margin, range)
    };
    for row in 1..n {
        for column in 0..row {
            let from = (left + column as f64 * (cell + gap), top + (row - 1) as f64 * (tall + gap));
            let frame = Frame { left: from.0, right: from.0 + cell, top: from.1, bottom: from.1 + tall };
            let (x, y) = (scale(column, (frame.left, frame.right)), scale(row, (frame.bottom, frame.top)));
            svg.rect("panel-ground", from, (cell, tall), None);
            let place = |p: &Vec<f64>| (x.at(p[column]), y.at(p[row]));
            svg.dots("points", pairs.points.iter().map(place));
            svg.crosses("cross", pairs.divergent.iter().map(place), 3.0);
            if column == 0 {
                side(&mut svg, &frame, &y, &pairs.names[row], size);
            }
            if row == n - 1 {
                feet(&mut svg, &frame, &x, &pairs.names[column]);
            }
        }
    }
    key(&mut svg, left + cell * if n == 2 { 0.0 } else { 1.0 } + if n == 2 { 0.0 } else { gap }, top, divergences, n);
    svg.finish()
}

fn side(svg: &mut Svg, frame: &Frame, y: &Scale, name: &str, size: Size) {
    let most = if size.is_wide() { 13 } else { 7 };
    let (ticks, decimals) = y.ticks(2);
    let middle = (frame.top + frame.bottom) / 2.0;
    if size.is_wide() {
        for tick in ticks {
            svg.text("small", (frame.left - 5.0, y.at(tick) + 4.0), Anchor::End, &numbers::fixed(tick, decimals));
        }
        svg.text("symbol-label", (0.0, middle + 4.0), Anchor::Start, &super::shortened(name, most));
    } else {
        svg.text("symbol-label", (frame.left - 5.0, middle + 4.0), Anchor::End, &super::shortened(name, most));
    }
}

fn feet(svg: &mut Svg, frame: &Frame, x: &Scale, name: &str) {
    let middle = (frame.left + frame.right) / 2.0;
    let (ticks, decimals) = x.ticks(if frame.width() > 120.0 { 3 } else { 2 });
    for tick in ticks {
        let text = numbers::fixed(tick, decimals);
        let half = 3.2 * text.chars().count() as f64;
        let at = x.at(tick).clamp(frame.left + half, (frame.right - half).max(frame.left + half));
        svg.text("small", (at, frame.bottom + 14.0), Anchor::Middle, &text);
    }
    let most = (frame.width() / 8.0).max(4.0) as usize;
    svg.text("symbol-label", (middle, frame.bottom + 33.0), Anchor::Middle, &super::shortened(name, most));
}

/// What the marks are, in the empty corner.
fn key(svg: &mut Svg, left: f64, top: f64, divergences: u64, n: usize) {
    let at = if n == 2 { top - 10.0 } else { top + 12.0 };
    svg.dots("points strong", [(left + 6.0, at - 4.0)]);
    svg.text("tick", (left + 16.0, at), Anchor::Start, "a draw");
    let (x, y) = if n == 2 { (left + 74.0, at) } else { (left + 6.0, at + 20.0) };
    if divergences > 0 {
        svg.crosses("cross", [(x, y - 4.0)], 3.5);
        let what = format!("one that diverged ({} in all)", numbers::whole(divergences));
        svg.text("bad-label", (x + 10.0, y), Anchor::Start, &what);
    } else {
        svg.text("tick", (x + if n == 2 { 0.0 } else { 10.0 }, y), Anchor::Start, "none diverged");
    }
}

fn describe(pairs: &Pairs, divergences: u64) -> String {
    let mut out = format!("{} draws of {}.", pairs.points.len() + pairs.divergent.len(), pairs.names.join(", "));
    if let Some((i, j, r)) = pairs.strongest.filter(|(_, _, r)| r.is_finite())
        && let (Some(a), Some(b)) = (pairs.names.get(i), pairs.names.get(j))
    {
        out += &format!(" {a} and {b} go together most, correlation {}.", numbers::fixed(r, 2));
    }
    out += &match divergences {
        0 => String::from(" No transition diverged."),
        n => format!(" {} transitions diverged; crosses mark where.", numbers::whole(n)),
    };
    out
}
