//! `longrun doctor`: which adapters there are, what they can do, what `auto` would choose and why; of a run, how far its customers
//! merged and where it computes.

use std::fmt;
use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;

use super::config::print_json;
use super::{Ending, Terminal};
use crate::config::{Backend, ComputeSection};
use crate::error::Result;
use crate::kernels::device::{self, Adapter, Choice, Device};
use crate::kernels::{ARRANGEMENT_RULE, self_test};
use crate::run::{AUTO_RULE, DataFacts, RunDir, decide_backend};

#[derive(Debug, Args)]
pub(super) struct DoctorArgs {
    /// A run directory: say how many customers share a history, and where the run computes and why.
    run: Option<PathBuf>,
}

pub(super) fn doctor(args: &DoctorArgs, terminal: Terminal) -> Result<Ending> {
    let run = args.run.as_deref().map(Checkup::of).transpose()?;
    let adapters = device::adapters();
    // What auto would say to a large job: no file is as large as this many chains.
    let large = decide_backend(&ComputeSection::default(), usize::MAX, &[std::env::args().next().unwrap_or_default()])?;
    let why_none = adapters.is_empty().then(device::why_no_adapter);
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    if terminal.json {
        let list: Vec<_> = adapters
            .iter()
            .map(|a| {
                let test = check(a);
                serde_json::json!({
                    "name": a.name, "backend": a.backend, "software": a.is_software(), "driver": a.driver,
                    "max_binding_bytes": a.max_binding_bytes, "max_buffer_bytes": a.max_buffer_bytes,
                    "max_workgroups": a.max_workgroups, "subgroup_sizes": [a.subgroup_sizes.0, a.subgroup_sizes.1],
                    "self_test": { "passed": test.is_ok(), "said": test.unwrap_or_else(|said| said) },
                })
            })
            .collect();
        print_json(&serde_json::json!({
            "version": env!("CARGO_PKG_VERSION"), "cpus": cpus, "adapters": list, "why_no_adapter": why_none,
            "run": run, "layout_rule": ARRANGEMENT_RULE, "auto": { "rule": AUTO_RULE, "large_jobs": large.backend, "adapter": large.adapter, "reason": large.reason },
        }))?;
        return Ok(Ending::Healthy);
    }
    println!(
        "longrun {} on {} {}, {cpus} processors",
        env!("CARGO_PKG_VERSION"),
        std::env::consts::OS,
        std::env::consts::ARCH
    );
    println!();
    if let Some(why) = why_none {
        println!("no graphics adapter: {why}");
        println!("everything works without one, on the CPU in f64");
    }
    for a in &adapters {
        println!("{a}");
        println!(
            "    storage binding up to {} MiB, buffer up to {} MiB, {} workgroups a dispatch, subgroups of {} to {}",
            a.max_binding_bytes >> 20,
            a.max_buffer_bytes >> 20,
            a.max_workgroups,
            a.subgroup_sizes.0,
            a.subgroup_sizes.1
        );
        match check(a) {
            Ok(said) => println!("    self-test passed: {said}"),
            Err(said) => println!("    self-test FAILED, do not use it: {said}"),
        }
    }
    println!();
    println!("{AUTO_RULE}");
    println!("layout: {ARRANGEMENT_RULE}");
    match (large.backend, &large.adapter) {
        (Backend::Gpu, Some(adapter)) => println!("here: small jobs on the CPU, large ones on {adapter}"),
        _ => println!("here: every job on the CPU"),
    }
    if let Some(run) = run {
        println!();
        println!("{run}");
    }
    Ok(Ending::Healthy)
}

/// How a run's data and its place of computing look.
#[derive(Debug, Serialize)]
struct Checkup {
    run: PathBuf,
    customers: u64,
    cells: u64,
    customers_per_cell: f64,
    spenders: u64,
    spend_rows: u64,
    backend: Backend,
    adapter: Option<String>,
    reason: String,
}

impl Checkup {
    fn of(run: &Path) -> Result<Self> {
        let dir = RunDir::open(run)?;
        let facts: DataFacts = dir.read_json("facts.json", "summarize")?;
        let compute = &dir.plan.compute;
        Ok(Self {
            run: run.to_owned(),
            customers: facts.customers,
            cells: facts.cells,
            customers_per_cell: facts.customers as f64 / facts.cells.max(1) as f64,
            spenders: facts.spenders,
            spend_rows: facts.spend_rows,
            backend: compute.backend,
            adapter: compute.adapter.clone(),
            reason: compute.reason.clone(),
        })
    }
}

impl fmt::Display for Checkup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { customers, cells, customers_per_cell, spenders, spend_rows, reason, .. } = self;
        writeln!(f, "{}", self.run.display())?;
        writeln!(f, "    {customers} customers have {cells} distinct histories, {customers_per_cell:.1} to one")?;
        if *spenders > 0 {
            let each = *spenders as f64 / (*spend_rows).max(1) as f64;
            writeln!(f, "    {spenders} of them have {spend_rows} distinct spends, {each:.1} to one")?;
        }
        write!(f, "    computes on {}: {reason}", self.adapter.as_deref().unwrap_or("the CPU"))
    }
}

/// Holds one batch of an adapter's numbers against the f64 judge; says by how much they differ, or what failed.
fn check(adapter: &Adapter) -> std::result::Result<String, String> {
    let device = Device::open(&Choice::Named(adapter.name.clone())).map_err(|e| e.to_string())?;
    let test = self_test(&device).map_err(|e| e.to_string())?;
    let failed: Vec<String> = test.failed().map(ToString::to_string).collect();
    if !failed.is_empty() {
        return Err(failed.join("; "));
    }
    Ok(format!(
        "{} checks; log-likelihoods within {:.1e} nat of f64 (limit 0.01), slopes within {:.1e} (limit 0.1)",
        test.checks.len(),
        test.log_lik_nats,
        test.slope_nats
    ))
}
