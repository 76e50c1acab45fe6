//! One run directory: what lies where, made and opened safely. What the files mean is documented in
//! `docs/guide/run_directory.md`; how they are computed is the business of the steps.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::away::Away;
use super::warm;
use crate::config::Plan;
use crate::error::{Error, Result};
use crate::lock::lock_folder;

/// An open run directory, locked against a second process for as long as it lives.
#[derive(Debug)]
pub struct RunDir {
    root: PathBuf,
    /// The bucket that keeps it, if one does.
    away: Option<Away>,
    /// The plan this run follows.
    pub plan: Plan,
    _lock: File,
}

/// Everything a run may leave in its directory; `--overwrite` removes these and nothing else.
const OWN_FILES: &[&str] = &[
    "plan.toml",
    "config.toml",
    "rejects.csv",
    "contracts.csv",
    "summary.parquet",
    "cells.parquet",
    "spend.parquet",
    "holdout.parquet",
    "weekly.parquet",
    "covariates.parquet",
    "covariate_rejects.csv",
    "facts.json",
    "shrinkage.json",
    "sensitivity.json",
    "diagnostics.json",
    "customers.parquet",
    "customers.csv",
    "predictions.json",
    "checks.json",
    "segments.csv",
    "segments.json",
    "holdout.json",
    "telemetry.json",
    "report.html",
    warm::KEPT,
    warm::GIVEN,
];
const OWN_FOLDERS: &[&str] = &["export", "transactions", "transactions.partial", "summary.partial"];

impl RunDir {
    /// Makes the directory of a new run and writes its `plan.toml`, before any data is read.
    ///
    /// `given` is what an earlier run gave to begin from, as the plan says.
    ///
    /// Errors: the directory holds a run already (unless `overwrite`), holds something else, or cannot be written.
    pub fn create(plan: Plan, config_text: &str, given: Option<&[u8]>, overwrite: bool) -> Result<Self> {
        let away = Away::of(&plan.output.dir)?;
        let root = away.as_ref().map_or(plan.output.dir.as_path(), Away::folder).to_owned();
        fs::create_dir_all(&root).map_err(|e| Error::io("make the run directory", &root, e))?;
        let lock = lock(&root)?;
        let taken = away.as_ref().map_or(Ok(false), |away| away.is_taken(overwrite))?;
        let foreign = first_foreign_entry(&root)?;
        if taken || root.join("plan.toml").exists() {
            // An attempt that never got past its data holds nothing worth keeping.
            let worthless = !root.join("facts.json").exists() && !root.join("draws").exists();
            if !overwrite && (taken || !worthless) {
                let shown = plan.output.dir.display();
                return Err(Error::new("the run directory holds a run already").at(&shown).advice(format!(
                    "continue it with `longrun resume {shown}`, replace it with --overwrite, or choose another with --set output.dir=…",
                )));
            }
            remove_own(&root)?;
        } else if let Some(entry) = foreign {
            return Err(Error::new("the output directory is not empty and is no run of longrun")
                .at(root.display())
                .seen(entry)
                .advice("choose another with --set output.dir=…"));
        }
        limit_threads(&plan);
        let dir = Self { root, away, plan, _lock: lock };
        dir.write("config.toml", config_text.as_bytes())?;
        if let Some(given) = given {
            dir.write(warm::GIVEN, given)?;
        }
        dir.write_plan()?;
        Ok(dir)
    }

    /// Opens the directory of an existing run.
    pub fn open(root: &Path) -> Result<Self> {
        let Some(away) = Away::of(root)? else { return Self::open_here(root, None) };
        let folder = away.folder().to_owned();
        fs::create_dir_all(&folder).map_err(|e| Error::io("make the run directory", &folder, e))?;
        let lock = lock(&folder)?;
        away.bring()?;
        drop(lock);
        let mut dir = Self::open_here(&folder, Some(root))?;
        root.clone_into(&mut dir.plan.output.dir);
        dir.away = Some(away);
        Ok(dir)
    }

    /// Opens a folder of this machine; messages call it `shown`.
    fn open_here(root: &Path, shown: Option<&Path>) -> Result<Self> {
        let path = root.join("plan.toml");
        let none = |e| {
            Error::new("this is not a run directory (it has no plan.toml)")
                .at(shown.unwrap_or(root).display())
                .advice("give the folder that `longrun run` printed, or start a run from its configuration")
                .because(e)
        };
        fs::metadata(&path).map_err(none)?;
        // Locked first, read second: a process that holds the lock may be writing the plan.
        let lock = lock(root)?;
        let text = fs::read_to_string(&path).map_err(none)?;
        let mut plan = Plan::from_toml(&text, &path)?;
        root.clone_into(&mut plan.output.dir);
        limit_threads(&plan);
        Ok(Self { root: root.to_owned(), away: None, plan, _lock: lock })
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// What people call it: the address of a run in a bucket, or the directory.
    pub fn shown(&self) -> std::path::Display<'_> {
        if self.away.is_some() { self.plan.output.dir.display() } else { self.root.display() }
    }

