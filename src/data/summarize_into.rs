//! Purchases become the files of a summary, for more customers than memory holds. The parts of the table are folded on all cores,
//! each into a sorted run, and the runs are merged. What a purchase counts for is told in `summarize`, which does the same in memory.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Mutex;

use rayon::prelude::*;

use super::customer_rows::{CustomerRow, CustomerRows, NO_LABEL, Shape};
use super::grouping::{Grouping, RFM_LABELS, cohort_label, cohort_period, group_label};
use super::labels::{LabelReader, Labels};
use super::rejects::lock;
use super::rfm_scores::RfmCounts;
use super::rows::{IngestProgress, Meter};
use super::rules::Rules;
use super::runs::{Merge, Runs};
use super::summarize::{Customer, Folded, SummaryFacts, Window, Windows};
use super::summary_files::{Budget, GroupOf, PendingSummary, SummaryFiles, groups_at_once, pending_folder};
use super::table_file::days_of;
use super::transactions::{HashPart, TransactionTable};
use crate::error::{Error, Result};

/// What the parts of a table share while they are folded.
struct Folding<'a> {
    table: &'a TransactionTable,
    windows: &'a Windows<'a>,
    grouping: &'a Grouping,
    shape: Shape,
    labels: &'a Labels,
    runs: &'a Runs,
    rfm: Option<&'a RfmCounts>,
    sums: Mutex<Sums>,
}

#[derive(Default)]
struct Sums {
    weekly: Vec<u64>,
    new_customers: u64,
    lapsed_customers: u64,
    conflicts: u64,
    customers: u64,
}

impl TransactionTable {
    /// Writes what [`TransactionTable::summarize`] makes as files for `out_dir`: `summary.parquet`, `holdout.parquet` (when there
    /// is a holdout), `weekly.parquet`, `cells.parquet` and `spend.parquet`. They stand in `out_dir/summary.partial` until
    /// [`PendingSummary::publish`].
    ///
    /// Memory: about 0.6 GiB beside some 100 bytes for each customer and purchase of the largest part on every core, however many
    /// customers there are; the rest is spilled into `out_dir/summary.partial`. The files' bytes depend on the table alone.
    /// Progress is told as bytes of the table, twice: folding, then merging.
    ///
    /// # Errors
    /// As [`TransactionTable::summarize`], and when the files cannot be written.
    pub fn summarize_into(
        &self,
        window: &Window,
        rules: &Rules,
        grouping: &Grouping,
        out_dir: &Path,
        progress: &(dyn Fn(IngestProgress) + Sync),
    ) -> Result<PendingSummary> {
        self.summarize_within(window, rules, grouping, out_dir, progress, &Budget::default())
    }

    pub(super) fn summarize_within(
        &self,
        window: &Window,
        rules: &Rules,
        grouping: &Grouping,
        out_dir: &Path,
        progress: &(dyn Fn(IngestProgress) + Sync),
        budget: &Budget,
    ) -> Result<PendingSummary> {
        let windows = self.judge(window, rules, grouping)?;
        let folder = pending_folder(out_dir)?;
        let shape = Shape { addressed: false, dated: true, held_out: windows.holdout_end.is_some() };
        let labels = fixed_labels(grouping);
        let runs = Runs::new(shape, budget.runs_bytes, folder.join("spill-runs"));
        let rfm = (*grouping == Grouping::RfmClass).then(|| RfmCounts::new(budget.cells_bytes / 4, &folder));
        let bytes: u64 = self.parts.iter().map(|part| part.bytes).sum();
        let sums = {
            let meter = Meter::new(bytes, progress);
            let folding = Folding {
                table: self,
                windows: &windows,
                grouping,
                shape,
                labels: &labels,
                runs: &runs,
                rfm: rfm.as_ref(),
                sums: Mutex::default(),
            };
            self.parts.par_iter().try_for_each(|part| {
                folding.fold(part)?;
                meter.advance(part.bytes);
                meter.tell();
                Ok::<_, Error>(())
            })?;
            folding.sums.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if sums.customers == 0 {
            return Err(self.nobody(windows.calibration_end));
        }

        let steps = rfm.map(|counts| counts.steps(sums.customers)).transpose()?;
        let group_of: &GroupOf<'_> = match &steps {
            Some(steps) => &|rows, i| steps.class(rows, i) as u32,
            None => &|rows, i| rows.label[i],
        };
        let mut files = SummaryFiles::create(out_dir, folder, shape, grouping.column().as_deref(), budget)?;
        let meter = Meter::new(bytes, progress);
        let advanced = |rows| meter.tell_share(rows, sums.customers);
        write_merged(runs.merge()?, &mut files, &labels, group_of, budget, |_, _, _| {}, advanced)?;
        files.check_customers(sums.customers)?;

        let Windows { calibration_end, holdout_end, mut weekly, .. } = windows;
        weekly.repeats = sums.weekly;
        let length = holdout_end.map(|end| rules.units_between(calibration_end, end));
        let facts = SummaryFacts {
            new_customers: sums.new_customers,
            lapsed_customers: sums.lapsed_customers,
            group_conflicts: sums.conflicts,
            ..self.window_facts(window, calibration_end, holdout_end, rules, SummaryFacts::default())
        };
        let mut pending = files.finish(&labels, &weekly, length, facts, budget)?;
        if grouping.columns().is_empty() {
            pending.facts.group_missing = 0;
        }
        Ok(pending)
    }
}

