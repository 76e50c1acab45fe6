//! Purchases over calendar weeks: what was counted as a line, what the model expects as a line in its 90 % band, and where
//! the data that the model has seen ends.

use chrono::NaiveDate;

use super::super::numbers;
use super::super::scales::{Scale, month_ticks};
use super::super::svg::{Anchor, Svg};
use super::super::view::{Interval, Tracking};
use super::{Frame, Size, grid, highest, spread, upward};

/// Purchases in each week.
pub(in crate::report) fn weekly(t: &Tracking, size: Size) -> String {
    Lines {
        title: "Repeat purchases per week, counted and predicted",
        each: "week of",
        week_start: &t.week_start,
        actual: &t.actual,
        predicted: &t.predicted,
        calibration_weeks: t.calibration_weeks,
        end_values: false,
        height: if size.is_wide() { 290.0 } else { 250.0 },
    }
    .draw(size)
}

/// Purchases from the first week to the end of each.
pub(in crate::report) fn cumulative(t: &Tracking, size: Size) -> String {
    let mut total = 0.0;
    let actual: Vec<f64> = t
        .actual
        .iter()
        .map(|v| {
            total += v;
            total
        })
        .collect();
    Lines {
        title: "Repeat purchases in total, counted and predicted",
        each: "to the week of",
        week_start: &t.week_start,
        actual: &actual,
        predicted: &t.cumulative,
        calibration_weeks: t.calibration_weeks,
        end_values: true,
        height: if size.is_wide() { 290.0 } else { 250.0 },
    }
    .draw(size)
}

struct Lines<'a> {
    title: &'a str,
    each: &'a str,
    week_start: &'a [NaiveDate],
    actual: &'a [f64],
    predicted: &'a [Interval],
    calibration_weeks: usize,
    end_values: bool,
    height: f64,
}

