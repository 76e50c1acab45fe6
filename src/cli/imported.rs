//! `longrun diagnose` for every kind of draws, and `longrun import`: the verdict on a run, on imported draws, and on files of other
//! programs.

use std::path::PathBuf;

use clap::Args;

use super::config::print_json;
use super::step::{self, StepArgs};
use super::{Ending, Terminal, outcome};
use crate::config::DiagnoseSection;
use crate::diagnose::{Diagnostics, Thresholds};
use crate::error::{Error, Result};
use crate::run::{self, Step};

#[derive(Debug, Args)]
#[command(after_help = READING)]
pub(super) struct DiagnoseArgs {
    /// A run directory, a configuration from which to start a new run, or a directory of `longrun import`.
    #[arg(required_unless_present = "draws", conflicts_with = "draws")]
    target: Option<PathBuf>,

    /// CmdStan's CSV files, one per chain: judge these draws instead of a run's.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    draws: Vec<PathBuf>,

    /// For a configuration: override one key, as in --set sampler.chains=64.
    #[arg(long = "set", value_name = "KEY=VALUE", conflicts_with = "draws")]
    set: Vec<String>,

    /// For a configuration: replace the run that its output directory holds.
    #[arg(long, conflicts_with = "draws")]
    overwrite: bool,

    #[command(flatten)]
    limits: Limits,
}

const READING: &str = "\
docs/guide/diagnostics.md says what every reason means and what to try.

Examples:
  longrun diagnose runs/shop                              a run's own draws, by the limits of its plan
  longrun diagnose --draws chain-*.csv                    draws that CmdStan made
  longrun diagnose --draws chain-*.csv --json             the same as one JSON object, as in diagnostics.json

Exit code 1 when the diagnostics refuse the draws.";

/// Limits for draws that have no plan; those of a run stand in its configuration, under [diagnose].
#[derive(Debug, Args)]
struct Limits {
    /// For draws without a plan: largest R-hat [default: 1.01].
    #[arg(long, value_name = "X")]
    max_r_hat: Option<f64>,

    /// For draws without a plan: smallest bulk and tail effective sample size [default: 400].
    #[arg(long, value_name = "X")]
    min_ess: Option<f64>,

    /// For draws without a plan: largest share of divergent transitions [default: 0.001].
    #[arg(long, value_name = "X")]
    max_divergence_share: Option<f64>,

    /// For draws without a plan: smallest E-BFMI of any chain [default: 0.3].
    #[arg(long, value_name = "X")]
    min_e_bfmi: Option<f64>,
}

impl Limits {
    fn given(&self) -> bool {
        [self.max_r_hat, self.min_ess, self.max_divergence_share, self.min_e_bfmi].iter().any(Option::is_some)
    }

    /// The configuration's defaults, and what was given in their place.
    fn thresholds(&self) -> Result<Thresholds> {
        let d = DiagnoseSection::default();
        let r_hat = self.max_r_hat.unwrap_or(d.max_r_hat);
        let divergence_share = self.max_divergence_share.unwrap_or(d.max_divergence_share);
        let (ess, e_bfmi) = (self.min_ess.unwrap_or(d.min_ess), self.min_e_bfmi.unwrap_or(d.min_e_bfmi));
        for (holds, flag, must, seen) in [
            (r_hat > 1.0, "--max-r-hat", "above 1", r_hat),
            (ess >= 0.0, "--min-ess", "at least 0", ess),
            ((0.0..=1.0).contains(&divergence_share), "--max-divergence-share", "between 0 and 1", divergence_share),
            (e_bfmi >= 0.0, "--min-e-bfmi", "at least 0", e_bfmi),
        ] {
            if !holds {
                return Err(Error::new(format!("must be {must}")).at(flag).seen(seen));
            }
        }
        Ok(Thresholds { r_hat, ess, divergence_share, e_bfmi, ..Thresholds::default() })
    }
}

pub(super) fn diagnose(args: &DiagnoseArgs, terminal: Terminal) -> Result<Ending> {
    let Some(target) = &args.target else {
        return print(&run::diagnose_files(&args.draws, &args.limits.thresholds()?)?, terminal);
    };
    if run::is_imported(target) {
        return print(&run::diagnose_imported(target, &args.limits.thresholds()?)?, terminal);
    }
    if args.limits.given() {
        return Err(Error::new("a run's limits stand in its plan")
            .at(target.display())
            .advice("set them under [diagnose] in the configuration; the flags are for draws without a plan"));
    }
    let step = StepArgs { target: target.clone(), set: args.set.clone(), overwrite: args.overwrite };
    step::step(&step, Step::Diagnose, terminal)
}

fn print(found: &Diagnostics, terminal: Terminal) -> Result<Ending> {
    if terminal.json {
        print_json(found)?;
    } else {
        outcome::print_verdict(found);
        for note in found.fits.iter().flat_map(|f| &f.notes) {
            println!("  note: {note}");
        }
        if !found.reasons.is_empty() {
            println!(
                "  (in Stan's words sampler.draws is num_samples, sampler.warmup num_warmup, sampler.target_accept adapt delta,"
            );
            println!("  sampler.max_treedepth max_depth, sampler.chains the number of files)");
        }
        outcome::print_parameters(found);
    }
    Ok(outcome::ending(found))
}

#[derive(Debug, Args)]
#[command(
    after_help = "Then: longrun diagnose DIR. Nothing else of a run is there: no plan, no predictions, no report."
)]
pub(super) struct ImportArgs {
    /// CmdStan's CSV files, one per chain.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The directory to make; its `draws` folder has the layout of a run's.
    #[arg(long, value_name = "DIR")]
    output: PathBuf,
}

pub(super) fn import(args: &ImportArgs, terminal: Terminal) -> Result<Ending> {
    let kept = run::import(&args.files, &args.output)?;
    let draws = args.output.join("draws");
    if terminal.json {
        print_json(&serde_json::json!({ "output": args.output, "draws": draws, "imported": kept }))?;
    } else {
        println!("{} chains of {} draws, {} parameters: {}", kept.chains, kept.draws, kept.parameters, draws.display());
        kept.notes.iter().for_each(|note| println!("note: {note}"));
        println!("judge them with: longrun diagnose {}", args.output.display());
    }
    Ok(Ending::Healthy)
}
