//! The fast f64 path against the scalar judge: agreement, the same bits whoever computes, extremes.

mod simulated;

use longrun_kernels::special::{digamma, digamma_rising, ln_gamma, ln_rising};
use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, bg_nbd, gamma_gamma};
use ndarray::{Array2, Array3, Axis, s};
use serde_json::Value;
use simulated::{batch, cells, evaluate, spenders};

/// Of the sum of the terms' absolute values: each term is good to a few units in the last place (2e-16), and thousands of
/// roundings on the way up, taken in another order, make a few hundred more at worst.
const TOLERANCE: f64 = 1e-12;

/// One customer: log-likelihood and gradient by the scalar density, and the absolute values of their terms added up.
type Judged<const K: usize> = [(f64, f64, [f64; K], [f64; K]); 1];

fn judge_bg_nbd(theta: [f64; 4], x: u32, t_x: f64, t: f64) -> Judged<4> {
    let (value, gradient) = bg_nbd::log_lik_gradient(theta, x, t_x, t);
    let [r, alpha, a, b] = theta;
    let (n, c) = (r + f64::from(x), b + (f64::from(x) - 1.0));
    let (l, gap) = match x {
        0 => (0.0, 0.0),
        _ => (((t - t_x) / (alpha + t_x)).ln_1p(), (t - t_x) / (alpha + t_x) / (alpha + t)),
    };
    let (e, per_ab) = ((-n * l).exp(), digamma_rising(a + b, x));
    let (mix, dropped) = if x > 0 { (c * e + a, a / (c * e + a)) } else { (1.0, 0.0) };
    let of_c = if x > 0 { c } else { 1.0 };
    let size = ln_rising(r, x).abs()
        + ln_rising(b, x).abs()
        + ln_rising(a + b, x).abs()
        + n * (alpha + t).ln().abs()
        + (r * alpha.ln()).abs()
        + n * l
        + mix.ln().abs()
        + of_c.ln().abs();
    let sizes = [
        digamma_rising(r, x) + alpha.ln().abs() + (alpha + t).ln().abs() + dropped * l,
        r / alpha + n / (alpha + t) + dropped * n * gap,
        per_ab + dropped / a,
        per_ab + digamma_rising(b, x) + dropped / of_c,
    ];
    [(value, size, gradient, sizes)]
}

fn judge_gamma_gamma(theta: [f64; 3], x: u32, m: f64) -> Judged<3> {
    let (value, gradient) = gamma_gamma::log_lik_gradient(theta, x, m);
    let ([p, q, v], x) = (theta, f64::from(x));
    let (shape, scale) = (p * x + q, x * m + v);
    let size = ln_gamma(shape).abs()
        + ln_gamma(p * x).abs()
        + ln_gamma(q).abs()
        + (q * v.ln()).abs()
        + (p * x * (x * m).ln()).abs()
        + m.ln().abs()
        + (shape * scale.ln()).abs()
        + 1.0;
    let sizes = [
        x * (digamma(shape).abs() + digamma(p * x).abs() + (x * m).ln().abs() + scale.ln().abs() + 1.0),
        digamma(shape).abs() + digamma(q).abs() + v.ln().abs() + scale.ln().abs() + 1.0,
        q / v + shape / scale,
    ];
    [(value, size, gradient, sizes)]
}

/// Every chain and group of `seen` against Σ w · judge over the rows.
fn assert_judged<const K: usize>(
    seen: &LikelihoodBatch,
    params: &Array3<f64>,
    group: &[u32],
    weight: &[f64],
    judge: impl Fn([f64; K], usize) -> Judged<K>,
) {
    let (chains, groups, _) = params.dim();
    for chain in 0..chains {
        let (mut value, mut size) = (0.0, 0.0);
        let (mut gradient, mut sizes) = (Array2::<f64>::zeros((groups, K)), Array2::<f64>::zeros((groups, K)));
        for (i, g) in group.iter().enumerate() {
            let g = *g as usize;
            let [(v, v_size, slopes, slope_sizes)] = judge(std::array::from_fn(|k| params[[chain, g, k]]), i);
            value += weight[i] * v;
            size += weight[i] * v_size;
            for k in 0..K {
                gradient[[g, k]] += weight[i] * slopes[k];
                sizes[[g, k]] += weight[i] * slope_sizes[k];
            }
        }
        let close = |what: &str, seen: f64, expected: f64, size: f64| {
            let agree = (seen - expected).abs() <= TOLERANCE * size || !(seen.is_finite() || expected.is_finite());
            let theta = params.index_axis(Axis(0), chain);
            assert!(agree, "{what}: {seen:e}, one by one {expected:e} of {size:e} at {theta}");
        };
        close("log_lik", seen.log_lik[chain], value, size);
        for ((g, k), expected) in gradient.indexed_iter() {
            close(&format!("slope {k} of group {g}"), seen.per_group[[chain, g, k]], *expected, sizes[[g, k]]);
        }
    }
}

