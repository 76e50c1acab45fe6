//! The configuration as users write it, one struct per TOML table. Doc comments become the JSON Schema's descriptions, so they
//! address the person who writes the file. Nothing is checked here beyond types and unknown keys.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::data::{DataSection, Delimiter};
use super::lifecycle::LifecycleSection;
use super::one_or_many::OneOrMany;
use crate::data::{Column, MissingValues};
use crate::dist::{HierarchySpec, Prior};

/// A complete longrun configuration. Only `data.path` has no default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClvConfig {
    /// Where the purchases are and how to read them.
    pub data: DataSection,
    /// Which customers share information: the unit of partial pooling.
    #[serde(default)]
    pub groups: GroupsSection,
    /// What is known of customers beside their purchases, and explains how often they buy and when they stop.
    #[serde(default)]
    pub covariates: Option<CovariatesSection>,
    /// The model of how often customers buy and when they stop.
    #[serde(default)]
    pub purchase: PurchaseSection,
    /// The model of how much a purchase is worth.
    #[serde(default)]
    pub spend: SpendSection,
    /// Where likelihoods are computed.
    #[serde(default)]
    pub compute: ComputeSection,
    /// How the posterior is explored.
    #[serde(default)]
    pub sampler: SamplerSection,
    /// When a result counts as converged.
    #[serde(default)]
    pub diagnose: DiagnoseSection,
    /// The horizon and discounting of lifetime value.
    #[serde(default)]
    pub predict: PredictSection,
    /// Where results go.
    #[serde(default)]
    pub output: OutputSection,
    /// The life of a model in a project: windows, scoring calendar, alarms, retention.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<LifecycleSection>,
}

/// Which customers share information.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupsSection {
    /// `none`, `column` (any column of the data), `cohort` (date of first purchase), `rfm` (classes of recency and frequency), or
    /// `["column", "cohort"]`: cohorts within the groups of columns.
    #[serde(default)]
    pub by: OneOrMany<GroupBy>,
    /// The column, with `by = "column"`; or several, from the top: `["country", "channel"]` are channels within countries.
    #[serde(default)]
    pub column: Option<OneOrMany<Column>>,
    /// Length of a cohort in days, with `by = "cohort"`; default 7, counted from the first purchase in the data. Or several, each
    /// dividing the one before: `[28, 7]` are weeks within four weeks.
    #[serde(default)]
    pub cohort_days: Option<OneOrMany<u32>>,
}

/// Static covariates: what is known of a customer and does not change. docs/guide/covariates.md says how to read what comes of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CovariatesSection {
    /// A file, folder or glob of rows that say something of customers; default `data.path`, where that holds a row per customer. A
    /// customer's first row in the files counts.
    #[serde(default)]
    pub path: Option<OneOrMany<String>>,
    /// One character, `"\t"`, or `"whitespace"`; default `data.delimiter`. The first line names the columns.
    #[serde(default)]
    pub delimiter: Option<Delimiter>,
    /// The customer's column; default that of the data.
    #[serde(default)]
    pub customer: Option<Column>,
    /// Columns of numbers. They are standardised inside, and reported in their own units.
    #[serde(default)]
    pub continuous: Vec<String>,
    /// Columns of words: each level but the most frequent gets a coefficient.
    #[serde(default)]
    pub categorical: Vec<String>,
    /// Customers without a value: `error` stops and counts them, `indicator` takes them for average with a coefficient of their own.
    #[serde(default)]
    pub missing: MissingValues,
    /// Covariates that say how often customers buy; default all.
    #[serde(default)]
    pub purchase: Option<Vec<String>>,
    /// Covariates that say when they stop; default all.
    #[serde(default)]
    pub dropout: Option<Vec<String>>,
    /// Prior of every coefficient, of covariates with a standard deviation of 1; default normal with mean 0 and sd 1.
    #[serde(default)]
    pub prior: Option<Prior>,
}

/// The purchase model and its priors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseSection {
    /// The model: `bg_nbd`, `mbg_nbd`, `pareto_nbd`, `pareto_abe` or `nbd` for purchases at any time, `bg_bb` for one purchase or none at each of a row of
    /// opportunities, `s_bg` for contracts; docs/guide/choosing_a_model.md says which for whom.
    #[serde(default)]
    pub model: PurchaseModel,
    /// Without groups: priors by parameter name, on `r`, `alpha` (or `rate` = r / alpha), `a` and `b` (or `phi` = a / (a + b) and
    /// `kappa` = a + b); of `pareto_nbd`, on `s` and `beta` (or `dropout_rate` = s / beta) instead of the last two. Of
    /// `pareto_abe`, on `rate`, `death`, `sd_rate`, `sd_death` and `corr`. Of `bg_bb`, on
    /// `alpha` and `beta` (or `purchase_chance` and `purchase_kappa`), `gamma` and `delta` (or `dropout_chance` and `dropout_kappa`);
    /// of `s_bg`, on `alpha` and `beta` (or `churn` and `churn_kappa`).
    #[serde(default)]
    pub priors: BTreeMap<String, Prior>,
    /// With groups: how they are pooled, and priors on the centre `mu` and the spread `sigma` of `r`, `rate`, `phi`, `kappa` (of
    /// `pareto_nbd`: `r`, `rate`, `s`, `dropout_rate`; of `pareto_abe`, the names above; of `bg_bb`: `purchase_chance`, `purchase_kappa`, `dropout_chance`,
    /// `dropout_kappa`; of `s_bg`: `churn`, `churn_kappa`).
    #[serde(default)]
    pub hierarchy: Option<HierarchySpec>,
}

