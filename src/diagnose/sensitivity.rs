//! Prior sensitivity by power-scaling: how much a posterior would move if the prior, or the likelihood, counted for a little more or
//! less. No refit: the draws are weighted.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | α | the power to which prior or likelihood is raised, 0.99 and 1.01 |
//! | w | weights p(θ)^(α−1) or p(y | θ)^(α−1) of the draws, their tail Pareto-smoothed |
//! | P, Q | distribution functions of a parameter's draws, equal and weighted |
//! | D | cumulative Jensen–Shannon distance of P and Q, the greater of that of θ and −θ |
//!
//! Sensitivity is D's change per doubling of the power, D(α) / |log₂ α|, the mean of both sides: Kallioinen, Paananen, Bürkner & Vehtari
//! (2024), "Detecting and diagnosing prior and likelihood sensitivity with power-scaling", Statistics and Computing 34, 57. Computed as
//! ArviZ computes it.

use ndarray::{ArrayView1, ArrayView2, Axis};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::chains::varies;
use super::ess::ess_tail;
use super::parameter::null_is_nan;
use crate::importance::{log_sum_exp, smooth_tail};

/// A posterior that moves by this much leans on what was scaled (section 2.4 of the paper).
const THRESHOLD: f64 = 0.05;

/// Fewer draws than this say nothing.
const FEWEST: usize = 10;

/// The powers.
const ALPHAS: [f64; 2] = [0.99, 1.01];

/// `sensitivity.json`: how the posterior leans on prior and data.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sensitivity {
    /// Version of this file's layout.
    pub schema_version: u32,
    /// A figure of this or more says that the posterior moves with what is scaled (0.05).
    pub threshold: f64,
    /// One entry per fit.
    pub fits: Vec<FitSensitivity>,
}

impl Sensitivity {
    /// Of some fits.
    pub fn of(fits: Vec<FitSensitivity>) -> Self {
        Self { schema_version: 1, threshold: THRESHOLD, fits }
    }
}

/// One fit.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FitSensitivity {
    /// Its name.
    pub fit: String,
    /// Greatest Pareto k of the weights behind the figures: above 0.7 they cannot be trusted.
    #[serde(deserialize_with = "null_is_nan")]
    pub pareto_k: f64,
    /// Its parameters.
    pub parameters: Vec<ParameterSensitivity>,
}

/// One parameter: change of its marginal posterior per doubling of the power, as distances between distributions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ParameterSensitivity {
    /// Its name with its coordinates.
    pub parameter: String,
    /// To the priors that the user states.
    #[serde(deserialize_with = "null_is_nan")]
    pub prior: f64,
    /// To the likelihood.
    #[serde(deserialize_with = "null_is_nan")]
    pub likelihood: f64,
    /// What the two say together.
    pub diagnosis: Lean,
}

/// What sensitivity to prior and likelihood say together (Kallioinen et al. 2024, section 2.4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lean {
    /// The prior does not matter.
    #[default]
    Data,
    /// Both matter: they disagree, or the prior is strong on purpose.
    Conflict,
    /// The prior matters and the data hardly: the data say little of this parameter.
    Prior,
}

/// How one fit leans on prior and likelihood: `values` are its draws `[draw, parameter]`, called `names`, at which the stated priors
/// have the log densities `log_prior` and the data `log_likelihood`, both up to a constant.
pub fn power_scaling(
    fit: &str,
    names: &[String],
    values: ArrayView2<'_, f64>,
    log_prior: &[f64],
    log_likelihood: &[f64],
) -> FitSensitivity {
    let (prior, likelihood) = (Scaled::by(log_prior), Scaled::by(log_likelihood));
    let one = |(name, draws): (&String, ArrayView1<'_, f64>)| {
        let (prior, likelihood) = (prior.moves(draws), likelihood.moves(draws));
        let diagnosis = match (prior >= THRESHOLD, likelihood >= THRESHOLD) {
            (false, _) => Lean::Data,
            (true, true) => Lean::Conflict,
            (true, false) => Lean::Prior,
        };
        ParameterSensitivity { parameter: name.clone(), prior, likelihood, diagnosis }
    };
    let columns: Vec<_> = names.iter().zip(values.axis_iter(Axis(1))).collect();
    FitSensitivity {
        fit: fit.to_owned(),
        pareto_k: prior.pareto_k.max(likelihood.pareto_k),
        parameters: columns.into_par_iter().map(one).collect(),
    }
}

