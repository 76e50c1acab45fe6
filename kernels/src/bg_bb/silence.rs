//! BG/BB: the probability of the silence after the last purchase, and what it says of the customer. The sum over the moment of
//! dropout, as a recurrence; nothing here knows what came before t_x but its counts.
//!
//! With a = α+x, b = β+t_x−x, e = a+b, d = δ+t_x, g = γ+d, and i opportunities already silent, R_i is the probability that
//! the remaining m − i are silent too, m = n − t_x: the customer drops out, or lives, buys nothing, and stays silent.
//!
//! ```text
//! R_i = P_i + S_i q_i R_{i+1},    R_m = 1      P_i = γ/(g+i)   S_i = (d+i)/(g+i) = 1 − P_i   q_i = (b+i)/(e+i)
//! U_i = S_i (1 − q_i R_{i+1}),    U_m = 0      1 − q_i R_{i+1} = (a + (b+i) U_{i+1})/(e+i)   U = 1 − R
//!
//! −∂R_i/∂α = S_i ( q_i R_{i+1}/(e+i) + q_i (−∂R_{i+1}/∂α) )
//!  ∂R_i/∂β = S_i ( a R_{i+1}/(e+i)²  + q_i   ∂R_{i+1}/∂β )
//!  ∂R_i/∂γ = S_i ( (1 − q_i R_{i+1})/(g+i) + q_i ∂R_{i+1}/∂γ )
//! −∂R_i/∂δ = P_i (1 − q_i R_{i+1})/(g+i) + S_i q_i (−∂R_{i+1}/∂δ)
//! P(alive) = Π_i S_i q_i R_{i+1}/R_i
//! ```
//!
//! Unrolled, R_0 is the sum of the paper divided by C. Every term is positive: an error of rounding is never magnified, and
//! each step adds about three. R lies between γ/g and 1, so that no logarithm is needed before the last line; U is carried
//! beside it because ln R = ln1p(−U) keeps its digits where R is near 1. Two divisions a step.

use super::K;

/// The silence of one customer.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Silence {
    /// R.
    pub quiet: f64,
    /// ln R.
    pub ln_quiet: f64,
    /// Of ln R in α, β, γ, δ.
    pub slopes: [f64; K],
    /// P(alive at n).
    pub alive: f64,
}

impl Silence {
    /// At possible parameters, for a possible history.
    pub fn new([alpha, beta, gamma, delta]: [f64; K], x: u32, t_x: u32, n: u32) -> Self {
        let (a, b, d) = (alpha + f64::from(x), beta + (f64::from(t_x) - f64::from(x)), delta + f64::from(t_x));
        let (e, g) = (a + b, gamma + d);
        let (mut quiet, mut heard, mut alive) = (1.0, 0.0, 1.0);
        let [mut less_by_alpha, mut by_beta, mut by_gamma, mut less_by_delta] = [0.0; K];
        for i in (0..n.saturating_sub(t_x)).rev().map(f64::from) {
            let (per_e, per_g) = (1.0 / (e + i), 1.0 / (g + i));
            let (drop, stay, miss) = (gamma * per_g, (d + i) * per_g, (b + i) * per_e);
            let then_quiet = miss * quiet;
            let then_heard = (a + (b + i) * heard) * per_e;
            less_by_alpha = stay * (then_quiet * per_e + miss * less_by_alpha);
            by_beta = stay * (a * per_e * (quiet * per_e) + miss * by_beta);
            by_gamma = stay * (then_heard * per_g + miss * by_gamma);
            less_by_delta = drop * then_heard * per_g + stay * miss * less_by_delta;
            quiet = drop + stay * then_quiet;
            heard = stay * then_heard;
            alive *= stay * then_quiet / quiet;
        }
        Self {
            quiet,
            ln_quiet: if heard < 0.5 { (-heard).ln_1p() } else { quiet.ln() },
            slopes: [-less_by_alpha, by_beta, by_gamma, -less_by_delta].map(|slope| slope / quiet),
            alive,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// R as the paper's sum over i, forward, in logarithms: Σ_{i<m} f_i s_i P_i + f_m s_m.
    fn quiet_by_sum([alpha, beta, gamma, delta]: [f64; K], x: u32, t_x: u32, n: u32) -> f64 {
        let (b, e) = (beta + f64::from(t_x - x), alpha + beta + f64::from(t_x));
        let (d, g) = (delta + f64::from(t_x), gamma + delta + f64::from(t_x));
        let (mut ln_lived, mut sum) = (0.0f64, 0.0);
        for i in (0..n - t_x).map(f64::from) {
            sum += ln_lived.exp() * gamma / (g + i);
            ln_lived += ((b + i) / (e + i)).ln() + ((d + i) / (g + i)).ln();
        }
        sum + ln_lived.exp()
    }

    #[test]
    fn the_recurrence_is_the_sum() {
        for params in [[1.2, 0.75, 0.66, 2.8], [0.05, 3.0, 0.02, 9.0], [40.0, 7.0, 30.0, 2.0], [1e-3, 1e-3, 1e-3, 1e-3]]
        {
            for (x, t_x, n) in
                [(0, 0, 0), (0, 0, 1), (0, 0, 1000), (1, 1, 30), (5, 9, 9), (12, 40, 1000), (600, 990, 1000)]
            {
                let (seen, sum) = (Silence::new(params, x, t_x, n), quiet_by_sum(params, x, t_x, n));
                // The sum's own logarithms: a thousand of them, each of order ln 1000 in its rounding.
                assert!((seen.quiet / sum - 1.0).abs() < 1e-12, "{params:?} {x} {t_x} {n}: {} {sum}", seen.quiet);
                assert!((seen.ln_quiet - sum.ln()).abs() < 1e-12 * sum.ln().abs().max(1.0));
                assert!((0.0..=1.0).contains(&seen.alive));
            }
        }
    }

    /// Where nobody buys, ln R ≈ −α/β Σ…: a number far below the rounding of R = 1.
    #[test]
    fn a_silence_that_is_nearly_sure_keeps_its_digits() {
        let seen = Silence::new([1e-20, 1.0, 1.0, 1.0], 0, 0, 2).ln_quiet;
        // −U = −S₀ (a + b S₁ a/(e+1))/e = −½ (1 + 2/3 · 1/2) 1e-20, to first order in α.
        assert!((seen / (-1e-20 * 2.0 / 3.0) - 1.0).abs() < 1e-14, "{seen:e}");
    }
}
