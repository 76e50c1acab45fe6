//! Movements: how many customers went from which label to which between two snapshots, as a matrix with the new and the gone.
//!
//! Both snapshots come sorted by customer id and are joined as they pass, so that neither needs to be in memory. Knows nothing of
//! what the labels mean: value tiers and clusters move alike.

use std::cmp::Ordering;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::csv_file;
use crate::data::Ids;
use crate::error::{Error, Result};
use crate::predict::Labelling;

/// What the row of customers without a label then is called.
pub const NEW: &str = "new";
/// What the column of customers without a label now is called.
pub const GONE: &str = "gone";

/// Where every customer stood at one time; customers sorted by id (bytewise), as a summary has them.
#[derive(Debug, Clone, Copy)]
pub struct Snapshot<'a> {
    /// The customers.
    pub ids: &'a Ids,
    /// What the labels are called, in the order in which the matrix lists them.
    pub labels: &'a [String],
    /// Index into `labels`, parallel to `ids`.
    pub of_customer: &'a [u32],
}

impl<'a> Snapshot<'a> {
    /// The customers of a summary under one labelling.
    pub fn of(ids: &'a Ids, labelling: &'a Labelling) -> Self {
        Self { ids, labels: &labelling.labels, of_customer: &labelling.of_customer }
    }

    /// The customers with their labels, one after the other.
    fn customers(self) -> Result<impl Iterator<Item = Result<(&'a str, u32)>>> {
        if self.ids.len() != self.of_customer.len() {
            return Err(Error::new("a snapshot must have one label per customer").seen(format!(
                "{} customers, {} labels",
                self.ids.len(),
                self.of_customer.len()
            )));
        }
        Ok(self.ids.iter().zip(self.of_customer).map(|(id, &label)| Ok((id, label))))
    }
}

/// Customers counted by their label then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Movement {
    /// The rows: labels then, in the order given, and `new`.
    pub then: Vec<String>,
    /// The columns: labels now, in the order given, and `gone`.
    pub now: Vec<String>,
    /// Customers by row and column.
    pub counts: Vec<Vec<u64>>,
    /// Of the customers with a label at both times, the share whose label is called the same; null when there is no such customer.
    pub stayed: Option<f64>,
    /// The same of the customers of each row but `new`.
    pub stayed_of: Vec<Option<f64>>,
}

/// The movement between two snapshots.
///
/// # Errors
/// Customers that are not sorted by id, or come twice; labels that do not exist.
pub fn movement(then: Snapshot<'_>, now: Snapshot<'_>) -> Result<Movement> {
    movement_of_streams(then.labels, then.customers()?, now.labels, now.customers()?)
}

/// The same of customers that come as (id, index of the label) from wherever they are kept, sorted by id. Holds two of them at a time.
///
/// # Errors
/// As [`movement`], and whatever the streams say.
pub fn movement_of_streams<A: AsRef<str>, B: AsRef<str>>(
    labels_then: &[String],
    then: impl IntoIterator<Item = Result<(A, u32)>>,
    labels_now: &[String],
    now: impl IntoIterator<Item = Result<(B, u32)>>,
) -> Result<Movement> {
    let (rows, columns) = (labels_then.len(), labels_now.len());
    let mut counts = vec![vec![0; columns + 1]; rows + 1];
    let mut then = Ascending { customers: then.into_iter(), labels: rows, last: None, name: "the last snapshot" };
    let mut now = Ascending { customers: now.into_iter(), labels: columns, last: None, name: "this snapshot" };
    let (mut before, mut after) = (then.next()?, now.next()?);
    loop {
        let order = match (&before, &after) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some((before, _)), Some((after, _))) => before.as_ref().cmp(after.as_ref()),
        };
        // The customer that comes first is known to the other snapshot only if both are the same one.
        let (mut row, mut column) = (rows, columns);
        if order.is_le() {
            row = before.take().map_or(rows, |(_, label)| label as usize);
            before = then.next()?;
        }
        if order.is_ge() {
            column = after.take().map_or(columns, |(_, label)| label as usize);
            after = now.next()?;
        }
        counts[row][column] += 1;
    }
    Ok(Movement::of_counts(labels_then, labels_now, counts))
}

/// A stream of customers that is checked as it passes.
struct Ascending<I> {
    customers: I,
    labels: usize,
    last: Option<String>,
    name: &'static str,
}

impl<S: AsRef<str>, I: Iterator<Item = Result<(S, u32)>>> Ascending<I> {
    fn next(&mut self) -> Result<Option<(S, u32)>> {
        let Some((id, label)) = self.customers.next().transpose()? else { return Ok(None) };
        let wrong = |what: &str| Error::new(format!("the customers of {} {what}", self.name));
        let last = self.last.as_deref();
        match last.map_or(Ordering::Greater, |last| id.as_ref().cmp(last)) {
            Ordering::Greater => (),
            Ordering::Equal => return Err(wrong("must come once each").seen(id.as_ref())),
            Ordering::Less => {
                return Err(wrong("must be sorted by id")
                    .seen(format!("{:?}, then {:?}", last.unwrap_or_default(), id.as_ref()))
                    .advice("sort them bytewise, as customers.parquet and summary.parquet are"));
            }
        }
        if label as usize >= self.labels {
            return Err(wrong(&format!("must have one of {} labels", self.labels)).at(id.as_ref()).seen(label));
        }
        // The text is kept and overwritten: one allocation for a million customers.
        let last = self.last.get_or_insert_default();
        last.clear();
        last.push_str(id.as_ref());
        Ok(Some((id, label)))
    }
}

