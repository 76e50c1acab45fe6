//! One customer's future under one posterior draw: alive or not, own rate and dropout, purchases by period, spend.
//!
//! Randomness is addressed by (seed, purpose, customer, draw), so that any customer can be simulated again, alone or among
//! millions, with the same result. Nothing here knows of chunks, totals or quantiles.

use rand_distr::{Beta, Binomial, Distribution, Gamma, Poisson};

use super::Grid;
use crate::kernels::bg_nbd;
use crate::kernels::rng::Stream;

/// A customer's stable index for addressed randomness: FNV-1a (64 bits) of the identifier.
///
/// It depends on nothing but the identifier, so that a customer's draws stay the same when others join or leave the data.
pub fn customer_address(customer_id: &str) -> u64 {
    customer_id
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
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

/// Purchases in each period of `grid`; returns their total. `counts` has one place per period.
///
/// Alive with P(alive | x, t_x, T); then λ ~ Gamma(r+x, α+T), p ~ Beta(a, b+x). Purchases are Poisson(λ) until the K-th, K ~
/// Geometric(p), after which the customer is gone: drawn as the number in the whole horizon, then their periods, of which the
/// first K happen.
pub(super) fn purchases(
    rng: &mut Stream,
    params @ [r, alpha, a, b]: [f64; 4],
    history: &History,
    grid: &Grid,
    counts: &mut [u32],
) -> u32 {
    let &History { x, recency, age, .. } = history;
    counts.fill(0);
    if x > 0 && rng.uniform() > bg_nbd::p_alive(params, x, recency, age) {
        return 0;
    }
    let x = f64::from(x);
    let lambda = gamma(rng, r + x) / (alpha + age);
    let planned = poisson(rng, lambda * grid.length());
    if planned == 0 {
        return 0;
    }
    let dropout = beta(rng, a, b + x);
    let until_dropout = geometric(rng, dropout);
    spread(rng, planned, counts);
    keep_first(until_dropout, counts)
}

/// Discounted spend of the purchases in `counts`, currency.
///
/// ν ~ Gamma(px+q, v + x m) once for the customer; the total of k purchases ~ Gamma(p k, ν), valued at the period's end.
pub(super) fn spend(rng: &mut Stream, [p, q, v]: [f64; 3], history: &History, grid: &Grid, counts: &[u32]) -> f64 {
    let &History { x, monetary, .. } = history;
    // Without paid repeat purchases there is no mean to learn from, as in the spend fit.
    let paid = x > 0 && monetary > 0.0;
    let (x, repeat_spend) = if paid { (f64::from(x), f64::from(x) * monetary) } else { (0.0, 0.0) };
    let nu = gamma(rng, p * x + q) / (v + repeat_spend);
    let standard: f64 = counts
        .iter()
        .zip(&grid.discount)
        .filter(|&(&k, _)| k > 0)
        .map(|(&k, discount)| discount * gamma(rng, p * f64::from(k)))
        .sum();
    // Only underflow can make ν zero, at shapes that no fit of real spend reaches; the value then saturates.
    (standard / nu).min(f64::MAX)
}

/// A Gamma(shape, 1) number. Shapes are positive by [`super::Population::check`]; any other would give 0.
pub(super) fn gamma(rng: &mut Stream, shape: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(0.0, |law| law.sample(rng))
}

/// A Beta(a, b) number; shapes are positive by [`super::Population::check`].
pub(super) fn beta(rng: &mut Stream, a: f64, b: f64) -> f64 {
    Beta::new(a, b).map_or(0.0, |law| law.sample(rng))
}

/// A Poisson number, at most 2³¹; a mean that underflowed to 0 is a point mass at 0.
fn poisson(rng: &mut Stream, mean: f64) -> u32 {
    Poisson::new(mean.min(f64::from(1 << 30))).map_or(0, |law| law.sample(rng) as u32)
}

/// The purchase after which a customer with dropout probability `p` is gone, from 1: P(K > k) = (1−p)^k.
pub(super) fn geometric(rng: &mut Stream, p: f64) -> u32 {
    // `as` saturates: p = 0 means never.
    (rng.uniform().ln() / (-p).ln_1p()).ceil().max(1.0) as u32
}

/// Places `planned` events of a Poisson process, uniform in time given their number, into equal periods.
fn spread(rng: &mut Stream, planned: u32, counts: &mut [u32]) {
    let periods = counts.len();
    if planned as usize <= 2 * periods {
        for _ in 0..planned {
            counts[((rng.uniform() * periods as f64) as usize).min(periods - 1)] += 1;
        }
        return;
    }
    // Many events: period by period, Binomial(left, 1/periods left). The work is bounded by the number of periods.
    let mut left = planned;
    for (k, count) in counts.iter_mut().enumerate() {
        let share = 1.0 / (periods - k) as f64;
        *count = Binomial::new(u64::from(left), share).map_or(left, |law| law.sample(rng) as u32);
        left -= *count;
    }
}

/// Keeps the first `limit` events; returns how many remain.
fn keep_first(limit: u32, counts: &mut [u32]) -> u32 {
    let mut kept = 0;
    for count in counts {
        *count = (*count).min(limit - kept);
        kept += *count;
    }
    kept
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
        assert_eq!(keep_first(4, &mut counts), 4);
        assert_eq!(counts, [0, 3, 1, 0]);
        assert_eq!(keep_first(9, &mut counts), 4);
        assert_eq!(keep_first(2, &mut counts), 2);
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
                spread(&mut Stream::new(11, Purpose::Test, i, 0), planned, &mut counts);
                assert_eq!(counts.iter().sum::<u32>(), planned);
                sums.iter_mut().zip(counts).for_each(|(sum, k)| *sum += u64::from(k));
            }
            let n = repeats as f64 * f64::from(planned);
            // Five standard errors of a multinomial count.
            let (mean, sd) = (n / 12.0, (n * 11.0 / 144.0).sqrt());
            assert!(sums.iter().all(|&sum| (sum as f64 - mean).abs() < 5.0 * sd), "{planned}: {sums:?}");
        }
    }

    /// P(K > k) = (1−p)^k, so that the mean is 1/p and its sd √(1−p)/p; and p = 0 means never.
    #[test]
    fn dropout_is_geometric() {
        let (n, p) = (100_000, 0.3);
        let sum: f64 = (0..n).map(|i| f64::from(geometric(&mut Stream::new(5, Purpose::Test, i, 1), p))).sum();
        let error = (1.0f64 - p).sqrt() / p / (n as f64).sqrt();
        assert!((sum / n as f64 - 1.0 / p).abs() < 5.0 * error);
        assert_eq!(geometric(&mut Stream::new(5, Purpose::Test, 0, 1), 0.0), u32::MAX);
        assert_eq!(geometric(&mut Stream::new(5, Purpose::Test, 0, 1), 1.0), 1);
    }
}
