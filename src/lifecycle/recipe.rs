//! How a model is made, whoever asks: a configuration, put to some windows and a folder under `runs/`. A project's own configuration is
//! one; the one that a model card carries is another.

use std::path::PathBuf;

use chrono::NaiveDate;
use sha2::{Digest, Sha256};

use super::Project;
use super::fit::{Windows, in_work};
use super::today::window_end;
use crate::config::{OutputSection, Source};
use crate::error::{Error, Result};

/// A configuration without its cutoff.
#[derive(Debug, Clone)]
pub(super) struct Recipe<'a> {
    project: &'a Project,
    path: PathBuf,
    text: String,
    sets: Vec<String>,
}

impl<'a> Recipe<'a> {
    /// The project's own.
    pub fn of(project: &'a Project) -> Result<Self> {
        let source = project.source(&[])?;
        Ok(Self { project, path: project.path(super::project::CONFIG), text: text_of(&source)?, sets: Vec::new() })
    }

    /// One that a card carries, with overrides.
    pub fn from_card(project: &'a Project, card: PathBuf, config: &str, sets: &[String]) -> Self {
        Self { project, path: card, text: config.to_owned(), sets: sets.to_vec() }
    }

    /// The same with more keys overridden.
    pub fn with(&self, sets: impl IntoIterator<Item = String>) -> Self {
        let mut recipe = self.clone();
        recipe.sets.extend(sets);
        recipe
    }

    /// The configuration of a run with these windows in `runs/<name>`. Where the data reach to the end of the prediction window, that
    /// window is its holdout.
    pub fn source(&self, windows: &Windows, name: &str, last_date: NaiveDate) -> Result<Source> {
        let mut sets = self.sets.clone();
        sets.extend(windows.sets()?);
        let end = window_end(windows.cutoff, windows.prediction_months)?;
        if end <= last_date {
            sets.push(format!("data.holdout_end={end}"));
        }
        sets.push(in_work(self.project, name));
        Source::parse(&self.path, self.text.clone(), &sets)
    }
}

/// The configuration of a run as a card carries it: complete, without the folder it happened to be made in.
pub(super) fn text_of(source: &Source) -> Result<String> {
    let mut config = source.config.clone();
    config.lifecycle = None;
    config.output = OutputSection { dir: None, title: config.output.title };
    toml::to_string_pretty(&config).map_err(|e| Error::new("could not write the configuration as TOML").because(e))
}

/// A digest of what makes a model, in 8 hexadecimal digits: configuration (wherever the data lie), data, program.
pub(super) fn digest(source: &Source, data_digest: &str, program: &str) -> Result<String> {
    let mut config = source.config.clone();
    config.lifecycle = None;
    config.output = OutputSection::default();
    config.data.path = crate::config::OneOrMany::One(String::new());
    config.data.forget = None;
    config.data.holdout_end = None;
    let config =
        toml::to_string(&config).map_err(|e| Error::new("could not write the configuration as TOML").because(e))?;
    let digest = Sha256::digest(format!("{config}\n{data_digest}\n{program}"));
    Ok(digest.iter().take(4).map(|byte| format!("{byte:02x}")).collect())
}
