//! `customers.parquet` and `customers.csv`: one row per customer, streamed in summary order, written beside and renamed when
//! complete, so that a file with the right name is a whole file.
//!
//! Knows columns and files; computes nothing. Without a spend model the columns `monetary`, `spend_mean` and `clv_*` (but not
//! `clv_rank`, which then ranks by discounted purchases) are present and null: readers find one schema.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, UInt32Array, UInt64Array};
use arrow_schema::{DataType, Field, Schema};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;

use super::{CustomerPosterior, Labelling, SpendPosterior};
use crate::data::Summary;
use crate::error::{Error, Result};

/// Where each customer stands among all: known before the rows are written. Parallel to the summary's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Placement<'a> {
    /// The RFM segments.
    pub rfm_segment: &'a Labelling,
    /// The value tiers.
    pub value_tier: &'a Labelling,
    /// 1 for the customer of the highest value.
    pub clv_rank: &'a [u64],
}

/// Writes both files of customer posteriors as the chunks arrive.
pub struct CustomerWriter<'a> {
    summary: &'a Summary,
    placement: Placement<'a>,
    schema: Arc<Schema>,
    csv: csv::Writer<BufWriter<File>>,
    parquet: ArrowWriter<BufWriter<File>>,
    /// (written to, renamed to)
    files: [(PathBuf, PathBuf); 2],
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
    /// Opens `customers.parquet.partial` and `customers.csv.partial` in `folder`.
    ///
    /// # Errors
    /// A placement for other customers; a folder that cannot be written to.
    pub fn create(folder: &Path, summary: &'a Summary, placement: Placement<'a>) -> Result<Self> {
        placement.rfm_segment.check(summary)?;
        placement.value_tier.check(summary)?;
        if placement.clv_rank.len() != summary.len() {
            return Err(Error::new("every customer needs a rank").seen(format!(
                "{} for {} customers",
                placement.clv_rank.len(),
                summary.len()
            )));
        }
        let schema = Arc::new(Schema::new(fields(summary.groups.column.as_deref())));
        let files = ["customers.parquet", "customers.csv"]
            .map(|name| (folder.join(format!("{name}.partial")), folder.join(name)));
        let open = |path: &Path| {
            File::create(path).map(BufWriter::new).map_err(|cause| Error::io("create the customers file", path, cause))
        };
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(ZstdLevel::default()))
            .set_max_row_group_row_count(Some(1 << 18))
            .build();
        let parquet = ArrowWriter::try_new(open(&files[0].0)?, schema.clone(), Some(properties))
            .map_err(|cause| broken(&files[0].0, cause))?;
        let mut csv = csv::Writer::from_writer(open(&files[1].0)?);
        csv.write_record(schema.fields().iter().map(|field| field.name()))
            .map_err(|cause| broken(&files[1].0, cause))?;
        Ok(Self { summary, placement, schema, csv, parquet, files, written: 0 })
    }

    /// Appends the next customers, in summary order.
    ///
    /// # Errors
    /// More customers than the summary has; a disk that is full or gone.
    pub fn write(&mut self, posteriors: &[CustomerPosterior]) -> Result<()> {
        let end = self.written + posteriors.len();
        if end > self.summary.len() {
            return Err(Error::new("more customers were predicted than the summary has")
                .seen(format!("{end} of {}", self.summary.len())));
        }
        let columns = self.columns(posteriors);
        self.write_csv(&columns, posteriors.len()).map_err(|cause| broken(&self.files[1].0, cause))?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns.into_iter().map(Column::into_array).collect())
            .map_err(|cause| broken(&self.files[0].0, cause))?;
        self.parquet.write(&batch).map_err(|cause| broken(&self.files[0].0, cause))?;
        self.written = end;
        Ok(())
    }

    /// Completes both files and gives them their names; returns the paths of the Parquet and the CSV file.
    ///
    /// # Errors
    /// Customers that are missing; a disk that is full or gone.
    pub fn finish(self) -> Result<[PathBuf; 2]> {
        let Self { summary, csv, parquet, files, written, .. } = self;
        if written != summary.len() {
            return Err(Error::new("fewer customers were predicted than the summary has")
                .seen(format!("{written} of {}", summary.len())));
        }
        let parquet = parquet.into_inner().map_err(|cause| broken(&files[0].0, cause))?;
        let csv = csv.into_inner().map_err(|cause| broken(&files[1].0, cause.into_error()))?;
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

    /// The next rows by column, in the order of the schema.
    fn columns(&self, posteriors: &[CustomerPosterior]) -> Vec<Column> {
        let Self { summary, placement, .. } = self;
        let rows = self.written..self.written + posteriors.len();
        let label = |labelling: &Labelling| {
            let name = |&label: &u32| labelling.labels[label as usize].clone();
            Column::Text(labelling.of_customer[rows.clone()].iter().map(name).collect())
        };
        let number = |values: &[f64]| Column::Number(values[rows.clone()].iter().copied().map(Some).collect());
        let mean = |of: fn(&CustomerPosterior) -> f64| Column::Number(posteriors.iter().map(|c| Some(of(c))).collect());
        let count = |of: fn(&CustomerPosterior) -> u32| Column::Count(posteriors.iter().map(of).collect());
        let spend = |of: fn(&SpendPosterior) -> f64| {
            Column::Number(posteriors.iter().map(|c| c.spend.as_ref().map(of)).collect())
        };
        let mut columns = vec![Column::Text(rows.clone().map(|row| summary.customer_id[row].to_owned()).collect())];
        if summary.groups.column.is_some() {
            let name = |&group: &u32| summary.groups.labels[group as usize].clone();
            columns.push(Column::Text(summary.group[rows.clone()].iter().map(name).collect()));
        }
        let monetary = posteriors.iter().zip(&summary.monetary[rows.clone()]);
        columns.extend([
            Column::Count(summary.frequency[rows.clone()].to_vec()),
            number(&summary.recency),
            number(&summary.age),
            Column::Number(monetary.map(|(c, &m)| c.spend.is_some().then_some(m)).collect()),
            mean(|c| c.p_alive),
            mean(|c| c.purchases_mean),
            count(|c| c.purchases.q05),
            count(|c| c.purchases.q25),
            count(|c| c.purchases.q50),
            count(|c| c.purchases.q75),
            count(|c| c.purchases.q95),
            spend(|s| s.spend_mean),
            spend(|s| s.clv_mean),
            spend(|s| s.clv_sd),
            spend(|s| s.clv.q05),
            spend(|s| s.clv.q25),
            spend(|s| s.clv.q50),
            spend(|s| s.clv.q75),
            spend(|s| s.clv.q95),
            label(placement.rfm_segment),
            label(placement.value_tier),
            Column::Rank(placement.clv_rank[rows.clone()].to_vec()),
        ]);
        columns
    }

    fn write_csv(&mut self, columns: &[Column], rows: usize) -> csv::Result<()> {
        let mut field = String::new();
        for row in 0..rows {
            for column in columns {
                field.clear();
                column.print(row, &mut field);
                self.csv.write_field(&field)?;
            }
            self.csv.write_record(None::<&[u8]>)?;
        }
        Ok(())
    }
}

