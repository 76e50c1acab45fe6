//! From a configuration to a checked plan and a run directory, before any data is read.

use std::path::Path;

use super::{RunDir, backend, models};
use crate::config::{Plan, Source, check};
use crate::error::Result;

/// Reads, overrides and checks a configuration.
pub fn plan(config: &Path, overrides: &[String]) -> Result<Plan> {
    checked(&Source::read(config, overrides)?)
}

/// Makes the directory of a new run: plan, copy of the configuration, lock.
pub fn create(config: &Path, overrides: &[String], overwrite: bool) -> Result<RunDir> {
    let source = Source::read(config, overrides)?;
    let plan = checked(&source)?;
    let mut text = String::new();
    for set in source.overrides() {
        text.push_str(&format!("# --set {set}\n"));
    }
    text.push_str(source.text());
    RunDir::create(plan, &text, overwrite)
}

fn checked(source: &Source) -> Result<Plan> {
    // One day of grace: a log may be written east of this machine.
    let today = chrono::Local::now().date_naive() + chrono::Days::new(1);
    let config = &source.config;
    let compute = backend::decide(&config.compute, config.sampler.chains, &config.data.path.to_vec())?;
    let plan = check(source, today, compute)?;
    models::check_priors(&plan, &|key| source.place(key))?;
    Ok(plan)
}
