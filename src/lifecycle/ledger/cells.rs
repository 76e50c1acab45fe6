//! A row of the ledger as cells of a table, what their digest is made of, and how text from people is kept from being taken for a
//! formula. Nothing here follows a chain.

use std::path::Path;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use csv::StringRecord;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::row::{Action, Entry, Row};
use crate::error::{Error, Result};
use crate::version::CodeVersion;

/// The columns, in order.
pub(super) const COLUMNS: [&str; 25] = [
    "row",
    "time",
    "action",
    "model_id",
    "previous_id",
    "cutoff",
    "calibration_months",
    "prediction_months",
    "purchase_model",
    "spend_model",
    "groups",
    "rmse",
    "rmse_low",
    "rmse_high",
    "r2",
    "gini_normalized",
    "verdict",
    "data_digest",
    "code_version",
    "code_commit",
    "code_dirty",
    "note",
    "comparison",
    "previous_hash",
    "hash",
];

/// A row as it is written, in the order of [`COLUMNS`]. Absent is an empty cell.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Written {
    row: u64,
    time: String,
    action: Option<Action>,
    model_id: String,
    previous_id: Option<String>,
    cutoff: String,
    calibration_months: Option<u32>,
    prediction_months: u32,
    purchase_model: String,
    spend_model: Option<String>,
    groups: Option<String>,
    rmse: Option<f64>,
    rmse_low: Option<f64>,
    rmse_high: Option<f64>,
    r2: Option<f64>,
    gini_normalized: Option<f64>,
    verdict: String,
    data_digest: String,
    code_version: String,
    code_commit: Option<String>,
    code_dirty: Option<bool>,
    note: String,
    comparison: Option<String>,
    previous_hash: String,
    hash: String,
}

impl Written {
    /// The cells of a row.
    pub(super) fn of(row: &Row) -> Result<Self> {
        let entry = &row.entry;
        let json = |value| {
            serde_json::to_string(value).map_err(|e| Error::new("could not write a comparison as JSON").because(e))
        };
        let optional = |text: &Option<String>| text.as_deref().map(harmless);
        Ok(Self {
            row: row.row,
            time: row.time.to_rfc3339_opts(SecondsFormat::Secs, true),
            action: Some(entry.action),
            model_id: harmless(&entry.model_id),
            previous_id: optional(&row.previous_id),
            cutoff: entry.cutoff.to_string(),
            calibration_months: entry.calibration_months,
            prediction_months: entry.prediction_months,
            purchase_model: harmless(&entry.purchase_model),
            spend_model: optional(&entry.spend_model),
            groups: optional(&entry.groups),
            rmse: entry.rmse,
            rmse_low: entry.rmse_low,
            rmse_high: entry.rmse_high,
            r2: entry.r2,
            gini_normalized: entry.gini_normalized,
            verdict: harmless(&entry.verdict),
            data_digest: harmless(&entry.data_digest),
            code_version: harmless(&entry.code.version),
            code_commit: optional(&entry.code.commit),
            code_dirty: entry.code.dirty,
            note: harmless(&entry.note),
            comparison: entry.comparison.as_ref().map(json).transpose()?.as_deref().map(harmless),
            previous_hash: row.previous_hash.clone(),
            hash: row.hash.clone(),
        })
    }

    /// The line with its digest in place, and the digest.
    pub(super) fn sealed(mut self, path: &Path) -> Result<(Vec<u8>, String)> {
        let fail = |why: String| Error::new("could not write a row of the ledger").at(path.display()).because(why);
        let line = |row: &Self| {
            let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(Vec::new());
            writer.serialize(row).map_err(|e| fail(e.to_string()))?;
            writer.into_inner().map_err(|e| fail(e.to_string()))
        };
        // The digest is of the cells as they will be read.
        let unsealed = line(&self)?;
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(&unsealed[..]);
        let record = reader.records().next().ok_or_else(|| fail("it has no cells".to_owned()))?;
        self.hash = digest(&record.map_err(|e| fail(e.to_string()))?);
        Ok((line(&self)?, self.hash))
    }

