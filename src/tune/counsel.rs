//! Who is asked, and who answers when that one cannot. The rules are always heard: they alone can say that nothing is wrong, and they
//! stand in for a model that is silent, broken or useless.

use super::decision::Fallback;
use crate::advise::{Advice, Advisor, Change, Exchange, LanguageModel, Packet, Rules, Transport};
use crate::error::Result;

/// The advisors of a tuning.
pub struct Counsel<T> {
    model: Option<LanguageModel<T>>,
}

/// What was advised, and how it came to that.
pub struct Counselled {
    /// The advice.
    pub advice: Advice,
    /// Why the rules answered in the model's place, where they did.
    pub fallback: Option<Fallback>,
    /// What was exchanged with the model, where it was asked.
    pub exchange: Option<Exchange>,
}

impl<T: Transport> Counsel<T> {
    /// The rules alone, or a language model before them.
    pub fn new(model: Option<LanguageModel<T>>) -> Self {
        Self { model }
    }

    /// What to do about a packet. A model is asked only where the rules see something to change or the verdict failed; what it
    /// explains stands beside what the rules explain.
    ///
    /// # Errors
    /// None of a model: the rules then answer.
    pub fn advise(&self, packet: &Packet, history: &[Change]) -> Result<Counselled> {
        let rules = Rules.advise(packet, history)?;
        let sick = !rules.recommendations.is_empty() || !packet.passed();
        let Some(model) = self.model.as_ref().filter(|_| sick) else {
            return Ok(Counselled { advice: rules, fallback: None, exchange: None });
        };
        let said = model.advise(packet, history);
        let exchange = Some(model.exchange());
        let (mut advice, why) = match said {
            Ok(advice) if !advice.recommendations.is_empty() || rules.recommendations.is_empty() => (advice, None),
            Ok(advice) if !advice.refused.is_empty() => {
                let why = "nothing that the model recommends may be applied; the refusals say why";
                (
                    Advice { recommendations: rules.recommendations, refused: advice.refused, ..Advice::default() },
                    Some(why.to_owned()),
                )
            }
            Ok(_) => {
                let why = "the model recommends nothing where the rules see something to change".to_owned();
                (Advice { recommendations: rules.recommendations, ..Advice::default() }, Some(why))
            }
            Err(e) => {
                let mut why = e.to_string();
                if let Some(cause) = std::error::Error::source(&e) {
                    why.push_str(&format!(": {cause}"));
                }
                (Advice { recommendations: rules.recommendations, ..Advice::default() }, Some(why))
            }
        };
        advice.advisor = if why.is_some() { "rules" } else { "llm" }.to_owned();
        let own = std::mem::take(&mut advice.explanations);
        advice.explanations = rules.explanations.into_iter().chain(own).collect();
        Ok(Counselled { advice, fallback: why.map(|why| Fallback { why }), exchange })
    }
}
