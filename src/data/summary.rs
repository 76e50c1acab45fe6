//! One row per customer, and its table `summary.parquet`. How a row comes about is told in `summarize` and `summary_source`.
//!
//! Columns of the table: `customer_id` (text), `first_purchase` (date; absent when the source was a summary), `frequency`
//! (uint32), `recency`, `age`, `monetary` (double), and the grouping column under its own name (text; absent without grouping).

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Date32Array, Float64Array, UInt32Array};
use chrono::NaiveDate;

use super::field::date_of;
use super::ids::Ids;
use super::table_file::{self, TableReader, dates, texts};
use crate::error::{Error, Result};

/// The version of the table's columns.
pub(super) const VERSION: &str = "summary-1";
/// The fact that names the grouping column.
pub(super) const GROUP_KEY: &str = "longrun.group_column";

/// One row per customer first seen in the calibration window, sorted by customer id (bytewise), as parallel columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Customer identifier as written in the source.
    pub customer_id: Ids,
    /// Date of the first purchase (start of its period at the data's resolution). Empty when the source was itself a summary,
    /// which has no dates.
    pub first_purchase: Vec<NaiveDate>,
    /// x: repeat purchases in the calibration window (periods with a purchase, less the first).
    pub frequency: Vec<u32>,
    /// t_x: time of the last purchase since the first, in time units; 0 when x = 0.
    pub recency: Vec<f64>,
    /// T: time from the first purchase to the calibration end, in time units.
    pub age: Vec<f64>,
    /// m: mean spend per repeat purchase, in currency; 0 when x = 0, and for everyone when the source has no amounts.
    pub monetary: Vec<f64>,
    /// Index into [`Groups::labels`].
    pub group: Vec<u32>,
    /// The groups of partial pooling.
    pub groups: Groups,
}

/// The groups of partial pooling: which column they come from and what each is called.
///
/// Without grouping: no column, one group labelled `all`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// The column's name as users know it (`cohort`, `country`, …); `None` without grouping.
    pub column: Option<String>,
    /// Labels in sorted order, each with at least one customer.
    pub labels: Vec<String>,
}

impl Groups {
    /// One group of everyone.
    pub fn all() -> Self {
        Self { column: None, labels: vec!["all".to_owned()] }
    }

    /// Groups by label: the sorted labels, and the index of each customer's.
    pub(super) fn of_labels(column: &str, label_of: &[String]) -> (Self, Vec<u32>) {
        let labels: Vec<String> = label_of.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        // Every label is in the list that was made of them.
        let index = label_of.iter().map(|l| labels.binary_search(l).unwrap_or(0) as u32).collect();
        (Self { column: Some(column.to_owned()), labels }, index)
    }
}

/// What the spend model reads: distinct (group, x, m) of customers with x > 0 and m > 0, sorted, with the number of customers in
/// each. Amounts are whole cents, so that equal means are common among those who bought again once or twice.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SpendRows {
    /// Group index.
    pub group: Vec<u32>,
    /// x.
    pub frequency: Vec<u32>,
    /// m, in currency.
    pub monetary: Vec<f64>,
    /// Customers in the row.
    pub weight: Vec<f64>,
}

impl SpendRows {
    /// Number of rows.
    pub fn len(&self) -> usize {
        self.weight.len()
    }

    /// Whether nobody has spend to learn from.
    pub fn is_empty(&self) -> bool {
        self.weight.is_empty()
    }

    /// Number of customers.
    pub fn customers(&self) -> f64 {
        self.weight.iter().sum()
    }
}

impl Summary {
    /// The customers of the given rows, as one group.
    pub fn select(&self, rows: &[usize]) -> Self {
        fn pick<T: Clone>(column: &[T], rows: &[usize]) -> Vec<T> {
            rows.iter().filter_map(|&row| column.get(row).cloned()).collect()
        }
        Self {
            customer_id: rows.iter().map(|&row| &self.customer_id[row]).collect(),
            first_purchase: pick(&self.first_purchase, rows),
            frequency: pick(&self.frequency, rows),
            recency: pick(&self.recency, rows),
            age: pick(&self.age, rows),
            monetary: pick(&self.monetary, rows),
            group: vec![0; rows.len()],
            groups: Groups::all(),
        }
    }

    /// Number of customers.
    pub fn len(&self) -> usize {
        self.customer_id.len()
    }

    /// Whether there is no customer at all.
    pub fn is_empty(&self) -> bool {
        self.customer_id.is_empty()
    }

    /// The rows that a spend model reads: equal means are means of equal bits.
    pub fn spend_rows(&self) -> SpendRows {
        let spends = (0..self.len()).filter(|&i| self.frequency[i] > 0 && self.monetary[i] > 0.0);
        // Spends are positive, so their bits sort as they do.
        let mut keys: Vec<_> = spends.map(|i| (self.group[i], self.frequency[i], self.monetary[i].to_bits())).collect();
        keys.sort_unstable();
        let mut rows = SpendRows::default();
        for same in keys.chunk_by(|a, b| a == b) {
            let (group, frequency, monetary) = same[0];
            rows.group.push(group);
            rows.frequency.push(frequency);
            rows.monetary.push(f64::from_bits(monetary));
            rows.weight.push(same.len() as f64);
        }
        rows
    }

