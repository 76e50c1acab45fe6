//! The stages of a night between fetching and sending: each calls the room that does the work, and says in words what it came to.

use std::fs;

use super::watch::Watch;
use crate::error::{Error, Result};
use crate::evaluate::{Metric, Verdict};
use crate::lifecycle::{
    Alias, Card, Comparison, Project, TrainOptions, Trained, WarmStart, compare as compare_models, pipeline as do_due,
    prune as remove, removals, train,
};
use crate::run::{Log, Observer};

/// The comparison with the champion, whole.
const COMPARISON_FILE: &str = "nightly/comparison.json";

/// Folds what is new into the table.
pub(super) fn summarize(project: &Project, watch: &Watch<'_>) -> Result<(Log, String)> {
    let log = project.log(false, watch)?;
    let said = format!("purchases from {} to {}", log.first_date, log.last_date);
    Ok((log, said))
}

/// What a refit came to.
#[derive(Debug, Default)]
pub(super) struct Refit {
    pub(super) model: Option<String>,
    pub(super) began_warm: bool,
    pub(super) refused: Vec<String>,
}

/// Fits a model to everything there is, unless the newest one is young enough.
pub(super) fn refit(project: &Project, log: &Log, watch: &Watch<'_>) -> Result<(Refit, String)> {
    let newest = newest(project)?;
    let every = i64::from(project.section.nightly.train_every_days);
    if let Some(card) = &newest {
        let days = (log.last_date - card.cutoff).num_days();
        if days > 0 && days < every {
            let said = format!("not due: {} knows all but the last {days} days", card.id);
            return Ok((Refit { model: Some(card.id.clone()), ..Refit::default() }, said));
        }
    }
    let warm_start = match newest {
        Some(card) if project.section.nightly.warm_start => WarmStart::IfPossible(card.id),
        _ => WarmStart::No,
    };
    Ok(match train(project, None, &TrainOptions { warm_start }, watch)? {
        Trained::Made(card) => {
            let began_warm = card.warm_start.is_some();
            let begun = if began_warm { ", begun warm" } else { "" };
            let without = match &card.evaluation_missing {
                Some(why) => format!(
                    "; it cannot be promoted without --without-baseline, for it has no evaluation out of time: {why}"
                ),
                None => String::new(),
            };
            let said = format!("{} is the challenger: {} customers{begun}{without}", card.id, card.data.customers);
            (Refit { model: Some(card.id), began_warm, refused: Vec::new() }, said)
        }
        Trained::Existed(card) => {
            let said = format!("{} is there already: nothing has changed", card.id);
            (Refit { model: Some(card.id), ..Refit::default() }, said)
        }
        Trained::Refused { run, reasons } => {
            let why = reasons.join("; ");
            let refused =
                vec![format!("the diagnostics refuse the new fit: {why}; `longrun advise {}`", run.display())];
            (Refit { refused, ..Refit::default() }, format!("refused: {why}"))
        }
    })
}

/// The model that knows most.
fn newest(project: &Project) -> Result<Option<Card>> {
    let ids = [project.alias(Alias::Challenger)?, project.alias(Alias::Champion)?];
    let cards = ids.into_iter().flatten().map(|id| project.card(&id)).collect::<Result<Vec<_>>>()?;
    // The challenger where both know as much.
    Ok(cards.into_iter().reduce(|a, b| if b.cutoff > a.cutoff { b } else { a }))
}

/// Compares the challenger with the champion, once for each pair.
pub(super) fn compare(project: &Project, watch: &Watch<'_>) -> Result<(Option<String>, String)> {
    let (champion, challenger) = (project.alias(Alias::Champion)?, project.alias(Alias::Challenger)?);
    let Some((champion, challenger)) = champion.zip(challenger) else {
        let said = "there is no champion and challenger to compare; `longrun promote challenger` makes a champion";
        return Ok((None, said.to_owned()));
    };
    let path = project.path(COMPARISON_FILE);
    let known = fs::read(&path).ok().and_then(|text| serde_json::from_slice::<Comparison>(&text).ok());
    let comparison = match known.filter(|c| c.champion == champion && c.challenger == challenger) {
        Some(known) => known,
        None => match compare_models(project, &champion, &project.card(&challenger)?, watch)? {
            Ok(comparison) => {
                project.write_record(COMPARISON_FILE, &comparison)?;
                comparison
            }
            Err(why) => return Ok((None, format!("{challenger} cannot be compared with {champion}: {why}"))),
        },
    };
    let said = words(&comparison);
    Ok((Some(said.clone()), said))
}

