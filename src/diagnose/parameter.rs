//! One parameter's line: where its posterior lies, and how well the draws know it.
//!
//! All figures of one quantity are worked out together, because they share its halves, its normal scores and its order.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::{ArrayView2, Axis};
use serde::{Deserialize, Deserializer, Serialize};

use super::chains::{can_be_judged, mean_all, sd_all, split};
use super::ess::{ess, ess_below};
use super::quantile::quantile_sorted;
use super::r_hat::rank_normalised;
use super::rank::Scores;

/// One element of one variable of one fit. In JSON a figure that cannot be had is null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Parameter {
    /// Name of the fit.
    pub fit: String,
    /// Name of the variable.
    pub name: String,
    /// Dimension to label; empty for a scalar.
    pub coords: BTreeMap<String, String>,
    /// Posterior mean.
    #[serde(deserialize_with = "null_is_nan")]
    pub mean: f64,
    /// Posterior standard deviation.
    #[serde(deserialize_with = "null_is_nan")]
    pub sd: f64,
    /// 5 % quantile.
    #[serde(deserialize_with = "null_is_nan")]
    pub q05: f64,
    /// Median.
    #[serde(deserialize_with = "null_is_nan")]
    pub q50: f64,
    /// 95 % quantile.
    #[serde(deserialize_with = "null_is_nan")]
    pub q95: f64,
    /// Rank-normalised split R-hat; nested R-hat where chains were started in groups.
    #[serde(deserialize_with = "null_is_nan")]
    pub r_hat: f64,
    /// Effective sample size for the bulk.
    #[serde(deserialize_with = "null_is_nan")]
    pub ess_bulk: f64,
    /// Effective sample size for the tails.
    #[serde(deserialize_with = "null_is_nan")]
    pub ess_tail: f64,
    /// Monte Carlo standard error of the mean.
    #[serde(deserialize_with = "null_is_nan")]
    pub mcse_mean: f64,
}

/// Reads what JSON has no number for.
pub(super) fn null_is_nan<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    Ok(Option::<f64>::deserialize(from)?.unwrap_or(f64::NAN))
}

/// The same for a list.
pub(super) fn nulls_are_nan<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<f64>, D::Error> {
    Ok(Vec::<Option<f64>>::deserialize(from)?.into_iter().map(|x| x.unwrap_or(f64::NAN)).collect())
}

impl fmt::Display for Parameter {
    /// `alpha[cohort=1997-01-08]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (ix, (dim, label)) in self.coords.iter().enumerate() {
            write!(f, "{}{dim}={label}", if ix == 0 { "[" } else { ", " })?;
        }
        f.write_str(if self.coords.is_empty() { "" } else { "]" })
    }
}

impl Parameter {
    /// The figures of draws `[chain, draw]`. `scores` is the table for their halves.
    pub(super) fn of(
        fit: &str,
        name: &str,
        coords: BTreeMap<String, String>,
        draws: ArrayView2<'_, f64>,
        scores: &Scores,
    ) -> Self {
        let (mean, sd, [q05, q50, q95]) = Self::moments(draws);
        let mut out = Self {
            fit: fit.to_owned(),
            name: name.to_owned(),
            coords,
            mean,
            sd,
            q05,
            q50,
            q95,
            r_hat: f64::NAN,
            ess_bulk: f64::NAN,
            ess_tail: f64::NAN,
            mcse_mean: f64::NAN,
        };
        if can_be_judged(draws) {
            let halves = split(draws);
            let z = scores.of(halves.view());
            out.r_hat = rank_normalised(halves.view(), &z, scores);
            out.ess_bulk = ess(z.view());
            let (low, high) = (ess_below(draws, out.q05), ess_below(draws, out.q95));
            out.ess_tail = if low.is_nan() || high.is_nan() { f64::NAN } else { low.min(high) };
            out.mcse_mean = out.sd / ess(halves.view()).sqrt();
        }
        out
    }

    /// Mean, standard deviation and quantiles at 5, 50 and 95 %.
    pub(super) fn moments(draws: ArrayView2<'_, f64>) -> (f64, f64, [f64; 3]) {
        let mut sorted: Vec<f64> = draws.iter().copied().collect();
        sorted.sort_unstable_by(f64::total_cmp);
        let has_nan = sorted.iter().any(|x| x.is_nan());
        let at = |prob| if has_nan { f64::NAN } else { quantile_sorted(&sorted, prob) };
        (mean_all(draws), sd_all(draws), [at(0.05), at(0.5), at(0.95)])
    }

    /// The scores table that fits draws of this shape.
    pub(super) fn scores(draws: ArrayView2<'_, f64>) -> Scores {
        Scores::new(draws.len_of(Axis(0)) * 2 * (draws.len_of(Axis(1)) / 2))
    }
}
