//! What a row of a source is, and which column plays which role in it. Nothing here opens a file.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What one row of the source is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// One purchase line: customer, date, amount.
    #[default]
    Transactions,
    /// One customer: frequency, recency, age, mean spend.
    Summary,
    /// One customer under contract: periods decided on, and whether the last decision was to leave.
    Contracts,
    /// One cohort in one period: how many of its customers are still active.
    Cohorts,
}

/// A column of the source: by its name in the header, or by its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Column {
    /// Place, counted from 1.
    Index(usize),
    /// Name, exactly as the header or the Parquet schema writes it.
    Name(String),
}

impl From<&str> for Column {
    fn from(name: &str) -> Self {
        Self::Name(name.to_owned())
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "column {index}"),
            Self::Name(name) => f.write_str(name),
        }
    }
}

/// A column that is kept beside the transactions, as a candidate for grouping.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraColumn {
    /// What it is called from here on.
    pub name: String,
    /// Where it stands in the source.
    pub column: Column,
}

impl ExtraColumn {
    /// A column that keeps the name it has in the source.
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), column: name.into() }
    }
}

/// Which column means what; which of them a row has, its [`Kind`] decides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Columns {
    /// Customer identifier, text or integer. Without one, rows are called after their lines: only where rows stand for several
    /// customers, who have no name anyway.
    pub customer: Option<Column>,
    /// Date of the purchase.
    pub date: Column,
    /// Amount of the purchase; without it there is no spend model.
    pub amount: Option<Column>,
    /// x: repeat purchases.
    pub frequency: Column,
    /// t_x: time of the last purchase since the first, in time units.
    pub recency: Column,
    /// T: time since the first purchase, in time units; of a contract, periods decided on.
    pub age: Column,
    /// m: mean spend per repeat purchase; without it there is no spend model.
    pub monetary: Option<Column>,
    /// Whether a customer under contract left at the last decision: 0, 1, true or false.
    pub lost: Column,
    /// Customers that a row stands for; without it one.
    pub weight: Option<Column>,
    /// The cohort that a row of a cohort table counts.
    pub cohort: Column,
    /// The period in which it counts them.
    pub period: Column,
    /// How many are still active in it.
    pub active: Column,
    /// Columns kept for grouping.
    pub extra: Vec<ExtraColumn>,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            customer: Some("customer_id".into()),
            date: "date".into(),
            amount: Some("amount".into()),
            frequency: "frequency".into(),
            recency: "recency".into(),
            age: "age".into(),
            monetary: Some("monetary".into()),
            lost: "lost".into(),
            weight: None,
            cohort: "cohort".into(),
            period: "period".into(),
            active: "active".into(),
            extra: Vec::new(),
        }
    }
}

impl Columns {
    /// The columns that a row of `kind` has, with their roles, in the order in which their fields are handed on; the extra ones
    /// come after them.
    pub(super) fn of(&self, kind: Kind) -> Vec<(&'static str, &Column)> {
        fn all<'a>(role: &'static str, column: &'a Option<Column>) -> impl Iterator<Item = (&'static str, &'a Column)> {
            column.iter().map(move |c| (role, c))
        }
        let customer = all("customer", &self.customer);
        match kind {
            Kind::Transactions => customer.chain([("date", &self.date)]).chain(all("amount", &self.amount)).collect(),
            Kind::Summary => customer
                .chain([("frequency", &self.frequency), ("recency", &self.recency), ("age", &self.age)])
                .chain(all("monetary", &self.monetary))
                .chain(all("weight", &self.weight))
                .collect(),
            Kind::Contracts => {
                customer.chain([("age", &self.age), ("lost", &self.lost)]).chain(all("weight", &self.weight)).collect()
            }
            Kind::Cohorts => vec![("cohort", &self.cohort), ("period", &self.period), ("active", &self.active)],
        }
    }
}

/// The column of the transactions table that says which file a line came from.
pub(super) const FILE_COLUMN: &str = "file_digest";

/// Names that the project's own tables use; an extra column may not take one of them.
pub const RESERVED_COLUMNS: &[&str] = &[
    "customer_id",
    "date",
    "amount",
    "purchases",
    FILE_COLUMN,
    "first_purchase",
    "frequency",
    "recency",
    "age",
    "monetary",
    "spend",
    "p_alive",
    "purchases_mean",
    "purchases_q05",
    "purchases_q25",
    "purchases_q50",
    "purchases_q75",
    "purchases_q95",
    "p_alive_end",
    "residual_purchases",
    "spend_mean",
    "clv_mean",
    "clv_sd",
    "clv_q05",
    "clv_q25",
    "clv_q50",
    "clv_q75",
    "clv_q95",
    "rfm_segment",
    "value_tier",
    "clv_rank",
];
