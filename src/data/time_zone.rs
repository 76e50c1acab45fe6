//! The time zone of a shop, by its IANA name: which calendar day an instant is there.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate};
use serde::{Deserialize, Serialize};

use super::columns::nearest;
use crate::error::Error;

/// A time zone of the IANA database, with its changes of offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TimeZone(chrono_tz::Tz);

impl TimeZone {
    /// The calendar day there at an instant, in seconds since 1970-01-01T00:00:00Z; none outside the calendar.
    pub(super) fn date_at(self, seconds: i64) -> Option<NaiveDate> {
        Some(DateTime::from_timestamp(seconds, 0)?.with_timezone(&self.0).date_naive())
    }
}

impl FromStr for TimeZone {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        if let Ok(zone) = name.parse() {
            return Ok(Self(zone));
        }
        let error = Error::new("there is no such time zone").at("data.time_zone").seen(format!("{name:?}"));
        let names: Vec<String> = chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name().to_owned()).collect();
        // People write the city; the names have a continent before it.
        let city = |full: &String| full.rsplit('/').next().is_some_and(|last| last.eq_ignore_ascii_case(name));
        Err(match names.iter().find(|full| city(full)).cloned().or_else(|| nearest(name, &names)) {
            Some(near) => error.advice(format!("did you mean {near:?}?")),
            None => error.advice("IANA names look like \"Europe/Helsinki\", \"America/New_York\" or \"UTC\""),
        })
    }
}

impl TryFrom<String> for TimeZone {
    type Error = Error;

    fn try_from(name: String) -> Result<Self, Error> {
        name.parse()
    }
}

impl From<TimeZone> for String {
    fn from(zone: TimeZone) -> Self {
        zone.to_string()
    }
}

impl fmt::Display for TimeZone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_iana_and_the_nearest_is_told() {
        let zone: TimeZone = "Europe/Helsinki".parse().unwrap();
        assert_eq!(zone.to_string(), "Europe/Helsinki");
        assert_eq!(serde_json::to_string(&zone).unwrap(), "\"Europe/Helsinki\"");
        assert_eq!(serde_json::from_str::<TimeZone>("\"Europe/Helsinki\"").unwrap(), zone);
        let refusal = |name: &str| name.parse::<TimeZone>().unwrap_err().to_string();
        assert!(refusal("Europe/Helsinky").contains("did you mean \"Europe/Helsinki\"?"));
        assert!(refusal("helsinki").contains("did you mean \"Europe/Helsinki\"?"));
        assert!(refusal("the moon").contains("IANA names look like"), "{}", refusal("the moon"));
        assert!(serde_json::from_str::<TimeZone>("\"Mars/Base\"").is_err());
    }

    #[test]
    fn days_begin_at_local_midnight_in_summer_and_winter() {
        let day = |y, m, d| NaiveDate::from_ymd_opt(y, m, d);
        let at = |text: &str| DateTime::parse_from_rfc3339(text).unwrap().timestamp();
        let helsinki: TimeZone = "Europe/Helsinki".parse().unwrap();
        // UTC+2 in winter, UTC+3 in summer.
        assert_eq!(helsinki.date_at(at("2020-01-31T21:59:59Z")), day(2020, 1, 31));
        assert_eq!(helsinki.date_at(at("2020-01-31T22:00:00Z")), day(2020, 2, 1));
        assert_eq!(helsinki.date_at(at("2020-06-30T20:59:59Z")), day(2020, 6, 30));
        assert_eq!(helsinki.date_at(at("2020-06-30T21:00:00Z")), day(2020, 7, 1));
        // Samoa left out the 30th of December 2011.
        let apia: TimeZone = "Pacific/Apia".parse().unwrap();
        assert_eq!(apia.date_at(at("2011-12-30T09:59:59Z")), day(2011, 12, 29));
        assert_eq!(apia.date_at(at("2011-12-30T10:00:00Z")), day(2011, 12, 31));
    }
}
