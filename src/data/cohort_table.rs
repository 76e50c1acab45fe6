//! A table of cohorts, as spreadsheets hold it (cohort, period, customers still active: 1000, 631, 468, …), becomes customers under
//! contract: who was lost in each period, and who is still there.
//!
//! Periods are those of the table: a cohort's first one is its beginning, each later one the next renewal. Calendar years and
//! periods counted from 0 or 1 come to the same.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex;

use super::field::Field;
use super::ingest::Sizes;
use super::rejects::lock;
use super::roles::{Column, Columns, ExtraColumn, Kind};
use super::rows::{Address, Consumer, IngestProgress, Reading};
use super::source::{Delimiter, Format, Source};
use crate::error::{Error, Result};

/// The file that holds the customers of the table, in the output folder.
const CONTRACTS_FILE: &str = "contracts.csv";

/// Most lines of a table: it is held in memory.
const MOST_LINES: usize = 10_000_000;

/// Reads the table of cohorts `source` and writes its customers as `out_dir/contracts.csv`, one line for those of a cohort who have
/// the same history. Returns the source of that file, with the same extra columns.
///
/// # Errors
/// When a file or a column is missing, or a line does not make sense: a count that is not whole, two counts of one cohort and
/// period, a period left out, a cohort that grows or changes its extra columns. Of a table every line counts, so none is rejected.
pub fn expand_cohorts(source: &Source, out_dir: &Path, progress: &(dyn Fn(IngestProgress) + Sync)) -> Result<Source> {
    let reading = Reading::new(source, Sizes::default().block_bytes, progress)?;
    let found = Mutex::new(Vec::new());
    reading.run(&|| Lines { found: &found, lines: Vec::new() })?;
    let mut lines = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    lines.sort_by_key(|line: &Line| line.at);
    if lines.is_empty() {
        return Err(Error::new("the table of cohorts has no rows").at(source.paths.join(", ")));
    }
    let place = |at: Address| format!("{}:{}", reading.files[at.file].display(), at.line);
    let table = Table::of(lines, &place)?;
    std::fs::create_dir_all(out_dir).map_err(|e| Error::io("make the output folder", out_dir, e))?;
    let path = out_dir.join(CONTRACTS_FILE);
    let partial = out_dir.join(format!("{CONTRACTS_FILE}.partial"));
    std::fs::write(&partial, table.contracts(source.columns.extra.len())?)
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|e| Error::io("write the customers of the cohorts", &path, e))?;
    Ok(contracts_source(&path, &source.columns.extra))
}

/// The source of a file that [`expand_cohorts`] wrote.
fn contracts_source(path: &Path, extra: &[ExtraColumn]) -> Source {
    let own = OWN_COLUMNS.len();
    let kept = |(i, e): (usize, &ExtraColumn)| ExtraColumn { name: e.name.clone(), column: Column::Index(own + i + 1) };
    Source {
        kind: Kind::Contracts,
        paths: vec![path.to_string_lossy().into_owned()],
        format: Format::Csv,
        delimiter: Delimiter::Byte(b','),
        header: true,
        columns: Columns {
            weight: Some(Column::Name("customers".to_owned())),
            extra: extra.iter().enumerate().map(kept).collect(),
            ..Columns::default()
        },
        date_format: None,
    }
}

const OWN_COLUMNS: [&str; 4] = ["customer_id", "age", "lost", "customers"];

/// One line of the table.
struct Line {
    at: Address,
    /// The cohort, the period and the count, or what is wrong with the line.
    entry: Result<(String, i64, u64), String>,
    extra: Vec<String>,
}

/// Takes the lines of one block.
struct Lines<'a> {
    found: &'a Mutex<Vec<Line>>,
    lines: Vec<Line>,
}

impl Consumer for Lines<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        let (own, extra) = fields.split_at(3.min(fields.len()));
        let extra = extra.iter().map(|field| field.text().into_owned()).collect();
        self.lines.push(Line { at, entry: entry(own), extra });
    }

    fn malformed(&mut self, at: Address, column: &str, value: &str, reason: &str) {
        self.lines.push(Line { at, entry: Err(format!("{column} {value:?} {reason}")), extra: Vec::new() });
    }

    fn finish(self) -> Result<()> {
        let mut found = lock(self.found);
        found.extend(self.lines);
        if found.len() > MOST_LINES {
            return Err(Error::new("the table of cohorts is too long to be one")
                .seen(format!("more than {MOST_LINES} lines"))
                .advice("with one line per customer, set data.kind = \"contracts\""));
        }
        Ok(())
    }
}

