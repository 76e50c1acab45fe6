//! What a report needs to know, as plain serde structs: the finished run fills them, the page shows them.
//!
//! Sections that a run does not have are `None` or empty and are then simply absent from the page. Every interval is the
//! central 90 % one, from the 5 % to the 95 % quantile. Not here: how any of it is computed, formatted or drawn.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

mod draws;
mod made;

pub use draws::{Density, Energy, FitChains, Growth, Limits, Pairs, Parameter};
pub use made::{DataFacts, Facts, FitFacts, Resources, Step};

use crate::diagnose::{Method, Sensitivity};

/// A mean with its central 90 % interval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Interval {
    /// Expected value.
    pub mean: f64,
    /// 5 % quantile.
    pub q05: f64,
    /// 95 % quantile.
    pub q95: f64,
}

/// Everything one page shows.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Name of the run.
    pub title: String,
    /// One line under the title: the models, the groups, the window of the data. May be empty.
    pub subtitle: String,
    /// What amounts are in. Text with a sign (`$`, `€`, `R$`) is put before the number, letters (`CHF`, `kr`) after it,
    /// nothing when empty.
    pub currency: String,
    /// The model's unit of time, in the plural: `weeks`.
    pub time_unit: String,
    /// How far ahead values look, in words that follow "the next": `52 weeks`.
    pub horizon: String,
    /// What customers do, in the model's words.
    pub words: Words,
    /// Whether to trust the numbers.
    pub verdict: Verdict,
    /// The few numbers that go on top.
    pub headline: Option<Headline>,
    /// Value tiers, best first.
    pub tiers: Vec<Class>,
    /// RFM (or other) segments, in the order to show them.
    pub segments: Vec<Class>,
    /// Purchases week by week against the model.
    pub tracking: Option<Tracking>,
    /// Customers by number of repeat purchases in the calibration window, actual against predicted; in order, the last row
    /// may be open (`7+`). Empty when not checked.
    pub frequency: Vec<Check>,
    /// Customers with a repeat purchase by when they bought last, as a share of the time they were watched. Empty when not checked.
    pub recency: Vec<Check>,
    /// Customers with a repeat purchase by mean spend. Empty when not checked.
    pub spend: Vec<Check>,
    /// What was checked in one number each.
    pub quantities: Vec<Quantity>,
    /// How the model did on the window it did not see.
    pub holdout: Option<Holdout>,
    /// P(alive) over frequency and recency.
    pub alive: Option<AliveMap>,
    /// Totals by group of partial pooling.
    pub groups: Option<Groups>,
    /// How groups borrowed strength from each other, by fit; empty without groups.
    pub shrinkage: Vec<Shrinkage>,
    /// What covariates do, one entry per coefficient; empty without any.
    pub covariates: Vec<CovariateEffect>,
    /// Posterior of every parameter, population parameters (no coordinates) and group parameters alike.
    pub parameters: Vec<Parameter>,
    /// The chains of each fit together; empty where there were none.
    pub chains: Vec<FitChains>,
    /// What the diagnostics were held against.
    pub limits: Limits,
    /// How the posterior leans on priors and data.
    pub sensitivity: Option<Sensitivity>,
    /// What the machine gave.
    pub resources: Resources,
    /// How the run was made.
    pub facts: Facts,
}

/// What customers do, in the model's words.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Words {
    /// In the plural: `purchases`, `renewals`.
    pub events: String,
    /// Behind "are expected to": `buy`, `renew`.
    pub verb: String,
    /// What the check of the model counts: `Customers by number of repeat purchases`.
    pub check: String,
    /// What its classes are numbers of: `repeat purchases`.
    pub check_axis: String,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            events: "purchases".to_owned(),
            verb: "buy".to_owned(),
            check: "Customers by number of repeat purchases".to_owned(),
            check_axis: "repeat purchases".to_owned(),
        }
    }
}

/// Whether the diagnostics accept the result, with reasons.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// True when the diagnostics accept the result.
    pub passed: bool,
    /// How the draws were made: what is no sample of the posterior says so before anything else.
    pub method: Method,
    /// Why, one sentence each.
    pub reasons: Vec<String>,
    /// What it means, in plain words; `None` for the report's own wording.
    pub meaning: Option<String>,
    /// What to try next when it failed, one sentence each; empty for general advice.
    pub advice: Vec<String>,
}

/// The numbers on top.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Headline {
    /// Customers scored.
    pub customers: u64,
    /// Purchases of all of them within the horizon.
    pub purchases: Interval,
    /// Lifetime value of all of them within the horizon (discounted if the run discounts), in currency; none without amounts.
    pub value: Option<Interval>,
    /// Expected share of customers who are still alive, 0–1.
    pub alive: Option<f64>,
}

/// A set of customers made after the fit: a value tier or a segment.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Name: `Top 5 %`, `Champions`.
    pub name: String,
    /// Who is in it: `worth at least $312`, `R 5, F 4–5`.
    pub rule: Option<String>,
    /// Customers in it.
    pub customers: u64,
    /// Their total value within the horizon, in currency.
    pub value: Interval,
    /// Their share of the value of all customers, 0–1.
    pub share: f64,
    /// What to do with them.
    pub action: Option<String>,
}

