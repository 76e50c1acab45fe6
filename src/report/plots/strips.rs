//! One-line drawings for table rows: a share as a bar, an interval on an axis that all rows have in common. Positions are
//! percentages of the cell, so they fit any width without scaling text.

use std::fmt::Write as _;

use super::super::numbers;
use super::super::scales::Scale;
use super::super::svg::escape;
use super::super::view::Interval;

/// A bar as long as the share, 0–1, of the cell.
pub(in crate::report) fn share_bar(share: f64, title: &str) -> String {
    let width = if share.is_finite() { 100.0 * share.clamp(0.0, 1.0) } else { 0.0 };
    format!(
        concat!(
            r#"<svg role="img" class="strip"><title>{}</title>"#,
            r#"<rect class="track" x="0" y="5" width="100%" height="8" rx="2"/>"#,
            r#"<rect class="fill" x="0" y="5" width="{:.2}%" height="8" rx="2"/></svg>"#
        ),
        escape(title),
        width
    )
}

/// A bar from zero to a value on an axis to `most`, with a line where it begins to matter, if it does: the bar is marked where it
/// reaches that.
pub(in crate::report) fn threshold_bar(value: f64, threshold: Option<f64>, most: f64, title: &str) -> String {
    let at = |v: f64| if v.is_finite() && most > 0.0 { 100.0 * (v / most).clamp(0.0, 1.0) } else { 0.0 };
    let class = if threshold.is_some_and(|t| value >= t) { "fill warm-fill" } else { "fill" };
    let mut out = format!(
        concat!(
            r#"<svg role="img" class="strip"><title>{}</title>"#,
            r#"<rect class="track" x="0" y="5" width="100%" height="8" rx="2"/>"#,
            r#"<rect class="{}" x="0" y="5" width="{:.2}%" height="8" rx="2"/>"#
        ),
        escape(title),
        class,
        at(value)
    );
    if let Some(x) = threshold.map(at) {
        let _ = write!(out, r#"<line class="reference" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="18"/>"#);
    }
    out + "</svg>"
}

/// Where an observed value lies in the interval that was to be expected: a line, a dot at the mean, a ring at what was seen. The axis
/// is the row's own.
pub(in crate::report) fn observed_strip(observed: f64, expected: &Interval, title: &str) -> String {
    let ends = || [observed, expected.q05, expected.mean, expected.q95].into_iter().filter(|v| v.is_finite());
    let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(f64::NEG_INFINITY, f64::max));
    let x = Scale::linear(low, high, (8.0, 92.0));
    let mut out = format!(r#"<svg role="img" class="strip"><title>{}</title>"#, escape(title));
    let [from, mean, to] = [expected.q05, expected.mean, expected.q95].map(|v| x.clamped(v));
    if from.is_finite() && to.is_finite() {
        let _ = write!(out, r#"<line class="whisker" x1="{from:.2}%" x2="{to:.2}%" y1="9" y2="9"/>"#);
    }
    if mean.is_finite() {
        let _ = write!(out, r#"<circle class="dot" cx="{mean:.2}%" cy="9" r="3.5"/>"#);
    }
    let seen = x.clamped(observed);
    if seen.is_finite() {
        let _ = write!(out, r#"<circle class="ring" cx="{seen:.2}%" cy="9" r="5"/>"#);
    }
    out + "</svg>"
}

/// An axis that the rows of a table share.
#[derive(Debug)]
pub(in crate::report) struct IntervalAxis {
    scale: Scale,
    reference: Option<f64>,
}

impl IntervalAxis {
    /// An axis that holds all intervals, and a reference value drawn in every row. It is logarithmic when the values span
    /// more than a factor of 50, starts at zero when they come near it, and otherwise shows where they are.
    pub(in crate::report) fn over(intervals: &[Interval], reference: Option<f64>) -> Self {
        let ends = || intervals.iter().flat_map(|i| [i.q05, i.mean, i.q95]).chain(reference).filter(|v| v.is_finite());
        let (low, high) = (ends().fold(f64::INFINITY, f64::min), ends().fold(0.0, f64::max));
        let range = (6.0, 94.0);
        let scale = if low > 0.0 && high > 50.0 * low {
            Scale::logarithmic(low, high, range)
        } else {
            let from = if low > 0.4 * high { low } else { low.min(0.0) };
            Scale::linear(from, high, range).nice(3)
        };
        Self { scale, reference }
    }

    /// The row's drawing: a line from the 5 % to the 95 % quantile, a dot at the mean.
    pub(in crate::report) fn row(&self, interval: &Interval, title: &str) -> String {
        let mut out = format!(r#"<svg role="img" class="strip"><title>{}</title>"#, escape(title));
        for tick in self.scale.ticks(3).0 {
            let x = self.scale.clamped(tick);
            let _ = write!(out, r#"<line class="grid" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
        }
        if let Some(x) = self.reference.map(|r| self.scale.clamped(r)).filter(|x| x.is_finite()) {
            let _ = write!(out, r#"<line class="reference" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
        }
        let [low, mean, high] = [interval.q05, interval.mean, interval.q95].map(|v| self.scale.clamped(v));
        if low.is_finite() && high.is_finite() {
            let _ = write!(out, r#"<line class="whisker" x1="{low:.2}%" x2="{high:.2}%" y1="50%" y2="50%"/>"#);
        }
        if mean.is_finite() {
            let _ = write!(out, r#"<circle class="dot" cx="{mean:.2}%" cy="50%" r="4"/>"#);
        }
        out + "</svg>"
    }

    /// The axis itself, for the head of the column.
    pub(in crate::report) fn head(&self, currency: &str) -> String {
        let mut out = String::from(r#"<svg role="img" class="strip"><title>Axis</title>"#);
        let (ticks, decimals) = self.scale.ticks(3);
        for tick in ticks {
            let label = numbers::amount(tick, decimals, currency);
            let _ = write!(
                out,
                r#"<text class="tick" x="{:.2}%" y="14" text-anchor="middle">{}</text>"#,
                self.scale.clamped(tick),
                escape(&label)
            );
        }
        out + "</svg>"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(mean: f64) -> Interval {
        Interval { mean, q05: 0.9 * mean, q95: 1.1 * mean }
    }

    #[test]
    fn an_axis_suits_what_it_holds() {
        let head = |means: &[f64]| {
            let intervals: Vec<_> = means.iter().map(|m| one(*m)).collect();
            IntervalAxis::over(&intervals, None).head("$")
        };
        // Near each other: no need for zero. Apart: from zero. Far apart: powers of ten.
        assert!(!head(&[30.0, 45.0]).contains(">$0<") && head(&[30.0, 45.0]).contains(">$40<"));
        assert!(head(&[3.0, 45.0]).contains(">$0<"));
        assert!(head(&[1.0, 900.0]).contains(">$100<") && !head(&[1.0, 900.0]).contains(">$0<"));
    }

    #[test]
    fn a_row_puts_the_mean_between_its_ends() {
        let axis = IntervalAxis::over(&[one(0.0), one(100.0)], Some(50.0));
        // The domain is 0–150 (nice), the cell's range 6–94 %.
        let row = axis.row(&one(75.0), "t");
        assert!(row.contains(r#"cx="50.00%""#), "{row}");
        assert!(row.contains("reference"));
    }

    #[test]
    fn a_bar_never_leaves_its_cell() {
        assert!(share_bar(0.25, "t").contains(r#"width="25.00%""#));
        assert!(share_bar(1.7, "t").contains(r#"class="fill" x="0" y="5" width="100.00%""#));
        assert!(share_bar(f64::NAN, "t").contains(r#"width="0.00%""#));
    }
}
