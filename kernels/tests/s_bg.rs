//! Shifted beta-geometric: the published cohort, the sums over cohorts against the scalar judge, the device, and what is to come.

mod adapter;
#[expect(dead_code, reason = "purchases and spenders serve other tests")]
mod simulated;

use adapter::device;
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::s_bg::{self, Rows};
use longrun_kernels::{Likelihood, ParamBatch, PointwiseBatch};
use ndarray::{Array2, Array3, Axis};
use simulated::{batch, evaluate};

const CENTRE: [f64; 2] = [0.7, 1.2];

/// Customers of `groups` groups, mixed and unsorted, with up to five years of monthly contracts.
fn contracts(groups: u32, n: u64, heavy: f64) -> Rows {
    let mut rows = Rows { n_groups: groups as usize, ..Default::default() };
    for i in 0..n {
        let mut stream = Stream::new(41, Purpose::Test, i, 0);
        let mut uniform = || stream.uniform();
        let (began, theta) = ((uniform() * 60.0) as u32, uniform().powf(1.5));
        let lasted = (uniform().ln() / (1.0 - theta).ln()).ceil().min(1e6) as u32;
        rows.group.push((uniform() * f64::from(groups)) as u32);
        rows.period.push(lasted.min(began));
        rows.lost.push(lasted <= began);
        rows.weight.push(if uniform() < heavy { 1e5 } else { (uniform() * 4.0).ceil() });
    }
    rows.period.iter().zip(&mut rows.lost).for_each(|(period, lost)| *lost &= *period > 0);
    rows
}

/// A cohort's customers still active at the end of years 0, 1, 2, …
fn cohort(active: &[u32]) -> Rows {
    let mut rows = Rows { n_groups: 1, ..Default::default() };
    let mut push = |period: usize, lost: bool, weight: u32| {
        rows.group.push(0);
        rows.period.push(period as u32);
        rows.lost.push(lost);
        rows.weight.push(f64::from(weight));
    };
    for (year, pair) in active.windows(2).enumerate() {
        push(year + 1, true, pair[0] - pair[1]);
    }
    push(active.len() - 1, false, active[active.len() - 1]);
    rows
}

#[test]
fn the_regular_cohort_has_its_published_maximum() {
    let regular = [1000, 631, 468, 382, 326, 289, 262, 241];
    let mut likelihood = s_bg::Cpu::new(cohort(&regular)).expect("a cohort");
    let printed = Array3::from_shape_fn((1, 1, 2), |(_, _, k)| [0.704077, 1.182043][k]);
    let at = evaluate(&mut likelihood, &printed);
    // Half a printed digit.
    assert!((at.log_lik[0] + 1680.26519).abs() < 5e-6, "{}", at.log_lik[0]);
    // Half a printed digit times the curvature, of the order of the 1,000 customers.
    assert!(at.per_group.iter().all(|slope| slope.abs() < 5e-7 * 1000.0), "{}", at.per_group);
    let file: serde_json::Value = serde_json::from_str(include_str!("golden/s_bg.json")).expect("JSON");
    let row = &file["rows"][0];
    assert_eq!(row["active"], serde_json::json!(regular));
    let maximum = ["alpha", "beta"].map(|name| row["maximum"][name].as_f64().expect("a number"));
    let at = evaluate(&mut likelihood, &Array3::from_shape_fn((1, 1, 2), |(_, _, k)| maximum[k]));
    let log_lik = row["log_lik"].as_f64().expect("a number");
    assert!((at.log_lik[0] - log_lik).abs() < 1e-10, "{} {log_lik}", at.log_lik[0]);
    // The last place of a parameter times the curvature.
    assert!(at.per_group.iter().all(|slope| slope.abs() < 1e-11), "{}", at.per_group);
}

