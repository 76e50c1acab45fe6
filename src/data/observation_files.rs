//! What fits read, as files: `cells.parquet` and `spend.parquet`, and the observations that come of them.
//!
//! Columns of the cells: `group`, `frequency` (uint32), `recency`, `age` (double), `weight` (uint64: customers); of the spend rows:
//! `group`, `frequency`, `monetary`, `weight`. Both are sorted by their columns in that order. The groups are facts of the file:
//! `longrun.group_column` (absent without grouping), `longrun.group_labels` (a JSON list) and `longrun.customers`.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch, UInt32Array, UInt64Array};
use rayon::prelude::*;

use super::cells::Cells;
use super::covariates::Design;
use super::observations::Observations;
use super::row_groups::RowGroups;
use super::summary::{self, Groups, SpendRows};
use super::summary_files::groups_at_once;
use super::table_file::{self, TableReader};
use super::tally::{Counted, Tally, division};
use crate::error::{Error, Result};

/// The file of the cells.
pub(super) const CELLS_FILE: &str = "cells.parquet";
/// The file of the spend rows.
pub(super) const SPEND_FILE: &str = "spend.parquet";

const CELLS_VERSION: &str = "cells-1";
const SPEND_VERSION: &str = "spend-1";
const LABELS_KEY: &str = "longrun.group_labels";
const CUSTOMERS_KEY: &str = "longrun.customers";

/// Writes `cells.parquet` into `folder`; `numbers` are the divisions of the groups in their order. Returns how many cells there are.
pub(super) fn write_cells(
    folder: &Path,
    cells: Tally<3>,
    numbers: &[u32],
    groups: &Groups,
    customers: u64,
    rows: usize,
) -> Result<u64> {
    let bits = |word: usize| move |(key, _): &Counted<3>| f64::from_bits(key[word]);
    write(&folder.join(CELLS_FILE), CELLS_VERSION, cells, numbers, groups, customers, rows, &|cells| {
        vec![("recency", doubles(cells, bits(1))), ("age", doubles(cells, bits(2)))]
    })
}

/// Writes `spend.parquet` into `folder`, as [`write_cells`] does cells.
pub(super) fn write_spend(
    folder: &Path,
    spend: Tally<2>,
    numbers: &[u32],
    groups: &Groups,
    customers: u64,
    rows: usize,
) -> Result<u64> {
    write(&folder.join(SPEND_FILE), SPEND_VERSION, spend, numbers, groups, customers, rows, &|spend| {
        vec![("monetary", doubles(spend, |(key, _)| f64::from_bits(key[1])))]
    })
}

fn doubles<const N: usize>(rows: &[Counted<N>], of: impl Fn(&Counted<N>) -> f64) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(rows.iter().map(of)))
}

