//! Brings all rows of a customer and a month together: rows are scattered over cells by month and by a hash of the customer, held in
//! memory or spilled to disk, and gathered cell by cell in one order that no thread can change.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::customer_rows::prefix;
use super::month::Month;
use super::rejects::lock;
use super::spill::{Extent, Spill};
use crate::error::Result;

/// All cells together hold about so much in memory; beyond it the largest go to disk.
pub(super) const HELD_BYTES: usize = 256 << 20;

/// One month of one part of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Cell {
    pub(super) month: Month,
    pub(super) part: usize,
}

/// The part of a customer: FNV-1a, 64 bits, mixed so that all bits count. Fixed for ever: it decides file contents.
pub(super) fn part_of(customer: &str, parts: usize) -> usize {
    let mut hash =
        customer.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    (hash % parts as u64) as usize
}

/// One purchase line of one customer, pointing into the bytes of its cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line<'a> {
    /// The first bytes of the customer's identifier, by which most comparisons are decided.
    prefix: u64,
    /// Customer identifier.
    pub(super) customer: &'a str,
    /// Days since 1970-01-01.
    pub(super) day: i32,
    /// Place of the file among the source's files.
    pub(super) file: u32,
    /// Grows with the place in the file.
    pub(super) place: u64,
    /// Ten-thousandths of the currency.
    pub(super) units: i64,
    /// The extra values, encoded; equal values have equal bytes.
    pub(super) extra: &'a [u8],
}

/// The rows of one block, by cell.
pub(super) struct Scattered {
    parts: usize,
    months: BTreeMap<Month, Vec<Vec<u8>>>,
}

impl Scattered {
    /// Room for the rows of `parts` parts.
    pub(super) fn new(parts: usize) -> Self {
        Self { parts, months: BTreeMap::new() }
    }

    /// Adds one row.
    pub(super) fn push<'v>(
        &mut self,
        month: Month,
        row: (&str, i32, i64),
        at: (u32, u64),
        extra: impl Iterator<Item = Option<&'v str>>,
    ) {
        let cells = self.months.entry(month).or_insert_with(|| vec![Vec::new(); self.parts]);
        encode_line(&mut cells[part_of(row.0, self.parts)], row, at, extra);
    }
}

/// Appends a line of a cell to its bytes: (customer, day, ten-thousandths), (file, place), the values of the extra columns.
pub(super) fn encode_line<'v>(
    out: &mut Vec<u8>,
    (customer, day, units): (&str, i32, i64),
    (file, place): (u32, u64),
    extra: impl Iterator<Item = Option<&'v str>>,
) {
    put(out, customer.len() as u64);
    out.extend(customer.as_bytes());
    out.extend(day.to_le_bytes());
    put(out, file.into());
    put(out, place);
    // Small amounts of either sign make small numbers.
    put(out, (units << 1 ^ units >> 63) as u64);
    let mut values = Vec::new();
    for value in extra {
        // Nothing is told apart from an empty value.
        put(&mut values, value.map_or(0, |v| v.len() as u64 + 1));
        values.extend(value.unwrap_or_default().as_bytes());
    }
    put(out, values.len() as u64);
    out.extend(values);
}

/// One cell while rows arrive.
#[derive(Default)]
struct Bucket {
    memory: Vec<Vec<u8>>,
    spilled: Vec<Extent>,
}

impl Bucket {
    fn held(&self) -> usize {
        self.memory.iter().map(Vec::capacity).sum()
    }

    fn bytes(&self) -> u64 {
        self.held() as u64 + self.spilled.iter().map(|e| e.length).sum::<u64>()
    }
}

/// All cells while rows arrive, from any number of threads.
pub(super) struct Shuffle {
    parts: usize,
    buckets: Mutex<BTreeMap<Cell, Bucket>>,
    held: AtomicUsize,
    budget_bytes: usize,
    /// Held by the thread that spills: one is enough.
    spilling: Mutex<()>,
    spill: Spill,
}