/// The labels that rows refer to without looking: everyone's, or those of the RFM classes.
pub(super) fn fixed_labels(grouping: &Grouping) -> Labels {
    match grouping {
        Grouping::None => Labels::begin(&["all"]),
        Grouping::RfmClass => Labels::begin(&RFM_LABELS),
        Grouping::Levels { .. } => Labels::begin(&[]),
    }
}

impl Folding<'_> {
    fn fold(&self, part: &HashPart) -> Result<()> {
        let mut rows = CustomerRows::new(self.shape);
        let mut labels = PartLabels { reader: LabelReader::new(self.labels), cohorts: HashMap::new() };
        let mut conflicts = 0;
        let columns = self.grouping.columns();
        let Folded { weekly, new_customers, lapsed_customers } =
            self.table.fold_part(part, self.windows, columns, |customer| {
                // Only a column's values can change; for other groupings there are none.
                conflicts += u64::from(customer.group_conflict);
                let first = customer.first.unwrap_or_default();
                let units = |to| self.windows.rules.units_between(first, to);
                rows.push(CustomerRow {
                    id: &customer.id,
                    at: 0,
                    first: days_of(first),
                    frequency: customer.x,
                    recency: units(customer.last),
                    age: units(self.windows.calibration_end),
                    monetary: customer.monetary(),
                    label: self.label(customer, &mut labels),
                    holdout_purchases: customer.holdout_purchases,
                    holdout_spend: customer.holdout_spend(),
                });
                Ok(())
            })?;
        if let Some(rfm) = self.rfm {
            rfm.add(&rows)?;
        }
        self.runs.add(&rows)?;
        let mut sums = lock(&self.sums);
        sums.weekly.resize(weekly.len(), 0);
        sums.weekly.iter_mut().zip(&weekly).for_each(|(sum, n)| *sum += n);
        sums.new_customers += new_customers;
        sums.lapsed_customers += lapsed_customers;
        sums.conflicts += conflicts;
        sums.customers += rows.len() as u64;
        Ok(())
    }

    fn label(&self, customer: &Customer, labels: &mut PartLabels<'_>) -> u32 {
        let Grouping::Levels { cohort_days, .. } = self.grouping else { return 0 };
        let anchor = self.table.cohort_anchor(self.windows.rules);
        let cohort = |days: u32| (days, cohort_period(anchor, customer.first.unwrap_or_default(), days));
        let PartLabels { reader, cohorts } = labels;
        for (days, period) in cohort_days.iter().map(|&days| cohort(days)) {
            cohorts.entry((days, period)).or_insert_with(|| cohort_label(anchor, period, days));
        }
        let columns = customer.groups.iter().map(Option::as_deref);
        let periods = cohort_days.iter().map(|&days| cohorts.get(&cohort(days)).map(String::as_str));
        let parts: Vec<Option<&str>> = columns.chain(periods).collect();
        group_label(&parts).map_or(NO_LABEL, |label| reader.number(&label))
    }
}

struct PartLabels<'a> {
    reader: LabelReader<'a>,
    /// Labels of cohorts, by length and period.
    cohorts: HashMap<(u32, u64), String>,
}

/// Merges runs into files: while some row groups are encoded, the rows of the next ones are merged. `twice` is told of customers
/// that come again (see [`Merge::next_rows`]), `advanced` how many customers are written.
pub(super) fn write_merged(
    mut merge: Merge,
    files: &mut SummaryFiles,
    labels: &Labels,
    group_of: &GroupOf<'_>,
    budget: &Budget,
    mut twice: impl FnMut(&str, u64, u64) + Send,
    advanced: impl Fn(u64),
) -> Result<()> {
    let mut next = || {
        let mut chunks = Vec::new();
        while chunks.len() < groups_at_once() {
            let rows = merge.next_rows(budget.rows, &mut twice)?;
            if rows.len() == 0 {
                break;
            }
            chunks.push(rows);
        }
        Ok::<_, Error>(chunks)
    };
    let mut chunks = next()?;
    while !chunks.is_empty() {
        let (written, following) = rayon::join(|| files.write(chunks, labels, group_of), &mut next);
        written?;
        chunks = following?;
        advanced(files.customers());
    }
    Ok(())
}
