//! One attempt to bring the table to what the log is now: what still counts of it, the files that must be read, the cells that change,
//! and the manifest that commits them.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::Value;

use super::cell::CellRecord;
use super::listing::Listing;
use super::making::Known;
use super::manifest::{Counts, FileRecord, MANIFEST, Manifest};
use super::reading::{Lines, Refused, Tally, read_lines};
use super::standing::Standing;
use super::stored::Stored;
use super::{Folded, LogToRead, refused};
use crate::data::columns;
use crate::data::ingest::{IngestReport, Sizes};
use crate::data::month::Month;
use crate::data::rejects::{WRITTEN, settle};
use crate::data::rows::{IngestProgress, Reading};
use crate::data::shuffle::{Cell, Shuffle};
use crate::data::transactions::{TransactionTable, count_customers};
use crate::error::{Error, Result};

/// How an attempt ended.
pub(super) enum Attempt {
    Done(Box<Folded>),
    /// So many rows are rejected that of these files not all of them were kept, and now they are needed.
    Again(Vec<String>),
}

pub(super) struct Work<'a> {
    pub(super) log: LogToRead<'a>,
    pub(super) out_dir: &'a Path,
    pub(super) folder: &'a Path,
    pub(super) progress: &'a (dyn Fn(IngestProgress) + Sync),
    pub(super) sizes: Sizes,
    pub(super) read_as: BTreeMap<String, Value>,
}

/// Cells by their places, and the parts of customers in which one is another than it was.
type Cells = (BTreeMap<Cell, CellRecord>, BTreeSet<usize>);

impl<'a> Work<'a> {
    /// The table that stands and can be built upon; or why one that stands cannot.
    pub(super) fn held(&self, anew: bool) -> (Option<Manifest>, Option<String>) {
        if !self.folder.join(MANIFEST).exists() {
            return (None, None);
        }
        if anew {
            return (None, Some("as asked".to_owned()));
        }
        let manifest = match Manifest::read(self.folder) {
            Ok(manifest) => manifest,
            Err(error) => return (None, Some(error.to_string())),
        };
        let stored: Vec<_> = manifest.stored().collect();
        let damage = |stored: &&Stored| stored.missing(self.folder).or_else(|| stored.damaged(self.folder));
        if let Some(why) = stored.par_iter().find_map_first(damage) {
            return (None, Some(why));
        }
        let differs = |key: &&String| manifest.read_as.get(*key) != self.read_as.get(*key);
        let keys: BTreeSet<&String> = manifest.read_as.keys().chain(self.read_as.keys()).filter(differs).collect();
        if keys.is_empty() {
            return (Some(manifest), None);
        }
        let named: Vec<&str> = keys.into_iter().map(String::as_str).collect();
        (None, Some(format!("{} changed since it was made", named.join(", "))))
    }

    /// `held` is the table to build upon, `not_believed` why there is none although one stands; files in `distrusted` are read whatever is
    /// known of them.
    pub(super) fn attempt(
        &self,
        listing: &Listing,
        held: Option<&Manifest>,
        not_believed: &Option<String>,
        distrusted: &HashSet<String>,
    ) -> Result<Attempt> {
        let mut standing = Standing::of(self, listing, held, distrusted)?;
        let (unread, all) = (standing.unread(), standing.is_other());
        let bytes_read = unread.iter().map(|&place| listing.files[place as usize].bytes).sum();
        let lines = self.read(listing, &unread, bytes_read, standing.parts)?;
        for (&place, tally) in unread.iter().zip(lines.tallies) {
            let file = listing.files[place as usize].clone();
            let Tally { counts, months, last_date, future_date } = tally;
            standing.records[place as usize] = Some(FileRecord { file, counts, months, last_date, future_date });
        }
        let Standing { parts, records, kept, mut refused, looked_for, .. } = standing;
        refused.extend(lines.refused);
        refused.sort();
        refused.truncate(WRITTEN);
        let incomplete = incomplete(&records, &refused);
        if !incomplete.is_empty() {
            return Ok(Attempt::Again(incomplete));
        }
        let mut files: Vec<FileRecord> = records.into_iter().flatten().collect();
        self.check_rows(&files, &refused)?;

        let known = Known { held, listing, kept, all, parts, shuffle: lines.shuffle };
        let (cells, touched) = self.cells(&known, looked_for.as_ref(), &mut files)?;
        let manifest = self.manifest(&known, files, cells, &touched, &refused)?;
        let table = TransactionTable::of(&manifest, self.folder).map_err(|_| self.nothing_left(&manifest.counts()))?;
        if held == Some(&manifest) {
            manifest.sweep(self.folder)?
        } else {
            manifest.commit(self.folder)?
        }
        Ok(Attempt::Done(Box::new(Folded {
            table,
            report: report(&manifest, listing),
            files_read: unread.len(),
            bytes_read,
            files_gone: gone(held, listing),
            months: changed_months(held, &manifest),
            anew: not_believed.clone(),
            key: manifest.key(),
        })))
    }

