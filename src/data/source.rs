//! Where the rows come from: files, their format, and which column means what.
//!
//! A `Source` is what a person said about their files; nothing here opens more than a folder listing and a file's first bytes.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use parquet::file::metadata::ParquetMetaDataReader;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::roles::{Column, Columns, Kind, RESERVED_COLUMNS};
use crate::error::{Error, Result};

/// How the bytes of a file are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Parquet when the file begins with Parquet's magic bytes, delimited text (gzip or plain) otherwise.
    #[default]
    Auto,
    /// Delimited text, gzip-compressed or plain.
    Csv,
    /// Apache Parquet.
    Parquet,
}

/// What separates the fields of a text line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Delimiter {
    /// One byte; fields may be quoted with `"`.
    Byte(u8),
    /// Any run of blanks and tabs, leading ones ignored; no quoting.
    Whitespace,
}

impl Default for Delimiter {
    fn default() -> Self {
        Self::Byte(b',')
    }
}

/// The source of the data, as its owner describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// What a row is.
    pub kind: Kind,
    /// Files, folders (their files, not those of subfolders) or glob patterns.
    pub paths: Vec<String>,
    /// Layout of the files.
    pub format: Format,
    /// Separator of text files.
    pub delimiter: Delimiter,
    /// Whether the first line of a text file names its columns.
    pub header: bool,
    /// Which column means what.
    pub columns: Columns,
    /// A `strftime` pattern for dates written as text; without it ISO dates and date-times are read.
    pub date_format: Option<String>,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            kind: Kind::default(),
            paths: Vec::new(),
            format: Format::default(),
            delimiter: Delimiter::default(),
            header: true,
            columns: Columns::default(),
            date_format: None,
        }
    }
}

impl Source {
    /// A source of transactions with the default columns (`customer_id`, `date`, `amount`).
    pub fn transactions(path: impl AsRef<Path>) -> Self {
        Self { paths: vec![path.as_ref().to_string_lossy().into_owned()], ..Self::default() }
    }

    /// A source of customers under contract with the default columns (`customer_id`, `age`, `lost`).
    pub fn contracts(path: impl AsRef<Path>) -> Self {
        Self { kind: Kind::Contracts, ..Self::transactions(path) }
    }

    /// A source of customer summaries with the default columns (`customer_id`, `frequency`, `recency`, `age`, `monetary`).
    pub fn summary(path: impl AsRef<Path>) -> Self {
        Self { kind: Kind::Summary, ..Self::transactions(path) }
    }

    /// Refuses descriptions that no file could satisfy.
    pub(super) fn check(&self) -> Result<()> {
        if self.paths.is_empty() {
            return Err(Error::new("no input files are named")
                .at("data.paths")
                .advice("give a file, a folder or a glob pattern"));
        }
        if let Delimiter::Byte(byte @ (b'"' | b'\n' | b'\r')) = self.delimiter {
            return Err(Error::new("a quote or a line end cannot separate fields")
                .at("data.delimiter")
                .seen(format!("{:?}", char::from(byte))));
        }
        let c = &self.columns;
        if c.customer.is_none() && self.kind != Kind::Cohorts && (self.kind == Kind::Transactions || c.weight.is_none())
        {
            return Err(Error::new("rows need the identifier of a customer").at("data.columns.customer").seen("none"));
        }
        let mut all: Vec<&Column> = c.of(self.kind).into_iter().map(|(_, column)| column).collect();
        all.extend(c.extra.iter().map(|e| &e.column));
        if all.contains(&&Column::Index(0)) {
            return Err(Error::new("columns are counted from 1").at("data.columns").seen("0"));
        }
        for (i, extra) in c.extra.iter().enumerate() {
            if RESERVED_COLUMNS.contains(&extra.name.as_str()) || extra.name.is_empty() {
                return Err(Error::new("an extra column needs a name that the tables do not use themselves")
                    .at("groups.column")
                    .seen(format!("{:?}", extra.name))
                    .advice("rename the column in the file"));
            }
            if c.extra[..i].iter().any(|e| e.name == extra.name) {
                return Err(Error::new("two extra columns have the same name")
                    .at("groups.column")
                    .seen(format!("{:?}", extra.name)));
            }
        }
        Ok(())
    }

    /// The files behind [`Source::paths`], sorted within each path, none twice however it is written.
    ///
    /// # Errors
    /// When a path leads to no file.
    pub fn files(&self) -> Result<Vec<PathBuf>> {
        let mut known = HashSet::new();
        let mut files = Vec::new();
        for path in &self.paths {
            let found = expand(path)?;
            files.extend(found.into_iter().filter(|f| known.insert(f.canonicalize().unwrap_or_else(|_| f.clone()))));
        }
        Ok(files)
    }

