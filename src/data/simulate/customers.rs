//! The law: one customer's life, purchase by purchase. Knows days and cents, and no file.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | λ ~ Gamma(r, rate α) | purchases per time unit while active |
//! | p ~ Beta(a, b) | chance of lapsing after each repeat purchase, or after every one (MBG/NBD) |
//! | μ ~ Gamma(s, rate β) | or the rate of lapsing at any time (Pareto/NBD) |
//! | (ln λ, ln μ) ~ N₂ | or both rates together (Abe's Pareto/NBD) |
//! | ν ~ Gamma(q, rate v), amount ~ Gamma(p, rate ν) | spend of each purchase |

use rand_distr::{Beta, Distribution, Gamma};

use super::covariates::{Factors, values};
use super::groups::{GroupTruth, LapseTruth};
use super::spec::{PurchaseLaw, SimulateSpec};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Largest amount of one purchase, in currency: the tail of a Gamma-Gamma with q near 1 has no end.
const LARGEST_AMOUNT: f64 = 1e9;

/// Customers that say how many purchases the others make.
const PILOTS: u64 = 1_024;

/// The distributions of one group.
struct GroupLaw {
    /// Upper end of the group in the cumulated shares, 0 to 1.
    upto: f64,
    truth: GroupTruth,
    habits: Habits,
    spend_rate: Gamma<f64>,
    /// Shape of an amount.
    p: f64,
}

/// How customers of a group differ in buying and lapsing.
enum Habits {
    /// λ, and the chance of lapsing.
    Chance(Gamma<f64>, Beta<f64>),
    /// λ and μ, apart.
    Rate(Gamma<f64>, Gamma<f64>),
    /// λ alone.
    Never(Gamma<f64>),
    /// Medians of λ and μ, sds of their logarithms, and the correlation of those.
    Together([f64; 5]),
}

impl Habits {
    fn of(truth: &GroupTruth) -> Result<Self> {
        let refused = |name: &str| Error::new(format!("group {:?} has impossible {name}", truth.label)).at("simulate");
        let rate = || Gamma::new(truth.r, 1.0 / truth.alpha).map_err(|e| refused("r, alpha").because(e));
        Ok(match truth.lapse {
            LapseTruth::Chance { a, b } => {
                Self::Chance(rate()?, Beta::new(a, b).map_err(|e| refused("a, b").because(e))?)
            }
            LapseTruth::Rate { s, beta } => {
                Self::Rate(rate()?, Gamma::new(s, 1.0 / beta).map_err(|e| refused("s, beta").because(e))?)
            }
            LapseTruth::Never {} => Self::Never(rate()?),
            LapseTruth::Together { rate, death, sd_rate, sd_death, corr } => {
                Self::Together([rate, death, sd_rate, sd_death, corr])
            }
        })
    }

    /// One customer's λ, chance of lapsing and μ, of which the last two are 0 where they are not.
    fn sample(&self, rng: &mut Stream) -> (f64, f64, f64) {
        match self {
            Self::Chance(rate, chance) => (rate.sample(rng), chance.sample(rng), 0.0),
            Self::Rate(rate, death) => (rate.sample(rng), 0.0, death.sample(rng)),
            Self::Never(rate) => (rate.sample(rng), 0.0, 0.0),
            Self::Together([rate, death, sd_rate, sd_death, corr]) => {
                let (own, other) = (rng.normal(), rng.normal());
                let both = corr * own + (1.0 - corr * corr).sqrt() * other;
                (rate * (sd_rate * own).exp(), 0.0, death * (sd_death * both).exp())
            }
        }
    }
}

/// How all customers of a simulation live.
pub(super) struct Law<'a> {
    pub(super) spec: &'a SimulateSpec,
    groups: Vec<GroupLaw>,
}

/// Customers and what they buy, whatever the law.
pub(super) trait Lives: Sync {
    /// Number of customers.
    fn customers(&self) -> u64;

    /// Hands on all purchases of one customer, in time; returns the index of the group.
    fn live(&self, customer: u64, buy: impl FnMut(Purchase)) -> u32;

