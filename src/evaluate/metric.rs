//! What is measured of a prediction: the name of every measure, which side of it is better, and whether it may be compared across
//! horizons. One table; nothing here computes a measure.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A measure of how well a prediction did. In files it carries its [`key`](Metric::key).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean of what happened, per customer.
    MeanActual,
    /// Mean prediction, per customer.
    MeanPredicted,
    /// Sum of predictions over the sum of what happened.
    TotalRatio,
    /// Root mean square error.
    Rmse,
    /// Root mean square error over the mean of what happened.
    RmseOverMean,
    /// Mean absolute error.
    Mae,
    /// 1 − SSE/SST: share of the variance between customers that is explained; below 0, worse than everyone's mean.
    R2,
    /// Gini coefficient in the predicted order over that in the best order; ties count by half.
    GiniNormalized,
    /// Mean of the best tenth by prediction over the mean of all.
    TopDecileLift,
    /// Slope of the least squares line of what happened on the prediction.
    CalibrationSlope,
    /// Intercept of that line.
    CalibrationIntercept,
    /// Σ over tenths by prediction of |predicted − actual|, over the sum of what happened.
    DecileError,
    /// Share of customers within the closed interval from the 25 % to the 75 % quantile of purchases.
    #[serde(rename = "coverage_50")]
    Coverage50,
    /// Share of customers within the closed interval from the 5 % to the 95 % quantile of purchases.
    #[serde(rename = "coverage_90")]
    Coverage90,
    /// Share of customers who bought more often than their 95 % quantile.
    AboveQ95,
    /// Weighted interval score of purchases over their mean: the CRPS as five quantiles know it.
    QuantileScore,
    /// 1 − CRPS of purchases over that of predicting for everyone the distribution of what happened: 1 is perfect, 0 tells no customer
    /// from another. It takes the draws themselves, so predictions that come from a file do not have it.
    CrpsSkill,
}

/// Which side of a metric is better.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// The nearer, the better.
    Towards(f64),
    /// Short of it is worse; beyond it nothing is gained. Closed intervals of counts cover more than their level even when the
    /// predictive distribution is right, so only too little is a fault; what width costs, the quantile score says.
    AtLeast(f64),
    /// Beyond it is worse; short of it nothing is gained.
    AtMost(f64),
    /// A description, not a merit.
    Neither,
}

impl Better {
    /// How bad a value is, 0 or more for the bounded kinds; `None` where there is no better or worse.
    pub fn loss(self, value: f64) -> Option<f64> {
        match self {
            Self::Higher => Some(-value),
            Self::Lower => Some(value),
            Self::Towards(target) => Some((value - target).abs()),
            Self::AtLeast(bound) => Some((bound - value).max(0.0)),
            Self::AtMost(bound) => Some((value - bound).max(0.0)),
            Self::Neither => None,
        }
    }
}

/// One row of the table.
struct Row {
    metric: Metric,
    key: &'static str,
    label: &'static str,
    /// Without a unit and without the length of the window in it.
    scale_free: bool,
    better: Better,
}

const fn row(metric: Metric, key: &'static str, label: &'static str, scale_free: bool, better: Better) -> Row {
    Row { metric, key, label, scale_free, better }
}

/// Every metric, in the order of the enum.
#[rustfmt::skip]
const TABLE: [Row; Metric::COUNT] = [
    row(Metric::MeanActual,           "mean_actual",           "mean actual",            false, Better::Neither),
    row(Metric::MeanPredicted,        "mean_predicted",        "mean predicted",         false, Better::Neither),
    row(Metric::TotalRatio,           "total_ratio",           "predicted / actual",     true,  Better::Towards(1.0)),
    row(Metric::Rmse,                 "rmse",                  "RMSE",                   false, Better::Lower),
    row(Metric::RmseOverMean,         "rmse_over_mean",        "RMSE / mean",            true,  Better::Lower),
    row(Metric::Mae,                  "mae",                   "mean absolute error",    false, Better::Lower),
    row(Metric::R2,                   "r2",                    "R²",                     true,  Better::Higher),
    row(Metric::GiniNormalized,       "gini_normalized",       "normalised Gini",        true,  Better::Higher),
    row(Metric::TopDecileLift,        "top_decile_lift",       "lift of the top tenth",  true,  Better::Higher),
    row(Metric::CalibrationSlope,     "calibration_slope",     "calibration slope",      true,  Better::Towards(1.0)),
    row(Metric::CalibrationIntercept, "calibration_intercept", "calibration intercept",  false, Better::Towards(0.0)),
    row(Metric::DecileError,          "decile_error",          "decile error",           true,  Better::Lower),
    row(Metric::Coverage50,           "coverage_50",           "inside 50 % interval",   true,  Better::AtLeast(0.5)),
    row(Metric::Coverage90,           "coverage_90",           "inside 90 % interval",   true,  Better::AtLeast(0.9)),
    row(Metric::AboveQ95,             "above_q95",             "above 95 % quantile",    true,  Better::AtMost(0.05)),
    row(Metric::QuantileScore,        "quantile_score",        "quantile score / mean",  true,  Better::Lower),
    row(Metric::CrpsSkill,            "crps_skill",            "CRPS skill",             true,  Better::Higher),
];

impl Metric {
    /// How many there are.
    pub const COUNT: usize = 17;

    /// All of them, in their order in files and tables.
    pub fn all() -> impl ExactSizeIterator<Item = Self> {
        TABLE.iter().map(|row| row.metric)
    }

    fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Its name in files.
    pub fn key(self) -> &'static str {
        self.row().key
    }

    /// Its name for people.
    pub fn label(self) -> &'static str {
        self.row().label
    }

    /// Whether values over windows of different lengths may stand side by side. An RMSE over twelve months is larger than one over
    /// three because more happens in them, not because the model is worse.
    pub fn scale_free(self) -> bool {
        self.row().scale_free
    }

    /// Which side is better.
    pub fn better(self) -> Better {
        self.row().better
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum_and_files_carry_its_keys() {
        assert_eq!(Metric::all().len(), Metric::COUNT);
        for (place, metric) in Metric::all().enumerate() {
            assert_eq!(metric as usize, place);
            assert_eq!(serde_json::to_value(metric).unwrap(), metric.key());
        }
        assert!(Metric::CrpsSkill as usize + 1 == Metric::COUNT);
    }

    #[test]
    fn what_carries_a_unit_is_not_scale_free() {
        let bound: Vec<&str> = Metric::all().filter(|m| !m.scale_free()).map(Metric::key).collect();
        assert_eq!(bound, ["mean_actual", "mean_predicted", "rmse", "mae", "calibration_intercept"]);
    }

    #[test]
    fn loss_is_larger_on_the_worse_side() {
        for (better, good, bad) in [
            (Better::Higher, 0.4, 0.3),
            (Better::Lower, 1.0, 2.0),
            (Better::Towards(1.0), 1.1, 0.8),
            (Better::AtLeast(0.9), 0.95, 0.85),
            (Better::AtMost(0.05), 0.01, 0.06),
        ] {
            assert!(better.loss(good) < better.loss(bad), "{better:?}");
        }
        // A right model's closed intervals of counts cover more than they claim: no fault.
        assert_eq!(Better::AtLeast(0.9).loss(0.97), Better::AtLeast(0.9).loss(0.9));
        assert_eq!(Better::Neither.loss(3.0), None);
    }
}
