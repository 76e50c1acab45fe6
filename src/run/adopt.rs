//! A run that reads the data as another one did takes over what that one made of them, instead of reading them again. Not a step: the
//! result is what summarising would have left, but for `rejects.csv`.

use std::fs;
use std::path::Path;

use super::facts::DataFacts;
use super::{RunDir, Step, models};
use crate::config::{DataPlan, Plan};
use crate::data::{Observations, take_over_table};
use crate::error::{Error, Result};

/// Takes over the summary of the run in `from` where its plan reads the same data in the same way; says whether it did.
///
/// # Errors
/// Files that cannot be read or written.
pub fn adopt(dir: &mut RunDir, from: &Path) -> Result<bool> {
    let path = from.join("plan.toml");
    let Ok(text) = fs::read_to_string(&path) else { return Ok(false) };
    let other = Plan::from_toml(&text, &path)?;
    let everyone = |data: &DataPlan| DataPlan { sample_customers: None, ..data.clone() };
    let same = everyone(&dir.plan.data) == everyone(&other.data)
        && dir.plan.groups == other.groups
        && dir.plan.covariates == other.covariates
        && from.join("facts.json").exists();
    if !same {
        return Ok(false);
    }
    let mut names: Vec<String> = Step::Summarize.files().iter().map(|name| (*name).to_owned()).collect();
    names.retain(|name| name != "facts.json");
    if from.join("transactions").exists() {
        take_over_table(&from.join("transactions"), &dir.path("transactions"))?;
    }
    for name in &names {
        let (old, new) = (from.join(name), dir.path(name));
        if old.exists() && !new.exists() {
            // Files are replaced by renaming, never written in place, so that two runs can hold one.
            fs::hard_link(&old, &new)
                .or_else(|_| fs::copy(&old, &new).map(|_| ()))
                .map_err(|e| Error::io("take over the summary", &new, e))?;
        }
    }
    if other.spend.is_none() {
        dir.plan.spend_left_out = dir.plan.spend.take();
    }
    let observed = Observations::read(dir.root(), true)?;
    models::resolve_priors(&mut dir.plan, &observed)?;
    dir.write_plan()?;
    let text = fs::read_to_string(from.join("facts.json")).map_err(|e| Error::io("read the facts", from, e))?;
    let facts: DataFacts = serde_json::from_str(&text)
        .map_err(|e| Error::new("facts.json is damaged").at(from.join("facts.json").display()).because(e))?;
    dir.write_json("facts.json", &facts)?;
    Ok(true)
}
