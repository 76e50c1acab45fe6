//! Small summaries and populations for the tests of this room and of those that read its results.

use chrono::NaiveDate;
use ndarray::Array3;

use super::{Population, Settings};
use crate::data::{Groups, Summary};
use crate::model::{Dropout, MODELS, Role};

/// One group, customers named 0001, 0002, …, from (x, t_x, T, m).
pub(crate) fn summary(rows: &[(u32, f64, f64, f64)]) -> Summary {
    Summary {
        customer_id: (1..=rows.len()).map(|i| format!("{i:04}")).collect(),
        first_purchase: vec![NaiveDate::default(); rows.len()],
        frequency: rows.iter().map(|row| row.0).collect(),
        recency: rows.iter().map(|row| row.1).collect(),
        age: rows.iter().map(|row| row.2).collect(),
        monetary: rows.iter().map(|row| row.3).collect(),
        group: vec![0; rows.len()],
        groups: Groups { column: None, labels: vec!["all".into()] },
    }
}

/// `draws` equal draws of one group.
pub(crate) fn population(draws: usize, purchase: [f64; 4], spend: Option<[f64; 3]>) -> Population {
    Population {
        dropout: Dropout::AfterRepeat,
        purchase: Array3::from_shape_fn((draws, 1, 4), |(_, _, k)| purchase[k]),
        spend: spend.map(|spend| Array3::from_shape_fn((draws, 1, 3), |(_, _, k)| spend[k])),
        covariates: None,
    }
}

/// The same customers leaving in another way, with as many parameters as it has.
pub(super) fn leaving(dropout: Dropout, all: Population) -> Population {
    let purchase = all.purchase.slice(ndarray::s![.., .., ..dropout.parameters()]).to_owned();
    Population { dropout, purchase, ..all }
}

/// Fader, Hardie & Lee (2005), table 2, as the published CLV examples round it.
pub(crate) const CDNOW: [f64; 4] = [0.243, 4.414, 0.793, 2.426];
/// Fader & Hardie (2013), rounded likewise.
pub(crate) const CDNOW_SPEND: [f64; 3] = [6.25, 3.74, 15.44];

/// Twelve months of a weekly model at one per cent a month.
pub(crate) fn settings() -> Settings {
    Settings {
        horizon_months: 12,
        month_time_units: 30.4375 / 7.0,
        monthly_discount: 0.01,
        seed: 20_260_101,
        chunk_customers: 64,
    }
}

/// How customers of the table's models leave, but for rates that go together, which have proofs of their own.
pub(super) fn dropouts() -> impl Iterator<Item = Dropout> {
    let of = |role| match role {
        Role::Purchase(dropout) => Some(dropout),
        Role::Opportunity | Role::Contract | Role::Spend => None,
    };
    MODELS.iter().filter_map(move |family| of(family.role)).filter(|dropout| *dropout != Dropout::AnyTimeTogether)
}