fn assert_bg_nbd(cells: &Cells, params: &Array3<f64>) {
    let seen = evaluate(&mut bg_nbd::Simd::new(cells.clone()).expect("cells"), params);
    assert_judged(&seen, params, &cells.group, &cells.weight, |theta, i| {
        judge_bg_nbd(theta, cells.frequency[i], cells.recency[i], cells.age[i])
    });
}

fn assert_gamma_gamma(rows: &gamma_gamma::Rows, params: &Array3<f64>) {
    let seen = evaluate(&mut gamma_gamma::Simd::new(rows.clone()).expect("rows"), params);
    assert_judged(&seen, params, &rows.group, &rows.weight, |theta, i| {
        judge_gamma_gamma(theta, rows.frequency[i], rows.monetary[i])
    });
}

#[test]
fn agrees_with_the_judge() {
    for (groups, n, heavy) in [(1, 9000, 0.0), (3, 3000, 0.01), (40, 700, 0.0), (5, 3, 0.0)] {
        assert_bg_nbd(&cells(groups, n, heavy), &batch(5, groups as usize, [0.3, 6.0, 0.8, 2.5], 1.5));
        assert_gamma_gamma(&spenders(groups, n, heavy), &batch(5, groups as usize, [6.0, 4.0, 15.0], 1.5));
    }
}

#[test]
fn agrees_with_the_judge_at_the_ends_of_the_world() {
    let cells = Cells {
        n_groups: 1,
        group: vec![0; 10],
        frequency: vec![0, 0, 1, 5, 100_000, 3, 1, 2, 17, 64],
        recency: vec![0.0, 7.0, 10.0, 10.0, 51.9, 0.0, 0.5, 40.0, 9.25, 3.0],
        age: vec![0.0, 1e-3, 10.0, 10.0, 52.0, 500.0, 104.0, 52.0, 9.5, 52.0],
        weight: vec![1e6, 1.0, 1e6, 1.0, 1.0, 1.0, 2.0, 3.0, 1.0, 1.0],
    };
    let rows = gamma_gamma::Rows {
        n_groups: 1,
        group: vec![0; 5],
        frequency: vec![1, 2, 30, 100_000, 1],
        monetary: vec![35.0, 0.01, 1e7, 19.9, 1e-6],
        weight: vec![1e6, 1.0, 1.0, 3.0, 2.0],
    };
    let ends = [1e-30, 1e-9, 0.7, 1e4, 1e30];
    let pick = |i: usize, k: usize| ends[i / 5usize.pow(k as u32) % 5];
    assert_bg_nbd(&cells, &Array3::from_shape_fn((625, 1, 4), |(i, _, k)| pick(i, k)));
    assert_gamma_gamma(&rows, &Array3::from_shape_fn((125, 1, 3), |(i, _, k)| pick(i, k)));
}

/// Golden rows one at a time (`golden/customer_models.json`; its passport is its `source` key).
#[test]
fn golden_rows() {
    let file: Value =
        serde_json::from_str(include_str!("golden/customer_models.json")).expect("the golden file is JSON");
    let number = |row: &Value, part: &str, name: &str| {
        row[part][name].as_f64().unwrap_or_else(|| panic!("{part}.{name} in {row}"))
    };
    let mut seen = [0; 2];
    for row in file["rows"].as_array().expect("rows") {
        let names: &[&str] = match row["model"].as_str() {
            Some("bg_nbd") => &["r", "alpha", "a", "b"],
            Some("gamma_gamma") => &["p", "q", "v"],
            _ => continue,
        };
        let params = Array3::from_shape_fn((1, 1, names.len()), |(_, _, k)| number(row, "params", names[k]));
        let x = number(row, "data", "x") as u32;
        let out = if names.len() == 4 {
            let (recency, age) = (vec![number(row, "data", "t_x")], vec![number(row, "data", "T")]);
            let (group, frequency, weight) = (vec![0], vec![x], vec![1.0]);
            let cells = Cells { n_groups: 1, group, frequency, recency, age, weight };
            evaluate(&mut bg_nbd::Simd::new(cells).expect("a cell"), &params)
        } else {
            let (monetary, weight) = (vec![number(row, "data", "m")], vec![1.0]);
            let rows = gamma_gamma::Rows { n_groups: 1, group: vec![0], frequency: vec![x], monetary, weight };
            evaluate(&mut gamma_gamma::Simd::new(rows).expect("a row"), &params)
        };
        seen[names.len() - 3] += 1;
        // Digits that terms of about this size lose when they cancel in f64; nothing else is lost.
        let size = 10.0 * (1.0 + f64::from(x));
        let close = |what: &str, seen: f64, expected: f64| {
            let tolerance = 1e-10 * expected.abs() + 1e-15 * size;
            assert!((seen - expected).abs() <= tolerance, "{what}: {seen:e}, golden {expected:e} in {row}");
        };
        close("log_lik", out.log_lik[0], row["log_lik"].as_f64().expect("log_lik"));
        for (k, name) in names.iter().enumerate() {
            close(name, out.per_group[[0, 0, k]], number(row, "grad", name));
        }
    }
    assert_eq!(seen, [24, 24]);
}

