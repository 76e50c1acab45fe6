//! `longrun reproduce ID`: whether a past model can be made again.

use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::lifecycle::{Access, Match, Project, reproduce as again};

/// Makes a model again from its card alone, at the same cutoff, and compares: program, data, every draw, every figure. Exit code 1 when
/// they do not match, with what differs. On the same machine and backend, draws are equal to the last bit.
#[derive(Debug, Args)]
pub(super) struct ReproduceArgs {
    /// The model: its id or the beginning of it, `champion` or `challenger`.
    model: String,

    #[command(flatten)]
    project: ProjectArgs,

    /// Fit although the data differ, to see what that changes.
    #[arg(long)]
    anyway: bool,

    /// Put back draws that were pruned, where they come out equal.
    #[arg(long)]
    keep: bool,
}

pub(super) fn reproduce(args: &ReproduceArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &ReproduceArgs, terminal: Terminal) -> Result<Ending> {
    let id = project.resolve(&args.model)?;
    let bars = Bars::new(terminal);
    let found = again(project, &id, args.anyway, args.keep, &bars)?;
    bars.clear();
    if terminal.json {
        print_json(&found)?;
    } else {
        println!(
            "{}",
            match found.outcome {
                Match::Identical => format!("{id}: every draw is equal to the last bit"),
                Match::WithinError => format!("{id}: draws differ, every figure agrees within Monte Carlo error"),
                Match::Mismatch => format!("{id}: MISMATCH, figures differ by more than Monte Carlo error"),
                Match::OtherData => format!("{id}: NOT REPRODUCED, the data are not those it was made of"),
                Match::Refused => format!("{id}: NOT REPRODUCED, the diagnostics refuse the fit"),
            }
        );
        found.differences.iter().for_each(|difference| println!("  {difference}"));
        let number = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.6}"));
        for row in found.figures.iter().filter(|row| row.differs) {
            println!(
                "  {}: {} then, {} now (Monte Carlo error explains {:.6})",
                row.name,
                number(row.then),
                number(row.now),
                row.allowed
            );
        }
        if found.is_match() {
            println!("  {} figures compared", found.figures.len());
        }
        if found.outcome == Match::OtherData {
            println!("\n--anyway fits all the same and compares the figures");
        }
    }
    Ok(if found.is_match() { Ending::Healthy } else { Ending::Refused })
}
