//! What was noticed, the newest first, and the ledger of champions.

use serde::Serialize;

use super::horizon::Names;
use super::summary::moment;
use super::{day, marked};
use crate::lifecycle::{Alert, History, HistoryRow, MonitorRecord};
use crate::report::numbers;
use crate::report::words::upper_first;

/// Alarms told in full; older ones are folded.
const OPEN: usize = 4;
/// Parts of customers named in an alarm.
const SLICES: usize = 3;

#[derive(Debug, Default, Serialize)]
pub(super) struct Alarms {
    open: Vec<Alarm>,
    folded: Vec<Alarm>,
}

/// One alarm; `file` is its page beside this one, a day and a number.
#[derive(Debug, Serialize)]
struct Alarm {
    title: String,
    about: String,
    file: Option<String>,
    /// HTML.
    causes: Vec<String>,
    slices: Vec<[String; 5]>,
}

/// A row of the ledger.
#[derive(Debug, Serialize)]
pub(super) struct Champion {
    number: usize,
    when: String,
    action: String,
    name: String,
    id: String,
    cutoff: String,
    note: String,
    now: bool,
}

pub(super) fn alarms(history: &History, names: &Names<'_>) -> Alarms {
    let mut rows: Vec<&HistoryRow> =
        history.snapshots.iter().filter(|row| row.alert || row.monitor.as_ref().is_some_and(|m| m.breach)).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.snapshot.cutoff));
    let mut open: Vec<Alarm> = rows.iter().map(|row| alarm(row, names, &history.currency)).collect();
    let folded = open.split_off(open.len().min(OPEN));
    Alarms { open, folded }
}

fn alarm(row: &HistoryRow, names: &Names<'_>, currency: &str) -> Alarm {
    let s = &row.snapshot;
    let name = format!("{}_pred{}m", s.cutoff, s.prediction_months);
    let title = row
        .monitor
        .as_ref()
        .map_or_else(|| format!("alarm of the snapshot of {}", s.cutoff), |m| Alert::of(m.clone()).title);
    let in_a_row = match row.monitor.as_ref().map_or(0, |m| m.consecutive) {
        0 | 1 => String::new(),
        n => format!("; breach {n} in a row"),
    };
    Alarm {
        title: upper_first(&title),
        about: format!(
            "{} predicted {} customers from {} to {}{in_a_row}.",
            names.short(&s.model_id),
            numbers::whole(s.customers),
            day(s.cutoff),
            day(s.window_end)
        ),
        file: row.alert.then(|| format!("alerts/{name}.md")),
        causes: row
            .monitor
            .as_ref()
            .map_or_else(Vec::new, |m| m.likely_causes.iter().map(|cause| marked(&upper_first(cause))).collect()),
        slices: row.monitor.as_ref().map_or_else(Vec::new, |m| slices(m, s.in_spend.then_some(currency))),
    }
}

fn slices(record: &MonitorRecord, money: Option<&str>) -> Vec<[String; 5]> {
    let amount = |value: f64| money.map_or_else(|| numbers::count(value), |currency| numbers::money(value, currency));
    let slice = |s: &crate::lifecycle::Slice| {
        [
            s.in_words(),
            numbers::whole(s.customers),
            amount(s.predicted_value),
            amount(s.actual_value),
            numbers::percent_whole(s.error_share),
        ]
    };
    record.worst_slices.iter().take(SLICES).map(slice).collect()
}

pub(super) fn champions(history: &History, names: &Names<'_>) -> Vec<Champion> {
    let now = history.promotions.iter().rposition(|p| history.champion.as_ref() == Some(&p.model_id));
    let row = |(place, p): (usize, &crate::lifecycle::PromotionRow)| Champion {
        number: place + 1,
        when: moment(&p.time),
        action: p.action.clone(),
        name: names.short(&p.model_id),
        id: p.model_id.clone(),
        cutoff: day(p.cutoff),
        note: p.note.clone(),
        now: now == Some(place),
    };
    history.promotions.iter().enumerate().map(row).collect()
}
