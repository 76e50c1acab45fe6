//! R-hat: how far chains that should be the same differ.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | N | draws per (half) chain |
//! | B | N × variance of the chains' means |
//! | W | mean of the chains' variances |
//!
//! R̂ = √((B / W + N − 1) / N), on normal scores of the halves of every chain, and again on their distances from the median; the
//! greater of both (Vehtari et al. 2021). Nested: Margossian et al. (2024), "Nested R̂", Bayesian Analysis.

use ndarray::{Array1, Array2, ArrayView2, Axis};

use super::chains::{can_be_judged, mean, variance, varies};
use super::order::Ordered;
use super::rank::Scores;

/// Rank-normalised split R-hat of draws `[chain, draw]`. One chain is judged by its two halves. NaN for a constant, for draws that are
/// not finite, and for fewer than four per chain.
pub fn r_hat(draws: ArrayView2<'_, f64>) -> f64 {
    if !can_be_judged(draws) {
        return f64::NAN;
    }
    let scores = Scores::new(draws.nrows() * 2 * (draws.ncols() / 2));
    let [z, far] = Ordered::new(draws).scores(&scores);
    greater(plain(z.view()), plain(far.view()))
}

/// R-hat of the bulk or of the tails, whichever is greater.
pub(super) fn greater(bulk: f64, tail: f64) -> f64 {
    // f64::max would hide a NaN.
    if bulk.is_nan() || tail.is_nan() { f64::NAN } else { bulk.max(tail) }
}

/// R-hat of chains `[chain, draw]` as they are: neither split nor ranked.
pub(super) fn plain(chains: ArrayView2<'_, f64>) -> f64 {
    if !varies(chains) {
        return f64::NAN;
    }
    let n = chains.ncols() as f64;
    let means = chains.map_axis(Axis(1), mean);
    let within = mean(chains.map_axis(Axis(1), variance).view());
    let between = n * variance(means.view());
    ((between / within + n - 1.0) / n).sqrt()
}

/// Nested R-hat of draws `[chain, draw]`, where every `chains_per_superchain` chains in a row began at one point: made for many short
/// chains, down to one draw each. NaN unless there are at least two whole superchains of finite draws that vary.
pub fn r_hat_nested(draws: ArrayView2<'_, f64>, chains_per_superchain: usize) -> f64 {
    let (chains, n) = draws.dim();
    let m = chains_per_superchain;
    if m == 0 || n == 0 || !chains.is_multiple_of(m) || chains / m < 2 {
        return f64::NAN;
    }
    if draws.iter().any(|x| !x.is_finite()) || !varies(draws) {
        return f64::NAN;
    }
    let chain_means = draws.map_axis(Axis(1), mean);
    let chain_variances = if n > 1 { draws.map_axis(Axis(1), variance) } else { Array1::zeros(chains) };
    let groups = || chain_means.axis_chunks_iter(Axis(0), m);
    let superchain_means: Array1<f64> = groups().map(mean).collect();
    let within_chains = mean(chain_variances.view());
    let between_chains = if m > 1 { groups().map(variance).sum::<f64>() / (chains / m) as f64 } else { 0.0 };
    (1.0 + variance(superchain_means.view()) / (within_chains + between_chains)).sqrt()
}

/// Nested R-hat as the verdict takes it: of the normal scores of all draws and of their distances from the median, whichever is greater,
/// so that it sees scales and heavy tails as [`r_hat`] does. NaN where [`r_hat_nested`] is.
pub fn r_hat_nested_ranked(draws: ArrayView2<'_, f64>, chains_per_superchain: usize) -> f64 {
    if draws.is_empty() || draws.iter().any(|x| !x.is_finite()) || !varies(draws) {
        return f64::NAN;
    }
    let scores = Scores::new(draws.len());
    nested_of_scores(&Ordered::new(draws).whole_scores(&scores), chains_per_superchain)
}

/// The same from the scores.
pub(super) fn nested_of_scores([z, far]: &[Array2<f64>; 2], chains_per_superchain: usize) -> f64 {
    let of = |scores: &Array2<f64>| r_hat_nested(scores.view(), chains_per_superchain);
    greater(of(z), of(far))
}

/// The limit for [`r_hat_nested`] that corresponds to `r_hat_limit` for long chains: √(R² + 1/M) with M chains per superchain. At
/// stationarity and one draw each nested R-hat tends to √(1 + 1/M), so a limit that ignores M could never be met.
pub fn nested_r_hat_limit(r_hat_limit: f64, chains_per_superchain: usize) -> f64 {
    (r_hat_limit * r_hat_limit + 1.0 / chains_per_superchain as f64).sqrt()
}
