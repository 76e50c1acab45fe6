//! What priors mean to a shop: a year of new customers under each draw from the prior, in purchases and money; of opportunities, as many
//! as a year has; of contracts, how many are kept.
//!
//! | symbol | meaning |
//! | ------ | ------- |
//! | λ ~ Gamma(r, rate α) | purchases per time unit while active |
//! | N ~ Poisson(λ t) | purchases that a customer would make who never leaves |
//! | G | the purchase after which they leave, with chance p ~ Beta(a, b) each; or they leave at a time ~ Exponential(μ), μ ~ Gamma(s, rate β) |
//! | C ~ Binomial(L, p), p ~ Beta(α, β) | purchases at L opportunities, of n the customer lived to see L |
//! | S(t) | share of contracts kept beyond the ends of t periods |
//! | p/ν, ν ~ Gamma(q, rate v) | mean spend per purchase of a customer |

use ndarray::{ArrayView1, ArrayView2};
use rand_distr::{Beta, Binomial, Distribution, Gamma, Poisson};
use serde::{Deserialize, Serialize};

use crate::diagnose::quantile;
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::s_bg;
use crate::model::Dropout;

/// Customers made of each draw, groups in turn.
const CUSTOMERS: usize = 256;

/// Days in a year.
const YEAR_DAYS: f64 = 365.25;

/// Purchases above which a count is no longer drawn but taken at its mean: any such prior is a mistake.
const MANY: f64 = 1e9;

/// One thing that the priors say, with what lies between nine draws in ten.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Meaning {
    /// Short name, for programs.
    pub key: String,
    /// What it is, in words.
    pub what: String,
    /// `purchases`, `share`, `currency` or `factor`.
    pub unit: String,
    /// 5 % quantile over draws from the prior.
    pub q05: f64,
    /// Median.
    pub q50: f64,
    /// 95 % quantile.
    pub q95: f64,
}

/// One draw: the parameters `[group, k]` of both fits.
pub(super) struct Draw<'a> {
    /// Index of the draw.
    pub draw: u64,
    /// The parameters of buying and leaving: r, α and two more, or those of Abe's model, of opportunities or of contracts.
    pub purchase: ArrayView2<'a, f64>,
    /// p, q, v, with a spend model.
    pub spend: Option<ArrayView2<'a, f64>>,
}

/// What customers do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Law {
    /// They buy at any time until they leave.
    AnyTime(Dropout),
    /// They buy or not at opportunities.
    Opportunities,
    /// They renew a contract or not.
    Contracts,
}

/// What customers do, in which clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub law: Law,
    /// Days in a time unit, an opportunity or a period.
    pub time_unit_days: f64,
    pub seed: u64,
}

impl World {
    /// How long customers are looked at: a year, of opportunities ten where a year has hardly any.
    fn time(&self) -> f64 {
        let year = YEAR_DAYS / self.time_unit_days;
        match (self.law, year.round()) {
            (Law::Opportunities, few) if few < FEW => TEN,
            (Law::Opportunities, whole) => whole,
            _ => year,
        }
    }
}

/// Opportunities in a year that are too few to say much.
const FEW: f64 = 4.0;

/// Opportunities that are asked about then.
const TEN: f64 = 10.0;

/// One draw's answers; none where a question has no answer (no spend model, one group, contracts).
#[derive(Debug, Default)]
struct Answers {
    mean: Option<f64>,
    median: Option<f64>,
    none: Option<f64>,
    kept: [Option<f64>; 3],
    group_factor: Option<f64>,
    median_spend: Option<f64>,
    revenue: Option<f64>,
    spend_factor: Option<f64>,
}

/// What is asked: key, words, unit, answer.
type Question = (&'static str, String, &'static str, fn(&Answers) -> Option<f64>);

/// Periods after which contracts are counted.
const KEPT_AFTER: [u32; 3] = [1, 2, 5];

