//! `longrun run CONFIG`: everything, from the log to the report.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{ConfigArgs, Ending, Terminal, outcome, progress::Bars};
use crate::config::Source;
use crate::error::Result;
use crate::run::{self, Step, WarmSource};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Replace the run that the output directory holds.
    #[arg(long)]
    overwrite: bool,

    /// Begin the chains where those of an earlier run ended: its directory, or a model's folder.
    #[arg(long, value_name = "RUN")]
    warm_start: Option<PathBuf>,
}

pub(super) fn run(args: &RunArgs, terminal: Terminal) -> Result<Ending> {
    let ConfigArgs { config, set } = &args.config;
    finish(create(config, set, args.warm_start.as_deref(), args.overwrite)?, terminal)
}

/// Makes the directory of a new run that begins anew, or where an earlier one ended.
pub(super) fn create(config: &Path, set: &[String], warm: Option<&Path>, overwrite: bool) -> Result<run::RunDir> {
    let Some(earlier) = warm else { return run::create(config, set, overwrite) };
    // Read first: it may be the very run that is replaced.
    let from = WarmSource::read(earlier, &earlier.to_string_lossy())?;
    run::create_warm(&Source::read(config, set)?, &from, overwrite)
}

/// Runs whatever steps the directory still lacks, writes the report and prints the result.
pub(super) fn finish(mut dir: run::RunDir, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    for step in Step::ALL {
        super::step::perform(&mut dir, step, &bars)?;
    }
    bars.clear();
    outcome::print(&dir, terminal)
}
