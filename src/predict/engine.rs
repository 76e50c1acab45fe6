//! The seam between the road of a prediction and who computes it: chunks of customers go in, their futures come out in the same
//! order, and at the end the joint totals. Knows neither threads nor devices.

use std::ops::Range;

use ndarray::Array2;

use super::customers::Quantiles;
use crate::error::Result;
use crate::kernels::Work;

/// What one customer's draws say. Means are not among it: they need no draws ([`super::expectations`]).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Future {
    /// Predictive quantiles of purchases over the horizon.
    pub purchases: Quantiles<u32>,
    /// Predictive quantiles of discounted spend, currency; zero without a spend model.
    pub value: Quantiles<f64>,
    /// Standard deviation of the draws of discounted spend (n − 1 denominator), currency; zero without a spend model.
    pub value_sd: f64,
}

/// Joint draws of the totals under each label of one labelling.
#[derive(Debug, Clone, PartialEq)]
pub struct JointDraws {
    /// `[label, draw]`: purchases over the horizon.
    pub purchases: Array2<f64>,
    /// `[label, draw]`: discounted spend, currency; `None` without a spend model.
    pub value: Option<Array2<f64>>,
}

/// Simulates every customer under every draw, a chunk at a time. It knows the summary, the draws and the labellings from its making.
///
/// Chunks are handed in in the summary's order, one ahead of what is taken out: `submit(k+1)` comes before `collect()` of `k`, so
/// that an engine can compute one while another's results are on their way.
pub trait Engine: Send {
    /// Customers it likes to have in a chunk.
    fn chunk_customers(&self) -> usize;

    /// Takes up the summary's next rows.
    ///
    /// # Errors
    /// A machine that broke.
    fn submit(&mut self, rows: Range<usize>) -> Result<()>;

    /// The futures of the oldest chunk not collected yet, in summary order.
    ///
    /// # Errors
    /// A machine that broke, or nothing to collect.
    fn collect(&mut self) -> Result<Vec<Future>>;

    /// What a device has done so far; nothing where there is none.
    fn work(&self) -> Work {
        Work::default()
    }

    /// The totals of everything submitted, per labelling, once every chunk is collected.
    ///
    /// # Errors
    /// A machine that broke.
    fn totals(&mut self) -> Result<Vec<JointDraws>>;
}
