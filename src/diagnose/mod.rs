//! Arrays in, verdict out: whether a set of posterior draws can be trusted, in figures and in words.
//!
//! Rank-normalised split R-hat, effective sample sizes and Monte Carlo standard errors as Vehtari, Gelman, Simpson, Carpenter &
//! Bürkner (2021), "Rank-Normalization, Folding, and Localization: An Improved R-hat for Assessing Convergence of MCMC",
//! Bayesian Analysis 16(2), 667–718, computed as ArviZ and posterior compute them. What cannot be judged (a constant, a NaN,
//! too few draws) is NaN, never a good number.
//!
//! Nothing here knows which model made the draws or where they are stored. Draws of one quantity are `[chain, draw]`.
//!
//! ```
//! use longrun::diagnose::{ess_bulk, r_hat};
//! use ndarray::Array2;
//!
//! // Two chains that sit in different places.
//! let apart = Array2::from_shape_fn((2, 100), |(chain, draw)| (draw as f64 * 1.7).sin() + 5.0 * chain as f64);
//! assert!(r_hat(apart.view()) > 1.5);
//! assert!(ess_bulk(apart.view()) < 10.0);
//! // A chain that never moved is not a good one.
//! assert!(r_hat(Array2::ones((4, 100)).view()).is_nan());
//! ```

mod approximation;
mod autocorrelation;
mod chains;
mod density;
mod divergence;
mod drift;
mod energy;
mod ess;
mod fit;
mod judge;
mod mcse;
mod method;
mod modes;
mod order;
mod parameter;
mod quantile;
mod r_hat;
mod rank;
mod reason;
mod sensitivity;
mod sight;
mod stuck;
mod tails;
mod thresholds;
mod trace;
mod verdict;

#[cfg(test)]
mod reference;
#[cfg(test)]
mod sick;
#[cfg(test)]
mod tests;

pub use approximation::{ApproximationInput, Nearness, diagnose_approximation};
pub use autocorrelation::autocorrelation;
pub use density::{density, histogram};
pub use divergence::DivergencePlace;
pub use energy::{e_bfmi, e_bfmi_pooled};
pub use ess::{ess_bulk, ess_mean, ess_quantile, ess_sd, ess_tail};
pub use fit::{FitDiagnostics, FitFacts, FitInput, FitLayout, Named, diagnose_fit, diagnose_fit_by_blocks};
pub use mcse::{mcse_mean, mcse_quantile, mcse_sd};
pub use method::Method;
pub use parameter::Parameter;
pub use quantile::{quantile, quantile_sorted};
pub use r_hat::{nested_r_hat_limit, r_hat, r_hat_nested, r_hat_nested_ranked};
pub use rank::rank_counts;
pub use reason::{Kind, Reason};
pub use sensitivity::{FitSensitivity, Lean, ParameterSensitivity, Sensitivity, power_scaling};
pub use thresholds::Thresholds;
pub use trace::trace;
pub use verdict::{Diagnostics, SCHEMA_VERSION, Verdict, verdict};
