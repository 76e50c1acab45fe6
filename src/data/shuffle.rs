//! Brings all rows of a customer together: rows are scattered over partitions by a hash of the customer, held in memory or
//! spilled to disk, and gathered partition by partition in one order that no thread can change.

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::path::PathBuf;
use std::sync::Mutex;

use super::rejects::lock;
use super::rows::Address;
use crate::error::{Error, Result};

/// A partition goes to disk when it holds more than this in memory.
const SPILL_BYTES: usize = 4 << 20;

/// Marks an extra column without a value.
const NO_VALUE: u32 = u32::MAX;

/// The partition of a customer: FNV-1a, 64 bits, mixed so that all bits count. Fixed for ever: it decides file contents.
pub(super) fn partition_of(customer: &str, partitions: usize) -> usize {
    let mut hash =
        customer.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    hash ^= hash >> 32;
    hash = hash.wrapping_mul(0xd6e8_feb8_6659_fd93);
    hash ^= hash >> 32;
    (hash % partitions as u64) as usize
}

/// One purchase line of one customer, pointing into the bytes of its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Line<'a> {
    /// Customer identifier.
    pub(super) customer: &'a str,
    /// Days since 1970-01-01.
    pub(super) day: i32,
    /// Index of the file.
    pub(super) file: u32,
    /// Place in the file.
    pub(super) place: u64,
    /// Ten-thousandths of the currency.
    pub(super) units: i64,
    /// The extra values, encoded; equal values have equal bytes.
    pub(super) extra: &'a [u8],
}

/// The rows of one block, by partition.
pub(super) struct Scattered {
    partitions: Vec<Vec<u8>>,
}

impl Scattered {
    /// Room for `partitions` partitions.
    pub(super) fn new(partitions: usize) -> Self {
        Self { partitions: vec![Vec::new(); partitions] }
    }

    /// Adds one row.
    pub(super) fn push<'v>(
        &mut self,
        customer: &str,
        day: i32,
        units: i64,
        at: Address,
        extra: impl Iterator<Item = Option<&'v str>>,
    ) {
        let partition = partition_of(customer, self.partitions.len());
        let out = &mut self.partitions[partition];
        out.extend((customer.len() as u32).to_le_bytes());
        out.extend(customer.as_bytes());
        out.extend(day.to_le_bytes());
        out.extend((at.file as u32).to_le_bytes());
        out.extend(at.place.to_le_bytes());
        out.extend(units.to_le_bytes());
        let length_at = out.len();
        out.extend([0; 4]);
        for value in extra {
            out.extend(value.map_or(NO_VALUE, |v| v.len() as u32).to_le_bytes());
            out.extend(value.unwrap_or_default().as_bytes());
        }
        let length = (out.len() - length_at - 4) as u32;
        out[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }
}

/// One partition while rows arrive.
#[derive(Default)]
struct Bucket {
    memory: Vec<u8>,
    spilled: Option<File>,
}

/// All partitions while rows arrive, from any number of threads.
pub(super) struct Shuffle {
    buckets: Vec<Mutex<Bucket>>,
    folder: PathBuf,
}

impl Shuffle {
    /// `partitions` empty partitions that spill into `folder`.
    pub(super) fn new(partitions: usize, folder: PathBuf) -> Self {
        Self { buckets: (0..partitions).map(|_| Mutex::default()).collect(), folder }
    }

    /// Number of partitions.
    pub(super) fn partitions(&self) -> usize {
        self.buckets.len()
    }

    fn spill_path(&self, partition: usize) -> PathBuf {
        self.folder.join(format!("spill-{partition:03}"))
    }

    /// Takes over the rows of one block.
    pub(super) fn add(&self, rows: Scattered) -> Result<()> {
        for (partition, bytes) in rows.partitions.into_iter().enumerate() {
            if bytes.is_empty() {
                continue;
            }
            let mut bucket = lock(&self.buckets[partition]);
            bucket.memory.extend(bytes);
            if bucket.memory.len() > SPILL_BYTES {
                let path = self.spill_path(partition);
                let fail = |e| Error::io("spill rows to disk", &path, e);
                let memory = std::mem::take(&mut bucket.memory);
                if bucket.spilled.is_none() {
                    let mut options = File::options();
                    bucket.spilled =
                        Some(options.read(true).write(true).create(true).truncate(true).open(&path).map_err(fail)?);
                }
                if let Some(file) = &mut bucket.spilled {
                    file.write_all(&memory).map_err(fail)?;
                }
            }
        }
        Ok(())
    }

