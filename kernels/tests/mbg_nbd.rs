//! MBG/NBD: the sums over many customers against the scalar judge, the judge's slopes, and futures against a simulated story.

mod adapter;
#[expect(dead_code, reason = "spenders serve other tests")]
mod simulated;

use adapter::device;
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, mbg_nbd};
use ndarray::{Array2, Array3, Axis};
use serde_json::Value;
use simulated::{batch, cells, evaluate};

const CENTRE: [f64; 4] = [0.5, 6.0, 0.9, 1.6];

fn number(value: &Value) -> f64 {
    value.as_f64().expect("a number")
}

/// The golden customers one by one: cell, parameters, log-likelihood, gradient.
fn golden() -> Vec<(Cells, Array3<f64>, f64, [f64; 4])> {
    let file: Value =
        serde_json::from_str(include_str!("golden/customer_models.json")).expect("the golden file is JSON");
    let names = ["r", "alpha", "a", "b"];
    let customer = |row: &Value| {
        let data = &row["data"];
        let cell = Cells {
            n_groups: 1,
            group: vec![0],
            frequency: vec![number(&data["x"]) as u32],
            recency: vec![number(&data["t_x"])],
            age: vec![number(&data["T"])],
            weight: vec![1.0],
        };
        let theta = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| number(&row["params"][names[k]]));
        (cell, theta, number(&row["log_lik"]), names.map(|name| number(&row["grad"][name])))
    };
    let rows: Vec<_> =
        file["rows"].as_array().expect("rows").iter().filter(|row| row["model"] == "mbg_nbd").map(customer).collect();
    assert_eq!(rows.len(), 24);
    rows
}

/// Customers at the edges of what data can be.
fn edges() -> Cells {
    Cells {
        n_groups: 1,
        group: vec![0; 10],
        frequency: vec![0, 0, 1, 5, 100_000, 3, 1, 2, 17, 64],
        recency: vec![0.0, 7.0, 10.0, 10.0, 51.9, 0.0, 0.5, 40.0, 9.25, 3.0],
        age: vec![0.0, 1e-3, 10.0, 10.0, 52.0, 500.0, 104.0, 52.0, 9.5, 52.0],
        weight: vec![1e6, 1.0, 1e6, 1.0, 1.0, 1.0, 2.0, 3.0, 1.0, 1.0],
    }
}

/// Σ w · judge over all customers against `seen`, to `tolerance` of the sum of the absolute terms.
///
/// A slope's size is that of its largest terms before they cancel: those of the formula that divides into times and counts.
fn assert_judged(seen: &LikelihoodBatch, cells: &Cells, params: &Array3<f64>, tolerance: f64) {
    let (chains, groups, _) = params.dim();
    for chain in 0..chains {
        let (mut value, mut size) = (0.0, 0.0);
        let (mut gradient, mut sizes) = (Array2::<f64>::zeros((groups, 4)), Array2::<f64>::zeros((groups, 4)));
        for i in 0..cells.group.len() {
            let (g, w, x) = (cells.group[i] as usize, cells.weight[i], cells.frequency[i]);
            let theta: [f64; 4] = std::array::from_fn(|k| params[[chain, g, k]]);
            let (v, slopes) = mbg_nbd::log_lik_gradient(theta, x, cells.recency[i], cells.age[i]);
            let (v_size, slope_sizes) = sizes_of(theta, x, cells.recency[i], cells.age[i]);
            value += w * v;
            size += w * v_size;
            for k in 0..4 {
                gradient[[g, k]] += w * slopes[k];
                sizes[[g, k]] += w * slope_sizes[k];
            }
        }
        let close = |what: &str, seen: f64, expected: f64, size: f64| {
            let agree = (seen - expected).abs() <= tolerance * size;
            let theta = params.index_axis(Axis(0), chain);
            assert!(agree, "{what}: {seen:e}, one by one {expected:e} of {size:e} at {theta}");
        };
        close("log_lik", seen.log_lik[chain], value, size);
        for ((g, k), expected) in gradient.indexed_iter() {
            close(&format!("slope {k} of group {g}"), seen.per_group[[chain, g, k]], *expected, sizes[[g, k]]);
        }
    }
}

