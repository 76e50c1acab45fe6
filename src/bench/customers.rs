//! Simulated customers in memory: BG/NBD purchases by the day and Gamma-Gamma spend by the cent, as `data::simulate` writes them to
//! files, but only what likelihoods read. A customer is the address (seed, customer): the same on any number of threads.

use rand_distr::{Beta, Distribution, Gamma};
use rayon::prelude::*;

use super::candidate::Family;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::{Cells, gamma_gamma};

/// Days of a time unit: a week.
const UNIT_DAYS: f64 = 7.0;

/// What to simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shop {
    /// Number of customers.
    pub customers: u64,
    /// Groups, all alike and of equal size.
    pub groups: u32,
    /// Days, from the first on, over which first purchases are spread evenly.
    pub acquisition_days: u16,
    /// Days observed, the acquisition included.
    pub observe_days: u16,
    /// Seed of all random numbers.
    pub seed: u64,
}

impl Shop {
    /// Two years of a shop that wins customers during the first.
    pub fn two_years(customers: u64, groups: u32) -> Self {
        Self { customers, groups, acquisition_days: 365, observe_days: 730, seed: 1 }
    }

    /// All customers, by address.
    ///
    /// # Errors
    /// No customers, no groups or more than 65,536, or days that do not follow one another.
    pub fn open(&self) -> Result<Vec<Customer>> {
        let days = 0 < self.acquisition_days && self.acquisition_days < self.observe_days;
        if self.customers == 0 || self.groups == 0 || self.groups > 1 << 16 || !days {
            return Err(Error::new("no such shop can be simulated")
                .at("bench")
                .seen(format!("{self:?}"))
                .advice("ask for at least one customer and for 1 to 65536 groups"));
        }
        let law = Law::cdnow()?;
        Ok((0..self.customers).into_par_iter().map(|i| self.customer(&law, i)).collect())
    }

    fn customer(&self, law: &Law, index: u64) -> Customer {
        let mut rng = Stream::new(self.seed, Purpose::Simulation, index, 0);
        let group = (rng.uniform() * f64::from(self.groups)) as u16;
        let (lambda, lapse) = (law.rate.sample(&mut rng), law.lapse.sample(&mut rng));
        let start = rng.uniform() * f64::from(self.acquisition_days);
        let first = start as u16;
        let (mut now, mut last, mut x) = (start, first, 0u16);
        loop {
            now += -rng.uniform().ln() / lambda * UNIT_DAYS;
            if now >= f64::from(self.observe_days) {
                break;
            }
            // Purchases of one day are one.
            let day = now as u16;
            if day > last {
                (last, x) = (day, x + 1);
            }
            if rng.uniform() < lapse {
                break;
            }
        }
        let mut cents = 0;
        if x > 0 {
            let nu = law.spend_rate.sample(&mut rng);
            // The sum of x amounts ~ Gamma(p, ν) is Gamma(p x, ν): here p x unit-scale gammas, divided by ν.
            let total = Gamma::new(law.p * f64::from(x), 1.0).map_or(1.0, |sum| sum.sample(&mut rng)) / nu;
            cents = (100.0 * total).round().clamp(1.0, f64::from(u32::MAX)) as u32;
        }
        Customer { group, x, recency_days: last - first, age_days: self.observe_days - 1 - first, cents }
    }
}

/// One customer's history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Customer {
    /// Group, from 0.
    pub group: u16,
    /// Repeat purchases.
    pub x: u16,
    /// Days from the first purchase to the last.
    pub recency_days: u16,
    /// Days from the first purchase to the end.
    pub age_days: u16,
    /// What all repeat purchases came to.
    pub cents: u32,
}

/// The distributions of everybody.
struct Law {
    rate: Gamma<f64>,
    lapse: Beta<f64>,
    spend_rate: Gamma<f64>,
    p: f64,
}

impl Law {
    /// Around the parameters of [`Family::centre`].
    fn cdnow() -> Result<Self> {
        let refused = |what: &str| Error::new(format!("the law of {what} is impossible"));
        let ([r, alpha, a, b], [p, q, v]) = (Family::CDNOW_PURCHASES, Family::CDNOW_SPEND);
        Ok(Self {
            rate: Gamma::new(r, 1.0 / alpha).map_err(|e| refused("rates").because(e))?,
            lapse: Beta::new(a, b).map_err(|e| refused("lapses").because(e))?,
            spend_rate: Gamma::new(q, 1.0 / v).map_err(|e| refused("spend").because(e))?,
            p,
        })
    }
}

/// Rows of one family as its kernels take them.
#[derive(Debug, Clone)]
pub enum Data {
    /// Purchase histories, and the family that is asked about them.
    Purchases(Family, Cells),
    /// Mean spends of customers with repeat purchases.
    GammaGamma(gamma_gamma::Rows),
}

