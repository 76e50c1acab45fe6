//! `longrun monitor`: how the champion's predictions have turned out, judged anew.

use clap::Args;

use super::config::print_json;
use super::pipeline::print_monitored;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::{Error, Result};
use crate::evaluate::State;
use crate::lifecycle::{Access, Project, SnapshotName, watch};

/// Judges labelled snapshots against the baseline in their model's card and raises alarms: all of them, in order, or those named. Nothing is
/// scored or labelled here; `longrun pipeline` does that.
#[derive(Debug, Args)]
pub(super) struct MonitorArgs {
    /// Snapshots, such as 2024-06-30_pred12m [default: every labelled one].
    snapshots: Vec<String>,

    #[command(flatten)]
    project: ProjectArgs,

    /// Exit with 1 when an alarm is raised.
    #[arg(long)]
    fail_on_alert: bool,
}

pub(super) fn monitor(args: &MonitorArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &MonitorArgs, terminal: Terminal) -> Result<Ending> {
    let mut names: Vec<SnapshotName> = if args.snapshots.is_empty() {
        let mut labelled = Vec::new();
        for name in project.snapshots()? {
            if project.outcome(name)?.is_some() {
                labelled.push(name);
            }
        }
        labelled
    } else {
        args.snapshots.iter().map(|name| name.parse()).collect::<Result<_>>()?
    };
    names.sort();
    if names.is_empty() && !terminal.json {
        return Err(Error::new("no snapshot is labelled yet")
            .at(project.path("outputs").display())
            .advice("`longrun pipeline` labels a snapshot once its window has passed"));
    }
    let mut records = Vec::new();
    for name in names {
        records.push(watch(project, name)?.0);
    }
    let alarmed = records.iter().any(|record| record.breach);
    if terminal.json {
        print_json(&records)?;
    } else {
        for record in &records {
            print_monitored(record, project);
            for j in &record.judgements {
                let number = |x: Option<f64>| x.map_or("–".to_owned(), |x| format!("{x:.3}"));
                let state = match &j.state {
                    State::Within => "within".to_owned(),
                    State::BeyondButUncertain => "beyond the limit, but may be noise".to_owned(),
                    State::Breach => "BREACH".to_owned(),
                    State::NotJudged { reason } => format!("not judged: {reason}"),
                };
                println!(
                    "    {:<22} baseline {:>9}, now {:>9} ({} to {}), limit {:>9}  {state}",
                    j.metric.label(),
                    number(j.baseline.value),
                    number(j.latest.value),
                    number(j.latest.low),
                    number(j.latest.high),
                    number(j.threshold_value),
                );
            }
        }
    }
    Ok(if args.fail_on_alert && alarmed { Ending::Refused } else { Ending::Healthy })
}
