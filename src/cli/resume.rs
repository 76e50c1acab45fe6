//! `longrun resume RUN`: continues an interrupted run.

use std::path::PathBuf;

use clap::Args;

use super::{Ending, Terminal};
use crate::error::Result;
use crate::run;

#[derive(Debug, Args)]
pub(super) struct ResumeArgs {
    /// The run directory.
    run: PathBuf,
}

pub(super) fn resume(args: &ResumeArgs, terminal: Terminal) -> Result<Ending> {
    super::run::finish(run::RunDir::open(&args.run)?, terminal)
}
