//! Parquet in: any integer or text identifier, dates as date, timestamp or text, amounts as float, integer, decimal or text.

use std::fs::File;
use std::path::Path;

use arrow_array::cast::AsArray;
use arrow_array::types::{
    Date32Type, Date64Type, Decimal32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, TimeUnit};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;

use super::columns::places;
use super::field::Field;
use super::rows::{Address, Consumer, Reading};
use crate::error::{Error, Result};

/// Rows that are read in one go: few enough to be held on every core at once.
const PIECE_ROWS: usize = 1 << 18;

/// A Parquet file whose columns have been found.
struct Opened<'a, 'r> {
    reading: &'a Reading<'r>,
    file_ix: usize,
    metadata: ArrowReaderMetadata,
    names: Vec<String>,
    places: Vec<usize>,
    pieces: Vec<Piece>,
}

/// Some rows of one row group.
struct Piece {
    group: usize,
    /// Rows of the group before it.
    skipped: usize,
    rows: usize,
    /// Rows of the file before it.
    first_row: u64,
    /// Its share of the file's bytes.
    bytes: u64,
}

fn open<'a, 'r>(reading: &'a Reading<'r>, file_ix: usize) -> Result<Opened<'a, 'r>> {
    let path = &reading.files[file_ix];
    let file = File::open(path).map_err(|e| Error::io("open the input file", path, e))?;
    let bytes = file.metadata().map_err(|e| Error::io("read the input file", path, e))?.len();
    // Without the embedded Arrow schema every file has the few types of Parquet itself (no dictionaries, no views).
    let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
    let metadata = ArrowReaderMetadata::load(&file, options).map_err(|e| broken(path, e.into()))?;
    let names: Vec<String> = metadata.schema().fields().iter().map(|f| f.name().clone()).collect();
    let places = places(&reading.wanted, &names, path, None)?;
    let mut pieces = Vec::new();
    let mut first_row = 0;
    for (group, facts) in metadata.metadata().row_groups().iter().enumerate() {
        let rows = usize::try_from(facts.num_rows()).unwrap_or(0);
        for skipped in (0..rows).step_by(PIECE_ROWS) {
            let rows = PIECE_ROWS.min(rows - skipped);
            pieces.push(Piece { group, skipped, rows, first_row: first_row + skipped as u64, bytes: 0 });
        }
        first_row += rows as u64;
    }
    let share = bytes / pieces.len().max(1) as u64;
    pieces.iter_mut().for_each(|piece| piece.bytes = share);
    Ok(Opened { reading, file_ix, metadata, names, places, pieces })
}

fn broken(path: &Path, e: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new("could not read the Parquet file")
        .at(path.display())
        .advice("the file may be damaged or cut short")
        .because(e)
}

/// Reads one Parquet file, its pieces on all cores.
pub(super) fn read<C: Consumer>(
    reading: &Reading<'_>,
    file_ix: usize,
    consumer: &(impl Fn() -> C + Sync),
) -> Result<()> {
    let file = open(reading, file_ix)?;
    file.pieces.par_iter().try_for_each(|piece| {
        let mut rows = consumer();
        file.read_piece(piece, &mut rows)?;
        rows.finish()?;
        reading.tell();
        Ok(())
    })
}

/// Reads one Parquet file, some pieces at a time on all cores, and hands on the consumers in the order of rows until `each` says
/// no; says whether it never did.
pub(super) fn read_in_order<C: Consumer + Send>(
    reading: &Reading<'_>,
    file_ix: usize,
    consumer: &(impl Fn() -> C + Sync),
    each: &mut dyn FnMut(C) -> Result<bool>,
) -> Result<bool> {
    let file = open(reading, file_ix)?;
    for some in file.pieces.chunks(reading.blocks_at_once()) {
        let read: Vec<C> = some
            .par_iter()
            .map(|piece| {
                let mut rows = consumer();
                file.read_piece(piece, &mut rows)?;
                Ok(rows)
            })
            .collect::<Result<_>>()?;
        for rows in read {
            if !each(rows)? {
                return Ok(false);
            }
        }
        reading.tell();
    }
    Ok(true)
}

