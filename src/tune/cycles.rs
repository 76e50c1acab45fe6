//! The cycles: what each runs, what is kept of it, and when to stop.

use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::counsel::{Counsel, Counselled};
use super::decision::{DECISION_VERSION, Decision, Next};
use super::names::Names;
use super::tuned::{assignments, tuned_text};
use super::{figures, files, reading};
use crate::advise::{Change, Explanation, Packet, Recommendation, SHORT_RUN_DEPTH, Stage, Transport, markdown};
use crate::config::{SamplerKind, Source};
use crate::diagnose::{Diagnostics, Verdict};
use crate::error::{Error, Result};
use crate::run::{self, Observer, RunDir, Step};

/// Draws per chain of a short run, at most.
const CYCLE_DRAWS: usize = 250;

/// Warm-up of a short run, at most; it ends sooner where nothing is left to learn.
const CYCLE_WARMUP: usize = 300;

/// Runs of everything that the configuration says, at most.
const CONFIRMATIONS: usize = 3;

/// What to tune, and within which bounds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Settings {
    /// The user's configuration.
    pub config: PathBuf,
    /// Their `key=value` overrides.
    pub set: Vec<String>,
    /// The folder of the tuning.
    pub output: PathBuf,
    /// Short runs, at most.
    pub cycles: usize,
    /// Customers of a short run, at most.
    pub customers: u64,
    /// Customers of the confirming run, at most; all where none is said.
    pub confirm_customers: Option<u64>,
    /// Minutes after which no run is begun.
    pub minutes: f64,
}

/// Told what happens, and asked what may.
pub trait Watcher: Observer {
    /// A run begins.
    fn begins(&self, _cycle: usize, _stage: Stage) {}
    /// Whether a change may be applied.
    fn accepts(&self, _recommendation: &Recommendation, _names: &Names) -> bool {
        true
    }
    /// A run's decision stands; `again` where it was made by an earlier attempt.
    fn decided(&self, _decision: &Decision, _again: bool) {}
}

/// How a tuning ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Tuning {
    /// Whether the verdict of everything that the tuned configuration says passed, and nothing forbids its use.
    pub passed: bool,
    /// Every decision, in order.
    pub decisions: Vec<Decision>,
    /// What was changed.
    pub changes: Vec<Change>,
    /// What no key mends, with labels as they are at home.
    pub explanations: Vec<Explanation>,
    /// Why it ended where it did not pass.
    pub why: Vec<String>,
    /// The tuned configuration.
    pub tuned: PathBuf,
    /// The run that confirmed it, if one did.
    pub run: Option<PathBuf>,
    /// Seconds of all cycles.
    pub seconds: f64,
}

/// Tunes, or goes on where an earlier attempt stopped.
///
/// # Errors
/// A configuration that is not valid, data that cannot be opened, a folder that holds another tuning.
pub fn tune<T: Transport>(settings: &Settings, counsel: &Counsel<T>, watcher: &dyn Watcher) -> Result<Tuning> {
    let text = files::read(&settings.config)?;
    files::begin(settings, &text)?;
    let work = Work { settings, counsel, watcher, text };
    let (mut decisions, mut stage): (Vec<Decision>, Stage) = (Vec::new(), Stage::Cycle);
    loop {
        let cycle = decisions.len() + 1;
        let changes = changes_of(&decisions);
        if let Some(why) = work.must_stop(&decisions, stage) {
            return work.end(decisions, vec![why]);
        }
        let folder = settings.output.join(format!("cycle-{cycle:02}"));
        let (decision, again) = match files::read_decision(&folder)? {
            Some(decision) => (decision, true),
            None => {
                watcher.begins(cycle, stage);
                (work.cycle(cycle, stage, &folder, &changes, decisions.last())?, false)
            }
        };
        watcher.decided(&decision, again);
        let (next, reasons) = (decision.next, decision.reasons.clone());
        decisions.push(decision);
        match next {
            Next::Cycle => stage = Stage::Cycle,
            Next::Confirm => stage = Stage::Full,
            Next::Passed => return work.end(decisions, vec![]),
            Next::Stopped => return work.end(decisions, reasons),
        }
    }
}

/// What was applied so far.
fn changes_of(decisions: &[Decision]) -> Vec<Change> {
    decisions.iter().flat_map(|d| d.applied.iter().cloned()).collect()
}

struct Work<'a, T> {
    settings: &'a Settings,
    counsel: &'a Counsel<T>,
    watcher: &'a dyn Watcher,
    text: String,
}

/// What a run of one cycle came to.
struct Ran {
    packet: Packet,
    names: Names,
    customers: Option<u64>,
    passed: bool,
    reasons: Vec<String>,
}

