//! One subcommand per step: performs it again, after whatever earlier steps the run still lacks.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Ending, Terminal, outcome, progress::Bars};
use crate::error::{Error, Result};
use crate::run::{self, Observer, RunDir, Step};
use crate::storage::is_address;

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

#[derive(Debug, Args)]
pub(super) struct FitArgs {
    #[command(flatten)]
    step: StepArgs,

    /// For a configuration: begin the chains where those of an earlier run ended: its directory, or a model's folder.
    #[arg(long, value_name = "RUN")]
    warm_start: Option<PathBuf>,
}

pub(super) fn fit(args: &FitArgs, terminal: Terminal) -> Result<Ending> {
    let StepArgs { target, set, overwrite } = &args.step;
    match &args.warm_start {
        None => step(&args.step, Step::Fit, terminal),
        Some(earlier) if is_configuration(target) => {
            perform_in(super::run::create(target, set, Some(earlier), *overwrite)?, Step::Fit, terminal)
        }
        Some(_) => Err(Error::new("--warm-start is for a new run, and this run's plan is fixed")
            .at(target.display())
            .advice("start a new run from its config.toml with --warm-start")),
    }
}

#[derive(Debug, Args)]
pub(super) struct SummarizeArgs {
    #[command(flatten)]
    step: StepArgs,

    /// Go on from the table of purchases of this run (or of a project's runs/log): read only files of the log that are new or changed
    /// since, and drop what is gone. The result is the same as without it. Given the run itself, its own table is brought up to date.
    /// Without it everything is read.
    #[arg(long, value_name = "RUN")]
    since: Option<PathBuf>,
}

/// The first step, of which something may be known already.
pub(super) fn summarize(args: &SummarizeArgs, terminal: Terminal) -> Result<Ending> {
    let Some(since) = &args.since else { return step(&args.step, Step::Summarize, terminal) };
    let there = |path: &Path| path.canonicalize().ok();
    if !since.is_dir() {
        return Err(Error::new("there is no run to go on from").at("--since").seen(since.display()));
    }
    if is_configuration(&args.step.target) {
        let output = run::plan(&args.step.target, &args.step.set)?.output.dir;
        if there(&output) == there(since) {
            return Err(Error::new("a run cannot be gone on from and replaced at once")
                .at("--since")
                .seen(since.display())
                .advice(format!(
                    "give the new one a folder of its own with --set output.dir=…, or bring this one up to date with `longrun summarize \
                     {0} --since {0}`",
                    since.display()
                )));
        }
    }
    let mut dir = open(&args.step)?;
    let bars = Bars::new(terminal);
    run::summarize_since(&mut dir, since, &bars)?;
    bars.clear();
    outcome::print_step(&dir, Step::Summarize, terminal)
}

pub(super) fn step(args: &StepArgs, step: Step, terminal: Terminal) -> Result<Ending> {
    perform_in(open(args)?, step, terminal)
}

fn perform_in(mut dir: RunDir, step: Step, terminal: Terminal) -> Result<Ending> {
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
                let root = dir.shown();
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
    if is_configuration(target) {
        set.push(format!("output.dir={}", scratch.display()));
    }
    let answer = open(&StepArgs { target: target.to_owned(), set, overwrite: true }).and_then(|mut dir| {
        perform(&mut dir, Step::Summarize, bars)?;
        question(&dir)
    });
    if is_configuration(target) && scratch.exists() {
        std::fs::remove_dir_all(&scratch).map_err(|e| Error::io("remove the scratch run", &scratch, e))?;
    }
    answer
}

/// Whether a run begins here: at a file, or at the address of one in a bucket, which is known by its ending.
fn is_configuration(target: &Path) -> bool {
    let in_bucket = is_address(&target.to_string_lossy());
    if in_bucket { target.extension().is_some_and(|ending| ending == "toml") } else { target.is_file() }
}

pub(super) fn open(args: &StepArgs) -> Result<RunDir> {
    if is_configuration(&args.target) {
        return run::create(&args.target, &args.set, args.overwrite);
    }
    if !args.set.is_empty() {
        return Err(Error::new("--set changes a configuration, and this run's plan is fixed")
            .at(args.target.display())
            .advice("start a new run from its config.toml with --set"));
    }
    RunDir::open(&args.target)
}