#[test]
fn cohorts_are_the_sum_of_their_customers() {
    for (groups, n) in [(1, 5000), (3, 3000), (40, 700), (9, 3)] {
        let (rows, params) = (contracts(groups, n, 0.01), batch::<2>(4, groups as usize, CENTRE, 1.5));
        let seen = evaluate(&mut s_bg::Cpu::new(rows.clone()).expect("rows"), &params);
        for chain in 0..4 {
            let (mut value, mut gradient) = (0.0, Array2::<f64>::zeros((groups as usize, 2)));
            let mut sizes = gradient.clone();
            for i in 0..rows.group.len() {
                let (g, w) = (rows.group[i] as usize, rows.weight[i]);
                let theta = std::array::from_fn(|k| params[[chain, g, k]]);
                let (v, slopes) = s_bg::log_lik_gradient(theta, rows.period[i], rows.lost[i]);
                value += w * v;
                for k in 0..2 {
                    gradient[[g, k]] += w * slopes[k];
                    sizes[[g, k]] += w * slopes[k].abs() + w / theta[k];
                }
            }
            // Sums of thousands of rounded terms, in two different orders.
            assert!((seen.log_lik[chain] - value).abs() < 1e-12 * value.abs(), "{} {value}", seen.log_lik[chain]);
            for ((g, k), expected) in gradient.indexed_iter() {
                let seen = seen.per_group[[chain, g, k]];
                assert!((seen - expected).abs() <= 1e-12 * sizes[[g, k]], "{seen} {expected}");
            }
        }
    }
}

/// Central differences with a relative step h: truncation h² and rounding ε/h meet near h = 1e-5, at about 1e-9 of the terms.
#[test]
fn gradients_are_slopes_at_a_thousand_points() {
    let rows = contracts(1, 1000, 0.0);
    for i in 0..1000 {
        let mut stream = Stream::new(42, Purpose::Test, i as u64, 0);
        let theta: [f64; 2] = std::array::from_fn(|k| CENTRE[k] * (2.0 * stream.normal()).exp());
        let (period, lost) = (rows.period[i], rows.lost[i]);
        let (value, gradient) = s_bg::log_lik_gradient(theta, period, lost);
        for k in 0..2 {
            let [high, low] = [1e-5, -1e-5].map(|step| {
                let mut moved = theta;
                moved[k] *= 1.0 + step;
                s_bg::log_lik(moved, period, lost)
            });
            let (slope, size) = ((high - low) / 2e-5, 1.0 + value.abs());
            assert!((gradient[k] * theta[k] - slope).abs() < 1e-9 * size, "{k} at {theta:?} of {period} {lost}");
        }
    }
}

#[test]
fn the_ends_of_the_world_are_finite() {
    let ends = [1e-60, 1e-9, 0.7, 1e4, 1e60];
    let params = Array3::from_shape_fn((25, 1, 2), |(i, _, k)| ends[i / 5usize.pow(k as u32) % 5]);
    let rows = Rows {
        n_groups: 1,
        group: vec![0; 6],
        period: vec![0, 1, 1, 40, 400, s_bg::MOST_PERIODS],
        lost: vec![false, true, false, true, false, true],
        weight: vec![1e6, 1e6, 1.0, 3.0, 2.0, 1.0],
    };
    let out = evaluate(&mut s_bg::Cpu::new(rows).expect("rows"), &params);
    assert!(out.log_lik.iter().chain(&out.per_group).all(|part| part.is_finite()), "{out:?}");
    for theta in params.axis_iter(Axis(0)).map(|point| [point[[0, 0]], point[[0, 1]]]) {
        let lifetime = s_bg::discounted_residual_lifetime(theta, 3, 0.1);
        // All periods, and none.
        assert!((0.0..=11.0 + 1e-9).contains(&lifetime), "{theta:?} {lifetime}");
    }
    assert_eq!(s_bg::log_lik_gradient(CENTRE, 0, false), (0.0, [0.0; 2]));
}

