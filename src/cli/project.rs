//! What every command on a project takes: which project, which day, which overrides; and how it opens it, wherever it is kept.

use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::NaiveDate;
use clap::Args;

use super::Ending;
use super::reader::read_or_not;
use crate::error::{Error, Result};
use crate::lifecycle::{Access, CONFIG, Project, Today};
use crate::nightly::{Checkout, Whereabouts};
use crate::run::{cache, storage};
use crate::storage::Place;

#[derive(Debug, Args)]
pub(super) struct ProjectArgs {
    /// The project's folder, or its address, gs://bucket/name or s3://bucket/name. A project that is kept in a bucket is locked there,
    /// fetched, and what changed is sent back.
    #[arg(long, short = 'C', default_value = ".", value_name = "FOLDER")]
    project: String,

    /// Override one key of the project's configuration, as often as needed: --set lifecycle.prediction_months=6.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Work as if today were this day, YYYY-MM-DD: for replays, and for catching up.
    #[arg(long, value_name = "DATE")]
    today: Option<NaiveDate>,
}

impl ProjectArgs {
    /// Does `work` on the project.
    pub(super) fn on(&self, access: Access, work: impl FnOnce(&Project) -> Result<Ending>) -> Result<Ending> {
        self.on_with(&[], access, work)
    }

    /// The same with more overrides, which a command has flags of its own for.
    pub(super) fn on_with(
        &self,
        more: &[String],
        access: Access,
        work: impl FnOnce(&Project) -> Result<Ending>,
    ) -> Result<Ending> {
        let today = self.today.map_or_else(Today::now, Today::given);
        let set: Vec<String> = self.set.iter().chain(more).cloned().collect();
        let kept = Place::parse(&self.project)?;
        let place = if kept.is_remote() {
            Whereabouts::find(&self.project, &work_folder(&kept)?, &set, storage())?
        } else {
            // What is wrong with a project of this machine, opening it tells best.
            match Whereabouts::find(&self.project, Path::new(""), &set, storage()) {
                Ok(place) if place.home.is_some() => place,
                _ => return work(&Project::open(Path::new(&self.project), &set, today, access)?),
            }
        };
        if access == Access::Read {
            let folder = Checkout::look(storage(), &place)?;
            return work(&Project::open(&folder, &set, today, access)?);
        }
        let lock = Duration::from_secs(60 * u64::from(place.nightly.lock_minutes));
        let checkout = Checkout::take(storage(), &place, "a person", lock)?;
        let ending = checkout.held(|| {
            checkout.fetch(&|_| {})?;
            let project = Project::open(&place.folder, &set, today, access)?;
            let ending = read_or_not(|| work(&project))?;
            drop(project);
            checkout.send(&|_| {})?;
            Ok(ending)
        });
        // What failed matters more than a lock, which ends by itself.
        let released = checkout.release();
        let ending = ending?;
        released.map(|()| ending)
    }
}

/// Where a project from a bucket is worked on: `LONGRUN_WORK`, or a folder of its own under the user's cache.
pub(super) fn work_folder(home: &Place) -> Result<PathBuf> {
    if let Some(work) = std::env::var_os("LONGRUN_WORK").filter(|work| !work.is_empty()).map(PathBuf::from) {
        return std::path::absolute(&work).map_err(|e| Error::io("find the working folder", &work, e));
    }
    let home = home.to_string();
    let home = home.strip_suffix(CONFIG).map_or(home.as_str(), |folder| folder.trim_end_matches('/'));
    let name: String =
        home.chars().map(|c| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
    Ok(cache()?.join("projects").join(name))
}
