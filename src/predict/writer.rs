//! `customers.parquet` and `customers.csv`: one row per customer, streamed in summary order, written beside and renamed when
//! complete, so that a file with the right name is a whole file.
//!
//! Knows columns and files; computes nothing. Without a spend model the columns `monetary`, `spend_mean` and `clv_*` (but not
//! `clv_rank`, which then ranks by discounted purchases) are present and null: readers find one schema.
//!
//! Rows are gathered into batches of a fixed size, whose lines and columns are encoded side by side and written in order: files do
//! not depend on the size of chunks or the number of threads.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowColumnWriter, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use rayon::prelude::*;

use super::decimal::{push_count, push_number, push_text};
use super::{CustomerPosterior, Labelling, SpendPosterior};
use crate::data::Summary;
use crate::error::{Error, Result};

/// Where each customer stands among all: known before the rows are written. Parallel to the summary's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement<'a> {
    /// The RFM segments; none for customers without recency and frequency.
    pub rfm_segment: Option<&'a Labelling>,
    /// The value tiers.
    pub value_tier: &'a Labelling,
    /// 1 for the customer of the highest value.
    pub clv_rank: &'a [u64],
}

/// A column that the caller adds behind the stable ones; parallel to the summary's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Extra<'a> {
    /// Numbers under a name.
    Number(&'a str, &'a [f64]),
    /// Labels; the column is called as the labelling.
    Text(&'a Labelling),
}

/// Rows encoded together.
const BATCH: usize = 1 << 14;

/// Rows of a row group: a whole number of batches.
const ROW_GROUP: usize = 1 << 18;

/// Lines of CSV that one thread prints at a time.
const LINES: usize = 512;

/// Writes both files of customer posteriors as the chunks arrive.
pub struct CustomerWriter<'a> {
    summary: &'a Summary,
    placement: Placement<'a>,
    has_ahead: bool,
    extra: Vec<Extra<'a>>,
    schema: Arc<Schema>,
    csv: BufWriter<File>,
    parquet: ParquetFile,
    /// (written to, renamed to)
    files: [(PathBuf, PathBuf); 2],
    /// Columns of groups: the label of each group.
    groups: Vec<(String, Vec<String>)>,
    /// Rows that wait for their batch to fill.
    waiting: Vec<CustomerPosterior>,
    written: usize,
}

impl std::fmt::Debug for CustomerWriter<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CustomerWriter")
            .field("files", &self.files)
            .field("written", &self.written)
            .finish_non_exhaustive()
    }
}

impl<'a> CustomerWriter<'a> {
    /// Opens `customers.parquet.partial` and `customers.csv.partial` in `folder`; `has_ahead` says whether posteriors will have an
    /// [`AheadPosterior`](super::AheadPosterior), which has columns of its own.
    ///
    /// # Errors
    /// A placement for other customers; a folder that cannot be written to.
    pub fn create(folder: &Path, summary: &'a Summary, placement: Placement<'a>, has_ahead: bool) -> Result<Self> {
        Self::create_as(folder, "customers", summary, placement, has_ahead, Vec::new())
    }

    /// The same as `<stem>.parquet` and `<stem>.csv`, with columns of the caller's behind the stable ones.
    ///
    /// # Errors
    /// As [`CustomerWriter::create`]; a column for other customers.
    pub fn create_as(
        folder: &Path,
        stem: &str,
        summary: &'a Summary,
        placement: Placement<'a>,
        has_ahead: bool,
        extra: Vec<Extra<'a>>,
    ) -> Result<Self> {
        extra.iter().try_for_each(|column| column.check(summary))?;
        placement.rfm_segment.map_or(Ok(()), |labelling| labelling.check(summary))?;
        placement.value_tier.check(summary)?;
        if placement.clv_rank.len() != summary.len() {
            return Err(Error::new("every customer needs a rank").seen(format!(
                "{} for {} customers",
                placement.clv_rank.len(),
                summary.len()
            )));
        }
        let groups = summary.groups.columns();
        let mut fields = fields(groups.iter().map(|(name, _)| name.as_str()), has_ahead);
        fields.extend(extra.iter().map(Extra::field));
        let schema = Arc::new(Schema::new(fields));
        let files = ["parquet", "csv"]
            .map(|ending| (folder.join(format!("{stem}.{ending}.partial")), folder.join(format!("{stem}.{ending}"))));
        let open = |path: &Path| {
            File::create(path).map(BufWriter::new).map_err(|cause| Error::io("create the customers file", path, cause))
        };
        let parquet =
            ParquetFile::new(open(&files[0].0)?, schema.clone()).map_err(|cause| broken(&files[0].0, cause))?;
        let mut csv = open(&files[1].0)?;
        let mut header = Vec::new();
        for (k, field) in schema.fields().iter().enumerate() {
            if k > 0 {
                header.push(b',');
            }
            push_text(field.name(), &mut header);
        }
        header.push(b'\n');
        csv.write_all(&header).map_err(|cause| broken(&files[1].0, cause))?;
        Ok(Self {
            summary,
            placement,
            groups,
            has_ahead,
            extra,
            schema,
            csv,
            parquet,
            files,
            waiting: Vec::with_capacity(BATCH),
            written: 0,
        })
    }

