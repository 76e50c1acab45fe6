//! What priors mean to a shop: a year of new customers under each draw from the prior, in purchases and money.
//!
//! | symbol | meaning |
//! | ------ | ------- |
//! | λ ~ Gamma(r, rate α) | purchases per time unit while active |
//! | N ~ Poisson(λ t) | purchases that a customer would make who never leaves |
//! | G | the purchase after which they leave, with chance p ~ Beta(a, b) each; or they leave at a time ~ Exponential(μ), μ ~ Gamma(s, rate β) |
//! | p/ν, ν ~ Gamma(q, rate v) | mean spend per purchase of a customer |

use ndarray::ArrayView2;
use rand_distr::{Beta, Distribution, Gamma, Poisson};
use serde::{Deserialize, Serialize};

use crate::diagnose::quantile;
use crate::kernels::rng::{Purpose, Stream};
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
    /// r, α and the two parameters of leaving.
    pub purchase: ArrayView2<'a, f64>,
    /// p, q, v, with a spend model.
    pub spend: Option<ArrayView2<'a, f64>>,
}

/// How customers leave, in which clock.
#[derive(Debug, Clone, Copy)]
pub(super) struct World {
    pub dropout: Dropout,
    pub time_unit_days: f64,
    pub seed: u64,
}

/// One draw's answers; none where a question has no answer (no spend model, one group).
#[derive(Debug, Default)]
struct Answers {
    mean: f64,
    median: f64,
    none: f64,
    group_factor: Option<f64>,
    median_spend: Option<f64>,
    revenue: Option<f64>,
    spend_factor: Option<f64>,
}

/// What is asked: key, words, unit, answer.
type Question = (&'static str, &'static str, &'static str, fn(&Answers) -> Option<f64>);

const QUESTIONS: [Question; 7] = [
    ("mean_repeat_purchases", "repeat purchases in a year, mean customer", "purchases", |a| Some(a.mean)),
    ("median_repeat_purchases", "repeat purchases in a year, median customer", "purchases", |a| Some(a.median)),
    ("share_without_repeat", "share that does not buy again within a year", "share", |a| Some(a.none)),
    ("group_purchase_factor", "purchase rate of a group one sd above the middle, over the middle", "factor", |a| {
        a.group_factor
    }),
    ("median_spend", "spend per purchase, median customer", "currency", |a| a.median_spend),
    ("mean_repeat_revenue", "spend on repeat purchases in a year, mean customer", "currency", |a| a.revenue),
    ("group_spend_factor", "spend per purchase of a group one sd above the middle, over the middle", "factor", |a| {
        a.spend_factor
    }),
];

/// Quantiles over draws of what they mean.
pub(super) fn meanings<'a>(world: World, draws: impl Iterator<Item = Draw<'a>>) -> Vec<Meaning> {
    let answers: Vec<Answers> = draws.map(|draw| answer(world, &draw)).collect();
    QUESTIONS
        .iter()
        .filter_map(|&(key, what, unit, of)| {
            let values: Vec<f64> = answers.iter().filter_map(of).collect();
            (!values.is_empty()).then(|| Meaning {
                key: key.to_owned(),
                what: what.to_owned(),
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
    let mut purchases = Vec::with_capacity(CUSTOMERS);
    let (mut spends, mut revenue) = (Vec::new(), 0.0);
    for customer in 0..CUSTOMERS {
        let stream = &mut Stream::new(world.seed, Purpose::Prior, draw.draw, 1 + customer as u32);
        let theta = draw.purchase.row(customer % groups);
        let year = YEAR_DAYS / world.time_unit_days;
        let x = repeat_purchases(world.dropout, &theta.to_vec(), year, stream);
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
        mean: purchases.iter().sum::<f64>() / CUSTOMERS as f64,
        median: quantile(&purchases, 0.5),
        none: purchases.iter().filter(|&&x| x == 0.0).count() as f64 / CUSTOMERS as f64,
        group_factor: factor(draw.purchase.rows().into_iter().map(|t| ln_rate(world.dropout, t[0], t[1]))),
        median_spend: with_spend(quantile(&spends, 0.5)),
        revenue: with_spend(revenue),
        // p v/q: a customer of average spend rate.
        spend_factor: draw.spend.and_then(|s| factor(s.rows().into_iter().map(|t| (t[0] * t[2] / t[1]).ln()))),
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

/// ln of a group's mean purchase rate, or of its median where rates are lognormal, from its first two parameters.
fn ln_rate(dropout: Dropout, first: f64, second: f64) -> f64 {
    if dropout == Dropout::AnyTimeTogether { first.ln() } else { (first / second).ln() }
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
    let [r, alpha, first, second] = std::array::from_fn(|k| theta[k]);
    let rate = gamma(r, alpha, stream);
    match dropout {
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
    use crate::kernels::{bg_nbd, mbg_nbd, pareto_abe, pareto_nbd};

    /// Customers of one group against the closed expectations of the kernels.
    #[test]
    fn a_year_of_new_customers_has_the_expectation_of_the_model() {
        let (theta, together) = ([0.8, 6.0, 0.9, 2.5], [0.1, 0.02, 0.9, 1.1, 0.5]);
        let rows: [(Dropout, &[f64], f64); 4] = [
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
            // Four and a half standard errors of four comparisons; the stream is fixed.
            assert!((mean - expected).abs() < 4.5 * error, "{dropout:?}: {mean} ± {error}");
        }
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
        let world = World { dropout: Dropout::AfterRepeat, time_unit_days: 7.0, seed: 1 };
        let draws = (0..20).map(|draw| Draw { draw, purchase: purchase.view(), spend: None });
        let told = meanings(world, draws);
        assert_eq!(told.len(), 4, "three of purchases and one of groups");
        assert!(told.iter().all(|m| m.q05 <= m.q50 && m.q50 <= m.q95), "{told:?}");
    }
}
