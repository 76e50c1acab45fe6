//! The table of purchases follows its source: lines of new files are folded in, those of changed and vanished files are replaced and
//! dropped, forgotten customers leave it. Only files that are not known are read, and only months whose lines changed are written.
//!
//! The result is, to the last byte, the table that reading everything anew would make of the same files with the same number of parts: a
//! cell's bytes depend on its lines, on the names of their files and on the order of these alone. That needs every line's file to be kept
//! (`cell`), and what was found in each file (`manifest`). Everything is written beside what stands, and the manifest's rename commits it:
//! a kill at any moment leaves the old table or the new one, and what is left over goes with the next fold.

mod attempt;
mod cell;
mod handover;
mod listing;
mod making;
pub(super) mod manifest;
mod reading;
mod refused;
mod standing;
mod stored;

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use serde_json::{Value, json};

use self::attempt::{Attempt, Work};
pub(super) use self::cell::ROWS_VERSION;
pub use self::handover::take_over_table;
use self::listing::Listing;
use self::manifest::{MANIFEST, Manifest};
#[cfg(test)]
pub(super) use self::stored::break_after;
use super::forgotten::Forgotten;
use super::ingest::{IngestReport, Sizes};
use super::log_files::LogFiles;
use super::roles::Kind;
use super::rows::IngestProgress;
use super::rules::Rules;
use super::source::Source;
use super::transactions::TransactionTable;
use crate::error::{Error, Result};

/// A log of purchases, and what to make of its rows.
#[derive(Clone, Copy)]
pub struct LogToRead<'a> {
    /// How its files are laid out. Where they lie, `files` knows.
    pub source: &'a Source,
    /// Which rows count.
    pub rules: &'a Rules,
    /// Its files.
    pub files: &'a dyn LogFiles,
    /// Customers whose rows do not count.
    pub forgotten: &'a Forgotten,
}

/// A log that was folded into its table.
#[derive(Debug, Clone)]
pub struct Folded {
    /// The table.
    pub table: TransactionTable,
    /// What was found in all files, read now or before.
    pub report: IngestReport,
    /// Files that were read now.
    pub files_read: usize,
    /// Their bytes.
    pub bytes_read: u64,
    /// Files that were known and are gone.
    pub files_gone: usize,
    /// Months of the table that changed, such as `2024-03`.
    pub months: Vec<String>,
    /// Why a table that was there was not believed, if so.
    pub anew: Option<String>,
    /// A digest of what the table and the counts of its rows are, in 8 hexadecimal digits.
    pub key: String,
}

/// Brings the table in `out_dir/transactions` to what the log is now, and writes `out_dir/rejects.csv`. Where there is no table, where rows
/// are to be read otherwise than those that it holds, or `anew` is asked for, every file is read.
///
/// The table's bytes depend on the log and the rules alone, not on threads nor on what the table was before; the number of its parts is
/// fixed by the first fold, until the log is many times larger. Progress is told as bytes read, then once more as months are written.
///
/// # Errors
/// When a file or a column is missing, a file cannot be read as described, no purchase is left, more than
/// `rules.max_reject_share` of the rows are rejected (they are in `rejects.csv` then), or the output cannot be written. The table is then
/// what it was.
pub fn fold(
    log: LogToRead<'_>,
    out_dir: &Path,
    anew: bool,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<Folded> {
    fold_sized(log, out_dir, anew, progress, Sizes::default())
}

pub(super) fn fold_sized(
    log: LogToRead<'_>,
    out_dir: &Path,
    anew: bool,
    progress: &(dyn Fn(IngestProgress) + Sync),
    sizes: Sizes,
) -> Result<Folded> {
    if log.source.kind != Kind::Transactions {
        return Err(Error::new("this source holds customer summaries, not transactions")
            .at("data.kind")
            .advice("summaries are read by ingest_summary"));
    }
    log.rules.check()?;
    log.source.check()?;
    let folder = out_dir.join("transactions");
    let listing = Listing::of(log)?;
    std::fs::create_dir_all(&folder).map_err(|e| Error::io("make the folder of the transactions table", &folder, e))?;
    let work = Work { log, out_dir, folder: &folder, progress, sizes, read_as: read_as(log) };
    let (held, not_believed) = work.held(anew);
    let mut distrusted = HashSet::new();
    loop {
        match work.attempt(&listing, held.as_ref(), &not_believed, &distrusted) {
            Ok(Attempt::Done(folded)) => return Ok(*folded),
            Ok(Attempt::Again(more)) => distrusted.extend(more),
            Err(error) => {
                // The failure that matters is the one already at hand; what is left over goes with the next fold.
                let _ = match Manifest::read(&folder) {
                    Ok(standing) => standing.sweep(&folder),
                    Err(_) if folder.join(MANIFEST).exists() => Ok(()),
                    Err(_) => std::fs::remove_dir_all(&folder).map_err(|e| Error::io("remove", &folder, e)),
                };
                return Err(error);
            }
        }
    }
}

/// How rows are read, by key of the configuration.
fn read_as(log: LogToRead<'_>) -> BTreeMap<String, Value> {
    let (source, rules) = (log.source, log.rules);
    let own: Vec<(&str, &super::Column)> = source.columns.of(source.kind);
    let keys = [
        ("version of longrun", json!(env!("CARGO_PKG_VERSION"))),
        ("data.format", json!(source.format)),
        ("data.delimiter", json!(source.delimiter)),
        ("data.header", json!(source.header)),
        ("data.columns", json!(own)),
        ("data.date_format", json!(source.date_format)),
        ("data.zero_amounts", json!(rules.zero_amounts)),
        ("data.negative_amounts", json!(rules.negative_amounts)),
        ("data.time_zone", json!(rules.time_zone)),
        ("groups.column", json!(source.columns.extra)),
    ];
    keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}
