//! Abe's Pareto/NBD: the scalar judge against an independent integral, its sums against the judge, the device against both.

#[expect(dead_code, reason = "shared with tests that need spenders too")]
mod simulated;

use longrun_kernels::covariates::{Covariates, Term};
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, pareto_abe};
use ndarray::{Array2, Array3, s};
use serde_json::Value;
use simulated::{batch, cells, evaluate};

/// Near what CDNOW's customers say, in weeks.
const CENTRE: [f64; 5] = [0.03, 0.02, 1.2, 1.6, 0.2];

/// (x, t_x, T) of customers from the usual to the absurd.
fn histories() -> Vec<(u32, f64, f64)> {
    let mut all = Vec::new();
    for t in [0.0, 0.05, 39.0, 3000.0] {
        all.push((0, 0.0, t));
    }
    for t in [2.0, 39.0, 300.0] {
        for x in [1, 7, 1000] {
            all.extend([0.03, 0.6, 1.0].map(|share| (x, share * t, t)));
        }
    }
    all
}

/// Ordinary, correlated, narrow and wide populations.
fn populations() -> Vec<[f64; 5]> {
    vec![
        CENTRE,
        [0.05, 0.05, 1.0, 1.0, 0.9],
        [0.05, 0.02, 1.0, 1.5, -0.9],
        [0.1, 0.1, 0.1, 0.1, -0.5],
        [0.03, 0.01, 0.1, 3.0, 0.5],
        [0.04, 0.01, 3.0, 0.5, 0.0],
    ]
}

/// Nodes and weights of the n-point Gauss–Legendre rule on [−1, 1], by Newton's method on the recurrence.
fn legendre(n: usize) -> Vec<(f64, f64)> {
    let of = |k: usize| {
        let mut z = (std::f64::consts::PI * (k as f64 + 0.75) / (n as f64 + 0.5)).cos();
        let mut slope = 0.0;
        for _ in 0..100 {
            let (mut p, mut before) = (1.0, 0.0);
            for j in 0..n {
                let next = ((2 * j + 1) as f64 * z * p - j as f64 * before) / (j + 1) as f64;
                (before, p) = (p, next);
            }
            slope = n as f64 * (z * p - before) / (z * z - 1.0);
            z -= p / slope;
        }
        (z, 2.0 / ((1.0 - z * z) * slope * slope))
    };
    (0..n).map(of).collect()
}

/// ln L by twelve Gauss–Legendre nodes in each of many panels: over ln λ wherever the marginal integrand is within e^−60 of its
/// largest, over ln μ given ln λ for ten sds and as far below as the purchases may pull it. Nothing of the lattice is used.
fn log_lik_refined([rate, death, a, b, corr]: [f64; 5], x: u32, t_x: f64, t: f64, rule: &[(f64, f64)]) -> f64 {
    let (n, t_x) = (f64::from(x), if x == 0 { 0.0 } else { t_x });
    let ln_l = |u: f64, v: f64| {
        let (lambda, mu) = (u.exp(), v.exp());
        let both = lambda + mu;
        n * u - both * t_x + ((mu + lambda * (-both * (t - t_x)).exp()) / both).ln()
    };
    let sd = b * (1.0 - corr * corr).sqrt();
    // Σ over panels of [from, to] of e^ln f, as (peak, sum).
    let integral = |from: f64, to: f64, longest: f64, f: &dyn Fn(f64) -> f64| {
        let panels = ((to - from) / longest).ceil().max(1.0);
        let half = 0.5 * (to - from) / panels;
        let terms: Vec<(f64, f64)> = (0..panels as usize)
            .flat_map(|k| {
                let middle = from + half * (2 * k + 1) as f64;
                rule.iter().map(move |(z, w)| (middle + half * z, w * half))
            })
            .map(|(at, weight)| (f(at), weight))
            .collect();
        let peak = terms.iter().map(|term| term.0).fold(f64::NEG_INFINITY, f64::max);
        peak + terms.iter().map(|(ln, weight)| weight * (ln - peak).exp()).sum::<f64>().ln()
    };
    let inner = |u: f64| {
        let middle = death.ln() + corr * b / a * (u - rate.ln());
        let prior = |v: f64| -0.5 * ((v - middle) / sd).powi(2) - (sd * std::f64::consts::TAU.sqrt()).ln();
        // Where e^v t reaches 100 sds' worth of pull, the prior no longer decides.
        let lowest = (middle - 10.0 * sd).min((0.01 / t.max(1e-3)).ln().max(middle - 60.0 * sd));
        integral(lowest, middle + 10.0 * sd, (1.5 * sd).min(0.7), &|v| prior(v) + ln_l(u, v))
    };
    let outer = |u: f64| inner(u) - 0.5 * ((u - rate.ln()) / a).powi(2) - (a * std::f64::consts::TAU.sqrt()).ln();
    let wish = if x > 0 { (n / t_x.max(1e-3)).ln() } else { rate.ln() };
    let (low, high) = (rate.ln().min(wish) - 10.0 * a, rate.ln().max(wish) + 10.0 * a);
    let coarse: Vec<(f64, f64)> =
        (0..=400).map(|k| low + (high - low) * f64::from(k) / 400.0).map(|u| (u, outer(u))).collect();
    let peak = coarse.iter().map(|point| point.1).fold(f64::NEG_INFINITY, f64::max);
    let inside: Vec<f64> = coarse.iter().filter(|point| point.1 > peak - 60.0).map(|point| point.0).collect();
    let step = (high - low) / 400.0;
    integral(inside[0] - step, inside[inside.len() - 1] + step, (1.5 * a).min(0.7 / (1.0 + 0.3 * n).sqrt()), &outer)
}