/// Columns of their own for some rows.
type Own<'a, const N: usize> = &'a (dyn Fn(&[Counted<N>]) -> Vec<(&'static str, ArrayRef)> + Sync);

#[expect(clippy::too_many_arguments, reason = "the two tables differ in nothing else")]
fn write<const N: usize>(
    path: &Path,
    version: &str,
    tally: Tally<N>,
    numbers: &[u32],
    groups: &Groups,
    customers: u64,
    rows: usize,
    own: Own<'_, N>,
) -> Result<u64> {
    let mut group_of = vec![0_u32; numbers.iter().max().map_or(0, |&n| n as usize + 1)];
    numbers.iter().zip(0..).for_each(|(&number, group)| group_of[number as usize] = group);
    let batch = |part: &[Counted<N>]| {
        let group = part.iter().map(|(key, _)| group_of[division(key) as usize]);
        let frequency = part.iter().map(|(key, _)| key[0] as u32);
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("group", Arc::new(UInt32Array::from_iter_values(group))),
            ("frequency", Arc::new(UInt32Array::from_iter_values(frequency))),
        ];
        columns.extend(own(part));
        columns.push(("weight", Arc::new(UInt64Array::from_iter_values(part.iter().map(|(_, count)| *count)))));
        table_file::batch(columns)
    };
    let empty: RecordBatch = batch(&[])?;
    let mut file = RowGroups::create(path, version, empty.schema(), &[])?;
    let mut waiting: Vec<Vec<Counted<N>>> = Vec::new();
    let mut written = 0;
    let mut flush = |waiting: &mut Vec<Vec<Counted<N>>>| {
        let encoded: Vec<_> = waiting.par_iter().map(|part| file.encode(&batch(part)?)).collect::<Result<_>>()?;
        written += waiting.drain(..).map(|part| part.len() as u64).sum::<u64>();
        encoded.into_iter().try_for_each(|group| file.append(group))
    };
    tally.finish(numbers, rows, |part| {
        waiting.push(part);
        if waiting.len() < groups_at_once() { Ok(()) } else { flush(&mut waiting) }
    })?;
    flush(&mut waiting)?;
    let labels = serde_json::to_string(&groups.labels)
        .map_err(|e| Error::new("the group labels cannot be written").at(path.display()).because(e))?;
    let mut facts = vec![(LABELS_KEY, labels), (CUSTOMERS_KEY, customers.to_string())];
    facts.extend(groups.column.iter().map(|column| (summary::GROUP_KEY, column.clone())));
    file.finish(&facts)?;
    Ok(written)
}

fn groups_of(table: &TableReader, path: &Path) -> Result<Groups> {
    let labels: String = table.parsed(LABELS_KEY)?;
    let labels = serde_json::from_str(&labels).map_err(|e| {
        Error::new("the group labels cannot be read").at(path.display()).advice("make the table again").because(e)
    })?;
    Ok(Groups { column: table.fact(summary::GROUP_KEY).map(str::to_owned), labels })
}

impl Observations {
    /// Reads what fits read from the folder that [`super::PendingSummary::publish`] filled.
    ///
    /// With `merge_cells` customers with equal histories are one cell, and those with equal spend one spend row, from
    /// `cells.parquet` and `spend.parquet` alone. Without it every customer is a cell of weight 1 and every spender a spend row,
    /// in the order of `summary.parquet`, of which the identifiers are not read.
    ///
    /// With `covariates.parquet` in the folder, cells carry covariates, and those whose covariates differ are not merged.
    ///
    /// # Errors
    /// When a file is missing, damaged or not of this version's schema.
    pub fn read(dir: &Path, merge_cells: bool) -> Result<Self> {
        let Some(design) = Design::read(dir)? else {
            return if merge_cells { Self::read_merged(dir) } else { Self::read_rows(dir) };
        };
        let customers = Self::read_rows(dir)?;
        if customers.cells.len() != design.len() {
            return Err(Error::new("the covariates belong to other customers than the summary")
                .at(dir.join(super::COVARIATES_FILE).display())
                .seen(format!("{} rows for {} customers", design.len(), customers.cells.len()))
                .advice("run `longrun summarize` on the run directory again"));
        }
        let observed = customers.with_covariates(design, merge_cells);
        let spend = if merge_cells { Self::read_merged(dir)?.spend } else { observed.spend };
        Ok(Self { spend, ..observed })
    }

    fn read_merged(dir: &Path) -> Result<Self> {
        let path = dir.join(CELLS_FILE);
        let table = TableReader::open(&path, CELLS_VERSION)?;
        let mut observed = Self { groups: groups_of(&table, &path)?, ..Self::default() };
        let names = ["group", "frequency", "recency", "age", "weight"];
        let parts = table.read_groups(&names, |read| {
            let mut cells = Cells::default();
            read(&mut |rows| {
                cells.group.extend_from_slice(rows.counts("group")?);
                cells.frequency.extend_from_slice(rows.counts("frequency")?);
                cells.recency.extend_from_slice(rows.numbers("recency")?);
                cells.age.extend_from_slice(rows.numbers("age")?);
                cells.weight.extend(rows.large_counts("weight")?.iter().map(|&n| n as f64));
                Ok(())
            })?;
            Ok(cells)
        })?;
        observed.cells.reserve(table.rows());
        parts.into_iter().for_each(|part| observed.cells.append(part));

        let table = TableReader::open(&dir.join(SPEND_FILE), SPEND_VERSION)?;
        let parts = table.read_groups(&["group", "frequency", "monetary", "weight"], |read| {
            let mut spend = SpendRows::default();
            read(&mut |rows| {
                spend.group.extend_from_slice(rows.counts("group")?);
                spend.frequency.extend_from_slice(rows.counts("frequency")?);
                spend.monetary.extend_from_slice(rows.numbers("monetary")?);
                spend.weight.extend(rows.large_counts("weight")?.iter().map(|&n| n as f64));
                Ok(())
            })?;
            Ok(spend)
        })?;
        parts.into_iter().for_each(|part| observed.spend.append(part));
        Ok(observed)
    }

    fn read_rows(dir: &Path) -> Result<Self> {
        let cells_path = dir.join(CELLS_FILE);
        let groups = groups_of(&TableReader::open(&cells_path, CELLS_VERSION)?, &cells_path)?;
        let path = dir.join("summary.parquet");
        let table = TableReader::open(&path, summary::VERSION)?;
        let mut names = vec!["frequency", "recency", "age", "monetary"];
        names.extend(groups.column.as_deref());
        let parts = table.read_groups(&names, |read| {
            let mut part = Self::default();
            read(&mut |rows| {
                let (x, t_x, age) = (rows.counts("frequency")?, rows.numbers("recency")?, rows.numbers("age")?);
                let m = rows.numbers("monetary")?;
                let group = match &groups.column {
                    Some(column) => group_numbers(rows.texts(column)?, &groups.labels, &path)?,
                    None => vec![0; rows.len()],
                };
                for i in (0..rows.len()).filter(|&i| x[i] > 0 && m[i] > 0.0) {
                    part.spend.group.push(group[i]);
                    part.spend.frequency.push(x[i]);
                    part.spend.monetary.push(m[i]);
                    part.spend.weight.push(1.0);
                }
                part.cells.group.extend(group);
                part.cells.frequency.extend_from_slice(x);
                part.cells.recency.extend_from_slice(t_x);
                part.cells.age.extend_from_slice(age);
                part.cells.weight.extend(std::iter::repeat_n(1.0, rows.len()));
                Ok(())
            })?;
            Ok(part)
        })?;
        let mut observed = Self { groups, ..Self::default() };
        observed.cells.reserve(table.rows());
        for part in parts {
            observed.cells.append(part.cells);
            observed.spend.append(part.spend);
        }
        Ok(observed)
    }
}

/// The index of each customer's label among the sorted `labels`.
fn group_numbers(column: &arrow_array::StringArray, labels: &[String], path: &Path) -> Result<Vec<u32>> {
    let mut numbers = Vec::with_capacity(column.len());
    let mut last: Option<(&str, u32)> = None;
    for label in column.iter().map(Option::unwrap_or_default) {
        let number = match last {
            Some((known, number)) if known == label => number,
            _ => {
                let found = labels.binary_search_by(|l| l.as_str().cmp(label)).map_err(|_| {
                    Error::new("the summary has a group that the cells do not have")
                        .at(path.display())
                        .seen(format!("{label:?}"))
                        .advice("run `longrun summarize` on the run directory again")
                })?;
                found as u32
            }
        };
        last = Some((label, number));
        numbers.push(number);
    }
    Ok(numbers)
}

impl Cells {
    fn reserve(&mut self, rows: usize) {
        self.group.reserve_exact(rows);
        self.frequency.reserve_exact(rows);
        self.recency.reserve_exact(rows);
        self.age.reserve_exact(rows);
        self.weight.reserve_exact(rows);
    }

    fn append(&mut self, other: Self) {
        self.group.extend(other.group);
        self.frequency.extend(other.frequency);
        self.recency.extend(other.recency);
        self.age.extend(other.age);
        self.weight.extend(other.weight);
    }
}

impl SpendRows {
    fn append(&mut self, other: Self) {
        self.group.extend(other.group);
        self.frequency.extend(other.frequency);
        self.monetary.extend(other.monetary);
        self.weight.extend(other.weight);
    }
}
