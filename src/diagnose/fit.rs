//! One fit held against the thresholds: every parameter's figures, the sampler's own facts, and the reasons to refuse, if any.
//!
//! Parameters are worked out on all threads, each from its own draws alone, so that the figures are the same for any number of them.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView3, s};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::approximation::Nearness;
use super::chains::{MIN_DRAWS, varies};
use super::energy::{e_bfmi, e_bfmi_pooled};
use super::method::Method;
use super::parameter::{Parameter, null_is_nan, nulls_are_nan};
use super::r_hat::{nested_r_hat_limit, r_hat_nested};
use super::reason::{Kind, Reason, draws_for_r_hat, percent, plainly};
use super::thresholds::Thresholds;
use super::verdict::Verdict;
use crate::error::{Error, Result};

/// How many failures of one kind are listed one by one.
const LISTED: usize = 3;

/// Draws per chain under which E-BFMI is judged over all chains together: a short chain's own is too noisy.
const DRAWS_FOR_E_BFMI: usize = 100;

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
    if let Some((name, stat)) = input.stats.iter().find(|(_, stat)| stat.dim() != (chains, draws)) {
        return Err(Error::new(format!("sample statistic `{name}` of `{}` should be [{chains}, {draws}]", input.fit))
            .seen(format!("{:?}", stat.shape())));
    }

    let parameters = parameters(input);
    let count = |name: &str| input.stats.get(name).map_or(0, |s| s.iter().filter(|x| **x != 0.0).count() as u64);
    let mut facts = FitFacts {
        fit: input.fit.to_owned(),
        method: Method::Sampling,
        verdict: Verdict::Pass,
        reasons: vec![],
        notes: vec![],
        chains,
        draws,
        divergences: count("diverging"),
        depth_hits: count("reached_max_treedepth"),
        e_bfmi: input.stats.get("energy").map_or_else(Vec::new, |energy| e_bfmi(energy.view())),
        worst_r_hat: worst(&parameters, |p| p.r_hat),
        worst_ess_bulk: worst(&parameters, |p| -p.ess_bulk),
        worst_ess_tail: worst(&parameters, |p| -p.ess_tail),
        nearness: None,
        thresholds: *thresholds,
    };
    for low in [&mut facts.worst_ess_bulk, &mut facts.worst_ess_tail].into_iter().flatten() {
        low.value = -low.value;
    }
    facts.reasons = reasons(input, &facts, &parameters);
    facts.reasons.sort_by_key(|r| r.kind);
    facts.notes = notes(input, &facts);
    facts.verdict = if facts.reasons.is_empty() { Verdict::Pass } else { Verdict::Fail };
    Ok(FitDiagnostics { facts, parameters })
}