/// Weights of the draws under each power.
struct Scaled {
    /// Normalised; none where a log density is not finite everywhere or never varies.
    weights: Option<[Vec<f64>; 2]>,
    /// Whether it is finite and never varies: a flat prior, which moves nothing.
    is_flat: bool,
    pareto_k: f64,
}

impl Scaled {
    fn by(log_density: &[f64]) -> Self {
        let draws = log_density.len();
        let row = ArrayView1::from(log_density).insert_axis(Axis(0));
        let efficiency = ess_tail(row) / draws as f64;
        if draws < FEWEST || !varies(row) || !efficiency.is_finite() {
            let is_flat = draws >= FEWEST && !varies(row) && log_density.iter().all(|l| l.is_finite());
            return Self { weights: None, is_flat, pareto_k: f64::NEG_INFINITY };
        }
        let size = draws as f64;
        let wanted = if size * efficiency > 225.0 { 3.0 * (size / efficiency).sqrt() } else { size / 5.0 };
        let tail = (wanted.floor() as usize).min(draws / 2).max(5);
        let mut pareto_k = f64::NEG_INFINITY;
        let weights = ALPHAS.map(|alpha| {
            let ratios = log_density.iter().map(|l| (alpha - 1.0) * l).collect();
            let (weights, k) = smooth_tail(ratios, tail, &mut Vec::new());
            pareto_k = pareto_k.max(k);
            let total = log_sum_exp(weights.iter().copied());
            weights.iter().map(|w| (w - total).exp()).collect()
        });
        Self { weights: Some(weights), is_flat: false, pareto_k }
    }

    /// The sensitivity of a parameter; NaN where it cannot be told.
    fn moves(&self, draws: ArrayView1<'_, f64>) -> f64 {
        if self.is_flat {
            return 0.0;
        }
        let Some(weights) = &self.weights else { return f64::NAN };
        let row = draws.insert_axis(Axis(0));
        if draws.iter().any(|x| !x.is_finite()) || !varies(row) {
            return f64::NAN;
        }
        let mut order: Vec<usize> = (0..draws.len()).collect();
        order.sort_unstable_by(|&a, &b| draws[a].total_cmp(&draws[b]).then(a.cmp(&b)));
        let ascending: Vec<f64> = order.iter().map(|&i| draws[i]).collect();
        let descending: Vec<f64> = ascending.iter().rev().map(|x| -x).collect();
        let sides = ALPHAS.iter().zip(weights).map(|(alpha, weights)| {
            let up: Vec<f64> = order.iter().map(|&i| weights[i]).collect();
            let down: Vec<f64> = up.iter().rev().copied().collect();
            distance(&ascending, &up).max(distance(&descending, &down)) / alpha.log2().abs()
        });
        sides.sum::<f64>() / 2.0
    }
}

