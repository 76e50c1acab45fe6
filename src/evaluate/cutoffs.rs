//! Figures of the same kind of prediction at several cutoffs: their average, and by how much one kind falls short of another, with an
//! uncertainty that knows both which customers happened to be there and how cutoffs differ.
//!
//! What is kept of one prediction is its figures over everyone and without each block ([`Scored`]): a few hundred numbers, from which
//! any two predictions of the same customers can be compared later, over windows of any length where a metric has no scale.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | θ_c | the figure at cutoff c, of C |
//! | θ̄ | their mean |
//! | W | variance of θ̄ by jackknife: a block's customers are left out at all cutoffs at once |
//! | s_c² | variance of θ_c by jackknife |
//! | S² | variance of the θ_c about θ̄, with C − 1 degrees of freedom |
//!
//! The same customers stand behind all cutoffs, so chance moves the θ_c together: of S², C/(C − 1) (mean s_c² − W) is expected from
//! chance alone. The rest is how cutoffs differ, τ² = max(0, S² − C/(C − 1) (mean s_c² − W)), and the variance of θ̄ is W + τ²/C. The
//! interval takes Student's t with the degrees of freedom of Welch (1947) and Satterthwaite (1946): few cutoffs that disagree make it
//! wide. With one cutoff nothing is known of τ², and W stands alone. Knows no model and no calendar.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::distribution::{ContinuousCDF, StudentsT};

use super::accuracy::{Outcomes, Replicates, Target};
use super::measure::{BLOCKS, Jackknife, Measure};
use super::metric::{Better, Metric};
use crate::error::{Error, Result};

/// One metric of one prediction, over everyone and without each of [`BLOCKS`] blocks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Figure {
    /// Over all customers; null where it does not exist.
    pub value: Option<f64>,
    /// Without each block.
    pub without: Vec<Option<f64>>,
}

impl Figure {
    /// A figure made of this one and another of the same customers.
    fn with(&self, other: &Self, of: impl Fn(f64, f64) -> Option<f64>) -> Self {
        let both = |a: Option<f64>, b: Option<f64>| of(a?, b?);
        Self {
            value: both(self.value, other.value),
            without: self.without.iter().zip(&other.without).map(|(a, b)| both(*a, *b)).collect(),
        }
    }
}

/// What is kept of one prediction over one window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Scored {
    /// What was predicted.
    pub target: Target,
    /// Length of the window in calendar months.
    pub horizon_months: u32,
    /// Customers measured on.
    pub customers: u64,
    /// Customers in each block.
    pub block_customers: Vec<u64>,
    /// The figures.
    pub figures: BTreeMap<Metric, Figure>,
}

impl Scored {
    /// One metric with its error at this cutoff.
    pub fn measure(&self, metric: Metric) -> Measure {
        self.figures.get(&metric).map_or(Measure::UNDEFINED, |figure| average(&[(figure.clone(), self)]).measure)
    }
}

/// Measures a prediction by some metrics, to be compared later.
///
/// # Errors
/// As [`super::accuracy`].
pub fn scored(outcomes: &Outcomes<'_>, metrics: &[Metric]) -> Result<Scored> {
    let replicates = Replicates::of(outcomes)?;
    let figure = |&metric: &Metric| {
        let (value, without) = replicates.value_and_without(metric);
        let finite = |x: Option<f64>| x.filter(|x| x.is_finite());
        (metric, Figure { value: finite(value), without: without.into_iter().map(finite).collect() })
    };
    Ok(Scored {
        target: outcomes.target,
        horizon_months: outcomes.horizon_months,
        customers: outcomes.predicted.len() as u64,
        block_customers: replicates.sizes().iter().map(|&n| n as u64).collect(),
        figures: metrics.iter().map(figure).collect(),
    })
}

/// A mean over cutoffs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Averaged {
    /// The mean and its interval.
    pub measure: Measure,
    /// Cutoffs it is of.
    pub cutoffs: u32,
    /// Standard error from which customers happened to be there, √W.
    pub se_customers: Option<f64>,
    /// Standard error from how cutoffs differ, √(τ²/C); null with one cutoff.
    pub se_cutoffs: Option<f64>,
}

