//! The repository as a list of text files with their places, and the import table as ARCHITECTURE.md states it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use crate::source::{code_only, room_paths, tokens, without_tests};

/// Every text file that belongs to the project, by its path from the root (with `/`).
pub struct House {
    pub files: BTreeMap<String, String>,
}

/// One thing that is not as the house rules say, in words its author can act on.
#[derive(Debug, PartialEq, Eq)]
pub struct Complaint {
    pub place: String,
    pub what: String,
}

impl Complaint {
    pub fn new(path: &str, line: usize, what: impl Into<String>) -> Self {
        let place = if line == 0 { path.to_owned() } else { format!("{path}:{line}") };
        Self { place, what: what.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

/// Folders at the root that hold what was built or fetched, not what was written.
const NOT_OURS: [&str; 4] = [".git", "target", "data", "runs"];

const TEXT: [&str; 11] = ["rs", "wgsl", "md", "toml", "sh", "yml", "yaml", "json", "html", "css", "txt"];

impl House {
    /// Reads the repository this test was built from.
    pub fn read() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = BTreeMap::new();
        let mut folders = vec![PathBuf::new()];
        while let Some(folder) = folders.pop() {
            let entries = std::fs::read_dir(root.join(&folder)).unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
            for entry in entries {
                let path = folder.join(entry.expect("a readable folder").file_name());
                let full = root.join(&path);
                if full.is_dir() {
                    let skipped = NOT_OURS.iter().any(|n| path == Path::new(n)) || full.join("CACHEDIR.TAG").exists();
                    if !skipped && !full.is_symlink() {
                        folders.push(path);
                    }
                } else if is_text(&path)
                    && let Ok(text) = std::fs::read_to_string(&full)
                {
                    files.insert(path.to_string_lossy().replace('\\', "/"), text);
                }
            }
        }
        Self { files }
    }

    /// A house made of snippets, to try a rule on.
    pub fn of(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect() }
    }

    /// Files whose path starts with `under` and ends with `.ext`.
    pub fn under<'a>(&'a self, under: &'a str, ext: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let inside = move |p: &str| {
            p.starts_with(under) && p.rsplit_once('.').is_some_and(|(stem, e)| e == ext && !stem.is_empty())
        };
        self.files.iter().filter(move |(p, _)| inside(p)).map(|(p, t)| (p.as_str(), t.as_str()))
    }

    pub fn has(&self, path: &str) -> bool {
        self.files.contains_key(path)
    }

    /// The Rust sources of library and kernels without the files that exist only for tests, as tokens outside test items.
    pub fn library(&self) -> Vec<LibraryFile<'_>> {
        let sources: Vec<(&str, String)> = ["src/", "kernels/src/"]
            .into_iter()
            .flat_map(|u| self.under(u, "rs"))
            .map(|(p, t)| (p, code_only(t)))
            .collect();
        let mut only_tests = BTreeSet::new();
        for (path, code) in &sources {
            for name in without_tests(&tokens(code)).1 {
                let folder = match path.rsplit_once('/') {
                    Some((dir, "mod.rs" | "lib.rs" | "main.rs")) => dir.to_owned(),
                    _ => path.trim_end_matches(".rs").to_owned(),
                };
                only_tests.insert(format!("{folder}/{name}.rs"));
                only_tests.insert(format!("{folder}/{name}/"));
            }
        }
        let for_tests = |p: &str| only_tests.iter().any(|t| p == t || (t.ends_with('/') && p.starts_with(t)));
        sources.into_iter().filter(|(p, _)| !for_tests(p)).map(|(path, code)| LibraryFile { path, code }).collect()
    }
}

fn is_text(path: &Path) -> bool {
    match path.extension() {
        Some(e) => e.to_str().is_some_and(|e| TEXT.contains(&e)),
        None => true, // licences, .ci/run, dot files
    }
}

/// A library source with comments and literals blanked.
pub struct LibraryFile<'a> {
    pub path: &'a str,
    pub code: String,
}

impl LibraryFile<'_> {
    /// `src/data/rfm.rs` is `["data", "rfm"]`; the crate root is empty.
    pub fn module(&self) -> Vec<&str> {
        let inner = self.path.trim_start_matches("kernels/").trim_start_matches("src/").trim_end_matches(".rs");
        inner.split('/').filter(|s| !matches!(*s, "mod" | "lib" | "main")).collect()
    }

    /// Calls `look` at every token outside test code, with its line and the tokens from there on.
    pub fn scan(&self, mut look: impl FnMut(usize, &[crate::source::Token<'_>])) {
        let all = tokens(&self.code);
        let (kept, _) = without_tests(&all);
        for i in 0..kept.len() {
            look(kept[i].line, &kept[i..]);
        }
    }

    /// Paths to other rooms, outside test code.
    pub fn imports(&self) -> Vec<(usize, String)> {
        let all = tokens(&self.code);
        let (kept, _) = without_tests(&all);
        room_paths(&kept, &self.module()).into_iter().map(|(line, path)| (line, path.join("::"))).collect()
    }
}

/// Who may import whom: room to the rooms (or parts of rooms) it may name.
pub struct ImportTable {
    pub rows: BTreeMap<String, BTreeSet<String>>,
}

impl ImportTable {
    /// Reads the table whose head is `| room | may import |` out of a Markdown page.
    pub fn read(markdown: &str) -> Result<Self, String> {
        let mut lines = markdown.lines().skip_while(|l| !l.starts_with("| room | may import |"));
        lines.next().ok_or("ARCHITECTURE.md has no table that starts with `| room | may import |`")?;
        let mut rows = BTreeMap::new();
        for line in lines.skip(1).take_while(|l| l.starts_with('|')) {
            let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [room, imports, ..] = cells[..] else {
                return Err(format!("ARCHITECTURE.md: this row of the import table has no second cell: {line}"));
            };
            let imports = imports.split(',').map(|s| s.trim().trim_matches('`').to_owned());
            let imports = imports.filter(|s| !s.is_empty() && s != "nothing").collect();
            rows.insert(room.trim_matches('`').to_owned(), imports);
        }
        Ok(Self { rows })
    }

    /// Whether `room` may name `path` (`kernels::rng::Stream` is covered by `kernels::rng` and by `kernels`).
    pub fn allows(&self, room: &str, path: &str) -> bool {
        let covers = |allowed: &String| {
            allowed == "everything"
                || path == allowed
                || path.strip_prefix(allowed.as_str()).is_some_and(|r| r.starts_with("::"))
        };
        self.rows.get(room).is_some_and(|allowed| allowed.iter().any(covers))
    }

    /// A room that can reach itself through the table, with the way round, if there is one.
    pub fn cycle(&self) -> Option<String> {
        fn walk(table: &ImportTable, way: &mut Vec<String>) -> Option<String> {
            let here = way.last()?.clone();
            for next in table.rows.get(&here)? {
                let next = next.split("::").next().unwrap_or_default().to_owned();
                if let Some(at) = way.iter().position(|w| *w == next) {
                    return Some([&way[at..], &[next]].concat().join(" → "));
                }
                way.push(next);
                let found = walk(table, way);
                way.pop();
                if found.is_some() {
                    return found;
                }
            }
            None
        }
        self.rows.keys().find_map(|room| walk(self, &mut vec![room.clone()]))
    }
}
