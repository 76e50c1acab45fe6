//! Effective sample size: how many independent draws would say as much.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | M, N | number and length of the (half) chains |
//! | γ̄ₜ | autocovariance at lag t with denominator N, averaged over chains |
//! | W | γ̄₀ N / (N − 1) |
//! | V̂ | W (N − 1)/N + variance of the chains' means |
//! | ρ̂ₜ | 1 − (W − γ̄ₜ) / V̂ |
//!
//! ESS = M N / τ̂, τ̂ = −1 + 2 Σ ρ̂ₜ over Geyer's initial monotone sequence of pairs, at least 1 / log₁₀(M N) (Vehtari et al. 2021;
//! the treatment of the last pair is ArviZ's and Stan's). Autocovariances are taken lag by lag and only as far as the
//! sequence goes: on chains that mix this is cheaper than a Fourier transform, on a stuck chain of 1,000 it costs the same.

use ndarray::{Array2, ArrayView2, Axis, s};

use super::chains::{at_hand, can_be_judged, mean, mean_all, split, unit, variance, varies};
use super::order::Ordered;
use super::quantile::quantile;
use super::rank::Scores;

/// ESS of split chains `[half chain, draw]`; NaN for a constant.
pub(super) fn ess(halves: ArrayView2<'_, f64>) -> f64 {
    if !varies(halves) {
        return f64::NAN;
    }
    let halves = at_hand(halves);
    let (m, n) = (halves.nrows() as f64, halves.ncols());
    let means = halves.map_axis(Axis(1), mean);
    let mut centred = halves.into_owned();
    for (mut chain, &centre) in centred.rows_mut().into_iter().zip(&means) {
        chain -= centre;
    }
    // The figure does not depend on the unit, and draws of 1e-200 have squares too.
    let f = unit(centred.view(), 0.0);
    if f != 1.0 {
        centred *= f;
    }
    let covariance = |lag: usize| {
        let of_chain = |x: ndarray::ArrayView1<'_, f64>| x.slice(s![..n - lag]).dot(&x.slice(s![lag..])) / n as f64;
        centred.rows().into_iter().map(of_chain).sum::<f64>() / m
    };
    let within = covariance(0) * n as f64 / (n as f64 - 1.0);
    let mut total = within * (n as f64 - 1.0) / n as f64;
    if m > 1.0 {
        total += variance((&means * f).view());
    }
    let correlation = |lag: usize| 1.0 - (within - covariance(lag)) / total;

    let size = m * n as f64;
    let tau = geyer(n, correlation).max(1.0 / size.log10());
    size / tau
}

/// τ̂ before its floor: Geyer's initial positive, then monotone, sequence of `correlation` over lags below `n`.
fn geyer(n: usize, correlation: impl Fn(usize) -> f64) -> f64 {
    let (mut even, mut odd) = (1.0, correlation(1));
    // Pairs (ρ₀, ρ₁), (ρ₂, ρ₃), … for as long as their sums are positive.
    let mut pairs = vec![(even, odd)];
    let mut t = 1;
    while t + 3 < n && even + odd > 0.0 {
        (even, odd) = (correlation(t + 1), correlation(t + 2));
        t += 2;
        pairs.push((even, odd));
    }
    if pairs.iter().any(|(x, y)| x.is_nan() || y.is_nan()) {
        return f64::NAN;
    }
    // The last pair gives its even lag only, and once: if that is positive, or the pair is (the chain ended before the sequence).
    pairs.pop();
    let last_even = if even > 0.0 || even + odd >= 0.0 { even } else { 0.0 };
    for ix in 1..pairs.len() {
        let before = pairs[ix - 1].0 + pairs[ix - 1].1;
        if pairs[ix].0 + pairs[ix].1 > before {
            pairs[ix] = (before / 2.0, before / 2.0);
        }
    }
    -1.0 + 2.0 * pairs.iter().map(|(x, y)| x + y).sum::<f64>() + last_even
}

/// ESS for the bulk: of the normal scores of draws `[chain, draw]`. This and the ones below are NaN for a constant, for draws that are
/// not finite, and for fewer than four per chain.
pub fn ess_bulk(draws: ArrayView2<'_, f64>) -> f64 {
    judged(draws, |draws| {
        let [z, _] = Ordered::new(draws).scores(&Scores::new(draws.nrows() * 2 * (draws.ncols() / 2)));
        ess(z.view())
    })
}

/// ESS for the tails: the lesser of those of the 5 % and the 95 % quantile.
pub fn ess_tail(draws: ArrayView2<'_, f64>) -> f64 {
    let (low, high) = (ess_quantile(draws, 0.05), ess_quantile(draws, 0.95));
    if low.is_nan() || high.is_nan() { f64::NAN } else { low.min(high) }
}

/// ESS for the mean.
pub fn ess_mean(draws: ArrayView2<'_, f64>) -> f64 {
    judged(draws, |draws| ess(split(draws).view()))
}

/// ESS for the standard deviation: of the squared distances from the mean.
pub fn ess_sd(draws: ArrayView2<'_, f64>) -> f64 {
    judged(draws, |draws| ess(split(squared_distances(draws).0.view()).view()))
}

/// ESS for the `prob` quantile: of the indicator of lying at or below it.
pub fn ess_quantile(draws: ArrayView2<'_, f64>, prob: f64) -> f64 {
    judged(draws, |draws| {
        let flat: Vec<f64> = draws.iter().copied().collect();
        ess_below(draws, quantile(&flat, prob))
    })
}

/// ESS of the indicator of lying at or below `cut`.
pub(super) fn ess_below(draws: ArrayView2<'_, f64>, cut: f64) -> f64 {
    ess(split(draws.mapv(|x| f64::from(x <= cut)).view()).view())
}

/// Squared distances from the mean, and the factor by which the distances were multiplied before.
pub(super) fn squared_distances(draws: ArrayView2<'_, f64>) -> (Array2<f64>, f64) {
    let draws = at_hand(draws);
    let centre = mean_all(draws.view());
    let f = unit(draws.view(), centre);
    (draws.mapv(|x| ((x - centre) * f) * ((x - centre) * f)), f)
}

fn judged(draws: ArrayView2<'_, f64>, figure: impl Fn(ArrayView2<'_, f64>) -> f64) -> f64 {
    if can_be_judged(draws) { figure(draws) } else { f64::NAN }
}
