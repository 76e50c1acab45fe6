//! The value lens over time: what share of the value each tier holds, what it takes to be in one, and who moved.

use serde::Serialize;

use super::horizon::Horizon;
use super::moves::{self, Moves};
use super::{Figure, Table, TableCell, TableRow, day, or_nan};
use crate::lifecycle::HistoryRow;
use crate::report::numbers;
use crate::report::plots::{self, Line, Lines, Stack, Unit, responsive};
use crate::segment::TierRow;

/// Tiers shown.
const TIERS: usize = 12;

/// One horizon's tiers.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    name: String,
    cut: Option<String>,
    figures: Vec<Figure>,
    table: Table,
    moves: Option<Moves>,
}

/// None where no snapshot has tiers.
pub(super) fn part(h: &Horizon<'_>, currency: &str) -> Option<Part> {
    let mut tiers: Vec<&str> = Vec::new();
    // In the order of the latest snapshot.
    for tier in h.rows.iter().rev().flat_map(|row| &row.snapshot.tiers) {
        if !tiers.contains(&tier.tier.as_str()) {
            tiers.push(&tier.tier);
        }
    }
    if tiers.is_empty() {
        return None;
    }
    let all = tiers.len();
    tiers.truncate(TIERS);
    let moves = moves::latest(&h.rows, |row| row.snapshot.tier_movement.as_ref(), "tier_movement.csv");
    Some(Part {
        name: h.name.clone(),
        cut: (all > TIERS).then(|| format!("{TIERS} of {} tiers are shown.", numbers::whole(all as u64))),
        figures: [Some(shares(h, &tiers)), cuts(h, &tiers, currency)].into_iter().flatten().collect(),
        table: table(h, &tiers, currency),
        moves,
    })
}

fn of<'a>(row: &'a HistoryRow, tier: &str) -> Option<&'a TierRow> {
    row.snapshot.tiers.iter().find(|row| row.tier == tier)
}

fn shares(h: &Horizon<'_>, tiers: &[&str]) -> Figure {
    let part = |tier: &&str| plots::Part {
        name: (*tier).to_owned(),
        shares: h.each(|row| or_nan(of(row, tier).map(|t| t.revenue_share))),
    };
    let parts: Vec<plots::Part> = tiers.iter().map(part).collect();
    let last: Vec<String> = parts
        .iter()
        .map(|p| format!("{} {}", p.name, numbers::percent_whole(p.shares.last().copied().unwrap_or(f64::NAN))))
        .collect();
    let title = format!("Share of expected value by tier, {}", h.name);
    let description = format!("In the last snapshot: {}.", last.join(", "));
    let draw = |size| {
        let stack = Stack { title: &title, description: &description, span: h.span, days: &h.days, parts: &parts };
        plots::stack(&stack, size)
    };
    Figure {
        caption: "Share of all expected value".to_owned(),
        rule: "by tier, best at the bottom".to_owned(),
        drawing: responsive(draw),
    }
}

fn unit(h: &Horizon<'_>, currency: &str) -> Unit {
    h.money(currency).map_or(Unit::Plain, |currency| Unit::Money(currency.to_owned()))
}

fn amount(h: &Horizon<'_>, value: f64, currency: &str) -> String {
    h.money(currency).map_or_else(|| numbers::count(value), |currency| numbers::money(value, currency))
}

/// None where no tier asks for anything.
fn cuts(h: &Horizon<'_>, tiers: &[&str], currency: &str) -> Option<Figure> {
    let line = |(key, tier): (usize, &&str)| {
        let values = h.each(|row| or_nan(of(row, tier).and_then(|t| t.cut_value)));
        let last = values.iter().rev().find(|v| v.is_finite()).copied()?;
        Some(Line { key, name: (*tier).to_owned(), last: amount(h, last, currency), values })
    };
    let lines: Vec<Line> = tiers.iter().enumerate().filter_map(line).collect();
    if lines.is_empty() {
        return None;
    }
    let title = format!("Least value in each tier, {}", h.name);
    let now: Vec<String> = lines.iter().map(|line| format!("{} {}", line.name, line.last)).collect();
    let description = format!("In the last snapshot: {}.", now.join(", "));
    let draw = |size| {
        plots::lines(
            &Lines {
                title: &title,
                description: &description,
                span: h.span,
                days: &h.days,
                lines: &lines,
                eras: &h.eras,
                unit: unit(h, currency),
                reference: None,
                by_ratio: true,
            },
            size,
        )
    };
    Some(Figure {
        caption: "What it takes to be in a tier".to_owned(),
        rule: "the least expected value of one customer; equal distances are equal ratios".to_owned(),
        drawing: responsive(draw),
    })
}

fn table(h: &Horizon<'_>, tiers: &[&str], currency: &str) -> Table {
    let cell = |row: &HistoryRow, tier: &str| {
        of(row, tier).map_or_else(
            || TableCell::plain(numbers::NONE.to_owned()),
            |t| TableCell {
                main: numbers::percent(t.revenue_share),
                aside: match t.cut_value {
                    Some(cut) => {
                        format!("from {}, {} customers", amount(h, cut, currency), numbers::whole(t.customers))
                    }
                    None => format!("{} customers", numbers::whole(t.customers)),
                },
                bad: false,
            },
        )
    };
    Table {
        caption: format!("Tiers of every snapshot, {}: share of all expected value, least value, customers", h.name),
        columns: tiers.iter().map(|&tier| tier.to_owned()).collect(),
        rows: h.each(|row| TableRow {
            head: day(row.snapshot.cutoff),
            cells: tiers.iter().map(|tier| cell(row, tier)).collect(),
            ..TableRow::default()
        }),
    }
}
