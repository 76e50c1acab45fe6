//! The scores of one prediction on its holdout window, and `holdout.json`.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::coverage::{Coverage, coverage_closed, pit_values};
use super::ranking::{gini_normalized, spearman, top_decile_lift};
use crate::data::{Holdout, Summary};
use crate::error::{Error, Result};
use crate::predict::Window;

/// Version of the keys of `holdout.json`.
const SCHEMA_VERSION: u32 = 1;
/// Frequency classes 0, 1, …, 6 and "7+".
const CLASSES: usize = 8;
/// Bins of the transform's histogram.
const PIT_BINS: usize = 20;

/// Everything `holdout.json` holds. Scores that do not exist (a correlation with a constant) are null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct HoldoutScores {
    /// Version of these keys.
    pub schema_version: u32,
    /// Purchases of all customers together.
    pub total: TotalScore,
    /// Mean absolute error of purchases per customer.
    pub mae: f64,
    /// Root mean square error of purchases per customer.
    pub rmse: f64,
    /// Rank correlation of predicted and actual purchases.
    pub spearman: Option<f64>,
    /// Gini coefficient in the predicted order over that in the best order.
    pub gini_normalized: Option<f64>,
    /// Mean purchases of the best tenth by prediction over the mean of all.
    pub top_decile_lift: Option<f64>,
    /// By the randomised probability integral transform.
    pub coverage: Coverage,
    /// By closed intervals, which over-cover for counts.
    pub coverage_raw: Coverage,
    /// Actual and predicted by frequency in the calibration window.
    pub calibration: Vec<CalibrationClass>,
    /// What two naive rules achieve.
    pub baselines: Baselines,
    /// Mean continuous ranked probability score, purchases: what an absolute error becomes when the prediction is a distribution.
    /// `None` in files from before it.
    #[serde(default)]
    pub crps: Option<f64>,
    /// 1 − CRPS over that of predicting for everyone the distribution of what happened: 1 is perfect, 0 tells no customer from
    /// another. `None` when all did the same, and in files from before it.
    #[serde(default)]
    pub crps_skill: Option<f64>,
    /// Histogram of the transform, 20 equal bins over (0, 1): flat when the predictive distributions are right. Not in the file.
    #[serde(skip)]
    pub pit_histogram: Vec<u64>,
}

/// A total and its prediction.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct TotalScore {
    /// What happened.
    pub actual: f64,
    /// Predicted mean.
    pub mean: f64,
    /// Predicted 5 % quantile.
    pub q05: f64,
    /// Predicted 95 % quantile.
    pub q95: f64,
}

/// Customers with one number of repeat purchases in the calibration window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CalibrationClass {
    /// `0` … `6`, `7+`.
    pub frequency: String,
    /// Customers in it.
    pub customers: u64,
    /// Their mean purchases in the holdout window; null without customers.
    pub actual_mean: Option<f64>,
    /// The mean of their predictions; null without customers.
    pub predicted_mean: Option<f64>,
}

/// A naive rule's scores.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baseline {
    /// Its total.
    pub total: f64,
    /// Mean absolute error per customer.
    pub mae: f64,
    /// Root mean square error per customer.
    pub rmse: f64,
    /// Rank correlation; null for a constant prediction.
    pub spearman: Option<f64>,
}

/// The rules that a model has to beat.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Baselines {
    /// Everyone goes on at their own rate: x/T per unit of time.
    pub same_rate: Baseline,
    /// Everyone buys at the average rate: Σx/ΣT per unit of time.
    pub everyone_average: Baseline,
}

