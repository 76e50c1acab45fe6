//! Transactions become one row per customer, and rows become cells. Nothing here knows which model reads them.

pub mod rfm;

use chrono::NaiveDate;

/// One row per customer first seen in the calibration window, sorted by customer id (bytewise), as parallel columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Summary {
    /// Customer identifier as written in the source.
    pub customer_id: Vec<String>,
    /// Date of the first purchase (start of its period at the data's resolution).
    pub first_purchase: Vec<NaiveDate>,
    /// x: repeat purchases in the calibration window (periods with a purchase, less the first).
    pub frequency: Vec<u32>,
    /// t_x: time of the last purchase since the first, in time units; 0 when x = 0.
    pub recency: Vec<f64>,
    /// T: time from the first purchase to the calibration end, in time units.
    pub age: Vec<f64>,
    /// m: mean spend per repeat purchase, in currency; 0 when x = 0.
    pub monetary: Vec<f64>,
    /// Index into [`Groups::labels`].
    pub group: Vec<u32>,
    /// The groups of partial pooling.
    pub groups: Groups,
}

impl Summary {
    /// Number of customers.
    pub fn len(&self) -> usize {
        self.customer_id.len()
    }

    /// Whether there is no customer at all.
    pub fn is_empty(&self) -> bool {
        self.customer_id.is_empty()
    }
}

/// The groups of partial pooling: which column they come from and what each is called.
///
/// Without grouping: no column, one group labelled `all`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    /// The column's name as users know it (`cohort`, `country`, …); `None` without grouping.
    pub column: Option<String>,
    /// Labels in sorted order.
    pub labels: Vec<String>,
}

/// What each customer of a [`Summary`] did in the holdout window; parallel to the summary's rows.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Holdout {
    /// Length of the window, in time units.
    pub length: f64,
    /// Purchases (periods with a purchase) in the window.
    pub purchases: Vec<u32>,
    /// Total spend in the window, in currency.
    pub spend: Vec<f64>,
    /// Customers first seen inside the window: counted, never scored.
    pub new_customers: u64,
}

/// Distinct (group, x, t_x, T) with the number of customers in each, sorted; the exact BTYD likelihood needs no more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells {
    /// Group index.
    pub group: Vec<u32>,
    /// x.
    pub frequency: Vec<u32>,
    /// t_x, time units.
    pub recency: Vec<f64>,
    /// T, time units.
    pub age: Vec<f64>,
    /// Customers in the cell.
    pub weight: Vec<f64>,
}

/// Repeat purchases of all customers by week since the first purchase in the data, for tracking plots.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct WeeklyRepeats {
    /// First day of each week.
    pub week_start: Vec<NaiveDate>,
    /// Repeat purchases in that week by customers of the summary (holdout-only customers left out).
    pub repeats: Vec<u64>,
    /// Number of leading weeks that end inside the calibration window.
    pub calibration_weeks: usize,
}
