//! Makes a model again from its card alone, and compares: same program, same data, same figures. On the same machine and backend the draws
//! are equal to the last bit; elsewhere figures must agree within Monte Carlo error. What differs is named.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::card::{Card, Evaluated, PosteriorRow};
use super::fit::Windows;
use super::project::copy_folder;
use super::recipe::Recipe;
use super::train::{Making, Trained};
use super::warm::Beginning;
use crate::error::Result;
use crate::evaluate::Metric;
use crate::run::Observer;
use crate::version::code_version;

/// How close a reproduction came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// Every draw is equal to the last bit.
    Identical,
    /// Figures agree within Monte Carlo error.
    WithinError,
    /// Some figure differs by more than that.
    Mismatch,
    /// The data are others: nothing was fitted.
    OtherData,
    /// The diagnostics refuse the fit that was made.
    Refused,
}

/// What a reproduction found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reproduction {
    /// The model.
    pub id: String,
    /// How close it came.
    pub outcome: Match,
    /// Inputs that differ from the card's, in words: program, data, machine.
    pub differences: Vec<String>,
    /// Figures that were compared.
    pub figures: Vec<FigureRow>,
}

impl Reproduction {
    /// Whether the model could be made again.
    pub fn is_match(&self) -> bool {
        matches!(self.outcome, Match::Identical | Match::WithinError)
    }
}

/// One figure, then and now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FigureRow {
    /// What it is.
    pub name: String,
    /// What the card says.
    pub then: Option<f64>,
    /// What came now.
    pub now: Option<f64>,
    /// The difference that Monte Carlo error explains.
    pub allowed: f64,
    /// Whether the difference is larger.
    pub differs: bool,
}

/// Standard errors of a difference that chance explains: among a few dozen figures one in a thousand reaches it.
const STANDARD_ERRORS: f64 = 4.5;

/// Share by which a figure of accuracy may differ between posteriors that agree: it is a function of some hundred thinned draws.
const ACCURACY_SHARE: f64 = 0.02;

/// Reproduces `id`. With `anyway`, other data do not stop it; with `keep`, draws that were pruned are put back where they are equal.
///
/// # Errors
/// No such model; whatever a run fails with.
pub fn reproduce(
    project: &Project,
    id: &str,
    anyway: bool,
    keep: bool,
    observer: &dyn Observer,
) -> Result<Reproduction> {
    let card = project.card(id)?;
    let path = project.model_folder(id).join(super::CARD_FILE);
    // Where the log lies is the project's matter; what is in it, the card's.
    let data = format!("data.path={}", serde_json::Value::from(project.plan.data.paths.clone()));
    let recipe = Recipe::from_card(project, path, &card.config, &[data]);
    let windows = Windows {
        cutoff: card.cutoff,
        calibration_months: card.calibration_months,
        prediction_months: card.prediction_months,
    };
    // Trusting no table that was read before: a line may have been altered behind its file's date.
    let log = project.log(true, observer)?;
    let fingerprint = log.table.fingerprint(card.cutoff)?;
    let mut differences = program_differences(&card);
    let others = card.data.fingerprint.differences(&fingerprint);
    let mut same_data = others.is_empty();
    differences.extend(others.into_iter().map(|text| format!("data: {text}")));
    let evaluated = card.evaluation.as_ref().map(|e| e.of);
    if let Some(evaluation) = card.evaluation.as_ref().filter(|e| same_data && e.of == Evaluated::ThisModel)
        && log.table.fingerprint(evaluation.window_end)?.digest != evaluation.data_digest
    {
        same_data = false;
        differences.push(format!(
            "data: purchases of the evaluation, between {} and {}, are not those of then",
            card.cutoff, evaluation.window_end
        ));
    }
    if !same_data && !anyway {
        return Ok(Reproduction { id: id.to_owned(), outcome: Match::OtherData, differences, figures: Vec::new() });
    }
    let begin = Beginning::again(project, &card)?;
    let made =
        Making { project, recipe: &recipe, windows, log: &log, fingerprint, begin, evaluated, observer }.make(false)?;
    let again = match made {
        Trained::Made(again) | Trained::Existed(again) => again,
        Trained::Refused { reasons, .. } => {
            differences.extend(reasons.into_iter().map(|reason| format!("the fit is refused: {reason}")));
            return Ok(Reproduction { id: id.to_owned(), outcome: Match::Refused, differences, figures: Vec::new() });
        }
    };
    if (&card.compute.machine, &card.compute.backend, &card.compute.adapter)
        != (&again.compute.machine, &again.compute.backend, &again.compute.adapter)
    {
        differences.push(format!(
            "machine: {} on {}, now {} on {}",
            card.compute.backend,
            card.compute.adapter.as_deref().unwrap_or(&card.compute.machine),
            again.compute.backend,
            again.compute.adapter.as_deref().unwrap_or(&again.compute.machine),
        ));
    }
    let digests = |card: &Card| card.fits.iter().map(|fit| fit.draws_sha256.clone()).collect::<Vec<_>>();
    let identical = digests(&card) == digests(&again);
    let figures = figures(&card, &again);
    let outcome = match (identical, figures.iter().any(|row| row.differs)) {
        (_, true) => Match::Mismatch,
        (true, _) => Match::Identical,
        (false, _) => Match::WithinError,
    };
    if keep && identical {
        restore(project, id, &again)?;
    }
    forget(project, &again)?;
    Ok(Reproduction { id: id.to_owned(), outcome, differences, figures })
}

