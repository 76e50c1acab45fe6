//! The mean of a function of a Beta-distributed probability. Which function, and of whose probability, is the caller's.

/// E[f(p)], p ~ Beta(a, b), by the trapezoid rule in u = logit p, where the density loses its singular ends; f must be constant, and
/// p ≪ 1/(b+1), where u < `flat`; as 1 − p → 0, f(p) must tend to a limit.
///
/// Good to about 1e-12 for functions without structure of their own in u. The step is ¼, less when the Beta is so narrow that ¼
/// would miss it. Beyond the first and the last node f is constant and the weights are geometric series.
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
    // Beyond, 1 − p is below e^−40 of itself and of 1/a: f has reached its limit, and weights fall by e^(−b · step).
    let settled = 40.0 + a.ln_1p();
    let right = steps_until(1.0, &|u| u > settled || log_weight(u) - top < -42.0);
    let (mut total, mut weighted) = (0.0, 0.0);
    for i in -left..=right {
        let u = mode + step * f64::from(i);
        let mut weight = (log_weight(u) - top).exp();
        if i == -left {
            weight /= -(-a * step).exp_m1();
        } else if i == right {
            weight /= -(-b * step).exp_m1();
        }
        let p = 1.0 / (1.0 + (-u).exp());
        total += weight;
        weighted += weight * f(p);
    }
    weighted / total
}

#[cfg(test)]
mod tests {
    use super::*;

    /// E[1 − p] = b/(a+b) and E[p²] = a(a+1)/((a+b)(a+b+1)), down to Betas that are almost all at 0 or at 1.
    #[test]
    fn means_are_the_closed_forms() {
        for a in [1e-6, 1e-3, 0.05, 0.7, 3.0, 400.0] {
            for b in [1e-6, 1e-4, 0.005, 0.02, 0.4, 2.0, 900.0] {
                let flat = -(b + 1.0f64).ln() - 36.0;
                let sum: f64 = a + b;
                let (mean, square) = (beta_mean(a, b, flat, |p| 1.0 - p), beta_mean(a, b, flat, |p| p * p));
                // 1 − p of p near 1 has an absolute error of 1e-16.
                assert!((mean - b / sum).abs() < 1e-12 * (b / sum) + 2e-16, "{a} {b}: {mean} for {}", b / sum);
                let expected = a * (a + 1.0) / (sum * (sum + 1.0));
                assert!((square / expected - 1.0).abs() < 1e-11, "{a} {b}: {square} for {expected}");
            }
        }
    }
}