/// All that can be asked, in the words of a law; what has no answer is left out later.
fn questions(world: World) -> [Question; 10] {
    let (during, within, habit) = match world.law {
        Law::AnyTime(_) => ("in a year".to_owned(), "within a year".to_owned(), "purchase rate"),
        Law::Opportunities => {
            let first = format!("at the next {} opportunities", world.time());
            (first.clone(), first, "chance to buy")
        }
        Law::Contracts => (String::new(), String::new(), "first-period loss"),
    };
    let kept = |periods: u32| {
        format!("share of contracts kept after {periods} {}", if periods == 1 { "period" } else { "periods" })
    };
    let [first, second, third] = KEPT_AFTER.map(kept);
    let over = "of a group one sd above the middle, over the middle";
    [
        ("mean_repeat_purchases", format!("repeat purchases {during}, mean customer"), "purchases", |a| a.mean),
        ("median_repeat_purchases", format!("repeat purchases {during}, median customer"), "purchases", |a| a.median),
        ("share_without_repeat", format!("share that does not buy again {within}"), "share", |a| a.none),
        ("kept_after_1", first, "share", |a| a.kept[0]),
        ("kept_after_2", second, "share", |a| a.kept[1]),
        ("kept_after_5", third, "share", |a| a.kept[2]),
        ("group_purchase_factor", format!("{habit} {over}"), "factor", |a| a.group_factor),
        ("median_spend", "spend per purchase, median customer".to_owned(), "currency", |a| a.median_spend),
        ("mean_repeat_revenue", format!("spend on repeat purchases {during}, mean customer"), "currency", |a| {
            a.revenue
        }),
        ("group_spend_factor", format!("spend per purchase {over}"), "factor", |a| a.spend_factor),
    ]
}

/// Quantiles over draws of what they mean.
pub(super) fn meanings<'a>(world: World, draws: impl Iterator<Item = Draw<'a>>) -> Vec<Meaning> {
    let answers: Vec<Answers> = draws.map(|draw| answer(world, &draw)).collect();
    questions(world)
        .into_iter()
        .filter_map(|(key, what, unit, of)| {
            let values: Vec<f64> = answers.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| Meaning {
                key: key.to_owned(),
                what,
                unit: unit.to_owned(),
                q05: quantile(&values, 0.05),
                q50: quantile(&values, 0.5),
                q95: quantile(&values, 0.95),
            })
        })
        .collect()
}

fn answer(world: World, draw: &Draw<'_>) -> Answers {
    let groups = draw.purchase.nrows();
    let group_factor = factor(draw.purchase.rows().into_iter().map(|t| ln_habit(world.law, t[0], t[1])));
    if world.law == Law::Contracts {
        let kept = |periods: u32| {
            let of = |theta: ArrayView1<'_, f64>| s_bg::survival([theta[0], theta[1]], periods);
            Some(draw.purchase.rows().into_iter().map(of).sum::<f64>() / groups as f64)
        };
        return Answers { kept: KEPT_AFTER.map(kept), group_factor, ..Answers::default() };
    }
    let mut purchases = Vec::with_capacity(CUSTOMERS);
    let (mut spends, mut revenue) = (Vec::new(), 0.0);
    for customer in 0..CUSTOMERS {
        let stream = &mut Stream::new(world.seed, Purpose::Prior, draw.draw, 1 + customer as u32);
        let theta = draw.purchase.row(customer % groups);
        let x = match world.law {
            Law::AnyTime(dropout) => repeat_purchases(dropout, &theta.to_vec(), world.time(), stream),
            _ => at_opportunities(&theta.to_vec(), world.time(), stream),
        };
        purchases.push(x);
        if let Some(spend) = draw.spend {
            let of = spend.row(customer % groups);
            let spend = of[0] / gamma(of[1], of[2], stream);
            spends.push(spend);
            revenue += x * spend / CUSTOMERS as f64;
        }
    }
    let with_spend = |value: f64| (!spends.is_empty()).then_some(value);
    Answers {
        mean: Some(purchases.iter().sum::<f64>() / CUSTOMERS as f64),
        median: Some(quantile(&purchases, 0.5)),
        none: Some(purchases.iter().filter(|&&x| x == 0.0).count() as f64 / CUSTOMERS as f64),
        group_factor,
        median_spend: with_spend(quantile(&spends, 0.5)),
        revenue: with_spend(revenue),
        // p v/q: a customer of average spend rate.
        spend_factor: draw.spend.and_then(|s| factor(s.rows().into_iter().map(|t| (t[0] * t[2] / t[1]).ln()))),
        ..Answers::default()
    }
}

/// e^sd of logarithms over groups; none with one group.
fn factor(logs: impl Iterator<Item = f64>) -> Option<f64> {
    let logs: Vec<f64> = logs.collect();
    let n = logs.len() as f64;
    let mean = logs.iter().sum::<f64>() / n;
    let variance = logs.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (logs.len() > 1).then(|| variance.sqrt().exp())
}

/// ln of a group's mean purchase rate, or of its median where rates are lognormal, or of its mean chance, from its first two parameters.
fn ln_habit(law: Law, first: f64, second: f64) -> f64 {
    match law {
        Law::AnyTime(Dropout::AnyTimeTogether) => first.ln(),
        Law::AnyTime(_) => (first / second).ln(),
        // 1/(1 + β/α): neither sum nor quotient runs out of range.
        Law::Opportunities | Law::Contracts => -(second / first).ln_1p(),
    }
}