fn program_differences(card: &Card) -> Vec<String> {
    let (then, now) = (&card.program, code_version());
    let mut out = Vec::new();
    if then.version != now.version {
        out.push(format!("program: longrun {} then, {} now", then.version, now.version));
    }
    let commit = |commit: &Option<String>| commit.clone().unwrap_or_else(|| "unknown".to_owned());
    if then.commit != now.commit {
        out.push(format!("program: commit {} then, {} now", commit(&then.commit), commit(&now.commit)));
    }
    if then.dirty == Some(true) || now.dirty == Some(true) {
        let when = match (then.dirty, now.dirty) {
            (Some(true), Some(true)) => "then and now",
            (Some(true), _) => "then",
            _ => "now",
        };
        out.push(format!("program: built from a tree with uncommitted changes {when}"));
    }
    out
}

/// Everything that both cards say in figures.
fn figures(then: &Card, now: &Card) -> Vec<FigureRow> {
    let mut rows = Vec::new();
    for fit in &then.fits {
        let again = now.fits.iter().find(|other| other.fit == fit.fit);
        for row in &fit.posterior {
            let other: Option<&PosteriorRow> = again.and_then(|fit| fit.posterior.iter().find(|p| p.name == row.name));
            let error = |p: Option<&PosteriorRow>| p.and_then(|p| p.mcse).unwrap_or(0.0);
            let allowed = STANDARD_ERRORS * error(Some(row)).hypot(error(other));
            rows.push(figure(format!("{} {}", fit.fit, row.name), row.mean, other.and_then(|p| p.mean), allowed));
        }
    }
    let accuracy = |card: &Card, metric: Metric| card.evaluation.as_ref().and_then(|e| e.accuracy.get(metric).value);
    for metric in [Metric::Rmse, Metric::R2, Metric::GiniNormalized, Metric::CalibrationSlope, Metric::Coverage90] {
        let (a, b) = (accuracy(then, metric), accuracy(now, metric));
        let allowed = ACCURACY_SHARE * a.unwrap_or(0.0).abs().max(0.05);
        rows.push(figure(format!("evaluation {}", metric.key()), a, b, allowed));
    }
    rows
}

fn figure(name: String, then: Option<f64>, now: Option<f64>, allowed: f64) -> FigureRow {
    let differs = match (then, now) {
        (Some(then), Some(now)) => (then - now).abs() > allowed + 1e-12 * then.abs(),
        (None, None) => false,
        _ => true,
    };
    FigureRow { name, then, now, allowed, differs }
}

/// Puts draws that were pruned back, equal as they are.
fn restore(project: &Project, id: &str, again: &Card) -> Result<()> {
    let draws = project.model_folder(id).join("run/draws");
    if draws.join("manifest.json").exists() {
        return Ok(());
    }
    copy_folder(&project.path(&format!("runs/train-{}/draws", again.id)), &draws)
}

fn forget(project: &Project, again: &Card) -> Result<()> {
    project.forget_work(&format!("train-{}", again.id))?;
    project.forget_work(&format!("backtest-{}", again.id))
}
