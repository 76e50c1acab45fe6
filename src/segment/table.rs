//! What each segment and tier is worth, as rows and as `segments.csv`; and where each customer stands, for the customers file.

use std::path::Path;

use super::csv_file::{self, cell, header};
use super::rfm::RFM_SEGMENTS;
use super::tiers::{TIERS, ValueTiers};
use crate::error::Result;
use crate::predict::{Expectations, Interval, Labelling, Placement, Total, Totals};

/// One segment or tier.
#[derive(Debug, Clone, PartialEq)]
pub struct SegmentRow {
    /// `rfm` or `tier`.
    pub kind: &'static str,
    /// Its name.
    pub name: String,
    /// Customers in it.
    pub customers: u64,
    /// Share of all customers.
    pub share: f64,
    /// Mean P(alive); `None` without customers.
    pub p_alive_mean: Option<f64>,
    /// Purchases of all its customers over the horizon.
    pub purchases: Interval,
    /// Discounted spend of all its customers over the horizon, currency; `None` without a spend model.
    pub clv: Option<Interval>,
    /// Its share of all expected value (of discounted purchases without a spend model).
    pub revenue_share: f64,
    /// The least value of a customer in it; tiers other than the last only.
    pub cut_value: Option<f64>,
    /// What to do with them.
    pub action: &'static str,
}

/// The rows of both kinds, best first; of RFM none where customers are not segmented so. The totals of the two labellings come from
/// `predict`.
pub fn segment_rows(
    expectations: &Expectations,
    rfm: Option<(&Labelling, &Totals)>,
    tiers: &ValueTiers,
    tier_totals: &Totals,
) -> Vec<SegmentRow> {
    let rfm_actions = RFM_SEGMENTS.iter().map(|segment| (segment.action, None));
    let tier_actions = TIERS.iter().zip(&tiers.cut_value).map(|(tier, &cut)| (tier.action, cut));
    let mut rows = rfm.map_or_else(Vec::new, |(rfm, totals)| rows_of("rfm", expectations, rfm, totals, rfm_actions));
    rows.extend(rows_of("tier", expectations, &tiers.labelling, tier_totals, tier_actions));
    rows
}

fn rows_of(
    kind: &'static str,
    expectations: &Expectations,
    labelling: &Labelling,
    totals: &Totals,
    actions: impl Iterator<Item = (&'static str, Option<f64>)>,
) -> Vec<SegmentRow> {
    let value = expectations.value();
    let mut by_label = vec![0.0; labelling.labels.len()];
    value.iter().zip(&labelling.of_customer).for_each(|(value, &label)| by_label[label as usize] += value);
    let all: f64 = by_label.iter().sum();
    let share_of = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
    totals
        .totals
        .iter()
        .zip(by_label)
        .zip(actions)
        .map(|((Total { label, customers, p_alive, purchases, clv }, value), (action, cut_value))| SegmentRow {
            kind,
            name: label.clone(),
            customers: *customers,
            share: share_of(*customers as f64, labelling.of_customer.len() as f64),
            p_alive_mean: *p_alive,
            purchases: *purchases,
            clv: *clv,
            revenue_share: share_of(value, all),
            cut_value,
            action,
        })
        .collect()
}

/// Segment, tier and rank of every customer, for the customers file.
pub fn placement<'a>(rfm: Option<&'a Labelling>, tiers: &'a ValueTiers) -> Placement<'a> {
    Placement { rfm_segment: rfm, value_tier: &tiers.labelling, clv_rank: &tiers.rank }
}

const COLUMNS: [&str; 14] = [
    "kind",
    "name",
    "customers",
    "share",
    "p_alive_mean",
    "purchases_total_mean",
    "purchases_total_q05",
    "purchases_total_q95",
    "clv_total_mean",
    "clv_total_q05",
    "clv_total_q95",
    "revenue_share",
    "cut_value",
    "action",
];

/// Writes `segments.csv` at `path`, beside first and then renamed. What does not exist (CLV without a spend model, cut values of RFM
/// segments) is empty.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_segments(path: &Path, rows: &[SegmentRow]) -> Result<()> {
    let record = |row: &SegmentRow| {
        vec![
            row.kind.to_string(),
            row.name.clone(),
            row.customers.to_string(),
            row.share.to_string(),
            cell(row.p_alive_mean),
            row.purchases.mean.to_string(),
            row.purchases.q05.to_string(),
            row.purchases.q95.to_string(),
            cell(row.clv.map(|clv| clv.mean)),
            cell(row.clv.map(|clv| clv.q05)),
            cell(row.clv.map(|clv| clv.q95)),
            row.revenue_share.to_string(),
            cell(row.cut_value),
            row.action.to_string(),
        ]
    };
    csv_file::write(path, "segments file", std::iter::once(header(&COLUMNS)).chain(rows.iter().map(record)))
}
