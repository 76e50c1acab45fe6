//! Customers whose time is counted: buyers at opportunities as BG/BB says, and contracts as the shifted beta-geometric says, with
//! known parameters. What to simulate, checked, and the law; rows are laid out in `counted_rows`.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | p ~ Beta(α, β) | chance to buy at an opportunity (BG/BB) |
//! | θ ~ Beta(γ, δ) | chance to leave before each opportunity after the first purchase (BG/BB) |
//! | θ ~ Beta(α, β) | chance not to renew at the end of a period (sBG) |
//! | ν ~ Gamma(q, rate v), amount ~ Gamma(p, rate ν) | spend of each purchase (BG/BB) |
//!
//! Opportunities are the periods of a [`Resolution`], and a purchase falls on any day of its period alike. A customer is the address
//! (seed, customer), as in all simulations.

use chrono::{Days, NaiveDate};
use rand_distr::{Beta, Distribution, Gamma};
use serde::{Deserialize, Serialize};

use super::customers::{Lives, Purchase, amount};
use super::groups::{GROUP_ADDRESS, GroupTruth, LETTERS, Normal, numbered};
use crate::data::Resolution;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Which law is simulated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CountedModel {
    /// One purchase or none at each opportunity.
    BgBb,
    /// Contracts that are renewed or not.
    SBg,
}

/// What to simulate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountedSpec {
    /// The law.
    pub model: CountedModel,
    /// Number of customers.
    pub customers: u64,
    /// First day.
    pub start: NaiveDate,
    /// Days, from the first on, over which customers begin, evenly.
    pub acquisition_days: u32,
    /// Days observed, from the first on; the last one ends a period.
    pub observe_days: u32,
    /// What an opportunity is, or a period of the contract.
    pub period: Resolution,
    /// Seed of all random numbers.
    pub seed: u64,
    /// What the groups were drawn from; none when they were chosen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hierarchy: Option<CountedHierarchy>,
    /// The groups that customers come from.
    pub groups: Vec<CountedTruth>,
}

/// The true parameters of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CountedTruth {
    /// What the group is called in the data.
    pub label: String,
    /// Its share of the customers, relative to the other groups.
    pub share: f64,
    /// First shape of the chance to buy (BG/BB) or not to renew (sBG).
    pub alpha: f64,
    /// Second shape of it.
    pub beta: f64,
    /// What buyers have besides; contracts have nothing.
    #[serde(flatten)]
    pub buyer: Option<BuyerTruth>,
}

/// The true parameters of how buyers leave and what they spend.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct BuyerTruth {
    /// First shape of the chance to leave before an opportunity.
    pub gamma: f64,
    /// Second shape of it.
    pub delta: f64,
    /// Shape of an amount.
    pub p: f64,
    /// Shape of the spend rate.
    pub q: f64,
    /// Rate of the spend rate, in currency.
    pub v: f64,
}

/// The hierarchy that many groups are drawn from: logit of the mean of each chance, ln of its concentration.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CountedHierarchy {
    /// Of α/(α+β).
    pub mean: Normal,
    /// Of α+β.
    pub kappa: Normal,
    /// Of γ/(γ+δ); BG/BB only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout_mean: Option<Normal>,
    /// Of γ+δ; BG/BB only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dropout_kappa: Option<Normal>,
}

/// How far groups of a hierarchy lie apart, on the scale of its links.
const SPREAD: (f64, f64) = (0.3, 0.15);

impl CountedSpec {
    /// Customers of `groups` groups who begin within 90 days of 2024-01-01 and are observed for a year of months.
    ///
    /// Up to 26 groups are called a, b, c, …, each a little less faithful than the one before, five times, then again from the start;
    /// the first ones are near published fits (the donations of Fader, Hardie & Shang 2010, the regular cohort of Fader & Hardie
    /// 2007). More are drawn from a hierarchy around the first.
    pub fn new(model: CountedModel, customers: u64, groups: u32, seed: u64) -> Self {
        let hierarchy = (groups > LETTERS).then(|| CountedHierarchy::around(&first(model)));
        let truth = |index: u32| match &hierarchy {
            None => chosen(model, index),
            Some(h) => h.draw(model, seed, index, numbered(index, groups)),
        };
        Self {
            model,
            customers,
            start: NaiveDate::from_ymd_opt(2024, 1, 1).unwrap_or_default(),
            acquisition_days: 90,
            observe_days: 366,
            period: Resolution::Month,
            seed,
            groups: (0..groups).map(truth).collect(),
            hierarchy,
        }
    }

