//! One parameter of every group: its posterior interval, highest first.

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::super::view::Parameter;
use super::{Frame, Size, shortened};

/// Draws one row per group, in the order given, with a gap after `cut` rows where groups are left out. `labels` name the rows.
pub(in crate::report) fn forest(rows: &[(&Parameter, String)], cut: Option<usize>, name: &str, size: Size) -> String {
    let step = 20.0;
    let gap = if cut.is_some() { 18.0 } else { 0.0 };
    let (top, foot) = (10.0, 40.0);
    let height = top + rows.len() as f64 * step + gap + foot;
    let mut svg = Svg::new(size.width(), height, &format!("{name} of every group"), &describe(rows, name));
    let most = if size.is_wide() { 26 } else { 13 };
    let labels: Vec<String> = rows.iter().map(|(_, label)| shortened(label, most)).collect();
    let widest = labels.iter().map(|l| super::text_width(l)).fold(30.0, f64::max);
    let frame = Frame { left: widest + 14.0, right: size.width() - 10.0, top, bottom: height - foot };
    let ends = || rows.iter().flat_map(|(p, _)| [p.q05, p.mean, p.q95]).filter(|v| v.is_finite());
    let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(f64::NEG_INFINITY, f64::max));
    let range = (frame.left, frame.right);
    let x = if low > 0.0 && high > 50.0 * low {
        Scale::logarithmic(low, high, range)
    } else {
        Scale::linear(low, high, range).nice(4)
    };
    let (ticks, decimals) = x.ticks(if size.is_wide() { 6 } else { 3 });
    for tick in ticks {
        let at = x.at(tick);
        svg.line("grid", (at, frame.top), (at, frame.bottom));
        svg.text("tick", (at, frame.bottom + 16.0), Anchor::Middle, &numbers::fixed(tick, decimals));
    }
    for (i, ((p, _), label)) in rows.iter().zip(&labels).enumerate() {
        let below = cut.is_some_and(|cut| i >= cut);
        let at = frame.top + (i as f64 + 0.5) * step + if below { gap } else { 0.0 };
        svg.text("tick", (frame.left - 10.0, at + 4.0), Anchor::End, label);
        svg.line("whisker", (x.clamped(p.q05), at), (x.clamped(p.q95), at));
        if p.concern.is_some() {
            svg.crosses("cross", [(x.clamped(p.mean), at)], 4.5);
        } else {
            svg.circle("dot", (x.clamped(p.mean), at), 4.0);
        }
        let tip = format!(
            "{}: {} ({} to {}, 90\u{a0}%)",
            rows[i].1,
            numbers::figure(p.mean),
            numbers::figure(p.q05),
            numbers::figure(p.q95)
        );
        svg.rect("hover", (0.0, at - step / 2.0), (size.width(), step), Some(&tip));
    }
    if let Some(cut) = cut {
        let at = frame.top + cut as f64 * step + gap / 2.0;
        svg.line("split", (frame.left, at), (frame.right, at));
    }
    let middle = (frame.left + frame.right) / 2.0;
    svg.text("axis-title", (middle, frame.bottom + 33.0), Anchor::Middle, name);
    svg.finish()
}

fn describe(rows: &[(&Parameter, String)], name: &str) -> String {
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
        return String::from("There are no groups to show.");
    };
    let apart = first.0.q05 > last.0.q95;
    format!(
        "{name} is highest in {} ({}) and lowest in {} ({}); their 90 % intervals {}.",
        first.1,
        numbers::figure(first.0.mean),
        last.1,
        numbers::figure(last.0.mean),
        if apart { "do not overlap" } else { "overlap" }
    )
}
