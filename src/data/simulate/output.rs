//! Rows made in parallel and written in order, beside their place and renamed when complete. The number of threads changes how
//! much is in memory at once, and no byte of the file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow_schema::SchemaRef;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::{ArrowColumnChunk, ArrowRowGroupWriterFactory, compute_leaves};
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::types::ColumnPath;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::counted::{CountedLaw, CountedModel, CountedSpec};
use super::counted_rows::{Buyers, Contracts};
use super::customers::{Law, Lives};
use super::rows::{CovariateRows, Customers, Names, Rows, Transactions};
use super::spec::SimulateSpec;
use crate::data::roles::Kind;
use crate::data::table_file::io_cause;
use crate::error::{Error, Result};

/// Rows made by one task, about; a row group of Parquet.
const CHUNK_ROWS: f64 = 262_144.0;

/// Customers of whom one task makes the rows, at least: below it tasks are not worth their start.
const FEWEST_CUSTOMERS: f64 = 64.0;

/// What a simulation wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulateReport {
    /// The data: transactions with columns `customer_id`, `date`, `amount`, `group`, or a summary with `customer_id`, `frequency`,
    /// `recency`, `age`, `monetary`, `group`.
    pub path: PathBuf,
    /// What a row is.
    pub kind: Kind,
    /// The parameters, as JSON: the [`SimulateSpec`].
    pub truth_path: PathBuf,
    /// The table of covariates, if there are some: `customer_id` and their columns.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariates_path: Option<PathBuf>,
    /// Number of customers.
    pub customers: u64,
    /// Number of purchases that they made; each is a row of transactions.
    pub purchases: u64,
}

/// Simulates, writes transactions or a summary to `path` (`.csv` or `.parquet`) and the truth to `truth.json` beside it. Rows are
/// sorted by customer and time. `progress` hears how many customers are written.
///
/// # Errors
/// When the parameters make no sense, the extension is another, or the files cannot be written; nothing half-written is left.
pub fn simulate(
    spec: &SimulateSpec,
    kind: Kind,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<SimulateReport> {
    spec.check()?;
    let law = Law::of(spec)?;
    let names = || Names::new(spec.customers, spec.start, spec.observe_days, spec.group_columns());
    let format = Format::of(path)?;
    let truth_path = begin(path)?;
    let covariates_path =
        (!spec.covariates.is_empty()).then(|| path.with_file_name("covariates").with_extension(format.ending()));
    if let Some(path) = &covariates_path {
        let names = names().with_covariates(spec.covariates.iter().map(|c| c.name.clone()).collect());
        Job { law: Law::of(spec)?, names, format, path, progress: &|_| {} }.write::<CovariateRows>()?;
    }
    let job = Job { law, names: names(), format, path, progress };
    let purchases = match kind {
        Kind::Transactions => job.write::<Transactions>()?,
        Kind::Summary => job.write::<Customers>()?,
        Kind::Contracts | Kind::Cohorts => return Err(no_such_rows(kind)),
    };
    write_truth(&truth_path, spec)?;
    let path = path.to_owned();
    Ok(SimulateReport { path, kind, truth_path, covariates_path, customers: spec.customers, purchases })
}

/// The same of customers whose time is counted: transactions or a summary of buyers at opportunities, contracts of the shifted
/// beta-geometric. The purchases of contracts are their renewals.
///
/// # Errors
/// As [`simulate`]; and when the law has no rows of that kind.
pub fn simulate_counted(
    spec: &CountedSpec,
    kind: Kind,
    path: &Path,
    progress: &(dyn Fn(u64) + Sync),
) -> Result<SimulateReport> {
    spec.check()?;
    let law = CountedLaw::of(spec)?;
    let labels = spec.groups.iter().map(|g| g.label.clone()).collect();
    let names = Names::new(spec.customers, spec.start, spec.observe_days, vec![("group".to_owned(), labels)]);
    let format = Format::of(path)?;
    let truth_path = begin(path)?;
    let job = Job { law, names, format, path, progress };
    let purchases = match (spec.model, kind) {
        (CountedModel::BgBb, Kind::Transactions) => job.write::<Transactions>()?,
        (CountedModel::BgBb, Kind::Summary) => job.write::<Buyers>()?,
        (CountedModel::SBg, Kind::Contracts) => job.write::<Contracts>()?,
        _ => return Err(no_such_rows(kind)),
    };
    write_truth(&truth_path, spec)?;
    let path = path.to_owned();
    Ok(SimulateReport { path, kind, truth_path, covariates_path: None, customers: spec.customers, purchases })
}

fn no_such_rows(kind: Kind) -> Error {
    Error::new("this model has no such rows")
        .at("simulate")
        .seen(format!("{kind:?}"))
        .advice("contracts come of s_bg, transactions and summaries of every other model")
}

/// Makes the folder of `path` and removes the truth of older data there; returns where the truth belongs.
fn begin(path: &Path) -> Result<PathBuf> {
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| failed("make the folder of the simulated data", folder, e))?;
    // The truth of older data goes first: a kill in between leaves data without a truth, never with another's.
    let truth_path = folder.join("truth.json");
    if truth_path.exists() {
        std::fs::remove_file(&truth_path).map_err(|e| failed("remove the truth of older data", &truth_path, e))?;
    }
    Ok(truth_path)
}

