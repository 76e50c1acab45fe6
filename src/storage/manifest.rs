//! The list that is a home's truth, and what a folder remembers of its own files, so that large ones are neither read nor sent again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::{Listed, Place, Storage, Tag, local};
use crate::error::{Error, Result};

/// Where a home keeps what is not the user's, in the bucket and on disk.
pub(super) const OWN_FOLDER: &str = ".longrun";
/// The truth.
pub(super) const MANIFEST: &str = ".longrun/manifest.json";
/// Contents that are committed, and not yet at their own names.
pub(super) const PENDING: &str = ".longrun/pending";
/// Downloads of a pull that are not yet at their own names.
pub(super) const INCOMING: &str = ".longrun/incoming";
/// What the folder remembers.
pub(super) const FACTS: &str = ".longrun/facts.json";

/// Every file of a home.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Manifest {
    pub(super) schema_version: u32,
    /// How often the home was pushed.
    pub(super) pushes: u64,
    pub(super) files: BTreeMap<String, Content>,
    /// Files that this push took away, to be removed.
    pub(super) removed: Vec<String>,
}

/// What a file holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Content {
    pub(super) bytes: u64,
    pub(super) sha256: String,
}

impl Manifest {
    pub(super) fn read(storage: &Storage, home: &Place) -> Result<Option<(Self, Tag)>> {
        let place = home.join(MANIFEST);
        let Some((bytes, tag)) = storage.read(&place)? else { return Ok(None) };
        let manifest: Self = serde_json::from_slice(&bytes).map_err(|e| {
            Error::new("the list of what is kept here is damaged, or of another version")
                .at(&place)
                .advice("restore an older version of it, where the bucket keeps them")
                .because(e)
        })?;
        let sound =
            |name: &String| !name.starts_with('/') && name.split('/').all(|part| !matches!(part, "" | "." | ".."));
        // What is written to names of this list must stay in the folder.
        match manifest.files.keys().chain(&manifest.removed).find(|name| !sound(name)) {
            Some(name) => {
                Err(Error::new("the list of what is kept here names no file of a folder").at(&place).seen(name))
            }
            None => Ok(Some((manifest, tag))),
        }
    }
}

impl Manifest {
    /// A digest of the state.
    fn state(&self) -> String {
        let text = serde_json::to_vec(self).unwrap_or_default();
        local::hex(&Sha256::digest(text))
    }
}

/// What a folder remembers.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Facts {
    /// The home.
    place: String,
    /// The push that the folder was last equal to.
    pushes: u64,
    /// The list of that push.
    state: String,
    /// The list that was about to be committed: where it stands, the commit was this folder's.
    meant: Option<String>,
    /// The SHA-256 of files as they stand.
    files: BTreeMap<String, Known>,
    /// When this was written: a file that changed no earlier may have changed again within the clock's tick, and is read anew.
    #[serde(skip)]
    written_ns: u128,
    /// What arrived at its own name in the bucket, and how a listing shows it: a push that was cut off need not send it again.
    sent: BTreeMap<String, Known>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Known {
    /// Time of change and size, or a store's tag.
    stands: String,
    sha256: String,
}

/// The time of change in what a local file's tag says.
fn nanoseconds(stands: &str) -> Option<u128> {
    stands.split_once('-')?.0.parse().ok()
}

impl Facts {
    /// What the folder remembers of this home; nothing where it belongs to another, or to none.
    pub(super) fn read(folder: &Path, place: &Place) -> Self {
        let read = fs::read(folder.join(FACTS)).ok().and_then(|text| serde_json::from_slice::<Self>(&text).ok());
        let own = read.filter(|facts| facts.place == place.to_string());
        let written = fs::metadata(folder.join(FACTS)).ok().and_then(|facts| nanoseconds(&local::stands(&facts)));
        let own = own.map(|facts| Self { written_ns: written.unwrap_or(0), ..facts });
        own.unwrap_or_else(|| Self { place: place.to_string(), ..Self::default() })
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        let (path, partial) = (folder.join(FACTS), folder.join(format!("{FACTS}.partial")));
        local::make_parent(&path)?;
        let text = serde_json::to_vec(self)
            .map_err(|e| Error::new("could not write as JSON").at(path.display()).because(e))?;
        fs::write(&partial, text).and_then(|()| fs::rename(&partial, &path)).map_err(|e| Error::io("write", &path, e))
    }

