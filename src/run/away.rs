//! Runs and inputs that lie in a bucket: where they stand on this machine meanwhile, and when they go to and fro. A run works in a
//! local folder and is sent after every step; inputs are fetched once, and again only when what is there has changed.

use std::collections::HashSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock, PoisonError};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Observer;
use crate::config::Source;
use crate::data::{self, LocalFiles, LogFile, LogFiles};
use crate::error::{Error, Result};
use crate::storage::{Home, Listed, Place, Standing, Storage, StorageSettings, is_address};

/// The stores that this process speaks to, as its environment names them.
pub fn storage() -> &'static Storage {
    static STORAGE: OnceLock<Storage> = OnceLock::new();
    STORAGE.get_or_init(|| Storage::new(StorageSettings::from_environment()))
}

/// Where copies of what lies in buckets are kept: `LONGRUN_CACHE`, else `longrun` in `XDG_CACHE_HOME` or in `~/.cache`.
///
/// # Errors
/// None of the three is set.
pub fn cache() -> Result<PathBuf> {
    let named = |key: &str| std::env::var_os(key).filter(|value| !value.is_empty()).map(PathBuf::from);
    let found = named("LONGRUN_CACHE")
        .or_else(|| named("XDG_CACHE_HOME").map(|folder| folder.join("longrun")))
        .or_else(|| named("HOME").map(|home| home.join(".cache/longrun")));
    let found = found.ok_or_else(|| {
        Error::new("there is no folder for copies of what lies in buckets").advice("let LONGRUN_CACHE name one")
    })?;
    std::path::absolute(&found).map_err(|e| Error::io("find the cache", &found, e))
}

/// Reads a configuration, wherever it lies.
///
/// # Errors
/// As [`Source::read`]; a store that does not answer or refuses; no such object.
pub fn configuration(path: &Path, overrides: &[String]) -> Result<Source> {
    let text = path.to_string_lossy();
    if !is_address(&text) {
        return Source::read(path, overrides);
    }
    let place = Place::parse(&text)?;
    let Some((bytes, _)) = storage().read(&place)? else {
        return Err(Error::new("there is no such configuration").at(&place).advice("check the address"));
    };
    let written =
        String::from_utf8(bytes).map_err(|e| Error::new("a configuration must be UTF-8 text").at(&place).because(e))?;
    Source::parse(path, written, overrides)
}

/// Refuses paths that lead to no file, and fetches nothing.
pub(super) fn must_exist(paths: &[String]) -> Result<()> {
    for path in paths {
        if is_address(path) {
            storage().expand(&Place::parse(path)?)?;
        } else {
            data::Source { paths: vec![path.clone()], ..data::Source::default() }.files()?;
        }
    }
    Ok(())
}

/// The same paths with what lies in buckets brought here. Paths of this machine stay as they are.
pub(super) fn here(paths: &[String], observer: &dyn Observer) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for path in paths {
        if !is_address(path) {
            all.push(path.clone());
            continue;
        }
        let found = storage().expand(&Place::parse(path)?)?;
        let total: u64 = found.iter().map(|file| file.bytes).sum();
        let mut begun = 0;
        for file in &found {
            let kept = kept(file, &|bytes| observer.reading(begun + bytes, total))?;
            all.push(kept.to_string_lossy().into_owned());
            begun += file.bytes;
        }
    }
    Ok(all)
}

/// The files of this machine behind paths, what lies in buckets brought here.
pub(super) fn files(paths: &[String], observer: &dyn Observer) -> Result<Vec<PathBuf>> {
    if paths.is_empty() {
        return Ok(Vec::new());
    }
    data::Source { paths: here(paths, observer)?, ..data::Source::default() }.files()
}

