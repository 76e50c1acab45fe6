//! A calendar month: what the table of purchases is cut by in time. Nothing here knows a file.

use std::fmt;
use std::str::FromStr;

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// A calendar month, by months since the year 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Month(i32);

impl Month {
    /// The month of a day.
    pub(super) fn of(date: NaiveDate) -> Self {
        Self(12 * date.year() + date.month0() as i32)
    }
}

/// `2024-03`.
impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl FromStr for Month {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.rsplit_once('-').and_then(|(year, month)| {
            let month: i32 = month.parse().ok()?;
            (1..=12).contains(&month).then_some(12 * year.parse::<i32>().ok()? + month - 1)
        });
        parsed.map(Self).ok_or_else(|| format!("{text:?} is no month (2024-03)"))
    }
}

impl TryFrom<String> for Month {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Month> for String {
    fn from(month: Month) -> Self {
        month.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_written_as_they_are_read_and_stand_in_order() {
        let of = |y, m, d| Month::of(NaiveDate::from_ymd_opt(y, m, d).unwrap());
        for (month, text) in [(of(2024, 3, 31), "2024-03"), (of(1900, 1, 1), "1900-01"), (of(1999, 12, 9), "1999-12")] {
            assert_eq!(month.to_string(), text);
            assert_eq!(text.parse::<Month>(), Ok(month));
        }
        assert!(of(2023, 12, 31) < of(2024, 1, 1));
        for wrong in ["2024", "2024-00", "2024-13", "x-01", ""] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }
}
