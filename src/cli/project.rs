//! What every command on a project takes: which project, which day, which overrides; and how it opens it.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::Args;

use crate::error::Result;
use crate::lifecycle::{Access, Project, Today};

#[derive(Debug, Args)]
pub(super) struct ProjectArgs {
    /// The project's folder.
    #[arg(long, short = 'C', default_value = ".", value_name = "FOLDER")]
    project: PathBuf,

    /// Override one key of the project's configuration, as often as needed: --set lifecycle.prediction_months=6.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Work as if today were this day, YYYY-MM-DD: for replays, and for catching up.
    #[arg(long, value_name = "DATE")]
    today: Option<NaiveDate>,
}

impl ProjectArgs {
    pub(super) fn open(&self, access: Access) -> Result<Project> {
        self.open_with(&[], access)
    }

    /// The same with more overrides, which a command has flags of its own for.
    pub(super) fn open_with(&self, more: &[String], access: Access) -> Result<Project> {
        let today = self.today.map_or_else(Today::now, Today::given);
        let set: Vec<String> = self.set.iter().chain(more).cloned().collect();
        Project::open(&self.project, &set, today, access)
    }
}
