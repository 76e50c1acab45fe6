//! The rows of some files of a source, judged: what is a purchase, what is left out, what is rejected. Nothing here knows what the table
//! held before.

use std::collections::BTreeSet;
use std::sync::Mutex;

use chrono::NaiveDate;

use super::manifest::Counts;
use crate::data::amount;
use crate::data::dates::DateReader;
use crate::data::field::Field;
use crate::data::forgotten::Forgotten;
use crate::data::ingest::labels;
use crate::data::month::Month;
use crate::data::rejects::{Reject, RejectLog, lock, shown};
use crate::data::rows::{Address, Consumer, Reading};
use crate::data::rules::{NegativeAmounts, Rules, ZeroAmounts};
use crate::data::shuffle::{Scattered, Shuffle};
use crate::data::table_file::days_of;
use crate::error::Result;

/// A rejected row, with its customer where one could be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Refused {
    pub(super) reject: Reject,
    pub(super) customer: Option<String>,
}

impl Refused {
    /// Whether it would name a forgotten customer.
    pub(super) fn names_one_of(&self, forgotten: &Forgotten) -> bool {
        forgotten.contains(&self.reject.value) || self.customer.as_ref().is_some_and(|id| forgotten.contains(id))
    }
}

/// What the reading of one file found.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) counts: Counts,
    pub(super) months: BTreeSet<Month>,
    pub(super) last_date: Option<NaiveDate>,
    pub(super) future_date: Option<NaiveDate>,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.counts.add(&other.counts);
        self.months.extend(other.months);
        self.last_date = self.last_date.max(other.last_date);
        self.future_date = [self.future_date, other.future_date].into_iter().flatten().min();
    }
}

/// The lines of some files.
pub(super) struct Lines {
    pub(super) shuffle: Shuffle,
    /// Of each file that was read.
    pub(super) tallies: Vec<Tally>,
    /// The first rejected rows of these files; their files are places in the listing.
    pub(super) refused: Vec<Refused>,
}

/// Reads the files of `reading`, whose places in the listing are `places`.
pub(super) fn read_lines(
    reading: &Reading<'_>,
    places: &[u32],
    rules: &Rules,
    forgotten: &Forgotten,
    shuffle: Shuffle,
) -> Result<Lines> {
    let source = reading.source;
    let dates = |latest| DateReader::new(source.date_format.as_deref(), rules.time_zone, latest);
    let judge = Judge {
        rules,
        forgotten,
        places,
        dates: dates(rules.latest_date)?,
        all_dates: dates(None)?,
        labels: labels(&reading.wanted),
        has_amounts: source.columns.amount.is_some(),
        shuffle,
        refused: RejectLog::default(),
        tallies: places.iter().map(|_| Mutex::default()).collect(),
    };
    reading.run(&|| Purchases::new(&judge))?;
    let Judge { shuffle, refused, tallies, .. } = judge;
    let tallies =
        tallies.into_iter().map(|t| t.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)).collect();
    Ok(Lines { shuffle, tallies, refused: refused.into_first() })
}

/// What all blocks share.
struct Judge<'a> {
    rules: &'a Rules,
    forgotten: &'a Forgotten,
    places: &'a [u32],
    dates: DateReader,
    /// Reads dates in the future too.
    all_dates: DateReader,
    labels: Vec<String>,
    has_amounts: bool,
    shuffle: Shuffle,
    refused: RejectLog<Refused>,
    tallies: Vec<Mutex<Tally>>,
}

/// Judges the rows of one block.
struct Purchases<'a> {
    judge: &'a Judge<'a>,
    scattered: Scattered,
    refused: Vec<Refused>,
    /// The file that the block is of, once a row was seen.
    file: Option<usize>,
    tally: Tally,
    /// The month of the last row.
    month: Option<Month>,
}

/// What becomes of a row that is not kept.
enum Verdict {
    Rejected { field: usize, reason: String },
    DroppedZero,
    DroppedNegative,
    Forgotten,
}

impl<'a> Purchases<'a> {
    fn new(judge: &'a Judge<'a>) -> Self {
        Self {
            judge,
            scattered: Scattered::new(judge.shuffle.parts()),
            refused: Vec::new(),
            file: None,
            tally: Tally::default(),
            month: None,
        }
    }

