//! Posterior predictive checks: the model against its own data, as `checks.json` tells them. What is computed is `predict`'s; here it
//! gets its names, units and words.

use super::facts::{BandRow, CheckFacts, HistogramRow, TestQuantity, TrackingWeek};
use super::predict::Basis;
use super::{Observer, RunDir};
use crate::data::{Holdout, WeeklyRepeats};
use crate::error::Result;
use crate::predict::{Band, Quantity, TestOf, TrackingSettings};

/// Draws behind the bands, whose ends are quantiles at 5 and 95 %, and behind the p-values.
const DRAWS: usize = 200;

/// A p-value this near 0 or 1 is a concern.
const UNUSUAL: f64 = 0.01;

/// Replicates the data and counts both alike.
pub(super) fn checks(dir: &RunDir, basis: &Basis, observer: &dyn Observer) -> Result<CheckFacts> {
    let weekly = WeeklyRepeats::read_parquet(&dir.path("weekly.parquet"))?;
    let observed_after = if dir.has("holdout.parquet") {
        Holdout::read_parquet(&basis.summary, &dir.path("holdout.parquet"))?.length
    } else {
        0.0
    };
    let settings = TrackingSettings {
        seed: dir.plan.sampler.seed,
        draws: DRAWS,
        days_per_time_unit: dir.plan.data.time_unit_days,
        observed_after,
    };
    let tracking = basis.forecast.track(&basis.summary, &weekly, &settings)?;
    let replicas = basis.forecast.replicate(&basis.summary, &settings)?;
    let quantities: Vec<TestQuantity> = replicas.quantities.iter().map(quantity).collect();
    let unusual: Vec<&str> = quantities.iter().filter(|q| q.concern.is_some()).map(|q| q.what.as_str()).collect();
    if !unusual.is_empty() {
        observer.note(&format!(
            "{} of {} test quantities are unlike what the model makes ({}): the report says what each may mean",
            unusual.len(),
            quantities.len(),
            unusual.join("; ")
        ));
    }
    Ok(CheckFacts {
        schema_version: 1,
        tracking: tracking
            .weeks
            .iter()
            .map(|w| TrackingWeek {
                week_start: w.week_start,
                actual: w.actual,
                predicted: (&w.predicted).into(),
                cumulative: (&w.predicted_cumulative).into(),
            })
            .collect(),
        calibration_weeks: tracking.calibration_weeks,
        frequency_histogram: tracking
            .frequencies
            .iter()
            .map(|f| HistogramRow {
                repeat_purchases: f.frequency.clone(),
                actual: f.actual,
                predicted: (&f.predicted).into(),
            })
            .collect(),
        replicated_customers: replicas.customers,
        recency_histogram: replicas.recency.iter().map(bar).collect(),
        spend_histogram: replicas.spend.iter().map(bar).collect(),
        quantities,
    })
}

fn bar(band: &Band) -> BandRow {
    BandRow { label: band.label.clone(), actual: band.actual, predicted: (&band.predicted).into() }
}

/// How a test quantity is told.
struct Told {
    name: &'static str,
    what: &'static str,
    unit: &'static str,
    /// What it may mean that the data have more, or less, of it than the model makes.
    more: &'static str,
    less: &'static str,
}

