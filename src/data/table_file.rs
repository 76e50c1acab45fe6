//! Parquet files of named columns: written beside and renamed, read back by name, told apart by a schema version.
//!
//! Equal columns make equal bytes: no timestamps, one writer version, fixed settings.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Date32Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use bytes::Bytes;
use chrono::NaiveDate;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::arrow::{ArrowWriter, ProjectionMask};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{WriterProperties, WriterPropertiesBuilder};

use rayon::prelude::*;

use crate::error::{Error, Result};

/// The key under which every table says which version of its columns it has.
const VERSION_KEY: &str = "longrun.schema_version";

/// Writes one Parquet file batch by batch.
pub(super) struct TableWriter {
    writer: ArrowWriter<BufWriter<File>>,
    partial: PathBuf,
    path: PathBuf,
}

impl TableWriter {
    /// Begins the file that will be at `path` once [`TableWriter::finish`] has run.
    pub(super) fn create(path: &Path, version: &str, schema: SchemaRef) -> Result<Self> {
        let mut partial = path.as_os_str().to_owned();
        partial.push(".partial");
        let partial = PathBuf::from(partial);
        let file = File::create(&partial).map_err(|e| Error::io("write the table", &partial, e))?;
        let writer = ArrowWriter::try_new(BufWriter::new(file), schema, Some(properties(version).build()))
            .map_err(|e| Error::io("write the table", &partial, std::io::Error::other(e)))?;
        Ok(Self { writer, partial, path: path.to_owned() })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(|e| Error::io("write the table", &self.partial, io_cause(e)))
    }

    /// Adds facts about the table, syncs the file and gives it its name.
    pub(super) fn finish(mut self, facts: &[(&str, String)]) -> Result<()> {
        for (key, value) in facts {
            self.writer.append_key_value_metadata(KeyValue::new((*key).to_owned(), value.clone()));
        }
        let fail = |e| Error::io("write the table", &self.partial, e);
        let mut buffered = self.writer.into_inner().map_err(|e| fail(io_cause(e)))?;
        buffered.flush().map_err(fail)?;
        buffered.get_ref().sync_all().map_err(fail)?;
        std::fs::rename(&self.partial, &self.path).map_err(|e| Error::io("name the finished table", &self.path, e))
    }
}

/// Encodes one Parquet file in memory, batch by batch.
pub(super) struct TableBytes {
    writer: ArrowWriter<Vec<u8>>,
}

impl TableBytes {
    /// Begins a table of these columns.
    pub(super) fn new(version: &str, schema: SchemaRef) -> Result<Self> {
        let writer = ArrowWriter::try_new(Vec::new(), schema, Some(properties(version).build()));
        Ok(Self { writer: writer.map_err(encoding)? })
    }

    /// Adds rows.
    pub(super) fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.writer.write(batch).map_err(encoding)
    }

    /// The file.
    pub(super) fn finish(self) -> Result<Vec<u8>> {
        self.writer.into_inner().map_err(encoding)
    }
}

fn encoding(e: parquet::errors::ParquetError) -> Error {
    Error::new("could not encode a table").because(e)
}

