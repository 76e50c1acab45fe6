//! Lives laid out as rows: a line per purchase, or a row per customer as `summarize` would count it. Where rows go is told in
//! `output`.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Date32Array, Decimal128Array, Float64Array, RecordBatch, StringArray, UInt32Array};
use chrono::{Days, NaiveDate};

use super::covariates::values;
use super::customers::{Law, Lives, Purchase};
use super::spec::{Counting, SimulateSpec};
use crate::data::amount::UNITS;
use crate::data::table_file::{batch, days_of};
use crate::error::{Error, Result};

/// Ten-thousandths of the currency in a cent.
const UNITS_IN_CENT: i128 = 100;

/// Some customers' rows under a law `L`, in the order of customers and time.
pub(super) trait Rows<L>: Sized + Send {
    /// Whether a customer is one row, or as many as purchases.
    const ONE_PER_CUSTOMER: bool;

    /// First line of a CSV file.
    fn header(names: &Names) -> String;

    /// The rows of a range of customers.
    fn of(law: &L, customers: Range<u64>) -> Self;

    /// Number of rows.
    fn len(&self) -> usize;

    /// Number of purchases that they stand for.
    fn purchases(&self) -> u64;

    /// As lines of CSV.
    fn csv(&self, names: &Names) -> String;

    /// As columns.
    fn batch(&self, names: &Names) -> Result<RecordBatch>;
}

/// How customers, days and groups are written.
pub(super) struct Names {
    digits: usize,
    /// First day, since 1970-01-01.
    first_day: i32,
    /// `YYYY-MM-DD` of each day.
    dates: Vec<String>,
    /// Columns that name groups: the label of each group.
    columns: Vec<(String, Vec<String>)>,
    /// The same of each group as CSV fields.
    fields: Vec<String>,
    covariates: Vec<String>,
}

impl Names {
    /// Of so many customers, in days from `start` on, with these columns of groups: the label of each group.
    pub(super) fn new(customers: u64, start: NaiveDate, days: u32, columns: Vec<(String, Vec<String>)>) -> Self {
        let fields = |g: usize| columns.iter().map(|(_, labels)| csv_field(&labels[g])).collect::<Vec<_>>().join(",");
        let groups = columns.first().map_or(0, |(_, labels)| labels.len());
        Self {
            // So that identifiers sort as customers are numbered.
            digits: customers.to_string().len().max(5),
            first_day: days_of(start),
            dates: (0..days).map(|d| (start + Days::new(u64::from(d))).to_string()).collect(),
            fields: (0..groups).map(fields).collect(),
            columns,
            covariates: Vec::new(),
        }
    }

    /// The same with the names of covariates.
    pub(super) fn with_covariates(self, covariates: Vec<String>) -> Self {
        Self { covariates, ..self }
    }

    /// `C00042` for the customer of index 41.
    fn id<'t>(&self, customer: u64, text: &'t mut [u8; 24]) -> &'t str {
        let mut rest = customer + 1;
        for place in text[1..=self.digits].iter_mut().rev() {
            *place = b'0' + (rest % 10) as u8;
            rest /= 10;
        }
        text[0] = b'C';
        // Nothing but ASCII was written.
        std::str::from_utf8(&text[..=self.digits]).unwrap_or_default()
    }

    /// What `with` makes of a customer's identifier.
    pub(super) fn with_id<T>(&self, customer: u64, with: impl FnOnce(&str) -> T) -> T {
        with(self.id(customer, &mut [0; 24]))
    }

    /// A group's label as a CSV field.
    pub(super) fn group_field(&self, group: u32) -> &str {
        &self.fields[group as usize]
    }

    pub(super) fn ids(&self, customers: impl Iterator<Item = u64>) -> ArrayRef {
        let rows = customers.size_hint().0;
        let mut ids = StringBuilder::with_capacity(rows, rows * (self.digits + 1));
        let mut text = [0; 24];
        customers.for_each(|customer| ids.append_value(self.id(customer, &mut text)));
        Arc::new(ids.finish())
    }

    /// First line of a CSV file that begins with `columns` and ends with the groups'.
    pub(super) fn header(&self, columns: &str) -> String {
        let names: Vec<&str> = std::iter::once(columns).chain(self.columns.iter().map(|(n, _)| n.as_str())).collect();
        names.join(",") + "\n"
    }

    pub(super) fn groups(&self, groups: &[u32]) -> impl Iterator<Item = (&str, ArrayRef)> {
        let labels = |labels: &[String]| StringArray::from_iter_values(groups.iter().map(|&g| &labels[g as usize]));
        self.columns.iter().map(move |(name, of_group)| (name.as_str(), Arc::new(labels(of_group)) as ArrayRef))
    }
}

