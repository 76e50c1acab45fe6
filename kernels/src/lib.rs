//! The numerical hot path: log-likelihoods of customer-base models and their gradients, in f64 on the CPU and in WGSL on any
//! wgpu adapter, with the special functions and addressed random numbers they need.
//!
//! Population parameters go in, a log-likelihood and its gradient come out. Nothing here has heard of a prior, a hierarchy,
//! a configuration or a file.

mod beta_geometric;
mod beta_mean;
pub mod bg_bb;
pub mod bg_nbd;
mod buffer;
mod cells;
pub mod covariates;
pub mod device;
mod difference;
mod extent;
pub mod futures;
pub mod gamma_gamma;
pub mod mbg_nbd;
pub mod nbd;
pub mod pareto_abe;
pub mod pareto_nbd;
mod pipeline;
pub mod rng;
pub mod roofline;
mod rows;
pub mod s_bg;
mod self_test;
mod simd;
pub mod special;

#[cfg(test)]
extern crate self as longrun_kernels;
#[cfg(test)]
#[path = "../tests/adapter/mod.rs"]
mod adapter;
#[cfg(test)]
#[path = "../tests/simulated/mod.rs"]
mod simulated;

pub use cells::Cells;
pub use covariates::{Covariates, Term};
pub use difference::{ARRANGEMENT_RULE, Arrangement, Differenced, Options};
pub use self_test::{Check, SelfTest, self_test};

use std::fmt;
use std::ops::Range;

use ndarray::{Array1, Array2, Array3, ArrayView2, ArrayView3};

/// Population parameters of a batch of chains, in constrained space.
#[derive(Debug, Clone, Copy)]
pub struct ParamBatch<'a> {
    /// `[chain, group, k]`: the family's parameters in their canonical order (BG/NBD: r, α, a, b; BG/BB: α, β, γ, δ; Gamma-Gamma: p, q, v).
    pub per_group: ArrayView3<'a, f64>,
    /// `[chain, p]`: covariate coefficients shared by all groups (`p` may be 0).
    pub shared: ArrayView2<'a, f64>,
}

/// Log-likelihoods and gradients of a batch of chains. Additive over disjoint rows.
#[derive(Debug, Clone)]
pub struct LikelihoodBatch {
    /// `[chain]`; negative infinity where the parameters are impossible.
    pub log_lik: Array1<f64>,
    /// `[chain, group, k]`: ∂ log-likelihood / ∂ parameter.
    pub per_group: Array3<f64>,
    /// `[chain, p]`.
    pub shared: Array2<f64>,
}

impl LikelihoodBatch {
    /// Room for `chains` chains, `groups` groups of `k` parameters and `p` shared coefficients.
    pub fn new(chains: usize, groups: usize, k: usize, p: usize) -> Self {
        Self {
            log_lik: Array1::zeros(chains),
            per_group: Array3::zeros((chains, groups, k)),
            shared: Array2::zeros((chains, p)),
        }
    }
}

/// Log-likelihood of single rows, unweighted (for LOO and predictive checks).
#[derive(Debug, Clone)]
pub struct PointwiseBatch {
    /// `[chain, row]` over the rows asked for.
    pub log_lik: Array2<f64>,
}

/// What a likelihood has done since it was made. For telemetry; nothing is ever decided by it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Work {
    /// Rows × chains whose value and gradient were computed.
    pub evaluations: u64,
    /// Bytes sent to the device and back.
    pub bytes_up: u64,
    /// See [`Work::bytes_up`].
    pub bytes_down: u64,
    /// Nanoseconds in which the device computed, where it can tell.
    pub device_ns: Option<u64>,
    /// Most bytes held on the device at once.
    pub device_bytes: u64,
}

/// All a model knows of the hot path.
///
/// A chain's result is a function of its parameters, the data and the reference alone; it does not depend on which other chains
/// are in the batch.
pub trait Likelihood: Send {
    /// Number of groups.
    fn groups(&self) -> usize;

    /// Number of rows (cells) behind [`Likelihood::pointwise`].
    fn rows(&self) -> u64;

    /// Log-likelihood and gradient of every chain in `params`. An impossible point is −∞ with zero gradient.
    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError>;

    /// Moves the reference θ₀ of a float32 backend (one "chain" in `at`); a no-op in f64.
    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError>;

    /// Unweighted log-likelihood of each row in `rows`.
    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError>;

    /// What has been done so far.
    fn work(&self) -> Work {
        Work::default()
    }
}

/// The machine under a kernel broke, or data was handed over that no kernel can hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelError {
    /// What failed.
    pub what: String,
    /// What to try.
    pub advice: String,
}

impl KernelError {
    /// An error with what failed and what to try.
    pub fn new(what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { what: what.into(), advice: advice.into() }
    }
}

impl fmt::Display for KernelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.advice)
    }
}

impl std::error::Error for KernelError {}
