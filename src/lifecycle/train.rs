//! Makes a model at a cutoff: fitted, judged by its diagnostics, evaluated out of time, put into `models/` whole with its card. A fit that
//! the diagnostics refuse becomes no model.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use chrono::NaiveDate;

use super::card::{
    CARD_VERSION, Card, ComputeCard, DataCard, DiagnosticsCard, Evaluated, Evaluation, FitCard, PosteriorRow,
};
use super::evaluate::outcomes_of;
use super::fit::{Windows, fitted, fitted_warm};
use super::models::Alias;
use super::project::{copy_folder, keep, make_folder, write, write_json};
use super::recipe::{Recipe, digest, text_of};
use super::today::{cutoff_of_window, window_end};
use super::warm::{Beginning, GIVEN, WarmStart};
use super::{CARD_FILE, Project, card_markdown};
use crate::config::Backend;
use crate::data::{Fingerprint, Summary};
use crate::diagnose::{Diagnostics, Verdict};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::evaluate::ColumnReference;
use crate::model::{family, is_shared_dim};
use crate::run::{self, DataFacts, Log, Observer, RunDir, WarmSource};
use crate::version::code_version;

/// What came of a training.
#[derive(Debug)]
pub enum Trained {
    /// A new model, now the challenger.
    Made(Box<Card>),
    /// The same configuration, data and program made this model before.
    Existed(Box<Card>),
    /// The diagnostics refuse the fit: there is no model.
    Refused {
        /// Where the fit is.
        run: std::path::PathBuf,
        /// Why.
        reasons: Vec<String>,
    },
}

/// Least days of data before the cutoff of an evaluation one window earlier.
const LEAST_DAYS: i64 = 30;

/// Parameters that a card lists at most.
const MOST_PARAMETERS: usize = 60;

/// The part of a run that a model is: enough to predict with, to judge, and to see how it was made.
const KEPT: [&str; 8] = [
    "plan.toml",
    "config.toml",
    "facts.json",
    "diagnostics.json",
    "shrinkage.json",
    "sensitivity.json",
    "warm.json",
    GIVEN,
];

/// How a model is made, beside its configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrainOptions {
    /// Which earlier model its chains begin from.
    pub warm_start: WarmStart,
}

/// Trains at `cutoff`, by default the last day of the data.
///
/// # Errors
/// A cutoff outside the data, an earlier model that cannot be begun from, and whatever a run fails with. Interrupted work goes on where
/// it stopped.
pub fn train(
    project: &Project,
    cutoff: Option<NaiveDate>,
    options: &TrainOptions,
    observer: &dyn Observer,
) -> Result<Trained> {
    let log = project.log(false, observer)?;
    let cutoff = cutoff.unwrap_or(log.last_date);
    check_cutoff(&log, cutoff)?;
    let windows = Windows::of(project, cutoff);
    let fingerprint = log.table.fingerprint(cutoff)?;
    let recipe = Recipe::of(project)?;
    let (begin, earlier) = Beginning::of(project, &options.warm_start)?;
    if let Beginning::Cold(Some(why)) = &begin {
        observer.note(&format!("beginning cold: {why}"));
    }
    let making = Making { project, recipe: &recipe, windows, log: &log, fingerprint, begin, evaluated: None, observer };
    let made = match earlier {
        // Its name moved on to what was made of it: the same training, done again.
        Some(card) if making.is_of_the_same(&card)? => Trained::Existed(Box::new(card)),
        _ => making.make(true)?,
    };
    if let Trained::Made(card) | Trained::Existed(card) = &made {
        let champion = project.alias(Alias::Champion)?;
        if champion.as_ref() != Some(&card.id) {
            project.set_alias(Alias::Challenger, Some(&card.id))?;
        }
    }
    Ok(made)
}

fn check_cutoff(log: &Log, cutoff: NaiveDate) -> Result<()> {
    if cutoff > log.last_date || cutoff < log.first_date {
        return Err(Error::new("the cutoff must lie within the data")
            .at("--cutoff")
            .seen(cutoff)
            .advice(format!("the data run from {} to {}", log.first_date, log.last_date)));
    }
    Ok(())
}

/// All that a model is made of.
pub(super) struct Making<'a> {
    pub project: &'a Project,
    pub recipe: &'a Recipe<'a>,
    pub windows: Windows,
    pub log: &'a Log,
    pub fingerprint: Fingerprint,
    /// Where its chains begin.
    pub begin: Beginning,
    /// Whose predictions are to be evaluated; what the data allow when absent.
    pub evaluated: Option<Evaluated>,
    pub observer: &'a dyn Observer,
}

