//! The durable table of purchases, `transactions/2024-03/part-000-….parquet`, cut by calendar month and by a hash of the customer; each file
//! is sorted by customer and date, and called after its content. `transactions/manifest.json` names the files that count. Every summary,
//! for any cutoff and resolution, derives from them.
//!
//! Columns: `customer_id` (text), `date` (date), `amount` (decimal with 4 places; null when the source has no amounts),
//! `purchases` (uint32: lines of the source that merged into this row), `file_digest` (uint64: which file its line came from; null where the
//! row's day is of several lines) and the extra columns (text; null where the source has nothing). How the lines of one customer on one day
//! merge is told in `netting`, how the table follows its source in `fold`.

use std::path::{Path, PathBuf};

use arrow_array::Array;
use chrono::NaiveDate;
use rayon::prelude::*;

use super::fold::manifest::Manifest;
use super::fold::{ROWS_VERSION, manifest};
use super::month_merge::merge_months;
use super::table_file::{Rows, TableReader};
use crate::error::Result;

/// How lines of the source merged into rows of one customer and day.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct MergedLines {
    /// Rows of the table.
    pub rows: u64,
    /// Rows of more than one line.
    pub several: u64,
    /// Rows of an even number of lines: all of them, where every line of the source stands there twice.
    pub in_pairs: u64,
}

/// The rows of some customers, who are in no other part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct HashPart {
    /// A file for each month with rows, in the order of time.
    pub(super) months: Vec<PathBuf>,
    /// Bytes of all of them.
    pub(super) bytes: u64,
}

/// The table of purchases, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionTable {
    pub(super) parts: Vec<HashPart>,
    /// Names of the extra columns, candidates for grouping.
    pub extra: Vec<String>,
    /// Whether purchases have amounts.
    pub has_amounts: bool,
    /// Date of the earliest purchase.
    pub first_date: NaiveDate,
    /// Date of the latest purchase.
    pub last_date: NaiveDate,
}

/// One row of the table.
pub(super) struct TableRow<'a> {
    pub(super) customer: &'a str,
    /// Days since 1970-01-01.
    pub(super) day: i32,
    /// Ten-thousandths of the currency, where purchases have amounts.
    pub(super) units: Option<i64>,
    /// Lines of the source in it.
    pub(super) lines: u32,
    columns: &'a RowColumns,
    at: usize,
}

impl TableRow<'_> {
    /// The values of the extra columns that were asked for.
    pub(super) fn extra(&self) -> impl Iterator<Item = Option<&str>> {
        self.columns.extra.iter().map(|column| column.is_valid(self.at).then(|| column.value(self.at)))
    }
}

/// Columns of some rows.
struct RowColumns {
    days: arrow_array::Date32Array,
    amounts: arrow_array::Decimal128Array,
    lines: arrow_array::UInt32Array,
    extra: Vec<arrow_array::StringArray>,
}

impl TransactionTable {
    /// Opens the folder that [`super::ingest`] or [`super::fold()`] wrote (`<out_dir>/transactions`).
    ///
    /// # Errors
    /// When there is none, or one of its files is missing or cut short.
    pub fn open(dir: &Path) -> Result<Self> {
        let manifest = Manifest::read(dir)?;
        manifest.whole(dir)?;
        Self::of(&manifest, dir)
    }

    /// The table whose files a manifest names.
    pub(super) fn of(manifest: &Manifest, dir: &Path) -> Result<Self> {
        let Some((first_date, last_date)) = manifest.dates() else {
            return Err(manifest::incomplete("the transactions table has no rows".to_owned(), dir));
        };
        let mut parts = vec![HashPart { months: Vec::new(), bytes: 0 }; manifest.parts];
        for (_, cell) in manifest.cells() {
            if let Some((part, rows)) = parts.get_mut(cell.part).zip(cell.rows.as_ref()) {
                part.months.push(dir.join(&rows.name));
                part.bytes += rows.bytes;
            }
        }
        let (extra, has_amounts) = (manifest.extra.clone(), manifest.has_amounts);
        Ok(Self { parts, extra, has_amounts, first_date, last_date })
    }

