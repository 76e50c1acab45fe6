//! A log of transactions as a table of purchases that follows it, for summaries at any cutoff, and what the reading found.
//!
//! The table is kept: of the log's files, only those that are new or changed are read. Nothing here knows a cutoff.

use std::fs;
use std::path::Path;

use chrono::NaiveDate;

use super::Observer;
use super::away::{self, LogPlaces};
use super::summarize::{rules, source};
use crate::config::Plan;
use crate::data::{self, Folded, Forgotten, IngestProgress, IngestReport, Kind, LogToRead, TransactionTable};
use crate::error::{Error, Result};

/// A log that has been read.
#[derive(Debug)]
pub struct Log {
    /// The purchases.
    pub table: TransactionTable,
    /// What the reading found, now or before.
    pub report: IngestReport,
    /// Day of the last purchase.
    pub last_date: NaiveDate,
    /// Day of the first purchase.
    pub first_date: NaiveDate,
    /// A digest of the purchases and the way they were read, in 8 hexadecimal digits: another log, another key.
    pub key: String,
    /// Files that were read now; the others had been read before.
    pub files_read: usize,
    /// Their bytes.
    pub bytes_read: u64,
    /// Months of the table that changed, such as `2024-03`.
    pub months: Vec<String>,
}

/// Brings the table in `folder` to what the plan's log is now. Files count as unchanged by path, size and time of change; `anew` trusts
/// nothing. A note says what was read, where there was a table before.
///
/// # Errors
/// Data that are no transactions; files that cannot be read; more rejected rows than the plan allows.
pub fn read_log(plan: &Plan, folder: &Path, anew: bool, observer: &dyn Observer) -> Result<Log> {
    if plan.data.kind != Kind::Transactions {
        return Err(Error::new("the lifecycle needs dates: data.kind must be \"transactions\"")
            .at("data.kind")
            .advice("summaries and contracts can be fitted with `longrun run`"));
    }
    // Older versions left it beside their table.
    match fs::remove_file(folder.join("log.json")) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            return Err(Error::io("forget the table of an older log", folder, e));
        }
        _ => {}
    }
    let folded = fold_log(plan, folder, anew, observer)?;
    let Folded { table, report, key, files_read, bytes_read, months, .. } = folded;
    let (first_date, last_date) = (table.first_date, table.last_date);
    Ok(Log { table, report, last_date, first_date, key, files_read, bytes_read, months })
}

/// Folds the plan's log into the table of `folder`, and notes what was read of it.
pub(super) fn fold_log(plan: &Plan, folder: &Path, anew: bool, observer: &dyn Observer) -> Result<Folded> {
    let (source, rules) = (source(&plan.data, &plan.groups)?, rules(&plan.data));
    let lists = away::files(&plan.data.forget, observer)
        .map_err(|e| Error::new("could not read the customers to forget").at(plan.data.forget.join(", ")).because(e))?;
    let forgotten = Forgotten::read(&lists, &source)?;
    let files = LogPlaces::of(&plan.data.paths);
    let stood = folder.join("transactions").exists();
    let reading = |p: IngestProgress| observer.reading(p.bytes_done, p.bytes_total);
    let log = LogToRead { source: &source, rules: &rules, files: &files, forgotten: &forgotten };
    let folded = data::fold(log, folder, anew, &reading);
    // What was read is in the table: a copy of ten years is worth nothing more.
    files.let_go();
    let folded = folded?;
    if stood && !anew {
        told(&folded).iter().for_each(|note| observer.note(note));
    }
    Ok(folded)
}

/// What to say of a table that stood before; nothing where nothing changed.
fn told(folded: &Folded) -> Vec<String> {
    let mut notes = Vec::new();
    if let Some(why) = &folded.anew {
        notes.push(format!("all of the log was read again, for the table could not be built upon: {why}"));
    } else if folded.files_read > 0 || folded.files_gone > 0 {
        let gone = match folded.files_gone {
            0 => String::new(),
            gone => format!("; {gone} that had been read are gone"),
        };
        notes.push(format!(
            "{} of the log's {} files were read, {} of {} bytes{gone}",
            folded.files_read,
            folded.report.files.len(),
            folded.bytes_read,
            folded.report.bytes
        ));
    }
    if folded.anew.is_none() && !folded.months.is_empty() {
        let (shown, rest) = folded.months.split_at(folded.months.len().min(MONTHS_NAMED));
        let more = if rest.is_empty() { String::new() } else { format!(" and {} more", rest.len()) };
        notes.push(format!("months of the log that changed: {}{more}", shown.join(", ")));
    }
    notes
}

/// Months that a note names.
const MONTHS_NAMED: usize = 12;
