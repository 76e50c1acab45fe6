//! Removes what has been kept long enough: old models' draws, older cards, labelled predictions, and work that nobody will continue. The
//! champion, the challenger and the ledger are never touched; what will be removed can be looked at first.

use std::fs;
use std::path::{Path, PathBuf};

use chrono::NaiveDate;
use serde::Serialize;

use super::Project;
use super::models::Alias;
use super::project::remove;
use super::snapshot::SnapshotName;
use super::today::window_days;
use crate::error::{Error, Result};

/// Something to remove.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Removal {
    /// Where it is, from the project's folder.
    pub path: PathBuf,
    /// Why it may go.
    pub reason: String,
    /// How much space it takes.
    pub bytes: u64,
}

/// Everything that may go today, in the order in which it would.
///
/// # Errors
/// A ledger that does not hold; folders that cannot be listed.
pub fn removals(project: &Project) -> Result<Vec<Removal>> {
    let retention = &project.section.retention;
    let today = project.today.date;
    let older = |date: NaiveDate, months: u32| (today - date).num_days() > window_days(months) as i64;
    let mut found = Vec::new();
    let mut add = |path: PathBuf, reason: String| -> Result<()> {
        if path.exists() {
            let bytes = size(&path)?;
            let path = path.strip_prefix(project.root()).map_or_else(|_| path.clone(), Path::to_owned);
            found.push(Removal { path, reason, bytes });
        }
        Ok(())
    };
    let kept = [project.alias(Alias::Champion)?, project.alias(Alias::Challenger)?];
    let promoted: Vec<String> = project.ledger()?.rows().iter().map(|row| row.entry.model_id.clone()).collect();
    // A model's age counts from its cutoff: what it knows, not when it was last touched.
    for id in project.models()?.into_iter().filter(|id| !kept.contains(&Some(id.clone()))) {
        let cutoff = project.card(&id)?.cutoff;
        let folder = project.model_folder(&id);
        if older(cutoff, retention.cards_months) && !promoted.contains(&id) {
            add(
                folder,
                format!("its cutoff is more than {} months ago, and it was never champion", retention.cards_months),
            )?;
        } else if older(cutoff, retention.models_months) {
            add(
                folder.join("run"),
                format!("its cutoff is more than {} months ago; the card stays", retention.models_months),
            )?;
        }
    }
    for name in project.snapshots()? {
        // Predictions wait for their label, however old they are.
        let Some(outcome) = project.outcome(name)? else { continue };
        if older(outcome.window_end, retention.predictions_months) {
            let reason =
                format!("labelled, and its window ended more than {} months ago", retention.predictions_months);
            for path in bulky(project, name) {
                add(path, reason.clone())?;
            }
        }
    }
    for path in leftovers(project)? {
        add(path, "work that nobody will continue".to_owned())?;
    }
    Ok(found)
}

/// Removes what [`removals`] named.
///
/// # Errors
/// Something that cannot be removed.
pub fn prune(project: &Project, removals: &[Removal]) -> Result<()> {
    for removal in removals {
        let path = project.path(&removal.path.to_string_lossy());
        if path.is_dir() {
            // The proof goes first: half a model is none.
            let card = path.join(super::CARD_FILE);
            if card.exists() {
                fs::remove_file(&card).map_err(|e| Error::io("remove", &card, e))?;
            }
            remove(&path)?;
        } else {
            fs::remove_file(&path).map_err(|e| Error::io("remove", &path, e))?;
        }
    }
    Ok(())
}

/// The files of a snapshot with a row per customer. Its record, tables and outcome stay.
fn bulky(project: &Project, name: SnapshotName) -> Vec<PathBuf> {
    let folder = project.snapshot_folder(name);
    let stems = ["clv_predictions", "clv_labelled"];
    stems
        .iter()
        .flat_map(|stem| ["parquet", "csv"].map(|ending| folder.join(format!("{stem}_{name}.{ending}"))))
        .collect()
}

/// Work under `runs/` for models and snapshots that stand, and halves of folders that a kill left behind.
fn leftovers(project: &Project) -> Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for folder in ["models", "outputs"] {
        paths.extend(entries(&project.path(folder))?.into_iter().filter(|p| p.to_string_lossy().ends_with(".partial")));
    }
    for path in entries(&project.path("runs"))? {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
        let done = match name.split_once('-') {
            Some(("train" | "backtest", id)) => project.model_folder(id).exists(),
            // Summaries at a cutoff: quickly made again.
            Some(("score" | "label" | "compare", _)) => true,
            _ => false,
        };
        if done {
            paths.push(path);
        }
    }
    Ok(paths)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let listed = match fs::read_dir(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(|e| Error::io("list", folder, e))?,
    };
    let mut paths: Vec<PathBuf> = listed.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn size(path: &Path) -> Result<u64> {
    if !path.is_dir() {
        return fs::metadata(path).map(|m| m.len()).map_err(|e| Error::io("look at", path, e));
    }
    entries(path)?.iter().map(|entry| size(entry)).sum()
}
