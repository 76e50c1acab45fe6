//! Has accuracy left its baseline? One rule per metric; a breach is beyond its threshold and also more than chance, so that noise pages
//! nobody. Remembers nothing from one window to the next: how many breaches make a case is the caller's.
//!
//! | metric | limit | evidence |
//! | --- | --- | --- |
//! | `rmse` | baseline × (1 + `rmse_increase`) | ln(latest/baseline) above 0 |
//! | `r2` | baseline − `r2_decrease` × max(\|baseline\|, `r2_scale`) | latest − baseline below 0 |
//! | `gini_normalized` | baseline − `gini_fall` | latest − baseline below 0 |
//! | `calibration_slope` | outside `slope_low` … `slope_high`, whatever the baseline | beyond the edge itself |
//! | `coverage_90` | baseline − `coverage_fall` | latest − baseline below 0 |
//! | `total_ratio` | baseline, or 1 where that is farther on, × or ÷ (1 + `total_change`) | ln(latest/that) above, or below, 0 |
//!
//! Beyond means strictly beyond, by more than [`RELATIVE_TOLERANCE`] of the larger of baseline and limit. Evidence means that the whole
//! 98 % interval is on the bad side, both windows' errors taken as independent: with one bad side that is a test at 1 %. A shop that is
//! judged by six measures every fortnight is looked at 150 times a year.
//!
//! A relative fall of R² means nothing where the baseline explains nothing: 85 % of −0.2 is *more* than −0.2, and an unchanged model
//! would alarm. So the fall is relative to the baseline's size but never to less than `r2_scale`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::accuracy::Accuracy;
use super::measure::{Measure, RELATIVE_TOLERANCE};
use super::metric::Metric;
use crate::error::{Error, Result};

/// How far accuracy may move before it is a breach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Relative rise of the RMSE.
    pub rmse_increase: f64,
    /// Relative fall of R².
    pub r2_decrease: f64,
    /// Size of R² that its fall is relative to at least.
    pub r2_scale: f64,
    /// Fall of the normalised Gini coefficient.
    pub gini_fall: f64,
    /// Least calibration slope.
    pub slope_low: f64,
    /// Largest calibration slope.
    pub slope_high: f64,
    /// Fall of the share of customers inside their 90 % interval.
    pub coverage_fall: f64,
    /// Relative change of predicted over actual value of all customers, either way. Wide by default: seasons move it, and no block of
    /// customers is spared them.
    pub total_change: f64,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            rmse_increase: 0.20,
            r2_decrease: 0.15,
            r2_scale: 0.10,
            gini_fall: 0.10,
            slope_low: 0.5,
            slope_high: 1.5,
            coverage_fall: 0.10,
            total_change: 0.50,
        }
    }
}

impl Thresholds {
    fn check(&self) -> Result<()> {
        let named = [
            ("rmse_increase", self.rmse_increase),
            ("r2_decrease", self.r2_decrease),
            ("r2_scale", self.r2_scale),
            ("gini_fall", self.gini_fall),
            ("coverage_fall", self.coverage_fall),
            ("total_change", self.total_change),
        ];
        if let Some((name, seen)) = named.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0)) {
            return Err(Error::new(format!("the threshold {name} must be 0 or more"))
                .seen(seen)
                .advice("thresholds say how far a measure may move; see Thresholds for what is usual"));
        }
        if !(self.slope_low < 1.0 && 1.0 < self.slope_high) {
            return Err(Error::new("slope_low must be below 1 and slope_high above")
                .seen(format!("{} and {}", self.slope_low, self.slope_high))
                .advice("a calibrated prediction has a slope of 1; 0.5 and 1.5 are usual"));
        }
        Ok(())
    }
}

/// What is said of one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum State {
    /// Not beyond the threshold.
    Within,
    /// Beyond the threshold, but so far it may be chance.
    BeyondButUncertain,
    /// Beyond the threshold, and more than chance.
    Breach,
    /// There is no rule, or nothing to judge.
    NotJudged {
        /// Why.
        reason: String,
    },
}

/// One metric against its baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Judgement {
    /// By what.
    pub metric: Metric,
    /// What was measured out of time when the model was made.
    pub baseline: Measure,
    /// What the latest window says.
    pub latest: Measure,
    /// The last value that is still within; null where there is no rule.
    pub threshold_value: Option<f64>,
    /// (latest − baseline)/|baseline|; null where the baseline is 0.
    pub change: Option<f64>,
    /// What the evidence rests on, of which chance must not explain the sign: ln(latest/baseline) of the RMSE, latest less the edge of
    /// the slope, latest less baseline otherwise.
    pub evidence: Measure,
    /// What is said of it.
    #[serde(flatten)]
    pub state: State,
}

