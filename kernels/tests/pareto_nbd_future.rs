//! Pareto/NBD after T: expectations, probabilities and lifetimes against integrals, sums and simulated customers.

use longrun_kernels::pareto_nbd;
use longrun_kernels::rng::{Purpose, Stream};

const CENTRE: [f64; 4] = [0.55, 10.6, 0.6, 11.7];

/// Simpson's rule in 20,000 steps.
fn simpson(end: f64, f: impl Fn(f64) -> f64) -> f64 {
    let step = end / 20_000.0;
    let weight = |i: u32| if i == 0 || i == 20_000 { 1.0 } else { f64::from(2 + 2 * (i % 2)) };
    (0..=20_000).map(|i| weight(i) * f(step * f64::from(i))).sum::<f64>() * step / 3.0
}

#[test]
fn expected_purchases_are_the_integral_of_the_rate() {
    for s in [0.3, 0.999_999_999, 1.0, 1.000_001, 2.5, 40.0] {
        let theta = [0.6, 9.0, s, 11.0];
        let (x, t_x, t, h) = (4, 20.0, 30.0, 52.0);
        let rate = pareto_nbd::p_alive(theta, x, t_x, t) * 4.6 / 39.0;
        let expected = rate * simpson(h, |y| (1.0 + y / 41.0).powf(-s));
        let seen = pareto_nbd::expected_purchases(theta, x, t_x, t, h);
        assert!((seen / expected - 1.0).abs() < 1e-10, "s = {s}: {seen} {expected}");
        let new = 0.6 / 9.0 * simpson(h, |y| (1.0 + y / 11.0).powf(-s));
        assert!((pareto_nbd::expected_purchases_new(theta, h) / new - 1.0).abs() < 1e-10);
        assert_eq!(pareto_nbd::expected_purchases(theta, x, t_x, t, 0.0), 0.0);
    }
}

/// Against the definition: e^(−rate y) over the purchases expected in (y, y + dy).
#[test]
fn discounted_purchases_are_the_discounted_rate() {
    for (s, rate) in [(0.3, 0.01), (1.0, 0.003), (2.5, 0.05), (40.0, 1e-4), (0.05, 3.0)] {
        let theta = [0.6, 9.0, s, 11.0];
        let (x, t_x, t) = (2, 12.0, 30.0);
        let at_t = pareto_nbd::p_alive(theta, x, t_x, t) * 2.6 / 39.0;
        // Over v = ln(1 + y/41), until nothing is left.
        let expected = at_t
            * simpson((1.0f64 + 45.0 / (rate * 41.0)).ln(), |v| {
                41.0 * (v * (1.0 - s) - rate * 41.0 * v.exp_m1()).exp()
            });
        let seen = pareto_nbd::discounted_expected_purchases(theta, x, t_x, t, rate);
        assert!((seen / expected - 1.0).abs() < 1e-9, "s = {s}, rate = {rate}: {seen} {expected}");
    }
    // Without discounting, all that will ever be bought: (β+T)/(s−1) years at the rate, or no end of it.
    let theta = [0.6, 9.0, 2.5, 11.0];
    let all = pareto_nbd::discounted_expected_purchases(theta, 0, 0.0, 0.0, 0.0);
    assert!((all / (0.6 / 9.0 * 11.0 / 1.5) - 1.0).abs() < 1e-9, "{all}");
    assert_eq!(pareto_nbd::discounted_expected_purchases([0.6, 9.0, 0.9, 11.0], 0, 0.0, 0.0, 0.0), f64::INFINITY);
}

/// Probabilities of counts add up to one, and their mean is the expectation.
#[test]
fn probabilities_of_counts_add_up() {
    for (theta, x, t_x, t, h) in [
        ([0.55, 10.6, 0.6, 11.7], 3, 20.0, 30.0, 52.0),
        ([0.02, 0.5, 8.0, 300.0], 0, 0.0, 40.0, 10.0),
        ([5.0, 2.0, 0.05, 1e-3], 200, 90.0, 100.0, 30.0),
    ] {
        let (mut total, mut mean) = (0.0, 0.0);
        for n in 0..1500 {
            let p = pareto_nbd::probability_of(theta, x, t_x, t, h, n);
            assert!((0.0..=1.0).contains(&p), "{n}: {p}");
            total += p;
            mean += f64::from(n) * p;
        }
        let expected = pareto_nbd::expected_purchases(theta, x, t_x, t, h);
        // What more than 1,500 purchases weigh is below this.
        assert!((total - 1.0).abs() < 1e-9 && (mean / expected - 1.0).abs() < 1e-8, "{total} {mean} {expected}");
    }
    assert_eq!(pareto_nbd::probability_of(CENTRE, 3, 30.0, 30.0, 0.0, 0), 1.0);
    assert_eq!(pareto_nbd::probability_of(CENTRE, 3, 30.0, 30.0, 0.0, 2), 0.0);
}

/// Two hundred thousand customers with r + x = 3: λ as the sum of three exponentials, lifetimes by inversion, purchase by purchase.
#[test]
fn probabilities_and_lifetimes_are_those_of_simulated_customers() {
    let (theta, x, t_x, t, horizon) = ([1.0, 6.0, 0.8, 9.0], 2, 14.0, 20.0, 26.0);
    let (alive, customers) = (pareto_nbd::p_alive(theta, x, t_x, t), 200_000);
    let mut counted = [0.0; 8];
    for i in 0..customers {
        let mut stream = Stream::new(19, Purpose::Test, i, 0);
        let mut exponential = || -(1.0 - stream.uniform()).ln();
        let lambda = (exponential() + exponential() + exponential()) / (6.0 + t);
        let end = pareto_nbd::residual_lifetime(theta, t, (-exponential()).exp()).min(horizon);
        let is_alive = -(-exponential()).exp_m1() < alive;
        let (mut bought, mut at) = (0, exponential() / lambda);
        while is_alive && at < end {
            bought += 1;
            at += exponential() / lambda;
        }
        counted[7.min(bought)] += 1.0 / customers as f64;
    }
    for (n, seen) in counted.iter().take(7).enumerate() {
        let p = pareto_nbd::probability_of(theta, x, t_x, t, horizon, n as u32);
        // Four standard errors of a share.
        assert!((seen - p).abs() < 4.0 * (p * (1.0 - p) / customers as f64).sqrt(), "{n}: {seen} {p}");
    }
}

#[test]
fn residual_lifetimes_invert_survival() {
    let [s, scale] = [0.8, 29.0];
    for u in [1.0, 0.9, 0.5, 1e-6] {
        let y = pareto_nbd::residual_lifetime([1.0, 6.0, s, 9.0], 20.0, u);
        assert!(((1.0 + y / scale).powf(-s) / u - 1.0).abs() < 1e-12, "{u}: {y}");
    }
}