impl Averaged {
    /// Of nothing.
    pub const UNDEFINED: Self = Self { measure: Measure::UNDEFINED, cutoffs: 0, se_customers: None, se_cutoffs: None };
}

/// The mean of a metric over cutoffs.
pub fn averaged(at: &[&Scored], metric: Metric) -> Averaged {
    let figures: Option<Vec<_>> = at.iter().map(|s| Some((s.figures.get(&metric)?.clone(), *s))).collect();
    figures.map_or(Averaged::UNDEFINED, |figures| average(&figures))
}

/// By how much `other` misses the metric's better side more than `best` does, meaned over the same cutoffs: 0 or more where `best` is no
/// worse. Customers are left out of both.
///
/// # Errors
/// Predictions that may not be compared: other customers, another target, or windows of other lengths by a metric with a scale.
pub fn shortfall(best: &[&Scored], other: &[&Scored], metric: Metric) -> Result<Averaged> {
    if best.len() != other.len() {
        return Err(Error::new("predictions must be compared at the same cutoffs").seen(format!(
            "{} and {} cutoffs",
            best.len(),
            other.len()
        )));
    }
    let mut parts = Vec::with_capacity(best.len());
    for (a, b) in best.iter().zip(other) {
        check_comparable(a, b, metric)?;
        let (Some(of_a), Some(of_b)) = (a.figures.get(&metric), b.figures.get(&metric)) else {
            return Ok(Averaged::UNDEFINED);
        };
        let better = metric.better();
        parts.push((of_a.with(of_b, |a, b| Some(better.loss(b)? - better.loss(a)?)), *a));
    }
    Ok(average(&parts))
}

fn check_comparable(a: &Scored, b: &Scored, metric: Metric) -> Result<()> {
    if a.target != b.target {
        return Err(Error::new(format!("the {} of purchases and that of value are different things", metric.label()))
            .advice("compare predictions of the same target"));
    }
    if a.block_customers != b.block_customers {
        return Err(Error::new("predictions must be compared on the same customers")
            .seen(format!("{} and {}", a.customers, b.customers))
            .advice("judge everyone who is known at the cutoff"));
    }
    if a.horizon_months != b.horizon_months {
        check_scale_free(metric)?;
    }
    Ok(())
}

/// Whether a metric may order predictions over windows of different lengths.
///
/// # Errors
/// It may not, and the message names those that may.
pub fn check_scale_free(metric: Metric) -> Result<()> {
    let fit = |m: &Metric| m.scale_free() && m.better() != Better::Neither;
    if fit(&metric) {
        return Ok(());
    }
    let those: Vec<&str> = Metric::all().filter(fit).map(Metric::key).collect();
    Err(Error::new(format!("the {} must not be compared across horizons", metric.label()))
        .seen(metric.key())
        .advice(format!("it grows with what happens in the window; take one of {}", those.join(", "))))
}

/// The mean of figures at cutoffs, as the head of this file says.
fn average(parts: &[(Figure, &Scored)]) -> Averaged {
    let count = parts.len() as f64;
    let mean = |of: &dyn Fn(&Figure) -> Option<f64>| -> Option<f64> {
        let values: Option<Vec<f64>> = parts.iter().map(|(figure, _)| of(figure)).collect();
        values.filter(|values| !values.is_empty()).map(|values| values.iter().sum::<f64>() / count)
    };
    let Some(value) = mean(&|figure| figure.value) else { return Averaged::UNDEFINED };
    let size = |k: usize| parts.iter().map(|(_, s)| s.block_customers[k] as usize).sum::<usize>();
    let held: Vec<usize> = (0..BLOCKS).filter(|&k| size(k) > 0).collect();
    let sizes: Vec<usize> = held.iter().map(|&k| size(k)).collect();
    let without: Vec<Option<f64>> = held.iter().map(|&k| mean(&|figure| figure.without[k])).collect();
    let se_customers = Jackknife::new(&sizes).se(value, &without);
    let se_cutoffs = se_customers.and_then(|se| spread(parts, value, se * se));
    let (se, freedom) = match (se_customers, se_cutoffs) {
        (Some(w), Some(between)) => {
            let (w, b) = (w * w, between * between);
            let welch = (w + b).powi(2) / (w * w / (held.len() as f64 - 1.0) + b * b / (count - 1.0));
            (Some((w + b).sqrt()), welch)
        }
        (w, _) => (w.filter(|_| parts.len() == 1), held.len() as f64 - 1.0),
    };
    let t = StudentsT::new(0.0, 1.0, if freedom.is_finite() { freedom.max(1.0) } else { 1.0 });
    let t = t.expect("at least one degree of freedom").inverse_cdf(0.95);
    Averaged {
        measure: Measure::around(Some(value), se, se.map(|se| t * se)),
        cutoffs: parts.len() as u32,
        se_customers,
        se_cutoffs,
    }
}

