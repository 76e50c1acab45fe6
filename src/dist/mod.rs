//! Prior distributions and the transforms that carry unconstrained coordinates onto their supports, all in f64.
//!
//! A prior knows its log density, the slope of it, its support and how to be drawn; a transform knows its value, its slope and
//! its log-Jacobian. Nothing here knows which parameter of which model it serves.

mod prior;
mod spec;
mod transform;

pub use prior::Prior;
pub use spec::{Centring, Centrings, Correlation, CovariateSpec, HierarchySpec, PriorSpec};
pub use transform::{Transform, Transformed};
