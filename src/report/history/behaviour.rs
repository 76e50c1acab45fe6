//! The behaviour lens over time: how many customers each cluster has and what they are worth. A cluster keeps its id, and with it its colour.

use serde::Serialize;

use super::horizon::Horizon;
use super::moves::{self, Moves, swatch};
use super::{Figure, Table, TableCell, TableRow, day, or_nan};
use crate::lifecycle::HistoryRow;
use crate::report::numbers;
use crate::report::plots::{self, Line, Lines, Unit, responsive};
use crate::segment::{Cluster, cluster_label};

/// Clusters shown.
const CLUSTERS: usize = 12;
/// The value index of everyone together.
const EVERYONE: f64 = 100.0;

/// One horizon's clusters.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    name: String,
    cut: Option<String>,
    now: Vec<Now>,
    figures: Vec<Figure>,
    table: Table,
    moves: Option<Moves>,
}

/// A cluster of the last snapshot.
#[derive(Debug, Serialize)]
struct Now {
    swatch: String,
    name: String,
    is_new: bool,
    profile: String,
    customers: String,
    share: String,
    value: String,
    index: String,
    rank: u32,
}

/// None where no snapshot has clusters.
pub(super) fn part(h: &Horizon<'_>, currency: &str) -> Option<Part> {
    let latest = h.rows.iter().rev().find(|row| !row.snapshot.behaviour.clusters.is_empty())?;
    let mut now: Vec<&Cluster> = latest.snapshot.behaviour.clusters.iter().collect();
    now.sort_by_key(|cluster| std::cmp::Reverse(cluster.customers));
    let mut ids: Vec<u32> = now.iter().map(|cluster| cluster.id).collect();
    for cluster in h.rows.iter().rev().flat_map(|row| &row.snapshot.behaviour.clusters) {
        if !ids.contains(&cluster.id) {
            ids.push(cluster.id);
        }
    }
    let all = ids.len();
    ids.truncate(CLUSTERS);
    now.retain(|cluster| ids.contains(&cluster.id));
    now.sort_by_key(|cluster| cluster.rank);
    // In their own order, as tables elsewhere have them.
    ids.sort_unstable();
    let share = |c: &Cluster| Some(c.share);
    let figures = vec![
        lines(h, &ids, "Customers by cluster", "share of all customers", share, Unit::Percent, None),
        lines(
            h,
            &ids,
            "What a cluster is worth",
            "100 is the typical customer; equal distances are equal ratios",
            |c| c.clv_index,
            Unit::Plain,
            Some(EVERYONE),
        ),
    ];
    Some(Part {
        name: h.name.clone(),
        cut: (all > CLUSTERS)
            .then(|| format!("{CLUSTERS} of {} clusters are shown, the largest first.", numbers::whole(all as u64))),
        now: now.into_iter().map(|cluster| as_now(cluster, h, currency)).collect(),
        figures,
        table: table(h, &ids),
        moves: moves::latest(&h.rows, |row| row.snapshot.cluster_movement.as_ref(), "cluster_movement.csv"),
    })
}

/// What decides a cluster's colour: ids begin at 1.
fn key(id: u32) -> usize {
    id.saturating_sub(1) as usize
}

fn as_now(cluster: &Cluster, h: &Horizon<'_>, currency: &str) -> Now {
    let mean = cluster.mean_value;
    Now {
        swatch: swatch(key(cluster.id)),
        name: cluster_label(cluster.id),
        is_new: cluster.is_new,
        profile: cluster.profile.clone(),
        customers: numbers::whole(cluster.customers),
        share: numbers::percent(cluster.share),
        value: h.money(currency).map_or_else(|| numbers::count(mean), |currency| numbers::money(mean, currency)),
        index: numbers::fixed(or_nan(cluster.clv_index), 0),
        rank: cluster.rank,
    }
}

fn of(row: &HistoryRow, id: u32) -> Option<&Cluster> {
    row.snapshot.behaviour.clusters.iter().find(|cluster| cluster.id == id)
}

fn lines(
    h: &Horizon<'_>,
    ids: &[u32],
    caption: &str,
    rule: &str,
    figure: fn(&Cluster) -> Option<f64>,
    unit: Unit,
    reference: Option<f64>,
) -> Figure {
    let say = |value: f64| if unit == Unit::Percent { numbers::percent_whole(value) } else { numbers::fixed(value, 0) };
    let line = |&id: &u32| {
        let values = h.each(|row| or_nan(of(row, id).and_then(figure)));
        let last = values.iter().rev().find(|v| v.is_finite()).map_or(String::new(), |v| say(*v));
        Line { key: key(id), name: cluster_label(id), last, values }
    };
    let drawn: Vec<Line> = ids.iter().map(line).collect();
    let title = format!("{caption}, {}", h.name);
    let now: Vec<String> = drawn.iter().map(|line| format!("{} {}", line.name, line.last)).collect();
    let description = format!("At last: {}.", now.join(", "));
    let draw = |size| {
        plots::lines(
            &Lines {
                title: &title,
                description: &description,
                span: h.span,
                days: &h.days,
                lines: &drawn,
                eras: &[],
                unit: unit.clone(),
                reference,
                by_ratio: reference.is_some(),
            },
            size,
        )
    };
    Figure { caption: caption.to_owned(), rule: rule.to_owned(), drawing: responsive(draw) }
}

fn table(h: &Horizon<'_>, ids: &[u32]) -> Table {
    let cell = |row: &HistoryRow, id: u32| {
        of(row, id).map_or_else(
            || TableCell::plain(numbers::NONE.to_owned()),
            |c| TableCell {
                main: numbers::percent(c.share),
                aside: format!("index {}, {}", numbers::fixed(or_nan(c.clv_index), 0), c.profile),
                bad: false,
            },
        )
    };
    Table {
        caption: format!("Clusters of every snapshot, {}: share of customers, value index, profile", h.name),
        columns: ids.iter().map(|&id| cluster_label(id)).collect(),
        rows: h.each(|row| TableRow {
            head: day(row.snapshot.cutoff),
            cells: ids.iter().map(|&id| cell(row, id)).collect(),
            ..TableRow::default()
        }),
    }
}
