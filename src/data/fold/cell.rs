//! The files of one cell of the table, a month of a part: its rows, and beside them the lines that rows alone do not tell. A fold needs
//! every line with the file it came from, since a customer's day may be made of lines of several files.
//!
//! A day of one line is its row, which names the line's file. The lines of all other days, merged, netted or left with nothing, stand in a
//! second file; where every day is of one line, there is none. Lines of one file stand in its order, so that their places need not be kept:
//! they come and go together.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Date32Builder, Decimal128Builder, StringBuilder, UInt32Builder, UInt64Builder};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field as ArrowField, Schema as ArrowSchema};
use serde::{Deserialize, Serialize};

use super::stored::Stored;
use crate::data::amount::AMOUNT_PLACES;
use crate::data::forgotten::Forgotten;
use crate::data::netting::{Netted, merge_day};
use crate::data::roles::FILE_COLUMN;
use crate::data::shuffle::{Line, encode_line, extra_values, part_of};
use crate::data::table_file::{HeldTable, Rows, TableBytes};
use crate::error::{Error, Result};

/// Version of the rows' file.
pub(in crate::data) const ROWS_VERSION: &str = "transactions-2";
/// Version of the lines' file.
const LINES_VERSION: &str = "transaction-lines-1";

/// Digits of a decimal that fit 64 bits.
const AMOUNT_DIGITS: u8 = 18;

/// Rows in one batch.
const BATCH_ROWS: usize = 65_536;

/// What a cell is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::data) struct CellRecord {
    /// Number of the part.
    pub(in crate::data) part: usize,
    /// Its rows; none where every day was netted away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::data) rows: Option<Stored>,
    /// The lines of days that are not one line; none where there is no such day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(in crate::data) lines: Option<Stored>,
    pub(in crate::data) facts: CellFacts,
}

impl CellRecord {
    /// Its files.
    pub(in crate::data) fn files(&self) -> impl Iterator<Item = &Stored> {
        self.rows.iter().chain(&self.lines)
    }
}

/// What the rows of a cell add up to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::data) struct CellFacts {
    pub(in crate::data) rows: u64,
    /// First and last day with a row, since 1970-01-01.
    pub(in crate::data) days: Option<(i32, i32)>,
    /// What became of returns.
    pub(in crate::data) netted: Netted,
}

/// What the cells of a table have in common.
#[derive(Debug, Clone, Copy)]
pub(super) struct CellShape<'a> {
    pub(super) has_amounts: bool,
    pub(super) extra: &'a [String],
}

/// The files of a cell before they are written.
pub(super) struct CellBytes {
    pub(super) rows: Option<Vec<u8>>,
    pub(super) lines: Option<Vec<u8>>,
    pub(super) facts: CellFacts,
}

impl CellShape<'_> {
    /// The cell of `lines`, in order; `digests` are those of the files, in the order of the listing.
    pub(super) fn encode(self, lines: &[Line<'_>], digests: &[u64], place: &Path) -> Result<CellBytes> {
        let mut rows_file = Encoder::new(self, ROWS_VERSION, true)?;
        let mut lines_file = Encoder::new(self, LINES_VERSION, false)?;
        let mut facts = CellFacts::default();
        let mut merged = Vec::new();
        for day in lines.chunk_by(|a, b| a.customer == b.customer && a.day == b.day) {
            merge_day(day, &mut merged, &mut facts.netted);
            let is_one_line = day.len() == 1 && merged.len() == 1;
            for row in &merged {
                let units = i64::try_from(row.units).map_err(|_| {
                    Error::new(format!(
                        "the amounts of customer {:?} on one day are too large to add",
                        row.line.customer
                    ))
                    .at(place.display())
                    .advice("check that the amount column holds money")
                })?;
                let file = is_one_line.then(|| digests[row.line.file as usize]);
                rows_file.append(row.line, units, Some(row.purchases), file)?;
                let (first, last) = facts.days.unwrap_or((row.line.day, row.line.day));
                facts.days = Some((first.min(row.line.day), last.max(row.line.day)));
                facts.rows += 1;
            }
            if !is_one_line {
                for line in day {
                    lines_file.append(line, line.units, None, Some(digests[line.file as usize]))?;
                }
            }
        }
        Ok(CellBytes { rows: rows_file.finish()?, lines: lines_file.finish()?, facts })
    }

    /// Appends to `out` the lines of a cell whose files are `known` (their places in the listing) and whose customers are of `part` among
    /// `parts` and not forgotten.
    pub(super) fn decode(self, cell: &CellRecord, folder: &Path, keep: &Keep<'_>, out: &mut Vec<u8>) -> Result<Kept> {
        let mut kept = Kept::default();
        if let Some(rows) = &cell.rows {
            self.decode_file(&folder.join(&rows.name), ROWS_VERSION, keep, out, &mut kept)?;
        }
        if let Some(lines) = &cell.lines {
            self.decode_file(&folder.join(&lines.name), LINES_VERSION, keep, out, &mut kept)?;
        }
        Ok(kept)
    }

    fn decode_file(
        self,
        path: &Path,
        version: &str,
        keep: &Keep<'_>,
        out: &mut Vec<u8>,
        kept: &mut Kept,
    ) -> Result<()> {
        let mut columns = vec!["customer_id", "date", "amount", FILE_COLUMN];
        columns.extend(self.extra.iter().map(String::as_str));
        let mut table = HeldTable::open(path, version, &columns, BATCH_ROWS)?;
        let mut place = 0;
        while table.next(|rows| self.decode_rows(rows, &mut place, keep, out, kept))?.is_some() {}
        Ok(())
    }

    fn decode_rows(
        self,
        rows: &Rows<'_>,
        place: &mut u64,
        keep: &Keep<'_>,
        out: &mut Vec<u8>,
        kept: &mut Kept,
    ) -> Result<()> {
        let customers = rows.texts("customer_id")?;
        let days = rows.dates("date")?.values();
        let amounts = rows.decimals("amount")?;
        let files = rows.some_large_counts(FILE_COLUMN)?;
        let extras = self.extra.iter().map(|name| rows.texts(name)).collect::<Result<Vec<_>>>()?;
        for i in 0..rows.len() {
            *place += 1;
            // A row of several lines is made of these, which stand in the second file.
            if files.is_null(i) {
                continue;
            }
            let customer = customers.value(i);
            if keep.part.is_some_and(|(part, parts)| part_of(customer, parts) != part) {
                continue;
            }
            let Some(&file) = keep.known.get(&files.value(i)) else {
                kept.dropped += 1;
                continue;
            };
            if keep.forgotten.contains(customer) {
                kept.dropped += 1;
                *kept.forgotten.entry(file).or_default() += 1;
                continue;
            }
            // The writer stores 64-bit amounts alone.
            let units = if amounts.is_null(i) { 0 } else { amounts.value(i) as i64 };
            let extra = extras.iter().map(|column| column.is_valid(i).then(|| column.value(i)));
            encode_line(out, (customer, days[i], units), (file, *place), extra);
        }
        Ok(())
    }
}

