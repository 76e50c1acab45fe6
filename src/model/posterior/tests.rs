//! The posterior against finite differences, closed forms and its own prior draws, on simulated customers.

mod covariates;
mod nested;
mod places;
mod sampling;
mod world;

use std::collections::BTreeMap;

use super::*;
use crate::dist::Centring;
use crate::dist::Prior;
use crate::kernels::rng::Purpose;
use crate::kernels::{bg_nbd, gamma_gamma};
use crate::model::{MODELS, family};
use world::*;

#[test]
fn gradients_are_the_derivatives() {
    let mut rows: Vec<(&str, usize, PriorSpec, bool)> = vec![
        ("bg_nbd", 1, published(), true),
        ("bg_nbd", 1, all_flat(&["r", "alpha", "a", "b"]), false),
        ("gamma_gamma", 1, all_flat(&["p", "q", "v"]), false),
        ("gamma_gamma", 1, spec("priors.q = { dist = \"gamma\", shape = 3, rate = 0.5 }"), true),
    ];
    let keys = || MODELS.iter().map(|family| family.key);
    for key in keys() {
        rows.push((key, 1, PriorSpec::default(), true));
        for c in [Centring::NonCentred, Centring::Centred, Centring::Auto] {
            rows.push((key, 3, centring(c), true));
        }
        rows.push((key, 3, centring(Centring::NonCentred), false));
    }
    let plain = rows
        .into_iter()
        .map(|(key, groups, spec, jacobian)| (key, posterior(key, groups, 40, &spec).jacobian(jacobian)));
    let informed = keys().map(|key| (key, informed(key, 3, 40)));
    for (row, (key, mut p)) in plain.chain(informed).enumerate() {
        for which in 0..3 {
            let point = near_start(&p, which, 0.4);
            let (value, gradient) = at(&mut p, &point);
            assert!(value.is_finite(), "{key} row {row}");
            for i in 0..p.dim() {
                let h = 1e-4;
                let f = |p: &mut Posterior, steps: f64| {
                    let mut moved = point.clone();
                    moved[i] += steps * h;
                    at(p, &moved).0
                };
                let numeric =
                    (8.0 * (f(&mut p, 1.0) - f(&mut p, -1.0)) - (f(&mut p, 2.0) - f(&mut p, -2.0))) / (12.0 * h);
                // Five-point differences: truncation h⁴ ≈ 1e-16 times a fifth derivative, rounding 1e-13·|value|/h ≈ 1e-7 at worst.
                assert!(
                    (numeric - gradient[i]).abs() < 1e-6 * (1.0 + gradient[i].abs()),
                    "{key} row {row}, {}: {} against {numeric}",
                    p.schema().unconstrained[i],
                    gradient[i]
                );
            }
        }
    }
}

#[test]
fn the_published_priors_have_their_densities() {
    let mut p = posterior("bg_nbd", 1, 50, &published());
    // u of r 0.24, α 4.4, φ 0.25, κ 3.2.
    let point = ndarray::array![0.24_f64.ln(), 4.4_f64.ln(), (0.25_f64 / 0.75).ln(), 2.2_f64.ln()];
    let parameters = p.parameters(point.view());
    for (found, expected) in parameters.iter().zip([0.24, 4.4, 0.8, 2.4]) {
        assert!((found - expected).abs() < 1e-14 * 8.0);
    }
    let log_lik = p.log_likelihood(point.view()).unwrap();
    let by_hand: f64 =
        customers(1, 50).iter().map(|&(_, x, t_x, t, _)| bg_nbd::log_lik([0.24, 4.4, 0.8, 2.4], x, t_x, t)).sum();
    assert!((log_lik - by_hand).abs() < 1e-11);
    // scipy 1.17: weibull_min(2, scale=1).logpdf(.24) + weibull_min(2, scale=10).logpdf(4.4) + 0 + pareto(1).logpdf(3.2), and with
    // ln .24 + ln 4.4 + ln(.25·.75) + ln 2.2 for the transforms. 1e-11 is rounding beside a log-likelihood of some hundreds.
    let with = at(&mut p, &point).0 - log_lik;
    let without = at(&mut p.jacobian(false), &point).0 - log_lik;
    assert!((with + 6.572_920_147_118_825).abs() < 1e-11, "{with}");
    assert!((without + 5.741_889_259_195_493).abs() < 1e-11, "{without}");
}