    /// Purchases per customer, of the first thousand customers: enough to choose sizes by, the same on every machine.
    fn purchases_per_customer(&self) -> f64 {
        let pilots = self.customers().min(PILOTS);
        let mut purchases = 0_u64;
        for customer in 0..pilots {
            self.live(customer, |_| purchases += 1);
        }
        purchases as f64 / pilots as f64
    }
}

/// One purchase.
#[derive(Debug, Clone, Copy)]
pub(super) struct Purchase {
    /// Days and their parts since the beginning of the simulation's first day.
    pub(super) time: f64,
    pub(super) cents: i64,
}

impl Purchase {
    /// Whole days since the simulation's first day.
    pub(super) fn day(self) -> u32 {
        self.time as u32
    }
}

impl<'a> Law<'a> {
    /// The law of a specification that was checked.
    pub(super) fn of(spec: &'a SimulateSpec) -> Result<Self> {
        let total: f64 = spec.groups.iter().map(|g| g.share).sum();
        let mut upto = 0.0;
        let group = |truth: &GroupTruth| {
            upto += truth.share / total;
            let refused =
                |name: &str| Error::new(format!("group {:?} has impossible {name}", truth.label)).at("simulate");
            Ok(GroupLaw {
                upto,
                truth: truth.clone(),
                habits: Habits::of(truth)?,
                spend_rate: Gamma::new(truth.q, 1.0 / truth.v).map_err(|e| refused("q, v").because(e))?,
                p: truth.p,
            })
        };
        Ok(Self { spec, groups: spec.groups.iter().map(group).collect::<Result<_>>()? })
    }
}

impl Lives for Law<'_> {
    fn customers(&self) -> u64 {
        self.spec.customers
    }

    fn live(&self, customer: u64, mut buy: impl FnMut(Purchase)) -> u32 {
        let spec = self.spec;
        let mut rng = Stream::new(spec.seed, Purpose::Simulation, customer, 0);
        let place = rng.uniform();
        // Rounding may leave the last sum of shares a little below 1.
        let group = self.groups.partition_point(|g| g.upto <= place).min(self.groups.len() - 1);
        let law = &self.groups[group];
        let (lambda, chance, mu) = if spec.covariates.is_empty() {
            law.habits.sample(&mut rng)
        } else {
            let factors = Factors::of(&spec.covariates, values(spec.seed, customer, spec.covariates.len()));
            // Finite covariates keep positive parameters positive.
            let own = Habits::of(&GroupTruth { lapse: factors.lapse(law.truth.lapse), ..law.truth.clone() });
            let (lambda, chance, mu) = own.map_or((0.0, 0.0, 0.0), |own| own.sample(&mut rng));
            (factors.purchase * lambda, chance, mu)
        };
        let nu = law.spend_rate.sample(&mut rng);
        // A spend rate so small that its inverse overflows would need q near 0; the largest amount stands for it.
        let spend = Gamma::new(law.p, 1.0 / nu).ok();

        let mut time = rng.uniform() * f64::from(spec.acquisition_days);
        let mut end = f64::from(spec.observe_days);
        if mu > 0.0 {
            end = end.min(time - rng.uniform().ln() / mu * spec.time_unit_days);
        }
        let mut may_lapse = spec.model == PurchaseLaw::MbgNbd;
        while time < end {
            buy(Purchase { time, cents: amount(spend.as_ref(), &mut rng) });
            if may_lapse && chance > 0.0 && rng.uniform() < chance {
                break;
            }
            may_lapse = true;
            time += -rng.uniform().ln() / lambda * spec.time_unit_days;
        }
        group as u32
    }
}

/// An amount in cents, at least one; the largest where there is no law.
pub(super) fn amount(law: Option<&Gamma<f64>>, rng: &mut Stream) -> i64 {
    let spent = law.map_or(LARGEST_AMOUNT, |law| law.sample(rng)).min(LARGEST_AMOUNT);
    ((spent * 100.0).round() as i64).max(1)
}
