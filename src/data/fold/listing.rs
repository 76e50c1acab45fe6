//! The files of the log as they stand.

use std::collections::HashMap;

use super::LogToRead;
use super::manifest::digest_of;
use crate::data::log_files::LogFile;
use crate::data::rows::nothing_in;
use crate::error::{Error, Result};

/// The files of the log as they stand.
pub(super) struct Listing {
    pub(super) files: Vec<LogFile>,
    /// What they are called in the table.
    pub(super) digests: Vec<u64>,
    pub(super) bytes: u64,
}

impl Listing {
    pub(super) fn of(log: LogToRead<'_>) -> Result<Self> {
        let files = log.files.list()?;
        let digests: Vec<u64> = files.iter().map(|file| digest_of(&file.name)).collect();
        let mut places = HashMap::new();
        for (file, digest) in files.iter().zip(&digests) {
            if let Some(other) = places.insert(digest, file) {
                return Err(Error::new("two files of the log cannot be told apart by their names")
                    .at(&file.name)
                    .seen(format!("{} too", other.name))
                    .advice("name each once, or rename one"));
            }
        }
        let bytes = files.iter().map(|file| file.bytes).sum();
        if bytes == 0 {
            return Err(nothing_in(log.source, files.into_iter().next().map(|file| file.name)));
        }
        Ok(Self { files, digests, bytes })
    }
}
