//! Why a fit is refused, in words: what, the figure, the limit, the likely cause, what to try next.
//!
//! Only wording lives here; which figures fail is decided in `judge`.

use serde::{Deserialize, Serialize};

use super::chains::MIN_DRAWS;
use super::divergence::DivergencePlace;
use super::drift::Drift;
use super::modes::{GAP, Place, Places};
use super::parameter::null_is_nan;
use super::sight::{LISTED, StuckChain};
use super::stuck::Sign;

/// What kind of trouble a reason speaks of, worst first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Too few draws or chains to judge anything.
    TooShort,
    /// Draws that are not finite.
    NotFinite,
    /// An approximation that does not stand for the posterior.
    Approximation,
    /// Draws that never change.
    Constant,
    /// A chain that hardly moves while others do.
    Stuck,
    /// Chains that sit in distinct places.
    Modes,
    /// Too many divergent transitions.
    Divergences,
    /// Chains that disagree.
    RHat,
    /// Energies that are explored too slowly.
    EBfmi,
    /// Too few effective draws.
    Ess,
}

/// One reason for a refusal.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What kind of trouble.
    pub kind: Kind,
    /// The sentence for a person.
    pub text: String,
    /// The figure that failed; null where it cannot be had.
    #[serde(deserialize_with = "null_is_nan")]
    pub figure: f64,
    /// The limit it was held against.
    #[serde(deserialize_with = "null_is_nan")]
    pub limit: f64,
    /// The parameter with its coordinates, where the figure is one parameter's or one shows it best.
    #[serde(default)]
    pub parameter: Option<String>,
}

/// Why an R-hat fails.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Cause {
    Unknown,
    /// Chains agree, but each has only so many effective draws.
    TooShort(f64),
    /// The same of many chains, each with fewer draws than it would need even if they were independent.
    CannotPass {
        chains: usize,
        draws: usize,
        per_chain: f64,
    },
    /// Chains sit in distinct places.
    Places,
    /// A chain, from 0, is stuck.
    Stuck(usize),
    /// Chains are on the move.
    Moving(Drift),
    /// Many trajectories were cut short: their share, and the key of the cap.
    Capped(f64, &'static str),
}

impl Reason {
    fn new(kind: Kind, figure: f64, limit: f64, text: String) -> Self {
        Self { kind, text, figure, limit, parameter: None }
    }

    fn of(mut self, parameter: &str) -> Self {
        self.parameter = Some(parameter.to_owned());
        self
    }

    pub(super) fn no_draws(fit: &str) -> Self {
        let text = format!("{fit} has no draws, so there is nothing to judge: run its `fit` step, or `longrun resume`");
        Self::new(Kind::TooShort, 0.0, MIN_DRAWS as f64, text)
    }

    pub(super) fn too_few_draws(fit: &str, draws: usize) -> Self {
        let text = format!(
            "{fit} has {draws} draws per chain (must be at least {MIN_DRAWS}): too few to judge anything; set sampler.draws to \
             1000 or so"
        );
        Self::new(Kind::TooShort, draws as f64, MIN_DRAWS as f64, text)
    }

    pub(super) fn one_chain(fit: &str) -> Self {
        let text = format!(
            "{fit} was sampled by one chain (must be at least 2): nothing shows whether another start would have ended \
             elsewhere; set sampler.chains to 4 or more"
        );
        Self::new(Kind::TooShort, 1.0, 2.0, text)
    }

    pub(super) fn not_finite(name: &str) -> Self {
        let text = format!(
            "draws of {name} are not all finite: the sampler ran off to where the density has no bound; tighten the priors, and \
             check the data for extreme values"
        );
        Self::new(Kind::NotFinite, f64::NAN, f64::NAN, text).of(name)
    }

    pub(super) fn constant(name: &str) -> Self {
        let text = format!(
            "{name} never changes, so neither R-hat nor an effective sample size exists: the chains are stuck; run a longer \
             warm-up (sampler.warmup), or leave the parameter out if it is meant to be fixed"
        );
        Self::new(Kind::Constant, f64::NAN, f64::NAN, text).of(name)
    }

