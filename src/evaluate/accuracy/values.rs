//! Every metric over all customers and over those outside each block. Sums are kept by block and added up anew without each, so that
//! nothing is lost to cancellation when one block holds the one customer who dwarfs the rest.

use rayon::prelude::*;

use super::super::measure::{BLOCKS, Jackknife, Measure};
use super::super::metric::Metric;
use super::ranked::{Before, Ranked};
use super::{Decile, Outcomes};
use crate::error::Result;

/// Probabilities of the quantiles of purchases.
const LEVELS: [f64; 5] = [0.05, 0.25, 0.50, 0.75, 0.95];

/// One value per metric, at its place in the enum; `None` where it does not exist.
type Values = [Option<f64>; Metric::COUNT];

/// Sums over customers. `a` and `p` are what happened and what was predicted, each from an origin near its mean.
#[derive(Debug, Clone, Copy, Default)]
struct Sums {
    n: usize,
    a: f64,
    p: f64,
    aa: f64,
    ap: f64,
    pp: f64,
    error: f64,
    error_squared: f64,
    /// Customers with quantiles and, of those, how many lie where.
    counted: usize,
    within_half: usize,
    within_ninety: usize,
    above_q95: usize,
    purchases: u64,
    /// Pinball losses at all levels, added up.
    pinball: f64,
    crps: f64,
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.n += other.n;
        self.a += other.a;
        self.p += other.p;
        self.aa += other.aa;
        self.ap += other.ap;
        self.pp += other.pp;
        self.error += other.error;
        self.error_squared += other.error_squared;
        self.counted += other.counted;
        self.within_half += other.within_half;
        self.within_ninety += other.within_ninety;
        self.above_q95 += other.above_q95;
        self.purchases += other.purchases;
        self.pinball += other.pinball;
        self.crps += other.crps;
    }

    /// One customer.
    fn push(&mut self, outcomes: &Outcomes<'_>, origin: &Origin, row: usize) {
        let (a, p) = (outcomes.actual[row] - origin.actual, outcomes.predicted[row] - origin.predicted);
        let error = outcomes.predicted[row] - outcomes.actual[row];
        self.n += 1;
        self.a += a;
        self.p += p;
        self.aa += a * a;
        self.ap += a * p;
        self.pp += p * p;
        self.error += error.abs();
        self.error_squared += error * error;
        if let Some(purchases) = &outcomes.purchases {
            let (y, q) = purchases.of(row);
            self.counted += 1;
            self.within_half += usize::from((q[1]..=q[3]).contains(&y));
            self.within_ninety += usize::from((q[0]..=q[4]).contains(&y));
            self.above_q95 += usize::from(y > q[4]);
            self.purchases += u64::from(y);
            self.pinball += LEVELS.iter().zip(q).map(|(&level, q)| pinball(level, q, y)).sum::<f64>();
            self.crps += purchases.crps.map_or(0.0, |crps| crps[row]);
        }
    }
}

/// Loss of the quantile q at a level τ when y happens: τ (y − q) above, (1 − τ)(q − y) below.
fn pinball(level: f64, q: u32, y: u32) -> f64 {
    let over = f64::from(y) - f64::from(q);
    if over >= 0.0 { level * over } else { (level - 1.0) * over }
}

/// What sums of squares are taken about: near the means, so that they keep their digits.
struct Origin {
    actual: f64,
    predicted: f64,
}

impl Origin {
    fn of(outcomes: &Outcomes<'_>) -> Self {
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        Self { actual: mean(outcomes.actual), predicted: mean(outcomes.predicted) }
    }
}

/// How many customers of each block bought how often.
struct Tally {
    /// Ascending.
    made: Vec<u32>,
    customers: Vec<[u32; BLOCKS]>,
}

impl Tally {
    /// Of outcomes with a CRPS.
    fn of(outcomes: &Outcomes<'_>) -> Option<Self> {
        let purchases = outcomes.purchases.as_ref().filter(|purchases| purchases.crps.is_some())?;
        let mut made = purchases.actual.to_vec();
        made.sort_unstable();
        made.dedup();
        let mut customers = vec![[0; BLOCKS]; made.len()];
        for (count, &block) in purchases.actual.iter().zip(outcomes.block) {
            let place = made.partition_point(|k| k < count);
            customers[place][block as usize] += 1;
        }
        Some(Self { made, customers })
    }

