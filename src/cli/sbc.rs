//! `longrun sbc`: whether the posteriors of a model mean what they say.

use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;

use super::config::print_json;
use super::progress::Bars;
use super::{Ending, Terminal};
use crate::calibrate::{COVERAGE, Calibration, DRAWS, Setup, calibrate};
use crate::dist::{Prior, PriorSpec};
use crate::error::Result;
use crate::model::keys;

/// Draws parameters from frozen priors, makes customers under them, samples their posterior and ranks the truth among its draws, many
/// times over. Right posteriors give uniform ranks, for every parameter and for the log-likelihood.
#[derive(Debug, Args)]
#[command(after_help = READING)]
pub(super) struct SbcArgs {
    /// The model.
    #[arg(long, value_parser = PossibleValuesParser::from(keys(|_| true)))]
    model: String,

    /// Groups that share information, up to 1000; 1 for none.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    groups: u32,

    /// Covariates of every customer, up to 10: standard normal numbers that move how often they buy and when they stop.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=10))]
    covariates: u32,

    /// Times that it is done, at least 10; a verdict worth having takes hundreds.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(10..=100_000))]
    replications: u32,

    /// Customers made each time, over all groups, at least 10.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(10..=1_000_000))]
    customers: u32,

    /// Seed: equal seeds give equal ranks, on any number of threads.
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// File of replications done: what it holds is not done again, so that a calibration that was killed goes on.
    #[arg(long, value_name = "FILE")]
    journal: Option<PathBuf>,
}

const READING: &str = "\
How to read it: `deviation` is the largest distance between the ranks' distribution and the uniform one. The band holds uniform ranks
everywhere at once in 95 % of calibrations, so one quantity in twenty leaves it by chance; p is the chance of as much. The verdict
allows for that: it refuses when some p is below 5 % divided by the number of quantities. Fits that the diagnostics refuse are
counted and stay in.

Exit code 1 when the verdict refuses.";

pub(super) fn sbc(args: &SbcArgs, terminal: Terminal) -> Result<Ending> {
    let setup = Setup {
        covariates: args.covariates,
        customers: args.customers,
        replications: args.replications,
        seed: args.seed,
        ..Setup::new(&args.model, args.groups as usize)
    };
    let bars = Bars::new(terminal);
    let total = u64::from(args.replications);
    let found = calibrate(&setup, args.journal.as_deref(), &|done| bars.calibrating(u64::from(done), total))?;
    bars.clear();
    if terminal.json {
        print_json(&found)?;
    } else {
        print(&found);
    }
    Ok(if found.passed { Ending::Healthy } else { Ending::Refused })
}

fn print(found: &Calibration) {
    let Setup { model, groups, covariates, customers, replications, chains, warmup, draws, seed } = &found.setup;
    println!(
        "{model}, {groups} group(s), {covariates} covariate(s), {customers} customers, {replications} replications, seed {seed}"
    );
    println!("fits: NUTS, {chains} chains of at most {warmup} warm-up and {draws} kept draws, thinned to {DRAWS}");
    println!("priors: {}", priors(&found.priors));
    println!("refused by the diagnostics: {}; with divergences: {} (all stay in)\n", found.refused, found.divergent);
    println!("{:<28} {:>9} {:>13} {:>8}", "quantity", "deviation", "outside band", "p");
    for q in &found.quantities {
        let mark = if q.inside { "" } else { "  outside" };
        println!("{:<28} {:>9.4} {:>13.4} {:>8.4}{mark}", q.name, q.deviation, q.outside, q.p_value);
    }
    let outside = found.quantities.iter().filter(|q| !q.inside).count();
    let verdict = if found.passed { "pass" } else { "FAIL: the posteriors do not mean what they say" };
    println!(
        "\n{outside} of {} quantities leave their {:.0} % band\nverdict: {verdict}",
        found.quantities.len(),
        100.0 * COVERAGE
    );
}

fn priors(spec: &PriorSpec) -> String {
    let list = |named: &std::collections::BTreeMap<String, Prior>| {
        let one = |(name, prior): (&String, &Prior)| format!("{name} ~ {}", plainly(prior));
        named.iter().map(one).collect::<Vec<_>>().join(", ")
    };
    match &spec.hierarchy {
        Some(h) => format!("centres {}; spreads {}", list(&h.mu), list(&h.sigma)),
        None => list(&spec.priors),
    }
}

/// A prior as `name(values)`.
fn plainly(prior: &Prior) -> String {
    let written = serde_json::to_value(prior).unwrap_or_default();
    let values = written.as_object().into_iter().flatten().filter(|(key, _)| *key != "dist");
    format!("{}({})", prior.name(), values.map(|(_, value)| value.to_string()).collect::<Vec<_>>().join(", "))
}
