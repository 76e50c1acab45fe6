//! Makes a model the champion: compared with the one that is, on the same customers, and written into the ledger. Only a person does this.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Project;
use super::card::{Card, Evaluated};
use super::evaluate::outcomes_of;
use super::fit::{Windows, fitted, summarized};
use super::ledger::{Action, Entry, Row};
use super::models::Alias;
use super::predictions::Outcomes;
use super::recipe::Recipe;
use super::state::State;
use crate::error::{Error, Result};
use crate::evaluate::{Difference, Metric, blocks, paired};
use crate::run::{Log, Observer};

/// A model against the champion, on the customers and the window of the model's evaluation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// The champion.
    pub champion: String,
    /// The model that may follow it.
    pub challenger: String,
    /// Last day that both knew when predicting.
    #[schemars(with = "String")]
    pub cutoff: NaiveDate,
    /// Whether the champion's own draws predicted; otherwise its configuration was fitted anew at the cutoff, since the champion has
    /// seen later days.
    pub of_champion: Evaluated,
    /// Customers that both predicted.
    pub customers: u64,
    /// Differences, challenger less champion, each with an interval for the same customers.
    pub measures: Vec<Difference>,
}

/// What a promotion did.
#[derive(Debug)]
pub struct Promotion {
    /// The row of the ledger.
    pub row: Row,
    /// Against the champion before, if there was one and they could be compared.
    pub comparison: Option<Comparison>,
    /// Why there is no comparison.
    pub not_compared: Option<String>,
    /// Whether the model was champion already.
    pub was_champion: bool,
}

/// How a promotion is asked for.
#[derive(Debug, Clone, Default)]
pub struct PromoteSettings {
    /// A sentence for the ledger.
    pub note: String,
    /// Take a model without an evaluation out of time, which then has no baseline to be watched against.
    pub without_baseline: bool,
    /// Whether this goes back to an earlier champion.
    pub rollback: bool,
}

/// Moves the champion to `id`.
///
/// # Errors
/// No such model; one without a baseline, unless that is accepted; a ledger that does not hold.
pub fn promote(project: &Project, id: &str, settings: &PromoteSettings, observer: &dyn Observer) -> Result<Promotion> {
    let card = project.card(id)?;
    let ledger = project.ledger()?;
    let before = ledger.champion().map(str::to_owned);
    if before.as_deref() == Some(id) {
        let row = ledger.rows().last().cloned().ok_or_else(|| Error::new("the ledger is empty"))?;
        settle(project, &row)?;
        return Ok(Promotion { row, comparison: None, not_compared: None, was_champion: true });
    }
    if card.evaluation.is_none() && !settings.without_baseline {
        return Err(Error::new("the model has no evaluation out of time, so nothing could be watched against it")
            .at(id)
            .seen(card.evaluation_missing.as_deref().unwrap_or("its card does not say why"))
            .advice("train at an earlier --cutoff, shorten lifecycle.prediction_months, or accept it with --without-baseline"));
    }
    project.model_run(id)?;
    let (comparison, not_compared) = match &before {
        None => (None, Some("there was no champion before".to_owned())),
        Some(champion) => match compare(project, champion, &card, observer)? {
            Ok(comparison) => (Some(comparison), None),
            Err(why) => (None, Some(why)),
        },
    };
    let mut ledger = ledger;
    let row = ledger.append(&entry(&card, comparison.as_ref(), settings)?, project.today.moment)?.clone();
    settle(project, &row)?;
    Ok(Promotion { row, comparison, not_compared, was_champion: false })
}

/// What follows from the ledger's last row: the aliases and the project's memory of it. Done again after a kill, it comes to the same.
fn settle(project: &Project, row: &Row) -> Result<()> {
    project.set_alias(Alias::Champion, Some(&row.entry.model_id))?;
    if project.alias(Alias::Challenger)?.as_ref() == Some(&row.entry.model_id) {
        project.set_alias(Alias::Challenger, None)?;
    }
    let mut state = State::read(project)?;
    state.ledger_head = Some(row.hash.clone());
    state.write(project)
}

/// The champion before the one that is.
///
/// # Errors
/// Fewer than two champions so far.
pub fn previous_champion(project: &Project) -> Result<String> {
    let ledger = project.ledger()?;
    let now = ledger.champion().map(str::to_owned);
    ledger.rows().iter().rev().map(|row| &row.entry.model_id).find(|id| Some(*id) != now.as_ref()).cloned().ok_or_else(
        || {
            Error::new("there is no earlier champion to go back to")
                .at(project.path(super::ledger::LEDGER_FILE).display())
        },
    )
}

