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
    /// Print the JSON Schema of configurations, for editors; or of model cards and alerts, for programs that read them.
    Schema(SchemaArgs),
    /// Print the plan a configuration comes to, with every default filled in.
    Show(ConfigArgs),
}

#[derive(Debug, clap::Args)]
pub(super) struct SchemaArgs {
    /// Of what.
    #[arg(value_enum, default_value_t = Described::Config)]
    of: Described,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Described {
    /// A configuration.
    Config,
    /// A model card, card.json.
    Card,
    /// An alert.
    Alert,
    /// How a night ended, nightly/status.json.
    Night,
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
        ConfigCommand::Schema(args) => print_json(&match args.of {
            Described::Config => config::json_schema(),
            Described::Card => crate::lifecycle::card_schema(),
            Described::Alert => crate::lifecycle::alert_schema(),
            Described::Night => crate::nightly::night_schema(),
        })?,
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