/// What is left of the density without the likelihood, for every model, with groups and without; and what of that the user stated.
#[test]
fn priors_are_what_the_likelihood_is_not() {
    for key in MODELS.iter().map(|family| family.key) {
        let two = [posterior(key, 1, 40, &PriorSpec::default()), informed(key, 3, 40)];
        for mut p in two {
            let point = near_start(&p, 1, 0.4);
            let prior = p.log_prior(point.view());
            let whole = at(&mut p, &point).0 - p.log_likelihood(point.view()).unwrap();
            // Rounding beside a log-likelihood of some hundreds.
            assert!((prior.whole - whole).abs() < 1e-9, "{key}: {} against {whole}", prior.whole);
            assert!(prior.stated.is_finite());
        }
    }
    let mut p = posterior("bg_nbd", 1, 50, &published());
    let point = near_start(&p, 2, 0.3);
    let stated = p.log_prior(point.view()).stated;
    let without = p.log_likelihood(point.view()).unwrap();
    assert!((stated - (at(&mut p.jacobian(false), &point).0 - without)).abs() < 1e-10);
}

#[test]
fn with_groups_the_stated_priors_are_those_of_centres_spreads_and_correlations() {
    let mut spec = centring(Centring::NonCentred);
    let normal = |mean: f64| Prior::Normal { mean, sd: 0.7 };
    let hierarchy = spec.hierarchy.as_mut().unwrap();
    let names = ["r", "rate", "phi", "kappa"];
    hierarchy.mu = names.iter().zip([-1.0, 1.0, -0.5, 1.5]).map(|(n, m)| ((*n).to_owned(), normal(m))).collect();
    hierarchy.sigma = names.iter().map(|n| ((*n).to_owned(), Prior::Exponential { rate: 2.0 })).collect();
    hierarchy.correlation = Some(crate::dist::Correlation::Lkj { eta: 3.0 });
    let p = posterior("bg_nbd", 3, 20, &spec);
    let point = near_start(&p, 3, 0.3);
    let mut row = vec![0.0; p.schema().size()];
    p.constrain(point.view(), &mut row);
    let of = |name: &str| row[p.schema().range(name).unwrap()].to_vec();
    let (mu, sigma, corr) = (of("mu"), of("sigma"), of("correlation"));
    let by_hand: f64 = mu.iter().zip([-1.0, 1.0, -0.5, 1.5]).map(|(&x, m)| normal(m).ln_density(x).0).sum::<f64>()
        + sigma.iter().map(|s| 2.0_f64.ln() - 2.0 * s).sum::<f64>()
        + 2.0 * determinant(&corr).ln();
    let stated = p.log_prior(point.view()).stated;
    assert!((stated - by_hand).abs() < 1e-11, "{stated} against {by_hand}");
}

/// det Ω of the correlations below the diagonal, row by row, by elimination.
fn determinant(below: &[f64]) -> f64 {
    let mut a = ndarray::Array2::<f64>::eye(4);
    let pairs = (1..4).flat_map(|i| (0..i).map(move |j| (i, j)));
    pairs.zip(below).for_each(|((i, j), &c)| (a[[i, j]], a[[j, i]]) = (c, c));
    for k in 0..4 {
        for i in k + 1..4 {
            let share = a[[i, k]] / a[[k, k]];
            (k..4).for_each(|j| a[[i, j]] -= share * a[[k, j]]);
        }
    }
    (0..4).map(|k| a[[k, k]]).product()
}

#[test]
fn centred_and_non_centred_are_one_posterior() {
    for key in ["bg_nbd", "gamma_gamma"] {
        let (groups, k) = (3, family(key).unwrap().k());
        let mut non_centred = posterior(key, groups, 30, &centring(Centring::NonCentred));
        let mut centred = posterior(key, groups, 30, &centring(Centring::Centred));
        let eta = near_start(&non_centred, 5, 0.5);
        let mut z = eta.clone();
        let mut ln_jacobian = 0.0;
        for g in 0..groups {
            for j in 0..k {
                z[(2 + g) * k + j] = eta[j] + eta[k + j].exp() * eta[(2 + g) * k + j];
                ln_jacobian += eta[k + j]; // dz/dη = σ
            }
        }
        let (a, b) = (at(&mut non_centred, &eta).0, at(&mut centred, &z).0);
        // Rounding of sums of some hundreds.
        assert!((a - (b + ln_jacobian)).abs() < 1e-10, "{key}: {a} against {b} + {ln_jacobian}");
        let mut rows = vec![vec![0.0; non_centred.schema().size()]; 2];
        non_centred.constrain(eta.view(), &mut rows[0]);
        centred.constrain(z.view(), &mut rows[1]);
        assert!(rows[0].iter().zip(&rows[1]).all(|(x, y)| (x - y).abs() < 1e-12 * x.abs()));
    }
}

