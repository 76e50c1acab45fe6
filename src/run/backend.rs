//! Where likelihoods are computed: decides once, before any data is read, by a rule stated in words, and opens what was decided.
//!
//! The rule never asks a stopwatch, so that equal runs are equal: it looks at the kind of adapter, the size of the input files and
//! the number of chains.

use crate::config::{Backend, BackendChoice, ComputePlan, ComputeSection, Layout, LayoutChoice};
use crate::data::Source;
use crate::error::{Error, Result};
use crate::kernels::device::{self, Adapter, Choice, Device};
use crate::kernels::{Arrangement, Options};

/// Input bytes × chains from which `auto` prefers a GPU: below it a gradient costs less on the CPU than the way to the device
/// and back.
pub const AUTO_GPU_BYTE_CHAINS: u64 = 256 << 20;

/// `auto`'s rule, for people.
pub const AUTO_RULE: &str = "auto takes the first adapter that is not software when input bytes × chains reach 256 MiB, and the CPU \
otherwise; a software adapter is used only when compute.adapter names it";

/// The backend decided for `compute`, given the chains and the input files.
///
/// Errors: a GPU was asked for and there is none, or none of that name.
pub fn decide(compute: &ComputeSection, chains: usize, paths: &[String]) -> Result<ComputePlan> {
    let plan = |backend, adapter: Option<&Adapter>, reason: String| ComputePlan {
        backend,
        adapter: adapter.map(|a| a.name.clone()),
        reason,
        threads: compute.threads,
        merge_cells: compute.merge_cells,
        device_budget_mib: compute.device_budget_mib,
        layout: adapter.map(|adapter| layout(compute.layout, chains, adapter)),
    };
    match compute.backend {
        BackendChoice::Cpu => Ok(plan(Backend::Cpu, None, "compute.backend asks for it".to_owned())),
        BackendChoice::Gpu => {
            let adapters = device::adapters();
            let adapter = named(&adapters, compute.adapter.as_deref())?;
            Ok(plan(Backend::Gpu, Some(adapter), "compute.backend asks for it".to_owned()))
        }
        BackendChoice::Auto => {
            // Small work is settled without waking any driver.
            let work = input_bytes(paths).saturating_mul(chains as u64);
            if work < AUTO_GPU_BYTE_CHAINS {
                let reason = format!(
                    "auto: input bytes × chains are {} MiB, below {} MiB",
                    work >> 20,
                    AUTO_GPU_BYTE_CHAINS >> 20
                );
                return Ok(plan(Backend::Cpu, None, reason));
            }
            let adapters = device::adapters();
            let hardware = match &compute.adapter {
                Some(_) => Some(named(&adapters, compute.adapter.as_deref())?),
                None => adapters.iter().find(|a| !a.is_software()),
            };
            Ok(match hardware {
                Some(a) => plan(
                    Backend::Gpu,
                    Some(a),
                    format!(
                        "auto: input bytes × chains are {} MiB, at least {} MiB",
                        work >> 20,
                        AUTO_GPU_BYTE_CHAINS >> 20
                    ),
                ),
                None => plan(Backend::Cpu, None, "auto: this machine has no adapter that is not software".to_owned()),
            })
        }
    }
}

fn layout(choice: LayoutChoice, chains: usize, adapter: &Adapter) -> Layout {
    match choice {
        LayoutChoice::Rows => Layout::Rows,
        LayoutChoice::Chains => Layout::Chains,
        LayoutChoice::Auto => match Arrangement::choose(chains, adapter) {
            Arrangement::Rows => Layout::Rows,
            Arrangement::Chains => Layout::Chains,
        },
    }
}

fn named<'a>(adapters: &'a [Adapter], name: Option<&str>) -> Result<&'a Adapter> {
    if adapters.is_empty() {
        return Err(Error::new("there is no adapter to compute on")
            .at("compute.backend")
            .advice(format!("{}; or set compute.backend = \"cpu\"; see `longrun doctor`", device::why_no_adapter())));
    }
    let fits = |a: &&Adapter| match name {
        Some(words) => a.name.to_lowercase().contains(&words.to_lowercase()),
        None => !a.is_software(),
    };
    let seen = || adapters.iter().map(|a| format!("{:?}", a.name)).collect::<Vec<_>>().join(", ");
    adapters.iter().find(fits).ok_or_else(|| match name {
        Some(words) => Error::new(format!("no adapter is called {words:?}"))
            .at("compute.adapter")
            .seen(seen())
            .advice("`longrun doctor` lists the adapters"),
        None => Error::new("the only adapters are software, which is slower than compute.backend = \"cpu\"")
            .at("compute.backend")
            .seen(seen())
            .advice("name one in compute.adapter to use it all the same; see `longrun doctor`"),
    })
}

/// Size of all input files; 0 where they cannot be listed (reading will say why).
fn input_bytes(paths: &[String]) -> u64 {
    let source = Source { paths: paths.to_vec(), ..Source::default() };
    let files = source.files().unwrap_or_default();
    files.iter().filter_map(|f| std::fs::metadata(f).ok()).map(|m| m.len()).sum()
}

/// The place a plan decided on, opened.
#[derive(Debug)]
pub(super) enum Place {
    /// f64 on the CPU.
    Cpu,
    /// An open device, and how to use it.
    Gpu(Device, Options),
}

impl Place {
    pub fn of(plan: &ComputePlan) -> Result<Self> {
        match (plan.backend, &plan.adapter) {
            (Backend::Cpu, _) => Ok(Self::Cpu),
            (Backend::Gpu, adapter) => {
                let choice = adapter.clone().map_or(Choice::Auto, Choice::Named);
                let options = Options {
                    arrangement: match plan.layout {
                        Some(Layout::Chains) => Arrangement::Chains,
                        Some(Layout::Rows) | None => Arrangement::Rows,
                    },
                    budget_bytes: plan.device_budget_mib.map(|mib| mib << 20),
                };
                let opened = Device::open(&choice);
                opened.map(|device| Self::Gpu(device, options)).map_err(|e| {
                    Error::new("the planned adapter could not be opened")
                        .at("plan.toml: compute.adapter")
                        .seen(adapter.as_deref().unwrap_or("none"))
                        .advice("run on the machine the plan was made for, or start a new run")
                        .because(e)
                })
            }
        }
    }
}
