//! A file of JSON lines: the setup first, then every replication as it is done, so that a killed calibration goes on where it was.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::{Replication, Setup};
use crate::error::{Error, Result};

/// An open journal.
pub(super) struct Journal {
    path: PathBuf,
    file: Mutex<File>,
    done: BTreeMap<u32, Replication>,
}

impl Journal {
    /// Opens the journal of `setup` at `path`, or begins it. The number of replications may differ: more can be added later.
    pub(super) fn open(path: &Path, setup: &Setup) -> Result<Self> {
        if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
            std::fs::create_dir_all(parent).map_err(|e| Error::io("make the folder of the journal", parent, e))?;
        }
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(e) => return Err(Error::io("read the journal", path, e)),
        };
        // A line without its end was being written when the last process was killed.
        let whole = &text[..text.rfind('\n').map_or(0, |at| at + 1)];
        let mut lines = whole.lines();
        let of_another = |seen: &str| {
            Error::new("the journal belongs to another calibration")
                .at(path.display())
                .seen(seen)
                .advice("name another --journal, or remove this file")
        };
        if let Some(first) = lines.next() {
            let began: Setup = serde_json::from_str(first).map_err(|e| of_another(first).because(e))?;
            if (Setup { replications: setup.replications, ..began }) != *setup {
                return Err(of_another(first));
            }
        }
        let done = lines
            .map(|line| serde_json::from_str::<Replication>(line).map(|r| (r.replication, r)))
            .collect::<std::result::Result<_, _>>()
            .map_err(|e| Error::new("the journal is damaged").at(path.display()).advice("remove it").because(e))?;
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.map_err(|e| Error::io("open the journal", path, e))?;
        file.set_len(whole.len() as u64).map_err(|e| Error::io("shorten the journal", path, e))?;
        let journal = Self { path: path.to_owned(), file: Mutex::new(file), done };
        if whole.is_empty() {
            journal.line(setup)?;
        }
        Ok(journal)
    }

    /// The replications it held when it was opened.
    pub(super) fn done(&self) -> BTreeMap<u32, Replication> {
        self.done.clone()
    }

    /// Adds one.
    pub(super) fn add(&self, replication: &Replication) -> Result<()> {
        self.line(replication)
    }

    fn line<T: Serialize>(&self, value: &T) -> Result<()> {
        let mut text = serde_json::to_string(value).map_err(|e| Error::new("could not write as JSON").because(e))?;
        text.push('\n');
        // Whoever panicked while it held the lock wrote a whole line or none.
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(text.as_bytes()).map_err(|e| Error::io("write the journal", &self.path, e))
    }
}