#[test]
fn a_point_does_not_depend_on_its_batch() {
    let mut p = posterior("bg_nbd", 2, 30, &PriorSpec::default());
    let mut points = Array2::zeros((5, p.dim()));
    for (i, mut row) in points.rows_mut().into_iter().enumerate() {
        row.assign(&near_start(&p, i as u64, 0.3));
    }
    points.row_mut(1).fill(1e4); // an impossible point among possible ones
    points[[3, 0]] = f64::NAN;
    let together = evaluate(&mut p, points.view());
    for i in 0..5 {
        let (value, gradient) = at(&mut p, &points.row(i).to_owned());
        assert_eq!(value.to_bits(), together.log_density[i].to_bits());
        assert_eq!(gradient, together.gradient.row(i));
    }
    for i in [1, 3] {
        assert_eq!(together.log_density[i], f64::NEG_INFINITY);
        assert!(together.gradient.row(i).iter().all(|&g| g == 0.0));
        assert_eq!(p.log_likelihood(points.row(i)).unwrap(), f64::NEG_INFINITY);
    }
    assert!([0, 2, 4].iter().all(|&i: &usize| together.log_density[i].is_finite()));
}

#[test]
fn far_points_are_impossible_not_broken() {
    for (key, groups) in [("bg_nbd", 1), ("gamma_gamma", 1), ("bg_nbd", 2), ("gamma_gamma", 2)] {
        let mut p = posterior(key, groups, 10, &PriorSpec::default());
        for i in 0..p.dim() {
            for u in [-800.0, 800.0, -1e308, f64::INFINITY, f64::NEG_INFINITY] {
                let mut point = p.start();
                point[i] = u;
                let (value, gradient) = at(&mut p, &point);
                assert!(
                    !value.is_nan() && value < f64::INFINITY && gradient.iter().all(|g| g.is_finite()),
                    "{key} {i} {u}"
                );
                assert!(value.is_finite() || gradient.iter().all(|&g| g == 0.0), "{key} {i} {u}");
            }
        }
    }
}

#[test]
fn schemas_name_every_value() {
    let p = posterior("bg_nbd", 2, 10, &centring(Centring::NonCentred));
    let schema = p.schema();
    let elements: Vec<String> = schema
        .elements()
        .iter()
        .map(|(name, coords)| format!("{name}{:?}", coords.iter().map(|(d, l)| format!("{d}={l}")).collect::<Vec<_>>()))
        .collect();
    assert_eq!(elements.len(), 2 * 4 + 8);
    assert_eq!(elements[..3], ["r[\"cohort=w00\"]", "r[\"cohort=w01\"]", "alpha[\"cohort=w00\"]"]);
    assert_eq!(elements[8..10], ["mu[\"parameter=r\"]", "mu[\"parameter=rate\"]"]);
    assert_eq!(elements[15], "sigma[\"parameter=kappa\"]");
    assert_eq!(schema.unconstrained.len(), p.dim());
    assert_eq!(schema.unconstrained[..2], ["mu[r]", "mu[rate]"]);
    assert_eq!(schema.unconstrained[4], "log(sigma[r])");
    assert_eq!(schema.unconstrained[8..10], ["eta[w00, r]", "eta[w00, rate]"]);
    let centred = posterior("gamma_gamma", 2, 10, &centring(Centring::Centred));
    assert_eq!(centred.schema().unconstrained[6..9], ["log(p)[w00]", "log(q - 1)[w00]", "log(mean_spend)[w00]"]);

    let names = |p: &Posterior| p.schema().variables.iter().map(|v| v.name.clone()).collect::<Vec<_>>();
    let single = posterior("bg_nbd", 1, 10, &published());
    assert_eq!(names(&single), ["r", "alpha", "a", "b", "phi", "kappa"]);
    assert_eq!(single.schema().unconstrained, ["log(r)", "log(alpha)", "logit(phi)", "log(kappa - 1)"]);
    assert_eq!(names(&posterior("gamma_gamma", 1, 10, &all_flat(&["p", "q", "v"]))), ["p", "q", "v"]);
}

