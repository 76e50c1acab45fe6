//! One subcommand per step: performs it again, after whatever earlier steps the run still lacks.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Ending, Terminal, outcome, progress::Bars};
use crate::error::{Error, Result};
use crate::run::{self, Observer, RunDir, Step};

#[derive(Debug, Args)]
pub(super) struct StepArgs {
    /// A run directory, or a configuration from which to start a new run.
    pub(super) target: PathBuf,

    /// For a configuration: override one key, as in --set sampler.chains=64.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub(super) set: Vec<String>,

    /// For a configuration: replace the run that its output directory holds.
    #[arg(long)]
    pub(super) overwrite: bool,
}

pub(super) fn step(args: &StepArgs, step: Step, terminal: Terminal) -> Result<Ending> {
    let mut dir = open(args)?;
    let bars = Bars::new(terminal);
    for earlier in Step::ALL.into_iter().take_while(|&s| s != step) {
        perform(&mut dir, earlier, &bars)?;
    }
    // Draws are as fixed as plan and data: a complete fit is not sampled again, and what was made of it stays. Summarising
    // forgets by itself, once it knows that it can write anew.
    match step {
        Step::Summarize => run::perform(&mut dir, step, &bars)?,
        Step::Fit => perform(&mut dir, step, &bars)?,
        _ => {
            let stale = |file: &&str| !step.files().contains(file) && dir.has(file);
            let stale: Vec<&str> = run::forgotten(step).into_iter().filter(stale).collect();
            run::forget(&dir, step)?;
            perform(&mut dir, step, &bars)?;
            if !stale.is_empty() {
                let root = dir.root().display();
                bars.note(&format!(
                    "made of what is new now, so removed: {}; longrun resume {root} makes them again",
                    stale.join(", ")
                ));
            }
        }
    }
    bars.clear();
    outcome::print_step(&dir, step, terminal)
}

/// Performs one step unless its results stand already. The report is written here because no step knows HTML.
pub(super) fn perform(dir: &mut RunDir, step: Step, bars: &Bars) -> Result<()> {
    if run::is_done(dir, step)? {
        return Ok(());
    }
    match step {
        Step::Report => run::timed(dir, step, bars, |dir, _| super::report::page(dir)),
        _ => run::perform(dir, step, bars),
    }
}

/// A summarised run to ask a question of: the run itself, or, for a configuration, a scratch run that is removed afterwards, so that
/// asking never touches a finished run's directory.
pub(super) fn ask<T>(
    target: &Path,
    set: &[String],
    bars: &Bars,
    question: impl FnOnce(&RunDir) -> Result<T>,
) -> Result<T> {
    let scratch = std::env::temp_dir().join(format!("longrun-{}", std::process::id()));
    let mut set = set.to_vec();
    if target.is_file() {
        set.push(format!("output.dir={}", scratch.display()));
    }
    let answer = open(&StepArgs { target: target.to_owned(), set, overwrite: true }).and_then(|mut dir| {
        perform(&mut dir, Step::Summarize, bars)?;
        question(&dir)
    });
    if target.is_file() && scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|e| Error::io("remove the scratch run", &scratch, e))?;
    }
    answer
}

pub(super) fn open(args: &StepArgs) -> Result<RunDir> {
    if args.target.is_file() {
        return run::create(&args.target, &args.set, args.overwrite);
    }
    if !args.set.is_empty() {
        return Err(Error::new("--set changes a configuration, and this run's plan is fixed")
            .at(args.target.display())
            .advice("start a new run from its config.toml with --set"));
    }
    RunDir::open(&args.target)
}
