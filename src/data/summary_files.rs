//! The files of a summary, written while customers stream by in order of their identifiers: `summary.parquet`, `holdout.parquet`,
//! `cells.parquet`, `spend.parquet`, `weekly.parquet`. At no time are all customers in memory.
//!
//! Everything is written into a folder of its own and moved into place by [`PendingSummary::publish`], so that a killed program
//! leaves no half file among the finished ones. Where the customers come from is told in `summarize_into` and `summary_into`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Date32Array, Float64Array, RecordBatch, StringArray, UInt32Array};
use arrow_schema::{DataType, Field as ArrowField, Schema as ArrowSchema, SchemaRef};
use rayon::prelude::*;

use super::customer_rows::{CustomerRows, NO_LABEL, Shape};
use super::group_tree::has_part;
use super::grouping::MISSING_LABEL;
use super::labels::Labels;
use super::observation_files::{self, CELLS_FILE, SPEND_FILE};
use super::row_groups::{Encoded, RowGroups};
use super::spill::fresh_folder;
use super::summarize::SummaryFacts;
use super::summary::Groups;
use super::tally::Tally;
use super::weekly::WeeklyRepeats;
use super::{holdout, summary};
use crate::error::{Error, Result};

/// Where files stand until they are published, in the folder that will hold them.
const PENDING_FOLDER: &str = "summary.partial";

/// How much is held in memory. Decides `rows` of the row groups; the rest changes nothing in the files.
#[derive(Debug, Clone, Copy)]
pub(super) struct Budget {
    /// Sorted runs of customers; while they are merged, windows on spilled runs take as much again.
    pub(super) runs_bytes: usize,
    /// Cells while they are counted, and half of it again for spend.
    pub(super) cells_bytes: usize,
    /// Customers in one row group.
    pub(super) rows: usize,
}

impl Default for Budget {
    fn default() -> Self {
        Self { runs_bytes: 192 << 20, cells_bytes: 128 << 20, rows: 1 << 18 }
    }
}

/// Row groups that are encoded at once; each holds some 30 MiB while it is.
pub(super) fn groups_at_once() -> usize {
    rayon::current_num_threads().clamp(1, 8)
}

/// The group of a customer whose row does not say it yet.
pub(super) type GroupOf<'a> = dyn Fn(&CustomerRows, usize) -> u32 + Sync + 'a;

/// The files of one summary while customers arrive.
pub(super) struct SummaryFiles {
    folder: Pending,
    out_dir: PathBuf,
    shape: Shape,
    column: Option<String>,
    summary: RowGroups,
    summary_schema: SchemaRef,
    holdout: Option<RowGroups>,
    cells: Tally<3>,
    spend: Tally<2>,
    totals: Totals,
}

/// The folder of files that are not published yet; it goes with its owner.
struct Pending(PathBuf);

impl Drop for Pending {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next start.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// What adds up over customers.
#[derive(Debug, Clone, Default, PartialEq)]
struct Totals {
    customers: u64,
    one_time: u64,
    repeats: u64,
    spenders: u64,
    holdout_purchases: u64,
    unlabelled: u64,
    spend_range: Option<(f64, f64)>,
    /// Customers by number of their label.
    by_label: Vec<u64>,
}

/// The finished files of a summary, not yet in their places.
#[derive(Debug)]
pub struct PendingSummary {
    /// What the summary was made of.
    pub facts: SummaryFacts,
    /// The groups of partial pooling.
    pub groups: Groups,
    /// Customers of each group.
    pub group_customers: Vec<u64>,
    /// Smallest and largest mean spend of customers with x > 0 and m > 0; none without such customers.
    pub spend_range: Option<(f64, f64)>,
    /// Length of the holdout window in time units, if there is one.
    pub holdout_length: Option<f64>,
    folder: Pending,
    out_dir: PathBuf,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// Every file that belongs to a summary.
const FILES: [&str; 5] = ["summary.parquet", "holdout.parquet", "weekly.parquet", CELLS_FILE, SPEND_FILE];

impl PendingSummary {
    /// Moves the files into the folder that they were made for; those of an earlier summary go, also those that this one does
    /// not have.
    ///
    /// # Errors
    /// When a file cannot be replaced.
    pub fn publish(self) -> Result<()> {
        for name in FILES {
            let (from, to) = (self.folder.0.join(name), self.out_dir.join(name));
            if from.exists() {
                std::fs::rename(&from, &to).map_err(|e| Error::io("name the finished table", &to, e))?;
            } else if to.exists() {
                std::fs::remove_file(&to).map_err(|e| Error::io("remove the old table", &to, e))?;
            }
        }
        Ok(())
    }
}

/// Makes the folder in which the files of `out_dir` are prepared, empty.
pub(super) fn pending_folder(out_dir: &Path) -> Result<PathBuf> {
    let folder = out_dir.join(PENDING_FOLDER);
    fresh_folder(&folder)?;
    Ok(folder)
}

impl SummaryFiles {
    /// Begins the files of `out_dir` in `folder` (of [`pending_folder`]). `column` is the grouping column's name.
    pub(super) fn create(
        out_dir: &Path,
        folder: PathBuf,
        shape: Shape,
        column: Option<&str>,
        budget: &Budget,
    ) -> Result<Self> {
        let mut fields = vec![ArrowField::new("customer_id", DataType::Utf8, false)];
        if shape.dated {
            fields.push(ArrowField::new("first_purchase", DataType::Date32, false));
        }
        fields.push(ArrowField::new("frequency", DataType::UInt32, false));
        fields.extend(["recency", "age", "monetary"].map(|n| ArrowField::new(n, DataType::Float64, false)));
        fields.extend(column.map(|name| ArrowField::new(name, DataType::Utf8, false)));
        let schema = Arc::new(ArrowSchema::new(fields));
        let path = folder.join("summary.parquet");
        let summary = RowGroups::create(&path, summary::VERSION, Arc::clone(&schema), &["customer_id"])?;
        let holdout = if shape.held_out {
            let path = folder.join("holdout.parquet");
            Some(RowGroups::create(&path, holdout::VERSION, holdout::schema(), &["customer_id"])?)
        } else {
            None
        };
        Ok(Self {
            cells: Tally::new(budget.cells_bytes, folder.join("spill-cells")),
            spend: Tally::new(budget.cells_bytes / 2, folder.join("spill-spend")),
            folder: Pending(folder),
            out_dir: out_dir.to_owned(),
            shape,
            column: column.map(str::to_owned),
            summary,
            summary_schema: schema,
            holdout,
            totals: Totals::default(),
        })
    }