fn told(of: TestOf) -> Told {
    let row = |name, what, unit, more, less| Told { name, what, unit, more, less };
    match of {
        TestOf::OneTimeShare => row(
            "one_time_share",
            "share of customers without a repeat purchase",
            "share",
            "some customers may never have meant to return (gifts, guests): try purchase.model = \"mbg_nbd\", or groups by channel",
            "customers who never returned may be missing from the log: does it hold one-time buyers?",
        ),
        TestOf::MeanRepeats => row(
            "mean_repeats",
            "mean repeat purchases of a customer",
            "purchases",
            "the priors may hold the rate down, or customers buy in bursts: compare models with longrun compare",
            "the priors may hold the rate up, or purchases are missing from the log's end",
        ),
        TestOf::SdRepeats => row(
            "sd_repeats",
            "spread (standard deviation) of repeat purchases between customers",
            "purchases",
            "a few customers buy far more than a gamma distribution of rates allows: are resellers or staff among them?",
            "customers are more alike than a gamma distribution of rates makes them: do purchases come at set intervals (subscriptions)?",
        ),
        TestOf::TopRepeats => row(
            "top_repeats",
            "repeat purchases of the busiest hundredth (99 % quantile)",
            "purchases",
            "the busiest customers are out of the model's reach: are resellers or staff among them?",
            "the model makes customers busier than any you have: something may cap purchases (one a month, one a season)",
        ),
        TestOf::Concentration => row(
            "concentration",
            "share of repeat purchases made by the busiest tenth",
            "share",
            "purchases are more concentrated than the model can make them: split customers into groups (groups.by)",
            "purchases are spread more evenly than the model makes them: groups or covariates may explain what differs",
        ),
        TestOf::MeanRecency => row(
            "mean_recency",
            "mean share of a customer's time at which the last purchase lies",
            "share",
            "customers are active for longer than the model makes them: try purchase.model = \"pareto_nbd\" or \"nbd\"",
            "customers stop sooner than the model makes them, or a season ended: look at the weekly tracking",
        ),
        TestOf::LateShare => row(
            "late_share",
            "share of repeat buyers who bought in the last tenth of their time",
            "share",
            "the end of the window was livelier than the model expects (a season, a campaign): predictions may be too low",
            "the end of the window was quieter than the model expects (a season's end, missing data): predictions may be too high",
        ),
        TestOf::MeanSpend => row(
            "mean_spend",
            "mean of customers' mean spend",
            "currency",
            "the spend priors may pull spend down, or a few orders are huge: are amounts in one currency?",
            "the spend priors may pull spend up, or returns were counted as spend",
        ),
        TestOf::SdLogSpend => row(
            "sd_log_spend",
            "spread of customers' mean spend (sd of its logarithm)",
            "ratio",
            "spend differs more between customers than Gamma-Gamma makes it: wholesale beside retail? groups may part them",
            "spend differs less between customers than Gamma-Gamma makes it: fixed prices or subscriptions?",
        ),
        TestOf::TopSpend => row(
            "top_spend",
            "mean spend of the best hundredth (99 % quantile)",
            "currency",
            "the largest customers are out of the model's reach: their value is understated",
            "the model makes customers larger than any you have: the value of the top is overstated",
        ),
        TestOf::FrequencySpend => row(
            "frequency_spend",
            "rank correlation of purchases and mean spend",
            "ratio",
            "who buys often also spends more each time, which Gamma-Gamma rules out: the best customers are worth more than predicted",
            "who buys often spends less each time, which Gamma-Gamma rules out: the best customers are worth less than predicted",
        ),
    }
}

fn quantity(q: &Quantity) -> TestQuantity {
    let Told { name, what, unit, more, less } = told(q.of);
    let concern = match q.p_value {
        p if p < UNUSUAL => Some(("more", more)),
        p if p > 1.0 - UNUSUAL => Some(("less", less)),
        _ => None,
    };
    let concern = concern.map(|(which, meaning)| {
        format!(
            "{what}: {} in the data, {} in data that the model makes, {which} than in {} of its replicas: {meaning}",
            plain(q.observed),
            plain(q.replicated.mean),
            // Of 200 replicas one is half a per cent.
            match q.p_value.min(1.0 - q.p_value) {
                0.0 => "any".to_owned(),
                beyond => format!("all but {:.1} %", 100.0 * beyond),
            }
        )
    });
    TestQuantity {
        name: name.to_owned(),
        what: what.to_owned(),
        unit: unit.to_owned(),
        observed: q.observed,
        replicated: (&q.replicated).into(),
        p_value: q.p_value,
        concern,
    }
}

/// Three digits.
fn plain(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}
