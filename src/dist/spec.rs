//! Priors of a fit as users write them: by parameter name, and by group where customers share information. Which names there are,
//! and what is filled in where nothing was written, is the models' business.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, IntoDeserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::Prior;
use crate::error::{Error, Result};

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

/// Partial pooling: z ~ N(parent, sigma²) over the groups of a level, with z the logarithm (for `phi` the logit, for `q` the
/// logarithm of q − 1) of a parameter, and `mu` the parent of the first level.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HierarchySpec {
    /// Which coordinates groups are sampled in, for all parameters or by name (`{ r = "non_centred", rate = "centred" }`, the rest
    /// `auto`); changes speed, never the posterior.
    #[serde(default)]
    pub centring: Centrings,
    /// Whether the effects of different parameters are correlated over groups: `{ dist = "lkj", eta = 2.0 }`; default: not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Correlation>,
    /// Prior of the centre of each parameter, on the scale of z.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub mu: BTreeMap<String, Prior>,
    /// Prior of the spread over groups of each parameter, on the scale of z, on every level.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sigma: BTreeMap<String, Prior>,
    /// The same for one level of nested groups, by the level's name: `sigma_at.country.rate = { dist = "half_normal", scale = 1.0 }`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub sigma_at: BTreeMap<String, BTreeMap<String, Prior>>,
}

/// The prior of the matrix of correlations between the effects of a group on different parameters.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "dist", rename_all = "snake_case", deny_unknown_fields)]
pub enum Correlation {
    /// Lewandowski, Kurowicka & Joe (2009): density ∝ det^(eta − 1).
    Lkj {
        /// Above 0: 1 makes all correlation matrices equally likely, more draws towards no correlation; 2 is a common choice.
        eta: f64,
    },
}

impl Correlation {
    /// Whether the settings make a distribution; `key` is where it stands in the configuration.
    pub fn check(&self, key: &str) -> Result<()> {
        let Self::Lkj { eta } = *self;
        if eta.is_finite() && eta > 0.0 {
            return Ok(());
        }
        Err(Error::new(format!("{key}.eta must be above 0"))
            .seen(format!("{eta:?}"))
            .advice("2.0 is a common choice for an lkj prior"))
    }
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

/// One choice of coordinates for all parameters, or choices by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Centrings {
    /// For every parameter.
    All(Centring),
    /// By parameter name; those left out are `auto`.
    Each(BTreeMap<String, Centring>),
}

impl Default for Centrings {
    fn default() -> Self {
        Self::All(Centring::default())
    }
}

impl Centrings {
    /// The choice for a parameter.
    pub fn of(&self, parameter: &str) -> Centring {
        match self {
            Self::All(centring) => *centring,
            Self::Each(each) => each.get(parameter).copied().unwrap_or_default(),
        }
    }

    /// The names that are spoken of.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        let each = match self {
            Self::All(_) => None,
            Self::Each(each) => Some(each),
        };
        each.into_iter().flat_map(|each| each.keys().map(String::as_str))
    }
}

/// By hand, so that a wrong word is told with the words there are.
impl<'de> Deserialize<'de> for Centrings {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct OneOrEach;
        impl<'de> Visitor<'de> for OneOrEach {
            type Value = Centrings;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`auto`, `non_centred`, `centred`, or a table of these by parameter")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> std::result::Result<Centrings, E> {
                Centring::deserialize(word.into_deserializer()).map(Centrings::All)
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> std::result::Result<Centrings, A::Error> {
                Deserialize::deserialize(MapAccessDeserializer::new(map)).map(Centrings::Each)
            }
        }
        deserializer.deserialize_any(OneOrEach)
    }
}
