//! One customer's future under one draw of the population parameters: purchases and what they are worth, in one pass from a single
//! uniform number.
//!
//! The laws are those of the purchase models and Gamma-Gamma, taken apart so that what is common is cheap (`plain` transcribes it step by
//! step for the tests, which hold one against the other):
//!
//! | symbol | meaning |
//! | --- | --- |
//! | N | purchases in the horizon H of a customer who is alive and never leaves: λ ~ Gamma(n, α+T) integrated out, NegBin(n, z) with n = r+x, z = H/(α+T+H) |
//! | K | the purchase after which the customer leaves: p ~ Beta(a, b′) integrated out, P(K > k) = Π_{i<k} (b′+i)/(a+b′+i), b′ = b+x (BG/NBD) or b+x+1 (MBG/NBD) |
//! | min(N, K) | purchases that happen |
//! | L | or, Pareto/NBD, the lifetime that is left: Lomax, P(L > t) = ((β+T)/(β+T+t))^s; N is then that of min(L, H) in place of H |
//!
//! ```text
//! P(N = 0) = (1−z)ⁿ,     P(N = m) = P(N = m−1) · z (n+m−1)/m
//! ```
//!
//! Alive and N come from one uniform number U: dead or idle where U ≥ P(alive) (1 − P(N = 0)), otherwise U/P(alive) is uniform again
//! and is inverted through the terms. Nothing here knows of chunks, totals or quantiles.

use rand_distr::{Beta, Binomial, Distribution, Gamma, Poisson};

use super::laws::{Law, MANY};
use super::{Grid, together};
use crate::data::Summary;
use crate::kernels::rng::{Ahead, address_of};
use crate::model::Dropout;

/// A customer's stable index for addressed randomness: FNV-1a (64 bits) of the identifier.
///
/// It depends on nothing but the identifier, so that a customer's draws stay the same when others join or leave the data.
pub fn customer_address(customer_id: &str) -> u64 {
    address_of(customer_id.bytes())
}

/// What the calibration window says of a customer.
#[derive(Debug, Clone, Copy)]
pub(super) struct History {
    /// Repeat purchases.
    pub x: u32,
    /// Time of the last one.
    pub recency: f64,
    /// Time observed.
    pub age: f64,
    /// Mean spend per repeat purchase.
    pub monetary: f64,
}

impl History {
    /// The calibration window of one row of the summary.
    pub(super) fn of(summary: &Summary, i: usize) -> Self {
        Self {
            x: summary.frequency[i],
            recency: summary.recency[i],
            age: summary.age[i],
            monetary: summary.monetary[i],
        }
    }
}

/// Purchases in a horizon: at least one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Purchases {
    /// N: how many a customer who never leaves would make.
    pub planned: u32,
    /// How many of them are made: min(N, K).
    pub made: u32,
    /// The share of the horizon in which the planned ones lie.
    pub until: f64,
}

/// What a customer may do in a horizon, before any random number.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outlook {
    /// P(alive).
    alive: f64,
    /// n and H/(α+T).
    n: f64,
    h: f64,
    /// P(N = 0 | alive); 0 where N is not drawn by inversion.
    idle: f64,
    leaving: Leaving,
}

/// When a customer who is alive leaves.
#[derive(Debug, Clone, Copy)]
enum Leaving {
    /// After each purchase with the chance p ~ Beta(a, b′).
    Chance([f64; 2]),
    /// When a Lomax lifetime ends, P(L > t) = ((β+T)/(β+T+t))^s: s and H/(β+T).
    Rate([f64; 2]),
    /// Never.
    Never,
    /// At a rate that goes with the purchase rate: the law of both, and the horizon. Of new customers only; others have
    /// [`super::together`].
    Together([f64; 5], f64),
}

