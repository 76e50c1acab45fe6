//! The durable table of purchases, `transactions/part-NNN.parquet`, partitioned by a hash of the customer and sorted by customer
//! and date. Every summary, for any cutoff and resolution, derives from it.
//!
//! Columns: `customer_id` (text), `date` (date), `amount` (decimal with 4 places; null when the source has no amounts),
//! `purchases` (uint32: lines of the source that merged into this row), and the extra columns (text; null where the source has
//! nothing). How the lines of one customer on one day merge is told in `netting`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, Decimal128Builder, StringBuilder, UInt32Builder};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field as ArrowField, Schema as ArrowSchema};
use chrono::NaiveDate;

use super::amount::AMOUNT_PLACES;
use super::field::date_of;
use super::netting::{Netted, merge_day};
use super::shuffle::{Line, extra_values};
use super::table_file::{TableReader, TableWriter};
use crate::error::{Error, Result};

pub(super) const VERSION: &str = "transactions-1";
const PARTS_KEY: &str = "longrun.parts";
const AMOUNTS_KEY: &str = "longrun.amounts";
const FIRST_KEY: &str = "longrun.first_day";
const LAST_KEY: &str = "longrun.last_day";

/// Digits of a decimal that fit 64 bits.
const AMOUNT_DIGITS: u8 = 18;

/// Rows in one batch while writing.
const BATCH_ROWS: usize = 65_536;

/// What one part of the table holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PartFacts {
    pub(super) customers: u64,
    pub(super) rows: u64,
    /// Days since 1970-01-01; none without rows.
    pub(super) days: Option<(i32, i32)>,
    /// What became of returns.
    pub(super) netted: Netted,
}

/// The name of a part.
pub(super) fn part_path(folder: &Path, part: usize) -> PathBuf {
    folder.join(format!("part-{part:03}.parquet"))
}

/// How the parts of one table are written.
pub(super) struct PartWriter<'a> {
    pub(super) folder: &'a Path,
    pub(super) parts: usize,
    pub(super) has_amounts: bool,
    pub(super) extra: &'a [String],
}

/// Columns of a part while rows are added.
struct PartColumns {
    customer: StringBuilder,
    date: Date32Builder,
    amount: Decimal128Builder,
    purchases: UInt32Builder,
    extra: Vec<StringBuilder>,
    rows: usize,
}

impl PartWriter<'_> {
    /// Merges sorted lines into rows and writes them as part number `part`.
    pub(super) fn write(&self, part: usize, lines: &[Line<'_>]) -> Result<PartFacts> {
        let path = part_path(self.folder, part);
        let mut fields = vec![
            ArrowField::new("customer_id", DataType::Utf8, false),
            ArrowField::new("date", DataType::Date32, false),
            ArrowField::new("amount", DataType::Decimal128(AMOUNT_DIGITS, AMOUNT_PLACES), true),
            ArrowField::new("purchases", DataType::UInt32, false),
        ];
        fields.extend(self.extra.iter().map(|name| ArrowField::new(name, DataType::Utf8, true)));
        let schema = Arc::new(ArrowSchema::new(fields));
        let mut writer = TableWriter::create(&path, VERSION, Arc::clone(&schema))?;
        let mut columns = self.columns();
        let mut facts = PartFacts { customers: 0, rows: 0, days: None, netted: Netted::default() };
        let mut merged = Vec::new();
        for customer in lines.chunk_by(|a, b| a.customer == b.customer) {
            let rows_before = facts.rows;
            for day in customer.chunk_by(|a, b| a.day == b.day) {
                merge_day(day, &mut merged, &mut facts.netted);
                let Some(first) = merged.first() else { continue };
                let (earliest, latest) = facts.days.unwrap_or((first.line.day, first.line.day));
                facts.days = Some((earliest.min(first.line.day), latest.max(first.line.day)));
                for row in &merged {
                    let units = i64::try_from(row.units).map_err(|_| {
                        Error::new(format!(
                            "the amounts of customer {:?} on one day are too large to add",
                            row.line.customer
                        ))
                        .at(path.display())
                        .advice("check that the amount column holds money")
                    })?;
                    self.append(&mut columns, row.line, units, row.purchases);
                    facts.rows += 1;
                    if columns.rows == BATCH_ROWS {
                        writer.write(&columns.finish(&schema)?)?;
                    }
                }
            }
            facts.customers += u64::from(facts.rows > rows_before);
        }
        writer.write(&columns.finish(&schema)?)?;
        let mut keys = vec![(PARTS_KEY, self.parts.to_string()), (AMOUNTS_KEY, self.has_amounts.to_string())];
        if let Some((first, last)) = facts.days {
            keys.extend([(FIRST_KEY, first.to_string()), (LAST_KEY, last.to_string())]);
        }
        writer.finish(&keys)?;
        Ok(facts)
    }

    fn columns(&self) -> PartColumns {
        // The type is the one of the schema; precision and scale are in range.
        let amount = Decimal128Builder::new().with_data_type(DataType::Decimal128(AMOUNT_DIGITS, AMOUNT_PLACES));
        PartColumns {
            customer: StringBuilder::new(),
            date: Date32Builder::new(),
            amount,
            purchases: UInt32Builder::new(),
            extra: self.extra.iter().map(|_| StringBuilder::new()).collect(),
            rows: 0,
        }
    }

    fn append(&self, columns: &mut PartColumns, line: &Line<'_>, units: i64, purchases: u32) {
        columns.customer.append_value(line.customer);
        columns.date.append_value(line.day);
        columns.amount.append_option(self.has_amounts.then_some(i128::from(units)));
        columns.purchases.append_value(purchases);
        let mut values = extra_values(line.extra);
        for column in &mut columns.extra {
            column.append_option(values.next().flatten());
        }
        columns.rows += 1;
    }
}

