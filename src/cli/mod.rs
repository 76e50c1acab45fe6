//! The command line: parses arguments, shows progress, prints results, chooses exit codes. Nothing in the library imports this
//! room, and nothing outside it prints.

mod advise;
mod bench;
mod compare;
mod config;
mod density;
mod doctor;
mod export;
mod grid;
mod history;
mod imported;
mod init;
mod journal;
mod maximum;
mod monitor;
mod nightly;
mod outcome;
mod pipeline;
mod prior;
mod progress;
mod project;
mod promote;
mod prune;
mod reader;
mod report;
mod reproduce;
mod resume;
mod run;
mod sbc;
mod score;
mod signals;
mod simulate;
mod step;
mod train;
mod tune;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};

use crate::error::{Error, Result};

/// Calibrated Bayesian customer lifetime value from a transaction log.
#[derive(Debug, Parser)]
#[command(name = "longrun", version = crate::version::words(), about, max_term_width = 100, after_help = AFTER_HELP)]
struct Cli {
    #[command(subcommand)]
    command: Command,

    /// Print one JSON object on standard output instead of text, for programs.
    #[arg(long, global = true)]
    json: bool,

    /// No progress bars.
    #[arg(long, short, global = true)]
    quiet: bool,
}

const AFTER_HELP: &str = "\
Begin with:
  longrun simulate --output data/demo     make a small shop to play with
  longrun run configs/demo.toml           fit it, predict every customer, write the report

Exit codes: 0 the result is healthy; 1 finished, but the diagnostics refuse the result; 2 failed;\n3 another process is working on the project; 4 stopped as asked, and 5 at the deadline of a night, to be taken up again.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Do everything: summarise, fit, diagnose, predict, segment, evaluate, report.
    Run(run::RunArgs),
    /// Continue a run that was interrupted; its draws come out as if it never had been.
    Resume(resume::ResumeArgs),
    /// Turn transactions into one row per customer (step 1).
    Summarize(step::SummarizeArgs),
    /// Sample the posteriors of the population's parameters (step 2).
    Fit(step::FitArgs),
    /// Judge the draws: R-hat, effective sample sizes, divergences, verdict (step 3).
    ///
    /// Also draws that other programs made: `--draws` reads CmdStan's CSV files.
    Diagnose(imported::DiagnoseArgs),
    /// Draw every customer's future (step 4).
    Predict(step::StepArgs),
    /// RFM segments and value tiers (step 5).
    Segment(step::StepArgs),
    /// Judge the predictions on the holdout window (step 6).
    Evaluate(step::StepArgs),
    /// Write report.html (step 7); or print it as Markdown, or draw one of its plots.
    Report(report::ReportArgs),
    /// Draw from the priors, to see what they say before any purchase is seen.
    Prior(prior::PriorArgs),
    /// Find the parameters of highest likelihood, without sampling.
    Maximum(maximum::MaximumArgs),
    /// Write draws for other people's programs: Zarr for ArviZ and xarray, Parquet, CSV.
    Export(export::ExportArgs),
    /// Compare the purchase models of finished runs: leave-one-out, stacking weights, holdout.
    Compare(compare::CompareArgs),
    /// Mend a configuration in short cycles: run a little, read the diagnostics, change what they call for, and confirm it.
    Tune(tune::TuneArgs),
    /// Say what to change in the configuration of a finished run, and why.
    Advise(advise::AdviseArgs),
    /// Keep draws that CmdStan made in a draw store, for `diagnose`.
    Import(imported::ImportArgs),
    /// Check by simulation that a model's posteriors mean what they say.
    Sbc(sbc::SbcArgs),
    /// Simulate a shop whose true parameters are known.
    Simulate(simulate::SimulateArgs),
    /// Say which adapters this machine has, what they can do, and what `auto` would choose and why.
    Doctor(doctor::DoctorArgs),
    /// Answer questions about single customers' likelihoods, in JSON lines: for programs in other languages.
    Density(density::DensityArgs),
    /// Measure how fast and how exact the likelihoods are on this machine, beside what it could do at most.
    Bench(bench::BenchArgs),
    /// Make a project: the folder of a model's life.
    Init(init::InitArgs),
    /// Project: fit a model and evaluate it out of time.
    Train(train::TrainArgs),
    /// Project: make a model the champion, or go back to the one before.
    Promote(promote::PromoteArgs),
    /// Project: predict every customer with the champion, by value and by behaviour.
    Score(score::ScoreArgs),
    /// Project: do whatever is due; what cron calls.
    Pipeline(pipeline::PipelineArgs),
    /// Project: judge what was predicted by what happened.
    Monitor(monitor::MonitorArgs),
    /// Project: compare windows, models and segmentations on past cutoffs.
    Grid(grid::GridArgs),
    /// Project: make a past model again, and compare.
    Reproduce(reproduce::ReproduceArgs),
    /// Project: remove what has been kept long enough.
    Prune(prune::PruneArgs),
    /// Project: what has happened, as a page and as JSON.
    History(history::HistoryArgs),
    /// Project: an unattended night, on a machine that may be taken away; what a spot VM calls.
    Nightly(nightly::NightlyArgs),
    /// Project: how its nights are doing.
    Status(nightly::StatusArgs),
    /// Check a configuration, or print its JSON Schema or its resolved form.
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

