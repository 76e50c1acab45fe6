//! What a model learned from, in so few words that they can be kept beside it for years: counts, sums and digests of the transactions
//! table, month by month, so that one altered transaction anywhere is seen and its month named.
//!
//! It is made of the table as it stands, after returns are netted and lines merged. It knows neither windows nor groupings; covariates
//! have a digest of their own.

mod differences;
mod row_sum;

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use self::row_sum::RowSum;
use super::amount::AMOUNT_PLACES;
use super::field::{date_of, decimal_text};
use super::month::Month;
use super::transactions::{HashPart, TransactionTable};
use crate::error::{Error, Result};

/// The way in which rows become digests. Goes up with every change of it.
const WAY: u32 = 1;

/// What the purchases up to a day came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Fingerprint {
    /// The way in which it was made; only fingerprints made in one way can be compared.
    pub version: u32,
    /// SHA-256 over everything below but `through`: equal where the purchases are.
    pub digest: String,
    /// The last day that counts.
    #[schemars(with = "String")]
    pub through: NaiveDate,
    /// Day of the first purchase.
    #[schemars(with = "String")]
    pub first_date: NaiveDate,
    /// Day of the last purchase up to `through`.
    #[schemars(with = "String")]
    pub last_date: NaiveDate,
    /// Rows of the table: customers' days with a purchase, apart where the columns kept differ.
    pub rows: u64,
    /// Lines of the source that merged into them.
    pub lines: u64,
    /// Customers who bought.
    pub customers: u64,
    /// Columns kept beside customer, day and amount.
    pub columns: Vec<String>,
    /// Calendar months with purchases, in order.
    pub months: Vec<MonthPrint>,
}

/// What the purchases of one calendar month came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MonthPrint {
    /// `2024-03`.
    pub month: String,
    /// Rows of the table.
    pub rows: u64,
    /// Lines of the source that merged into them.
    pub lines: u64,
    /// Customers who bought.
    pub customers: u64,
    /// Sum of amounts, exact, with four decimals; none where purchases have no amounts.
    pub amount: Option<String>,
    /// Sum of the rows' SHA-256 modulo 2²⁵⁶, in hexadecimal.
    pub digest: String,
}

/// Sums of one month while rows arrive.
#[derive(Debug, Clone, Default)]
struct MonthSums {
    rows: u64,
    lines: u64,
    customers: u64,
    units: i128,
    sum: RowSum,
}

/// Sums of one part, or of all.
#[derive(Debug, Clone, Default)]
struct Sums {
    customers: u64,
    days: Option<(i32, i32)>,
    months: BTreeMap<Month, MonthSums>,
}

impl TransactionTable {
    /// The fingerprint of all purchases up to the day `through`. The same for any number of threads and of parts.
    ///
    /// # Errors
    /// When there is no purchase up to that day, or a part cannot be read.
    pub fn fingerprint(&self, through: NaiveDate) -> Result<Fingerprint> {
        let parts: Vec<Sums> = self.parts.par_iter().map(|part| self.sums(part, through)).collect::<Result<_>>()?;
        let mut all = Sums::default();
        parts.into_iter().for_each(|part| all.add(part));
        let days = all.days.and_then(|(first, last)| date_of(first.into()).zip(date_of(last.into())));
        let Some((first_date, last_date)) = days else {
            return Err(Error::new("there is no purchase to make a fingerprint of")
                .seen(format!("none up to {through}"))
                .advice(format!("the data run from {} to {}", self.first_date, self.last_date)));
        };
        let months: Vec<MonthPrint> = all.months.iter().map(|(month, sums)| self.print(*month, sums)).collect();
        let mut fingerprint = Fingerprint {
            version: WAY,
            digest: String::new(),
            through,
            first_date,
            last_date,
            rows: months.iter().map(|m| m.rows).sum(),
            lines: months.iter().map(|m| m.lines).sum(),
            customers: all.customers,
            columns: self.extra.clone(),
            months,
        };
        fingerprint.digest = fingerprint.computed_digest();
        Ok(fingerprint)
    }

    /// A part's customers are in no other part, and its rows stand by customer and day.
    fn sums(&self, part: &HashPart, through: NaiveDate) -> Result<Sums> {
        let mut sums = Sums::default();
        let (mut customer, mut latest_month) = (None::<String>, None);
        let mut bytes = Vec::new();
        self.read_rows(part, &self.extra, |row| {
            // The table's dates were dates when it was written.
            let date = date_of(row.day.into()).unwrap_or_default();
            if date > through {
                return;
            }
            if customer.as_deref() != Some(row.customer) {
                row.customer.clone_into(customer.get_or_insert_default());
                latest_month = None;
                sums.customers += 1;
            }
            let of = Month::of(date);
            let month = sums.months.entry(of).or_default();
            month.customers += u64::from(latest_month != Some(of));
            latest_month = Some(of);
            month.rows += 1;
            month.lines += u64::from(row.lines);
            let units = row.units.map(i128::from);
            month.units += units.unwrap_or(0);
            row_sum::canonical(&mut bytes, row.customer, row.day, units, row.lines, row.extra());
            month.sum.add(&RowSum::of(&bytes));
            let (first, last) = sums.days.unwrap_or((row.day, row.day));
            sums.days = Some((first.min(row.day), last.max(row.day)));
        })?;
        Ok(sums)
    }

    fn print(&self, of: Month, month: &MonthSums) -> MonthPrint {
        MonthPrint {
            month: of.to_string(),
            rows: month.rows,
            lines: month.lines,
            customers: month.customers,
            amount: self.has_amounts.then(|| decimal_text(month.units, AMOUNT_PLACES)),
            digest: month.sum.hex(),
        }
    }
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.customers += other.customers;
        self.days = match (self.days, other.days) {
            (Some((a, b)), Some((c, d))) => Some((a.min(c), b.max(d))),
            (one, other) => one.or(other),
        };
        for (of, other) in other.months {
            let month = self.months.entry(of).or_default();
            month.rows += other.rows;
            month.lines += other.lines;
            month.customers += other.customers;
            month.units += other.units;
            month.sum.add(&other.sum);
        }
    }
}

impl Fingerprint {
    /// The digest that the rest of the fingerprint has.
    fn computed_digest(&self) -> String {
        let mut hasher = Sha256::new();
        let mut put = |text: &str| hasher.update(format!("{}:{text}\n", text.len()));
        put(&format!("longrun fingerprint {}", self.version));
        put(&format!("{} {} {} {}", self.first_date, self.last_date, self.rows, self.lines));
        put(&format!("{} customers, {} columns", self.customers, self.columns.len()));
        self.columns.iter().for_each(|name| put(name));
        for m in &self.months {
            let amount = m.amount.as_deref().unwrap_or("none");
            put(&format!("{} {} {} {} {amount} {}", m.month, m.rows, m.lines, m.customers, m.digest));
        }
        hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}
