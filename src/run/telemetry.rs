//! What a run cost: wall time and memory per step, gradients, evaluations, bytes to and from the device, effective draws per second.
//! The only record that differs between equal runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::findings::{self, Finding};
use super::{RunDir, Step};
use crate::error::Result;

/// The content of `telemetry.json`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Telemetry {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// The program.
    pub longrun_version: String,
    /// Operating system and processor architecture.
    pub platform: String,
    /// Logical processors this process may use.
    pub cpus: usize,
    /// Backend and adapter, as the plan says.
    pub backend: String,
    /// What each step cost, by its name.
    pub steps: BTreeMap<String, StepCost>,
    /// What each fit cost, by its name.
    pub fits: BTreeMap<String, FitCost>,
    /// What simulating every customer's future cost.
    #[serde(default)]
    pub prediction: Option<PredictionCost>,
    /// What the machine gave over time, step after step.
    #[serde(default)]
    pub timeline: Vec<ResourceSample>,
    /// What held the run back, and what to do about it.
    #[serde(default)]
    pub findings: Vec<Finding>,
}

/// The machine at one moment of a step. What the system does not tell is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceSample {
    /// The step.
    pub step: String,
    /// Seconds since the step began.
    pub at_s: f64,
    /// Bytes of this process's resident set.
    pub memory_bytes: Option<u64>,
    /// Processors that this process kept busy since the sample before.
    pub busy_cpus: Option<f64>,
    /// Share of the time in which the GPU worked, 0 to 1.
    pub gpu_utilisation: Option<f64>,
    /// Memory in use on the GPU, by anyone, bytes.
    pub gpu_memory_bytes: Option<u64>,
    /// Temperature of the GPU, °C.
    pub gpu_celsius: Option<f64>,
    /// Power that the GPU draws, watts.
    pub gpu_watts: Option<f64>,
}

/// What simulating every customer's future cost; means, checks and files are the step's, not counted here.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PredictionCost {
    /// Seconds of wall time, results written included.
    pub wall_s: f64,
    /// Whether a device did it.
    pub on_device: bool,
    /// Customers × posterior draws.
    pub futures: u64,
    /// Those per second of wall time.
    pub futures_per_s: f64,
    /// Bytes sent to the device.
    pub bytes_up: u64,
    /// Bytes that came back.
    pub bytes_down: u64,
    /// Seconds in which the device computed, where it can tell.
    pub device_s: Option<f64>,
    /// Most bytes held on the device.
    pub device_bytes: u64,
}

/// What one step cost, the last time it was performed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct StepCost {
    /// Seconds of wall time.
    pub wall_s: f64,
    /// Bytes of the largest resident set while it ran; none where the system does not tell.
    #[serde(default)]
    pub peak_memory_bytes: Option<u64>,
    /// Mean share of the time in which the GPU worked, 0 to 1, as NVIDIA's driver tells.
    #[serde(default)]
    pub gpu_utilisation: Option<f64>,
    /// Most memory in use on the GPU, by anyone, as NVIDIA's driver tells.
    #[serde(default)]
    pub gpu_memory_bytes: Option<u64>,
    /// Seconds of processor time, all threads together.
    #[serde(default)]
    pub cpu_s: Option<f64>,
    /// Highest temperature of the GPU, °C.
    #[serde(default)]
    pub gpu_celsius: Option<f64>,
    /// Energy that the GPU drew, joules.
    #[serde(default)]
    pub gpu_joules: Option<f64>,
}

