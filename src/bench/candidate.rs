//! The table of what is measured: every family on every backend in every layout, made alike and asked alike.

use ndarray::{Array2, Array3};
use serde::Serialize;

use super::broken;
use super::customers::{Data, Facts};
use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::roofline::{Cost, cost};
use crate::kernels::{
    Arrangement, Likelihood, LikelihoodBatch, Options, ParamBatch, bg_nbd, gamma_gamma, mbg_nbd, pareto_nbd,
};

/// A likelihood's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Purchases; customers leave after a repeat purchase.
    BgNbd,
    /// After any purchase.
    MbgNbd,
    /// At any time.
    ParetoNbd,
    /// Spend.
    GammaGamma,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 4] = [Self::BgNbd, Self::MbgNbd, Self::ParetoNbd, Self::GammaGamma];

    /// The maximum-likelihood parameters of the CDNOW sample, in weeks (Fader, Hardie & Lee 2005): r, α, a, b.
    pub const CDNOW_PURCHASES: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

    /// The same of MBG/NBD.
    const CDNOW_MBG: [f64; 4] = [0.525, 6.183, 0.891, 1.614];

    /// The same of Pareto/NBD: r, α, s, β.
    const CDNOW_PARETO: [f64; 4] = [0.553, 10.578, 0.606, 11.669];

    /// The same for spend, in dollars (Fader & Hardie 2013): p, q, v.
    pub const CDNOW_SPEND: [f64; 3] = [6.25, 3.74, 15.44];

    /// The name that configurations use.
    pub fn key(self) -> &'static str {
        match self {
            Self::BgNbd => "bg_nbd",
            Self::MbgNbd => "mbg_nbd",
            Self::ParetoNbd => "pareto_nbd",
            Self::GammaGamma => "gamma_gamma",
        }
    }

    /// The parameters that customers were simulated with, or of another family those of the customers they are like.
    pub fn centre(self) -> &'static [f64] {
        match self {
            Self::BgNbd => &Self::CDNOW_PURCHASES,
            Self::MbgNbd => &Self::CDNOW_MBG,
            Self::ParetoNbd => &Self::CDNOW_PARETO,
            Self::GammaGamma => &Self::CDNOW_SPEND,
        }
    }

    /// What a row costs on `backend`.
    pub fn cost(self, backend: Backend) -> Option<Cost> {
        cost::of(self.key(), backend == Backend::Gpu)
    }
}

/// Where a likelihood is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// The processor, f64.
    Cpu,
    /// A device, f32 differences.
    Gpu,
}

/// How rows and chains are laid over the machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// One row after another in f64: the judge.
    Scalar,
    /// Registers of rows in f64, chains sharing one read: the fast path.
    Simd,
    /// A thread of the device owns rows and loops over chains.
    Rows,
    /// A thread of the device owns a chain and walks rows that its workgroup reads together.
    Chains,
}

impl Layout {
    /// Every layout, the judge first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Simd, Self::Rows, Self::Chains];

    /// Where it runs.
    pub fn backend(self) -> Backend {
        match self {
            Self::Scalar | Self::Simd => Backend::Cpu,
            Self::Rows | Self::Chains => Backend::Gpu,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Simd => "simd",
            Self::Rows => "rows",
            Self::Chains => "chains",
        }
    }

    /// The device's layout for so many chains, by the rule in force.
    pub fn of(arrangement: Arrangement) -> Self {
        match arrangement {
            Arrangement::Rows => Self::Rows,
            Arrangement::Chains => Self::Chains,
        }
    }

    /// The likelihood of `judge`'s rows in this layout: on a device in about `chunks` pieces, by a memory budget that streams them, or
    /// in as few as the device takes when `chunks` is 1; on the processor always in one.
    ///
    /// # Errors
    /// The device fails, or there is none.
    pub(super) fn likelihood(self, judge: &Judge, device: Option<&Device>, chunks: usize) -> Result<Made> {
        let on_device = |arrangement| {
            let budget_bytes = (chunks > 1).then(|| budget(&judge.facts, chunks));
            let options = Options { arrangement, budget_bytes };
            device.map(|device| (device, options)).ok_or_else(|| {
                let error = Error::new("a device layout needs a device").at("bench").seen(self.name());
                error.advice("name an adapter; `longrun doctor` lists them")
            })
        };
        let arrangement = self.arrangement().map(on_device).transpose()?;
        /// One family's likelihood in this layout; `$rows` hands out a copy of its rows.
        macro_rules! made {
            ($stem:ident, $cpu:expr, $rows:ident) => {
                match arrangement {
                    None if self == Self::Simd => $stem::Simd::new($cpu.$rows().clone()).map(on_processor),
                    None => Ok(on_processor($cpu.clone())),
                    Some((device, options)) => $stem::Gpu::with($cpu.clone(), device, &options)
                        .map(|gpu| (gpu.chunks().0, Box::new(gpu) as Box<dyn Likelihood>)),
                }
            };
        }
        let made = match &judge.cpu {
            Cpu::BgNbd(cpu) => made!(bg_nbd, cpu, cells),
            Cpu::MbgNbd(cpu) => made!(mbg_nbd, cpu, cells),
            Cpu::ParetoNbd(cpu) => made!(pareto_nbd, cpu, cells),
            Cpu::GammaGamma(cpu) => made!(gamma_gamma, cpu, rows_as_given),
        };
        made.map_err(broken("prepare the likelihood"))
    }