/// The absolute values of the terms of ln L and of its slopes, as the sums over many customers take them apart.
fn sizes_of(theta: [f64; 4], x: u32, t_x: f64, t: f64) -> (f64, [f64; 4]) {
    use longrun_kernels::special::{digamma_rising, ln_rising};
    let [r, alpha, a, b] = theta;
    let t_x = if x == 0 { 0.0 } else { t_x };
    let (n, c, gap) = (r + f64::from(x), b + f64::from(x), (t - t_x) / (alpha + t_x));
    let dropped = 1.0 - mbg_nbd::p_alive(theta, x, t_x, t);
    let size = ln_rising(r, x).abs()
        + ln_rising(b, x).abs()
        + ln_rising(a + b, x).abs()
        + c.ln().abs()
        + (a + c).ln().abs()
        + n * (alpha + t).ln().abs()
        + (r * alpha.ln()).abs()
        + n * gap.ln_1p()
        + a.ln().abs();
    let per_ab = digamma_rising(a + b, x) + 1.0 / (a + c);
    let slopes = [
        digamma_rising(r, x) + alpha.ln().abs() + (alpha + t).ln().abs() + gap.ln_1p(),
        r / alpha + n / (alpha + t) * (1.0 + gap),
        per_ab + dropped / a,
        per_ab + digamma_rising(b, x) + 1.0 / c,
    ];
    (size, slopes)
}

#[test]
fn cpu_and_simd_are_the_sum_of_their_customers() {
    for (groups, n, heavy) in [(1, 9000, 0.0), (3, 3000, 0.01), (40, 700, 0.0), (5, 3, 0.0)] {
        let (cells, params) = (cells(groups, n, heavy), batch(5, groups as usize, CENTRE, 1.5));
        let judged = evaluate(&mut mbg_nbd::Cpu::new(cells.clone()).expect("cells"), &params);
        // Sums of thousands of rounded terms, in two different orders.
        assert_judged(&judged, &cells, &params, 1e-12);
        let fast = evaluate(&mut mbg_nbd::Simd::new(cells.clone()).expect("cells"), &params);
        assert_judged(&fast, &cells, &params, 1e-12);
    }
}

#[test]
fn cpu_and_simd_hold_at_the_ends_of_the_world() {
    let ends = [1e-30, 1e-9, 0.7, 1e4, 1e30];
    let params = Array3::from_shape_fn((625, 1, 4), |(i, _, k)| ends[i / 5usize.pow(k as u32) % 5]);
    for likelihood in [
        &mut mbg_nbd::Cpu::new(edges()).expect("cells") as &mut dyn Likelihood,
        &mut mbg_nbd::Simd::new(edges()).expect("cells"),
    ] {
        let out = evaluate(likelihood, &params);
        assert!(out.log_lik.iter().chain(&out.per_group).all(|part| part.is_finite()));
        assert_judged(&out, &edges(), &params, 1e-12);
    }
}

#[test]
fn simd_holds_at_golden_rows() {
    for (cell, theta, log_lik, gradient) in golden() {
        let x = f64::from(cell.frequency[0]);
        let out = evaluate(&mut mbg_nbd::Simd::new(cell).expect("a cell"), &theta);
        // Digits that terms of about this size lose when they cancel in f64; nothing else is lost.
        let size = 10.0 * (1.0 + x);
        let close = |seen: f64, expected: f64| (seen - expected).abs() <= 1e-10 * expected.abs() + 1e-15 * size;
        assert!(close(out.log_lik[0], log_lik), "{} {log_lik}", out.log_lik[0]);
        for (seen, expected) in out.per_group.iter().zip(gradient) {
            assert!(close(*seen, expected), "{seen} {expected} at {theta}");
        }
    }
}