/// √(τ²/C); none with one cutoff, or where an error is not known.
fn spread(parts: &[(Figure, &Scored)], mean: f64, w: f64) -> Option<f64> {
    if parts.len() < 2 {
        return None;
    }
    let count = parts.len() as f64;
    let (mut within, mut about) = (0.0, 0.0);
    for (figure, scored) in parts {
        let held: Vec<usize> = (0..BLOCKS).filter(|&k| scored.block_customers[k] > 0).collect();
        let sizes: Vec<usize> = held.iter().map(|&k| scored.block_customers[k] as usize).collect();
        let without: Vec<Option<f64>> = held.iter().map(|&k| figure.without[k]).collect();
        let value = figure.value?;
        within += Jackknife::new(&sizes).se(value, &without)?.powi(2) / count;
        about += (value - mean).powi(2) / (count - 1.0);
    }
    let tau = (about - count / (count - 1.0) * (within - w)).max(0.0);
    Some((tau / count).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    const METRICS: [Metric; 3] = [Metric::Rmse, Metric::RmseOverMean, Metric::GiniNormalized];

    /// Customers with a rate, whose purchases at a cutoff have noise of their own; `shock` moves a cutoff's noise.
    fn at_cutoff(seed: u64, cutoff: u32, noise: f64, horizon: u32) -> Scored {
        let (mut block, mut actual, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
        for i in 0..800 {
            let rng = &mut Stream::new(seed, Purpose::Test, i, 0);
            let rate = -rng.uniform().ln();
            block.push((rng.uniform() * BLOCKS as f64) as u8);
            let rng = &mut Stream::new(seed, Purpose::Test, i, 1 + cutoff);
            actual.push(f64::from(horizon) * (rate + 0.5 * rng.normal()));
            predicted.push(f64::from(horizon) * (rate + noise * rng.normal()));
        }
        let outcomes = Outcomes {
            target: Target::Value,
            horizon_months: horizon,
            block: &block,
            predicted: &predicted,
            actual: &actual,
            purchases: None,
        };
        scored(&outcomes, &METRICS).unwrap()
    }

    fn all(scored: &[Scored]) -> Vec<&Scored> {
        scored.iter().collect()
    }

    /// One cutoff: the interval of `accuracy`, to the last bits of a sum in another order.
    #[test]
    fn one_cutoff_has_the_error_of_its_customers() {
        let one = at_cutoff(1, 0, 0.3, 3);
        let alone = averaged(&[&one], Metric::Rmse);
        assert_eq!((alone.cutoffs, alone.se_cutoffs), (1, None));
        assert_eq!(alone.measure.se, alone.se_customers);
        assert_eq!(one.measure(Metric::Rmse), alone.measure);
        assert!(alone.measure.se.unwrap() > 0.0);
    }

    /// Cutoffs that are alike but for chance add little; one that stands apart widens the interval, by few degrees of freedom.
    #[test]
    fn cutoffs_that_disagree_widen_the_interval() {
        let alike: Vec<Scored> = (0..4).map(|c| at_cutoff(2, c, 0.3, 3)).collect();
        let apart: Vec<Scored> = (0..4).map(|c| at_cutoff(2, c, if c == 3 { 1.5 } else { 0.3 }, 3)).collect();
        let of = |s: &[Scored]| averaged(&all(s), Metric::Rmse);
        let (alike, apart) = (of(&alike), of(&apart));
        assert!(alike.se_cutoffs.unwrap() < 2.0 * alike.se_customers.unwrap(), "{alike:?}");
        assert!(apart.se_cutoffs.unwrap() > 5.0 * apart.se_customers.unwrap(), "{apart:?}");
        let halves = |a: &Averaged| a.measure.half_width().unwrap() / a.measure.se.unwrap();
        // Student's t at 95 %: 2.353 with three degrees of freedom.
        assert!((2.2..2.4).contains(&halves(&apart)), "{}", halves(&apart));
    }

    /// Two predictions that are equally good: over 200 worlds of three cutoffs about one in ten is called different.
    #[test]
    fn equals_are_rarely_told_apart_over_cutoffs() {
        let mut told = 0;
        for world in 0..200 {
            let side = |which: u32| -> Vec<Scored> {
                (0..3)
                    .map(|c| {
                        let (mut block, mut actual, mut predicted) = (Vec::new(), Vec::new(), Vec::new());
                        for i in 0..400 {
                            let rng = &mut Stream::new(1000 + world, Purpose::Test, i, 0);
                            let rate = -rng.uniform().ln();
                            block.push((rng.uniform() * BLOCKS as f64) as u8);
                            let rng = &mut Stream::new(1000 + world, Purpose::Test, i, 1 + c);
                            actual.push(rate + 0.5 * rng.normal());
                            let noises = [rng.normal(), rng.normal()];
                            predicted.push(rate + 0.4 * noises[which as usize]);
                        }
                        let outcomes = Outcomes {
                            target: Target::Value,
                            horizon_months: 3,
                            block: &block,
                            predicted: &predicted,
                            actual: &actual,
                            purchases: None,
                        };
                        scored(&outcomes, &[Metric::Rmse]).unwrap()
                    })
                    .collect()
            };
            let m = shortfall(&all(&side(0)), &all(&side(1)), Metric::Rmse).unwrap().measure;
            told += u32::from(m.low.unwrap() > 0.0 || m.high.unwrap() < 0.0);
        }
        // 20 expected of exact intervals, binomial error 4.2; the between-cutoff part is never negative, so fewer are to be expected.
        assert!((4..=33).contains(&told), "{told}");
    }

    #[test]
    fn a_worse_prediction_falls_short_and_the_better_one_does_not() {
        let of = |noise: f64| (0..3).map(|c| at_cutoff(3, c, noise, 3)).collect::<Vec<_>>();
        let (good, bad) = (of(0.2), of(0.8));
        for metric in METRICS {
            let m = shortfall(&all(&good), &all(&bad), metric).unwrap().measure;
            assert!(m.low.unwrap() > 0.0, "{}: {m:?}", metric.key());
            let back = shortfall(&all(&bad), &all(&good), metric).unwrap().measure;
            assert!(back.high.unwrap() < 0.0, "{}: {back:?}", metric.key());
        }
        let own = shortfall(&all(&good), &all(&good), Metric::Rmse).unwrap().measure;
        assert_eq!((own.value, own.low, own.high), (Some(0.0), Some(0.0), Some(0.0)));
    }

    #[test]
    fn what_has_a_scale_is_refused_across_horizons() {
        let (short, long) = (at_cutoff(4, 0, 0.3, 3), at_cutoff(4, 0, 0.3, 12));
        let refused = shortfall(&[&short], &[&long], Metric::Rmse).unwrap_err().to_string();
        assert!(refused.contains("must not be compared across horizons"), "{refused}");
        assert!(shortfall(&[&short], &[&long], Metric::RmseOverMean).is_ok());
        // RMSE four times as large over four times the window, RMSE over the mean as it was.
        let value = |s: &Scored, metric: Metric| s.measure(metric).value.unwrap();
        assert!((value(&long, Metric::Rmse) / value(&short, Metric::Rmse) - 4.0).abs() < 1e-9);
        assert!((value(&long, Metric::RmseOverMean) / value(&short, Metric::RmseOverMean) - 1.0).abs() < 1e-9);
        let other = at_cutoff(5, 0, 0.3, 3);
        let refused = shortfall(&[&short], &[&other], Metric::Rmse).unwrap_err().to_string();
        assert!(refused.contains("same customers"), "{refused}");
    }
}