/// The spend model and its priors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SpendSection {
    /// The model: `gamma_gamma`, `none`, or `auto` (Gamma-Gamma when the data have amounts).
    #[serde(default)]
    pub model: SpendModel,
    /// Without groups: priors by parameter name, on `p`, `q`, `v` (or `mean_spend` = p v / (q − 1)).
    #[serde(default)]
    pub priors: BTreeMap<String, Prior>,
    /// With groups: how they are pooled, and priors on the centre `mu` and the spread `sigma` of each parameter.
    #[serde(default)]
    pub hierarchy: Option<HierarchySpec>,
}

/// Where likelihoods are computed, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComputeSection {
    /// `cpu` (f64), `gpu` (float32 differences on a wgpu adapter), or `auto`, whose rule `longrun doctor` states.
    pub backend: BackendChoice,
    /// Part of the adapter's name, when there are several; a software adapter is used only when named here or by `LONGRUN_ADAPTER`.
    pub adapter: Option<String>,
    /// CPU threads; default all.
    pub threads: Option<usize>,
    /// Whether customers with equal histories are counted together, which is exact. `false` measures kernels.
    pub merge_cells: bool,
    /// Mebibytes of customers that the device may hold at once; more are streamed through it, with the same bits. Default: what the
    /// adapter holds.
    pub device_budget_mib: Option<u64>,
    /// How the device shares out the work: `rows` (a thread owns rows and loops over chains), `chains` (a thread owns a chain and
    /// walks the rows), or `auto`, whose rule `longrun doctor` states.
    pub layout: LayoutChoice,
}

impl Default for ComputeSection {
    fn default() -> Self {
        Self {
            backend: BackendChoice::default(),
            adapter: None,
            threads: None,
            merge_cells: true,
            device_budget_mib: None,
            layout: LayoutChoice::default(),
        }
    }
}

/// How the posterior is explored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SamplerSection {
    /// `nuts` (any number of chains) or `chees` (best with many chains) sample the posterior. `map` (the mode with standard errors),
    /// `laplace` (a normal at the mode) and `pathfinder` (normals along the way to it) are quick answers that are not samples of it, and
    /// are marked so everywhere; docs/guide/inference.md says when they will do.
    pub kind: SamplerKind,
    /// Independent chains; of `pathfinder`, paths. `laplace` makes as many draws as chains × draws say, `map` makes none.
    pub chains: usize,
    /// Most warm-up transitions per chain, not kept; warm-up ends sooner when nothing is left to learn. `nuts` and `chees` only.
    pub warmup: usize,
    /// Draws kept per chain.
    pub draws: usize,
    /// Acceptance rate the step size aims at; default 0.8 for NUTS, 0.651 for ChEES. For no other kind.
    pub target_accept: Option<f64>,
    /// Deepest NUTS tree. For no other kind.
    pub max_treedepth: u32,
    /// Most leapfrog steps per ChEES trajectory. For no other kind.
    pub max_leapfrogs: u32,
    /// Whether draws of an approximation are chosen by importance weights out of four times as many; default true for `pathfinder`, false
    /// for `laplace`. For no other kind.
    pub resample: Option<bool>,
    /// Points that chains begin at, each shared by equally many chains in a row; a divisor of `chains`. Made for many short chains: the
    /// verdict then uses nested R-hat, which ordinary R-hat of short chains cannot replace. Every chain has its own point unless set.
    /// `nuts` and `chees` only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub superchains: Option<usize>,
    /// Draws per chain between two commits to disk.
    pub shard_draws: usize,
    /// Whether draws of warm-up are kept too, for looking at how the sampler adapted; nothing else reads them. A window's draws wait in
    /// memory until it closes. `nuts` and `chees` only.
    // Left out of a plan where it is not set: draws belong to the plan as it is written.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub save_warmup: bool,
    /// Seed of all randomness in the run.
    pub seed: u64,
}

impl Default for SamplerSection {
    fn default() -> Self {
        Self {
            kind: SamplerKind::Nuts,
            chains: 4,
            warmup: 1000,
            draws: 1000,
            target_accept: None,
            max_treedepth: 10,
            max_leapfrogs: 1000,
            resample: None,
            superchains: None,
            shard_draws: 250,
            save_warmup: false,
            seed: 1,
        }
    }
}

