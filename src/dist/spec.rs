//! Priors of a fit as users write them: by parameter name, and by group where customers share information. Which names there are,
//! and what is filled in where nothing was written, is the models' business.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Prior;

/// Priors of one fit. Whatever is left out gets a default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PriorSpec {
    /// Without groups: a prior per parameter, natural or derived (`r`, `alpha` or `rate`, `a` and `b` or `phi` and `kappa`).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub priors: BTreeMap<String, Prior>,
    /// With groups: how they are pooled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<HierarchySpec>,
    /// Which covariates move what, and the prior of their coefficients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub covariates: Option<CovariateSpec>,
}

/// Static covariates of a purchase model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CovariateSpec {
    /// Covariates that say how often customers buy.
    pub purchase: Vec<String>,
    /// Covariates that say when they stop.
    pub dropout: Vec<String>,
    /// Prior of every coefficient, of covariates with a standard deviation of 1.
    pub prior: Prior,
}

/// Partial pooling: z ~ N(mu, sigma²) over groups, with z the logarithm (for `phi` the logit, for `q` the logarithm of q − 1) of a
/// parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HierarchySpec {
    /// Which coordinates groups are sampled in; changes speed, never the posterior.
    #[serde(default)]
    pub centring: Centring,
    /// Prior of the centre of each parameter, on the scale of z.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mu: BTreeMap<String, Prior>,
    /// Prior of the spread over groups of each parameter, on the scale of z.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sigma: BTreeMap<String, Prior>,
}

/// Which coordinates groups are sampled in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Centring {
    /// Each group and parameter by what the group's own data say: between the other two, and good wherever they are not.
    #[default]
    Auto,
    /// η for every group and parameter: right where the data say little beside the prior.
    NonCentred,
    /// z for every group and parameter: right where the data fix z far more closely than sigma does.
    Centred,
}