/// A comparison in a line.
fn words(comparison: &Comparison) -> String {
    let of = |verdict: Verdict| -> Vec<&'static str> {
        comparison.measures.iter().filter(|m| m.verdict == verdict).map(|m| m.metric.label()).collect()
    };
    let (better, worse) = (of(Verdict::Better), of(Verdict::Worse));
    let told = match (better.is_empty(), worse.is_empty()) {
        (true, true) => "cannot be told from".to_owned(),
        (false, true) => format!("is better ({}) than", better.join(", ")),
        (true, false) => format!("is worse ({}) than", worse.join(", ")),
        (false, false) => format!("is better in {} and worse in {} than", better.join(", "), worse.join(", ")),
    };
    let rmse = comparison.measures.iter().find(|m| m.metric == Metric::Rmse);
    let rmse = rmse.and_then(|m| Some(format!(", RMSE {:.3} against {:.3}", m.challenger.value?, m.champion.value?)));
    format!("{} {told} {}{}", comparison.challenger, comparison.champion, rmse.unwrap_or_default())
}

/// What the calendar came to.
#[derive(Debug, Default)]
pub(super) struct Due {
    pub(super) done: Vec<String>,
    pub(super) alarms: Vec<String>,
}

/// Scores, labels and judges whatever is due.
pub(super) fn pipeline(project: &Project, watch: &Watch<'_>) -> Result<(Due, String)> {
    if project.alias(Alias::Champion)?.is_none() {
        let said = "no champion yet: nothing is scored until `longrun promote challenger`";
        watch.note(said);
        return Ok((Due::default(), said.to_owned()));
    }
    let done = do_due(project, watch)?;
    let mut due = Due { done: done.agenda.actions.iter().map(ToString::to_string).collect(), alarms: Vec::new() };
    if let Some(name) = done.standing {
        due.alarms.push(format!("the alarm of {name} stands: alerts/{name}.md"));
    }
    if let Some((days, waiting)) = done.overdue(project).zip(done.agenda.waiting.as_ref()) {
        return Err(Error::new(format!("the data have not arrived for {days} days"))
            .at(project.plan.data.paths.join(", "))
            .seen(format!("{} is due, the last purchase is of {}", waiting.cutoff, waiting.last_date))
            .advice("look after the feed; lifecycle.schedule.max_wait_days is how long a night waits"));
    }
    let next = done.agenda.next_cutoff.map(|day| format!("; next cutoff {day}")).unwrap_or_default();
    let what = if due.done.is_empty() { "nothing was due".to_owned() } else { due.done.join(", ") };
    Ok((due, format!("{what}{next}")))
}

/// Removes work of other nights that nobody will take up: it was about data that have changed since, or is done.
pub(super) fn clear(project: &Project) -> Result<()> {
    let folder = project.path("runs");
    let Ok(entries) = fs::read_dir(&folder) else { return Ok(()) };
    let passing =
        |name: &str| ["train-", "backtest-", "compare-", "label-", "score-"].iter().any(|work| name.starts_with(work));
    for name in entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()) {
        if passing(&name) {
            project.forget_work(&name)?;
        }
    }
    Ok(())
}

/// Removes what has been kept long enough; what that was, in words.
pub(super) fn prune(project: &Project, watch: &Watch<'_>) -> Result<Option<String>> {
    let found = removals(project)?;
    remove(project, &found)?;
    found.iter().for_each(|removal| watch.note(&format!("removed {}: {}", removal.path.display(), removal.reason)));
    let bytes: u64 = found.iter().map(|removal| removal.bytes).sum();
    Ok((!found.is_empty()).then(|| format!("prune: {} kept long enough, {bytes} bytes", found.len())))
}
