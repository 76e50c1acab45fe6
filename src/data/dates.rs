//! Dates from whatever a file writes them as. Without a time zone, time of day and offset are read past: a purchase belongs to the day
//! it is written under. With one, an instant (a time with an offset, a Parquet timestamp in UTC) belongs to the day that it is there.

use chrono::NaiveDate;
use chrono::format::{Item, ParseErrorKind, Parsed, StrftimeItems, parse};

use super::field::{Field, date_of};
use super::table_file::days_of;
use super::time_zone::TimeZone;
use crate::error::{Error, Result};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Purchases before this year are taken for placeholders (spreadsheet zero dates, truncated years).
const EARLIEST_YEAR: i32 = 1900;

/// Reads dates of one source.
#[derive(Debug, Clone)]
pub(super) struct DateReader {
    pattern: Option<(String, Vec<Item<'static>>)>,
    zone: Option<TimeZone>,
    latest: Option<NaiveDate>,
}

impl DateReader {
    /// A reader for an optional `strftime` pattern and an optional zone that rejects dates after `latest`.
    pub(super) fn new(pattern: Option<&str>, zone: Option<TimeZone>, latest: Option<NaiveDate>) -> Result<Self> {
        let pattern = pattern
            .map(|p| {
                let items = StrftimeItems::new(p).parse_to_owned().map_err(|e| {
                    Error::new("the date format is not a strftime pattern")
                        .at("data.date_format")
                        .seen(format!("{p:?}"))
                        .advice("%Y-%m-%d reads 1997-01-31; %d.%m.%Y reads 31.01.1997; %Y%m%d reads 19970131")
                        .because(e)
                })?;
                Ok::<_, Error>((p.to_owned(), items))
            })
            .transpose()?;
        Ok(Self { pattern, zone, latest })
    }

    /// The date in a field, or the reason why there is none.
    pub(super) fn read(&self, field: &Field<'_>) -> Result<NaiveDate, String> {
        let date = match field {
            Field::Missing => return Err("is missing".to_owned()),
            Field::Days(days) => date_of(*days).ok_or("lies outside the calendar")?,
            Field::Instant(seconds) => match self.zone {
                Some(zone) => zone.date_at(*seconds),
                None => date_of(seconds.div_euclid(DAY)),
            }
            .ok_or("lies outside the calendar")?,
            Field::Text(text) => self.read_text(text)?,
            Field::Integer(_) => self.read_text(&field.text())?,
            Field::Float(_) | Field::Float32(_) | Field::Decimal(..) => {
                return Err("is a number, not a date".to_owned());
            }
            Field::Unreadable(kind) => return Err(format!("cannot be read from Parquet type {kind}")),
        };
        if chrono::Datelike::year(&date) < EARLIEST_YEAR {
            return Err(format!("lies before {EARLIEST_YEAR}"));
        }
        match self.latest {
            Some(latest) if date > latest => Err(in_the_future(latest)),
            _ => Ok(date),
        }
    }

    fn read_text(&self, text: &str) -> Result<NaiveDate, String> {
        let Some((pattern, items)) = &self.pattern else {
            let written = iso_date(text).ok_or_else(|| {
                "is not an ISO date (1997-01-31, 1997-01-31T09:30:00); set data.date_format".to_owned()
            })?;
            return match (self.zone, written.offset) {
                (Some(zone), Some(offset)) => {
                    let offset = offset_seconds(offset).ok_or("has an offset that cannot be read (+02:00)")?;
                    let midnight = i64::from(days_of(written.date)) * DAY;
                    zone.date_at(midnight + i64::from(written.second) - offset)
                        .ok_or_else(|| "lies outside the calendar".to_owned())
                }
                _ => Ok(written.date),
            };
        };
        if pattern == "%Y%m%d" && text.len() == 8 {
            return compact_date(text.as_bytes()).ok_or_else(|| "does not match date_format \"%Y%m%d\"".to_owned());
        }
        let mut parsed = Parsed::new();
        parse(&mut parsed, text, items.iter())
            .and_then(|()| match (self.zone, parsed.offset()) {
                (Some(zone), Some(_)) => {
                    let instant = parsed.to_datetime()?;
                    Ok(zone.date_at(instant.timestamp()).unwrap_or(instant.date_naive()))
                }
                _ => parsed.to_naive_date(),
            })
            .map_err(|e| match e.kind() {
                ParseErrorKind::NotEnough => format!("date_format {pattern:?} does not give a whole date"),
                ParseErrorKind::OutOfRange | ParseErrorKind::Impossible => "is not a day of the calendar".to_owned(),
                _ => format!("does not match date_format {pattern:?}"),
            })
    }
}

/// Why a date after `latest` is rejected.
pub(super) fn in_the_future(latest: NaiveDate) -> String {
    format!("lies in the future (after {latest})")
}

/// A date with what is written behind it.
struct Written<'a> {
    date: NaiveDate,
    /// Second of the day.
    second: u32,
    /// `Z`, `UTC` or a sign and digits, if there is one.
    offset: Option<&'a [u8]>,
}

