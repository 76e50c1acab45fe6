//! `manifest.json`: which files make the table, which files of the source they were made of, and how these were read. It is written last,
//! with one rename, which is what commits a fold: until then the table is the old one.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::cell::CellRecord;
use super::stored::{Stored, land, sweep};
use crate::data::field::date_of;
use crate::data::forgotten::ListDigest;
use crate::data::log_files::LogFile;
use crate::data::month::Month;
use crate::error::{Error, Result};

/// Its name.
pub(super) const MANIFEST: &str = "manifest.json";

/// Version of its layout, and of what it names.
const VERSION: &str = "transactions-2";

/// The manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(in crate::data) struct Manifest {
    pub(super) version: String,
    /// How rows are read, key by key: with anything else here every line would have to be read again.
    pub(super) read_as: BTreeMap<String, Value>,
    /// Parts of customers.
    pub(in crate::data) parts: usize,
    /// Names of the extra columns.
    pub(in crate::data) extra: Vec<String>,
    /// Whether purchases have amounts.
    pub(in crate::data) has_amounts: bool,
    /// Rows dated later were rejected.
    pub(super) latest_date: Option<NaiveDate>,
    /// The lists of customers that are forgotten.
    pub(super) forgotten: Vec<ListDigest>,
    /// The files of the source, in order.
    pub(super) files: Vec<FileRecord>,
    /// The first rejected rows.
    pub(super) rejects: Option<Stored>,
    /// Distinct customers of each part.
    pub(super) customers: Vec<u64>,
    /// The cells that have a file, by month and part.
    pub(super) months: BTreeMap<Month, Vec<CellRecord>>,
}

/// A file of the source, and what its reading found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct FileRecord {
    #[serde(flatten)]
    pub(super) file: LogFile,
    pub(super) counts: Counts,
    /// Months of its lines, forgotten customers' included.
    pub(super) months: BTreeSet<Month>,
    /// The latest day of a row that is not in the future, whatever became of the row.
    pub(super) last_date: Option<NaiveDate>,
    /// The earliest day of a row that was rejected because it lies in the future.
    pub(super) future_date: Option<NaiveDate>,
}

/// What became of the rows of a file. Rows of forgotten customers count in what the reading found of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(in crate::data) struct Counts {
    pub(in crate::data) rows: u64,
    pub(in crate::data) rejected: u64,
    pub(in crate::data) dropped_negative: u64,
    pub(in crate::data) dropped_zero: u64,
    pub(in crate::data) kept_zero: u64,
    pub(in crate::data) rounded: u64,
    /// Lines left out because their customer is forgotten.
    pub(in crate::data) forgotten: u64,
    /// Rejected rows that are not listed because their customer is forgotten.
    pub(in crate::data) hidden: u64,
}

impl Counts {
    pub(in crate::data) fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.dropped_negative += other.dropped_negative;
        self.dropped_zero += other.dropped_zero;
        self.kept_zero += other.kept_zero;
        self.rounded += other.rounded;
        self.forgotten += other.forgotten;
        self.hidden += other.hidden;
    }
}

/// What a source's files and lines are called in the table: eight bytes of a digest of the file's name.
pub(super) fn digest_of(name: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(name).into();
    u64::from_le_bytes(digest.as_chunks::<8>().0[0])
}

pub(in crate::data) fn incomplete(why: String, folder: &Path) -> Error {
    Error::new(why).at(folder.display()).advice("read the source again (`longrun summarize` on the run directory)")
}

impl Manifest {
    /// A table of nothing yet.
    pub(super) fn begun(read_as: BTreeMap<String, Value>, parts: usize, extra: Vec<String>, has_amounts: bool) -> Self {
        Self {
            version: VERSION.to_owned(),
            read_as,
            parts,
            extra,
            has_amounts,
            latest_date: None,
            forgotten: Vec::new(),
            files: Vec::new(),
            rejects: None,
            customers: vec![0; parts],
            months: BTreeMap::new(),
        }
    }

