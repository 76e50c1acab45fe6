//! How draws were made, and what a reader must be told where they are no samples of the posterior.

use serde::{Deserialize, Serialize};

/// How the draws of a run were made.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Markov chains: samples of the posterior once they have converged.
    #[default]
    Sampling,
    /// The mode, a point estimate with standard errors.
    Map,
    /// A normal approximation at the mode.
    Laplace,
    /// Normal approximations along climbs to the mode.
    Pathfinder,
}

impl Method {
    /// What it is called in a sentence, with its article.
    pub fn named(self) -> &'static str {
        match self {
            Self::Sampling => "samples of the posterior",
            Self::Map => "a point estimate",
            Self::Laplace => "a Laplace approximation",
            Self::Pathfinder => "a Pathfinder approximation",
        }
    }

    /// What must stand beside every figure; none for samples.
    pub fn caution(self) -> Option<&'static str> {
        match self {
            Self::Sampling => None,
            Self::Map => Some(
                "A point estimate: the mode of the posterior with standard errors, not samples of it. Intervals of predictions hold \
                 customers' own luck alone, nothing of what is unknown about the parameters: they are too narrow.",
            ),
            Self::Laplace => Some(
                "A Laplace approximation around the mode, not samples of the posterior. Its intervals are as good as the posterior is \
                 normal; sample (sampler.kind = \"nuts\") before anything depends on them.",
            ),
            Self::Pathfinder => Some(
                "A Pathfinder approximation, not samples of the posterior. Its intervals are as good as the posterior is normal; sample \
                 (sampler.kind = \"nuts\") before anything depends on them.",
            ),
        }
    }
}