#[test]
fn rows_hold_the_parameters_the_likelihood_saw() {
    for (key, groups) in [("bg_nbd", 3), ("gamma_gamma", 3), ("bg_nbd", 1), ("gamma_gamma", 1)] {
        let p = posterior(key, groups, 10, &PriorSpec::default());
        let mut rows = Array2::zeros((2, p.schema().size()));
        let points = [near_start(&p, 0, 0.3), near_start(&p, 1, 0.3)];
        for (mut row, point) in rows.rows_mut().into_iter().zip(&points) {
            p.constrain(point.view(), row.as_slice_mut().unwrap());
        }
        let by_name = p.family().parameters_of(p.schema(), rows.view()).unwrap();
        for (found, point) in by_name.outer_iter().zip(&points) {
            assert_eq!(found, p.parameters(point.view()));
        }
    }
}

/// Stein's identity: under a density f on ℝⁿ that vanishes far out, E[∂ᵢ ln f] = 0 and E[uᵢ ∂ᵢ ln f] = −1. With no customers the
/// posterior is the prior, so its gradient at prior draws must obey both.
#[test]
fn prior_draws_follow_the_prior_density() {
    for (key, groups, spec) in [
        ("bg_nbd", 1, published()),
        ("bg_nbd", 1, PriorSpec::default()),
        ("gamma_gamma", 1, PriorSpec::default()),
        ("bg_nbd", 2, centring(Centring::NonCentred)),
        ("gamma_gamma", 2, centring(Centring::Centred)),
    ] {
        let mut p = prior_alone(key, groups, &spec);
        let n = 3000;
        let mut points = Array2::zeros((n, p.dim()));
        for (i, mut row) in points.rows_mut().into_iter().enumerate() {
            let (point, constrained) = p.prior_draw(&mut Stream::new(3, Purpose::Prior, i as u64, 0)).unwrap();
            let mut again = vec![0.0; constrained.len()];
            p.constrain(point.view(), &mut again);
            assert_eq!(constrained.to_vec(), again);
            row.assign(&point);
        }
        let gradient = evaluate(&mut p, points.view()).gradient;
        for i in 0..p.dim() {
            let check = |what: &str, values: Array1<f64>, expected: f64| {
                let error = values.std(1.0) / (n as f64).sqrt();
                let mean = values.mean().unwrap();
                // Four and a half standard errors over some hundred comparisons; the stream is fixed.
                assert!(
                    (mean - expected).abs() < 4.5 * error,
                    "{key} {} {what}: {mean} ± {error}",
                    p.schema().unconstrained[i]
                );
            };
            check("score", gradient.column(i).to_owned(), 0.0);
            check("u · score", &gradient.column(i) * &points.column(i), -1.0);
        }
    }
}

/// Newton's method on the density's own gradient, its Hessian by differences, halving steps that do not climb.
fn maximum(p: &mut Posterior) -> Array1<f64> {
    let mut point = p.start();
    for _ in 0..60 {
        let (value, gradient) = at(p, &point);
        if gradient.iter().all(|g| g.abs() < 1e-7) {
            break;
        }
        let n = p.dim();
        // Solve (damping − H) step = gradient by elimination.
        let mut system = Array2::<f64>::zeros((n, n + 1));
        for j in 0..n {
            let mut moved = point.clone();
            moved[j] += 1e-5;
            let up = at(p, &moved).1;
            moved[j] -= 2e-5;
            let down = at(p, &moved).1;
            system.column_mut(j).assign(&((down - up) / 2e-5));
            system[[j, j]] += 1e-3 + gradient.iter().map(|g| g.abs()).fold(0.0, f64::max);
        }
        system.column_mut(n).assign(&gradient);
        for j in 0..n {
            let pivot = system.row(j).to_owned() / system[[j, j]];
            for i in (0..n).filter(|&i| i != j) {
                let factor = system[[i, j]];
                system.row_mut(i).scaled_add(-factor, &pivot);
            }
            system.row_mut(j).assign(&pivot);
        }
        let mut step = system.column(n).to_owned();
        while at(p, &(&point + &step)).0 < value && step.iter().any(|s| s.abs() > 1e-12) {
            step *= 0.5;
        }
        point += &step;
    }
    point
}

