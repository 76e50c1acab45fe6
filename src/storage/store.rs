//! One front for every place: each call goes to the local disk or to a bucket. Nothing here speaks to a network itself.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::buckets::Buckets;
use super::{Place, StorageSettings, local};
use crate::error::{Error, Result};

/// Something that a listing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Where it lies.
    pub place: Place,
    /// Its name below what was listed, with `/` between its parts.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Changes whenever the content does: the store's entity tag; of a local file its time of change and size.
    pub tag: String,
}

/// Which content an object had when it was read or written: what [`When::IfUnchanged`] compares.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    pub(super) e_tag: Option<String>,
    pub(super) version: Option<String>,
}

/// On what condition something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum When {
    /// Whatever is there.
    Always,
    /// Only where nothing is.
    IfAbsent,
    /// Only where what was read is there still.
    IfUnchanged(Tag),
}

/// What became of a conditional write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written {
    /// It stands there, under this tag.
    Done(Tag),
    /// The condition did not hold; nothing was changed.
    Refused,
}

/// What was sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The file's size.
    pub bytes: u64,
    /// The file's SHA-256, in hexadecimal digits.
    pub sha256: String,
    /// What a listing shows of it from now on.
    pub tag: String,
}

/// The stores that this process speaks to.
#[derive(Debug)]
pub struct Storage {
    buckets: Buckets,
}

impl Storage {
    /// Nothing is asked and no credentials are looked for before the first call that needs them.
    pub fn new(settings: StorageSettings) -> Self {
        Self { buckets: Buckets::new(settings) }
    }

    /// Everything below a place, sorted by name. A place where nothing is has nothing below it.
    ///
    /// # Errors
    /// A store that does not answer or refuses; a bucket that does not exist.
    pub fn list(&self, prefix: &Place) -> Result<Vec<Listed>> {
        match prefix {
            Place::Local(folder) => local::list(folder),
            Place::Remote(place) => self.buckets.list(place),
        }
    }

    /// One file or object; none where it does not exist.
    ///
    /// # Errors
    /// As [`Storage::list`].
    pub fn look(&self, place: &Place) -> Result<Option<Listed>> {
        match place {
            Place::Local(path) => local::look(path),
            Place::Remote(place) => self.buckets.look(place),
        }
    }

    /// A small object whole; none where it does not exist.
    ///
    /// # Errors
    /// A store that does not answer or refuses; a bucket that does not exist.
    pub fn read(&self, place: &Place) -> Result<Option<(Vec<u8>, Tag)>> {
        match place {
            Place::Local(path) => local::read(path),
            Place::Remote(place) => self.buckets.read(place),
        }
    }

    /// Writes a small object whole, on a condition that the store itself keeps.
    ///
    /// # Errors
    /// A store that does not answer or refuses; a bucket that does not exist.
    pub fn write(&self, place: &Place, bytes: &[u8], when: When) -> Result<Written> {
        match place {
            Place::Local(path) => local::write(path, bytes, &when),
            Place::Remote(place) => self.buckets.write(place, bytes, &when),
        }
    }

    /// Brings a file here: beside its place first, and renamed into it when it is whole and its length and checksum are the store's.
    /// What a broken download left is continued where it stopped, while the tag is the same. `told` hears how many bytes are here.
    ///
    /// # Errors
    /// As [`Storage::read`]; a content that changed meanwhile or is not what the store's checksum says; a local disk that is full.
    pub fn fetch(&self, from: &Listed, to: &Path, told: &(dyn Fn(u64) + Sync)) -> Result<()> {
        match &from.place {
            Place::Local(path) => local::copy(path, to, told).map(drop),
            Place::Remote(place) => self.buckets.fetch(from, place, to, told),
        }
    }

    /// Sends a file; it appears at its place whole or not at all, in parts where it is large. `told` hears how many bytes are there.
    ///
    /// # Errors
    /// As [`Storage::write`]; a file that changed meanwhile.
    pub fn send(&self, from: &Path, to: &Place, told: &(dyn Fn(u64) + Sync)) -> Result<Sent> {
        match to {
            Place::Local(path) => local::copy(from, path, told),
            Place::Remote(place) => self.buckets.send(from, place, told),
        }
    }

    /// Copies within a store, so that nothing crosses the network; false where there is nothing to copy.
    ///
    /// # Errors
    /// As [`Storage::write`]; two places that are not in one bucket or on one disk.
    pub fn copy(&self, from: &Place, to: &Place) -> Result<bool> {
        match (from, to) {
            (Place::Local(from), Place::Local(to)) => {
                let there = local::look(from)?.is_some();
                if there {
                    local::copy(from, to, &|_| {})?;
                }
                Ok(there)
            }
            (Place::Remote(from), Place::Remote(to)) if (from.cloud, &from.bucket) == (to.cloud, &to.bucket) => {
                self.buckets.copy(from, to)
            }
            _ => Err(Error::new("only within one bucket can a store copy by itself").at(to).seen(from)),
        }
    }

    /// Removes an object; it is no error if there is none.
    ///
    /// # Errors
    /// A store that does not answer or refuses; a bucket that does not exist.
    pub fn remove(&self, place: &Place) -> Result<()> {
        match place {
            Place::Local(path) => local::remove(path),
            Place::Remote(place) => self.buckets.remove(place),
        }
    }
}