/// What one fit cost. Gradients count from the beginning, wall time from the last resumption.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FitCost {
    /// Seconds of wall time, warm-up included.
    pub wall_s: f64,
    /// Warm-up transitions per chain: at most `sampler.warmup`.
    #[serde(default)]
    pub warmup: u64,
    /// Gradients of one chain's log density.
    pub gradient_evaluations: u64,
    /// Gradients per second, for a fit in one piece.
    pub gradients_per_s: Option<f64>,
    /// Smallest bulk effective sample size of any population parameter, once diagnosed.
    pub min_ess_bulk: Option<f64>,
    /// That, per second of wall time.
    pub min_ess_per_s: Option<f64>,
    /// Whether this fit was resumed, so that its cost is a part of the whole.
    pub resumed: bool,
    /// Rows × chains whose likelihood and gradient were computed.
    #[serde(default)]
    pub evaluations: u64,
    /// Those per second of wall time.
    #[serde(default)]
    pub evaluations_per_s: f64,
    /// Bytes sent to the device.
    #[serde(default)]
    pub bytes_up: u64,
    /// Bytes that came back.
    #[serde(default)]
    pub bytes_down: u64,
    /// Seconds in which the device computed, where it can tell.
    #[serde(default)]
    pub device_s: Option<f64>,
    /// Most bytes held on the device by this fit.
    #[serde(default)]
    pub device_bytes: u64,
    /// What the machine could do at most, for a fit long enough to be worth asking.
    #[serde(default)]
    pub floor: Option<FloorCost>,
}

/// The least that a fit's evaluations cost on this machine: counted operations and bytes at measured rates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct FloorCost {
    /// Bytes that must be read and written per row and chain.
    pub bytes_per_evaluation: f64,
    /// Logarithms, exponentials and divisions per row and chain.
    pub specials_per_evaluation: f64,
    /// Multiply-adds per row and chain.
    pub fmas_per_evaluation: f64,
    /// Rows × chains per second that the machine could do at most.
    pub evaluations_per_s: f64,
    /// The fit's own rate as a share of that; the host's part of the work is in it.
    pub share: f64,
}

/// Reads the run's telemetry, or begins it.
pub fn read(dir: &RunDir) -> Telemetry {
    dir.read_json("telemetry.json", "run").unwrap_or_else(|_| Telemetry {
        schema_version: 1,
        longrun_version: env!("CARGO_PKG_VERSION").to_owned(),
        platform: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
        cpus: std::thread::available_parallelism().map_or(1, usize::from),
        backend: match &dir.plan.compute.adapter {
            Some(adapter) => format!("gpu: {adapter}"),
            None => "cpu".to_owned(),
        },
        ..Telemetry::default()
    })
}

/// Records what a step cost, in whole and moment by moment, and what can be said of it.
pub(super) fn record_step(dir: &RunDir, step: Step, cost: StepCost, samples: Vec<ResourceSample>) -> Result<()> {
    let mut telemetry = read(dir);
    telemetry.steps.insert(step.name().to_owned(), cost);
    // Steps stand in the order in which they are taken, whichever was taken last.
    let place = |sample: &ResourceSample| Step::ALL.iter().position(|step| step.name() == sample.step);
    telemetry.timeline.retain(|sample| sample.step != step.name());
    telemetry
        .timeline
        .extend(samples.into_iter().map(|sample| ResourceSample { step: step.name().to_owned(), ..sample }));
    telemetry.timeline.sort_by_key(place);
    telemetry.findings = findings::of(&telemetry);
    dir.write_json("telemetry.json", &telemetry)
}

/// Records what a fit cost.
pub(super) fn record_fit(dir: &RunDir, fit: &str, cost: FitCost) -> Result<()> {
    let mut telemetry = read(dir);
    telemetry.fits.insert(fit.to_owned(), cost);
    dir.write_json("telemetry.json", &telemetry)
}

/// Records what simulating the futures cost.
pub(super) fn record_prediction(dir: &RunDir, cost: PredictionCost) -> Result<()> {
    let mut telemetry = read(dir);
    telemetry.prediction = Some(cost);
    dir.write_json("telemetry.json", &telemetry)
}

/// Adds the effective sample size that the diagnostics found for a fit.
pub(super) fn record_ess(dir: &RunDir, fit: &str, min_ess_bulk: Option<f64>) -> Result<()> {
    let mut telemetry = read(dir);
    if let Some(cost) = telemetry.fits.get_mut(fit) {
        cost.min_ess_bulk = min_ess_bulk;
        cost.min_ess_per_s = min_ess_bulk.filter(|_| !cost.resumed).map(|ess| ess / cost.wall_s);
    }
    dir.write_json("telemetry.json", &telemetry)
}
