//! Autocorrelation of chains, for a picture: how long a chain remembers where it was. The verdict does not use it; effective sample
//! sizes say the same in one number.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | N, x̄ | length and mean of the chain |
//! | γₖ | Σ (xₜ − x̄)(xₜ₊ₖ − x̄) / N over t = 1 … N − k: the biased estimator, whose sequence is a covariance function |
//! | ρₖ | γₖ / γ₀ |

use ndarray::{Array2, ArrayView2, s};

use super::chains::mean;

/// ρₖ of every chain of `[chain, draw]` at lags 0 to `lags` or one less than the chain is long: `[chain, lag]`, as ArviZ's `autocorr`
/// computes it. NaN for a chain that never changes or is not finite.
pub fn autocorrelation(draws: ArrayView2<'_, f64>, lags: usize) -> Array2<f64> {
    let (chains, n) = draws.dim();
    let mut out = Array2::from_elem((chains, if n == 0 { 0 } else { lags.min(n - 1) + 1 }), f64::NAN);
    for (chain, mut rho) in draws.rows().into_iter().zip(out.rows_mut()) {
        let moves = chain.iter().any(|x| Some(x) != chain.first());
        if !moves || chain.iter().any(|x| !x.is_finite()) {
            continue;
        }
        let centred = &chain - mean(chain);
        let gamma = |k: usize| centred.slice(s![..n - k]).dot(&centred.slice(s![k..]));
        let whole = gamma(0);
        rho.iter_mut().enumerate().for_each(|(k, rho)| *rho = gamma(k) / whole);
    }
    out
}

#[cfg(test)]
mod tests {
    use ndarray::array;

    use super::*;

    /// arviz-stats 0.8.0: `array_stats.autocorr`.
    #[test]
    fn it_is_the_one_that_arviz_computes() {
        let seen = autocorrelation(array![[1.0, 3.0, 2.0, 5.0, 4.0, 4.5, 0.5, 2.5]].view(), 4);
        let wanted = [1.0, -0.04589678510998307, 0.07233502538071061, -0.5708544839255499, -0.03468697123519458];
        assert_eq!(seen.dim(), (1, 5));
        for (seen, wanted) in seen.iter().zip(wanted) {
            // Rounding of eight terms, and of a Fourier transform there.
            assert!((seen - wanted).abs() < 1e-14, "{seen} {wanted}");
        }
    }

    #[test]
    fn each_chain_has_its_own_and_what_never_moves_has_none() {
        let draws = array![[1.0, -1.0, 1.0, -1.0], [2.0, 2.0, 2.0, 2.0], [0.0, f64::NAN, 1.0, 2.0]];
        let seen = autocorrelation(draws.view(), 50);
        assert_eq!(seen.dim(), (3, 4));
        // By hand: γ₁ = −3/4, γ₂ = 2/4 of γ₀ = 4/4.
        assert_eq!(seen.row(0).to_vec(), [1.0, -0.75, 0.5, -0.25]);
        assert!(seen.row(1).iter().chain(seen.row(2)).all(|rho| rho.is_nan()));
        assert_eq!(autocorrelation(Array2::zeros((3, 0)).view(), 5).dim(), (3, 0));
    }

    /// A chain that keeps 0.8 of itself remembers 0.8ᵏ.
    #[test]
    fn a_chain_that_keeps_a_share_of_itself_forgets_geometrically() {
        let mut noise = crate::kernels::rng::Stream::new(3, crate::kernels::rng::Purpose::Test, 0, 0);
        let mut x = 0.0;
        let draws = Array2::from_shape_fn((1, 20_000), |_| {
            x = 0.8 * x + 0.6 * noise.normal();
            x
        });
        let seen = autocorrelation(draws.view(), 6);
        for k in 0..=6 {
            // The standard error of a correlation of 20,000 draws worth 2,200: 0.02; four of them.
            assert!((seen[[0, k]] - 0.8f64.powi(k as i32)).abs() < 0.08, "{k}: {}", seen[[0, k]]);
        }
    }
}
