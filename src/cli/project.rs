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
        let today = self.today.map_or_else(Today::now, Today::given);
        Project::open(&self.project, &self.set, today, access)
    }
}
