//! Which figures of a fit fail, what else is worth a note, and the likeliest cause of each.
//!
//! Decides; the words are `reason`'s, the figures `parameter`'s, what draws show beside them `sight`'s.

use super::chains::MIN_DRAWS;
use super::energy::e_bfmi_pooled;
use super::fit::{FitFacts, FitLayout};
use super::parameter::Parameter;
use super::r_hat::nested_r_hat_limit;
use super::reason::{Cause, Kind, Reason, draws_for_r_hat, percent, plainly};
use super::sight::{Apart, Condition, LISTED, Sights};
use super::tails::HEAVY;
use super::thresholds::Thresholds;

/// Draws per chain under which E-BFMI is judged over all chains together: a short chain's own is too noisy.
const DRAWS_FOR_E_BFMI: usize = 100;
/// Chains from which sharing starts is worth proposing: eight superchains of eight.
const MANY_CHAINS: usize = 64;
/// Share of transitions that end at a cap from which the cap is why effective draws are few.
const CAPPED_SHARE: f64 = 0.1;

/// The limit that R-hat of a hyperparameter is held against.
pub(super) fn strict_limit(layout: &FitLayout<'_>, thresholds: &Thresholds) -> f64 {
    for_chains(layout, thresholds.r_hat)
}

fn for_chains(layout: &FitLayout<'_>, limit: f64) -> f64 {
    layout.chains_per_superchain.map_or(limit, |m| nested_r_hat_limit(limit, m))
}

/// Not below `limit`; what cannot be had is too high.
fn too_high(figure: f64, limit: f64) -> bool {
    figure.is_nan() || figure >= limit
}

/// Not above `limit`; what cannot be had is too low.
fn too_low(figure: f64, limit: f64) -> bool {
    figure.is_nan() || figure <= limit
}

