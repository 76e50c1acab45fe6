//! All that an advisor sees of a run: settings, counts, and figures over many customers. No identifier, label, column name, path, title
//! or single amount has a place in it: groups are numbered, amounts are rounded, and words come from fixed lists alone.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The layout's version.
pub const PACKET_VERSION: u32 = 1;

/// Deepest tree of a short run, whatever is set: what ends there says nothing of a deeper limit.
pub const SHORT_RUN_DEPTH: u32 = 8;

/// One run as an advisor sees it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Packet {
    /// The layout's version, [`PACKET_VERSION`].
    pub schema_version: u32,
    /// What kind of run it was.
    pub stage: Stage,
    /// The keys that may be changed, with what stands there now; `null` is a default.
    pub settings: BTreeMap<String, Value>,
    /// The model.
    pub model: ModelFigures,
    /// What figures are held against.
    pub limits: Limits,
    /// Why the data could not be read, where they could not.
    pub reading: Option<ReadingFigures>,
    /// The customers, once they are summarised.
    pub data: Option<DataFigures>,
    /// What the priors say of a new customer, beside what is seen.
    pub priors: Vec<PriorFigure>,
    /// The fits.
    pub fits: Vec<FitFigures>,
    /// The parameters that lean on their priors most.
    #[serde(default)]
    pub leaning: Vec<LeaningFigure>,
    /// What it cost.
    pub cost: CostFigures,
}

/// What kind of run a packet describes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// A short run on a sample of customers.
    #[default]
    Cycle,
    /// A run with everything that the configuration says.
    Full,
}

/// The model, in the program's own words.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ModelFigures {
    /// The purchase model's key.
    pub purchase: String,
    /// The spend model's key.
    pub spend: Option<String>,
    /// `transactions`, `summary`, `contracts` or `cohorts`.
    pub data_kind: String,
    /// Levels of partial pooling; 0 without groups.
    pub levels: usize,
    /// Groups of the last level.
    pub groups: usize,
    /// Parameters of the purchase model that groups differ in.
    pub pooled: Vec<String>,
    /// Columns of covariates.
    pub covariates: usize,
}

/// What figures are held against. No advisor may change them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// R-hat must be below.
    pub r_hat: f64,
    /// Effective draws must be above.
    pub ess: f64,
    /// The share of divergent transitions must be below.
    pub divergence_share: f64,
    /// E-BFMI must be above.
    pub e_bfmi: f64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { r_hat: 1.01, ess: 400.0, divergence_share: 0.001, e_bfmi: 0.3 }
    }
}

/// Why the data could not be read.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ReadingFigures {
    /// Lines rejected.
    pub rejected: u64,
    /// Share of them by the role of the column at fault: `date`, `customer`, `amount`, `frequency`, `recency`, `age`, `monetary`, `other`.
    pub share_by_role: BTreeMap<String, f64>,
    /// Formats of a fixed list that read rejected dates, best first.
    pub date_formats: Vec<DateFormat>,
}

/// How well a format reads the dates that were rejected.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DateFormat {
    /// One of [`super::DATE_FORMATS`].
    pub format: String,
    /// Share of the rejected dates that it reads.
    pub share: f64,
}

/// The customers together.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct DataFigures {
    /// Customers of the summary.
    pub customers: u64,
    /// Customers that were fitted.
    pub fitted: u64,
    /// Their repeat purchases (renewals of contracts).
    pub repeat_purchases: u64,
    /// Share of customers without a repeat purchase.
    pub one_time_share: f64,
    /// Repeat purchases per customer and year, by the clock that the configuration states.
    pub repeats_per_year: Option<f64>,
    /// Days in a unit of the model's clock.
    pub time_unit_days: f64,
    /// Median age of customers, in that unit.
    pub median_age: f64,
    /// Of a summary: the days in the unit that its times are whole numbers of days in, where one unit alone explains them.
    pub grain: Option<String>,
    /// Share of lines that were rejected.
    pub rejected_share: f64,
    /// Share of the purchase days that more than one line merged into.
    pub merged_share: Option<f64>,
    /// Share of them with an even number of lines.
    pub paired_share: Option<f64>,
    /// Mean spend per repeat purchase, rounded to two digits.
    pub mean_spend: Option<f64>,
    /// Groups: those without a repeat buyer first, then the largest; at most 40.
    pub groups: Vec<GroupFigure>,
    /// Groups without a repeat buyer.
    pub groups_without_repeats: usize,
}

/// One group, by number.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupFigure {
    /// `group 3`: the number is its place in the sorted labels, which stay at home.
    pub name: String,
    /// Customers; none said of fewer than ten.
    pub customers: Option<u64>,
    /// Those with a repeat purchase; none said likewise.
    pub repeat_buyers: Option<u64>,
    /// Whether nobody in it bought again.
    pub no_repeat_buyers: bool,
}

