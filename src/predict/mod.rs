//! Draws of the population parameters and the customer summary become what each customer will do: P(alive), purchases, spend and
//! lifetime value, with means, predictive quantiles and joint totals, over any horizon.
//!
//! Nothing here knows how the draws were made, what a segment is called, or what a terminal looks like.
//!
//! The road: [`expectations`] gives every mean (no randomness at all), from which customers can be ranked and labelled;
//! [`predict_customers`] then has an [`Engine`] simulate every customer under every draw, streams the quantiles out in summary order
//! and returns joint totals per label. [`predict_window`] does the same for a holdout window, [`track`] for the weeks since the
//! first purchase. Customers whose time is counted have a road of their own beside it ([`CountedPopulation`]), which leads to the same
//! results.
//!
//! Memory: a few numbers per customer and `chunk_customers × draws` of scratch ([`Settings::scratch_bytes`]); never customers ×
//! draws.

mod counted;
mod covariates;
mod cpu;
mod crps;
mod customers;
mod decimal;
mod device;
mod engine;
mod expectation;
mod future;
mod interpolate;
mod laws;
mod quantile;
mod replicas;
mod sift;
mod together;
mod totals;
mod tracking;
mod window;
mod writer;

use ndarray::{Array3, s};

use crate::data::Summary;
use crate::error::{Error, Result};
use crate::model::Dropout;

pub use counted::{
    AheadMean, Counted, CountedCpu, CountedPopulation, ahead, counted_horizon, expectations_counted,
    predict_window_counted, track_counted,
};
pub use covariates::CovariateDraws;
pub use cpu::Cpu;
pub use customers::{AheadPosterior, CustomerPosterior, Quantiles, Sink, SpendPosterior, predict_customers};
pub use device::Gpu;
pub use engine::{Engine, Future, JointDraws};
pub use expectation::{Expectations, expectations};
pub use future::customer_address;
pub use replicas::{Band, Quantity, Replicas, TestOf, replicate, replicate_counted};
pub use totals::{Interval, Labelling, Total, Totals};
pub use tracking::{FrequencyBand, TrackedWeek, Tracking, TrackingSettings, track};
pub use window::{Window, WindowPosterior, predict_window};
pub use writer::{CustomerWriter, Extra, Placement};

/// Draws of the population parameters, already thinned by the caller. Draw `d` of both fits belongs together.
#[derive(Debug, Clone, PartialEq)]
pub struct Population {
    /// How customers stop buying: what the last two purchase parameters mean.
    pub dropout: Dropout,
    /// `[draw, group, 4]`: r, α and the two parameters of dropout (a, b, or s, β); α and β in time units. Where rates go together,
    /// `[draw, group, 5]`: their medians per time unit, the sds of their logarithms, and the correlation of those. Without dropout,
    /// `[draw, group, 2]`.
    pub purchase: Array3<f64>,
    /// `[draw, group, 3]`: Gamma-Gamma p, q, v; v in currency. `None` without amounts.
    pub spend: Option<Array3<f64>>,
    /// How covariates move each customer's purchase parameters; `None` where all of a group share them.
    pub covariates: Option<CovariateDraws>,
}

impl Population {
    /// Number of draws.
    pub fn draws(&self) -> usize {
        self.purchase.dim().0
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.purchase.dim().1
    }

    /// P(alive) of an average customer with the history (x, t_x, T), under one draw and group.
    pub fn p_alive(&self, draw: usize, group: usize, (x, recency, age): (u32, f64, f64)) -> f64 {
        self.law(draw, group).p_alive(x, recency, age)
    }

    /// The law of one draw and group, without spend.
    fn law(&self, draw: usize, group: usize) -> laws::Law {
        laws::Law::of(self.dropout, self.purchase.slice(s![draw, group, ..]))
    }

    /// The first four purchase parameters of one draw and group, 1 for those that the model does not have.
    fn purchase_at(&self, draw: usize, group: usize) -> [f64; 4] {
        std::array::from_fn(|k| self.purchase.get([draw, group, k]).copied().unwrap_or(1.0))
    }

    /// The law of one draw and customer of a group, without spend.
    fn law_of(&self, draw: usize, group: usize, customer: usize) -> laws::Law {
        let law = self.law(draw, group);
        match &self.covariates {
            Some(covariates) => law.moved(covariates, draw, customer),
            None => law,
        }
    }

