//! Reads a configuration's text with its `--set` overrides and remembers where every key came from.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::sections::ClvConfig;
use crate::error::{Error, Result};

/// A configuration together with the places its keys were written at.
#[derive(Debug, Clone)]
pub struct Source {
    path: PathBuf,
    text: String,
    overrides: Vec<(String, String)>,
    /// The configuration with overrides applied.
    pub config: ClvConfig,
}

impl Source {
    /// Reads the file at `path` and applies `key=value` overrides in order. Values are TOML; a bare word is a string.
    ///
    /// Errors: unreadable file, TOML syntax, unknown key or wrong type (with line), malformed override.
    pub fn read(path: &Path, overrides: &[String]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| Error::io("read the configuration", path, e))?;
        Self::parse(path, text, overrides)
    }

    /// As [`Source::read`], from text in hand; `path` only names the place in messages.
    pub fn parse(path: &Path, text: String, overrides: &[String]) -> Result<Self> {
        let in_file = |e: toml::de::Error| {
            let place = match e.span() {
                Some(span) => format!("{}:{}", path.display(), line_of(&text, span.start)),
                None => path.display().to_string(),
            };
            Error::new(e.message().trim().to_owned())
                .at(place)
                .advice("`longrun config schema` lists every key, `longrun config show` the defaults")
        };
        // Without overrides the text is read as it stands, so that every error has its line. With overrides a key that only
        // they supply may be missing from the text; then only syntax is judged here.
        let mut table: toml::Table = toml::from_str(&text).map_err(in_file)?;
        if overrides.is_empty() {
            let config = toml::from_str(&text).map_err(in_file)?;
            return Ok(Self { path: path.to_owned(), text, overrides: Vec::new(), config });
        }
        let mut applied = Vec::with_capacity(overrides.len());
        for set in overrides {
            let (key, value) = split_override(set)?;
            insert(&mut table, &key, value).map_err(|e| e.at(format!("--set {set}")))?;
            applied.push((key, set.clone()));
        }
        let config = table.try_into::<ClvConfig>().map_err(|e| {
            // The text alone may carry the fault: then its line is the better place.
            match toml::from_str::<ClvConfig>(&text) {
                Err(e) => in_file(e),
                Ok(_) => Error::new(e.message().trim().to_owned())
                    .at(overrides.iter().map(|s| format!("--set {s}")).collect::<Vec<_>>().join(" "))
                    .advice("`longrun config schema` lists every key"),
            }
        })?;
        Ok(Self { path: path.to_owned(), text, overrides: applied, config })
    }

    /// Where `key` (dotted) was written: an override, a line of the file, or, for a default, the file.
    pub fn place(&self, key: &str) -> String {
        let covers = |set_key: &str| set_key == key || key.starts_with(&format!("{set_key}."));
        if let Some((_, set)) = self.overrides.iter().rev().find(|(k, _)| covers(k)) {
            return format!("--set {set}");
        }
        match locate(&self.text, key) {
            Some(line) => format!("{}:{line}", self.path.display()),
            None => self.path.display().to_string(),
        }
    }

    /// The file's name without its ending: the run's default name.
    pub fn stem(&self) -> String {
        self.path.file_stem().map_or_else(|| "run".to_owned(), |s| s.to_string_lossy().into_owned())
    }

    /// A configuration that says the same without any override: the text as written, or, with overrides, the merged one.
    pub fn merged_text(&self) -> Result<String> {
        if self.overrides.is_empty() {
            return Ok(self.text.clone());
        }
        let mut text = format!("# {} with", self.path.display());
        self.overrides.iter().for_each(|(_, set)| text.push_str(&format!(" --set {set}")));
        let merged = toml::to_string_pretty(&self.config)
            .map_err(|e| Error::new("could not write the merged configuration").because(e))?;
        Ok(format!("{text}\n\n{merged}"))
    }
}

/// The JSON Schema of [`ClvConfig`], for editors.
pub fn json_schema() -> serde_json::Value {
    serde_json::to_value(schemars::schema_for!(ClvConfig)).unwrap_or_default()
}

