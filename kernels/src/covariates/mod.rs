//! Customers with parameters of their own: what is known of each moves its group's parameters by factors, through coefficients that
//! all groups share. Knows the rule and how sums follow it; what a family's density is, the family knows.
//!
//! ```text
//! θ_ik = θ_gk · exp(s_k Σ_t γ_t z_{i,c(t)})       over the terms t that move parameter k; z standardised
//! ∂ℓ_i/∂θ_gk = ∂ℓ_i/∂θ_ik · θ_ik/θ_gk             ∂ℓ_i/∂γ_t = ∂ℓ_i/∂θ_ik · θ_ik · s_k z_{i,c(t)}
//! ```
//!
//! | family | parameters that terms may move, and their signs s |
//! | --- | --- |
//! | BG/NBD, MBG/NBD | α −, a +, b + |
//! | Pareto/NBD | α −, β − |
//!
//! so that positive coefficients mean more purchases (α), more of a or b, and earlier deaths (β).

mod counted;
mod cpu;
mod customers;
mod gpu;
mod parts;
mod shader;
mod simd;

pub use cpu::Cpu;
use customers::Customers;
pub use gpu::Gpu;
pub(crate) use parts::{Case, Parts, Scale};
pub use simd::Simd;

use ndarray::Array2;

/// Parameters per group.
pub(crate) const K: usize = 4;

/// Most terms of a model.
pub const MOST_TERMS: usize = 32;

/// Numbers of a point: a group's parameters, then the coefficients.
pub(crate) const N: usize = K + MOST_TERMS;

/// What is known of each row beside its history.
#[derive(Debug, Clone, PartialEq)]
pub struct Covariates {
    /// `[row, column]`, standardised.
    pub values: Array2<f64>,
    /// Which parameter each coefficient of [`ParamBatch::shared`](crate::ParamBatch::shared) moves, and by which column.
    pub terms: Vec<Term>,
}

/// What one coefficient does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Index into the family's K parameters.
    pub parameter: usize,
    /// Column of [`Covariates::values`].
    pub column: usize,
}

/// A purchase model whose customers may have parameters of their own: [`BgNbd`](crate::bg_nbd::BgNbd),
/// [`MbgNbd`](crate::mbg_nbd::MbgNbd), [`ParetoNbd`](crate::pareto_nbd::ParetoNbd).
pub trait Personal: Parts {
    /// The model's name, for people.
    const NAME: &'static str;

    /// Names of its parameters, in their order.
    const PARAMETERS: [&'static str; K];

    /// Signs s of the exponents; 0 where no term may act.
    const SIGNS: [f64; K];

    /// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
    fn log_lik(theta: [f64; K], x: u32, t_x: f64, t: f64) -> f64;

    /// Log-likelihood of one customer and its gradient; −∞ and zeros when a parameter is not positive and finite.
    fn log_lik_gradient(theta: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]);
}

/// θ of one customer: the parameters of their group moved by what is known of them, a row of [`Covariates::values`].
///
/// `gamma` has one coefficient for each of the terms.
pub fn own<L: Personal>(theta: [f64; K], gamma: &[f64], terms: &[Term], z: &[f64]) -> [f64; K] {
    let mut exponents = [0.0; K];
    for (term, gamma) in terms.iter().zip(gamma) {
        exponents[term.parameter] += gamma * z[term.column];
    }
    std::array::from_fn(|k| if exponents[k] == 0.0 { theta[k] } else { theta[k] * (L::SIGNS[k] * exponents[k]).exp() })
}
