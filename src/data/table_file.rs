//! Parquet files of named columns: written beside and renamed, read back by name, told apart by a schema version.
//!
//! Equal columns make equal bytes: no timestamps, one writer version, fixed settings.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Date32Type, Float64Type, UInt32Type, UInt64Type};
use arrow_array::{Array, ArrayRef, Date32Array, RecordBatch, StringArray};
use arrow_schema::{Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use chrono::NaiveDate;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

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
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_created_by(concat!("longrun ", env!("CARGO_PKG_VERSION")).to_owned())
            .set_key_value_metadata(Some(vec![KeyValue::new(VERSION_KEY.to_owned(), version.to_owned())]))
            .build();
        let writer = ArrowWriter::try_new(BufWriter::new(file), schema, Some(properties))
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
        let metadata = ArrowReaderMetadata::load(&file, options).map_err(|e| {
            Error::new("could not read the table").at(path.display()).advice("make it again").because(e)
        })?;
        let table = Self { path: path.to_owned(), metadata };
        match table.fact(VERSION_KEY) {
            Some(found) if found == version => Ok(table),
            found => Err(Error::new(format!("the table is not of schema {version:?}"))
                .at(path.display())
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

    /// Hands on the rows, batch by batch.
    pub(super) fn read(&self, mut each: impl FnMut(&Rows<'_>) -> Result<()>) -> Result<()> {
        let broken = |e: Box<dyn std::error::Error + Send + Sync>| {
            Error::new("could not read the table").at(self.path.display()).advice("make it again").because(e)
        };
        let file = File::open(&self.path).map_err(|e| Error::io("open the table", &self.path, e))?;
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_batch_size(16_384)
            .build()
            .map_err(|e| broken(e.into()))?;
        for rows in batches {
            let rows = rows.map_err(|e| broken(e.into()))?;
            each(&Rows { batch: &rows, path: &self.path })?;
        }
        Ok(())
    }
}

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