fn parameters(input: &FitInput<'_>) -> Vec<Parameter> {
    let FitInput { fit, elements, values, chains_per_superchain, .. } = *input;
    if values.is_empty() {
        return vec![];
    }
    let scores = Parameter::scores(values.index_axis(ndarray::Axis(2), 0));
    let one = |ix: usize| {
        let (name, coords) = &elements[ix];
        // A copy of its own: the elements of one draw lie side by side, those of one parameter far apart.
        let draws = values.slice(s![.., .., ix]).as_standard_layout().into_owned();
        let coords = coords.iter().map(|(dim, label)| ((*dim).to_owned(), (*label).to_owned())).collect();
        let mut parameter = Parameter::of(fit, name, coords, draws.view(), &scores);
        if let Some(m) = chains_per_superchain {
            parameter.r_hat = r_hat_nested(draws.view(), m);
        }
        parameter
    };
    (0..elements.len()).into_par_iter().map(one).collect()
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

/// Not below `limit`; what cannot be had is too high.
fn too_high(figure: f64, limit: f64) -> bool {
    figure.is_nan() || figure >= limit
}

/// Not above `limit`; what cannot be had is too low.
fn too_low(figure: f64, limit: f64) -> bool {
    figure.is_nan() || figure <= limit
}

fn reasons(input: &FitInput<'_>, facts: &FitFacts, parameters: &[Parameter]) -> Vec<Reason> {
    let (fit, limits) = (input.fit, &facts.thresholds);
    let (chains, draws) = (facts.chains, facts.draws);
    let transitions = chains * draws;
    if transitions == 0 {
        return vec![Reason::no_draws(fit)];
    }
    let mut out = vec![];
    if facts.divergences > 0 && too_high(facts.divergences as f64 / transitions as f64, limits.divergence_share) {
        out.push(Reason::divergences(fit, facts.divergences, transitions, limits.divergence_share));
    }
    let too_few = draws < MIN_DRAWS && input.chains_per_superchain.is_none();
    if too_few {
        out.push(Reason::too_few_draws(fit, draws));
    }
    if chains == 1 {
        out.push(Reason::one_chain(fit));
    }
    // Draws without R-hat: say why, once, instead of failing every figure.
    let (mut not_finite, mut constant, mut judged) = (vec![], vec![], vec![]);
    for (ix, parameter) in parameters.iter().enumerate() {
        let values = input.values.slice(s![.., .., ix]);
        if values.iter().any(|x| !x.is_finite()) {
            not_finite.push(Reason::not_finite(&parameter.to_string()));
        } else if transitions > 1 && !varies(values) {
            constant.push(Reason::constant(&parameter.to_string()));
        } else {
            judged.push(parameter);
        }
    }
    listed(&mut out, fit, not_finite);
    listed(&mut out, fit, constant);
    if too_few {
        return out;
    }
    listed(&mut out, fit, e_bfmi_reasons(input, facts));
    listed(&mut out, fit, r_hat_reasons(input, facts, &judged));
    listed(&mut out, fit, ess_reasons(facts, &judged));
    out
}

/// Adds the first few of `found`, and one reason that stands for the rest.
fn listed(out: &mut Vec<Reason>, fit: &str, mut found: Vec<Reason>) {
    let more = found.len().saturating_sub(LISTED);
    let kind = found.first().map(|r| r.kind);
    found.truncate(LISTED);
    out.append(&mut found);
    if let (Some(kind), true) = (kind, more > 0) {
        out.push(Reason::more(kind, fit, more));
    }
}

fn e_bfmi_reasons(input: &FitInput<'_>, facts: &FitFacts) -> Vec<Reason> {
    let (limit, Some(energy)) = (facts.thresholds.e_bfmi, input.stats.get("energy")) else { return vec![] };
    if facts.draws < DRAWS_FOR_E_BFMI {
        let pooled = e_bfmi_pooled(energy.view());
        let failed = facts.draws >= MIN_DRAWS && too_low(pooled, limit);
        return if failed { vec![Reason::e_bfmi(input.fit, None, pooled, limit)] } else { vec![] };
    }
    let mut failed: Vec<(usize, f64)> =
        facts.e_bfmi.iter().copied().enumerate().filter(|(_, x)| too_low(*x, limit)).collect();
    failed.sort_by(|(_, a), (_, b)| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    failed.into_iter().map(|(chain, x)| Reason::e_bfmi(input.fit, Some(chain), x, limit)).collect()
}

/// Hyperparameters below the limit each; group parameters nearly all below it and all below the laxer one.
fn r_hat_reasons(input: &FitInput<'_>, facts: &FitFacts, parameters: &[&Parameter]) -> Vec<Reason> {
    let limits = &facts.thresholds;
    let for_chains = |limit: f64| input.chains_per_superchain.map_or(limit, |m| nested_r_hat_limit(limit, m));
    let (strict, lax) = (for_chains(limits.r_hat), for_chains(limits.r_hat_group));
    let (group, hyper): (Vec<&Parameter>, Vec<&Parameter>) =
        parameters.iter().partition(|p| (input.per_group)(&p.name));

    let over = group.iter().filter(|p| too_high(p.r_hat, strict)).count();
    // A hair of slack, so that 1 of 100 is 1 %.
    let many = over as f64 > (1.0 - limits.r_hat_group_share) * group.len() as f64 + 1e-9;
    let (group_limit, group_text) = if many {
        let share = percent(limits.r_hat_group_share);
        (
            strict,
            format!(
                "must be below {} for {share} of the {} group parameters; {over} are not",
                plainly(strict),
                group.len()
            ),
        )
    } else {
        (lax, format!("must be below {} for a group parameter", plainly(lax)))
    };
    let hyper_text = format!("must be below {}", plainly(strict));
    let hyper = hyper.into_iter().map(|p| (p, strict, &hyper_text));
    let group = group.into_iter().map(|p| (p, group_limit, &group_text));
    let mut failed: Vec<_> = hyper.chain(group).filter(|(p, limit, _)| too_high(p.r_hat, *limit)).collect();
    failed.sort_by(|(a, ..), (b, ..)| b.r_hat.is_nan().cmp(&a.r_hat.is_nan()).then(b.r_hat.total_cmp(&a.r_hat)));
    // Where all chains together have the effective draws they need, they agree; only each alone is short.
    let too_short = |p: &Parameter, limit: f64| {
        let per_chain = p.ess_bulk / facts.chains as f64;
        (p.ess_bulk > limits.ess && per_chain < draws_for_r_hat(limit)).then_some(per_chain)
    };
    let reason = |(p, limit, text): (&Parameter, f64, &String)| {
        Reason::r_hat(&p.to_string(), p.r_hat, limit, text, too_short(p, limit))
    };
    failed.into_iter().map(reason).collect()
}

fn ess_reasons(facts: &FitFacts, parameters: &[&Parameter]) -> Vec<Reason> {
    let limit = facts.thresholds.ess;
    let bulk = parameters.iter().map(|p| (p, "bulk", p.ess_bulk));
    let tail = parameters.iter().map(|p| (p, "tail", p.ess_tail));
    let mut failed: Vec<_> = bulk.chain(tail).filter(|(_, _, ess)| too_low(*ess, limit)).collect();
    failed.sort_by(|(.., a), (.., b)| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    failed
        .into_iter()
        .map(|(p, which, ess)| Reason::ess(&p.to_string(), which, ess, limit, facts.chains, facts.draws))
        .collect()
}

fn notes(input: &FitInput<'_>, facts: &FitFacts) -> Vec<String> {
    let transitions = facts.chains * facts.draws;
    let mut out = vec![];
    if facts.divergences > 0 && !facts.reasons.iter().any(|r| r.kind == Kind::Divergences) {
        out.push(format!(
            "{} of {transitions} transitions of {} diverged, fewer than would matter ({})",
            facts.divergences,
            facts.fit,
            percent(facts.thresholds.divergence_share)
        ));
    }
    if facts.depth_hits > 0 {
        let share = percent(facts.depth_hits as f64 / transitions as f64);
        out.push(format!(
            "{} of {transitions} transitions of {} ({share}) ended at the tree-depth limit: the draws are valid but dearer than \
             need be; raise sampler.max_treedepth, or run a longer warm-up (sampler.warmup)",
            facts.depth_hits, facts.fit
        ));
    }
    for (name, what) in [("diverging", "divergences"), ("energy", "energies, so E-BFMI is not judged")] {
        if transitions > 0 && !input.stats.contains_key(name) {
            out.push(format!("the sampler of {} recorded no {what}", facts.fit));
        }
    }
    out
}