/// When a result counts as converged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DiagnoseSection {
    /// Largest rank-normalised split R-hat.
    pub max_r_hat: f64,
    /// Smallest bulk and tail effective sample size of every population parameter.
    pub min_ess: f64,
    /// Largest share of divergent transitions.
    pub max_divergence_share: f64,
    /// Smallest E-BFMI of any chain.
    pub min_e_bfmi: f64,
    /// Largest Pareto k of an approximation's importance ratios (`sampler.kind` = `laplace` or `pathfinder`).
    pub max_pareto_k: f64,
}

impl Default for DiagnoseSection {
    fn default() -> Self {
        Self { max_r_hat: 1.01, min_ess: 400.0, max_divergence_share: 0.001, min_e_bfmi: 0.3, max_pareto_k: 0.7 }
    }
}

/// The horizon and discounting of lifetime value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PredictSection {
    /// Months (of 30.4375 days) ahead; for `bg_bb` and `s_bg`, as many opportunities or periods as are nearest to them.
    pub horizon_months: u32,
    /// Discount per month, e.g. 0.01 for 1 %.
    pub monthly_discount: f64,
    /// Posterior draws used per customer, evenly thinned.
    pub draws: usize,
}

impl Default for PredictSection {
    fn default() -> Self {
        Self { horizon_months: 12, monthly_discount: 0.01, draws: 500 }
    }
}

/// Where results go.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct OutputSection {
    /// The run directory; default `runs/` and the configuration file's name.
    #[serde(default)]
    pub dir: Option<String>,
    /// The report's title; default the run directory's name.
    #[serde(default)]
    pub title: Option<String>,
}

/// Where groups come from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GroupBy {
    /// One group.
    #[default]
    None,
    /// A column of the data.
    Column,
    /// The date of the first purchase.
    Cohort,
    /// Classes of recency and frequency.
    Rfm,
}

impl GroupBy {
    /// The word in configurations.
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Column => "column",
            Self::Cohort => "cohort",
            Self::Rfm => "rfm",
        }
    }
}

/// The purchase models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PurchaseModel {
    /// BG/NBD (Fader, Hardie & Lee 2005).
    #[default]
    BgNbd,
    /// MBG/NBD (Batislam, Denizel & Filiztekin 2007): customers may leave after their first purchase too.
    MbgNbd,
    /// Pareto/NBD (Schmittlein, Morrison & Colombo 1987): customers may leave at any time.
    ParetoNbd,
    /// Pareto/NBD with correlated lognormal rates (Abe 2009): the same, and those who buy often may leave sooner or later than others.
    ParetoAbe,
    /// NBD (Ehrenberg 1959): customers never leave.
    Nbd,
    /// BG/BB (Fader, Hardie & Shang 2010): one purchase or none at each of a row of opportunities.
    BgBb,
    /// The shifted beta-geometric (Fader & Hardie 2007): contracts that are renewed or not.
    SBg,
}

impl PurchaseModel {
    /// Its key in the table of models.
    pub fn key(self) -> &'static str {
        match self {
            Self::BgNbd => "bg_nbd",
            Self::MbgNbd => "mbg_nbd",
            Self::ParetoNbd => "pareto_nbd",
            Self::ParetoAbe => "pareto_abe",
            Self::Nbd => "nbd",
            Self::BgBb => "bg_bb",
            Self::SBg => "s_bg",
        }
    }
}

/// The spend models.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SpendModel {
    /// Gamma-Gamma when the data have amounts.
    #[default]
    Auto,
    /// Gamma-Gamma (Fader & Hardie 2013).
    GammaGamma,
    /// No spend model: purchases only.
    None,
}

/// Where likelihoods are computed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackendChoice {
    /// By the stated rule.
    #[default]
    Auto,
    /// f64 on the CPU.
    Cpu,
    /// WGSL on a wgpu adapter.
    Gpu,
}

/// How a device shares out the work.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum LayoutChoice {
    /// By the stated rule.
    #[default]
    Auto,
    /// A thread owns rows and loops over chains.
    Rows,
    /// A thread owns a chain and walks the rows.
    Chains,
}

/// Which sampler explores.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// No-U-Turn sampler.
    #[default]
    Nuts,
    /// ChEES-HMC.
    Chees,
    /// The mode with standard errors: a point estimate.
    Map,
    /// Draws from the normal approximation at the mode.
    Laplace,
    /// Draws from normal approximations along the way to the mode (Zhang et al. 2022).
    Pathfinder,
}

impl SamplerKind {
    /// The kind as configurations write it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Nuts => "nuts",
            Self::Chees => "chees",
            Self::Map => "map",
            Self::Laplace => "laplace",
            Self::Pathfinder => "pathfinder",
        }
    }

    /// Whether it samples the posterior itself, rather than approximating it.
    pub fn samples(self) -> bool {
        matches!(self, Self::Nuts | Self::Chees)
    }
}
