//! One fit: every parameter's figures and the sampler's own facts, worked out block after block; what they come to is `judge`'s.
//!
//! Parameters are worked out on all threads, each from its own draws alone, so that the figures are the same for any number of threads
//! and however many parameters are held in memory at once.

use std::collections::BTreeMap;
use std::ops::Range;

use ndarray::{Array2, Array3, ArrayView2, ArrayView3, Axis, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::approximation::Nearness;
use super::divergence::DivergencePlace;
use super::energy::e_bfmi;
use super::judge::{notes, reasons, strict_limit};
use super::method::Method;
use super::order::Ordered;
use super::parameter::{Parameter, null_is_nan, nulls_are_nan};
use super::r_hat::nested_of_scores;
use super::rank::Scores;
use super::reason::Reason;
use super::sight::{Question, Sight, Sights};
use super::thresholds::Thresholds;
use super::verdict::Verdict;
use crate::error::{Error, Result};

/// Elements of draws in memory that are worked out from one copy.
const BLOCK: usize = 64;

/// The draws of one fit.
#[derive(Clone, Copy)]
pub struct FitInput<'a> {
    /// Name of the fit.
    pub fit: &'a str,
    /// Name and coordinates of every element, in the order of `values`.
    pub elements: &'a [(&'a str, Vec<(&'a str, &'a str)>)],
    /// `[chain, draw, element]`.
    pub values: ArrayView3<'a, f64>,
    /// Sample statistics by ArviZ's names, each `[chain, draw]`: `diverging`, `reached_max_treedepth` and `energy` are read.
    pub stats: &'a BTreeMap<String, Array2<f64>>,
    /// Whether a variable, by name, holds one value per group rather than a hyperparameter.
    pub per_group: &'a dyn Fn(&str) -> bool,
    /// Where every so many chains in a row began at one point: R-hat is then the nested one.
    pub chains_per_superchain: Option<usize>,
}

/// The same without the draws of its elements, which come block after block.
#[derive(Clone, Copy)]
pub struct FitLayout<'a> {
    /// Name of the fit.
    pub fit: &'a str,
    /// Name and coordinates of every element.
    pub elements: &'a [(&'a str, Vec<(&'a str, &'a str)>)],
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// As [`FitInput::stats`].
    pub stats: &'a BTreeMap<String, Array2<f64>>,
    /// As [`FitInput::per_group`].
    pub per_group: &'a dyn Fn(&str) -> bool,
    /// As [`FitInput::chains_per_superchain`].
    pub chains_per_superchain: Option<usize>,
}

/// What was found about one fit.
#[derive(Debug, Clone, PartialEq)]
pub struct FitDiagnostics {
    /// The fit as a whole.
    pub facts: FitFacts,
    /// Its parameters, in the order of [`FitInput::elements`].
    pub parameters: Vec<Parameter>,
}

/// One fit as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitFacts {
    /// Name of the fit.
    pub fit: String,
    /// How its draws were made.
    #[serde(default)]
    pub method: Method,
    /// Whether it may be trusted.
    pub verdict: Verdict,
    /// Why not, worst first; empty for a pass.
    pub reasons: Vec<Reason>,
    /// What is worth knowing but no reason to refuse.
    pub notes: Vec<String>,
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Divergent transitions.
    pub divergences: u64,
    /// Transitions that ended at the tree-depth limit.
    pub depth_hits: u64,
    /// E-BFMI of every chain; empty where the sampler gave no energies.
    #[serde(deserialize_with = "nulls_are_nan")]
    pub e_bfmi: Vec<f64>,
    /// The greatest R-hat.
    pub worst_r_hat: Option<Named>,
    /// The least effective sample size for the bulk.
    pub worst_ess_bulk: Option<Named>,
    /// The least effective sample size for the tails.
    pub worst_ess_tail: Option<Named>,
    /// How near an approximation comes to the posterior; none of samples and of a mode.
    #[serde(default)]
    pub nearness: Option<Nearness>,
    /// What the figures were held against.
    pub thresholds: Thresholds,
    /// Transitions whose trajectory was bound by the cap on leapfrog steps.
    #[serde(default)]
    pub leapfrog_cap_hits: u64,
    /// How many chains in a row began at one point, where R-hat is the nested one.
    #[serde(default)]
    pub chains_per_superchain: Option<usize>,
    /// Where divergences gather, clearest first; empty where they lie anywhere.
    #[serde(default)]
    pub divergence_places: Vec<DivergencePlace>,
}

