//! E-BFMI: whether the momentum refreshes reach all energies of the posterior.
//!
//! Per chain mean((Eₜ − Eₜ₋₁)²) / var(E) (Betancourt 2016, arXiv:1604.00695), with ArviZ's denominators: N − 1 in both.

use ndarray::{ArrayView1, ArrayView2, Axis};

use super::chains::variance;

/// E-BFMI of every chain of energies `[chain, draw]`; NaN for a constant, for fewer than four draws, and for what is not finite.
pub fn e_bfmi(energy: ArrayView2<'_, f64>) -> Vec<f64> {
    energy
        .axis_iter(Axis(0))
        .map(|chain| if judged(chain) { jumps(chain) / variance(chain) } else { f64::NAN })
        .collect()
}

/// One E-BFMI of all chains together, for chains too short to be judged alone: mean of the squared jumps over the mean variance
/// within chains.
pub fn e_bfmi_pooled(energy: ArrayView2<'_, f64>) -> f64 {
    let mut sums = (0.0, 0.0);
    for chain in energy.axis_iter(Axis(0)) {
        if chain.len() < super::chains::MIN_DRAWS || chain.iter().any(|x| !x.is_finite()) {
            return f64::NAN;
        }
        sums = (sums.0 + jumps(chain), sums.1 + variance(chain));
    }
    if sums.1 > 0.0 { sums.0 / sums.1 } else { f64::NAN }
}

fn judged(chain: ArrayView1<'_, f64>) -> bool {
    super::chains::can_be_judged(chain.insert_axis(Axis(0)))
}

fn jumps(chain: ArrayView1<'_, f64>) -> f64 {
    let squares = chain.iter().zip(chain.iter().skip(1)).map(|(a, b)| (b - a) * (b - a));
    squares.sum::<f64>() / (chain.len() as f64 - 1.0)
}
