//! Customers who buy, lapse and spend exactly as a purchase model and Gamma-Gamma say, with known parameters: data to learn on, to test
//! with, and to measure speed on. Nothing here fits anything.
//!
//! | file | holds |
//! | --- | --- |
//! | `spec` | what to simulate, checked |
//! | `groups` | the true parameters of groups: a few chosen ones, or many drawn from a hierarchy |
//! | `nested` | those of groups within groups, drawn level by level |
//! | `covariates` | what is known of customers beside their purchases, and what it does |
//! | `customers` | the law: one customer's life, purchase by purchase |
//! | `rows` | lives laid out as transactions or as one row per customer |
//! | `counted`, `counted_rows` | the same where time is counted: opportunities (BG/BB) and contracts (sBG) |
//! | `output` | rows made in parallel and written in order, as CSV or Parquet |
//!
//! A customer is the address (seed, customer): the same numbers whatever the number of customers or threads. Purchases happen in
//! continuous time and are written by day, amounts by cent. A summary counts by day as well, unless told otherwise
//! ([`Counting`]): it is, bit for bit, what [`super::TransactionTable::summarize`] makes of the transactions of the same seed, with
//! the last observed day as the calibration end.

mod counted;
mod counted_rows;
mod covariates;
mod customers;
mod groups;
mod nested;
mod output;
mod rows;
mod spec;

pub use counted::{BuyerTruth, CountedHierarchy, CountedModel, CountedSpec, CountedTruth};
pub use covariates::CovariateTruth;
pub use groups::{Effects, GroupHierarchy, GroupTruth, LapseTruth, Normal, shop_groups};
pub use nested::{LevelTruth, NestedHierarchy, NodeTruth};
pub use output::{SimulateReport, simulate, simulate_counted};
pub use spec::{Counting, PurchaseLaw, SimulateSpec};
