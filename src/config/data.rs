//! The `[data]` table: where the purchases are and how they are read.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::day::Day;
use super::one_or_many::OneOrMany;
use crate::data::{Column, Format, Kind, NegativeAmounts, Resolution, ZeroAmounts};

/// Where the purchases are and how to read them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSection {
    /// `transactions` (one line per purchase), `summary` (one line per customer: frequency, recency, age, monetary), and for
    /// `purchase.model = "s_bg"` `contracts` (one line per customer: age, lost) or `cohorts` (one line per cohort and period: how many
    /// are still active).
    #[serde(default)]
    pub kind: Kind,
    /// A file, folder or glob, or a list of them; relative paths start at the working directory.
    pub path: OneOrMany<String>,
    /// `auto` decides by the file's first bytes: Parquet, or text, plain or gzipped.
    #[serde(default)]
    pub format: Format,
    /// One character, `"\t"`, or `"whitespace"` for runs of blanks.
    #[serde(default)]
    pub delimiter: Delimiter,
    /// Whether the first line names the columns. Without it, columns are numbered from 1.
    #[serde(default = "yes")]
    pub header: bool,
    /// Format of the date column (strftime, e.g. `%d/%m/%Y`); by default ISO 8601 dates and date-times are understood.
    #[serde(default)]
    pub date_format: Option<String>,
    /// Which column is which.
    #[serde(default)]
    pub columns: Columns,
    /// Purchases of one customer within one `day` (the default), `week`, `month`, `quarter`, `year`, or number of days (counted from
    /// Monday 1970-01-05) count as one. With `purchase.model = "bg_bb"` this is an opportunity, and has no default.
    #[serde(default)]
    pub resolution: Option<Resolution>,
    /// The model's clock: `day`, `week` (the default), `month` (30.4375 days), `quarter`, `year` (365.25 days), or a number of days.
    /// What a summary counts in for `bg_bb` (an opportunity), or contracts and cohorts for `s_bg` (a period): there it has no default.
    #[serde(default)]
    pub time_unit: Option<TimeUnit>,
    /// First day of the window the model learns from (YYYY-MM-DD); default: the first day in the data. Purchases before it are
    /// forgotten, but for the last one of each customer who did not buy from then on.
    #[serde(default)]
    pub calibration_start: Option<Day>,
    /// Last day of the window the model learns from (YYYY-MM-DD); default: the last day in the data, with no holdout.
    #[serde(default)]
    pub calibration_end: Option<Day>,
    /// Last day of the later window that judges the fit; default: the last day in the data.
    #[serde(default)]
    pub holdout_end: Option<Day>,
    /// Amounts of zero: `keep` (a purchase that happened to be free), `drop` (left out and counted), `error` (rejected).
    #[serde(default)]
    pub zero_amounts: ZeroAmounts,
    /// Negative amounts (refunds, corrections): `error` (rejected), `drop` (left out and counted) or `net` (a return, taken off the
    /// same customer's purchases of the same day).
    #[serde(default)]
    pub negative_amounts: NegativeAmounts,
    /// IANA name of the zone (e.g. `Europe/Berlin`) whose calendar days count, for times that carry an offset. Times without one
    /// are taken as they stand.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// Fit only about this many customers, drawn by chance (by `sampler.seed`) from every group by its share; default: all. Everyone is
    /// still summarised and predicted. For trying things out: `longrun tune` does it.
    #[serde(default)]
    pub sample_customers: Option<u64>,
    /// Files that list customers to forget, one identifier a line or text with the customer's column: their purchases count nowhere.
    /// Transactions only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forget: Option<OneOrMany<String>>,
    /// The run stops when more than this share of lines is rejected.
    #[serde(default = "default_reject_share")]
    pub max_reject_share: f64,
    /// Currency sign or code shown before amounts.
    #[serde(default = "default_currency")]
    pub currency: String,
}

/// Columns by name, or by number from 1 in files without a header.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Columns {
    /// Customer identifier; default `customer_id`. Not needed beside `weight`.
    #[serde(default)]
    pub customer: Option<Column>,
    /// Purchase date; default `date`. Transactions only.
    #[serde(default)]
    pub date: Option<Column>,
    /// Amount paid; default `amount` when a spend model is wanted. Transactions only.
    #[serde(default)]
    pub amount: Option<Column>,
    /// Repeat purchases; default `frequency`. Summaries only.
    #[serde(default)]
    pub frequency: Option<Column>,
    /// Time of the last purchase since the first, in time units; default `recency`. Summaries only.
    #[serde(default)]
    pub recency: Option<Column>,
    /// Time observed since the first purchase, in time units; default `age`. Of contracts, the periods at whose end the customer
    /// decided, the last decision included. Summaries and contracts only.
    #[serde(default)]
    pub age: Option<Column>,
    /// Mean spend per repeat purchase; default `monetary`. Summaries only.
    #[serde(default)]
    pub monetary: Option<Column>,
    /// Whether the last decision was to leave (0, 1, true or false); default `lost`. Contracts only.
    #[serde(default)]
    pub lost: Option<Column>,
    /// Customers that a line stands for; by default every line is one. Summaries and contracts only.
    #[serde(default)]
    pub weight: Option<Column>,
    /// Name of a cohort; default `cohort`. Cohorts only, as the next two.
    #[serde(default)]
    pub cohort: Option<Column>,
    /// Period, a whole number; a cohort's first one is its beginning; default `period`.
    #[serde(default)]
    pub period: Option<Column>,
    /// Customers of the cohort who are active in that period; default `active`.
    #[serde(default)]
    pub active: Option<Column>,
}

/// What separates fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Delimiter(pub String);

impl Default for Delimiter {
    fn default() -> Self {
        Self(",".to_owned())
    }
}

/// The unit of the model's clock.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum TimeUnit {
    /// A named unit.
    Named(NamedTimeUnit),
    /// A number of days.
    Days(f64),
}

impl Default for TimeUnit {
    fn default() -> Self {
        Self::Named(NamedTimeUnit::Week)
    }
}

/// A named unit of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamedTimeUnit {
    /// 1 day.
    Day,
    /// 7 days.
    Week,
    /// 30.4375 days.
    Month,
    /// 91.3125 days.
    Quarter,
    /// 365.25 days.
    Year,
}

impl TimeUnit {
    /// Its length.
    pub fn days(self) -> f64 {
        match self {
            Self::Named(NamedTimeUnit::Day) => 1.0,
            Self::Named(NamedTimeUnit::Week) => 7.0,
            Self::Named(NamedTimeUnit::Month) => 30.4375,
            Self::Named(NamedTimeUnit::Quarter) => 91.3125,
            Self::Named(NamedTimeUnit::Year) => 365.25,
            Self::Days(days) => days,
        }
    }
}

fn yes() -> bool {
    true
}

fn default_reject_share() -> f64 {
    0.001
}

fn default_currency() -> String {
    "$".to_owned()
}
