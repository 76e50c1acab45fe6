//! The ledger of champions, `champion_manifest.csv`: one row per promotion, appended and never rewritten. Every row names the digest of
//! the row before and has one of its own, so that a rewritten ledger shows. Nothing here decides who is promoted, or locks: whoever
//! appends holds the project's lock.
//!
//! A chain that was cut off at its end is a chain. So the digest of the last row, [`Ledger::head`], is kept elsewhere too, and
//! [`Ledger::must_contain`] asks for it. Whoever rewrites the ledger and everything that remembers its head is not found out.

mod cells;
mod row;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound, Utc};

use self::cells::{COLUMNS, Written, digest};
pub use self::row::{Action, Entry, Row};
use crate::error::{Error, Result};

/// The name of the ledger in a project.
pub const LEDGER_FILE: &str = "champion_manifest.csv";

/// The head of a ledger without rows.
pub const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// A ledger, read and found to be in order.
#[derive(Debug, Clone, PartialEq)]
pub struct Ledger {
    path: PathBuf,
    /// The file as it was read.
    bytes: Vec<u8>,
    rows: Vec<Row>,
}

impl Ledger {
    /// Reads a ledger and follows its chain; where there is no file, a ledger without rows.
    ///
    /// # Errors
    /// A file that cannot be read or is no ledger, or the first row that does not follow from the one before.
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = read(path)?;
        let rows = follow(&bytes, path)?;
        Ok(Self { path: path.to_owned(), bytes, rows })
    }

    /// All rows, oldest first.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The model that was promoted last.
    pub fn champion(&self) -> Option<&str> {
        self.rows.last().map(|row| row.entry.model_id.as_str())
    }

    /// The digest of the last row, to be kept elsewhere; zeros without rows.
    pub fn head(&self) -> &str {
        self.rows.last().map_or(GENESIS, |row| &row.hash)
    }

    /// Checks that a head noted earlier is still in the ledger, so that a row removed from its end shows.
    ///
    /// # Errors
    /// When no row has that digest.
    pub fn must_contain(&self, head: &str) -> Result<()> {
        if head == GENESIS || self.rows.iter().any(|row| row.hash == head) {
            return Ok(());
        }
        Err(Error::new("rows are missing at the end of the ledger: the last one that was noted is not there")
            .at(self.path.display())
            .seen(format!("{} rows, and none with the digest {head}", self.rows.len()))
            .advice("restore the file from a backup or from version control"))
    }

    /// Appends a row, and returns it; or the last row, where that says the same already. Rows before it keep their bytes. The file is
    /// whole at every moment: the old one, or the new one.
    ///
    /// # Errors
    /// An entry that cannot be kept, a file that another program changed since it was opened, or one that cannot be written.
    pub fn append(&mut self, entry: &Entry, time: DateTime<Utc>) -> Result<&Row> {
        entry.check()?;
        if read(&self.path)? != self.bytes {
            return Err(Error::new("the ledger was changed while it was open")
                .at(self.path.display())
                .advice("another program may be promoting a model; try again when it is done"));
        }
        if self.rows.last().is_none_or(|last| last.entry != *entry) {
            let row = Row {
                row: self.rows.len() as u64 + 1,
                // As it reads in the file.
                time: time.trunc_subsecs(0),
                previous_id: self.champion().map(str::to_owned),
                entry: entry.clone(),
                previous_hash: self.head().to_owned(),
                hash: String::new(),
            };
            let (line, hash) = Written::of(&row)?.sealed(&self.path)?;
            let mut bytes = self.bytes.clone();
            if bytes.is_empty() {
                bytes.extend(COLUMNS.join(",").as_bytes());
            }
            // An editor may have taken the last line's end.
            if !bytes.ends_with(b"\n") {
                bytes.push(b'\n');
            }
            bytes.extend(line);
            replace(&self.path, &bytes)?;
            self.bytes = bytes;
            self.rows.push(Row { hash, ..row });
        }
        // There is one: the row that was appended, or the last one that it equals.
        self.rows.last().ok_or_else(|| Error::new("the ledger has no row").at(self.path.display()))
    }
}

fn read(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other.map_err(|e| Error::io("read the ledger", path, e)),
    }
}

/// The rows of a file, each of which follows from the one before.
fn follow(bytes: &[u8], path: &Path) -> Result<Vec<Row>> {
    let mut rows: Vec<Row> = Vec::new();
    if bytes.is_empty() {
        return Ok(rows);
    }
    let mut reader = csv::Reader::from_reader(bytes);
    let header = reader.headers().cloned().unwrap_or_default();
    if !header.iter().eq(COLUMNS) {
        return Err(Error::new("this is not a ledger of champions of this version of longrun")
            .at(path.display())
            .seen(format!("the columns {}", header.iter().collect::<Vec<_>>().join(",")))
            .advice("use the version that wrote it; or, if another program saved the file, restore it from a backup"));
    }
    for record in reader.into_records() {
        let number = rows.len() + 1;
        let broken = |what: String, line: Option<u64>| {
            let stands = match number {
                1 => "no row can be relied on".to_owned(),
                2 => "row 1 can still be relied on".to_owned(),
                _ => format!("rows 1 to {} can still be relied on", number - 1),
            };
            let line = line.map_or(String::new(), |line| format!(":{line}"));
            Error::new(what).at(format!("{}{line}", path.display())).advice(format!(
                "restore the file from a backup or from version control; {stands}, this one and those after it cannot"
            ))
        };
        let record = record.map_err(|e| {
            let line = e.position().map(csv::Position::line);
            broken(format!("row {number} of the ledger is no row"), line).because(e)
        })?;
        let line = record.position().map(csv::Position::line);
        let head = rows.last().map_or(GENESIS, |row| &row.hash);
        let champion = rows.last().map(|row| row.entry.model_id.as_str());
        let row: Row = Written::read(&record)
            .and_then(Written::meant)
            .map_err(|e| broken(format!("row {number} of the ledger does not read as one"), line).because(e))?;
        if digest(&record) != row.hash {
            return Err(broken(format!("row {number} of the ledger was changed after it was written"), line));
        }
        if row.row != number as u64 || row.previous_hash != head || row.previous_id.as_deref() != champion {
            let what = format!(
                "row {number} of the ledger does not follow from the row before: one was removed, added or replaced"
            );
            return Err(broken(what, line).seen(format!("it calls itself row {}", row.row)));
        }
        rows.push(row);
    }
    Ok(rows)
}

/// Writes beside the place, makes it durable and renames.
fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let write = || -> std::io::Result<()> {
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)?;
        // Only Unix can open a directory; elsewhere the rename is all there is.
        match path.parent() {
            Some(folder) if cfg!(unix) => {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                File::open(folder)?.sync_all()
            }
            _ => Ok(()),
        }
    };
    write().map_err(|e| Error::io("write the ledger", path, e))
}

#[cfg(test)]
mod tests;
