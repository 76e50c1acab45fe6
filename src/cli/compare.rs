//! `longrun compare RUN RUN …`: which purchase model predicts these customers best.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::{Ending, Terminal};
use crate::diagnose::Verdict;
use crate::error::{Error, Result};
use crate::run::{self, Compared, RunDir};

/// Leave-one-out by Pareto-smoothed importance sampling, customer by customer; models, groups and priors may differ, customers and
/// calibration window may not.
#[derive(Debug, Args)]
#[command(after_help = READING)]
pub(super) struct CompareArgs {
    /// Run directories, each with a complete fit and a verdict.
    #[arg(required = true, num_args = 2..)]
    runs: Vec<PathBuf>,

    /// Posterior draws of each run to use, evenly thinned.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    draws: u32,
}

const READING: &str = "\
How to read it: elpd is the sum over customers of the log density of each one's history given all the others; larger is better.
A difference of less than about four, or of less than two of its standard errors, is no difference. The weights are those with
which the models' predictions are best averaged. A customer whose Pareto k is too large is one that the estimate cannot speak for.

Exit code 1 when the best run is refused by its diagnostics.";

pub(super) fn compare(args: &CompareArgs, terminal: Terminal) -> Result<Ending> {
    if let Some(twice) = args.runs.iter().enumerate().find(|(i, run)| args.runs[..*i].contains(run)) {
        return Err(Error::new("this run is named twice").at(twice.1.display()).advice("name different runs"));
    }
    let dirs = args.runs.iter().map(|run| RunDir::open(run)).collect::<Result<Vec<_>>>()?;
    let bars = Bars::new(terminal);
    let comparison = run::compare(&dirs, args.draws as usize, &bars)?;
    bars.clear();
    let refused = comparison.runs.first().is_some_and(|best| best.verdict == Verdict::Fail);
    if terminal.json {
        print_json(&comparison)?;
    } else {
        println!("{} customers, purchase models, leave-one-out:\n", comparison.customers);
        let width = comparison.runs.iter().map(|run| run.run.chars().count()).max().unwrap_or(0).max(3);
        println!(
            "{:<width$} {:<12} {:>6} {:>13} {:>9} {:>10} {:>8} {:>7} {:>7} {:>9}  holdout MAE, predicted for actual",
            "run", "model", "groups", "elpd", "se", "difference", "se", "p_loo", "weight", "k > limit"
        );
        comparison.runs.iter().for_each(|run| line(run, width));
        if refused {
            println!("\nthe diagnostics refuse the best run: its draws must not be used");
        }
        let unsure: u64 = comparison.runs.iter().map(|run| run.loo.k_above).sum();
        if unsure > 0 {
            println!("\nPareto k above {:.2} for some customers: compare by the holdout as well", comparison.k_limit);
        }
    }
    Ok(if refused { Ending::Refused } else { Ending::Healthy })
}

fn line(run: &Compared, width: usize) {
    let holdout = run.holdout.as_ref().map_or("no holdout window".to_owned(), |h| {
        format!("{:.4}, {:.0} for {:.0}", h.mae, h.total.mean, h.total.actual)
    });
    let refused = if run.verdict == Verdict::Fail { "; REFUSED by its diagnostics" } else { "" };
    println!(
        "{:<width$} {:<12} {:>6} {:>13.1} {:>9.1} {:>10.1} {:>8.1} {:>7.1} {:>7.3} {:>9}  {holdout}{refused}",
        run.run,
        run.name,
        run.groups,
        run.loo.elpd,
        run.loo.elpd_se,
        run.difference,
        run.difference_se,
        run.loo.p_loo,
        run.weight,
        run.loo.k_above
    );
}
