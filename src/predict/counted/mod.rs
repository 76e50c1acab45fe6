//! Customers whose time is counted: buyers at opportunities (BG/BB) and contracts (the shifted beta-geometric). Their means, futures,
//! windows and checks, as [`super`] has them for continuous time.
//!
//! Both models say one thing of the future. Who is alive leaves before the next opportunity with a chance θ of their own; who stays
//! buys with a chance p of their own, or, under contract, always: a renewal is a purchase.
//!
//! | | alive | θ | p |
//! | --- | --- | --- | --- |
//! | BG/BB, history (x, t_x, n) | P(alive at n) | Beta(γ, δ+n) | Beta(α+x, β+n−x) |
//! | sBG, T decisions | 1, or 0 for the lost | Beta(α, β+T) | 1 |
//!
//! So everything ahead follows from P(alive), the chances s_j = Π_{i<j} (d+i)/(c+d+i) to be there at the j-th opportunity from now
//! (θ ~ Beta(c, d)), and E[p]. The horizon is the whole number of opportunities nearest to its months.

mod checks;
mod engine;
mod means;
#[cfg(test)]
mod tests;

use ndarray::Array3;

use super::Settings;
use crate::data::Summary;
use crate::error::{Error, Result};
use crate::kernels::bg_bb;

pub use checks::track_counted;
pub use engine::{CountedCpu, predict_window_counted};
pub use means::{AheadMean, ahead, expectations_counted};

/// What customers do in counted time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// Buy or not at each opportunity: α, β, γ, δ of BG/BB.
    Opportunities,
    /// Renew or not at the end of each period: α, β of the shifted beta-geometric.
    Contracts,
}

impl Counted {
    /// Number of parameters.
    fn k(self) -> usize {
        match self {
            Self::Opportunities => 4,
            Self::Contracts => 2,
        }
    }
}

/// Draws of the population parameters, already thinned by the caller. Draw `d` of both fits belongs together.
#[derive(Debug, Clone, PartialEq)]
pub struct CountedPopulation {
    /// What the parameters are of.
    pub counted: Counted,
    /// `[draw, group, k]`: α, β, γ, δ or α, β.
    pub purchase: Array3<f64>,
    /// `[draw, group, 3]`: Gamma-Gamma p, q, v; v in currency. `None` without amounts, and for contracts.
    pub spend: Option<Array3<f64>>,
}

impl CountedPopulation {
    /// Number of draws.
    pub fn draws(&self) -> usize {
        self.purchase.dim().0
    }

    /// Number of groups.
    pub fn groups(&self) -> usize {
        self.purchase.dim().1
    }

    /// P(alive) of a customer with the history (x, t_x, n), under one draw and group.
    pub fn p_alive(&self, draw: usize, group: usize, (x, recency, age): (u32, f64, f64)) -> f64 {
        // Whole numbers: the check of the summary saw to it.
        self.p_alive_at(draw, group, &History { x, t_x: recency as u32, n: age as u32 })
    }

    fn p_alive_at(&self, draw: usize, group: usize, &History { x, t_x, n }: &History) -> f64 {
        match self.counted {
            Counted::Opportunities => {
                bg_bb::p_alive(std::array::from_fn(|k| self.purchase[[draw, group, k]]), x, t_x, n)
            }
            Counted::Contracts => f64::from(u8::from(x == n)),
        }
    }

    /// What lies ahead of a customer with that history who is alive.
    fn outlook(&self, draw: usize, group: usize, &History { x, n, .. }: &History) -> Outlook {
        let of = |k: usize| self.purchase[[draw, group, k]];
        let (xf, nf) = (f64::from(x), f64::from(n));
        match self.counted {
            Counted::Opportunities => {
                Outlook { leaving: [of(2), of(3) + nf], buying: Some([of(0) + xf, of(1) + (nf - xf)]) }
            }
            Counted::Contracts => Outlook { leaving: [of(0), of(1) + nf], buying: None },
        }
    }

    /// Gamma-Gamma p, q, v of one draw and group.
    pub(super) fn spend_at(&self, draw: usize, group: usize) -> Option<[f64; 3]> {
        self.spend.as_ref().map(|spend| std::array::from_fn(|k| spend[[draw, group, k]]))
    }

