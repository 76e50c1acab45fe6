//! P(alive) over repeat purchases and the time of the last one, as shaded cells with the figure written in where it fits.

use super::super::numbers;
use super::super::svg::{Anchor, Svg};
use super::super::view::AliveMap;
use super::{Frame, Size};

/// Draws the map, recency upwards, frequency to the right.
pub(in crate::report) fn heat_map(map: &AliveMap, unit: &str, size: Size) -> String {
    let (columns, rows) = (map.frequency.len(), map.recency.len());
    let wide = size.is_wide();
    let height = if wide { 400.0 } else { 360.0 };
    let title = "Probability of still being a customer";
    let mut svg = Svg::new(size.width(), height, title, &describe(map, unit));
    if columns == 0 || rows == 0 {
        return svg.finish();
    }
    let frame = Frame { left: 44.0, right: size.width() - 4.0, top: 36.0, bottom: height - 46.0 };
    let (w, h) = (frame.width() / columns as f64, (frame.bottom - frame.top) / rows as f64);
    // Room between cells only while cells are large.
    let gap = if w.min(h) > 10.0 { 2.0 } else { 0.0 };
    let written = w >= 34.0 && h >= 17.0;
    for (j, row) in map.probability.iter().enumerate() {
        for (i, p) in row.iter().enumerate() {
            let at = (frame.left + i as f64 * w, frame.bottom - (j + 1) as f64 * h);
            let Some(p) = p.filter(|p| p.is_finite()) else {
                svg.rect("empty-cell", at, (w - gap, h - gap), None);
                continue;
            };
            let tip = format!(
                "{} repeat purchases, the last at {} {unit}: {}",
                map.frequency[i],
                numbers::short(map.recency[j]),
                numbers::percent_whole(p)
            );
            svg.shaded_rect("cell", at, (w - gap, h - gap), Some(shade(p)), Some(&tip));
            if written {
                let class = if p > 0.68 { "cell-text on" } else { "cell-text" };
                let text = numbers::fixed(100.0 * p, 0);
                svg.text(class, (at.0 + (w - gap) / 2.0, at.1 + (h - gap) / 2.0 + 4.0), Anchor::Middle, &text);
            }
        }
    }
    let every = (28.0 / w).ceil().max(1.0) as usize;
    for (i, f) in map.frequency.iter().enumerate().step_by(every) {
        let at = frame.left + (i as f64 + 0.5) * w - gap / 2.0;
        svg.text("tick", (at, frame.bottom + 16.0), Anchor::Middle, &f.to_string());
    }
    let every = (18.0 / h).ceil().max(1.0) as usize;
    for (j, r) in map.recency.iter().enumerate().step_by(every) {
        let at = frame.bottom - (j as f64 + 0.5) * h + 4.0 - gap / 2.0;
        svg.text("tick", (frame.left - 8.0, at), Anchor::End, &numbers::fixed(*r, 0));
    }
    svg.text("axis-title", ((frame.left + frame.right) / 2.0, height - 8.0), Anchor::Middle, "repeat purchases");
    let up = if wide { format!("last purchase, {unit} after the first") } else { format!("last purchase, {unit}") };
    svg.text("axis-title", (4.0, 14.0), Anchor::Start, &up);
    ramp(&mut svg, frame.right);
    svg.finish()
}

/// The opacity of a probability; never quite nothing, so that a zero is told from a cell that cannot be.
fn shade(p: f64) -> f64 {
    0.05 + 0.95 * p
}

/// What the shades mean.
fn ramp(svg: &mut Svg, right: f64) {
    let (steps, width) = (10, 10.0);
    let left = right - 40.0 - f64::from(steps) * width;
    svg.text("tick", (left - 6.0, 14.0), Anchor::End, "0 %");
    for i in 0..steps {
        let p = (f64::from(i) + 0.5) / f64::from(steps);
        svg.shaded_rect("cell", (left + f64::from(i) * width, 4.0), (width, 12.0), Some(shade(p)), None);
    }
    svg.text("tick", (right, 14.0), Anchor::End, "100 %");
}

fn describe(map: &AliveMap, unit: &str) -> String {
    let finite = map.probability.iter().flatten().flatten().filter(|p| p.is_finite());
    let (low, high) = finite.fold((1.0_f64, 0.0_f64), |(l, h), p| (l.min(*p), h.max(*p)));
    if low > high {
        return String::from("There is nothing to show.");
    }
    format!(
        "For a customer first seen {} {unit} ago; from {} to {}.",
        numbers::short(map.age),
        numbers::percent_whole(low),
        numbers::percent_whole(high)
    )
}
