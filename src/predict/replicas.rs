//! Customers as the fitted population would make them, each from the first purchase to the end of the calibration window, beside those
//! of the data: histograms of recency and spend, and test quantities with posterior predictive p-values (Gelman, Meng & Stern 1996,
//! "Posterior predictive assessment of model fitness via realized discrepancies", Statistica Sinica 6, 733–807).
//!
//! A replicated customer keeps group, covariates and time observed of one of the data, and nothing else. Of many customers an evenly
//! spaced part is looked at, of the data and of the replicas alike. What a p-value means to a shop is said elsewhere.

use rayon::prelude::*;

use super::future::{History, Outlook, beta, customer_address, gamma};
use super::totals::Interval;
use super::tracking::{TrackingSettings, thinned};
use super::{Counted, CountedPopulation, Population};
use crate::data::Summary;
use crate::error::Result;
use crate::kernels::rng::{Ahead, Purpose};

/// Customers looked at, at most.
const MOST_CUSTOMERS: usize = 10_000;

/// Bars of the histograms.
const BANDS: usize = 10;

/// Fewer customers with a repeat purchase, or with spend, than this say nothing.
const FEWEST: usize = 10;

/// The data and replicas of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Replicas {
    /// Customers looked at.
    pub customers: u64,
    /// Customers with a repeat purchase, by the tenth of their time observed in which the last one lies.
    pub recency: Vec<Band>,
    /// Customers with spend, by mean spend: ten bands that hold as many of the data each.
    pub spend: Vec<Band>,
    /// One number each.
    pub quantities: Vec<Quantity>,
}

/// One bar of a histogram.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    /// Its ends.
    pub label: String,
    /// Customers of the data.
    pub actual: u64,
    /// Predictive mean and 90 % band of `actual`.
    pub predicted: Interval,
}

/// A test quantity of the data, and of replicas of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantity {
    /// Which.
    pub of: TestOf,
    /// Of the data.
    pub observed: f64,
    /// Of the replicas: mean and 90 % interval.
    pub replicated: Interval,
    /// Share of the replicas above the observed value, ties counted half.
    pub p_value: f64,
}

/// What is looked at in one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TestOf {
    /// Share of customers without a repeat purchase.
    OneTimeShare,
    /// Mean number of repeat purchases.
    MeanRepeats,
    /// Standard deviation of the number of repeat purchases.
    SdRepeats,
    /// 99 % quantile of the number of repeat purchases.
    TopRepeats,
    /// Share of the repeat purchases that the busiest tenth of customers made.
    Concentration,
    /// Mean share of the time observed at which the last repeat purchase lies.
    MeanRecency,
    /// Share of customers with a repeat purchase who made one in the last tenth of their time.
    LateShare,
    /// Mean of customers' mean spend.
    MeanSpend,
    /// Standard deviation of ln mean spend.
    SdLogSpend,
    /// 99 % quantile of mean spend.
    TopSpend,
    /// Spearman correlation of number of repeat purchases and mean spend.
    FrequencySpend,
}

impl TestOf {
    /// All of them, those of spend last.
    pub const ALL: [Self; 11] = [
        Self::OneTimeShare,
        Self::MeanRepeats,
        Self::SdRepeats,
        Self::TopRepeats,
        Self::Concentration,
        Self::MeanRecency,
        Self::LateShare,
        Self::MeanSpend,
        Self::SdLogSpend,
        Self::TopSpend,
        Self::FrequencySpend,
    ];

    /// Its value; NaN where too few customers have what it is about.
    fn of(self, shop: &Shop) -> f64 {
        match self {
            Self::OneTimeShare => 1.0 - shop.repeaters as f64 / shop.repeats.len() as f64,
            Self::MeanRepeats => mean(&shop.repeats),
            Self::SdRepeats => sd(&shop.repeats),
            Self::TopRepeats => top(&shop.repeats),
            Self::Concentration => concentration(&shop.repeats),
            Self::MeanRecency => mean(&shop.recency),
            Self::LateShare => share(&shop.recency, |at| at > 0.9),
            Self::MeanSpend => mean(&shop.spend),
            Self::SdLogSpend => sd(&shop.spend.iter().map(|m| m.ln()).collect::<Vec<_>>()),
            Self::TopSpend => top(&shop.spend),
            Self::FrequencySpend => spearman(&shop.spenders_repeats, &shop.spend),
        }
    }
}

