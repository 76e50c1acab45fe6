//! A source that already holds one row per customer (`data.kind = "summary"` or `"contracts"`) becomes the files of a summary, for more customers
//! than memory holds. What a row must satisfy is told in `summary_row`.
//!
//! A source that is strictly sorted by identifier, as our own tables are, is written through while that is checked. Any other is
//! read again into sorted runs, which are merged; equal identifiers then stand side by side.

use std::path::Path;
use std::sync::Mutex;

use super::customer_rows::{CustomerRow, CustomerRows, NO_LABEL, Shape};
use super::dates::DateReader;
use super::field::Field;
use super::grouping::{Grouping, cohorts_need_dates};
use super::ingest::{IngestReport, Sizes, labels};
use super::labels::{LabelReader, Labels};
use super::rejects::{Reject, RejectLog, lock, shown};
use super::rfm_scores::{RfmCounts, RfmSteps};
use super::rows::{Address, Consumer, IngestProgress, Reading};
use super::rules::Rules;
use super::runs::Runs;
use super::source::Source;
use super::summarize::SummaryFacts;
use super::summarize_into::{fixed_labels, write_merged};
use super::summary_files::{Budget, GroupOf, PendingSummary, SummaryFiles, groups_at_once, pending_folder};
use super::summary_row::{Checks, check_kind, group_columns};
use super::weekly::WeeklyRepeats;
use crate::error::{Error, Result};

/// Reads a source of customer summaries and writes `summary.parquet`, `cells.parquet`, `spend.parquet` and an empty
/// `weekly.parquet` for `out_dir`, where `rejects.csv` is written too. The files stand in `out_dir/summary.partial` until
/// [`PendingSummary::publish`].
///
/// Every row must have: x a whole number, 0 ≤ t_x ≤ T, t_x = 0 exactly when x = 0, m ≥ 0, everything finite, no customer twice (the
/// first in the order of files and lines counts). Other rows are rejected. Time is in time units already. A row of
/// [`Kind::Contracts`](super::Kind::Contracts) must have a whole age, above 0 if the customer was lost. A row with a weight becomes
/// so many customers.
///
/// Memory: about 0.6 GiB however many customers there are; what does not fit is spilled into `out_dir/summary.partial`. The files'
/// bytes depend on the customers alone. Progress is told as bytes read, from the beginning again when the source is not sorted.
///
/// # Errors
/// When a file or a column is missing, a file cannot be read as described, no customer is left, more than
/// `rules.max_reject_share` of the rows are rejected, or the files cannot be written.
pub fn ingest_summary_into(
    source: &Source,
    rules: &Rules,
    grouping: &Grouping,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<(PendingSummary, IngestReport)> {
    let sizes = Sizes::default();
    ingest_summary_within(source, rules, grouping, out_dir, progress, sizes.block_bytes, &Budget::default())
}

pub(super) fn ingest_summary_within(
    source: &Source,
    rules: &Rules,
    grouping: &Grouping,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
    block_bytes: usize,
    budget: &Budget,
) -> Result<(PendingSummary, IngestReport)> {
    check_kind(source)?;
    rules.check()?;
    let group_columns = group_columns(source, grouping)?;
    if !grouping.cohort_days().is_empty() {
        return Err(cohorts_need_dates());
    }
    // A pattern that no date will ever meet is still told.
    DateReader::new(source.date_format.as_deref(), None, None)?;
    let make = || {
        let reading = Reading::new(source, block_bytes, progress)?;
        let checks = Checks::of(source, rules, labels(&reading.wanted), group_columns.clone());
        let shared = Shared { checks, labels: fixed_labels(grouping), rejects: RejectLog::default() };
        Ok::<_, Error>(Pass { reading, shared, rules, grouping, out_dir, budget })
    };
    // The classes of RFM depend on all customers, so nothing can be written while reading; and rows that stand for several customers
    // do not come sorted.
    if *grouping != Grouping::RfmClass
        && source.columns.weight.is_none()
        && let Some(made) = make()?.write_through()?
    {
        return Ok(made);
    }
    make()?.write_sorted()
}

struct Shared {
    checks: Checks,
    labels: Labels,
    rejects: RejectLog,
}

/// One pass over the source.
struct Pass<'a> {
    reading: Reading<'a>,
    shared: Shared,
    rules: &'a Rules,
    grouping: &'a Grouping,
    out_dir: &'a Path,
    budget: &'a Budget,
}

/// Rows of the source.
#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    seen: u64,
    rejected: u64,
}

