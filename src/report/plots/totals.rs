//! Totals that were predicted beside those that came, by cutoff: a disc with its 90 % interval, and a ring for what happened. Where the
//! window still runs there is no ring.

use chrono::NaiveDate;

use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::calendar::Span;
use super::watch::Unit;
use super::{Frame, Size, highest, text_width};

/// One snapshot's total.
#[derive(Debug, Clone)]
pub(in crate::report) struct Total {
    /// What was predicted; NaN where it is not known.
    pub predicted: f64,
    /// Its 90 % interval; NaN where that is not known.
    pub low: f64,
    pub high: f64,
    /// What happened; NaN while the window runs.
    pub actual: f64,
    /// What is told when one points at it.
    pub tip: String,
}

/// Totals over cutoffs; `totals` is parallel to `days`.
#[derive(Debug, Clone)]
pub(in crate::report) struct Totals<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub span: Span,
    /// Cutoffs, ascending.
    pub days: &'a [NaiveDate],
    pub totals: &'a [Total],
    pub eras: &'a [(usize, String)],
    pub unit: Unit,
}

/// Draws them, from zero upwards.
pub(in crate::report) fn totals(t: &Totals<'_>, size: Size) -> String {
    let height = if size.is_wide() { 270.0 } else { 230.0 };
    let mut svg = Svg::new(size.width(), height, t.title, t.description);
    let (top, bottom) = (24.0, height - 26.0);
    let high = highest(t.totals.iter().flat_map(|t| [t.predicted, t.high, t.actual]), 1e-9);
    let y = Scale::linear(0.0, high, (bottom, top)).nice(4);
    let (ticks, decimals) = y.ticks(4);
    let labels: Vec<(f64, String)> = ticks.into_iter().map(|v| (v, t.unit.tick(v, decimals))).collect();
    let left = labels.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max) + 12.0;
    let frame = Frame { left, right: size.width() - 6.0, top, bottom };
    for (value, label) in &labels {
        svg.line("grid", (frame.left, y.at(*value)), (frame.right, y.at(*value)));
        svg.text("tick", (frame.left - 8.0, y.at(*value) + 4.0), Anchor::End, label);
    }
    let calendar = t.span.over(&frame);
    calendar.eras(&mut svg, &frame, t.days, t.eras);
    calendar.axis(&mut svg, &frame, if size.is_wide() { 9 } else { 4 }, size.width());
    let extents = calendar.extents(t.days, &frame);
    let room = extents.iter().map(|(from, to)| to - from).fold(f64::INFINITY, f64::min);
    // Marks that would touch are drawn smaller.
    let radius = if room < 9.0 { 2.4 } else { 4.0 };
    for (day, total) in t.days.iter().zip(t.totals) {
        let x = calendar.at(*day);
        svg.line(if room < 9.0 { "reach" } else { "whisker" }, (x, y.at(total.low)), (x, y.at(total.high)));
        svg.circle("dot", (x, y.at(total.predicted)), radius);
        svg.circle("ring open", (x, y.at(total.actual)), radius + 1.6);
    }
    if size.is_wide() {
        for ((from, to), total) in extents.iter().zip(t.totals) {
            svg.rect("hover", (*from, top), (to - from, bottom - top), Some(&total.tip));
        }
    }
    svg.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_drawn() {
        let days = ["2024-01-01", "2024-02-01"].map(|d| d.parse().expect("a day"));
        let total = |actual| Total { predicted: 10.0, low: 8.0, high: 12.0, actual, tip: "t".into() };
        let both = [total(11.0), total(f64::NAN)];
        let svg = totals(
            &Totals {
                title: "Purchases",
                description: "",
                span: Span::of(&days).expect("days"),
                days: &days,
                totals: &both,
                eras: &[],
                unit: Unit::Plain,
            },
            Size::Wide,
        );
        assert_eq!(svg.matches("class=\"dot\"").count(), 2);
        assert_eq!(svg.matches("class=\"ring open\"").count(), 1);
        assert!(!svg.contains("NaN"));
    }
}
