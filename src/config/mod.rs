//! A configuration as written (TOML, [`ClvConfig`]) becomes a plan as meant ([`Plan`]): defaults resolved, units fixed, every
//! number checked once. Nothing here knows how anything is computed.
//!
//! ```text
//! file.toml ──┐
//! --set k=v ──┴─▶ ClvConfig ──check──▶ Plan ──▶ plan.toml in the run directory
//! ```
//!
//! Errors name the file and line, or the `--set`, that they come from.

mod check;
mod clock;
mod columns;
mod covariates;
mod data;
mod day;
mod lifecycle;
mod nightly;
mod one_or_many;
mod plan;
mod sections;
mod source;

pub use check::check;
pub use data::{Columns, DataSection, Delimiter, NamedTimeUnit, TimeUnit};
pub use day::Day;
pub use lifecycle::{
    BehaviourSection, GridSection, LifecycleSection, MonitorSection, RetentionSection, ScheduleSection, Segmentation,
    WebhookSection,
};
pub use nightly::{NightlySection, Notify};
pub use one_or_many::OneOrMany;
pub use plan::{
    Backend, ComputePlan, CovariatesPlan, DataPlan, GroupsPlan, Layout, ModelPlan, OutputPlan, Plan, WarmStartPlan,
};
pub use sections::{
    BackendChoice, ClvConfig, ComputeSection, CovariatesSection, DiagnoseSection, GroupBy, GroupsSection, LayoutChoice,
    OutputSection, PredictSection, PurchaseModel, PurchaseSection, SamplerKind, SamplerSection, SpendModel,
    SpendSection,
};
pub use source::{Source, json_schema};
