//! `longrun simulate`: a shop whose true parameters are known, to learn on and to test with.

use std::path::PathBuf;

use chrono::NaiveDate;
use clap::builder::PossibleValuesParser;
use clap::{Args, ValueEnum};
use indicatif::HumanCount;

use super::config::print_json;
use super::progress::Bars;
use super::{Ending, Terminal};
use crate::data::simulate::{
    CountedModel, CountedSpec, Counting, CovariateTruth, PurchaseLaw, SimulateSpec, simulate as write_shop,
    simulate_counted,
};
use crate::data::{Kind, Resolution};
use crate::error::{Error, Result};
use crate::model::{Dropout, Role, family, keys};

#[derive(Debug, Args)]
pub(super) struct SimulateArgs {
    /// Folder for transactions.csv (or summary.csv, contracts.csv, or .parquet) and truth.json; made when missing.
    #[arg(long, default_value = "data/demo")]
    output: PathBuf,

    /// Number of customers, up to 1e9; 1e6 and 1_000_000 are understood.
    #[arg(long, default_value = "5000", value_parser = customers, allow_negative_numbers = true)]
    customers: u64,

    /// Number of groups of customers, whose habits differ, up to 100000; more than 26 are drawn from a hierarchy. 4x3 makes 4
    /// countries of 3 channels each, 4x3x2 these of 2 campaigns each, drawn level by level: for models of continuous time, all but
    /// bg_bb and s_bg.
    #[arg(long, default_value = "3", value_parser = nested_groups, allow_negative_numbers = true)]
    groups: GroupCounts,

    /// The law: customers lapse after a repeat purchase, after any purchase, at any time, at any time but more or less soon the more often
    /// they buy (pareto_abe), or never (nbd); buy or not at each opportunity (bg_bb); renew a contract or not (s_bg).
    #[arg(long, value_parser = models(), default_value = "bg_nbd")]
    model: String,

    /// Number of covariates, up to 20: standard normal numbers that move how often customers buy and when they lapse, in a table of
    /// their own, covariates.csv (or .parquet).
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20))]
    covariates: u32,
    /// What an opportunity of bg_bb is, or a period of s_bg [default: month].
    #[arg(long, value_enum)]
    period: Option<Period>,

    /// First day, YYYY-MM-DD.
    #[arg(long, default_value = "2024-01-01")]
    start: NaiveDate,

    /// Days over which first purchases are spread.
    #[arg(long, default_value_t = 90)]
    acquisition_days: u32,

    /// Days of which purchases are written, or which a summary sums up.
    #[arg(long, default_value_t = 366)]
    observe_days: u32,

    /// What a row is: a purchase, or a customer [default: transactions, of s_bg contracts].
    #[arg(long, value_enum)]
    kind: Option<RowKind>,

    /// What a summary counts: per day, as `longrun summarize` does, or every purchase, as the model's continuous clock means it; of
    /// bg_bb, always whole opportunities [default: per-day].
    #[arg(long, value_enum)]
    count: Option<Count>,

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
    /// One row per customer under contract: customer_id, age, lost, group.
    Contracts,
}

