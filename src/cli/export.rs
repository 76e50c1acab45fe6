//! `longrun export RUN --to zarr|parquet|csv`: the draws of a run as files that other people's programs read.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::config::print_json;
use super::progress::Bars;
use super::{Ending, Terminal};
use crate::error::Result;
use crate::run::{self, ExportFormat, ExportSettings, Exported};

/// One Zarr store per fit holds posterior, sample statistics, prior and data in the schema of ArviZ; a table holds a row per chain and
/// draw. docs/guide/exports.md has the Python lines.
#[derive(Debug, Args)]
#[command(after_help = READING)]
pub(super) struct ExportArgs {
    /// A run directory with a complete fit, or a folder that holds only draws/.
    run: PathBuf,

    /// What to write.
    #[arg(long, value_enum, default_value = "zarr")]
    to: To,

    /// One fit alone: purchase or spend.
    #[arg(long)]
    fit: Option<String>,

    /// A folder for <fit>.zarr (or .parquet, .csv), or with --fit a path of that ending [default: RUN/export].
    #[arg(long)]
    output: Option<PathBuf>,

    /// Replace exports that are there already.
    #[arg(long)]
    overwrite: bool,

    /// Add the log-likelihood of every customer under every draw, for leave-one-out.
    #[arg(long)]
    log_likelihood: bool,

    /// Draws of the log-likelihood, evenly thinned over the chains.
    #[arg(long, requires = "log_likelihood", value_parser = clap::value_parser!(u32).range(1..))]
    draws: Option<u32>,

    /// Draws from the prior; 0 for none.
    #[arg(long, default_value_t = 1000)]
    prior_draws: u32,
}

const READING: &str = "\
In Python, with xarray, zarr and arviz:
  tree = xarray.open_datatree(\"RUN/export/purchase.zarr\", engine=\"zarr\")
  arviz.plot_trace(arviz.InferenceData.from_datatree(tree))
There is no netCDF: tree.to_netcdf(\"purchase.nc\") makes it.";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum To {
    /// A Zarr v3 store per fit, in the schema of ArviZ.
    Zarr,
    /// Not written: says how to get it from Zarr.
    Netcdf,
    /// A table per fit, a row per chain and draw.
    Parquet,
    /// The same as text.
    Csv,
}

pub(super) fn export(args: &ExportArgs, terminal: Terminal) -> Result<Ending> {
    let settings = ExportSettings {
        format: match args.to {
            To::Zarr => ExportFormat::Zarr,
            To::Netcdf => ExportFormat::Netcdf,
            To::Parquet => ExportFormat::Parquet,
            To::Csv => ExportFormat::Csv,
        },
        fit: args.fit.clone(),
        output: args.output.clone(),
        overwrite: args.overwrite,
        log_likelihood: args.log_likelihood,
        draws: args.draws.map(|n| n as usize),
        prior_draws: args.prior_draws as usize,
    };
    let bars = Bars::new(terminal);
    let exported = run::export(&args.run, &settings, &bars);
    bars.clear();
    let exported = exported?;
    if terminal.json {
        print_json(&serde_json::json!({ "exports": exported }))?;
    } else {
        exported.iter().for_each(print);
    }
    Ok(Ending::Healthy)
}

fn print(export: &Exported) {
    println!("{} ({:.1} MB)", export.path, export.bytes as f64 / 1e6);
    for group in &export.groups {
        let dims: Vec<String> = group.dims.iter().map(|(dim, length)| format!("{dim} {length}")).collect();
        println!("  {:<22} {:<44} {}", group.name, dims.join(", "), shortened(&group.variables));
    }
}

/// Names of variables on one line.
fn shortened(names: &[String]) -> String {
    const MOST: usize = 8;
    match names.len() {
        n if n > MOST => format!("{} and {} more", names[..MOST].join(", "), n - MOST),
        _ => names.join(", "),
    }
}