    /// Refuses what cannot be simulated.
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: String, seen: String| Error::new(what).at("simulate").seen(seen);
        if self.customers == 0 || self.groups.is_empty() {
            let seen = format!("{}, {}", self.customers, self.groups.len());
            return Err(refuse("there must be at least one customer and one group".to_owned(), seen));
        }
        if self.acquisition_days == 0 || self.acquisition_days > self.observe_days {
            let what = "acquisition_days must lie between 1 and observe_days".to_owned();
            return Err(refuse(what, self.acquisition_days.to_string()));
        }
        let last = self.start.checked_add_days(Days::new(u64::from(self.observe_days - 1)));
        let Some(last) = last.filter(|last| last.succ_opt().is_some()) else {
            return Err(refuse("the last day lies outside the calendar".to_owned(), self.observe_days.to_string()));
        };
        if self.period.is_cut_by(last) {
            let whole = (self.period.period_start(last) - self.start).num_days();
            return Err(refuse(
                format!("the last day observed must be the last day of a {}", self.period),
                last.to_string(),
            )
            .advice(format!("e.g. --observe-days {whole}, or another --period or --start")));
        }
        for g in &self.groups {
            let is_buyer = g.buyer.is_some();
            if is_buyer != (self.model == CountedModel::BgBb) {
                let what = format!("group {:?} belongs to another model", g.label);
                return Err(refuse(what, format!("{:?}", g.buyer)));
            }
            if let Some((name, value)) = g.named().into_iter().find(|(_, v)| !(v.is_finite() && *v > 0.0)) {
                return Err(refuse(format!("{name} of group {:?} must be above 0", g.label), value.to_string()));
            }
        }
        Ok(())
    }
}

impl CountedTruth {
    /// Each parameter with its name, for checks.
    fn named(&self) -> Vec<(&'static str, f64)> {
        let own = [("share", self.share), ("alpha", self.alpha), ("beta", self.beta)];
        let buyer = self
            .buyer
            .iter()
            .flat_map(|b| [("gamma", b.gamma), ("delta", b.delta), ("p", b.p), ("q", b.q), ("v", b.v)]);
        own.into_iter().chain(buyer).collect()
    }
}

/// The first group: near a published fit.
fn first(model: CountedModel) -> CountedTruth {
    let GroupTruth { p, q, v, .. } = GroupTruth::cdnow("a");
    let of = |alpha, beta, buyer| CountedTruth { label: "a".to_owned(), share: 1.0, alpha, beta, buyer };
    match model {
        CountedModel::BgBb => of(1.2, 0.75, Some(BuyerTruth { gamma: 0.66, delta: 2.8, p, q, v })),
        CountedModel::SBg => of(0.7, 1.2, None),
    }
}

fn chosen(model: CountedModel, index: u32) -> CountedTruth {
    let step = f64::from(index % 5);
    let truth = first(model);
    let label = char::from(b'a' + (index % LETTERS) as u8).to_string();
    match truth.buyer {
        None => CountedTruth { label, alpha: truth.alpha * 1.2_f64.powf(step), ..truth },
        Some(buyer) => CountedTruth {
            label,
            beta: truth.beta * 1.3_f64.powf(step),
            buyer: Some(BuyerTruth {
                gamma: buyer.gamma * 1.15_f64.powf(step),
                v: buyer.v * 1.2_f64.powf(step),
                ..buyer
            }),
            ..truth
        },
    }
}

impl CountedHierarchy {
    fn around(centre: &CountedTruth) -> Self {
        let mean = |a: f64, b: f64| Normal { mu: (a / b).ln(), sigma: SPREAD.0 };
        let kappa = |a: f64, b: f64| Normal { mu: (a + b).ln(), sigma: SPREAD.1 };
        Self {
            mean: mean(centre.alpha, centre.beta),
            kappa: kappa(centre.alpha, centre.beta),
            dropout_mean: centre.buyer.map(|b| mean(b.gamma, b.delta)),
            dropout_kappa: centre.buyer.map(|b| kappa(b.gamma, b.delta)),
        }
    }