/// A figure and whose it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// The parameter with its coordinates.
    pub parameter: String,
    /// The figure; null where it cannot be had.
    #[serde(deserialize_with = "null_is_nan")]
    pub value: f64,
}

/// Judges one fit.
///
/// # Errors
/// Arrays whose shapes do not belong together.
pub fn diagnose_fit(input: &FitInput<'_>, thresholds: &Thresholds) -> Result<FitDiagnostics> {
    let (chains, draws, size) = input.values.dim();
    if input.elements.len() != size {
        return Err(Error::new(format!(
            "fit `{}` has {size} values a draw but {} names",
            input.fit,
            input.elements.len()
        )));
    }
    let layout = FitLayout {
        fit: input.fit,
        elements: input.elements,
        chains,
        draws,
        stats: input.stats,
        per_group: input.per_group,
        chains_per_superchain: input.chains_per_superchain,
    };
    // A copy: the elements of one draw lie side by side, those of one parameter far apart.
    let mut read = |elements: Range<usize>| {
        let block = input.values.slice(s![.., .., elements]).permuted_axes([2, 0, 1]);
        Ok(block.as_standard_layout().into_owned())
    };
    diagnose_fit_by_blocks(&layout, BLOCK, &mut read, thresholds)
}

/// Judges one fit whose draws need not be in memory together: `read` gives those of a range of elements, `[element, chain, draw]`, at
/// most `block` of them at a time and each once, in order. The figures are the same for every `block`.
///
/// # Errors
/// Arrays whose shapes do not belong together; what `read` fails with.
pub fn diagnose_fit_by_blocks(
    layout: &FitLayout<'_>,
    block: usize,
    read: &mut dyn FnMut(Range<usize>) -> Result<Array3<f64>>,
    thresholds: &Thresholds,
) -> Result<FitDiagnostics> {
    let (chains, draws) = (layout.chains, layout.draws);
    if let Some((name, stat)) = layout.stats.iter().find(|(_, stat)| stat.dim() != (chains, draws)) {
        return Err(Error::new(format!("sample statistic `{name}` of `{}` should be [{chains}, {draws}]", layout.fit))
            .seen(format!("{:?}", stat.shape())));
    }
    let (parameters, sights) = look(layout, block.max(1), read, strict_limit(layout, thresholds))?;
    let count = |name: &str| layout.stats.get(name).map_or(0, |s| s.iter().filter(|x| **x != 0.0).count() as u64);
    let mut facts = FitFacts {
        fit: layout.fit.to_owned(),
        method: Method::Sampling,
        verdict: Verdict::Pass,
        reasons: vec![],
        notes: vec![],
        chains,
        draws,
        divergences: count("diverging"),
        depth_hits: count("reached_max_treedepth"),
        e_bfmi: layout.stats.get("energy").map_or_else(Vec::new, |energy| e_bfmi(energy.view())),
        worst_r_hat: worst(&parameters, |p| p.r_hat),
        worst_ess_bulk: worst(&parameters, |p| -p.ess_bulk),
        worst_ess_tail: worst(&parameters, |p| -p.ess_tail),
        nearness: None,
        thresholds: *thresholds,
        leapfrog_cap_hits: count("reached_max_leapfrogs"),
        chains_per_superchain: layout.chains_per_superchain,
        divergence_places: sights.divergences.clone(),
    };
    for low in [&mut facts.worst_ess_bulk, &mut facts.worst_ess_tail].into_iter().flatten() {
        low.value = -low.value;
    }
    facts.reasons = reasons(layout, &facts, &parameters, &sights);
    facts.reasons.sort_by_key(|r| r.kind);
    facts.notes = notes(layout, &facts, &sights);
    facts.verdict = if facts.reasons.is_empty() { Verdict::Pass } else { Verdict::Fail };
    Ok(FitDiagnostics { facts, parameters })
}

