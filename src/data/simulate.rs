//! Customers who buy, lapse and spend exactly as BG/NBD and Gamma-Gamma say, with known parameters: data to learn on, to test
//! with, and to measure speed on.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | λ ~ Gamma(r, rate α) | purchases per time unit while active |
//! | p ~ Beta(a, b) | chance of lapsing after each repeat purchase |
//! | ν ~ Gamma(q, rate v), amount ~ Gamma(p, rate ν) | spend of each purchase |
//!
//! A customer is the address (seed, customer): the same numbers whatever the number of customers or threads. Purchases happen in
//! continuous time and are written by day, amounts by cent, so that two purchases of one day merge when they are read back.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::Decimal128Array;
use chrono::{Days, NaiveDate};
use rand_distr::{Beta, Distribution, Gamma};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::table_file::{self, TableWriter, dates, texts};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Customers made by one task.
const CHUNK: u64 = 8_192;

/// Chunks made at once, so that memory stays bounded.
const WAVE: u64 = 64;

/// Purchases expected of one customer above which the parameters are taken for a mistake.
const MOST_PURCHASES: f64 = 1e5;

/// Largest amount of one purchase, in currency: the tail of a Gamma-Gamma with q near 1 has no end.
const LARGEST_AMOUNT: f64 = 1e9;

/// The true parameters of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupTruth {
    /// What the group is called in the data.
    pub label: String,
    /// Its share of the customers, relative to the other groups.
    pub share: f64,
    /// Shape of the purchase rate.
    pub r: f64,
    /// Rate of the purchase rate, in time units.
    pub alpha: f64,
    /// First shape of the lapse probability.
    pub a: f64,
    /// Second shape of the lapse probability.
    pub b: f64,
    /// Shape of an amount.
    pub p: f64,
    /// Shape of the spend rate.
    pub q: f64,
    /// Rate of the spend rate, in currency.
    pub v: f64,
}

impl GroupTruth {
    /// The maximum-likelihood parameters of the CDNOW sample, in weeks and dollars (Fader, Hardie & Lee 2005; Fader & Hardie 2013).
    pub fn cdnow(label: &str) -> Self {
        Self {
            label: label.to_owned(),
            share: 1.0,
            r: 0.243,
            alpha: 4.414,
            a: 0.793,
            b: 2.426,
            p: 6.25,
            q: 3.74,
            v: 15.44,
        }
    }
}

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulateSpec {
    /// Number of customers.
    pub customers: u64,
    /// The groups that they come from.
    pub groups: Vec<GroupTruth>,
    /// First day.
    pub start: NaiveDate,
    /// Days, from the first on, over which first purchases are spread evenly.
    pub acquisition_days: u32,
    /// Days, from the first on, of which purchases are written.
    pub observe_days: u32,
    /// Length of the time unit of `alpha`, in days; 7 is a week.
    pub time_unit_days: f64,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl SimulateSpec {
    /// Customers like CDNOW's: first purchases within 12 weeks, 78 weeks observed.
    pub fn cdnow(customers: u64, seed: u64) -> Self {
        Self {
            customers,
            groups: vec![GroupTruth::cdnow("all")],
            start: NaiveDate::from_ymd_opt(1997, 1, 1).unwrap_or_default(),
            acquisition_days: 84,
            observe_days: 546,
            time_unit_days: 7.0,
            seed,
        }
    }

    fn check(&self) -> Result<()> {
        let refuse = |what: &str, seen: String| Err(Error::new(what).at("simulate").seen(seen));
        if self.customers == 0 || self.groups.is_empty() {
            return refuse(
                "there must be at least one customer and one group",
                format!("{}, {}", self.customers, self.groups.len()),
            );
        }
        if self.acquisition_days == 0 || self.acquisition_days > self.observe_days {
            return refuse("acquisition_days must lie between 1 and observe_days", self.acquisition_days.to_string());
        }
        if self.start.checked_add_days(Days::new(u64::from(self.observe_days))).is_none() {
            return refuse("the last day lies outside the calendar", self.observe_days.to_string());
        }
        if !(self.time_unit_days.is_finite() && self.time_unit_days > 0.0) {
            return refuse("time_unit_days must be above 0", self.time_unit_days.to_string());
        }
        for g in &self.groups {
            let named = [
                ("share", g.share),
                ("r", g.r),
                ("alpha", g.alpha),
                ("a", g.a),
                ("b", g.b),
                ("p", g.p),
                ("q", g.q),
                ("v", g.v),
            ];
            if let Some((name, value)) = named.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
                return refuse(&format!("{name} of group {:?} must be above 0", g.label), value.to_string());
            }
            let expected = g.r / g.alpha * f64::from(self.observe_days) / self.time_unit_days;
            if expected > MOST_PURCHASES {
                return refuse(
                    &format!("r/alpha of group {:?} makes too many purchases per customer", g.label),
                    expected.to_string(),
                );
            }
        }
        Ok(())
    }
}