/// `1997-01-31`, alone or followed by a time of day.
fn iso_date(text: &str) -> Option<Written<'_>> {
    let bytes = text.as_bytes();
    if bytes.len() < 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (second, offset) = match &bytes[10..] {
        [] => (0, None),
        [b'T' | b't' | b' ', rest @ ..] => time_of_day(rest)?,
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(digits(&bytes[..4])? as i32, digits(&bytes[5..7])?, digits(&bytes[8..10])?)?;
    Some(Written { date, second, offset })
}

fn compact_date(bytes: &[u8]) -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(digits(&bytes[..4])? as i32, digits(&bytes[4..6])?, digits(&bytes[6..8])?)
}

/// `HH:MM`, `HH:MM:SS`, `HH:MM:SS.fraction`, each with an optional `Z` or offset: the second of the day, and the offset as written.
fn time_of_day(text: &[u8]) -> Option<(u32, Option<&[u8]>)> {
    let two = |bytes: &[u8], below: u32| bytes.get(..2).and_then(digits).filter(|n| *n < below);
    let (hour, minute) = (two(text, 25)?, two(text.get(3..)?, 60)?);
    if text[2] != b':' {
        return None;
    }
    let mut second = hour * 3600 + minute * 60;
    let mut rest = &text[5..];
    if let [b':', seconds @ ..] = rest {
        // 60 is a leap second.
        second += two(seconds, 61)?;
        rest = &seconds[2..];
        if let [b'.' | b',', fraction @ ..] = rest {
            let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
            if length == 0 {
                return None;
            }
            rest = &fraction[length..];
        }
    }
    match rest.trim_ascii_start() {
        [] => Some((second, None)),
        offset @ (b"Z" | b"z" | b"UTC") => Some((second, Some(offset))),
        offset @ [b'+' | b'-', after @ ..]
            if matches!(after.len(), 2 | 4 | 5) && after.iter().all(|b| b.is_ascii_digit() || *b == b':') =>
        {
            Some((second, Some(offset)))
        }
        _ => None,
    }
}

/// Seconds east of Greenwich: `Z`, `UTC`, `+02`, `+0230` or `+02:30`.
fn offset_seconds(offset: &[u8]) -> Option<i64> {
    let (sign, after) = match offset {
        b"Z" | b"z" | b"UTC" => return Some(0),
        [b'+', after @ ..] => (1, after),
        [b'-', after @ ..] => (-1, after),
        _ => return None,
    };
    let (hours, minutes) = match after {
        [_, _] => (digits(after)?, 0),
        [_, _, b':', minutes @ ..] => (digits(&after[..2])?, digits(minutes)?),
        [_, _, minutes @ ..] => (digits(&after[..2])?, digits(minutes)?),
        _ => return None,
    };
    (hours < 24 && minutes < 60).then(|| sign * i64::from(hours * 3600 + minutes * 60))
}

