//! Rows as bytes, and digests of rows added up. Nothing here knows a month or a file.

use sha2::{Digest, Sha256};

/// A sum of SHA-256 digests modulo 2²⁵⁶, least significant word first.
///
/// A sum, because the order in which rows stand, and the parts they stand in, must not matter; and because it counts: rows that come
/// twice would cancel each other in an exclusive or. Whoever changes a log by mistake does not meet the same sum by chance; whoever
/// searches for one with great effort may (a sum is weaker than a digest of everything in order), and is not who this guards against.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct RowSum([u64; 4]);

impl RowSum {
    /// The digest of one row's bytes.
    pub(super) fn of(bytes: &[u8]) -> Self {
        let digest: [u8; 32] = Sha256::digest(bytes).into();
        let (words, _) = digest.as_chunks::<8>();
        Self(std::array::from_fn(|i| u64::from_le_bytes(words[i])))
    }

    /// Adds another sum.
    pub(super) fn add(&mut self, other: &Self) {
        let mut carry = false;
        for (word, more) in self.0.iter_mut().zip(other.0) {
            let (sum, over) = word.overflowing_add(more);
            let (sum, over_again) = sum.overflowing_add(u64::from(carry));
            (*word, carry) = (sum, over | over_again);
        }
    }

    /// As a number of 64 hexadecimal digits.
    pub(super) fn hex(&self) -> String {
        self.0.iter().rev().map(|word| format!("{word:016x}")).collect()
    }
}

/// The bytes of one row: different rows have different bytes, since every text says its length and every absence that it is one.
pub(super) fn canonical<'a>(
    out: &mut Vec<u8>,
    customer: &str,
    day: i32,
    units: Option<i128>,
    lines: u32,
    extra: impl Iterator<Item = Option<&'a str>>,
) {
    out.clear();
    out.extend((customer.len() as u64).to_le_bytes());
    out.extend(customer.as_bytes());
    out.extend(day.to_le_bytes());
    out.push(u8::from(units.is_some()));
    out.extend(units.unwrap_or(0).to_le_bytes());
    out.extend(lines.to_le_bytes());
    for value in extra {
        out.extend(value.map_or(0, |text| text.len() as u64 + 1).to_le_bytes());
        out.extend(value.unwrap_or_default().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_carry_and_do_not_ask_for_order() {
        let mut sum = RowSum([u64::MAX, u64::MAX, 1, 0]);
        sum.add(&RowSum([1, 0, 0, 0]));
        assert_eq!(sum, RowSum([0, 0, 2, 0]));
        sum.add(&RowSum([0, 0, u64::MAX, u64::MAX]));
        assert_eq!(sum, RowSum([0, 0, 1, 0]), "modulo 2^256");
        assert_eq!(sum.hex(), format!("{:0>32}{:0>32}", 1, 0));
        let digests = ["a", "b", "b", "c"].map(|text| RowSum::of(text.as_bytes()));
        let of = |order: [usize; 4]| {
            let mut sum = RowSum::default();
            order.iter().for_each(|&i| sum.add(&digests[i]));
            sum
        };
        assert_eq!(of([0, 1, 2, 3]), of([3, 2, 0, 1]));
        let [a, _, _, mut without] = digests;
        without.add(&a);
        assert_ne!(of([0, 1, 2, 3]), without, "what comes twice does not cancel");
    }

    #[test]
    fn rows_that_differ_have_different_bytes() {
        let bytes = |customer: &str, units, extra: &[Option<&str>]| {
            let mut out = vec![7];
            canonical(&mut out, customer, 3, units, 1, extra.iter().copied());
            out
        };
        let rows = [
            bytes("a", Some(0), &[]),
            bytes("a", None, &[]),
            bytes("ab", Some(0), &[]),
            bytes("a", Some(0), &[None]),
            bytes("a", Some(0), &[Some("")]),
            bytes("a", Some(0), &[Some("x"), Some("yz")]),
            bytes("a", Some(0), &[Some("xy"), Some("z")]),
            bytes("a", Some(0), &[None, Some("")]),
            bytes("a", Some(0), &[Some(""), None]),
        ];
        for (i, row) in rows.iter().enumerate() {
            assert!(!rows[..i].contains(row), "row {i}");
        }
    }
}
