//! `longrun simulate`: a shop whose true parameters are known, to learn on and to test with.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};

use super::config::print_json;
use super::{Ending, Terminal};
use crate::data::simulate::{GroupTruth, SimulateSpec, simulate as write_shop};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Folder for transactions.csv (or .parquet) and truth.json; made when missing.
    #[arg(long, default_value = "data/demo")]
    output: PathBuf,

    /// Number of customers.
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u64).range(1..))]
    customers: u64,

    /// Number of groups of customers, whose habits differ (1 to 26).
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=26))]
    groups: u8,

    /// First day, YYYY-MM-DD.
    #[arg(long, default_value = "2024-01-01")]
    start: NaiveDate,

    /// Days over which first purchases are spread.
    #[arg(long, default_value_t = 90)]
    acquisition_days: u32,

    /// Days of which purchases are written.
    #[arg(long, default_value_t = 366)]
    observe_days: u32,

    /// File format.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,

    /// Seed: equal seeds make equal files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Parquet,
}

pub(super) fn simulate(args: &SimulateArgs, terminal: Terminal) -> Result<Ending> {
    let spec = SimulateSpec {
        customers: args.customers,
        groups: (0..args.groups).map(group).collect(),
        start: args.start,
        acquisition_days: args.acquisition_days,
        observe_days: args.observe_days,
        time_unit_days: 7.0,
        seed: args.seed,
    };
    let ending = match args.format {
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    };
    let path = args.output.join(format!("transactions.{ending}"));
    if args.output.is_file() {
        return Err(Error::new("the output must be a folder").at(args.output.display()).seen("a file"));
    }
    let report = write_shop(&spec, &path)?;
    if terminal.json {
        print_json(&report)?;
    } else {
        println!(
            "{} customers, {} purchases in {}; the truth is in {}",
            report.customers,
            report.transactions,
            report.transactions_path.display(),
            report.truth_path.display()
        );
    }
    Ok(Ending::Healthy)
}

/// Groups around a lively shop: each buys a little less often, leaves a little sooner and spends a little more than the one before.
fn group(index: u8) -> GroupTruth {
    let step = f64::from(index % 5);
    GroupTruth {
        label: char::from(b'a' + index).to_string(),
        r: 0.8,
        alpha: 4.0 * 1.3_f64.powf(step),
        a: 0.8 * 1.15_f64.powf(step),
        b: 3.0,
        v: 15.44 * 1.2_f64.powf(step),
        ..GroupTruth::cdnow("a")
    }
}
