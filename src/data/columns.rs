//! Which wanted column stands where in one file: by name in its header or by place; and what to say when it is not there.

use std::path::Path;

use super::roles::{Column, RESERVED_COLUMNS};
use super::source::{Delimiter, Source};
use crate::error::{Error, Result};

/// What a column of a covariate is needed for.
pub(super) const COVARIATE_ROLE: &str = "covariates";
/// What the customer's column of their table is needed for.
pub(super) const COVARIATE_CUSTOMER_ROLE: &str = "covariates.customer";

/// A column that the reading needs, and what for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wanted {
    /// What it is needed for: `customer`, `date`, …
    pub(super) role: String,
    /// Where the source says it stands.
    pub(super) column: Column,
}

impl Wanted {
    /// Whether it is a role of ours, not a column to group by.
    fn is_ours(&self) -> bool {
        const OTHERS: [&str; 6] = ["customer", "lost", "weight", "cohort", "period", "active"];
        RESERVED_COLUMNS.contains(&self.role.as_str()) || OTHERS.contains(&self.role.as_str())
    }
}

/// The wanted columns in the order in which their fields are handed on: the kind's own columns, then the extra ones.
pub(super) fn wanted(source: &Source) -> Vec<Wanted> {
    let c = &source.columns;
    let extra = c.extra.iter().map(|e| (e.name.as_str(), &e.column));
    c.of(source.kind)
        .into_iter()
        .chain(extra)
        .map(|(role, column)| Wanted { role: role.to_owned(), column: column.clone() })
        .collect()
}

/// The place (from 0) of each wanted column among `names` as one file gives them.
pub(super) fn places(
    wanted: &[Wanted],
    names: &[String],
    file: &Path,
    delimiter: Option<Delimiter>,
) -> Result<Vec<usize>> {
    wanted
        .iter()
        .map(|w| {
            let place = match &w.column {
                Column::Index(index) => (*index <= names.len()).then(|| index - 1),
                Column::Name(name) => names.iter().position(|n| n == name),
            };
            place.ok_or_else(|| missing(w, names, file, delimiter))
        })
        .collect()
}

/// The place (from 0) of each wanted column in a file without a header whose first row has `fields` fields.
pub(super) fn places_without_header(
    wanted: &[Wanted],
    first_row: &[String],
    file: &Path,
    delimiter: Delimiter,
) -> Result<Vec<usize>> {
    wanted
        .iter()
        .map(|w| match &w.column {
            Column::Index(index) if *index <= first_row.len() => Ok(index - 1),
            Column::Index(index) => {
                Err(Error::new(format!("the first row has no column {index} (wanted: {})", w.role))
                    .at(format!("{}:1", file.display()))
                    .seen(format!("{} {}", count(first_row.len()), quoted_list(first_row)))
                    .advice(
                        delimiter_advice(first_row, Some(delimiter))
                            .unwrap_or_else(|| "columns are counted from 1".to_owned()),
                    ))
            }
            Column::Name(name) => {
                Err(Error::new(format!("the file has no header, so {} cannot be found by the name {name:?}", w.role))
                    .at(file.display())
                    .advice("give the column's number, counted from 1, or set header = true"))
            }
        })
        .collect()
}

fn missing(w: &Wanted, names: &[String], file: &Path, delimiter: Option<Delimiter>) -> Error {
    let what = match &w.column {
        Column::Index(index) => format!("there is no column {index} (wanted: {})", w.role),
        Column::Name(name) if *name == w.role => format!("there is no column {name:?}"),
        Column::Name(name) => format!("there is no column {name:?} (wanted: {})", w.role),
    };
    let error = Error::new(what).at(file.display()).seen(format!("{} {}", count(names.len()), quoted_list(names)));
    let of_covariates = w.role.starts_with(COVARIATE_ROLE);
    if let Some(advice) = delimiter_advice(names, delimiter) {
        let key = if of_covariates { "covariates.delimiter" } else { "data.delimiter" };
        return error.advice(advice.replace("data.delimiter", key));
    }
    match &w.column {
        Column::Name(name) => match nearest(name, names) {
            Some(near) => error.advice(format!("did you mean {near:?}?")),
            None if w.role == COVARIATE_CUSTOMER_ROLE => error.advice("set covariates.customer to one of these"),
            None if of_covariates => error.advice("name columns of this table under [covariates]"),
            // A role of our own has a key under data.columns; any other column was asked for by the grouping.
            None if w.is_ours() => error
                .advice(format!("set data.columns.{} to one of these, or header = false if this line is data", w.role)),
            None => error.advice("set groups.column to one of these"),
        },
        Column::Index(_) => error.advice("columns are counted from 1"),
    }
}