    /// Appends the next customers, each element as a row group.
    pub(super) fn write(&mut self, chunks: Vec<CustomerRows>, labels: &Labels, group_of: &GroupOf<'_>) -> Result<()> {
        let missing = labels.number(MISSING_LABEL);
        let names = labels.by_number();
        let this = &*self;
        let made: Vec<(Encoded, Option<Encoded>, Totals)> = chunks
            .into_par_iter()
            .map(|mut rows| {
                let unlabelled = this.resolve_groups(&mut rows, missing, group_of);
                let totals = Totals { unlabelled, ..this.count(&rows, names.len()) };
                this.tally(&rows)?;
                let (summary, holdout) = this.batches(rows, &names)?;
                let summary = this.summary.encode(&summary)?;
                let holdout = match (&this.holdout, holdout) {
                    (Some(file), Some(batch)) => Some(file.encode(&batch)?),
                    _ => None,
                };
                Ok((summary, holdout, totals))
            })
            .collect::<Result<_>>()?;
        for (summary, holdout, totals) in made {
            self.summary.append(summary)?;
            if let (Some(file), Some(group)) = (&mut self.holdout, holdout) {
                file.append(group)?;
            }
            self.totals.add(&totals);
        }
        Ok(())
    }

    /// Gives every row its group's number; returns how many had none.
    fn resolve_groups(&self, rows: &mut CustomerRows, missing: u32, group_of: &GroupOf<'_>) -> u64 {
        let mut unlabelled = 0;
        for i in 0..rows.len() {
            let number = group_of(rows, i);
            unlabelled += u64::from(number == NO_LABEL);
            rows.label[i] = if number == NO_LABEL { missing } else { number };
        }
        unlabelled
    }

    fn count(&self, rows: &CustomerRows, labels: usize) -> Totals {
        let mut totals = Totals { customers: rows.len() as u64, by_label: vec![0; labels], ..Totals::default() };
        for i in 0..rows.len() {
            let (x, m) = (rows.frequency[i], rows.monetary[i]);
            totals.one_time += u64::from(x == 0);
            totals.repeats += u64::from(x);
            totals.by_label[rows.label[i] as usize] += 1;
            if x > 0 && m > 0.0 {
                totals.spenders += 1;
                totals.widen(m, m);
            }
        }
        totals.holdout_purchases = rows.holdout_purchases.iter().map(|&n| u64::from(n)).sum();
        totals
    }

    fn tally(&self, rows: &CustomerRows) -> Result<()> {
        let group_and_x = |i: usize| u64::from(rows.label[i]) << 32 | u64::from(rows.frequency[i]);
        // Times and spends are not negative, so their bits sort as they do.
        let cell = |i: usize| [group_and_x(i), rows.recency[i].to_bits(), rows.age[i].to_bits()];
        self.cells.add((0..rows.len()).map(cell).collect())?;
        let spends = (0..rows.len()).filter(|&i| rows.frequency[i] > 0 && rows.monetary[i] > 0.0);
        self.spend.add(spends.map(|i| [group_and_x(i), rows.monetary[i].to_bits()]).collect())
    }

