//! How a project's nights are doing, read from what they told of themselves: for `longrun status`, from anywhere that may read the bucket.

use chrono::{DateTime, Duration, Utc};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::record::{HEARTBEAT_FILE, Heartbeat, NightRecord, Outcome, STATUS_FILE};
use crate::error::{Error, Result};
use crate::storage::{Place, Storage};

/// What is known of a project's nights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// In a word.
    pub health: Health,
    /// In a sentence.
    pub said: String,
    /// The last sign of life.
    pub heartbeat: Option<Heartbeat>,
    /// The last night that ended by itself.
    pub last: Option<NightRecord>,
}

/// How the nights are doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// One is under way.
    Working,
    /// The last one did everything that was due.
    Healthy,
    /// The last one waits to be taken up: it was stopped, or ran into its deadline.
    Unfinished,
    /// The last one was refused by its diagnostics, or an alarm stands.
    Refused,
    /// The last one failed, or died without a word.
    Failed,
    /// There was none for too long.
    Overdue,
    /// There was none ever.
    Never,
}

/// Silence after which a night that told no end counts as dead, in its own signs of life.
const MISSED_BEATS: i32 = 10;

/// Reads how the nights of the project in `home` are doing. `most` is the longest time between two ends of nights, `beat` that between
/// two signs of life.
///
/// # Errors
/// A place that cannot be reached; records of another version.
pub fn status(storage: &Storage, home: &Place, now: DateTime<Utc>, most: Duration, beat: Duration) -> Result<Report> {
    // A sign of life that cannot be read hides nothing of how the last night ended.
    let heartbeat: Option<Heartbeat> =
        storage.read(&home.join(HEARTBEAT_FILE))?.and_then(|(bytes, _)| serde_json::from_slice(&bytes).ok());
    let last: Option<NightRecord> = read(storage, &home.join(STATUS_FILE))?;
    let (health, said) = judge(heartbeat.as_ref(), last.as_ref(), now, most, beat);
    Ok(Report { health, said, heartbeat, last })
}

fn read<T: DeserializeOwned>(storage: &Storage, place: &Place) -> Result<Option<T>> {
    let Some((bytes, _)) = storage.read(place)? else { return Ok(None) };
    serde_json::from_slice(&bytes)
        .map(Some)
        .map_err(|e| Error::new("the record is damaged or of another version of longrun").at(place).because(e))
}

fn judge(
    heartbeat: Option<&Heartbeat>,
    last: Option<&NightRecord>,
    now: DateTime<Utc>,
    most: Duration,
    beat: Duration,
) -> (Health, String) {
    let ago = |time: DateTime<Utc>| in_words(now - time);
    if let Some(sign) = heartbeat.filter(|sign| last.is_none_or(|last| last.worker != sign.worker)) {
        let doing = format!("{} ({}) on {}", sign.stage.name(), sign.doing, sign.worker.host);
        return if now - sign.at <= beat * MISSED_BEATS {
            (Health::Working, format!("a night is under way since {}: {doing}", ago(sign.worker.began)))
        } else {
            let silent = ago(sign.at);
            (Health::Failed, format!("a night died {silent} ago without a word, at {doing}; the next one takes it up"))
        };
    }
    let Some(last) = last else { return (Health::Never, "no night has told of itself here yet".to_owned()) };
    let ended = ago(last.ended);
    let why = if last.reasons.is_empty() { String::new() } else { format!(": {}", last.reasons.join("; ")) };
    if now - last.ended > most {
        let said = format!(
            "no night ended in the last {}; the last one, {ended} ago, was {}",
            in_words(most),
            last.outcome.name()
        );
        return (Health::Overdue, said);
    }
    match last.outcome {
        Outcome::Healthy => (Health::Healthy, format!("the last night ended well, {ended} ago")),
        Outcome::Refused => (Health::Refused, format!("the last night, {ended} ago, needs a look{why}")),
        Outcome::Failed => (Health::Failed, format!("the last night failed {ended} ago{why}")),
        Outcome::Stopped | Outcome::Late => (
            Health::Unfinished,
            format!("the last night was {} {ended} ago, and waits to be taken up", last.outcome.name()),
        ),
    }
}

/// A span of time as people say it.
fn in_words(span: Duration) -> String {
    let minutes = span.num_minutes();
    match minutes {
        ..=1 => format!("{} s", span.num_seconds().max(0)),
        2..=119 => format!("{minutes} min"),
        120..=2879 => format!("{} h", minutes / 60),
        _ => format!("{} days", minutes / 1440),
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::{RECORD_VERSION, Stage, Worker};
    use super::*;

    fn at(hour: u32) -> DateTime<Utc> {
        format!("2026-11-22T{hour:02}:00:00Z").parse().unwrap()
    }

    fn worker(hour: u32) -> Worker {
        Worker { host: "vm".to_owned(), pid: 7, began: at(hour) }
    }

    fn sign(began: u32, written: u32) -> Heartbeat {
        Heartbeat {
            schema_version: RECORD_VERSION,
            worker: worker(began),
            at: at(written),
            stage: Stage::Refit,
            doing: "purchase: sampling".to_owned(),
            share: Some(0.5),
            gradient_evaluations: Some(100),
        }
    }

    fn ended(began: u32, hour: u32, outcome: Outcome) -> NightRecord {
        NightRecord {
            schema_version: RECORD_VERSION,
            worker: worker(began),
            ended: at(hour),
            outcome,
            exit_code: outcome.exit_code(),
            reasons: vec!["so".to_owned()],
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

    #[test]
    fn every_state_of_the_nights_is_told() {
        let said = |sign: Option<Heartbeat>, last: Option<NightRecord>, hour: u32| {
            judge(sign.as_ref(), last.as_ref(), at(hour), Duration::hours(10), Duration::seconds(30)).0
        };
        let good = || Some(ended(1, 2, Outcome::Healthy));
        assert_eq!(said(None, None, 3), Health::Never);
        assert_eq!(said(Some(sign(1, 2)), good(), 3), Health::Healthy);
        assert_eq!(said(Some(sign(1, 2)), good(), 13), Health::Overdue);
        assert_eq!(said(Some(sign(4, 5)), good(), 5), Health::Working);
        assert_eq!(said(Some(sign(4, 5)), good(), 6), Health::Failed);
        assert_eq!(said(Some(sign(4, 5)), None, 6), Health::Failed);
        assert_eq!(said(None, Some(ended(1, 2, Outcome::Refused)), 3), Health::Refused);
        assert_eq!(said(None, Some(ended(1, 2, Outcome::Failed)), 3), Health::Failed);
        assert_eq!(said(None, Some(ended(1, 2, Outcome::Stopped)), 3), Health::Unfinished);
        assert_eq!(said(None, Some(ended(1, 2, Outcome::Late)), 3), Health::Unfinished);
    }
}
