//! Shares of a whole over cutoffs, as columns whose parts stand on each other in their order: dark for the first, light for the last.

use chrono::NaiveDate;

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::{Anchor, Svg};
use super::calendar::Span;
use super::{Frame, Size, shortened, spread_within, text_width};

/// One part of the whole.
#[derive(Debug, Clone)]
pub(in crate::report) struct Part {
    pub name: String,
    /// Its share, 0–1, parallel to the days; NaN where it was not there.
    pub shares: Vec<f64>,
}

/// Parts over cutoffs, the first at the bottom.
#[derive(Debug, Clone)]
pub(in crate::report) struct Stack<'a> {
    pub title: &'a str,
    pub description: &'a str,
    pub span: Span,
    /// Cutoffs, ascending.
    pub days: &'a [NaiveDate],
    pub parts: &'a [Part],
}

/// The widest that a column gets.
const COLUMN: f64 = 46.0;

/// Draws the columns.
pub(in crate::report) fn stack(s: &Stack<'_>, size: Size) -> String {
    let height = if size.is_wide() { 280.0 } else { 250.0 };
    let mut svg = Svg::new(size.width(), height, s.title, s.description);
    let letters = if size.is_wide() { 30 } else { 14 };
    let last = |part: &Part| part.shares.last().copied().unwrap_or(f64::NAN);
    let names: Vec<String> = s
        .parts
        .iter()
        .map(|part| format!("{} {}", shortened(&part.name, letters), numbers::percent_whole(last(part))))
        .collect();
    let widest = names.iter().map(|name| text_width(name)).fold(0.0, f64::max);
    let frame = Frame { left: 48.0, right: size.width() - widest - 24.0, top: 12.0, bottom: height - 26.0 };
    let y = Scale::linear(0.0, 1.0, (frame.bottom, frame.top));
    for tick in [0.0, 0.25, 0.5, 0.75, 1.0] {
        // No line: it would show through the lighter parts.
        svg.text("tick", (frame.left - 8.0, y.at(tick) + 4.0), Anchor::End, &numbers::percent_whole(tick));
    }
    let calendar = s.span.over(&frame);
    let extents = calendar.extents(s.days, &frame);
    let room = extents.iter().map(|(from, to)| to - from).fold(COLUMN, f64::min);
    let width = if room > 5.0 { room - 2.0 } else { room.max(1.0) };
    let mut ends = Vec::new();
    for (i, day) in s.days.iter().enumerate() {
        let mut below = 0.0;
        for (place, part) in s.parts.iter().enumerate() {
            let share = part.shares.get(i).copied().filter(|s| s.is_finite()).unwrap_or(0.0).clamp(0.0, 1.0);
            let (low, high) = (y.at(below), y.clamped(below + share));
            let middle = (low + high) / 2.0;
            below += share;
            if i + 1 == s.days.len() {
                ends.push(middle);
            }
            let tip = format!("{}, {}: {}", day.format("%-d %b %Y"), part.name, numbers::percent(share));
            // A hair's breadth of paper between parts.
            let tall = (low - high - 1.0).max(0.0);
            svg.shaded_rect(
                "cell",
                (calendar.at(*day) - width / 2.0, high),
                (width, tall),
                Some(shade(place, s.parts.len())),
                Some(&tip),
            );
        }
    }
    calendar.axis(&mut svg, &frame, if size.is_wide() { 8 } else { 3 }, size.width());
    for ((place, at), name) in
        spread_within(&ends, 14.0, (frame.top + 4.0, frame.bottom)).into_iter().enumerate().zip(&names)
    {
        svg.shaded_rect("cell", (frame.right + 6.0, at - 4.0), (8.0, 8.0), Some(shade(place, s.parts.len())), None);
        svg.text("end-label", (frame.right + 19.0, at + 4.0), Anchor::Start, name);
    }
    svg.finish()
}

/// From dark to light; the last can still be seen.
fn shade(place: usize, parts: usize) -> f64 {
    if parts < 2 {
        return 0.9;
    }
    0.95 - 0.8 * place as f64 / (parts - 1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_hold_their_parts_and_never_more_than_the_whole() {
        let days: Vec<NaiveDate> = (1..=2).map(|m| NaiveDate::from_ymd_opt(2024, m, 1).expect("a day")).collect();
        let part = |name: &str, shares: [f64; 2]| Part { name: name.into(), shares: shares.to_vec() };
        let parts = [part("top", [0.4, 0.5]), part("<rest>", [0.6, 7.0]), part("none", [f64::NAN, 0.0])];
        let s = Stack { title: "t", description: "", span: Span::of(&days).expect("days"), days: &days, parts: &parts };
        let svg = stack(&s, Size::Wide);
        assert!(svg.contains("1 Jan 2024, top: 40.0\u{a0}%") && svg.contains("&lt;rest&gt;"));
        for y in svg.split(" y=\"").skip(1).map(|rest| rest.split('"').next().expect("a number")) {
            assert!(y.parse::<f64>().expect("a number") >= 0.0, "{y}");
        }
        assert!(!svg.contains("NaN"));
    }
}