    /// Appends the next customers, in summary order.
    ///
    /// # Errors
    /// More customers than the summary has; a disk that is full or gone.
    pub fn write(&mut self, posteriors: &[CustomerPosterior]) -> Result<()> {
        let end = self.written + self.waiting.len() + posteriors.len();
        if end > self.summary.len() {
            return Err(Error::new("more customers were predicted than the summary has")
                .seen(format!("{end} of {}", self.summary.len())));
        }
        let mut left = posteriors;
        while !left.is_empty() {
            let (now, later) = left.split_at(left.len().min(BATCH - self.waiting.len()));
            self.waiting.extend_from_slice(now);
            left = later;
            if self.waiting.len() == BATCH {
                self.write_batch()?;
            }
        }
        Ok(())
    }

    /// Completes both files and gives them their names; returns the paths of the Parquet and the CSV file.
    ///
    /// # Errors
    /// Customers that are missing; a disk that is full or gone.
    pub fn finish(mut self) -> Result<[PathBuf; 2]> {
        self.write_batch()?;
        let Self { summary, csv, parquet, files, written, .. } = self;
        if written != summary.len() {
            return Err(Error::new("fewer customers were predicted than the summary has")
                .seen(format!("{written} of {}", summary.len())));
        }
        let parquet = parquet.finish().map_err(|cause| broken(&files[0].0, cause))?;
        for (writer, (partial, path)) in [parquet, csv].into_iter().zip(&files) {
            writer
                .into_inner()
                .map_err(|cause| cause.into_error())
                .and_then(|mut file| file.flush().and_then(|()| file.sync_all()))
                .and_then(|()| std::fs::rename(partial, path))
                .map_err(|cause| Error::io("finish the customers file", path, cause))?;
        }
        Ok(files.map(|(_, path)| path))
    }

    /// Writes what waits.
    fn write_batch(&mut self) -> Result<()> {
        let waiting = std::mem::take(&mut self.waiting);
        let Self { schema, csv, parquet, groups, .. } = self;
        let mut columns = columns(self.summary, groups, self.placement, self.has_ahead, self.written, &waiting);
        let at = self.written..self.written + waiting.len();
        columns.extend(self.extra.iter().map(|column| column.rows(at.clone())));
        let rows = waiting.len();
        let (csv, parquet) = rayon::join(
            || {
                let starts = (0..rows).into_par_iter().step_by(LINES);
                let lines: Vec<Vec<u8>> = starts.map(|from| print(&columns, from..rows.min(from + LINES))).collect();
                lines.iter().try_for_each(|lines| csv.write_all(lines))
            },
            || parquet.write(schema, &columns, rows),
        );
        parquet.map_err(|cause| broken(&self.files[0].0, cause))?;
        csv.map_err(|cause| broken(&self.files[1].0, cause))?;
        self.written += rows;
        self.waiting = waiting;
        self.waiting.clear();
        Ok(())
    }
}

impl<'a> Extra<'a> {
    fn check(&self, summary: &Summary) -> Result<()> {
        match self {
            Self::Text(labelling) => labelling.check(summary),
            Self::Number(_, values) if values.len() == summary.len() => Ok(()),
            Self::Number(name, values) => Err(Error::new(format!("every customer needs a value of `{name}`"))
                .seen(format!("{} for {} customers", values.len(), summary.len()))),
        }
    }

    fn field(&self) -> Field {
        match self {
            Self::Number(name, _) => Field::new(*name, DataType::Float64, false),
            Self::Text(labelling) => Field::new(labelling.name.as_str(), DataType::Utf8, false),
        }
    }

