//! Where likelihoods are computed: decides once, before any data is read, by a rule stated in words, and opens what was decided.
//!
//! The rule never asks a stopwatch, so that equal runs are equal: it looks at the kind of adapter, the rows of the input files and
//! the number of chains.

use super::away;
use crate::config::{Backend, BackendChoice, ComputePlan, ComputeSection, Layout, LayoutChoice};
use crate::error::{Error, Result};
use crate::kernels::device::{self, Adapter, Choice, Device};
use crate::kernels::{Arrangement, Options};
use crate::model::Place;

/// Input rows × chains from which `auto` prefers a GPU.
///
/// Some six lines of a log, or two customers of a summary, come to one cell of the likelihood. Two cores with AVX-512 make about
/// 5e8 to 9e8 cell gradients a second (`longrun bench`), so that a gradient of this much work takes the CPU a millisecond or more, and
/// more where registers are narrower. Submitting work to a device and reading it back costs 0.1 ms on llvmpipe; the gain beyond
/// that is hardware's, which `longrun bench rule` measures where there is some.
pub const AUTO_GPU_ROW_CHAINS: u64 = 4_000_000;

/// `auto`'s rule, for people.
pub const AUTO_RULE: &str = "auto takes the first adapter that is not software when input rows × chains reach 4 million, and the CPU \
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
            let rows = away::rough_rows(paths)?;
            let work = rows.saturating_mul(chains as u64);
            if work < AUTO_GPU_ROW_CHAINS {
                let reason = format!("auto: input rows × chains are about {work}, below {AUTO_GPU_ROW_CHAINS}");
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
                    format!("auto: input rows × chains are about {work}, at least {AUTO_GPU_ROW_CHAINS}"),
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

/// The place a plan decided on, opened.
pub(super) fn open(plan: &ComputePlan) -> Result<Place> {
    if plan.backend == Backend::Cpu {
        return Ok(Place::CPU);
    }
    let choice = plan.adapter.clone().map_or(Choice::Auto, Choice::Named);
    let options = Options {
        arrangement: match plan.layout {
            Some(Layout::Chains) => Arrangement::Chains,
            Some(Layout::Rows) | None => Arrangement::Rows,
        },
        budget_bytes: plan.device_budget_mib.map(|mib| mib << 20),
    };
    let opened = Device::open(&choice);
    opened.map(|device| Place { device: Some((device, options)), is_judge: false }).map_err(|e| {
        Error::new("the planned adapter could not be opened")
            .at("plan.toml: compute.adapter")
            .seen(plan.adapter.as_deref().unwrap_or("none"))
            .advice("run on the machine the plan was made for, or start a new run")
            .because(e)
    })
}