/// Cumulative Jensen–Shannon distance of ascending draws with equal weights and with these (Nguyen & Vreeken 2015), 0 to 1.
fn distance(ascending: &[f64], weights: &[f64]) -> f64 {
    let draws = ascending.len();
    let total: f64 = weights.iter().sum();
    let (mut q, mut p_area, mut q_area, mut pq, mut qp) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for i in 0..draws - 1 {
        let p = (i + 1) as f64 / draws as f64;
        q += weights[i] / total;
        let width = ascending[i + 1] - ascending[i];
        let middle = (0.5 * (p + q)).log2();
        p_area += width * p;
        q_area += width * q;
        pq += width * p * (p.log2() - middle);
        qp += width * if q > 0.0 { q * (q.log2() - middle) } else { 0.0 };
    }
    let skew = 0.5 / std::f64::consts::LN_2 * (q_area - p_area);
    (((pq + skew).max(0.0) + (qp - skew).max(0.0)) / (p_area + q_area)).sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::reference::ar;
    use super::*;
    use ndarray::Array2;

    /// Draws of N(0, 1) by Box–Muller from the sequence that both sides can make.
    fn normal(draws: usize) -> Vec<f64> {
        let u = ar(1, 2 * draws, 0.0, 0.0);
        (0..draws)
            .map(|i| {
                (-2.0 * (u[[0, 2 * i]] + 0.5).ln()).sqrt() * (std::f64::consts::TAU * (u[[0, 2 * i + 1]] + 0.5)).cos()
            })
            .collect()
    }

    fn one(draws: &[f64], log_prior: impl Fn(f64) -> f64, log_likelihood: impl Fn(f64) -> f64) -> FitSensitivity {
        let of = |f: &dyn Fn(f64) -> f64| draws.iter().map(|&x| f(x)).collect::<Vec<_>>();
        let values = Array2::from_shape_fn((draws.len(), 1), |(d, _)| draws[d]);
        power_scaling("purchase", &["x".into()], values.view(), &of(&log_prior), &of(&log_likelihood))
    }

    #[test]
    fn who_leans_on_what_is_told() {
        let draws = normal(4000);
        let (broad, sharp) = (|x: f64| -0.5 * x * x / 1e4, |x: f64| -0.5 * x * x);
        // A broad prior: the data alone.
        let data = &one(&draws, broad, sharp).parameters[0];
        assert!(data.prior < 0.01 && data.likelihood > 0.05 && data.diagnosis == Lean::Data, "{data:?}");
        // A sharp prior over data that say nothing.
        let prior = &one(&draws, sharp, broad).parameters[0];
        assert!(prior.diagnosis == Lean::Prior, "{prior:?}");
        // Both pull, from both sides: N(−2, 2) times N(2, 2) is N(0, 1).
        let pull = |to: f64| move |x: f64| -0.25 * (x - to) * (x - to);
        let both = &one(&draws, pull(-2.0), pull(2.0)).parameters[0];
        assert!(both.diagnosis == Lean::Conflict, "{both:?}");
    }

    /// ArviZ (arviz-stats 0.8.0): `array_stats.power_scale_sense` of weights by `array_stats.power_scale_lw`, on the same sequence.
    #[test]
    fn the_figures_are_arviz_s() {
        let cases = [
            (2000, 0.5, [0.061_386_891_824_875_54, 0.124_198_912_438_026_2]),
            (300, 0.9, [0.142_788_572_538_549_7, 0.188_072_146_053_313_8]),
        ];
        for (draws, phi, expected) in cases {
            let x: Vec<f64> = ar(1, draws, phi, 0.0).into_iter().collect();
            let found = one(&x, |x| -0.5 * (x - 1.0) * (x - 1.0), |x| -3.0 * (x + 0.25) * (x + 0.25));
            let found = &found.parameters[0];
            for (found, expected) in [found.prior, found.likelihood].into_iter().zip(expected) {
                assert!((found / expected - 1.0).abs() < 1e-9, "{draws}: {found} against {expected}");
            }
        }
    }

    #[test]
    fn what_cannot_be_told_is_not_a_number_and_a_flat_prior_moves_nothing() {
        let draws = normal(500);
        let flat = &one(&draws, |_| 3.0, |x| -0.5 * x * x).parameters[0];
        assert_eq!((flat.prior, flat.diagnosis), (0.0, Lean::Data));
        let broken = &one(&draws, |x| if x > 1.0 { f64::NAN } else { 0.0 }, |x| -0.5 * x * x).parameters[0];
        assert!(broken.prior.is_nan() && broken.diagnosis == Lean::Data);
        let constant = &one(&[2.0; 40], |x| x, |x| x).parameters[0];
        assert!(constant.likelihood.is_nan() || constant.likelihood == 0.0);
    }
}