    /// What a file holds, read only if it does not stand as it did.
    pub(super) fn content(&mut self, folder: &Path, file: &Listed) -> Result<Content> {
        let is_settled = nanoseconds(&file.tag).is_some_and(|changed| changed < self.written_ns);
        if let Some(known) = self.files.get(&file.name).filter(|known| is_settled && known.stands == file.tag) {
            return Ok(Content { bytes: file.bytes, sha256: known.sha256.clone() });
        }
        let sha256 = local::sha256(&folder.join(&file.name))?;
        self.files.insert(file.name.clone(), Known { stands: file.tag.clone(), sha256: sha256.clone() });
        Ok(Content { bytes: file.bytes, sha256 })
    }

    /// Remembers a file as it stands now.
    pub(super) fn stands(&mut self, folder: &Path, name: &str, sha256: &str) {
        if let Ok(facts) = fs::metadata(folder.join(name)) {
            let known = Known { stands: local::stands(&facts), sha256: sha256.to_owned() };
            self.files.insert(name.to_owned(), known);
        }
    }

    /// Whether a content arrived already at a place that a listing shows under this tag.
    pub(super) fn arrived(&self, name: &str, sha256: &str, tag: &str) -> bool {
        self.sent.get(name).is_some_and(|known| known.sha256 == sha256 && known.stands == tag && !tag.is_empty())
    }

    pub(super) fn sent(&mut self, name: &str, sha256: &str, tag: &str) {
        self.sent.insert(name.to_owned(), Known { stands: tag.to_owned(), sha256: sha256.to_owned() });
    }

    /// Whether the folder was last equal to this state, or made it.
    pub(super) fn stems_from(&self, manifest: &Manifest) -> bool {
        let state = manifest.state();
        self.state == state || self.meant.as_deref() == Some(&state)
    }

    /// Whether the folder was ever equal to what is there.
    pub(super) fn knows_of_a_push(&self) -> bool {
        self.pushes > 0
    }

    pub(super) fn means_to_commit(&mut self, manifest: &Manifest) {
        self.meant = Some(manifest.state());
    }

    /// The folder and the home are equal.
    pub(super) fn equal(&mut self, manifest: &Manifest) {
        self.pushes = manifest.pushes;
        self.state = manifest.state();
        self.meant = None;
        self.sent.clear();
        self.files.retain(|name, _| manifest.files.contains_key(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file is read again when it stands otherwise, or changed so lately that the clock may not tell.
    #[test]
    fn only_a_settled_file_is_known_without_reading() {
        let dir = tempfile::tempdir().unwrap();
        let (folder, place) = (dir.path(), Place::from(dir.path()));
        fs::write(folder.join("a"), "one").unwrap();
        let listed =
            |changed: &str| Listed { place: place.join("a"), name: "a".into(), bytes: 3, tag: format!("{changed}-3") };
        let one = local::hex(&Sha256::digest("one"));
        let mut facts = Facts { written_ns: 100, ..Facts::read(folder, &place) };
        assert_eq!(facts.content(folder, &listed("50")).unwrap().sha256, one);
        fs::write(folder.join("a"), "two").unwrap();
        assert_eq!(facts.content(folder, &listed("50")).unwrap().sha256, one, "it stands as it did, and is not read");
        assert_ne!(facts.content(folder, &listed("51")).unwrap().sha256, one, "it stands otherwise");
        facts.written_ns = 51;
        fs::write(folder.join("a"), "one").unwrap();
        assert_eq!(facts.content(folder, &listed("51")).unwrap().sha256, one, "it may have changed since");
    }
}
