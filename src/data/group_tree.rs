//! Groups within groups, as paths: the group `DE > web` is the channel `web` of the country `DE`, its column `country > channel`.
//! Which column a part comes from, and what is pooled, is not known here.
//!
//! A part in which a `>` follows a blank gets a backslash before the `>`, so that no text can be taken for two parts.

use std::borrow::Cow;

use super::summary::Groups;

/// What stands between the parts of a path.
const SEPARATOR: &str = " > ";

/// One level of groups, from the top: the level's name, and its groups with the ones they belong to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupLevel {
    /// The level's own name: `channel`.
    pub name: String,
    /// The path of names down to it: `country > channel`.
    pub column: String,
    /// The groups' paths, sorted: `DE > web`.
    pub labels: Vec<String>,
    /// Index of each group's parent on the level above; 0 on the first level, below the whole.
    pub parent: Vec<usize>,
}

impl Groups {
    /// Whether groups lie within groups.
    pub fn is_nested(&self) -> bool {
        self.column.as_ref().is_some_and(|column| column.contains(SEPARATOR))
    }

    /// The part of every group's path that each level contributes, with the level's name: what separate columns would hold.
    pub fn columns(&self) -> Vec<(String, Vec<String>)> {
        let Some(column) = &self.column else { return Vec::new() };
        if !self.is_nested() {
            return vec![(column.clone(), self.labels.clone())];
        }
        let part = |label: &str, n| label.split(SEPARATOR).nth(n).unwrap_or_default().to_owned();
        let parts = |n| self.labels.iter().map(|label| part(label, n)).collect();
        column.split(SEPARATOR).enumerate().map(|(n, name)| (name.to_owned(), parts(n))).collect()
    }

    /// The levels of nesting from the top; the last one holds the groups themselves. One level where groups are not nested.
    pub fn levels(&self) -> Vec<GroupLevel> {
        let column = self.column.as_deref().unwrap_or("group");
        let names: Vec<&str> = column.split(SEPARATOR).collect();
        let depth = names.len();
        let mut levels: Vec<GroupLevel> = (1..=depth)
            .map(|n| GroupLevel {
                name: names[n - 1].to_owned(),
                column: names[..n].join(SEPARATOR),
                labels: Vec::new(),
                parent: Vec::new(),
            })
            .collect();
        if depth == 1 {
            levels[0].labels.clone_from(&self.labels);
            levels[0].parent = vec![0; self.labels.len()];
            return levels;
        }
        for label in &self.labels {
            // Labels are sorted, so the groups of one parent stand together.
            let mut parent = 0;
            for (n, level) in levels.iter_mut().enumerate() {
                let path = prefix(label, n + 1);
                if level.labels.last().is_none_or(|last| last != path) {
                    level.labels.push(path.to_owned());
                    level.parent.push(parent);
                }
                parent = level.labels.len() - 1;
            }
        }
        levels
    }
}

/// The first `parts` parts of a path.
pub fn prefix(path: &str, parts: usize) -> &str {
    path.match_indices(SEPARATOR).nth(parts - 1).map_or(path, |(end, _)| &path[..end])
}

/// The path of some parts, from the top.
pub(super) fn path<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    parts.into_iter().map(part).collect::<Vec<_>>().join(SEPARATOR)
}

/// Whether one of a path's parts is `text`, which needs no backslash.
pub(super) fn has_part(path: &str, text: &str) -> bool {
    path.split(SEPARATOR).any(|part| part == text)
}

/// A part as it stands in a path.
fn part(text: &str) -> Cow<'_, str> {
    if !text.contains('>') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 1);
    for c in text.chars() {
        if c == '>' && out.trim_end_matches('\\').ends_with(' ') {
            out.push('\\');
        }
        out.push(c);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_a_tree() {
        let labels = ["A > x > 1", "A > x > 2", "A > y > 1", "A B > x > 1"].map(str::to_owned).to_vec();
        assert!(labels.is_sorted());
        let levels = Groups { column: Some("a > b > c".into()), labels: labels.clone() }.levels();
        assert_eq!(
            levels.iter().map(|l| (&l.name[..], &l.column[..])).collect::<Vec<_>>(),
            [("a", "a"), ("b", "a > b"), ("c", "a > b > c")]
        );
        assert_eq!((&levels[0].labels, &levels[0].parent), (&vec!["A".to_owned(), "A B".to_owned()], &vec![0, 0]));
        // The same child under two parents is two groups.
        assert_eq!(levels[1].labels, ["A > x", "A > y", "A B > x"]);
        assert_eq!(levels[1].parent, [0, 0, 1]);
        assert_eq!((&levels[2].labels, &levels[2].parent), (&labels, &vec![0, 0, 1, 2]));
        let columns = Groups { column: Some("a > b > c".into()), labels }.columns();
        assert_eq!(columns[1], ("b".to_owned(), ["x", "x", "y", "x"].map(str::to_owned).to_vec()));
    }

    #[test]
    fn one_level_keeps_its_labels_as_they_are() {
        let labels = vec!["Home > Garden".to_owned(), "Toys".to_owned()];
        let levels = Groups { column: Some("category".into()), labels: labels.clone() }.levels();
        assert_eq!(levels.len(), 1);
        assert_eq!((levels[0].name.as_str(), &levels[0].labels), ("category", &labels));
        assert_eq!(Groups::all().levels()[0].labels, ["all"]);
    }

    #[test]
    fn no_text_can_be_taken_for_two_parts() {
        let texts = ["a", "a > b", "a \\> b", " > ", ">", "> b", "b >", "a>b", "", " ", "a \\\\> b"];
        let mut seen = std::collections::BTreeMap::new();
        for first in texts {
            for second in texts {
                let both = path([first, second]);
                assert_eq!(both.split(SEPARATOR).count(), 2, "{both:?}");
                assert_eq!(seen.insert(both, (first, second)), None, "{first:?} and {second:?}");
            }
        }
        assert_eq!(path(["DE", "web"]), "DE > web");
        assert_eq!(path(["Home > Garden", "web"]), "Home \\> Garden > web");
        assert!(has_part("DE > (missing)", "(missing)") && !has_part("DE > web", "(missing)"));
    }
}
