//! The page of a project's history: who was champion, what was predicted and what happened, who moved between tiers and clusters, and what
//! was noticed. Every figure on it stands in the history; nothing here judges, and nothing reads a file.

mod accuracy;
mod alarms;
mod behaviour;
mod horizon;
mod inputs;
mod moves;
mod summary;
mod value;

#[cfg(test)]
pub(super) mod example;
#[cfg(test)]
mod tests;

use serde::Serialize;

use super::html::lay_out;
use super::numbers;
use super::svg::escape;
use crate::error::Result;
use crate::evaluate::Metric;
use crate::lifecycle::History;
use horizon::{Horizon, Names};

/// The history as one self-contained HTML file: no network, no scripts needed, equal bytes for equal histories.
///
/// # Errors
/// A template that does not fit, which is a mistake in this room.
pub fn history_page(history: &History) -> Result<String> {
    lay_out("history.html", &Page::of(history))
}

/// What the template knows. Strings named after a drawing are SVG; all others are plain text.
#[derive(Debug, Serialize)]
struct Page {
    title: String,
    subtitle: &'static str,
    chapters: Vec<[&'static str; 2]>,
    verdict: summary::Verdict,
    tiles: Vec<summary::Tile>,
    accuracy: Vec<accuracy::Part>,
    value: Vec<value::Part>,
    behaviour: Vec<behaviour::Part>,
    inputs: Vec<inputs::Part>,
    alarms: alarms::Alarms,
    champions: Vec<alarms::Champion>,
}

impl Page {
    fn of(history: &History) -> Self {
        let names = Names::of(history);
        let horizons = Horizon::all(history, &names);
        let money = history.currency.as_str();
        let mut page = Self {
            title: history.title.clone(),
            subtitle: "What was predicted, what happened since, and who was champion.",
            chapters: Vec::new(),
            verdict: summary::verdict(history, &horizons, &names),
            tiles: summary::tiles(history, &names),
            accuracy: horizons.iter().map(|h| accuracy::part(h, &names, money)).collect(),
            value: horizons.iter().filter_map(|h| value::part(h, money)).collect(),
            behaviour: horizons.iter().filter_map(|h| behaviour::part(h, money)).collect(),
            inputs: horizons.iter().filter_map(|h| inputs::part(h, &names)).collect(),
            alarms: alarms::alarms(history, &names),
            champions: alarms::champions(history, &names),
        };
        let all = [
            (true, ["summary", "Summary"]),
            (!page.accuracy.is_empty(), ["accuracy", "Accuracy"]),
            (!page.value.is_empty(), ["value", "Value"]),
            (!page.behaviour.is_empty(), ["behaviour", "Behaviour"]),
            (!page.inputs.is_empty(), ["inputs", "Inputs"]),
            (!horizons.is_empty() || !page.champions.is_empty(), ["alarms", "Alarms and champions"]),
        ];
        page.chapters = all.into_iter().filter_map(|(there, chapter)| there.then_some(chapter)).collect();
        page
    }
}

/// A drawing with what it is called, and a word on how to read it.
#[derive(Debug, Serialize)]
struct Figure {
    caption: String,
    rule: String,
    drawing: String,
}

/// A table: its heads, and its rows of one head and cells.
#[derive(Debug, Default, Serialize)]
struct Table {
    caption: String,
    columns: Vec<String>,
    rows: Vec<TableRow>,
}

#[derive(Debug, Default, Serialize)]
struct TableRow {
    head: String,
    aside: String,
    cells: Vec<TableCell>,
}

/// A figure, what stands below it, and whether that is a complaint.
#[derive(Debug, Default, Serialize)]
struct TableCell {
    main: String,
    aside: String,
    bad: bool,
}

impl TableCell {
    fn plain(main: String) -> Self {
        Self { main, ..Self::default() }
    }
}

/// A day as people write it.
fn day(date: chrono::NaiveDate) -> String {
    date.format("%-d %b %Y").to_string()
}

/// A measure's value as people read it; `money` is the currency where the target is money.
fn said(metric: Metric, value: f64, money: Option<&str>) -> String {
    match (metric, money) {
        (Metric::Rmse, Some(currency)) => numbers::money(value, currency),
        (Metric::Rmse, None) => numbers::figure(value),
        (Metric::Coverage90, _) => numbers::percent(value),
        _ => numbers::fixed(value, 3),
    }
}

/// A number that may not be there, as drawings take it.
fn or_nan(value: Option<f64>) -> f64 {
    value.unwrap_or(f64::NAN)
}

/// `one snapshot`, `3 snapshots`.
fn counted(n: usize, one: &str, more: &str) -> String {
    match n {
        1 => format!("one {one}"),
        n => format!("{} {more}", numbers::whole(n as u64)),
    }
}

/// Text as HTML, with what stands between backticks as code.
fn marked(text: &str) -> String {
    let mut out = String::new();
    let parts: Vec<&str> = text.split('`').collect();
    for (i, part) in parts.iter().enumerate() {
        let part = escape(part);
        match i % 2 == 1 {
            // A backtick that is never closed is one.
            true if i + 1 == parts.len() => out += &format!("`{part}"),
            true => out += &format!("<code>{part}</code>"),
            false => out += &part,
        }
    }
    out
}