#[test]
fn impossible_points_and_rows() {
    let mut likelihood = s_bg::Cpu::new(contracts(2, 100, 0.0)).expect("rows");
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut params = batch::<2>(3, 2, CENTRE, 0.0);
        params[[1, 1, 1]] = bad;
        let out = evaluate(&mut likelihood, &params);
        assert_eq!(out.log_lik[1], f64::NEG_INFINITY);
        assert!(out.per_group.index_axis(Axis(0), 1).iter().all(|slope| *slope == 0.0));
        assert!(out.log_lik[0].is_finite() && out.log_lik[2] == out.log_lik[0]);
        assert_eq!(s_bg::log_lik_gradient([0.5, bad], 2, true), (f64::NEG_INFINITY, [0.0; 2]));
    }
    let refuse = |change: fn(&mut Rows), words: &str| {
        let mut rows = contracts(1, 10, 0.0);
        change(&mut rows);
        let error = s_bg::Cpu::new(rows).expect_err(words).to_string();
        assert!(error.contains(words), "{error}");
    };
    refuse(|rows| (rows.period[3], rows.lost[3]) = (0, true), "row 3 has T = 0, lost: true");
    refuse(|rows| rows.period[4] = s_bg::MOST_PERIODS + 1, "row 4 has T = 65537");
    refuse(|rows| rows.weight[5] = -1.0, "row 5 has weight -1");
    refuse(|rows| rows.lost.truncate(9), "column lost has 9 rows");
}

#[test]
fn rows_can_be_asked_one_by_one() {
    let (rows, params) = (contracts(3, 300, 0.0), batch::<2>(2, 3, CENTRE, 0.4));
    let shared = Array2::zeros((2, 0));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    let mut likelihood = s_bg::Cpu::new(rows.clone()).expect("rows");
    assert_eq!((likelihood.rows(), likelihood.groups()), (300, 3));
    let mut out = PointwiseBatch { log_lik: Array2::zeros((2, 50)) };
    likelihood.pointwise(view, 100..150, &mut out).expect("rows exist");
    for ((chain, i), seen) in out.log_lik.indexed_iter() {
        let row = 100 + i;
        let theta = std::array::from_fn(|k| params[[chain, rows.group[row] as usize, k]]);
        assert_eq!(*seen, s_bg::log_lik(theta, rows.period[row], rows.lost[row]));
    }
}

fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>) {
    let shared = Array2::zeros((1, 0));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
}

/// Points within ±10 % of the reference, and within a factor of 3, with groups whose first periods are heavy and stay on the host.
/// 0.01 nat is what a Metropolis decision needs; away from the posterior f32 keeps about 1e-6 of |Δℓ|.
#[test]
fn differences_on_the_device_are_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    for (groups, n, heavy) in [(3, 20_000, 0.001), (500, 20_000, 0.0)] {
        let judge = s_bg::Cpu::new(contracts(groups, n, heavy)).expect("rows");
        let mut gpu = s_bg::Gpu::new(judge.clone(), &device).expect("device");
        refer_to(&mut gpu, &batch(1, groups as usize, CENTRE, 0.0));
        for (spread, nats, slopes) in [(0.1, 0.01, 0.02), (3f64.ln(), 0.05, 0.05)] {
            let points = batch::<2>(12, groups as usize, CENTRE, spread);
            let (seen, judged) = (evaluate(&mut gpu, &points), evaluate(&mut judge.clone(), &points));
            let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
            let nat = largest(&mut (&seen.log_lik - &judged.log_lik).into_iter());
            let slope = largest(&mut ((&seen.per_group - &judged.per_group) * &points).into_iter());
            eprintln!("s_bg, {groups} groups within e^{spread:.1}: {nat:.1e} nat, slopes {slope:.1e}");
            assert!(nat < nats && slope < slopes, "{nat} nat, slopes {slope}");
        }
    }
}