impl Outlook {
    pub fn new(law: &Law, history: &History, horizon: f64) -> Self {
        let &History { x, recency, age, .. } = history;
        if law.dropout == Dropout::AnyTimeTogether {
            let leaving = Leaving::Together(law.together(), horizon);
            return Self { alive: 1.0, n: 0.0, h: 0.0, idle: 0.0, leaving };
        }
        let xf = f64::from(x);
        let (n, rate) = (law.r + xf, law.alpha + age);
        let alive = law.p_alive(x, recency, age);
        let [first, second] = law.leaving;
        let leaving = match law.dropout {
            Dropout::AfterRepeat => Leaving::Chance([first, second + xf]),
            Dropout::AfterAny => Leaving::Chance([first, second + xf + 1.0]),
            Dropout::Never => Leaving::Never,
            Dropout::AnyTime | Dropout::AnyTimeTogether => Leaving::Rate([first, horizon / (second + age)]),
        };
        let h = horizon / rate;
        let idle = if n * h > MANY { 0.0 } else { (-n * (1.0 + h).ln()).exp() };
        Self { alive, n, h, idle, leaving }
    }

    /// A number u at or above this means no purchase; one uniform below it means what any uniform number below it means (and may
    /// still mean none, where customers leave at any time).
    pub fn buys_below(&self) -> f64 {
        self.alive * (1.0 - self.idle)
    }

    /// What happens when the customer's uniform number is `u`; `None` for no purchase. More than one purchase takes another uniform
    /// number, as does a lifetime; many ([`MANY`] on average), as many as their general laws want.
    pub fn purchases(&self, u: f64, rng: &mut Ahead) -> Option<Purchases> {
        let &Self { alive, n, h, idle, leaving } = self;
        if u >= self.buys_below() {
            return None;
        }
        match leaving {
            Leaving::Together(theta, horizon) => together::newcomer(rng, theta, horizon),
            Leaving::Rate([s, h_beta]) => {
                let until = lifetime(rng.uniform(), s, h_beta);
                let (h, many) = (h * until, n * h > MANY);
                let idle = if many { 0.0 } else { (-n * (1.0 + h).ln()).exp() };
                let planned = if many {
                    let mean = gamma(rng, n) * h;
                    poisson(rng, mean)
                } else if u >= alive * (1.0 - idle) {
                    0
                } else {
                    count_from(u / alive, n, h / (1.0 + h), idle)
                };
                (planned > 0).then_some(Purchases { planned, made: planned, until })
            }
            Leaving::Never => {
                let planned = if n * h > MANY {
                    let mean = gamma(rng, n) * h;
                    poisson(rng, mean)
                } else {
                    count_from(u, n, h / (1.0 + h), idle)
                };
                (planned > 0).then_some(Purchases { planned, made: planned, until: 1.0 })
            }
            Leaving::Chance([a, b]) if n * h > MANY => {
                let mean = gamma(rng, n) * h;
                let planned = poisson(rng, mean);
                if planned == 0 {
                    return None;
                }
                let p = beta(rng, a, b);
                Some(Purchases { planned, made: planned.min(geometric(rng, p)), until: 1.0 })
            }
            Leaving::Chance([a, b]) => {
                let planned = count_from(u / alive, n, h / (1.0 + h), idle);
                let made = if planned == 1 { 1 } else { made(rng.uniform(), a, b, planned) };
                Some(Purchases { planned, made, until: 1.0 })
            }
        }
    }
}

/// The share of the horizon in which a customer is still there: a Lomax lifetime of shape s, the horizon being `h` of its scale.
fn lifetime(u: f64, s: f64, h: f64) -> f64 {
    // P(L > t H) = (1 + t h)^−s.
    ((-u.ln() / s).exp_m1() / h).min(1.0)
}

/// N ≥ 1 from `v`, uniform below P(N ≥ 1): takes off P(N = 1), P(N = 2), … until `v` is used up.
fn count_from(mut v: f64, n: f64, z: f64, idle: f64) -> u32 {
    let mut m = 1.0;
    let mut mass = idle * z * n;
    // The second condition ends what rounding left over, a part in 10¹⁷, once the terms fall.
    while v >= mass && !(mass < 1e-17 && z * (n + m) < m) {
        v -= mass;
        mass *= z * (n + m) / (m + 1.0);
        m += 1.0;
    }
    m as u32
}

/// min(`planned`, K): the first k with P(K > k) ≤ u, b being b + x.
fn made(u: f64, a: f64, b: f64, planned: u32) -> u32 {
    let (mut survival, mut k) = (1.0, 0.0);
    for already in 1..planned {
        survival *= (b + k) / (a + b + k);
        if survival <= u {
            return already;
        }
        k += 1.0;
    }
    planned
}

