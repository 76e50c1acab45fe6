//! Which earlier model a training begins from, found or given up. Whether a fit may begin there is `run`'s to say.

use super::Project;
use super::card::Card;
use crate::error::{Error, Result};
use crate::run::WarmSource;

/// Which earlier model a training begins from. A model is named by its id, the beginning of it, `champion` or `challenger`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum WarmStart {
    /// From none: the posterior is sought anew.
    #[default]
    No,
    /// From this one; where that makes no sense, training is refused with the reason.
    From(String),
    /// From this one; where that makes no sense, or the fit is refused by its diagnostics, from none, and the card says why. For work
    /// that nobody watches.
    IfPossible(String),
}

/// What a model in the making begins from.
#[derive(Debug, Clone)]
pub(super) enum Beginning {
    /// Nothing; and why, where an earlier model was wanted.
    Cold(Option<String>),
    /// What an earlier model, or the making of this one before, left.
    Warm {
        /// It.
        source: Box<WarmSource>,
        /// Whether nothing else will do.
        must: bool,
    },
}

/// The file of a model's folder with what it was begun from: kept beside the card, so that the model can be made again when its draws, and
/// the earlier model, are gone.
pub(super) const GIVEN: &str = "warm_start.json";

impl Beginning {
    /// As wished; and the model's card, where one is meant.
    ///
    /// # Errors
    /// A model that is not there or has nothing to begin from, where it must.
    pub fn of(project: &Project, wish: &WarmStart) -> Result<(Self, Option<Card>)> {
        let read = |wanted: &str| -> Result<(Box<WarmSource>, Card)> {
            let card = project.card(&project.resolve(wanted)?)?;
            let source = WarmSource::read(&project.model_folder(&card.id), &card.id)?;
            Ok((Box::new(source), card))
        };
        match wish {
            WarmStart::No => Ok((Self::Cold(None), None)),
            WarmStart::From(wanted) => {
                let (source, card) = read(wanted)?;
                Ok((Self::Warm { source, must: true }, Some(card)))
            }
            WarmStart::IfPossible(wanted) => Ok(match read(wanted) {
                Ok((source, card)) => (Self::Warm { source, must: false }, Some(card)),
                Err(e) => (Self::Cold(Some(e.to_string())), None),
            }),
        }
    }

    /// As a model was begun when it was made.
    ///
    /// # Errors
    /// What it was begun from is gone, or is something else.
    pub fn again(project: &Project, card: &Card) -> Result<Self> {
        let Some(warm) = &card.warm_start else { return Ok(Self::Cold(card.cold_because.clone())) };
        let folder = project.model_folder(&card.id);
        let given = WarmSource::given_to(&folder, Some(warm))?;
        let gone = || Error::new("what the model was begun from is gone").at(folder.join(GIVEN).display());
        Ok(Self::Warm { source: Box::new(given.ok_or_else(gone)?), must: true })
    }
}
