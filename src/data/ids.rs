//! Customer identifiers, end to end in one text: eight bytes each beyond their own, which matters when there are ten million.

use std::ops::Index;

/// Identifiers by row.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Ids {
    text: String,
    /// Where each ends in `text`.
    ends: Vec<usize>,
}

impl Ids {
    /// Number of identifiers.
    pub fn len(&self) -> usize {
        self.ends.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends one.
    pub fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len());
    }

    /// Bytes of all identifiers.
    pub fn text_bytes(&self) -> usize {
        self.text.len()
    }

    /// Makes room for `ids` more identifiers of `bytes` bytes in all.
    pub fn reserve(&mut self, ids: usize, bytes: usize) {
        self.ends.reserve_exact(ids);
        self.text.reserve_exact(bytes);
    }

    /// Appends all of `other`.
    pub fn append(&mut self, other: &Self) {
        let before = self.text.len();
        self.text.push_str(&other.text);
        self.ends.extend(other.ends.iter().map(|end| before + end));
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = &str> + Clone {
        (0..self.len()).map(|row| &self[row])
    }
}

impl Index<usize> for Ids {
    type Output = str;

    fn index(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.text[start..self.ends[row]]
    }
}

impl<S: AsRef<str>> Extend<S> for Ids {
    fn extend<I: IntoIterator<Item = S>>(&mut self, ids: I) {
        ids.into_iter().for_each(|id| self.push(id.as_ref()));
    }
}

impl<S: AsRef<str>> FromIterator<S> for Ids {
    fn from_iter<I: IntoIterator<Item = S>>(ids: I) -> Self {
        let mut all = Self::default();
        all.extend(ids);
        all
    }
}

impl<const N: usize> PartialEq<[&str; N]> for Ids {
    fn eq(&self, other: &[&str; N]) -> bool {
        self.iter().eq(other.iter().copied())
    }
}

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifiers_come_back_as_they_went_in() {
        let given = ["7", "", "Müller", "a b"];
        let ids: Ids = given.into_iter().collect();
        assert_eq!(ids, given);
        assert_eq!((ids.len(), &ids[1], &ids[2]), (4, "", "Müller"));
        assert_eq!(format!("{ids:?}"), r#"["7", "", "Müller", "a b"]"#);
        assert!(Ids::default().is_empty());
        let mut twice = ids.clone();
        twice.append(&ids);
        assert_eq!((twice.text_bytes(), twice), (2 * ids.text_bytes(), given.into_iter().chain(given).collect()));
    }
}