/// Compares a model with the champion on the customers of the model's evaluation; or why they cannot be.
///
/// # Errors
/// Whatever fitting or predicting fails with.
pub fn compare(
    project: &Project,
    champion: &str,
    challenger: &Card,
    observer: &dyn Observer,
) -> Result<Result<Comparison, String>> {
    let Some(evaluation) = &challenger.evaluation else {
        return Ok(Err(format!("{} has no evaluation out of time", challenger.id)));
    };
    let card = project.card(champion)?;
    let cutoff = evaluation.cutoff;
    let log = project.log(false, observer)?;
    let rival = predicted(project, &card, cutoff, challenger.prediction_months, &log, observer)?;
    let own = predicted(project, challenger, cutoff, challenger.prediction_months, &log, observer)?;
    let ((a, own_in_spend, _), (b, rival_in_spend, of_champion)) = match (own, rival) {
        (Ok(own), Ok(rival)) => (own, rival),
        (Err(why), _) | (_, Err(why)) => return Ok(Err(why)),
    };
    if own_in_spend != rival_in_spend {
        return Ok(Err("one of the models predicts money, the other purchases".to_owned()));
    }
    if a.predictions.customer_id != b.predictions.customer_id {
        return Ok(Err("the models predict different customers".to_owned()));
    }
    let block = blocks(&a.predictions.customer_id);
    let months = challenger.prediction_months;
    let measures =
        paired(&b.judged(&block, months, own_in_spend), &a.judged(&block, months, own_in_spend))?.differences;
    Ok(Ok(Comparison {
        champion: champion.to_owned(),
        challenger: challenger.id.clone(),
        cutoff,
        of_champion,
        customers: a.actual_value.len() as u64,
        measures,
    }))
}

type Predicted = Result<(Outcomes, bool, Evaluated), String>;

/// What a model predicts at a cutoff and what happened: by its own draws where it knows nothing later, else by its configuration fitted
/// anew there.
fn predicted(
    project: &Project,
    card: &Card,
    cutoff: NaiveDate,
    months: u32,
    log: &Log,
    observer: &dyn Observer,
) -> Result<Predicted> {
    let windows = Windows { cutoff, calibration_months: card.calibration_months, prediction_months: months };
    let path = project.model_folder(&card.id).join(super::CARD_FILE);
    let data = format!("data.path={}", serde_json::Value::from(project.plan.data.paths.clone()));
    let recipe = Recipe::from_card(project, path, &card.config, &[data]);
    let name = format!("compare-{cutoff}-{}-{}", card.id, log.key);
    let source = recipe.source(&windows, &name, log.last_date)?;
    let own = card.cutoff <= cutoff;
    let dir = if own {
        summarized(project, &name, &source, log, observer)?
    } else {
        observer.note(&format!("{} has seen days after {cutoff}: fitting its configuration there", card.id));
        fitted(project, &name, &source, log, observer)?
    };
    if !dir.has("holdout.parquet") {
        return Ok(Err(format!("the data do not reach {months} months beyond {cutoff}")));
    }
    let (outcomes, of) = if own {
        let model = match project.model_run(&card.id) {
            Ok(model) => model,
            Err(gone) => return Ok(Err(gone.to_string())),
        };
        (outcomes_of(&dir, &model, observer)?, Evaluated::ThisModel)
    } else {
        (outcomes_of(&dir, &dir, observer)?, Evaluated::OneWindowEarlier)
    };
    drop(dir);
    project.forget_work(&name)?;
    let in_spend = card.fits.iter().any(|fit| fit.fit == crate::run::SPEND);
    Ok(Ok((outcomes, in_spend, of)))
}

fn entry(card: &Card, comparison: Option<&Comparison>, settings: &PromoteSettings) -> Result<Entry> {
    let measure = |metric: Metric| card.evaluation.as_ref().map(|e| e.accuracy.get(metric)).unwrap_or_default();
    let rmse = measure(Metric::Rmse);
    let model = |fit: &str| card.fits.iter().find(|f| f.fit == fit).map(|f| f.model.clone());
    let comparison = comparison
        .map(serde_json::to_value)
        .transpose()
        .map_err(|e| Error::new("could not write the comparison as JSON").because(e))?;
    Ok(Entry {
        action: if settings.rollback { Action::Rollback } else { Action::Promote },
        model_id: card.id.clone(),
        cutoff: card.cutoff,
        calibration_months: card.calibration_months,
        prediction_months: card.prediction_months,
        purchase_model: model(crate::run::PURCHASE).unwrap_or_default(),
        spend_model: model(crate::run::SPEND),
        groups: card.data.group_column.clone(),
        rmse: rmse.value,
        rmse_low: rmse.low,
        rmse_high: rmse.high,
        r2: measure(Metric::R2).value,
        gini_normalized: measure(Metric::GiniNormalized).value,
        verdict: card.diagnostics.verdict.clone(),
        data_digest: card.data.fingerprint.digest.clone(),
        code: card.program.clone(),
        note: settings.note.clone(),
        comparison,
    })
}
