//! The head of the page: how the last window that has passed went, and where the project stands.

use serde::Serialize;

use super::horizon::{Horizon, Names};
use super::{counted, day, marked, or_nan, said};
use crate::evaluate::State;
use crate::lifecycle::{Alert, History, HistoryRow, MonitorRecord};
use crate::report::numbers::whole;
use crate::report::words::upper_first;

/// What is said first. `look` is `pass`, `near` or `fail`.
#[derive(Debug, Default, Serialize)]
pub(super) struct Verdict {
    look: &'static str,
    title: String,
    meaning: String,
    reasons: Vec<String>,
    /// HTML.
    advice: Vec<String>,
}

/// One figure with its name.
#[derive(Debug, Serialize)]
pub(super) struct Tile {
    label: &'static str,
    value: String,
    note: String,
}

/// How a window went, the worse the larger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Went {
    Well,
    NotJudged,
    PerhapsBadly,
    Badly,
}

fn went(record: &MonitorRecord) -> Went {
    let any = |state: &State| record.judgements.iter().any(|j| j.state == *state);
    if record.breach {
        Went::Badly
    } else if record.judgements.is_empty() {
        Went::NotJudged
    } else if any(&State::BeyondButUncertain) {
        Went::PerhapsBadly
    } else {
        Went::Well
    }
}