/// Metrics that are judged or at least reported, in this order.
const JUDGED: [Metric; 6] = [
    Metric::Rmse,
    Metric::R2,
    Metric::GiniNormalized,
    Metric::CalibrationSlope,
    Metric::Coverage90,
    Metric::TotalRatio,
];

/// Judges the latest window's accuracy by the baseline's.
///
/// # Errors
/// Baseline and latest are of different targets or horizons; thresholds that make no sense.
pub fn judge(baseline: &Accuracy, latest: &Accuracy, thresholds: &Thresholds) -> Result<Vec<Judgement>> {
    thresholds.check()?;
    baseline.check_comparable(latest, Metric::Rmse)?;
    let of = |metric: Metric| judgement(metric, baseline.get(metric), latest.get(metric), thresholds);
    Ok(JUDGED.into_iter().map(of).collect())
}

/// The bad side of a limit, and what shows that it is not chance.
struct Rule {
    limit: f64,
    is_bad_above: bool,
    evidence: Measure,
}

fn judgement(metric: Metric, baseline: Measure, latest: Measure, thresholds: &Thresholds) -> Judgement {
    let change = baseline.value.zip(latest.value).filter(|(b, _)| *b != 0.0).map(|(b, l)| (l - b) / b.abs());
    let silent = |reason: &str| Judgement {
        metric,
        baseline,
        latest,
        threshold_value: None,
        change,
        evidence: Measure::UNDEFINED,
        state: State::NotJudged { reason: reason.to_owned() },
    };
    let (b, l) = match (baseline.value, latest.value) {
        (Some(b), Some(l)) => (b, l),
        (None, _) => return silent("the baseline does not have it"),
        (_, None) => return silent("the latest window does not have it"),
    };
    let fall = |by: f64| Rule { limit: b - by, is_bad_above: false, evidence: difference(&baseline, &latest) };
    let rule = match metric {
        Metric::Rmse if b <= 0.0 => return silent("a baseline without any error has no relative rise"),
        Metric::Rmse => Rule {
            limit: b * (1.0 + thresholds.rmse_increase),
            is_bad_above: true,
            evidence: log_ratio(&baseline, &latest),
        },
        Metric::R2 => fall(thresholds.r2_decrease * b.abs().max(thresholds.r2_scale)),
        Metric::GiniNormalized => fall(thresholds.gini_fall),
        Metric::Coverage90 => fall(thresholds.coverage_fall),
        Metric::CalibrationSlope => {
            let is_bad_above = l > 1.0;
            let limit = if is_bad_above { thresholds.slope_high } else { thresholds.slope_low };
            Rule { limit, is_bad_above, evidence: difference(&Measure::exact(limit), &latest) }
        }
        Metric::TotalRatio if b <= 0.0 || l <= 0.0 => return silent("nothing was predicted"),
        Metric::TotalRatio => {
            let is_bad_above = l > b;
            let by = 1.0 + thresholds.total_change;
            // A total that comes nearer to what happens is no fault, however far off the baseline was by chance.
            let is_anchor = if is_bad_above { b >= 1.0 } else { b <= 1.0 };
            let anchor = if is_anchor { baseline } else { Measure::exact(1.0) };
            let from = anchor.value.unwrap_or(1.0);
            let limit = if is_bad_above { from * by } else { from / by };
            Rule { limit, is_bad_above, evidence: log_ratio(&anchor, &latest) }
        }
        _ => return silent("reported, never judged"),
    };
    let tolerance = RELATIVE_TOLERANCE * b.abs().max(rule.limit.abs());
    let (is_beyond, is_real) = if rule.is_bad_above {
        (l > rule.limit + tolerance, rule.evidence.low.is_some_and(|low| low > 0.0))
    } else {
        (l < rule.limit - tolerance, rule.evidence.high.is_some_and(|high| high < 0.0))
    };
    let state = match (is_beyond, is_real) {
        (false, _) => State::Within,
        (true, false) => State::BeyondButUncertain,
        (true, true) => State::Breach,
    };
    Judgement { metric, baseline, latest, threshold_value: Some(rule.limit), change, evidence: rule.evidence, state }
}

/// How much wider evidence is than the intervals that measures carry: 98 % against 90 %, in quantiles of the normal law, 2.326 / 1.645.
const WIDER: f64 = 1.414;

/// Half of a 98 % interval, from the halves of two 90 % intervals.
fn evidence_half(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    together(one, other).map(|half| WIDER * half)
}

/// Both errors together, as of independent windows.
fn together(one: Option<f64>, other: Option<f64>) -> Option<f64> {
    Some(one?.hypot(other?))
}

fn difference(baseline: &Measure, latest: &Measure) -> Measure {
    let value = baseline.value.zip(latest.value).map(|(b, l)| l - b);
    Measure::around(value, together(baseline.se, latest.se), evidence_half(baseline.half_width(), latest.half_width()))
}