fn digits(bytes: &[u8]) -> Option<u32> {
    bytes.iter().try_fold(0, |n, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(y: i32, m: u32, d: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(y, m, d).unwrap()
    }

    fn read(pattern: Option<&str>, text: &str) -> Result<NaiveDate, String> {
        DateReader::new(pattern, None, None).unwrap().read(&Field::Text(text))
    }

    #[test]
    fn iso_dates_and_date_times_are_read_by_default() {
        for text in [
            "1997-01-31",
            "1997-01-31T09:30",
            "1997-01-31 23:59:59",
            "1997-01-31T23:59:59.123456Z",
            "1997-01-31 23:59:59+02:00",
            "1997-01-31 23:59:59.5 UTC",
        ] {
            assert_eq!(read(None, text), Ok(day(1997, 1, 31)), "{text}");
        }
        for text in [
            "1997-02-30",
            "31.01.1997",
            "1997-1-3",
            "1997-01-31x",
            "1997-01-31T99:00",
            "19970131",
            "yesterday",
            "1997-01-31 ",
        ] {
            assert!(read(None, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_pattern_reads_its_own_dates_alone() {
        assert_eq!(read(Some("%Y%m%d"), "19970131"), Ok(day(1997, 1, 31)));
        assert_eq!(read(Some("%d.%m.%Y"), "31.01.1997"), Ok(day(1997, 1, 31)));
        assert_eq!(read(Some("%m/%d/%y %H:%M"), "01/31/97 10:05"), Ok(day(1997, 1, 31)));
        assert!(read(Some("%Y%m%d"), "19970230").unwrap_err().contains("%Y%m%d"));
        assert!(read(Some("%d.%m.%Y"), "1997-01-31").unwrap_err().contains("%d.%m.%Y"));
        assert!(read(Some("%d.%m.%Y"), "31.02.1997").unwrap_err().contains("calendar"));
        assert!(read(Some("%H:%M"), "10:05").unwrap_err().contains("whole date"));
        assert!(DateReader::new(Some("%Q"), None, None).unwrap_err().to_string().contains("strftime"));
    }

    #[test]
    fn future_dates_and_placeholders_have_their_reasons() {
        let reader = DateReader::new(None, None, Some(day(2020, 6, 1))).unwrap();
        assert!(reader.read(&Field::Text("2020-06-01")).is_ok());
        assert!(reader.read(&Field::Text("2020-06-02")).unwrap_err().contains("future"));
        assert!(reader.read(&Field::Text("1899-12-30")).unwrap_err().contains("1900"));
        assert!(reader.read(&Field::Missing).unwrap_err().contains("missing"));
    }

    #[test]
    fn parquet_dates_are_read_as_days() {
        let reader = DateReader::new(Some("%Y%m%d"), None, None).unwrap();
        assert_eq!(reader.read(&Field::Days(9862)), Ok(day(1997, 1, 1)));
        assert_eq!(reader.read(&Field::Integer(19_970_131)), Ok(day(1997, 1, 31)));
        assert!(reader.read(&Field::Float(1.0)).is_err());
    }

    #[test]
    fn instants_belong_to_the_day_of_the_zone_and_local_times_to_their_own() {
        let zone = Some("Europe/Helsinki".parse().unwrap());
        let read = |pattern, text: &str| DateReader::new(pattern, zone, None).unwrap().read(&Field::Text(text));
        // Helsinki is two hours ahead of Greenwich in winter.
        let rows = [
            ("2020-01-31T21:59:59Z", day(2020, 1, 31)),
            ("2020-01-31T22:00:00Z", day(2020, 2, 1)),
            ("2020-01-31 22:00:00.25 UTC", day(2020, 2, 1)),
            ("2020-01-31T23:30+02:00", day(2020, 1, 31)),
            ("2020-01-31T23:30+01", day(2020, 2, 1)),
            ("2020-02-01T01:00+0430", day(2020, 1, 31)),
            ("2020-01-31T16:00:00-06:00", day(2020, 2, 1)),
            ("2020-01-31T23:59:59", day(2020, 1, 31)),
            ("2020-01-31", day(2020, 1, 31)),
        ];
        for (text, expected) in rows {
            assert_eq!(read(None, text), Ok(expected), "{text}");
        }
        assert!(read(None, "2020-01-31T16:00+2:345").unwrap_err().contains("offset"));
        let pattern = Some("%d.%m.%Y %H:%M %z");
        assert_eq!(read(pattern, "31.01.2020 22:00 +0000"), Ok(day(2020, 2, 1)));
        assert_eq!(read(Some("%d.%m.%Y %H:%M"), "31.01.2020 22:00"), Ok(day(2020, 1, 31)));
        assert!(read(Some("%d.%m.%Y %z"), "31.01.2020 +0000").unwrap_err().contains("whole date"));

        // 22:00 UTC on the last of January 2020.
        let instant = Field::Instant(1_580_508_000);
        assert_eq!(DateReader::new(None, zone, None).unwrap().read(&instant), Ok(day(2020, 2, 1)));
        assert_eq!(DateReader::new(None, None, None).unwrap().read(&instant), Ok(day(2020, 1, 31)));
    }
}
