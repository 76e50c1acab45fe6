//! One night, from the lock to the last word. The stages are other rooms' work; here stands their order, and what happens when one of them
//! cannot go on.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use chrono::{NaiveDate, Utc};
use tracing::{error, info, warn};

use super::beat::Heart;
use super::checkout::{Checkout, host};
use super::control::{Control, Halt};
use super::record::{
    HEARTBEAT_FILE, Heartbeat, NightRecord, Outcome, RECORD_VERSION, STATUS_FILE, Stage, StageCost, Worker,
};
use super::stages;
use super::watch::Watch;
use super::whereabouts::Whereabouts;
use crate::config::Notify;
use crate::error::{Error, Result};
use crate::lifecycle::{Access, Project, Today, Webhook};
use crate::run::{Observer, Wish};
use crate::storage::{Moved, Storage, When};

/// What is asked of a night.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The project's folder or its configuration: a path, or an address in a bucket.
    pub config: String,
    /// Where a project from a bucket is worked on.
    pub work: PathBuf,
    /// Overrides of the configuration.
    pub sets: Vec<String>,
    /// The day that it is; the clock's when absent.
    pub today: Option<NaiveDate>,
    /// How long it may take, whatever the configuration says.
    pub deadline: Option<Duration>,
}

/// Lives through one night. `page` is called when the project stands as it will be sent home: to write what people look at.
///
/// # Errors
/// Nothing was begun: no such project, a place that cannot be reached, or another that works on it ([`Error::is_busy`]). Whatever goes
/// wrong later is in the record.
pub fn night(
    request: &Request,
    storage: &Storage,
    control: &Control,
    page: &dyn Fn(&Project) -> Result<()>,
) -> Result<NightRecord> {
    let place = Whereabouts::find(&request.config, &request.work, &request.sets, storage)?;
    let worker = Worker { host: host(), pid: std::process::id(), began: Utc::now() };
    let minutes = |m: u32| Duration::from_secs(60 * u64::from(m));
    let seconds = |s: u32| Duration::from_secs(s.into());
    let (lock, every) = (minutes(place.nightly.lock_minutes), seconds(place.nightly.heartbeat_seconds));
    let checkout = Checkout::take(storage, &place, "nightly", lock)?;
    control
        .allow(request.deadline.or(place.nightly.deadline_minutes.map(minutes)), seconds(place.nightly.grace_seconds));
    info!(
        event = "begin",
        host = worker.host,
        pid = worker.pid,
        home = %checkout.outside(),
        folder = %place.folder.display(),
        "night begins: {}",
        checkout.outside()
    );
    let watch = Watch::new(control);
    let tell = || sign_of_life(storage, &checkout, &watch, &worker);
    let heart = Heart { every, lock, renew: &|| checkout.renew(), tell: &tell, lose: &|| control.lose_lock() };
    let record = heart.during(|| {
        let mut night = Night {
            request,
            storage,
            control,
            checkout: &checkout,
            watch: &watch,
            fetched: false,
            record: blank(&worker),
        };
        let ended = night.live(&place.folder, page);
        night.end(ended, &place)
    });
    if let Err(why) = checkout.release() {
        warn!(event = "lock", "the lock could not be given back, and ends by itself: {why}");
    }
    let (outcome, code) = (record.outcome.name(), record.exit_code);
    info!(event = "end", outcome, exit_code = code, "night ends: {outcome}");
    Ok(record)
}

/// Tells where the night stands; a sign that does not arrive is told in the log, and the night goes on.
fn sign_of_life(storage: &Storage, checkout: &Checkout<'_>, watch: &Watch<'_>, worker: &Worker) {
    let scene = watch.scene();
    let beat = Heartbeat {
        schema_version: RECORD_VERSION,
        worker: worker.clone(),
        at: Utc::now(),
        stage: scene.stage.unwrap_or(Stage::Fetch),
        doing: if scene.doing.is_empty() { "beginning".to_owned() } else { scene.doing },
        share: scene.share,
        gradient_evaluations: scene.gradients,
    };
    let place = checkout.outside().join(HEARTBEAT_FILE);
    let text = serde_json::to_vec_pretty(&beat).map_err(|e| e.to_string());
    let written = text.and_then(|text| storage.write(&place, &text, When::Always).map_err(|e| e.to_string()));
    if let Err(why) = written {
        warn!(event = "heartbeat", "no sign of life could be written: {why}");
    }
}

/// A night under way.
struct Night<'a> {
    request: &'a Request,
    storage: &'a Storage,
    control: &'a Control,
    checkout: &'a Checkout<'a>,
    watch: &'a Watch<'a>,
    /// Whether the project is here: what is not whole is not sent home.
    fetched: bool,
    record: NightRecord,
}

