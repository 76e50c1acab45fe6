//! How the posterior leans on its priors and on the data, parameter by parameter.

use serde::Serialize;

use super::super::numbers::{self, fixed, whole};
use super::super::plots;
use crate::diagnose::{Lean, ParameterSensitivity, Sensitivity};

/// Rows at most: those that lean on the prior, then the greatest figures.
const ROWS: usize = 40;

/// Above this Pareto k the weights behind the figures cannot be trusted.
const PARETO_K: f64 = 0.7;

/// The part of the page.
#[derive(Debug, Serialize)]
pub(in crate::report) struct LeanPart {
    sentence: String,
    threshold: String,
    rows: Vec<LeanRow>,
    cut: Option<[String; 2]>,
    untrusted: Vec<String>,
}

#[derive(Debug, Serialize)]
struct LeanRow {
    parameter: String,
    fit: String,
    prior: String,
    prior_bar: String,
    likelihood: String,
    likelihood_bar: String,
    words: &'static str,
    concern: bool,
}

/// What a diagnosis says.
pub(in crate::report) fn words(lean: Lean) -> &'static str {
    match lean {
        Lean::Data => "the data decide",
        Lean::Conflict => "prior and data disagree, or the prior is strong on purpose",
        Lean::Prior => "the prior decides: the data say little",
    }
}

/// How many parameters lean on their prior, of how many.
pub(in crate::report) fn leaning(s: &Sensitivity) -> (usize, usize) {
    let all = || s.fits.iter().flat_map(|fit| &fit.parameters);
    (all().filter(|p| p.diagnosis != Lean::Data).count(), all().count())
}

/// What is found, in a sentence.
pub(in crate::report) fn sentence(s: &Sensitivity) -> String {
    match leaning(s) {
        (0, all) => format!(
            "None of {} parameters moves noticeably when the priors count for a little more or less.",
            whole(all as u64)
        ),
        (1, all) => {
            format!("One of {} parameters moves when the priors count for a little more or less.", whole(all as u64))
        }
        (n, all) => format!(
            "{} of {} parameters move when the priors count for a little more or less.",
            whole(n as u64),
            whole(all as u64)
        ),
    }
}

/// The rows to show, those that lean on the prior first.
pub(in crate::report) fn worst(s: &Sensitivity, most: usize) -> Vec<(&str, &ParameterSensitivity)> {
    let mut rows: Vec<_> = s.fits.iter().flat_map(|f| f.parameters.iter().map(|p| (f.fit.as_str(), p))).collect();
    let size = |p: &ParameterSensitivity| if p.prior.is_finite() { p.prior } else { f64::MAX };
    rows.sort_by(|a, b| size(b.1).total_cmp(&size(a.1)));
    rows.sort_by_key(|(_, p)| p.diagnosis == Lean::Data);
    rows.truncate(most);
    rows
}

/// The part; none where there is nothing to show.
pub(super) fn lean(s: &Sensitivity) -> Option<LeanPart> {
    let (_, all) = leaning(s);
    let shown = worst(s, ROWS);
    let sizes = shown.iter().flat_map(|(_, p)| [p.prior, p.likelihood]).filter(|v| v.is_finite());
    let most = sizes.fold(4.0 * s.threshold, f64::max);
    // What the data move is as it should be: only the prior has a mark that it should stay below.
    let bar = |value: f64, what: &str, threshold: Option<f64>| {
        plots::threshold_bar(value, threshold, most, &format!("Sensitivity to the {what} {}", fixed(value, 3)))
    };
    let rows = shown
        .iter()
        .map(|(fit, p)| LeanRow {
            parameter: p.parameter.clone(),
            fit: (*fit).to_owned(),
            prior: fixed(p.prior, 3),
            prior_bar: bar(p.prior, "prior", Some(s.threshold)),
            likelihood: fixed(p.likelihood, 3),
            likelihood_bar: bar(p.likelihood, "likelihood", None),
            words: words(p.diagnosis),
            concern: p.diagnosis != Lean::Data,
        })
        .collect();
    let untrusted = s.fits.iter().filter(|f| f.pareto_k > PARETO_K || f.pareto_k.is_nan());
    (all > 0).then(|| LeanPart {
        sentence: sentence(s),
        threshold: numbers::short(s.threshold),
        cut: (all > ROWS).then(|| [whole(ROWS as u64), whole(all as u64)]),
        untrusted: untrusted
            .map(|f| {
                format!("Pareto k of the {} fit is {}: its figures cannot be trusted.", f.fit, fixed(f.pareto_k, 2))
            })
            .collect(),
        rows,
    })
}