    /// `chain` from 0; `of` is the number of the fit's parameters.
    pub(super) fn stuck(fit: &str, chain: usize, found: &StuckChain, of: usize) -> Self {
        let (name, figure, limit) = (&found.clearest, found.sign.share(), found.sign.limit());
        let sign = match found.sign {
            Sign::Moves { moves: 0, most } => format!("{name} never moves, but {most} times in another chain"),
            Sign::Moves { moves, most } => format!("{name} moves {moves} times, but {most} times in another chain"),
            Sign::Spread(share) => format!("{name} is {} as wide as in the median chain", percent(share)),
        };
        let text = format!(
            "chain {} of {fit} is stuck: there {sign} (must be at least {} of that; {} of {of} parameters show it): it fell into a place \
             that steps of this size cannot leave; raise sampler.target_accept (0.95), run a longer warm-up (sampler.warmup), or start \
             again with another sampler.seed and see whether a chain is caught again",
            chain + 1,
            percent(limit),
            found.parameters
        );
        Self::new(Kind::Stuck, figure, limit, text).of(name)
    }

    /// `with` parameters show distinct places; `name` shows them best.
    pub(super) fn modes(fit: &str, name: &str, found: &Places, with: usize) -> Self {
        let mut told: Vec<String> = found.places.iter().take(LISTED).map(place).collect();
        if found.places.len() > LISTED {
            told.push(format!("{} more places", found.places.len() - LISTED));
        }
        let more = if with > 1 { format!(" ({with} parameters show it)") } else { String::new() };
        let text = format!(
            "chains of {fit} sit in {} places, clearest in {name}{more}: {}; the widest gap is {:.1} standard deviations within a chain \
             (must be below {GAP}): the posterior has several modes, or some chains are caught; look at the trace plot, compare lp of the \
             chains, and tighten the priors that let both places be; the shares of draws in each say nothing about their probability",
            found.places.len(),
            told.join(", "),
            found.gap
        );
        Self::new(Kind::Modes, found.gap, GAP, text).of(name)
    }

    /// `k` is NaN where the tail has no finite shape.
    pub(super) fn pareto_k(fit: &str, what: &str, k: f64, limit: f64) -> Self {
        let figure = if k.is_nan() { "infinite".to_owned() } else { beside(k, limit) };
        let text = format!(
            "Pareto k of the importance ratios of {fit} is {figure} (must be below {}): the posterior is too far from {what} for \
             any figure of it to be trusted; sample it (sampler.kind = \"nuts\")",
            plainly(limit)
        );
        Self::new(Kind::Approximation, k, limit, text)
    }

    pub(super) fn no_mode(fit: &str) -> Self {
        let text = format!(
            "the search for the mode of {fit} ended before it converged: the posterior may have none; tighten the priors, or sample \
             (sampler.kind = \"nuts\")"
        );
        Self::new(Kind::Approximation, f64::NAN, f64::NAN, text)
    }

    pub(super) fn no_maximum(fit: &str) -> Self {
        let text = format!(
            "the curvature of {fit} at the mode is not that of a maximum: the data and the priors leave some direction open, so there is \
             no normal approximation; tighten the priors, or sample (sampler.kind = \"nuts\")"
        );
        Self::new(Kind::Approximation, f64::NAN, f64::NAN, text)
    }

    pub(super) fn divergences(
        fit: &str,
        count: u64,
        transitions: usize,
        limit: f64,
        places: &[DivergencePlace],
    ) -> Self {
        let share = count as f64 / transitions as f64;
        let text = format!(
            "{count} of {transitions} transitions of {fit} diverged ({}, must be below {}): the steps are too long for some \
             corner of the posterior, which the draws may therefore miss{}; raise sampler.target_accept (0.95), or give the scales \
             between groups tighter priors",
            percent(share),
            percent(limit),
            gathered(places)
        );
        let out = Self::new(Kind::Divergences, share, limit, text);
        match places.first() {
            Some(place) => out.of(&place.parameter),
            None => out,
        }
    }

