//! The files of a log, wherever they lie: their names, told without opening them, and each one brought here when it must be read.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::source::Source;
use crate::error::{Error, Result};

/// A file of the log as it stands now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogFile {
    /// What it is called, the same every night: the absolute path, or where it lies otherwise.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Another one whenever its content is another: the time of change, or a generation.
    pub tag: String,
}

/// Where the files of a log come from.
pub trait LogFiles: Sync {
    /// Every file, in the order in which their lines count. No name comes twice.
    ///
    /// # Errors
    /// When a place that was named leads to no file, or cannot be asked.
    fn list(&self) -> Result<Vec<LogFile>>;

    /// A file as one on this machine. Only called for files whose lines are not known yet.
    ///
    /// # Errors
    /// When the file is not there any more, or is another one than was listed.
    fn bring(&self, file: &LogFile) -> Result<PathBuf>;
}

/// Files on this machine: those behind [`Source::paths`].
#[derive(Debug, Clone, Copy)]
pub struct LocalFiles<'a> {
    source: &'a Source,
}

impl<'a> LocalFiles<'a> {
    /// The files of `source`.
    pub fn of(source: &'a Source) -> Self {
        Self { source }
    }
}

impl LogFiles for LocalFiles<'_> {
    fn list(&self) -> Result<Vec<LogFile>> {
        self.source.check()?;
        self.source.files()?.iter().map(|path| listed(path)).collect()
    }

    fn bring(&self, file: &LogFile) -> Result<PathBuf> {
        let path = PathBuf::from(&file.name);
        if path.exists() {
            return Ok(path);
        }
        // A name that is no Unicode was written with marks in place of what it is.
        let found = self.source.files()?.into_iter().find(|path| name_of(path).is_ok_and(|name| name == file.name));
        found.ok_or_else(|| {
            Error::new("the input file is gone")
                .at(&file.name)
                .advice("it was there when the files were listed; try again")
        })
    }
}

fn listed(path: &Path) -> Result<LogFile> {
    let facts = std::fs::metadata(path).map_err(|e| Error::io("read the input file", path, e))?;
    // A file system without times of change has no tags: its files are told apart by their lengths.
    let changed = facts.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let tag = changed.map(|time| time.as_nanos().to_string()).unwrap_or_default();
    Ok(LogFile { name: name_of(path)?, bytes: facts.len(), tag })
}

fn name_of(path: &Path) -> Result<String> {
    let absolute = std::path::absolute(path).map_err(|e| Error::io("name the input file", path, e))?;
    Ok(absolute.to_string_lossy().into_owned())
}