/// The verdict on the latest window that has passed, the worst one where there are several horizons.
pub(super) fn verdict(history: &History, horizons: &[Horizon<'_>], names: &Names<'_>) -> Verdict {
    if history.snapshots.is_empty() {
        return before_the_first(history, names);
    }
    let latest = |h: &Horizon<'_>| h.rows.iter().rev().find_map(|row| row.monitor.as_ref()).cloned();
    let worst = horizons.iter().filter_map(|h| Some((latest(h)?, h))).max_by_key(|(record, _)| went(record));
    let Some((record, horizon)) = worst else { return nothing_has_matured(history) };
    let when = format!(
        "{} predicted the {} on {}; that window ended on {}.",
        names.short(&record.model_id),
        match record.prediction_months {
            1 => "next month".to_owned(),
            n => format!("next {n} months"),
        },
        day(record.cutoff),
        day(record.window_end)
    );
    let mut reasons: Vec<String> = figures(&record, horizon.money(&history.currency));
    reasons.extend(drifting(history));
    let (look, title, meaning) = match went(&record) {
        Went::Well => ("pass", "The last window was within its limits.", String::new()),
        Went::NotJudged => (
            "near",
            "The last window could not be judged.",
            format!(" {}.", upper_first(record.not_judged.as_deref().unwrap_or("there is nothing to hold it against"))),
        ),
        Went::PerhapsBadly => (
            "near",
            "The last window was beyond a limit, perhaps by chance.",
            " That is no alarm: noise alone does as much now and then. The next window will tell.".to_owned(),
        ),
        Went::Badly => (
            "fail",
            "The last window broke its limits.",
            match record.consecutive {
                0 | 1 => " What moved is more than chance.".to_owned(),
                n => format!(" What moved is more than chance, and it is breach {n} in a row."),
            },
        ),
    };
    let advice = if look == "fail" { Alert::of(record.clone()).next_steps } else { Vec::new() };
    let advice = advice.iter().map(|line| marked(line)).collect();
    Verdict { look, title: title.to_owned(), meaning: when + &meaning, reasons, advice }
}

fn before_the_first(history: &History, names: &Names<'_>) -> Verdict {
    let (title, meaning, advice) = match &history.champion {
        None => (
            "There is no champion yet.",
            "A project predicts once somebody has chosen a model.".to_owned(),
            [
                "`longrun train` fits a model and evaluates it out of time.",
                "`longrun promote challenger` makes it the champion.",
            ]
            .as_slice(),
        ),
        Some(id) => (
            "Nothing has been predicted yet.",
            format!("{} ({id}) is champion and has not scored anybody.", names.short(id)),
            ["`longrun pipeline` scores when the next cutoff has come."].as_slice(),
        ),
    };
    Verdict {
        look: "near",
        title: title.to_owned(),
        meaning,
        advice: advice.iter().map(|&line| marked(line)).collect(),
        ..Verdict::default()
    }
}

fn nothing_has_matured(history: &History) -> Verdict {
    let ends = history.snapshots.iter().map(|row| row.snapshot.window_end).min();
    let meaning = match (ends, history.snapshots.iter().any(|row| row.outcome.is_some())) {
        (_, true) => {
            "What happened is known of some windows, and has not been judged: `longrun monitor` does.".to_owned()
        }
        (Some(end), false) => format!(
            "There are {}. The first window ends on {}; until then nobody knows how good the predictions are.",
            counted(history.snapshots.len(), "snapshot", "snapshots"),
            day(end)
        ),
        (None, false) => String::new(),
    };
    Verdict {
        look: "near",
        title: "No window has passed yet.".to_owned(),
        meaning,
        reasons: drifting(history).into_iter().collect(),
        ..Verdict::default()
    }
}

/// What was judged, in figures, the worst first.
fn figures(record: &MonitorRecord, money: Option<&str>) -> Vec<String> {
    let mut lines = Vec::new();
    for (wanted, word) in [
        (State::Breach, "a breach"),
        (State::BeyondButUncertain, "beyond it, perhaps by chance"),
        (State::Within, "within"),
    ] {
        for j in record.judgements.iter().filter(|j| j.state == wanted) {
            let number = |value: Option<f64>| said(j.metric, or_nan(value), money);
            lines.push(format!(
                "{}: {}, limit {}, baseline {}: {word}.",
                upper_first(j.metric.label()),
                number(j.latest.value),
                number(j.threshold_value),
                number(j.baseline.value)
            ));
        }
    }
    lines
}

/// Inputs of the last snapshot that have moved far.
fn drifting(history: &History) -> Option<String> {
    let last = last(history)?;
    let columns: Vec<&str> = last.snapshot.major_shifts().map(|shift| shift.column.as_str()).collect();
    (!columns.is_empty()).then(|| {
        format!(
            "Customers of the last snapshot are no longer like those that the model learned from: {}.",
            columns.join(", ")
        )
    })
}

fn last(history: &History) -> Option<&HistoryRow> {
    history.snapshots.iter().max_by_key(|row| row.snapshot.cutoff)
}

/// Where the project stands.
pub(super) fn tiles(history: &History, names: &Names<'_>) -> Vec<Tile> {
    let champion = match &history.champion {
        None => ("none".to_owned(), "nobody has been promoted".to_owned()),
        Some(id) => {
            let since = history.promotions.iter().rev().find(|p| p.model_id == *id).map(|p| moment(&p.time));
            (names.short(id), format!("{id}{}", since.map_or(String::new(), |day| format!(", since {day}"))))
        }
    };
    let compared = history.snapshots.iter().filter(|row| row.outcome.is_some()).count();
    let snapshot = match last(history) {
        None => ("none".to_owned(), "nobody has been scored".to_owned()),
        Some(row) => (
            day(row.snapshot.cutoff),
            format!(
                "{} customers; {}, {} compared with what happened",
                whole(row.snapshot.customers),
                counted(history.snapshots.len(), "snapshot", "snapshots"),
                whole(compared as u64)
            ),
        ),
    };
    let next = match history.next_cutoff {
        None => ("none".to_owned(), "set by the first champion".to_owned()),
        Some(date) => (day(date), "scored by the first pipeline after it".to_owned()),
    };
    let alarms: Vec<&HistoryRow> = history.snapshots.iter().filter(|row| row.alert).collect();
    let alarm = match alarms.iter().max_by_key(|row| row.snapshot.cutoff) {
        None => "none so far".to_owned(),
        Some(row) => format!("the last one for the snapshot of {}", day(row.snapshot.cutoff)),
    };
    [
        ("Champion", champion),
        ("Last snapshot", snapshot),
        ("Next cutoff", next),
        ("Alarms", (whole(alarms.len() as u64), alarm)),
    ]
    .into_iter()
    .map(|(label, (value, note))| Tile { label, value, note })
    .collect()
}

/// The day of a moment as ledgers write it, or what stands there.
pub(super) fn moment(time: &str) -> String {
    let date = time.split('T').next().unwrap_or(time);
    date.parse::<chrono::NaiveDate>().map_or_else(|_| time.to_owned(), day)
}