fn count(n: usize) -> String {
    if n == 1 { "1 column:".to_owned() } else { format!("{n} columns:") }
}

fn quoted_list(names: &[String]) -> String {
    const SHOWN: usize = 20;
    let shown: Vec<String> =
        names.iter().take(SHOWN).map(|n| format!("{:?}", n.chars().take(60).collect::<String>())).collect();
    let more = if names.len() > SHOWN { format!(" and {} more", names.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}

/// When a text line came out as a single field although it holds another common separator, says so.
fn delimiter_advice(names: &[String], delimiter: Option<Delimiter>) -> Option<String> {
    let used = delimiter?;
    let [only] = names else { return None };
    let candidates = [(b';', "\";\""), (b'\t', "\"\\t\" (tab)"), (b'|', "\"|\""), (b',', "\",\"")];
    for (byte, shown) in candidates {
        if used != Delimiter::Byte(byte) && only.as_bytes().contains(&byte) {
            return Some(format!("the line looks separated by {shown}; set data.delimiter"));
        }
    }
    (used != Delimiter::Whitespace && only.split_whitespace().count() > 1)
        .then(|| "the line looks separated by blanks; set data.delimiter = \"whitespace\"".to_owned())
}

/// The name most like `wanted`, when one is like it at all.
pub(super) fn nearest(wanted: &str, names: &[String]) -> Option<String> {
    let wanted_plain = plain(wanted);
    names
        .iter()
        .map(|name| (distance(&wanted_plain, &plain(name)), name))
        .filter(|(d, name)| *d <= (wanted.chars().count().max(name.chars().count()) / 3).max(1))
        .min()
        .map(|(_, name)| name.clone())
}

/// Case and the usual word separators do not count as differences.
fn plain(name: &str) -> Vec<char> {
    name.chars().filter(|c| !matches!(c, '_' | '-' | ' ')).flat_map(char::to_lowercase).collect()
}

/// Levenshtein's edit distance.
fn distance(a: &[char], b: &[char]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, ca) in a.iter().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, cb) in b.iter().enumerate() {
            let substituted = diagonal + usize::from(ca != cb);
            diagonal = row[j + 1];
            row[j + 1] = substituted.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|s| (*s).to_owned()).collect()
    }

    #[test]
    fn columns_are_found_by_name_and_by_place() {
        let mut source = Source::transactions("x");
        source.columns.amount = Some(Column::Index(1));
        let file = Path::new("orders.csv");
        let header = names(&["amount", "date", "customer_id"]);
        assert_eq!(places(&wanted(&source), &header, file, None).unwrap(), [2, 1, 0]);
    }

    #[test]
    fn a_missing_column_is_told_with_those_seen_and_the_nearest() {
        let source = Source::transactions("x");
        let file = Path::new("orders.csv");
        let error = |header: &[&str]| {
            places(&wanted(&source), &names(header), file, Some(Delimiter::default())).unwrap_err().to_string()
        };
        assert_eq!(
            error(&["CustomerID", "date", "amount"]),
            "orders.csv: there is no column \"customer_id\" (wanted: customer) (found 3 columns: \"CustomerID\", \"date\", \
             \"amount\"); did you mean \"CustomerID\"?"
        );
        assert!(error(&["customer_id;date;amount"]).contains("looks separated by \";\""));
        assert!(error(&["customer_id date amount"]).contains("whitespace"));
        assert!(error(&["x", "y"]).contains("set data.columns.customer"));
    }

    #[test]
    fn a_headerless_file_is_told_by_number() {
        let mut source = Source::transactions("x");
        source.columns.customer = Some(Column::Index(1));
        source.columns.date = Column::Index(9);
        let file = Path::new("orders.txt");
        let row = names(&["1 1997 3"]);
        let error = places_without_header(&wanted(&source), &row, file, Delimiter::default()).unwrap_err().to_string();
        assert!(error.contains("no column 9") && error.contains("whitespace"), "{error}");
        source.columns.date = "date".into();
        let error = places_without_header(&wanted(&source), &row, file, Delimiter::default()).unwrap_err().to_string();
        assert!(error.contains("no header"), "{error}");
    }

    #[test]
    fn edit_distance_is_levenshteins() {
        let d = |a: &str, b: &str| distance(&plain(a), &plain(b));
        assert_eq!(d("kitten", "sitting"), 3);
        assert_eq!(d("", "abc"), 3);
        assert_eq!(d("customer_id", "CustomerId"), 0);
        assert_eq!(nearest("amount", &names(&["amt", "amonut", "date"])), Some("amonut".to_owned()));
        assert_eq!(nearest("amount", &names(&["zzz"])), None);
    }
}