fn log_ratio(baseline: &Measure, latest: &Measure) -> Measure {
    let relative = |of: fn(&Measure) -> Option<f64>| {
        let part = |measure: &Measure| Some(of(measure)? / measure.value?);
        (part(baseline), part(latest))
    };
    let ((b, l), (b_half, l_half)) = (relative(|m| m.se), relative(Measure::half_width));
    let value = baseline.value.zip(latest.value).map(|(b, l)| (l / b).ln());
    Measure::around(value, together(b, l), evidence_half(b_half, l_half))
}

#[cfg(test)]
mod tests {
    use super::super::accuracy::Target;
    use super::*;

    /// Accuracy of these measures alone.
    fn accuracy(measures: &[(Metric, Measure)]) -> Accuracy {
        Accuracy {
            schema_version: 1,
            target: Target::Value,
            horizon_months: 6,
            customers: 1000,
            measures: measures.iter().copied().collect(),
            deciles: Vec::new(),
        }
    }

    /// A figure with half an interval of `half`.
    fn about(value: f64, half: f64) -> Measure {
        Measure::around(Some(value), Some(half / 1.66), Some(half))
    }

    #[track_caller]
    fn judged(metric: Metric, baseline: Measure, latest: Measure) -> Judgement {
        let found =
            judge(&accuracy(&[(metric, baseline)]), &accuracy(&[(metric, latest)]), &Thresholds::default()).unwrap();
        found.into_iter().find(|judgement| judgement.metric == metric).unwrap()
    }

    /// The rule's edges, with figures known exactly.
    #[test]
    fn a_threshold_itself_is_still_within() {
        use Metric::{CalibrationSlope, Coverage90, GiniNormalized, R2, Rmse, TotalRatio};
        use State::{Breach, Within};
        for (metric, baseline, latest, state) in [
            (Rmse, 100.0, 120.0, Within),
            (Rmse, 100.0, 121.0, Breach),
            (Rmse, 100.0, 50.0, Within),
            // 0.1 × 1.2 is 0.12 in the mind and 0.12 less a rounding in binary.
            (Rmse, 0.1, 0.12, Within),
            (R2, 0.60, 0.51, Within),
            (R2, 0.60, 0.50, Breach),
            (R2, 0.60, 0.51 - 1e-12, Within),
            (R2, 0.60, 0.51 - 1e-8, Breach),
            (R2, 0.60, 0.90, Within),
            (GiniNormalized, 0.70, 0.60, Within),
            (GiniNormalized, 0.70, 0.59, Breach),
            (CalibrationSlope, 1.0, 0.5, Within),
            (CalibrationSlope, 1.0, 0.49, Breach),
            (CalibrationSlope, 1.0, 1.5, Within),
            (CalibrationSlope, 1.0, 1.51, Breach),
            (Coverage90, 0.95, 0.85, Within),
            (Coverage90, 0.95, 0.84, Breach),
            (TotalRatio, 1.1, 1.65, Within),
            (TotalRatio, 1.1, 1.66, Breach),
            (TotalRatio, 0.9, 0.6, Within),
            (TotalRatio, 0.9, 0.59, Breach),
            // Nearer to 1, and beyond it by no more than the limit.
            (TotalRatio, 0.6, 1.0, Within),
            (TotalRatio, 0.6, 1.5, Within),
            (TotalRatio, 1.6, 0.67, Within),
            (TotalRatio, 1.6, 0.66, Breach),
        ] {
            let found = judged(metric, Measure::exact(baseline), Measure::exact(latest));
            assert_eq!(found.state, state, "{} {baseline} {latest}", metric.key());
        }
        let found = judged(Rmse, Measure::exact(100.0), Measure::exact(121.0));
        assert!((found.change.unwrap() - 0.21).abs() < 1e-15 && (found.threshold_value.unwrap() - 120.0).abs() < 1e-12);
    }

    /// A model that explains nothing and goes on explaining nothing is no worse than it was. The relative rule, 85 % of the baseline,
    /// would call the first four rows a breach.
    #[test]
    fn a_baseline_that_explains_nothing_still_has_a_threshold_below_it() {
        for (baseline, latest, state) in [
            (-0.2, -0.2, State::Within),
            (-0.2, -0.229, State::Within),
            (-5.0, -5.5, State::Within),
            (0.0, -0.014, State::Within),
            (0.01, -0.004, State::Within),
            (0.0, -0.016, State::Breach),
            (-0.2, -0.231, State::Breach),
            (-0.2, 0.4, State::Within),
        ] {
            let found = judged(Metric::R2, Measure::exact(baseline), Measure::exact(latest));
            assert_eq!(found.state, state, "{baseline} {latest}");
            assert!(found.threshold_value.unwrap() < baseline);
        }
    }

