//! The table of what is measured: every family on every backend in every layout, made alike and asked alike.

use ndarray::{Array2, Array3};
use serde::Serialize;

use super::broken;
use super::customers::Data;
use crate::error::{Error, Result};
use crate::kernels::device::Device;
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::roofline::{Cost, cost};
use crate::kernels::{Likelihood, LikelihoodBatch, ParamBatch, bg_nbd, gamma_gamma};

/// A likelihood's family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// Purchases.
    BgNbd,
    /// Spend.
    GammaGamma,
}

impl Family {
    /// Every family.
    pub const ALL: [Self; 2] = [Self::BgNbd, Self::GammaGamma];

    /// The maximum-likelihood parameters of the CDNOW sample, in weeks (Fader, Hardie & Lee 2005): r, α, a, b.
    pub const CDNOW_PURCHASES: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

    /// The same for spend, in dollars (Fader & Hardie 2013): p, q, v.
    pub const CDNOW_SPEND: [f64; 3] = [6.25, 3.74, 15.44];

    /// The name that configurations use.
    pub fn key(self) -> &'static str {
        match self {
            Self::BgNbd => "bg_nbd",
            Self::GammaGamma => "gamma_gamma",
        }
    }

    /// The parameters that customers were simulated with.
    pub fn centre(self) -> &'static [f64] {
        match self {
            Self::BgNbd => &Self::CDNOW_PURCHASES,
            Self::GammaGamma => &Self::CDNOW_SPEND,
        }
    }

    /// What a row costs on `backend`.
    pub fn cost(self, backend: Backend) -> Cost {
        match (self, backend) {
            (Self::BgNbd, Backend::Cpu) => cost::BG_NBD_HOST,
            (Self::BgNbd, Backend::Gpu) => cost::BG_NBD_DEVICE,
            (Self::GammaGamma, Backend::Cpu) => cost::GAMMA_GAMMA_HOST,
            (Self::GammaGamma, Backend::Gpu) => cost::GAMMA_GAMMA_DEVICE,
        }
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
    /// A thread of the device owns a row and loops over chains.
    Rows,
}

impl Layout {
    /// Every layout, the judge first.
    pub const ALL: [Self; 2] = [Self::Scalar, Self::Rows];

    /// Where it runs.
    pub fn backend(self) -> Backend {
        match self {
            Self::Scalar => Backend::Cpu,
            Self::Rows => Backend::Gpu,
        }
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Rows => "rows",
        }
    }

    /// The likelihood of `data` in this layout, on a device cut into `chunks` pieces.
    ///
    /// # Errors
    /// The device fails, or there is none.
    pub(super) fn in_chunks(self, data: &Data, device: Option<&Device>, chunks: usize) -> Result<Box<dyn Likelihood>> {
        if chunks != 1 {
            return Err(Error::new("rows cannot be cut into pieces yet").at("bench").seen(chunks));
        }
        self.likelihood(data, device)
    }

    /// The likelihood of `data` in this layout.
    ///
    /// # Errors
    /// The device fails, or there is none.
    pub(super) fn likelihood(self, data: &Data, device: Option<&Device>) -> Result<Box<dyn Likelihood>> {
        let no_device = || Error::new("a device layout needs a device").at(format!("bench, layout {}", self.name()));
        let bg_nbd = |cells: &bg_nbd::Cells| bg_nbd::Cpu::new(cells.clone());
        let gamma_gamma = |rows: &gamma_gamma::Rows| gamma_gamma::Cpu::new(rows.clone());
        let made: Result<Box<dyn Likelihood>, _> = match (data, self) {
            (Data::BgNbd(cells), Self::Scalar) => bg_nbd(cells).map(|cpu| Box::new(cpu) as _),
            (Data::GammaGamma(rows), Self::Scalar) => gamma_gamma(rows).map(|cpu| Box::new(cpu) as _),
            (Data::BgNbd(cells), Self::Rows) => {
                let device = device.ok_or_else(no_device)?;
                bg_nbd(cells).and_then(|cpu| bg_nbd::Gpu::new(cpu, device)).map(|gpu| Box::new(gpu) as _)
            }
            (Data::GammaGamma(rows), Self::Rows) => {
                let device = device.ok_or_else(no_device)?;
                gamma_gamma(rows).and_then(|cpu| gamma_gamma::Gpu::new(cpu, device)).map(|gpu| Box::new(gpu) as _)
            }
        };
        made.map_err(broken("prepare the likelihood"))
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