    /// On a device, how its threads share the work.
    fn arrangement(self) -> Option<Arrangement> {
        match self {
            Self::Scalar | Self::Simd => None,
            Self::Rows => Some(Arrangement::Rows),
            Self::Chains => Some(Arrangement::Chains),
        }
    }
}

/// A likelihood, and the pieces that its rows lie in.
type Made = (usize, Box<dyn Likelihood>);

fn on_processor(likelihood: impl Likelihood + 'static) -> Made {
    (1, Box::new(likelihood))
}

/// The budget that cuts rows into about `chunks` pieces: three of them on the device at once, each of whole lanes.
fn budget(facts: &Facts, chunks: usize) -> u64 {
    let lane_rows = (facts.rows / 2048).next_power_of_two().clamp(64, 1024);
    let rows = facts.rows.div_ceil(chunks).next_multiple_of(lane_rows);
    let row = facts.family.cost(Backend::Gpu).map_or(0.0, |cost| cost.returning_bytes);
    3 * (rows as f64 * row) as u64
}

/// The f64 judge of some rows, sorted and checked once: every layout is made from it.
pub(super) struct Judge {
    pub facts: Facts,
    cpu: Cpu,
}

enum Cpu {
    BgNbd(bg_nbd::Cpu),
    MbgNbd(mbg_nbd::Cpu),
    ParetoNbd(pareto_nbd::Cpu),
    GammaGamma(gamma_gamma::Cpu),
}

impl Judge {
    pub fn new(data: Data) -> Result<Self> {
        let facts = data.facts();
        let cpu = match data {
            Data::Purchases(Family::MbgNbd, cells) => mbg_nbd::Cpu::new(cells).map(Cpu::MbgNbd),
            Data::Purchases(Family::ParetoNbd, cells) => pareto_nbd::Cpu::new(cells).map(Cpu::ParetoNbd),
            Data::Purchases(_, cells) => bg_nbd::Cpu::new(cells).map(Cpu::BgNbd),
            Data::GammaGamma(rows) => gamma_gamma::Cpu::new(rows).map(Cpu::GammaGamma),
        };
        Ok(Self { facts, cpu: cpu.map_err(broken("sort the simulated customers"))? })
    }

    /// The judge itself, to evaluate it.
    pub fn likelihood(&mut self) -> &mut dyn Likelihood {
        match &mut self.cpu {
            Cpu::BgNbd(cpu) => cpu,
            Cpu::MbgNbd(cpu) => cpu,
            Cpu::ParetoNbd(cpu) => cpu,
            Cpu::GammaGamma(cpu) => cpu,
        }
    }
}

/// What a benchmark runs on.
#[derive(Debug, Clone, Default)]
pub struct Bench {
    /// Families to measure.
    pub families: Vec<Family>,
    /// Whether the processor takes part.
    pub cpu: bool,
    /// The device that takes part, if any.
    pub device: Option<Device>,
}

impl Bench {
    /// The layouts that take part.
    pub fn layouts(&self) -> Vec<Layout> {
        let takes_part = |layout: &Layout| match layout.backend() {
            Backend::Cpu => self.cpu,
            Backend::Gpu => self.device.is_some(),
        };
        Layout::ALL.into_iter().filter(takes_part).collect()
    }

    /// Name of the adapter that `backend` runs on; none for the processor.
    pub fn adapter(&self, backend: Backend) -> Option<String> {
        let name = self.device.as_ref().map(|device| device.adapter().name.clone());
        name.filter(|_| backend == Backend::Gpu)
    }
}

/// `[chain, group, K]`: parameters within `spread` (as a share) of `centre`, the same for equal arguments.
pub(super) fn scattered(centre: &[f64], chains: usize, groups: usize, spread: f64) -> Array3<f64> {
    let k = centre.len();
    Array3::from_shape_fn((chains, groups, k), |(chain, group, i)| {
        let mut stream = Stream::new(2, Purpose::Simulation, chain as u64, (group * k + i) as u32);
        centre[i] * (spread * (2.0 * stream.uniform() - 1.0)).exp()
    })
}

/// Value and gradient at `points` `[chain, group, K]`, into `out`.
pub(super) fn evaluate(likelihood: &mut dyn Likelihood, points: &Array3<f64>, out: &mut LikelihoodBatch) -> Result<()> {
    let shared = Array2::zeros((points.dim().0, 0));
    let params = ParamBatch { per_group: points.view(), shared: shared.view() };
    likelihood.evaluate(params, out).map_err(broken("evaluate the likelihood"))
}

/// Room for the results at `points`.
pub(super) fn room(points: &Array3<f64>) -> LikelihoodBatch {
    let (chains, groups, k) = points.dim();
    LikelihoodBatch::new(chains, groups, k, 0)
}

/// Moves the reference to `at` `[1, group, K]`.
pub(super) fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>) -> Result<()> {
    let shared = Array2::zeros((1, 0));
    let params = ParamBatch { per_group: at.view(), shared: shared.view() };
    likelihood.set_reference(params).map_err(broken("move the reference"))
}
