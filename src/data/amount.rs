//! Money as a whole number of ten-thousandths of the currency, read exactly from decimal digits, so that sums are exact in any
//! order. No float arithmetic on money happens before the final division by a count.

use super::field::Field;

/// Decimal places that an amount keeps.
pub(super) const AMOUNT_PLACES: i8 = 4;

/// Units in one of the currency: 10⁴.
pub(super) const UNITS: f64 = 10_000.0;

/// Largest magnitude of one amount, in units (10¹¹ of the currency): beyond it a column is not money.
const LARGEST: i128 = 1_000_000_000_000_000;

/// One amount, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Amount {
    /// Ten-thousandths of the currency.
    pub(super) units: i64,
    /// Whether digits beyond the fourth decimal were rounded away.
    pub(super) rounded: bool,
}

/// The amount in a field, or the reason why there is none.
pub(super) fn read(field: &Field<'_>) -> Result<Amount, String> {
    match *field {
        Field::Missing => Err("is missing".to_owned()),
        Field::Text(text) => plain(text.as_bytes()).map_or_else(|| parse(text), Ok),
        Field::Integer(value) => from_decimal(value, 0),
        Field::Decimal(digits, scale) => from_decimal(digits, i32::from(scale)),
        Field::Float(value) if let Some(units) = four_decimals(value) => Ok(Amount { units, rounded: false }),
        // The shortest decimal that reads back as the same float is what was meant: 11.77, not 11.769999….
        Field::Float(_) | Field::Float32(_) => parse(&field.text()),
        Field::Days(_) | Field::Instant(_) => Err("is a date, not an amount".to_owned()),
        Field::Unreadable(kind) => Err(format!("cannot be read from Parquet type {kind}")),
    }
}

/// The amounts that most files hold, quickly: an optional minus, up to twelve digits, up to four decimals.
fn plain(text: &[u8]) -> Option<Amount> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    let mut units: i64 = 0;
    let mut point = None;
    for (place, &byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => units = units.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?,
            b'.' if point.is_none() => point = Some(place),
            _ => return None,
        }
    }
    let whole = point.unwrap_or(digits.len());
    let decimals = digits.len() - point.map_or(whole, |at| at + 1);
    if whole == 0 || whole > 12 || decimals > 4 || (point.is_some() && decimals == 0) {
        return None;
    }
    units *= [10_000, 1_000, 100, 10, 1][decimals];
    (i128::from(units) <= LARGEST).then_some(Amount { units: if negative { -units } else { units }, rounded: false })
}

/// The units of a float that is exactly the nearest one to a decimal of at most 15 digits, four of them behind the point. No other
/// decimal of at most 15 digits has the same nearest float, so the shortest that reads back as it is this one.
fn four_decimals(value: f64) -> Option<i64> {
    let units = (value * UNITS).round();
    (units.abs() < 1e15 && units / UNITS == value).then_some(units as i64)
}