/// Keys of the models whose customers can be made.
fn models() -> PossibleValuesParser {
    keys(|family| family.role != Role::Spend).into()
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Period {
    Day,
    Week,
    Month,
    Quarter,
    Year,
}

impl From<Period> for Resolution {
    fn from(period: Period) -> Self {
        match period {
            Period::Day => Self::Day,
            Period::Week => Self::Week,
            Period::Month => Self::Month,
            Period::Quarter => Self::Quarter,
            Period::Year => Self::Year,
        }
    }
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
    let role = family(&args.model)?.role;
    let rows = args.kind.unwrap_or(if role == Role::Contract { RowKind::Contracts } else { RowKind::Transactions });
    if matches!((&rows, &args.count), (RowKind::Transactions, Some(Count::EveryPurchase))) {
        return Err(Error::new("transactions are all written; what counts is a summary's question")
            .at("--count every-purchase")
            .advice("add --kind summary, or leave it out"));
    }
    let (stem, kind) = match rows {
        RowKind::Transactions => ("transactions", Kind::Transactions),
        RowKind::Summary => ("summary", Kind::Summary),
        RowKind::Contracts => ("contracts", Kind::Contracts),
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
    let told = |done| bars.simulating(done, args.customers);
    let report = match role {
        Role::Purchase(dropout) => write_shop(&args.shop(law(dropout))?, kind, &path, &told)?,
        Role::Opportunity => simulate_counted(&args.counted(CountedModel::BgBb)?, kind, &path, &told)?,
        Role::Contract => simulate_counted(&args.counted(CountedModel::SBg)?, kind, &path, &told)?,
        Role::Spend => return Err(Error::new("a model of spend makes no customers").at("--model").seen(&args.model)),
    };
    bars.clear();
    if terminal.json {
        print_json(&report)?;
    } else {
        println!(
            "{} customers, {} {} in {}; the truth is in {}",
            HumanCount(report.customers),
            HumanCount(report.purchases),
            if report.kind == Kind::Contracts { "renewals" } else { "purchases" },
            report.path.display(),
            report.truth_path.display()
        );
        if let Some(path) = &report.covariates_path {
            println!("what is known of them is in {}", path.display());
        }
    }
    Ok(Ending::Healthy)
}

/// How the simulator's customers lapse.
fn law(dropout: Dropout) -> PurchaseLaw {
    match dropout {
        Dropout::AfterRepeat => PurchaseLaw::BgNbd,
        Dropout::AfterAny => PurchaseLaw::MbgNbd,
        Dropout::AnyTime => PurchaseLaw::ParetoNbd,
        Dropout::AnyTimeTogether => PurchaseLaw::ParetoAbe,
        Dropout::Never => PurchaseLaw::Nbd,
    }
}

impl SimulateArgs {
    /// A shop in continuous time.
    fn shop(&self, law: PurchaseLaw) -> Result<SimulateSpec> {
        if self.period.is_some() {
            return Err(Error::new("customers of this model buy at any time, not at opportunities")
                .at("--period")
                .advice("leave it out, or choose --model bg_bb or s_bg"));
        }
        Ok(SimulateSpec {
            start: self.start,
            acquisition_days: self.acquisition_days,
            observe_days: self.observe_days,
            counting: match self.count {
                Some(Count::EveryPurchase) => Counting::EveryPurchase,
                Some(Count::PerDay) | None => Counting::PerDay,
            },
            covariates: CovariateTruth::some(self.covariates),
            ..SimulateSpec::nested_shop(self.customers, &self.groups.0, self.seed)?.with_model(law)
        })
    }

    /// Customers whose time is counted.
    fn counted(&self, model: CountedModel) -> Result<CountedSpec> {
        if self.count.is_some() {
            return Err(Error::new("customers of this model are counted in whole periods")
                .at("--count")
                .advice("leave it out; --period says how long one is"));
        }
        if self.covariates > 0 {
            return Err(Error::new("covariates move no parameter of this model")
                .at("--covariates")
                .advice(format!("leave it out, or choose --model {}", keys(|f| f.movable.is_some()).join(", "))));
        }
        let &[groups] = &self.groups.0[..] else {
            let seen = self.groups.0.iter().map(u32::to_string).collect::<Vec<_>>().join("x");
            return Err(Error::new("groups of bg_bb and s_bg are on one level").at("--groups").seen(seen).advice(
                "give one number, as in --groups 4, or choose --model bg_nbd, mbg_nbd, pareto_nbd or pareto_abe",
            ));
        };
        Ok(CountedSpec {
            start: self.start,
            acquisition_days: self.acquisition_days,
            observe_days: self.observe_days,
            period: self.period.unwrap_or(Period::Month).into(),
            ..CountedSpec::new(model, self.customers, groups, self.seed)
        })
    }
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
