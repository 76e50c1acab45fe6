//! A source that already holds one row per customer (`data.kind = "summary"` or `"contracts"`), read and checked into a `Summary`.

use std::path::Path;
use std::sync::Mutex;

use super::dates::DateReader;
use super::field::Field;
use super::group_tree::has_part;
use super::grouping::{Grouping, MISSING_LABEL, cohorts_need_dates};
use super::ingest::{IngestReport, Sizes, labels};
use super::rejects::{Reject, RejectLog, lock, shown};
use super::rows::{Address, Consumer, IngestProgress, Reading};
use super::rules::Rules;
use super::source::Source;
use super::summarize::SummaryFacts;
use super::summary::Summary;
use super::summary_row::{Checks, check_kind, group_columns};
use crate::error::{Error, Result};

/// Reads a source of customer summaries: x a whole number, 0 ≤ t_x ≤ T, t_x = 0 exactly when x = 0, m ≥ 0, everything finite, no
/// customer twice. Times are in the model's time units as they stand. Rejected rows go to `out_dir/rejects.csv`.
///
/// # Errors
/// As [`super::ingest`]; also when the grouping needs dates, which summaries do not have.
pub fn ingest_summary(
    source: &Source,
    rules: &Rules,
    grouping: &Grouping,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<(Summary, SummaryFacts, IngestReport)> {
    check_kind(source)?;
    rules.check()?;
    let group_columns = group_columns(source, grouping)?;
    if !grouping.cohort_days().is_empty() {
        return Err(cohorts_need_dates());
    }
    let (grouped, nested) = (!group_columns.is_empty(), group_columns.len() > 1);
    // A pattern that no date will ever meet is still told.
    DateReader::new(source.date_format.as_deref(), None, None)?;
    let reading = Reading::new(source, Sizes::default().block_bytes, progress)?;
    std::fs::create_dir_all(out_dir).map_err(|e| Error::io("make the output folder", out_dir, e))?;
    let shared = Shared {
        checks: Checks::of(source, rules, labels(&reading.wanted), group_columns),
        rejects: RejectLog::default(),
        found: Mutex::default(),
    };
    reading.run(&|| Customers { shared: &shared, rows: Vec::new(), rejects: Vec::new(), seen: 0 })?;

    let Shared { checks: Checks { labels, has_monetary, .. }, rejects, found } = shared;
    let (mut rows, seen, mut rejected) = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    if seen == 0 {
        return Err(Error::new("the input has no rows")
            .at(source.paths.join(", "))
            .advice("only header or blank lines were found"));
    }
    rows.sort_unstable_by(|a, b| a.id.cmp(&b.id).then(a.at.cmp(&b.at)));
    let mut twice = Vec::new();
    rows.dedup_by(|later, kept| {
        let same = later.id == kept.id;
        if same {
            let reason =
                format!("appears before, on line {} of {}", kept.at.line, reading.files[kept.at.file].display());
            twice.push(Reject {
                file: later.at.file,
                line: later.at.line,
                column: labels[0].clone(),
                value: shown(&later.id),
                reason,
            });
        }
        same
    });
    rejected += twice.len() as u64;
    rejects.extend(twice);
    rejects.settle(&out_dir.join("rejects.csv"), &reading.files, rejected, seen, rules.max_reject_share)?;
    if rows.is_empty() {
        return Err(Error::new("no customer is left: every row was rejected").at(out_dir.join("rejects.csv").display()));
    }

    let mut summary = Summary::default();
    let mut group_labels = Vec::with_capacity(rows.len());
    let mut group_missing = 0;
    for row in rows {
        summary.customer_id.push(&row.id);
        summary.frequency.push(row.x);
        summary.recency.push(row.t_x);
        summary.age.push(row.age);
        summary.monetary.push(row.m);
        let in_path = |label: &String| nested && has_part(label, MISSING_LABEL);
        group_missing += u64::from(grouped && row.group.as_ref().is_none_or(in_path));
        group_labels.push(row.group.unwrap_or_else(|| MISSING_LABEL.to_owned()));
    }
    grouping.apply(&mut summary, &group_labels);
    let facts = SummaryFacts { group_missing, ..SummaryFacts::of(&summary) };
    let customers = summary.len() as u64;
    let report = IngestReport {
        rows: seen,
        rejected,
        purchases: customers,
        customers,
        ..IngestReport::new(&reading, has_monetary)
    };
    Ok((summary, facts, report))
}

/// One customer, checked.
struct Row {
    id: String,
    at: Address,
    x: u32,
    t_x: f64,
    age: f64,
    m: f64,
    group: Option<String>,
}

struct Shared {
    checks: Checks,
    rejects: RejectLog,
    /// Rows kept, rows seen, rows rejected.
    found: Mutex<(Vec<Row>, u64, u64)>,
}

/// Judges the rows of one block.
struct Customers<'a> {
    shared: &'a Shared,
    rows: Vec<Row>,
    rejects: Vec<Reject>,
    seen: u64,
}

impl Consumer for Customers<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        match self.shared.checks.judge(at, fields) {
            Ok(row) => {
                self.seen += 1;
                let group = row.group.as_deref().map(str::to_owned);
                self.rows.extend(row.ids().map(|id| Row {
                    id: id.into_owned(),
                    at,
                    x: row.x,
                    t_x: row.t_x,
                    age: row.age,
                    m: row.m,
                    group: group.clone(),
                }));
            }
            Err((i, reason)) => self.malformed(at, &self.shared.checks.labels[i], &fields[i].text(), &reason),
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
        let mut found = lock(&self.shared.found);
        found.0.extend(self.rows);
        found.1 += self.seen;
        found.2 += self.rejects.len() as u64;
        drop(found);
        self.shared.rejects.extend(self.rejects);
        Ok(())
    }
}
