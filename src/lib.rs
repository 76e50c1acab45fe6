//! `longrun` turns a transaction log into calibrated Bayesian posteriors of every customer's lifetime value.
//!
//! Most people want the program: `longrun run shop.toml`. The library is the same road for those who build on it; each module's
//! first lines say what it is and what it refuses to know, and `ARCHITECTURE.md` draws the map.
//!
//! ```
//! use longrun::{run, run::Step};
//!
//! # let folder = tempfile::tempdir()?;
//! # std::fs::write(folder.path().join("log.csv"), "customer_id,date,amount\nann,2024-01-05,10\nann,2024-02-11,12\nbob,2024-01-09,7\n")?;
//! # std::fs::write(folder.path().join("shop.toml"), format!("[data]\npath = '{}'\n", folder.path().join("log.csv").display()))?;
//! # let (config, output) = (folder.path().join("shop.toml"), format!("output.dir={}", folder.path().join("run").display()));
//! let mut shop = run::create(&config, &[output, "sampler.draws=50".into()], false)?;
//! for step in [Step::Summarize, Step::Fit, Step::Diagnose, Step::Predict] {
//!     run::perform(&mut shop, step, &run::Unobserved)?;
//! }
//! let future: run::PredictionFacts = shop.read_json("predictions.json", "predict")?;
//! assert!(future.purchases.mean > 0.0);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod advise;
pub mod bench;
pub mod calibrate;
pub mod cli;
pub mod compare;
pub mod config;
pub mod data;
pub mod density;
pub mod diagnose;
pub mod dist;
pub mod draws;
pub mod error;
pub mod evaluate;
pub mod export;
mod http;
pub mod importance;
pub mod lifecycle;
pub mod lock;
pub mod model;
pub mod nightly;
pub mod predict;
pub mod report;
pub mod run;
pub mod sampler;
pub mod segment;
pub mod storage;
pub mod target;
pub mod tune;
pub mod version;

pub use longrun_kernels as kernels;

#[cfg(test)]
#[path = "../kernels/tests/adapter/mod.rs"]
mod adapter;