/// A set of customers, one column per thing looked at.
#[derive(Debug, Default)]
struct Shop {
    /// Repeat purchases of everyone, and how many have any.
    repeats: Vec<f64>,
    repeaters: usize,
    /// t_x / T of those with a repeat purchase.
    recency: Vec<f64>,
    /// Mean spend of those with spend, and their repeat purchases.
    spend: Vec<f64>,
    spenders_repeats: Vec<f64>,
}

/// One customer: repeat purchases, the share of the time observed at which the last lies, mean spend (0 for none).
#[derive(Debug, Clone, Copy)]
struct Seen {
    x: f64,
    at: f64,
    spend: f64,
}

impl Shop {
    fn of(customers: impl Iterator<Item = Seen>) -> Self {
        let mut shop = Self::default();
        for Seen { x, at, spend } in customers {
            shop.repeats.push(x);
            if x > 0.0 {
                shop.repeaters += 1;
                shop.recency.push(at);
            }
            if x > 0.0 && spend > 0.0 {
                shop.spend.push(spend);
                shop.spenders_repeats.push(x);
            }
        }
        for column in [&mut shop.recency, &mut shop.spend, &mut shop.spenders_repeats] {
            if column.len() < FEWEST {
                column.clear();
            }
        }
        shop
    }
}

/// Replicas of customers who buy at any time.
///
/// # Errors
/// Draws that do not fit the summary.
pub fn replicate(summary: &Summary, population: &Population, settings: &TrackingSettings) -> Result<Replicas> {
    population.check(summary)?;
    let has_spend = population.spend.is_some();
    let newcomer = |draw: usize, i: usize, rng: &mut Ahead| {
        let (group, age) = (summary.group[i] as usize, summary.age[i]);
        let law = population.law_of(draw, group, i);
        let start = History { x: 0, recency: 0.0, age: 0.0, monetary: 0.0 };
        let u = rng.uniform();
        let Some(made) = (age > 0.0).then(|| Outlook::new(&law, &start, age).purchases(u, rng)).flatten() else {
            return Seen { x: 0.0, at: 0.0, spend: 0.0 };
        };
        let x = f64::from(made.made);
        // The planned purchases are uniform up to `until`; the last one made is an order statistic of them.
        let at = made.until * beta(rng, x, f64::from(made.planned - made.made) + 1.0);
        let spend = population.spend.as_ref().map(|s| [s[[draw, group, 0]], s[[draw, group, 1]], s[[draw, group, 2]]]);
        Seen { x, at, spend: spend.map_or(0.0, |law| mean_spend(rng, law, x)) }
    };
    Ok(compare(summary, population.draws(), settings, has_spend, &newcomer))
}

/// Replicas of customers who buy or not at each of a row of opportunities; nothing of contracts, whose histories end by their loss.
///
/// # Errors
/// Draws that do not fit the summary.
pub fn replicate_counted(
    summary: &Summary,
    population: &CountedPopulation,
    settings: &TrackingSettings,
) -> Result<Replicas> {
    if population.counted == Counted::Contracts {
        return Ok(Replicas::default());
    }
    population.check(summary)?;
    let newcomer = |draw: usize, i: usize, rng: &mut Ahead| {
        let (group, n) = (summary.group[i] as usize, summary.age[i] as u32);
        let of = |k: usize| population.purchase[[draw, group, k]];
        let (buys, leaves) = (beta(rng, of(0), of(1)), beta(rng, of(2), of(3)));
        let (mut x, mut last) = (0_u32, 0_u32);
        for opportunity in 1..=n {
            if rng.uniform() < leaves {
                break;
            }
            if rng.uniform() < buys {
                (x, last) = (x + 1, opportunity);
            }
        }
        let x = f64::from(x);
        let spend = population.spend_at(draw, group).filter(|_| x > 0.0);
        Seen { x, at: f64::from(last) / f64::from(n.max(1)), spend: spend.map_or(0.0, |law| mean_spend(rng, law, x)) }
    };
    Ok(compare(summary, population.draws(), settings, population.spend.is_some(), &newcomer))
}

