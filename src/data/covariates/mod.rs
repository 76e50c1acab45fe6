//! What is known of customers beside their purchases: columns of a table, read once and encoded as numbers that a model can weigh.
//! Which parameters they move is the model's business.
//!
//! A continuous column becomes one column of the design, (value − mean) / sd over the customers of the summary. A categorical one
//! becomes a column per level but the most frequent, 1 or 0 less the level's share. So a customer of all zeros is the average one,
//! and a model's other parameters speak of that customer.

mod alike;
mod encode;
mod read;
mod table;

use ndarray::Array2;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roles::Column;
use super::source::Source;

pub use read::read_covariates;

/// The file of a run's design.
pub const COVARIATES_FILE: &str = "covariates.parquet";

/// What happens to customers who lack a value, or stand in no row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MissingValues {
    /// The run stops and says how many there are.
    #[default]
    Error,
    /// They count as average in that column, and a column of its own says that the value is missing.
    Indicator,
}

/// Which covariates are wanted, and where they stand.
#[derive(Debug, Clone, PartialEq)]
pub struct CovariateTable {
    /// Files and format; nothing else of it is read.
    pub source: Source,
    /// The customer's column.
    pub customer: Column,
    /// Columns that hold numbers.
    pub continuous: Vec<String>,
    /// Columns that hold one of a few words.
    pub categorical: Vec<String>,
    /// What happens to customers who lack a value.
    pub missing: MissingValues,
    /// The reading stops when more than this share of rows cannot be used.
    pub max_reject_share: f64,
}

/// One column of the design.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DesignColumn {
    /// `income`, `channel=web`, `income missing`.
    pub name: String,
    /// The covariate it encodes.
    pub covariate: String,
    /// Taken off the value: the mean, or the level's share.
    pub centre: f64,
    /// What the rest is divided by: the standard deviation; 1 for levels.
    pub scale: f64,
    /// Most standard deviations that any customer lies from the centre (continuous columns).
    pub farthest: f64,
}

/// Numbers for every customer (or cell), in the order of its rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Design {
    /// What each column is.
    pub columns: Vec<DesignColumn>,
    /// `[row, column]`, standardised.
    pub values: Array2<f64>,
}

/// What the table was like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CovariateFacts {
    /// Rows read.
    pub rows: u64,
    /// Rows that could not be used.
    pub rejected: u64,
    /// Customers of the summary who stand in no row.
    pub absent: u64,
    /// Customers whose rows do not say the same; the first row counts.
    pub conflicts: u64,
    /// Per covariate with missing values, how many customers lack it.
    pub missing: Vec<(String, u64)>,
}