#[test]
fn the_constrained_maximum_is_found_from_the_start_and_is_near_the_truth() {
    // Truth, and half-widths of about four sampling sds at 4,000 customers, scaled from the 2,357 of CDNOW's sample.
    let rows = [
        ("bg_nbd", vec![("r", 0.25, 0.045), ("alpha", 4.5, 1.3), ("a", 0.8, 0.6), ("b", 2.4, 2.2)]),
        ("gamma_gamma", vec![("p", 6.0, 3.5), ("q", 4.0, 1.0), ("v", 15.0, 12.0)]),
    ];
    for (key, parameters) in rows {
        let names: Vec<&str> = parameters.iter().map(|p| p.0).collect();
        let mut p = posterior(key, 1, 4000, &all_flat(&names)).jacobian(false);
        let point = maximum(&mut p);
        let (value, gradient) = at(&mut p, &point);
        // Rounding of a sum over 4,000 customers leaves about 1e-9 of gradient.
        assert!(gradient.iter().all(|g| g.abs() < 1e-5), "{key}: {gradient}");
        assert!(
            (value - p.log_likelihood(point.view()).unwrap()).abs() < 1e-9,
            "flat priors without Jacobian add nothing"
        );
        for (found, (name, truth, width)) in p.parameters(point.view()).iter().zip(parameters) {
            assert!((found - truth).abs() < width, "{key} {name}: {found} against {truth}");
        }
    }
}

/// A pilot that knows much, little and nothing of different groups and parameters.
fn pilot(groups: usize, k: usize) -> Pilot {
    let number = |g: usize, j: usize| Stream::new(3, Purpose::Test, g as u64, j as u32).normal();
    Pilot {
        centre: Array2::from_shape_fn((groups, k), |(g, j)| 0.3 * number(g, j) - 0.5),
        precision: Array2::from_shape_fn((groups, k), |(g, j)| [400.0, 1.0, 0.0][(g + j) % 3]),
    }
}

fn informed(key: &str, groups: usize, rows: usize) -> Posterior {
    let (_, scale, _) = world(groups, rows);
    let p = posterior(key, groups, rows, &centring(Centring::Auto));
    let k = p.family().k();
    p.informed(pilot(groups, k), &scale)
}

/// Equal draws of the prior are equal customers' parameters in whatever coordinates, and the densities differ by the volume
/// that one chart's coordinates take up in the other's: the determinant of a numerical Jacobian here.
#[test]
fn informed_and_non_centred_are_one_posterior() {
    for key in ["bg_nbd", "gamma_gamma"] {
        let mut plain = posterior(key, 3, 30, &centring(Centring::NonCentred));
        let mut informed = informed(key, 3, 30);
        let draw = |p: &Posterior| p.prior_draw(&mut Stream::new(9, Purpose::Prior, 4, 0)).unwrap();
        let ((from, a), (to, b)) = (draw(&plain), draw(&informed));
        assert!(a.iter().zip(&b).all(|(x, y)| (x - y).abs() < 1e-9 * x.abs().max(1.0)), "{key}: {a} against {b}");

        // Coordinates of μ, σ and the groups' z (links of the chart values) determine the point; both maps end there.
        let dim = plain.dim();
        let landmarks = |p: &Posterior, point: &Array1<f64>| -> Array1<f64> {
            let mut row = vec![0.0; p.schema().size()];
            p.constrain(point.view(), &mut row);
            row.iter().map(|x| if *x > 0.0 { x.ln() } else { *x }).collect()
        };
        let ln_volume = |p: &Posterior, point: &Array1<f64>| {
            let h = 1e-5;
            let mut jacobian = Array2::zeros((dim, dim));
            for i in 0..dim {
                let (mut up, mut down) = (point.clone(), point.clone());
                up[i] += h;
                down[i] -= h;
                jacobian.column_mut(i).assign(&((landmarks(p, &up) - landmarks(p, &down)) / (2.0 * h)));
            }
            ln_abs_determinant(jacobian)
        };
        let (at_plain, at_informed) = (at(&mut plain, &from).0, at(&mut informed, &to).0);
        let difference = ln_volume(&plain, &from) - ln_volume(&informed, &to);
        // Central differences with h = 1e-5 leave some 1e-9 in each of the Jacobian's entries.
        assert!((at_plain - at_informed - difference).abs() < 1e-5, "{key}: {at_plain}, {at_informed}, {difference}");
    }
}