impl<T: Transport> Work<'_, T> {
    /// Why no further run is begun, if none is.
    fn must_stop(&self, decisions: &[Decision], stage: Stage) -> Option<String> {
        let of = |stage: Stage| decisions.iter().filter(|d| d.stage == stage).count();
        let minutes = decisions.iter().map(|d| d.seconds).sum::<f64>() / 60.0;
        if minutes > self.settings.minutes {
            return Some(format!(
                "{minutes:.1} of {} minutes are spent: no further run was begun (--minutes)",
                self.settings.minutes
            ));
        }
        match stage {
            Stage::Cycle if of(Stage::Cycle) >= self.settings.cycles => {
                Some(format!("{} cycles did not suffice (--cycles)", self.settings.cycles))
            }
            Stage::Full if of(Stage::Full) >= CONFIRMATIONS => {
                Some(format!("{CONFIRMATIONS} runs of all customers did not pass the verdict"))
            }
            _ => None,
        }
    }

    /// The user's overrides and the changes, as overrides.
    fn overrides(&self, changes: &[Change]) -> Vec<String> {
        let changed = assignments(changes).into_iter().map(|(key, value)| format!("{key}={value}"));
        self.settings.set.iter().cloned().chain(changed).collect()
    }

    fn source(&self, changes: &[Change]) -> Result<Source> {
        Source::parse(&self.settings.config, self.text.clone(), &self.overrides(changes))
    }

    /// One run, its packet, its decision.
    fn cycle(
        &self,
        cycle: usize,
        stage: Stage,
        folder: &Path,
        changes: &[Change],
        before: Option<&Decision>,
    ) -> Result<Decision> {
        let began = Instant::now();
        let ran = self.run(stage, folder, changes, before)?;
        files::write_json(folder, "packet.json", &ran.packet)?;
        files::write(folder, "packet.md", &markdown(&ran.packet))?;
        let Counselled { advice, fallback, exchange } = self.counsel.advise(&ran.packet, changes)?;
        if let Some(exchange) = exchange {
            files::write(folder, "prompt.txt", &exchange.prompt)?;
            files::write(folder, "answer.txt", &exchange.replies.join("\n\n---\n\n"))?;
        }
        let full_and_well = stage == Stage::Full && ran.passed;
        let (mut applied, mut declined) = (Vec::new(), Vec::new());
        for r in advice.recommendations.iter().filter(|_| !full_and_well) {
            let change = Change {
                cycle,
                rule: r.rule.clone(),
                key: r.key.clone(),
                from: r.from.clone(),
                to: r.to.clone(),
                why: r.why.clone(),
            };
            if !self.watcher.accepts(r, &ran.names) {
                declined.push((r.key.clone(), "declined when asked".to_owned()));
                continue;
            }
            // The configuration has the last word: what it would not have is not applied.
            let tried: Vec<Change> = changes.iter().chain(&applied).cloned().chain([change.clone()]).collect();
            match run::plan(&self.settings.config, &self.overrides(&tried)) {
                Ok(_) => applied.push(change),
                Err(e) => declined.push((r.key.clone(), e.to_string())),
            }
        }
        let blocked = advice.explanations.iter().any(|e| e.blocking);
        let next = match stage {
            _ if !applied.is_empty() && stage == Stage::Full => Next::Confirm,
            _ if !applied.is_empty() => Next::Cycle,
            // Nothing to change, and a person must act first.
            _ if blocked => Next::Stopped,
            Stage::Cycle => Next::Confirm,
            Stage::Full if ran.passed => Next::Passed,
            Stage::Full => Next::Stopped,
        };
        let decision = Decision {
            schema_version: DECISION_VERSION,
            cycle,
            stage,
            customers: ran.customers,
            passed: ran.passed,
            reasons: ran.reasons,
            advice,
            fallback,
            applied,
            declined,
            next,
            seconds: began.elapsed().as_secs_f64(),
        };
        files::write_json(folder, "decision.json", &decision)?;
        Ok(decision)
    }

    /// Summarises, fits and diagnoses; nothing is predicted.
    fn run(&self, stage: Stage, folder: &Path, changes: &[Change], before: Option<&Decision>) -> Result<Ran> {
        let config = self.source(changes)?.config;
        let root = folder.join("run");
        let mut sets = self.overrides(changes);
        sets.push(format!("output.dir={}", root.display()));
        let customers = match stage {
            Stage::Cycle => {
                sets.push(format!("sampler.draws={}", config.sampler.draws.min(CYCLE_DRAWS)));
                sets.push(format!("sampler.warmup={}", config.sampler.warmup.min(CYCLE_WARMUP)));
                // A posterior in the wrong coordinates would spend an hour on what minutes show as well.
                if config.sampler.kind == SamplerKind::Nuts {
                    sets.push(format!("sampler.max_treedepth={}", config.sampler.max_treedepth.min(SHORT_RUN_DEPTH)));
                }
                Some(self.settings.customers)
            }
            Stage::Full => self.settings.confirm_customers,
        };
        let own = config.data.sample_customers;
        if let Some(customers) = customers.into_iter().chain(own).min() {
            sets.push(format!("data.sample_customers={customers}"));
        }
        // An interrupted run goes on; its plan follows from decisions that stand.
        let mut dir = if root.join("plan.toml").exists() && root.join("facts.json").exists() {
            RunDir::open(&root)?
        } else {
            run::create(&self.settings.config, &sets, true)?
        };
        if !run::is_done(&dir, Step::Summarize)? {
            let last = before.map(|d| self.settings.output.join(format!("cycle-{:02}", d.cycle)).join("run"));
            let taken = last.map_or(Ok(false), |last| run::adopt(&mut dir, &last))?;
            if !taken && let Err(e) = run::perform(&mut dir, Step::Summarize, &Quiet(self.watcher)) {
                return self.unread(&dir, &config, stage, e);
            }
        }
        for step in [Step::Fit, Step::Diagnose] {
            if !run::is_done(&dir, step)? {
                run::perform(&mut dir, step, &Quiet(self.watcher))?;
            }
        }
        let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
        let (packet, names) = figures::packet_of(&dir, &config, stage)?;
        Ok(Ran {
            customers: packet.data.as_ref().map(|d| d.fitted),
            packet,
            names,
            passed: diagnostics.verdict == Verdict::Pass,
            reasons: diagnostics.reasons,
        })
    }

    /// What to say of data that could not be read; an error that is no matter of rejected lines stays one.
    fn unread(&self, dir: &RunDir, config: &crate::config::ClvConfig, stage: Stage, e: Error) -> Result<Ran> {
        let mut packet = figures::empty(dir, config, stage);
        let rejects = dir.path("rejects.csv");
        packet.reading = match e.to_string().contains("were rejected") && rejects.exists() {
            true => reading::reading_figures(&rejects, &dir.plan.data)?,
            false => None,
        };
        if packet.reading.is_none() {
            return Err(e);
        }
        Ok(Ran { packet, names: Names::default(), customers: None, passed: false, reasons: vec![e.to_string()] })
    }

    /// Writes the tuned configuration and says how it went.
    fn end(&self, decisions: Vec<Decision>, why: Vec<String>) -> Result<Tuning> {
        let changes = changes_of(&decisions);
        let plain = Source::parse(&self.settings.config, self.text.clone(), &self.settings.set)?;
        // With --set overrides the user's text alone says something else than what was tuned.
        let text = plain.merged_text()?;
        let tuned = tuned_text(&text, &Source::parse(&self.settings.config, text.clone(), &[])?, &changes)?;
        files::write(&self.settings.output, "tuned.toml", &tuned)?;
        let last = decisions.last();
        let folder = |d: &Decision| self.settings.output.join(format!("cycle-{:02}", d.cycle)).join("run");
        let explanations = match last {
            Some(last) => {
                let facts = folder(last).join("facts.json");
                let names = files::read(&facts).ok().and_then(|text| serde_json::from_str(&text).ok());
                let names = names.map_or_else(Names::default, |facts| Names::of(&facts));
                let at_home = |e: &Explanation| Explanation { symptom: names.at_home(&e.symptom), ..e.clone() };
                last.advice.explanations.iter().map(at_home).collect()
            }
            None => vec![],
        };
        Ok(Tuning {
            passed: last.is_some_and(|d| d.next == Next::Passed) && why.is_empty(),
            run: last.filter(|d| d.stage == Stage::Full).map(folder),
            seconds: decisions.iter().map(|d| d.seconds).sum(),
            tuned: self.settings.output.join("tuned.toml"),
            decisions,
            changes,
            explanations,
            why,
        })
    }
}

/// A watcher as the steps see it: progress, but none of the notes that every cycle would repeat.
struct Quiet<'a>(&'a dyn Watcher);

impl Observer for Quiet<'_> {
    fn step(&self, step: Step) {
        self.0.step(step);
    }
    fn reading(&self, done: u64, total: u64) {
        self.0.reading(done, total);
    }
    fn sampling(&self, fit: &str, progress: &crate::sampler::Progress) {
        self.0.sampling(fit, progress);
    }
}