    /// `chain` from 0; `None` for all of them together.
    pub(super) fn e_bfmi(fit: &str, chain: Option<usize>, figure: f64, limit: f64) -> Self {
        let whose = chain.map_or_else(|| "over all chains".to_owned(), |c| format!("in chain {}", c + 1));
        let text = format!(
            "E-BFMI of {fit} {whose} is {} (must be above {limit}): energies are explored slowly, as with heavy tails or a funnel; \
             run a longer warm-up (sampler.warmup), or give the scales between groups tighter priors",
            beside(figure, limit)
        );
        Self::new(Kind::EBfmi, figure, limit, text)
    }

    /// `limit_text` says the limit in words.
    pub(super) fn r_hat(name: &str, figure: f64, limit: f64, limit_text: &str, cause: Cause) -> Self {
        let cause = match cause {
            Cause::TooShort(per_chain) => format!(
                "each chain has only about {per_chain:.0} effective draws, and with fewer than {:.0} even chains that agree \
                 rarely get there; set sampler.draws higher",
                draws_for_r_hat(limit)
            ),
            Cause::CannotPass { chains, draws, per_chain } => format!(
                "each of {chains} chains has {draws} draws, worth about {per_chain:.0}; with so few, R-hat of chains that agree is about \
                 {:.3}, so that ordinary R-hat cannot pass and says nothing; let chains share starting points (sampler.superchains = {}), \
                 which nested R-hat is made for, or set sampler.draws higher",
                r_hat_of_agreeing(draws, per_chain),
                superchains(chains)
            ),
            Cause::Places => "the chains sit in distinct places, as said above; longer chains will not help before that is \
                              understood: look at the trace plot, and tighten the priors"
                .to_owned(),
            Cause::Stuck(chain) => format!(
                "chain {} is stuck, as said above, and stands apart from the others; free it (sampler.target_accept, sampler.warmup) \
                 before anything else",
                chain + 1
            ),
            Cause::Moving(Drift::Together(shift)) => format!(
                "the chains are trending: their second halves lie {:.1} standard deviations {} their first halves, so that they have not \
                 arrived; run a longer warm-up (sampler.warmup)",
                shift.abs(),
                if shift > 0.0 { "above" } else { "below" }
            ),
            Cause::Moving(Drift::Settling { first, second }) => format!(
                "the chains are still on their way from where they began: R-hat of their first halves alone is {first:.3}, of their \
                 second halves {second:.3}; run a longer warm-up (sampler.warmup)"
            ),
            Cause::Capped(share, key) => format!(
                "{} of the trajectories were cut short by {key}, so that the chains creep; raise {key} before anything else",
                percent(share)
            ),
            Cause::Unknown => "the chains disagree; run longer (sampler.warmup, sampler.draws), and if that does not help look at the trace \
                     plot for chains in different places: then tighten the priors"
                .to_owned(),
        };
        let text = format!("R-hat of {name} is {} ({limit_text}): {cause}", beside(figure, limit));
        Self::new(Kind::RHat, figure, limit, text).of(name)
    }

    /// `capped` has the share of transitions that a cap cut short and the cap's key, where they are many.
    pub(super) fn ess(
        name: &str,
        which: &str,
        figure: f64,
        limit: f64,
        (chains, draws): (usize, usize),
        capped: Option<(f64, &str)>,
    ) -> Self {
        let total = chains * draws;
        let needed = draws as f64 * limit / figure * 1.1;
        let advice = if let Some((share, key)) = capped {
            format!(
                "{} of the trajectories were cut short by {key}, so that draws follow one another closely; raise {key}",
                percent(share)
            )
        } else if total as f64 <= limit {
            format!(
                "there are only {total} draws in all; set sampler.draws (now {draws}) or sampler.chains (now {chains}) higher"
            )
        } else if needed <= 10.0 * draws as f64 {
            let rounded = (needed / 100.0).ceil() * 100.0;
            format!("draws that follow one another are alike; set sampler.draws (now {draws}) to about {rounded:.0}")
        } else {
            "the chains hardly move in this direction; run a longer warm-up (sampler.warmup), or tighten the priors that leave it \
             open"
                .to_owned()
        };
        let text =
            format!("{which} effective sample size of {name} is {figure:.0} (must be above {limit:.0}): {advice}");
        Self::new(Kind::Ess, figure, limit, text).of(name)
    }