impl Shuffle {
    /// No cells yet; those of `parts` parts will hold about `budget_bytes` together and spill into `folder`.
    pub(super) fn new(parts: usize, budget_bytes: usize, folder: PathBuf) -> Self {
        Self {
            parts,
            buckets: Mutex::default(),
            held: AtomicUsize::new(0),
            budget_bytes,
            spilling: Mutex::default(),
            spill: Spill::new(folder.join("spill-rows")),
        }
    }

    /// Number of parts.
    pub(super) fn parts(&self) -> usize {
        self.parts
    }

    /// Takes over the rows of one block.
    pub(super) fn add(&self, rows: Scattered) -> Result<()> {
        {
            let mut buckets = lock(&self.buckets);
            for (month, parts) in rows.months {
                for (part, bytes) in parts.into_iter().enumerate().filter(|(_, bytes)| !bytes.is_empty()) {
                    self.held.fetch_add(bytes.capacity(), Ordering::Relaxed);
                    buckets.entry(Cell { month, part }).or_default().memory.push(bytes);
                }
            }
        }
        if self.held.load(Ordering::Relaxed) > self.budget_bytes {
            self.spill_largest()?;
        }
        Ok(())
    }

    /// Spills the largest cells until half of the budget is free.
    fn spill_largest(&self) -> Result<()> {
        let _alone = lock(&self.spilling);
        if self.held.load(Ordering::Relaxed) <= self.budget_bytes {
            return Ok(());
        }
        let mut by_size: Vec<(usize, Cell)> =
            lock(&self.buckets).iter().map(|(cell, bucket)| (bucket.held(), *cell)).collect();
        by_size.sort_unstable_by(|a, b| b.cmp(a));
        for (_, cell) in by_size {
            if self.held.load(Ordering::Relaxed) <= self.budget_bytes / 2 {
                break;
            }
            let memory = std::mem::take(&mut lock(&self.buckets).entry(cell).or_default().memory);
            let extent = self.spill.append(&memory.concat())?;
            self.held.fetch_sub(memory.iter().map(Vec::capacity).sum(), Ordering::Relaxed);
            lock(&self.buckets).entry(cell).or_default().spilled.push(extent);
        }
        Ok(())
    }

    /// The cells that have rows, with their bytes.
    pub(super) fn cells(&self) -> BTreeMap<Cell, u64> {
        lock(&self.buckets).iter().map(|(cell, bucket)| (*cell, bucket.bytes())).collect()
    }

    /// The bytes of one cell, which is empty afterwards.
    pub(super) fn take(&self, cell: Cell) -> Result<Vec<u8>> {
        let bucket = lock(&self.buckets).remove(&cell).unwrap_or_default();
        let spilled: u64 = bucket.spilled.iter().map(|e| e.length).sum();
        let mut bytes = Vec::with_capacity(spilled as usize + bucket.memory.iter().map(Vec::len).sum::<usize>());
        for extent in bucket.spilled {
            self.spill.read(extent, &mut bytes)?;
        }
        for piece in bucket.memory {
            self.held.fetch_sub(piece.capacity(), Ordering::Relaxed);
            bytes.extend(piece);
        }
        Ok(bytes)
    }
}

/// The rows of a cell, by customer, then day, then their place in the source.
pub(super) fn sorted_lines(bytes: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(line) = next_line(&mut rest) {
        lines.push(line);
    }
    lines.sort_unstable();
    lines
}

/// The bytes are ours (see [`encode_line`]), so a row that does not decode can only be the end.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<Line<'a>> {
    let customer = std::str::from_utf8(prefixed(rest)?).ok()?;
    let (day, after) = rest.split_first_chunk::<4>()?;
    *rest = after;
    let file = number(rest)? as u32;
    let place = number(rest)?;
    let units = number(rest)?;
    let extra = prefixed(rest)?;
    Some(Line {
        prefix: prefix(customer.as_bytes()),
        customer,
        day: i32::from_le_bytes(*day),
        file,
        place,
        units: (units >> 1) as i64 ^ -((units & 1) as i64),
        extra,
    })
}

