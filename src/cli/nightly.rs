//! `longrun nightly` and `longrun status`: the unattended night, and how the nights are doing.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chrono::{NaiveDate, Utc};
use clap::Args;

use super::config::print_json;
use super::project::work_folder;
use super::{Ending, Terminal, journal};
use crate::error::{Error, Result};
use crate::lifecycle::{Project, history};
use crate::nightly::{Control, Health, NightRecord, Outcome, Report, Request, Whereabouts, night, status as ask};
use crate::run::storage;
use crate::storage::{Place, hurry};

/// Fetches a project, folds in what was bought, fits a model where the newest one ended, makes it the challenger, compares it with the
/// champion, scores what is due, sends everything home and tells how it ended. Nobody is promoted.
///
/// A night may be cut anywhere: the next one takes up what it finds, and the models come out as if nothing had happened. On SIGTERM or
/// SIGINT it saves draws and state, sends them home and ends with exit code 4.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 everything that was due is done; 1 done, but the diagnostics refuse the new fit or an alarm stands; 2 failed; 3 another\n\
                  holds the lock; 4 stopped by a signal, to be taken up by the next run; 5 ran into its deadline, likewise.\n\
                  With --json the log is one JSON object per line: time, severity, message, event."
)]
pub(super) struct NightlyArgs {
    /// The project: its folder, or the longrun.toml in it; a path, or an address, gs://bucket/name or s3://bucket/name.
    config: String,

    /// Where a project from a bucket is worked on; keeps what the next night need not fetch again [default: LONGRUN_WORK, or a folder of the
    /// user's cache].
    #[arg(long, value_name = "FOLDER")]
    work: Option<PathBuf>,

    /// Stop after so many minutes and leave the rest to the next run [default: lifecycle.nightly.deadline_minutes, or never].
    #[arg(long, value_name = "MINUTES")]
    deadline_minutes: Option<u32>,

    /// Override one key of the configuration, as often as needed: --set lifecycle.nightly.train_every_days=7.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Work as if today were this day, YYYY-MM-DD.
    #[arg(long, value_name = "DATE")]
    today: Option<NaiveDate>,
}

/// Seconds after a signal at which the process ends whatever it does: a spot machine is taken away after thirty.
const LAST_MOMENT: Duration = Duration::from_secs(27);

pub(super) fn nightly(args: &NightlyArgs, terminal: Terminal) -> Result<Ending> {
    journal::begin(terminal);
    let signal = listen()?;
    let record = match live(args, Control::new(Arc::clone(&signal))) {
        Ok(record) => record,
        // A program reads lines of the log, this one too.
        Err(why) => {
            let code = if why.is_busy() {
                3
            } else if signal.load(Ordering::Relaxed) {
                4
            } else {
                2
            };
            if !terminal.json {
                return if code == 4 { Err(why.stopped()) } else { Err(why) };
            }
            if code == 2 {
                tracing::error!(event = "failed", exit_code = code, "{}", why.in_full());
            } else {
                tracing::warn!(event = "end", exit_code = code, "{}", why.in_full());
            }
            return Ok(Ending::Coded(code));
        }
    };
    Ok(match record.outcome {
        Outcome::Healthy => Ending::Healthy,
        Outcome::Refused => Ending::Refused,
        other => Ending::Coded(other.exit_code()),
    })
}

fn live(args: &NightlyArgs, control: Control) -> Result<NightRecord> {
    let work = match &args.work {
        Some(work) => std::path::absolute(work).map_err(|e| Error::io("find the working folder", work, e))?,
        None => work_folder(&Place::parse(&args.config)?)?,
    };
    let request = Request {
        config: args.config.clone(),
        work,
        sets: args.set.clone(),
        today: args.today,
        deadline: args.deadline_minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes))),
    };
    let page = |project: &Project| {
        let page = crate::report::history_page(&history(project)?)?;
        project.write_page("history.html", &page).map(|_| ())
    };
    night(&request, storage(), &control, &page)
}

/// A flag that SIGTERM and SIGINT raise; a second signal, and the last moment after the first, end the process.
fn listen() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    let listening = |e| Error::new("could not listen to signals").because(e);
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register_conditional_shutdown(signal, 4, Arc::clone(&flag)).map_err(listening)?;
        signal_hook::flag::register(signal, Arc::clone(&flag)).map_err(listening)?;
    }
    let heard = Arc::clone(&flag);
    std::thread::spawn(move || {
        while !heard.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(100));
        }
        hurry();
        std::thread::sleep(LAST_MOMENT);
        tracing::warn!(
            event = "stopped",
            "the last moment has come: what was saved on this machine is taken up from there"
        );
        std::process::exit(4);
    });
    Ok(flag)
}

/// Says whether the nights of a project are well: what one is doing now, and how the last one ended.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit codes: 0 the last night ended well, is under way, or waits to be taken up; 1 refused, or an alarm stands; 2 failed, died, overdue, or\n\
                  there was none yet."
)]
pub(super) struct StatusArgs {
    /// The project: its folder or its address, gs://bucket/name or s3://bucket/name.
    project: String,

    /// Hours since the end of the last night after which the next is overdue.
    #[arg(long, value_name = "HOURS", default_value_t = 26)]
    overdue_hours: u32,
}

pub(super) fn status(args: &StatusArgs, terminal: Terminal) -> Result<Ending> {
    let nowhere = PathBuf::new();
    let place = Whereabouts::find(&args.project, &nowhere, &[], storage())?;
    let home = place.home.clone().unwrap_or(Place::Local(place.folder.clone()));
    let beat = chrono::Duration::seconds(place.nightly.heartbeat_seconds.into());
    let most = chrono::Duration::hours(args.overdue_hours.into());
    let report = ask(storage(), &home, Utc::now(), most, beat)?;
    if terminal.json {
        print_json(&report)?;
    } else {
        print(&report, &home);
    }
    Ok(match report.health {
        Health::Working | Health::Healthy | Health::Unfinished => Ending::Healthy,
        Health::Refused => Ending::Refused,
        Health::Failed | Health::Overdue | Health::Never => Ending::Coded(2),
    })
}

fn print(report: &Report, home: &Place) {
    println!("{home}\n{}", report.said);
    let Some(last) = &report.last else { return };
    println!(
        "\nlast night   {} on {}, exit code {}",
        last.ended.format("%Y-%m-%d %H:%M UTC"),
        last.worker.host,
        last.exit_code
    );
    if let Some(day) = last.last_date {
        println!("data until   {day}");
    }
    if let Some(model) = &last.model {
        println!("model        {model}{}", if last.began_warm { ", begun warm" } else { "" });
    }
    if let Some(compared) = &last.compared {
        println!("compared     {compared}");
    }
    if !last.pipeline.is_empty() {
        println!("calendar     {}", last.pipeline.join(", "));
    }
    if last.gradients_kept > 0 {
        println!(
            "kept         {} gradients of earlier attempts; {} were made",
            last.gradients_kept, last.gradients_made
        );
    }
    last.reasons.iter().for_each(|reason| println!("because      {reason}"));
    for cost in &last.stages {
        println!("  {:<10} {:>8.1} s  {}", cost.stage.name(), cost.seconds, cost.said);
    }
}
