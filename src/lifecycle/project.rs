//! A project's folder: where its things lie, and that one process at a time changes them. What the things mean is the other files'
//! business.
//!
//! ```text
//! NAME/longrun.toml            the configuration; no command rewrites it
//!      state.json              where the pipeline stands
//!      champion_manifest.csv   who was champion when, and why; only ever appended to
//!      data/                   the log, or links to it
//!      runs/                   work under way; may be removed when nothing runs
//!      models/ID/              one immutable folder per model; models/champion and models/challenger name one each
//!      outputs/DATE_pred12m/   one folder per snapshot
//!      alerts/                 what was noticed
//!      grid/DATE/              what a comparison of windows and models came to
//!      history.html            all of it for people to look at, made anew by `longrun history`
//! ```

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::today::Today;
use crate::config::{LifecycleSection, Plan, Source};
use crate::error::{Error, Result};
use crate::lock::lock_folder;
use crate::run::{self, Log, Observer, RunDir, WarmSource};
use crate::storage::is_address;

/// The project's configuration.
pub const CONFIG: &str = "longrun.toml";

/// Folders of a project.
const FOLDERS: [&str; 5] = ["data", "runs", "models", "outputs", "alerts"];

/// An open project.
#[derive(Debug)]
pub struct Project {
    root: PathBuf,
    text: String,
    sets: Vec<String>,
    /// The configuration's `[lifecycle]`, checked.
    pub section: LifecycleSection,
    /// The configuration as a run would follow it, before any cutoff is chosen.
    pub plan: Plan,
    /// The day this command works on.
    pub today: Today,
    _lock: Option<File>,
}

/// What a command wants of a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// To look. Others may write meanwhile: every file is whole.
    Read,
    /// To change, which one process at a time may do.
    Write,
}