    fn row_of(&mut self, at: Address, fields: &[Field<'_>]) -> Result<(), Verdict> {
        let (judge, tally) = (self.judge, &mut self.tally);
        self.file = Some(at.file);
        tally.counts.rows += 1;
        let rejected = |field, reason| Verdict::Rejected { field, reason };
        let customer = match fields[0] {
            Field::Missing => return Err(rejected(0, "is missing".to_owned())),
            Field::Unreadable(kind) => return Err(rejected(0, format!("cannot be read from Parquet type {kind}"))),
            field => field.text(),
        };
        let date = judge.dates.read(&fields[1]).map_err(|reason| {
            if let Ok(future) = judge.all_dates.read(&fields[1]) {
                tally.future_date = Some(tally.future_date.map_or(future, |known| known.min(future)));
            }
            rejected(1, reason)
        })?;
        tally.last_date = tally.last_date.max(Some(date));
        let mut units = 0;
        if judge.has_amounts {
            let amount = amount::read(&fields[2]).map_err(|reason| rejected(2, reason))?;
            units = amount.units;
            match units.signum() {
                -1 => match judge.rules.negative_amounts {
                    NegativeAmounts::Error => {
                        return Err(rejected(
                            2,
                            "is negative (data.negative_amounts = \"drop\" leaves such rows out, \"net\" takes them off the day's purchases)".to_owned(),
                        ));
                    }
                    NegativeAmounts::Drop => return Err(Verdict::DroppedNegative),
                    NegativeAmounts::Net => {}
                },
                0 => match judge.rules.zero_amounts {
                    ZeroAmounts::Error => {
                        return Err(rejected(
                            2,
                            "is zero (data.zero_amounts = \"keep\" or \"drop\" accepts such rows)".to_owned(),
                        ));
                    }
                    ZeroAmounts::Drop => return Err(Verdict::DroppedZero),
                    ZeroAmounts::Keep => tally.counts.kept_zero += 1,
                },
                _ => {}
            }
            tally.counts.rounded += u64::from(amount.rounded);
        }
        let month = Month::of(date);
        if self.month != Some(month) {
            self.month = Some(month);
            tally.months.insert(month);
        }
        if judge.forgotten.contains(&customer) {
            return Err(Verdict::Forgotten);
        }
        let own = 2 + usize::from(judge.has_amounts);
        let extra: Vec<_> = fields[own..].iter().map(Field::text).collect();
        let values = extra.iter().map(|v| (!v.is_empty()).then_some(&**v));
        let row = (&*customer, days_of(date), units);
        self.scattered.push(month, row, (judge.places[at.file], at.place), values);
        Ok(())
    }

    fn refuse(&mut self, at: Address, column: &str, value: &str, reason: &str, customer: Option<String>) {
        let reject = Reject {
            file: self.judge.places[at.file] as usize,
            line: at.line,
            column: column.to_owned(),
            value: shown(value),
            reason: reason.to_owned(),
        };
        let refused = Refused { reject, customer };
        let counts = &mut self.tally.counts;
        counts.rejected += 1;
        if refused.names_one_of(self.judge.forgotten) {
            counts.hidden += 1;
        } else {
            self.refused.push(refused);
        }
    }
}

impl Consumer for Purchases<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        let Err(verdict) = self.row_of(at, fields) else { return };
        let (judge, counts) = (self.judge, &mut self.tally.counts);
        match verdict {
            Verdict::DroppedZero => counts.dropped_zero += 1,
            Verdict::DroppedNegative => counts.dropped_negative += 1,
            Verdict::Forgotten => counts.forgotten += 1,
            Verdict::Rejected { field, reason } => {
                let customer = match fields[0] {
                    Field::Missing | Field::Unreadable(_) => None,
                    field => Some(field.text().into_owned()),
                };
                self.refuse(at, &judge.labels[field], &fields[field].text(), &reason, customer);
            }
        }
    }

    fn malformed(&mut self, at: Address, column: &str, value: &str, reason: &str) {
        self.file = Some(at.file);
        self.tally.counts.rows += 1;
        self.refuse(at, column, value, reason, None);
    }

    fn finish(self) -> Result<()> {
        if let Some(file) = self.file {
            lock(&self.judge.tallies[file]).add(self.tally);
        }
        self.judge.refused.extend(self.refused);
        self.judge.shuffle.add(self.scattered)
    }
}