    fn rows(&self, rows: Range<usize>) -> Column<'a> {
        match *self {
            Self::Number(_, values) => Column::Number(values[rows].to_vec()),
            Self::Text(labelling) => labelling.column(rows),
        }
    }
}

impl Labelling {
    /// The labels of some rows.
    fn column(&self, rows: Range<usize>) -> Column<'_> {
        Column::Text(self.of_customer[rows].iter().map(|&label| self.labels[label as usize].as_str()).collect())
    }
}

/// The rows from `first` on by column, in the order of the schema.
fn columns<'a>(
    summary: &'a Summary,
    groups: &'a [(String, Vec<String>)],
    placement: Placement<'a>,
    has_ahead: bool,
    first: usize,
    posteriors: &[CustomerPosterior],
) -> Vec<Column<'a>> {
    let rows = first..first + posteriors.len();
    let label = |labelling: &'a Labelling| labelling.column(rows.clone());
    let number = |values: &[f64]| Column::Number(values[rows.clone()].to_vec());
    let mean = |of: fn(&CustomerPosterior) -> f64| Column::Number(posteriors.iter().map(of).collect());
    let count = |of: fn(&CustomerPosterior) -> u32| Column::Count(posteriors.iter().map(of).collect());
    // All have a spend or none has: that is the model's, not the customer's.
    let spend = |of: fn(&SpendPosterior) -> f64| {
        let values: Option<Vec<f64>> = posteriors.iter().map(|c| c.spend.as_ref().map(of)).collect();
        values.map_or(Column::Nothing, Column::Number)
    };
    let mut columns = vec![Column::Text(rows.clone().map(|row| &summary.customer_id[row]).collect())];
    for (_, labels) in groups {
        let label = |&group: &u32| labels[group as usize].as_str();
        columns.push(Column::Text(summary.group[rows.clone()].iter().map(label).collect()));
    }
    let has_spend = posteriors.iter().all(|c| c.spend.is_some());
    columns.extend([
        Column::Count(summary.frequency[rows.clone()].to_vec()),
        number(&summary.recency),
        number(&summary.age),
        if has_spend { number(&summary.monetary) } else { Column::Nothing },
        mean(|c| c.p_alive),
        mean(|c| c.purchases_mean),
        count(|c| c.purchases.q05),
        count(|c| c.purchases.q25),
        count(|c| c.purchases.q50),
        count(|c| c.purchases.q75),
        count(|c| c.purchases.q95),
    ]);
    if has_ahead {
        let residual = posteriors.iter().map(|c| c.ahead?.residual_purchases).collect::<Option<_>>();
        columns.extend([
            mean(|c| c.ahead.map_or(f64::NAN, |ahead| ahead.p_alive_end)),
            residual.map_or(Column::Nothing, Column::Number),
        ]);
    }
    columns.extend([
        spend(|s| s.spend_mean),
        spend(|s| s.clv_mean),
        spend(|s| s.clv_sd),
        spend(|s| s.clv.q05),
        spend(|s| s.clv.q25),
        spend(|s| s.clv.q50),
        spend(|s| s.clv.q75),
        spend(|s| s.clv.q95),
        placement.rfm_segment.map_or(Column::NoText, label),
        label(placement.value_tier),
        Column::Rank(placement.clv_rank[rows].to_vec()),
    ]);
    columns
}

/// The Parquet file, a row group's columns growing side by side.
struct ParquetFile {
    file: SerializedFileWriter<BufWriter<File>>,
    factory: ArrowRowGroupWriterFactory,
    /// The columns of the row group under way; none between row groups.
    columns: Vec<ArrowColumnWriter>,
    rows: usize,
    row_groups: usize,
}

impl ParquetFile {
    fn new(file: BufWriter<File>, schema: Arc<Schema>) -> Result<Self, ParquetError> {
        let properties = WriterProperties::builder().set_compression(Compression::ZSTD(ZstdLevel::default())).build();
        let (file, factory) = ArrowWriter::try_new(file, schema, Some(properties))?.into_serialized_writer()?;
        Ok(Self { file, factory, columns: Vec::new(), rows: 0, row_groups: 0 })
    }