    /// About how many rows the files hold, told without reading them: Parquet says it, and a line of text counts as 32 bytes (as 8
    /// where it is compressed). Files that cannot be opened count as empty; reading will say why.
    pub fn rough_rows(&self) -> u64 {
        self.files().unwrap_or_default().iter().map(|file| rough_rows(file).unwrap_or(0)).sum()
    }
}

fn rough_rows(path: &Path) -> Option<u64> {
    let mut file = File::open(path).ok()?;
    let bytes = file.metadata().ok()?.len();
    let mut first = [0; 4];
    let read = file.read(&mut first).ok()?;
    if first[..read] == *b"PAR1" {
        let metadata = ParquetMetaDataReader::new().parse_and_finish(&file).ok()?;
        return u64::try_from(metadata.file_metadata().num_rows()).ok();
    }
    let is_compressed = first.starts_with(&[0x1f, 0x8b]);
    Some(bytes / if is_compressed { 8 } else { 32 })
}

/// The files that one path stands for.
fn expand(pattern: &str) -> Result<Vec<PathBuf>> {
    let path = Path::new(pattern);
    if path.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    if path.is_dir() {
        let listing = std::fs::read_dir(path).map_err(|e| Error::io("list the input folder", path, e))?;
        let mut files = Vec::new();
        for entry in listing {
            let entry = entry.map_err(|e| Error::io("list the input folder", path, e))?;
            let hidden = entry.file_name().to_string_lossy().starts_with(['.', '_']);
            if !hidden && entry.path().is_file() {
                files.push(entry.path());
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(Error::new("the input folder has no files").at(path.display()).advice(
                "files whose names begin with . or _ and subfolders are not read; a glob pattern can reach them",
            ));
        }
        return Ok(files);
    }
    if pattern.contains(['*', '?', '[']) {
        let matches =
            glob::glob(pattern).map_err(|e| Error::new("the glob pattern is malformed").at(pattern).because(e))?;
        let mut files = Vec::new();
        for found in matches {
            let found =
                found.map_err(|e| Error::new("could not list the files of a glob pattern").at(pattern).because(e))?;
            if found.is_file() {
                files.push(found);
            }
        }
        files.sort();
        if files.is_empty() {
            return Err(Error::new("no file matches the glob pattern")
                .at(pattern)
                .advice("check the pattern; relative paths start at the working directory"));
        }
        return Ok(files);
    }
    let sibling = nearest_sibling(path).map_or_else(
        || "check the path; relative paths start at the working directory".to_owned(),
        |s| format!("did you mean {}?", s.display()),
    );
    Err(Error::new("the input file does not exist").at(path.display()).advice(sibling))
}

/// The file beside a missing one whose name is most like it.
fn nearest_sibling(path: &Path) -> Option<PathBuf> {
    let wanted = path.file_name()?.to_string_lossy().into_owned();
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let names: Vec<String> =
        std::fs::read_dir(folder).ok()?.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    super::columns::nearest(&wanted, &names).map(|name| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_expand_to_files_in_order_and_once() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["b.csv", "a.csv", "_SUCCESS", ".hidden.csv"] {
            std::fs::write(dir.path().join(name), "x").unwrap();
        }
        let mut source = Source::transactions(dir.path());
        source.paths.push(dir.path().join("*.csv").to_string_lossy().into_owned());
        let names: Vec<String> =
            source.files().unwrap().iter().map(|f| f.file_name().unwrap().to_string_lossy().into_owned()).collect();
        assert_eq!(names, ["a.csv", "b.csv", ".hidden.csv"]);
    }

    #[test]
    fn rows_are_guessed_without_reading() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.csv"), [b'x'; 6400]).unwrap();
        let rows = |name: &str| Source::transactions(dir.path().join(name)).rough_rows();
        assert_eq!((rows("a.csv"), rows("nowhere.csv")), (200, 0));
        let spec = crate::data::simulate::SimulateSpec::cdnow(1000, 1);
        let parquet = dir.path().join("b.parquet");
        crate::data::simulate::simulate(&spec, Kind::Summary, &parquet, &|_| {}).unwrap();
        assert_eq!(rows("b.parquet"), 1000);
    }

    #[test]
    fn missing_paths_are_told_with_the_nearest_name() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("orders.csv"), "x").unwrap();
        let missing = expand(&dir.path().join("order.csv").to_string_lossy()).unwrap_err().to_string();
        assert!(missing.contains("does not exist") && missing.contains("did you mean"), "{missing}");
        assert!(missing.contains("orders.csv"), "{missing}");
        let none = expand(&dir.path().join("*.parquet").to_string_lossy()).unwrap_err().to_string();
        assert!(none.contains("no file matches"), "{none}");
        let empty = tempfile::tempdir().unwrap();
        let folder = expand(&empty.path().to_string_lossy()).unwrap_err().to_string();
        assert!(folder.contains("has no files"), "{folder}");
    }
}