fn csv_field(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// A line per purchase: `customer_id`, `date`, `amount`, and the columns of groups.
#[derive(Default)]
pub(super) struct Transactions {
    customer: Vec<u64>,
    day: Vec<u32>,
    cents: Vec<i64>,
    group: Vec<u32>,
}

impl<L: Lives> Rows<L> for Transactions {
    const ONE_PER_CUSTOMER: bool = false;

    fn header(names: &Names) -> String {
        names.header("customer_id,date,amount")
    }

    fn of(law: &L, customers: Range<u64>) -> Self {
        let mut rows = Self::default();
        for customer in customers {
            let group = law.live(customer, |purchase| {
                rows.customer.push(customer);
                rows.day.push(purchase.day());
                rows.cents.push(purchase.cents);
            });
            rows.group.resize(rows.customer.len(), group);
        }
        rows
    }

    fn len(&self) -> usize {
        self.customer.len()
    }

    fn purchases(&self) -> u64 {
        self.customer.len() as u64
    }

    fn csv(&self, names: &Names) -> String {
        let mut lines = String::with_capacity(self.customer.len() * 40);
        let mut text = [0; 24];
        for i in 0..self.customer.len() {
            let (id, date) = (names.id(self.customer[i], &mut text), &names.dates[self.day[i] as usize]);
            let (cents, group) = (self.cents[i], &names.fields[self.group[i] as usize]);
            // Writing to a string cannot fail.
            let _ = writeln!(lines, "{id},{date},{}.{:02},{group}", cents / 100, cents % 100);
        }
        lines
    }

    fn batch(&self, names: &Names) -> Result<RecordBatch> {
        let amounts = Decimal128Array::from_iter_values(self.cents.iter().map(|&c| i128::from(c)))
            .with_precision_and_scale(18, 2)
            .map_err(|e| Error::new("could not lay out simulated amounts").because(e))?;
        let days = self.day.iter().map(|&day| names.first_day + day as i32);
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", names.ids(self.customer.iter().copied())),
            ("date", Arc::new(Date32Array::from_iter_values(days))),
            ("amount", Arc::new(amounts)),
        ];
        columns.extend(names.groups(&self.group));
        batch(columns)
    }
}

/// A row per customer: `customer_id`, `frequency`, `recency`, `age`, `monetary`, `group`.
#[derive(Default)]
pub(super) struct Customers {
    first: u64,
    frequency: Vec<u32>,
    recency: Vec<f64>,
    age: Vec<f64>,
    monetary: Vec<f64>,
    group: Vec<u32>,
    purchases: u64,
}

/// One customer so far. Times are in days since the beginning of the simulation's first day.
#[derive(Default)]
struct History {
    x: u32,
    first: f64,
    last: f64,
    /// Σ of the amounts that belong to repeat purchases.
    cents: i128,
    purchases: u64,
}

impl History {
    /// As `summarize` counts: the first day's purchases make the customer, those of each later day are one.
    fn count_per_day(&mut self, purchase: Purchase) {
        let day = f64::from(purchase.day());
        self.add(day, purchase.cents, day != self.last);
    }

    /// Every purchase after the first is a repeat.
    fn count(&mut self, purchase: Purchase) {
        self.add(purchase.time, purchase.cents, true);
    }

    fn add(&mut self, time: f64, cents: i64, is_new: bool) {
        if self.purchases == 0 {
            self.first = time;
        } else if is_new {
            self.x += 1;
        }
        self.purchases += 1;
        self.last = time;
        if self.x > 0 {
            self.cents += i128::from(cents);
        }
    }
}

/// Mean of x repeat purchases of so many cents together, as `summarize` computes it; 0 without any.
pub(super) fn mean_spend(cents: i128, x: u32) -> f64 {
    let units = cents * UNITS_IN_CENT;
    if x == 0 { 0.0 } else { units as f64 / (UNITS * f64::from(x)) }
}

impl<'a> Rows<Law<'a>> for Customers {
    const ONE_PER_CUSTOMER: bool = true;

    fn header(names: &Names) -> String {
        names.header("customer_id,frequency,recency,age,monetary")
    }

