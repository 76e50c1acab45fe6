//! Who moved between labels, as a matrix whose rows add up to everyone who began there. Large matrices are cut to the labels with the most
//! customers, and say so.

use serde::Serialize;

use super::day;
use crate::lifecycle::HistoryRow;
use crate::report::numbers;
use crate::report::plots::line_class;
use crate::segment::{GONE, Movement, NEW};

/// Labels shown on either side.
const LABELS: usize = 14;

#[derive(Debug, Serialize)]
pub(super) struct Moves {
    sentence: String,
    cut: Option<String>,
    columns: Vec<String>,
    rows: Vec<MoveRow>,
}

#[derive(Debug, Serialize)]
struct MoveRow {
    label: String,
    customers: String,
    cells: Vec<MoveCell>,
}

/// One cell; `weight`, 0 to 1, is how strongly it is tinted.
#[derive(Debug, Serialize)]
struct MoveCell {
    share: String,
    customers: String,
    weight: String,
    same: bool,
}

/// The latest movement that any of these snapshots has; `file` is where the whole of it stands.
pub(super) fn latest(rows: &[&HistoryRow], of: fn(&HistoryRow) -> Option<&Movement>, file: &str) -> Option<Moves> {
    let (row, movement) = rows.iter().rev().find_map(|row| Some((*row, of(row)?)))?;
    let s = &row.snapshot;
    let since = s.previous.map_or("the snapshot before".to_owned(), day);
    let stayed = movement.stayed.map_or("Nobody was there both times.".to_owned(), |share| {
        format!("Of customers who were there both times, {} stayed where they were.", numbers::percent(share))
    });
    let total = |counts: &[u64]| counts.iter().sum::<u64>();
    let column_total = |j: usize| movement.counts.iter().filter_map(|row| row.get(j)).sum::<u64>();
    // The last row is the new, the last column the gone; both are always shown.
    let rows_shown = largest(movement.then.len(), |i| movement.counts.get(i).map_or(0, |row| total(row)));
    let columns_shown = largest(movement.now.len(), column_total);
    let is_cut = rows_shown.len() < movement.then.len() || columns_shown.len() < movement.now.len();
    let name = |labels: &[String], i: usize| labels.get(i).cloned().unwrap_or_default();
    Some(Moves {
        sentence: format!("From {since} to {}. {stayed}", day(s.cutoff)),
        cut: is_cut.then(|| {
            format!(
                "The {LABELS} labels with the most customers are shown; outputs/{}_pred{}m/{file} has all.",
                s.cutoff, s.prediction_months
            )
        }),
        columns: columns_shown.iter().map(|&j| name(&movement.now, j)).collect(),
        rows: rows_shown
            .iter()
            .map(|&i| {
                let counts = movement.counts.get(i).map_or(&[][..], Vec::as_slice);
                let all = total(counts);
                let label = name(&movement.then, i);
                let cells = columns_shown.iter().map(|&j| {
                    let count = counts.get(j).copied().unwrap_or(0);
                    let share = if all > 0 { count as f64 / all as f64 } else { 0.0 };
                    MoveCell {
                        share: if count == 0 { "0".to_owned() } else { numbers::percent(share) },
                        customers: if count == 0 { String::new() } else { numbers::whole(count) },
                        weight: format!("{share:.3}"),
                        same: label == name(&movement.now, j) && label != NEW && label != GONE,
                    }
                });
                MoveRow { cells: cells.collect(), customers: numbers::whole(all), label }
            })
            .collect(),
    })
}

/// The places of the largest, in their order; the last place, which stands for no label, is among them.
fn largest(n: usize, size: impl Fn(usize) -> u64) -> Vec<usize> {
    let mut places: Vec<usize> = (0..n.saturating_sub(1)).collect();
    places.sort_by_key(|&i| std::cmp::Reverse(size(i)));
    places.truncate(LABELS);
    places.sort_unstable();
    places.extend(n.checked_sub(1));
    places
}

/// A dot in the colour of a line.
pub(super) fn swatch(key: usize) -> String {
    format!(
        r#"<svg class="swatch" viewBox="0 0 12 12" aria-hidden="true"><path class="{}" d="M6 6h.01"/></svg>"#,
        line_class("knots", key)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_keep_their_order_and_the_last_place() {
        assert_eq!(largest(3, |i| i as u64), [0, 1, 2]);
        let shown = largest(102, |i| i as u64);
        assert_eq!(shown.len(), LABELS + 1);
        assert_eq!((shown[0], shown[LABELS]), (101 - LABELS, 101));
        assert!(largest(0, |_| 0).is_empty());
    }
}