    /// Reads the files at these places of the listing.
    fn read(&self, listing: &Listing, places: &[u32], bytes: u64, parts: usize) -> Result<Lines> {
        let LogToRead { source, rules, files, forgotten } = self.log;
        let paths: Vec<PathBuf> =
            places.par_iter().map(|&place| files.bring(&listing.files[place as usize])).collect::<Result<_>>()?;
        let wanted = columns::wanted(source);
        let reading = Reading::over(source, paths, bytes, wanted, self.sizes.block_bytes, self.progress);
        let shuffle = Shuffle::new(parts, self.sizes.held_bytes, self.folder.to_owned());
        read_lines(&reading, places, rules, forgotten, shuffle)
    }

    /// The cells as they are to be. Lines of forgotten customers that leave them are counted with their `files`.
    fn cells(&self, known: &Known<'_>, looked_for: Option<&HashSet<&str>>, files: &mut [FileRecord]) -> Result<Cells> {
        let mut cells: BTreeMap<Cell, CellRecord> = BTreeMap::new();
        if let Some(held) = known.held.filter(|_| !known.all) {
            cells.extend(held.cells().map(|(month, cell)| (Cell { month, part: cell.part }, cell.clone())));
        }
        let mut touched = BTreeSet::new();
        for made in self.make(known, &known.candidates(looked_for))? {
            for (place, lines) in made.forgotten {
                files[place as usize].counts.forgotten += lines;
            }
            let before = match made.record {
                Some(record) => cells.insert(made.cell, record.clone()).filter(|before| *before == record),
                None => {
                    cells.remove(&made.cell);
                    None
                }
            };
            if before.is_none() {
                touched.insert(made.cell.part);
            }
        }
        Ok((cells, touched))
    }

    fn manifest(
        &self,
        known: &Known<'_>,
        files: Vec<FileRecord>,
        cells: BTreeMap<Cell, CellRecord>,
        touched: &BTreeSet<usize>,
        refused: &[Refused],
    ) -> Result<Manifest> {
        let source = self.log.source;
        let extra = source.columns.extra.iter().map(|e| e.name.clone()).collect();
        let mut manifest = Manifest::begun(self.read_as.clone(), known.parts, extra, source.columns.amount.is_some());
        manifest.latest_date = self.log.rules.latest_date;
        manifest.forgotten = self.log.forgotten.digests();
        manifest.files = files;
        for (cell, record) in cells {
            manifest.months.entry(cell.month).or_default().push(record);
        }
        let standing = known.held.and_then(|held| held.rejects.as_ref());
        manifest.rejects = refused::write(refused, &known.listing.digests, self.folder, standing)?;
        if let Some(held) = known.held.filter(|_| !known.all) {
            manifest.customers.clone_from(&held.customers);
        }
        let count = |&part: &usize| Ok((part, count_customers(&manifest.rows_of(part, self.folder))?));
        let counted = touched.par_iter().map(count).collect::<Result<Vec<_>>>()?;
        counted.into_iter().for_each(|(part, count)| manifest.customers[part] = count);
        Ok(manifest)
    }

