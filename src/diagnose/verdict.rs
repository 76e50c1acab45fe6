//! The verdict over all fits of a run, in the layout of `diagnostics.json`.
//!
//! The first keys are stable names that other programs read; the facts per fit come after them.

use serde::{Deserialize, Serialize};

use super::fit::{FitDiagnostics, FitFacts};
use super::method::Method;
use super::parameter::Parameter;

/// The layout's version.
pub const SCHEMA_VERSION: u32 = 1;

/// Whether a result may be trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every threshold is met.
    Pass,
    /// Some reason speaks against it.
    Fail,
}

/// What `diagnostics.json` holds. Figures that cannot be had are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Diagnostics {
    /// The layout's version, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// Pass if every fit passes.
    pub verdict: Verdict,
    /// Why not, in words, worst first; empty for a pass.
    pub reasons: Vec<String>,
    /// How the draws were made.
    #[serde(default)]
    pub method: Method,
    /// What the draws are not, where they are no samples of the posterior.
    #[serde(default)]
    pub caution: Option<String>,
    /// Divergent transitions of all fits.
    pub divergences: u64,
    /// The parameters of all fits.
    pub parameters: Vec<Parameter>,
    /// More about each fit.
    pub fits: Vec<FitFacts>,
}

/// Joins the fits of a run: it passes where all of them do. No fits at all is a failure.
pub fn verdict(fits: Vec<FitDiagnostics>) -> Diagnostics {
    let mut reasons: Vec<_> = fits.iter().flat_map(|f| &f.facts.reasons).collect();
    reasons.sort_by_key(|r| r.kind);
    let mut reasons: Vec<String> = reasons.into_iter().map(|r| r.text.clone()).collect();
    if fits.is_empty() {
        reasons.push("there are no fits to judge: run the `fit` step first".to_owned());
    }
    // The fits of a run are made by one method.
    let method = fits.first().map_or_else(Method::default, |f| f.facts.method);
    let mut out = Diagnostics {
        schema_version: SCHEMA_VERSION,
        verdict: if reasons.is_empty() { Verdict::Pass } else { Verdict::Fail },
        reasons,
        method,
        caution: method.caution().map(str::to_owned),
        divergences: fits.iter().map(|f| f.facts.divergences).sum(),
        parameters: Vec::new(),
        fits: Vec::with_capacity(fits.len()),
    };
    for mut fit in fits {
        out.parameters.append(&mut fit.parameters);
        out.fits.push(fit.facts);
    }
    out
}
