//! Shifted beta-geometric: customers under contract, who are lost at the end of each period with a personal probability (Fader &
//! Hardie 2007, "How to project customer retention"). One customer at a time, in f64: likelihood, gradient, survival, what is to come.
//!
//! These functions are the judge; the sums over cohorts in `cpu` and `gpu` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | α, β | probability θ ~ Beta(α, β) of being lost at the end of a period | > 0 |
//! | T | period at whose end the customer was lost, from 1; or periods survived so far, from 0 | 0, 1, 2, … |
//!
//! ```text
//! P(lost in T)        = B(α+1, β+T−1)/B(α, β) = α/(α+β+T−1) · Π_{j<T−1} (β+j)/(α+β+j)
//! P(active after T)   = B(α, β+T)/B(α, β)     = Π_{j<T} (β+j)/(α+β+j)
//! ```
//!
//! The products are taken factor by factor, as Σ ln(1 + α/(β+j)): no Γ functions, and nothing large subtracted from anything large.

mod cohorts;
mod cpu;
mod future;
mod gpu;

pub use cohorts::{MOST_PERIODS, Rows};
pub use cpu::Cpu;
pub use future::{discounted_residual_lifetime, expected_periods, probability_of, retention, survival};
pub use gpu::Gpu;

/// Parameters per group, in the order α, β.
pub const K: usize = 2;

/// Log-likelihood of one customer, `lost` in the period, or active after so many periods; −∞ when a parameter is not positive and
/// finite, or for a loss in period 0, which is before the contract.
pub fn log_lik(params: [f64; K], period: u32, lost: bool) -> f64 {
    log_lik_gradient(params, period, lost).0
}

/// Log-likelihood of one customer and its gradient in α, β; −∞ and zeros where [`log_lik`] is −∞.
pub fn log_lik_gradient(params: [f64; K], period: u32, lost: bool) -> (f64, [f64; K]) {
    if !is_possible(&params) || (lost && period == 0) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let [alpha, beta] = params;
    let survived = period - u32::from(lost);
    let (mut value, mut by_alpha, mut by_beta) = (0.0, 0.0, 0.0);
    for j in 0..survived {
        let of_beta = beta + f64::from(j);
        value -= (alpha / of_beta).ln_1p();
        by_alpha -= 1.0 / (alpha + of_beta);
        by_beta += alpha / of_beta / (alpha + of_beta);
    }
    if lost {
        let of_beta = beta + f64::from(survived);
        value -= (of_beta / alpha).ln_1p();
        by_alpha += of_beta / alpha / (alpha + of_beta);
        by_beta -= 1.0 / (alpha + of_beta);
    }
    (value, [by_alpha, by_beta])
}

/// Whether every parameter is positive and finite.
pub fn is_possible(params: &[f64; K]) -> bool {
    params.iter().all(|p| *p > 0.0 && p.is_finite())
}
