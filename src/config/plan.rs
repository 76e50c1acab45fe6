//! What a run will do, with nothing left to decide: the checked form of a configuration, kept as `plan.toml`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Day;
use super::sections::{DiagnoseSection, PredictSection, SamplerSection};
use crate::data::{
    Column, Format, Grouping, Kind, MissingValues, NegativeAmounts, RESERVED_COLUMNS, Resolution, TimeZone, ZeroAmounts,
};
use crate::dist::{CovariateSpec, HierarchySpec, Prior, PriorSpec};

/// A checked configuration. Whoever holds one need not ask again whether a number is positive or a file format known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// The program that made it.
    pub longrun_version: String,
    /// Where results go.
    pub output: OutputPlan,
    /// Where the purchases are.
    pub data: DataPlan,
    /// Which customers share information.
    pub groups: GroupsPlan,
    /// What is known of customers beside their purchases, if anything.
    #[serde(default)]
    pub covariates: Option<CovariatesPlan>,
    /// The horizon of lifetime value.
    pub predict: PredictSection,
    /// When a result counts as converged.
    pub diagnose: DiagnoseSection,
    /// How the posterior is explored.
    pub sampler: SamplerSection,
    /// Where likelihoods are computed.
    pub compute: ComputePlan,
    /// The purchase model.
    pub purchase: ModelPlan,
    /// The spend model, if any.
    pub spend: Option<ModelPlan>,
    /// The spend model that was asked for, where no customer has spend to learn from.
    #[serde(default)]
    pub spend_left_out: Option<ModelPlan>,
    /// The earlier run that chains begin from, if any; what it gave lies beside the plan, in `warm_start.json`.
    // Left out of a plan where there is none: draws belong to the plan as it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_start: Option<WarmStartPlan>,
}

/// The earlier run that chains begin from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct WarmStartPlan {
    /// What the earlier run is called: its folder, or a model's id.
    pub from: String,
    /// Digest of what it gave.
    pub sha256: String,
    /// How many runs in a row began warm, this one included.
    pub generation: u32,
    /// Whether the earlier run's own diagnostics refuse it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub refused: bool,
}

/// Where results go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OutputPlan {
    /// The run directory.
    pub dir: PathBuf,
    /// The report's title.
    pub title: String,
}

/// Where the purchases are and how to read them, all units fixed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataPlan {
    /// Transactions or summaries.
    pub kind: Kind,
    /// Files, folders and globs.
    pub paths: Vec<String>,
    /// Text or Parquet.
    pub format: Format,
    /// The delimiter as written: one character or `whitespace`.
    pub delimiter: String,
    /// Whether the first line names the columns.
    pub header: bool,
    /// strftime format, if not ISO 8601.
    pub date_format: Option<String>,
    /// Column of each role (`customer`, `date`, `amount`; `frequency`, `recency`, `age`, `monetary`; `lost`, `weight`; `cohort`,
    /// `period`, `active`).
    pub columns: BTreeMap<String, Column>,
    /// Period in which purchases merge.
    pub resolution: Resolution,
    /// Days in one unit of the model's clock.
    pub time_unit_days: f64,
    /// Whether times are whole opportunities or periods, whose mean length the time unit then is.
    #[serde(default)]
    pub whole_periods: bool,
    /// First day of the calibration window; nothing is forgotten if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calibration_start: Option<Day>,
    /// Last day of the calibration window; the last day in the data if absent.
    pub calibration_end: Option<Day>,
    /// Last day of the holdout window; the last day in the data if absent.
    pub holdout_end: Option<Day>,
    /// Dates after this one are rejected: the day the plan was made.
    pub latest_date: NaiveDate,
    /// What happens to amounts of zero.
    pub zero_amounts: ZeroAmounts,
    /// What happens to negative amounts.
    pub negative_amounts: NegativeAmounts,
    /// Zone whose calendar days count, for times with an offset.
    pub time_zone: Option<TimeZone>,
    /// Fit about this many customers; all if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sample_customers: Option<u64>,
    /// Files that list customers to forget.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub forget: Vec<String>,
    /// Largest share of rejected lines.
    pub max_reject_share: f64,
    /// Sign or code shown before amounts.
    pub currency: String,
}

/// Which customers share information.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "by", rename_all = "snake_case")]
pub enum GroupsPlan {
    /// One group.
    None,
    /// Groups within groups, from the top; a single level is groups.
    Levels {
        /// A level per column: one group per value.
        columns: Vec<Column>,
        /// Below them, a level per length in days: one group per cohort of first purchases.
        cohort_days: Vec<u32>,
    },
    /// Classes of recency and frequency.
    Rfm,
}