/// Reads `[+-]digits[.digits][e[+-]digits]`.
fn parse(text: &str) -> Result<Amount, String> {
    let lower = text.to_ascii_lowercase();
    let unsigned = lower.trim_start_matches(['+', '-']);
    if lower.len() - unsigned.len() > 1 {
        return Err("is not a number".to_owned());
    }
    if matches!(unsigned, "nan" | "inf" | "infinity") {
        return Err("is not a finite number".to_owned());
    }
    let (mantissa, exponent) = match unsigned.split_once('e') {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i16>().map_err(|_| "is not a number".to_owned())?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if unsigned.contains(',') {
        return Err("has a comma, which could separate thousands or decimals; write 1234.50".to_owned());
    }
    if whole.len() + fraction.len() == 0 || !whole.bytes().chain(fraction.bytes()).all(|b| b.is_ascii_digit()) {
        return Err("is not a number".to_owned());
    }
    // 30 significant digits fit an i128 with room for the scaling; more than that is no amount.
    let significant = whole.trim_start_matches('0').len();
    if significant > 30 {
        return Err("is too large for an amount".to_owned());
    }
    let kept = fraction.len().min(30 - significant);
    let magnitude = whole.bytes().chain(fraction.bytes().take(kept)).fold(0_i128, |n, b| n * 10 + i128::from(b - b'0'));
    let amount =
        from_decimal(if lower.starts_with('-') { -magnitude } else { magnitude }, kept as i32 - i32::from(exponent))?;
    let rest_rounded = fraction.bytes().skip(kept).any(|b| b != b'0');
    Ok(Amount { rounded: amount.rounded || rest_rounded, ..amount })
}

/// `digits · 10^−scale`, rounded half away from zero to the fourth decimal.
fn from_decimal(digits: i128, scale: i32) -> Result<Amount, String> {
    let too_large = || "is too large for an amount".to_owned();
    let shift = i32::from(AMOUNT_PLACES) - scale;
    let (units, rounded) = if digits == 0 {
        (0, false)
    } else if shift >= 0 {
        let factor = 10_i128.checked_pow(shift.unsigned_abs()).ok_or_else(too_large)?;
        (digits.checked_mul(factor).ok_or_else(too_large)?, false)
    } else {
        match 10_i128.checked_pow(shift.unsigned_abs()) {
            Some(divisor) => {
                let half = divisor / 2 * digits.signum();
                (digits.checked_add(half).ok_or_else(too_large)? / divisor, digits % divisor != 0)
            }
            None => (0, true),
        }
    };
    match i64::try_from(units) {
        Ok(narrow) if units.abs() <= LARGEST => Ok(Amount { units: narrow, rounded }),
        _ => Err(too_large()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(text: &str) -> i64 {
        read(&Field::Text(text)).unwrap_or_else(|e| panic!("{text}: {e}")).units
    }

    #[test]
    fn decimal_text_is_read_exactly() {
        let rows = [
            ("11.77", 117_700),
            ("0", 0),
            ("-0.00", 0),
            (".5", 5_000),
            ("7.", 70_000),
            ("+12.0001", 120_001),
            ("-3.25", -32_500),
            ("1e3", 10_000_000),
            ("1.177E1", 117_700),
            ("0.00004", 0),
            ("0.00005", 1),
            ("-0.00005", -1),
            ("99999999999.9999", 999_999_999_999_999),
            ("11.770000000000001", 117_700),
            ("000000000000000000000000000000000000011.77", 117_700),
        ];
        for (text, expected) in rows {
            assert_eq!(units(text), expected, "{text}");
        }
    }

    #[test]
    fn the_quick_ways_agree_with_the_slow_one() {
        for i in 0..20_000_u64 {
            let mixed = i.wrapping_mul(0x9E37_79B9_7F4A_7C15);
            let units = (mixed >> (20 + i % 40)) as i64 * if i % 3 == 0 { -1 } else { 1 };
            let text = format!("{}", units as f64 / [1.0, 10.0, 1e3, 1e4, 1e5][(mixed % 5) as usize]);
            let slow = parse(&text);
            assert_eq!(read(&Field::Text(&text)), slow, "{text}");
            assert_eq!(read(&Field::Float(text.parse().unwrap())), slow, "{text}");
        }
    }

    #[test]
    fn rounding_is_told() {
        assert!(!read(&Field::Text("11.7700000")).unwrap().rounded);
        assert!(read(&Field::Text("11.77001")).unwrap().rounded);
        assert!(read(&Field::Text("11.770000000000000000000000000000000000000001")).unwrap().rounded);
    }

    #[test]
    fn what_is_no_amount_has_a_reason() {
        let rows = [
            ("1,234.50", "comma"),
            ("12,5", "comma"),
            ("NaN", "finite"),
            ("-inf", "finite"),
            ("Infinity", "finite"),
            ("$5", "not a number"),
            ("--5", "not a number"),
            ("1.2.3", "not a number"),
            (".", "not a number"),
            ("e5", "not a number"),
            ("1e400", "too large"),
            ("1e99999999", "not a number"),
            ("123456789012345", "too large"),
            ("99999999999999999999999999999999999999999999", "too large"),
        ];
        for (text, reason) in rows {
            let seen = read(&Field::Text(text)).unwrap_err();
            assert!(seen.contains(reason), "{text}: {seen}");
        }
        assert!(read(&Field::Missing).unwrap_err().contains("missing"));
    }

    #[test]
    fn parquet_numbers_mean_what_csv_prints() {
        assert_eq!(read(&Field::Float(11.77)).unwrap(), Amount { units: 117_700, rounded: false });
        assert_eq!(read(&Field::Float32(11.77)).unwrap(), Amount { units: 117_700, rounded: false });
        assert_eq!(read(&Field::Integer(-12)).unwrap().units, -120_000);
        assert_eq!(read(&Field::Decimal(1177, 2)).unwrap().units, 117_700);
        assert_eq!(read(&Field::Decimal(11_770_000_499, 9)).unwrap(), Amount { units: 117_700, rounded: true });
        assert_eq!(read(&Field::Decimal(12, -2)).unwrap().units, 12_000_000);
        assert!(read(&Field::Float(f64::NAN)).is_err());
        assert!(read(&Field::Float(1e300)).is_err());
    }
}