fn broken(path: &Path, cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::new("could not write the customers file")
        .at(path.display())
        .advice("check the free space and the permissions of its folder")
        .because(cause)
}

/// The stable columns, in order.
fn fields(group_column: Option<&str>) -> Vec<Field> {
    let text = |name: &str| Field::new(name, DataType::Utf8, false);
    let count = |name: &str| Field::new(name, DataType::UInt32, false);
    let number = |name: &str| Field::new(name, DataType::Float64, false);
    let spend = |name: &str| Field::new(name, DataType::Float64, true);
    let mut fields = vec![text("customer_id")];
    fields.extend(group_column.map(text));
    fields.extend([count("frequency"), number("recency"), number("age"), spend("monetary")]);
    fields.extend(["p_alive", "purchases_mean"].map(number));
    fields.extend(["purchases_q05", "purchases_q25", "purchases_q50", "purchases_q75", "purchases_q95"].map(count));
    fields
        .extend(["spend_mean", "clv_mean", "clv_sd", "clv_q05", "clv_q25", "clv_q50", "clv_q75", "clv_q95"].map(spend));
    fields.extend(["rfm_segment", "value_tier"].map(text));
    fields.push(Field::new("clv_rank", DataType::UInt64, false));
    fields
}

/// Some rows of one column.
enum Column {
    Text(Vec<String>),
    Count(Vec<u32>),
    Rank(Vec<u64>),
    Number(Vec<Option<f64>>),
}

impl Column {
    fn into_array(self) -> ArrayRef {
        match self {
            Self::Text(values) => Arc::new(StringArray::from(values)),
            Self::Count(values) => Arc::new(UInt32Array::from(values)),
            Self::Rank(values) => Arc::new(UInt64Array::from(values)),
            Self::Number(values) => Arc::new(Float64Array::from(values)),
        }
    }

    /// Numbers in the shortest form that reads back as the same f64; nothing for null.
    fn print(&self, row: usize, into: &mut String) {
        use std::fmt::Write as _;
        let printed = match self {
            Self::Text(values) => into.write_str(&values[row]),
            Self::Count(values) => write!(into, "{}", values[row]),
            Self::Rank(values) => write!(into, "{}", values[row]),
            Self::Number(values) => values[row].map_or(Ok(()), |value| write!(into, "{value}")),
        };
        debug_assert!(printed.is_ok(), "writing to a String does not fail");
    }
}
