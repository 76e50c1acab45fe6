//! The room's behaviour from files to summaries, through its public doors.

mod bad_inputs;
mod counted;
mod fingerprints;
mod folding;
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

/// Every byte of a folder and those in it, by file.
fn bytes_of(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            files.extend(bytes_of(&path).into_iter().map(|(below, bytes)| (format!("{name}/{below}"), bytes)));
        } else {
            files.push((name, std::fs::read(&path).unwrap()));
        }
    }
    files.sort();
    files
}

/// A row of the table: customer, day, ten-thousandths, lines, extra columns.
type Row = (String, NaiveDate, Option<i64>, u32, Vec<Option<String>>);

/// The rows of the table, part by part: all of it but what tells from which files it was made.
fn rows_of(desk: &Desk) -> Vec<Vec<Row>> {
    let table = desk.table();
    let read = |part| {
        let mut rows = Vec::new();
        let each = |row: &super::transactions::TableRow<'_>| {
            let date = super::field::date_of(row.day.into()).unwrap();
            let extra = row.extra().map(|value| value.map(str::to_owned)).collect();
            rows.push((row.customer.to_owned(), date, row.units, row.lines, extra));
        };
        table.read_rows(part, &table.extra, each).unwrap();
        rows
    };
    table.parts.iter().map(read).collect()
}
