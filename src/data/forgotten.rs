//! Customers who asked to be forgotten: lists of their identifiers, and how a list is known again without keeping anybody's name.

use std::collections::HashSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::roles::Column;
use super::source::{Delimiter, Source};
use crate::error::{Error, Result};

/// The customers whose lines do not count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// As the lists name them, list by list.
    lists: Vec<Vec<String>>,
    ids: HashSet<String>,
}

/// A list as the table remembers it: how many identifiers it had, and a digest of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ListDigest {
    ids: u64,
    sha256: String,
}

impl Forgotten {
    /// Nobody.
    pub fn nobody() -> Self {
        Self::default()
    }

    /// Reads lists: one identifier a line, or text with a header that names the customer's column as `source` calls it.
    ///
    /// # Errors
    /// A list that is not there or cannot be read; lines of several fields where no header says which is the customer's.
    pub fn read(paths: &[impl AsRef<Path>], source: &Source) -> Result<Self> {
        let lists = paths.iter().map(|path| read_list(path.as_ref(), source)).collect::<Result<Vec<_>>>()?;
        Ok(Self { ids: lists.iter().flatten().cloned().collect(), lists })
    }

    /// How many customers.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Whether a customer is one of them.
    pub(super) fn contains(&self, customer: &str) -> bool {
        !self.ids.is_empty() && self.ids.contains(customer)
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// What the table keeps of the lists.
    pub(super) fn digests(&self) -> Vec<ListDigest> {
        self.lists.iter().map(|list| digest_of(list)).collect()
    }

    /// The customers who were added since the lists were `held`; none where a list was changed otherwise than at its end, so that somebody
    /// may no longer be on it.
    pub(super) fn added_since(&self, held: &[ListDigest]) -> Option<HashSet<&str>> {
        let mut known: HashSet<&str> = HashSet::new();
        for digest in held {
            let begins_so =
                |list: &&Vec<String>| list.get(..digest.ids as usize).is_some_and(|begin| digest_of(begin) == *digest);
            let list = self.lists.iter().find(begins_so)?;
            known.extend(list[..digest.ids as usize].iter().map(String::as_str));
        }
        Some(self.ids().filter(|id| !known.contains(id)).collect())
    }
}

fn digest_of(ids: &[String]) -> ListDigest {
    let mut hasher = Sha256::new();
    for id in ids {
        hasher.update((id.len() as u64).to_le_bytes());
        hasher.update(id);
    }
    let sha256 = hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect();
    ListDigest { ids: ids.len() as u64, sha256 }
}

fn read_list(path: &Path, source: &Source) -> Result<Vec<String>> {
    let broken = |e: csv::Error| Error::new("could not read the customers to forget").at(path.display()).because(e);
    let bytes = std::fs::read(path).map_err(|e| Error::io("read the customers to forget", path, e))?;
    let delimiter = match source.delimiter {
        Delimiter::Byte(byte) => byte,
        Delimiter::Whitespace => b',',
    };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .trim(csv::Trim::All)
        .from_reader(bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes));
    let column = match &source.columns.customer {
        Some(Column::Name(name)) => name.as_str(),
        _ => "customer_id",
    };
    let (mut place, mut ids) = (None, Vec::new());
    for (row, record) in reader.records().enumerate() {
        let record = record.map_err(broken)?;
        if row == 0 {
            place = record.iter().position(|field| field == column);
            if place.is_some() {
                continue;
            }
        }
        let line = record.position().map_or(row as u64 + 1, csv::Position::line);
        if place.is_none() && record.len() > 1 {
            return Err(Error::new(
                "a list of customers to forget has one identifier a line, or a header that names their column",
            )
            .at(format!("{}:{line}", path.display()))
            .seen(format!("{} fields and no column {column:?}", record.len()))
            .advice("an identifier that holds the delimiter stands in quotes"));
        }
        match record.get(place.unwrap_or(0)) {
            Some("") => {}
            Some(id) => ids.push(id.to_owned()),
            None => {
                return Err(Error::new("the line has no customer")
                    .at(format!("{}:{line}", path.display()))
                    .seen(format!("{} fields", record.len())));
            }
        }
    }
    Ok(ids)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(texts: &[&str]) -> Result<Forgotten> {
        let dir = tempfile::tempdir().unwrap();
        let paths: Vec<_> = (0..texts.len()).map(|i| dir.path().join(format!("{i}.csv"))).collect();
        paths.iter().zip(texts).for_each(|(path, text)| std::fs::write(path, text).unwrap());
        Forgotten::read(&paths, &Source::transactions("orders.csv"))
    }

    #[test]
    fn lists_are_identifiers_or_tables_with_the_customers_column() {
        for text in [
            "ann\nbob\n",
            "\u{feff} ann \r\n\r\nbob",
            "customer_id\nann\nbob\n",
            "asked,customer_id\n2024-01-02,ann\n2024-02-03, bob\n",
        ] {
            let seen = read(&[text]).unwrap();
            assert_eq!(seen.lists, [["ann", "bob"]], "{text:?}");
            assert!(seen.contains("ann") && !seen.contains("customer_id") && seen.len() == 2);
        }
        assert!(read(&[""]).unwrap().is_empty());
        let quoted = read(&["\"b, bob\"\n"]).unwrap();
        assert!(quoted.contains("b, bob"));
        let unclear = read(&["ann\nbob,2024-01-01\n"]).unwrap_err().to_string();
        assert!(unclear.contains("0.csv:2: ") && unclear.contains("no column \"customer_id\""), "{unclear}");
        let short = read(&["asked,customer_id\n2024-01-02\n"]).unwrap_err().to_string();
        assert!(short.contains("has no customer"), "{short}");
        let gone = Forgotten::read(&["nowhere.csv"], &Source::default()).unwrap_err().to_string();
        assert!(gone.contains("customers to forget"), "{gone}");
    }

    #[test]
    fn what_was_added_is_known_and_what_was_taken_off_is_noticed() {
        let held = read(&["a\nb\n", "c\n"]).unwrap().digests();
        let added = |texts: &[&str]| {
            let now = read(texts).unwrap();
            let mut added: Vec<String> = now.added_since(&held)?.into_iter().map(str::to_owned).collect();
            added.sort();
            Some(added)
        };
        assert_eq!(added(&["a\nb\n", "c\n"]), Some(vec![]));
        assert_eq!(added(&["a\nb\nd\na\n", "c\n", "e\n"]), Some(vec!["d".into(), "e".into()]));
        assert_eq!(added(&["c\n", "a\nb\nd\n"]), Some(vec!["d".into()]));
        for changed in [&["a\nb\n"][..], &["b\na\n", "c\n"], &["a\n", "c\n"], &["d\na\nb\n", "c\n"], &[]] {
            assert_eq!(added(changed), None, "{changed:?}");
        }
        assert_eq!(read(&["a\n"]).unwrap().added_since(&[]).unwrap().len(), 1);
        assert!(!format!("{held:?}").contains("\"a\""));
    }
}