    /// Whether a bucket keeps it.
    pub fn is_away(&self) -> bool {
        self.away.is_some()
    }

    /// Sends what is new to the bucket that keeps the run, if one does.
    pub fn send(&self) -> Result<()> {
        self.away.as_ref().map_or(Ok(()), Away::send)
    }

    /// The path of one of the run's files.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// Whether one of the run's files exists; files appear only once they are whole.
    pub fn has(&self, name: &str) -> bool {
        self.path(name).exists()
    }

    /// Writes a file beside its place and renames it there, so that a reader sees all of it or none.
    pub fn write(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, partial) = (self.path(name), self.path(&format!("{name}.partial")));
        let write = || -> std::io::Result<()> {
            let mut file = File::create(&partial)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &path)
        };
        write().map_err(|e| Error::io("write", &path, e))
    }

    /// Writes a value as indented JSON.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let mut text = serde_json::to_string_pretty(value)
            .map_err(|e| Error::new("could not write as JSON").at(self.path(name).display()).because(e))?;
        text.push('\n');
        self.write(name, text.as_bytes())
    }

    /// Reads a JSON file that an earlier step wrote; `step` names that step in the message when it is missing.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str, step: &str) -> Result<T> {
        let path = self.path(name);
        let text = fs::read_to_string(&path).map_err(|e| {
            Error::new(format!("could not read {name}"))
                .at(path.display())
                .advice(format!("`longrun {step} {}` writes it", self.root.display()))
                .because(e)
        })?;
        serde_json::from_str(&text).map_err(|e| {
            Error::new(format!("{name} is damaged or of another version"))
                .at(path.display())
                .advice(format!("`longrun {step} {}` writes it again", self.root.display()))
                .because(e)
        })
    }

    /// Writes `plan.toml` as the plan stands now.
    pub fn write_plan(&self) -> Result<()> {
        self.write("plan.toml", self.plan.to_toml()?.as_bytes())
    }

    /// Removes one of the run's files, if it is there.
    pub fn forget(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        if path.exists() {
            fs::remove_file(&path).map_err(|e| Error::io("remove a stale result", &path, e))?;
        }
        Ok(())
    }

    /// Removes the draws and what is kept of them for a successor, the manifest first of the store: without it what remains is none.
    pub fn forget_draws(&self) -> Result<()> {
        remove_draws(&self.root)
    }
}

/// Keeps the process to the plan's number of threads, if it names one. The first plan of a process decides.
fn limit_threads(plan: &Plan) {
    if let Some(threads) = plan.compute.threads {
        // An error only says that the pool exists already.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    }
}

fn lock(root: &Path) -> Result<File> {
    lock_folder(root)?.ok_or_else(|| {
        Error::new("another longrun process is working in this run directory")
            .at(root.display())
            .advice("wait for it, or choose another directory with --set output.dir=…")
    })
}

fn first_foreign_entry(root: &Path) -> Result<Option<String>> {
    let entries = fs::read_dir(root).map_err(|e| Error::io("list the run directory", root, e))?;
    let mut names: Vec<String> = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    // A run killed before its plan was renamed into place leaves only these.
    let own = |n: &String| {
        let whole = n.strip_suffix(".partial").unwrap_or(n);
        n == ".lock" || n == ".longrun" || whole == "config.toml" || whole == warm::GIVEN || n == "plan.toml.partial"
    };
    Ok(names.into_iter().find(|n| !own(n)))
}

fn remove_draws(root: &Path) -> Result<()> {
    let folder = root.join("draws");
    // What a successor would begin from is made of the draws.
    for path in [root.join(warm::KEPT), folder.join("manifest.json"), folder] {
        let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        match removed {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(Error::io("remove old draws", &path, e)),
            _ => {}
        }
    }
    Ok(())
}

fn remove_own(root: &Path) -> Result<()> {
    let replacing = |path: &Path, e| Error::io("replace the old run", path, e);
    remove_draws(root)?;
    for name in OWN_FOLDERS {
        let path = root.join(name);
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|e| replacing(&path, e))?;
        }
    }
    // The plan goes last: until then what remains is still a run, and can be replaced or resumed.
    for name in OWN_FILES.iter().rev() {
        for path in [root.join(format!("{name}.partial")), root.join(name)] {
            if path.exists() {
                fs::remove_file(&path).map_err(|e| replacing(&path, e))?;
            }
        }
    }
    Ok(())
}