    /// The parameters of group `index`: a matter of seed and index alone.
    fn draw(&self, model: CountedModel, seed: u64, index: u32, label: String) -> CountedTruth {
        let mut rng = Stream::new(seed, Purpose::Simulation, u64::from(index), GROUP_ADDRESS);
        let mut shapes = |mean: Normal, kappa: Normal| {
            let mut z = |of: Normal| of.mu + of.sigma * rng.normal();
            let (share, kappa) = (1.0 / (1.0 + (-z(mean)).exp()), z(kappa).exp());
            (share * kappa, (1.0 - share) * kappa)
        };
        let (alpha, beta) = shapes(self.mean, self.kappa);
        let dropout = self.dropout_mean.zip(self.dropout_kappa).map(|(mean, kappa)| shapes(mean, kappa));
        let centre = first(model);
        let buyer = centre.buyer.zip(dropout).map(|(b, (gamma, delta))| BuyerTruth { gamma, delta, ..b });
        CountedTruth { label, alpha, beta, buyer, ..centre }
    }
}

/// The distributions of one group.
struct GroupLaw {
    /// Upper end of the group in the cumulated shares, 0 to 1.
    upto: f64,
    chance: Beta<f64>,
    buyer: Option<BuyerLaw>,
}

struct BuyerLaw {
    leaving: Beta<f64>,
    spend_rate: Gamma<f64>,
    /// Shape of an amount.
    p: f64,
}

/// How all customers of a simulation live.
pub(super) struct CountedLaw<'a> {
    spec: &'a CountedSpec,
    groups: Vec<GroupLaw>,
    /// Days since the first one on which periods begin, the first one's on day 0; the end of the last one behind them.
    starts: Vec<u32>,
}

/// A contract: periods at whose end the customer decided, and whether the last decision was to leave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contract {
    pub(super) group: u32,
    pub(super) age: u32,
    pub(super) lost: bool,
}

impl<'a> CountedLaw<'a> {
    /// The law of a specification that was checked.
    pub(super) fn of(spec: &'a CountedSpec) -> Result<Self> {
        let total: f64 = spec.groups.iter().map(|g| g.share).sum();
        let mut upto = 0.0;
        let group = |truth: &CountedTruth| {
            upto += truth.share / total;
            let refused =
                |name: &str| Error::new(format!("group {:?} has impossible {name}", truth.label)).at("simulate");
            let buyer = |b: BuyerTruth| {
                Ok::<_, Error>(BuyerLaw {
                    leaving: Beta::new(b.gamma, b.delta).map_err(|e| refused("gamma, delta").because(e))?,
                    spend_rate: Gamma::new(b.q, 1.0 / b.v).map_err(|e| refused("q, v").because(e))?,
                    p: b.p,
                })
            };
            Ok(GroupLaw {
                upto,
                chance: Beta::new(truth.alpha, truth.beta).map_err(|e| refused("alpha, beta").because(e))?,
                buyer: truth.buyer.map(buyer).transpose()?,
            })
        };
        let groups = spec.groups.iter().map(group).collect::<Result<_>>()?;
        let begins = |day: &u32| {
            let date = spec.start + Days::new(u64::from(*day));
            *day == 0 || spec.period.period_start(date) == date
        };
        Ok(Self { spec, groups, starts: (0..=spec.observe_days).filter(begins).collect() })
    }

    /// The period that a day lies in, from 0.
    pub(super) fn period_of(&self, day: u32) -> u32 {
        (self.starts.partition_point(|start| *start <= day) - 1) as u32
    }

    /// The last period observed.
    pub(super) fn last_period(&self) -> u32 {
        (self.starts.len() - 2) as u32
    }

    /// A customer's stream, group, and first day.
    fn begin(&self, customer: u64) -> (Stream, usize, u32) {
        let mut rng = Stream::new(self.spec.seed, Purpose::Simulation, customer, 0);
        let place = rng.uniform();
        // Rounding may leave the last sum of shares a little below 1.
        let group = self.groups.partition_point(|g| g.upto <= place).min(self.groups.len() - 1);
        let day = (rng.uniform() * f64::from(self.spec.acquisition_days)) as u32;
        (rng, group, day)
    }

    /// The contract of one customer: every period begun ends with a decision, the last one observed included.
    pub(super) fn contract(&self, customer: u64) -> Contract {
        let (mut rng, group, day) = self.begin(customer);
        let periods = self.last_period() + 1 - self.period_of(day);
        let theta = self.groups[group].chance.sample(&mut rng);
        let lost_at = (1..=periods).find(|_| rng.uniform() < theta);
        Contract { group: group as u32, age: lost_at.unwrap_or(periods), lost: lost_at.is_some() }
    }
}