/// What the priors say of a new customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PriorFigure {
    /// What is asked: `mean_repeat_purchases` (in a year), `median_spend`, …
    pub key: String,
    /// 5 % quantile.
    pub q05: Option<f64>,
    /// Median.
    pub q50: Option<f64>,
    /// 95 % quantile.
    pub q95: Option<f64>,
    /// What is seen in the data, where it can be told plainly.
    pub seen: Option<f64>,
}

/// One fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitFigures {
    /// `purchase` or `spend`.
    pub fit: String,
    /// `sampling`, `map`, `laplace` or `pathfinder`.
    pub method: String,
    /// Whether the verdict passed.
    pub passed: bool,
    /// Chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Share of transitions that diverged.
    pub divergence_share: f64,
    /// Share of transitions that ended at the tree-depth limit.
    pub depth_hit_share: f64,
    /// The least E-BFMI of any chain.
    pub e_bfmi: Option<f64>,
    /// The greatest R-hat.
    pub r_hat: Option<Figure>,
    /// The least effective sample size for the bulk.
    pub ess_bulk: Option<Figure>,
    /// The least effective sample size for the tails.
    pub ess_tail: Option<Figure>,
    /// What the verdict names, worst first.
    pub symptoms: Vec<Symptom>,
}

/// A figure and whose it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// The parameter, with groups by number.
    pub parameter: String,
    /// The figure; none where it cannot be had.
    pub value: Option<f64>,
}

/// One reason of the verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Symptom {
    /// The kind, as `diagnostics.json` writes it: `divergences`, `r_hat`, `ess`, …
    pub kind: String,
    /// The parameter, with groups by number, where the reason names one.
    pub parameter: Option<String>,
    /// The figure.
    pub figure: Option<f64>,
    /// The limit.
    pub limit: Option<f64>,
}

/// A parameter whose posterior moves with its prior (power-scaling), from 0.05 per doubling of the weight.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct LeaningFigure {
    /// The fit.
    pub fit: String,
    /// The parameter, its group by number.
    pub parameter: String,
    /// How far it moves with the priors.
    pub prior: Option<f64>,
    /// How far it moves with the data.
    pub likelihood: Option<f64>,
    /// `prior`: the data say little. `conflict`: both matter.
    pub diagnosis: String,
}

/// What a run cost; the only figures that differ between equal runs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CostFigures {
    /// Seconds of all fits.
    pub fit_s: Option<f64>,
    /// Gradients of one chain's log density.
    pub gradients: Option<u64>,
    /// Most memory of the process, in MiB.
    pub peak_memory_mib: Option<u64>,
    /// Where likelihoods were computed: `cpu` or `gpu`.
    pub backend: String,
    /// Processors of the machine, and how many the fits kept busy.
    pub cpus: Option<u64>,
    /// See `cpus`.
    pub busy_cpus: Option<f64>,
    /// Share of the fits' time in which the GPU worked, most memory in use on it in MiB, energy in joules.
    pub gpu_utilisation: Option<f64>,
    /// See `gpu_utilisation`.
    pub gpu_memory_mib: Option<u64>,
    /// See `gpu_utilisation`.
    pub gpu_joules: Option<f64>,
    /// Least share, over the fits, of the evaluations that the machine could make at most.
    pub share_of_floor: Option<f64>,
    /// What held the run back: `transfers`, `host`, `chains`, `overhead`, `memory`.
    pub held_back_by: Vec<String>,
}

impl Packet {
    /// The value of a setting; `Null` for a default.
    pub fn setting(&self, key: &str) -> &Value {
        self.settings.get(key).unwrap_or(&Value::Null)
    }

    /// A setting as a number.
    pub fn number(&self, key: &str) -> Option<f64> {
        self.setting(key).as_f64()
    }

    /// Whether every fit passed, and there is one.
    pub fn passed(&self) -> bool {
        !self.fits.is_empty() && self.fits.iter().all(|f| f.passed)
    }
}

/// `x` to so many significant digits, where it is finite.
pub fn significant(x: f64, digits: i32) -> Option<f64> {
    if !x.is_finite() {
        return None;
    }
    if x == 0.0 {
        return Some(0.0);
    }
    format!("{x:.*e}", usize::try_from(digits - 1).unwrap_or(0)).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_rounded_and_what_is_none_is_null() {
        assert_eq!(significant(98_765.43, 2), Some(99_000.0));
        assert_eq!(significant(0.001_234, 3), Some(0.001_23));
        assert_eq!((significant(0.0, 3), significant(f64::NAN, 3)), (Some(0.0), None));
    }

    #[test]
    fn a_packet_survives_json() {
        let packet = Packet { schema_version: PACKET_VERSION, data: Some(DataFigures::default()), ..Packet::default() };
        let text = serde_json::to_string(&packet).unwrap();
        assert_eq!(serde_json::from_str::<Packet>(&text).unwrap(), packet);
    }
}