/// Against another program's sums in 80-bit floats (`golden/pareto_abe.json`; its passport is its `source` key).
#[test]
fn golden_rows() {
    let file: Value = serde_json::from_str(include_str!("golden/pareto_abe.json")).expect("the golden file is JSON");
    let names = ["rate", "death", "sd_rate", "sd_death", "corr"];
    for row in file["rows"].as_array().expect("rows") {
        let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number in {row}"));
        let theta = names.map(|name| number(&row["params"][name]));
        let [x, t_x, t] = ["x", "t_x", "T"].map(|name| number(&row["data"][name]));
        let (value, gradient) = pareto_abe::log_lik_gradient(theta, x as u32, t_x, t);
        // What is less than 1e-15 of a customer is nothing.
        let close = |what: &str, seen: f64, golden: &Value, tolerance: f64| {
            let golden = number(golden);
            assert!((seen - golden).abs() <= tolerance * golden.abs() + 1e-15, "{what}: {seen:e} {golden:e} in {row}");
        };
        // 1e-10 relative is asked of every density in f64. Slopes are differences of means: of x = 1000, where posterior and prior are
        // far apart, they keep two digits less, and the golden sums nine.
        close("log_lik", value, &row["log_lik"], 1e-10);
        for (name, slope) in names.iter().zip(gradient) {
            close(name, slope, &row["grad"][*name], if x < 1000.0 { 1e-10 } else { 1e-9 });
        }
        close("p_alive", pareto_abe::p_alive(theta, x as u32, t_x, t), &row["p_alive"], 1e-8);
        let purchases = pareto_abe::expected_purchases(theta, x as u32, t_x, t, number(&row["horizon"]));
        close("expected_purchases", purchases, &row["expected_purchases"], 1e-8);
    }
}

#[test]
fn the_judge_is_the_integral() {
    let rule = legendre(12);
    let mut worst: [(f64, _); 2] = [(0.0, None), (0.0, None)];
    for theta in populations() {
        for (x, t_x, t) in histories() {
            let (value, gradient) = pareto_abe::log_lik_gradient(theta, x, t_x, t);
            assert!(value.is_finite() && gradient.iter().all(|slope| slope.is_finite()), "{theta:?} {x} {t_x} {t}");
            let refined = log_lik_refined(theta, x, t_x, t, &rule);
            // Log-likelihoods of up to thousands lose digits of their own, in both.
            let error = (value - refined).abs() - 1e-13 * value.abs();
            let kind = &mut worst[usize::from(x == 0)];
            if error > kind.0 {
                *kind = (error, Some((theta, x, t_x, t, value, refined)));
            }
        }
    }
    eprintln!("worst with purchases {:?}\nworst without {:?}", worst[0], worst[1]);
    // Both rules are good to rounding of some thousand terms.
    assert!(worst[0].0 < 1e-10 && worst[1].0 < 1e-10, "{worst:?}");
}

