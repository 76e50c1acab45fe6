//! `longrun pipeline`: what cron, a timer or Airflow calls.

use clap::Args;

use super::config::print_json;
use super::progress::Bars;
use super::project::ProjectArgs;
use super::{Ending, Terminal};
use crate::error::{Error, Result};
use crate::lifecycle::{Access, Agenda, MonitorRecord, Project, agenda, pipeline as run};

/// Does whatever is due: scores the cutoffs that have come, labels the snapshots whose window has passed, judges them, raises alarms.
/// Calling it twice does nothing twice; a run that was missed is caught up; one that was killed goes on where it stopped.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 done, or nothing was due; 1 an alarm stands, with --fail-on-alert; 2 failed, or the data are overdue; 3 another \
                        process is working on the project."
)]
pub(super) struct PipelineArgs {
    #[command(flatten)]
    project: ProjectArgs,

    /// Say what would be done, and do nothing.
    #[arg(long)]
    dry_run: bool,

    /// Exit with 1 when an alarm is raised, and as long as it stands: until a later window is judged to be within its limits.
    #[arg(long)]
    fail_on_alert: bool,
}

pub(super) fn pipeline(args: &PipelineArgs, terminal: Terminal) -> Result<Ending> {
    args.project.on(Access::Write, |project| in_project(project, args, terminal))
}

fn in_project(project: &Project, args: &PipelineArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    if args.dry_run {
        let plan = agenda(project, &project.log(false, &bars)?)?;
        bars.clear();
        if terminal.json {
            print_json(&plan)?;
        } else {
            print(&plan, "would ");
        }
        return Ok(Ending::Healthy);
    }
    let done = run(project, &bars)?;
    bars.clear();
    if terminal.json {
        let alarms: Vec<_> = done.monitored.iter().filter(|record| record.breach).map(|record| record.cutoff).collect();
        print_json(&serde_json::json!({
            "done": done.agenda, "monitored": done.monitored, "alarms": alarms, "deliveries": done.deliveries,
        }))?;
    } else {
        print(&done.agenda, "");
        done.monitored.iter().for_each(|record| print_monitored(record, project));
        if let Some(name) = done.standing.filter(|_| done.monitored.is_empty()) {
            println!("the alarm of {name} stands: {}", project.path(&format!("alerts/{name}.md")).display());
        }
        for delivery in &done.deliveries {
            println!("told {}: {}", delivery.host, delivery.outcome);
        }
    }
    if let Some((days, waiting)) = done.overdue(project).zip(done.agenda.waiting.as_ref()) {
        return Err(Error::new(format!("the data have not arrived for {days} days"))
            .at(project.plan.data.paths.join(", "))
            .seen(format!("{} is due, the last purchase is of {}", waiting.cutoff, waiting.last_date))
            .advice("look after the feed; lifecycle.schedule.max_wait_days is how long the pipeline waits"));
    }
    Ok(if args.fail_on_alert && done.alarmed() { Ending::Refused } else { Ending::Healthy })
}

fn print(agenda: &Agenda, would: &str) {
    if agenda.actions.is_empty() && agenda.waiting.is_none() {
        println!("nothing is due");
    }
    agenda.actions.iter().for_each(|action| println!("{would}{action}"));
    if let Some(waiting) = &agenda.waiting {
        println!(
            "WAITING: {} is due, but the data end on {}; scoring now would take silence for lost customers",
            waiting.cutoff, waiting.last_date
        );
    }
    if let Some(next) = agenda.next_cutoff {
        println!("next cutoff: {next}");
    }
}

/// One line, and where to read more.
pub(super) fn print_monitored(record: &MonitorRecord, project: &crate::lifecycle::Project) {
    let name = format!("{}_pred{}m", record.cutoff, record.prediction_months);
    if record.breach {
        println!("ALARM {name}: {}", project.path(&format!("alerts/{name}.md")).display());
        if record.recommend_grid {
            println!("  {} breaches in a row: time for `longrun grid`", record.consecutive);
        }
    } else if let Some(why) = &record.not_judged {
        println!("{name} not judged: {why}");
    } else {
        println!("{name} within its limits");
    }
}