/// ln |det| by Gaussian elimination with row pivots.
fn ln_abs_determinant(mut a: Array2<f64>) -> f64 {
    let n = a.nrows();
    let mut total = 0.0;
    for i in 0..n {
        let pivot = (i..n).max_by(|&p, &q| a[[p, i]].abs().total_cmp(&a[[q, i]].abs())).unwrap();
        for j in 0..n {
            a.swap([i, j], [pivot, j]);
        }
        total += a[[i, i]].abs().ln();
        for r in i + 1..n {
            let factor = a[[r, i]] / a[[i, i]];
            for j in i..n {
                a[[r, j]] -= factor * a[[i, j]];
            }
        }
    }
    total
}

/// Every distribution, written in a configuration, on a parameter, on a centre and on a spread: it is read, drawn from, and its draws
/// have a finite density and slope.
#[test]
fn every_prior_can_stand_anywhere() {
    let distributions = [
        "dist = \"normal\", mean = 0.4, sd = 0.5",
        "dist = \"student_t\", df = 4, location = 0.3, scale = 0.5",
        "dist = \"half_normal\", scale = 0.5",
        "dist = \"half_cauchy\", scale = 0.2",
        "dist = \"gamma\", shape = 2, rate = 4",
        "dist = \"inverse_gamma\", shape = 3, scale = 1",
        "dist = \"beta\", alpha = 2, beta = 3",
        "dist = \"weibull\", shape = 2, scale = 0.5",
        "dist = \"lognormal\", median = 0.4, log_sd = 0.5",
        "dist = \"exponential\", rate = 2",
        "dist = \"uniform\", low = 0.1, high = 0.9",
        "dist = \"pareto\", shape = 3, scale = 0.1",
    ];
    for distribution in distributions {
        for (place, groups) in
            [("priors.r", 1), ("priors.phi", 1), ("hierarchy.mu.phi", 3), ("hierarchy.sigma.rate", 3)]
        {
            let text = format!("[data]\npath = \"x.csv\"\n[purchase]\n{place} = {{ {distribution} }}\n");
            let purchase = toml::from_str::<crate::config::ClvConfig>(&text).unwrap().purchase;
            let spec = PriorSpec { priors: purchase.priors, hierarchy: purchase.hierarchy, covariates: None };
            let mut p = prior_alone("bg_nbd", groups, &spec);
            for draw in 0..20 {
                let (point, row) = p.prior_draw(&mut Stream::new(2, Purpose::Prior, draw, 0)).unwrap();
                assert!(row.iter().all(|x| x.is_finite()), "{place} {distribution}: {row}");
                let (value, gradient) = at(&mut p, &point);
                assert!(value.is_finite() && gradient.iter().all(|g| g.is_finite()), "{place} {distribution}");
            }
        }
    }
}

#[test]
fn improper_priors_cannot_be_drawn_from() {
    let p = posterior("bg_nbd", 1, 5, &all_flat(&["r"]));
    let told = p.prior_draw(&mut Stream::new(0, Purpose::Prior, 0, 0)).unwrap_err().to_string();
    assert!(told.contains("`r`") && told.contains("flat"), "{told}");
}

