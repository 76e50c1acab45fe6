//! The period in which the purchases of one customer merge into one: which days belong together, and how many periods lie between
//! two days. Nothing here knows a purchase.

use std::fmt;
use std::num::NonZeroU16;

use chrono::{Datelike, Days, NaiveDate};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// The period in which the purchases of one customer merge into one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Resolution {
    /// Calendar day.
    #[default]
    Day,
    /// Week that begins on Monday.
    Week,
    /// Calendar month.
    Month,
    /// Calendar quarter.
    Quarter,
    /// Calendar year.
    Year,
    /// So many days, counted from a Monday (1970-01-05): 7 is a week, 14 a fortnight.
    Days(NonZeroU16),
}

/// The Monday from which periods of a number of days are counted, in days since 1970-01-01.
const FIRST_MONDAY: i64 = 4;

impl Resolution {
    /// First day of the period that holds `date`.
    pub fn period_start(self, date: NaiveDate) -> NaiveDate {
        let into_period = match self {
            Self::Day => 0,
            Self::Week => date.weekday().num_days_from_monday(),
            Self::Month => date.day0(),
            Self::Quarter => return first_of(date, 3 * (date.month0() / 3)),
            Self::Year => date.ordinal0(),
            // A remainder of 16 bits.
            Self::Days(days) => since_first_monday(date).rem_euclid(i64::from(days.get())) as u32,
        };
        date - Days::new(u64::from(into_period))
    }

    /// Periods from the one that holds `from` to the one that holds `to`.
    pub fn periods_between(self, from: NaiveDate, to: NaiveDate) -> i64 {
        let months = |date: NaiveDate| 12 * i64::from(date.year()) + i64::from(date.month0());
        let (first, last) = (self.period_start(from), self.period_start(to));
        match self {
            Self::Day => (last - first).num_days(),
            Self::Week => (last - first).num_days() / 7,
            Self::Month => months(last) - months(first),
            Self::Quarter => (months(last) - months(first)) / 3,
            Self::Year => (months(last) - months(first)) / 12,
            Self::Days(days) => (last - first).num_days() / i64::from(days.get()),
        }
    }

    /// Whether `date` is not the last day of its period.
    pub fn is_cut_by(self, date: NaiveDate) -> bool {
        date.succ_opt().is_some_and(|next| self.period_start(next) == self.period_start(date))
    }

    /// Length of a period in days; the mean one where the calendar's differ.
    pub fn days(self) -> f64 {
        match self {
            Self::Day => 1.0,
            Self::Week => 7.0,
            Self::Month => 30.4375,
            Self::Quarter => 91.3125,
            Self::Year => 365.25,
            Self::Days(days) => f64::from(days.get()),
        }
    }

    fn name(self) -> Option<&'static str> {
        match self {
            Self::Day => Some("day"),
            Self::Week => Some("week"),
            Self::Month => Some("month"),
            Self::Quarter => Some("quarter"),
            Self::Year => Some("year"),
            Self::Days(_) => None,
        }
    }
}

/// The named periods.
const NAMED: [Resolution; 5] =
    [Resolution::Day, Resolution::Week, Resolution::Month, Resolution::Quarter, Resolution::Year];

fn since_first_monday(date: NaiveDate) -> i64 {
    (date - NaiveDate::default()).num_days() - FIRST_MONDAY
}

/// The first day of a month of the year of `date`; months count from 0.
fn first_of(date: NaiveDate, month0: u32) -> NaiveDate {
    date.with_day0(0).and_then(|first| first.with_month0(month0)).unwrap_or(date)
}

/// As users write it: `month`, or `28 days`.
impl fmt::Display for Resolution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.name(), self) {
            (Some(name), _) => f.write_str(name),
            (None, other) => write!(f, "{} days", other.days()),
        }
    }
}

impl Serialize for Resolution {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Days(days) => serializer.serialize_u16(days.get()),
            named => serializer.serialize_str(named.name().unwrap_or_default()),
        }
    }
}

impl<'de> Deserialize<'de> for Resolution {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written)
    }
}

/// Reads a name or a number of days.
struct Written;