impl Data {
    /// A row per customer, or, `merged`, a weighted row per distinct history.
    pub fn of(family: Family, shop: &Shop, customers: &[Customer], merged: bool) -> Self {
        let key = |c: &Customer| -> Option<u64> {
            let head = u64::from(c.group) << 48 | u64::from(c.x) << 32;
            match family {
                Family::BgNbd | Family::MbgNbd | Family::ParetoNbd => {
                    Some(head | u64::from(c.recency_days) << 16 | u64::from(c.age_days))
                }
                Family::GammaGamma => (c.x > 0).then(|| head | u64::from(c.cents)),
            }
        };
        let mut keys: Vec<u64> = customers.par_iter().filter_map(key).collect();
        let weights: Vec<f64> = if merged {
            keys.par_sort_unstable();
            let weights = keys.chunk_by(|a, b| a == b).map(|same| same.len() as f64).collect();
            keys.dedup();
            weights
        } else {
            vec![1.0; keys.len()]
        };
        let group = keys.iter().map(|key| (key >> 48) as u32).collect();
        let x = |key: &u64| (key >> 32 & 0xFFFF) as u32;
        let frequency = keys.iter().map(x).collect();
        let n_groups = shop.groups as usize;
        match family {
            Family::BgNbd | Family::MbgNbd | Family::ParetoNbd => {
                let weeks = |days: u64| days as f64 / UNIT_DAYS;
                let recency = keys.iter().map(|key| weeks(key >> 16 & 0xFFFF)).collect();
                let age = keys.iter().map(|key| weeks(key & 0xFFFF)).collect();
                Self::Purchases(family, Cells { n_groups, group, frequency, recency, age, weight: weights })
            }
            Family::GammaGamma => {
                let mean = |key: &u64| (key & 0xFFFF_FFFF) as f64 / 100.0 / f64::from(x(key));
                let monetary = keys.iter().map(mean).collect();
                Self::GammaGamma(gamma_gamma::Rows { n_groups, group, frequency, monetary, weight: weights })
            }
        }
    }

    fn columns(&self) -> (&[u32], &[f64], usize) {
        match self {
            Self::Purchases(_, cells) => (&cells.frequency, &cells.weight, cells.n_groups),
            Self::GammaGamma(rows) => (&rows.frequency, &rows.weight, rows.n_groups),
        }
    }

    /// What there is to know of them.
    pub fn facts(&self) -> Facts {
        let (frequency, weight, groups) = self.columns();
        let family = match self {
            Self::Purchases(family, _) => *family,
            Self::GammaGamma(_) => Family::GammaGamma,
        };
        Facts {
            family,
            groups,
            rows: frequency.len(),
            returning: frequency.iter().filter(|x| **x > 0).count() as f64 / frequency.len().max(1) as f64,
            max_weight: weight.iter().copied().fold(0.0, f64::max),
        }
    }
}

/// What there is to know of a family's rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Facts {
    /// The family.
    pub family: Family,
    /// Number of groups.
    pub groups: usize,
    /// Number of rows.
    pub rows: usize,
    /// The share of rows with repeat purchases.
    pub returning: f64,
    /// Customers in the heaviest row.
    pub max_weight: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same customers however they are written down, and of a kind that data::simulate would make.
    #[test]
    fn merged_and_unmerged_are_the_same_customers() {
        let shop = Shop::two_years(20_000, 3);
        let customers = shop.open().expect("a shop");
        assert_eq!(customers, shop.open().expect("a shop"));
        for family in Family::ALL {
            let [merged, apart] = [true, false].map(|merged| Data::of(family, &shop, &customers, merged));
            let total = |data: &Data| data.columns().1.iter().sum::<f64>();
            let purchases = |data: &Data| {
                let (frequency, weight, _) = data.columns();
                frequency.iter().zip(weight).map(|(x, w)| f64::from(*x) * w).sum::<f64>()
            };
            assert_eq!(total(&merged), total(&apart));
            assert_eq!(purchases(&merged), purchases(&apart));
            let (merged, apart) = (merged.facts(), apart.facts());
            assert!(merged.rows < apart.rows && apart.max_weight == 1.0 && merged.groups == 3, "{merged:?} {apart:?}");
        }
        // About half never return within one to two years (CDNOW's parameters), and x = 0 says recency 0.
        let once = customers.iter().filter(|c| c.x == 0).count() as f64 / 20_000.0;
        assert!((0.4..0.7).contains(&once), "{once}");
        assert!(customers.iter().all(|c| (c.x == 0) == (c.recency_days == 0) && c.recency_days <= c.age_days));
    }

    #[test]
    fn an_impossible_shop_is_refused() {
        let error = Shop { groups: 0, ..Shop::two_years(10, 1) }.open().expect_err("no groups");
        assert!(error.to_string().contains("no such shop"), "{error}");
    }
}