#[test]
fn specifications_are_completed_and_refused_in_words() {
    let bg_nbd = family("bg_nbd").unwrap();
    let (one, scale, _) = world(1, 200);
    let (many, _, _) = world(3, 10);
    for family in MODELS {
        for groups in [&one, &many] {
            let full = PriorSpec::default().resolve(family, groups, &scale).unwrap();
            assert_eq!(full.resolve(family, groups, &scale).unwrap(), full);
            let text = toml::to_string(&full).unwrap();
            assert_eq!(toml::from_str::<PriorSpec>(&text).unwrap(), full);
        }
    }
    let keys = |s: &BTreeMap<String, Prior>| s.keys().cloned().collect::<Vec<_>>();
    assert_eq!(
        keys(&PriorSpec::default().resolve(bg_nbd, &one, &scale).unwrap().priors),
        ["kappa", "phi", "r", "rate"]
    );
    assert_eq!(keys(&all_flat(&["a"]).resolve(bg_nbd, &one, &scale).unwrap().priors), ["a", "b", "r", "rate"]);

    let told = |s: PriorSpec, groups: &Groups| s.resolve(bg_nbd, groups, &scale).unwrap_err().to_string();
    let mixed = told(all_flat(&["a", "kappa"]), &one);
    assert!(mixed.contains("`a`") && mixed.contains("keep either `a` and `b` or `phi` and `kappa`"), "{mixed}");
    let unknown = told(all_flat(&["lambda"]), &one);
    assert_eq!(unknown, "priors.lambda is no parameter of the model; bg_nbd has r, alpha, a, b, rate, phi, kappa");
    let negative =
        spec("priors.r = { dist = \"half_normal\", scale = -1 }").check(bg_nbd, "purchase").unwrap_err().to_string();
    assert!(negative.starts_with("purchase.priors.r.scale must be above 0 (found -1.0)"), "{negative}");
    assert!(told(all_flat(&["r"]), &many).contains("move it to hierarchy.mu"));
    assert!(told(centring(Centring::Auto), &one).contains("a hierarchy needs groups"));
    let narrow = spec("priors.phi = { dist = \"uniform\", low = 2, high = 3 }");
    let likelihood = || Box::new(Plain { key: "bg_nbd", groups: 1, rows: vec![] });
    let error = Posterior::new(bg_nbd, likelihood(), &one, &narrow, &scale).err().unwrap().to_string();
    assert!(error.contains("priors.phi leaves nothing of the range of `phi`"), "{error}");
    let error = Posterior::new(bg_nbd, likelihood(), &many, &PriorSpec::default(), &scale).err().unwrap().to_string();
    assert!(error.contains("other groups"), "{error}");
    let clash = Groups { column: Some("parameter".into()), labels: vec!["x".into(), "y".into()] };
    let two = Box::new(Plain { key: "bg_nbd", groups: 2, rows: vec![] });
    let error = Posterior::new(bg_nbd, two, &clash, &PriorSpec::default(), &scale).err().unwrap().to_string();
    assert!(error.contains("rename the column"), "{error}");
}

#[test]
fn the_kernels_see_the_summary_as_the_plain_sum_does() {
    let (groups, scale, rows) = world(2, 200);
    let summary = crate::data::Summary {
        customer_id: (0..rows.len()).map(|i| i.to_string()).collect(),
        frequency: rows.iter().map(|r| r.1).collect(),
        recency: rows.iter().map(|r| r.2).collect(),
        age: rows.iter().map(|r| r.3).collect(),
        monetary: rows.iter().map(|r| r.4).collect(),
        group: rows.iter().map(|r| r.0 as u32).collect(),
        groups: groups.clone(),
        ..Default::default()
    };
    let cells = crate::model::cells(summary.cells(), &groups);
    let spend = crate::model::gamma_gamma::rows(summary.spend_rows(), &groups);
    let likelihoods: [(&str, Box<dyn Likelihood>); 2] = [
        ("bg_nbd", Box::new(bg_nbd::Cpu::new(cells).unwrap())),
        ("gamma_gamma", Box::new(gamma_gamma::Cpu::new(spend).unwrap())),
    ];
    for (key, likelihood) in likelihoods {
        let spec = PriorSpec::default();
        let mut fast = Posterior::new(family(key).unwrap(), likelihood, &groups, &spec, &scale).unwrap();
        let mut plain = posterior(key, 2, 200, &spec);
        for which in 0..3 {
            let point = near_start(&plain, which, 0.3);
            let ((a, da), (b, db)) = (at(&mut fast, &point), at(&mut plain, &point));
            // Sums of 400 terms near 5 in another order: 1e-12 relative.
            assert!((a - b).abs() < 1e-11 * b.abs(), "{key}: {a} against {b}");
            assert!(da.iter().zip(&db).all(|(x, y)| (x - y).abs() < 1e-9 * (1.0 + y.abs())), "{key}");
            fast.recentre(point.view()).unwrap();
        }
    }
}
