//! `longrun history`: what has happened in a project.

use clap::Args;

use super::config::print_json;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::evaluate::Metric;
use crate::lifecycle::{Access, Project, history as collect};
use crate::report::{history_page, whole};

/// Writes history.html into the project (accuracy over time with its limits, changes of champion, who moved between tiers and clusters,
/// alarms) and prints one line per snapshot. Verifies the ledger on the way.
#[derive(Debug, Args)]
pub(super) struct HistoryArgs {
    #[command(flatten)]
    project: ProjectArgs,
}

pub(super) fn history(args: &HistoryArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Read, |project| in_project(project, terminal))
}

fn in_project(project: &Project, terminal: Terminal) -> Result<Ending> {
    let history = collect(project)?;
    let page = project.write_page("history.html", &history_page(&history)?)?;
    if terminal.json {
        return print_json(&history).map(|()| Ending::Healthy);
    }
    for p in &history.promotions {
        println!("{}  {} {}  {}", p.time, p.action, p.model_id, p.note);
    }
    println!("\n{:<22} {:>12}  {:<20} {:>9} {:>9} {:>9}", "snapshot", "customers", "model", "RMSE", "R²", "Gini");
    for row in &history.snapshots {
        let s = &row.snapshot;
        let number = |metric: Metric| {
            row.outcome
                .as_ref()
                .and_then(|o| o.accuracy.get(metric).value)
                .map_or("–".to_owned(), |x| format!("{x:.3}"))
        };
        println!(
            "{:<22} {:>12}  {:<20} {:>9} {:>9} {:>9}{}",
            format!("{}_pred{}m", s.cutoff, s.prediction_months),
            whole(s.customers),
            s.model_id,
            number(Metric::Rmse),
            number(Metric::R2),
            number(Metric::GiniNormalized),
            if row.alert { "  ALARM" } else { "" }
        );
    }
    if let Some(next) = history.next_cutoff {
        println!("\nnext cutoff: {next}");
    }
    println!("\n{}", page.display());
    Ok(Ending::Healthy)
}
