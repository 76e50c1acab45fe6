//! `longrun tune CONFIG`: short cycles of running, diagnosing and changing, until the verdict of everything passes or nothing is left to
//! change.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use clap::Args;

use super::advise::AdvisorArgs;
use super::config::print_json;
use super::simulate::customers;
use super::{ConfigArgs, Ending, Terminal, progress::Bars};
use crate::advise::{Recommendation, Stage, toml_text};
use crate::error::{Error, Result};
use crate::run::{Observer, Step};
use crate::sampler::Progress;
use crate::tune::{self, Decision, Names, Next, Settings, Tuning, Watcher};

#[derive(Debug, Args)]
#[command(after_help = READING)]
pub(super) struct TuneArgs {
    #[command(flatten)]
    config: ConfigArgs,

    /// Folder of the cycles and of tuned.toml [default: runs/ and the configuration's name, with -tune].
    #[arg(long)]
    output: Option<PathBuf>,

    /// Short runs, at most.
    #[arg(long, default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..=50))]
    cycles: u32,

    /// Customers of a short run, drawn by chance from every group by its share; 2e4 and 20_000 are understood.
    #[arg(long, default_value = "5000", value_parser = customers)]
    customers: u64,

    /// Customers of the confirming run, at most [default: all].
    #[arg(long, value_name = "CUSTOMERS", value_parser = customers)]
    confirm: Option<u64>,

    /// Minutes after which no further run is begun.
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,

    #[command(flatten)]
    advisor: AdvisorArgs,

    /// Ask before each change, on a terminal.
    #[arg(long, conflicts_with = "yes")]
    ask: bool,

    /// Apply what is advised without asking (the default).
    #[arg(long)]
    yes: bool,

    /// Begin anew where the folder holds a tuning already; without it, an interrupted one goes on.
    #[arg(long)]
    overwrite: bool,
}

const READING: &str = "\
Only keys of a fixed list are ever changed, within bounds (docs/guide/tuning.md); your file is not touched. What an advisor is shown is
in each cycle's packet.json: aggregates, no customer, label, column or path.

Exit codes: 0 the verdict passed on everything that tuned.toml says; 1 it did not, and the text says why and what to do; 2 failed.";

pub(super) fn tune(args: &TuneArgs, terminal: Terminal) -> Result<Ending> {
    if args.ask && !std::io::stdin().is_terminal() {
        return Err(Error::new("there is nobody to ask: standard input is no terminal")
            .at("--ask")
            .advice("leave it out"));
    }
    if !(args.minutes.is_finite() && args.minutes > 0.0) {
        return Err(Error::new("must be a number of minutes above 0").at("--minutes").seen(args.minutes));
    }
    let counsel = args.advisor.counsel()?;
    let stem = args.config.config.file_stem().map_or_else(|| "run".into(), |s| s.to_string_lossy().into_owned());
    let output = args.output.clone().unwrap_or_else(|| PathBuf::from("runs").join(format!("{stem}-tune")));
    if args.overwrite {
        tune::forget(&output)?;
    }
    let settings = Settings {
        config: args.config.config.clone(),
        set: args.config.set.clone(),
        output,
        cycles: args.cycles as usize,
        customers: args.customers,
        confirm_customers: args.confirm,
        minutes: args.minutes,
    };
    let watcher = Teller { bars: Bars::new(terminal), terminal, ask: args.ask };
    let tuning = tune::tune(&settings, &counsel, &watcher)?;
    watcher.bars.clear();
    if terminal.json {
        print_json(&tuning)?;
    } else {
        print(&tuning);
    }
    Ok(if tuning.passed { Ending::Healthy } else { Ending::Refused })
}

/// Shows progress, tells each decision as it falls, and asks where that is wanted.
struct Teller {
    bars: Bars,
    terminal: Terminal,
    ask: bool,
}

impl Observer for Teller {
    fn step(&self, step: Step) {
        self.bars.step(step);
    }
    fn reading(&self, done: u64, total: u64) {
        self.bars.reading(done, total);
    }
    fn sampling(&self, fit: &str, progress: &Progress) {
        self.bars.sampling(fit, progress);
    }
}

impl Watcher for Teller {
    fn accepts(&self, r: &Recommendation, names: &Names) -> bool {
        if !self.ask {
            return true;
        }
        self.bars.clear();
        eprint!("{}\n  {} [y/n] ", line(r, names), r.why);
        let _ = std::io::stderr().flush();
        let mut answer = String::new();
        let read = std::io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
    }

    fn decided(&self, decision: &Decision, again: bool) {
        if self.terminal.json || self.terminal.quiet {
            return;
        }
        self.bars.clear();
        let what = match decision.stage {
            Stage::Cycle => "cycle",
            Stage::Full => "confirming run",
        };
        let done = if again { " (done before)" } else { "" };
        let customers = decision.customers.map_or_else(String::new, |n| format!(", {n} customers"));
        println!("{what} {}{done}{customers}, {:.1} s", decision.cycle, decision.seconds);
        if let Some(fallback) = &decision.fallback {
            println!("  the model's advice is not used: {}", fallback.why);
        }
        for refusal in &decision.advice.refused {
            println!("  refused: {} = {}: {}", refusal.key, refusal.value, refusal.reason);
        }
        for change in &decision.applied {
            let symptom =
                decision.advice.recommendations.iter().find(|r| r.key == change.key).map_or("", |r| &r.symptom);
            println!("  {symptom}: {} = {} (was {})", change.key, toml_text(&change.key, &change.to), change.from);
        }
        for (key, why) in &decision.declined {
            println!("  not applied: {key}: {why}");
        }
        match decision.next {
            Next::Cycle => {}
            Next::Confirm => println!("  next: everything that the configuration says"),
            Next::Passed => println!("  verdict: pass"),
            Next::Stopped => println!("  nothing is left to change"),
        }
    }
}

fn line(r: &Recommendation, names: &Names) -> String {
    format!("{}: {} = {} (now {})", names.at_home(&r.symptom), r.key, toml_text(&r.key, &r.to), r.from)
}

fn print(tuning: &Tuning) {
    println!();
    let changed: Vec<String> = tuning.changes.iter().map(|c| c.key.clone()).collect();
    let changed = if changed.is_empty() { "nothing".to_owned() } else { changed.join(", ") };
    println!("changed: {changed}; {} runs in {:.1} s", tuning.decisions.len(), tuning.seconds);
    for e in &tuning.explanations {
        println!("{}{}: {}", if e.blocking { "stop: " } else { "note: " }, e.symptom, e.text);
    }
    if tuning.passed {
        println!("verdict: pass on everything; the configuration is {}", tuning.tuned.display());
    } else {
        println!("verdict: not passed");
        tuning.why.iter().for_each(|why| println!("  - {why}"));
        println!("what was changed so far is in {}", tuning.tuned.display());
    }
    if let Some(run) = &tuning.run {
        println!("the run on everything is in {}: `longrun resume` finishes it", run.display());
    }
}
