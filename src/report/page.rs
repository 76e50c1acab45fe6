//! The view with every number put into words: what the template lays out. Strings named after a drawing are SVG and safe;
//! all others are plain text that the template escapes.

mod checks;
mod customers;
mod lean;
mod posterior;

pub(super) use checks::{RECENCY, SPEND, in_unit};
pub(super) use lean::{leaning, sentence as lean_sentence, words as lean_words, worst as worst_lean};
pub(super) use posterior::{forest_rows, in_full, label};

use serde::Serialize;

use super::audience::{self, Reader};
use super::covariates::{self, CovariatePart};
use super::facts::{FactPart, facts};
use super::numbers;
use super::plots::{self, responsive};
use super::shrinkage::{self, ShrinkagePart};
use super::view::View;
use super::words;
use crate::diagnose::Method;

/// What the template knows.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    subtitle: String,
    passed: bool,
    sampled: bool,
    caution: Option<&'static str>,
    columns: [&'static str; 2],
    meaning: String,
    reasons: Vec<String>,
    advice: Vec<String>,
    horizon: String,
    chapters: Vec<[&'static str; 2]>,
    readers: [Reader; 3],
    tiles: Vec<Tile>,
    tiers: Vec<customers::ClassRow>,
    segments: Vec<customers::ClassRow>,
    events: String,
    alive: Option<AlivePart>,
    groups: Option<customers::GroupPart>,
    covariates: Option<CovariatePart>,
    checks: Option<checks::CheckPart>,
    holdout: Option<checks::HoldoutPart>,
    parameters: Option<posterior::ParameterPart>,
    chains: Option<posterior::ChainPart>,
    energies: Vec<posterior::Figure>,
    pairs: Vec<posterior::Figure>,
    forests: Option<posterior::ForestPart>,
    shrinkage: Option<ShrinkagePart>,
    priors: Vec<posterior::Figure>,
    lean: Option<lean::LeanPart>,
    findings: Vec<String>,
    timeline: Option<String>,
    facts: FactPart,
}

#[derive(Debug, Serialize)]
struct Tile {
    label: String,
    value: String,
    note: String,
    estimate: bool,
}

#[derive(Debug, Serialize)]
struct AlivePart {
    age: String,
    unit: String,
    map: String,
}

impl Page {
    /// Puts a view into words and drawings.
    pub(super) fn new(view: &View) -> Self {
        let (currency, method) = (&view.currency, view.verdict.method);
        let mut page = Self {
            title: view.title.clone(),
            subtitle: view.subtitle.clone(),
            passed: view.verdict.passed,
            sampled: method == Method::Sampling,
            caution: method.caution(),
            columns: if method == Method::Map { ["Mode", "Standard error"] } else { ["Mean", "SD"] },
            meaning: words::meaning(&view.verdict),
            reasons: view.verdict.reasons.clone(),
            advice: words::advice(&view.verdict),
            horizon: view.horizon.clone(),
            chapters: Vec::new(),
            readers: audience::readers(view),
            tiles: tiles(view),
            tiers: customers::class_rows(&view.tiers, currency),
            segments: customers::class_rows(&view.segments, currency),
            events: words::upper_first(&view.words.events),
            alive: view.alive.as_ref().map(|a| AlivePart {
                age: numbers::short(a.age),
                unit: view.time_unit.clone(),
                map: responsive(|size| plots::heat_map(a, &view.time_unit, size)),
            }),
            groups: view.groups.as_ref().filter(|g| !g.rows.is_empty()).map(|g| customers::groups(g, currency)),
            covariates: covariates::part(&view.covariates),
            checks: checks::checks(view),
            holdout: view.holdout.as_ref().map(checks::holdout),
            parameters: posterior::parameters(&view.parameters),
            chains: posterior::chains(view),
            energies: posterior::energies(view),
            pairs: posterior::pairs(view),
            forests: posterior::forests(view),
            shrinkage: shrinkage::part(&view.shrinkage),
            priors: posterior::priors(view),
            lean: view.sensitivity.as_ref().and_then(lean::lean),
            findings: view.resources.findings.clone(),
            timeline: timeline(view),
            facts: facts(&view.facts),
        };
        page.chapters = page.chapters();
        page
    }

    /// The chapters that have something in them, as (anchor, name), in their order.
    fn chapters(&self) -> Vec<[&'static str; 2]> {
        let customers = !self.tiers.is_empty()
            || !self.segments.is_empty()
            || self.alive.is_some()
            || self.groups.is_some()
            || self.covariates.is_some();
        let diagnostics = self.parameters.is_some()
            || self.chains.is_some()
            || !self.energies.is_empty()
            || !self.pairs.is_empty()
            || self.forests.is_some()
            || self.shrinkage.is_some();
        let all = [
            (true, ["summary", "Summary"]),
            (customers, ["customers", "Customers"]),
            (self.checks.is_some() || self.holdout.is_some(), ["checks", "Checks"]),
            (diagnostics, ["diagnostics", "Diagnostics"]),
            (!self.priors.is_empty() || self.lean.is_some(), ["sensitivity", "Sensitivity"]),
            (
                !self.findings.is_empty() || self.timeline.is_some() || self.facts.has_steps(),
                ["resources", "Resources"],
            ),
            (self.facts.has_lists(), ["facts", "Run facts"]),
        ];
        all.into_iter().filter_map(|(there, chapter)| there.then_some(chapter)).collect()
    }
}

fn timeline(view: &View) -> Option<String> {
    plots::resources(&view.resources, plots::Size::Wide)?;
    Some(responsive(|size| plots::resources(&view.resources, size).unwrap_or_default()))
}

fn tiles(view: &View) -> Vec<Tile> {
    let tile = |[label, value, note]: [String; 3]| Tile { estimate: label != "Customers", label, value, note };
    audience::tiles(view).into_iter().map(tile).collect()
}
