//! Tiers, segments and groups put into rows: what customers will do, class by class.

use serde::Serialize;

use super::super::numbers::{self, count, money, money_range, percent, percent_whole, whole};
use super::super::plots;
use super::super::view::{Class, Group, Groups, Interval};

/// Groups at most.
const GROUPS: usize = 40;

#[derive(Debug, Serialize)]
pub(in crate::report) struct ClassRow {
    name: String,
    rule: String,
    action: String,
    customers: String,
    value: String,
    range: String,
    each: String,
    share: String,
    bar: String,
}

#[derive(Debug, Serialize)]
pub(in crate::report) struct GroupPart {
    column: String,
    total: String,
    cut: bool,
    axis: String,
    rows: Vec<GroupRow>,
}

#[derive(Debug, Serialize)]
pub(in crate::report) struct GroupRow {
    label: String,
    customers: String,
    customers_raw: u64,
    alive: String,
    purchases: String,
    value: String,
    range: String,
    value_raw: f64,
    each: String,
    strip: String,
}

/// Tiers or segments as rows.
pub(super) fn class_rows(classes: &[Class], currency: &str) -> Vec<ClassRow> {
    classes
        .iter()
        .map(|c| ClassRow {
            name: c.name.clone(),
            rule: c.rule.clone().unwrap_or_default(),
            action: c.action.clone().unwrap_or_default(),
            customers: whole(c.customers),
            value: money(c.value.mean, currency),
            range: money_range(&c.value, currency),
            each: each(c.value.mean, c.customers, currency),
            share: percent(c.share),
            bar: plots::share_bar(c.share, &format!("{} of the value", percent(c.share))),
        })
        .collect()
}

/// The mean per customer, as `$12.31 each`; nothing when there is nobody.
fn each(total: f64, customers: u64, currency: &str) -> String {
    if customers == 0 { String::new() } else { format!("{} each", money(total / customers as f64, currency)) }
}

/// Groups as rows; of many, those with the most value.
pub(super) fn groups(groups: &Groups, currency: &str) -> GroupPart {
    let mut shown: Vec<&Group> = groups.rows.iter().collect();
    let cut = shown.len() > GROUPS;
    if cut {
        shown.sort_by(|a, b| b.value.mean.total_cmp(&a.value.mean));
        shown.truncate(GROUPS);
    }
    // Groups differ in size, so what can be compared is the value of one customer.
    let per_customer: Vec<_> = shown
        .iter()
        .map(|g| {
            let n = (g.customers as f64).max(1.0);
            Interval { mean: g.value.mean / n, q05: g.value.q05 / n, q95: g.value.q95 / n }
        })
        .collect();
    let customers: u64 = groups.rows.iter().map(|g| g.customers).sum();
    let total: f64 = groups.rows.iter().map(|g| g.value.mean).sum();
    let overall = (customers > 0).then(|| total / customers as f64);
    let axis = plots::IntervalAxis::over(&per_customer, overall);
    let rows = shown
        .iter()
        .zip(&per_customer)
        .map(|(g, one)| GroupRow {
            label: g.label.clone(),
            customers: whole(g.customers),
            customers_raw: g.customers,
            alive: g.alive.map_or_else(|| numbers::NONE.to_owned(), percent_whole),
            purchases: count(g.purchases.mean),
            value: money(g.value.mean, currency),
            range: money_range(&g.value, currency),
            value_raw: if g.value.mean.is_finite() { g.value.mean } else { 0.0 },
            each: money(one.mean, currency),
            strip: axis.row(one, &format!("{} a customer, {}", money(one.mean, currency), money_range(one, currency))),
        })
        .collect();
    GroupPart {
        column: groups.column.clone(),
        total: whole(groups.rows.len() as u64),
        cut,
        axis: axis.head(currency),
        rows,
    }
}