    /// The bytes of one partition, which is empty afterwards.
    pub(super) fn take(&self, partition: usize) -> Result<Vec<u8>> {
        let bucket = std::mem::take(&mut *lock(&self.buckets[partition]));
        let Some(mut file) = bucket.spilled else { return Ok(bucket.memory) };
        let path = self.spill_path(partition);
        let fail = |e| Error::io("read spilled rows", &path, e);
        let mut bytes = Vec::new();
        file.rewind().map_err(fail)?;
        file.read_to_end(&mut bytes).map_err(fail)?;
        std::fs::remove_file(&path).map_err(fail)?;
        bytes.extend(bucket.memory);
        Ok(bytes)
    }
}

/// The rows of a partition, by customer, then day, then their place in the source.
pub(super) fn sorted_lines(bytes: &[u8]) -> Vec<Line<'_>> {
    let mut lines = Vec::new();
    let mut rest = bytes;
    while let Some(line) = next_line(&mut rest) {
        lines.push(line);
    }
    lines.sort_unstable();
    lines
}

/// The bytes are ours (see [`Scattered::push`]), so a row that does not decode can only be the end.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<Line<'a>> {
    let customer = std::str::from_utf8(prefixed(rest)?).ok()?;
    let day = i32::from_le_bytes(array(rest)?);
    let file = u32::from_le_bytes(array(rest)?);
    let place = u64::from_le_bytes(array(rest)?);
    let units = i64::from_le_bytes(array(rest)?);
    let extra = prefixed(rest)?;
    Some(Line { customer, day, file, place, units, extra })
}

/// The extra values of a row, in the order of the extra columns.
pub(super) fn extra_values(mut bytes: &[u8]) -> impl Iterator<Item = Option<&str>> {
    std::iter::from_fn(move || {
        if bytes.is_empty() {
            return None;
        }
        if bytes.starts_with(&NO_VALUE.to_le_bytes()) {
            bytes = &bytes[4..];
            return Some(None);
        }
        Some(std::str::from_utf8(prefixed(&mut bytes)?).ok())
    })
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (head, tail) = rest.split_first_chunk::<N>()?;
    *rest = tail;
    Some(*head)
}

fn prefixed<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_le_bytes(array(rest)?) as usize;
    let (head, tail) = rest.split_at_checked(length)?;
    *rest = tail;
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(place: u64) -> Address {
        Address { file: 0, place, line: place }
    }

    #[test]
    fn rows_come_back_whole_and_in_order_from_memory_and_disk() {
        let dir = tempfile::tempdir().unwrap();
        let shuffle = Shuffle::new(1, dir.path().to_owned());
        let long = "x".repeat(1000);
        for block in (0..8_u64).rev() {
            let mut rows = Scattered::new(1);
            for i in 0..1000 {
                let place = block * 1000 + i;
                let customer = format!("c{}", place % 3);
                rows.push(
                    &customer,
                    (place % 5) as i32,
                    place as i64,
                    at(place),
                    [Some(long.as_str()), None, Some("")].into_iter(),
                );
            }
            shuffle.add(rows).unwrap();
        }
        assert!(dir.path().join("spill-000").exists(), "8 MB must have spilled");
        let bytes = shuffle.take(0).unwrap();
        assert!(!dir.path().join("spill-000").exists());
        let lines = sorted_lines(&bytes);
        assert_eq!(lines.len(), 8000);
        assert!(lines.is_sorted());
        assert_eq!(lines.iter().map(|l| l.units).sum::<i64>(), (0..8000_i64).sum::<i64>());
        let extra: Vec<_> = extra_values(lines[17].extra).collect();
        assert_eq!(extra, [Some(long.as_str()), None, Some("")]);
    }

    #[test]
    fn partitions_are_even_and_fixed() {
        let mut counts = [0; 16];
        for i in 0..16_000 {
            counts[partition_of(&format!("{i:05}"), 16)] += 1;
        }
        // 1000 expected in each; six binomial standard deviations are 184.
        assert!(counts.iter().all(|c| (816..1184).contains(c)), "{counts:?}");
        assert_eq!(
            [partition_of("", 256), partition_of("00001", 256)],
            [partition_of("", 256), partition_of("00001", 256)]
        );
    }
}
