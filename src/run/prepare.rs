//! From a configuration to a checked plan and a run directory, before any data is read.

use std::path::Path;

use super::{RunDir, backend, models};
use crate::config::{Plan, Source, check};
use crate::data;
use crate::error::Result;

/// Reads, overrides and checks a configuration.
pub fn plan(config: &Path, overrides: &[String]) -> Result<Plan> {
    plan_of(&Source::read(config, overrides)?)
}

/// Makes the directory of a new run: plan, configuration, lock. The input files must exist, so that no old run is replaced for a
/// misspelt path.
pub fn create(config: &Path, overrides: &[String], overwrite: bool) -> Result<RunDir> {
    create_from(&Source::read(config, overrides)?, overwrite)
}

/// The same of a configuration in hand.
pub fn create_from(source: &Source, overwrite: bool) -> Result<RunDir> {
    let plan = plan_of(source)?;
    data::Source { paths: plan.data.paths.clone(), ..data::Source::default() }.files()?;
    RunDir::create(plan, &source.merged_text()?, overwrite)
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
    for path in &mut plan.data.paths {
        if let Ok(absolute) = std::path::absolute(&*path) {
            *path = absolute.to_string_lossy().into_owned();
        }
    }
    Ok(plan)
}
