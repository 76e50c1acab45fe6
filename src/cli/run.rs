//! `longrun run CONFIG`: everything, from the log to the report.

use clap::Args;

use super::{ConfigArgs, Ending, Terminal, outcome, progress::Bars};
use crate::error::Result;
use crate::run::{self, Step};

#[derive(Debug, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Replace the run that the output directory holds.
    #[arg(long)]
    overwrite: bool,
}

pub(super) fn run(args: &RunArgs, terminal: Terminal) -> Result<Ending> {
    let dir = run::create(&args.config.config, &args.config.set, args.overwrite)?;
    finish(dir, terminal)
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