impl Opened<'_, '_> {
    fn read_piece<C: Consumer>(&self, piece: &Piece, rows: &mut C) -> Result<()> {
        let path = &self.reading.files[self.file_ix];
        let file = File::open(path).map_err(|e| Error::io("open the input file", path, e))?;
        let mask = ProjectionMask::roots(self.metadata.parquet_schema(), self.places.iter().copied());
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_row_groups(vec![piece.group])
            .with_offset(piece.skipped)
            .with_limit(piece.rows)
            .with_batch_size(8192)
            .build()
            .map_err(|e| broken(path, e.into()))?;
        let mut row = piece.first_row;
        for batch in batches {
            let batch = batch.map_err(|e| broken(path, e.into()))?;
            let columns: Vec<&ArrayRef> = self
                .places
                .iter()
                .map(|&place| {
                    batch.column_by_name(&self.names[place]).ok_or_else(|| {
                        let what =
                            format!("the Parquet file lost its column {:?} while it was read", self.names[place]);
                        Error::new(what).at(path.display())
                    })
                })
                .collect::<Result<_>>()?;
            let mut fields = vec![Field::Missing; columns.len()];
            for i in 0..batch.num_rows() {
                for (field, column) in fields.iter_mut().zip(&columns) {
                    *field = field_at(column, i);
                }
                rows.row(Address { file: self.file_ix, place: row, line: row + 1 }, &fields);
                row += 1;
            }
        }
        self.reading.advance(piece.bytes);
        Ok(())
    }
}

/// One value of a Parquet column.
fn field_at(array: &ArrayRef, i: usize) -> Field<'_> {
    if array.is_null(i) {
        return Field::Missing;
    }
    macro_rules! int {
        ($t:ty) => {
            Field::Integer(array.as_primitive::<$t>().value(i).into())
        };
    }
    const DAY: i64 = 86_400;
    let days = |value: i64, per_second: i64| Field::Days(value.div_euclid(per_second * DAY));
    match array.data_type() {
        DataType::Utf8 => Field::from_text(array.as_string::<i32>().value(i)),
        DataType::LargeUtf8 => Field::from_text(array.as_string::<i64>().value(i)),
        DataType::Binary => {
            std::str::from_utf8(array.as_binary::<i32>().value(i)).map_or(Field::Unreadable("binary"), Field::from_text)
        }
        DataType::Int8 => int!(Int8Type),
        DataType::Int16 => int!(Int16Type),
        DataType::Int32 => int!(Int32Type),
        DataType::Int64 => int!(Int64Type),
        DataType::UInt8 => int!(UInt8Type),
        DataType::UInt16 => int!(UInt16Type),
        DataType::UInt32 => int!(UInt32Type),
        DataType::UInt64 => int!(UInt64Type),
        DataType::Float32 => Field::Float32(array.as_primitive::<Float32Type>().value(i)),
        DataType::Float64 => Field::Float(array.as_primitive::<Float64Type>().value(i)),
        DataType::Date32 => Field::Days(array.as_primitive::<Date32Type>().value(i).into()),
        DataType::Date64 => days(array.as_primitive::<Date64Type>().value(i), 1_000),
        DataType::Timestamp(unit, zone) => {
            let (value, per_second) = match unit {
                TimeUnit::Second => (array.as_primitive::<TimestampSecondType>().value(i), 1),
                TimeUnit::Millisecond => (array.as_primitive::<TimestampMillisecondType>().value(i), 1_000),
                TimeUnit::Microsecond => (array.as_primitive::<TimestampMicrosecondType>().value(i), 1_000_000),
                TimeUnit::Nanosecond => (array.as_primitive::<TimestampNanosecondType>().value(i), 1_000_000_000),
            };
            // A zone in the type means that the values are counted in UTC.
            if zone.is_some() { Field::Instant(value.div_euclid(per_second)) } else { days(value, per_second) }
        }
        DataType::Decimal32(_, scale) => Field::Decimal(array.as_primitive::<Decimal32Type>().value(i).into(), *scale),
        DataType::Decimal64(_, scale) => Field::Decimal(array.as_primitive::<Decimal64Type>().value(i).into(), *scale),
        DataType::Decimal128(_, scale) => Field::Decimal(array.as_primitive::<Decimal128Type>().value(i), *scale),
        DataType::Boolean => Field::Text(if array.as_boolean().value(i) { "true" } else { "false" }),
        _ => Field::Unreadable("nested or unsupported"),
    }
}
