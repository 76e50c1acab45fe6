//! `longrun bench`: prints how fast and how exact the kernels are on this machine. What is measured, and how, is `bench`'s.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;

use super::simulate::{customers, groups};
use super::{Ending, Terminal};
use crate::bench::precision::{LIMIT_NATS, Precision, PrecisionOptions, precision};
use crate::bench::rates::{MachineRates, rates};
use crate::bench::rule::{RuleOptions, Rules, Ruling, rule};
use crate::bench::speed::{Speed, SpeedEvent, SpeedOptions, speed};
use crate::bench::{Backend, Bench, Family, Layout};
use crate::error::{Error, Result};
use crate::kernels::device::{Choice, Device};
use crate::kernels::{ARRANGEMENT_RULE, Arrangement};
use crate::run::{AUTO_GPU_ROW_CHAINS, AUTO_RULE, RehearsalOptions, rehearse};

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = FLOOR)]
pub(super) struct BenchArgs {
    #[command(subcommand)]
    what: Option<BenchCommand>,

    #[command(flatten)]
    speed: SpeedArgs,
}

const FLOOR: &str = "\
An evaluation is the log-likelihood of one row in one chain, with its gradient. Beside each rate stands the floor: how many
evaluations a second this machine could make if nothing but the formulas cost time. It is

  1 / max( bytes / memory bandwidth,  multiply-adds / their rate,  logs, exps and divisions / theirs )

per row and chain. What a row needs is counted from the formulas (a row is read once for all chains; terms that rows share are
not counted); the rates are measured in the same run (`longrun bench rates`), for a device in f32, for the processor in f64 on
all threads. The three may overlap perfectly, so no kernel that computes these formulas here can pass the floor; half of it is
good. Rows that fit into caches are read faster than memory: the floor's bytes are meant for a million rows, not for ten thousand.

Examples:
  longrun bench --chains 64 --family bg_nbd        this machine's processor and its GPU, if it has one
  longrun bench --adapter llvmpipe --json          Mesa's software adapter too; one JSON object a line
  longrun bench precision --adapter nvidia         is float32 exact enough? exit code 1 if not";

#[derive(Debug, Subcommand)]
enum BenchCommand {
    /// Measure this machine: bytes, multiply-adds, logarithms, exponentials and divisions per second.
    Rates(PlaceArgs),
    /// Hold differences of log-likelihoods on the device against f64, at draws of a posterior.
    ///
    /// Exit code 1 when an error reaches 0.01 nat, or when equal questions got different bits: over chunks, repetitions, places in a
    /// batch, and 1, 2 or all threads.
    Precision(PrecisionArgs),
    /// Judge made-up chains by the road of a run: seconds, memory, bytes read.
    Diagnose(DiagnoseArgs),
    /// Say whether the rules that choose a layout and a backend choose well here. Runs never ask a stopwatch.
    Rule(RuleArgs),
}

#[derive(Debug, Args)]
struct DiagnoseArgs {
    /// Number of chains.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    chains: u32,

    /// Draws per chain.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(4..(1 << 24)))]
    draws: u32,

    /// Number of parameters.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    parameters: u32,

    /// Draws per chain in one file.
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u32).range(1..))]
    shard_draws: u32,

    /// Draws that may be in memory at once, MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    budget_mib: u32,

    /// Where to put the made-up draws (8 bytes each); removed afterwards [default: a new folder among the temporary files].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct PlaceArgs {
    /// Where to measure; `all` takes a GPU along if there is one, or the adapter that is named.
    #[arg(long, value_enum, default_value_t = BackendChoice::All)]
    backend: BackendChoice,

    /// The adapter whose name contains this, software or not; `longrun doctor` lists them.
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,
}

#[derive(Debug, Args)]
struct FamilyArgs {
    /// Likelihoods to measure [default: all].
    #[arg(long = "family", value_enum, value_delimiter = ',')]
    families: Vec<FamilyChoice>,
}

#[derive(Debug, Args)]
struct MergeArgs {
    /// Only customers of equal histories merged into weighted cells.
    #[arg(long, conflicts_with = "unmerged")]
    merged: bool,

    /// Only a row per customer.
    #[arg(long)]
    unmerged: bool,
}

#[derive(Debug, Args)]
struct SpeedArgs {
    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    families: FamilyArgs,

    #[command(flatten)]
    merge: MergeArgs,

