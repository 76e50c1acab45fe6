//! Files in, the durable transactions table out. Rows are judged here: what is a purchase, what is left out, what is rejected.

use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use chrono::NaiveDate;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::dates::DateReader;
use super::field::{Field, date_of};
use super::rejects::{Reject, RejectLog, lock, shown};
use super::roles::Kind;
use super::rows::{Address, Consumer, IngestProgress, Meter, Reading};
use super::rules::{NegativeAmounts, Rules, ZeroAmounts};
use super::shuffle::{HELD_BYTES, Scattered, Shuffle, sorted_lines};
use super::source::Source;
use super::table_file::days_of;
use super::transactions::PartWriter;
use super::{amount, columns};
use crate::error::{Error, Result};

/// What the reading of a source found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct IngestReport {
    /// The files read, in order.
    pub files: Vec<PathBuf>,
    /// Bytes of all files.
    pub bytes: u64,
    /// Rows of the source, header lines left out.
    pub rows: u64,
    /// Rows listed in `rejects.csv`.
    pub rejected: u64,
    /// Rows left out because their amount is negative ([`NegativeAmounts::Drop`]).
    pub dropped_negative: u64,
    /// Rows left out because their amount is zero ([`ZeroAmounts::Drop`]).
    pub dropped_zero: u64,
    /// Purchases kept although their amount is zero ([`ZeroAmounts::Keep`]).
    pub kept_zero: u64,
    /// Negative rows that reduced the customer's purchases of the same day ([`NegativeAmounts::Net`]).
    #[serde(default)]
    pub netted_returns: u64,
    /// Days of a customer on which negative rows took back all that was bought, so that they are no purchase.
    #[serde(default)]
    pub netted_away_days: u64,
    /// Negative rows left out because the customer bought nothing that day ([`NegativeAmounts::Net`]).
    #[serde(default)]
    pub unmatched_returns: u64,
    /// Amounts with more than four decimals, rounded to four.
    pub rounded_amounts: u64,
    /// Rows of the transactions table: (customer, day) with equal extra columns merged. For summaries: customers.
    pub purchases: u64,
    /// Distinct customers.
    pub customers: u64,
    /// Date of the earliest purchase; none for summaries.
    pub first_date: Option<NaiveDate>,
    /// Date of the latest purchase; none for summaries.
    pub last_date: Option<NaiveDate>,
    /// Whether the source has amounts.
    pub has_amounts: bool,
}

impl IngestReport {
    /// A report of nothing read yet.
    pub(super) fn new(reading: &Reading<'_>, has_amounts: bool) -> Self {
        Self {
            files: reading.files.clone(),
            bytes: reading.bytes_total,
            rows: 0,
            rejected: 0,
            dropped_negative: 0,
            dropped_zero: 0,
            kept_zero: 0,
            netted_returns: 0,
            netted_away_days: 0,
            unmatched_returns: 0,
            rounded_amounts: 0,
            purchases: 0,
            customers: 0,
            first_date: None,
            last_date: None,
            has_amounts,
        }
    }
}

/// Sizes that decide the speed of a reading. `partitions` also decides the files of the table; the rest changes nothing in them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// Bytes of text in one block.
    pub(super) block_bytes: usize,
    /// Parts of the table; chosen by the size of the source when not given.
    pub(super) partitions: Option<usize>,
    /// Bytes of rows held in memory while a source is read.
    pub(super) held_bytes: usize,
}

impl Default for Sizes {
    fn default() -> Self {
        Self { block_bytes: 4 << 20, partitions: None, held_bytes: HELD_BYTES }
    }
}

/// One part for every 8 MiB of source, a power of two, at most 256; for larger sources one for every 64 MiB, at most 4096.
fn partitions_for(bytes: u64) -> usize {
    const MIB: u64 = 1 << 20;
    let parts = bytes.div_ceil(8 * MIB).min(256).max(bytes.div_ceil(64 * MIB)).clamp(1, 4096);
    parts.next_power_of_two() as usize
}

/// Memory of the parts that are sorted and written at once, however many cores there are.
const SORTED_BYTES: u64 = 512 << 20;

