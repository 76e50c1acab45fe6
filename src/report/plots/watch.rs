//! One measure over the cutoffs of snapshots, in a panel that fits half a page and a phone alike: values with their intervals, the
//! levels they are held against, and what was said of each, by shape first and colour second.

use chrono::NaiveDate;

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::calendar::Span;
use super::{Frame, spread, text_width};

const WIDTH: f64 = 404.0;
const HEIGHT: f64 = 186.0;

/// What was said of a value; its shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) enum Said {
    /// Nothing to complain of: a disc.
    Within,
    /// Beyond its limit, but perhaps by chance: a ring.
    Uncertain,
    /// Beyond its limit: a cross.
    Breach,
    /// Not judged: a pale ring.
    Unjudged,
}

/// A value at a cutoff.
#[derive(Debug, Clone)]
pub(in crate::report) struct Seen {
    pub value: f64,
    /// Its 90 % interval; NaN where that is not known.
    pub low: f64,
    pub high: f64,
    pub said: Said,
}

/// A line that values are held against.
#[derive(Debug, Clone)]
pub(in crate::report) struct Level {
    pub class: &'static str,
    /// Its name, at its right end.
    pub name: &'static str,
    /// Its value at each cutoff; NaN where there is none.
    pub at: Vec<f64>,
}

/// How values are written.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::report) enum Unit {
    /// As they are.
    Plain,
    /// As amounts.
    Money(String),
    /// As shares of a hundred.
    Percent,
}

impl Unit {
    /// A tick of an axis that needs so many decimals.
    pub(super) fn tick(&self, value: f64, decimals: usize) -> String {
        match self {
            Self::Plain => numbers::fixed(value, decimals),
            Self::Money(currency) => numbers::amount(value, decimals, currency),
            Self::Percent => format!("{}\u{a0}%", numbers::fixed(100.0 * value, decimals.saturating_sub(2))),
        }
    }
}

/// A measure over cutoffs. All lists are parallel to `days`.
#[derive(Debug, Clone)]
pub(in crate::report) struct Watch<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub span: Span,
    /// Cutoffs, ascending.
    pub days: &'a [NaiveDate],
    /// What was seen; none while the window runs.
    pub seen: &'a [Option<Seen>],
    /// What is told when one points at a cutoff.
    pub tips: &'a [String],
    pub levels: &'a [Level],
    /// An area from zero up to these values, for what chance alone does; empty for none.
    pub chance: &'a [f64],
    /// Models by the first day that they predicted.
    pub eras: &'a [(usize, String)],
    pub unit: Unit,
    /// Whether the axis begins at zero.
    pub from_zero: bool,
    /// The axis reaches at least to here.
    pub at_least: f64,
}

/// Draws the panel.
pub(in crate::report) fn watch(w: &Watch<'_>) -> String {
    let mut svg = Svg::new(WIDTH, HEIGHT, w.title, w.description);
    let (top, bottom) = (20.0, HEIGHT - 24.0);
    let y = scale(w, (bottom, top));
    let (ticks, decimals) = y.ticks(3);
    let labels: Vec<(f64, String)> = ticks.into_iter().map(|t| (t, w.unit.tick(t, decimals))).collect();
    let left = labels.iter().map(|(_, label)| text_width(label)).fold(20.0, f64::max) + 8.0;
    let names = w.levels.iter().map(|level| text_width(level.name)).fold(0.0, f64::max);
    let frame = Frame { left, right: WIDTH - names - 8.0, top, bottom };
    let calendar = w.span.over(&frame);
    let extents = calendar.extents(w.days, &frame);

    for (value, label) in &labels {
        svg.line("grid", (frame.left, y.at(*value)), (frame.right, y.at(*value)));
        svg.text("tick", (frame.left - 7.0, y.at(*value) + 4.0), Anchor::End, label);
    }
    let chance: Vec<_> = extents
        .iter()
        .zip(w.chance)
        .flat_map(|(&(from, to), v)| [from, to].map(|x| (x, y.clamped(0.0), y.clamped(*v))))
        .collect();
    svg.area("expected", &chance);
    calendar.eras(&mut svg, &frame, w.days, w.eras);
    calendar.axis(&mut svg, &frame, 5, WIDTH);
    levels(&mut svg, w.levels, &extents, &y, &frame);

    let place = |i: usize, value: f64| (calendar.at(w.days[i]), y.clamped(value));
    let seen = || w.seen.iter().enumerate().filter_map(|(i, seen)| Some((i, seen.as_ref()?)));
    svg.polyline("model-line faint", seen().map(|(i, s)| (place(i, s.value).0, y.at(s.value))));
    for (i, s) in seen() {
        svg.line("reach", place(i, s.low), place(i, s.high));
    }
    for (i, s) in seen() {
        let at = if s.value.is_finite() { place(i, s.value) } else { continue };
        match s.said {
            Said::Within => svg.circle("dot", at, 3.4),
            Said::Uncertain => svg.circle("warm-ring", at, 4.4),
            Said::Breach => svg.crosses("breach", [at], 4.6),
            Said::Unjudged => svg.circle("pale-ring", at, 3.8),
        }
    }
    for (day, _) in w.days.iter().zip(w.seen).filter(|(_, seen)| seen.is_none()) {
        let x = calendar.at(*day);
        svg.line("pending", (x, frame.bottom - 8.0), (x, frame.bottom));
    }
    for ((from, to), tip) in extents.iter().zip(w.tips) {
        svg.rect("hover", (*from, frame.top), (to - from, frame.bottom - frame.top), Some(tip));
    }
    svg.finish()
}

