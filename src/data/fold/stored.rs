//! Files of the table, called after their content: equal files have equal names wherever and whenever they are written, and what stands
//! under a name is never another. Nothing here knows what is in them.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// A file of the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::data) struct Stored {
    /// Its name, from the table's folder: `2024-03/part-000-5f0c….parquet`.
    pub(in crate::data) name: String,
    /// Its length.
    pub(in crate::data) bytes: u64,
}

impl Stored {
    /// What `bytes` are called as the file `stem`.
    pub(super) fn of(stem: &str, bytes: &[u8]) -> Self {
        let digest: String = Sha256::digest(bytes).iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        Self { name: format!("{stem}-{digest}.parquet"), bytes: bytes.len() as u64 }
    }

    /// Writes the bytes under their name.
    pub(super) fn write(&self, folder: &Path, bytes: &[u8]) -> Result<()> {
        land(&folder.join(&self.name), bytes)
    }

    /// Why the file is not the one that was written, if so: it is read, and its content held against its name.
    pub(super) fn damaged(&self, folder: &Path) -> Option<String> {
        let path = folder.join(&self.name);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) => return Some(format!("{} cannot be read: {e}", path.display())),
        };
        let is = |stem: &str| Self::of(stem, &bytes) == *self;
        let sound = self.name.rsplit_once('-').is_some_and(|(stem, _)| is(stem));
        (!sound).then(|| format!("{} is damaged: its content is not what its name says", path.display()))
    }

    /// Why the file cannot be the one that was written, if so. Its length is looked at, not its content.
    pub(in crate::data) fn missing(&self, folder: &Path) -> Option<String> {
        let path = folder.join(&self.name);
        match fs::metadata(&path) {
            Ok(facts) if facts.len() == self.bytes => None,
            Ok(facts) => Some(format!("{} has {} bytes instead of {}", path.display(), facts.len(), self.bytes)),
            Err(_) => Some(format!("the transactions table lacks {}", path.display())),
        }
    }
}

/// Writes a file beside its place and renames it there.
pub(super) fn land(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut partial = path.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    let write = || -> std::io::Result<()> {
        step(&partial)?;
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| Error::io("write the transactions table", &partial, e))?;
    let name = || -> std::io::Result<()> {
        step(path)?;
        fs::rename(&partial, path)
    };
    name().map_err(|e| Error::io("name a file of the transactions table", path, e))
}

/// Removes everything in `folder` that is not kept, and folders that it leaves empty.
pub(super) fn sweep(folder: &Path, kept: &dyn Fn(&str) -> bool) -> Result<()> {
    sweep_below(folder, "", kept)
        .map_err(|e| Error::io("remove what the transactions table no longer needs", folder, e))
}

fn sweep_below(folder: &Path, prefix: &str, kept: &dyn Fn(&str) -> bool) -> std::io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            sweep_below(&entry.path(), &format!("{name}/"), kept)?;
            if fs::read_dir(entry.path())?.next().is_none() {
                step(&entry.path())?;
                fs::remove_dir(entry.path())?;
            }
        } else if !kept(&name) {
            step(&entry.path())?;
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

#[cfg(not(test))]
fn step(_path: &Path) -> std::io::Result<()> {
    Ok(())
}

#[cfg(test)]
pub(in crate::data) use breaking::break_after;
#[cfg(test)]
use breaking::step;

/// Lets a test stop the writing of a table at any step, for good, as a kill does, or as a full disk.
#[cfg(test)]
mod breaking {
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;

    struct Planned {
        folder: PathBuf,
        steps: usize,
        cause: std::io::ErrorKind,
        broken: bool,
    }

    static PLANNED: Mutex<Vec<Planned>> = Mutex::new(Vec::new());

    /// A planned break; it is called off when this goes.
    pub(in crate::data) struct Break(PathBuf);

    impl Break {
        /// Whether it has come to it.
        pub(in crate::data) fn broke(&self) -> bool {
            PLANNED.lock().unwrap().iter().any(|planned| planned.folder == self.0 && planned.broken)
        }
    }

    impl Drop for Break {
        fn drop(&mut self) {
            PLANNED.lock().unwrap().retain(|planned| planned.folder != self.0);
        }
    }

    /// Below `folder`, `steps` writes, renames and removals work, and none after them.
    pub(in crate::data) fn break_after(folder: &Path, steps: usize, cause: std::io::ErrorKind) -> Break {
        let folder = folder.to_owned();
        PLANNED.lock().unwrap().push(Planned { folder: folder.clone(), steps, cause, broken: false });
        Break(folder)
    }

    pub(super) fn step(path: &Path) -> std::io::Result<()> {
        let mut planned = PLANNED.lock().unwrap();
        match planned.iter_mut().find(|planned| path.starts_with(&planned.folder)) {
            Some(planned) if planned.steps == 0 => {
                planned.broken = true;
                Err(planned.cause.into())
            }
            Some(planned) => {
                planned.steps -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}
