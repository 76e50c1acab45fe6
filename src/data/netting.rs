//! What the lines of one customer on one day come to. Lines merge when their extra columns agree; rows keep the source's order.
//!
//! Negative lines get here only when returns are netted (`NegativeAmounts::Net`). They are taken off what the same customer bought on
//! the same day, whatever the extra columns: what is left over is the purchase; when nothing is left the day is no purchase at all.
//! On a day without a purchase there is nothing to take off, and they are left out. All of it is whole ten-thousandths of the
//! currency, so the order of lines does not matter.

use serde::{Deserialize, Serialize};

use super::shuffle::Line;

/// What became of returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Netted {
    /// Negative lines that reduced purchases of their day.
    pub(super) returns: u64,
    /// Days of a customer on which nothing was left.
    pub(super) days_away: u64,
    /// Negative lines on days without a purchase.
    pub(super) unmatched: u64,
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct DayRow<'l, 'a> {
    /// The first of its lines in the source.
    pub(super) line: &'l Line<'a>,
    /// Ten-thousandths of the currency.
    pub(super) units: i128,
    /// Purchase lines in it.
    pub(super) purchases: u32,
}

/// The rows of one customer's day, whose lines stand in the source's order, into `rows`.
pub(super) fn merge_day<'l, 'a>(day: &'l [Line<'a>], rows: &mut Vec<DayRow<'l, 'a>>, netted: &mut Netted) {
    rows.clear();
    let mut returned: i128 = 0;
    let mut returns = 0;
    let mut place_of = std::collections::HashMap::new();
    for line in day {
        let units = i128::from(line.units);
        if units < 0 {
            returned -= units;
            returns += 1;
            continue;
        }
        // Most days have one row, which needs no map to be found.
        let place = match rows.as_slice() {
            [] => 0,
            [only] if only.line.extra == line.extra => 0,
            _ => {
                if place_of.is_empty() {
                    place_of.extend(rows.iter().enumerate().map(|(place, row)| (row.line.extra, place)));
                }
                *place_of.entry(line.extra).or_insert(rows.len())
            }
        };
        if place == rows.len() {
            rows.push(DayRow { line, units: 0, purchases: 0 });
        }
        rows[place].units += units;
        rows[place].purchases = rows[place].purchases.saturating_add(1);
    }
    if returns == 0 {
        return;
    }
    if rows.is_empty() {
        netted.unmatched += returns;
        return;
    }
    netted.returns += returns;
    if rows.iter().map(|row| row.units).sum::<i128>() <= returned {
        netted.days_away += 1;
        rows.clear();
        return;
    }
    // Rows of nothing stay: they tell the extra columns of a day that is a purchase.
    for row in rows {
        let taken = row.units.min(returned);
        row.units -= taken;
        returned -= taken;
    }
}
