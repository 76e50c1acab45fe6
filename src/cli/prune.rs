//! `longrun prune`: removes what has been kept long enough.

use clap::Args;

use super::config::print_json;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::lifecycle::{Access, Project, prune as remove, removals};

/// Removes what lifecycle.retention says has been kept long enough: old models' draws (cards stay longer), labelled predictions, finished
/// work. Never the champion, the challenger or the ledger, and never predictions that wait for their label. Says what it would do
/// unless --yes is given.
#[derive(Debug, Args)]
pub(super) struct PruneArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// Say what would be removed, and remove nothing (the default).
    #[arg(long, conflicts_with = "yes")]
    dry_run: bool,

    /// Remove it.
    #[arg(long)]
    yes: bool,
}

pub(super) fn prune(args: &PruneArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &PruneArgs, terminal: Terminal) -> Result<Ending> {
    let found = removals(project)?;
    let do_it = args.yes && !args.dry_run;
    if do_it {
        remove(project, &found)?;
    }
    if terminal.json {
        return print_json(&serde_json::json!({ "removed": do_it, "removals": found })).map(|()| Ending::Healthy);
    }
    if found.is_empty() {
        println!("nothing has been kept too long");
    }
    for removal in &found {
        let verb = if do_it { "removed" } else { "would remove" };
        println!("{verb} {} ({}): {}", removal.path.display(), indicatif::HumanBytes(removal.bytes), removal.reason);
    }
    if !found.is_empty() && !do_it {
        println!("\nnothing was removed; --yes removes it");
    }
    Ok(Ending::Healthy)
}
