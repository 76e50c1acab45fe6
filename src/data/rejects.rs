//! Rows that could not be used: file, line, column, value and reason of each, and the share above which reading stops.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use crate::error::{Error, Result};

/// Rejected rows that are written out; beyond it they are only counted.
pub(super) const WRITTEN: usize = 100_000;

/// Longest value that is written out, in characters.
const VALUE_CHARS: usize = 200;

/// One rejected row.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reject {
    /// Index of the file among the source's files.
    pub(super) file: usize,
    /// Line of a text file or row of a Parquet file, from 1.
    pub(super) line: u64,
    /// The column at fault.
    pub(super) column: String,
    /// What stood there.
    pub(super) value: String,
    /// Why it cannot be used.
    pub(super) reason: String,
}

/// Collects rejected rows from any number of threads and keeps the first ones in the order of files and lines.
#[derive(Debug)]
pub(super) struct RejectLog<R = Reject> {
    kept: Mutex<Vec<R>>,
}

impl<R> Default for RejectLog<R> {
    fn default() -> Self {
        Self { kept: Mutex::default() }
    }
}

impl<R: Ord> RejectLog<R> {
    /// Adds the rejected rows of one block.
    pub(super) fn extend(&self, rejects: Vec<R>) {
        if rejects.is_empty() {
            return;
        }
        let mut kept = lock(&self.kept);
        kept.extend(rejects);
        if kept.len() > 2 * WRITTEN {
            kept.sort();
            kept.truncate(WRITTEN);
        }
    }

    /// The first ones, in order.
    pub(super) fn into_first(self) -> Vec<R> {
        let mut kept = self.kept.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.sort();
        kept.truncate(WRITTEN);
        kept
    }
}

impl RejectLog {
    /// Writes `rejects.csv` and stops where too many rows were rejected, as [`settle`] does.
    pub(super) fn settle(self, path: &Path, files: &[PathBuf], rejected: u64, rows: u64, max_share: f64) -> Result<()> {
        settle(&self.into_first().iter().collect::<Vec<_>>(), path, files, rejected, rows, max_share)
    }
}

/// Writes `rejects.csv` (also when it has no rows, so that nobody reads an older one) and stops when more than `max_share` of `rows` were
/// rejected.
pub(super) fn settle(
    kept: &[&Reject],
    path: &Path,
    files: &[PathBuf],
    rejected: u64,
    rows: u64,
    max_share: f64,
) -> Result<()> {
    write(path, files, kept)?;
    let share = rejected as f64 / rows.max(1) as f64;
    if share <= max_share {
        return Ok(());
    }
    let first: Vec<String> = kept
        .iter()
        .take(3)
        .map(|r| format!("{}:{}: {} {:?} {}", files[r.file].display(), r.line, r.column, r.value, r.reason))
        .collect();
    Err(Error::new(format!(
        "{rejected} of {rows} rows were rejected ({:.3} %), more than max_reject_share allows ({:.3} %)",
        100.0 * share,
        100.0 * max_share
    ))
    .at(path.display())
    .seen(first.join("; "))
    .advice("the file lists every rejected row with its reason; mend the data or its description, or raise data.max_reject_share"))
}

/// Locks a mutex; a thread that panicked while it held the lock has already ended the work whose data this is.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A value as `rejects.csv` shows it.
pub(super) fn shown(value: &str) -> String {
    let mut shown: String = value.chars().take(VALUE_CHARS).collect();
    if shown.len() < value.len() {
        shown.push('…');
    }
    shown
}

fn write(path: &Path, files: &[PathBuf], rejects: &[&Reject]) -> Result<()> {
    let io = |e: csv::Error| {
        let cause = match e.into_kind() {
            csv::ErrorKind::Io(cause) => cause,
            other => std::io::Error::other(format!("{other:?}")),
        };
        Error::io("write the rejected rows", path, cause)
    };
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let file = std::fs::File::create(&partial).map_err(|e| Error::io("write the rejected rows", path, e))?;
    let mut writer = csv::Writer::from_writer(file);
    writer.write_record(["file", "line", "column", "value", "reason"]).map_err(io)?;
    for r in rejects {
        let file = files[r.file].to_string_lossy();
        writer.write_record([&*file, &r.line.to_string(), &r.column, &r.value, &r.reason]).map_err(io)?;
    }
    writer.flush().map_err(|e| Error::io("write the rejected rows", path, e))?;
    std::fs::rename(&partial, path).map_err(|e| Error::io("name the rejected rows", path, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reject(line: u64) -> Reject {
        Reject { file: 0, line, column: "date".into(), value: "x".into(), reason: "is not a date".into() }
    }

    #[test]
    fn the_share_decides_and_the_file_is_in_line_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects.csv");
        let files = [PathBuf::from("orders.csv")];
        let log = RejectLog::default();
        log.extend(vec![reject(9), reject(4)]);
        assert!(log.settle(&path, &files, 2, 2000, 0.001).is_ok());
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            written,
            "file,line,column,value,reason\norders.csv,4,date,x,is not a date\norders.csv,9,date,x,is not a date\n"
        );

        let log = RejectLog::default();
        log.extend(vec![reject(4)]);
        let error = log.settle(&path, &files, 1, 999, 0.001).unwrap_err().to_string();
        assert!(error.contains("rejects.csv: 1 of 999 rows were rejected (0.100 %)"), "{error}");
        assert!(error.contains("orders.csv:4: date \"x\" is not a date"), "{error}");
    }

    #[test]
    fn only_the_first_are_kept_whatever_the_order_of_arrival() {
        let log = RejectLog::default();
        for block in (0..5).rev() {
            log.extend((0..60_000).map(|i| reject(block * 60_000 + i)).collect());
        }
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("rejects.csv");
        log.settle(&path, &[PathBuf::from("a")], 300_000, 300_000, 1.0).unwrap();
        let written = std::fs::read_to_string(&path).unwrap();
        assert_eq!(written.lines().count(), WRITTEN + 1);
        assert!(written.lines().last().unwrap().starts_with("a,99999,"));
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(shown("short"), "short");
        assert_eq!(shown(&"ü".repeat(300)).chars().count(), VALUE_CHARS + 1);
    }
}