impl Making<'_> {
    /// Whether a model was made of the same configuration, data and program, whatever its chains began from.
    fn is_of_the_same(&self, card: &Card) -> Result<bool> {
        let source = self.recipe.source(&self.windows, "train", self.log.last_date)?;
        Ok(card.data.fingerprint.digest == self.fingerprint.digest
            && card.program == code_version()
            && card.config == text_of(&source)?)
    }

    /// The model's name when its chains begin so.
    fn id(&self, warm: Option<&WarmSource>) -> Result<String> {
        // The name of the work depends on what is made, so that work under way is never continued with other data.
        let nameless = self.recipe.source(&self.windows, "train", self.log.last_date)?;
        let of_program = serde_json::to_string(&code_version())
            .map_err(|e| Error::new("could not write the program's version").because(e))?;
        // Said only of a model that began warm, so that the others keep the names they have always had.
        let of_beginning = warm.map_or(String::new(), |warm| format!("\n{}", warm.plan().sha256));
        let made_of = format!("{of_program}{of_beginning}");
        Ok(format!("{}-{}", self.windows.cutoff, digest(&nameless, &self.fingerprint.digest, &made_of)?))
    }

    /// Makes the model, and puts it into `models/` if `keep`.
    pub fn make(&self, keep: bool) -> Result<Trained> {
        let cold = self.id(None)?;
        let (from, must) = match &self.begin {
            Beginning::Cold(why) => return self.make_called(&cold, why.clone(), keep, None),
            Beginning::Warm { source, must } => (source, must),
        };
        let id = self.id(Some(from))?;
        if keep && self.project.model_folder(&id).join(CARD_FILE).exists() {
            return Ok(Trained::Existed(Box::new(self.project.card(&id)?)));
        }
        let (name, cold_name) = (format!("train-{id}"), format!("train-{cold}"));
        let source = |name: &str| self.recipe.source(&self.windows, name, self.log.last_date);
        let sources = [&source(&name)?, &source(&cold_name)?];
        let fitted = fitted_warm(self.project, (&name, &cold_name), sources, from, self.log, self.observer)?;
        let why = match fitted {
            Ok(dir) => match self.make_called(&id, None, keep, Some(dir))? {
                Trained::Refused { reasons, .. } if !must => {
                    let reason = reasons.first().cloned().unwrap_or_default();
                    format!("begun from {}, the fit is refused: {reason}", from.plan().from)
                }
                made => return Ok(made),
            },
            Err(reason) if *must => return Err(run::cannot_begin_error(from, &reason)),
            Err(reason) => reason,
        };
        self.observer.note(&format!("beginning cold: {why}"));
        let made = self.make_called(&cold, Some(why), keep, None)?;
        self.project.forget_work(&name)?;
        Ok(made)
    }

    /// The same under its name, of a run that is fitted and judged already, if there is one.
    fn make_called(&self, id: &str, cold_because: Option<String>, keep: bool, dir: Option<RunDir>) -> Result<Trained> {
        let (project, windows) = (self.project, &self.windows);
        if keep && project.model_folder(id).join(CARD_FILE).exists() {
            return Ok(Trained::Existed(Box::new(project.card(id)?)));
        }
        let name = format!("train-{id}");
        let source = self.recipe.source(windows, &name, self.log.last_date)?;
        let dir = match dir {
            Some(dir) => dir,
            None => fitted(project, &name, &source, self.log, self.observer)?,
        };
        let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
        if diagnostics.verdict == Verdict::Fail {
            return Ok(Trained::Refused { run: dir.root().to_owned(), reasons: diagnostics.reasons });
        }
        let (evaluation, missing) = match self.evaluate(&dir, id)? {
            Ok(evaluation) => (Some(evaluation), None),
            Err(why) => (None, Some(why)),
        };
        let card = Card {
            schema_version: CARD_VERSION,
            created: project.today.stamp.clone(),
            program: code_version(),
            cutoff: windows.cutoff,
            calibration_start: windows.calibration_start()?,
            calibration_months: windows.calibration_months,
            prediction_months: windows.prediction_months,
            config: text_of(&source)?,
            data: data_card(&dir, self.fingerprint.clone())?,
            fits: fit_cards(&dir, &diagnostics)?,
            compute: compute_card(&dir),
            warm_start: dir.plan.warm_start.clone(),
            cold_because,
            diagnostics: diagnostics_card(&diagnostics),
            evaluation,
            evaluation_missing: missing,
            reference: references(&dir)?,
            intended_use: format!(
                "Rank, segment and budget for customers by what they are expected to buy in the {} months after a cutoff.",
                windows.prediction_months
            ),
            limits: limits(&dir, windows)?,
            reproduce: format!("longrun reproduce {id}"),
            id: id.to_owned(),
        };
        if keep {
            make_folder(&project.model_folder(id), |folder| publish(folder, &dir, &card))?;
            drop(dir);
            project.forget_work(&name)?;
            project.forget_work(&backtest_name(id))?;
        }
        Ok(Trained::Made(Box::new(card)))
    }

    /// The evaluation out of time: on the window after the cutoff where the data reach so far, else one window earlier, by the same
    /// configuration fitted anew. Or why there is none.
    fn evaluate(&self, dir: &RunDir, id: &str) -> Result<Result<Evaluation, String>> {
        let (windows, log) = (&self.windows, self.log);
        let months = windows.prediction_months;
        let judged = |dir: &RunDir, cutoff: NaiveDate, of: Evaluated| -> Result<Evaluation> {
            let outcomes = outcomes_of(dir, dir, self.observer)?;
            let accuracy = outcomes.accuracy(months, dir.plan.spend.is_some())?;
            let window_end = window_end(cutoff, months)?;
            Ok(Evaluation { cutoff, window_end, of, data_digest: log.table.fingerprint(window_end)?.digest, accuracy })
        };
        let goes_on = window_end(windows.cutoff, months)? <= log.last_date;
        if goes_on && self.evaluated != Some(Evaluated::OneWindowEarlier) {
            return judged(dir, windows.cutoff, Evaluated::ThisModel).map(Ok);
        }
        let cutoff = cutoff_of_window(windows.cutoff, months)?;
        if (cutoff - log.first_date).num_days() < LEAST_DAYS {
            return Ok(Err(format!(
                "the data begin on {}: there is no window of {months} months to predict after {LEAST_DAYS} days of them and before {}",
                log.first_date, windows.cutoff
            )));
        }
        self.observer.note(&format!("evaluating one window earlier: fitting at {cutoff}"));
        let earlier = Windows { cutoff, ..*windows };
        let name = backtest_name(id);
        let source = self.recipe.source(&earlier, &name, log.last_date)?;
        let dir = fitted(self.project, &name, &source, log, self.observer)?;
        let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
        if diagnostics.verdict == Verdict::Fail {
            let reason = diagnostics.reasons.first().cloned().unwrap_or_default();
            return Ok(Err(format!("the fit one window earlier, at {cutoff}, is refused: {reason}")));
        }
        judged(&dir, cutoff, Evaluated::OneWindowEarlier).map(Ok)
    }
}

