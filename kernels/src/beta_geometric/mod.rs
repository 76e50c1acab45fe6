//! What BG/NBD and MBG/NBD share: purchases at a personal rate, and chances to leave for good, each taken with a personal
//! probability. How many chances x repeat purchases gave is all that tells the two apart.
//!
//! With y chances, y = x (BG: after each repeat purchase) or y = x + 1 (MBG: after the first purchase too), n = r + x and
//! c = b + y − 1, where t_x = 0 for x = 0,
//!
//! ```text
//! ln L = ln (r)ₓ + r ln α + ln (b)_y − ln (a+b)_y − n ln(α+T) + [y>0] ln(1 + D/A)
//! ln(D/A) = ln(a/c) + n ln((α+T)/(α+t_x))                                          (c)ₓ = Γ(c+x)/Γ(c)
//! ```
//!
//! The scalar densities, the judges, are not here: each model's own module writes its own out.

mod covariates;
pub(crate) mod device;
mod expectation;
mod group_terms;
mod living;
mod rising;
mod simd;

pub use expectation::Expectation;
pub(crate) use group_terms::GroupTerms;
pub use simd::Simd;

/// Parameters per group, in the order r, α, a, b.
pub(crate) const K: usize = 4;

/// One of the two models.
pub trait Law: std::fmt::Debug + Clone + Copy + Send + Sync + 'static {
    /// The model's name, for people.
    const NAME: &'static str;

    /// Chances to leave before any repeat purchase: y − x.
    const AT_START: u32;

    /// Stem of the shader, and the family's part of it.
    const STEM: &'static str;
    /// See [`Law::STEM`].
    const WGSL: &'static str;

    /// Log-likelihood of one customer; −∞ when a parameter is not positive and finite.
    fn log_lik(params: [f64; K], x: u32, t_x: f64, t: f64) -> f64;

    /// Log-likelihood of one customer and its gradient; −∞ and zeros when a parameter is not positive and finite.
    fn log_lik_gradient(params: [f64; K], x: u32, t_x: f64, t: f64) -> (f64, [f64; K]);
}