    /// Writes `summary.parquet`.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_parquet(&self, path: &Path) -> Result<()> {
        let mut columns: Vec<(&str, ArrayRef)> = vec![("customer_id", texts(self.customer_id.iter()))];
        if !self.first_purchase.is_empty() {
            columns.push(("first_purchase", dates(self.first_purchase.iter().copied())));
        }
        columns.push(("frequency", Arc::new(UInt32Array::from(self.frequency.clone()))));
        for (name, values) in [("recency", &self.recency), ("age", &self.age), ("monetary", &self.monetary)] {
            columns.push((name, Arc::new(Float64Array::from(values.clone()))));
        }
        let mut facts = Vec::new();
        if let Some(column) = &self.groups.column {
            columns.push((column, texts(self.group.iter().map(|&g| self.groups.labels[g as usize].as_str()))));
            facts.push((GROUP_KEY, column.clone()));
        }
        table_file::write(path, VERSION, columns, &facts)
    }

    /// Reads `summary.parquet` back, equal to what was written.
    ///
    /// # Errors
    /// When the file cannot be read or is not such a table.
    pub fn read_parquet(path: &Path) -> Result<Self> {
        let table = TableReader::open(path, VERSION)?;
        let has_dates = table.names().iter().any(|n| n == "first_purchase");
        let column = table.fact(GROUP_KEY).map(str::to_owned);
        let mut names = vec!["customer_id", "frequency", "recency", "age", "monetary"];
        names.extend(has_dates.then_some("first_purchase"));
        names.extend(column.as_deref());
        // Labels are numbered within each row group as they come, and by name when all are known.
        let parts: Vec<(Self, Vec<String>)> = table.read_groups(&names, |read| {
            let mut part = Self::default();
            let mut numbers: HashMap<String, u32> = HashMap::new();
            read(&mut |rows| {
                part.customer_id.extend(rows.texts("customer_id")?.iter().map(Option::unwrap_or_default));
                if has_dates {
                    extend_dates(&mut part.first_purchase, rows.dates("first_purchase")?, path)?;
                }
                part.frequency.extend_from_slice(rows.counts("frequency")?);
                part.recency.extend_from_slice(rows.numbers("recency")?);
                part.age.extend_from_slice(rows.numbers("age")?);
                part.monetary.extend_from_slice(rows.numbers("monetary")?);
                if let Some(column) = &column {
                    for label in rows.texts(column)?.iter().map(Option::unwrap_or_default) {
                        part.group.push(match numbers.get(label) {
                            Some(&number) => number,
                            None => {
                                let number = numbers.len() as u32;
                                numbers.insert(label.to_owned(), number);
                                number
                            }
                        });
                    }
                }
                Ok(())
            })?;
            let mut labels: Vec<(String, u32)> = numbers.into_iter().collect();
            labels.sort_unstable_by_key(|(_, number)| *number);
            Ok((part, labels.into_iter().map(|(label, _)| label).collect()))
        })?;

        let mut summary = Self::default();
        summary.reserve(table.rows(), parts.iter().map(|(part, _)| part.customer_id.text_bytes()).sum(), has_dates);
        summary.groups = match column {
            Some(column) => {
                let labels: BTreeSet<&String> = parts.iter().flat_map(|(_, labels)| labels).collect();
                Groups { column: Some(column), labels: labels.into_iter().cloned().collect() }
            }
            None => Groups::all(),
        };
        for (part, labels) in parts {
            // Every label of a part is among those of all.
            let number = |label: &String| summary.groups.labels.binary_search(label).unwrap_or(0) as u32;
            let numbers: Vec<u32> = labels.iter().map(number).collect();
            let len = part.len();
            summary.customer_id.append(&part.customer_id);
            summary.first_purchase.extend(part.first_purchase);
            summary.frequency.extend(part.frequency);
            summary.recency.extend(part.recency);
            summary.age.extend(part.age);
            summary.monetary.extend(part.monetary);
            if numbers.is_empty() {
                summary.group.extend(std::iter::repeat_n(0, len));
            } else {
                summary.group.extend(part.group.iter().map(|&g| numbers[g as usize]));
            }
        }
        Ok(summary)
    }

    /// Makes room for so many customers with so many bytes of identifiers.
    fn reserve(&mut self, rows: usize, id_bytes: usize, has_dates: bool) {
        self.customer_id.reserve(rows, id_bytes);
        self.first_purchase.reserve_exact(if has_dates { rows } else { 0 });
        self.frequency.reserve_exact(rows);
        self.recency.reserve_exact(rows);
        self.age.reserve_exact(rows);
        self.monetary.reserve_exact(rows);
        self.group.reserve_exact(rows);
    }
}

/// Adds a column of dates to a vector of them.
pub(super) fn extend_dates(out: &mut Vec<NaiveDate>, column: &Date32Array, path: &Path) -> Result<()> {
    debug_assert_eq!(column.null_count(), 0);
    for &days in column.values() {
        out.push(
            date_of(days.into())
                .ok_or_else(|| Error::new("a date lies outside the calendar").at(path.display()).seen(days))?,
        );
    }
    Ok(())
}