impl Night<'_> {
    /// The stages, one after another.
    fn live(&mut self, folder: &Path, page: &dyn Fn(&Project) -> Result<()>) -> Result<()> {
        self.stage(Stage::Fetch, |night| {
            let moved = night.checkout.fetch(&|_| {})?;
            Ok(((), words(&moved)))
        })?;
        self.fetched = true;
        let today = self.request.today.map_or_else(Today::now, Today::given);
        let project = Project::open(folder, &self.request.sets, today, Access::Write)?;
        let log = self.stage(Stage::Summarize, |night| stages::summarize(&project, night.watch))?;
        self.record.last_date = Some(log.last_date);
        let refit = self.stage(Stage::Refit, |night| stages::refit(&project, &log, night.watch))?;
        self.record.model = refit.model;
        self.record.began_warm = refit.began_warm;
        self.refuse(refit.refused);
        let compared = self.stage(Stage::Compare, |night| stages::compare(&project, night.watch))?;
        self.record.compared = compared;
        let due = self.stage(Stage::Pipeline, |night| stages::pipeline(&project, night.watch))?;
        self.record.pipeline = due.done;
        self.refuse(due.alarms);
        if self.record.outcome == Outcome::Healthy {
            stages::clear(&project)?;
        }
        if project.section.nightly.prune {
            self.record.pipeline.extend(stages::prune(&project, self.watch)?);
        }
        page(&project)
    }

    /// Notes why the night is not healthy, and goes on.
    fn refuse(&mut self, reasons: Vec<String>) {
        for reason in reasons {
            warn!(event = "refused", "{reason}");
            self.record.outcome = Outcome::Refused;
            self.record.reasons.push(reason);
        }
    }

    /// One stage: announced, timed, and not begun once the night is to end.
    fn stage<T>(&mut self, stage: Stage, work: impl FnOnce(&mut Self) -> Result<(T, String)>) -> Result<T> {
        if stage != Stage::Upload && self.watch.wish() != Wish::GoOn {
            return Err(Error::new(format!("stopped before {}, as asked", stage.name())).stopped());
        }
        self.watch.enter(stage);
        let began = Instant::now();
        let outcome = work(self);
        let seconds = began.elapsed().as_secs_f64();
        let said = match &outcome {
            Ok((_, said)) => said.clone(),
            Err(why) => format!("not finished: {why}"),
        };
        info!(event = "stage_end", stage = stage.name(), seconds, "{}: {said} ({seconds:.1} s)", stage.name());
        self.record.stages.push(StageCost { stage, seconds, said });
        outcome
            .map(|(result, _)| result)
            .map_err(|e| Error::new(format!("the night stopped at {}", stage.name())).because(e))
    }

    /// Sends home what there is, and tells how it ended.
    fn end(mut self, ended: Result<()>, place: &Whereabouts) -> NightRecord {
        if let Err(why) = ended {
            self.record.outcome = match self.control.halt() {
                // What failed in a hurry may have failed for it.
                Some(Halt::Signal) => Outcome::Stopped,
                Some(Halt::Deadline) if why.is_stopped() => Outcome::Late,
                _ => Outcome::Failed,
            };
            self.fail(&why);
        }
        if self.control.has_lost_lock() {
            self.record.outcome = Outcome::Failed;
            self.record.reasons.push("the lock was lost to another: nothing was sent home".to_owned());
        } else if self.fetched {
            let sent = self.stage(Stage::Upload, |night| {
                let moved = night.checkout.send(&|_| {})?;
                Ok(((), format!("{} files, {} bytes; {} were there already", moved.files, moved.bytes, moved.skipped)))
            });
            if let Err(why) = sent {
                if self.control.halt() != Some(Halt::Signal) {
                    self.record.outcome = Outcome::Failed;
                }
                self.fail(&why);
            }
        }
        let scene = self.watch.scene();
        (self.record.gradients_kept, self.record.gradients_made) = (scene.gradients_kept, scene.gradients_made);
        self.record.ended = Utc::now();
        self.record.exit_code = self.record.outcome.exit_code();
        self.tell(place);
        self.record
    }

    fn fail(&mut self, why: &Error) {
        let words = why.in_full();
        match self.record.outcome {
            Outcome::Stopped | Outcome::Late => warn!(event = "stopped", "{words}"),
            _ => error!(event = "failed", "{words}"),
        }
        self.record.reasons.push(words);
    }

    /// Writes the record, and tells whom the configuration names.
    fn tell(&self, place: &Whereabouts) {
        let text = match serde_json::to_string_pretty(&self.record) {
            Ok(text) => text,
            Err(why) => return error!(event = "status", "the night's record could not be written: {why}"),
        };
        let at = self.checkout.outside().join(STATUS_FILE);
        if !self.control.has_lost_lock()
            && let Err(why) = self.storage.write(&at, text.as_bytes(), When::Always)
        {
            error!(event = "status", "the night's record could not be written: {why}");
        }
        let wanted = match place.nightly.notify {
            Notify::Always => true,
            Notify::Problems => !matches!(self.record.outcome, Outcome::Healthy | Outcome::Stopped),
            Notify::Never => false,
        };
        if let Some(hook) = place.webhook.as_ref().filter(|_| wanted) {
            let body = serde_json::json!({ "kind": "nightly", "night": self.record }).to_string();
            let hook = Webhook { url: hook.url.clone(), secret_env: hook.secret_env.clone() };
            let delivery = hook.deliver(&body);
            info!(
                event = "told",
                host = delivery.host,
                accepted = delivery.accepted,
                "told {}: {}",
                delivery.host,
                delivery.outcome
            );
        }
    }
}

/// What a fetch came to, in words.
fn words(moved: &Moved) -> String {
    let brought = (moved.files + moved.skipped > 0)
        .then(|| format!("{} files, {} bytes; {} were here already", moved.files, moved.bytes, moved.skipped));
    let removed =
        (moved.removed > 0).then(|| format!("{} files that are no longer there were removed here", moved.removed));
    match (brought, removed) {
        (None, None) => "nothing has changed there".to_owned(),
        (brought, removed) => brought.into_iter().chain(removed).collect::<Vec<_>>().join("; "),
    }
}

/// The record of a night of which nothing is known yet but that it is healthy so far.
fn blank(worker: &Worker) -> NightRecord {
    NightRecord {
        schema_version: RECORD_VERSION,
        worker: worker.clone(),
        ended: worker.began,
        outcome: Outcome::Healthy,
        exit_code: 0,
        reasons: Vec::new(),
        last_date: None,
        model: None,
        began_warm: false,
        gradients_kept: 0,
        gradients_made: 0,
        compared: None,
        pipeline: Vec::new(),
        stages: Vec::new(),
    }
}