/// The settings of every table.
pub(super) fn properties(version: &str) -> WriterPropertiesBuilder {
    WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("longrun ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_key_value_metadata(Some(vec![KeyValue::new(VERSION_KEY.to_owned(), version.to_owned())]))
}

/// The input or output failure inside a Parquet error, so that a full disk is called a full disk.
pub(super) fn io_cause(e: parquet::errors::ParquetError) -> std::io::Error {
    match e {
        parquet::errors::ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}

/// Columns, each with its name, as one batch.
pub(super) fn batch(columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<ArrowField> = columns
        .iter()
        .map(|(name, array)| ArrowField::new(*name, array.data_type().clone(), array.is_nullable()))
        .collect();
    let schema = Arc::new(ArrowSchema::new(fields));
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    RecordBatch::try_new(schema, arrays)
        .map_err(|e| Error::new("the columns of a table do not fit together").because(e))
}

/// Writes a small table in one go.
pub(super) fn write(
    path: &Path,
    version: &str,
    columns: Vec<(&str, ArrayRef)>,
    facts: &[(&str, String)],
) -> Result<()> {
    let rows = batch(columns)?;
    let mut writer = TableWriter::create(path, version, rows.schema())?;
    writer.write(&rows)?;
    writer.finish(facts)
}

/// Dates as a column.
pub(super) fn dates(dates: impl IntoIterator<Item = NaiveDate>) -> ArrayRef {
    Arc::new(Date32Array::from_iter_values(dates.into_iter().map(days_of)))
}

/// Text as a column.
pub(super) fn texts<'a>(texts: impl IntoIterator<Item = &'a str>) -> ArrayRef {
    Arc::new(StringArray::from_iter_values(texts))
}

/// Days since 1970-01-01.
pub(super) fn days_of(date: NaiveDate) -> i32 {
    Date32Type::from_naive_date(date)
}

/// A table to read.
pub(super) struct TableReader {
    path: PathBuf,
    metadata: ArrowReaderMetadata,
}

impl TableReader {
    /// Opens a table whose schema version is `version`.
    pub(super) fn open(path: &Path, version: &str) -> Result<Self> {
        let file = File::open(path).map_err(|e| Error::io("open the table", path, e))?;
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(false);
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|e| damaged(path, e.into()))?;
        Self { path: path.to_owned(), metadata }.of_version(version)
    }

    /// The table, if its schema version is `version`.
    fn of_version(self, version: &str) -> Result<Self> {
        match self.fact(VERSION_KEY) {
            Some(found) if found == version => Ok(self),
            found => Err(Error::new(format!("the table is not of schema {version:?}"))
                .at(self.path.display())
                .seen(found.map_or_else(|| "no schema version".to_owned(), |f| format!("{f:?}")))
                .advice("make it again with this version of longrun")),
        }
    }

    /// A fact about the table.
    pub(super) fn fact(&self, key: &str) -> Option<&str> {
        let list = self.metadata.metadata().file_metadata().key_value_metadata()?;
        list.iter().find(|kv| kv.key == key)?.value.as_deref()
    }

    /// A fact about the table that cannot be missing, parsed.
    pub(super) fn parsed<T: std::str::FromStr>(&self, key: &str) -> Result<T> {
        self.fact(key)
            .and_then(|v| v.parse().ok())
            .ok_or_else(|| Error::new(format!("the table lacks {key}")).at(self.path.display()).advice("make it again"))
    }

    /// Names of the columns.
    pub(super) fn names(&self) -> Vec<String> {
        self.metadata.schema().fields().iter().map(|f| f.name().clone()).collect()
    }

    /// Number of rows.
    pub(super) fn rows(&self) -> usize {
        usize::try_from(self.metadata.metadata().file_metadata().num_rows()).unwrap_or(0)
    }

    /// Hands on the rows, batch by batch.
    pub(super) fn read(&self, each: impl FnMut(&Rows<'_>) -> Result<()>) -> Result<()> {
        self.read_some(None, ProjectionMask::all(), each)
    }

    /// Reads the named columns on all cores: `each` makes something of every row group, and the results come in the order of rows.
    pub(super) fn read_groups<T: Send>(
        &self,
        columns: &[&str],
        make: impl Fn(&mut dyn FnMut(RowsReader<'_>) -> Result<()>) -> Result<T> + Sync,
    ) -> Result<Vec<T>> {
        let mask = ProjectionMask::columns(self.metadata.parquet_schema(), columns.iter().copied());
        (0..self.metadata.metadata().num_row_groups())
            .into_par_iter()
            .map(|group| make(&mut |each| self.read_some(Some(group), mask.clone(), each)))
            .collect()
    }

    fn read_some(
        &self,
        group: Option<usize>,
        mask: ProjectionMask,
        mut each: impl FnMut(&Rows<'_>) -> Result<()>,
    ) -> Result<()> {
        let broken = |e: Box<dyn std::error::Error + Send + Sync>| damaged(&self.path, e);
        let file = File::open(&self.path).map_err(|e| Error::io("open the table", &self.path, e))?;
        let mut builder = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(mask)
            .with_batch_size(16_384);
        if let Some(group) = group {
            builder = builder.with_row_groups(vec![group]);
        }
        let batches = builder.build().map_err(|e| broken(e.into()))?;
        for rows in batches {
            let rows = rows.map_err(|e| broken(e.into()))?;
            each(&Rows { batch: &rows, path: &self.path })?;
        }
        Ok(())
    }
}

/// A small table that is held as it is stored and decoded a few rows at a time. It keeps no file open, since many are read at once.
pub(super) struct HeldTable {
    path: PathBuf,
    batches: ParquetRecordBatchReader,
}

impl HeldTable {
    /// Reads the named columns of a table whose schema version is `version`, `batch_rows` rows at a time.
    pub(super) fn open(path: &Path, version: &str, columns: &[&str], batch_rows: usize) -> Result<Self> {
        let bytes = Bytes::from(std::fs::read(path).map_err(|e| Error::io("open the table", path, e))?);
        let metadata =
            ArrowReaderMetadata::load(&bytes, ArrowReaderOptions::new()).map_err(|e| damaged(path, e.into()))?;
        let TableReader { metadata, .. } = TableReader { path: path.to_owned(), metadata }.of_version(version)?;
        let mask = ProjectionMask::columns(metadata.parquet_schema(), columns.iter().copied());
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(bytes, metadata)
            .with_projection(mask)
            .with_batch_size(batch_rows)
            .build()
            .map_err(|e| damaged(path, e.into()))?;
        Ok(Self { path: path.to_owned(), batches })
    }

    /// What `make` makes of the next rows; nothing at the end.
    pub(super) fn next<T>(&mut self, make: impl FnOnce(&Rows<'_>) -> Result<T>) -> Result<Option<T>> {
        let Some(batch) = self.batches.next() else { return Ok(None) };
        let batch = batch.map_err(|e| damaged(&self.path, e.into()))?;
        make(&Rows { batch: &batch, path: &self.path }).map(Some)
    }
}

fn damaged(path: &Path, cause: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::new("could not read the table").at(path.display()).advice("make it again").because(cause)
}

/// Takes the rows of a table, batch by batch.
pub(super) type RowsReader<'a> = &'a mut dyn FnMut(&Rows<'_>) -> Result<()>;

/// Some rows of a table.
pub(super) struct Rows<'a> {
    batch: &'a RecordBatch,
    path: &'a Path,
}

impl<'a> Rows<'a> {
    /// Number of rows.
    pub(super) fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn column<T: 'a>(&self, name: &str, cast: impl Fn(&'a ArrayRef) -> Option<T>) -> Result<T> {
        self.batch.column_by_name(name).and_then(cast).ok_or_else(|| {
            Error::new(format!("the table has no column {name:?} of the right type"))
                .at(self.path.display())
                .advice("make it again")
        })
    }

    /// A text column.
    pub(super) fn texts(&self, name: &str) -> Result<&'a StringArray> {
        self.column(name, |a| a.as_string_opt::<i32>())
    }

    /// A date column, as days since 1970-01-01.
    pub(super) fn dates(&self, name: &str) -> Result<&'a Date32Array> {
        self.column(name, |a| a.as_primitive_opt::<Date32Type>())
    }

    /// A column of decimal amounts.
    pub(super) fn decimals(&self, name: &str) -> Result<&'a arrow_array::Decimal128Array> {
        self.column(name, |a| a.as_primitive_opt())
    }

    /// A column of small counts, as it is stored.
    pub(super) fn count_column(&self, name: &str) -> Result<&'a UInt32Array> {
        self.column(name, |a| a.as_primitive_opt::<UInt32Type>())
    }

    /// A column of large counts, some of which are missing.
    pub(super) fn some_large_counts(&self, name: &str) -> Result<&'a UInt64Array> {
        self.column(name, |a| a.as_primitive_opt::<UInt64Type>())
    }

    /// A column of small counts.
    pub(super) fn counts(&self, name: &str) -> Result<&'a [u32]> {
        self.column(name, |a| a.as_primitive_opt::<UInt32Type>().map(|p| &p.values()[..]))
    }

    /// A column of large counts.
    pub(super) fn large_counts(&self, name: &str) -> Result<&'a [u64]> {
        self.column(name, |a| a.as_primitive_opt::<UInt64Type>().map(|p| &p.values()[..]))
    }

    /// A column of numbers.
    pub(super) fn numbers(&self, name: &str) -> Result<&'a [f64]> {
        self.column(name, |a| a.as_primitive_opt::<Float64Type>().map(|p| &p.values()[..]))
    }
}