    /// Checked once, at the edge: shapes that fit the summary, positive finite parameters, a finite mean spend.
    fn check(&self, summary: &Summary) -> Result<()> {
        let (draws, groups, k) = self.purchase.dim();
        let wanted = self.dropout.parameters();
        if draws == 0 || k != wanted {
            return Err(Error::new(format!(
                "the purchase draws must be [draw, group, {wanted}] with at least one draw"
            ))
            .seen(format!("{:?}", self.purchase.dim()))
            .advice("the parameters of the model, in their order"));
        }
        if draws >= 1 << 24 {
            return Err(Error::new("prediction takes at most 2^24 draws").seen(draws).advice("thin the draws"));
        }
        if let Some(group) = summary.group.iter().find(|&&group| group as usize >= groups) {
            return Err(Error::new("the summary has a group that the draws do not have")
                .seen(format!("group {group} with {groups} groups of draws"))
                .advice("predict with the summary that was fitted"));
        }
        check_spend(self.spend.as_ref(), draws, groups)?;
        if let Some(c) = &self.covariates
            && (c.gamma.dim() != (draws, c.terms.len()) || c.values.nrows() != summary.len())
        {
            return Err(Error::new("the covariates must have a row per customer and a coefficient per draw and term")
                .seen(format!("{:?} and {:?} for {} customers", c.gamma.dim(), c.values.dim(), summary.len()))
                .advice("predict with the covariates that were fitted"));
        }
        let bad = |&&value: &&f64| !(value.is_finite() && value > 0.0);
        let purchase = self.purchase.slice(s![.., .., ..k.min(4)]);
        let corrs = self.purchase.slice(s![.., .., k.min(4)..]);
        if let Some(corr) = corrs.iter().find(|corr| corr.is_nan() || corr.abs() >= 1.0) {
            return Err(Error::new("correlations must lie between -1 and 1").seen(corr).advice("refit"));
        }
        if let Some(value) = purchase.iter().find(bad) {
            return Err(Error::new("population draws must be positive and finite").seen(value).advice("refit"));
        }
        Ok(())
    }
}

/// Spend draws that fit the purchase draws, positive, finite, and of a finite mean.
fn check_spend(spend: Option<&Array3<f64>>, draws: usize, groups: usize) -> Result<()> {
    let Some(spend) = spend else { return Ok(()) };
    if spend.dim() != (draws, groups, 3) {
        return Err(Error::new("the spend draws must be [draw, group, 3] with the purchase draws' draws and groups")
            .seen(format!("{:?} beside {draws} draws of {groups} groups", spend.dim()))
            .advice("thin both fits to the same number of draws"));
    }
    if let Some(value) = spend.iter().find(|value| !(value.is_finite() && **value > 0.0)) {
        return Err(Error::new("population draws must be positive and finite").seen(value).advice("refit"));
    }
    if let Some(q) = spend.index_axis(ndarray::Axis(2), 1).iter().find(|q| **q <= 1.0) {
        return Err(Error::new("the mean spend of a customer without repeat purchases is infinite for q of at most 1")
            .seen(format!("q = {q}"))
            .advice("give q a prior above 1"));
    }
    Ok(())
}

/// Horizon, discount and randomness of a prediction.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Months predicted, at least 1.
    pub horizon_months: u32,
    /// Length of a month in the model's time units (30.4375 / 7 for weeks).
    pub month_time_units: f64,
    /// Discount per month: a purchase in month k is worth (1 + discount)^−k, counted at the month's end.
    pub monthly_discount: f64,
    /// Seed of every predictive draw.
    pub seed: u64,
    /// Customers simulated at a time; bounds the scratch memory, changes no number.
    pub chunk_customers: usize,
}

impl Settings {
    /// Bytes of scratch that the [`Cpu`] engine holds at most, whatever the number of customers: two chunks in which everybody
    /// buys under every draw. It is usually a quarter of that.
    pub fn scratch_bytes(&self, draws: usize) -> usize {
        2 * self.chunk_customers * draws * (2 * size_of::<u32>() + size_of::<f64>())
    }

    fn check(&self) -> Result<()> {
        if self.horizon_months == 0 {
            return Err(Error::new("the horizon must be at least one month").seen(0).advice("12 is usual"));
        }
        if !(self.month_time_units.is_finite() && self.month_time_units > 0.0) {
            return Err(Error::new("a month must have a positive length")
                .seen(self.month_time_units)
                .advice("30.4375 / 7 when time is in weeks"));
        }
        if !(self.monthly_discount.is_finite() && self.monthly_discount > -1.0) {
            return Err(Error::new("the monthly discount must be above -1")
                .seen(self.monthly_discount)
                .advice("0.01 is one per cent a month"));
        }
        if self.chunk_customers == 0 {
            return Err(Error::new("chunk_customers must be at least 1").seen(0).advice("2048 is a good size"));
        }
        Ok(())
    }

    fn grid(&self) -> Grid {
        let factor = 1.0 / (1.0 + self.monthly_discount);
        let discount = (1..=self.horizon_months).map(|k| factor.powi(k as i32)).collect();
        Grid { width: self.month_time_units, discount }
    }
}

/// Equal periods after the calibration end, and what a purchase in each is worth.
#[derive(Debug, Clone)]
struct Grid {
    /// Length of a period, time units.
    width: f64,
    /// Value now of one unit at the end of each period.
    discount: Vec<f64>,
}

impl Grid {
    /// One undiscounted period of the given length.
    fn single(length: f64) -> Self {
        Self { width: length, discount: vec![1.0] }
    }

    fn periods(&self) -> usize {
        self.discount.len()
    }

    /// Length of all periods together, time units.
    fn length(&self) -> f64 {
        self.width * self.periods() as f64
    }
}

#[cfg(test)]
mod plain;
#[cfg(test)]
mod proofs;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod tests_support;