/// Purchases of a new customer at the next `n` opportunities.
fn at_opportunities(theta: &[f64], n: f64, stream: &mut Stream) -> f64 {
    let [p, leaving] = [beta(theta[0], theta[1], stream), beta(theta[2], theta[3], stream)];
    // P(L ≥ j) = (1 − θ)ʲ.
    let seen = (stream.uniform().ln() / (-leaving).ln_1p()).floor().clamp(0.0, n);
    Binomial::new(seen as u64, p).map_or(seen * p, |binomial| binomial.sample(stream) as f64)
}

/// Beta(a, b): its mean where the parameters are beyond what can be drawn.
fn beta(a: f64, b: f64, stream: &mut Stream) -> f64 {
    let p = Beta::new(a, b).map_or(f64::NAN, |beta| beta.sample(stream));
    if p.is_nan() { 1.0 / (1.0 + b / a) } else { p }
}

/// Repeat purchases of a new customer within `time`.
fn repeat_purchases(dropout: Dropout, theta: &[f64], time: f64, stream: &mut Stream) -> f64 {
    if let (Dropout::AnyTimeTogether, &[rate, death, sd_rate, sd_death, corr]) = (dropout, theta) {
        let (u, v) = (stream.normal(), stream.normal());
        let lambda = rate * (sd_rate * u).exp();
        let mu = death * (sd_death * (corr * u + (1.0 - corr * corr).sqrt() * v)).exp();
        let life = -stream.uniform().ln() / mu;
        return poisson(lambda * time.min(life), stream);
    }
    let rate = gamma(theta[0], theta[1], stream);
    // 1 for parameters that the model does not have.
    let [first, second] = [2, 3].map(|k| theta.get(k).copied().unwrap_or(1.0));
    match dropout {
        Dropout::Never => poisson(rate * time, stream),
        Dropout::AfterRepeat | Dropout::AfterAny => {
            let p = Beta::new(first, second).map_or(first / (first + second), |beta| beta.sample(stream));
            // The number of chances until one is taken: P(G > n) = (1 − p)ⁿ.
            let chances = (stream.uniform().ln() / (-p).ln_1p()).ceil().max(1.0);
            let most = if dropout == Dropout::AfterAny { chances - 1.0 } else { chances };
            poisson(rate * time, stream).min(most)
        }
        Dropout::AnyTime | Dropout::AnyTimeTogether => {
            let life = -stream.uniform().ln() / gamma(first, second, stream);
            poisson(rate * time.min(life), stream)
        }
    }
}

/// Gamma(shape, rate): its mean where the shape is beyond what can be drawn.
fn gamma(shape: f64, rate: f64, stream: &mut Stream) -> f64 {
    Gamma::new(shape, 1.0 / rate).map_or(shape / rate, |gamma| gamma.sample(stream))
}