#[test]
fn no_bit_depends_on_threads_or_on_other_chains() {
    let (data, params) = (cells(2, 20_000, 0.0), batch::<4>(5, 2, CENTRE, 0.5));
    for likelihood in [
        &mut mbg_nbd::Cpu::new(data.clone()).expect("cells") as &mut dyn Likelihood,
        &mut mbg_nbd::Simd::new(data).expect("cells"),
    ] {
        let together = evaluate(likelihood, &params);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().expect("threads");
        for chain in 0..5 {
            let only = params.slice(ndarray::s![chain..=chain, .., ..]).to_owned();
            // `install` moves nothing: the likelihood is evaluated where the pool's threads are.
            let alone = pool.install(|| evaluate(&mut *likelihood, &only));
            assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
            assert_eq!(alone.per_group.index_axis(Axis(0), 0), together.per_group.index_axis(Axis(0), chain));
        }
    }
}

/// Central differences with a relative step h: truncation h² and rounding ε/h meet near h = 1e-5, at about 1e-9 of the terms.
#[test]
fn gradients_are_slopes_at_a_thousand_points() {
    let data = cells(1, 1000, 0.0);
    for i in 0..1000 {
        let mut stream = Stream::new(21, Purpose::Test, i as u64, 0);
        let theta: [f64; 4] = std::array::from_fn(|k| CENTRE[k] * (2.0 * stream.normal()).exp());
        let (x, t_x, t) = (data.frequency[i], data.recency[i], data.age[i]);
        let (_, gradient) = mbg_nbd::log_lik_gradient(theta, x, t_x, t);
        for k in 0..4 {
            let [high, low] = [1e-5, -1e-5].map(|step| {
                let mut moved = theta;
                moved[k] *= 1.0 + step;
                mbg_nbd::log_lik(moved, x, t_x, t)
            });
            let slope = (high - low) / 2e-5;
            let size = sizes_of(theta, x, t_x, t).0;
            assert!((gradient[k] * theta[k] - slope).abs() < 1e-9 * size, "{k} at {theta:?} of {x} {t_x} {t}");
        }
    }
}

/// Where nothing was seen nothing is learnt, and a customer of x = 0 has no t_x.
#[test]
fn first_moments_are_exact() {
    for theta in [CENTRE, [1e-9, 1e9, 1e-9, 1e9], [1e9, 1e-9, 1e9, 1e-9]] {
        let (value, gradient) = mbg_nbd::log_lik_gradient(theta, 0, 0.0, 0.0);
        assert!(value == 0.0 && gradient.iter().all(|slope| *slope == 0.0), "{value} {gradient:?}");
        assert_eq!(mbg_nbd::log_lik_gradient(theta, 0, 5.0, 9.0), mbg_nbd::log_lik_gradient(theta, 0, 0.0, 9.0));
        assert_eq!(mbg_nbd::p_alive(theta, 0, 5.0, 9.0), mbg_nbd::p_alive(theta, 0, 0.0, 9.0));
    }
    // ln L = −(b/(a+b)) r T/α + …: a value whose every digit a subtraction from 1 would lose.
    let [r, alpha, a, b] = CENTRE;
    let early = mbg_nbd::log_lik(CENTRE, 0, 0.0, 1e-14);
    assert!((early / (-b / (a + b) * r * 1e-14 / alpha) - 1.0).abs() < 1e-13, "{early:e}");
    let new = mbg_nbd::p_alive(CENTRE, 0, 0.0, 0.0);
    assert!((new - b / (a + b)).abs() < 1e-15, "{new}");
}

#[test]
fn impossible_points_and_empty_data_are_data() {
    for likelihood in [
        &mut mbg_nbd::Cpu::new(cells(2, 100, 0.0)).expect("cells") as &mut dyn Likelihood,
        &mut mbg_nbd::Simd::new(cells(2, 100, 0.0)).expect("cells"),
    ] {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
            let mut params = batch::<4>(3, 2, CENTRE, 0.0);
            params[[1, 1, 2]] = bad;
            let out = evaluate(likelihood, &params);
            assert_eq!(out.log_lik[1], f64::NEG_INFINITY);
            assert!(out.per_group.index_axis(Axis(0), 1).iter().all(|slope| *slope == 0.0));
            assert!(out.log_lik[0].is_finite() && out.log_lik[2] == out.log_lik[0]);
            let one = [CENTRE[0], CENTRE[1], bad, CENTRE[3]];
            assert_eq!(mbg_nbd::log_lik_gradient(one, 2, 1.0, 3.0), (f64::NEG_INFINITY, [0.0; 4]));
        }
    }
    let none = Cells { n_groups: 2, ..Default::default() };
    let out = evaluate(&mut mbg_nbd::Simd::new(none).expect("no rows"), &batch(2, 2, CENTRE, 0.1));
    assert!(out.log_lik.iter().chain(&out.per_group).all(|zero| *zero == 0.0));
}

