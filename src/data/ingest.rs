//! Files in, the durable transactions table out, whatever was there before. What rows become is told in `fold`.

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::columns;
use super::fold::{LogToRead, fold_sized};
use super::forgotten::Forgotten;
use super::log_files::LocalFiles;
use super::rows::{IngestProgress, Reading};
use super::rules::Rules;
use super::shuffle::HELD_BYTES;
use super::source::Source;
use crate::error::Result;

/// What the reading of a source found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    /// The files read, in order.
    pub files: Vec<PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Rows of the source, header lines left out.
    pub rows: u64,
    /// Rows listed in `rejects.csv`.
    pub rejected: u64,
    /// Rows left out because their amount is negative ([`super::NegativeAmounts::Drop`]).
    pub dropped_negative: u64,
    /// Rows left out because their amount is zero ([`super::ZeroAmounts::Drop`]).
    pub dropped_zero: u64,
    /// Purchases kept although their amount is zero ([`super::ZeroAmounts::Keep`]).
    pub kept_zero: u64,
    /// Amounts with more than four decimals, rounded to four.
    pub rounded_amounts: u64,
    /// Rows left out because their customer is forgotten. The counts above, of what the rows of the source are, have such rows too; all
    /// below are of what is left without them.
    #[serde(default)]
    pub forgotten: u64,
    /// Negative rows that reduced the customer's purchases of the same day ([`super::NegativeAmounts::Net`]).
    #[serde(default)]
    pub netted_returns: u64,
    /// Days of a customer on which negative rows took back all that was bought, so that they are no purchase.
    #[serde(default)]
    pub netted_away_days: u64,
    /// Negative rows left out because the customer bought nothing that day ([`super::NegativeAmounts::Net`]).
    #[serde(default)]
    pub unmatched_returns: u64,
    /// Rows of the transactions table: (customer, day) with equal extra columns merged. For summaries: customers.
    pub purchases: u64,
    /// Distinct customers.
    pub customers: u64,
    /// Date of the earliest purchase; none for summaries.
    pub first_date: Option<NaiveDate>,
    /// Date of the latest purchase; none for summaries.
    pub last_date: Option<NaiveDate>,
    /// Whether the source has amounts.
    pub has_amounts: bool,
}

impl IngestReport {
    /// A report of nothing read yet.
    pub(super) fn new(reading: &Reading<'_>, has_amounts: bool) -> Self {
        Self {
            files: reading.files.clone(),
            bytes: reading.bytes_total,
            rows: 0,
            rejected: 0,
            dropped_negative: 0,
            dropped_zero: 0,
            kept_zero: 0,
            forgotten: 0,
            netted_returns: 0,
            netted_away_days: 0,
            unmatched_returns: 0,
            rounded_amounts: 0,
            purchases: 0,
            customers: 0,
            first_date: None,
            last_date: None,
            has_amounts,
        }
    }
}

/// Sizes that decide the speed of a reading. `partitions` also decides the files of the table; the rest changes nothing in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Bytes of text in one block.
    pub(super) block_bytes: usize,
    /// Parts of the table; chosen by the size of the source when not given.
    pub(super) partitions: Option<usize>,
    /// Bytes of rows held in memory while a source is read.
    pub(super) held_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { block_bytes: 4 << 20, partitions: None, held_bytes: HELD_BYTES }
    }
}

/// Reads every purchase of `source`, files on this machine, on all cores and writes the table in `out_dir/transactions` and
/// `out_dir/rejects.csv`: [`super::fold()`] with nobody forgotten and nothing believed.
///
/// The table's bytes depend on the source and the rules alone, not on threads. Progress is told as bytes read.
///
/// # Errors
/// As [`super::fold()`].
pub fn ingest(
    source: &Source,
    rules: &Rules,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<IngestReport> {
    ingest_sized(source, rules, out_dir, progress, Sizes::default())
}

pub(super) fn ingest_sized(
    source: &Source,
    rules: &Rules,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
    sizes: Sizes,
) -> Result<IngestReport> {
    let log = LogToRead { source, rules, files: &LocalFiles::of(source), forgotten: &Forgotten::nobody() };
    Ok(fold_sized(log, out_dir, true, progress, sizes)?.report)
}

/// How the wanted columns are called in `rejects.csv`.
pub(super) fn labels(wanted: &[columns::Wanted]) -> Vec<String> {
    wanted.iter().map(|w| w.column.to_string()).collect()
}
