//! `longrun doctor`: which adapters there are, what they can do, what `auto` would choose and why.

use super::config::print_json;
use super::{Ending, Terminal};
use crate::config::{Backend, ComputeSection};
use crate::error::Result;
use crate::kernels::device::{self, Adapter, Choice, Device};
use crate::kernels::self_test;
use crate::run::{AUTO_RULE, decide_backend};

pub(super) fn doctor(terminal: Terminal) -> Result<Ending> {
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
            "auto": { "rule": AUTO_RULE, "large_jobs": large.backend, "adapter": large.adapter, "reason": large.reason },
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
    match (large.backend, &large.adapter) {
        (Backend::Gpu, Some(adapter)) => println!("here: small jobs on the CPU, large ones on {adapter}"),
        _ => println!("here: every job on the CPU"),
    }
    Ok(Ending::Healthy)
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
