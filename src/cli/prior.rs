//! `longrun prior CONFIG|RUN`: what the priors say before any purchase is seen.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::step::ask;
use super::{Ending, Terminal, progress::Bars};
use crate::error::Result;
use crate::run;

/// The data are summarised first, because default priors are measured in their scale.
#[derive(Debug, Args)]
pub(super) struct PriorArgs {
    /// A configuration, or a run directory.
    target: PathBuf,

    /// Override one key of the configuration: --set data.path=other.csv.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,

    /// Draws from the prior.
    #[arg(long, default_value_t = 2000, value_parser = clap::value_parser!(u32).range(20..))]
    draws: u32,
}

pub(super) fn prior(args: &PriorArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    let rows = ask(&args.target, &args.set, &bars, |dir| run::prior(dir, args.draws))?;
    bars.clear();
    if terminal.json {
        print_json(&rows)?;
        return Ok(Ending::Healthy);
    }
    println!("{:<9} {:<28} {:>12} {:>12} {:>12}", "fit", "parameter", "5 %", "50 %", "95 %");
    for row in &rows {
        let labels: Vec<&str> = row.coords.iter().map(|(_, label)| label.as_str()).collect();
        let name = if labels.is_empty() { row.name.clone() } else { format!("{}[{}]", row.name, labels.join(", ")) };
        println!("{:<9} {:<28} {:>12.5} {:>12.5} {:>12.5}", row.fit, name, row.q05, row.q50, row.q95);
    }
    Ok(Ending::Healthy)
}