    /// Mean CRPS of predicting for everyone the distribution of what everyone did, F: Σ_k F(k)(1 − F(k)).
    fn marginal_crps(&self, without: Option<u8>, n: usize) -> f64 {
        let (mut below, mut sum) = (0u64, 0.0);
        for (customers, reach) in self.customers.iter().zip(self.made.windows(2)) {
            let all: u64 = customers.iter().map(|&m| u64::from(m)).sum();
            below += all - without.map_or(0, |k| u64::from(customers[k as usize]));
            let share = below as f64 / n as f64;
            sum += f64::from(reach[1] - reach[0]) * share * (1.0 - share);
        }
        sum
    }
}

/// Gini-like sums in the predicted order and in the best one.
#[derive(Debug, Clone, Copy)]
struct Concentration {
    predicted: f64,
    best: f64,
}

/// The metrics, over everyone and without each block that holds anybody.
pub(in super::super) struct Replicates {
    all: Values,
    without: Vec<Values>,
    tenths: [Before; 10],
    tenths_without: Vec<[Before; 10]>,
    jackknife: Jackknife,
    /// Customers in each block.
    sizes: [usize; BLOCKS],
}

impl Replicates {
    /// Checks the outcomes and measures them.
    pub fn of(outcomes: &Outcomes<'_>) -> Result<Self> {
        outcomes.check()?;
        let (actual, predicted, block) = (outcomes.actual, outcomes.predicted, outcomes.block);
        let origin = Origin::of(outcomes);
        let mut by_block = [Sums::default(); BLOCKS];
        for row in 0..actual.len() {
            by_block[block[row] as usize].push(outcomes, &origin, row);
        }
        let held: Vec<u8> = (0..BLOCKS as u8).filter(|&k| by_block[k as usize].n > 0).collect();
        let sum = |without: Option<u8>| {
            let mut sums = Sums::default();
            held.iter().filter(|k| Some(**k) != without).for_each(|&k| sums.add(&by_block[k as usize]));
            sums
        };
        let (ranked, best) =
            rayon::join(|| Ranked::by(predicted, actual, block), || Ranked::by(actual, actual, block).concentration());
        let (all, without) = ranked.concentration();
        let tally = Tally::of(outcomes);
        let concentration = |k: Option<u8>| match k {
            None => Concentration { predicted: all, best: best.0 },
            Some(k) => Concentration { predicted: without[k as usize], best: best.1[k as usize] },
        };
        let of = |k: Option<u8>| {
            let sums = sum(k);
            let tenths = ranked.tenths(k, sums.n);
            let marginal = tally.as_ref().map(|tally| tally.marginal_crps(k, sums.n));
            (values(&sums, &origin, &concentration(k), &tenths, marginal), tenths)
        };
        let (all, tenths) = of(None);
        // With one block there is nobody outside it.
        let outside: Vec<u8> = if held.len() > 1 { held.clone() } else { Vec::new() };
        let (without, tenths_without) = outside.par_iter().map(|&k| of(Some(k))).unzip();
        let sizes = std::array::from_fn(|k| by_block[k].n);
        let jackknife = Jackknife::new(&held.iter().map(|&k| sizes[k as usize]).collect::<Vec<usize>>());
        Ok(Self { all, without, tenths, tenths_without, jackknife, sizes })
    }

    /// Customers in each block.
    pub fn sizes(&self) -> &[usize; BLOCKS] {
        &self.sizes
    }

    /// A metric over everyone, and without each of all blocks: without nobody it is what it is.
    pub fn value_and_without(&self, metric: Metric) -> (Option<f64>, Vec<Option<f64>>) {
        let all = self.all[metric as usize];
        let mut held = self.without.iter().map(|values| values[metric as usize]);
        let without = self.sizes.iter().map(|&n| if n > 0 { held.next().flatten() } else { all }).collect();
        (all, without)
    }

    /// A metric and its error.
    pub fn measure(&self, metric: Metric) -> Measure {
        let without: Vec<Option<f64>> = self.without.iter().map(|values| values[metric as usize]).collect();
        self.jackknife.measure(self.all[metric as usize], &without)
    }

    /// A metric without the block at this place among those that hold anybody.
    #[cfg(test)]
    pub fn without_at(&self, place: usize, metric: Metric) -> Option<f64> {
        self.without[place][metric as usize]
    }

    /// A figure made of a metric here and in `other`, which has the same customers in the same blocks.
    pub fn measure_with(&self, other: &Self, metric: Metric, of: impl Fn(f64, f64) -> Option<f64>) -> Measure {
        let m = metric as usize;
        let both = |(a, b): (&Values, &Values)| of(a[m]?, b[m]?);
        let without: Vec<Option<f64>> = self.without.iter().zip(&other.without).map(both).collect();
        self.jackknife.measure(both((&self.all, &other.all)), &without)
    }