/// As both rates become the same for everybody, L is that of known λ and μ, and σ²/2 of second derivatives away from it.
#[test]
fn narrow_populations_have_known_rates() {
    for (x, t_x, t) in [(0, 0.0, 39.0), (2, 20.0, 39.0), (9, 39.0, 39.0)] {
        let (lambda, mu, both) = (0.1_f64, 0.03, 0.13);
        let known = f64::from(x) * lambda.ln() - both * t_x + ((mu + lambda * (-both * (t - t_x)).exp()) / both).ln();
        for sd in [1e-3, 1e-4] {
            let value = pareto_abe::log_lik([lambda, mu, sd, sd, 0.3], x, t_x, t);
            // Second derivatives and squared slopes in ln λ and ln μ of these customers are below 50.
            assert!((value - known).abs() < 50.0 * sd * sd, "{value} {known} at {x} {t_x} {t} {sd}");
        }
    }
}

/// A population and a customer of test `i`, from the usual to the unusual.
fn random_point(i: u64) -> ([f64; 5], u32, f64, f64) {
    let mut stream = Stream::new(31, Purpose::Test, i, 0);
    let mut uniform = || stream.uniform();
    let rate = 0.1 * (2.0 * (2.0 * uniform() - 1.0)).exp();
    let death = 0.05 * (2.0 * (2.0 * uniform() - 1.0)).exp();
    let theta = [rate, death, 0.1 + 2.0 * uniform(), 0.1 + 2.5 * uniform(), 1.8 * uniform() - 0.9];
    let t = 100.0 * uniform();
    let x = (1.0 / uniform().max(0.02)).floor() as u32 - 1;
    (theta, x, t * uniform(), t)
}

#[test]
fn gradients_are_slopes_at_a_thousand_points() {
    for i in 0..1000 {
        let (theta, x, t_x, t) = random_point(i);
        let (value, gradient) = pareto_abe::log_lik_gradient(theta, x, t_x, t);
        for k in 0..5 {
            let size = if k == 4 { 1.0 - theta[k] * theta[k] } else { theta[k] };
            let [high, low] = [1e-5, -1e-5].map(|step| {
                let mut moved = theta;
                moved[k] += step * size;
                pareto_abe::log_lik(moved, x, t_x, t)
            });
            let (slope, seen) = ((high - low) / 2e-5, gradient[k] * size);
            // 1e-10 of the value by rounding, h² = 1e-10 of third derivatives, which grow with x and where an outlier meets small sds.
            let tolerance = 1e-8 * (value.abs() + f64::from(x) + 1.0) + 1e-7 * slope.abs();
            assert!((seen - slope).abs() < tolerance, "{k}: {seen} {slope} at {theta:?} {x} {t_x} {t}");
        }
    }
}

#[test]
fn impossible_points_are_minus_infinity() {
    let mut cpu = pareto_abe::Cpu::new(cells(1, 5, 0.0)).expect("cells");
    let mut simd = pareto_abe::Simd::new(cells(1, 5, 0.0)).expect("cells");
    for (k, bad) in [(0, 0.0), (1, f64::NAN), (2, -1.0), (3, f64::INFINITY), (4, 1.0), (4, -1.0)] {
        let mut theta = CENTRE;
        theta[k] = bad;
        assert_eq!(pareto_abe::log_lik_gradient(theta, 1, 2.0, 3.0), (f64::NEG_INFINITY, [0.0; 5]));
        let params = Array3::from_shape_fn((2, 1, 5), |(chain, _, k)| if chain == 0 { theta[k] } else { CENTRE[k] });
        for likelihood in [&mut cpu as &mut dyn Likelihood, &mut simd] {
            let out = evaluate(likelihood, &params);
            assert!(out.log_lik[0] == f64::NEG_INFINITY && out.log_lik[1].is_finite());
            assert!(out.per_group.slice(s![0, .., ..]).iter().all(|slope| *slope == 0.0));
        }
    }
}

/// θ with every parameter a share `by` from `from`, towards a corner: means in sds, sds by a factor, the correlation in its logit.
fn displaced(from: [f64; 5], by: f64, corner: u32) -> [f64; 5] {
    let by = |k: u32| if corner >> k & 1 == 1 { by } else { -by };
    let [rate, death, a, b, corr] = from;
    let corr = (corr.atanh() + by(4)).tanh();
    [rate * (by(0) * a).exp(), death * (by(1) * b).exp(), a * by(2).exp(), b * by(3).exp(), corr]
}

