//! From data to pixels: linear, logarithmic and calendar scales with ticks at round places.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | domain | the data's interval, low to high |
//! | range | the interval on paper it is mapped to; may run downwards |
//!
//! Ticks are multiples of 1, 2 or 5 times a power of ten. Nothing here draws.

use chrono::{Datelike, Months, NaiveDate};

/// A map from data to paper.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Scale {
    domain: (f64, f64),
    range: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    /// A linear scale. An empty or senseless domain becomes a domain of width one, so that drawing still works.
    pub(super) fn linear(low: f64, high: f64, range: (f64, f64)) -> Self {
        let domain = match (low.is_finite(), high.is_finite()) {
            (true, true) if high > low => (low, high),
            (true, _) => (low, low + 1.0),
            _ => (0.0, 1.0),
        };
        Self { domain, range, logarithmic: false }
    }

    /// A logarithmic scale over a positive domain; a linear one if the domain is not positive.
    pub(super) fn logarithmic(low: f64, high: f64, range: (f64, f64)) -> Self {
        if low > 0.0 && high > low && high.is_finite() {
            Self { domain: (low.ln(), high.ln()), range, logarithmic: true }
        } else {
            Self::linear(low, high, range)
        }
    }

    /// The same scale with its (linear) domain widened to round numbers.
    pub(super) fn nice(self, ticks: usize) -> Self {
        if self.logarithmic {
            return self;
        }
        let (low, high) = self.domain;
        let step = step(low, high, ticks);
        Self { domain: ((low / step).floor() * step, (high / step).ceil() * step), ..self }
    }

    /// Where a value lies on paper. Values outside the domain lie outside the range.
    pub(super) fn at(&self, value: f64) -> f64 {
        let v = if self.logarithmic { value.ln() } else { value };
        let share = (v - self.domain.0) / (self.domain.1 - self.domain.0);
        self.range.0 + share * (self.range.1 - self.range.0)
    }

    /// Where a value lies on paper, held within the range.
    pub(super) fn clamped(&self, value: f64) -> f64 {
        let (low, high) = (self.range.0.min(self.range.1), self.range.0.max(self.range.1));
        self.at(value).clamp(low, high)
    }

    /// About `wanted` round values within the domain, with the decimals they need.
    pub(super) fn ticks(&self, wanted: usize) -> (Vec<f64>, usize) {
        if self.logarithmic {
            return log_ticks(self.domain.0.exp(), self.domain.1.exp(), wanted);
        }
        let (low, high) = self.domain;
        let step = step(low, high, wanted);
        let first = (low / step - 1e-9).ceil() as i64;
        let last = (high / step + 1e-9).floor() as i64;
        let decimals = (-step.log10().floor()).clamp(0.0, 9.0) as usize;
        ((first..=last).map(|i| i as f64 * step).collect(), decimals)
    }
}

/// The step, 1, 2 or 5 times a power of ten, that gives about `wanted` ticks.
fn step(low: f64, high: f64, wanted: usize) -> f64 {
    let raw = (high - low) / wanted.max(1) as f64;
    let power = 10f64.powf(raw.log10().floor());
    let factor = match raw / power {
        f if f < 1.5 => 1.0,
        f if f < 3.5 => 2.0,
        f if f < 7.5 => 5.0,
        _ => 10.0,
    };
    factor * power
}

fn log_ticks(low: f64, high: f64, wanted: usize) -> (Vec<f64>, usize) {
    let (first, last) = (low.log10().floor() as i32, high.log10().ceil() as i32);
    let within = |factors: &[f64]| -> Vec<f64> {
        (first..=last)
            .flat_map(|power| factors.iter().map(move |f| f * 10f64.powi(power)))
            .filter(|v| (low * (1.0 - 1e-9)..=high * (1.0 + 1e-9)).contains(v))
            .collect()
    };
    let mut ticks = within(&[1.0, 2.0, 5.0]);
    if ticks.len() > wanted + 2 {
        ticks = within(&[1.0]);
        let every = ticks.len().div_ceil(wanted.max(1));
        ticks = ticks.into_iter().step_by(every).collect();
    }
    let decimals = ticks.first().map_or(0, |t| (-t.log10().floor()).clamp(0.0, 9.0) as usize);
    (ticks, decimals)
}

