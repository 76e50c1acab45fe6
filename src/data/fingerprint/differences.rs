//! How the data changed between two fingerprints, in words, month by month. Nothing here reads data.

use std::collections::BTreeSet;

use super::{Fingerprint, MonthPrint};

impl Fingerprint {
    /// What differs between the purchases that this fingerprint was made of and those of now, a sentence for each month that does;
    /// nothing where they are the same.
    pub fn differences(&self, now: &Self) -> Vec<String> {
        if self.version != now.version {
            return vec![format!(
                "the fingerprints were made in different ways (version {} then, {} now) and cannot be compared",
                self.version, now.version
            )];
        }
        let altered =
            [(self, "then"), (now, "now")].into_iter().filter(|(print, _)| print.digest != print.computed_digest());
        let mut found: Vec<String> = altered
            .map(|(_, when)| {
                format!("the fingerprint of {when} does not fit its own digest: it was changed after it was made")
            })
            .collect();
        if self.through != now.through {
            found.push(format!("purchases up to {} counted then, up to {} now", self.through, now.through));
        }
        let columns_differ = self.columns != now.columns;
        if columns_differ {
            let named = |columns: &[String]| if columns.is_empty() { "none".to_owned() } else { columns.join(", ") };
            found.push(format!("columns kept: {} then, {} now", named(&self.columns), named(&now.columns)));
        }
        let month = |print: &Self, name: &str| print.months.iter().find(|m| m.month == name).cloned();
        let names: BTreeSet<&str> = self.months.iter().chain(&now.months).map(|m| m.month.as_str()).collect();
        found.extend(names.into_iter().filter_map(|name| {
            let said = match (month(self, name), month(now, name)) {
                (Some(then), Some(now)) => between(&then, &now, columns_differ)?,
                (Some(then), None) => format!("{} then, none now", rows(then.rows)),
                (None, Some(now)) => format!("no rows then, {} now", counted(now.rows)),
                (None, None) => return None,
            };
            Some(format!("{name}: {said}"))
        }));
        if self.customers != now.customers {
            found.push(format!("in all: {} customers then, {} now", counted(self.customers), counted(now.customers)));
        }
        found
    }
}

/// What differs in a month; nothing where its rows are the same, as far as columns that differ let one know.
fn between(then: &MonthPrint, now: &MonthPrint, columns_differ: bool) -> Option<String> {
    let counts =
        [("rows", then.rows, now.rows), ("lines", then.lines, now.lines), ("customers", then.customers, now.customers)];
    let mut said: Vec<String> = counts
        .into_iter()
        .filter(|(_, then, now)| then != now)
        .map(|(what, then, now)| format!("{} {what} then, {} now", counted(then), counted(now)))
        .collect();
    if then.amount != now.amount {
        let shown = |amount: &Option<String>| amount.clone().unwrap_or_else(|| "none".to_owned());
        said.push(format!("amounts of {} then, {} now", shown(&then.amount), shown(&now.amount)));
    }
    match said.len() {
        0 if then.digest == now.digest || columns_differ => None,
        0 if then.amount.is_none() => Some("as many rows, but a customer, a day or a column differs".to_owned()),
        0 => Some("the same rows and total, but a customer, a day, an amount or a column differs".to_owned()),
        _ => Some(said.join("; ")),
    }
}

fn rows(count: u64) -> String {
    format!("{} row{}", counted(count), if count == 1 { "" } else { "s" })
}

/// A count with its thousands apart.
fn counted(count: u64) -> String {
    let digits = count.to_string();
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
