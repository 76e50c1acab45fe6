//! The advisor that is always there: a table of rules, each a symptom with its remedy and its source. Offline and deterministic: equal
//! packets and histories give equal advice.

mod data;
mod sampler;
mod view;

use super::advice::{Advice, Advisor, Change, Explanation, Recommendation};
use super::packet::Packet;
use super::whitelist;
use crate::error::Result;
use view::{Finding, View};

/// One rule.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name, as decisions call it.
    pub name: &'static str,
    /// What it looks for.
    pub symptom: &'static str,
    /// What it does about it.
    pub remedy: &'static str,
    /// Where that is known from.
    pub source: &'static str,
    look: fn(&View<'_>) -> Vec<Finding>,
}

/// The table, the most pressing first: what the data are comes before how they are sampled.
pub const RULES: &[Rule] = &[
    data::DATES,
    data::UNREADABLE,
    data::TIME_UNIT,
    data::DOUBLED,
    data::TOO_LITTLE,
    data::NO_REPEATS,
    data::ABSURD_PRIORS,
    sampler::APPROXIMATION,
    sampler::FEW_CHAINS,
    sampler::FEW_DRAWS,
    sampler::SHORT_WARMUP,
    sampler::LOW_TARGET,
    sampler::DIVERGENCES,
    sampler::DEPTH,
    sampler::ENERGY,
    sampler::STUCK,
    sampler::DISAGREE,
    sampler::FEW_EFFECTIVE,
    data::MODEL_CHOICE,
];

/// The advisor that follows [`RULES`].
#[derive(Debug, Clone, Copy, Default)]
pub struct Rules;

impl Advisor for Rules {
    fn name(&self) -> &'static str {
        "rules"
    }

    fn advise(&self, packet: &Packet, history: &[Change]) -> Result<Advice> {
        let view = View { packet, history };
        let mut advice = Advice { advisor: self.name().to_owned(), ..Advice::default() };
        for rule in RULES {
            for finding in (rule.look)(&view) {
                match finding {
                    Finding::Set { symptom, figure, key, to, why } => {
                        // The first word on a key counts; a rule that would write what stands there has nothing to say.
                        let said = advice.recommendations.iter().any(|r| r.key == key);
                        let to = whitelist::check(&key, &to);
                        let Some(to) = to.ok().filter(|to| !said && to != packet.setting(&key)) else { continue };
                        advice.recommendations.push(Recommendation {
                            rule: rule.name.to_owned(),
                            symptom,
                            figure,
                            from: packet.setting(&key).clone(),
                            key,
                            to,
                            why,
                            citation: rule.source.to_owned(),
                        });
                    }
                    Finding::Tell { symptom, figure, text, blocking } => advice.explanations.push(Explanation {
                        rule: rule.name.to_owned(),
                        symptom,
                        figure,
                        text,
                        citation: rule.source.to_owned(),
                        blocking,
                    }),
                }
            }
        }
        Ok(advice)
    }
}

#[cfg(test)]
mod tests;