/// Mean spend of x purchases: ν ~ Gamma(q, v), their sum ~ Gamma(p x, ν).
fn mean_spend(rng: &mut Ahead, [p, q, v]: [f64; 3], x: f64) -> f64 {
    let nu = gamma(rng, q) / v;
    (gamma(rng, p * x) / (nu * x)).min(f64::MAX)
}

type Newcomer<'a> = dyn Fn(usize, usize, &mut Ahead) -> Seen + Sync + 'a;

fn compare(
    summary: &Summary,
    draws: usize,
    settings: &TrackingSettings,
    has_spend: bool,
    newcomer: &Newcomer<'_>,
) -> Replicas {
    let customers = thinned(summary.len(), MOST_CUSTOMERS);
    let real = Shop::of(customers.iter().map(|&i| {
        let (x, age) = (f64::from(summary.frequency[i]), summary.age[i]);
        let at = if age > 0.0 { summary.recency[i] / age } else { 0.0 };
        Seen { x, at, spend: if has_spend { summary.monetary[i] } else { 0.0 } }
    }));
    let cuts = cuts(&real.spend);
    let addresses: Vec<u64> = customers.iter().map(|&i| customer_address(&summary.customer_id[i])).collect();
    let figures = |shop: &Shop| Figures {
        quantities: TestOf::ALL.map(|of| of.of(shop)),
        recency: tenths(&shop.recency),
        spend: bands(&shop.spend, &cuts),
    };
    let replicated: Vec<Figures> = thinned(draws, settings.draws)
        .into_par_iter()
        .map(|draw| {
            figures(&Shop::of(customers.iter().zip(&addresses).map(|(&i, &address)| {
                let rng = &mut Ahead::new(settings.seed, Purpose::Replication, address, draw as u32);
                newcomer(draw, i, rng)
            })))
        })
        .collect();
    let actual = figures(&real);
    let band = |of: &dyn Fn(&Figures) -> f64| {
        let values: Vec<f64> = replicated.iter().map(of).filter(|v| v.is_finite()).collect();
        Interval::of(mean(&values), values)
    };
    let histogram = |counts: &dyn Fn(&Figures) -> &[u64], label: &dyn Fn(usize) -> String| -> Vec<Band> {
        let bar = |(k, &actual): (usize, &u64)| Band {
            label: label(k),
            actual,
            predicted: band(&|figures| counts(figures)[k] as f64),
        };
        let any = counts(&actual).iter().any(|count| *count > 0);
        counts(&actual).iter().enumerate().filter(|_| any).map(bar).collect()
    };
    let quantities = TestOf::ALL.into_iter().zip(actual.quantities).enumerate().filter_map(|(k, (of, observed))| {
        let values: Vec<f64> = replicated.iter().map(|f| f.quantities[k]).filter(|v| v.is_finite()).collect();
        let known = observed.is_finite() && 2 * values.len() > replicated.len();
        known.then(|| {
            let at_least =
                |value: &f64| if *value > observed { 1.0 } else { 0.5 * f64::from(u8::from(*value == observed)) };
            let p_value = values.iter().map(at_least).sum::<f64>() / values.len() as f64;
            Quantity { of, observed, replicated: Interval::of(mean(&values), values), p_value }
        })
    });
    Replicas {
        customers: customers.len() as u64,
        recency: histogram(&|figures| &figures.recency, &|k| {
            format!("{:.1}–{:.1}", k as f64 / 10.0, (k + 1) as f64 / 10.0)
        }),
        spend: histogram(&|figures| &figures.spend, &|k| spend_label(&cuts, k)),
        quantities: quantities.collect(),
    }
}

/// What is looked at of one set of customers.
struct Figures {
    quantities: [f64; TestOf::ALL.len()],
    recency: Vec<u64>,
    spend: Vec<u64>,
}

/// Customers by tenth; none without any.
fn tenths(shares: &[f64]) -> Vec<u64> {
    let mut counts = vec![0; BANDS];
    shares.iter().for_each(|at| counts[((at * BANDS as f64) as usize).min(BANDS - 1)] += 1);
    counts
}

/// The nine deciles, each once: nothing for fewer than two distinct ones.
fn cuts(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let decile = |k: usize| sorted.get(k * sorted.len() / BANDS).copied();
    let mut cuts: Vec<f64> = (1..BANDS).filter_map(decile).collect();
    cuts.dedup();
    cuts
}