/// Why the fit may not be trusted; empty if nothing speaks against it.
pub(super) fn reasons(
    input: &FitLayout<'_>,
    facts: &FitFacts,
    parameters: &[Parameter],
    sights: &Sights,
) -> Vec<Reason> {
    let (fit, limits) = (input.fit, &facts.thresholds);
    let (chains, draws) = (facts.chains, facts.draws);
    let transitions = chains * draws;
    if transitions == 0 {
        return vec![Reason::no_draws(fit)];
    }
    let mut out = vec![];
    if facts.divergences > 0 && too_high(facts.divergences as f64 / transitions as f64, limits.divergence_share) {
        let places = &facts.divergence_places;
        out.push(Reason::divergences(fit, facts.divergences, transitions, limits.divergence_share, places));
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
        match sights.conditions[ix] {
            Condition::NotFinite => not_finite.push(Reason::not_finite(&parameter.to_string())),
            Condition::Constant => constant.push(Reason::constant(&parameter.to_string())),
            Condition::Fine => judged.push((parameter, sights.apart[ix])),
        }
    }
    listed(&mut out, fit, not_finite);
    listed(&mut out, fit, constant);
    if too_few {
        return out;
    }
    let stuck = |(chain, found): (&usize, _)| Reason::stuck(fit, *chain, found, parameters.len());
    listed(&mut out, fit, sights.stuck.iter().map(stuck).collect());
    // Parameters that move together show the same places: the clearest stands for all.
    if let Some((name, places)) = sights.places.first() {
        out.push(Reason::modes(fit, name, places, sights.with_places));
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

fn e_bfmi_reasons(input: &FitLayout<'_>, facts: &FitFacts) -> Vec<Reason> {
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
fn r_hat_reasons(input: &FitLayout<'_>, facts: &FitFacts, parameters: &[(&Parameter, Apart)]) -> Vec<Reason> {
    let limits = &facts.thresholds;
    let (strict, lax) = (for_chains(input, limits.r_hat), for_chains(input, limits.r_hat_group));
    let (group, hyper): (Vec<(&Parameter, Apart)>, Vec<_>) =
        parameters.iter().copied().partition(|(p, _)| (input.per_group)(&p.name));

    let over = group.iter().filter(|(p, _)| too_high(p.r_hat, strict)).count();
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
    let mut failed: Vec<_> = hyper.chain(group).filter(|((p, _), limit, _)| too_high(p.r_hat, *limit)).collect();
    failed.sort_by(|((a, _), ..), ((b, _), ..)| {
        b.r_hat.is_nan().cmp(&a.r_hat.is_nan()).then(b.r_hat.total_cmp(&a.r_hat))
    });
    let reason = |((p, apart), limit, text): ((&Parameter, Apart), f64, &String)| {
        Reason::r_hat(&p.to_string(), p.r_hat, limit, text, cause(input, facts, p, apart, limit))
    };
    failed.into_iter().map(reason).collect()
}

/// Why an R-hat fails, likeliest first.
fn cause(input: &FitLayout<'_>, facts: &FitFacts, parameter: &Parameter, apart: Apart, limit: f64) -> Cause {
    let per_chain = parameter.ess_bulk / facts.chains as f64;
    let needed = draws_for_r_hat(limit);
    let nested = input.chains_per_superchain.is_some();
    match (apart, capped(facts)) {
        (Apart::Places, _) => Cause::Places,
        (Apart::Stuck(chain), _) => Cause::Stuck(chain),
        (_, Some((share, key))) => Cause::Capped(share, key),
        // Where all chains together have the effective draws they need, they agree; only each alone is short.
        _ if !nested && parameter.ess_bulk > facts.thresholds.ess && per_chain < needed => {
            if facts.chains >= MANY_CHAINS && (facts.draws as f64) < needed {
                Cause::CannotPass { chains: facts.chains, draws: facts.draws, per_chain }
            } else {
                Cause::TooShort(per_chain)
            }
        }
        (Apart::Moving(drift), None) => Cause::Moving(drift),
        (Apart::Unknown, None) => Cause::Unknown,
    }
}

fn ess_reasons(facts: &FitFacts, parameters: &[(&Parameter, Apart)]) -> Vec<Reason> {
    let limit = facts.thresholds.ess;
    let bulk = parameters.iter().map(|(p, _)| (p, "bulk", p.ess_bulk));
    let tail = parameters.iter().map(|(p, _)| (p, "tail", p.ess_tail));
    let mut failed: Vec<_> = bulk.chain(tail).filter(|(_, _, ess)| too_low(*ess, limit)).collect();
    failed.sort_by(|(.., a), (.., b)| b.is_nan().cmp(&a.is_nan()).then(a.total_cmp(b)));
    let capped = capped(facts);
    failed
        .into_iter()
        .map(|(p, which, ess)| Reason::ess(&p.to_string(), which, ess, limit, (facts.chains, facts.draws), capped))
        .collect()
}

/// The cap that many transitions ended at: its share and its key.
fn capped(facts: &FitFacts) -> Option<(f64, &'static str)> {
    let transitions = (facts.chains * facts.draws) as f64;
    [(facts.depth_hits, "sampler.max_treedepth"), (facts.leapfrog_cap_hits, "sampler.max_leapfrogs")]
        .into_iter()
        .map(|(hits, key)| (hits as f64 / transitions, key))
        .find(|(share, _)| *share >= CAPPED_SHARE)
}

/// What is worth knowing but no reason to refuse.
pub(super) fn notes(input: &FitLayout<'_>, facts: &FitFacts, sights: &Sights) -> Vec<String> {
    let transitions = facts.chains * facts.draws;
    let mut out = vec![];
    if facts.divergences > 0 && !facts.reasons.iter().any(|r| r.kind == Kind::Divergences) {
        out.push(format!(
            "{} of {transitions} transitions of {} diverged, fewer than would matter ({}){}",
            facts.divergences,
            facts.fit,
            percent(facts.thresholds.divergence_share),
            super::reason::gathered(&facts.divergence_places)
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
    if facts.leapfrog_cap_hits > 0 {
        let share = percent(facts.leapfrog_cap_hits as f64 / transitions as f64);
        out.push(format!(
            "{} of {transitions} transitions of {} ({share}) were bound by the cap on leapfrog steps: the draws are valid but follow one \
             another more closely; raise sampler.max_leapfrogs, or sample with sampler.kind = \"nuts\"",
            facts.leapfrog_cap_hits, facts.fit
        ));
    }
    for (name, k) in &sights.heavy {
        out.push(format!(
            "Pareto k of the tails of {name} is {k:.2} (from {HEAVY} on): its mean and standard deviation may not exist, so they and their \
             standard errors are in doubt; read its median and quantiles instead"
        ));
    }
    for (name, v) in &sights.valleys {
        out.push(format!(
            "{name} has two humps, near {:.4} and near {:.4}, with a valley at {:.4} {} as high as the lower one (below 50 %): its mean \
             describes neither; look at its density, and ask which data or priors let it choose",
            v.low, v.high, v.at, percent(v.depth)
        ));
    }
    for (count, told, what) in [
        (sights.with_heavy, sights.heavy.len(), "tails that heavy"),
        (sights.with_valleys, sights.valleys.len(), "two humps"),
    ] {
        if count > told {
            out.push(format!("{} more parameters of {} have {what}", count - told, facts.fit));
        }
    }
    for (name, what) in [("diverging", "divergences"), ("energy", "energies, so E-BFMI is not judged")] {
        if transitions > 0 && !input.stats.contains_key(name) {
            out.push(format!("the sampler of {} recorded no {what}", facts.fit));
        }
    }
    out
}
