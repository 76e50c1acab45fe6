//! One value of one row, as the file holds it: text from CSV, typed from Parquet. Meaning is given to it elsewhere.

use std::borrow::Cow;

use chrono::NaiveDate;

/// One value of one row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Field<'a> {
    /// Nothing there: an empty text field or a Parquet null.
    Missing,
    /// Text without surrounding blanks.
    Text(&'a str),
    /// An integer.
    Integer(i128),
    /// A float; Parquet's 32-bit floats are marked, because they print with fewer digits.
    Float(f64),
    /// A 32-bit float.
    Float32(f32),
    /// Days since 1970-01-01.
    Days(i64),
    /// Seconds since 1970-01-01T00:00:00Z: a moment, wherever it is seen from.
    Instant(i64),
    /// A decimal number: digits and the number of those after the point.
    Decimal(i128, i8),
    /// A value of a type that no column of ours can have, by the name of the type.
    Unreadable(&'static str),
}

impl<'a> Field<'a> {
    /// A text field: trimmed, and missing when nothing is left.
    pub(super) fn from_text(text: &'a str) -> Self {
        match text.trim() {
            "" => Self::Missing,
            trimmed => Self::Text(trimmed),
        }
    }

    /// The value as its text, for identifiers, labels and messages.
    pub(super) fn text(&self) -> Cow<'a, str> {
        match *self {
            Self::Missing => Cow::Borrowed(""),
            Self::Text(text) => Cow::Borrowed(text),
            // Most fit 64 bits, whose digits come several times faster.
            Self::Integer(value) => {
                Cow::Owned(i64::try_from(value).map_or_else(|_| value.to_string(), |v| v.to_string()))
            }
            Self::Float(value) => Cow::Owned(value.to_string()),
            Self::Float32(value) => Cow::Owned(value.to_string()),
            Self::Days(days) => Cow::Owned(date_of(days).map_or_else(|| format!("day {days}"), |d| d.to_string())),
            Self::Instant(seconds) => Cow::Owned(
                chrono::DateTime::from_timestamp(seconds, 0)
                    .map_or_else(|| format!("second {seconds}"), |at| at.format("%Y-%m-%dT%H:%M:%SZ").to_string()),
            ),
            Self::Decimal(digits, scale) => Cow::Owned(decimal_text(digits, scale)),
            Self::Unreadable(kind) => Cow::Borrowed(kind),
        }
    }

    /// The value as a finite number, for the columns of a customer summary.
    pub(super) fn number(&self) -> Result<f64, String> {
        let value = match *self {
            Self::Missing => return Err("is missing".to_owned()),
            Self::Unreadable(kind) => return Err(format!("cannot be read from Parquet type {kind}")),
            Self::Days(_) | Self::Instant(_) => return Err("is a date, not a number".to_owned()),
            Self::Float(value) => value,
            Self::Integer(value) => value as f64,
            Self::Text(_) | Self::Float32(_) | Self::Decimal(..) => {
                self.text().parse::<f64>().map_err(|_| "is not a number".to_owned())?
            }
        };
        if value.is_finite() { Ok(value) } else { Err("is not a finite number".to_owned()) }
    }
}

/// The date so many days after 1970-01-01.
pub(super) fn date_of(days: i64) -> Option<NaiveDate> {
    NaiveDate::default().checked_add_signed(chrono::TimeDelta::try_days(days)?)
}

/// `digits · 10^−scale`, with all of its decimals.
pub(super) fn decimal_text(digits: i128, scale: i8) -> String {
    let sign = if digits < 0 { "-" } else { "" };
    let magnitude = digits.unsigned_abs().to_string();
    match usize::try_from(scale) {
        Ok(0) => format!("{sign}{magnitude}"),
        Ok(places) => {
            let padded = format!("{magnitude:0>width$}", width = places + 1);
            let (whole, fraction) = padded.split_at(padded.len() - places);
            format!("{sign}{whole}.{fraction}")
        }
        Err(_) => format!("{sign}{magnitude}{}", "0".repeat(usize::from(scale.unsigned_abs()))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_as_people_write_them() {
        assert_eq!(Field::Decimal(-1177, 2).text(), "-11.77");
        assert_eq!(Field::Decimal(5, 3).text(), "0.005");
        assert_eq!(Field::Decimal(12, -2).text(), "1200");
        assert_eq!(Field::Days(9862).text(), "1997-01-01");
        assert_eq!(Field::Instant(9862 * 86_400 + 3_661).text(), "1997-01-01T01:01:01Z");
        assert_eq!(Field::Integer(i128::MAX).text(), i128::MAX.to_string());
        assert_eq!(Field::Float32(11.77).text(), "11.77");
        assert_eq!(Field::from_text("  a b "), Field::Text("a b"));
        assert_eq!(Field::from_text("  "), Field::Missing);
    }

    #[test]
    fn only_finite_numbers_are_numbers() {
        assert_eq!(Field::Text("3.5").number(), Ok(3.5));
        assert_eq!(Field::Float32(0.1).number(), Ok(0.1));
        for bad in [Field::Text("NaN"), Field::Text("inf"), Field::Text("x"), Field::Missing, Field::Float(f64::NAN)] {
            assert!(bad.number().is_err(), "{bad:?}");
        }
    }
}