fn bands(values: &[f64], cuts: &[f64]) -> Vec<u64> {
    if cuts.is_empty() {
        return Vec::new();
    }
    let mut counts = vec![0; cuts.len() + 1];
    values.iter().for_each(|v| counts[cuts.partition_point(|cut| cut <= v)] += 1);
    counts
}

fn spend_label(cuts: &[f64], k: usize) -> String {
    match (k.checked_sub(1).and_then(|below| cuts.get(below)), cuts.get(k)) {
        (None, Some(high)) => format!("under {high:.2}"),
        (Some(low), Some(high)) => format!("{low:.2}–{high:.2}"),
        (Some(low), None) => format!("{low:.2} and more"),
        (None, None) => String::new(),
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

fn sd(values: &[f64]) -> f64 {
    let m = mean(values);
    (values.iter().map(|x| (x - m) * (x - m)).sum::<f64>() / (values.len() as f64 - 1.0)).sqrt()
}

fn share(values: &[f64], is: impl Fn(f64) -> bool) -> f64 {
    values.iter().filter(|x| is(**x)).count() as f64 / values.len() as f64
}

/// The value that 1 % lie at or above.
fn top(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    sorted.get(sorted.len() * 99 / 100).copied().unwrap_or(f64::NAN)
}

fn concentration(repeats: &[f64]) -> f64 {
    let mut sorted = repeats.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    let total: f64 = sorted.iter().sum();
    sorted[..sorted.len().div_ceil(10)].iter().sum::<f64>() / total
}

/// Rank correlation, equal values sharing the mean of their ranks; NaN where one side never varies.
fn spearman(x: &[f64], y: &[f64]) -> f64 {
    let (x, y) = (ranks(x), ranks(y));
    let (mx, my) = (mean(&x), mean(&y));
    let dot = |a: &[f64], ma: f64, b: &[f64], mb: f64| a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum::<f64>();
    dot(&x, mx, &y, my) / (dot(&x, mx, &x, mx) * dot(&y, my, &y, my)).sqrt()
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut ranks = vec![0.0; values.len()];
    let mut before = 0;
    for tie in order.chunk_by(|&a, &b| values[a] == values[b]) {
        tie.iter().for_each(|&i| ranks[i] = before as f64 + (tie.len() as f64 + 1.0) / 2.0);
        before += tie.len();
    }
    ranks
}

#[cfg(test)]
mod tests {
    use rand_distr::{Beta, Distribution, Exp, Gamma};

    use super::*;
    use crate::kernels::rng::Stream;
    use crate::predict::tests_support::{CDNOW, CDNOW_SPEND, population, summary};

    const SETTINGS: TrackingSettings =
        TrackingSettings { seed: 9, draws: 200, days_per_time_unit: 7.0, observed_after: 0.0 };

    /// Customers of BG/NBD and Gamma-Gamma, purchase by purchase; `busier` of them buys that many times as often.
    fn shop(customers: u64, busier: f64, spend_follows: f64) -> Summary {
        let ([r, alpha, a, b], [p, q, v]) = (CDNOW, CDNOW_SPEND);
        let rows: Vec<_> = (0..customers)
            .map(|i| {
                let rng = &mut Stream::new(71, Purpose::Test, i, 0);
                let age = 30.0 + 9.0 * rng.uniform();
                let rate = busier * Gamma::new(r, 1.0 / alpha).unwrap().sample(rng);
                let leaves = Beta::new(a, b).unwrap().sample(rng);
                let (mut x, mut last, mut now) = (0_u32, 0.0, 0.0);
                loop {
                    now += Exp::new(rate.max(1e-12)).unwrap().sample(rng);
                    if now > age {
                        break;
                    }
                    (x, last) = (x + 1, now);
                    if rng.uniform() < leaves {
                        break;
                    }
                }
                let nu = Gamma::new(q, 1.0 / v).unwrap().sample(rng);
                let total = if x > 0 { Gamma::new(p * f64::from(x), 1.0 / nu).unwrap().sample(rng) } else { 0.0 };
                let spend = if x > 0 { total / f64::from(x) * f64::from(x).powf(spend_follows) } else { 0.0 };
                (x, last, age, spend)
            })
            .collect();
        summary(&rows)
    }

    fn p_values(summary: &Summary) -> Vec<(TestOf, f64)> {
        let replicas = replicate(summary, &population(200, CDNOW, Some(CDNOW_SPEND)), &SETTINGS).unwrap();
        replicas.quantities.iter().map(|q| (q.of, q.p_value)).collect()
    }

    #[test]
    fn customers_of_the_model_itself_are_nothing_unusual() {
        let summary = shop(4000, 1.0, 0.0);
        let replicas = replicate(&summary, &population(200, CDNOW, Some(CDNOW_SPEND)), &SETTINGS).unwrap();
        assert_eq!(replicas.quantities.len(), TestOf::ALL.len());
        // Eleven two-sided tests of 200 replicas at 1 in 100 each: one in ten shops would have one outside; this one has none.
        for q in &replicas.quantities {
            assert!((0.005..=0.995).contains(&q.p_value), "{q:?}");
            assert!(q.replicated.q05 <= q.replicated.mean && q.replicated.mean <= q.replicated.q95, "{q:?}");
        }
        for bands in [&replicas.recency, &replicas.spend] {
            assert_eq!(bands.len(), 10);
            let inside = |b: &&Band| (b.predicted.q05..=b.predicted.q95).contains(&(b.actual as f64));
            // Nine of ten are expected inside; six or fewer would happen once in 80 shops.
            assert!(bands.iter().filter(inside).count() >= 7, "{bands:?}");
        }
        let counted: u64 = replicas.recency.iter().map(|b| b.actual).sum();
        assert_eq!(counted, summary.frequency.iter().filter(|x| **x > 0).count() as u64);
    }

    #[test]
    fn what_the_model_does_not_make_is_told() {
        let p = |found: &[(TestOf, f64)], of| found.iter().find(|(seen, _)| *seen == of).unwrap().1;
        let busier = p_values(&shop(4000, 2.0, 0.0));
        assert_eq!((p(&busier, TestOf::MeanRepeats), p(&busier, TestOf::OneTimeShare)), (0.0, 1.0));
        assert!((0.005..=0.995).contains(&p(&busier, TestOf::SdLogSpend)));
        // Who buys often spends more each time: Gamma-Gamma cannot make that.
        let follows = p_values(&shop(4000, 1.0, 0.5));
        assert_eq!(p(&follows, TestOf::FrequencySpend), 0.0);
        assert!((0.005..=0.995).contains(&p(&follows, TestOf::MeanRepeats)));
    }

    #[test]
    fn shops_with_next_to_nothing_are_looked_at_without_a_panic() {
        for rows in [vec![], vec![(0, 0.0, 0.0, 0.0)], vec![(3, 2.0, 5.0, 0.0); 4], vec![(1, 1.0, 4.0, 7.0); 40]] {
            let summary = summary(&rows);
            let seen = replicate(&summary, &population(20, CDNOW, Some(CDNOW_SPEND)), &SETTINGS).unwrap();
            assert!(seen.quantities.iter().all(|q| q.p_value.is_finite() && q.observed.is_finite()), "{seen:?}");
        }
    }

    #[test]
    fn small_figures_are_what_they_are_by_hand() {
        assert_eq!(spearman(&[1.0, 2.0, 3.0], &[5.0, 9.0, 70.0]), 1.0);
        // Ranks 1.5, 1.5, 3 against 1, 2, 3: 1.5/√(1.5 · 2).
        assert!((spearman(&[4.0, 4.0, 9.0], &[1.0, 2.0, 3.0]) - 0.75_f64.sqrt()).abs() < 1e-15);
        assert!(spearman(&[1.0, 1.0], &[1.0, 2.0]).is_nan());
        // Ten customers: the busiest made 11 of 20.
        let mut repeats = vec![1.0; 9];
        repeats.push(11.0);
        assert_eq!(concentration(&repeats), 0.55);
        assert_eq!(bands(&[1.0, 2.0, 3.0, 9.0], &[2.0, 3.0]), [1, 1, 2]);
        assert_eq!(
            (spend_label(&[2.0, 3.0], 0), spend_label(&[2.0, 3.0], 2)),
            ("under 2.00".into(), "3.00 and more".into())
        );
        assert_eq!(tenths(&[0.0, 0.05, 0.1, 1.0]), [2, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
    }
}
