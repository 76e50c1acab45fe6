//! A log of transactions read once, for summaries at any cutoff: its table of purchases, and what the reading found.
//!
//! The table is kept until a file of the log, or how it is read, changes. Nothing here knows a cutoff.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Observer;
use super::summarize::{rules, source};
use crate::config::Plan;
use crate::data::{self, IngestProgress, IngestReport, Kind, TransactionTable};
use crate::error::{Error, Result};

/// A log that has been read.
#[derive(Debug)]
pub struct Log {
    /// The purchases.
    pub table: TransactionTable,
    /// What the reading found.
    pub report: IngestReport,
    /// Day of the last purchase.
    pub last_date: NaiveDate,
    /// Day of the first purchase.
    pub first_date: NaiveDate,
    /// A digest of the files as they stood and the way they were read, in 8 hexadecimal digits: another log, another key.
    pub key: String,
}

/// The file beside the table that says what it was made of.
const KEPT: &str = "log.json";

#[derive(Serialize, Deserialize)]
struct Kept {
    read_as: Value,
    report: IngestReport,
}

/// Reads the plan's log into `folder`, or takes what was read there before where neither the files nor the way they are read have
/// changed. Files count as unchanged by path, size and time of change; `anew` trusts nothing.
///
/// # Errors
/// Data that are no transactions; files that cannot be read; more rejected rows than the plan allows.
pub fn read_log(plan: &Plan, folder: &Path, anew: bool, observer: &dyn Observer) -> Result<Log> {
    if plan.data.kind != Kind::Transactions {
        return Err(Error::new("the lifecycle needs dates: data.kind must be \"transactions\"")
            .at("data.kind")
            .advice("summaries and contracts can be fitted with `longrun run`"));
    }
    let (source, rules) = (source(&plan.data, &plan.groups)?, rules(&plan.data));
    let read_as = read_as(plan, &source.files()?)?;
    let key: String = Sha256::digest(read_as.to_string()).iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    let (table, path) = (folder.join("transactions"), folder.join(KEPT));
    let kept = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Kept>(&text).ok());
    let kept = kept.filter(|kept| !anew && kept.read_as == read_as).and_then(|kept| {
        let table = TransactionTable::open(&table).ok()?;
        Some((kept.report, table))
    });
    let (report, table) = match kept {
        Some(kept) => kept,
        None => {
            // Until the new table is whole, nothing says that there is one.
            match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                    return Err(Error::io("forget the table of an older log", &path, e));
                }
                _ => {}
            }
            fs::create_dir_all(folder).map_err(|e| Error::io("make the folder of the log's table", folder, e))?;
            let reading = |p: IngestProgress| observer.reading(p.bytes_done, p.bytes_total);
            let report = data::ingest(&source, &rules, folder, &reading)?;
            let kept = Kept { read_as, report };
            let text = serde_json::to_vec_pretty(&kept)
                .map_err(|e| Error::new("could not write as JSON").at(path.display()).because(e))?;
            let partial = folder.join("log.json.partial");
            fs::write(&partial, text)
                .and_then(|()| fs::rename(&partial, &path))
                .map_err(|e| Error::io("write", &path, e))?;
            (kept.report, TransactionTable::open(&table)?)
        }
    };
    let nothing = || Error::new("the log holds no purchase").at(plan.data.paths.join(", "));
    let (first_date, last_date) = report.first_date.zip(report.last_date).ok_or_else(nothing)?;
    Ok(Log { table, report, last_date, first_date, key })
}

/// What decides the table: the files as they stand, and how they are read.
fn read_as(plan: &Plan, files: &[PathBuf]) -> Result<Value> {
    let stands = |path: &PathBuf| -> Result<Value> {
        let facts = fs::metadata(path).map_err(|e| Error::io("look at", path, e))?;
        let changed = facts.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
        Ok(serde_json::json!([path, facts.len(), changed.map(|time| time.as_nanos().to_string())]))
    };
    let files = files.iter().map(stands).collect::<Result<Vec<_>>>()?;
    let mut data =
        serde_json::to_value(&plan.data).map_err(|e| Error::new("could not write the plan as JSON").because(e))?;
    if let Value::Object(data) = &mut data {
        for later in ["calibration_start", "calibration_end", "holdout_end", "sample_customers", "time_unit_days"] {
            data.remove(later);
        }
    }
    Ok(
        serde_json::json!({ "longrun": env!("CARGO_PKG_VERSION"), "files": files, "data": data, "groups": plan.groups.columns() }),
    )
}