/// Scores the predictions of a window against what happened in it. `seed` is for the randomised transform alone.
///
/// # Errors
/// No customers; a holdout or a window for other customers than the summary's.
pub fn evaluate_holdout(summary: &Summary, holdout: &Holdout, window: &Window, seed: u64) -> Result<HoldoutScores> {
    if summary.is_empty() {
        return Err(Error::new("there is no customer to evaluate").advice("end the calibration later"));
    }
    let lengths = [holdout.purchases.len(), window.customers.len()];
    if lengths.iter().any(|&length| length != summary.len()) {
        return Err(Error::new("the holdout and its prediction must have one row per customer of the summary")
            .seen(format!("{lengths:?} for {} customers", summary.len())));
    }
    let actual: Vec<f64> = holdout.purchases.iter().map(|&k| f64::from(k)).collect();
    let predicted: Vec<f64> = window.customers.iter().map(|c| c.mean).collect();
    let pit = pit_values(summary, window, seed);
    let mut pit_histogram = vec![0; PIT_BINS];
    for u in &pit {
        pit_histogram[((u * PIT_BINS as f64) as usize).min(PIT_BINS - 1)] += 1;
    }
    let Errors { mae, rmse } = Errors::of(&actual, &predicted);
    let crps = window.customers.iter().map(|c| c.crps).sum::<f64>() / actual.len() as f64;
    let marginal = marginal_crps(&holdout.purchases);
    Ok(HoldoutScores {
        schema_version: SCHEMA_VERSION,
        total: TotalScore {
            actual: actual.iter().sum(),
            mean: window.total.mean,
            q05: window.total.q05,
            q95: window.total.q95,
        },
        mae,
        rmse,
        spearman: spearman(&actual, &predicted),
        gini_normalized: gini_normalized(&actual, &predicted),
        top_decile_lift: top_decile_lift(&actual, &predicted),
        coverage: Coverage::of_pit(&pit),
        coverage_raw: coverage_closed(&holdout.purchases, window),
        calibration: calibration(summary, &actual, &predicted),
        baselines: baselines(summary, holdout, &actual),
        crps: Some(crps),
        crps_skill: (marginal > 0.0).then(|| 1.0 - crps / marginal),
        pit_histogram,
    })
}

/// Writes `holdout.json` at `path`, beside first and then renamed.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_holdout(path: &Path, scores: &HoldoutScores) -> Result<()> {
    let failed = |cause| Error::io("write the holdout scores", path, cause);
    let mut json = serde_json::to_vec_pretty(scores).map_err(|cause| failed(cause.into()))?;
    json.push(b'\n');
    let partial = path.with_extension("json.partial");
    std::fs::write(&partial, json)
        .and_then(|()| std::fs::File::open(&partial)?.sync_all())
        .and_then(|()| std::fs::rename(&partial, path))
        .map_err(failed)
}

struct Errors {
    mae: f64,
    rmse: f64,
}

impl Errors {
    fn of(actual: &[f64], predicted: &[f64]) -> Self {
        let n = actual.len() as f64;
        let errors = || actual.iter().zip(predicted).map(|(a, p)| p - a);
        Self { mae: errors().map(f64::abs).sum::<f64>() / n, rmse: (errors().map(|e| e * e).sum::<f64>() / n).sqrt() }
    }
}

/// Mean CRPS of predicting for everyone the distribution of what happened: E|Y − Y′|/2 over all pairs, by ordered counts as for draws.
fn marginal_crps(purchases: &[u32]) -> f64 {
    let mut sorted = purchases.to_vec();
    sorted.sort_unstable();
    let n = sorted.len();
    let spread: i128 = (sorted.iter().zip(1i128..)).map(|(&k, i)| i128::from(k) * (2 * i - n as i128 - 1)).sum();
    spread as f64 / (n as f64 * n as f64)
}

fn calibration(summary: &Summary, actual: &[f64], predicted: &[f64]) -> Vec<CalibrationClass> {
    let mut sums = [(0u64, 0.0, 0.0); CLASSES];
    for ((&x, a), p) in summary.frequency.iter().zip(actual).zip(predicted) {
        let (customers, actual, predicted) = &mut sums[(x as usize).min(CLASSES - 1)];
        *customers += 1;
        *actual += a;
        *predicted += p;
    }
    let class = |(k, (customers, actual, predicted)): (usize, (u64, f64, f64))| {
        let mean = |sum: f64| (customers > 0).then(|| sum / customers as f64);
        CalibrationClass {
            frequency: if k + 1 == CLASSES { format!("{k}+") } else { k.to_string() },
            customers,
            actual_mean: mean(actual),
            predicted_mean: mean(predicted),
        }
    };
    sums.into_iter().enumerate().map(class).collect()
}

fn baselines(summary: &Summary, holdout: &Holdout, actual: &[f64]) -> Baselines {
    let rate = |x: f64, t: f64| if t > 0.0 { x / t } else { 0.0 };
    let score = |predicted: Vec<f64>| {
        let Errors { mae, rmse } = Errors::of(actual, &predicted);
        Baseline { total: predicted.iter().sum(), mae, rmse, spearman: spearman(actual, &predicted) }
    };
    let own = summary.frequency.iter().zip(&summary.age).map(|(&x, &t)| rate(f64::from(x), t) * holdout.length);
    let purchases: f64 = summary.frequency.iter().map(|&x| f64::from(x)).sum();
    let average = rate(purchases, summary.age.iter().sum()) * holdout.length;
    Baselines { same_rate: score(own.collect()), everyone_average: score(vec![average; summary.len()]) }
}