    /// Checked once, at the edge: shapes that fit the summary, positive finite parameters, whole times.
    pub(super) fn check(&self, summary: &Summary) -> Result<()> {
        let (draws, groups, k) = self.purchase.dim();
        if draws == 0 || k != self.counted.k() {
            return Err(Error::new(format!(
                "the purchase draws must be [draw, group, {}] with at least one draw",
                self.counted.k()
            ))
            .seen(format!("{:?}", self.purchase.dim())));
        }
        if draws >= 1 << 24 {
            return Err(Error::new("prediction takes at most 2^24 draws").seen(draws).advice("thin the draws"));
        }
        if let Some(group) = summary.group.iter().find(|&&group| group as usize >= groups) {
            return Err(Error::new("the summary has a group that the draws do not have")
                .seen(format!("group {group} with {groups} groups of draws"))
                .advice("predict with the summary that was fitted"));
        }
        super::check_spend(self.spend.as_ref(), draws, groups)?;
        let bad = |&&value: &&f64| !(value.is_finite() && value > 0.0);
        if let Some(value) = self.purchase.iter().find(bad) {
            return Err(Error::new("population draws must be positive and finite").seen(value).advice("refit"));
        }
        let whole = |t: f64| t.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(&t);
        if let Some(i) = (0..summary.len()).find(|&i| !(whole(summary.recency[i]) && whole(summary.age[i]))) {
            return Err(Error::new(format!(
                "customer {} has times that are no whole numbers",
                &summary.customer_id[i]
            ))
            .seen(format!("recency {}, age {}", summary.recency[i], summary.age[i]))
            .advice("count recency and age in opportunities"));
        }
        Ok(())
    }
}

/// What was seen of a customer, in whole opportunities.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct History {
    /// Opportunities used.
    x: u32,
    /// The last of them.
    t_x: u32,
    /// Opportunities observed.
    n: u32,
}

impl History {
    /// One row of a summary that was checked.
    fn of(summary: &Summary, i: usize) -> Self {
        Self { x: summary.frequency[i], t_x: summary.recency[i] as u32, n: summary.age[i] as u32 }
    }
}

/// What lies ahead of a customer who is alive.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Outlook {
    /// θ ~ Beta(c, d).
    leaving: [f64; 2],
    /// p ~ Beta(a, b); none where who stays buys.
    buying: Option<[f64; 2]>,
}

impl Outlook {
    /// E[p].
    fn share(&self) -> f64 {
        self.buying.map_or(1.0, |[a, b]| a / (a + b))
    }

    /// The chances to be there at the first, second, … opportunity from now.
    fn stays(&self) -> impl Iterator<Item = f64> {
        let [c, d] = self.leaving;
        (0..).scan(1.0, move |stay, j| {
            *stay *= (d + f64::from(j)) / (c + d + f64::from(j));
            Some(*stay)
        })
    }
}

/// The horizon in opportunities, and what a purchase at each of them is worth now.
#[derive(Debug, Clone, PartialEq)]
struct Calendar {
    /// Value now of one unit at the j-th opportunity from now, j from 1.
    discount: Vec<f64>,
    /// Discount from one opportunity to the next.
    rate: f64,
}

impl Calendar {
    /// The whole number of opportunities nearest to the settings' months, at least one.
    fn of(settings: &Settings) -> Self {
        let periods = (f64::from(settings.horizon_months) * settings.month_time_units).round().max(1.0) as u32;
        let rate = (1.0 + settings.monthly_discount).powf(1.0 / settings.month_time_units) - 1.0;
        Self { discount: (1..=periods).map(|j| (1.0 + rate).powf(-f64::from(j))).collect(), rate }
    }

    /// So many opportunities, undiscounted.
    fn plain(periods: usize) -> Self {
        Self { discount: vec![1.0; periods], rate: 0.0 }
    }

    fn periods(&self) -> usize {
        self.discount.len()
    }
}

/// The horizon of a prediction in opportunities or periods.
pub fn counted_horizon(settings: &Settings) -> u32 {
    Calendar::of(settings).periods() as u32
}