impl GroupsPlan {
    /// The columns of the data that are levels, with what they are called from here on: their own name, or `group` where the file has
    /// no names (`group_3` where there are several); a name that the results use themselves gets `_group` behind it.
    pub fn columns(&self) -> Vec<(String, Column)> {
        let Self::Levels { columns, .. } = self else { return Vec::new() };
        let name = |column: &Column| match column {
            Column::Index(_) if columns.len() == 1 => "group".to_owned(),
            Column::Index(index) => format!("group_{index}"),
            Column::Name(name) if RESERVED_COLUMNS.contains(&name.as_str()) => format!("{name}_group"),
            Column::Name(name) => name.clone(),
        };
        columns.iter().map(|column| (name(column), column.clone())).collect()
    }

    /// The same as the data room knows it.
    pub fn grouping(&self) -> Grouping {
        match self {
            Self::None => Grouping::None,
            Self::Rfm => Grouping::RfmClass,
            Self::Levels { cohort_days, .. } => Grouping::Levels {
                columns: self.columns().into_iter().map(|(name, _)| name).collect(),
                cohort_days: cohort_days.clone(),
            },
        }
    }
}

/// Where covariates stand and how to read them. What they move stands with the model.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CovariatesPlan {
    /// Files, folders and globs.
    pub paths: Vec<String>,
    /// Text or Parquet.
    pub format: Format,
    /// The delimiter as written: one character or `whitespace`.
    pub delimiter: String,
    /// The customer's column.
    pub customer: Column,
    /// Columns of numbers.
    pub continuous: Vec<String>,
    /// Columns of words.
    pub categorical: Vec<String>,
    /// What happens to customers who lack a value.
    pub missing: MissingValues,
}

/// A model and its priors. Priors left to their defaults are filled in once the data's scale is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// Key of the model in the models table.
    pub model: String,
    /// Whether every prior stands below as numbers (true once the data have been summarised).
    pub priors_resolved: bool,
    /// Without groups: priors by parameter name.
    pub priors: BTreeMap<String, Prior>,
    /// With groups: how they are pooled.
    pub hierarchy: Option<HierarchySpec>,
    /// Which covariates move what.
    #[serde(default)]
    pub covariates: Option<CovariateSpec>,
}

impl ModelPlan {
    /// The priors as the model takes them.
    pub fn spec(&self) -> PriorSpec {
        PriorSpec {
            priors: self.priors.clone(),
            hierarchy: self.hierarchy.clone(),
            covariates: self.covariates.clone(),
        }
    }
}

/// Where likelihoods are computed, decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComputePlan {
    /// CPU or GPU.
    pub backend: Backend,
    /// The adapter's name, with a GPU backend.
    pub adapter: Option<String>,
    /// Why this backend, in words.
    pub reason: String,
    /// CPU threads, if limited.
    pub threads: Option<usize>,
    /// Whether customers with equal histories are counted together.
    pub merge_cells: bool,
    /// Mebibytes of customers that the device may hold at once, if limited.
    pub device_budget_mib: Option<u64>,
    /// How the device shares out the work, with a GPU backend.
    pub layout: Option<Layout>,
}

/// How a device shares out the work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A thread owns rows and loops over chains.
    Rows,
    /// A thread owns a chain and walks the rows.
    Chains,
}

/// Where likelihoods are computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backend {
    /// f64 on the CPU.
    Cpu,
    /// WGSL on a wgpu adapter.
    Gpu,
}

impl Plan {
    /// Layout version written by this program.
    pub const SCHEMA_VERSION: u32 = 1;

    /// The plan as the text of `plan.toml`.
    pub fn to_toml(&self) -> crate::error::Result<String> {
        toml::to_string_pretty(self)
            .map_err(|e| crate::error::Error::new("could not write the plan as TOML").because(e))
    }

    /// Reads the text of a `plan.toml`.
    pub fn from_toml(text: &str, place: &std::path::Path) -> crate::error::Result<Self> {
        let plan: Self = toml::from_str(text).map_err(|e| {
            crate::error::Error::new("this is not a plan of this version of longrun")
                .at(place.display())
                .advice("start a new run from its configuration")
                .because(e)
        })?;
        if plan.schema_version != Self::SCHEMA_VERSION {
            return Err(crate::error::Error::new(format!(
                "the plan's schema_version must be {}",
                Self::SCHEMA_VERSION
            ))
            .at(place.display())
            .seen(plan.schema_version)
            .advice("use the version of longrun that made the run, or start a new run"));
        }
        Ok(plan)
    }
}