impl PartColumns {
    fn finish(&mut self, schema: &Arc<ArrowSchema>) -> Result<arrow_array::RecordBatch> {
        self.rows = 0;
        let mut arrays: Vec<ArrayRef> = vec![
            Arc::new(self.customer.finish()),
            Arc::new(self.date.finish()),
            Arc::new(self.amount.finish()),
            Arc::new(self.purchases.finish()),
        ];
        arrays.extend(self.extra.iter_mut().map(|c| Arc::new(c.finish()) as ArrayRef));
        arrow_array::RecordBatch::try_new(Arc::clone(schema), arrays)
            .map_err(|e| Error::new("the columns of the transactions table do not fit together").because(e))
    }
}

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

/// The table of purchases, opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransactionTable {
    pub(super) parts: Vec<PathBuf>,
    /// Names of the extra columns, candidates for grouping.
    pub extra: Vec<String>,
    /// Whether purchases have amounts.
    pub has_amounts: bool,
    /// Date of the earliest purchase.
    pub first_date: NaiveDate,
    /// Date of the latest purchase.
    pub last_date: NaiveDate,
}

impl TransactionTable {
    /// Opens the folder that [`super::ingest`] wrote (`<out_dir>/transactions`).
    ///
    /// # Errors
    /// When a part is missing, damaged, or not of this version's schema.
    pub fn open(dir: &Path) -> Result<Self> {
        let incomplete = |why: String| {
            Error::new(why).at(dir.display()).advice("read the source again (`longrun summarize` on the run directory)")
        };
        let first = part_path(dir, 0);
        if !first.is_file() {
            return Err(incomplete("there is no transactions table here".to_owned()));
        }
        let table = TableReader::open(&first, VERSION)?;
        let count: usize = table.parsed(PARTS_KEY)?;
        let has_amounts = table.parsed(AMOUNTS_KEY)?;
        let extra = table.names().into_iter().skip(4).collect();
        let parts: Vec<PathBuf> = (0..count).map(|p| part_path(dir, p)).collect();
        let (mut first_day, mut last_day) = (i64::MAX, i64::MIN);
        for part in &parts {
            if !part.is_file() {
                return Err(incomplete(format!("the transactions table lacks {}", part.display())));
            }
            let part = TableReader::open(part, VERSION)?;
            if part.fact(FIRST_KEY).is_some() {
                first_day = first_day.min(part.parsed(FIRST_KEY)?);
                last_day = last_day.max(part.parsed(LAST_KEY)?);
            }
        }
        match (date_of(first_day), date_of(last_day)) {
            (Some(first_date), Some(last_date)) if first_day <= last_day => {
                Ok(Self { parts, extra, has_amounts, first_date, last_date })
            }
            _ => Err(incomplete("the transactions table has no rows".to_owned())),
        }
    }

    /// How many lines of the source merged into the table's rows.
    ///
    /// # Errors
    /// A part that cannot be read.
    pub fn merged_lines(&self) -> Result<MergedLines> {
        let mut found = MergedLines::default();
        for part in &self.parts {
            let table = TableReader::open(part, VERSION)?;
            let groups = table.read_groups(&["purchases"], |read| {
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
            for some in groups {
                found.rows += some.rows;
                found.in_pairs += some.in_pairs;
                found.several += some.several;
            }
        }
        Ok(found)
    }

    /// Hands on the purchases of one part, by customer and date: customer, day since 1970-01-01, amount in ten-thousandths, and
    /// the values of the extra columns that are asked for.
    pub(super) fn read_part(
        &self,
        part: &Path,
        extra: &[String],
        mut each: impl FnMut(&str, i32, i64, &[Option<&str>]),
    ) -> Result<()> {
        TableReader::open(part, VERSION)?.read(|rows| {
            let customers = rows.texts("customer_id")?;
            let days = rows.dates("date")?.values();
            let amounts = rows.decimals("amount")?;
            let extras = extra.iter().map(|name| rows.texts(name)).collect::<Result<Vec<_>>>()?;
            let mut values = vec![None; extras.len()];
            for i in 0..rows.len() {
                // The writer stores 64-bit amounts alone.
                let units = if amounts.is_null(i) { 0 } else { amounts.value(i) as i64 };
                for (value, column) in values.iter_mut().zip(&extras) {
                    *value = column.is_valid(i).then(|| column.value(i));
                }
                each(customers.value(i), days[i], units, &values);
            }
            Ok(())
        })
    }
}