    /// Customers to simulate; a row each, unless merged.
    #[arg(long, default_value = "1e6", value_parser = customers)]
    rows: u64,

    /// Groups of customers.
    #[arg(long, default_value = "1", value_parser = groups)]
    groups: u32,

    /// Chains evaluated together.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 64])]
    chains: Vec<usize>,

    /// Seconds per measurement.
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
}

#[derive(Debug, Args)]
struct PrecisionArgs {
    /// The processor's fast path, a device, or both.
    #[arg(long, value_enum, default_value_t = BackendChoice::All)]
    backend: BackendChoice,

    /// The adapter whose name contains this, software or not; `longrun doctor` lists them.
    #[arg(long, value_name = "NAME")]
    adapter: Option<String>,

    #[command(flatten)]
    families: FamilyArgs,

    #[command(flatten)]
    merge: MergeArgs,

    /// Customers to simulate.
    #[arg(long, value_delimiter = ',', default_value = "1e4,1e6,1e7", value_parser = customers)]
    customers: Vec<u64>,

    /// Groups of customers.
    #[arg(long, default_value = "1", value_parser = groups)]
    groups: u32,

    /// Pieces that a memory budget cuts the rows into.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 7, 100])]
    chunks: Vec<usize>,

    /// Draws of the posterior to compare at and between.
    #[arg(long, default_value_t = 16)]
    draws: usize,
}

#[derive(Debug, Args)]
struct RuleArgs {
    #[command(flatten)]
    place: PlaceArgs,

    #[command(flatten)]
    families: FamilyArgs,

    /// Numbers of customers, a row each.
    #[arg(long, value_delimiter = ',', default_value = "1e4,1e5,1e6", value_parser = customers)]
    rows: Vec<u64>,

    /// Numbers of chains.
    #[arg(long, value_delimiter = ',', default_values_t = [1, 4, 16, 64, 256])]
    chains: Vec<usize>,

