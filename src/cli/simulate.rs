//! `longrun simulate`: a shop whose true parameters are known, to learn on and to test with.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::{Args, ValueEnum};
use indicatif::HumanCount;

use super::config::print_json;
use super::progress::Bars;
use super::{Ending, Terminal};
use crate::data::Kind;
use crate::data::simulate::{Counting, CovariateTruth, PurchaseLaw, SimulateSpec, simulate as write_shop};
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Folder for transactions.csv (or summary.csv, or .parquet) and truth.json; made when missing.
    #[arg(long, default_value = "data/demo")]
    output: PathBuf,

    /// Number of customers, up to 1e9; 1e6 and 1_000_000 are understood.
    #[arg(long, default_value = "5000", value_parser = customers, allow_negative_numbers = true)]
    customers: u64,

    /// Number of groups of customers, whose habits differ, up to 100000; more than 26 are drawn from a hierarchy. 4x3 makes 4
    /// countries of 3 channels each, 4x3x2 these of 2 campaigns each, drawn level by level.
    #[arg(long, default_value = "3", value_parser = nested_groups, allow_negative_numbers = true)]
    groups: GroupCounts,

    /// When customers lapse: after a repeat purchase, after any purchase, or at any time.
    #[arg(long, value_enum, default_value_t = Model::BgNbd)]
    model: Model,

    /// Number of covariates, up to 20: standard normal numbers that move how often customers buy and when they lapse, in a table of
    /// their own, covariates.csv (or .parquet).
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20))]
    covariates: u32,

    /// First day, YYYY-MM-DD.
    #[arg(long, default_value = "2024-01-01")]
    start: NaiveDate,

    /// Days over which first purchases are spread.
    #[arg(long, default_value_t = 90)]
    acquisition_days: u32,

    /// Days of which purchases are written, or which a summary sums up.
    #[arg(long, default_value_t = 366)]
    observe_days: u32,

    /// What a row is: a purchase, or a customer.
    #[arg(long, value_enum, default_value_t = RowKind::Transactions)]
    kind: RowKind,

    /// What a summary counts: per day, as `longrun summarize` does, or every purchase, as the model's continuous clock means it.
    #[arg(long, value_enum, default_value_t = Count::PerDay)]
    count: Count,

    /// File format.
    #[arg(long, value_enum, default_value_t = Format::Csv)]
    format: Format,

    /// Seed: equal seeds make equal files.
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum RowKind {
    /// One line per purchase: customer_id, date, amount, group.
    Transactions,
    /// One row per customer, counted by day up to the last observed day: customer_id, frequency, recency, age, monetary, group.
    Summary,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the models are called so")]
enum Model {
    BgNbd,
    MbgNbd,
    ParetoNbd,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Count {
    PerDay,
    EveryPurchase,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Format {
    Csv,
    Parquet,
}

pub(super) fn simulate(args: &SimulateArgs, terminal: Terminal) -> Result<Ending> {
    if matches!((&args.kind, &args.count), (RowKind::Transactions, Count::EveryPurchase)) {
        return Err(Error::new("transactions are all written; what counts is a summary's question")
            .at("--count every-purchase")
            .advice("add --kind summary, or leave it out"));
    }
    let spec = SimulateSpec {
        start: args.start,
        acquisition_days: args.acquisition_days,
        observe_days: args.observe_days,
        counting: match args.count {
            Count::PerDay => Counting::PerDay,
            Count::EveryPurchase => Counting::EveryPurchase,
        },
        covariates: CovariateTruth::some(args.covariates),
        ..SimulateSpec::nested_shop(args.customers, &args.groups.0, args.seed)?.with_model(match args.model {
            Model::BgNbd => PurchaseLaw::BgNbd,
            Model::MbgNbd => PurchaseLaw::MbgNbd,
            Model::ParetoNbd => PurchaseLaw::ParetoNbd,
        })
    };
    let (stem, kind) = match args.kind {
        RowKind::Transactions => ("transactions", Kind::Transactions),
        RowKind::Summary => ("summary", Kind::Summary),
    };
    let ending = match args.format {
        Format::Csv => "csv",
        Format::Parquet => "parquet",
    };
    if args.output.is_file() {
        return Err(Error::new("the output must be a folder").at(args.output.display()).seen("a file"));
    }
    let bars = Bars::new(terminal);
    let path = args.output.join(format!("{stem}.{ending}"));
    let report = write_shop(&spec, kind, &path, &|done| bars.simulating(done, spec.customers))?;
    bars.clear();
    if terminal.json {
        print_json(&report)?;
    } else {
        println!(
            "{} customers, {} purchases in {}; the truth is in {}",
            HumanCount(report.customers),
            HumanCount(report.purchases),
            report.path.display(),
            report.truth_path.display()
        );
        if let Some(path) = &report.covariates_path {
            println!("what is known of them is in {}", path.display());
        }
    }
    Ok(Ending::Healthy)
}

/// How many customers, as typed.
pub(super) fn customers(text: &str) -> Result<u64, String> {
    count(text, 1_000_000_000)
}

/// How many groups, as typed.
pub(super) fn groups(text: &str) -> Result<u32, String> {
    // The bound fits.
    count(text, 100_000).map(|n| n as u32)
}

/// Groups on every level, from the top.
#[derive(Debug, Clone, PartialEq, Eq)]
struct GroupCounts(Vec<u32>);

/// How many groups on how many levels, as typed: 12, 4x3, 4x3x2.
fn nested_groups(text: &str) -> Result<GroupCounts, String> {
    let counts = text.split('x').map(groups).collect::<Result<Vec<u32>, String>>()?;
    if counts.len() > 3 {
        return Err("has more than three levels".to_owned());
    }
    let all: u64 = counts.iter().map(|&n| u64::from(n)).product();
    if all > 100_000 {
        Err(format!("makes {} groups, more than 100,000", HumanCount(all)))
    } else {
        Ok(GroupCounts(counts))
    }
}

/// A whole number from 1 to `most`, as 1000000, 1_000_000 or 1e6.
fn count(text: &str, most: u64) -> Result<u64, String> {
    let unreadable = || "is not a count; write 1000000, 1_000_000 or 1e6".to_owned();
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(unreadable());
    }
    let value: f64 = text.replace('_', "").parse().map_err(|_| unreadable())?;
    if value.fract() != 0.0 || !(1.0..=most as f64).contains(&value) {
        return Err(format!("must be a whole number from 1 to {}", HumanCount(most)));
    }
    Ok(value as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read_as_people_write_them() {
        for (text, expected) in [("5000", 5_000), ("1e6", 1_000_000), ("1_000_000", 1_000_000), ("2.5e3", 2_500)] {
            assert_eq!(customers(text), Ok(expected), "{text}");
        }
        for text in ["0", "-1", "1.5", "1e10", "many", "", "inf", "nan", "_1"] {
            assert!(customers(text).is_err(), "{text}");
        }
        assert!(groups("100001").unwrap_err().contains("100,000"));
        assert_eq!(groups("100_000"), Ok(100_000));
        assert_eq!(nested_groups("12"), Ok(GroupCounts(vec![12])));
        assert_eq!(nested_groups("4x3x2"), Ok(GroupCounts(vec![4, 3, 2])));
        for (text, told) in [("4x", "is not a count"), ("2x2x2x2", "three levels"), ("1000x1000", "1,000,000 groups")] {
            assert!(nested_groups(text).unwrap_err().contains(told), "{text}");
        }
    }
}
