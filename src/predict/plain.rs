//! The plainest simulation of one customer's future under one posterior draw: alive or not, own rate and dropout, purchases by period,
//! spend, each from its own law. For tests alone: the judge of [`super::future`].

use rand_distr::{Beta, Binomial, Distribution, Gamma, Poisson};

use super::Grid;
use super::future::History;
use crate::kernels::rng::Stream;
use crate::kernels::{bg_nbd, mbg_nbd, pareto_nbd};
use crate::model::Dropout;

/// Purchases in each period of `grid`; returns their total. `counts` has one place per period.
///
/// Alive with P(alive | x, t_x, T); then λ ~ Gamma(r+x, α+T) and purchases are Poisson(λ), until
/// - the K-th, K ~ Geometric(p), p ~ Beta(a, b+x) (or b+x+1 where the first purchase counts): drawn as the number in the whole
///   horizon, then their periods, of which the first K happen;
/// - or for good;
/// - or the end of a lifetime ~ Exp(μ), μ ~ Gamma(s, β+T).
pub(super) fn purchases(
    rng: &mut Stream,
    dropout: Dropout,
    params @ [r, alpha, a, b]: [f64; 4],
    history: &History,
    grid: &Grid,
    counts: &mut [u32],
) -> u32 {
    let &History { x, recency, age, .. } = history;
    counts.fill(0);
    let p_alive = match dropout {
        Dropout::AfterRepeat => bg_nbd::p_alive(params, x, recency, age),
        Dropout::AfterAny => mbg_nbd::p_alive(params, x, recency, age),
        Dropout::AnyTime | Dropout::AnyTimeTogether => pareto_nbd::p_alive(params, x, recency, age),
        Dropout::Never => 1.0,
    };
    if rng.uniform() > p_alive {
        return 0;
    }
    let x = f64::from(x);
    let lambda = gamma(rng, r + x) / (alpha + age);
    let b_alive = match dropout {
        Dropout::AfterRepeat => b + x,
        Dropout::AfterAny => b + x + 1.0,
        Dropout::Never => {
            let made = poisson(rng, lambda * grid.length());
            spread(rng, made, counts);
            return made;
        }
        Dropout::AnyTime | Dropout::AnyTimeTogether => {
            let mu = gamma(rng, a) / (b + age);
            let length = grid.length().min(-rng.uniform().ln() / mu);
            let made = poisson(rng, lambda * length);
            for _ in 0..made {
                counts[((rng.uniform() * length / grid.width) as usize).min(grid.periods() - 1)] += 1;
            }
            return made;
        }
    };
    let planned = poisson(rng, lambda * grid.length());
    if planned == 0 {
        return 0;
    }
    let p = beta(rng, a, b_alive);
    let until_dropout = geometric(rng, p);
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

/// A Gamma(shape, 1) number.
fn gamma(rng: &mut Stream, shape: f64) -> f64 {
    Gamma::new(shape, 1.0).map_or(0.0, |law| law.sample(rng))
}

/// A Beta(a, b) number.
fn beta(rng: &mut Stream, a: f64, b: f64) -> f64 {
    Beta::new(a, b).map_or(0.0, |law| law.sample(rng))
}

/// A Poisson number, at most 2³¹; a mean that underflowed to 0 is a point mass at 0.
fn poisson(rng: &mut Stream, mean: f64) -> u32 {
    Poisson::new(mean.min(f64::from(1 << 30))).map_or(0, |law| law.sample(rng) as u32)
}

/// The purchase after which a customer with dropout probability `p` is gone, from 1: P(K > k) = (1−p)^k.
fn geometric(rng: &mut Stream, p: f64) -> u32 {
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
