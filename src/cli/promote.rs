//! `longrun promote ID`: who scores from now on. Only a person says so.

use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::{Error, Result};
use crate::evaluate::{Difference, Verdict};
use crate::lifecycle::{
    Access, Comparison, Project, PromoteSettings, compare, previous_champion, promote as make_champion,
};

/// Makes a model the champion and appends a row to champion_manifest.csv. Beforehand both are compared on the same customers, over the
/// window of the model's evaluation.
#[derive(Debug, Args)]
pub(super) struct PromoteArgs {
    /// The model: its id or the beginning of it, or `challenger`.
    #[arg(required_unless_present = "rollback")]
    model: Option<String>,

    #[command(flatten)]
    project: ProjectArgs,

    /// Go back to the champion before, or to MODEL.
    #[arg(long)]
    rollback: bool,

    /// Compare with the champion and change nothing.
    #[arg(long, conflicts_with = "rollback")]
    dry_run: bool,

    /// A sentence for the ledger: why.
    #[arg(long, default_value = "")]
    note: String,

    /// Accept a model without an evaluation out of time, which nothing can be watched against.
    #[arg(long)]
    without_baseline: bool,
}

pub(super) fn promote(args: &PromoteArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &PromoteArgs, terminal: Terminal) -> Result<Ending> {
    let id = match &args.model {
        Some(model) => project.resolve(model)?,
        None => previous_champion(project)?,
    };
    let bars = Bars::new(terminal);
    if args.dry_run {
        let champion = project.champion()?;
        let comparison = compare(project, &champion.id, &project.card(&id)?, &bars)?;
        bars.clear();
        let comparison = comparison.map_err(|why| Error::new("the models cannot be compared").seen(why))?;
        if terminal.json {
            print_json(&comparison)?;
        } else {
            print(&comparison);
        }
        return Ok(Ending::Healthy);
    }
    let settings =
        PromoteSettings { note: args.note.clone(), without_baseline: args.without_baseline, rollback: args.rollback };
    let done = make_champion(project, &id, &settings, &bars)?;
    bars.clear();
    if terminal.json {
        print_json(&serde_json::json!({
            "row": done.row, "was_champion": done.was_champion, "comparison": done.comparison, "not_compared": done.not_compared,
        }))?;
        return Ok(Ending::Healthy);
    }
    if done.was_champion {
        println!("{id} is the champion already; nothing was changed");
        return Ok(Ending::Healthy);
    }
    if let Some(comparison) = &done.comparison {
        print(comparison);
    }
    if let Some(why) = &done.not_compared {
        println!("not compared: {why}");
    }
    println!(
        "\n{id} is the champion now (row {} of {})",
        done.row.row,
        project.path("champion_manifest.csv").display()
    );
    Ok(Ending::Healthy)
}

fn print(comparison: &Comparison) {
    println!(
        "{} against {}, on {} customers known on {}:\n",
        comparison.challenger, comparison.champion, comparison.customers, comparison.cutoff
    );
    println!(
        "{:<24} {:>12} {:>12} {:>12}  90 % interval of the difference",
        "", "champion", "challenger", "difference"
    );
    for Difference { metric, champion, challenger, difference, verdict, .. } in &comparison.measures {
        let (Some(champion), Some(challenger)) = (champion.value, challenger.value) else { continue };
        let number = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.4}"));
        let word = match verdict {
            Verdict::Better => "better",
            Verdict::Worse => "worse",
            Verdict::Indistinguishable => "indistinguishable",
            Verdict::Undefined => "",
        };
        println!(
            "{:<24} {champion:>12.4} {challenger:>12.4} {:>12}  {} to {}  {word}",
            metric.label(),
            number(difference.value),
            number(difference.low),
            number(difference.high)
        );
    }
}
