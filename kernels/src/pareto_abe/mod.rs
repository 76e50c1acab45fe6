//! Pareto/NBD with correlated lognormal rates (Abe 2009, "'Counting your customers' one by one: a hierarchical Bayes extension to
//! the Pareto/NBD model"): λ and μ of a customer are lognormal around covariate regressions, and may go together. One customer at a
//! time, in f64: likelihood, gradient, P(alive), what is to come.
//!
//! These functions are the judge; the sums over many customers in `cpu`, `simd` and `gpu` are held against them.
//!
//! | symbol | meaning | support |
//! | --- | --- | --- |
//! | `rate`, `death` | medians of the purchase rate λ and of the death rate μ: m = (ln rate, ln death) | > 0 |
//! | σ_λ, σ_μ | sds of ln λ and ln μ, within [`SPREADS`] | > 0 |
//! | ρ | correlation of ln λ and ln μ | (−1, 1) |
//! | γ | covariates' coefficients: m_i = m + Σ γ z_i | ℝ |
//! | x, t_x, T | repeat purchases, the last of them, time observed | as in `pareto_nbd` |
//!
//! ```text
//! L(λ, μ) = λ^x/(λ+μ) [ μ e^−(λ+μ)t_x + λ e^−(λ+μ)T ]
//! ln L_i  = ln ∫∫ L(e^u, e^v) N₂((u, v); m_i, Σ) du dv            Σ = [σ_λ², ρσ_λσ_μ; ρσ_λσ_μ, σ_μ²]
//! ```
//!
//! The integral is a sum over a lattice (`quadrature`). Its slopes are posterior means of ξ = (u − m_λ)/σ_λ, η = (v − m_μ)/σ_μ and their
//! squares and product (`moments`).

mod cpu;
mod future;
mod gpu;
mod integrand;
mod moments;
mod quadrature;
mod rates;
mod rows;
mod simd;
mod tilt;

pub use cpu::Cpu;
pub use future::{discounted_expected_purchases, expected_purchases, expected_purchases_new, p_alive, probability_of};
pub use gpu::Gpu;
pub use rates::{Rates, Strata, Told, expected_purchases_given};
pub use simd::Simd;

use crate::covariates::{Covariates, Term};
use crate::{Cells, KernelError};
use integrand::{History, Population};
use moments::Moments;
use ndarray::Array2;
use quadrature::{FINE, Placer};

/// Parameters per group, in the order rate, death, σ_λ, σ_μ, ρ.
pub const K: usize = 5;

/// Sds of ln λ and ln μ that are possible: beyond them nothing that people count could be told from a constant or from chaos.
pub const SPREADS: std::ops::RangeInclusive<f64> = 1e-4..=30.0;

/// Medians that are possible.
const MEDIANS: std::ops::RangeInclusive<f64> = 1e-30..=1e30;

/// Correlations are possible while 1 − ρ² is at least this.
const LEAST_INDEPENDENCE: f64 = 1e-10;

/// Log-likelihood of one customer; −∞ at an impossible point.
pub fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64 {
    log_lik_gradient(params, x, t_x, t).0
}

/// Log-likelihood of one customer and its gradient in rate, death, σ_λ, σ_μ, ρ; −∞ and zeros at an impossible point.
pub fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]) {
    if !is_possible(&params) {
        return (f64::NEG_INFINITY, [0.0; K]);
    }
    let population = Population::new(&params);
    let mut placer = Placer::new(FINE);
    let ln_lik = placer.place(&History::new(x, t_x, t), &population);
    let (mean, covariance) = placer.spread();
    let moments = Moments::of(ln_lik, &placer.lattice, &population, mean, covariance);
    (ln_lik, moments.gradient(&params))
}

/// Whether the likelihood can be asked at these parameters.
pub fn is_possible(&[rate, death, sd_rate, sd_death, corr]: &[f64; K]) -> bool {
    [rate, death].iter().all(|p| MEDIANS.contains(p))
        && [sd_rate, sd_death].iter().all(|sd| SPREADS.contains(sd))
        && 1.0 - corr * corr >= LEAST_INDEPENDENCE
}

/// The nearest parameters that are possible.
fn nearest(&[rate, death, sd_rate, sd_death, corr]: &[f64; K]) -> [f64; K] {
    // Not `clamp`, which leaves what is no number as it is.
    let within = |x: f64, low: f64, high: f64| x.max(low).min(high);
    let [median, sd] = [MEDIANS, SPREADS].map(|range| move |x: f64| within(x, *range.start(), *range.end()));
    let most = (1.0 - 2.0 * LEAST_INDEPENDENCE).sqrt();
    [median(rate), median(death), sd(sd_rate), sd(sd_death), within(corr, -most, most)]
}

/// Medians in the middle of the data, a factor of e between customers, no correlation: where searches and references begin.
fn first_guess(cells: &Cells) -> [f64; K] {
    let (mut purchases, mut time, mut customers) = (0.0, 0.0, 0.0);
    for ((x, t), w) in cells.frequency.iter().zip(&cells.age).zip(&cells.weight) {
        purchases += w * f64::from(*x);
        time += w * t;
        customers += w;
    }
    [(purchases + 1.0) / (time + 1.0), (customers + 1.0) / (time + 1.0), 1.0, 1.0, 0.0]
}

/// Of customers of whom nothing is known beside their purchases.
fn no_covariates() -> Covariates {
    Covariates { values: Array2::zeros((0, 0)), terms: Vec::new() }
}

/// Refuses covariates of other rows, of other parameters than the two medians, and values that are not numbers.
fn check_covariates(cells: &Cells, covariates: &Covariates) -> Result<(), KernelError> {
    let Covariates { values, terms } = covariates;
    let (rows, columns) = values.dim();
    if let Some(term) = terms.iter().find(|term| term.parameter > 1 || term.column >= columns) {
        return Err(KernelError::new(
            format!("{term:?} with {columns} columns of covariates"),
            "covariates move parameters 0 (rate) and 1 (death), by columns that exist",
        ));
    }
    if !terms.is_empty() && rows != cells.group.len() {
        return Err(KernelError::new(
            format!("covariates of {rows} rows for {} rows", cells.group.len()),
            "pass one row of covariates per row",
        ));
    }
    if values.iter().any(|value| !value.is_finite()) {
        return Err(KernelError::new("covariates that are not finite", "leave such customers out, or fill them in"));
    }
    Ok(())
}

/// Medians and sds of a customer whose group's are `theta`, moved by covariates: rate and death grow by e^(Σ γ z) each.
pub fn own(mut theta: [f64; 4], gammas: &[f64], terms: &[Term], z: &[f64]) -> [f64; 4] {
    for (term, gamma) in terms.iter().zip(gammas) {
        theta[term.parameter] *= (gamma * z[term.column]).exp();
    }
    theta
}

/// How a row's covariates move (ln rate, ln death).
fn shift(covariates: &Covariates, row: usize, gammas: &[f64]) -> [f64; 2] {
    let mut shift = [0.0; 2];
    for (term, gamma) in covariates.terms.iter().zip(gammas) {
        shift[term.parameter] += gamma * covariates.values[[row, term.column]];
    }
    shift
}
