//! Numbers and text as CSV has them, straight into bytes. Numbers in the shortest form that reads back as the same f64, as `{}` prints
//! them, without its detours: ten million customers have two hundred million of them.
//!
//! Now and then two shortest forms are equally near (…2.2 and …2.3 for …2.25); then this one ends in the even digit, where `{}` rounds
//! up. Both read back as the same number.

use std::io::Write;

/// Appends the shortest form, without powers of ten.
pub(super) fn push_number(number: f64, into: &mut Vec<u8>) {
    let mut buffer = zmij::Buffer::new();
    let shortest = buffer.format(number);
    // The same digits in another dress: `1.0` for 1, and powers of ten for the very large and small.
    if shortest.contains('e') || shortest.contains('N') || shortest.contains('f') {
        write_plainly(number, into);
    } else {
        into.extend_from_slice(shortest.strip_suffix(".0").unwrap_or(shortest).as_bytes());
    }
}

/// Appends a whole number.
pub(super) fn push_count(mut count: u64, into: &mut Vec<u8>) {
    let mut digits = [0; 20];
    let mut first = digits.len();
    loop {
        first -= 1;
        digits[first] = b'0' + (count % 10) as u8;
        count /= 10;
        if count == 0 {
            break;
        }
    }
    into.extend_from_slice(&digits[first..]);
}

/// Appends a field of text, in quotes where it needs them (RFC 4180).
pub(super) fn push_text(text: &str, into: &mut Vec<u8>) {
    if !text.bytes().any(|byte| matches!(byte, b'"' | b',' | b'\r' | b'\n')) {
        into.extend_from_slice(text.as_bytes());
        return;
    }
    into.push(b'"');
    for byte in text.bytes() {
        if byte == b'"' {
            into.push(b'"');
        }
        into.push(byte);
    }
    into.push(b'"');
}

fn write_plainly(number: f64, into: &mut Vec<u8>) {
    let written = write!(into, "{number}");
    debug_assert!(written.is_ok(), "writing to memory does not fail");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    fn printed(push: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut bytes = Vec::new();
        push(&mut bytes);
        String::from_utf8(bytes).unwrap()
    }

    /// Random bits, and every size of number a customer could have.
    #[test]
    fn numbers_are_as_short_as_std_prints_them_and_read_back() {
        let rng = &mut Stream::new(9, Purpose::Test, 0, 0);
        let any = |rng: &mut Stream| f64::from_bits((rng.uniform() * 2f64.powi(63)) as u64 * 2 + 1);
        let mut numbers: Vec<f64> = (0..20_000).map(|_| any(rng)).collect();
        for power in -30..30 {
            for digits in [1.0, 1.5, 9.999, 1.0 / 3.0] {
                numbers.push(digits * 10f64.powi(power));
            }
            numbers.extend((0..300).map(|_| rng.uniform() * 10f64.powi(power)));
        }
        numbers.extend([0.0, -0.0, -1.0, 100.0, 1e16, 123_456_789.0, f64::MAX, f64::MIN_POSITIVE, 5e-324]);
        numbers.extend([f64::INFINITY, f64::NEG_INFINITY, f64::NAN]);
        for number in numbers {
            let (ours, std) = (printed(|into| push_number(number, into)), number.to_string());
            assert_eq!(ours.len(), std.len(), "{ours} for {std}");
            assert!(number.is_nan() || ours.parse::<f64>().unwrap().to_bits() == number.to_bits());
        }
        for count in [0, 7, 10, 99, 12_345, u64::MAX] {
            assert_eq!(printed(|into| push_count(count, into)), count.to_string());
        }
    }

    #[test]
    fn text_is_quoted_as_the_csv_crate_does() {
        for text in ["plain", "", "Müller", "a,b", "say \"hi\"", "two\nlines", "a b", "\r", "'x'", "#"] {
            let mut writer = csv::Writer::from_writer(Vec::new());
            writer.write_record([text, "end"]).unwrap();
            let expected = String::from_utf8(writer.into_inner().unwrap()).unwrap();
            assert_eq!(format!("{},end\n", printed(|into| push_text(text, into))), expected);
        }
    }
}