    /// How many lines of the source merged into the table's rows.
    ///
    /// # Errors
    /// A file that cannot be read.
    pub fn merged_lines(&self) -> Result<MergedLines> {
        let count = |file: &PathBuf| {
            let mut found = MergedLines::default();
            let groups = TableReader::open(file, ROWS_VERSION)?.read_groups(&["purchases"], |read| {
                let mut some = MergedLines::default();
                read(&mut |rows| {
                    for &lines in rows.counts("purchases")? {
                        some.rows += 1;
                        some.in_pairs += u64::from(lines % 2 == 0);
                        some.several += u64::from(lines > 1);
                    }
                    Ok(())
                })?;
                Ok(some)
            })?;
            groups.into_iter().for_each(|some| found.add(some));
            Ok(found)
        };
        let files: Vec<&PathBuf> = self.parts.iter().flat_map(|part| &part.months).collect();
        let counted = files.into_par_iter().map(count).collect::<Result<Vec<_>>>()?;
        let mut found = MergedLines::default();
        counted.into_iter().for_each(|some| found.add(some));
        Ok(found)
    }

    /// Hands on the rows of one part, by customer and date, with the extra columns that are asked for.
    pub(super) fn read_rows(
        &self,
        part: &HashPart,
        extra: &[String],
        mut each: impl FnMut(&TableRow<'_>),
    ) -> Result<()> {
        let mut columns = vec!["date", "amount", "purchases"];
        columns.extend(extra.iter().map(String::as_str));
        let decode = |rows: &Rows<'_>| {
            Ok(RowColumns {
                days: rows.dates("date")?.clone(),
                amounts: rows.decimals("amount")?.clone(),
                lines: rows.count_column("purchases")?.clone(),
                extra: extra.iter().map(|name| rows.texts(name).cloned()).collect::<Result<_>>()?,
            })
        };
        merge_months(&part.months, ROWS_VERSION, &columns, decode, |customer, columns, at| {
            // The writer stores 64-bit amounts alone.
            let units = columns.amounts.is_valid(at).then(|| columns.amounts.value(at) as i64);
            let (day, lines) = (columns.days.value(at), columns.lines.value(at));
            each(&TableRow { customer, day, units, lines, columns, at });
            Ok(())
        })
    }

    /// Hands on the purchases of one part, by customer and date: customer, day since 1970-01-01, amount in ten-thousandths, and
    /// the values of the extra columns that are asked for.
    pub(super) fn read_part(
        &self,
        part: &HashPart,
        extra: &[String],
        mut each: impl FnMut(&str, i32, i64, &[Option<&str>]),
    ) -> Result<()> {
        self.read_rows(part, extra, |row| {
            // More columns than these to group by are rare.
            let (mut few, mut many) = ([None; 8], Vec::new());
            let values = if extra.len() <= few.len() {
                few.iter_mut().zip(row.extra()).for_each(|(value, extra)| *value = extra);
                &few[..extra.len()]
            } else {
                many.extend(row.extra());
                &many[..]
            };
            each(row.customer, row.day, row.units.unwrap_or(0), values);
        })
    }
}

impl MergedLines {
    fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.several += other.several;
        self.in_pairs += other.in_pairs;
    }
}

/// Distinct customers among `months`, the files of one part.
pub(super) fn count_customers(months: &[PathBuf]) -> Result<u64> {
    let (mut count, mut last) = (0, None::<String>);
    merge_months(
        months,
        ROWS_VERSION,
        &[],
        |_| Ok(()),
        |customer, (), _| {
            if last.as_deref() != Some(customer) {
                count += 1;
                let known = last.get_or_insert_default();
                customer.clone_into(known);
            }
            Ok(())
        },
    )?;
    Ok(count)
}
