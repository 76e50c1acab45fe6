//! Cells made again: what still counts of their lines, and the new ones, in one order.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::attempt::Work;
use super::cell::{CellRecord, CellShape, Keep};
use super::listing::Listing;
use super::manifest::{Manifest, digest_of};
use super::stored::Stored;
use crate::data::month::Month;
use crate::data::rows::Meter;
use crate::data::shuffle::{Cell, Shuffle, part_of, sorted_lines};
use crate::error::{Error, Result};

/// Memory of the cells that are sorted and written at once, however many cores there are.
const SORTED_BYTES: u64 = 512 << 20;

/// What is known when the files have been read.
pub(super) struct Known<'a> {
    pub(super) held: Option<&'a Manifest>,
    pub(super) listing: &'a Listing,
    /// Places of the files whose lines in the table still count, by digest.
    pub(super) kept: HashMap<u64, u32>,
    /// Whether every cell must be made again, though no line of it may have changed.
    pub(super) all: bool,
    pub(super) parts: usize,
    pub(super) shuffle: Shuffle,
}

/// What became of a cell.
pub(super) struct Made {
    pub(super) cell: Cell,
    pub(super) record: Option<CellRecord>,
    /// Lines that were dropped because their customer is forgotten, by place of the file.
    pub(super) forgotten: HashMap<u32, u64>,
}

impl Known<'_> {
    /// The cells that may be others than they are, with about the memory that each takes while it is made. Beside those with new lines:
    /// those of months that a changed or vanished file had lines in, and those of customers who are `looked_for`.
    pub(super) fn candidates(&self, looked_for: Option<&HashSet<&str>>) -> BTreeMap<Cell, u64> {
        let mut found: BTreeMap<Cell, u64> =
            self.shuffle.cells().into_iter().map(|(cell, bytes)| (cell, 5 * bytes)).collect();
        let Some(held) = self.held else { return found };
        let parts: HashSet<usize> = looked_for.into_iter().flatten().map(|id| part_of(id, held.parts)).collect();
        let gone = held.files.iter().filter(|record| !self.kept.contains_key(&digest_of(&record.file.name)));
        let months: BTreeSet<&Month> = gone.flat_map(|record| &record.months).collect();
        for (month, cell) in held.cells() {
            let bytes: u64 = cell.files().map(|file| file.bytes).sum();
            for part in (cell.part..self.parts).step_by(held.parts) {
                let place = Cell { month, part };
                let has_new_lines = found.contains_key(&place);
                if self.all || has_new_lines || months.contains(&month) || parts.contains(&cell.part) {
                    // Lines take some twenty times the bytes that they are stored in.
                    *found.entry(place).or_default() += 20 * bytes;
                }
            }
        }
        found
    }
}

impl Work<'_> {
    /// Makes cells again, as many at once as memory is meant for.
    pub(super) fn make(&self, known: &Known<'_>, cells: &BTreeMap<Cell, u64>) -> Result<Vec<Made>> {
        let meter = Meter::new(known.listing.bytes, self.progress);
        let (done, all) = (AtomicU64::new(0), cells.len() as u64);
        let mut made = Vec::with_capacity(cells.len());
        let mut rest: Vec<(Cell, u64)> = cells.iter().map(|(cell, bytes)| (*cell, *bytes)).collect();
        while !rest.is_empty() {
            let mut sum = 0;
            let fits = |(_, bytes): &&(Cell, u64)| {
                sum += bytes;
                sum <= SORTED_BYTES
            };
            let at_once = rest.iter().take_while(fits).count().max(1);
            let some: Vec<(Cell, u64)> = rest.drain(..at_once).collect();
            let outcomes = some.into_par_iter().map(|(cell, _)| {
                let made = self.make_cell(known, cell);
                meter.tell_share(1 + done.fetch_add(1, Ordering::Relaxed), all);
                made
            });
            made.extend(outcomes.collect::<Result<Vec<_>>>()?);
        }
        Ok(made)
    }

    fn make_cell(&self, known: &Known<'_>, cell: Cell) -> Result<Made> {
        let source = self.log.source;
        let extra: Vec<String> = source.columns.extra.iter().map(|e| e.name.clone()).collect();
        let shape = CellShape { has_amounts: source.columns.amount.is_some(), extra: &extra };
        let mut bytes = known.shuffle.take(cell)?;
        let mut changed = !bytes.is_empty() || known.all;
        let mut forgotten = HashMap::new();
        let standing = known.held.and_then(|held| held.cell(cell.month, cell.part % held.parts));
        if let (Some(standing), Some(held)) = (standing, known.held) {
            let part = (held.parts != known.parts).then_some((cell.part, known.parts));
            let keep = Keep { known: &known.kept, forgotten: self.log.forgotten, part };
            let kept = shape.decode(standing, self.folder, &keep, &mut bytes)?;
            changed |= kept.dropped > 0;
            forgotten = kept.forgotten;
            if !changed {
                return Ok(Made { cell, record: Some(standing.clone()), forgotten });
            }
        }
        let made = shape.encode(&sorted_lines(&bytes), &known.listing.digests, self.folder)?;
        drop(bytes);
        let store = |kind: &str, bytes: Option<Vec<u8>>| {
            let Some(bytes) = bytes else { return Ok(None) };
            let stored = Stored::of(&format!("{}/{kind}-{:03}", cell.month, cell.part), &bytes);
            if !standing.is_some_and(|standing| standing.files().any(|file| *file == stored)) {
                stored.write(self.folder, &bytes)?;
            }
            Ok::<_, Error>(Some(stored))
        };
        if made.rows.is_some() || made.lines.is_some() {
            let folder = self.folder.join(cell.month.to_string());
            std::fs::create_dir_all(&folder)
                .map_err(|e| Error::io("make a folder of the transactions table", &folder, e))?;
        }
        let (rows, lines) = (store("part", made.rows)?, store("lines", made.lines)?);
        let there = rows.is_some() || lines.is_some();
        let record = there.then_some(CellRecord { part: cell.part, rows, lines, facts: made.facts });
        Ok(Made { cell, record, forgotten })
    }
}