    fn of(law: &Law<'a>, customers: Range<u64>) -> Self {
        let mut rows = Self { first: customers.start, ..Self::default() };
        for customer in customers {
            let mut history = History::default();
            let group = match law.spec.counting {
                Counting::PerDay => law.live(customer, |purchase| history.count_per_day(purchase)),
                Counting::EveryPurchase => law.live(customer, |purchase| history.count(purchase)),
            };
            let History { x, first, last, cents, purchases } = history;
            let (t_x, age) = match law.spec.counting {
                Counting::PerDay => (last - first, f64::from(law.spec.observe_days - 1) - first),
                Counting::EveryPurchase => {
                    // Whoever came back did so after the first purchase, and within the time observed.
                    let t_x = (last - first).round().max(if x > 0 { 1.0 } else { 0.0 });
                    (t_x, (f64::from(law.spec.observe_days) - first).round().max(t_x))
                }
            };
            rows.frequency.push(x);
            rows.recency.push(t_x / law.spec.time_unit_days);
            rows.age.push(age / law.spec.time_unit_days);
            rows.monetary.push(mean_spend(cents, x));
            rows.group.push(group);
            rows.purchases += purchases;
        }
        rows
    }

    fn len(&self) -> usize {
        self.frequency.len()
    }

    fn purchases(&self) -> u64 {
        self.purchases
    }

    fn csv(&self, names: &Names) -> String {
        let mut lines = String::with_capacity(self.len() * 72);
        let mut text = [0; 24];
        for i in 0..self.len() {
            let (id, group) = (names.id(self.first + i as u64, &mut text), &names.fields[self.group[i] as usize]);
            let (x, t_x, age, m) = (self.frequency[i], self.recency[i], self.age[i], self.monetary[i]);
            // Writing to a string cannot fail; floats are written so that they read back as the same bits.
            let _ = writeln!(lines, "{id},{x},{t_x},{age},{m},{group}");
        }
        lines
    }

    fn batch(&self, names: &Names) -> Result<RecordBatch> {
        let last = self.first + self.len() as u64;
        let ids: Vec<u64> = (self.first..last).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", names.ids(ids.into_iter())),
            ("frequency", Arc::new(UInt32Array::from_iter_values(self.frequency.iter().copied()))),
            ("recency", Arc::new(Float64Array::from_iter_values(self.recency.iter().copied()))),
            ("age", Arc::new(Float64Array::from_iter_values(self.age.iter().copied()))),
            ("monetary", Arc::new(Float64Array::from_iter_values(self.monetary.iter().copied()))),
        ];
        columns.extend(names.groups(&self.group));
        batch(columns)
    }
}

/// A row per customer: `customer_id` and what is known of the customer.
#[derive(Default)]
pub(super) struct CovariateRows {
    first: u64,
    customers: usize,
    /// `[customer, covariate]`, flat.
    values: Vec<f64>,
}

impl Rows<Law<'_>> for CovariateRows {
    const ONE_PER_CUSTOMER: bool = true;

    fn header(names: &Names) -> String {
        let columns: String = names.covariates.iter().flat_map(|name| [",", name]).collect();
        format!("customer_id{columns}\n")
    }

    fn of(law: &Law<'_>, customers: Range<u64>) -> Self {
        let SimulateSpec { seed, covariates, .. } = law.spec;
        let (first, count) = (customers.start, customers.end - customers.start);
        let values = customers.flat_map(|customer| values(*seed, customer, covariates.len())).collect();
        Self { first, customers: count as usize, values }
    }

    fn len(&self) -> usize {
        self.customers
    }

    fn purchases(&self) -> u64 {
        0
    }

    fn csv(&self, names: &Names) -> String {
        let mut lines = String::with_capacity(self.len() * (names.digits + 20 * names.covariates.len()));
        let mut text = [0; 24];
        for (customer, row) in (self.first..).zip(self.values.chunks(names.covariates.len().max(1))) {
            lines.push_str(names.id(customer, &mut text));
            // Writing to a string cannot fail; floats are written so that they read back as the same bits.
            row.iter().for_each(|z| {
                let _ = write!(lines, ",{z}");
            });
            lines.push('\n');
        }
        lines
    }

    fn batch(&self, names: &Names) -> Result<RecordBatch> {
        let width = names.covariates.len();
        let column = |c: usize| -> ArrayRef {
            Arc::new(Float64Array::from_iter_values(self.values.iter().skip(c).step_by(width.max(1)).copied()))
        };
        let mut columns = vec![("customer_id", names.ids((0..self.customers).map(|i| self.first + i as u64)))];
        columns.extend(names.covariates.iter().enumerate().map(|(c, name)| (name.as_str(), column(c))));
        batch(columns)
    }
}
