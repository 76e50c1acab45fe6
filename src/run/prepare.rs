//! From a configuration to a checked plan and a run directory, before any data is read.

use std::path::Path;

use super::{RunDir, WarmSource, away, backend, models, warm};
use crate::config::{Plan, Source, check};
use crate::error::Result;
use crate::storage::is_address;

/// Reads, overrides and checks a configuration.
pub fn plan(config: &Path, overrides: &[String]) -> Result<Plan> {
    plan_of(&away::configuration(config, overrides)?)
}

/// Makes the directory of a new run: plan, configuration, lock. The input files must exist, so that no old run is replaced for a
/// misspelt path.
pub fn create(config: &Path, overrides: &[String], overwrite: bool) -> Result<RunDir> {
    create_from(&away::configuration(config, overrides)?, overwrite)
}

/// The same of a configuration in hand.
pub fn create_from(source: &Source, overwrite: bool) -> Result<RunDir> {
    make(plan_of(source)?, source, None, overwrite)
}

/// The same of a run whose chains begin where an earlier one ended.
///
/// # Errors
/// As [`create`], and what the two configurations alone say against it. Whether the groups are the same is known once the data are read.
pub fn create_warm(source: &Source, from: &WarmSource, overwrite: bool) -> Result<RunDir> {
    let mut plan = plan_of(source)?;
    if let Some(reason) = from.refusal(&plan, source) {
        return Err(warm::refuse(&from.plan().from, &reason));
    }
    plan.warm_start = Some(from.plan().clone());
    make(plan, source, Some(from.bytes()), overwrite)
}

fn make(plan: Plan, source: &Source, given: Option<&[u8]>, overwrite: bool) -> Result<RunDir> {
    away::must_exist(&plan.data.paths)?;
    RunDir::create(plan, &source.merged_text()?, given, overwrite)
}

/// Checks a configuration in hand.
pub fn plan_of(source: &Source) -> Result<Plan> {
    // One day of grace: a log may be written east of this machine.
    let today = chrono::Local::now().date_naive() + chrono::Days::new(1);
    let config = &source.config;
    let compute = backend::decide(&config.compute, config.sampler.chains, &config.data.path.to_vec())?;
    let mut plan = check(source, today, compute)?;
    models::check_priors(&plan, &|key| source.place(key))?;
    // A run can be resumed from anywhere.
    for path in plan.data.paths.iter_mut().chain(&mut plan.data.forget).filter(|path| !is_address(path)) {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute.to_string_lossy().into_owned();
        }
    }
    Ok(plan)
}
