//! The room's behaviour from files to summaries, through its public doors.

mod bad_inputs;
mod counted;
mod fingerprints;
mod layouts;
mod returns;
mod simulated;
mod starts;
mod streaming;
mod summaries;
mod windows;
mod zones;

use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use tempfile::TempDir;

use super::*;
use crate::error::Result;

/// A folder with one input file in it; output goes to its `out`.
struct Desk {
    folder: TempDir,
    input: PathBuf,
}

impl Desk {
    fn with(name: &str, content: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let input = folder.path().join(name);
        std::fs::write(&input, content).unwrap();
        Self { folder, input }
    }

    fn csv(lines: &str) -> Self {
        Self::with("orders.csv", format!("customer_id,date,amount\n{lines}"))
    }

    fn out(&self) -> PathBuf {
        self.folder.path().join("out")
    }

    fn source(&self) -> Source {
        Source::transactions(&self.input)
    }

    fn ingest(&self, source: &Source, rules: &Rules) -> Result<IngestReport> {
        ingest(source, rules, &self.out(), &|_| {})
    }

    fn table(&self) -> TransactionTable {
        TransactionTable::open(&self.out().join("transactions")).unwrap()
    }

    fn rejects(&self) -> String {
        std::fs::read_to_string(self.out().join("rejects.csv")).unwrap()
    }

    /// Ingests as described and summarizes.
    fn summarize(&self, rules: &Rules, window: &Window) -> Summarized {
        self.ingest(&self.source(), rules).unwrap();
        self.table().summarize(window, rules, &Grouping::None).unwrap()
    }
}

fn day(y: i32, m: u32, d: u32) -> NaiveDate {
    NaiveDate::from_ymd_opt(y, m, d).unwrap()
}

fn until(calibration_end: NaiveDate) -> Window {
    Window { calibration_end: Some(calibration_end), ..Window::default() }
}

/// Every byte of a table, by file.
fn bytes_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|e| e.unwrap())
        .map(|e| (e.file_name().to_string_lossy().into_owned(), std::fs::read(e.path()).unwrap()))
        .collect();
    files.sort();
    files
}
