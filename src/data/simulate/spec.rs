//! What to simulate: how many customers, of which groups, over which days. Checked once, before the first customer is made.

use chrono::{Days, NaiveDate};
use serde::{Deserialize, Serialize};

use super::covariates::CovariateTruth;
use super::groups::{GroupHierarchy, GroupTruth, LapseTruth, shop_groups};
use super::nested::{NestedHierarchy, nested_groups};
use crate::data::group_tree::path;
use crate::data::summary::Groups;
use crate::error::{Error, Result};

/// Purchases expected of one customer above which the parameters are taken for a mistake.
const MOST_PURCHASES: f64 = 1e5;

/// Which purchases a simulated summary counts. Transactions are the same either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Counting {
    /// As `summarize` counts real ones at day resolution: the purchases of one day are one. The models' clock is continuous, so
    /// with many customers a fit lands visibly beside the truth.
    #[default]
    PerDay,
    /// Every one, with times rounded to the nearest day: what the models mean, so that any number of customers leads to the truth.
    EveryPurchase,
}

/// When customers lapse: the law of which purchase model is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseLaw {
    /// After a repeat purchase.
    #[default]
    BgNbd,
    /// After any purchase, the first one included.
    MbgNbd,
    /// At any time.
    ParetoNbd,
    /// At any time, at a rate that goes with the purchase rate.
    ParetoAbe,
    /// Never.
    Nbd,
}

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SimulateSpec {
    /// Number of customers.
    pub customers: u64,
    /// First day.
    pub start: NaiveDate,
    /// Days, from the first on, over which first purchases are spread evenly.
    pub acquisition_days: u32,
    /// Days, from the first on, of which purchases are written; a summary learns from all of them.
    pub observe_days: u32,
    /// Length of the time unit of `alpha`, and of recency and age in a summary, in days; 7 is a week.
    pub time_unit_days: f64,
    /// When customers lapse.
    #[serde(default)]
    pub model: PurchaseLaw,
    /// What a summary counts.
    #[serde(default)]
    pub counting: Counting,
    /// Seed of all random numbers.
    pub seed: u64,
    /// What the groups were drawn from; none when they were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<GroupHierarchy>,
    /// The same of groups within groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nested: Option<NestedHierarchy>,
    /// The groups that customers come from.
    pub groups: Vec<GroupTruth>,
    /// What is known of every customer, and what it does. Written to a table of its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub covariates: Vec<CovariateTruth>,
}

impl SimulateSpec {
    /// Customers like CDNOW's: first purchases within 12 weeks, 78 weeks observed.
    pub fn cdnow(customers: u64, seed: u64) -> Self {
        Self {
            customers,
            start: NaiveDate::from_ymd_opt(1997, 1, 1).unwrap_or_default(),
            acquisition_days: 84,
            observe_days: 546,
            time_unit_days: 7.0,
            model: PurchaseLaw::default(),
            counting: Counting::default(),
            seed,
            hierarchy: None,
            nested: None,
            groups: vec![GroupTruth::cdnow("all")],
            covariates: Vec::new(),
        }
    }

    /// A lively shop with the groups of [`shop_groups`]: first purchases within 90 days of 2024-01-01, a year observed.
    pub fn shop(customers: u64, groups: u32, seed: u64) -> Self {
        let (groups, hierarchy) = shop_groups(groups, seed);
        Self {
            customers,
            start: NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default(),
            acquisition_days: 90,
            observe_days: 366,
            time_unit_days: 7.0,
            model: PurchaseLaw::default(),
            counting: Counting::default(),
            seed,
            hierarchy,
            nested: None,
            groups,
            covariates: Vec::new(),
        }
    }

    /// The same shop with groups within groups: `counts[0]` of them, in each `counts[1]`, and so on, three levels at most, in columns
    /// `country`, `channel` and `campaign`. A single count is [`SimulateSpec::shop`].
    ///
    /// # Errors
    /// More levels than three.
    pub fn nested_shop(customers: u64, counts: &[u32], seed: u64) -> Result<Self> {
        if let [count] = counts {
            return Ok(Self::shop(customers, *count, seed));
        }
        let (groups, nested) = nested_groups(counts, seed)?;
        Ok(Self { groups, nested: Some(nested), hierarchy: None, ..Self::shop(customers, 1, seed) })
    }

    /// The columns that name a customer's group, and what stands in them, by group.
    pub(super) fn group_columns(&self) -> Vec<(String, Vec<String>)> {
        let labels = self.groups.iter().map(|g| g.label.clone()).collect();
        let column = self
            .nested
            .as_ref()
            .map_or_else(|| "group".to_owned(), |nested| path(nested.levels.iter().map(|level| level.column.as_str())));
        Groups { column: Some(column), labels }.columns()
    }

    /// The same shop under another law of lapsing. Groups keep their habits as far as the law has them.
    #[must_use]
    pub fn with_model(mut self, model: PurchaseLaw) -> Self {
        self.model = model;
        let lapsing = match model {
            PurchaseLaw::BgNbd | PurchaseLaw::MbgNbd => return self,
            PurchaseLaw::ParetoNbd => GroupTruth::lapsing_any_time,
            PurchaseLaw::ParetoAbe => GroupTruth::lapsing_together,
            PurchaseLaw::Nbd => GroupTruth::never_lapsing,
        };
        self.groups = self.groups.into_iter().map(lapsing).collect();
        self
    }

    /// Refuses what cannot be simulated.
    pub(super) fn check(&self) -> Result<()> {
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
            let fits = match g.lapse {
                LapseTruth::Chance { .. } => matches!(self.model, PurchaseLaw::BgNbd | PurchaseLaw::MbgNbd),
                LapseTruth::Rate { .. } => self.model == PurchaseLaw::ParetoNbd,
                LapseTruth::Together { .. } => self.model == PurchaseLaw::ParetoAbe,
                LapseTruth::Never {} => self.model == PurchaseLaw::Nbd,
            };
            if !fits {
                return refuse(
                    &format!("group {:?} lapses by another law than the model's", g.label),
                    format!("{:?}", g.lapse),
                );
            }
            if let Some((name, value)) = g.named().into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0)) {
                return refuse(&format!("{name} of group {:?} must be above 0", g.label), value.to_string());
            }
            if let LapseTruth::Together { corr, .. } = g.lapse
                && !(corr > -1.0 && corr < 1.0)
            {
                return refuse(&format!("corr of group {:?} must lie between -1 and 1", g.label), corr.to_string());
            }
            let expected = g.mean_rate() * f64::from(self.observe_days) / self.time_unit_days;
            if expected > MOST_PURCHASES {
                return refuse(
                    &format!("the purchase rate of group {:?} makes too many purchases per customer", g.label),
                    expected.to_string(),
                );
            }
        }
        Ok(())
    }
}