fn write_truth(path: &Path, spec: &impl Serialize) -> Result<()> {
    let truth =
        serde_json::to_string_pretty(spec).map_err(|e| Error::new("could not write the truth as JSON").because(e))?;
    beside(path, |partial| std::fs::write(partial, truth + "\n").map_err(|e| failed("write the truth", partial, e)))
}

/// How a file is laid out.
#[derive(Clone, Copy)]
enum Format {
    Csv,
    Parquet,
}

impl Format {
    fn ending(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Parquet => "parquet",
        }
    }

    fn of(path: &Path) -> Result<Self> {
        match path.extension().and_then(|e| e.to_str()) {
            Some("csv") => Ok(Self::Csv),
            Some("parquet") => Ok(Self::Parquet),
            _ => Err(Error::new("simulated data are written as .csv or .parquet")
                .at(path.display())
                .advice("name such a file")),
        }
    }
}

/// One file to write.
struct Job<'a, L> {
    law: L,
    names: Names,
    format: Format,
    path: &'a Path,
    progress: &'a (dyn Fn(u64) + Sync),
}

impl<L: Lives> Job<'_, L> {
    /// Writes the file and returns the number of purchases.
    fn write<R: Rows<L>>(&self) -> Result<u64> {
        let (names, all) = (&self.names, self.law.customers());
        let rows_of_customer = if R::ONE_PER_CUSTOMER { 1.0 } else { self.law.purchases_per_customer() };
        let customers = (CHUNK_ROWS / rows_of_customer).max(FEWEST_CUSTOMERS) as u64;
        let purchases = AtomicU64::new(0);
        let rows = |chunk: u64| {
            let rows = R::of(&self.law, chunk * customers..((chunk + 1) * customers).min(all));
            purchases.fetch_add(rows.purchases(), Ordering::Relaxed);
            rows
        };
        let mut written = 0;
        let mut told = || {
            written = (written + customers).min(all);
            (self.progress)(written);
        };
        let chunks = all.div_ceil(customers);
        beside(self.path, |partial| {
            let broken = |e| failed("write the simulated data", partial, e);
            let file = File::create(partial).map_err(broken)?;
            match self.format {
                Format::Csv => {
                    let mut file = BufWriter::new(file);
                    file.write_all(R::header(names).as_bytes()).map_err(broken)?;
                    let lines = |chunk| Ok(rows(chunk).csv(names));
                    in_order(chunks, lines, |text| {
                        file.write_all(text.as_bytes()).map_err(broken)?;
                        told();
                        Ok(())
                    })?;
                    let file = file.into_inner().map_err(|e| broken(e.into_error()))?;
                    file.sync_all().map_err(broken)
                }
                Format::Parquet => {
                    let broken = |e| broken(io_cause(e));
                    let schema = R::of(&self.law, 0..0).batch(names)?.schema();
                    let (mut table, groups) = table(file, &schema).map_err(broken)?;
                    let encoded = |chunk| groups.encode(&rows(chunk).batch(names)?).map_err(broken);
                    in_order(chunks, encoded, |columns| {
                        append(&mut table, columns).map_err(broken)?;
                        told();
                        Ok(())
                    })?;
                    let mut file = table.into_inner().map_err(broken)?;
                    file.flush().and_then(|()| file.get_ref().sync_all()).map_err(|e| broken(e.into()))
                }
            }
        })?;
        Ok(purchases.into_inner())
    }
}