/// The first days of months between two days, at most `wanted` of them, each with its label; the year is written where it
/// is new.
pub(super) fn month_ticks(from: NaiveDate, to: NaiveDate, wanted: usize) -> Vec<(NaiveDate, String)> {
    let months = (to.year() - from.year()) * 12 + to.month() as i32 - from.month() as i32 + 1;
    let every = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600]
        .into_iter()
        .find(|every| months <= every * wanted.max(1) as i32)
        .unwrap_or(1_200);
    let mut ticks = Vec::new();
    let mut year = None;
    let mut day = from.with_day(1);
    while let Some(d) = day.filter(|d| *d <= to) {
        // Months since year zero, so that ticks fall on January, April, … and years on multiples.
        if d >= from && (d.year() * 12 + d.month0() as i32) % every == 0 {
            let label = match (every >= 12, year == Some(d.year())) {
                (true, _) => d.format("%Y").to_string(),
                (false, true) => d.format("%b").to_string(),
                (false, false) => d.format("%b %Y").to_string(),
            };
            year = Some(d.year());
            ticks.push((d, label));
        }
        day = d.checked_add_months(Months::new(1));
    }
    ticks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_inside() {
        let (ticks, decimals) = Scale::linear(0.0, 97.0, (0.0, 1.0)).ticks(5);
        assert_eq!((ticks, decimals), (vec![0.0, 20.0, 40.0, 60.0, 80.0], 0));
        let (ticks, decimals) = Scale::linear(0.21, 0.29, (0.0, 1.0)).ticks(4);
        assert_eq!(decimals, 2);
        assert_eq!(ticks.len(), 4);
        let (ticks, _) = Scale::linear(0.0, 97.0, (0.0, 1.0)).nice(5).ticks(5);
        assert_eq!(ticks.last(), Some(&100.0));
        let (ticks, _) = Scale::logarithmic(3.0, 4_000.0, (0.0, 1.0)).ticks(4);
        assert_eq!(ticks.len(), 3);
        assert!((ticks[2] - 1_000.0).abs() < 1e-9);
    }

    #[test]
    fn values_map_linearly_and_logarithmically() {
        let s = Scale::linear(0.0, 10.0, (100.0, 0.0));
        assert_eq!(s.at(2.5), 75.0);
        assert_eq!(s.clamped(20.0), 0.0);
        let l = Scale::logarithmic(1.0, 100.0, (0.0, 2.0));
        assert!((l.at(10.0) - 1.0).abs() < 1e-12);
    }

    #[test]
    fn senseless_domains_still_draw() {
        for s in [
            Scale::linear(3.0, 3.0, (0.0, 9.0)),
            Scale::linear(f64::NAN, 1.0, (0.0, 9.0)),
            Scale::linear(0.0, f64::INFINITY, (0.0, 9.0)),
            Scale::logarithmic(0.0, 5.0, (0.0, 9.0)),
        ] {
            assert!(s.at(1.0).is_finite());
            assert!(!s.nice(4).ticks(4).0.is_empty());
        }
    }

    #[test]
    fn month_ticks_name_the_year_once() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d).unwrap();
        let labels = |from, to, wanted| -> Vec<String> {
            month_ticks(from, to, wanted).into_iter().map(|(_, label)| label).collect()
        };
        assert_eq!(
            labels(day(1997, 1, 1), day(1998, 6, 30), 6),
            ["Jan 1997", "Apr", "Jul", "Oct", "Jan 1998", "Apr"].map(String::from)
        );
        assert_eq!(labels(day(1997, 2, 1), day(1997, 3, 30), 6), ["Feb 1997", "Mar"].map(String::from));
        assert_eq!(labels(day(1990, 1, 1), day(2020, 1, 1), 7).len(), 7);
    }
}