    /// Stands for the failures of one kind that are not listed one by one.
    pub(super) fn more(kind: Kind, fit: &str, count: usize) -> Self {
        let what = match kind {
            Kind::RHat => "R-hats fail",
            Kind::Ess => "effective sample sizes fail",
            Kind::EBfmi => "chains fail by E-BFMI",
            Kind::Constant => "parameters never change",
            Kind::Stuck => "chains are stuck",
            Kind::Approximation => "approximations fail",
            _ => "parameters have draws that are not finite",
        };
        let text = format!("{fit}, beyond those listed: {what} ({count} more, see diagnostics.json)");
        Self::new(kind, f64::NAN, f64::NAN, text)
    }
}

/// `chains 1, 3 and 4 near 2.1`.
fn place(place: &Place) -> String {
    const NAMED: usize = 6;
    let mut names: Vec<String> = place.chains.iter().take(NAMED).map(|c| (c + 1).to_string()).collect();
    if place.chains.len() > NAMED {
        names.push(format!("{} more", place.chains.len() - NAMED));
    }
    let last = names.pop().unwrap_or_default();
    let list = if names.is_empty() { last } else { format!("{} and {last}", names.join(", ")) };
    format!("chain{} {list} near {:.4}", if place.chains.len() == 1 { "" } else { "s" }, place.centre)
}

/// `; they gather where sigma is low (median 0.03, the 5 % quantile of all draws)`; empty where they lie anywhere.
pub(super) fn gathered(places: &[DivergencePlace]) -> String {
    let one = |p: &DivergencePlace| {
        let side = if p.shift < 0.0 { "low" } else { "high" };
        format!(
            "{} is {side} (median {:.4}, the {:.0} % quantile of all draws)",
            p.parameter,
            p.median,
            p.quantile * 100.0
        )
    };
    let told: Vec<String> = places.iter().map(one).collect();
    if told.is_empty() { String::new() } else { format!("; they gather where {}", told.join(", and ")) }
}

/// A number of superchains for so many chains: the divisor nearest to their square root, of those with at least two on either side.
fn superchains(chains: usize) -> usize {
    let root = (chains as f64).sqrt();
    let fits = (2..=chains / 2).filter(|k| chains.is_multiple_of(*k));
    fits.min_by(|a, b| (*a as f64 - root).abs().total_cmp(&(*b as f64 - root).abs())).unwrap_or(chains)
}

/// A figure with enough digits not to look like its limit.
pub(super) fn beside(figure: f64, limit: f64) -> String {
    for digits in [3, 4, 5, 6] {
        let text = format!("{figure:.digits$}");
        if text.parse() != Ok(limit) {
            return text;
        }
    }
    format!("{figure}")
}

/// Effective draws that a chain needs before its R-hat can be expected below `limit`: chains of one distribution differ by chance,
/// R̂² ≈ 1 + 1 / (effective draws of a half chain).
pub(super) fn draws_for_r_hat(limit: f64) -> f64 {
    2.0 / (limit * limit - 1.0)
}

/// R-hat to expect of chains of one distribution with `draws` draws that are worth `effective`: B / W is draws / effective on average, so
/// that R̂² = 1 + 1 / (effective draws of a half) − 1 / (draws of a half).
fn r_hat_of_agreeing(draws: usize, effective: f64) -> f64 {
    (1.0 + 2.0 / effective - 2.0 / draws as f64).sqrt()
}

/// A limit as people write it.
pub(super) fn plainly(limit: f64) -> String {
    let text = format!("{limit:.4}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// A share in percent, without needless digits.
pub(super) fn percent(share: f64) -> String {
    let text = format!("{:.3}", share * 100.0);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_do_not_look_like_their_limit() {
        assert_eq!(beside(1.034, 1.01), "1.034");
        assert_eq!(beside(1.010_04, 1.01), "1.01004");
        assert_eq!((plainly(1.01), plainly(1.122_497_2)), ("1.01".into(), "1.1225".into()));
        assert_eq!(
            (percent(0.001), percent(0.123_456), percent(0.1)),
            ("0.1 %".into(), "12.346 %".into(), "10 %".into())
        );
    }
}