fn assert_same(one: &LikelihoodBatch, other: &LikelihoodBatch) {
    assert!(one.log_lik.iter().zip(&other.log_lik).all(|(a, b)| a.to_bits() == b.to_bits()));
    assert!(one.per_group.iter().zip(&other.per_group).all(|(a, b)| a.to_bits() == b.to_bits()));
}

/// Long groups of many pieces, and many small groups.
#[test]
fn no_bit_depends_on_threads_or_on_other_chains() {
    for (groups, n, chains) in [(2, 20_000, 9), (1500, 9000, 3)] {
        let mut kinds: [(Box<dyn Likelihood>, Array3<f64>); 2] = [
            (
                Box::new(bg_nbd::Simd::new(cells(groups, n, 0.0)).expect("cells")),
                batch(chains, groups as usize, [0.3, 6.0, 0.8, 2.5], 0.5),
            ),
            (
                Box::new(gamma_gamma::Simd::new(spenders(groups, n, 0.0)).expect("rows")),
                batch(chains, groups as usize, [6.0, 4.0, 15.0], 0.5),
            ),
        ];
        for (likelihood, params) in &mut kinds {
            let together = evaluate(likelihood.as_mut(), params);
            for threads in [1, 2, 3] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().expect("threads");
                assert_same(&together, &pool.install(|| evaluate(likelihood.as_mut(), params)));
                for chain in 0..chains {
                    let alone = pool
                        .install(|| evaluate(likelihood.as_mut(), &params.slice(s![chain..=chain, .., ..]).to_owned()));
                    assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
                    assert_eq!(alone.per_group.index_axis(Axis(0), 0), together.per_group.index_axis(Axis(0), chain));
                }
            }
        }
    }
}

#[test]
fn impossible_points_and_empty_data_are_data() {
    let mut likelihood = bg_nbd::Simd::new(cells(2, 100, 0.0)).expect("cells");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1e61] {
        let mut params = batch::<4>(3, 2, [0.3, 6.0, 0.8, 2.5], 0.0);
        params[[1, 1, 2]] = bad;
        let out = evaluate(&mut likelihood, &params);
        assert_eq!(out.log_lik[1], f64::NEG_INFINITY);
        assert!(out.per_group.index_axis(Axis(0), 1).iter().all(|slope| *slope == 0.0));
        assert!(out.log_lik[0].is_finite() && out.log_lik[2] == out.log_lik[0]);
    }
    let none = Cells { n_groups: 2, ..Default::default() };
    let out = evaluate(&mut bg_nbd::Simd::new(none).expect("no rows"), &batch(2, 2, [0.3, 6.0, 0.8, 2.5], 0.1));
    assert!(out.log_lik.iter().chain(&out.per_group).all(|zero| *zero == 0.0));
    let none = gamma_gamma::Rows { n_groups: 2, ..Default::default() };
    let out = evaluate(&mut gamma_gamma::Simd::new(none).expect("no rows"), &batch(0, 2, [6.0, 4.0, 15.0], 0.1));
    assert_eq!(out.log_lik.len(), 0);
}

#[test]
fn evaluations_are_counted() {
    let mut likelihood = bg_nbd::Simd::new(cells(2, 100, 0.0)).expect("cells");
    evaluate(&mut likelihood, &batch(3, 2, [0.3, 6.0, 0.8, 2.5], 0.1));
    evaluate(&mut likelihood, &batch(1, 2, [0.3, 6.0, 0.8, 2.5], 0.1));
    assert_eq!(likelihood.work().evaluations, 400);
}

#[test]
fn what_cannot_be_held_is_refused() {
    let mut cells = cells(1, 10, 0.0);
    cells.age[3] = 1e61;
    let error = bg_nbd::Simd::new(cells).expect_err("T = 1e61").to_string();
    assert!(error.contains("row 3 has T = 1"), "{error}");
    let mut rows = spenders(1, 10, 0.0);
    rows.monetary[4] = 1e-70;
    let error = gamma_gamma::Simd::new(rows).expect_err("m = 1e-70").to_string();
    assert!(error.contains("row 4 has a total spend of"), "{error}");
}