/// About how many rows there are, told without fetching or reading them. Of what lies in a bucket its length is known: a line of text
/// counts as 32 bytes, as 8 where it is compressed.
pub(super) fn rough_rows(paths: &[String]) -> Result<u64> {
    let (away, near): (Vec<&String>, Vec<&String>) = paths.iter().partition(|path| is_address(path));
    let near = near.into_iter().cloned().collect();
    let mut rows = data::Source { paths: near, ..data::Source::default() }.rough_rows();
    for path in away {
        let packed = |name: &str| name.ends_with(".gz") || name.ends_with(".parquet");
        let found = storage().expand(&Place::parse(path)?)?;
        rows += found.iter().map(|file| file.bytes / if packed(&file.name) { 8 } else { 32 }).sum::<u64>();
    }
    Ok(rows)
}

/// The files of a log, on this machine and in buckets.
pub(super) struct LogPlaces<'a> {
    paths: &'a [String],
    /// Copies that were brought here.
    brought: Mutex<Vec<PathBuf>>,
}

impl<'a> LogPlaces<'a> {
    pub(super) fn of(paths: &'a [String]) -> Self {
        Self { paths, brought: Mutex::default() }
    }

    /// Removes the copies; what cannot be removed is fetched over.
    pub(super) fn let_go(&self) {
        for copy in self.brought.lock().unwrap_or_else(PoisonError::into_inner).drain(..) {
            let _ = fs::remove_file(copy);
        }
    }
}

impl LogFiles for LogPlaces<'_> {
    fn list(&self) -> Result<Vec<LogFile>> {
        let (mut all, mut named) = (Vec::new(), HashSet::new());
        for path in self.paths {
            let found: Vec<LogFile> = if is_address(path) {
                let found = storage().expand(&Place::parse(path)?)?;
                let listed = |file: Listed| LogFile { name: file.place.to_string(), bytes: file.bytes, tag: file.tag };
                found.into_iter().map(listed).collect()
            } else {
                let near = data::Source { paths: vec![path.clone()], ..data::Source::default() };
                LocalFiles::of(&near).list()?
            };
            all.extend(found.into_iter().filter(|file| named.insert(file.name.clone())));
        }
        Ok(all)
    }

    fn bring(&self, file: &LogFile) -> Result<PathBuf> {
        if !is_address(&file.name) {
            let near: Vec<String> = self.paths.iter().filter(|path| !is_address(path)).cloned().collect();
            return LocalFiles::of(&data::Source { paths: near, ..data::Source::default() }).bring(file);
        }
        let place = Place::parse(&file.name)?;
        let listed = Listed { name: place.name(), place, bytes: file.bytes, tag: file.tag.clone() };
        let copy = kept(&listed, &|_| {})?;
        self.brought.lock().unwrap_or_else(PoisonError::into_inner).push(copy.clone());
        Ok(copy)
    }
}

/// What a copy in the cache is a copy of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Copied {
    place: String,
    tag: String,
    bytes: u64,
}

/// An object's copy on this machine, fetched unless it is there already.
fn kept(file: &Listed, told: &(dyn Fn(u64) + Sync)) -> Result<PathBuf> {
    let folder = cache()?.join("inputs").join(short(&file.place));
    fs::create_dir_all(&folder).map_err(|e| Error::io("make the cache", &folder, e))?;
    let (path, note, lock) = (folder.join(file.place.name()), folder.join(".copied.json"), folder.join(".lock"));
    // Two processes that need the same file fetch it once.
    let lock = File::options().create(true).truncate(false).write(true).open(&lock);
    lock.and_then(|file| file.lock().map(|()| file)).map_err(|e| Error::io("lock the cache", &folder, e)).and_then(
        |_held| {
            let wanted = Copied { place: file.place.to_string(), tag: file.tag.clone(), bytes: file.bytes };
            let copied = fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Copied>(&text).ok());
            let whole = fs::metadata(&path).is_ok_and(|facts| facts.len() == file.bytes);
            if whole && copied.as_ref() == Some(&wanted) {
                return Ok(path.clone());
            }
            storage().fetch(file, &path, told)?;
            let text = serde_json::to_vec(&wanted)
                .map_err(|e| Error::new("could not write as JSON").at(note.display()).because(e))?;
            fs::write(&note, text).map_err(|e| Error::io("write", &note, e))?;
            Ok(path.clone())
        },
    )
}

