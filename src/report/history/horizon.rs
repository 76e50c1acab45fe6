//! Snapshots that may stand on one axis: those that predict as far ahead, and the same thing. Errors over different windows are never
//! drawn together. And the short names of models.

use chrono::NaiveDate;

use crate::lifecycle::{History, HistoryRow};
use crate::report::plots::Span;

/// Models by the order in which they came: M1, M2, … A model that comes back has the name that it had.
#[derive(Debug)]
pub(super) struct Names<'a>(Vec<&'a str>);

impl<'a> Names<'a> {
    /// Champions first, in their order; then models that predicted without having been one.
    pub(super) fn of(history: &'a History) -> Self {
        let champions = history.promotions.iter().map(|p| p.model_id.as_str());
        let predicted = history.snapshots.iter().map(|row| row.snapshot.model_id.as_str());
        let mut names: Vec<&str> = Vec::new();
        for id in champions.chain(predicted) {
            if !names.contains(&id) {
                names.push(id);
            }
        }
        Self(names)
    }

    /// A model's short name.
    pub(super) fn short(&self, id: &str) -> String {
        self.0.iter().position(|known| *known == id).map_or_else(|| id.to_owned(), |place| format!("M{}", place + 1))
    }
}

/// The snapshots of one horizon and target.
#[derive(Debug)]
pub(super) struct Horizon<'a> {
    /// Whether value is money.
    pub in_spend: bool,
    /// `3 months ahead`.
    pub name: String,
    /// By cutoff.
    pub rows: Vec<&'a HistoryRow>,
    /// Their cutoffs.
    pub days: Vec<NaiveDate>,
    pub span: Span,
    /// Where predictions pass to another model: (first row, the model's short name).
    pub eras: Vec<(usize, String)>,
}

impl<'a> Horizon<'a> {
    /// Every horizon that has a snapshot, the shortest first.
    pub(super) fn all(history: &'a History, names: &Names<'_>) -> Vec<Self> {
        let key = |row: &HistoryRow| (row.snapshot.prediction_months, row.snapshot.in_spend);
        let mut keys: Vec<(u32, bool)> = history.snapshots.iter().map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        let both = |months| keys.iter().filter(|k| k.0 == months).count() > 1;
        keys.iter()
            .filter_map(|&(months, in_spend)| {
                let mut rows: Vec<&HistoryRow> =
                    history.snapshots.iter().filter(|row| key(row) == (months, in_spend)).collect();
                rows.sort_by_key(|row| row.snapshot.cutoff);
                let days: Vec<NaiveDate> = rows.iter().map(|row| row.snapshot.cutoff).collect();
                let ahead = if months == 1 { "1 month ahead".to_owned() } else { format!("{months} months ahead") };
                let name = match (both(months), in_spend) {
                    (false, _) => ahead,
                    (true, true) => format!("{ahead}, value"),
                    (true, false) => format!("{ahead}, purchases"),
                };
                Some(Self { in_spend, name, span: Span::of(&days)?, eras: eras(&rows, names), rows, days })
            })
            .collect()
    }

    /// The currency, where value is money.
    pub(super) fn money<'m>(&self, currency: &'m str) -> Option<&'m str> {
        self.in_spend.then_some(currency)
    }

    /// What of every row, as a drawing takes it.
    pub(super) fn each<T>(&self, of: impl Fn(&HistoryRow) -> T) -> Vec<T> {
        self.rows.iter().map(|row| of(row)).collect()
    }
}

fn eras(rows: &[&HistoryRow], names: &Names<'_>) -> Vec<(usize, String)> {
    let model = |i: usize| rows[i].snapshot.model_id.as_str();
    let begins = |i: &usize| *i == 0 || model(i - 1) != model(*i);
    (0..rows.len()).filter(begins).map(|i| (i, names.short(model(i)))).collect()
}