impl Project {
    /// Makes the folder of a new project, with a configuration that explains itself. `data` is where the log lies.
    ///
    /// # Errors
    /// A folder that holds something already or cannot be written.
    pub fn create(root: &Path, data: &str) -> Result<PathBuf> {
        let config = root.join(CONFIG);
        if config.exists() {
            return Err(Error::new("the folder is a project already")
                .at(config.display())
                .advice("work with it as it is"));
        }
        if fs::read_dir(root).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::new("the folder is not empty")
                .at(root.display())
                .advice("name one that is not there yet"));
        }
        for folder in FOLDERS {
            let path = root.join(folder);
            fs::create_dir_all(&path).map_err(|e| Error::io("make the project's folder", &path, e))?;
        }
        // A TOML string: JSON's escapes are a subset of its.
        let data = serde_json::Value::from(data).to_string();
        let text = include_str!("template.toml").replace("\"data/*.csv\"", &data);
        write(&root.join(".gitignore"), b"/data/\n/runs/\n/models/*/run/draws/\n/outputs/\n/history.html\n.lock\n")?;
        write(&config, text.as_bytes())?;
        Ok(config)
    }

    /// Opens the project in `root`; `sets` override keys of its configuration.
    ///
    /// # Errors
    /// A folder without a project; a configuration with mistakes; with [`Access::Write`], another process that is changing it
    /// ([`Error::is_busy`]).
    pub fn open(root: &Path, sets: &[String], today: Today, access: Access) -> Result<Self> {
        let root = std::path::absolute(root).map_err(|e| Error::io("find the project's folder", root, e))?;
        let path = root.join(CONFIG);
        let text = fs::read_to_string(&path).map_err(|e| {
            Error::new(format!("there is no project here (no {CONFIG})"))
                .at(root.display())
                .advice("make one with `longrun init NAME`, or name its folder with --project")
                .because(e)
        })?;
        let lock = if access == Access::Write { Some(lock(&root)?) } else { None };
        let written = Source::parse(&path, text.clone(), sets)?;
        for (key, set) in [
            ("data.calibration_start", written.config.data.calibration_start.is_some()),
            ("data.calibration_end", written.config.data.calibration_end.is_some()),
            ("data.holdout_end", written.config.data.holdout_end.is_some()),
            ("output.dir", written.config.output.dir.is_some()),
        ] {
            if set {
                return Err(Error::new(format!("{key} must be left out of a project's configuration"))
                    .at(written.place(key))
                    .advice(
                        "a project chooses cutoffs and folders itself; lifecycle.calibration_months is the window",
                    ));
            }
        }
        let mut sets = sets.to_vec();
        sets.push(format!("data.path={}", absolute(&root, &written.config.data.path.to_vec())));
        if let Some(lists) = &written.config.data.forget {
            sets.push(format!("data.forget={}", absolute(&root, &lists.to_vec())));
        }
        if written.config.covariates.is_some() {
            return Err(Error::new(
                "a project's models cannot have covariates: a model predicts customers whom it has not met",
            )
            .at(written.place("covariates"))
            .advice("make what is known of customers a group ([groups]), or fit with `longrun run`"));
        }
        let section = written.config.lifecycle.clone().unwrap_or_default();
        super::check::check(&section, &|key| written.place(&format!("lifecycle.{key}")))?;
        let mut plan = run::plan_of(&Source::parse(&path, text.clone(), &sets)?)?;
        if written.config.output.title.is_none() {
            // A run takes its folder's name; so does a project.
            plan.output.title = root.file_name().map_or(plan.output.title, |name| name.to_string_lossy().into_owned());
        }
        let project = Self { root, text, sets, section, plan, today, _lock: lock };
        // Whoever may change something first makes sure that nobody has changed what it rests on.
        if access == Access::Write {
            project.ledger()?;
        }
        Ok(project)
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The path of something in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// The configuration with more keys overridden.
    pub fn source(&self, more: &[String]) -> Result<Source> {
        let sets: Vec<String> = self.sets.iter().chain(more).cloned().collect();
        Source::parse(&self.path(CONFIG), self.text.clone(), &sets)
    }

    /// The log, read if it has changed; `anew` reads it in any case.
    ///
    /// # Errors
    /// As [`run::read_log`].
    pub fn log(&self, anew: bool, observer: &dyn Observer) -> Result<Log> {
        run::read_log(&self.plan, &self.path("runs/log"), anew, observer)
    }

    /// Opens the work called `name` under `runs/`, or begins it. Work of another configuration under that name is replaced.
    ///
    /// # Errors
    /// As [`run::create_from`].
    pub fn work(&self, name: &str, source: &Source) -> Result<RunDir> {
        self.work_from(name, source, None)
    }

    /// The same of work whose chains begin where an earlier run ended.
    ///
    /// # Errors
    /// As [`run::create_warm`].
    pub fn work_from(&self, name: &str, source: &Source, warm: Option<&WarmSource>) -> Result<RunDir> {
        let root = self.path(&format!("runs/{name}"));
        let text = source.merged_text()?;
        move_here(&root, &text)?;
        let same = fs::read_to_string(root.join("config.toml")).is_ok_and(|there| there == text);
        if same && root.join("plan.toml").exists() {
            let dir = RunDir::open(&root)?;
            let there = dir.plan.warm_start.as_ref().map(|warm| &warm.sha256);
            if there == warm.map(|warm| &warm.plan().sha256) {
                return Ok(dir);
            }
        }
        match warm {
            Some(warm) => run::create_warm(source, warm, true),
            None => run::create_from(source, true),
        }
    }

    /// Writes a page for people into the folder, whole. Needs no lock: two that write it at once each rename a file of their own.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write_page(&self, name: &str, text: &str) -> Result<PathBuf> {
        let path = self.path(name);
        let mine = self.path(&format!("{name}.{}", std::process::id()));
        write(&mine, text.as_bytes())?;
        fs::rename(&mine, &path).map_err(|e| Error::io("write", &path, e))?;
        Ok(path)
    }

    /// Writes a record for programs into the folder, whole.
    ///
    /// # Errors
    /// A folder that cannot be written to.
    pub fn write_record<T: Serialize>(&self, name: &str, record: &T) -> Result<()> {
        let path = self.path(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(|e| Error::io("make a folder", folder, e))?;
        }
        write_json(&path, record)
    }

    /// Removes finished work.
    ///
    /// # Errors
    /// Files that cannot be removed.
    pub fn forget_work(&self, name: &str) -> Result<()> {
        remove(&self.path(&format!("runs/{name}")))
    }
}

