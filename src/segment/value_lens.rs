//! The value lens of a snapshot: rank, percentile and tier of every customer, what each tier is worth, and who was in it last time.
//!
//! Everything hangs on one rank, which the value and then the customer id decide: no two customers share a place, and a tie is never
//! wider than the places it takes. Knows nothing of how customers behave: that is the other lens.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::csv_file::{self, cell, header};
use super::movement::{Movement, Snapshot, movement};
use super::tiers::{TIERS, ValueTiers, tiers_of};
use crate::data::Ids;
use crate::error::{Error, Result};

/// What the value lens shows.
#[derive(Debug, Clone, PartialEq)]
pub struct ValueLens {
    /// Rank and tier of every customer, and the tiers' cut values.
    pub tiers: ValueTiers,
    /// [`percentile`] of every customer, parallel to the ids.
    pub percentile: Vec<f64>,
    /// One row per tier, best first, also where a tier is empty.
    pub rows: Vec<TierRow>,
    /// Who moved between tiers since the last snapshot; `None` without one.
    pub movement: Option<Movement>,
}

/// What a tier is worth, and who was in it last time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct TierRow {
    /// Its name, as in [`TIERS`].
    pub tier: String,
    /// Customers in it.
    pub customers: u64,
    /// Share of all customers.
    pub share: f64,
    /// The least value in it; null for an empty tier and for the last one, which asks for nothing.
    pub cut_value: Option<f64>,
    /// Mean value of its customers; null without customers.
    pub mean_value: Option<f64>,
    /// Median value of its customers; null without customers.
    pub median_value: Option<f64>,
    /// Value of all its customers.
    pub total_value: f64,
    /// Share of the value of all customers.
    pub revenue_share: f64,
    /// Of its customers whom the last snapshot knew, the share who were in the same tier then; null when there are none.
    pub overlap: Option<f64>,
    /// Its customers who were in a better tier then; null without a last snapshot.
    pub from_above: Option<u64>,
    /// Its customers who were in a worse tier then; null without a last snapshot.
    pub from_below: Option<u64>,
    /// Its customers whom the last snapshot did not know; null without one.
    pub newcomers: Option<u64>,
}

/// The place of `rank` (1 is best) among `customers`, from 0 to 100: 100 (n − rank + ½) / n, the middle of the n-th part of the
/// scale that the customer takes. The best of 100 is at 99.5, the last at 0.5; n customers have n percentiles, ties or not.
pub fn percentile(rank: u64, customers: usize) -> f64 {
    let n = customers as f64;
    100.0 * (n - rank as f64 + 0.5) / n
}

/// Looks at customers by value: what each is worth, parallel to `ids`, and the tiers of the last snapshot if there is one.
///
/// # Errors
/// Values that are not one finite number per customer. With a last snapshot: tiers under other names, and what [`movement`] refuses.
pub fn value_lens(ids: &Ids, value: &[f64], last: Option<Snapshot<'_>>) -> Result<ValueLens> {
    if ids.len() != value.len() {
        return Err(Error::new("the value lens needs one value per customer").seen(format!(
            "{} customers, {} values",
            ids.len(),
            value.len()
        )));
    }
    if let Some(row) = value.iter().position(|value| !value.is_finite()) {
        return Err(Error::new("a customer's value must be a finite number")
            .at(format!("customer {}", &ids[row]))
            .seen(value[row]));
    }
    let tiers = tiers_of(ids, value);
    let movement = last.map(|last| tier_movement(last, Snapshot::of(ids, &tiers.labelling))).transpose()?;
    let percentile = tiers.rank.iter().map(|&rank| percentile(rank, value.len())).collect();
    let rows = rows(value, &tiers, movement.as_ref());
    Ok(ValueLens { tiers, percentile, rows, movement })
}

/// The movement between tiers, which must be the same ones: above and below would mean nothing otherwise.
fn tier_movement(last: Snapshot<'_>, now: Snapshot<'_>) -> Result<Movement> {
    if last.labels != now.labels {
        return Err(Error::new("the last snapshot has other tiers")
            .seen(last.labels.join(", "))
            .advice(format!("{} are compared; leave the last snapshot out", now.labels.join(", "))));
    }
    movement(last, now)
}

