//! `longrun init NAME`: a new project.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::lifecycle::Project;

#[derive(Debug, Args)]
pub(super) struct InitArgs {
    /// Folder of the new project.
    name: PathBuf,

    /// The log: a file, folder or glob, from the project's folder or absolute.
    #[arg(long, default_value = "data/*.csv")]
    data: String,
}

pub(super) fn init(args: &InitArgs, terminal: Terminal) -> Result<Ending> {
    let config = Project::create(&args.name, &args.data)?;
    if terminal.json {
        return print_json(&serde_json::json!({ "project": args.name, "config": config })).map(|()| Ending::Healthy);
    }
    let name = args.name.to_string_lossy();
    let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let name = if is_plain { name.into_owned() } else { format!("'{}'", name.replace('\'', "'\\''")) };
    println!("made {}\n", config.display());
    println!("next:");
    println!("  put the log into {}, or name it in the configuration", args.name.join("data").display());
    println!("  longrun train -C {name}                  fit a model and evaluate it out of time");
    println!("  longrun promote challenger -C {name}     make it the champion");
    println!("  longrun pipeline -C {name}               what cron calls from then on");
    Ok(Ending::Healthy)
}