/// One golden customer at a time, with the reference 10 % away from the golden parameters in every direction.
#[test]
fn golden_rows_from_a_displaced_reference() {
    let Some(device) = device() else { return };
    let file: serde_json::Value =
        serde_json::from_str(include_str!("golden/customer_models.json")).expect("the golden file is JSON");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let mut count = 0;
    for row in file["rows"].as_array().expect("rows").iter().filter(|row| row["model"] == "s_bg") {
        let (data, names) = (&row["data"], ["alpha", "beta"]);
        let customer = Rows {
            n_groups: 1,
            group: vec![0],
            period: vec![number(&data["T"]) as u32],
            lost: vec![number(&data["lost"]) == 1.0],
            weight: vec![1.0],
        };
        let mut gpu = s_bg::Gpu::new(s_bg::Cpu::new(customer).expect("a row"), &device).expect("device");
        let theta = Array3::from_shape_fn((1, 1, 2), |(_, _, k)| number(&row["params"][names[k]]));
        refer_to(&mut gpu, &Array3::from_shape_fn((1, 1, 2), |(i, j, k)| theta[[i, j, k]] * [1.1, 0.9][k]));
        let out = evaluate(&mut gpu, &theta);
        // Of second order in a displacement of a tenth, hence a few hundredths of a nat in f32, whose rounding is 6e-8.
        assert!((out.log_lik[0] - number(&row["log_lik"])).abs() < 1e-7, "{} {row}", out.log_lik[0]);
        for (k, name) in names.into_iter().enumerate() {
            let (seen, golden) = (out.per_group[[0, 0, k]], number(&row["grad"][name]));
            assert!((seen - golden).abs() < 1e-6, "{name}: {seen} in {row}");
        }
        count += 1;
    }
    assert_eq!(count, 24);
}

/// The story: θ from Beta(1, 3), a coin at the end of each period. Nothing of the formulas is used.
#[test]
fn futures_are_those_of_simulated_customers() {
    let (theta, survived, horizon, rate) = ([1.0, 3.0], 2, 6, 0.1);
    let (mut customers, mut sums) = (0.0, [[0.0; 2]; 5]);
    for i in 0..200_000 {
        let mut stream = Stream::new(43, Purpose::Test, i, 0);
        let leaves = 1.0 - stream.uniform().powf(1.0 / 3.0);
        // Periods ended by staying; beyond 300 nothing is worth counting.
        let lasted = (0..300).take_while(|_| stream.uniform() >= leaves).count() as u32;
        if lasted < survived {
            continue;
        }
        let later = lasted - survived;
        let worth: f64 = (0..later).map(|k| (1.0f64 + rate).powi(-(k as i32))).sum();
        let moments = [
            f64::from(later == 0),
            f64::from(later == 2),
            f64::from(later >= horizon),
            f64::from(later.min(horizon)),
            worth,
        ];
        customers += 1.0;
        for (sums, moment) in sums.iter_mut().zip(moments) {
            *sums = [sums[0] + moment, sums[1] + moment * moment];
        }
    }
    let expected = [
        s_bg::probability_of(theta, survived, horizon, 0),
        s_bg::probability_of(theta, survived, horizon, 2),
        s_bg::probability_of(theta, survived, horizon, horizon),
        s_bg::expected_periods(theta, survived, horizon),
        s_bg::discounted_residual_lifetime(theta, survived, rate),
    ];
    for ([sum, squares], expected) in sums.into_iter().zip(expected) {
        let mean: f64 = sum / customers;
        let errors = (mean - expected) / ((squares / customers - mean * mean) / customers).sqrt();
        assert!(errors.abs() < 4.0, "{mean} {expected}: {errors} standard errors");
    }
}

#[test]
fn lifetimes_have_limits() {
    // Without discounting: β/(α−1) from the start, infinite where the mean is.
    assert!((s_bg::discounted_residual_lifetime([3.0, 4.0], 0, 0.0) - 2.0).abs() < 1e-15);
    assert!((s_bg::discounted_residual_lifetime([3.0, 4.0], 0, 1e-9) - 2.0).abs() < 1e-7);
    assert_eq!(s_bg::discounted_residual_lifetime([1.0, 4.0], 5, 0.0), f64::INFINITY);
    // Retention rises with tenure, as customers who are easily lost are lost.
    let rates: Vec<f64> = (1..9).map(|period| s_bg::retention(CENTRE, period)).collect();
    assert!(rates.windows(2).all(|pair| pair[0] < pair[1]));
    let product: f64 = rates.iter().product();
    assert!((product / s_bg::survival(CENTRE, 8) - 1.0).abs() < 1e-14);
}
