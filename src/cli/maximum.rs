//! `longrun maximum CONFIG|RUN`: the parameters of highest likelihood in constrained space, for comparison with published fits.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::step::ask;
use super::{Ending, Terminal, progress::Bars};
use crate::error::Result;
use crate::run;

/// Priors are left out: what is maximised is the likelihood alone, without the Jacobian of any transform. Groups are left out too: all
/// customers are fitted as one, whatever groups.by says.
#[derive(Debug, Args)]
pub(super) struct MaximumArgs {
    /// A configuration, or a run directory.
    target: PathBuf,

    /// Override one key of the configuration: --set data.path=other.csv.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    set: Vec<String>,
}

pub(super) fn maximum(args: &MaximumArgs, terminal: Terminal) -> Result<Ending> {
    let bars = Bars::new(terminal);
    let fits = ask(&args.target, &args.set, &bars, run::maximum)?;
    bars.clear();
    if terminal.json {
        print_json(&fits)?;
    } else {
        for fit in &fits {
            println!(
                "{} ({}): log-likelihood {:.6} after {} gradients",
                fit.fit, fit.model, fit.log_likelihood, fit.evaluations
            );
            if !fit.converged {
                println!("  the search did not end at a maximum: the likelihood may have none");
            }
            let width = fit.parameters.keys().map(String::len).max().unwrap_or(0).max(8);
            for (name, value) in &fit.parameters {
                println!("  {name:<width$} {value:.6}");
            }
        }
    }
    Ok(Ending::Healthy)
}
