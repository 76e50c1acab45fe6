//! The program as its users run it: one binary of tests, so that it is linked once.

mod approximations;
mod arviz_export;
mod arviz_figures;
mod bad_inputs;
#[cfg(feature = "cloud")]
mod buckets;
mod cdnow;
mod counted;
mod covariates;
mod density;
mod families;
mod hierarchy;
mod imported;
mod lifecycle;
mod millions;
mod pipeline;
mod report;
mod rerun;
mod resume;
mod since;
mod support;
mod tune;
mod warm;