    /// The cells of a record.
    pub(super) fn read(record: &StringRecord) -> Result<Self> {
        let header = StringRecord::from(COLUMNS.to_vec());
        record.deserialize(Some(&header)).map_err(|e| Error::new("a cell is not what its column asks for").because(e))
    }

    /// The row that the cells mean.
    pub(super) fn meant(self) -> Result<Row> {
        let wrong =
            |column: &str, seen: &str| Error::new("a cell is not what its column asks for").at(column).seen(seen);
        let optional = |text: &Option<String>| text.as_deref().map(meant);
        let time: DateTime<Utc> = self.time.parse().map_err(|_| wrong("time", &self.time))?;
        let cutoff: NaiveDate = self.cutoff.parse().map_err(|_| wrong("cutoff", &self.cutoff))?;
        let comparison = match optional(&self.comparison) {
            Some(text) => Some(serde_json::from_str(&text).map_err(|e| wrong("comparison", &text).because(e))?),
            None => None,
        };
        Ok(Row {
            row: self.row,
            time,
            previous_id: optional(&self.previous_id),
            entry: Entry {
                action: self.action.ok_or_else(|| wrong("action", "nothing"))?,
                model_id: meant(&self.model_id),
                cutoff,
                calibration_months: self.calibration_months,
                prediction_months: self.prediction_months,
                purchase_model: meant(&self.purchase_model),
                spend_model: optional(&self.spend_model),
                groups: optional(&self.groups),
                rmse: self.rmse,
                rmse_low: self.rmse_low,
                rmse_high: self.rmse_high,
                r2: self.r2,
                gini_normalized: self.gini_normalized,
                verdict: meant(&self.verdict),
                data_digest: meant(&self.data_digest),
                code: CodeVersion {
                    version: meant(&self.code_version),
                    commit: optional(&self.code_commit),
                    dirty: self.code_dirty,
                },
                note: meant(&self.note),
                comparison,
            },
            previous_hash: self.previous_hash,
            hash: self.hash,
        })
    }
}

/// SHA-256 over all cells of a record but the last, each with its column's name and its length: how cells are quoted, and how lines
/// end, does not matter; what they hold does.
pub(super) fn digest(record: &StringRecord) -> String {
    let mut hasher = Sha256::new();
    hasher.update("longrun champions 1\n");
    for (name, cell) in COLUMNS.iter().zip(record).take(COLUMNS.len() - 1) {
        hasher.update(format!("{name}:{}:{cell}\n", cell.len()));
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// What spreadsheets take for the beginning of a formula, and what stands before it here; also a quotation mark that stood there
/// already, so that every text is read back as it was.
const DANGEROUS: [char; 7] = ['=', '+', '-', '@', '\t', '\r', '\''];

/// Text as it is written.
fn harmless(text: &str) -> String {
    if text.starts_with(DANGEROUS) { format!("'{text}") } else { text.to_owned() }
}

/// The text that was written.
fn meant(cell: &str) -> String {
    cell.strip_prefix('\'').unwrap_or(cell).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_are_the_fields() {
        let mut writer = csv::Writer::from_writer(Vec::new());
        writer.serialize(Written { action: Some(Action::Promote), ..Written::default() }).unwrap();
        let text = String::from_utf8(writer.into_inner().unwrap()).unwrap();
        assert_eq!(text.lines().next().unwrap(), COLUMNS.join(","));
    }

    #[test]
    fn no_text_is_a_formula_and_every_text_is_read_back() {
        for text in ["", "plain", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "'quoted", "''", "a=b"] {
            let cell = harmless(text);
            assert!(!cell.starts_with(['=', '+', '-', '@', '\t', '\r']), "{cell:?}");
            assert_eq!(meant(&cell), text);
        }
    }
}
