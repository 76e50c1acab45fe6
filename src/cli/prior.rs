//! `longrun prior CONFIG|RUN`: what the priors say before any purchase is seen, in purchases, money and parameters.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::step::ask;
use super::{Ending, Terminal, progress::Bars};
use crate::error::Result;
use crate::report::{figure, money, percent};
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
    let ask_prior = |dir: &run::RunDir| Ok((run::prior(dir, args.draws)?, dir.plan.data.currency.clone()));
    let (check, currency) = ask(&args.target, &args.set, &bars, ask_prior)?;
    bars.clear();
    if terminal.json {
        print_json(&check)?;
        return Ok(Ending::Healthy);
    }
    if !check.meaning.is_empty() {
        println!("A new customer, before any data:");
        println!("{:<66} {:>12} {:>12} {:>12}", "", "5 %", "50 %", "95 %");
        for row in &check.meaning {
            let [q05, q50, q95] = [row.q05, row.q50, row.q95].map(|value| in_unit(value, &row.unit, &currency));
            println!("{:<66} {q05:>12} {q50:>12} {q95:>12}", row.what);
        }
        println!();
    }
    println!("{:<9} {:<28} {:>12} {:>12} {:>12}", "fit", "parameter", "5 %", "50 %", "95 %");
    for row in &check.parameters {
        let labels: Vec<&str> = row.coords.iter().map(|(_, label)| label.as_str()).collect();
        let name = if labels.is_empty() { row.name.clone() } else { format!("{}[{}]", row.name, labels.join(", ")) };
        println!("{:<9} {:<28} {:>12.5} {:>12.5} {:>12.5}", row.fit, name, row.q05, row.q50, row.q95);
    }
    Ok(Ending::Healthy)
}

/// A value as a person reads it.
fn in_unit(value: f64, unit: &str, currency: &str) -> String {
    match unit {
        "share" => percent(value),
        "currency" => money(value, currency),
        "factor" => format!("×{value:.2}"),
        _ => figure(value),
    }
}