impl Lives for CountedLaw<'_> {
    fn customers(&self) -> u64 {
        self.spec.customers
    }

    fn live(&self, customer: u64, mut buy: impl FnMut(Purchase)) -> u32 {
        let (mut rng, group, day) = self.begin(customer);
        let GroupLaw { chance, buyer, .. } = &self.groups[group];
        let Some(BuyerLaw { leaving, spend_rate, p: shape }) = buyer else { return group as u32 };
        let (p, theta) = (chance.sample(&mut rng), leaving.sample(&mut rng));
        let spend = Gamma::new(*shape, 1.0 / spend_rate.sample(&mut rng)).ok();
        buy(Purchase { time: f64::from(day), cents: amount(spend.as_ref(), &mut rng) });
        for period in self.period_of(day) + 1..=self.last_period() {
            if rng.uniform() < theta {
                break;
            }
            if rng.uniform() < p {
                let [from, to] = [0, 1].map(|k| f64::from(self.starts[period as usize + k]));
                let time = from + rng.uniform() * (to - from);
                buy(Purchase { time, cents: amount(spend.as_ref(), &mut rng) });
            }
        }
        group as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn periods_are_the_calendars() {
        let spec = CountedSpec::new(CountedModel::BgBb, 10, 1, 1);
        let law = CountedLaw::of(&spec).unwrap();
        assert_eq!((law.starts.len(), law.starts[1], law.starts[12], law.last_period()), (13, 31, 366, 11));
        assert_eq!((law.period_of(0), law.period_of(30), law.period_of(31), law.period_of(365)), (0, 0, 1, 11));
        let weeks = CountedSpec { period: Resolution::Week, ..spec.clone() };
        let said = weeks.check().unwrap_err().to_string();
        assert!(said.contains("last day of a week") && said.contains("--observe-days 364"), "{said}");
        assert!(CountedSpec { observe_days: 364, ..weeks }.check().is_ok());
    }

    /// Shares of a large simulation within five standard errors of the Beta means.
    #[test]
    fn customers_buy_leave_and_renew_as_often_as_told() {
        let spec = CountedSpec { acquisition_days: 1, ..CountedSpec::new(CountedModel::BgBb, 100_000, 1, 3) };
        let law = CountedLaw::of(&spec).unwrap();
        let truth = first(CountedModel::BgBb);
        let buyer = truth.buyer.unwrap();
        let mean = |a: f64, b: f64| a / (a + b);
        // At the first opportunity: still there, and buys.
        let expected = mean(truth.alpha, truth.beta) * mean(buyer.delta, buyer.gamma);
        let mut bought = 0;
        for customer in 0..spec.customers {
            law.live(customer, |purchase| bought += u32::from(law.period_of(purchase.day()) == 1));
        }
        let near = |seen: u32, share: f64| {
            let n = spec.customers as f64;
            (f64::from(seen) - n * share).abs() < 5.0 * (n * share * (1.0 - share)).sqrt()
        };
        assert!(near(bought, expected), "{bought} for {expected}");

        let contracts =
            CountedSpec { groups: vec![first(CountedModel::SBg)], model: CountedModel::SBg, ..spec.clone() };
        let law = CountedLaw::of(&contracts).unwrap();
        let (mut once, mut stayed) = (0, 0);
        for customer in 0..spec.customers {
            let Contract { age, lost, .. } = law.contract(customer);
            once += u32::from(lost && age == 1);
            stayed += u32::from(!lost);
            assert!(lost || age == 12);
        }
        let CountedTruth { alpha, beta, .. } = first(CountedModel::SBg);
        let survival: f64 = (0..12).map(|j| (beta + f64::from(j)) / (alpha + beta + f64::from(j))).product();
        assert!(near(once, mean(alpha, beta)) && near(stayed, survival), "{once} {stayed}");
    }

    #[test]
    fn many_groups_come_from_a_hierarchy() {
        for model in [CountedModel::BgBb, CountedModel::SBg] {
            let spec = CountedSpec::new(model, 10, 2000, 7);
            let h = spec.hierarchy.unwrap();
            let z: Vec<f64> = spec.groups.iter().map(|g| (g.alpha / g.beta).ln()).collect();
            let centre = z.iter().sum::<f64>() / 2000.0;
            // Five standard errors of a mean.
            assert!((centre - h.mean.mu).abs() < 5.0 * h.mean.sigma / 2000f64.sqrt(), "{centre}");
            assert!(spec.check().is_ok() && spec.groups[1999].label == "g2000");
            assert!(CountedSpec::new(model, 10, 3, 7).hierarchy.is_none());
        }
    }
}
