//! The models of a project: one immutable folder each, and the two names that move, champion and challenger.

use std::fs;
use std::path::PathBuf;

use chrono::NaiveDate;

use super::card::Card;
use super::ledger::{LEDGER_FILE, Ledger};
use super::project::{read_json, write};
use super::state::State;
use super::{CARD_FILE, Project};
use crate::error::{Error, Result};
use crate::run::RunDir;

/// A name that moves from model to model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alias {
    /// The model that scores.
    Champion,
    /// The newest model that does not.
    Challenger,
}

impl Alias {
    /// Its file, and how people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Champion => "champion",
            Self::Challenger => "challenger",
        }
    }
}

impl Project {
    /// A model's folder.
    pub fn model_folder(&self, id: &str) -> PathBuf {
        self.path("models").join(id)
    }

    /// Every model's id, oldest cutoff first.
    ///
    /// # Errors
    /// A folder that cannot be listed.
    pub fn models(&self) -> Result<Vec<String>> {
        let folder = self.path("models");
        let entries = match fs::read_dir(&folder) {
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(|e| Error::io("list the models", &folder, e))?,
        };
        let mut ids: Vec<String> = entries
            .flatten()
            .filter(|entry| entry.path().join(CARD_FILE).exists())
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| !name.ends_with(".partial"))
            .collect();
        ids.sort();
        Ok(ids)
    }

    /// A model's card.
    ///
    /// # Errors
    /// No model of that name.
    pub fn card(&self, id: &str) -> Result<Card> {
        let path = self.model_folder(id).join(CARD_FILE);
        let plain = !id.is_empty() && !id.contains(['/', '\\']) && !id.starts_with('.');
        let card = if plain { read_json(&path)? } else { None };
        let known = self.models()?;
        card.ok_or_else(|| {
            Error::new("there is no such model").at(self.path("models").display()).seen(format!("{id:?}")).advice(
                match known.is_empty() {
                    true => "train one with `longrun train`".to_owned(),
                    false => format!("models are {}", known.join(", ")),
                },
            )
        })
    }

    /// The model that a person means: an id, its unmistakable beginning, `champion` or `challenger`.
    ///
    /// # Errors
    /// None such, or several.
    pub fn resolve(&self, wanted: &str) -> Result<String> {
        for alias in [Alias::Champion, Alias::Challenger] {
            if wanted == alias.name() {
                return self.alias(alias)?.ok_or_else(|| {
                    Error::new(format!("there is no {wanted} yet"))
                        .at(self.root().display())
                        .advice("`longrun train` makes a challenger, `longrun promote` a champion of it")
                });
            }
        }
        let fitting: Vec<String> = self.models()?.into_iter().filter(|id| id.starts_with(wanted)).collect();
        match &fitting[..] {
            [one] if !wanted.is_empty() => Ok(one.clone()),
            [] | [_] => self.card(wanted).map(|card| card.id),
            several => Err(Error::new("several models begin so").seen(wanted).advice(several.join(", "))),
        }
    }

    /// A model's fit, opened.
    ///
    /// # Errors
    /// Draws that are gone: pruned, or never there.
    pub fn model_run(&self, id: &str) -> Result<RunDir> {
        let folder = self.model_folder(id).join("run");
        if !folder.join("draws/manifest.json").exists() {
            return Err(Error::new("the model's draws are gone")
                .at(folder.display())
                .advice(format!("`longrun reproduce {id} --keep` makes them again from the model's card")));
        }
        RunDir::open(&folder)
    }

    /// The ledger, verified: every row follows from the one before, and none is missing that this project knows of.
    ///
    /// # Errors
    /// A ledger that was rewritten or cut.
    pub fn ledger(&self) -> Result<Ledger> {
        let ledger = Ledger::open(&self.path(LEDGER_FILE))?;
        if let Some(head) = State::read(self)?.ledger_head {
            ledger.must_contain(&head)?;
        }
        Ok(ledger)
    }

    /// The model that an alias names. The champion is the ledger's: its file in `models/` is for people and other programs.
    ///
    /// # Errors
    /// A ledger that does not hold.
    pub fn alias(&self, alias: Alias) -> Result<Option<String>> {
        match alias {
            Alias::Champion => Ok(self.ledger()?.champion().map(str::to_owned)),
            Alias::Challenger => {
                let path = self.path("models/challenger");
                let text = match fs::read_to_string(&path) {
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
                    text => text.map_err(|e| Error::io("read", &path, e))?,
                };
                let id = text.trim().to_owned();
                Ok((!id.is_empty() && self.model_folder(&id).exists()).then_some(id))
            }
        }
    }

    /// Writes an alias's file; none removes it.
    pub(super) fn set_alias(&self, alias: Alias, id: Option<&str>) -> Result<()> {
        let path = self.path("models").join(alias.name());
        match id {
            Some(id) => write(&path, format!("{id}\n").as_bytes()),
            None => match fs::remove_file(&path) {
                Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", &path, e)),
                _ => Ok(()),
            },
        }
    }

    /// The champion's card.
    ///
    /// # Errors
    /// No champion.
    pub fn champion(&self) -> Result<Card> {
        self.card(&self.resolve(Alias::Champion.name())?)
    }

    /// The champion that may predict from `cutoff` on: the last of the ledger who knows nothing of later days.
    ///
    /// # Errors
    /// No champion yet, or none that does not know later days.
    pub fn champion_at(&self, cutoff: NaiveDate) -> Result<Card> {
        let ledger = self.ledger()?;
        let known = ledger.rows().iter().rev().find(|row| row.entry.cutoff <= cutoff);
        match (known, ledger.champion()) {
            (Some(row), _) => self.card(&row.entry.model_id),
            (None, None) => self.champion(),
            (None, Some(champion)) => Err(Error::new(
                "every champion has learned from days after this cutoff: its predictions would be \
                 memories",
            )
            .at("--cutoff")
            .seen(format!("{cutoff}, {champion} is the champion"))
            .advice("score a later cutoff, or train and promote a model at this one")),
        }
    }
}
