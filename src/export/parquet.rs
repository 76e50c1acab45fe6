//! A tree as one Parquet file, row group by row group. What is known of the tree is in the file's metadata, a key each.

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::table::{Column, Rows, Table};
use super::{CHAIN, DRAW, Dtype, Progress, Tree, Values, failed};
use crate::error::Result;

/// Values of a row group, at least, the last one's apart: 32 MiB.
const ROW_GROUP_VALUES: usize = 4 << 20;

/// Writes `tree` into the new file `path`; returns its bytes.
///
/// # Errors
/// A file that cannot be written, or groups that make no table.
pub fn write_parquet(tree: Tree<'_>, path: &Path, progress: &mut Progress<'_>) -> Result<u64> {
    let known = tree.attributes.iter().map(|(key, value)| {
        let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        KeyValue::new(format!("longrun.{key}"), text)
    });
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("longrun ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_dictionary_enabled(false)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_key_value_metadata(Some(known.collect()))
        .build();
    let mut table = Table::of(tree)?;
    let fields = table.columns.iter().map(|c| (c.name.as_str(), arrow_type(c.dtype)));
    let fields = [(CHAIN, DataType::Int64), (DRAW, DataType::Int64)].into_iter().chain(fields);
    let schema = Arc::new(Schema::new(fields.map(|(name, kind)| Field::new(name, kind, false)).collect::<Vec<_>>()));
    let broken = |e: ParquetError| failed(path, cause(e));
    let file = File::create(path).map_err(|e| failed(path, e))?;
    let mut writer =
        ArrowWriter::try_new(BufWriter::new(file), Arc::clone(&schema), Some(properties)).map_err(broken)?;
    let mut done = 0;
    while let Some(rows) = table.next()? {
        let chain = Int64Array::from_iter_values(rows.labels.iter().map(|(chain, _)| *chain));
        let draw = Int64Array::from_iter_values(rows.labels.iter().map(|(_, draw)| *draw));
        let mut columns: Vec<ArrayRef> = vec![Arc::new(chain), Arc::new(draw)];
        columns.extend(table.columns.iter().map(|column| gathered(&rows, column)));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).map_err(|e| broken(e.into()))?;
        writer.write(&batch).map_err(broken)?;
        if writer.in_progress_rows() * (table.columns.len() + 2) >= ROW_GROUP_VALUES {
            writer.flush().map_err(broken)?;
        }
        done += rows.values();
        progress(done);
    }
    let file = writer.into_inner().map_err(broken)?.into_inner().map_err(|e| failed(path, e.into_error()))?;
    file.sync_all().map_err(|e| failed(path, e))?;
    Ok(file.metadata().map_err(|e| failed(path, e))?.len())
}

fn arrow_type(dtype: Dtype) -> DataType {
    match dtype {
        Dtype::F64 => DataType::Float64,
        Dtype::I64 => DataType::Int64,
        Dtype::Bool => DataType::Boolean,
        Dtype::Text => DataType::Utf8,
    }
}

fn gathered(rows: &Rows, column: &Column) -> ArrayRef {
    let places = (0..rows.labels.len()).map(|row| rows.place(column, row));
    match rows.values_of(column) {
        Values::F64(v) => Arc::new(Float64Array::from_iter_values(places.map(|p| v[p]))),
        Values::I64(v) => Arc::new(Int64Array::from_iter_values(places.map(|p| v[p]))),
        Values::Bool(v) => Arc::new(places.map(|p| Some(v[p])).collect::<BooleanArray>()),
        Values::Text(v) => Arc::new(StringArray::from_iter_values(places.map(|p| v[p].as_str()))),
    }
}

/// The input or output failure inside a Parquet error, so that a full disk is called a full disk.
fn cause(e: ParquetError) -> std::io::Error {
    match e {
        ParquetError::External(inner) => match inner.downcast::<std::io::Error>() {
            Ok(io) => *io,
            Err(other) => std::io::Error::other(other),
        },
        other => std::io::Error::other(other),
    }
}
