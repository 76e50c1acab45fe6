//! A calendar as the axis that all drawings of a project's history share: days on paper, months as ticks, and where one model's
//! predictions end and the next one's begin. Knows nothing of what is drawn over it.

use chrono::NaiveDate;

use super::super::scales::{Scale, month_ticks};
use super::super::svg::{Anchor, Svg};
use super::{Frame, text_width};

/// Room between the axis' ends and the first and last day.
const INSET: f64 = 9.0;

/// The days from the first to the last one that drawings show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::report) struct Span {
    first: NaiveDate,
    last: NaiveDate,
}

impl Span {
    /// The days that hold all of these; none without any.
    pub(in crate::report) fn of(days: &[NaiveDate]) -> Option<Self> {
        Some(Self { first: *days.iter().min()?, last: *days.iter().max()? })
    }

    /// These days on paper.
    pub(super) fn over(self, frame: &Frame) -> Calendar {
        let days = (self.last - self.first).num_days() as f64;
        // A single day stands in the middle.
        let (low, high) = if days > 0.0 { (0.0, days) } else { (-1.0, 1.0) };
        Calendar { span: self, scale: Scale::linear(low, high, (frame.left + INSET, frame.right - INSET)) }
    }
}

/// Days on paper.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    span: Span,
    scale: Scale,
}

impl Calendar {
    /// Where a day lies.
    pub(super) fn at(&self, day: NaiveDate) -> f64 {
        self.scale.at((day - self.span.first).num_days() as f64)
    }

    /// How much of the paper belongs to each of some ascending days: to halfway between it and its neighbours.
    pub(super) fn extents(&self, days: &[NaiveDate], frame: &Frame) -> Vec<(f64, f64)> {
        let middle = |i: usize| (self.at(days[i]) + self.at(days[i + 1])) / 2.0;
        let from = |i: usize| if i == 0 { frame.left } else { middle(i - 1) };
        let to = |i: usize| if i + 1 == days.len() { frame.right } else { middle(i) };
        (0..days.len()).map(|i| (from(i), to(i))).collect()
    }

    /// The axis below the frame, with about `wanted` months, or its ends where months are too few. No label leaves the paper on the right.
    pub(super) fn axis(&self, svg: &mut Svg, frame: &Frame, wanted: usize, paper: f64) {
        let (foot, base) = (frame.bottom + 4.0, frame.bottom + 17.0);
        svg.line("axis", (frame.left, frame.bottom), (frame.right, frame.bottom));
        let months = month_ticks(self.span.first, self.span.last, wanted);
        if months.len() < 2 {
            let name = |day: NaiveDate| day.format("%-d %b %Y").to_string();
            if self.span.first == self.span.last {
                svg.text("tick", (self.at(self.span.first), base), Anchor::Middle, &name(self.span.first));
            } else {
                svg.text("tick", (frame.left, base), Anchor::Start, &name(self.span.first));
                svg.text("tick", (frame.right, base), Anchor::End, &name(self.span.last));
            }
            return;
        }
        for (day, label) in months {
            let at = self.at(day);
            svg.line("axis", (at, frame.bottom), (at, foot));
            svg.text("tick", (at.min(paper - text_width(&label) / 2.0), base), Anchor::Middle, &label);
        }
    }

    /// Where predictions pass from one model to the next: `eras` are (first of the days, model). The model's name stands at the top of
    /// its part, unless the one before is in its way.
    pub(super) fn eras(&self, svg: &mut Svg, frame: &Frame, days: &[NaiveDate], eras: &[(usize, String)]) {
        let extents = self.extents(days, frame);
        let mut free = f64::NEG_INFINITY;
        for (first, name) in eras {
            let Some(&(at, _)) = extents.get(*first) else { continue };
            if *first > 0 {
                svg.line("split", (at, frame.top - 13.0), (at, frame.bottom));
            }
            if at >= free {
                svg.text("small", (at + 4.0, frame.top - 5.0), Anchor::Start, name);
                free = at + 8.0 + text_width(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().expect("a day")
    }

    const FRAME: Frame = Frame { left: 0.0, right: 118.0, top: 20.0, bottom: 60.0 };

    #[test]
    fn days_share_the_paper_out_between_them() {
        let days = ["2024-01-01", "2024-01-11", "2024-04-10"].map(day);
        let calendar = Span::of(&days).expect("days").over(&FRAME);
        // A hundred days on a hundred pixels.
        assert_eq!(days.map(|d| calendar.at(d)), [9.0, 19.0, 109.0]);
        assert_eq!(calendar.extents(&days, &FRAME), [(0.0, 14.0), (14.0, 64.0), (64.0, 118.0)]);
    }

    #[test]
    fn one_day_stands_in_the_middle_and_is_named() {
        let days = [day("2024-02-29")];
        let calendar = Span::of(&days).expect("days").over(&FRAME);
        assert_eq!(calendar.at(days[0]), 59.0);
        let mut svg = Svg::new(118.0, 80.0, "t", "d");
        calendar.axis(&mut svg, &FRAME, 3, 118.0);
        assert!(svg.finish().contains(">29 Feb 2024<"));
        assert_eq!(Span::of(&[]), None);
    }

    #[test]
    fn a_change_of_model_is_named_where_there_is_room() {
        let days: Vec<NaiveDate> = (1..=10).map(|d| NaiveDate::from_ymd_opt(2024, 1, d).expect("a day")).collect();
        let calendar = Span::of(&days).expect("days").over(&FRAME);
        let mut svg = Svg::new(118.0, 80.0, "t", "d");
        let eras = [(0, "M1".to_owned()), (1, "M2".to_owned()), (5, "M3".to_owned()), (99, "M4".to_owned())];
        calendar.eras(&mut svg, &FRAME, &days, &eras);
        let text = svg.finish();
        // Two lines; the second name has no room beside the first, and what begins on no day is not drawn.
        assert_eq!(text.matches("class=\"split\"").count(), 2);
        assert!(text.contains(">M1<") && !text.contains(">M2<") && text.contains(">M3<") && !text.contains(">M4<"));
    }
}