fn entry(fields: &[Field<'_>]) -> Result<(String, i64, u64), String> {
    let [cohort, period, active] = fields else { return Err("the line has too few fields".to_owned()) };
    let whole = |field: &Field<'_>, name: &str| {
        let refused = || format!("{name} {:?} is not a whole number", field.text());
        let value = field.number().map_err(|_| refused())?;
        if value.fract() == 0.0 && value.abs() < 1e12 { Ok(value) } else { Err(refused()) }
    };
    if *cohort == Field::Missing {
        return Err("the cohort is missing".to_owned());
    }
    let count = whole(active, "active")?;
    if count < 0.0 {
        return Err(format!("active {count} is negative"));
    }
    // Both are whole and below 10^12.
    Ok((cohort.text().into_owned(), whole(period, "period")? as i64, count as u64))
}

/// One cohort: how many were active in each period, the first one at its beginning.
#[derive(Default)]
struct Cohort {
    active: BTreeMap<i64, (u64, Address)>,
    extra: Vec<String>,
}

/// The cohorts by name.
struct Table {
    cohorts: BTreeMap<String, Cohort>,
}

impl Table {
    /// The table, checked.
    fn of(lines: Vec<Line>, place: &dyn Fn(Address) -> String) -> Result<Self> {
        let mut cohorts: BTreeMap<String, Cohort> = BTreeMap::new();
        for Line { at, entry, extra } in lines {
            let (name, period, count) = entry.map_err(|reason| {
                Error::new(format!("this line of the table of cohorts cannot be used: {reason}")).at(place(at))
            })?;
            let refuse = |what: String| Error::new(format!("cohort {name:?} {what}")).at(place(at));
            let cohort =
                cohorts.entry(name.clone()).or_insert_with(|| Cohort { extra: extra.clone(), ..Cohort::default() });
            if cohort.extra != extra {
                return Err(refuse("changes its group".to_owned())
                    .seen(format!("{:?} after {:?}", extra.join(", "), cohort.extra.join(", ")))
                    .advice("give every line of a cohort the same, or give parts of a cohort names of their own"));
            }
            if let Some((_, before)) = cohort.active.insert(period, (count, at)) {
                return Err(refuse(format!("is counted twice in period {period}"))
                    .seen(place(before))
                    .advice("add the two up, or give them names of their own"));
            }
        }
        let table = Self { cohorts };
        table.cohorts.iter().try_for_each(|(name, cohort)| cohort.check(name, place))?;
        Ok(table)
    }

    /// The customers, as lines of CSV.
    fn contracts(&self, extra: usize) -> Result<String> {
        let mut writer = csv::Writer::from_writer(Vec::new());
        let failed = |e: csv::Error| Error::new("could not lay out the customers of the cohorts").because(e);
        let header = OWN_COLUMNS.map(str::to_owned).into_iter().chain((1..=extra).map(|i| format!("extra{i}")));
        writer.write_record(header).map_err(failed)?;
        for (name, cohort) in &self.cohorts {
            for (age, lost, customers) in cohort.histories() {
                let mut id = name.clone();
                // Writing to a string cannot fail.
                let _ = write!(id, "-{}{age}", if lost { "lost" } else { "active" });
                let own = [id, age.to_string(), u8::from(lost).to_string(), customers.to_string()];
                writer.write_record(own.iter().chain(&cohort.extra)).map_err(failed)?;
            }
        }
        let bytes = writer.into_inner().map_err(|e| failed(e.into_error().into()))?;
        String::from_utf8(bytes).map_err(|e| Error::new("could not lay out the customers of the cohorts").because(e))
    }
}

impl Cohort {
    /// Refuses gaps and growth.
    fn check(&self, name: &str, place: &dyn Fn(Address) -> String) -> Result<()> {
        for ((period, (count, _)), (next, (later, at))) in self.active.iter().zip(self.active.iter().skip(1)) {
            if *next != period + 1 {
                return Err(Error::new(format!("cohort {name:?} has no count for period {}", period + 1))
                    .at(place(*at))
                    .advice("every period from a cohort's first to its last needs a line"));
            }
            if later > count {
                return Err(Error::new(format!("cohort {name:?} grows from {count} to {later} in period {next}"))
                    .at(place(*at))
                    .advice("a cohort counts who is left of those who began together; who came later belongs to another cohort"));
            }
        }
        Ok(())
    }

    /// Periods decided on, whether lost at the last, and how many customers: none where nobody is.
    fn histories(&self) -> Vec<(usize, bool, u64)> {
        let active: Vec<u64> = self.active.values().map(|(count, _)| *count).collect();
        let lost = active.windows(2).enumerate().map(|(i, pair)| (i + 1, true, pair[0] - pair[1]));
        let rest = active.last().map(|count| (active.len() - 1, false, *count));
        lost.chain(rest).filter(|(.., customers)| *customers > 0).collect()
    }
}