/// What a simulation wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulateReport {
    /// The transactions: columns `customer_id`, `date`, `amount`, `group`.
    pub transactions_path: PathBuf,
    /// The parameters, as JSON: the [`SimulateSpec`].
    pub truth_path: PathBuf,
    /// Number of customers.
    pub customers: u64,
    /// Number of purchases.
    pub transactions: u64,
}

/// The distributions of one group.
struct GroupLaw<'a> {
    truth: &'a GroupTruth,
    /// Upper end of the group in the cumulated shares, 0 to 1.
    upto: f64,
    rate: Gamma<f64>,
    lapse: Beta<f64>,
    spend_rate: Gamma<f64>,
}

impl<'a> GroupLaw<'a> {
    fn all(groups: &'a [GroupTruth]) -> Result<Vec<Self>> {
        let total: f64 = groups.iter().map(|g| g.share).sum();
        let mut upto = 0.0;
        groups
            .iter()
            .map(|truth| {
                upto += truth.share / total;
                let refused =
                    |name: &str| Error::new(format!("group {:?} has impossible {name}", truth.label)).at("simulate");
                Ok(Self {
                    truth,
                    upto,
                    rate: Gamma::new(truth.r, 1.0 / truth.alpha).map_err(|e| refused("r, alpha").because(e))?,
                    lapse: Beta::new(truth.a, truth.b).map_err(|e| refused("a, b").because(e))?,
                    spend_rate: Gamma::new(truth.q, 1.0 / truth.v).map_err(|e| refused("q, v").because(e))?,
                })
            })
            .collect()
    }
}

/// One simulated purchase.
struct Purchase<'a> {
    customer: u64,
    date: NaiveDate,
    cents: i64,
    group: &'a str,
}

/// All purchases of one customer, in time.
fn purchases_of<'a>(spec: &SimulateSpec, laws: &'a [GroupLaw<'a>], customer: u64, out: &mut Vec<Purchase<'a>>) {
    let mut rng = Stream::new(spec.seed, Purpose::Simulation, customer, 0);
    let place = rng.uniform();
    let law = laws.iter().find(|l| place < l.upto).unwrap_or(&laws[laws.len() - 1]);
    let lambda = law.rate.sample(&mut rng);
    let lapse = law.lapse.sample(&mut rng);
    let nu = law.spend_rate.sample(&mut rng);
    // A spend rate so small that its inverse overflows would need q near 0; the largest amount stands for it.
    let amount = Gamma::new(law.truth.p, 1.0 / nu).ok();

    let end = f64::from(spec.observe_days);
    let mut day = rng.uniform() * f64::from(spec.acquisition_days);
    while day < end {
        let dollars = amount.as_ref().map_or(LARGEST_AMOUNT, |law| law.sample(&mut rng)).min(LARGEST_AMOUNT);
        out.push(Purchase {
            customer,
            date: spec.start + Days::new(day as u64),
            cents: ((dollars * 100.0).round() as i64).max(1),
            group: &law.truth.label,
        });
        let is_repeat = out.len() > 1 && out[out.len() - 2].customer == customer;
        if is_repeat && rng.uniform() < lapse {
            break;
        }
        day += -rng.uniform().ln() / lambda * spec.time_unit_days;
    }
}

/// Where simulated purchases go.
enum Output {
    Csv(BufWriter<File>),
    Parquet(Option<Box<TableWriter>>),
}

