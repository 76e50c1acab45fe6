//! Numbers as people read them: thousands separators, a sensible number of digits, currency where its readers expect it.
//!
//! Anything that is not a finite number reads as a dash. Not here: HTML or SVG escaping, which the text still needs.

use super::view::Interval;

/// Shown in place of a number that is not one.
pub(super) const NONE: &str = "–";

/// `value` with exactly `decimals` digits after the point, thousands separated, with a real minus sign.
pub(super) fn fixed(value: f64, decimals: usize) -> String {
    if !value.is_finite() {
        return NONE.to_owned();
    }
    let text = format!("{:.decimals$}", value.abs());
    let (whole, fraction) = text.split_once('.').map_or((text.as_str(), None), |(w, f)| (w, Some(f)));
    let mut out = String::with_capacity(text.len() + text.len() / 3 + 3);
    if value < 0.0 && text.bytes().any(|b| (b'1'..=b'9').contains(&b)) {
        out.push('−');
    }
    for (i, digit) in whole.chars().enumerate() {
        if i > 0 && (whole.len() - i) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A count: `23,570`.
pub fn whole(value: u64) -> String {
    fixed(value as f64, 0)
}

/// Digits after the point for a quantity of this size that one would otherwise count.
fn count_decimals(size: f64) -> usize {
    match size.abs() {
        s if s >= 100.0 => 0,
        s if s >= 10.0 => 1,
        _ => 2,
    }
}

/// An expected count: `1,882`, `12.4`, `0.25`.
pub fn count(value: f64) -> String {
    fixed(value, count_decimals(value))
}

/// Digits after the point for an amount of this size.
fn money_decimals(size: f64) -> usize {
    if size.abs() >= 1_000.0 { 0 } else { 2 }
}

/// An amount: `$36.31`, `$1,234,567`, `36.31 CHF`.
pub fn money(value: f64, currency: &str) -> String {
    amount(value, money_decimals(value), currency)
}

/// An amount with exactly `decimals` digits after the point.
pub(super) fn amount(value: f64, decimals: usize, currency: &str) -> String {
    let number = fixed(value, decimals);
    let currency = currency.trim();
    if currency.is_empty() || !value.is_finite() {
        number
    } else if currency.chars().all(char::is_alphabetic) {
        format!("{number}\u{a0}{currency}")
    } else if let Some(positive) = number.strip_prefix('−') {
        format!("−{currency}{positive}")
    } else {
        format!("{currency}{number}")
    }
}

/// The interval of an expected count: `1,720–2,010 (90 %)`.
pub(super) fn count_range(interval: &Interval) -> String {
    let decimals = count_decimals(interval.q95.abs().max(interval.q05.abs()));
    range(fixed(interval.q05, decimals), fixed(interval.q95, decimals))
}

/// The interval of an amount: `$1,720–$2,010 (90 %)`.
pub(super) fn money_range(interval: &Interval, currency: &str) -> String {
    let decimals = money_decimals(interval.q95.abs().max(interval.q05.abs()));
    range(amount(interval.q05, decimals, currency), amount(interval.q95, decimals, currency))
}

fn range(from: String, to: String) -> String {
    format!("{} (90\u{a0}%)", from_to(&from, &to))
}

/// From one figure to another, `0.48–0.55`.
pub(super) fn from_to(from: &str, to: &str) -> String {
    // A dash between two negative numbers would read as a sign.
    let dash = if from.starts_with('−') || to.starts_with('−') { " to " } else { "–" };
    format!("{from}{dash}{to}")
}

/// An interval with exactly `decimals` digits after the point: `0.48–0.55`.
pub(super) fn plain_range(low: f64, high: f64, decimals: usize) -> String {
    from_to(&fixed(low, decimals), &fixed(high, decimals))
}

/// A share 0–1: `12.4 %`; small ones keep a digit that says something, `0.04 %`.
pub fn percent(share: f64) -> String {
    let value = 100.0 * share;
    let decimals = match value.abs() {
        v if v == 0.0 || v >= 99.95 => 0,
        v if v < 0.1 => 2,
        _ => 1,
    };
    let number = fixed(value, decimals);
    if value.is_finite() { format!("{number}\u{a0}%") } else { number }
}

/// A share 0–1 without digits after the point: `41 %`.
pub(super) fn percent_whole(share: f64) -> String {
    if share.is_finite() { format!("{}\u{a0}%", fixed(100.0 * share, 0)) } else { NONE.to_owned() }
}

/// How many decimals a parameter's figures need, so that its standard deviation keeps three significant digits.
pub(super) fn decimals_for(sd: f64, mean: f64) -> usize {
    let size = if sd.is_finite() && sd > 0.0 { sd } else { mean.abs() };
    if !size.is_finite() || size == 0.0 {
        return 3;
    }
    (2.0 - size.log10().floor()).clamp(0.0, 9.0) as usize
}

/// A figure of some four significant digits: `4.414`, `0.2426`, `1,234`.
pub fn figure(value: f64) -> String {
    if !value.is_finite() || value == 0.0 {
        return fixed(value, 0);
    }
    fixed(value, (3.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize)
}

/// A figure of so many significant digits, without zeros that say nothing.
pub(super) fn significant(value: f64, digits: i32) -> String {
    if !value.is_finite() || value == 0.0 {
        return fixed(value, 0);
    }
    let text = fixed(value, (f64::from(digits - 1) - value.abs().log10().floor()).clamp(0.0, 9.0) as usize);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A figure without zeros that say nothing: `39`, `38.86`.
pub fn short(value: f64) -> String {
    let text = figure(value);
    if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
}

/// A size in memory or on disk: `1.5 KiB`, `240 MiB`, `3.2 GiB`.
pub(super) fn bytes(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let power = (bytes.max(1).ilog2() / 10).min(4);
    let size = bytes as f64 / f64::from(1 << (5 * power)) / f64::from(1 << (5 * power));
    let decimals = usize::from(power > 0 && size < 9.95);
    format!("{}\u{a0}{}", fixed(size, decimals), units[power as usize])
}

/// A duration: `0.42 s`, `12.3 s`, `3 min 20 s`, `1 h 02 min`.
pub(super) fn duration(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return NONE.to_owned();
    }
    if seconds < 9.995 {
        return format!("{}\u{a0}s", fixed(seconds, 2));
    }
    if seconds < 59.95 {
        return format!("{}\u{a0}s", fixed(seconds, 1));
    }
    let total = seconds.round() as u64;
    if total < 3_600 {
        format!("{}\u{a0}min {:02}\u{a0}s", total / 60, total % 60)
    } else {
        format!("{}\u{a0}h {:02}\u{a0}min", total / 3_600, total % 3_600 / 60)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_the_unit_that_people_would_take() {
        let said = [0, 1, 1023, 1536, 240 << 20, 3_435_973_837, 5 << 40].map(|size| bytes(size).replace('\u{a0}', " "));
        assert_eq!(said, ["0 bytes", "1 bytes", "1,023 bytes", "1.5 KiB", "240 MiB", "3.2 GiB", "5.0 TiB"]);
    }

    #[test]
    fn counts_and_amounts_read_as_people_write_them() {
        assert_eq!(whole(1_882), "1,882");
        assert_eq!(whole(0), "0");
        assert_eq!(count(123_456.7), "123,457");
        assert_eq!(count(12.44), "12.4");
        assert_eq!(money(36.307_75, "$"), "$36.31");
        assert_eq!(money(1_234_567.8, "$"), "$1,234,568");
        assert_eq!(money(36.31, "CHF"), "36.31\u{a0}CHF");
        assert_eq!(money(-5.0, "€"), "−€5.00");
        assert_eq!(money(5.0, ""), "5.00");
        assert_eq!(fixed(-0.001, 2), "0.00");
        assert_eq!(fixed(999.999, 2), "1,000.00");
    }

    #[test]
    fn shares_intervals_and_durations() {
        assert_eq!(percent(0.124), "12.4\u{a0}%");
        assert_eq!(percent(0.000_4), "0.04\u{a0}%");
        assert_eq!(percent(1.0), "100\u{a0}%");
        assert_eq!(count_range(&Interval { mean: 1_882.0, q05: 1_720.2, q95: 2_010.4 }), "1,720–2,010 (90\u{a0}%)");
        assert_eq!(money_range(&Interval { mean: 0.0, q05: -2.0, q95: 3.0 }, "$"), "−$2.00 to $3.00 (90\u{a0}%)");
        assert_eq!(duration(0.42), "0.42\u{a0}s");
        assert_eq!(duration(200.0), "3\u{a0}min 20\u{a0}s");
        assert_eq!(duration(3_725.0), "1\u{a0}h 02\u{a0}min");
    }

    #[test]
    fn what_is_no_number_is_a_dash() {
        for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            for text in [count(bad), money(bad, "$"), percent(bad), percent_whole(bad), figure(bad), duration(bad)] {
                assert_eq!(text, NONE);
            }
        }
    }

    #[test]
    fn a_parameter_keeps_three_digits_of_its_standard_deviation() {
        // r .2459 (.0129) and alpha 4.52 (.39): published posterior of BG/NBD on the CDNOW sample.
        assert_eq!(fixed(0.2459, decimals_for(0.0129, 0.2459)), "0.2459");
        assert_eq!(fixed(4.52, decimals_for(0.39, 4.52)), "4.520");
        assert_eq!(decimals_for(0.0, 0.0), 3);
        assert_eq!(figure(0.242_59), "0.2426");
        assert_eq!(figure(-9_582.429), "−9,582");
        assert_eq!(short(39.0), "39");
        assert_eq!(short(38.857_142), "38.86");
        assert_eq!(short(1_200.0), "1,200");
    }
}