/// Work that was begun where the project lay before, on another disk, becomes work of this folder: its configuration and its plan name the
/// folder, and nothing else of it does.
fn move_here(work: &Path, wanted: &str) -> Result<()> {
    let config = work.join("config.toml");
    let dir = |text: &str| -> Option<String> {
        let table: toml::Table = toml::from_str(text).ok()?;
        let dir = table.get("output")?.get("dir")?.as_str()?;
        Some(dir.rsplit_once("/runs/")?.0.to_owned())
    };
    let Ok(there) = fs::read_to_string(&config) else { return Ok(()) };
    let Some((old, new)) = dir(&there).zip(dir(wanted)).filter(|(old, new)| old != new) else { return Ok(()) };
    // With its slash, so that no folder is taken for another whose name begins alike.
    let moved = |text: &str| text.replace(&format!("{old}/"), &format!("{new}/"));
    if moved(&there) != wanted {
        return Ok(());
    }
    let plan = work.join("plan.toml");
    let text = fs::read_to_string(&plan).map_err(|e| Error::io("read", &plan, e))?;
    write(&plan, moved(&text).as_bytes())?;
    write(&config, wanted.as_bytes())
}

/// `["/project/data/a.csv"]`: relative paths start at the project.
fn absolute(root: &Path, paths: &[String]) -> String {
    let from = |path: &String| match is_address(path) {
        true => path.clone(),
        false => root.join(path).to_string_lossy().into_owned(),
    };
    serde_json::Value::from(paths.iter().map(from).collect::<Vec<_>>()).to_string()
}

fn lock(root: &Path) -> Result<File> {
    lock_folder(root)?.ok_or_else(|| {
        Error::new("another longrun process is working on this project")
            .at(root.display())
            .advice("nothing was changed; run the command again when it is done")
            .busy()
    })
}

/// Writes a file beside its place and renames it there, so that a reader sees all of it or none.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut name = path.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let write = || -> std::io::Result<()> {
        use std::io::Write;
        let mut file = File::create(&partial)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&partial, path)
    };
    write().map_err(|e| Error::io("write", path, e))
}

/// Writes a value as indented JSON.
pub(super) fn write_json<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let mut text = serde_json::to_string_pretty(value)
        .map_err(|e| Error::new("could not write as JSON").at(path.display()).because(e))?;
    text.push('\n');
    write(path, text.as_bytes())
}

/// Reads what [`write_json`] wrote; none where there is no file.
pub(super) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match fs::read(path) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        read => read.map_err(|e| Error::io("read", path, e))?,
    };
    serde_json::from_slice(&text).map(Some).map_err(|e| {
        Error::new("the file is damaged or of another version of longrun")
            .at(path.display())
            .advice("restore it from a copy; it was written whole")
            .because(e)
    })
}

/// Removes a folder with all that is in it, if it is there.
pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_dir_all(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path, e)),
        _ => Ok(()),
    }
}

/// Makes `folder` out of what `fill` writes: beside its place first, and renamed when it is whole.
pub(super) fn make_folder(folder: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let mut name = folder.file_name().map(std::ffi::OsStr::to_owned).unwrap_or_default();
    name.push(".partial");
    let partial = folder.with_file_name(name);
    remove(&partial)?;
    fs::create_dir_all(&partial).map_err(|e| Error::io("make a folder", &partial, e))?;
    fill(&partial)?;
    fs::rename(&partial, folder).map_err(|e| Error::io("name the finished folder", folder, e))
}

/// Gives a finished file a second place. Such files are never written to again, so a second name will do where the file system has it.
pub(super) fn keep(from: &Path, to: &Path) -> Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(|_| ())).map_err(|e| Error::io("keep", from, e))
}

/// Gives every file of a folder a second place.
pub(super) fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    make_folder(to, |to| {
        let entries = fs::read_dir(from).map_err(|e| Error::io("list", from, e))?;
        entries.flatten().try_for_each(|entry| keep(&entry.path(), &to.join(entry.file_name())))
    })
}