/// A configuration file with overrides.
#[derive(Debug, Args)]
struct ConfigArgs {
    /// The configuration file (TOML); `longrun config schema` describes it.
    config: PathBuf,

    /// Override one key, as often as needed: --set sampler.chains=64 --set output.dir=runs/try.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

/// How a command ended well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The result can be used.
    Healthy,
    /// Finished, but the diagnostics refuse the result.
    Refused,
    /// Otherwise, as this exit code says.
    Coded(u8),
}

/// What every subcommand may need to know of the terminal.
#[derive(Debug, Clone, Copy)]
struct Terminal {
    json: bool,
    quiet: bool,
}

/// Runs the program on the process's arguments.
pub fn main() -> ExitCode {
    reader::quiet_when_gone();
    let cli = Cli::parse();
    let terminal = Terminal { json: cli.json, quiet: cli.quiet || cli.json };
    match dispatch(cli.command, terminal) {
        Ok(Ending::Healthy) => ExitCode::SUCCESS,
        Ok(Ending::Refused) => ExitCode::from(1),
        Ok(Ending::Coded(code)) => ExitCode::from(code),
        Err(error) => {
            print_error(&error, terminal);
            ExitCode::from(match &error {
                error if error.is_busy() => 3,
                error if error.is_stopped() => 4,
                _ => 2,
            })
        }
    }
}

fn dispatch(command: Command, terminal: Terminal) -> Result<Ending> {
    use crate::run::Step;
    match command {
        Command::Run(args) => run::run(&args, terminal),
        Command::Resume(args) => resume::resume(&args, terminal),
        Command::Summarize(args) => step::summarize(&args, terminal),
        Command::Fit(args) => step::fit(&args, terminal),
        Command::Diagnose(args) => imported::diagnose(&args, terminal),
        Command::Import(args) => imported::import(&args, terminal),
        Command::Predict(args) => step::step(&args, Step::Predict, terminal),
        Command::Segment(args) => step::step(&args, Step::Segment, terminal),
        Command::Evaluate(args) => step::step(&args, Step::Evaluate, terminal),
        Command::Report(args) => report::report(&args, terminal),
        Command::Prior(args) => prior::prior(&args, terminal),
        Command::Maximum(args) => maximum::maximum(&args, terminal),
        Command::Export(args) => export::export(&args, terminal),
        Command::Compare(args) => compare::compare(&args, terminal),
        Command::Tune(args) => tune::tune(&args, terminal),
        Command::Advise(args) => advise::advise(&args, terminal),
        Command::Sbc(args) => sbc::sbc(&args, terminal),
        Command::Simulate(args) => simulate::simulate(&args, terminal),
        Command::Doctor(args) => doctor::doctor(&args, terminal),
        Command::Density(args) => density::density(&args, terminal),
        Command::Bench(args) => bench::bench(&args, terminal),
        Command::Init(args) => init::init(&args, terminal),
        Command::Train(args) => train::train(&args, terminal),
        Command::Promote(args) => promote::promote(&args, terminal),
        Command::Score(args) => score::score(&args, terminal),
        Command::Pipeline(args) => pipeline::pipeline(&args, terminal),
        Command::Monitor(args) => monitor::monitor(&args, terminal),
        Command::Grid(args) => grid::grid(&args, terminal),
        Command::Reproduce(args) => reproduce::reproduce(&args, terminal),
        Command::Prune(args) => prune::prune(&args, terminal),
        Command::History(args) => history::history(&args, terminal),
        Command::Nightly(args) => nightly::nightly(&args, terminal),
        Command::Status(args) => nightly::status(&args, terminal),
        Command::Config(command) => config::config(&command, terminal),
    }
}

fn print_error(error: &Error, terminal: Terminal) {
    let mut causes = Vec::new();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        causes.push(inner.to_string().trim_end().to_owned());
        cause = inner.source();
    }
    if terminal.json {
        println!("{}", serde_json::json!({ "error": error.to_string(), "causes": causes }));
    }
    eprintln!("error: {error}");
    for cause in causes {
        eprintln!("  because: {}", cause.replace('\n', "\n           "));
    }
}