/// Every parameter's figures, and what its draws show. `r_hat` is the limit from which an R-hat's cause is looked for.
fn look(
    layout: &FitLayout<'_>,
    block: usize,
    read: &mut dyn FnMut(Range<usize>) -> Result<Array3<f64>>,
    r_hat: f64,
) -> Result<(Vec<Parameter>, Sights)> {
    let (chains, draws, size) = (layout.chains, layout.draws, layout.elements.len());
    let (mut parameters, mut sights) = (Vec::new(), Sights::default());
    if chains * draws == 0 {
        return Ok((parameters, sights));
    }
    let tables = Tables {
        halves: Scores::new(chains * 2 * (draws / 2)),
        whole: layout.chains_per_superchain.map(|m| (m, Scores::new(chains * draws))),
    };
    let divergent: Vec<(usize, usize)> = layout
        .stats
        .get("diverging")
        .map_or_else(Vec::new, |s| s.indexed_iter().filter(|(_, x)| **x != 0.0).map(|(place, _)| place).collect());
    let question = Question { r_hat, divergent: &divergent };
    let mut first = 0;
    while first < size {
        let held = first..(first + block).min(size);
        let values = read(held.clone())?;
        if values.dim() != (held.len(), chains, draws) {
            return Err(Error::new(format!(
                "draws of fit `{}` should be [{}, {chains}, {draws}]",
                layout.fit,
                held.len()
            ))
            .seen(format!("{:?}", values.shape())));
        }
        let (fit, elements) = (layout.fit, &layout.elements[held.clone()]);
        let one = |ix: usize| look_at(fit, &elements[ix], values.index_axis(Axis(0), ix), &tables, &question);
        let seen: Vec<(Parameter, Sight)> = (0..held.len()).into_par_iter().map(one).collect();
        for (parameter, sight) in seen {
            sights.push(&parameter, sight);
            parameters.push(parameter);
        }
        first = held.end;
    }
    Ok((parameters, sights))
}

/// Normal scores for as many values as halves have, and, where chains share starts, as whole chains have.
struct Tables {
    halves: Scores,
    whole: Option<(usize, Scores)>,
}

fn look_at(
    fit: &str,
    (name, coords): &(&str, Vec<(&str, &str)>),
    draws: ArrayView2<'_, f64>,
    tables: &Tables,
    question: &Question<'_>,
) -> (Parameter, Sight) {
    let coords = coords.iter().map(|(dim, label)| ((*dim).to_owned(), (*label).to_owned())).collect();
    let ordered = Ordered::new(draws);
    let (mut parameter, z) = Parameter::of(fit, name, coords, draws, &ordered, &tables.halves);
    let sorted = ordered.values();
    if let Some((m, scores)) = &tables.whole {
        let told = sorted.iter().all(|x| x.is_finite()) && sorted.first() != sorted.last();
        parameter.r_hat = if told { nested_of_scores(&ordered.whole_scores(scores), *m) } else { f64::NAN };
    }
    let sight = Sight::of(draws, &sorted, z.as_ref().map(|z| z.view()), &parameter, question);
    (parameter, sight)
}

/// The parameter with the greatest `badness`; one whose figure cannot be had is worse than all.
fn worst(parameters: &[Parameter], badness: impl Fn(&Parameter) -> f64) -> Option<Named> {
    let rank = |p: &Parameter| badness(p);
    let worst = parameters.iter().reduce(|a, b| if worse(rank(b), rank(a)) { b } else { a })?;
    Some(Named { parameter: worst.to_string(), value: rank(worst) })
}

fn worse(a: f64, b: f64) -> bool {
    if a.is_nan() { !b.is_nan() } else { a > b }
}