/// Reads every purchase of `source` on all cores and writes `out_dir/transactions/part-NNN.parquet` and `out_dir/rejects.csv`.
///
/// The table's bytes depend on the source and the rules alone, not on threads. Progress is told as bytes read.
///
/// # Errors
/// When a file or a column is missing, a file cannot be read as described, no purchase is left, more than
/// `rules.max_reject_share` of the rows are rejected (they are in `rejects.csv` then), or the output cannot be written.
pub fn ingest(
    source: &Source,
    rules: &Rules,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<IngestReport> {
    ingest_sized(source, rules, out_dir, progress, Sizes::default())
}

pub(super) fn ingest_sized(
    source: &Source,
    rules: &Rules,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
    sizes: Sizes,
) -> Result<IngestReport> {
    if source.kind != Kind::Transactions {
        return Err(Error::new("this source holds customer summaries, not transactions")
            .at("data.kind")
            .advice("summaries are read by ingest_summary"));
    }
    rules.check()?;
    let reading = Reading::new(source, sizes.block_bytes, progress)?;

    let folder = out_dir.join("transactions");
    let partial = out_dir.join("transactions.partial");
    let make = |e| Error::io("make the folder of the transactions table", &partial, e);
    if partial.exists() {
        std::fs::remove_dir_all(&partial).map_err(make)?;
    }
    std::fs::create_dir_all(&partial).map_err(make)?;
    let report = fill(&reading, rules, out_dir, &partial, sizes).inspect_err(|_| {
        // The failure that matters is the one already at hand.
        let _ = std::fs::remove_dir_all(&partial);
    })?;
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| Error::io("replace the old transactions table", &folder, e))?;
    }
    std::fs::rename(&partial, &folder).map_err(|e| Error::io("name the finished transactions table", &folder, e))?;
    Ok(report)
}

/// Reads every row and writes all parts of the table into `partial`.
fn fill(reading: &Reading<'_>, rules: &Rules, out_dir: &Path, partial: &Path, sizes: Sizes) -> Result<IngestReport> {
    let source = reading.source;
    let dates = DateReader::new(source.date_format.as_deref(), rules.time_zone, rules.latest_date)?;
    let partitions = sizes.partitions.unwrap_or_else(|| partitions_for(reading.bytes_total));
    let has_amounts = source.columns.amount.is_some();
    let shared = Shared {
        rules,
        dates,
        labels: labels(&reading.wanted),
        has_amounts,
        shuffle: Shuffle::new(partitions, sizes.held_bytes, partial.to_owned()),
        rejects: RejectLog::default(),
        counts: Mutex::default(),
    };
    reading.run(&|| Purchases::new(&shared))?;

    let Shared { shuffle, rejects, counts, .. } = shared;
    let counts = *lock(&counts);
    if counts.rows == 0 {
        return Err(Error::new("the input has no rows")
            .at(source.paths.join(", "))
            .advice("only header or blank lines were found"));
    }
    rejects.settle(
        &out_dir.join("rejects.csv"),
        &reading.files,
        counts.rejected,
        counts.rows,
        rules.max_reject_share,
    )?;

    let extra: Vec<String> = source.columns.extra.iter().map(|e| e.name.clone()).collect();
    let writer = PartWriter { folder: partial, parts: shuffle.partitions(), has_amounts, extra: &extra };
    // A part is held as bytes and as sorted lines, some five times its bytes; at least one is always made.
    let at_once = (SORTED_BYTES / (5 * shuffle.largest_bytes()).max(1)).clamp(1, 1 << 10) as usize;
    let meter = Meter::new(reading.bytes_total, reading.progress);
    let done = AtomicU64::new(0);
    let mut parts = Vec::with_capacity(shuffle.partitions());
    for some in (0..shuffle.partitions()).collect::<Vec<_>>().chunks(at_once) {
        let write = |&part: &usize| {
            let facts = writer.write(part, &sorted_lines(&shuffle.take(part)?));
            meter.tell_share(1 + done.fetch_add(1, Ordering::Relaxed), shuffle.partitions() as u64);
            facts
        };
        parts.extend(some.par_iter().map(write).collect::<Result<Vec<_>>>()?);
    }

    let days: Vec<(i32, i32)> = parts.iter().filter_map(|p| p.days).collect();
    let (Some(first), Some(last)) = (days.iter().map(|d| d.0).min(), days.iter().map(|d| d.1).max()) else {
        return Err(Error::new("no purchase is left after the rules for zero and negative amounts")
            .at(source.paths.join(", "))
            .seen(format!(
                "{} rows, of which {} dropped",
                counts.rows,
                counts.dropped_zero + counts.dropped_negative
            )));
    };
    Ok(IngestReport {
        rows: counts.rows,
        rejected: counts.rejected,
        dropped_negative: counts.dropped_negative,
        dropped_zero: counts.dropped_zero,
        kept_zero: counts.kept_zero,
        rounded_amounts: counts.rounded,
        netted_returns: parts.iter().map(|p| p.netted.returns).sum(),
        netted_away_days: parts.iter().map(|p| p.netted.days_away).sum(),
        unmatched_returns: parts.iter().map(|p| p.netted.unmatched).sum(),
        purchases: parts.iter().map(|p| p.rows).sum(),
        customers: parts.iter().map(|p| p.customers).sum(),
        first_date: date_of(first.into()),
        last_date: date_of(last.into()),
        ..IngestReport::new(reading, has_amounts)
    })
}