    /// Seconds per measurement.
    #[arg(long, default_value_t = 0.3)]
    seconds: f64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum BackendChoice {
    Cpu,
    Gpu,
    All,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum FamilyChoice {
    BgNbd,
    MbgNbd,
    ParetoNbd,
    GammaGamma,
}

pub(super) fn bench(args: &BenchArgs, terminal: Terminal) -> Result<Ending> {
    match &args.what {
        None => print_speed(&args.speed, terminal),
        Some(BenchCommand::Rates(place)) => print_rates(place, terminal),
        Some(BenchCommand::Precision(args)) => print_precision(args, terminal),
        Some(BenchCommand::Rule(args)) => print_rule(args, terminal),
        Some(BenchCommand::Diagnose(args)) => print_diagnose(args, terminal),
    }
}

fn print_diagnose(args: &DiagnoseArgs, terminal: Terminal) -> Result<Ending> {
    let own = || std::env::temp_dir().join(format!("longrun-draws-{}", std::process::id()));
    let found = rehearse(&RehearsalOptions {
        chains: args.chains as usize,
        draws: args.draws as usize,
        parameters: args.parameters as usize,
        shard_draws: args.shard_draws as usize,
        budget_bytes: (args.budget_mib as usize) << 20,
        dir: args.dir.clone().unwrap_or_else(own),
    })?;
    if terminal.json {
        super::config::print_json(&found)?;
        return Ok(Ending::Healthy);
    }
    let gb = |bytes: u64| bytes as f64 / 1e9;
    println!("{} chains × {} draws × {} parameters", found.chains, found.draws, found.parameters);
    println!("  judged in        {:.1} s", found.seconds);
    if let Some(bytes) = found.peak_memory_bytes {
        println!("  most memory      {:.2} GB", gb(bytes));
    }
    let (read, counted) = (gb(found.bytes_read), gb(found.bytes_counted));
    println!("  read             {read:.2} GB, {:.1} times the draws' own {counted:.2} GB", read / counted);
    if let (Some(r_hat), Some(ess)) = (found.worst_r_hat, found.least_ess_bulk) {
        println!("  greatest R-hat   {r_hat:.4}, least ESS {ess:.0}");
    }
    Ok(Ending::Healthy)
}

fn print_speed(args: &SpeedArgs, terminal: Terminal) -> Result<Ending> {
    let seconds = positive("--seconds", args.seconds)?;
    let chains = counts("--chains", &args.chains)?;
    let bench = open(args.place.backend, args.place.adapter.as_deref(), &args.families, terminal)?;
    note(terminal, "measuring what this machine can do");
    let rates = rates(&bench)?;
    if !terminal.json {
        rates.iter().for_each(rate_line);
        println!("simulating {} customers", args.rows);
        println!();
        println!(
            "{:12} {:8} {:>10} {:>7}  {:7} {:>10} {:>10} {:>6}  floor is",
            "family", "rows", "cells", "chains", "layout", "evals/s", "floor", "share"
        );
    }
    let options =
        SpeedOptions { customers: args.rows, groups: args.groups, chains, merged: args.merge.both(), seconds };
    let mut told = Ok(());
    speed(&bench, &options, &rates, &mut |event| match event {
        SpeedEvent::Measured(line) if terminal.json => told = json_line(&line),
        SpeedEvent::Measured(line) => speed_line(&line),
        SpeedEvent::TooSlow { family, layout, chains, seconds } => note(
            terminal,
            &format!(
                "{} {} with {chains} chains left out: one evaluation would take {seconds:.0} s",
                family.key(),
                layout.name()
            ),
        ),
    })?;
    told.map(|()| Ending::Healthy)
}

fn speed_line(line: &Speed) {
    println!(
        "{:12} {:8} {:>10} {:>7}  {:7} {:>10.2e} {:>10.2e} {:>5.0}%  {}",
        line.family.key(),
        if line.merged { "merged" } else { "unmerged" },
        line.cells,
        line.chains,
        line.layout.name(),
        line.evals_per_s,
        line.floor_evals_per_s,
        100.0 * line.share_of_floor,
        line.floor_is
    );
}

fn print_rates(place: &PlaceArgs, terminal: Terminal) -> Result<Ending> {
    let bench = open(place.backend, place.adapter.as_deref(), &FamilyArgs { families: Vec::new() }, terminal)?;
    for line in rates(&bench)? {
        if terminal.json {
            json_line(&line)?;
        } else {
            rate_line(&line);
        }
    }
    Ok(Ending::Healthy)
}

fn rate_line(line: &MachineRates) {
    let place = match &line.adapter {
        Some(adapter) => format!("{adapter}, f32"),
        None => format!("processor, {} threads, f64", rayon::current_num_threads()),
    };
    println!(
        "{place}: a second {:.1} GB read, {:.2e} multiply-adds, {:.2e} logs, {:.2e} exps, {:.2e} divisions",
        line.bytes_per_s / 1e9,
        line.fmas_per_s,
        line.logs_per_s,
        line.exps_per_s,
        line.divisions_per_s
    );
}

fn print_precision(args: &PrecisionArgs, terminal: Terminal) -> Result<Ending> {
    let bench = open(args.backend, args.adapter.as_deref(), &args.families, terminal)?;
    let options = PrecisionOptions {
        customers: args.customers.clone(),
        groups: args.groups,
        chunks: counts("--chunks", &args.chunks)?,
        merged: args.merge.both(),
        draws: args.draws,
        heavy: true,
    };
    if !terminal.json {
        println!(
            "largest error of a difference of log-likelihoods in nats, at and between draws; the limit is {LIMIT_NATS}"
        );
        println!(
            "{:12} {:>10} {:8} {:>10} {:>10}  {:7} {:>6}  {:9} {:>9}  same bits",
            "family", "customers", "rows", "cells", "heaviest", "layout", "chunks", "reference", "error"
        );
    }
    let mut told = Ok(());
    let holds = precision(&bench, &options, &mut |line| {
        if terminal.json {
            told = json_line(line);
        } else {
            precision_line(line);
        }
    })?;
    told.map(|()| if holds { Ending::Healthy } else { Ending::Refused })
}

fn precision_line(line: &Precision) {
    println!(
        "{:12} {:>10} {:8} {:>10} {:>10}  {:7} {:>6}  {:9} {:>9.1e}  {}{}",
        line.family.key(),
        line.customers,
        if line.merged { "merged" } else { "unmerged" },
        line.cells,
        line.max_weight,
        line.layout.name(),
        line.chunks,
        match line.reference {
            crate::bench::precision::At::Mode => "mode",
            crate::bench::precision::At::Draw => "draw",
        },
        line.max_abs_delta_error_nats,
        if line.bit_identical { "yes" } else { "NO" },
        if line.holds() { "" } else { "  REFUSED" }
    );
}

fn print_rule(args: &RuleArgs, terminal: Terminal) -> Result<Ending> {
    let seconds = positive("--seconds", args.seconds)?;
    let chains = counts("--chains", &args.chains)?;
    let bench = open(args.place.backend, args.place.adapter.as_deref(), &args.families, terminal)?;
    let backend = |rows: u64, chains: usize| {
        if rows.saturating_mul(chains as u64) >= AUTO_GPU_ROW_CHAINS { Backend::Gpu } else { Backend::Cpu }
    };
    let layout = |chains: usize| {
        let adapter = bench.device.as_ref().map(Device::adapter);
        adapter.map_or(Layout::Rows, |adapter| Layout::of(Arrangement::choose(chains, adapter)))
    };
    let rules = Rules { layout: &layout, backend: &backend };
    if !terminal.json {
        println!("layout rule: {ARRANGEMENT_RULE}");
        println!("backend rule: {AUTO_RULE}");
        println!("here a row is taken for a row of the input, and the adapter for one that auto may choose");
    }
    let options = RuleOptions { customers: args.rows.clone(), chains, seconds };
    let mut told = Ok(());
    rule(&bench, &options, &rules, &mut |line| {
        if terminal.json {
            told = json_line(line);
        } else {
            rule_line(line);
        }
    })?;
    told.map(|()| Ending::Healthy)
}

fn rule_line(line: &Ruling) {
    let speeds: Vec<String> =
        line.evals_per_s.iter().map(|(layout, speed)| format!("{} {speed:.2e}", layout.name())).collect();
    let verdict = |agrees| if agrees { "agrees" } else { "DISAGREES" };
    let backend = |backend| match backend {
        Backend::Cpu => "cpu",
        Backend::Gpu => "gpu",
    };
    println!(
        "{:12} {:>9} rows {:>5} chains: {}; layout rule {} {}; backend rule {} {}",
        line.family.key(),
        line.cells,
        line.chains,
        speeds.join(", "),
        line.layout_rule.name(),
        verdict(line.layout_agrees),
        backend(line.backend_rule),
        verdict(line.backend_agrees)
    );
}

impl MergeArgs {
    fn both(&self) -> Vec<bool> {
        match (self.merged, self.unmerged) {
            (true, _) => vec![true],
            (_, true) => vec![false],
            _ => vec![true, false],
        }
    }
}

/// What takes part: the backends asked for and the families asked for.
fn open(backend: BackendChoice, adapter: Option<&str>, families: &FamilyArgs, terminal: Terminal) -> Result<Bench> {
    let choice = adapter.map_or(Choice::Auto, |name| Choice::Named(name.to_owned()));
    let device = || Device::open(&choice).map_err(|e| Error::new("no device can take part").at("--adapter").because(e));
    let device = match (backend, adapter) {
        (BackendChoice::Cpu, _) => None,
        (BackendChoice::Gpu, _) | (BackendChoice::All, Some(_)) => Some(device()?),
        (BackendChoice::All, None) => match Device::open(&choice) {
            Ok(device) => Some(device),
            Err(error) => {
                note(terminal, &format!("no device takes part: {error}"));
                None
            }
        },
    };
    let families = if families.families.is_empty() {
        Family::ALL.to_vec()
    } else {
        let family = |choice: &FamilyChoice| match choice {
            FamilyChoice::BgNbd => Family::BgNbd,
            FamilyChoice::MbgNbd => Family::MbgNbd,
            FamilyChoice::ParetoNbd => Family::ParetoNbd,
            FamilyChoice::GammaGamma => Family::GammaGamma,
        };
        families.families.iter().map(family).collect()
    };
    Ok(Bench { families, cpu: !matches!(backend, BackendChoice::Gpu), device })
}

fn positive(name: &str, value: f64) -> Result<f64> {
    if value > 0.0 && value.is_finite() {
        return Ok(value);
    }
    Err(Error::new("a measurement needs some time").at(name).seen(value).advice("1 is enough for most machines"))
}

fn counts(name: &str, values: &[usize]) -> Result<Vec<usize>> {
    match values.iter().find(|value| **value == 0) {
        None => Ok(values.to_vec()),
        Some(zero) => Err(Error::new("there must be at least one").at(name).seen(zero)),
    }
}

fn note(terminal: Terminal, text: &str) {
    if !terminal.quiet {
        eprintln!("{text}");
    }
}

/// One object on one line, for programs that read while this one works.
fn json_line<T: Serialize>(value: &T) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|e| Error::new("could not write as JSON").because(e))?;
    println!("{text}");
    Ok(())
}
