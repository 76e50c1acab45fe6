//! Abe's Pareto/NBD: what is to come, and customers' own rates drawn from what their purchases say.

use longrun_kernels::pareto_abe::{self, Rates};
use longrun_kernels::rng::{Purpose, Stream};

const CENTRE: [f64; 5] = [0.1, 0.03, 0.8, 1.4, 0.4];

const HISTORIES: [(u32, f64, f64); 6] =
    [(0, 0.0, 0.0), (0, 0.0, 39.0), (1, 4.0, 39.0), (3, 39.0, 39.0), (12, 30.0, 39.0), (90, 20.0, 39.0)];

/// Where all customers have the same rates, the closed laws of known λ and μ; second derivatives times sd² are left.
#[test]
fn narrow_populations_do_what_known_rates_do() {
    let (lambda, mu, h, sd) = (0.2_f64, 0.05_f64, 13.0, 1e-4);
    let theta = [lambda, mu, sd, sd, 0.2];
    let close = |seen: f64, known: f64| assert!((seen - known).abs() < 1e-5 * known.max(1.0), "{seen} {known}");
    for (x, t_x, t) in [(0, 0.0, 20.0), (4, 15.0, 20.0)] {
        let both = lambda + mu;
        let alive = 1.0 / (1.0 + mu / both * (both * (t - t_x)).exp_m1());
        close(pareto_abe::p_alive(theta, x, t_x, t), alive);
        let stay = -(-mu * h).exp_m1() / mu;
        close(pareto_abe::expected_purchases(theta, x, t_x, t, h), alive * lambda * stay);
        close(pareto_abe::discounted_expected_purchases(theta, x, t_x, t, 0.01), alive * lambda / (mu + 0.01));
        close(pareto_abe::probability_of(theta, x, t_x, t, 0.0, 0), 1.0);
    }
    close(pareto_abe::expected_purchases_new(theta, h), lambda * -(-mu * h).exp_m1() / mu);
}

/// The probabilities of all counts add up to one and have the expected number for a mean.
#[test]
fn counts_have_a_law() {
    for (x, t_x, t) in HISTORIES {
        for h in [0.5, 26.0] {
            let most = 60 + 12 * x;
            let chances: Vec<f64> = (0..most).map(|n| pareto_abe::probability_of(CENTRE, x, t_x, t, h, n)).collect();
            assert!(chances.iter().all(|p| (0.0..=1.0).contains(p)), "{chances:?}");
            let (total, mean) =
                chances.iter().zip(0..).fold((0.0, 0.0), |(total, mean), (p, n)| (total + p, mean + p * f64::from(n)));
            let expected = pareto_abe::expected_purchases(CENTRE, x, t_x, t, h);
            // Lognormal rates have a long tail: of new customers a thousandth of a per cent buy more than sixty times in half a year.
            assert!((total - 1.0).abs() < 1e-4, "{total} at {x} {t_x} {t} {h}");
            assert!((mean - expected).abs() < 1e-2 * expected, "{mean} {expected} at {x} {t_x} {t} {h}");
        }
    }
}

/// Reweighed nodes give the fine lattice's means, near their reference and, with nodes of their own, far from it.
#[test]
fn reweighed_means_are_those_of_the_judge() {
    for (x, t_x, t) in HISTORIES {
        let mut rates = Rates::new(&CENTRE, x, t_x, t);
        for (factor, is_same) in [(1.0, true), (1.03, true), (3.0, false)] {
            let theta = [CENTRE[0] * factor, CENTRE[1] * factor, CENTRE[2] * factor, CENTRE[3] / factor, CENTRE[4]];
            assert_eq!(rates.at(&theta), is_same, "{factor} at {x} {t_x} {t}");
            let [purchases] =
                rates
                    .mean(&rates.values(|alive, lambda, mu| {
                        [alive * pareto_abe::expected_purchases_given([lambda, mu], 13.0)]
                    }));
            let judged = pareto_abe::expected_purchases(theta, x, t_x, t, 13.0);
            // λ's mean under a lognormal law sits σ_λ sds above the middle: of the lattice's six, 2.4 are taken where the factor is 3.
            assert!(
                (purchases - judged).abs() < 3e-4 * judged + 1e-9,
                "{purchases} {judged} at {x} {t_x} {t} {factor}"
            );
            let (alive, judged) = (rates.p_alive(), pareto_abe::p_alive(theta, x, t_x, t));
            assert!((alive - judged).abs() < 1e-6, "{alive} {judged} at {x} {t_x} {t} {factor}");
        }
    }
}

/// Draws against means under the nodes: of soft steps in ln λ and in ln μ, of their product, and of P(alive).
#[test]
fn draws_follow_the_integrand() {
    let n = 40_000;
    for (i, (x, t_x, t)) in HISTORIES.into_iter().enumerate() {
        let mut rates = Rates::new(&CENTRE, x, t_x, t);
        rates.at(&[CENTRE[0] * 1.02, CENTRE[1], CENTRE[2], CENTRE[3] * 0.97, CENTRE[4]]);
        let [u_mean, v_mean] = rates.mean(&rates.values(|_, lambda, mu| [lambda.ln(), mu.ln()]));
        let values = |alive: f64, lambda: f64, mu: f64| {
            let (u, v) = (lambda.ln() - u_mean, mu.ln() - v_mean);
            let step = |z: f64| 1.0 / (1.0 + (-3.0 * z).exp());
            [
                step(u + 0.8),
                step(u),
                step(u - 0.8),
                step(v + 1.5),
                step(v),
                step(v - 1.5),
                step(u) * step(v),
                u * u,
                v * v,
                alive,
            ]
        };
        let expected = rates.mean(&rates.values(values));
        let mut stream = Stream::new(33, Purpose::Test, i as u64, 0);
        let (mut sums, mut squares) = ([0.0; 10], [0.0; 10]);
        for _ in 0..n {
            let [lambda, mu] = rates.draw(|| stream.uniform());
            let seen = values(rates.alive_given([lambda, mu]), lambda, mu);
            for k in 0..10 {
                sums[k] += seen[k];
                squares[k] += seen[k] * seen[k];
            }
        }
        for k in 0..10 {
            let mean = sums[k] / f64::from(n);
            let error = ((squares[k] / f64::from(n) - mean * mean).max(0.0) / f64::from(n)).sqrt();
            // Four and a half standard errors: one of sixty by chance once in 2,500 seeds; and 1e-4 that rejection leaves.
            assert!(
                (mean - expected[k]).abs() < 4.5 * error + 1e-4,
                "{k}: {mean} {} ± {error} at {x} {t_x} {t}",
                expected[k]
            );
        }
    }
}
