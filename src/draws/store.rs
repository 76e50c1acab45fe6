//! A draw store's front: make one, open one, ask it how far its fits are, hand out its one writer.
//!
//! Opening reads the manifest and touches nothing; only taking the writer removes what an interrupted commit left behind.
//! One process writes at a time (a file lock that dies with its process); any number read.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::Path;

use serde_json::Value;

use super::disk::{Disk, PARTIAL};
use super::manifest::{FitEntry, MANIFEST, Manifest};
use super::shard;
use super::writer::ShardWriter;
use crate::error::{Error, Result};
use crate::lock::lock_patiently;
use crate::target::{Checkpoint, Schema};

/// The file whose lock the writing process holds.
const LOCK: &str = "writer.lock";

/// A directory of draws.
#[derive(Debug)]
pub struct DrawStore {
    disk: Disk,
    manifest: Manifest,
    lock: Option<File>,
}

impl DrawStore {
    /// Makes an empty store at `dir` (and its parents) for draws that belong to `identity`.
    ///
    /// # Errors
    /// A store that is there already, or a folder that cannot be written.
    pub fn create(dir: &Path, identity: Value) -> Result<Self> {
        std::fs::create_dir_all(dir).map_err(|e| Error::io("make the folder of the draws", dir, e))?;
        if dir.join(MANIFEST).exists() {
            return Err(Error::new("there are draws here already")
                .at(dir.display())
                .advice("continue them with `longrun resume`, or choose another output folder"));
        }
        let mut store = Self { disk: Disk::new(dir), manifest: Manifest::new(identity), lock: None };
        store.lock = Some(store.acquire()?);
        store.replace_manifest(store.manifest.clone())?;
        Ok(store)
    }

    /// Opens the store at `dir`, checking its version and that every file it names is there in full length.
    ///
    /// # Errors
    /// No manifest, a damaged one, one of another version, or a missing or shortened file.
    pub fn open(dir: &Path) -> Result<Self> {
        let store = Self { disk: Disk::new(dir), manifest: Manifest::read(dir)?, lock: None };
        store.check_presence()?;
        Ok(store)
    }

    fn check_presence(&self) -> Result<()> {
        for (file, bytes) in self.manifest.files() {
            let path = self.disk.path(file);
            let found = std::fs::metadata(&path).map_err(|e| {
                Error::new("a file of the draws is missing")
                    .at(path.display())
                    .advice("restore it from a copy, or fit again into a new run directory")
                    .because(e)
            })?;
            if found.len() != bytes {
                return Err(Error::new(format!("the file is damaged: it should have {bytes} bytes"))
                    .at(path.display())
                    .seen(found.len())
                    .advice("restore it from a copy, or fit again into a new run directory"));
            }
        }
        Ok(())
    }

    /// Reads every file and holds it against its checksum.
    ///
    /// # Errors
    /// The first file that is missing or damaged, by name.
    pub fn verify(&self) -> Result<()> {
        for fit in self.manifest.fits.values() {
            for s in fit.shards.iter().chain(&fit.warmup) {
                self.disk.read(&s.file, s.bytes, &s.sha256)?;
            }
            if let Some(c) = &fit.checkpoint {
                self.disk.read(&c.file, c.bytes, &c.sha256)?;
            }
        }
        Ok(())
    }

    /// Where the store is.
    pub fn dir(&self) -> &Path {
        self.disk.dir()
    }

    /// What the draws belong to, as it was given to [`DrawStore::create`].
    pub fn identity(&self) -> &Value {
        &self.manifest.identity
    }

    /// The manifest as of the last commit seen from here.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Names of the fits that have begun, in alphabetical order.
    pub fn fits(&self) -> Vec<&str> {
        self.manifest.fits.keys().map(String::as_str).collect()
    }

    /// The manifest's entry of `fit`.
    ///
    /// # Errors
    /// No such fit.
    pub fn entry(&self, fit: &str) -> Result<&FitEntry> {
        self.manifest.fits.get(fit).ok_or_else(|| {
            let has = self.fits().join(", ");
            Error::new(format!("there is no fit `{fit}` among the draws"))
                .at(self.dir().display())
                .seen(if has.is_empty() { "none".to_owned() } else { has })
                .advice("run the `fit` step, or `longrun resume` if it was interrupted")
        })
    }

    /// Whether `fit` has all the draws it was asked for; `false` for one that has not begun.
    pub fn is_complete(&self, fit: &str) -> bool {
        self.manifest.fits.get(fit).is_some_and(|f| f.complete)
    }

    /// The state to continue `fit` from; `None` where it has not begun.
    ///
    /// # Errors
    /// A checkpoint that is missing or damaged.
    pub fn checkpoint(&self, fit: &str) -> Result<Option<Checkpoint>> {
        let Some(file) = self.manifest.fits.get(fit).and_then(|f| f.checkpoint.as_ref()) else { return Ok(None) };
        let bytes = self.disk.read(&file.file, file.bytes, &file.sha256)?;
        postcard::from_bytes(&bytes).map(Some).map_err(|e| {
            Error::new("the checkpoint cannot be read")
                .at(self.disk.path(&file.file).display())
                .advice("resume with the version of longrun that wrote it")
                .because(e)
        })
    }

