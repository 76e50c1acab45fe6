//! Rejected rows that the table keeps, so that `rejects.csv` can be written again without their files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow_array::{Array, ArrayRef, StringArray, UInt64Array};
use chrono::NaiveDate;

use super::manifest::Manifest;
use super::reading::Refused;
use super::stored::Stored;
use crate::data::dates::in_the_future;
use crate::data::rejects::Reject;
use crate::data::roles::FILE_COLUMN;
use crate::data::table_file::{self, HeldTable, TableBytes};
use crate::error::Result;

const VERSION: &str = "transaction-rejects-1";

/// The rejected rows of files that are still `known`, by their places in the listing. A row that lies in the future is told by the day that
/// is the latest now.
pub(super) fn read(
    held: &Manifest,
    folder: &Path,
    known: &HashMap<u64, u32>,
    latest: Option<NaiveDate>,
) -> Result<Vec<Refused>> {
    let Some(stored) = &held.rejects else { return Ok(Vec::new()) };
    let (then, now) = (held.latest_date.map(in_the_future), latest.map(in_the_future));
    let columns = [FILE_COLUMN, "line", "column", "value", "reason", "customer_id"];
    let mut table = HeldTable::open(&folder.join(&stored.name), VERSION, &columns, 8192)?;
    let mut found = Vec::new();
    let take = |rows: &table_file::Rows<'_>, found: &mut Vec<Refused>| -> Result<()> {
        let (files, lines) = (rows.large_counts(FILE_COLUMN)?, rows.large_counts("line")?);
        let (columns, values) = (rows.texts("column")?, rows.texts("value")?);
        let (reasons, customers) = (rows.texts("reason")?, rows.texts("customer_id")?);
        for i in 0..rows.len() {
            let Some(&file) = known.get(&files[i]) else { continue };
            let mut reason = reasons.value(i).to_owned();
            if let Some(now) = now.as_ref().filter(|_| then.as_ref() == Some(&reason)) {
                reason.clone_from(now);
            }
            let reject = Reject {
                file: file as usize,
                line: lines[i],
                column: columns.value(i).to_owned(),
                value: values.value(i).to_owned(),
                reason,
            };
            found.push(Refused { reject, customer: customers.is_valid(i).then(|| customers.value(i).to_owned()) });
        }
        Ok(())
    };
    while table.next(|rows| take(rows, &mut found))?.is_some() {}
    Ok(found)
}

/// Writes them, unless the file that stands says the same; nothing where there is none.
pub(super) fn write(
    refused: &[Refused],
    digests: &[u64],
    folder: &Path,
    standing: Option<&Stored>,
) -> Result<Option<Stored>> {
    if refused.is_empty() {
        return Ok(None);
    }
    let text = |of: fn(&Refused) -> &str| table_file::texts(refused.iter().map(of));
    let files = UInt64Array::from_iter_values(refused.iter().map(|row| digests[row.reject.file]));
    let columns: Vec<(&str, ArrayRef)> = vec![
        (FILE_COLUMN, Arc::new(files)),
        ("line", Arc::new(UInt64Array::from_iter_values(refused.iter().map(|row| row.reject.line)))),
        ("column", text(|row| &row.reject.column)),
        ("value", text(|row| &row.reject.value)),
        ("reason", text(|row| &row.reject.reason)),
        ("customer_id", Arc::new(refused.iter().map(|row| row.customer.as_deref()).collect::<StringArray>())),
    ];
    let batch = table_file::batch(columns)?;
    let mut table = TableBytes::new(VERSION, batch.schema())?;
    table.write(&batch)?;
    let bytes = table.finish()?;
    let stored = Stored::of("rejects", &bytes);
    if standing != Some(&stored) {
        stored.write(folder, &bytes)?;
    }
    Ok(Some(stored))
}
