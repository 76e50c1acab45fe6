//! The limits that a verdict holds figures against.
//!
//! Defaults: Vehtari et al. (2021) for R-hat and effective sample size, Betancourt (2016) for E-BFMI, Vehtari et al.
//! (2024) for Pareto k.

use serde::{Deserialize, Serialize};

/// What a fit must meet to pass.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// R-hat of every hyperparameter must be below this.
    pub r_hat: f64,
    /// This share of the group parameters must be below `r_hat` too: with many of them some exceed it by chance.
    pub r_hat_group_share: f64,
    /// R-hat of every group parameter must be below this.
    pub r_hat_group: f64,
    /// Bulk and tail effective sample size of every quantity must be above this.
    pub ess: f64,
    /// The share of divergent transitions must be below this.
    pub divergence_share: f64,
    /// E-BFMI of every chain must be above this.
    pub e_bfmi: f64,
    /// Pareto k of an approximation's importance ratios must be below this.
    pub pareto_k: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            r_hat: 1.01,
            r_hat_group_share: 0.99,
            r_hat_group: 1.05,
            ess: 400.0,
            divergence_share: 0.001,
            e_bfmi: 0.3,
            pareto_k: 0.7,
        }
    }
}