    /// The writer of `fit`: a new fit, or the continuation of one with the same layout. Removes what an interrupted commit
    /// left behind.
    ///
    /// # Errors
    /// Another process writing here, a complete fit, a layout unlike the one on disk, or names that a shard cannot hold.
    pub fn writer(&mut self, fit: &str, schema: &Schema, chains: usize, dim: usize) -> Result<ShardWriter<'_>> {
        check_names(fit, schema).map_err(|e| e.at(self.dir().display()))?;
        self.lock()?;
        let entry = match self.manifest.fits.get(fit) {
            Some(entry) if entry.complete => {
                return Err(Error::new(format!("fit `{fit}` is complete"))
                    .at(self.dir().display())
                    .advice("fit into a new run directory for more draws"));
            }
            Some(entry) if (&entry.schema, entry.chains, entry.dim) != (schema, chains, dim) => {
                return Err(Error::new(format!(
                    "fit `{fit}` was begun with another layout ({} chains, {} coordinates, {} values a draw)",
                    entry.chains,
                    entry.dim,
                    entry.schema.size()
                ))
                .at(self.dir().display())
                .seen(format!("{chains} chains, {dim} coordinates, {} values a draw", schema.size()))
                .advice("resume with the plan and data it was begun with, or fit into a new run directory"));
            }
            Some(entry) => entry.clone(),
            None => FitEntry::new(schema.clone(), chains, dim),
        };
        self.sweep()?;
        Ok(ShardWriter::new(self, fit.to_owned(), entry))
    }

    /// Marks `fit` as complete, with the sampler's `report`.
    ///
    /// # Errors
    /// No such fit, or a disk that refuses.
    pub fn finish(&mut self, fit: &str, report: Value) -> Result<()> {
        self.lock()?;
        self.entry(fit)?;
        let mut next = self.manifest.clone();
        if let Some(entry) = next.fits.get_mut(fit) {
            entry.complete = true;
            entry.report = Some(report);
        }
        self.replace_manifest(next)
    }

    pub(super) fn disk(&self) -> &Disk {
        &self.disk
    }

    /// The commit: from this one rename on, `next` is what the store holds.
    pub(super) fn replace_manifest(&mut self, next: Manifest) -> Result<()> {
        self.disk.put(MANIFEST, &next.to_bytes()?)?;
        self.manifest = next;
        self.disk.sync()
    }

    /// Removes the files of commits that did not happen or have been superseded. Files that are not ours stay.
    pub(super) fn sweep(&self) -> Result<()> {
        let kept: BTreeSet<&str> = self.manifest.files().map(|(file, _)| file).collect();
        for name in self.disk.names()? {
            let whole = name.strip_suffix(PARTIAL).unwrap_or(&name);
            let ours = whole == MANIFEST
                || is_numbered(whole, "-", ".safetensors")
                || is_numbered(whole, "-warmup-", ".safetensors")
                || is_numbered(whole, "-checkpoint-", ".bin");
            let partial = whole.len() < name.len();
            if ours && (partial || (name != MANIFEST && !kept.contains(name.as_str()))) {
                self.disk.remove(&name)?;
            }
        }
        Ok(())
    }

    /// Becomes the one that writes, and learns what others wrote before.
    fn lock(&mut self) -> Result<()> {
        if self.lock.is_none() {
            self.lock = Some(self.acquire()?);
            self.manifest = Manifest::read(self.disk.dir())?;
            self.check_presence()?;
        }
        Ok(())
    }

    fn acquire(&self) -> Result<File> {
        let path = self.disk.path(LOCK);
        let file = File::create(&path).map_err(|e| Error::io("lock the folder of the draws", &path, e))?;
        match lock_patiently(&file) {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => Err(Error::new("another process is writing these draws")
                .at(self.dir().display())
                .advice("let it finish or stop it, then run `longrun resume`")),
            // Some network file systems have no locks; the store still works, unguarded.
            Err(TryLockError::Error(_)) => Ok(file),
        }
    }

    #[cfg(test)]
    pub(super) fn fuse(&self) -> std::sync::Arc<super::disk::fuse::Fuse> {
        self.disk.fuse.clone()
    }
}

/// Whether `name` is `<fit><mark><digits><ending>`.
fn is_numbered(name: &str, mark: &str, ending: &str) -> bool {
    let parts = name.strip_suffix(ending).and_then(|stem| stem.rsplit_once(mark));
    parts.is_some_and(|(fit, n)| is_plain(fit) && !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Names that a shard and its file name can hold, without two of them meaning the same tensor.
fn check_names(fit: &str, schema: &Schema) -> Result<()> {
    if !is_plain(fit) {
        return Err(Error::new("a fit's name may hold letters, digits and underscores only").seen(format!("{fit:?}")));
    }
    let mut seen = BTreeSet::new();
    for variable in &schema.variables {
        let name = variable.name.as_str();
        let taken =
            name.is_empty() || name == shard::UNCONSTRAINED || name == "__metadata__" || name.starts_with(shard::STATS);
        if taken || !seen.insert(name) {
            return Err(Error::new("a variable needs a name of its own that the draw store does not use itself")
                .seen(format!("{name:?}")));
        }
        if let Some(dim) = variable.dims.iter().find(|d| !schema.coords.contains_key(*d)) {
            return Err(Error::new(format!("variable `{name}` has a dimension without coordinates")).seen(dim));
        }
    }
    Ok(())
}
