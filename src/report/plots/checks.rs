//! Classes of customers side by side: what was counted as a bar or a ring, what the model expects as a dot with its 90 %
//! interval.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Check;
use super::{Frame, Size, grid, highest, upward};

/// How the counted numbers are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Mark {
    /// As bars, for numbers that add up.
    Bars,
    /// As rings on a line, for means.
    Rings,
}

/// Draws the classes in order. `axis` names the classes.
pub(in crate::report) fn checks(rows: &[Check], mark: Mark, title: &str, axis: &str, size: Size) -> String {
    let height = if size.is_wide() { 280.0 } else { 260.0 };
    let inside = rows.iter().filter(|r| (r.predicted.q05..=r.predicted.q95).contains(&r.actual)).count();
    let description =
        format!("{} classes; in {inside} of them the counted value lies within the model's 90 % interval.", rows.len());
    let mut svg = Svg::new(size.width(), height, title, &description);
    let (top, bottom) = (26.0, height - 46.0);
    let high = highest(rows.iter().flat_map(|r| [r.actual, r.predicted.q95]), 1e-9);
    let (y, labels, widest) = upward(high, top, bottom);
    let frame = Frame { left: widest + 12.0, right: size.width() - 4.0, top, bottom };
    grid(&mut svg, &frame, &y, &labels);

    let x = Scale::linear(-0.5, rows.len().max(1) as f64 - 0.5, (frame.left, frame.right));
    let slot = frame.width() / rows.len().max(1) as f64;
    let width = (slot * 0.62).min(64.0);
    // Labels that would touch are written for every second (third, …) class only.
    let widest_label = rows.iter().map(|r| super::text_width(&r.label)).fold(0.0, f64::max) + 4.0;
    let every = ((widest_label / slot).ceil() as usize).max(1);
    for (i, r) in rows.iter().enumerate() {
        let at = x.at(i as f64);
        if mark == Mark::Bars {
            let up = y.at(r.actual);
            svg.rect("bar", (at - width / 2.0, up), (width, bottom - up), None);
        }
        if i % every == 0 {
            svg.text("tick", (at, bottom + 18.0), Anchor::Middle, &r.label);
        }
    }
    if mark == Mark::Rings {
        svg.polyline("actual-line", rows.iter().enumerate().map(|(i, r)| (x.at(i as f64), y.at(r.actual))));
        svg.polyline(
            "model-line faint",
            rows.iter().enumerate().map(|(i, r)| (x.at(i as f64), y.at(r.predicted.mean))),
        );
    }
    for (i, r) in rows.iter().enumerate() {
        let at = x.at(i as f64);
        if mark == Mark::Rings {
            svg.circle("ring", (at, y.at(r.actual)), 4.0);
        }
        svg.line("whisker", (at, y.at(r.predicted.q05)), (at, y.at(r.predicted.q95)));
        svg.circle("dot", (at, y.at(r.predicted.mean)), 3.5);
        let tip = format!(
            "{} {axis}: counted {}, expected {}, {}",
            r.label,
            counted(r.actual),
            numbers::count(r.predicted.mean),
            numbers::count_range(&r.predicted)
        );
        svg.rect("hover", (at - slot / 2.0, top), (slot, bottom - top), Some(&tip));
    }
    if mark == Mark::Bars {
        for (i, r) in rows.iter().enumerate().filter(|_| every == 1) {
            let up = y.at(highest([r.actual, r.predicted.q95], 0.0)) - 7.0;
            svg.text("bar-text", (x.at(i as f64), up), Anchor::Middle, &counted(r.actual));
        }
    }
    svg.text("axis-title", ((frame.left + frame.right) / 2.0, height - 8.0), Anchor::Middle, axis);
    key(&mut svg, frame.right, mark);
    svg.finish()
}

/// What the marks are, written beside a specimen of each, above the plot at the right where counts are low.
fn key(svg: &mut Svg, right: f64, mark: Mark) {
    let y = 12.0;
    svg.text("model-label", (right, y), Anchor::End, "model, 90 %");
    let at = right - 84.0;
    svg.line("whisker", (at, y - 10.0), (at, y + 2.0));
    svg.circle("dot", (at, y - 4.0), 3.5);
    svg.text("actual-label", (at - 16.0, y), Anchor::End, "counted");
    match mark {
        Mark::Bars => svg.rect("bar", (at - 80.0, y - 10.0), (11.0, 11.0), None),
        Mark::Rings => svg.circle("ring", (at - 75.0, y - 4.0), 4.0),
    }
}

/// What was counted: whole where it is whole.
fn counted(value: f64) -> String {
    if value.fract() == 0.0 { numbers::fixed(value, 0) } else { numbers::count(value) }
}