#[test]
fn rows_can_be_asked_one_by_one() {
    let (data, params) = (cells(3, 300, 0.0), batch::<4>(2, 3, CENTRE, 0.4));
    let shared = Array2::zeros((2, 0));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    for likelihood in [
        &mut mbg_nbd::Cpu::new(data.clone()).expect("cells") as &mut dyn Likelihood,
        &mut mbg_nbd::Simd::new(data.clone()).expect("cells"),
    ] {
        let mut out = PointwiseBatch { log_lik: Array2::zeros((2, 50)) };
        likelihood.pointwise(view, 100..150, &mut out).expect("rows exist");
        for ((chain, i), seen) in out.log_lik.indexed_iter() {
            let row = 100 + i;
            let theta = std::array::from_fn(|k| params[[chain, data.group[row] as usize, k]]);
            assert_eq!(*seen, mbg_nbd::log_lik(theta, data.frequency[row], data.recency[row], data.age[row]));
        }
    }
}

fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>) {
    let shared = Array2::zeros((1, 0));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
}

/// One golden customer at a time, with the reference 10 % away from the golden parameters in every direction.
#[test]
fn golden_rows_from_a_displaced_reference() {
    let Some(device) = device() else { return };
    for (cell, theta, log_lik, gradient) in golden() {
        let mut gpu = mbg_nbd::Gpu::new(mbg_nbd::Cpu::new(cell).expect("a cell"), &device).expect("device");
        refer_to(&mut gpu, &Array3::from_shape_fn((1, 1, 4), |(i, j, k)| theta[[i, j, k]] * [1.1, 0.9][k % 2]));
        let out = evaluate(&mut gpu, &theta);
        // Rounding of f32, 6e-8, on differences of up to some tens of nats (x = 150).
        assert!((out.log_lik[0] - log_lik).abs() < 2e-6 * log_lik.abs().max(1.0), "{} {log_lik}", out.log_lik[0]);
        for (seen, expected) in out.per_group.iter().zip(gradient) {
            // Terms of up to 30 cancel in a slope.
            assert!((seen - expected).abs() < 5e-6 * expected.abs().max(5.0), "{seen} {expected} at {theta}");
        }
    }
}

/// Points within ±10 % of the reference (many posterior standard deviations at this size), and within a factor of 3. 0.01 nat is
/// what a Metropolis decision needs; away from the posterior f32 keeps about 1e-6 of |Δℓ|. Slopes are of the order of √20,000.
#[test]
fn differences_of_log_likelihoods_are_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    let judge = mbg_nbd::Cpu::new(cells(3, 20_000, 0.001)).expect("cells");
    let mut gpu = mbg_nbd::Gpu::new(judge.clone(), &device).expect("device");
    refer_to(&mut gpu, &batch(1, 3, CENTRE, 0.0));
    for (spread, nats, slopes) in [(0.1, 0.01, 0.02), (3f64.ln(), 0.05, 0.05)] {
        let points = batch::<4>(12, 3, CENTRE, spread);
        let (seen, judged) = (evaluate(&mut gpu, &points), evaluate(&mut judge.clone(), &points));
        let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
        let nat = largest(&mut (&seen.log_lik - &judged.log_lik).into_iter());
        let slope = largest(&mut ((&seen.per_group - &judged.per_group) * &points).into_iter());
        eprintln!("mbg_nbd within e^{spread:.1}: {nat:.1e} nat, slopes {slope:.1e}");
        assert!(nat < nats && slope < slopes, "{nat} nat, slopes {slope}");
    }
}

