//! Reads the table of covariates for the customers of a summary. A customer may stand in many rows (a log repeats what is known of
//! its buyers); the first counts.

use std::path::Path;
use std::sync::Mutex;

use super::encode::{Raw, encode};
use super::{CovariateFacts, CovariateTable, Design};
use crate::data::columns::{COVARIATE_CUSTOMER_ROLE, COVARIATE_ROLE, Wanted};
use crate::data::field::Field;
use crate::data::ids::Ids;
use crate::data::ingest::Sizes;
use crate::data::labels::{LabelReader, Labels};
use crate::data::rejects::{Reject, RejectLog, lock, shown};
use crate::data::roles::Column;
use crate::data::rows::{Address, Consumer, IngestProgress, Reading};
use crate::error::{Error, Result};

/// Words that people and programs write where they know nothing.
const NOTHING: [&str; 8] = ["na", "n/a", "nan", "null", "none", "-", "?", "."];

/// The design of `customers` (sorted by their bytes), and what the table was like. Rows that cannot be used go to
/// `out_dir/covariate_rejects.csv`.
///
/// # Errors
/// A table without one of the columns, with too many rejected rows, with a column that is the same for everyone, or with missing values
/// where none are allowed.
pub fn read_covariates(
    table: &CovariateTable,
    customers: &Ids,
    out_dir: &Path,
    progress: &(dyn Fn(IngestProgress) + Sync),
) -> Result<(Design, CovariateFacts)> {
    let names: Vec<&String> = table.continuous.iter().chain(&table.categorical).collect();
    let customer = Wanted { role: COVARIATE_CUSTOMER_ROLE.to_owned(), column: table.customer.clone() };
    let columns =
        names.iter().map(|name| Wanted { role: COVARIATE_ROLE.to_owned(), column: Column::Name((*name).clone()) });
    let wanted: Vec<Wanted> = std::iter::once(customer).chain(columns).collect();
    let labels: Vec<Labels> = table.categorical.iter().map(|_| Labels::begin(&[])).collect();
    let reading = Reading::of(&table.source, wanted, Sizes::default().block_bytes, progress)?;
    let shared = Shared {
        names: &names,
        continuous: table.continuous.len(),
        labels: &labels,
        customers,
        rejects: RejectLog::default(),
        found: Mutex::new(Found {
            first: vec![NOWHERE; customers.len()],
            values: vec![f64::NAN; customers.len() * names.len()],
            conflict: vec![false; customers.len()],
            rows: 0,
            rejected: 0,
        }),
    };
    reading.run(&|| Block::new(&shared))?;
    let Shared { rejects, found, .. } = shared;
    let found = found.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    rejects.settle(
        &out_dir.join("covariate_rejects.csv"),
        &reading.files,
        found.rejected,
        found.rows,
        table.max_reject_share,
    )?;
    let absent = found.first.iter().filter(|&&at| at == NOWHERE).count() as u64;
    if absent == customers.len() as u64 {
        return Err(Error::new("no customer of the data stands in the table of covariates")
            .at(table.source.paths.join(", "))
            .seen(format!("{} rows", found.rows))
            .advice("check covariates.customer and how both files write their customers"));
    }
    let raw = Raw {
        continuous: &table.continuous,
        categorical: table.categorical.iter().cloned().zip(labels.iter().map(Labels::by_number)).collect(),
        values: &found.values,
        customers: customers.len(),
        absent,
        rejected: found.rejected,
    };
    let (design, missing) = encode(&raw, table.missing)?;
    let conflicts = found.conflict.iter().filter(|&&c| c).count() as u64;
    Ok((design, CovariateFacts { rows: found.rows, rejected: found.rejected, absent, conflicts, missing }))
}

/// The address of no row.
const NOWHERE: Address = Address { file: usize::MAX, place: u64::MAX, line: u64::MAX };

struct Shared<'a> {
    names: &'a [&'a String],
    /// How many of the names, the first ones, are continuous.
    continuous: usize,
    labels: &'a [Labels],
    customers: &'a Ids,
    rejects: RejectLog,
    found: Mutex<Found>,
}

/// What has been found, by customer.
struct Found {
    first: Vec<Address>,
    /// `[customer, column]`: a number, the number of a label, or NaN.
    values: Vec<f64>,
    conflict: Vec<bool>,
    rows: u64,
    rejected: u64,
}

/// The rows of one block.
struct Block<'a> {
    shared: &'a Shared<'a>,
    labels: Vec<LabelReader<'a>>,
    /// Of each usable row its customer and place; the values lie end to end.
    rows: Vec<(usize, Address)>,
    values: Vec<f64>,
    rejects: Vec<Reject>,
    seen: u64,
}

impl<'a> Block<'a> {
    fn new(shared: &'a Shared<'a>) -> Self {
        let labels = shared.labels.iter().map(LabelReader::new).collect();
        Self { shared, labels, rows: Vec::new(), values: Vec::new(), rejects: Vec::new(), seen: 0 }
    }

    /// The row of a customer in the summary.
    fn customer(&self, id: &str) -> Option<usize> {
        let ids = self.shared.customers;
        let (mut low, mut high) = (0, ids.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match ids[middle].cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        None
    }

    fn value(&mut self, column: usize, field: &Field<'_>) -> Result<f64, String> {
        let is_nothing = |text: &str| NOTHING.iter().any(|word| text.eq_ignore_ascii_case(word));
        match field {
            Field::Missing => Ok(f64::NAN),
            Field::Text(text) if is_nothing(text) => Ok(f64::NAN),
            Field::Float(value) if value.is_nan() => Ok(f64::NAN),
            Field::Float32(value) if value.is_nan() => Ok(f64::NAN),
            _ if column < self.shared.continuous => field.number(),
            Field::Unreadable(kind) => Err(format!("cannot be read from Parquet type {kind}")),
            _ => Ok(f64::from(self.labels[column - self.shared.continuous].number(&field.text()))),
        }
    }
}

impl Consumer for Block<'_> {
    fn row(&mut self, at: Address, fields: &[Field<'_>]) {
        let Some(customer) = self.customer(&fields[0].text()) else {
            self.seen += 1;
            return;
        };
        let start = self.values.len();
        for (column, field) in fields[1..].iter().enumerate() {
            match self.value(column, field) {
                Ok(value) => self.values.push(value),
                Err(reason) => {
                    self.values.truncate(start);
                    return self.malformed(at, self.shared.names[column], &field.text(), &reason);
                }
            }
        }
        self.seen += 1;
        self.rows.push((customer, at));
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
        let width = self.shared.names.len();
        let mut found = lock(&self.shared.found);
        let Found { first, values, conflict, rows, rejected } = &mut *found;
        for (&(customer, at), new) in self.rows.iter().zip(self.values.chunks(width)) {
            let kept = &mut values[customer * width..(customer + 1) * width];
            if first[customer] != NOWHERE {
                conflict[customer] |= kept.iter().zip(new).any(|(a, b)| a.to_bits() != b.to_bits());
            }
            if at < first[customer] {
                first[customer] = at;
                kept.copy_from_slice(new);
            }
        }
        *rows += self.seen;
        *rejected += self.rejects.len() as u64;
        drop(found);
        self.shared.rejects.extend(self.rejects);
        Ok(())
    }
}