impl Visitor<'_> for Written {
    type Value = Resolution;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"day\", \"week\", \"month\", \"quarter\", \"year\" or a whole number of days from 1 to 65535")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<Resolution, E> {
        NAMED
            .into_iter()
            .find(|named| named.name() == Some(name))
            .ok_or_else(|| E::invalid_value(de::Unexpected::Str(name), &self))
    }

    fn visit_i64<E: de::Error>(self, days: i64) -> Result<Resolution, E> {
        u16::try_from(days)
            .ok()
            .and_then(NonZeroU16::new)
            .map(Resolution::Days)
            .ok_or_else(|| E::invalid_value(de::Unexpected::Signed(days), &self))
    }

    fn visit_u64<E: de::Error>(self, days: u64) -> Result<Resolution, E> {
        self.visit_i64(i64::try_from(days).unwrap_or(i64::MAX))
    }
}

impl JsonSchema for Resolution {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Resolution".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "description": "The period in which the purchases of one customer merge into one: a calendar period, weeks from Monday, or a \
                            number of days counted from Monday 1970-01-05.",
            "anyOf": [
                { "enum": NAMED.map(Resolution::name) },
                { "type": "integer", "minimum": 1, "maximum": 65535 }
            ]
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    const FORTNIGHT: Resolution = Resolution::Days(NonZeroU16::new(14).unwrap());

    #[test]
    fn periods_start_where_the_calendar_says() {
        let thursday = day(2026, 1, 1);
        assert_eq!(Resolution::Day.period_start(thursday), thursday);
        assert_eq!(Resolution::Week.period_start(thursday), day(2025, 12, 29));
        assert_eq!(Resolution::Week.period_start(day(2025, 12, 29)), day(2025, 12, 29));
        assert_eq!(Resolution::Month.period_start(day(2024, 2, 29)), day(2024, 2, 1));
        assert_eq!(Resolution::Quarter.period_start(day(2024, 3, 31)), day(2024, 1, 1));
        assert_eq!(Resolution::Quarter.period_start(day(2024, 12, 31)), day(2024, 10, 1));
        assert_eq!(Resolution::Year.period_start(day(2024, 12, 31)), day(2024, 1, 1));
        // The first fortnight ends on a Sunday; before it they go on the same way.
        assert_eq!(FORTNIGHT.period_start(day(1970, 1, 18)), day(1970, 1, 5));
        assert_eq!(FORTNIGHT.period_start(day(1970, 1, 19)), day(1970, 1, 19));
        assert_eq!(FORTNIGHT.period_start(day(1970, 1, 4)), day(1969, 12, 22));
        let seven = Resolution::Days(NonZeroU16::new(7).unwrap());
        assert_eq!(seven.period_start(thursday), Resolution::Week.period_start(thursday));
    }

    /// Walking day by day, a new period is one more, and the day before is the last of the old one.
    #[test]
    fn periods_are_counted_one_by_one() {
        let first = day(1999, 12, 3);
        for resolution in NAMED.into_iter().chain([FORTNIGHT]) {
            let (mut periods, mut start) = (0, resolution.period_start(first));
            for date in first.iter_days().take(1500) {
                let next = resolution.period_start(date);
                if next != start {
                    assert_eq!(next, date, "{resolution}");
                    assert!(!resolution.is_cut_by(date.pred_opt().unwrap()));
                    (periods, start) = (periods + 1, next);
                } else if date != first {
                    assert!(resolution.is_cut_by(date.pred_opt().unwrap()), "{resolution} {date}");
                }
                assert_eq!(resolution.periods_between(first, date), periods, "{resolution} {date}");
            }
            // A mean length: within one period of the days that passed.
            assert!((f64::from(1500) / resolution.days() - periods as f64).abs() <= 1.0, "{resolution}");
        }
    }

    #[test]
    fn it_is_written_as_a_name_or_a_number() {
        #[derive(Debug, PartialEq, Serialize, serde::Deserialize)]
        struct Holder {
            r: Resolution,
        }
        for (text, r) in [("r = \"quarter\"\n", Resolution::Quarter), ("r = 14\n", FORTNIGHT)] {
            assert_eq!(toml::from_str::<Holder>(text).unwrap(), Holder { r });
            assert_eq!(toml::to_string(&Holder { r }).unwrap(), text);
        }
        for bad in ["r = \"fortnight\"", "r = 0", "r = -7", "r = 70000", "r = 1.5"] {
            let said = toml::from_str::<Holder>(bad).unwrap_err().to_string();
            assert!(said.contains("\"month\"") && said.contains("number of days"), "{bad}: {said}");
        }
        assert_eq!((Resolution::Week.to_string(), FORTNIGHT.to_string()), ("week".to_owned(), "14 days".to_owned()));
    }
}