impl Pass<'_> {
    fn begin_files(&self, folder: std::path::PathBuf, shape: Shape) -> Result<SummaryFiles> {
        SummaryFiles::create(self.out_dir, folder, shape, self.grouping.column().as_deref(), self.budget)
    }

    /// Writes while reading; gives up, with nothing, at the first customer who is not greater than the one before.
    fn write_through(self) -> Result<Option<(PendingSummary, IngestReport)>> {
        let shape = Shape { addressed: false, dated: false, held_out: false };
        let mut files = self.begin_files(pending_folder(self.out_dir)?, shape)?;
        let mut counts = Counts::default();
        let mut waiting = Waiting { chunks: vec![CustomerRows::new(shape)], last: None };
        let consumer = || Customers::new(&self.shared, shape, None);
        let is_sorted = self.reading.run_in_order(&consumer, &mut |block| {
            counts.seen += block.seen;
            counts.rejected += block.rejects.len() as u64;
            self.shared.rejects.extend(block.rejects);
            if !waiting.take(&block.rows, self.budget.rows) {
                return Ok(false);
            }
            if waiting.chunks.len() > groups_at_once() {
                let whole = waiting.chunks.len() - 1;
                files.write(waiting.chunks.drain(..whole).collect(), &self.shared.labels, &stored_group)?;
            }
            Ok(true)
        })?;
        if !is_sorted {
            return Ok(None);
        }
        let rest = waiting.chunks.into_iter().filter(|chunk| chunk.len() > 0).collect();
        files.write(rest, &self.shared.labels, &stored_group)?;
        self.finish(files, counts).map(Some)
    }

    /// Reads into sorted runs and merges them.
    fn write_sorted(self) -> Result<(PendingSummary, IngestReport)> {
        let folder = pending_folder(self.out_dir)?;
        let shape = Shape { addressed: true, dated: false, held_out: false };
        let runs = Runs::new(shape, self.budget.runs_bytes, folder.join("spill-runs"));
        let sink = Sink { runs, counts: Mutex::default() };
        self.reading.run(&|| Customers::new(&self.shared, shape, Some(&sink)))?;
        let Sink { runs, counts } = sink;
        let mut counts = *lock(&counts);
        let mut twice = |id: &str, kept: u64, later: u64| {
            counts.rejected += 1;
            self.shared.rejects.extend(vec![self.came_before(id, kept, later)]);
        };
        let mut files = self.begin_files(folder.clone(), shape)?;
        let labels = &self.shared.labels;
        if *self.grouping == Grouping::RfmClass {
            let (runs, steps) = self.score(runs, &folder, &mut twice)?;
            let class: &GroupOf<'_> = &|rows, i| steps.class(rows, i) as u32;
            write_merged(runs.merge()?, &mut files, labels, class, self.budget, twice, |_| {})?;
        } else {
            write_merged(runs.merge()?, &mut files, labels, &stored_group, self.budget, twice, |_| {})?;
        }
        self.finish(files, counts)
    }

    /// Merges runs into others without those who come twice, who would count twice, and finds the steps between scores.
    fn score(&self, runs: Runs, folder: &Path, twice: &mut dyn FnMut(&str, u64, u64)) -> Result<(Runs, RfmSteps)> {
        let shape = Shape { addressed: true, dated: false, held_out: false };
        let values = RfmCounts::new(self.budget.cells_bytes / 4, folder);
        let once = Runs::new(shape, self.budget.runs_bytes, folder.join("spill-runs-once"));
        let mut merge = runs.merge()?;
        let mut customers = 0;
        loop {
            let rows = merge.next_rows(self.budget.rows, &mut *twice)?;
            if rows.len() == 0 {
                return Ok((once, values.steps(customers)?));
            }
            customers += rows.len() as u64;
            values.add(&rows)?;
            once.add(&rows)?;
        }
    }

    fn came_before(&self, id: &str, kept: u64, later: u64) -> Reject {
        let (kept, later) = (Place::of(kept), Place::of(later));
        let file = self.reading.files[kept.file].display();
        Reject {
            file: later.file,
            line: later.line,
            column: self.shared.checks.labels[0].clone(),
            value: shown(id),
            reason: format!("appears before, on line {} of {file}", kept.line),
        }
    }

    fn finish(self, files: SummaryFiles, counts: Counts) -> Result<(PendingSummary, IngestReport)> {
        if counts.seen == 0 {
            return Err(Error::new("the input has no rows")
                .at(self.reading.source.paths.join(", "))
                .advice("only header or blank lines were found"));
        }
        let Shared { checks, labels, rejects } = self.shared;
        let path = self.out_dir.join("rejects.csv");
        rejects.settle(&path, &self.reading.files, counts.rejected, counts.seen, self.rules.max_reject_share)?;
        if files.customers() == 0 {
            return Err(Error::new("no customer is left: every row was rejected").at(path.display()));
        }
        let pending = files.finish(&labels, &WeeklyRepeats::default(), None, SummaryFacts::default(), self.budget)?;
        let customers = pending.facts.customers;
        let report = IngestReport {
            rows: counts.seen,
            rejected: counts.rejected,
            purchases: customers,
            customers,
            ..IngestReport::new(&self.reading, checks.has_monetary)
        };
        Ok((pending, report))
    }
}