impl Lines<'_> {
    fn draw(&self, size: Size) -> String {
        let weeks = self.week_start.len();
        let mut svg = Svg::new(size.width(), self.height, self.title, &self.describe());
        let (Some(first), Some(last)) = (self.week_start.first(), self.week_start.last()) else {
            return svg.finish();
        };
        let ends = self.end_labels(size);
        let widest_end = ends.iter().map(|(_, label, _)| super::text_width(label)).fold(0.0, f64::max);
        let (top, bottom) = (26.0, self.height - 28.0);
        let high = highest(self.actual.iter().copied().chain(self.predicted.iter().map(|p| p.q95)), 1.0);
        let (y, labels, widest) = upward(high, top, bottom);
        let frame = Frame { left: widest + 12.0, right: size.width() - widest_end - 12.0, top, bottom };
        let x = Scale::linear(0.0, (weeks - 1) as f64, (frame.left, frame.right));

        if self.calibration_weeks > 0 && self.calibration_weeks < weeks {
            // Half a week before the first week that the model has not seen.
            let split = x.at(self.calibration_weeks as f64 - 0.5);
            svg.rect("zone", (split, top), (frame.right - split, bottom - top), None);
            svg.line("split", (split, top - 12.0), (split, bottom));
            let (seen, unseen) =
                if size.is_wide() { ("seen by the model", "not seen: the test") } else { ("seen", "not seen") };
            svg.text("zone-label", (split - 8.0, top - 9.0), Anchor::End, seen);
            svg.text("zone-label", (split + 8.0, top - 9.0), Anchor::Start, unseen);
        }
        grid(&mut svg, &frame, &y, &labels);
        let months = month_ticks(*first, *last, if size.is_wide() { 9 } else { 4 });
        for (day, label) in months {
            let at = x.at((day - *first).num_days() as f64 / 7.0);
            svg.line("axis", (at, bottom), (at, bottom + 5.0));
            svg.text("tick", (at, bottom + 19.0), Anchor::Middle, &label);
        }
        let band: Vec<_> =
            self.predicted.iter().enumerate().map(|(i, p)| (x.at(i as f64), y.at(p.q05), y.at(p.q95))).collect();
        svg.area("band", &band);
        svg.polyline("model-line", self.predicted.iter().enumerate().map(|(i, p)| (x.at(i as f64), y.at(p.mean))));
        svg.polyline("actual-line", self.actual.iter().enumerate().map(|(i, v)| (x.at(i as f64), y.at(*v))));

        let places: Vec<f64> = ends.iter().map(|(value, _, _)| y.at(*value) + 4.0).collect();
        for ((_, label, class), at) in ends.iter().zip(spread(&places, 15.0)) {
            svg.text(class, (frame.right + 8.0, at), Anchor::Start, label);
        }
        let half = frame.width() / (weeks.max(2) - 1) as f64 / 2.0;
        if size.is_wide() {
            for (i, ((day, actual), p)) in self.week_start.iter().zip(self.actual).zip(self.predicted).enumerate() {
                let tip = format!(
                    "{} {}: counted {}, expected {}, {}",
                    self.each,
                    day.format("%-d %b %Y"),
                    numbers::fixed(*actual, 0),
                    numbers::count(p.mean),
                    numbers::count_range(p)
                );
                svg.rect("hover", (x.at(i as f64) - half, top), (2.0 * half, bottom - top), Some(&tip));
            }
        }
        svg.finish()
    }

    /// Where the two lines end: (value, label, class).
    fn end_labels(&self, size: Size) -> Vec<(f64, String, &'static str)> {
        let mut out = Vec::new();
        let finite = |v: &&f64| v.is_finite();
        if let Some(v) = self.actual.iter().rev().find(finite) {
            out.push((*v, self.end_label("counted", *v, size), "actual-label"));
        }
        if let Some(p) = self.predicted.iter().rev().find(|p| p.mean.is_finite()) {
            out.push((p.mean, self.end_label("model", p.mean, size), "model-label"));
        }
        out
    }

    fn end_label(&self, word: &str, value: f64, size: Size) -> String {
        match (self.end_values, size.is_wide()) {
            (true, true) => format!("{word} {}", numbers::fixed(value, 0)),
            (true, false) => numbers::fixed(value, 0),
            (false, _) => word.to_owned(),
        }
    }

    fn describe(&self) -> String {
        let (Some(first), Some(last)) = (self.week_start.first(), self.week_start.last()) else {
            return String::from("There are no weeks to show.");
        };
        let inside = |range: std::ops::Range<usize>| {
            self.actual[range.clone()]
                .iter()
                .zip(&self.predicted[range])
                .filter(|(v, p)| (p.q05..=p.q95).contains(*v))
                .count()
        };
        let (weeks, seen) = (self.actual.len(), self.calibration_weeks.min(self.actual.len()));
        format!(
            "{} weeks from {} to {}. The count lies within the model's 90 % band in {} of {} weeks that the model has seen and in {} of {} that it has not.",
            weeks,
            first.format("%-d %B %Y"),
            last.format("%-d %B %Y"),
            inside(0..seen),
            seen,
            inside(seen..weeks),
            weeks - seen
        )
    }
}

#[cfg(test)]
mod tests {
    use chrono::Days;

    use super::*;

    /// Ten weeks, six of them seen; the counts leave the band in one seen and two unseen weeks.
    fn ten_weeks() -> Tracking {
        let start = NaiveDate::from_ymd_opt(1997, 1, 1).unwrap();
        let band = Interval { mean: 10.0, q05: 5.0, q95: 15.0 };
        Tracking {
            week_start: (0..10).map(|w| start + Days::new(7 * w)).collect(),
            actual: vec![10.0, 4.0, 10.0, 10.0, 10.0, 10.0, 16.0, 10.0, 3.0, 15.0],
            predicted: vec![band; 10],
            cumulative: vec![band; 10],
            calibration_weeks: 6,
        }
    }

    #[test]
    fn the_description_counts_weeks_within_the_band_on_both_sides() {
        let svg = weekly(&ten_weeks(), Size::Wide);
        assert!(svg.contains("in 5 of 6 weeks that the model has seen and in 2 of 4 that it has not"), "{svg}");
        assert!(svg.contains("week of 8 Jan 1997: counted 4, expected 10.0, 5.0–15.0 (90\u{a0}%)"));
    }

    #[test]
    fn totals_add_up_and_one_window_has_no_split() {
        let mut t = ten_weeks();
        assert!(cumulative(&t, Size::Wide).contains(">counted 98<"));
        assert!(weekly(&t, Size::Narrow).contains("class=\"split\""));
        t.calibration_weeks = 10;
        assert!(!weekly(&t, Size::Narrow).contains("class=\"split\""));
    }
}