/// Discounted spend of the purchases made, currency. `counts` has one place per period of `grid`; what is in it does not matter.
///
/// ν ~ Gamma(px+q, v + x m) once for the customer; the total of k purchases of a period ~ Gamma(p k, ν), valued at the period's
/// end. The planned purchases are uniform in time, and the first of them are made.
pub(super) fn value(
    rng: &mut Ahead,
    law: &Law,
    history: &History,
    grid: &Grid,
    purchases: Purchases,
    counts: &mut [u32],
) -> f64 {
    let [p, ..] = law.spend;
    let standard = if purchases.planned == 1 {
        grid.discount[period(rng, counts.len(), purchases.until)] * gamma(rng, p)
    } else {
        counts.fill(0);
        spread(rng, purchases.planned, purchases.until, counts);
        keep_first(purchases.made, counts);
        counts
            .iter()
            .zip(&grid.discount)
            .filter(|&(&k, _)| k > 0)
            .map(|(&k, discount)| discount * gamma(rng, p * f64::from(k)))
            .sum()
    };
    let nu = spend_rate(rng, law.spend, history.x, history.monetary);
    // Only underflow can make ν zero, at shapes that no fit of real spend reaches; the value then saturates.
    (standard / nu).min(f64::MAX)
}

/// ν ~ Gamma(px+q, v + x m) of a customer with x repeat purchases of mean m.
pub(super) fn spend_rate(rng: &mut Ahead, [p, q, v]: [f64; 3], x: u32, monetary: f64) -> f64 {
    // Without paid repeat purchases there is no mean to learn from, as in the spend fit.
    let paid = x > 0 && monetary > 0.0;
    let (x, repeat_spend) = if paid { (f64::from(x), f64::from(x) * monetary) } else { (0.0, 0.0) };
    gamma(rng, p * x + q) / (v + repeat_spend)
}

/// A Gamma(shape, 1) number. Shapes are positive by [`super::Population::check`]; any other would give 0.
pub(super) fn gamma(rng: &mut Ahead, shape: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(0.0, |law| law.sample(rng))
}

/// A Beta(a, b) number; shapes are positive by [`super::Population::check`].
pub(super) fn beta(rng: &mut Ahead, a: f64, b: f64) -> f64 {
    Beta::new(a, b).map_or(0.0, |law| law.sample(rng))
}

/// A Poisson number, at most 2³¹; a mean that underflowed to 0 is a point mass at 0.
pub(super) fn poisson(rng: &mut Ahead, mean: f64) -> u32 {
    Poisson::new(mean.min(f64::from(1 << 30))).map_or(0, |law| law.sample(rng) as u32)
}

/// The purchase after which a customer with dropout probability `p` is gone, from 1: P(K > k) = (1−p)^k.
fn geometric(rng: &mut Ahead, p: f64) -> u32 {
    // `as` saturates: p = 0 means never.
    (rng.uniform().ln() / (-p).ln_1p()).ceil().max(1.0) as u32
}

/// A Binomial(n, p) number; p is a probability by its making.
pub(super) fn binomial(rng: &mut Ahead, n: u64, p: f64) -> u64 {
    Binomial::new(n, p.clamp(0.0, 1.0)).map_or(0, |law| law.sample(rng))
}

/// One of `periods` equal periods, of a time uniform in the share `until` of them, from 32 bits: probabilities are off by less than 2⁻³².
fn period(rng: &mut Ahead, periods: usize, until: f64) -> usize {
    let word = rng.word();
    if until == 1.0 {
        return ((u64::from(word) * periods as u64) >> 32) as usize;
    }
    // Below `periods`, since the word stays below 2³².
    (f64::from(word) / 4_294_967_296.0 * until * periods as f64) as usize
}

