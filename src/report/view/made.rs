//! How a run was made: what was read, what computed it, how long it took and what the machine gave. Nothing of the result.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::run::ResourceSample;

/// How the run was made.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// One entry per fit.
    pub fits: Vec<FitFacts>,
    /// Wall time of each step, in order.
    pub steps: Vec<Step>,
    /// What was read.
    pub data: Option<DataFacts>,
    /// Seed of the run.
    pub seed: Option<u64>,
    /// Program and version, in order.
    pub versions: Vec<(String, String)>,
    /// Anything else: label and text, in order.
    pub other: Vec<(String, String)>,
}

/// How one fit was sampled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitFacts {
    /// `purchase`, `spend`.
    pub fit: String,
    /// The model's name: `BG/NBD`.
    pub model: String,
    /// `cpu`, `wgpu`.
    pub backend: String,
    /// The adapter's own name, when there is one.
    pub adapter: Option<String>,
    /// `nuts`, `chees`, or the name of an approximation and what it is.
    pub sampler: String,
    /// Whether chains were run; what speaks of them is left out otherwise.
    pub sampled: bool,
    /// An approximation's Pareto k; infinite where its tail has no shape.
    pub pareto_k: Option<f64>,
    /// What an approximation's weighted draws are worth.
    pub effective_draws: Option<f64>,
    /// Chains.
    pub chains: u64,
    /// Warm-up iterations per chain.
    pub warmup: u64,
    /// Draws kept per chain.
    pub draws: u64,
    /// Divergent transitions after warm-up.
    pub divergences: u64,
    /// Gradients of single points, warm-up included.
    pub gradient_evaluations: u64,
    /// Wall time of the fit.
    pub seconds: f64,
    /// Smallest bulk ESS of any parameter per second of wall time.
    pub ess_per_second: Option<f64>,
    /// Rows × chains whose likelihood and gradient were computed, per second of wall time.
    pub evaluations_per_second: f64,
    /// Bytes to the device and back; 0 on the CPU.
    pub bytes_moved: u64,
    /// Seconds in which the device computed, where it tells.
    pub device_seconds: Option<f64>,
    /// Most bytes held on the device; 0 on the CPU.
    pub device_bytes: u64,
}

/// Wall time of one step.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// `summarise`, `fit`, …
    pub name: String,
    /// Wall time.
    pub seconds: f64,
    /// Most memory that the process held, bytes.
    pub peak_memory: Option<u64>,
    /// Mean share of the time in which the GPU worked, 0 to 1.
    pub gpu_utilisation: Option<f64>,
}

/// What was read and what it shrank to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFacts {
    /// Where it came from, as the config writes it.
    pub source: String,
    /// Lines read.
    pub rows: u64,
    /// Lines refused.
    pub rejects: u64,
    /// Customers in the summary.
    pub customers: u64,
    /// Distinct histories: the rows of the purchase likelihood.
    pub cells: u64,
    /// Customers whose spend is known.
    pub spenders: u64,
    /// Distinct spends among them: the rows of the spend likelihood.
    pub spend_rows: u64,
    /// First and last day seen.
    pub days: Option<(NaiveDate, NaiveDate)>,
    /// First day of the calibration window, if what was bought before it is forgotten.
    #[serde(default)]
    pub calibration_start: Option<NaiveDate>,
    /// Last day of the calibration window.
    pub calibration_end: Option<NaiveDate>,
}

/// What the machine gave while the run worked.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    /// Step after step, in the order they were taken.
    pub samples: Vec<ResourceSample>,
    /// What held the run back, and what to do about it, one sentence or two each.
    pub findings: Vec<String>,
    /// Processors that the run may use; 0 where nobody knows.
    pub processors: u64,
}
