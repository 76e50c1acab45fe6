//! Prior sensitivity by power-scaling: how much a posterior would move if the prior, or the likelihood, counted for a little more or
//! less. No refit: the draws are weighted.

use serde::{Deserialize, Serialize};

use super::parameter::null_is_nan;

/// `sensitivity.json`: how the posterior leans on prior and data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// A figure of this or more says that the posterior moves with what is scaled (0.05).
    pub threshold: f64,
    /// One entry per fit.
    pub fits: Vec<FitSensitivity>,
}

/// One fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitSensitivity {
    /// Its name.
    pub fit: String,
    /// Greatest Pareto k of the weights behind the figures: above 0.7 they cannot be trusted.
    #[serde(deserialize_with = "null_is_nan")]
    pub pareto_k: f64,
    /// Its parameters.
    pub parameters: Vec<ParameterSensitivity>,
}

/// One parameter: change of its marginal posterior per doubling of the power, as distances between distributions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterSensitivity {
    /// Its name with its coordinates.
    pub parameter: String,
    /// To the priors that the user states.
    #[serde(deserialize_with = "null_is_nan")]
    pub prior: f64,
    /// To the likelihood.
    #[serde(deserialize_with = "null_is_nan")]
    pub likelihood: f64,
    /// What the two say together.
    pub diagnosis: Lean,
}

/// What sensitivity to prior and likelihood say together (Kallioinen et al. 2024, section 2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lean {
    /// The prior does not matter.
    #[default]
    Data,
    /// Both matter: they disagree, or the prior is strong on purpose.
    Conflict,
    /// The prior matters and the data hardly: the data say little of this parameter.
    Prior,
}
