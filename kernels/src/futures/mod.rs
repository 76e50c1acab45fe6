//! What customers will do, simulated on a device: one future per customer and posterior draw, reduced where it was made to means,
//! spread, quantiles and totals. Customers × draws never exist beyond one chunk. Who the customers are, which month it is and
//! where results go is the caller's business.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | r, α, a, b; p, q, v | population parameters of one draw and the customer's group (BG/NBD; Gamma-Gamma) |
//! | x, t_x, T, m | the customer's history: repeat purchases, time of the last, time observed, mean spend |
//! | H, w, d_j | horizon, length of a period, worth at the end of period j of one unit spent in it |
//!
//! ```text
//! alive ~ Bernoulli(P(alive | x, t_x, T))                            certain for x = 0
//! λ ~ Gamma(r + x, α + T),  N ~ Poisson(λ H),  places uniform in the horizon
//! p ~ Beta(a, b + x),  K ~ Geometric(p):  of the N purchases the first K happen
//! ν ~ Gamma(p x + q, v + x m),  value = Σ_j d_j Gamma(p k_j, ν),  k_j of them in period j
//! ```
//!
//! With fewer than ten purchases expected in the horizon they are placed one by one, in order of time; with more, each period
//! has its own Poisson number, which is the same law.
//!
//! Randomness is an address (seed, [`Purpose::Prediction`](crate::rng::Purpose), customer, draw): a customer's futures are the same
//! bits in any chunk and beside any others. Values are f32, as are the sums of at most 256 of them, beyond which f64 goes on: a
//! total is off by less than 32 roundings, 2e-6 of it.

mod gpu;
mod simulate;
mod summarise;
mod totals;

pub use gpu::Gpu;
pub use totals::Totals;

use ndarray::{ArrayView3, Axis};

use crate::{KernelError, bg_nbd, gamma_gamma};

/// Posterior draws of the population parameters; draw `d` of both fits belongs together.
#[derive(Debug, Clone, Copy)]
pub struct Population<'a> {
    /// `[draw, group, 4]`: BG/NBD r, α, a, b; α in time units.
    pub purchase: ArrayView3<'a, f64>,
    /// `[draw, group, 3]`: Gamma-Gamma p, q, v; v in currency. `None`: no values.
    pub spend: Option<ArrayView3<'a, f64>>,
}

/// The future that is looked at: periods of equal length.
#[derive(Debug, Clone, PartialEq)]
pub struct Horizon {
    /// Length of a period, time units.
    pub width: f64,
    /// What one unit spent in a period is worth: one number per period, at least one period.
    pub discount: Vec<f64>,
}

/// One customer's history.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Customer {
    /// Names the customer's random numbers.
    pub address: u64,
    /// Index of the group.
    pub group: u32,
    /// x: repeat purchases.
    pub frequency: u32,
    /// t_x: time of the last of them since the first purchase (0 for x = 0), time units.
    pub recency: f64,
    /// T: time observed since the first purchase, time units.
    pub age: f64,
    /// m: mean spend of paid repeat purchases; 0 without any. Currency.
    pub monetary: f64,
}

/// What one customer will do, over all draws.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Future {
    /// Mean P(alive at T).
    pub p_alive: f64,
    /// Mean simulated purchases in the horizon.
    pub purchases_mean: f64,
    /// Purchases at 5, 25, 50, 75 and 95 %: each the smallest count with at least that share of the draws at or below it.
    pub purchases: [u32; 5],
    /// Mean simulated value, currency. Values are 0 without a spend model.
    pub value_mean: f64,
    /// Standard deviation of the values, denominator n − 1; 0 for one draw.
    pub value_sd: f64,
    /// Value at 5, 25, 50, 75 and 95 %, interpolated between order statistics (type 7 of Hyndman & Fan 1996).
    pub value: [f64; 5],
}

/// The probabilities of a [`Future`]'s quantiles.
pub const PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.50, 0.75, 0.95];

/// Most draws: with more of them a chunk would be a handful of customers.
pub const MAX_DRAWS: usize = 1 << 16;

/// Most periods of a horizon: as many as have random numbers of their own.
pub const MAX_PERIODS: usize = 4096;

/// The largest purchase count that a future may have; more are cut.
pub const MAX_PURCHASES: u32 = (1 << 24) - 1;

impl Population<'_> {
    fn check(&self) -> Result<(), KernelError> {
        let (draws, groups, k) = self.purchase.dim();
        if draws == 0 || draws > MAX_DRAWS || groups == 0 || k != bg_nbd::K {
            return Err(KernelError::new(
                format!("purchase draws of shape {:?} cannot be predicted from", self.purchase.dim()),
                format!("pass [draw, group, 4] with 1 to {MAX_DRAWS} draws; thin the draws if there are more"),
            ));
        }
        if let Some(spend) = self.spend.filter(|spend| spend.dim() != (draws, groups, gamma_gamma::K)) {
            return Err(KernelError::new(
                format!(
                    "spend draws of shape {:?} do not go with {draws} purchase draws of {groups} groups",
                    spend.dim()
                ),
                "pass [draw, group, 3] with as many draws and groups",
            ));
        }
        let purchases = self.purchase.lanes(Axis(2));
        let spends = self.spend.as_ref().map(|spend| spend.lanes(Axis(2)));
        let mut all = purchases.into_iter().chain(spends.into_iter().flatten()).flatten();
        // The device holds f32: a parameter must be a positive number there too.
        match all.find(|value| !((**value as f32).is_normal() && **value > 0.0)) {
            None => Ok(()),
            Some(value) => Err(KernelError::new(
                format!("{value} is no population parameter that a device can hold"),
                "parameters must be positive, between 1e-37 and 1e38; use the CPU backend for others",
            )),
        }
    }
}

impl Horizon {
    fn check(&self) -> Result<(), KernelError> {
        let periods = self.discount.len();
        let length = self.width * periods as f64;
        let sane = (length as f32).is_normal() && length > 0.0;
        let worth = self.discount.iter().all(|d| *d >= 0.0 && *d < 1e6);
        if periods == 0 || periods > MAX_PERIODS || !sane || !worth {
            return Err(KernelError::new(
                format!(
                    "a horizon of {periods} periods of length {} and worth {:?} …",
                    self.width,
                    self.discount.first()
                ),
                format!("1 to {MAX_PERIODS} periods of positive length, each worth 0 to 1,000,000 times its spend"),
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
