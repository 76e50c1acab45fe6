//! The months of one part of the table, read as one table by customer and day. Months do not overlap, so whoever stands in several is
//! handed on month by month. Memory: the months' files as they are stored, and a few rows of each.

use std::cmp::Ordering;
use std::path::PathBuf;

use arrow_array::{Array, StringArray};

use super::customer_rows::prefix;
use super::table_file::{HeldTable, Rows};
use crate::error::Result;

/// Rows that are decoded at once, of all months together.
const ROWS_AT_ONCE: usize = 1 << 16;

/// One month while it is merged. Its next row is `columns[at]`; a month without one has left the heap.
struct MonthRows<T> {
    table: HeldTable,
    columns: Option<(StringArray, T)>,
    at: usize,
    prefix: u64,
}

impl<T> MonthRows<T> {
    fn id(&self) -> &str {
        self.columns.as_ref().map_or("", |(ids, _)| ids.value(self.at))
    }

    /// Makes sure that there is a next row, if the month has one left.
    fn settle(&mut self, decode: &impl Fn(&Rows<'_>) -> Result<T>) -> Result<bool> {
        while self.columns.as_ref().is_none_or(|(ids, _)| self.at == ids.len()) {
            self.columns = self.table.next(|rows| Ok((rows.texts("customer_id")?.clone(), decode(rows)?)))?;
            self.at = 0;
            if self.columns.is_none() {
                return Ok(false);
            }
        }
        self.prefix = prefix(self.id().as_bytes());
        Ok(true)
    }

    fn cmp(&self, other: &Self) -> Ordering {
        self.prefix.cmp(&other.prefix).then_with(|| self.id().cmp(other.id()))
    }
}

/// Hands on every row of `months` (files of schema `version`, in the order of time) by customer and day: the customer, what `decode` made of
/// the rows that it stands among, and its place there. Of the columns, `customer_id` and `columns` are read.
pub(super) fn merge_months<T>(
    months: &[PathBuf],
    version: &str,
    columns: &[&str],
    decode: impl Fn(&Rows<'_>) -> Result<T>,
    mut each: impl FnMut(&str, &T, usize) -> Result<()>,
) -> Result<()> {
    let batch_rows = (ROWS_AT_ONCE / months.len().max(1)).clamp(256, 16_384);
    let wanted: Vec<&str> = ["customer_id"].iter().chain(columns).copied().collect();
    let mut open = Vec::with_capacity(months.len());
    for path in months {
        let table = HeldTable::open(path, version, &wanted, batch_rows)?;
        let mut month = MonthRows { table, columns: None, at: 0, prefix: 0 };
        if month.settle(&decode)? {
            open.push(month);
        }
    }
    // Months that have rows left, as a heap whose root has the next row.
    let mut heap: Vec<usize> = (0..open.len()).collect();
    (0..heap.len() / 2).rev().for_each(|node| sift_down(&mut heap, &open, node));
    while let Some(&first) = heap.first() {
        let month = &mut open[first];
        let mut goes_on = true;
        // No other month has an earlier row of this customer, and the next one's rows come after all of this one's.
        while let Some((ids, made)) = &month.columns {
            let id = ids.value(month.at);
            each(id, made, month.at)?;
            if ids.len() > month.at + 1 && ids.value(month.at + 1) == id {
                month.at += 1;
                continue;
            }
            let before = (month.at + 1 == ids.len()).then(|| id.to_owned());
            month.at += 1;
            goes_on = month.settle(&decode)?;
            if !(goes_on && before.is_some_and(|before| before == month.id())) {
                break;
            }
        }
        if !goes_on {
            heap.swap_remove(0);
        }
        sift_down(&mut heap, &open, 0);
    }
    Ok(())
}

fn sift_down<T>(heap: &mut [usize], open: &[MonthRows<T>], mut node: usize) {
    let less = |a: usize, b: usize| open[a].cmp(&open[b]).then(a.cmp(&b)) == Ordering::Less;
    loop {
        let mut least = 2 * node + 1;
        if least >= heap.len() {
            return;
        }
        if least + 1 < heap.len() && less(heap[least + 1], heap[least]) {
            least += 1;
        }
        if !less(heap[least], heap[node]) {
            return;
        }
        heap.swap(node, least);
        node = least;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Date32Array};

    use super::super::table_file;
    use super::*;

    /// 120 months whose customers overlap in every way, some with more rows than are decoded at once; once as few and once as many files.
    #[test]
    fn months_come_back_as_one_table_whatever_their_number() {
        for months in [1, 2, 7, 120] {
            let dir = tempfile::tempdir().unwrap();
            let (mut paths, mut expected) = (Vec::new(), Vec::new());
            for month in 0..months as u64 {
                let mut rows: Vec<(String, i32)> = (0..900_u64)
                    .filter(|i| (i.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> (month % 50)) & 3 == 0)
                    .flat_map(|i| (0..1 + (i + month) % 3).map(move |k| (i, k)))
                    .map(|(i, k)| {
                        (format!("customer {}{}", i % 9, "x".repeat(i as usize / 9)), (month * 30 + k) as i32)
                    })
                    .collect();
                // One customer fills several batches of their own.
                rows.extend((0..700).map(|k| ("customer 5".to_owned(), (month * 30) as i32 + k / 50)));
                rows.sort();
                let path = dir.path().join(format!("{month}.parquet"));
                let columns: Vec<(&str, ArrayRef)> = vec![
                    ("customer_id", table_file::texts(rows.iter().map(|(id, _)| id.as_str()))),
                    ("date", Arc::new(Date32Array::from_iter_values(rows.iter().map(|(_, day)| *day)))),
                ];
                table_file::write(&path, "months", columns, &[]).unwrap();
                paths.push(path);
                expected.extend(rows);
            }
            expected.sort();
            let mut seen = Vec::new();
            let dates = |rows: &Rows<'_>| rows.dates("date").cloned();
            merge_months(&paths, "months", &["date"], dates, |id, days, at| {
                seen.push((id.to_owned(), days.value(at)));
                Ok(())
            })
            .unwrap();
            assert!(seen == expected, "{months} months");
        }
        let mut rows = 0;
        merge_months(
            &[],
            "months",
            &[],
            |_| Ok(()),
            |_, (), _| {
                rows += 1;
                Ok(())
            },
        )
        .unwrap();
        assert_eq!(rows, 0);
    }
}