    fn batches(&self, rows: CustomerRows, names: &[String]) -> Result<(RecordBatch, Option<RecordBatch>)> {
        let misfit = |e| Error::new("the columns of a table do not fit together").because(e);
        let ids: ArrayRef = Arc::new(StringArray::from_iter_values(rows.id.iter()));
        let mut columns = vec![Arc::clone(&ids)];
        if self.shape.dated {
            columns.push(Arc::new(Date32Array::from(rows.first)));
        }
        columns.push(Arc::new(UInt32Array::from(rows.frequency)));
        columns.extend([rows.recency, rows.age, rows.monetary].map(|v| Arc::new(Float64Array::from(v)) as ArrayRef));
        if self.column.is_some() {
            let labels = rows.label.iter().map(|&l| names[l as usize].as_str());
            columns.push(Arc::new(StringArray::from_iter_values(labels)));
        }
        let summary = RecordBatch::try_new(Arc::clone(&self.summary_schema), columns).map_err(misfit)?;
        let holdout = self.shape.held_out.then(|| {
            let columns: Vec<ArrayRef> = vec![
                ids,
                Arc::new(UInt32Array::from(rows.holdout_purchases)),
                Arc::new(Float64Array::from(rows.holdout_spend)),
            ];
            RecordBatch::try_new(holdout::schema(), columns).map_err(misfit)
        });
        Ok((summary, holdout.transpose()?))
    }

    /// Number of customers so far.
    pub(super) fn customers(&self) -> u64 {
        self.totals.customers
    }

    /// Refuses to go on when fewer customers came back than were put away: what was spilled to disk is not what is there.
    pub(super) fn check_customers(&self, put_away: u64) -> Result<()> {
        if self.customers() == put_away {
            return Ok(());
        }
        Err(Error::new("customers were lost between being written to disk and read back")
            .at(self.folder.0.display())
            .seen(format!("{} of {put_away}", self.customers()))
            .advice("the disk may be failing; check it and run again"))
    }

    /// Ends all files. `facts` are those that customers' rows do not tell; `holdout_length` is in time units.
    pub(super) fn finish(
        self,
        labels: &Labels,
        weekly: &WeeklyRepeats,
        holdout_length: Option<f64>,
        facts: SummaryFacts,
        budget: &Budget,
    ) -> Result<PendingSummary> {
        let Totals { customers, one_time, repeats, spenders, holdout_purchases, unlabelled, spend_range, by_label } =
            self.totals;
        let numbers = labels.sorted(&by_label);
        let names = labels.by_number();
        let groups = Groups {
            column: self.column.clone(),
            labels: numbers.iter().map(|&n| names[n as usize].clone()).collect(),
        };
        let group_customers: Vec<u64> = numbers.iter().map(|&n| by_label[n as usize]).collect();
        // On one level customers without a value have no label; a path says it in one of its parts.
        let in_paths = groups.labels.iter().zip(&group_customers).filter(|(label, _)| has_part(label, MISSING_LABEL));
        let unlabelled = if groups.is_nested() { in_paths.map(|(_, &n)| n).sum() } else { unlabelled };
        let folder = &self.folder.0;
        let column_fact: Vec<_> = self.column.iter().map(|c| (summary::GROUP_KEY, c.clone())).collect();
        self.summary.finish(&column_fact)?;
        if let Some(file) = self.holdout {
            file.finish(&[
                (holdout::LENGTH_KEY, holdout_length.unwrap_or_default().to_string()),
                (holdout::NEW_KEY, facts.new_customers.to_string()),
            ])?;
        }
        weekly.write_parquet(&folder.join("weekly.parquet"))?;
        let cells = observation_files::write_cells(folder, self.cells, &numbers, &groups, customers, budget.rows)?;
        observation_files::write_spend(folder, self.spend, &numbers, &groups, customers, budget.rows)?;
        Ok(PendingSummary {
            facts: SummaryFacts {
                customers,
                one_time_customers: one_time,
                repeat_purchases: repeats,
                spend_customers: spenders,
                cells,
                holdout_purchases,
                group_missing: if self.column.is_some() { unlabelled } else { 0 },
                ..facts
            },
            group_customers,
            groups,
            spend_range,
            holdout_length,
            folder: self.folder,
            out_dir: self.out_dir,
        })
    }
}

impl Totals {
    fn add(&mut self, other: &Self) {
        self.customers += other.customers;
        self.one_time += other.one_time;
        self.repeats += other.repeats;
        self.spenders += other.spenders;
        self.holdout_purchases += other.holdout_purchases;
        self.unlabelled += other.unlabelled;
        if let Some((low, high)) = other.spend_range {
            self.widen(low, high);
        }
        self.by_label.resize(self.by_label.len().max(other.by_label.len()), 0);
        self.by_label.iter_mut().zip(&other.by_label).for_each(|(sum, n)| *sum += n);
    }

    fn widen(&mut self, low: f64, high: f64) {
        let (known_low, known_high) = self.spend_range.unwrap_or((low, high));
        self.spend_range = Some((known_low.min(low), known_high.max(high)));
    }
}