    /// The table of tenths.
    pub fn deciles(&self) -> Vec<Decile> {
        let mean = |tenths: &[Before; 10], d: usize, of: fn(&Before) -> f64| {
            let tenth = tenth(tenths, d);
            (tenth.rows > 0).then(|| of(&tenth) / tenth.rows as f64)
        };
        let decile = |d: usize| {
            let actual = |tenths: &[Before; 10]| mean(tenths, d, |tenth| tenth.actual);
            let without: Vec<Option<f64>> = self.tenths_without.iter().map(actual).collect();
            Decile {
                decile: d as u32 + 1,
                customers: tenth(&self.tenths, d).rows as u64,
                mean_predicted: mean(&self.tenths, d, |tenth| tenth.key),
                mean_actual: self.jackknife.measure(actual(&self.tenths), &without),
            }
        };
        (0..10).map(decile).collect()
    }
}

/// Sums of one tenth, from those before the cuts.
fn tenth(before: &[Before; 10], d: usize) -> Before {
    let above = if d == 0 { Before::default() } else { before[d - 1] };
    Before {
        rows: before[d].rows - above.rows,
        key: before[d].key - above.key,
        actual: before[d].actual - above.actual,
    }
}

fn values(
    sums: &Sums,
    origin: &Origin,
    concentration: &Concentration,
    tenths: &[Before; 10],
    marginal_crps: Option<f64>,
) -> Values {
    let n = sums.n as f64;
    let (mean_actual, mean_predicted) = (origin.actual + sums.a / n, origin.predicted + sums.p / n);
    // Nothing is a share of nothing, nor of less.
    let over = |x: f64, whole: f64| (whole > 0.0).then(|| x / whole);
    // Sums of squares about the means; a spread of a millionth of a millionth of the mean is rounding.
    let spread = |square: f64, sum: f64, mean: f64| {
        let about = square - sum * sum / n;
        (about > 1e-24 * n * mean * mean).then_some(about)
    };
    let spread_actual = spread(sums.aa, sums.a, mean_actual);
    let spread_predicted = spread(sums.pp, sums.p, mean_predicted);
    let slope = spread_predicted.map(|spread| (sums.ap - sums.a * sums.p / n) / spread);
    let rmse = (sums.error_squared / n).sqrt();
    let total = tenths[9].actual;
    let distance = |d: usize| {
        let tenth = tenth(tenths, d);
        (tenth.key - tenth.actual).abs()
    };
    let counted = sums.counted as f64;
    let share = |hits: usize| over(hits as f64, counted);

    let mut values: Values = [None; Metric::COUNT];
    let mut set = |metric: Metric, value: Option<f64>| values[metric as usize] = value;
    set(Metric::MeanActual, Some(mean_actual));
    set(Metric::MeanPredicted, Some(mean_predicted));
    set(Metric::TotalRatio, over(mean_predicted, mean_actual));
    set(Metric::Rmse, Some(rmse));
    set(Metric::RmseOverMean, over(rmse, mean_actual));
    set(Metric::Mae, Some(sums.error / n));
    set(Metric::R2, spread_actual.map(|spread| 1.0 - sums.error_squared / spread));
    set(Metric::GiniNormalized, spread_actual.and_then(|_| over(concentration.predicted, concentration.best)));
    set(Metric::TopDecileLift, over(tenths[0].actual / tenths[0].rows as f64, total / n));
    set(Metric::CalibrationSlope, slope);
    set(Metric::CalibrationIntercept, slope.map(|slope| mean_actual - slope * mean_predicted));
    set(Metric::DecileError, over((0..10).map(distance).sum(), total));
    set(Metric::Coverage50, share(sums.within_half));
    set(Metric::Coverage90, share(sums.within_ninety));
    set(Metric::AboveQ95, share(sums.above_q95));
    // The weighted interval score of the median and two intervals (Bracher, Ray, Gneiting & Reich 2021) is the mean of twice the
    // pinball losses at their five levels; over ever more levels it becomes the CRPS.
    let score = 2.0 * sums.pinball / LEVELS.len() as f64;
    set(Metric::QuantileScore, over(score, sums.purchases as f64));
    set(Metric::CrpsSkill, marginal_crps.and_then(|marginal| over(sums.crps / n, marginal)).map(|share| 1.0 - share));
    values
}
