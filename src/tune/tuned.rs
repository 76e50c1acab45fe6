//! The tuned configuration as text: the user's own, comments and all, with the changed lines. Their file is never touched.

use toml::de::{DeTable, DeValue};

use crate::advise::{Allowed, Bounds, Change, allowed, toml_text};
use crate::config::{ClvConfig, Source};
use crate::error::{Error, Result};

/// The keys to write for some changes, in the order in which they came; the last word on a key counts. Coordinates of single parameters
/// become one table.
pub(super) fn assignments(changes: &[Change]) -> Vec<(String, String)> {
    let mut out: Vec<(String, String)> = Vec::new();
    let mut put = |key: String, value: String| {
        out.retain(|(known, _)| *known != key);
        out.push((key, value));
    };
    for section in ["purchase", "spend"] {
        let all = format!("{section}.hierarchy.centring");
        let mut each: Vec<(&str, String)> = Vec::new();
        for change in changes.iter().filter(|c| c.key.starts_with(&all)) {
            match change.key[all.len()..].strip_prefix('.') {
                None => each.clear(),
                Some(name) => {
                    each.retain(|(known, _)| *known != name);
                    each.push((name, change.to.to_string()));
                }
            }
        }
        if !each.is_empty() {
            let inside: Vec<String> = each.into_iter().map(|(name, word)| format!("{name} = {word}")).collect();
            put(all, format!("{{ {} }}", inside.join(", ")));
        }
    }
    let tables: Vec<String> = out.iter().map(|(key, _)| key.clone()).collect();
    let mut put = |key: String, value: String| {
        out.retain(|(known, _)| *known != key);
        out.push((key, value));
    };
    for change in changes.iter().filter(|c| !tables.iter().any(|table| c.key.starts_with(table.as_str()))) {
        put(change.key.clone(), toml_text(&change.key, &change.to));
    }
    out
}

/// The configuration in `source` with some changes, as text.
///
/// # Errors
/// A configuration that the changes do not fit.
pub fn tuned_text(text: &str, source: &Source, changes: &[Change]) -> Result<String> {
    let meant = with_changes(&source.config, changes)?;
    let mut lines = text.to_owned();
    for (key, value) in assignments(changes) {
        let why = changes.iter().rev().find(|c| c.key.starts_with(&key)).map_or("", |c| c.why.as_str());
        let is_table = matches!(allowed(&key), Some(Allowed { bounds: Bounds::Default, .. }));
        lines = put_line(&lines, &key, &value, why, is_table);
    }
    // A layout that single lines cannot be put into (tables written inline, --set overrides) is written anew, without its comments.
    if toml::from_str::<ClvConfig>(&lines).is_ok_and(|read| read == meant) {
        return Ok(format!("# Written by `longrun tune`; lines that it changed say why.\n{lines}"));
    }
    let written =
        toml::to_string_pretty(&meant).map_err(|e| Error::new("could not write the tuned configuration").because(e))?;
    let mut head =
        String::from("# Written by `longrun tune`, anew and without the comments of the original. Changed:\n");
    changes.iter().for_each(|c| head.push_str(&format!("#   {} = {}: {}\n", c.key, toml_text(&c.key, &c.to), c.why)));
    Ok(format!("{head}\n{written}"))
}

fn with_changes(config: &ClvConfig, changes: &[Change]) -> Result<ClvConfig> {
    let failed = |e: String| Error::new("the changes do not fit the configuration").seen(e);
    let mut table = toml::Table::try_from(config).map_err(|e| failed(e.to_string()))?;
    for (key, value) in assignments(changes) {
        let parsed: toml::Table = toml::from_str(&format!("v = {value}")).map_err(|e| failed(e.to_string()))?;
        let mut here = &mut table;
        let mut parts: Vec<&str> = key.split('.').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            let next = here.entry(part).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            here = next.as_table_mut().ok_or_else(|| failed(format!("`{part}` is a value")))?;
        }
        here.extend(parsed.into_iter().map(|(_, value)| (last.to_owned(), value)));
    }
    table.try_into().map_err(|e: toml::de::Error| failed(e.message().to_owned()))
}

