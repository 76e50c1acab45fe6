//! The posterior as its draws show it: parameters, their curves and chains, energies, pairs. Not here: what customers will do.

use serde::{Deserialize, Serialize};

use crate::diagnose::Thresholds;

/// Posterior and diagnostics of one parameter.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Which fit it belongs to: `purchase`, `spend`.
    pub fit: String,
    /// Its name: `alpha`.
    pub name: String,
    /// Dimension and label of each of its coordinates; empty for a population parameter.
    pub coords: Vec<(String, String)>,
    /// Posterior mean.
    pub mean: f64,
    /// Posterior standard deviation.
    pub sd: f64,
    /// 5 % quantile.
    pub q05: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
    /// Rank-normalised split R-hat.
    pub r_hat: f64,
    /// Bulk effective sample size.
    pub ess_bulk: f64,
    /// Tail effective sample size.
    pub ess_tail: f64,
    /// What the diagnostics hold against it, in a few words; `None` when nothing.
    pub concern: Option<String>,
    /// Its density curve, when there is one to show.
    pub density: Option<Density>,
    /// `[chain][draw]`, thinned as far as one likes (some 200 draws a chain are plenty); empty when not shown.
    pub trace: Vec<Vec<f64>>,
    /// `[chain][bin]`: how many of the chain's draws fall into each equal bin of the ranks over all chains; empty when not
    /// shown.
    pub ranks: Vec<Vec<u32>>,
    /// `[chain][lag]`, from lag 0; empty when not shown.
    pub autocorrelation: Vec<Vec<f64>>,
    /// What more and more of the draws are worth, ascending; empty when not shown.
    pub growth: Vec<Growth>,
    /// The prior's density over the neighbourhood of the posterior, on the posterior's scale of height.
    pub prior: Option<Density>,
}

/// What the first draws of all chains are worth.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Growth {
    /// How many, over all chains.
    pub draws: u64,
    /// Their bulk effective sample size.
    pub bulk: f64,
    /// Their tail effective sample size.
    pub tail: f64,
}

/// A density curve.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Density {
    /// Where, ascending.
    pub x: Vec<f64>,
    /// How high, in any unit.
    pub y: Vec<f64>,
}

/// The chains of one fit together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitChains {
    /// Which fit: `purchase`, `spend`.
    pub fit: String,
    /// Its chains, drawn or not.
    pub chains: u64,
    /// Draws kept of each.
    pub draws: u64,
    /// Divergent transitions.
    pub divergences: u64,
    /// Energies, where the sampler has any.
    pub energy: Option<Energy>,
    /// Population parameters two by two.
    pub pairs: Option<Pairs>,
}

/// Energies of the chains, and how far one transition moves them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Energy {
    /// Energies less their mean.
    pub marginal: Density,
    /// Their change from one draw to the next.
    pub transition: Density,
    /// E-BFMI of every chain.
    pub e_bfmi: Vec<f64>,
}

/// Draws of a few parameters, two by two.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Pairs {
    /// The parameters.
    pub names: Vec<String>,
    /// `[draw][parameter]`, thinned, none divergent.
    pub points: Vec<Vec<f64>>,
    /// `[draw][parameter]` of draws whose transition diverged, thinned.
    pub divergent: Vec<Vec<f64>>,
    /// Correlation of the two that have the greatest, and which they are (indices into `names`).
    pub strongest: Option<(usize, usize, f64)>,
}

/// What the figures are held against.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// R-hat must be below.
    pub r_hat: f64,
    /// Effective sample sizes must be above.
    pub ess: f64,
    /// E-BFMI must be above.
    pub e_bfmi: f64,
}

impl Default for Limits {
    fn default() -> Self {
        let Thresholds { r_hat, ess, e_bfmi, .. } = Thresholds::default();
        Self { r_hat, ess, e_bfmi }
    }
}
