//! What stands for buckets in a build without the feature `cloud`: every call is an error that names it. Nothing is asked of a network.

use std::path::Path;

use super::{Listed, RemotePlace, Sent, StorageSettings, Tag, When, Written};
use crate::error::{Error, Result};

/// No bucket can be reached.
#[derive(Debug)]
pub(super) struct Buckets;

impl Buckets {
    pub(super) fn new(_: StorageSettings) -> Self {
        Self
    }

    pub(super) fn list(&self, place: &RemotePlace) -> Result<Vec<Listed>> {
        Err(unreachable(place))
    }

    pub(super) fn look(&self, place: &RemotePlace) -> Result<Option<Listed>> {
        Err(unreachable(place))
    }

    pub(super) fn read(&self, place: &RemotePlace) -> Result<Option<(Vec<u8>, Tag)>> {
        Err(unreachable(place))
    }

    pub(super) fn write(&self, place: &RemotePlace, _: &[u8], _: &When) -> Result<Written> {
        Err(unreachable(place))
    }

    pub(super) fn fetch(&self, _: &Listed, place: &RemotePlace, _: &Path, _: &(dyn Fn(u64) + Sync)) -> Result<()> {
        Err(unreachable(place))
    }

    pub(super) fn send(&self, _: &Path, place: &RemotePlace, _: &(dyn Fn(u64) + Sync)) -> Result<Sent> {
        Err(unreachable(place))
    }

    pub(super) fn copy(&self, _: &RemotePlace, to: &RemotePlace) -> Result<bool> {
        Err(unreachable(to))
    }

    pub(super) fn remove(&self, place: &RemotePlace) -> Result<()> {
        Err(unreachable(place))
    }
}

fn unreachable(place: &RemotePlace) -> Error {
    Error::new("this build of longrun reaches no buckets")
        .at(place)
        .advice("install it with --features cloud, or copy the files here")
}

#[cfg(test)]
mod tests {
    use crate::storage::{Place, Storage, StorageSettings};

    #[test]
    fn a_build_without_buckets_names_the_feature() {
        let storage = Storage::new(StorageSettings::default());
        let said = storage.read(&Place::parse("gs://shop/a").unwrap()).unwrap_err().to_string();
        assert!(said.starts_with("gs://shop/a: this build") && said.contains("--features cloud"), "{said}");
    }
}