fn stored_group(rows: &CustomerRows, i: usize) -> u32 {
    rows.label[i]
}

/// File and line of a row in one number that sorts as the two do.
struct Place {
    file: usize,
    line: u64,
}

impl Place {
    /// Bits of the line: a file of 10¹² lines is larger than any disk.
    const LINE_BITS: u32 = 40;

    fn number(at: Address) -> u64 {
        (at.file as u64) << Self::LINE_BITS | at.line
    }

    fn of(number: u64) -> Self {
        Self { file: (number >> Self::LINE_BITS) as usize, line: number & ((1 << Self::LINE_BITS) - 1) }
    }
}

/// Sorted customers on their way into row groups of equal size.
struct Waiting {
    /// Whole row groups, and one that is not.
    chunks: Vec<CustomerRows>,
    last: Option<String>,
}

impl Waiting {
    /// Takes over the next rows, if all of them are greater than those before and than each other; says whether they are.
    fn take(&mut self, rows: &CustomerRows, group_rows: usize) -> bool {
        if rows.len() == 0 {
            return true;
        }
        if self.last.as_deref().is_some_and(|last| last >= &rows.id[0]) || !rows.is_strictly_sorted() {
            return false;
        }
        self.last = Some(rows.id[rows.len() - 1].to_owned());
        for i in 0..rows.len() {
            match self.chunks.last_mut() {
                Some(chunk) if chunk.len() < group_rows => chunk.push(rows.row(i)),
                _ => {
                    let mut chunk = CustomerRows::new(rows.shape);
                    chunk.push(rows.row(i));
                    self.chunks.push(chunk);
                }
            }
        }
        true
    }
}

/// Where customers go that are not written through.
struct Sink {
    runs: Runs,
    counts: Mutex<Counts>,
}

/// Customers that one sorted run holds at most.
const RUN_ROWS: usize = 1 << 18;

/// Judges the rows of one block.
struct Customers<'a> {
    shared: &'a Shared,
    labels: LabelReader<'a>,
    rows: CustomerRows,
    rejects: Vec<Reject>,
    seen: u64,
    sink: Option<&'a Sink>,
    /// The first failure to add a run.
    outcome: Result<()>,
}

impl<'a> Customers<'a> {
    fn new(shared: &'a Shared, shape: Shape, sink: Option<&'a Sink>) -> Self {
        Self {
            shared,
            labels: LabelReader::new(&shared.labels),
            rows: CustomerRows::new(shape),
            rejects: Vec::new(),
            seen: 0,
            sink,
            outcome: Ok(()),
        }
    }
}

impl Consumer for Customers<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        let row = match self.shared.checks.judge(at, fields) {
            Ok(row) => row,
            Err((i, reason)) => {
                return self.malformed(at, &self.shared.checks.labels[i], &fields[i].text(), &reason);
            }
        };
        self.seen += 1;
        let label = match &row.group {
            Some(group) => self.labels.number(group),
            None if self.shared.checks.group_columns.is_empty() => 0,
            None => NO_LABEL,
        };
        for id in row.ids() {
            self.rows.push(CustomerRow {
                id: &id,
                at: Place::number(at),
                first: 0,
                frequency: row.x,
                recency: row.t_x,
                age: row.age,
                monetary: row.m,
                label,
                holdout_purchases: 0,
                holdout_spend: 0.0,
            });
            if let Some(sink) = self.sink
                && self.rows.len() >= RUN_ROWS
                && self.outcome.is_ok()
            {
                self.outcome = sink.runs.add(&self.rows);
                self.rows = CustomerRows::new(self.rows.shape);
            }
        }
    }

    fn malformed(&mut self, at: Address, column: &str, value: &str, reason: &str) {
        self.seen += 1;
        self.rejects.push(Reject {
            file: at.file,
            line: at.line,
            column: column.to_owned(),
            value: shown(value),
            reason: reason.to_owned(),
        });
    }

    fn finish(self) -> Result<()> {
        self.outcome?;
        if let Some(sink) = self.sink {
            sink.runs.add(&self.rows)?;
            let mut counts = lock(&sink.counts);
            counts.seen += self.seen;
            counts.rejected += self.rejects.len() as u64;
        }
        self.shared.rejects.extend(self.rejects);
        Ok(())
    }
}
