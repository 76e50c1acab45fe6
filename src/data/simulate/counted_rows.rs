//! Counted lives laid out as one row per customer: a summary in whole opportunities, or a contract. Where rows go is told in
//! `output`.

use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, UInt32Array};

use super::counted::{Contract, CountedLaw};
use super::customers::Lives;
use super::rows::{Names, Rows, mean_spend};
use crate::data::table_file::batch;
use crate::error::Result;

/// A row per buyer: `customer_id`, `frequency`, `recency`, `age`, `monetary`, `group`; times in opportunities.
#[derive(Default)]
pub(super) struct Buyers {
    customers: Range<u64>,
    frequency: Vec<u32>,
    recency: Vec<u32>,
    age: Vec<u32>,
    monetary: Vec<f64>,
    group: Vec<u32>,
}

impl<'a> Rows<CountedLaw<'a>> for Buyers {
    const ONE_PER_CUSTOMER: bool = true;

    fn header(names: &Names) -> String {
        names.header("customer_id,frequency,recency,age,monetary")
    }

    fn of(law: &CountedLaw<'a>, customers: Range<u64>) -> Self {
        let mut rows = Self { customers: customers.clone(), ..Self::default() };
        for customer in customers {
            let (mut first, mut last, mut purchases, mut cents) = (0, 0, 0, 0);
            let group = law.live(customer, |purchase| {
                last = law.period_of(purchase.day());
                if purchases == 0 {
                    first = last;
                } else {
                    cents += i128::from(purchase.cents);
                }
                purchases += 1;
            });
            let x = purchases - 1;
            rows.frequency.push(x);
            rows.recency.push(last - first);
            rows.age.push(law.last_period() - first);
            rows.monetary.push(mean_spend(cents, x));
            rows.group.push(group);
        }
        rows
    }

    fn len(&self) -> usize {
        self.frequency.len()
    }

    fn purchases(&self) -> u64 {
        self.frequency.iter().map(|&x| u64::from(x) + 1).sum()
    }

    fn csv(&self, names: &Names) -> String {
        let mut lines = String::with_capacity(self.len() * 48);
        for (i, customer) in self.customers.clone().enumerate() {
            let (x, t_x, n, m) = (self.frequency[i], self.recency[i], self.age[i], self.monetary[i]);
            let group = names.group_field(self.group[i]);
            // Writing to a string cannot fail.
            let _ = names.with_id(customer, |id| writeln!(lines, "{id},{x},{t_x},{n},{m},{group}"));
        }
        lines
    }

    fn batch(&self, names: &Names) -> Result<RecordBatch> {
        let whole = |counts: &[u32]| Arc::new(Float64Array::from_iter_values(counts.iter().map(|&n| f64::from(n))));
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", names.ids(self.customers.clone())),
            ("frequency", Arc::new(UInt32Array::from(self.frequency.clone()))),
            ("recency", whole(&self.recency)),
            ("age", whole(&self.age)),
            ("monetary", Arc::new(Float64Array::from(self.monetary.clone()))),
        ];
        columns.extend(names.groups(&self.group));
        batch(columns)
    }
}

/// A row per contract: `customer_id`, `age`, `lost`, `group`.
#[derive(Default)]
pub(super) struct Contracts {
    customers: Range<u64>,
    contracts: Vec<Contract>,
}

impl<'a> Rows<CountedLaw<'a>> for Contracts {
    const ONE_PER_CUSTOMER: bool = true;

    fn header(names: &Names) -> String {
        names.header("customer_id,age,lost")
    }

    fn of(law: &CountedLaw<'a>, customers: Range<u64>) -> Self {
        Self { contracts: customers.clone().map(|customer| law.contract(customer)).collect(), customers }
    }

    fn len(&self) -> usize {
        self.contracts.len()
    }

    /// Renewals.
    fn purchases(&self) -> u64 {
        self.contracts.iter().map(|c| u64::from(c.age - u32::from(c.lost))).sum()
    }

    fn csv(&self, names: &Names) -> String {
        let mut lines = String::with_capacity(self.len() * 20);
        for (customer, Contract { group, age, lost }) in self.customers.clone().zip(&self.contracts) {
            let (lost, group) = (u8::from(*lost), names.group_field(*group));
            // Writing to a string cannot fail.
            let _ = names.with_id(customer, |id| writeln!(lines, "{id},{age},{lost},{group}"));
        }
        lines
    }

    fn batch(&self, names: &Names) -> Result<RecordBatch> {
        let groups: Vec<u32> = self.contracts.iter().map(|c| c.group).collect();
        let mut columns: Vec<(&str, ArrayRef)> = vec![
            ("customer_id", names.ids(self.customers.clone())),
            ("age", Arc::new(UInt32Array::from_iter_values(self.contracts.iter().map(|c| c.age)))),
            ("lost", Arc::new(BooleanArray::from_iter(self.contracts.iter().map(|c| Some(c.lost))))),
        ];
        columns.extend(names.groups(&groups));
        batch(columns)
    }
}
