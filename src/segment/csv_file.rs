//! A small table becomes a CSV file that appears whole: written beside its place, then renamed into it. Knows no table's columns.

use std::path::Path;

use crate::error::{Error, Result};

/// Writes `records`, the header first, at `path`; `what` names the file in an error ("segments file").
pub(super) fn write(path: &Path, what: &str, records: impl IntoIterator<Item = Vec<String>>) -> Result<()> {
    let failed = |cause| Error::io(&format!("write the {what}"), path, cause);
    let mut writer = csv::Writer::from_writer(Vec::new());
    let bytes = records
        .into_iter()
        .try_for_each(|record| writer.write_record(record))
        .map_err(std::io::Error::from)
        .and_then(|()| writer.into_inner().map_err(|cause| cause.into_error()))
        .map_err(failed)?;
    let partial = path.with_extension("csv.partial");
    std::fs::write(&partial, bytes)
        .and_then(|()| std::fs::File::open(&partial)?.sync_all())
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(failed)
}

/// A header of these columns.
pub(super) fn header(columns: &[&str]) -> Vec<String> {
    columns.iter().map(ToString::to_string).collect()
}

/// A figure in full, or nothing where there is none.
pub(super) fn cell<T: ToString>(figure: Option<T>) -> String {
    figure.map_or_else(String::new, |figure| figure.to_string())
}
