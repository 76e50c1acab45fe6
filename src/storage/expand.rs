//! What a path of a configuration stands for, wherever it leads: a file, a folder, a glob pattern. The rules are those of local paths:
//! a folder's own files, none of subfolders, none whose names begin with `.` or `_`.

use glob::{MatchOptions, Pattern};

use super::{Listed, Place, RemotePlace, Storage};
use crate::error::{Error, Result};

impl Storage {
    /// What a path of a configuration stands for: a file, a folder (its files; none of subfolders, none whose names begin with `.` or
    /// `_`) or a glob pattern. Sorted by name.
    ///
    /// # Errors
    /// As [`Storage::list`]; a path that leads to no file.
    pub fn expand(&self, pattern: &Place) -> Result<Vec<Listed>> {
        if let Some(file) = self.look(pattern)? {
            return Ok(vec![file]);
        }
        let text = match pattern {
            Place::Local(path) => path.to_string_lossy().into_owned(),
            Place::Remote(place) => place.key.clone(),
        };
        let glob_at = text.split('/').position(|part| part.contains(['*', '?', '[']));
        match glob_at {
            Some(part) => self.matching(pattern, &text, part),
            None => self.folder(pattern),
        }
    }

    fn folder(&self, folder: &Place) -> Result<Vec<Listed>> {
        let below = self.list(folder)?;
        if below.is_empty() {
            return Err(Error::new("there is no such file, and no folder of that name")
                .at(folder)
                .advice("check the address; a glob pattern such as orders/*.csv works too"));
        }
        let own = |entry: &Listed| !entry.name.contains('/') && !entry.name.starts_with(['.', '_']);
        let files: Vec<Listed> = below.into_iter().filter(own).collect();
        if files.is_empty() {
            return Err(Error::new("the input folder has no files").at(folder).advice(
                "files whose names begin with . or _ and subfolders are not read; a glob pattern can reach them",
            ));
        }
        Ok(files)
    }

    fn matching(&self, pattern: &Place, text: &str, part: usize) -> Result<Vec<Listed>> {
        let parts: Vec<&str> = text.split('/').collect();
        let rest = Pattern::new(&parts[part..].join("/"))
            .map_err(|e| Error::new("the glob pattern is malformed").at(pattern).because(e))?;
        let start = match pattern {
            Place::Local(_) if part == 0 => Place::Local(".".into()),
            Place::Local(_) => Place::Local(format!("{}/", parts[..part].join("/")).into()),
            Place::Remote(place) => Place::Remote(RemotePlace { key: parts[..part].join("/"), ..place.clone() }),
        };
        let how = MatchOptions { require_literal_separator: true, ..MatchOptions::default() };
        let found: Vec<Listed> =
            self.list(&start)?.into_iter().filter(|entry| rest.matches_with(&entry.name, how)).collect();
        if found.is_empty() {
            return Err(Error::new("no file matches the glob pattern").at(pattern).advice("check the pattern"));
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::StorageSettings;

    #[test]
    fn paths_lead_where_local_ones_do() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "_SUCCESS", ".hidden.csv", "old/c.csv", "old/deep/d.csv"] {
            let path = dir.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "x").unwrap();
        }
        let storage = Storage::new(StorageSettings::default());
        let names = |pattern: &str| -> Vec<String> {
            let found = storage.expand(&Place::from(dir.path()).join(pattern)).unwrap();
            found.into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names(""), ["a.csv", "b.csv"]);
        assert_eq!(names("*.csv"), [".hidden.csv", "a.csv", "b.csv"]);
        assert_eq!(names("old/*.csv"), ["c.csv"]);
        assert_eq!(names("**/*.csv"), [".hidden.csv", "a.csv", "b.csv", "old/c.csv", "old/deep/d.csv"]);
        assert_eq!(names("[ab].csv"), ["a.csv", "b.csv"]);
        assert_eq!(names("a.csv"), ["a.csv"]);
        for (pattern, what) in
            [("none", "no such file"), ("*.parquet", "no file matches"), ("old/deep/none", "no such")]
        {
            let said = storage.expand(&Place::from(dir.path()).join(pattern)).unwrap_err().to_string();
            assert!(said.contains(what), "{said}");
        }
    }
}
