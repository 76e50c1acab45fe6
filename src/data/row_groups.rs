//! Writes a large Parquet table on all cores: row groups are encoded side by side and appended in order. Where the rows are cut is
//! the caller's choice, so equal rows in equal cuts make equal bytes.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;

use super::table_file::{io_cause, properties};
use crate::error::{Error, Result};

/// A table that is written row group by row group.
pub(super) struct RowGroups {
    file: SerializedFileWriter<BufWriter<File>>,
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
    path: PathBuf,
}

/// One row group, encoded.
pub(super) struct Encoded(Vec<ArrowColumnChunk>);

impl RowGroups {
    /// Begins the table at `path`. A dictionary is not tried for the columns of `distinct` values.
    pub(super) fn create(path: &Path, version: &str, schema: SchemaRef, distinct: &[&str]) -> Result<Self> {
        let fail = |e| Error::io("write the table", path, e);
        let file = File::create(path).map_err(fail)?;
        let mut properties = properties(version);
        for name in distinct {
            properties = properties.set_column_dictionary_enabled(ColumnPath::from(*name), false);
        }
        let (file, factory) = ArrowWriter::try_new(BufWriter::new(file), Arc::clone(&schema), Some(properties.build()))
            .and_then(ArrowWriter::into_serialized_writer)
            .map_err(|e| fail(io_cause(e)))?;
        Ok(Self { file, factory, schema, path: path.to_owned() })
    }

    /// Encodes the rows of `batch` as one row group.
    pub(super) fn encode(&self, batch: &RecordBatch) -> Result<Encoded> {
        let fail = |e| Error::io("encode the table", &self.path, io_cause(e));
        let writers = self.factory.create_column_writers(0).map_err(fail)?;
        // Flat columns: one writer each.
        let columns: Vec<_> = writers.into_iter().zip(self.schema.fields()).zip(batch.columns()).collect();
        let chunks: Vec<Result<ArrowColumnChunk, ParquetError>> = columns
            .into_par_iter()
            .map(|((mut writer, field), array)| {
                for leaf in compute_leaves(field, array)? {
                    writer.write(&leaf)?;
                }
                writer.close()
            })
            .collect();
        chunks.into_iter().collect::<Result<_, _>>().map(Encoded).map_err(fail)
    }

    /// Appends a row group.
    pub(super) fn append(&mut self, group: Encoded) -> Result<()> {
        let append = |file: &mut SerializedFileWriter<_>| {
            let mut writer = file.next_row_group()?;
            for chunk in group.0 {
                chunk.append_to_row_group(&mut writer)?;
            }
            writer.close().map(|_| ())
        };
        append(&mut self.file).map_err(|e| Error::io("write the table", &self.path, io_cause(e)))
    }

    /// Adds facts about the table, ends it and syncs it.
    pub(super) fn finish(mut self, facts: &[(&str, String)]) -> Result<()> {
        for (key, value) in facts {
            self.file.append_key_value_metadata(KeyValue::new((*key).to_owned(), value.clone()));
        }
        let fail = |e| Error::io("write the table", &self.path, e);
        let mut buffered = self.file.into_inner().map_err(|e| fail(io_cause(e)))?;
        buffered.flush().map_err(fail)?;
        buffered.get_ref().sync_all().map_err(fail)
    }
}