fn backtest_name(id: &str) -> String {
    format!("backtest-{id}")
}

/// Fills a model's folder, the card last.
fn publish(folder: &Path, dir: &RunDir, card: &Card) -> Result<()> {
    let run = folder.join("run");
    let draws = run.join("draws");
    fs::create_dir_all(&run).map_err(|e| Error::io("make the model's folder", &run, e))?;
    for name in KEPT.iter().filter(|name| dir.has(name)) {
        keep(&dir.path(name), &run.join(name))?;
    }
    copy_folder(&dir.path("draws"), &draws)?;
    if dir.has(GIVEN) {
        keep(&dir.path(GIVEN), &folder.join(GIVEN))?;
    }
    write(&folder.join("card.md"), card_markdown(card).as_bytes())?;
    write_json(&folder.join(CARD_FILE), card)
}

fn data_card(dir: &RunDir, fingerprint: Fingerprint) -> Result<DataCard> {
    let facts: DataFacts = dir.read_json("facts.json", "summarize")?;
    Ok(DataCard {
        fingerprint,
        lines: facts.lines,
        rejected: facts.rejected,
        customers: facts.customers,
        repeat_purchases: facts.repeat_purchases,
        one_time_customers: facts.one_time_customers,
        group_column: facts.group_column,
        groups: facts.groups.len(),
        notes: facts.notes,
    })
}

