//! One parameter's line: where its posterior lies, and how well the draws know it.
//!
//! All figures of one quantity are worked out together, because they share its halves, its normal scores and its order.

use std::collections::BTreeMap;
use std::fmt;

use ndarray::{Array2, ArrayView2};
use serde::{Deserialize, Deserializer, Serialize};

use super::chains::{can_be_judged, mean_all, sd_all, split};
use super::ess::{ess, squared_distances};
use super::mcse;
use super::order::Ordered;
use super::quantile::quantile_sorted;
use super::r_hat::{greater, plain};
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
    /// Monte Carlo standard error of the standard deviation.
    #[serde(default = "none", deserialize_with = "null_is_nan")]
    pub mcse_sd: f64,
    /// Monte Carlo standard error of the 5 % quantile.
    #[serde(default = "none", deserialize_with = "null_is_nan")]
    pub mcse_q05: f64,
    /// Monte Carlo standard error of the 95 % quantile.
    #[serde(default = "none", deserialize_with = "null_is_nan")]
    pub mcse_q95: f64,
    /// Effective sample size for the mean.
    #[serde(default = "none", deserialize_with = "null_is_nan")]
    pub ess_mean: f64,
}

/// What stands for a figure that a file of an earlier version lacks.
fn none() -> f64 {
    f64::NAN
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
    /// The figures of draws `[chain, draw]`, and their halves' normal scores where they can be judged. `scores` is the table for halves.
    pub(super) fn of(
        fit: &str,
        name: &str,
        coords: BTreeMap<String, String>,
        draws: ArrayView2<'_, f64>,
        ordered: &Ordered,
        scores: &Scores,
    ) -> (Self, Option<Array2<f64>>) {
        let sorted = ordered.values();
        let (mean, sd, [q05, q50, q95]) = Self::moments(draws, &sorted);
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
            mcse_sd: f64::NAN,
            mcse_q05: f64::NAN,
            mcse_q95: f64::NAN,
            ess_mean: f64::NAN,
        };
        if !can_be_judged(draws) {
            return (out, None);
        }
        let [z, far] = ordered.scores(scores);
        out.r_hat = greater(plain(z.view()), plain(far.view()));
        drop(far);
        out.ess_bulk = ess(z.view());
        let halves = split(draws);
        let below = |cut: f64| ess(halves.mapv(|x| f64::from(x <= cut)).view());
        let (low, high) = (below(out.q05), below(out.q95));
        out.ess_tail = if low.is_nan() || high.is_nan() { f64::NAN } else { low.min(high) };
        out.mcse_q05 = mcse::of_quantile(&sorted, 0.05, low);
        out.mcse_q95 = mcse::of_quantile(&sorted, 0.95, high);
        out.ess_mean = ess(halves.view());
        out.mcse_mean = out.sd / out.ess_mean.sqrt();
        drop(halves);
        let (squares, f) = squared_distances(draws);
        out.mcse_sd = mcse::of_sd(squares.view(), ess(split(squares.view()).view())) / f;
        (out, Some(z))
    }

    /// Mean, standard deviation and quantiles at 5, 50 and 95 % of draws that are also there in ascending order.
    pub(super) fn moments(draws: ArrayView2<'_, f64>, sorted: &[f64]) -> (f64, f64, [f64; 3]) {
        // NaN of either sign stands at an end.
        let has_nan = [sorted.first(), sorted.last()].into_iter().flatten().any(|x| x.is_nan());
        let at = |prob| if has_nan { f64::NAN } else { quantile_sorted(sorted, prob) };
        (mean_all(draws), sd_all(draws), [at(0.05), at(0.5), at(0.95)])
    }
}
