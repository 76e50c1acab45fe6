//! The day that a project's commands work on, and the lengths of windows in days. The clock is read here, once a command, and not at all
//! where the day is given: replaying a past makes the same files.

use chrono::{DateTime, Days, NaiveDate, SecondsFormat, Utc};

use crate::error::{Error, Result};

/// Days of a month wherever the lifecycle counts in months: a twelfth of the Julian year, as predictions do.
const DAYS_PER_MONTH: f64 = 30.4375;

/// The day on which a command works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Today {
    /// The day itself.
    pub date: NaiveDate,
    /// What records say of when they were made: the time of the clock, or the day that was given.
    pub stamp: String,
    /// The same as a moment.
    pub moment: DateTime<Utc>,
}

impl Today {
    /// The day of the clock, in local time.
    pub fn now() -> Self {
        let now = Utc::now();
        Self {
            date: chrono::Local::now().date_naive(),
            stamp: now.to_rfc3339_opts(SecondsFormat::Secs, true),
            moment: now,
        }
    }

    /// A given day: for replays and for catching up.
    pub fn given(date: NaiveDate) -> Self {
        Self { date, stamp: date.to_string(), moment: date.and_time(chrono::NaiveTime::MIN).and_utc() }
    }
}

/// Whole days of a window of some months, rounded.
pub fn window_days(months: u32) -> u64 {
    (f64::from(months) * DAYS_PER_MONTH).round() as u64
}

/// The last day of the window of `months` that begins after `cutoff`.
///
/// # Errors
/// A window beyond the calendar.
pub fn window_end(cutoff: NaiveDate, months: u32) -> Result<NaiveDate> {
    cutoff.checked_add_days(Days::new(window_days(months))).ok_or_else(|| beyond(cutoff, months))
}

/// The cutoff whose window of `months` ends on `end`.
///
/// # Errors
/// A window beyond the calendar.
pub fn cutoff_of_window(end: NaiveDate, months: u32) -> Result<NaiveDate> {
    end.checked_sub_days(Days::new(window_days(months))).ok_or_else(|| beyond(end, months))
}

/// The first day of the window of `months` that ends on `cutoff`.
///
/// # Errors
/// A window beyond the calendar.
pub fn window_start(cutoff: NaiveDate, months: u32) -> Result<NaiveDate> {
    cutoff_of_window(cutoff, months)?.succ_opt().ok_or_else(|| beyond(cutoff, months))
}

fn beyond(date: NaiveDate, months: u32) -> Error {
    Error::new(format!("{months} months from {date} is beyond the calendar"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_as_long_as_predictions() {
        let day = |text: &str| text.parse::<NaiveDate>().expect("a day");
        assert_eq!([1, 3, 6, 9, 12, 18].map(window_days), [30, 91, 183, 274, 365, 548]);
        let cutoff = day("2024-06-30");
        assert_eq!(window_end(cutoff, 12).expect("in range"), day("2025-06-30"));
        assert_eq!(cutoff_of_window(day("2025-06-30"), 12).expect("in range"), cutoff);
        // 91 days, the cutoff's own among them.
        assert_eq!(window_start(cutoff, 3).expect("in range"), day("2024-04-01"));
        assert!(window_end(NaiveDate::MAX, 1).is_err());
    }
}