fn set_reference(likelihood: &mut dyn Likelihood, theta: [f64; 5], groups: usize) {
    let at = Array3::from_shape_fn((1, groups, 5), |(_, _, k)| theta[k]);
    let shared = Array2::zeros((1, 0));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
}

/// `[chain, row]`.
fn single_rows(likelihood: &mut dyn Likelihood, params: &Array3<f64>) -> Array2<f64> {
    let (chains, rows) = (params.dim().0, likelihood.rows());
    let shared = Array2::zeros((chains, 0));
    let mut out = PointwiseBatch { log_lik: Array2::zeros((chains, rows as usize)) };
    let batch = ParamBatch { per_group: params.view(), shared: shared.view() };
    likelihood.pointwise(batch, 0..rows, &mut out).expect("rows that exist");
    out.log_lik
}

/// Row by row, as θ moves away from the reference: what `docs/math/pareto_abe.md` states, for lattices of few customers, which are roomy,
/// and of very many. The last point has sds of up to 11, for which rows have nodes of their own, on lattices that are stretched.
#[test]
fn fixed_nodes_are_good_far_from_their_reference() {
    for (customers, weight) in [("few", 1.0), ("many", 1e6)] {
        let mut cells = cells(1, 150, 0.0);
        cells.weight.fill(weight);
        let mut simd = pareto_abe::Simd::new(cells.clone()).expect("cells");
        let mut cpu = pareto_abe::Cpu::new(cells.clone()).expect("cells");
        for from in [CENTRE, [0.1, 0.05, 0.6, 0.8, -0.7], [0.05, 0.01, 1.5, 2.5, 0.8]] {
            set_reference(&mut simd, from, 1);
            for (by, most) in [(0.0, 5e-7), (0.05, 5e-7), (0.15, 1e-5), (0.4, 3e-5), (1.5, 3e-4)] {
                let corners: &[u32] = if by == 0.0 { &[0] } else { &[0, 7, 10, 21, 31] };
                let points = corners.iter().map(|corner| displaced(from, by, *corner)).collect::<Vec<_>>();
                let params = Array3::from_shape_fn((points.len(), 1, 5), |(chain, _, k)| points[chain][k]);
                let (seen, judged) = (single_rows(&mut simd, &params), single_rows(&mut cpu, &params));
                let mut worst = [0.0_f64; 2];
                for ((at, seen), judged) in seen.indexed_iter().zip(&judged) {
                    let kind = usize::from(cells.frequency[at.1] == 0);
                    worst[kind] = worst[kind].max((seen - judged).abs());
                }
                eprintln!("{customers}, {from:?} moved {by}: x > 0 {:.1e}, x = 0 {:.1e}", worst[0], worst[1]);
                assert!(worst[0] < most && worst[1] < most, "{worst:?}");
            }
        }
    }
}

#[test]
fn sums_agree_with_the_judge() {
    let cells = cells(3, 400, 0.02);
    let mut simd = pareto_abe::Simd::new(cells.clone()).expect("cells");
    let mut cpu = pareto_abe::Cpu::new(cells).expect("cells");
    set_reference(&mut simd, CENTRE, 3);
    for (spread, per_customer) in [(0.05, 1e-6), (0.5, 2e-5)] {
        let params = batch::<5>(3, 3, CENTRE, spread);
        let (seen, judged) = (evaluate(&mut simd, &params), evaluate(&mut cpu, &params));
        for (seen, judged) in seen.log_lik.iter().zip(&judged.log_lik) {
            // What the nodes promise of single rows holds all the more for sums.
            assert!((seen - judged).abs() < per_customer * judged.abs(), "{seen} {judged}");
        }
        for (at, judged) in judged.per_group.indexed_iter() {
            let (seen, size) = (seen.per_group[at], CENTRE[at.2]);
            // The same of slopes, over nearly a million customers.
            let tolerance = per_customer * (judged.abs() * size + 1e6);
            assert!((seen - judged).abs() * size < tolerance, "{at:?}: {seen} {judged}");
        }
    }
}

