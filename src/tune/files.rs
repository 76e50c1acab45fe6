//! The files of a tuning: whole or not at all, and the mark that says which tuning a folder holds.

use std::fs;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::cycles::Settings;
use super::decision::Decision;
use crate::error::{Error, Result};

/// The mark of a tuning's folder.
const MARK: &str = "tune.json";

/// Reads a text.
pub(super) fn read(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|e| Error::io("read", path, e))
}

/// Writes a file beside its place and renames it there.
pub(super) fn write(folder: &Path, name: &str, text: &str) -> Result<()> {
    let (path, partial) = (folder.join(name), folder.join(format!("{name}.partial")));
    let write = || {
        fs::create_dir_all(folder)?;
        fs::write(&partial, text)?;
        fs::rename(&partial, &path)
    };
    write().map_err(|e| Error::io("write", &path, e))
}

/// Writes a value as indented JSON.
pub(super) fn write_json<T: Serialize>(folder: &Path, name: &str, value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::new("could not write as JSON").at(folder.join(name).display()).because(e))?;
    write(folder, name, &(text + "\n"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T> {
    serde_json::from_str(&read(path)?).map_err(|e| {
        Error::new("the file is damaged or of another version")
            .at(path.display())
            .advice("tune anew with --overwrite")
            .because(e)
    })
}

/// The decision of a cycle that is done.
pub(super) fn read_decision(folder: &Path) -> Result<Option<Decision>> {
    let path = folder.join("decision.json");
    if path.exists() { read_json(&path).map(Some) } else { Ok(None) }
}

/// Marks the folder as this tuning's; a folder of another tuning, or of something else, is refused.
pub(super) fn begin(settings: &Settings, config: &str) -> Result<()> {
    let path = settings.output.join(MARK);
    // How many cycles and minutes there may be is no part of what is tuned.
    let mark = json!({
        "schema_version": 1,
        "longrun": env!("CARGO_PKG_VERSION"),
        "config": config,
        "set": settings.set,
        "customers": settings.customers,
        "confirm_customers": settings.confirm_customers,
    });
    if path.exists() {
        if read_json::<Value>(&path)? == mark {
            return Ok(());
        }
        // An attempt that ended before its first decision, as by a mistake in the configuration, holds nothing worth keeping.
        if !has_decisions(&settings.output) {
            forget(&settings.output)?;
            return write_json(&settings.output, MARK, &mark);
        }
        return Err(Error::new("the folder holds the tuning of another configuration")
            .at(settings.output.display())
            .advice("replace it with --overwrite, or choose another with --output"));
    }
    if fs::read_dir(&settings.output).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new("the folder is not empty and holds no tuning")
            .at(settings.output.display())
            .advice("choose another with --output"));
    }
    write_json(&settings.output, MARK, &mark)
}

/// Whether any cycle of a tuning is done.
fn has_decisions(output: &Path) -> bool {
    let entries = fs::read_dir(output).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.join("decision.json").exists())
}

/// Removes a tuning: its cycles, its result, its mark last. Nothing else is touched.
///
/// # Errors
/// A file that cannot be removed.
pub fn forget(output: &Path) -> Result<()> {
    if !output.join(MARK).exists() {
        return Ok(());
    }
    let entries = fs::read_dir(output).map_err(|e| Error::io("list the tuning", output, e))?;
    for path in entries.flatten().map(|entry| entry.path()) {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let cycle = name.strip_prefix("cycle-").is_some_and(|n| n.parse::<u32>().is_ok());
        let removed = match (cycle, name.as_str()) {
            (true, _) => fs::remove_dir_all(&path),
            (_, "tuned.toml" | "tuned.toml.partial" | "tune.json.partial") => fs::remove_file(&path),
            _ => Ok(()),
        };
        removed.map_err(|e| Error::io("replace the old tuning", &path, e))?;
    }
    fs::remove_file(output.join(MARK)).map_err(|e| Error::io("replace the old tuning", output, e))
}