impl Movement {
    fn of_counts(labels_then: &[String], labels_now: &[String], counts: Vec<Vec<u64>>) -> Self {
        let share = |part: u64, whole: u64| (whole > 0).then(|| part as f64 / whole as f64);
        let (mut stayed, mut known) = (0, 0);
        let mut stayed_of = Vec::with_capacity(labels_then.len());
        for (label, row) in labels_then.iter().zip(&counts) {
            let same: u64 = labels_now.iter().zip(row).filter(|(now, _)| *now == label).map(|(_, count)| count).sum();
            let of_row: u64 = row[..labels_now.len()].iter().sum();
            stayed_of.push(share(same, of_row));
            (stayed, known) = (stayed + same, known + of_row);
        }
        let with = |labels: &[String], last: &str| labels.iter().cloned().chain([last.to_owned()]).collect();
        Self {
            then: with(labels_then, NEW),
            now: with(labels_now, GONE),
            counts,
            stayed: share(stayed, known),
            stayed_of,
        }
    }
}

/// Writes the matrix at `path`, beside first and then renamed: a row per label then, a column per label now.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_movement(path: &Path, movement: &Movement) -> Result<()> {
    let header = std::iter::once("then".to_owned()).chain(movement.now.iter().cloned()).collect();
    let rows =
        movement.then.iter().zip(&movement.counts).map(|(label, counts)| {
            std::iter::once(label.clone()).chain(counts.iter().map(ToString::to_string)).collect()
        });
    csv_file::write(path, "movements file", std::iter::once(header).chain(rows))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(names: &[&str]) -> Vec<String> {
        names.iter().map(ToString::to_string).collect()
    }

    fn of(then: (&[&str], &[(&str, u32)]), now: (&[&str], &[(&str, u32)])) -> Result<Movement> {
        let stream = |customers: &[(&str, u32)]| -> Vec<Result<(String, u32)>> {
            customers.iter().map(|&(id, label)| Ok((id.to_owned(), label))).collect()
        };
        movement_of_streams(&labels(then.0), stream(then.1), &labels(now.0), stream(now.1))
    }

    #[test]
    fn everyone_is_counted_once_from_where_to_where() {
        // a and f stay, b moves up, c is gone, d and g are new, e goes to a label that did not exist.
        let then = [("a", 0), ("b", 1), ("c", 1), ("e", 1), ("f", 1)];
        let now = [("a", 1), ("b", 1), ("d", 0), ("e", 2), ("f", 0), ("g", 2)];
        let seen = of((&["top", "low"], &then), (&["low", "top", "odd"], &now)).unwrap();
        assert_eq!(seen.then, ["top", "low", "new"]);
        assert_eq!(seen.now, ["low", "top", "odd", "gone"]);
        assert_eq!(seen.counts, [[0, 1, 0, 0], [1, 1, 1, 1], [1, 0, 1, 0]]);
        // Staying goes by what a label is called, wherever it is listed.
        assert_eq!((seen.stayed, seen.stayed_of), (Some(0.5), vec![Some(1.0), Some(1.0 / 3.0)]));
    }

    #[test]
    fn without_anyone_in_common_nobody_can_have_stayed() {
        for (then, now, counts) in [
            (vec![], vec![], [[0, 0], [0, 0]]),
            (vec![], vec![("a", 0)], [[0, 0], [1, 0]]),
            (vec![("a", 0)], vec![], [[0, 1], [0, 0]]),
            (vec![("a", 0), ("c", 0)], vec![("", 0), ("b", 0), ("d", 0)], [[0, 2], [3, 0]]),
        ] {
            let seen = of((&["x"], &then), (&["x"], &now)).unwrap();
            assert_eq!(seen.counts, counts, "{then:?} {now:?}");
            assert_eq!((seen.stayed, seen.stayed_of), (None, vec![None]));
        }
    }

    #[test]
    fn what_cannot_be_joined_is_refused() {
        for (then, now, said) in [
            (vec![("b", 0), ("a", 0)], vec![], "the last snapshot must be sorted by id (found \"b\", then \"a\")"),
            (vec![], vec![("b", 0), ("a", 0)], "this snapshot must be sorted by id"),
            (vec![("", 0), ("", 0)], vec![], "the last snapshot must come once each"),
            (vec![], vec![("a", 0), ("a", 0)], "this snapshot must come once each (found a)"),
            (vec![("a", 1)], vec![], "a: the customers of the last snapshot must have one of 1 labels (found 1)"),
        ] {
            let error = of((&["x"], &then), (&["x"], &now)).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        let (ids, labels) = (["a", "b"].into_iter().collect(), labels(&["x"]));
        let short = Snapshot { ids: &ids, labels: &labels, of_customer: &[0] };
        assert!(movement(short, short).unwrap_err().to_string().contains("found 2 customers, 1 labels"));
        let broken = std::iter::once(Err::<(&str, u32), _>(Error::new("the disk is gone")));
        let none = std::iter::empty::<Result<(&str, u32)>>();
        assert_eq!(movement_of_streams(&labels, broken, &labels, none).unwrap_err().to_string(), "the disk is gone");
    }

    #[test]
    fn the_matrix_is_written_and_read_back() {
        let seen = of((&["x", "y"], &[("a", 0), ("b", 1)]), (&["x", "y"], &[("a", 1), ("c", 0)])).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("movements.csv");
        write_movement(&path, &seen).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "then,x,y,gone\nx,0,1,0\ny,0,0,1\nnew,1,0,0\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
        let json = serde_json::to_string(&seen).unwrap();
        assert_eq!(serde_json::from_str::<Movement>(&json).unwrap(), seen);
    }
}