/// Nothing depends on what was asked before, on the company in the batch, or on how rows are cut.
#[test]
fn a_result_is_its_points_and_references_alone() {
    let cells = cells(2, 300, 0.0);
    let mut one = pareto_abe::Simd::new(cells.clone()).expect("cells");
    let mut other = pareto_abe::Simd::new(cells).expect("cells");
    let params = batch::<5>(3, 2, CENTRE, 0.6);
    set_reference(&mut other, [0.3, 0.3, 0.5, 0.5, -0.3], 2);
    evaluate(&mut other, &params);
    set_reference(&mut one, CENTRE, 2);
    set_reference(&mut other, CENTRE, 2);
    let (together, again) = (evaluate(&mut one, &params), evaluate(&mut other, &params));
    assert_eq!((&together.log_lik, &together.per_group), (&again.log_lik, &again.per_group));
    let alone = evaluate(&mut one, &params.slice(s![1..2, .., ..]).to_owned());
    assert_eq!(alone.log_lik[0], together.log_lik[1]);
    assert_eq!(alone.per_group.slice(s![0, .., ..]), together.per_group.slice(s![1, .., ..]));
}

/// Rows with covariates of their own: against single customers with their own medians, and slopes against differences.
#[test]
fn covariates_move_the_medians() {
    let cells = cells(2, 40, 0.0);
    let values = Array2::from_shape_fn((40, 2), |(row, column)| {
        Stream::new(32, Purpose::Test, row as u64, column as u32).normal()
    });
    let term = |parameter, column| Term { parameter, column };
    let covariates = Covariates { values: values.clone(), terms: vec![term(0, 0), term(1, 0), term(0, 1)] };
    let mut simd = pareto_abe::Simd::with_covariates(cells.clone(), covariates.clone()).expect("rows");
    let mut cpu = pareto_abe::Cpu::with_covariates(cells.clone(), covariates).expect("rows");
    let per_group = batch::<5>(1, 2, CENTRE, 0.2);
    let gammas = [0.3, -0.2, 0.15];
    let at = |likelihood: &mut dyn Likelihood, gammas: [f64; 3]| {
        let shared = Array2::from_shape_fn((1, 3), |(_, t)| gammas[t]);
        let mut out = LikelihoodBatch::new(1, 2, 5, 3);
        likelihood.evaluate(ParamBatch { per_group: per_group.view(), shared: shared.view() }, &mut out).expect("rows");
        out
    };
    let by_hand: f64 = (0..40)
        .map(|row| {
            let group = cells.group[row] as usize;
            let mut theta: [f64; 5] = std::array::from_fn(|k| per_group[[0, group, k]]);
            theta[0] *= (gammas[0] * values[[row, 0]] + gammas[2] * values[[row, 1]]).exp();
            theta[1] *= (gammas[1] * values[[row, 0]]).exp();
            cells.weight[row] * pareto_abe::log_lik(theta, cells.frequency[row], cells.recency[row], cells.age[row])
        })
        .sum();
    let reference = Array2::from_shape_fn((1, 3), |(_, t)| 0.9 * gammas[t]);
    simd.set_reference(ParamBatch { per_group: per_group.view(), shared: reference.view() }).expect("possible");
    let (fast, judged) = (at(&mut simd, gammas), at(&mut cpu, gammas));
    // Sums of forty rounded numbers; and forty rows to 1e-7.
    assert!((judged.log_lik[0] - by_hand).abs() < 1e-11 * by_hand.abs(), "{} {by_hand}", judged.log_lik[0]);
    assert!((fast.log_lik[0] - by_hand).abs() < 1e-5, "{} {by_hand}", fast.log_lik[0]);
    for t in 0..3 {
        let [high, low] = [1e-5, -1e-5].map(|step| {
            let mut moved = gammas;
            moved[t] += step;
            at(&mut cpu, moved).log_lik[0]
        });
        let slope = (high - low) / 2e-5;
        // Differences: rounding 1e-13 of a few hundred over 1e-5, third derivatives times 1e-10.
        assert!((judged.shared[[0, t]] - slope).abs() < 1e-5, "{t}: {} {slope}", judged.shared[[0, t]]);
        assert!((fast.shared[[0, t]] - slope).abs() < 1e-4, "{t}: {} {slope}", fast.shared[[0, t]]);
    }
    // A coefficient that no customer's median survives is impossible, not a number.
    for likelihood in [&mut simd as &mut dyn Likelihood, &mut cpu] {
        let out = at(likelihood, [300.0, 0.0, 0.0]);
        assert!(out.log_lik[0] == f64::NEG_INFINITY && out.shared.iter().all(|slope| *slope == 0.0));
    }
    let wrong = Covariates { values: Array2::zeros((39, 1)), terms: vec![term(0, 0)] };
    assert!(pareto_abe::Cpu::with_covariates(cells, wrong).is_err());
}
