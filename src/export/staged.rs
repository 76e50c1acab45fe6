//! A file or folder that is written beside its place and moved there when it is whole. Nothing here knows what it holds.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::failed;
use crate::error::{Error, Result};

/// Something being written at [`Staged::path`], to appear at its place with [`Staged::finish`]; what was written goes if that is never
/// called. Whatever stood at the place stays until then.
#[derive(Debug)]
pub struct Staged {
    place: PathBuf,
    partial: PathBuf,
    old: PathBuf,
    finished: bool,
}

/// The file that a folder must hold to be replaced: what is no Zarr store was not made here.
const MARK: &str = "zarr.json";

impl Staged {
    /// Begins to write what will stand at `place`, after removing what an interrupted attempt left beside it.
    ///
    /// # Errors
    /// Something at `place` already, unless `overwrite`; with it, a folder that is no Zarr store.
    pub fn begin(place: &Path, overwrite: bool) -> Result<Self> {
        let beside = |ending: &str| {
            let mut name = place.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        let mut staged =
            Self { place: place.to_owned(), partial: beside(".partial"), old: beside(".old"), finished: true };
        // Killed between the two renames of `finish`: the old export takes its place again.
        if staged.old.exists() {
            let tidied = if place.exists() { remove(&staged.old) } else { fs::rename(&staged.old, place) };
            tidied.map_err(|e| failed(&staged.old, e))?;
        }
        if place.exists() {
            if !overwrite {
                return Err(Error::new("there is an export already")
                    .at(place.display())
                    .advice("replace it with --overwrite, or choose another place with --output"));
            }
            if place.is_dir() && !place.join(MARK).exists() {
                return Err(Error::new("this folder is no Zarr store and will not be replaced")
                    .at(place.display())
                    .advice("choose another place with --output"));
            }
        }
        if let Some(parent) = place.parent().filter(|p| !p.as_os_str().is_empty()) {
            fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        remove(&staged.partial).map_err(|e| failed(&staged.partial, e))?;
        staged.finished = false;
        Ok(staged)
    }

    /// Where to write.
    pub fn path(&self) -> &Path {
        &self.partial
    }

    /// Moves what was written to its place.
    ///
    /// # Errors
    /// A rename that fails; what stood at the place then stands there still.
    pub fn finish(mut self) -> Result<()> {
        let moved = if self.place.is_dir() {
            // A folder that is not empty cannot be renamed over.
            fs::rename(&self.place, &self.old).and_then(|()| {
                fs::rename(&self.partial, &self.place).inspect_err(|_| {
                    let _ = fs::rename(&self.old, &self.place);
                })
            })
        } else {
            fs::rename(&self.partial, &self.place)
        };
        moved.map_err(|e| failed(&self.place, e))?;
        self.finished = true;
        remove(&self.old).map_err(|e| failed(&self.old, e))
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.finished {
            // What stays behind is removed by the next attempt.
            let _ = remove(&self.partial);
        }
    }
}

fn remove(path: &Path) -> io::Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