/// The text with `key = value`: in place where the key is written, under its table where that is, else under a new one.
fn put_line(text: &str, key: &str, value: &str, why: &str, is_table: bool) -> String {
    let comment = if why.is_empty() { String::new() } else { format!("    # longrun tune: {why}") };
    if let Some((from, to)) = value_span(text, key) {
        if is_table {
            return without_table(text, key, &comment);
        }
        let end = text[to..].find('\n').map_or(text.len(), |n| to + n);
        return format!("{}{value}{comment}{}", &text[..from], &text[end..]);
    }
    if is_table {
        return text.to_owned();
    }
    let (table, last) = key.rsplit_once('.').unwrap_or(("", key));
    let header = format!("[{table}]");
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        at += line.len();
        if line.split('#').next().unwrap_or_default().trim() == header {
            let gap = if line.ends_with('\n') { "" } else { "\n" };
            return format!("{}{gap}{last} = {value}{comment}\n{}", &text[..at], &text[at..]);
        }
    }
    let gap = if text.is_empty() || text.ends_with('\n') { "" } else { "\n" };
    format!("{text}{gap}\n{header}\n{last} = {value}{comment}\n")
}

/// Takes the lines of the table `[key]` out, up to the next header.
fn without_table(text: &str, key: &str, comment: &str) -> String {
    let header = format!("[{key}]");
    let (mut out, mut inside) = (String::new(), false);
    for line in text.split_inclusive('\n') {
        let bare = line.split('#').next().unwrap_or_default().trim();
        if bare.starts_with('[') {
            inside = bare == header;
            if inside {
                out.push_str(&format!("#{header} taken out{}\n", comment.trim_end()));
                continue;
            }
        }
        if !inside {
            out.push_str(line);
        }
    }
    out
}

/// Where the value of a key stands, from and to byte.
fn value_span(text: &str, key: &str) -> Option<(usize, usize)> {
    let document = DeTable::parse(text).ok()?;
    let mut table = document.get_ref();
    let mut parts = key.split('.').peekable();
    while let Some(part) = parts.next() {
        let (_, value) = table.iter().find(|(k, _)| k.get_ref().as_ref() == part)?;
        if parts.peek().is_none() {
            return Some((value.span().start, value.span().end));
        }
        match value.get_ref() {
            DeValue::Table(inner) => table = inner,
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::{Value, json};

    use super::*;

    fn change(key: &str, to: Value) -> Change {
        let (rule, why) = ("r".to_owned(), "because".to_owned());
        Change { cycle: 1, rule, key: key.to_owned(), from: Value::Null, to, why }
    }

    /// The tuned text says what the changes say and keeps these lines.
    #[track_caller]
    fn tunes(text: &str, changes: &[Change], keeps: &[&str]) {
        let source = Source::parse(Path::new("a.toml"), text.to_owned(), &[]).unwrap();
        let tuned = tuned_text(text, &source, changes).unwrap();
        let read: ClvConfig = toml::from_str(&tuned).unwrap();
        assert_eq!(read, with_changes(&source.config, changes).unwrap(), "{tuned}");
        for line in keeps {
            assert!(tuned.contains(line), "{line:?} is not in\n{tuned}");
        }
    }

    #[test]
    fn the_users_text_stays_but_for_the_changed_lines() {
        let text = "# my shop\n[data]\npath = \"a.csv\" # the log\n\n[sampler]\ndraws = 30   # quick\n\n[purchase.priors]\nr = { dist = \"half_normal\", scale = 9.0 }\n[spend]\nmodel = \"auto\"\n";
        let changes = [
            change("sampler.draws", json!(1000)),
            change("sampler.chains", json!(4)),
            change("sampler.draws", json!(1500)),
            change("purchase.priors", json!("default")),
            change("data.time_unit", json!("week")),
        ];
        let keeps = [
            "# my shop\n",
            "path = \"a.csv\" # the log\n",
            "draws = 1500    # longrun tune: because\n",
            "chains = 4    # longrun tune: because\n",
            "time_unit = \"week\"",
            "#[purchase.priors] taken out",
            "model = \"auto\"\n",
        ];
        tunes(text, &changes, &keeps);
    }

    #[test]
    fn tables_that_are_missing_or_written_inline_are_made() {
        let bare = "data = { path = \"a.csv\" }";
        tunes(bare, &[change("sampler.target_accept", json!(0.95))], &["[sampler]\ntarget_accept = 0.95"]);
        tunes(bare, &[change("data.time_unit", json!("day"))], &["time_unit = \"day\"", "anew"]);
        let grouped = "[data]\npath = \"a.csv\"\n[purchase.hierarchy]\ncentring = \"centred\"\n";
        let changes = [
            change("purchase.hierarchy.centring", json!("auto")),
            change("purchase.hierarchy.centring.rate", json!("non_centred")),
            change("purchase.hierarchy.sigma.rate", json!(0.25)),
        ];
        tunes(
            grouped,
            &changes,
            &["centring = { rate = \"non_centred\" }", "rate = { dist = \"half_normal\", scale = 0.25 }"],
        );
    }
}
