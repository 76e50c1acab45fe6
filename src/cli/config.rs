//! `longrun config check|schema|show`.

use clap::Subcommand;

use super::{ConfigArgs, Ending, Terminal};
use crate::config;
use crate::error::{Error, Result};
use crate::run;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Check a configuration and say what is wrong, with file and line.
    Check(ConfigArgs),
    /// Print the JSON Schema of configurations, for editors.
    Schema,
    /// Print the plan a configuration comes to, with every default filled in.
    Show(ConfigArgs),
}

pub(super) fn config(command: &ConfigCommand, terminal: Terminal) -> Result<Ending> {
    match command {
        ConfigCommand::Check(args) => {
            let plan = run::plan(&args.config, &args.set)?;
            if terminal.json {
                println!("{}", serde_json::json!({ "ok": true, "output_dir": plan.output.dir }));
            } else {
                println!(
                    "{}: in order; the run directory will be {}",
                    args.config.display(),
                    plan.output.dir.display()
                );
            }
        }
        ConfigCommand::Schema => print_json(&config::json_schema())?,
        ConfigCommand::Show(args) => {
            let plan = run::plan(&args.config, &args.set)?;
            if terminal.json {
                print_json(&plan)?;
            } else {
                print!("{}", plan.to_toml()?);
            }
        }
    }
    Ok(Ending::Healthy)
}

pub(super) fn print_json<T: serde::Serialize>(value: &T) -> Result<()> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Error::new("could not write as JSON").because(e))?;
    println!("{text}");
    Ok(())
}
