//! How far the customers have moved from those that models learned from, column by column.

use serde::Serialize;

use super::horizon::{Horizon, Names};
use super::{Figure, Table, TableCell, TableRow, day, or_nan};
use crate::evaluate::{Band, Shift};
use crate::lifecycle::HistoryRow;
use crate::report::numbers;
use crate::report::plots::{self, Level, Said, Seen, Unit, Watch};

/// Columns shown.
const COLUMNS: usize = 12;
/// Where the customary bands of the population stability index begin.
const MODERATE: f64 = 0.10;
const MAJOR: f64 = 0.25;

/// One horizon's inputs.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    name: String,
    cut: Option<String>,
    panels: Vec<Figure>,
    table: Table,
}

/// None where no snapshot was compared with what its model learned from.
pub(super) fn part(h: &Horizon<'_>, names: &Names<'_>) -> Option<Part> {
    let mut columns: Vec<&str> = Vec::new();
    for shift in h.rows.iter().flat_map(|row| &row.snapshot.inputs) {
        if !columns.contains(&shift.column.as_str()) {
            columns.push(&shift.column);
        }
    }
    if columns.is_empty() {
        return None;
    }
    let all = columns.len();
    columns.truncate(COLUMNS);
    Some(Part {
        name: h.name.clone(),
        cut: (all > COLUMNS).then(|| format!("{COLUMNS} of {} columns are shown.", numbers::whole(all as u64))),
        panels: columns.iter().map(|column| panel(h, column, names)).collect(),
        table: table(h, &columns),
    })
}

fn of<'a>(row: &'a HistoryRow, column: &str) -> Option<&'a Shift> {
    row.snapshot.inputs.iter().find(|shift| shift.column == column)
}

fn said(band: Band) -> Said {
    match band {
        Band::Stable => Said::Within,
        Band::Moderate => Said::Uncertain,
        Band::Major => Said::Breach,
    }
}

fn in_words(band: Band) -> &'static str {
    match band {
        Band::Stable => "stable",
        Band::Moderate => "moderate",
        Band::Major => "major",
    }
}

fn panel(h: &Horizon<'_>, column: &str, names: &Names<'_>) -> Figure {
    let seen = h.each(|row| {
        // A column that was not compared has no place; it is not pending.
        let psi = of(row, column);
        Some(Seen {
            value: or_nan(psi.map(|s| s.psi)),
            low: f64::NAN,
            high: f64::NAN,
            said: psi.map_or(Said::Unjudged, |s| said(s.band)),
        })
    });
    let chance = h.each(|row| or_nan(of(row, column).map(|s| s.psi_noise_95)));
    let tips = h.each(|row| {
        let head = format!("{}, {}", day(row.snapshot.cutoff), names.short(&row.snapshot.model_id));
        of(row, column).map_or(format!("{head}: not compared"), |s| {
            format!(
                "{head}: PSI {}, {}; chance alone stays below {} in 95\u{a0}% of looks",
                numbers::fixed(s.psi, 3),
                in_words(s.band),
                numbers::fixed(s.psi_noise_95, 3)
            )
        })
    });
    let level = |name, value: f64| Level { class: "reference", name, at: vec![value; h.rows.len()] };
    let count = |band: Band| h.rows.iter().filter(|row| of(row, column).is_some_and(|s| s.band == band)).count();
    let last = h.rows.iter().rev().find_map(|row| of(row, column));
    let description = format!(
        "Of {} snapshots, {} are stable, {} have moved moderately and {} far. A table below has every figure.",
        h.rows.len(),
        count(Band::Stable),
        count(Band::Moderate),
        count(Band::Major)
    );
    let drawing = plots::watch(&Watch {
        title: &format!("Population stability index of {column}, {}", h.name),
        description: &description,
        span: h.span,
        days: &h.days,
        seen: &seen,
        tips: &tips,
        levels: &[level("moderate", MODERATE), level("major", MAJOR)],
        chance: &chance,
        eras: &h.eras,
        unit: Unit::Plain,
        from_zero: true,
        at_least: 1.1 * MAJOR,
    });
    let rule = last.map_or(String::new(), |s| format!("{} at last: {}", in_words(s.band), means(s)));
    Figure { caption: column.to_owned(), rule, drawing }
}

/// Where the column's middle was and is.
fn means(s: &Shift) -> String {
    let mean = |value: Option<f64>| numbers::short(or_nan(value));
    format!("mean {}, was {}", mean(s.mean), mean(s.reference_mean))
}

fn table(h: &Horizon<'_>, columns: &[&str]) -> Table {
    let cell = |row: &HistoryRow, column: &str| {
        of(row, column).map_or_else(
            || TableCell::plain(numbers::NONE.to_owned()),
            |s| TableCell {
                main: format!("{} {}", numbers::fixed(s.psi, 3), in_words(s.band)),
                aside: format!("chance up to {}; {}", numbers::fixed(s.psi_noise_95, 3), means(s)),
                bad: s.band == Band::Major,
            },
        )
    };
    Table {
        caption: format!("Population stability index of every column and snapshot, {}", h.name),
        columns: columns.iter().map(|&column| column.to_owned()).collect(),
        rows: h.each(|row| TableRow {
            head: day(row.snapshot.cutoff),
            cells: columns.iter().map(|column| cell(row, column)).collect(),
            ..TableRow::default()
        }),
    }
}