    #[test]
    fn beyond_the_threshold_is_no_breach_while_it_may_be_chance() {
        use Metric::{CalibrationSlope, Coverage90, GiniNormalized, R2, Rmse};
        for (metric, baseline, latest, is_breach) in [
            // ln 1.3 = 0.262 against √2 times √(0.1² + 0.15²) = 0.180, and times √(0.1² + 0.18²) = 0.206.
            (Rmse, about(100.0, 10.0), about(130.0, 19.5), true),
            (Rmse, about(100.0, 10.0), about(130.0, 23.4), false),
            (R2, about(0.6, 0.03), about(0.49, 0.06), true),
            (R2, about(0.6, 0.06), about(0.49, 0.08), false),
            (GiniNormalized, about(0.7, 0.0), about(0.55, 0.10), true),
            (GiniNormalized, about(0.7, 0.0), about(0.55, 0.11), false),
            (Coverage90, about(0.95, 0.06), about(0.8, 0.08), true),
            (Coverage90, about(0.95, 0.09), about(0.8, 0.09), false),
            // The slope is judged by its own interval against the edge, however uncertain the baseline.
            (CalibrationSlope, about(1.0, 3.0), about(0.3, 0.14), true),
            (CalibrationSlope, about(1.0, 0.0), about(0.3, 0.15), false),
            (CalibrationSlope, about(1.0, 0.0), about(2.0, 0.36), false),
        ] {
            let state = if is_breach { State::Breach } else { State::BeyondButUncertain };
            assert_eq!(judged(metric, baseline, latest).state, state, "{} {latest:?}", metric.key());
        }
        // An error that is not known is no evidence.
        let unknown = Measure { se: None, low: None, high: None, ..Measure::exact(200.0) };
        assert_eq!(judged(Rmse, Measure::exact(100.0), unknown).state, State::BeyondButUncertain);
    }

    #[test]
    fn what_is_not_judged_says_why() {
        for (metric, baseline, latest, why) in [
            (Metric::TotalRatio, Measure::exact(0.0), Measure::exact(9.0), "nothing was predicted"),
            (Metric::R2, Measure::UNDEFINED, Measure::exact(0.1), "the baseline does not have it"),
            (Metric::Coverage90, Measure::exact(0.9), Measure::UNDEFINED, "the latest window does not have it"),
            (Metric::Rmse, Measure::exact(0.0), Measure::exact(1.0), "without any error"),
        ] {
            let found = judged(metric, baseline, latest);
            assert!(matches!(&found.state, State::NotJudged { reason } if reason.contains(why)), "{found:?}");
            assert_eq!(found.threshold_value, None);
        }
        let ratio = judged(Metric::TotalRatio, Measure::exact(1.0), Measure::exact(9.0));
        assert_eq!((ratio.change, &ratio.state), (Some(8.0), &State::Breach));
        // Flat in files: the state beside the metric, the reason beside the state.
        let silent = judged(Metric::TotalRatio, Measure::exact(0.0), Measure::exact(9.0));
        let json = serde_json::to_value(&silent).unwrap();
        assert_eq!(
            (json["state"].as_str(), json["reason"].as_str()),
            (Some("not_judged"), Some("nothing was predicted"))
        );
        assert_eq!(serde_json::from_value::<Judgement>(json).unwrap(), silent);
    }

    #[test]
    fn other_windows_and_senseless_thresholds_are_refused() {
        let here = accuracy(&[(Metric::Rmse, Measure::exact(100.0))]);
        let later = Accuracy { horizon_months: 12, ..here.clone() };
        let complaint = judge(&here, &later, &Thresholds::default()).unwrap_err().to_string();
        assert!(complaint.contains("across horizons (found 6 and 12 months)"), "{complaint}");
        let purchases = Accuracy { target: Target::Purchases, ..here.clone() };
        assert!(judge(&here, &purchases, &Thresholds::default()).is_err());
        for thresholds in [
            Thresholds { rmse_increase: -0.1, ..Thresholds::default() },
            Thresholds { slope_low: 1.2, ..Thresholds::default() },
            Thresholds { gini_fall: f64::NAN, ..Thresholds::default() },
        ] {
            assert!(judge(&here, &here, &thresholds).is_err(), "{thresholds:?}");
        }
        // A table with one key keeps the others' defaults.
        let read: Thresholds = toml::from_str("rmse_increase = 0.5").unwrap();
        assert_eq!(read, Thresholds { rmse_increase: 0.5, ..Thresholds::default() });
        assert!(toml::from_str::<Thresholds>("rsme_increase = 0.5").is_err());
    }
}
