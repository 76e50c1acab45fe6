//! The mean of a function of a Beta-distributed probability. Which function, and of whose probability, is the caller's.

/// E[f(p)], p ~ Beta(a, b), by the trapezoid rule in u = logit p, where the density loses its singular ends; f must be constant, and
/// p ≪ 1/(b+1), where u < `flat`.
///
/// Good to about 1e-12 for functions without structure of their own in u. The step is ¼, less when the Beta is so narrow that ¼
/// would miss it. Left of the first node f is constant and the weights are a geometric series.
pub(crate) fn beta_mean(a: f64, b: f64, flat: f64, f: impl Fn(f64) -> f64) -> f64 {
    let step = 0.25f64.min(0.6 * (1.0 / a + 1.0 / b).sqrt());
    let mode = (a / b).ln();
    let log_weight = |u: f64| -a * (-u).exp().ln_1p() - b * u.exp().ln_1p();
    let top = log_weight(mode);
    let steps_until = |direction: f64, enough: &dyn Fn(f64) -> bool| {
        let mut steps = 1;
        while !enough(mode + direction * step * f64::from(steps)) && steps < 1 << 20 {
            steps += 1;
        }
        steps
    };
    let left = steps_until(-1.0, &|u| u < flat || log_weight(u) - top < -42.0);
    let right = steps_until(1.0, &|u| log_weight(u) - top < -42.0);
    let (mut total, mut weighted) = (0.0, 0.0);
    for i in -left..=right {
        let u = mode + step * f64::from(i);
        let mut weight = (log_weight(u) - top).exp();
        if i == -left {
            weight /= -(-a * step).exp_m1();
        }
        let p = 1.0 / (1.0 + (-u).exp());
        total += weight;
        weighted += weight * f(p);
    }
    weighted / total
}