/// From the values and what they are held against; intervals may double that room, and end at its edge beyond.
fn scale(w: &Watch<'_>, range: (f64, f64)) -> Scale {
    let seen = || w.seen.iter().flatten();
    let core = seen().map(|s| s.value).chain(w.levels.iter().flat_map(|level| level.at.iter().copied()));
    let finite = |v: &f64| v.is_finite();
    let (low, high) = core
        .chain(w.at_least.is_finite().then_some(w.at_least))
        .filter(finite)
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(v), h.max(v)));
    let room = (high - low).max(0.02 * high.abs()).max(1e-9);
    let down = seen().map(|s| s.low).filter(finite).fold(low, f64::min).max(low - room / 2.0);
    let up = seen().map(|s| s.high).filter(finite).fold(high, f64::max).min(high + room / 2.0);
    Scale::linear(if w.from_zero { 0.0 } else { down }, up, range).nice(3)
}

/// Lines that hold from one change to the next. Where a limit passes to its other side there is nothing in between to connect.
fn levels(svg: &mut Svg, levels: &[Level], extents: &[(f64, f64)], y: &Scale, frame: &Frame) {
    let mut names = Vec::new();
    for level in levels {
        let mut points = Vec::new();
        let mut last = f64::NAN;
        for (&(from, to), &value) in extents.iter().zip(&level.at) {
            if value != last {
                points.push((f64::NAN, f64::NAN));
            }
            points.extend([(from, y.at(value)), (to, y.at(value))]);
            last = value;
        }
        svg.polyline(level.class, points);
        if let Some(value) = level.at.iter().rev().find(|v| v.is_finite()) {
            names.push((y.at(*value) + 4.0, level.name));
        }
    }
    let places: Vec<f64> = names.iter().map(|(at, _)| *at).collect();
    for (at, (_, name)) in spread(&places, 12.0).into_iter().zip(&names) {
        svg.text("small", (frame.right + 5.0, at), Anchor::Start, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn days(n: u32) -> Vec<NaiveDate> {
        (1..=n).map(|d| NaiveDate::from_ymd_opt(2024, 1, d).expect("a day")).collect()
    }

    fn draw(seen: &[Option<Seen>], level: &[f64]) -> String {
        let days = days(seen.len() as u32);
        watch(&Watch {
            title: "RMSE",
            description: "",
            span: Span::of(&days).expect("days"),
            days: &days,
            seen,
            tips: &vec!["<tip>".to_owned(); days.len()],
            levels: &[Level { class: "reference", name: "limit", at: level.to_vec() }],
            chance: &[],
            eras: &[],
            unit: Unit::Plain,
            from_zero: false,
            at_least: f64::NAN,
        })
    }

    fn seen(value: f64, said: Said) -> Option<Seen> {
        Some(Seen { value, low: value - 1.0, high: value + 1.0, said })
    }

    #[test]
    fn what_was_said_is_told_by_shape() {
        let all = [
            seen(1.0, Said::Within),
            seen(2.0, Said::Uncertain),
            seen(3.0, Said::Breach),
            seen(2.5, Said::Unjudged),
            None,
        ];
        let svg = draw(&all, &[2.0; 5]);
        for class in ["dot", "warm-ring", "breach", "pale-ring", "pending"] {
            assert_eq!(svg.matches(&format!("class=\"{class}\"")).count(), 1, "{class} in {svg}");
        }
        assert_eq!(svg.matches("&lt;tip&gt;").count(), 5);
    }

    #[test]
    fn a_level_that_jumps_is_not_joined() {
        let path = |level: &[f64]| {
            let svg = draw(&[seen(1.0, Said::Within), seen(1.2, Said::Within), seen(0.9, Said::Within)], level);
            let from = svg.find("class=\"reference\"").expect("the level is drawn");
            svg[from..].split('"').nth(3).expect("its path").to_owned()
        };
        assert_eq!(path(&[1.5, 1.5, 1.5]).matches('M').count(), 1);
        assert_eq!(path(&[1.5, 1.5, 0.5]).matches('M').count(), 2);
        assert_eq!(path(&[1.5, f64::NAN, 1.5]).matches('M').count(), 2);
    }

    #[test]
    fn nothing_known_still_draws() {
        for seen in [
            vec![None],
            vec![None, None],
            vec![Some(Seen { value: f64::NAN, low: f64::NAN, high: f64::NAN, said: Said::Within })],
        ] {
            let svg = draw(&seen, &vec![f64::NAN; seen.len()]);
            assert!(!svg.contains("NaN") && svg.ends_with("</svg>"), "{svg}");
        }
    }

    #[test]
    fn units_write_ticks() {
        assert_eq!(Unit::Percent.tick(0.95, 2), "95\u{a0}%");
        assert_eq!(Unit::Money("$".into()).tick(60.0, 0), "$60");
        assert_eq!(Unit::Plain.tick(0.4, 1), "0.4");
    }
}
