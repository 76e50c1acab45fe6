//! Abe's Pareto/NBD: what is to come, and customers' own rates drawn from what their purchases say.

use longrun_kernels::pareto_abe::{self, Rates, Strata};
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

/// Draws around [`CENTRE`], `spread` apart.
fn draws(n: u32, spread: f64) -> Vec<[f64; 5]> {
    let draw = |d: u32| {
        let mut stream = Stream::new(34, Purpose::Test, u64::from(d), 0);
        let [rate, death, a, b, corr] = CENTRE;
        let by: [f64; 5] = std::array::from_fn(|_| (spread * stream.normal()).exp());
        [rate * by[0], death * by[1], a * by[2], b * by[3], (corr.atanh() + by[4].ln()).tanh()]
    };
    (0..n).map(draw).collect()
}

/// Nodes that draws share give the fine lattice's means: of draws near each other, and of draws so far apart that they are in strata.
#[test]
fn shared_means_are_those_of_the_judge() {
    for (spread, most) in [(0.0, 1e-6), (0.03, 1e-5), (0.3, 2e-4), (0.5, 1e-3)] {
        let draws = draws(21, spread);
        let (strata, mut rates) = (Strata::new(&draws), Rates::default());
        let (mut worst, mut told) = (0.0_f64, 0);
        for (x, t_x, t) in HISTORIES {
            let of_node = |alive: f64, lambda: f64, mu: f64| {
                [alive, alive * pareto_abe::expected_purchases_given([lambda, mu], 13.0)]
            };
            rates.each(&strata, (x, t_x, t), of_node, |draw, seen| {
                let [alive, purchases] = seen.means;
                let judged = pareto_abe::expected_purchases(draws[draw], x, t_x, t, 13.0);
                // λ's mean under a lognormal law sits σ_λ sds above the middle, which takes them of the lattice's six: σ_λ is up to 2.4.
                worst = worst.max((purchases - judged).abs() / (judged + 1e-6));
                let judged = pareto_abe::p_alive(draws[draw], x, t_x, t);
                assert!((alive - judged).abs() < 1e-5, "{alive} {judged} at {x} {t_x} {t} {:?}", draws[draw]);
                told += 1;
            });
        }
        eprintln!("{spread} apart: {worst:.1e}");
        assert!(worst < most && told == 21 * HISTORIES.len(), "{worst} {told} at {spread}");
    }
}

/// Draws that no likelihood was asked about, as an approximation's, have answers all the same.
#[test]
fn impossible_draws_become_possible() {
    let [rate, death, a, b, _] = CENTRE;
    let draws = [[rate, death, a, b, 1.0], [rate, 0.0, a, 99.0, -1.0], [f64::NAN, death, 0.0, b, f64::NAN], CENTRE];
    for (x, t_x, t) in HISTORIES {
        let mut told = 0;
        Rates::default().each(
            &Strata::new(&draws),
            (x, t_x, t),
            |alive, _, _| [alive],
            |draw, seen| {
                assert!(
                    (0.0..1.0 + 1e-9).contains(&seen.means[0]),
                    "{} of draw {draw} at {x} {t_x} {t}",
                    seen.means[0]
                );
                told += 1;
            },
        );
        assert_eq!(told, draws.len());
    }
}

/// Draws against means under the nodes, times P(alive): of soft steps in ln λ and in ln μ, of their product.
#[test]
fn draws_follow_the_integrand() {
    let (n, mut drawn) = (40_000, 0);
    for (i, (x, t_x, t)) in HISTORIES.into_iter().enumerate() {
        let (strata, mut rates) = (Strata::new(&draws(3, 0.05)), Rates::default());
        let mut middle = [0.0; 2];
        rates.each(&strata, (x, t_x, t), |_, lambda, mu| [lambda.ln(), mu.ln()], |_, told| middle = told.means);
        let [u_mean, v_mean] = middle;
        let values = |alive: f64, lambda: f64, mu: f64| {
            let (u, v) = (lambda.ln() - u_mean, mu.ln() - v_mean);
            let step = |z: f64| 1.0 / (1.0 + (-3.0 * z).exp());
            let steps = [step(u + 0.8), step(u), step(u - 0.8), step(v + 1.5), step(v), step(v - 1.5)];
            let [_, low, _, _, high, _] = steps;
            let [a, b, c, d, e, f] = steps.map(|step| alive * step);
            [alive, a, b, c, d, e, f, alive * low * high, alive * u * u, alive * v * v]
        };
        rates.each(&strata, (x, t_x, t), values, |draw, told| {
            // Who is certainly gone is not drawn.
            if draw != 1 || told.means[0] < 1e-6 {
                return;
            }
            drawn += 1;
            let mut stream = Stream::new(33, Purpose::Test, i as u64, 0);
            let (mut sums, mut squares) = ([0.0; 10], [0.0; 10]);
            for _ in 0..n {
                let first = stream.uniform();
                let [lambda, mu] = told.draw(first, || stream.uniform());
                let seen = values(1.0, lambda, mu);
                for k in 0..10 {
                    sums[k] += seen[k];
                    squares[k] += seen[k] * seen[k];
                }
            }
            for k in 1..10 {
                let (mean, expected) = (sums[k] / f64::from(n), told.means[k] / told.means[0]);
                let error = ((squares[k] / f64::from(n) - mean * mean).max(0.0) / f64::from(n)).sqrt();
                // Four and a half standard errors: one of sixty by chance once in 2,500 seeds; and 1e-4 that rejection leaves.
                let is_close = (mean - expected).abs() < 4.5 * error + 1e-4;
                assert!(is_close, "{k}: {mean} {expected} ± {error} at {x} {t_x} {t}");
            }
        });
    }
    assert_eq!(drawn, HISTORIES.len() - 1, "all but one may buy again");
}