fn fit_cards(dir: &RunDir, diagnostics: &Diagnostics) -> Result<Vec<FitCard>> {
    let store = DrawStore::open(&dir.path("draws"))?;
    let of = |fit: &str, plan: &crate::config::ModelPlan| -> Result<FitCard> {
        let rows = || diagnostics.parameters.iter().filter(|p| p.fit == fit);
        let many = rows().count() > MOST_PARAMETERS;
        let finite = |x: f64| x.is_finite().then_some(x);
        let posterior = rows()
            .filter(|p| !many || p.coords.keys().all(|dim| is_shared_dim(dim)))
            .map(|p| {
                let labels: Vec<&str> = p.coords.values().map(String::as_str).collect();
                PosteriorRow {
                    name: if labels.is_empty() { p.name.clone() } else { format!("{}[{}]", p.name, labels.join(", ")) },
                    mean: finite(p.mean),
                    sd: finite(p.sd),
                    mcse: finite(p.mcse_mean),
                    ess: finite(p.ess_bulk),
                }
            })
            .collect();
        Ok(FitCard {
            fit: fit.to_owned(),
            model: plan.model.clone(),
            title: family(&plan.model)?.title.to_owned(),
            priors: serde_json::to_value(plan.spec())
                .map_err(|e| Error::new("could not write the priors as JSON").because(e))?,
            posterior,
            draws_sha256: store.entry(fit)?.shards.iter().map(|shard| shard.sha256.clone()).collect(),
        })
    };
    let mut fits = vec![of(crate::run::PURCHASE, &dir.plan.purchase)?];
    if let Some(spend) = &dir.plan.spend {
        fits.push(of(crate::run::SPEND, spend)?);
    }
    Ok(fits)
}

fn compute_card(dir: &RunDir) -> ComputeCard {
    let (compute, sampler) = (&dir.plan.compute, &dir.plan.sampler);
    ComputeCard {
        backend: if compute.backend == Backend::Gpu { "gpu" } else { "cpu" }.to_owned(),
        adapter: compute.adapter.clone(),
        machine: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        sampler: sampler.kind.key().to_owned(),
        chains: sampler.chains,
        draws: sampler.draws,
        seed: sampler.seed,
    }
}

fn diagnostics_card(d: &Diagnostics) -> DiagnosticsCard {
    let values = |of: fn(&crate::diagnose::FitFacts) -> Option<f64>| d.fits.iter().filter_map(of);
    DiagnosticsCard {
        verdict: if d.verdict == Verdict::Pass { "pass" } else { "fail" }.to_owned(),
        reasons: d.reasons.clone(),
        caution: d.caution.clone(),
        divergences: d.divergences,
        worst_r_hat: values(|f| f.worst_r_hat.as_ref().map(|n| n.value)).reduce(f64::max),
        least_ess: values(|f| f.worst_ess_bulk.as_ref().map(|n| n.value)).reduce(f64::min),
    }
}

/// The columns of a summary whose drift is watched: what customers bring to a prediction.
pub(super) fn watched(summary: &Summary) -> [(&'static str, Vec<f64>); 4] {
    let repeaters = || (0..summary.len()).filter(|&i| summary.frequency[i] > 0);
    [
        ("frequency", summary.frequency.iter().map(|&x| f64::from(x)).collect()),
        ("recency", summary.recency.clone()),
        ("age", summary.age.clone()),
        ("monetary", repeaters().map(|i| summary.monetary[i]).filter(|&m| m > 0.0).collect()),
    ]
}

fn references(dir: &RunDir) -> Result<BTreeMap<String, ColumnReference>> {
    let summary = Summary::read_parquet(&dir.path("summary.parquet"))?;
    let columns = watched(&summary).into_iter().filter(|(_, values)| !values.is_empty());
    columns.map(|(name, values)| Ok((name.to_owned(), ColumnReference::of(name, &values)?))).collect()
}

fn limits(dir: &RunDir, windows: &Windows) -> Result<Vec<String>> {
    let facts: DataFacts = dir.read_json("facts.json", "summarize")?;
    let mut limits = vec![
        "It says nothing of customers who have not bought by the cutoff.".to_owned(),
        "It knows no season, price or campaign: what moves all customers together is not in it.".to_owned(),
        format!(
            "Its figures are for windows of {} months; over other windows they mean something else.",
            windows.prediction_months
        ),
    ];
    if dir.plan.spend.is_none() {
        limits.push("There is no spend model: value counts purchases, not money.".to_owned());
    }
    if !dir.plan.sampler.kind.samples() {
        limits.push("Its draws come from an approximation of the posterior, not from the posterior itself.".to_owned());
    }
    if facts.repeat_purchases < 1000 {
        limits.push(format!("It learned from only {} repeat purchases.", facts.repeat_purchases));
    }
    Ok(limits)
}