    /// Reads the manifest of the table in `folder`.
    pub(in crate::data) fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(MANIFEST);
        let text = match std::fs::read(&path) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
                return Err(incomplete("there is no transactions table here".to_owned(), folder));
            }
            text => text.map_err(|e| Error::io("read the transactions table", &path, e))?,
        };
        let read: Result<Self, _> = serde_json::from_slice(&text);
        match read {
            Ok(manifest) if manifest.version == VERSION => Ok(manifest),
            Ok(manifest) => {
                Err(incomplete(format!("the transactions table is of version {:?}", manifest.version), folder))
            }
            Err(e) => {
                Err(incomplete("the transactions table's manifest is damaged or of another version".to_owned(), folder)
                    .because(e))
            }
        }
    }

    /// Whether all of the table's files are there, with the lengths that they were written with.
    pub(in crate::data) fn whole(&self, folder: &Path) -> Result<()> {
        match self.stored().find_map(|stored| stored.missing(folder)) {
            Some(why) => Err(incomplete(why, folder)),
            None => Ok(()),
        }
    }

    /// Writes it: the table in `folder` is this one from here on. What other tables left there is removed.
    pub(super) fn commit(&self, folder: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)
            .map_err(|e| Error::new("could not write as JSON").at(folder.join(MANIFEST).display()).because(e))?;
        text.push(b'\n');
        land(&folder.join(MANIFEST), &text)?;
        self.sweep(folder)
    }

    /// Removes what is not of this table.
    pub(super) fn sweep(&self, folder: &Path) -> Result<()> {
        let names: BTreeSet<&str> = self.stored().map(|stored| stored.name.as_str()).chain([MANIFEST]).collect();
        sweep(folder, &|name| names.contains(name))
    }

    /// Every cell, by month and part.
    pub(in crate::data) fn cells(&self) -> impl Iterator<Item = (Month, &CellRecord)> {
        self.months.iter().flat_map(|(month, cells)| cells.iter().map(move |cell| (*month, cell)))
    }

    /// The cell of a month and a part, if it has a file.
    pub(super) fn cell(&self, month: Month, part: usize) -> Option<&CellRecord> {
        self.months.get(&month)?.iter().find(|cell| cell.part == part)
    }

    /// Files with the rows of a part, in the order of time.
    pub(super) fn rows_of(&self, part: usize, folder: &Path) -> Vec<PathBuf> {
        let of_part = self.cells().filter(|(_, cell)| cell.part == part);
        of_part.filter_map(|(_, cell)| Some(folder.join(&cell.rows.as_ref()?.name))).collect()
    }

    /// Every file of the table but the manifest.
    pub(in crate::data) fn stored(&self) -> impl Iterator<Item = &Stored> {
        self.cells().flat_map(|(_, cell)| cell.files()).chain(&self.rejects)
    }

    /// First and last day with a purchase.
    pub(in crate::data) fn dates(&self) -> Option<(NaiveDate, NaiveDate)> {
        let days = || self.cells().filter_map(|(_, cell)| cell.facts.days);
        let (first, last) = (days().map(|days| days.0).min()?, days().map(|days| days.1).max()?);
        date_of(first.into()).zip(date_of(last.into()))
    }

    /// What became of the rows of all files.
    pub(super) fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.files.iter().for_each(|file| counts.add(&file.counts));
        counts
    }

    /// A digest of everything that a summary sees, in 8 hexadecimal digits.
    pub(super) fn key(&self) -> String {
        let mut hasher = Sha256::new();
        let read_as = serde_json::json!([self.read_as, self.counts()]).to_string();
        let names = self.stored().map(|stored| stored.name.as_str());
        names.chain([read_as.as_str()]).for_each(|text| hasher.update(format!("{}:{text}\n", text.len())));
        hasher.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect()
    }
}
