//! The sentences a report says on its own, from the numbers of the view. Plain text; whoever writes the page escapes it.

use crate::diagnose::Method;

use super::numbers::{count, count_range, money, money_range, percent, percent_whole, whole};
use super::view::{Coverage, Headline, Holdout, Verdict, View};

/// What a passed verdict means, unless the view says it better.
const PASSED: &str = "The chains agree with each other and explored the posterior well, so the intervals on this page mean what they say, as \
     far as the model fits these customers. Whether it does is checked below against what customers really did.";

/// What a failed verdict means, unless the view says it better.
const FAILED: &str = "The sampler did not explore the posterior reliably. Every figure on this page, intervals included, can be wrong by an \
     unknown amount. It is here to help find the cause, and for nothing else.";

/// What a passed verdict means of draws that are no samples.
const PASSED_NEAR: &str = "Held against the posterior itself, point by point, its draws stand for it well (Pareto k is below the limit). That is \
     good enough for a first look and for choosing what to sample.";

/// What it means of a mode.
const PASSED_MODE: &str = "The search ended at a proper maximum. How wide the posterior is around it, and whether anything lies elsewhere, nobody looked.";

/// What a failed verdict means of an approximation.
const FAILED_FAR: &str = "The approximation does not stand for the posterior. Every figure on this page, intervals included, can be wrong by an \
     unknown amount. It is here to help find the cause, and for nothing else.";

/// What to try after a failed verdict on an approximation.
const ADVICE_FAR: [&str; 2] = [
    "Sample the posterior: sampler.kind = \"nuts\" needs no normal approximation to hold.",
    "Tighter priors, and fewer, larger groups, make a posterior more nearly normal.",
];

/// What to try after a failed verdict, unless the view says it better.
const ADVICE: [&str; 4] = [
    "Sample longer: twice the warm-up and twice the draws per chain cure most slow chains.",
    "If there are divergences, raise the sampler's target acceptance rate, for example to 0.95.",
    "Check the data facts at the end of this page: a wrong date format or time unit, or duplicated rows, give posteriors that no \
     sampler can explore.",
    "Fewer, larger groups, or tighter priors, help when a group has hardly any repeat purchases.",
];

/// What the verdict means.
pub(super) fn meaning(verdict: &Verdict) -> String {
    let own = match (verdict.method, verdict.passed) {
        (Method::Sampling, true) => PASSED,
        (Method::Sampling, false) => FAILED,
        (Method::Map, true) => PASSED_MODE,
        (Method::Laplace | Method::Pathfinder, true) => PASSED_NEAR,
        (_, false) => FAILED_FAR,
    };
    verdict.meaning.clone().unwrap_or_else(|| String::from(own))
}

/// What to try; empty when the verdict passed.
pub(super) fn advice(verdict: &Verdict) -> Vec<String> {
    match (verdict.passed, verdict.advice.is_empty()) {
        (true, _) => Vec::new(),
        (false, true) if verdict.method != Method::Sampling => ADVICE_FAR.map(String::from).to_vec(),
        (false, true) => ADVICE.map(String::from).to_vec(),
        (false, false) => verdict.advice.clone(),
    }
}

/// The result in two or three sentences, for someone who reads nothing else.
pub(super) fn summary(view: &View, h: &Headline) -> String {
    let mut out = format!(
        "Over the next {}, these {} customers are expected to {} {} more times",
        view.horizon,
        whole(h.customers),
        view.words.verb,
        count(h.purchases.mean)
    );
    let (what, range) = match &h.value {
        Some(value) => {
            out += &format!(" and to be worth {}", money(value.mean, &view.currency));
            ("their true value lies", money_range(value, &view.currency))
        }
        None => ("their true number lies", count_range(&h.purchases)),
    };
    let range = range.trim_end_matches(" (90\u{a0}%)");
    out += &match view.verdict.method {
        Method::Sampling => format!(". If the model is right, {what} in {range} nine times in ten."),
        Method::Map => format!(
            ". Their own luck alone spreads that over {range}; what is unknown about the parameters comes on top."
        ),
        _ => format!(". If the model is right and the approximation holds, {what} in {range} nine times in ten."),
    };
    if let Some(alive) = h.alive {
        out += &format!(" About {} of them are still customers.", percent_whole(alive));
    }
    if let Some(best) = view.tiers.first().filter(|t| t.share.is_finite()) {
        out += &format!(" The {} alone hold {} of the value.", lower_first(&best.name), percent_whole(best.share));
    }
    out
}

/// How the prediction of the total turned out.
pub(super) fn holdout(h: &Holdout) -> String {
    let (low, high) = (h.predicted.q05, h.predicted.q95);
    let where_it_lies = if (low..=high).contains(&h.actual) {
        "within the model's 90 % interval"
    } else if h.actual < low {
        "below the model's 90 % interval: the model expected too much"
    } else {
        "above the model's 90 % interval: the model expected too little"
    };
    let error = if h.actual > 0.0 {
        format!(", which is {} off", percent((h.predicted.mean - h.actual).abs() / h.actual))
    } else {
        String::new()
    };
    format!(
        "In the {} that the model had not seen, customers bought {} times. It had expected {} (90\u{a0}% interval {}){error}. The truth lies {where_it_lies}.",
        h.length,
        count(h.actual),
        count(h.predicted.mean),
        count_range(&h.predicted).trim_end_matches(" (90\u{a0}%)"),
    )
}

/// Whether single customers' intervals can be taken at their word.
pub(super) fn coverage(rows: &[Coverage]) -> Option<String> {
    let worst = rows.iter().max_by(|a, b| (a.covered - a.level).abs().total_cmp(&(b.covered - b.level).abs()))?;
    let miss = worst.covered - worst.level;
    Some(String::from(if miss.abs() <= 0.03 {
        "The intervals of single customers hold the truth about as often as they promise."
    } else if miss < 0.0 {
        "The intervals of single customers are too narrow: they hold the truth less often than they promise."
    } else {
        "The intervals of single customers are too wide: they hold the truth more often than they promise."
    }))
}

/// With a capital letter.
pub(super) fn upper_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_uppercase().chain(chars).collect())
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |c| c.to_lowercase().chain(chars).collect())
}

#[cfg(test)]
mod tests {
    use super::super::view::Interval;
    use super::*;

    #[test]
    fn the_holdout_sentence_says_on_which_side_the_truth_lies() {
        let mut h = Holdout {
            length: "39 weeks".into(),
            actual: 1_882.0,
            predicted: Interval { mean: 1_800.0, q05: 1_700.0, q95: 1_900.0 },
            ..Holdout::default()
        };
        assert!(holdout(&h).contains("bought 1,882 times"));
        assert!(holdout(&h).contains("4.4\u{a0}% off"));
        assert!(holdout(&h).contains("within the model's"));
        h.actual = 2_000.0;
        assert!(holdout(&h).contains("too little"));
        h.actual = 0.0;
        assert!(holdout(&h).contains("too much") && !holdout(&h).contains("off"));
    }

    #[test]
    fn coverage_is_judged_by_its_worst_level() {
        let row = |level, covered| Coverage { level, covered, raw: covered };
        assert!(coverage(&[row(0.5, 0.51), row(0.9, 0.89)]).is_some_and(|s| s.contains("as often as they promise")));
        assert!(coverage(&[row(0.5, 0.51), row(0.9, 0.7)]).is_some_and(|s| s.contains("too narrow")));
        assert!(coverage(&[row(0.5, 0.81)]).is_some_and(|s| s.contains("too wide")));
        assert!(coverage(&[]).is_none());
    }
}