/// Repeat purchases of all customers week by week. All lists have one entry a week.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tracking {
    /// First day of each week.
    pub week_start: Vec<NaiveDate>,
    /// Repeat purchases counted in each week.
    pub actual: Vec<f64>,
    /// Posterior predictive purchases in each week.
    pub predicted: Vec<Interval>,
    /// Posterior predictive purchases from the first week to the end of each (its interval does not follow from the weekly ones).
    pub cumulative: Vec<Interval>,
    /// Number of leading weeks that the model was fitted on.
    pub calibration_weeks: usize,
}

/// One class of customers: what was counted and what the model expected.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// The class: `0`, `1`, …, `7+` repeat purchases.
    pub label: String,
    /// What was counted.
    pub actual: f64,
    /// What the model expected.
    pub predicted: Interval,
}

/// A test quantity: one number of the data beside its distribution over data that the model makes.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// What it is: `share of customers without a repeat purchase`.
    pub what: String,
    /// `share`, `purchases`, `currency`, `time units` or `ratio`.
    pub unit: String,
    /// Of the data.
    pub observed: f64,
    /// Of replicated data.
    pub replicated: Interval,
    /// Share of replicated data where it is at least the observed one.
    pub p_value: f64,
    /// What is wrong, where something is.
    pub concern: Option<String>,
}

/// Scores on the holdout window.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Holdout {
    /// Its length in words: `39 weeks`.
    pub length: String,
    /// Purchases counted in it.
    pub actual: f64,
    /// Purchases predicted for it.
    pub predicted: Interval,
    /// Scores of the model (first) and of the naive baselines.
    pub scores: Vec<Score>,
    /// How often the predictive intervals of single customers held the truth.
    pub coverage: Vec<Coverage>,
    /// Mean purchases per customer in the holdout, by repeat purchases in the calibration window. May be empty.
    pub by_frequency: Vec<Check>,
}

/// Errors of one way of predicting purchases per customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Score {
    /// `longrun`, `same rate as before`, `everyone average`.
    pub name: String,
    /// Predicted total.
    pub total: f64,
    /// Mean absolute error, purchases.
    pub mae: f64,
    /// Root mean squared error, purchases.
    pub rmse: f64,
    /// Spearman rank correlation; `None` where undefined.
    pub spearman: Option<f64>,
    /// Normalised Gini; `None` where undefined.
    pub gini: Option<f64>,
}

/// Coverage of one central predictive interval, all shares 0–1.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Coverage {
    /// What it should cover.
    pub level: f64,
    /// What it covered, by randomised probability integral transform.
    pub covered: f64,
    /// What the closed interval of counts covered (over-covers even when the model is perfect).
    pub raw: f64,
}

/// P(alive) of a customer of a given age over frequency and recency.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AliveMap {
    /// T, in the view's time unit.
    pub age: f64,
    /// Columns: repeat purchases, ascending.
    pub frequency: Vec<u32>,
    /// Rows: time of the last purchase since the first, in the view's time unit, ascending.
    pub recency: Vec<f64>,
    /// `[recency][frequency]`, 0–1; `None` where no such customer can be.
    pub probability: Vec<Vec<Option<f64>>>,
}

/// Totals by group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Groups {
    /// The column that made the groups: `cohort`.
    pub column: String,
    /// One row per group, in the order to show them.
    pub rows: Vec<Group>,
}

/// One group's totals.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Its label.
    pub label: String,
    /// Customers in it.
    pub customers: u64,
    /// Expected share still alive, 0–1.
    pub alive: Option<f64>,
    /// Purchases within the horizon.
    pub purchases: Interval,
    /// Value within the horizon, in currency.
    pub value: Interval,
}

/// How the groups of one fit borrowed strength.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shrinkage {
    /// Which fit: `purchase`, `spend`.
    pub fit: String,
    /// The column that made the groups: `cohort`, `country > channel`.
    pub column: String,
    /// One entry per parameter that is pooled.
    pub parameters: Vec<ShrunkParameter>,
}

/// One pooled parameter of every group.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ShrunkParameter {
    /// Its name: `rate`.
    pub name: String,
    /// One row per group.
    pub groups: Vec<Shrunk>,
}

/// One parameter of one group, alone and pooled.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Shrunk {
    /// The group's label.
    pub label: String,
    /// Customers whose data it has of its own.
    pub customers: u64,
    /// What its own data say alone; `None` where they say nothing.
    pub alone: Option<f64>,
    /// The centre that it is pooled towards.
    pub centre: f64,
    /// What it is with the others' help.
    pub pooled: f64,
    /// The weight of the centre, 0–1.
    pub share: f64,
}

/// What one column of what is known of customers does to one thing that they do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CovariateEffect {
    /// What it moves.
    pub moves: Moves,
    /// The covariate: `income`, `channel`.
    pub covariate: String,
    /// What it is compared with.
    pub step: CovariateStep,
    /// 5 % quantile of the coefficient γ, per unit of the column as it was written: e^γ is a factor.
    pub q05: f64,
    /// Its median.
    pub q50: f64,
    /// Its 95 % quantile.
    pub q95: f64,
}

/// What a covariate moves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Moves {
    /// How often customers buy while active.
    Buying,
    /// How fast they leave.
    Leaving,
    /// The a of a chance to leave a/(a+b).
    LeavingA,
    /// Its b.
    LeavingB,
}

/// What a customer differs by whom a coefficient speaks of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum CovariateStep {
    /// A unit more of a number, whose standard deviation over customers this is.
    Unit(f64),
    /// This level, rather than the most frequent one.
    Level(String),
    /// A missing value, rather than an average one.
    Missing,
}