#[test]
fn edge_cells_agree_on_the_device() {
    let Some(device) = device() else { return };
    let judge = mbg_nbd::Cpu::new(edges()).expect("cells");
    let mut gpu = mbg_nbd::Gpu::new(judge.clone(), &device).expect("device");
    refer_to(&mut gpu, &batch(1, 1, CENTRE, 0.0));
    let points = batch::<4>(16, 1, CENTRE, 1.3);
    let (seen, judged) = (evaluate(&mut gpu, &points), evaluate(&mut judge.clone(), &points));
    for (chain, (seen, judged)) in seen.log_lik.iter().zip(&judged.log_lik).enumerate() {
        // Heavy and far rows are f64; the light ones move by hundreds of nats, of which f32 keeps seven digits.
        assert!((seen - judged).abs() < 5e-3, "chain {chain}: {seen} {judged}");
    }
}

/// The story of a customer from the first purchase on: nothing of the formulas is used.
mod story {
    use super::*;

    const THETA: [f64; 4] = [2.0, 8.0, 1.0, 3.0];

    /// Γ(2, rate 8) and Beta(1, 3), whose draws need no library: shapes are whole and one.
    fn customer(stream: &mut Stream) -> (f64, f64) {
        let lambda = -(stream.uniform() * stream.uniform()).ln() / THETA[1];
        (lambda, 1.0 - stream.uniform().powf(1.0 / THETA[3]))
    }

    /// Purchase times up to `end`; the first, at 0, is not among them.
    fn purchases(stream: &mut Stream, (lambda, p): (f64, f64), end: f64) -> Vec<f64> {
        let (mut times, mut now) = (Vec::new(), 0.0);
        while stream.uniform() >= p {
            now -= stream.uniform().ln() / lambda;
            if now > end {
                break;
            }
            times.push(now);
        }
        times
    }

    /// What happened to each customer less what was expected of somebody with that history: of mean zero, whatever the history.
    #[test]
    fn futures_are_those_of_simulated_customers() {
        let (t, horizon, rate) = (6.0, 20.0, 0.15);
        let mut customers = [0.0; 3];
        // Per x: the sums and the sums of squares of six surprises.
        let mut surprises = [[[0.0; 2]; 6]; 3];
        for i in 0..20_000 {
            let mut stream = Stream::new(31, Purpose::Test, i, 0);
            let customer = customer(&mut stream);
            // Beyond 150 time units e^(−rate·time) is nothing.
            let times = purchases(&mut stream, customer, t + 150.0);
            let x = times.iter().filter(|time| **time <= t).count();
            if x > 2 {
                continue;
            }
            let t_x = if x == 0 { 0.0 } else { times[x - 1] };
            let after = times[x..].iter().map(|time| time - t);
            let count = after.clone().filter(|time| *time <= horizon).count() as u32;
            let worth: f64 = after.map(|time| (-rate * time).exp()).sum();
            let p = |n: u32| mbg_nbd::probability_of(THETA, x as u32, t_x, t, horizon, n);
            let off = [
                f64::from(count == 0) - p(0),
                f64::from(count == 1) - p(1),
                f64::from(count == 2) - p(2),
                f64::from(count == 9) - p(9),
                f64::from(count) - mbg_nbd::expected_purchases(THETA, x as u32, t_x, t, horizon),
                worth - mbg_nbd::discounted_expected_purchases(THETA, x as u32, t_x, t, rate),
            ];
            customers[x] += 1.0;
            for (sums, off) in surprises[x].iter_mut().zip(off) {
                *sums = [sums[0] + off, sums[1] + off * off];
            }
        }
        for (x, (surprises, customers)) in surprises.iter().zip(customers).enumerate() {
            assert!(customers > 2000.0, "{customers} with x = {x}");
            for (moment, [sum, squares]) in surprises.iter().enumerate() {
                let errors = sum / squares.sqrt();
                assert!(errors.abs() < 4.0, "x = {x}, moment {moment}: {errors} standard errors");
            }
        }
    }
}