/// Which lines of a cell still count.
pub(super) struct Keep<'a> {
    /// Places in the listing of the files whose lines count, by their digests.
    pub(super) known: &'a HashMap<u64, u32>,
    pub(super) forgotten: &'a Forgotten,
    /// The part that is wanted, of how many, where the cell was written when there were fewer.
    pub(super) part: Option<(usize, usize)>,
}

/// What was dropped of a cell.
#[derive(Default)]
pub(super) struct Kept {
    /// Lines that do not count any more.
    pub(super) dropped: u64,
    /// Those of them whose customers are forgotten, by the file's place in the listing.
    pub(super) forgotten: HashMap<u32, u64>,
}

/// One file of a cell while rows are added; nothing where none is.
struct Encoder<'a> {
    shape: CellShape<'a>,
    version: &'static str,
    schema: Arc<ArrowSchema>,
    table: Option<TableBytes>,
    customer: StringBuilder,
    date: Date32Builder,
    amount: Decimal128Builder,
    /// Of rows only.
    purchases: Option<UInt32Builder>,
    file: UInt64Builder,
    extra: Vec<StringBuilder>,
    rows: usize,
}

impl<'a> Encoder<'a> {
    fn new(shape: CellShape<'a>, version: &'static str, of_rows: bool) -> Result<Self> {
        let money = DataType::Decimal128(AMOUNT_DIGITS, AMOUNT_PLACES);
        let mut fields = vec![
            ArrowField::new("customer_id", DataType::Utf8, false),
            ArrowField::new("date", DataType::Date32, false),
            ArrowField::new("amount", money.clone(), true),
        ];
        if of_rows {
            fields.push(ArrowField::new("purchases", DataType::UInt32, false));
        }
        fields.push(ArrowField::new(FILE_COLUMN, DataType::UInt64, of_rows));
        fields.extend(shape.extra.iter().map(|name| ArrowField::new(name, DataType::Utf8, true)));
        Ok(Self {
            shape,
            version,
            schema: Arc::new(ArrowSchema::new(fields)),
            table: None,
            customer: StringBuilder::new(),
            date: Date32Builder::new(),
            // The type is the one of the schema; precision and scale are in range.
            amount: Decimal128Builder::new().with_data_type(money),
            purchases: of_rows.then(UInt32Builder::new),
            file: UInt64Builder::new(),
            extra: shape.extra.iter().map(|_| StringBuilder::new()).collect(),
            rows: 0,
        })
    }

    fn append(&mut self, line: &Line<'_>, units: i64, purchases: Option<u32>, file: Option<u64>) -> Result<()> {
        self.customer.append_value(line.customer);
        self.date.append_value(line.day);
        self.amount.append_option(self.shape.has_amounts.then_some(i128::from(units)));
        if let Some((column, purchases)) = self.purchases.as_mut().zip(purchases) {
            column.append_value(purchases);
        }
        self.file.append_option(file);
        let mut values = extra_values(line.extra);
        for column in &mut self.extra {
            column.append_option(values.next().flatten());
        }
        self.rows += 1;
        if self.rows == BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    fn flush(&mut self) -> Result<()> {
        if self.rows == 0 {
            return Ok(());
        }
        self.rows = 0;
        let mut arrays: Vec<ArrayRef> =
            vec![Arc::new(self.customer.finish()), Arc::new(self.date.finish()), Arc::new(self.amount.finish())];
        arrays.extend(self.purchases.as_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        arrays.push(Arc::new(self.file.finish()));
        arrays.extend(self.extra.iter_mut().map(|column| Arc::new(column.finish()) as ArrayRef));
        let batch = arrow_array::RecordBatch::try_new(Arc::clone(&self.schema), arrays)
            .map_err(|e| Error::new("the columns of the transactions table do not fit together").because(e))?;
        let table = match &mut self.table {
            Some(table) => table,
            none => none.insert(TableBytes::new(self.version, Arc::clone(&self.schema))?),
        };
        table.write(&batch)
    }

    fn finish(mut self) -> Result<Option<Vec<u8>>> {
        self.flush()?;
        self.table.map(TableBytes::finish).transpose()
    }
}
