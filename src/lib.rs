//! `longrun` turns a transaction log into calibrated Bayesian posteriors of every customer's lifetime value.

pub mod cli;
pub mod config;
pub mod data;
pub mod diagnose;
pub mod dist;
pub mod draws;
pub mod error;
pub mod evaluate;
pub mod model;
pub mod predict;
pub mod report;
pub mod run;
pub mod sampler;
pub mod segment;
pub mod target;

pub use longrun_kernels as kernels;