/// A name for a place that is a folder's name everywhere.
fn short(place: &Place) -> String {
    Sha256::digest(place.to_string()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// A run in a bucket.
#[derive(Debug)]
pub(super) struct Away {
    place: Place,
    folder: PathBuf,
}

impl Away {
    /// The run at an address; none for a path of this machine.
    pub(super) fn of(root: &Path) -> Result<Option<Self>> {
        let text = root.to_string_lossy();
        if !is_address(&text) {
            return Ok(None);
        }
        let place = Place::parse(&text)?;
        let folder = cache()?.join("runs").join(short(&place)).join(place.name());
        Ok(Some(Self { place, folder }))
    }

    /// Where it is worked on.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    fn home(&self) -> Home<'static> {
        Home::new(storage(), self.place.clone(), self.folder.clone())
    }

    /// Before a new run: whether one is there that this folder knows nothing of. With `overwrite` the next push replaces it.
    pub(super) fn is_taken(&self, overwrite: bool) -> Result<bool> {
        let home = self.home();
        let standing = match home.standing() {
            // Whatever is wrong with what is there, it is to be replaced.
            Err(_) if overwrite => Standing::Elsewhere,
            standing => standing?,
        };
        let other = match standing {
            Standing::Nothing => false,
            Standing::Elsewhere => true,
            // Somebody emptied the local folder.
            Standing::Stems => !self.folder.join("plan.toml").exists(),
        };
        if other && overwrite {
            home.take_over()?;
        }
        Ok(other)
    }

    /// Brings the run here, unless the folder stems from what is there: then it may hold more, work that was not sent yet.
    pub(super) fn bring(&self) -> Result<()> {
        let home = self.home();
        match home.standing()? {
            Standing::Stems if self.folder.join("plan.toml").exists() => Ok(()),
            Standing::Nothing => Ok(()),
            _ => home.pull(&travels, &|_| {}).map(drop),
        }
    }

    /// Sends what is new.
    pub(super) fn send(&self) -> Result<()> {
        self.home().push(&travels, &|_| {}).map(drop).map_err(|e| {
            if e.is_busy() {
                return e;
            }
            Error::new("the run is not yet in its bucket")
                .at(&self.place)
                .advice(format!(
                    "all of it is in {}; `longrun resume {}` sends the rest",
                    self.folder.display(),
                    self.place
                ))
                .because(e)
        })
    }
}

/// Which of a run's files belong to it; the others belong to a process that writes them.
fn travels(name: &str) -> bool {
    let unfinished = |part: &str| part.ends_with(".partial") || part.ends_with(".lock");
    !name.split('/').any(unfinished)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_written_stays_here() {
        for (name, goes) in [
            ("plan.toml", true),
            ("draws/purchase-00001.safetensors", true),
            ("transactions/part-0.parquet", true),
            (".lock", false),
            ("draws/writer.lock", false),
            ("facts.json.partial", false),
            ("transactions.partial/part-0.parquet", false),
        ] {
            assert_eq!(travels(name), goes, "{name}");
        }
    }

    #[test]
    fn paths_of_this_machine_pass_as_they_are() {
        let paths = ["a.csv".to_owned(), "/data/*.csv".to_owned()];
        assert_eq!(here(&paths, &super::super::Unobserved).unwrap(), paths);
        assert!(Away::of(Path::new("runs/shop")).unwrap().is_none());
        let said = here(&["az://shop/a.csv".to_owned()], &super::super::Unobserved).unwrap_err().to_string();
        assert!(said.starts_with("az://shop/a.csv: an address must begin with gs:// or s3://"), "{said}");
    }
}