/// The extra values of a row, in the order of the extra columns.
pub(super) fn extra_values(mut bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    std::iter::from_fn(move || match number(&mut bytes)?.checked_sub(1) {
        None => Some(None),
        Some(length) => {
            let (value, after) = bytes.split_at_checked(length as usize)?;
            bytes = after;
            Some(std::str::from_utf8(value).ok())
        }
    })
}

/// Writes a number in as few bytes as it needs, seven bits in each (LEB128).
fn put(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Reads what [`put`] wrote.
fn number(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn prefixed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = number(rest)? as usize;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_back_whole_and_in_order_from_memory_and_disk() {
        let long = "x".repeat(1000);
        let customers = ["short", "a much longer customer", "a much shorter one"];
        let months: [Month; 3] = ["2020-01", "2020-02", "1999-12"].map(|month| month.parse().unwrap());
        for budget in [0, 1 << 20, 1 << 30] {
            let dir = tempfile::tempdir().unwrap();
            let shuffle = Shuffle::new(2, budget, dir.path().to_owned());
            for block in (0..8_u64).rev() {
                let mut rows = Scattered::new(2);
                for i in 0..1000 {
                    let place = block * 1000 + i;
                    let customer = customers[place as usize % 3];
                    let units = (place as i64 - 4000) << 40;
                    let extra = [Some(long.as_str()), None, Some("")].into_iter();
                    rows.push(months[place as usize % 3], (customer, (place % 5) as i32 - 2, units), (0, place), extra);
                }
                shuffle.add(rows).unwrap();
            }
            assert_eq!(dir.path().join("spill-rows").exists(), budget < 1 << 30);
            assert!(shuffle.held.load(Ordering::Relaxed) <= budget);
            // A customer has one part, so each month has one cell.
            let cells: Vec<Cell> = shuffle.cells().into_keys().collect();
            assert_eq!(cells.iter().map(|cell| cell.month).collect::<Vec<_>>(), [months[2], months[0], months[1]]);
            let mut all = Vec::new();
            for cell in cells {
                let bytes = shuffle.take(cell).unwrap();
                let lines = sorted_lines(&bytes);
                let key = |l: &Line<'_>| (l.customer.to_owned(), l.day, l.file, l.place);
                assert!(lines.is_sorted_by_key(key));
                for line in &lines {
                    assert_eq!(line.customer, customers[line.place as usize % 3]);
                    assert_eq!(cell.month, months[line.place as usize % 3]);
                    assert_eq!(cell.part, part_of(line.customer, 2));
                    assert_eq!(line.day, (line.place % 5) as i32 - 2);
                    assert_eq!(line.units, (line.place as i64 - 4000) << 40);
                    assert!(extra_values(line.extra).eq([Some(long.as_str()), None, Some("")]));
                }
                all.extend(lines.iter().map(|l| l.place));
            }
            assert_eq!(shuffle.held.load(Ordering::Relaxed), 0);
            assert!(shuffle.cells().is_empty());
            all.sort_unstable();
            assert!(all.into_iter().eq(0..8000));
        }
    }

    #[test]
    fn parts_are_even_and_fixed_and_halve_when_they_double() {
        let mut counts = [0; 16];
        for i in 0..16_000 {
            let customer = format!("{i:05}");
            counts[part_of(&customer, 16)] += 1;
            assert_eq!(part_of(&customer, 64) % 16, part_of(&customer, 16));
        }
        // 1000 expected in each; six binomial standard deviations are 184.
        assert!(counts.iter().all(|c| (816..1184).contains(c)), "{counts:?}");
    }
}
