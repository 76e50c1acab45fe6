//! How good the predictions were, judged on a window that the fit never saw: totals, per-customer errors, ranking, coverage,
//! calibration by frequency class, and two naive baselines to beat.
//!
//! [`accuracy`] gives every measure with an uncertainty, over customers who may be counted in millions, and [`paired`] holds two
//! predictions of the same customers against each other; [`averaged`] and [`shortfall`] do the same over several cutoffs. [`judge`]
//! says whether accuracy has left its baseline, and [`ColumnReference`] whether a column still looks as it did.
//!
//! Simulates nothing: `predict` says where each observation lies among its draws. Knows no model.

mod accuracy;
mod alarm;
mod coverage;
mod cutoffs;
mod measure;
mod metric;
mod paired;
mod ranking;
mod scores;
mod shift;

pub use accuracy::{Accuracy, Decile, Outcomes, PurchaseOutcomes, Target, accuracy};
pub use alarm::{Judgement, State, Thresholds, judge};
pub use coverage::{Coverage, coverage_closed, pit_values};
pub use cutoffs::{Averaged, Figure, Scored, averaged, check_scale_free, scored, shortfall};
pub use measure::{BLOCKS, Measure, RELATIVE_TOLERANCE, blocks};
pub use metric::{Better, Metric};
pub use paired::{Difference, Paired, Verdict, paired};
pub use ranking::{gini_normalized, spearman, top_decile_lift};
pub use scores::{Baseline, Baselines, CalibrationClass, HoldoutScores, TotalScore, evaluate_holdout, write_holdout};
pub use shift::{Band, BinShift, ColumnReference, FALSE_ALARM, Ks, Shift, Sketch};

#[cfg(test)]
mod tests;
