//! Why a fit is refused, in words: what, the figure, the limit, the likely cause, what to try next.
//!
//! Only wording lives here; which figures fail is decided in `fit`.

use serde::{Deserialize, Serialize};

use super::chains::MIN_DRAWS;
use super::parameter::null_is_nan;

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
}

impl Reason {
    fn new(kind: Kind, figure: f64, limit: f64, text: String) -> Self {
        Self { kind, text, figure, limit }
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
        Self::new(Kind::NotFinite, f64::NAN, f64::NAN, text)
    }

    pub(super) fn constant(name: &str) -> Self {
        let text = format!(
            "{name} never changes, so neither R-hat nor an effective sample size exists: the chains are stuck; run a longer \
             warm-up (sampler.warmup), or leave the parameter out if it is meant to be fixed"
        );
        Self::new(Kind::Constant, f64::NAN, f64::NAN, text)
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

    pub(super) fn divergences(fit: &str, count: u64, transitions: usize, limit: f64) -> Self {
        let share = count as f64 / transitions as f64;
        let text = format!(
            "{count} of {transitions} transitions of {fit} diverged ({}, must be below {}): the steps are too long for some \
             corner of the posterior, which the draws may therefore miss; raise sampler.target_accept (0.95), or give the scales \
             between groups tighter priors",
            percent(share),
            percent(limit)
        );
        Self::new(Kind::Divergences, share, limit, text)
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

    /// `limit_text` says the limit in words; `too_short` has the effective draws of a chain where those alone explain the figure.
    pub(super) fn r_hat(name: &str, figure: f64, limit: f64, limit_text: &str, too_short: Option<f64>) -> Self {
        let cause = match too_short {
            Some(per_chain) => format!(
                "each chain has only about {per_chain:.0} effective draws, and with fewer than {:.0} even chains that agree \
                 rarely get there; set sampler.draws higher",
                draws_for_r_hat(limit)
            ),
            None => "the chains disagree; run longer (sampler.warmup, sampler.draws), and if that does not help look at the trace \
                     plot for chains in different places: then tighten the priors"
                .to_owned(),
        };
        let text = format!("R-hat of {name} is {} ({limit_text}): {cause}", beside(figure, limit));
        Self::new(Kind::RHat, figure, limit, text)
    }

    pub(super) fn ess(name: &str, which: &str, figure: f64, limit: f64, chains: usize, draws: usize) -> Self {
        let total = chains * draws;
        let needed = draws as f64 * limit / figure * 1.1;
        let advice = if total as f64 <= limit {
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
        Self::new(Kind::Ess, figure, limit, text)
    }

    /// Stands for the failures of one kind that are not listed one by one.
    pub(super) fn more(kind: Kind, fit: &str, count: usize) -> Self {
        let what = match kind {
            Kind::RHat => "R-hats fail",
            Kind::Ess => "effective sample sizes fail",
            Kind::EBfmi => "chains fail by E-BFMI",
            Kind::Constant => "parameters never change",
            Kind::Approximation => "approximations fail",
            _ => "parameters have draws that are not finite",
        };
        let text = format!("{fit}, beyond those listed: {what} ({count} more, see diagnostics.json)");
        Self::new(kind, f64::NAN, f64::NAN, text)
    }
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
