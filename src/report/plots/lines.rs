//! Several things over cutoffs, a line each, with the name at its end. A line keeps the colour that its key gives it, whatever other lines
//! there are; colours that come again are dashed.

use chrono::NaiveDate;

use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::calendar::Span;
use super::watch::Unit;
use super::{Frame, Size, highest, shortened, spread_within, text_width};

/// Colours that lines have.
const COLOURS: usize = 8;

/// One thing's values.
#[derive(Debug, Clone)]
pub(in crate::report) struct Line {
    /// What decides its colour.
    pub key: usize,
    pub name: String,
    /// What is written after its name: its last value.
    pub last: String,
    /// Parallel to the days; NaN where it was not there.
    pub values: Vec<f64>,
}

/// Lines over cutoffs.
#[derive(Debug, Clone)]
pub(in crate::report) struct Lines<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub span: Span,
    /// Cutoffs, ascending.
    pub days: &'a [NaiveDate],
    pub lines: &'a [Line],
    pub eras: &'a [(usize, String)],
    pub unit: Unit,
    /// A value that lines are read against.
    pub reference: Option<f64>,
    /// Whether equal distances are equal ratios; then values must be above zero to be drawn.
    pub by_ratio: bool,
}

/// The class of a line, or of its points.
pub(in crate::report) fn class(what: &str, key: usize) -> String {
    let dashed = if key / COLOURS % 2 == 1 { " dashed" } else { "" };
    format!("{what} c{}{dashed}", key % COLOURS)
}

/// Draws them.
pub(in crate::report) fn lines(l: &Lines<'_>, size: Size) -> String {
    let height = if size.is_wide() { 280.0 } else { 260.0 };
    let mut svg = Svg::new(size.width(), height, l.title, l.description);
    let (top, bottom) = (24.0, height - 26.0);
    let values = || l.lines.iter().flat_map(|line| line.values.iter().copied()).chain(l.reference);
    let positive = |v: &f64| v.is_finite() && *v > 0.0;
    let high = highest(values(), 1e-9);
    let low = values().filter(positive).fold(high, f64::min);
    let y = if l.by_ratio && low < high {
        Scale::logarithmic(low / 1.15, high * 1.15, (bottom, top))
    } else {
        Scale::linear(0.0, high, (bottom, top)).nice(4)
    };
    let (ticks, decimals) = y.ticks(4);
    let labels: Vec<(f64, String)> = ticks.into_iter().map(|v| (v, l.unit.tick(v, decimals))).collect();
    let left = labels.iter().map(|(_, label)| text_width(label)).fold(0.0, f64::max) + 12.0;
    let letters = if size.is_wide() { 34 } else { 18 };
    let names: Vec<String> = l.lines.iter().map(|line| name(line, letters)).collect();
    let widest = names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
    let frame = Frame { left, right: size.width() - widest - 22.0, top, bottom };
    for (value, label) in &labels {
        svg.line("grid", (frame.left, y.at(*value)), (frame.right, y.at(*value)));
        svg.text("tick", (frame.left - 8.0, y.at(*value) + 4.0), Anchor::End, label);
    }
    let calendar = l.span.over(&frame);
    calendar.eras(&mut svg, &frame, l.days, l.eras);
    calendar.axis(&mut svg, &frame, if size.is_wide() { 8 } else { 3 }, size.width());
    if let Some(reference) = l.reference {
        svg.line("reference", (frame.left, y.at(reference)), (frame.right, y.at(reference)));
    }
    let mut ends = Vec::new();
    for (line, name) in l.lines.iter().zip(names) {
        let points: Vec<(f64, f64)> =
            l.days.iter().zip(&line.values).map(|(d, v)| (calendar.at(*d), y.at(*v))).collect();
        svg.polyline(&class("thread", line.key), points.iter().copied());
        svg.dots(&class("knots", line.key), points.iter().copied());
        match points.last() {
            Some((_, at)) if at.is_finite() => ends.push((*at, line.key, name)),
            // It ended before: it is named where it did.
            _ => {
                if let Some((x, at)) = points.iter().rev().find(|(_, at)| at.is_finite()) {
                    svg.text("small halo", (*x + 6.0, at - 6.0), Anchor::Start, &shortened(&line.name, letters));
                }
            }
        }
    }
    let wanted: Vec<f64> = ends.iter().map(|(at, ..)| *at).collect();
    for (at, (_, key, name)) in spread_within(&wanted, 14.0, (top, bottom)).into_iter().zip(&ends) {
        svg.dots(&class("knots", *key), [(frame.right + 9.0, at)]);
        svg.text("end-label", (frame.right + 17.0, at + 4.0), Anchor::Start, name);
    }
    svg.finish()
}

fn name(line: &Line, letters: usize) -> String {
    let room = letters.saturating_sub(line.last.chars().count() + 1).max(4);
    format!("{} {}", shortened(&line.name, room), line.last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draw(lines_of: &[(usize, &[f64])], by_ratio: bool) -> String {
        let days: Vec<NaiveDate> = (1..=3).map(|m| NaiveDate::from_ymd_opt(2024, m, 1).expect("a day")).collect();
        let lines_of: Vec<Line> = lines_of
            .iter()
            .map(|(key, values)| Line {
                key: *key,
                name: format!("line {key}"),
                last: "7".into(),
                values: values.to_vec(),
            })
            .collect();
        lines(
            &Lines {
                title: "t",
                description: "",
                span: Span::of(&days).expect("days"),
                days: &days,
                lines: &lines_of,
                eras: &[],
                unit: Unit::Plain,
                reference: None,
                by_ratio,
            },
            Size::Wide,
        )
    }

    #[test]
    fn a_key_keeps_its_colour_and_colours_that_come_again_are_dashed() {
        let svg = draw(&[(1, &[1.0, 2.0, 3.0]), (9, &[3.0, 2.0, 1.0])], false);
        assert!(svg.contains("class=\"thread c1\"") && svg.contains("class=\"thread c1 dashed\""));
        let alone = draw(&[(9, &[3.0, 2.0, 1.0])], false);
        assert!(alone.contains("class=\"thread c1 dashed\"") && !alone.contains("class=\"thread c1\""));
    }

    #[test]
    fn a_line_that_ended_is_named_where_it_did() {
        let svg = draw(&[(1, &[1.0, f64::NAN, f64::NAN]), (2, &[3.0, 2.0, 1.0])], false);
        assert!(svg.contains(">line 1</text>") && svg.contains(">line 2 7</text>") && !svg.contains("NaN"));
    }

    #[test]
    fn ratios_leave_out_what_has_none() {
        let svg = draw(&[(1, &[0.0, 10.0, 1_000.0]), (2, &[f64::NAN; 3])], true);
        assert!(!svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert!(!draw(&[], true).contains("NaN"));
    }
}