fn rows(value: &[f64], tiers: &ValueTiers, movement: Option<&Movement>) -> Vec<TierRow> {
    // By rank, so that a sum does not depend on the order of the rows.
    let mut by_rank = vec![0.0; value.len()];
    value.iter().zip(&tiers.rank).for_each(|(&value, &rank)| by_rank[rank as usize - 1] = value);
    let mut sizes = vec![0; TIERS.len()];
    tiers.labelling.of_customer.iter().for_each(|&tier| sizes[tier as usize] += 1);

    let ends: Vec<usize> = sizes.iter().scan(0, |end, size| Some((*end += size, *end).1)).collect();
    let members = |tier: usize| &by_rank[ends[tier] - sizes[tier]..ends[tier]];
    let totals: Vec<f64> = (0..TIERS.len()).map(|tier| members(tier).iter().sum()).collect();
    let all: f64 = totals.iter().sum();
    let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    let row = |tier: usize| {
        let members = members(tier);
        let customers = members.len();
        let came = movement.map(|movement| Came::into_tier(tier, movement));
        TierRow {
            tier: TIERS[tier].name.to_owned(),
            customers: customers as u64,
            share: share(customers as f64, value.len() as f64),
            cut_value: tiers.cut_value[tier],
            mean_value: (customers > 0).then(|| totals[tier] / customers as f64),
            median_value: (customers > 0).then(|| (members[(customers - 1) / 2] + members[customers / 2]) / 2.0),
            total_value: totals[tier],
            revenue_share: share(totals[tier], all),
            overlap: came.as_ref().and_then(Came::overlap),
            from_above: came.as_ref().map(|came| came.above),
            from_below: came.as_ref().map(|came| came.below),
            newcomers: came.as_ref().map(|came| came.new),
        }
    };
    (0..TIERS.len()).map(row).collect()
}

/// Where the customers of a tier came from.
struct Came {
    above: u64,
    same: u64,
    below: u64,
    new: u64,
}

impl Came {
    fn into_tier(tier: usize, movement: &Movement) -> Self {
        let from = |tiers: std::ops::Range<usize>| movement.counts[tiers].iter().map(|row| row[tier]).sum();
        let last = TIERS.len();
        Self {
            above: from(0..tier),
            same: from(tier..tier + 1),
            below: from(tier + 1..last),
            new: from(last..last + 1),
        }
    }

    fn overlap(&self) -> Option<f64> {
        let known = self.above + self.same + self.below;
        (known > 0).then(|| self.same as f64 / known as f64)
    }
}

const COLUMNS: [&str; 12] = [
    "tier",
    "customers",
    "share",
    "cut_value",
    "mean_value",
    "median_value",
    "total_value",
    "revenue_share",
    "overlap",
    "from_above",
    "from_below",
    "newcomers",
];