    /// Writes `rejects.csv`; refuses a log without a row, or with too many rejected ones.
    fn check_rows(&self, files: &[FileRecord], refused: &[Refused]) -> Result<()> {
        let mut counts = Counts::default();
        files.iter().for_each(|file| counts.add(&file.counts));
        if counts.rows == 0 {
            return Err(Error::new("the input has no rows")
                .at(self.log.source.paths.join(", "))
                .advice("only header or blank lines were found"));
        }
        let names: Vec<PathBuf> = files.iter().map(|record| PathBuf::from(&record.file.name)).collect();
        let listed: Vec<_> = refused.iter().map(|row| &row.reject).collect();
        let path = self.out_dir.join("rejects.csv");
        settle(&listed, &path, &names, counts.rejected, counts.rows, self.log.rules.max_reject_share)
    }

    fn nothing_left(&self, counts: &Counts) -> Error {
        let forgotten = match counts.forgotten {
            0 => String::new(),
            lines => format!(" and {lines} of forgotten customers"),
        };
        let dropped = counts.dropped_zero + counts.dropped_negative;
        Error::new("no purchase is left after the rules for zero and negative amounts")
            .at(self.log.source.paths.join(", "))
            .seen(format!("{} rows, of which {dropped} dropped{forgotten}", counts.rows))
    }
}

/// Files of which more rejected rows are needed than were kept: those within the first that are listed.
fn incomplete(records: &[Option<FileRecord>], refused: &[Refused]) -> Vec<String> {
    let mut there = vec![0; records.len()];
    refused.iter().for_each(|row| there[row.reject.file] += 1);
    let (mut listed, mut found) = (0, Vec::new());
    for (record, there) in records.iter().flatten().zip(there) {
        let whole = record.counts.rejected - record.counts.hidden;
        if there < whole && listed + there < WRITTEN as u64 {
            found.push(record.file.name.clone());
        }
        listed += whole;
    }
    found
}

/// Files that were known and are gone.
fn gone(held: Option<&Manifest>, listing: &Listing) -> usize {
    let names: HashSet<&str> = listing.files.iter().map(|file| file.name.as_str()).collect();
    held.map_or(0, |held| held.files.iter().filter(|record| !names.contains(record.file.name.as_str())).count())
}

/// Months whose cells are others than they were.
fn changed_months(held: Option<&Manifest>, manifest: &Manifest) -> Vec<String> {
    let standing: BTreeSet<&Month> =
        held.iter().flat_map(|held| held.months.keys()).chain(manifest.months.keys()).collect();
    let changed = |month: &&&Month| held.and_then(|held| held.months.get(**month)) != manifest.months.get(**month);
    standing.iter().filter(changed).map(ToString::to_string).collect()
}

fn report(manifest: &Manifest, listing: &Listing) -> IngestReport {
    let counts = manifest.counts();
    let facts = || manifest.cells().map(|(_, cell)| cell.facts);
    let dates = manifest.dates();
    IngestReport {
        files: listing.files.iter().map(|file| PathBuf::from(&file.name)).collect(),
        bytes: listing.bytes,
        rows: counts.rows,
        rejected: counts.rejected,
        dropped_negative: counts.dropped_negative,
        dropped_zero: counts.dropped_zero,
        kept_zero: counts.kept_zero,
        forgotten: counts.forgotten,
        rounded_amounts: counts.rounded,
        netted_returns: facts().map(|f| f.netted.returns).sum(),
        netted_away_days: facts().map(|f| f.netted.days_away).sum(),
        unmatched_returns: facts().map(|f| f.netted.unmatched).sum(),
        purchases: facts().map(|f| f.rows).sum(),
        customers: manifest.customers.iter().sum(),
        first_date: dates.map(|dates| dates.0),
        last_date: dates.map(|dates| dates.1),
        has_amounts: manifest.has_amounts,
    }
}
