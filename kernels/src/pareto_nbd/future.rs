//! Pareto/NBD: what follows after T, given the parameters. Means and probabilities only; predictive draws belong to whoever
//! simulates.
//!
//! Alive at T, a customer has λ ~ Gamma(n, rate a) and μ ~ Gamma(s, rate b) with n = r + x, a = α + T, b = β + T, so that
//!
//! ```text
//! P(alive at T + y | alive at T) = (b/(b+y))^s                                               Lomax
//! P(N = k | alive for y)         = Γ(n+k)/(Γ(n) k!) (a/(a+y))^n (y/(a+y))^k                   negative binomial
//! E[X(T, T+h)] = P(alive) · n/a · ∫₀ʰ (b/(b+y))^s dy
//! ```

use super::quadrature::NODES;
use super::{K, p_alive};
use crate::special::{ln_gamma, ln_rising};

/// Expected purchases in (T, T + horizon] of a customer with history (x, t_x, T). Zero for a horizon of zero or less.
pub fn expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64) -> f64 {
    p_alive(params, x, t_x, t) * expected_purchases_alive(params, x, t, horizon)
}

/// The same of a customer who is alive at T: t_x no longer matters.
pub fn expected_purchases_alive([r, alpha, s, beta]: [f64; K], x: u32, t: f64, horizon: f64) -> f64 {
    (r + f64::from(x)) / (alpha + t) * expected_life(s, beta + t, horizon.max(0.0))
}

/// Expected repeat purchases of a new customer in the time `horizon` after the first purchase.
pub fn expected_purchases_new(params: [f64; K], horizon: f64) -> f64 {
    expected_purchases(params, 0, 0.0, 0.0, horizon)
}

/// Expected purchases after T, a purchase at T + y counting e^(−rate · y): the discounted expected residual transactions of Fader,
/// Hardie & Lee (2005, "RFM and CLV"). `rate` per time unit; infinite where it is 0 and s ≤ 1, or negative.
pub fn discounted_expected_purchases(params: [f64; K], x: u32, t_x: f64, t: f64, rate: f64) -> f64 {
    let [r, alpha, s, beta] = params;
    let b = beta + t;
    p_alive(params, x, t_x, t) * (r + f64::from(x)) / (alpha + t) * b * discounted_life(s, rate * b)
}

/// P(exactly n purchases in (T, T + horizon]) of a customer with history (x, t_x, T).
pub fn probability_of(params: [f64; K], x: u32, t_x: f64, t: f64, horizon: f64, n: u32) -> f64 {
    let [r, alpha, s, beta] = params;
    let alive = p_alive(params, x, t_x, t);
    let Counts { dead, lives } = Counts::new([r + f64::from(x), alpha + t, s, beta + t], n, horizon.max(0.0));
    let nothing = if n == 0 { 1.0 - alive } else { 0.0 };
    nothing + alive * (dead + lives)
}

/// The residual lifetime after T, given alive at T, that is survived with probability u in (0, 1]: (β+T) (u^(−1/s) − 1), the
/// inverse of the survival function of a Lomax distribution with shape s and scale β + T.
///
/// With u uniform on (0, 1) this is a draw of the residual lifetime. It does not depend on x or t_x.
pub fn residual_lifetime([_, _, s, beta]: [f64; K], t: f64, u: f64) -> f64 {
    (beta + t) * (-u.ln() / s).exp_m1()
}

/// ∫₀ʰ (b/(b+y))^s dy = b L φ((1−s) L) with L = ln(1 + h/b), φ(z) = (eᶻ − 1)/z: smooth through s = 1, where it is b L.
fn expected_life(s: f64, b: f64, h: f64) -> f64 {
    let log = (h / b).ln_1p();
    let z = (1.0 - s) * log;
    let phi = if z == 0.0 { 1.0 } else { z.exp_m1() / z };
    b * log * phi
}

/// ∫₀^∞ e^(−qz) (1+z)^−s dz, over v = ln(1+z) as ∫ exp(−(s−1) v − q expm1 v) dv.
///
/// The exponent is concave in v: the integral ends where it has fallen by 40, along its tangent at 0 or by its second term alone.
fn discounted_life(s: f64, q: f64) -> f64 {
    if q.is_nan() {
        return f64::NAN;
    } else if q <= 0.0 {
        return if q == 0.0 && s > 1.0 { 1.0 / (s - 1.0) } else { f64::INFINITY };
    }
    let slope = s - 1.0 + q;
    let tangent = if slope > 0.0 { FALL / slope } else { f64::INFINITY };
    // Where the second term alone has fallen by 40 and by twice what the first may have risen (s < 1) until then.
    let end = tangent.min(((FALL + 2.0 * (FALL / q).ln_1p()) / q).ln_1p());
    integral(end, (end.ceil() as usize).max(4), |v| (-(s - 1.0) * v - q * v.exp_m1()).exp())
}

/// e^−40 of an integrand is nothing.
const FALL: f64 = 40.0;

/// P(n purchases within the horizon | alive at T), by whether the customer dies within it.
struct Counts {
    dead: f64,
    lives: f64,
}

impl Counts {
    /// With `[n, a, s, b]` as at the head of this file, k purchases, horizon h.
    fn new([n, a, s, b]: [f64; K], k: u32, h: f64) -> Self {
        let count = f64::from(k);
        let ways = ln_rising(n, k) - ln_gamma(count + 1.0);
        // ln P(N = k | alive for y); y > 0 unless k = 0.
        let ln_count = |y: f64| {
            let bought = if k == 0 { 0.0 } else { -count * (a / y).ln_1p() };
            ways + bought - n * (y / a).ln_1p()
        };
        if h == 0.0 {
            return Self { dead: 0.0, lives: f64::from(u8::from(k == 0)) };
        }
        let lives = (ln_count(h) - s * (h / b).ln_1p()).exp();
        // Over v = ln(1 + y/c), c = min(a, b): the density of death at y is s/(b+y) (b/(b+y))^s.
        let c = a.min(b);
        let end = (h / c).ln_1p();
        let steepest = 1.0 + (n + s) / 12.0 + count.min(n).sqrt();
        let panels = (end * steepest).ceil().max(2.0) as usize;
        let dead = integral(end, panels, |v| {
            let y = c * v.exp_m1();
            (ln_count(y) - s * (y / b).ln_1p() + v).exp() * (s * c / (b + y))
        });
        Self { dead, lives }
    }
}

/// ∫₀^end f(v) dv by sixteen Gauss–Legendre nodes in each of `panels` panels.
fn integral(end: f64, panels: usize, f: impl Fn(f64) -> f64) -> f64 {
    let half = 0.5 * end / panels as f64;
    let of_panel = |panel: usize| {
        let middle = half * (2 * panel + 1) as f64;
        NODES
            .iter()
            .map(|[place, weight, _]| weight * (f(middle - half * place) + f(middle + half * place)))
            .sum::<f64>()
    };
    half * (0..panels).map(of_panel).sum::<f64>()
}