/// Writes the tier table at `path`, beside first and then renamed. What does not exist is empty.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_tiers(path: &Path, rows: &[TierRow]) -> Result<()> {
    let record = |row: &TierRow| {
        vec![
            row.tier.clone(),
            row.customers.to_string(),
            row.share.to_string(),
            cell(row.cut_value),
            cell(row.mean_value),
            cell(row.median_value),
            row.total_value.to_string(),
            row.revenue_share.to_string(),
            cell(row.overlap),
            cell(row.from_above),
            cell(row.from_below),
            cell(row.newcomers),
        ]
    };
    csv_file::write(path, "tiers file", std::iter::once(header(&COLUMNS)).chain(rows.iter().map(record)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(n: usize) -> Ids {
        (0..n).map(|i| format!("{i:03}")).collect()
    }

    /// Rank over n, with ties at their best or their mean, puts customers worth nothing into the best tiers when there are many of
    /// them.
    #[test]
    fn customers_worth_nothing_are_never_pulled_up_by_their_number() {
        // The 90 worth nothing come first, so that no order of rows can hide a mistake.
        let value: Vec<f64> = (0..100).map(|i| if i < 90 { 0.0 } else { f64::from(i) }).collect();
        let lens = value_lens(&ids(100), &value, None).unwrap();
        let customers: Vec<u64> = lens.rows.iter().map(|row| row.customers).collect();
        assert_eq!(customers, [1, 4, 5, 10, 80]);
        let best: Vec<usize> = (0..100).filter(|&i| lens.tiers.labelling.of_customer[i] < 2).collect();
        assert_eq!(best, [95, 96, 97, 98, 99]);
        // Position 11 is the best that one of the 90 can have: 89.5, and each of them has a place of its own below.
        let mut tied = lens.percentile[..90].to_vec();
        tied.sort_by(f64::total_cmp);
        let places: Vec<f64> = (0..90).map(|i| f64::from(i) + 0.5).collect();
        assert_eq!(tied, places);
        assert_eq!((lens.percentile[0], lens.percentile[89], lens.percentile[99]), (89.5, 0.5, 99.5));
        // Ten of the 90 fill the fourth tier: it says that it holds nothing.
        assert_eq!(
            (lens.rows[3].cut_value, lens.rows[3].total_value, lens.rows[3].revenue_share),
            (Some(0.0), 0.0, 0.0)
        );
        assert_eq!(lens.rows[2].cut_value, Some(90.0));
    }

    #[test]
    fn the_table_counts_what_the_tiers_hold() {
        // Values 0 to 199: tiers of 2, 8, 10, 20 and 160 customers.
        let value: Vec<f64> = (0..200).map(f64::from).collect();
        let rows = value_lens(&ids(200), &value, None).unwrap().rows;
        let customers: Vec<u64> = rows.iter().map(|row| row.customers).collect();
        assert_eq!(customers, [2, 8, 10, 20, 160]);
        let seen: Vec<_> = rows.iter().map(|row| (row.cut_value, row.total_value, row.median_value)).collect();
        let expected = [
            (Some(198.0), 397.0, Some(198.5)),
            (Some(190.0), 1548.0, Some(193.5)),
            (Some(180.0), 1845.0, Some(184.5)),
            (Some(160.0), 3390.0, Some(169.5)),
            (None, 12720.0, Some(79.5)),
        ];
        assert_eq!(seen, expected);
        assert_eq!((rows[0].mean_value, rows[4].mean_value), (Some(198.5), Some(79.5)));
        assert!((rows.iter().map(|row| row.revenue_share).sum::<f64>() - 1.0).abs() < 1e-12);
        assert_eq!(rows[0].revenue_share, 397.0 / 19900.0);
        assert_eq!((rows[1].share, rows[1].overlap, rows[1].newcomers), (0.04, None, None));
    }

    #[test]
    fn tiers_say_whom_they_kept() {
        let names: Vec<String> = TIERS.iter().map(|tier| tier.name.to_owned()).collect();
        // Then: 000 on top, 001 to 004 below it, … ; now the first and the hundredth have changed places, and 100 is new.
        let value_then: Vec<f64> = (0..100).map(|i| f64::from(100 - i)).collect();
        let then = value_lens(&ids(100), &value_then, None).unwrap();
        let mut value: Vec<f64> = value_then.clone();
        value.swap(0, 99);
        value.push(0.5);
        let last = Snapshot { ids: &ids(100), labels: &names, of_customer: &then.tiers.labelling.of_customer };
        let lens = value_lens(&ids(101), &value, Some(last)).unwrap();
        // Of 101, positions 2, 6, 11, 21 end the tiers. 099 is on top, 001 second; 000 among the others.
        let seen: Vec<_> =
            lens.rows.iter().map(|row| (row.overlap, row.from_above, row.from_below, row.newcomers)).collect();
        let expected = [
            (Some(0.0), Some(0), Some(2), Some(0)),
            (Some(0.75), Some(0), Some(1), Some(0)),
            (Some(0.8), Some(0), Some(1), Some(0)),
            (Some(0.9), Some(0), Some(1), Some(0)),
            (Some(78.0 / 79.0), Some(1), Some(0), Some(1)),
        ];
        assert_eq!(seen, expected);
        let movement = lens.movement.unwrap();
        assert_eq!(movement.counts[0], [0, 0, 0, 0, 1, 0]);
        assert_eq!(movement.counts[5], [0, 0, 0, 0, 1, 0]);

        let other = Snapshot { labels: &names[1..], ..last };
        let error = value_lens(&ids(101), &value, Some(other)).unwrap_err().to_string();
        assert!(error.starts_with("the last snapshot has other tiers (found Top 5%"), "{error}");
    }

    #[test]
    fn rows_in_another_order_change_nothing() {
        let value: Vec<f64> = (0..997).map(|i| f64::from(i * 7919 % 101) / 3.0).collect();
        let lens = value_lens(&ids(997), &value, None).unwrap();
        let turned: Ids = (0..997).rev().map(|i| format!("{i:03}")).collect();
        let back: Vec<f64> = value.iter().rev().copied().collect();
        let other = value_lens(&turned, &back, None).unwrap();
        assert_eq!(other.rows, lens.rows);
        assert_eq!(other.percentile.into_iter().rev().collect::<Vec<_>>(), lens.percentile);
    }

    #[test]
    fn few_customers_and_none() {
        let lens = value_lens(&ids(1), &[5.0], None).unwrap();
        assert_eq!((lens.percentile[0], lens.rows[0].customers, lens.rows[0].median_value), (50.0, 1, Some(5.0)));
        assert_eq!((lens.rows[1].mean_value, lens.rows[1].total_value), (None, 0.0));
        let lens = value_lens(&ids(0), &[], None).unwrap();
        assert!(lens.rows.len() == 5 && lens.rows.iter().all(|row| row.customers == 0 && row.share == 0.0));
    }

    #[test]
    fn values_that_are_none_are_refused() {
        let error = value_lens(&ids(3), &[1.0, f64::NAN, 2.0], None).unwrap_err().to_string();
        assert_eq!(error, "customer 001: a customer's value must be a finite number (found NaN)");
        let error = value_lens(&ids(3), &[1.0], None).unwrap_err().to_string();
        assert_eq!(error, "the value lens needs one value per customer (found 3 customers, 1 values)");
    }

    #[test]
    fn the_table_is_written_and_read_back() {
        let rows = value_lens(&ids(2), &[1.5, 0.5], None).unwrap().rows;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tiers.csv");
        write_tiers(&path, &rows).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], COLUMNS.join(","));
        assert_eq!(lines[1], "Top 1%,1,0.5,1.5,1.5,1.5,1.5,0.75,,,,");
        assert_eq!(lines[5], "Others,1,0.5,,0.5,0.5,0.5,0.25,,,,");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let json = serde_json::to_string(&rows).unwrap();
        assert_eq!(serde_json::from_str::<Vec<TierRow>>(&json).unwrap(), rows);
    }
}