fn split_override(set: &str) -> Result<(String, toml::Value)> {
    let shape = || {
        Error::new("an override has the form key=value")
            .at(format!("--set {set}"))
            .advice("e.g. --set sampler.chains=8")
    };
    let (key, value) = set.split_once('=').ok_or_else(shape)?;
    let key = key.trim();
    if key.is_empty() || key.split('.').any(|part| part.trim().is_empty()) {
        return Err(shape());
    }
    let parsed = toml::from_str::<toml::Table>(&format!("v = {}", value.trim())).ok().and_then(|mut t| t.remove("v"));
    Ok((key.to_owned(), parsed.unwrap_or_else(|| toml::Value::String(value.trim().to_owned()))))
}

fn insert(table: &mut toml::Table, key: &str, value: toml::Value) -> Result<()> {
    let (parents, last) = key.rsplit_once('.').unwrap_or(("", key));
    let mut here = table;
    for part in parents.split('.').filter(|p| !p.is_empty()) {
        let next = here.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        here = next.as_table_mut().ok_or_else(|| Error::new(format!("`{part}` is a value, not a table")))?;
    }
    here.insert(last.to_owned(), value);
    Ok(())
}

/// The line (from 1) on which a dotted key, or its nearest written parent, stands.
fn locate(text: &str, key: &str) -> Option<usize> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut found = None;
    for part in key.split('.') {
        let Some((name, value)) = table.iter().find(|(k, _)| k.get_ref().as_ref() == part) else { break };
        found = Some(line_of(text, name.span().start));
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => break,
        }
    }
    found
}

fn line_of(text: &str, byte: usize) -> usize {
    1 + text.as_bytes()[..byte.min(text.len())].iter().filter(|&&b| b == b'\n').count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, sets: &[&str]) -> Result<Source> {
        let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
        Source::parse(Path::new("shop.toml"), text.to_owned(), &sets)
    }

    #[test]
    fn overrides_win_and_keep_their_place() {
        let source =
            parse("[data]\npath = \"a.csv\"\n[sampler]\nchains = 4\n", &["sampler.chains=64", "output.dir=out/x"]);
        let source = source.expect("valid");
        assert_eq!(source.config.sampler.chains, 64);
        assert_eq!(source.config.output.dir.as_deref(), Some("out/x"));
        assert_eq!(source.place("sampler.chains"), "--set sampler.chains=64");
        assert_eq!(source.place("data.path"), "shop.toml:2");
        assert_eq!(source.place("predict.draws"), "shop.toml");
    }

    #[test]
    fn errors_name_the_line_or_the_override() {
        let unknown =
            parse("[data]\npath = \"a.csv\"\n[sampler]\nchain = 4\n", &[]).expect_err("unknown key").to_string();
        assert!(unknown.starts_with("shop.toml:4: unknown field `chain`"), "{unknown}");
        let kind = parse("[data]\npath = \"a.csv\"\nkind = \"orders\"\n", &["sampler.chains=2"])
            .expect_err("kind")
            .to_string();
        assert!(kind.starts_with("shop.toml:3:"), "{kind}");
        let set = parse("[data]\npath = \"a.csv\"\n", &["sampler.chain=4"]).expect_err("unknown key").to_string();
        assert!(set.starts_with("--set sampler.chain=4: unknown field"), "{set}");
        let shape = parse("[data]\npath = \"a.csv\"\n", &["chains"]).expect_err("no =").to_string();
        assert!(shape.contains("key=value"), "{shape}");
        let syntax = parse("[data]\npath = \n", &[]).expect_err("syntax").to_string();
        assert!(syntax.starts_with("shop.toml:2:"), "{syntax}");
    }

    #[test]
    fn the_schema_describes_every_section() {
        let schema = json_schema();
        for section in ["data", "groups", "purchase", "spend", "compute", "sampler", "diagnose", "predict", "output"] {
            assert!(schema["properties"][section].is_object(), "{section}");
        }
    }
}