/// How the wanted columns are called in `rejects.csv`.
pub(super) fn labels(wanted: &[columns::Wanted]) -> Vec<String> {
    wanted.iter().map(|w| w.column.to_string()).collect()
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    rows: u64,
    rejected: u64,
    dropped_negative: u64,
    dropped_zero: u64,
    kept_zero: u64,
    rounded: u64,
}

impl Counts {
    fn add(&mut self, other: &Self) {
        self.rows += other.rows;
        self.rejected += other.rejected;
        self.dropped_negative += other.dropped_negative;
        self.dropped_zero += other.dropped_zero;
        self.kept_zero += other.kept_zero;
        self.rounded += other.rounded;
    }
}

struct Shared<'a> {
    rules: &'a Rules,
    dates: DateReader,
    labels: Vec<String>,
    has_amounts: bool,
    shuffle: Shuffle,
    rejects: RejectLog,
    counts: Mutex<Counts>,
}

/// Judges the rows of one block.
struct Purchases<'a> {
    shared: &'a Shared<'a>,
    scattered: Scattered,
    rejects: Vec<Reject>,
    counts: Counts,
}

/// What becomes of a row that is not kept.
enum Verdict {
    Rejected { field: usize, reason: String },
    DroppedZero,
    DroppedNegative,
}

impl<'a> Purchases<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        Self {
            shared,
            scattered: Scattered::new(shared.shuffle.partitions()),
            rejects: Vec::new(),
            counts: Counts::default(),
        }
    }

    fn judge(&mut self, at: Address, fields: &[Field<'_>]) -> Result<(), Verdict> {
        let shared = self.shared;
        let rejected = |field, reason| Verdict::Rejected { field, reason };
        let customer = match fields[0] {
            Field::Missing => return Err(rejected(0, "is missing".to_owned())),
            Field::Unreadable(kind) => return Err(rejected(0, format!("cannot be read from Parquet type {kind}"))),
            field => field.text(),
        };
        let date = shared.dates.read(&fields[1]).map_err(|reason| rejected(1, reason))?;
        let mut units = 0;
        if shared.has_amounts {
            let amount = amount::read(&fields[2]).map_err(|reason| rejected(2, reason))?;
            units = amount.units;
            match units.signum() {
                -1 => match shared.rules.negative_amounts {
                    NegativeAmounts::Error => {
                        return Err(rejected(
                            2,
                            "is negative (data.negative_amounts = \"drop\" leaves such rows out, \"net\" takes them off the day's purchases)".to_owned(),
                        ));
                    }
                    NegativeAmounts::Drop => return Err(Verdict::DroppedNegative),
                    NegativeAmounts::Net => {}
                },
                0 => match shared.rules.zero_amounts {
                    ZeroAmounts::Error => {
                        return Err(rejected(
                            2,
                            "is zero (data.zero_amounts = \"keep\" or \"drop\" accepts such rows)".to_owned(),
                        ));
                    }
                    ZeroAmounts::Drop => return Err(Verdict::DroppedZero),
                    ZeroAmounts::Keep => self.counts.kept_zero += 1,
                },
                _ => {}
            }
            self.counts.rounded += u64::from(amount.rounded);
        }
        let own = 2 + usize::from(shared.has_amounts);
        let extra: Vec<_> = fields[own..].iter().map(Field::text).collect();
        let values = extra.iter().map(|v| (!v.is_empty()).then_some(&**v));
        self.scattered.push(&customer, days_of(date), units, at, values);
        Ok(())
    }
}

impl Consumer for Purchases<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        self.counts.rows += 1;
        match self.judge(at, fields) {
            Ok(()) => {}
            Err(Verdict::DroppedZero) => self.counts.dropped_zero += 1,
            Err(Verdict::DroppedNegative) => self.counts.dropped_negative += 1,
            Err(Verdict::Rejected { field, reason }) => {
                self.counts.rejected += 1;
                let column = self.shared.labels[field].clone();
                self.rejects.push(Reject {
                    file: at.file,
                    line: at.line,
                    column,
                    value: shown(&fields[field].text()),
                    reason,
                });
            }
        }
    }

    fn malformed(&mut self, at: Address, column: &str, value: &str, reason: &str) {
        self.counts.rows += 1;
        self.counts.rejected += 1;
        self.rejects.push(Reject {
            file: at.file,
            line: at.line,
            column: column.to_owned(),
            value: shown(value),
            reason: reason.to_owned(),
        });
    }

    fn finish(self) -> Result<()> {
        lock(&self.shared.counts).add(&self.counts);
        self.shared.rejects.extend(self.rejects);
        self.shared.shuffle.add(self.scattered)
    }
}