fn poisson(mean: f64, stream: &mut Stream) -> f64 {
    match Poisson::new(mean) {
        Ok(poisson) if mean < MANY => poisson.sample(stream),
        _ => mean.max(0.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::{bg_bb, bg_nbd, mbg_nbd, nbd, pareto_abe, pareto_nbd};

    /// Customers of one group against the closed expectations of the kernels.
    #[test]
    fn a_year_of_new_customers_has_the_expectation_of_the_model() {
        let (theta, together) = ([0.8, 6.0, 0.9, 2.5], [0.1, 0.02, 0.9, 1.1, 0.5]);
        let rows: [(Dropout, &[f64], f64); 5] = [
            (Dropout::Never, &theta[..2], nbd::expected_purchases([theta[0], theta[1]], 0, 0.0, 52.0)),
            (Dropout::AfterRepeat, &theta, bg_nbd::expected_purchases_new(theta, 52.0)),
            (Dropout::AfterAny, &theta, mbg_nbd::expected_purchases_new(theta, 52.0)),
            (Dropout::AnyTime, &theta, pareto_nbd::expected_purchases_new(theta, 52.0)),
            (Dropout::AnyTimeTogether, &together, pareto_abe::expected_purchases_new(together, 52.0)),
        ];
        for (dropout, theta, expected) in rows {
            let n = 40_000;
            let counts: Vec<f64> = (0..n)
                .map(|i| repeat_purchases(dropout, theta, 52.0, &mut Stream::new(8, Purpose::Test, i, 0)))
                .collect();
            let mean = counts.iter().sum::<f64>() / n as f64;
            let variance = counts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let error = (variance / n as f64).sqrt();
            // Four and a half standard errors of five comparisons; the stream is fixed.
            assert!((mean - expected).abs() < 4.5 * error, "{dropout:?}: {mean} ± {error}");
        }
    }

    /// Customers at ten opportunities against the closed expectation and the chance of none.
    #[test]
    fn opportunities_of_new_customers_have_the_expectation_of_the_model() {
        for theta in [[1.2, 0.75, 0.66, 2.78], [0.3, 2.0, 5.0, 1.0]] {
            let n = 40_000;
            let counts: Vec<f64> =
                (0..n).map(|i| at_opportunities(&theta, 10.0, &mut Stream::new(8, Purpose::Test, i, 0))).collect();
            let mean = counts.iter().sum::<f64>() / n as f64;
            let none = counts.iter().filter(|&&x| x == 0.0).count() as f64 / n as f64;
            let variance = counts.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n as f64;
            let (expected, chance) =
                (bg_bb::expected_purchases_new(theta, 10), bg_bb::probability_of(theta, 0, 0, 0, 10, 0));
            // Four and a half standard errors of four comparisons; the stream is fixed.
            assert!((mean - expected).abs() < 4.5 * (variance / n as f64).sqrt(), "{theta:?}: {mean} {expected}");
            assert!((none - chance).abs() < 4.5 * (chance * (1.0 - chance) / n as f64).sqrt(), "{none} {chance}");
        }
    }

    /// Years have twelve months, of which all count, and one year, of which ten do. Contracts are kept as the products of retention
    /// say: α 1, β 1 keep 1/(1+t) of them after t periods.
    #[test]
    fn counted_models_are_told_in_their_own_words() {
        let told = |law, time_unit_days, parameters: ndarray::Array2<f64>| {
            let world = World { law, time_unit_days, seed: 1 };
            let draws = (0..20).map(|draw| Draw { draw, purchase: parameters.view(), spend: None });
            meanings(world, draws)
        };
        let donors = ndarray::array![[1.2, 0.75, 0.66, 2.78], [0.6, 0.75, 0.66, 2.78]];
        for (days, within) in [(30.4375, "at the next 12 opportunities"), (365.25, "at the next 10 opportunities")] {
            let rows = told(Law::Opportunities, days, donors.clone());
            let what: Vec<&str> = rows.iter().map(|m| m.what.as_str()).collect();
            assert_eq!(what[0], format!("repeat purchases {within}, mean customer"));
            assert_eq!(what[3], "chance to buy of a group one sd above the middle, over the middle");
            assert_eq!(rows.len(), 4, "{what:?}");
        }
        let rows = told(Law::Contracts, 30.4375, ndarray::array![[1.0, 1.0], [1.0, 1.0]]);
        let seen: Vec<(&str, f64)> = rows.iter().map(|m| (m.key.as_str(), m.q50)).collect();
        let expected = [
            ("kept_after_1", 0.5),
            ("kept_after_2", 1.0 / 3.0),
            ("kept_after_5", 1.0 / 6.0),
            ("group_purchase_factor", 1.0),
        ];
        assert_eq!(seen.len(), 4, "{seen:?}");
        for ((key, value), (name, truth)) in seen.iter().zip(expected) {
            assert!(*key == name && (value - truth).abs() < 1e-14, "{seen:?}");
        }
        assert_eq!(rows[1].what, "share of contracts kept after 2 periods");
    }

    #[test]
    fn groups_that_spread_say_by_what_factor() {
        assert_eq!(factor([0.7].into_iter()), None);
        // ln of 1, 2, 4: sd ln 2.
        assert!((factor([1f64, 2.0, 4.0].into_iter().map(f64::ln)).unwrap() - 2.0).abs() < 1e-12);
    }

    #[test]
    fn absurd_priors_still_have_an_answer() {
        let purchase = ndarray::array![[1e-3, 1e-9, 1e-3, 1e-3], [1e6, 1e-6, 1e6, 1e6]];
        let world = World { law: Law::AnyTime(Dropout::AfterRepeat), time_unit_days: 7.0, seed: 1 };
        let draws = (0..20).map(|draw| Draw { draw, purchase: purchase.view(), spend: None });
        let told = meanings(world, draws);
        assert_eq!(told.len(), 4, "three of purchases and one of groups");
        assert!(told.iter().all(|m| m.q05 <= m.q50 && m.q50 <= m.q95), "{told:?}");
    }
}