/// Places `planned` events of a Poisson process, uniform in time given their number, into the share `until` of equal periods.
fn spread(rng: &mut Ahead, planned: u32, until: f64, counts: &mut [u32]) {
    let periods = counts.len();
    if planned as usize <= 2 * periods {
        for _ in 0..planned {
            counts[period(rng, periods, until)] += 1;
        }
        return;
    }
    // Many events: period by period, Binomial(left, this period's share of what is left). The work is bounded by the number of periods.
    let (mut left, end) = (planned, until * periods as f64);
    for (k, count) in counts.iter_mut().enumerate() {
        let ahead = end - k as f64;
        let share = if ahead <= 1.0 { 1.0 } else { 1.0 / ahead };
        *count = binomial(rng, u64::from(left), share) as u32;
        left -= *count;
    }
}

/// Keeps the first `limit` events.
fn keep_first(limit: u32, counts: &mut [u32]) {
    let mut left = limit;
    for count in counts {
        *count = (*count).min(left);
        left -= *count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Purpose;

    /// FNV-1a test vectors (Landon Curt Noll, http://www.isthe.com/chongo/tech/comp/fnv/).
    #[test]
    fn addresses_are_fnv_1a() {
        assert_eq!(customer_address(""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(customer_address("a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(customer_address("foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn only_the_first_purchases_before_dropout_happen() {
        let mut counts = [0, 3, 1, 2];
        keep_first(4, &mut counts);
        assert_eq!(counts, [0, 3, 1, 0]);
        keep_first(9, &mut counts);
        assert_eq!(counts, [0, 3, 1, 0]);
        keep_first(2, &mut counts);
        assert_eq!(counts, [0, 2, 0, 0]);
    }

    /// Both ways of placing events keep their number and treat the periods alike.
    #[test]
    fn events_spread_evenly_over_periods() {
        for planned in [5, 24, 25, 4000] {
            let repeats = 4000;
            let mut sums = [0u64; 12];
            for i in 0..repeats {
                let mut counts = [0; 12];
                spread(&mut Ahead::new(11, Purpose::Test, i, 0), planned, 1.0, &mut counts);
                assert_eq!(counts.iter().sum::<u32>(), planned);
                sums.iter_mut().zip(counts).for_each(|(sum, k)| *sum += u64::from(k));
            }
            let n = repeats as f64 * f64::from(planned);
            // Five standard errors of a multinomial count.
            let (mean, sd) = (n / 12.0, (n * 11.0 / 144.0).sqrt());
            assert!(sums.iter().all(|&sum| (sum as f64 - mean).abs() < 5.0 * sd), "{planned}: {sums:?}");
        }
    }

    /// Events of a life that ends early lie before its end, evenly.
    #[test]
    fn events_end_with_the_life_they_belong_to() {
        let until = 0.3;
        for planned in [5, 4000] {
            let repeats = 4000;
            let mut sums = [0u64; 12];
            for i in 0..repeats {
                let mut counts = [0; 12];
                spread(&mut Ahead::new(12, Purpose::Test, i, 0), planned, until, &mut counts);
                assert_eq!(counts.iter().sum::<u32>(), planned);
                sums.iter_mut().zip(counts).for_each(|(sum, k)| *sum += u64::from(k));
            }
            // 3.6 periods: three whole ones and six tenths of the fourth.
            let n = repeats as f64 * f64::from(planned);
            for (sum, share) in sums.iter().zip([1.0, 1.0, 1.0, 0.6].into_iter().map(|part| part / 3.6).chain([0.0; 8]))
            {
                let sd = (n * share * (1.0 - share)).sqrt();
                assert!((*sum as f64 - n * share).abs() <= 5.0 * sd, "{planned}: {sums:?}");
            }
        }
    }

    /// P(K > k) = (1−p)^k, so that the mean is 1/p and its sd √(1−p)/p; and p = 0 means never.
    #[test]
    fn dropout_is_geometric() {
        let (n, p) = (100_000, 0.3);
        let sum: f64 = (0..n).map(|i| f64::from(geometric(&mut Ahead::new(5, Purpose::Test, i, 1), p))).sum();
        let error = (1.0f64 - p).sqrt() / p / (n as f64).sqrt();
        assert!((sum / n as f64 - 1.0 / p).abs() < 5.0 * error);
        assert_eq!(geometric(&mut Ahead::new(5, Purpose::Test, 0, 1), 0.0), u32::MAX);
        assert_eq!(geometric(&mut Ahead::new(5, Purpose::Test, 0, 1), 1.0), 1);
    }
}