/// Simulates and writes transactions to `path` (`.csv` or `.parquet`) and the truth to `truth.json` beside it.
///
/// # Errors
/// When the parameters make no sense, the extension is another, or the files cannot be written.
pub fn simulate(spec: &SimulateSpec, path: &Path) -> Result<SimulateReport> {
    spec.check()?;
    let laws = GroupLaw::all(&spec.groups)?;
    let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(|e| Error::io("make the folder of the simulated data", folder, e))?;
    let write = |e| Error::io("write the simulated data", path, e);
    let mut output = match path.extension().and_then(|e| e.to_str()) {
        Some("csv") => {
            let mut file = BufWriter::new(File::create(path).map_err(write)?);
            writeln!(file, "customer_id,date,amount,group").map_err(write)?;
            Output::Csv(file)
        }
        Some("parquet") => Output::Parquet(None),
        _ => {
            return Err(Error::new("simulated data are written as .csv or .parquet")
                .at(path.display())
                .advice("name such a file"));
        }
    };

    let width = spec.customers.to_string().len().max(5);
    let chunks = spec.customers.div_ceil(CHUNK);
    let mut transactions = 0;
    for wave in 0..chunks.div_ceil(WAVE) {
        let made: Vec<Vec<Purchase<'_>>> = (wave * WAVE..((wave + 1) * WAVE).min(chunks))
            .into_par_iter()
            .map(|chunk| {
                let mut purchases = Vec::new();
                (chunk * CHUNK..((chunk + 1) * CHUNK).min(spec.customers))
                    .for_each(|customer| purchases_of(spec, &laws, customer, &mut purchases));
                purchases
            })
            .collect();
        transactions += made.iter().map(|m| m.len() as u64).sum::<u64>();
        match &mut output {
            Output::Csv(file) => {
                let lines: Vec<String> = made.par_iter().map(|purchases| csv_lines(purchases, width)).collect();
                for text in lines {
                    file.write_all(text.as_bytes()).map_err(write)?;
                }
            }
            Output::Parquet(writer) => {
                for purchases in &made {
                    let batch = parquet_batch(purchases, width)?;
                    if writer.is_none() {
                        *writer = Some(Box::new(TableWriter::create(path, "simulated-1", batch.schema())?));
                    }
                    if let Some(writer) = writer {
                        writer.write(&batch)?;
                    }
                }
            }
        }
    }
    match output {
        Output::Csv(mut file) => file.flush().map_err(write)?,
        Output::Parquet(writer) => writer.map_or(Ok(()), |w| w.finish(&[]))?,
    }

    let truth_path = folder.join("truth.json");
    let truth =
        serde_json::to_string_pretty(spec).map_err(|e| Error::new("could not write the truth as JSON").because(e))?;
    std::fs::write(&truth_path, truth + "\n").map_err(|e| Error::io("write the truth", &truth_path, e))?;
    Ok(SimulateReport { transactions_path: path.to_owned(), truth_path, customers: spec.customers, transactions })
}

fn csv_lines(purchases: &[Purchase<'_>], width: usize) -> String {
    let mut text = String::with_capacity(purchases.len() * 40);
    for Purchase { customer, date, cents, group } in purchases {
        let quoted = if group.contains([',', '"', '\n', '\r']) {
            format!("\"{}\"", group.replace('"', "\"\""))
        } else {
            (*group).to_owned()
        };
        // Writing to a string cannot fail.
        let _ = writeln!(text, "C{:0width$},{date},{}.{:02},{quoted}", customer + 1, cents / 100, cents % 100);
    }
    text
}

fn parquet_batch(purchases: &[Purchase<'_>], width: usize) -> Result<arrow_array::RecordBatch> {
    let ids: Vec<String> = purchases.iter().map(|p| format!("C{:0width$}", p.customer + 1)).collect();
    let amounts = Decimal128Array::from_iter_values(purchases.iter().map(|p| i128::from(p.cents)))
        .with_precision_and_scale(18, 2)
        .map_err(|e| Error::new("could not lay out simulated amounts").because(e))?;
    table_file::batch(vec![
        ("customer_id", texts(ids.iter().map(String::as_str))),
        ("date", dates(purchases.iter().map(|p| p.date))),
        ("amount", Arc::new(amounts)),
        ("group", texts(purchases.iter().map(|p| p.group))),
    ])
}