/// Makes chunks in parallel and takes them in order, the last ones while the next are made: at most two for each thread are held.
fn in_order<T: Send>(
    chunks: u64,
    make: impl Fn(u64) -> Result<T> + Sync,
    mut take: impl FnMut(T) -> Result<()> + Send,
) -> Result<()> {
    let wave = rayon::current_num_threads() as u64;
    let mut made: Vec<T> = Vec::new();
    for first in (0..chunks).step_by(wave as usize) {
        let next = || (first..(first + wave).min(chunks)).into_par_iter().map(&make).collect::<Result<Vec<T>>>();
        let (next, taken) = rayon::join(next, || made.drain(..).try_for_each(&mut take));
        taken?;
        made = next?;
    }
    made.into_iter().try_for_each(take)
}

/// A Parquet file to which encoded row groups are appended, and what encodes them, on any thread.
///
/// Times and counts repeat and go by dictionary; identifiers and money do not. Zstandard at its quickest makes half the bytes of
/// Snappy or LZ4 in the same time, and reads as quickly.
fn table(file: File, schema: &SchemaRef) -> Result<(SerializedFileWriter<BufWriter<File>>, RowGroups), ParquetError> {
    let mut properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_created_by(concat!("longrun ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_statistics_enabled(EnabledStatistics::Chunk);
    for name in ["customer_id", "monetary", "amount"] {
        properties = properties.set_column_dictionary_enabled(ColumnPath::from(name), false);
    }
    let writer = ArrowWriter::try_new(BufWriter::new(file), Arc::clone(schema), Some(properties.build()))?;
    let (writer, factory) = writer.into_serialized_writer()?;
    Ok((writer, RowGroups { factory, schema: Arc::clone(schema) }))
}

/// Encodes rows into row groups.
struct RowGroups {
    factory: ArrowRowGroupWriterFactory,
    schema: SchemaRef,
}

impl RowGroups {
    fn encode(&self, rows: &arrow_array::RecordBatch) -> Result<Vec<ArrowColumnChunk>, ParquetError> {
        // The number of the row group matters to encrypted files alone.
        let writers = self.factory.create_column_writers(0)?;
        let columns = self.schema.fields().iter().zip(rows.columns());
        writers
            .into_iter()
            .zip(columns)
            .map(|(mut writer, (field, column))| {
                for leaf in compute_leaves(field, column)? {
                    writer.write(&leaf)?;
                }
                writer.close()
            })
            .collect()
    }
}

fn append(
    table: &mut SerializedFileWriter<BufWriter<File>>,
    columns: Vec<ArrowColumnChunk>,
) -> Result<(), ParquetError> {
    let mut group = table.next_row_group()?;
    for column in columns {
        column.append_to_row_group(&mut group)?;
    }
    group.close().map(|_| ())
}

/// Lets `write` make the file beside its place and gives it its name; removes it when it cannot be completed.
fn beside(path: &Path, write: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let renamed = || std::fs::rename(&partial, path).map_err(|e| failed("name the finished file", path, e));
    write(&partial).and_then(|()| renamed()).inspect_err(|_| {
        // The first failure is the one to tell.
        let _ = std::fs::remove_file(&partial);
    })
}

fn failed(doing: &str, path: &Path, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::new(format!(
            "could not {doing}: the disk is full"
        ))
        .at(path.display())
        .advice(
            "free some space, choose another --output, or simulate fewer customers; what was written has been removed",
        )
        .because(cause),
        io::ErrorKind::NotADirectory | io::ErrorKind::AlreadyExists => {
            Error::new(format!("could not {doing}: a file stands where a folder is needed"))
                .at(path.display())
                .advice("choose another --output")
                .because(cause)
        }
        _ => Error::io(doing, path, cause),
    }
}