    /// Appends a batch; the last of a row group closes it.
    fn write(&mut self, schema: &Schema, batch: &[Column<'_>], rows: usize) -> Result<(), ParquetError> {
        if rows == 0 {
            return Ok(());
        }
        if self.columns.is_empty() {
            self.columns = self.factory.create_column_writers(self.row_groups)?;
        }
        self.columns.par_iter_mut().zip(batch).zip(schema.fields().par_iter()).try_for_each(
            |((writer, column), field)| {
                // A column without nesting is one leaf.
                compute_leaves(field, &column.to_array(rows))?.iter().try_for_each(|leaf| writer.write(leaf))
            },
        )?;
        self.rows += rows;
        if self.rows >= ROW_GROUP { self.end_row_group() } else { Ok(()) }
    }

    fn end_row_group(&mut self) -> Result<(), ParquetError> {
        let columns = std::mem::take(&mut self.columns);
        let chunks: Vec<ArrowColumnChunk> =
            columns.into_par_iter().map(ArrowColumnWriter::close).collect::<Result<_, _>>()?;
        let mut row_group = self.file.next_row_group()?;
        for chunk in chunks {
            chunk.append_to_row_group(&mut row_group)?;
        }
        row_group.close()?;
        (self.rows, self.row_groups) = (0, self.row_groups + 1);
        Ok(())
    }

    fn finish(mut self) -> Result<BufWriter<File>, ParquetError> {
        if self.rows > 0 {
            self.end_row_group()?;
        }
        self.file.into_inner()
    }
}

/// Lines of CSV.
fn print(columns: &[Column<'_>], rows: Range<usize>) -> Vec<u8> {
    // Some 300 bytes a line, with room to spare.
    let mut lines = Vec::with_capacity(rows.len() * 384);
    for row in rows {
        for (k, column) in columns.iter().enumerate() {
            if k > 0 {
                lines.push(b',');
            }
            column.print(row, &mut lines);
        }
        lines.push(b'\n');
    }
    lines
}

fn broken(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("could not write the customers file")
        .at(path.display())
        .advice("check the free space and the permissions of its folder")
        .because(cause)
}

/// The stable columns, in order; groups have a column for each level.
fn fields<'a>(group_columns: impl Iterator<Item = &'a str>, has_ahead: bool) -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let count = |name: &str| Field::new(name, DataType::UInt32, false);
    let number = |name: &str| Field::new(name, DataType::Float64, false);
    let spend = |name: &str| Field::new(name, DataType::Float64, true);
    let mut fields = vec![text("customer_id")];
    fields.extend(group_columns.map(text));
    fields.extend([count("frequency"), number("recency"), number("age"), spend("monetary")]);
    fields.extend(["p_alive", "purchases_mean"].map(number));
    fields.extend(["purchases_q05", "purchases_q25", "purchases_q50", "purchases_q75", "purchases_q95"].map(count));
    if has_ahead {
        fields.extend([number("p_alive_end"), spend("residual_purchases")]);
    }
    fields
        .extend(["spend_mean", "clv_mean", "clv_sd", "clv_q05", "clv_q25", "clv_q50", "clv_q75", "clv_q95"].map(spend));
    fields.extend([Field::new("rfm_segment", DataType::Utf8, true), text("value_tier")]);
    fields.push(Field::new("clv_rank", DataType::UInt64, false));
    fields
}

/// Some rows of one column.
enum Column<'a> {
    Text(Vec<&'a str>),
    Count(Vec<u32>),
    Rank(Vec<u64>),
    Number(Vec<f64>),
    /// Numbers that do not exist.
    Nothing,
    /// Texts that do not exist.
    NoText,
}

impl Column<'_> {
    fn to_array(&self, rows: usize) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(StringArray::from_iter_values(values)),
            Self::Count(values) => Arc::new(UInt32Array::from_iter_values(values.iter().copied())),
            Self::Rank(values) => Arc::new(UInt64Array::from_iter_values(values.iter().copied())),
            Self::Number(values) => Arc::new(Float64Array::from_iter_values(values.iter().copied())),
            Self::Nothing => Arc::new(Float64Array::new_null(rows)),
            Self::NoText => Arc::new(StringArray::new_null(rows)),
        }
    }

    /// Numbers in the shortest form that reads back as the same f64; nothing for null.
    fn print(&self, row: usize, into: &mut Vec<u8>) {
        match self {
            Self::Text(values) => push_text(values[row], into),
            Self::Count(values) => push_count(values[row].into(), into),
            Self::Rank(values) => push_count(values[row], into),
            Self::Number(values) => push_number(values[row], into),
            Self::Nothing | Self::NoText => {}
        }
    }
}
