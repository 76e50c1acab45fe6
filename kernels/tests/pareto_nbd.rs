//! Pareto/NBD: the scalar judge against an independent integral, its sums against the judge, the device against both.

mod adapter;
#[expect(dead_code, reason = "shared with tests that need spenders too")]
mod simulated;

use adapter::device;
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::special::{ln_rising, softplus};
use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, pareto_nbd};
use ndarray::{Array2, Array3, Axis, s};
use simulated::{batch, cells, evaluate};

const CENTRE: [f64; 4] = [0.55, 10.6, 0.6, 11.7];

/// (x, t_x, T) of customers from the usual to the absurd.
fn histories() -> Vec<(u32, f64, f64)> {
    let mut all = Vec::new();
    for t in [0.0, 0.05, 20.0, 300.0, 3000.0] {
        all.push((0, 0.0, t));
        for x in [1, 7, 100, 1000] {
            all.extend([0.0, 0.03, 0.5, 0.97, 1.0].map(|share| (x, share * t, t)));
        }
    }
    all
}

/// Every corner and the middle of r, s in [0.01, 50] and α, β in [1e-3, 1e3].
fn extremes() -> Vec<[f64; 4]> {
    let (shapes, scales) = ([0.01, 0.6, 50.0], [1e-3, 0.2, 10.0, 1e3]);
    let mut all = Vec::new();
    for r in shapes {
        for s in shapes {
            all.extend(scales.into_iter().flat_map(|alpha| scales.map(|beta| [r, alpha, s, beta])));
        }
    }
    all
}

/// ln(D/A) by the double exponential rule (Takahasi & Mori 1974) over all of ln(c + τ): other nodes, no cut, no panels.
fn log_odds_refined([r, alpha, s, beta]: [f64; 4], x: u32, t_x: f64, t: f64) -> f64 {
    let t_x = if x == 0 { 0.0 } else { t_x };
    let (n, early, gap) = (r + f64::from(x), alpha.min(beta) + t_x, t - t_x);
    if gap == 0.0 {
        return f64::NEG_INFINITY;
    }
    let whole = (gap / early).ln_1p();
    let step = 1.0 / 40.0;
    let terms: Vec<f64> = (-180..=180)
        .map(|i| {
            let z = step * f64::from(i);
            let y = std::f64::consts::FRAC_PI_2 * z.sinh();
            // The share of [0, U] before the node, and ln of its derivative.
            let share = 1.0 / (1.0 + (-2.0 * y).exp());
            let ln_slope = (std::f64::consts::PI * z.cosh()).ln() - 2.0 * (y.abs() + (-2.0 * y.abs()).exp().ln_1p());
            let u = whole * share;
            let delay = early * u.exp_m1();
            u + ln_slope - n * (delay / (alpha + t_x)).ln_1p() - (s + 1.0) * (delay / (beta + t_x)).ln_1p()
        })
        .collect();
    let peak = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = terms.iter().map(|term| (term - peak).exp()).sum();
    let grown = n * (gap / (alpha + t_x)).ln_1p() + s * (gap / (beta + t_x)).ln_1p();
    peak + (sum * step * whole * early * s / (beta + t_x)).ln() + grown
}

/// What the documentation states of sixteen nodes in panels of five; and nothing overflows on the way.
#[test]
fn sixteen_nodes_are_good_to_a_ten_millionth_everywhere() {
    let (mut worst, mut at) = (0.0, None);
    for theta in extremes() {
        for (x, t_x, t) in histories() {
            let (value, gradient) = pareto_nbd::log_lik_gradient(theta, x, t_x, t);
            let all_finite = value.is_finite() && gradient.iter().all(|slope| slope.is_finite());
            assert!(all_finite, "{value} {gradient:?} at {theta:?} {x} {t_x} {t}");
            let [r, alpha, s, beta] = theta;
            let without =
                ln_rising(r, x) - r * (t / alpha).ln_1p() - f64::from(x) * (alpha + t).ln() - s * (t / beta).ln_1p();
            let refined = without + softplus(log_odds_refined(theta, x, t_x, t));
            // Terms of up to 1e4 lose digits of their own.
            let error = (value - refined).abs() - 1e-14 * without.abs();
            if error > worst {
                (worst, at) = (error, Some((theta, x, t_x, t)));
            }
        }
    }
    eprintln!("worst {worst:.1e} at {at:?}");
    assert!(worst < 1e-7, "{worst:e} at {at:?}");
}

/// Central differences with a relative step h: truncation h² and rounding ε/h meet near h = 1e-5.
#[test]
fn gradients_are_slopes_at_a_thousand_points() {
    for i in 0..1000 {
        let mut stream = Stream::new(17, Purpose::Test, i, 0);
        let mut uniform = || stream.uniform();
        let theta = [0.5, 8.0, 0.7, 12.0].map(|centre| centre * (2.5 * (2.0 * uniform() - 1.0)).exp());
        let t = 100.0 * uniform();
        let x = (1.0 / uniform().max(0.02)).floor() as u32 - 1;
        let t_x = t * uniform();
        let (value, gradient) = pareto_nbd::log_lik_gradient(theta, x, t_x, t);
        for k in 0..4 {
            let [high, low] = [1e-5, -1e-5].map(|step| {
                let mut moved = theta;
                moved[k] *= 1.0 + step;
                pareto_nbd::log_lik(moved, x, t_x, t)
            });
            let slope = (high - low) / 2e-5;
            let seen = gradient[k] * theta[k];
            // 1e-10 of the value by rounding, 1e-10 of third derivatives, which grow with x.
            let tolerance = 1e-9 * (value.abs() + f64::from(x) + 1.0);
            assert!((seen - slope).abs() < tolerance, "{k}: {seen} {slope} at {theta:?} {x} {t_x} {t}");
        }
    }
}

#[test]
fn impossible_points_and_the_latest_purchase() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let mut theta = CENTRE;
        theta[2] = bad;
        assert_eq!(pareto_nbd::log_lik_gradient(theta, 2, 1.0, 3.0), (f64::NEG_INFINITY, [0.0; 4]));
        assert!(!pareto_nbd::is_possible(&theta));
    }
    assert_eq!(pareto_nbd::p_alive(CENTRE, 3, 30.0, 30.0), 1.0);
    assert_eq!(pareto_nbd::p_alive(CENTRE, 0, 0.0, 0.0), 1.0);
    // t_x is not used where x = 0.
    assert_eq!(pareto_nbd::log_lik(CENTRE, 0, 7.0, 30.0), pareto_nbd::log_lik(CENTRE, 0, 0.0, 30.0));
}

/// Sums of thousands of rounded terms, in two different orders; group terms and row terms cancel to about a tenth.
const TOLERANCE: f64 = 1e-11;

/// Every chain and group of `seen` against Σ w · judge over the cells, within `tolerance` of the terms' absolute values.
fn assert_judged(seen: &LikelihoodBatch, cells: &Cells, params: &Array3<f64>, tolerance: f64) {
    let (chains, groups, _) = params.dim();
    for chain in 0..chains {
        let (mut value, mut size) = (0.0, 0.0);
        let (mut gradient, mut sizes) = (Array2::<f64>::zeros((groups, 4)), Array2::<f64>::zeros((groups, 4)));
        for i in 0..cells.group.len() {
            let (g, x, t, w) = (cells.group[i] as usize, cells.frequency[i], cells.age[i], cells.weight[i]);
            let theta: [f64; 4] = std::array::from_fn(|k| params[[chain, g, k]]);
            let (v, slopes) = pareto_nbd::log_lik_gradient(theta, x, cells.recency[i], t);
            let [r, alpha, s, beta] = theta;
            let (n, odds) = (r + f64::from(x), pareto_nbd::log_odds_dead(theta, x, cells.recency[i], t));
            let logs = [alpha.ln(), (alpha + t).ln(), beta.ln(), (beta + t).ln()].map(f64::abs);
            value += w * v;
            size += w
                * (ln_rising(r, x).abs()
                    + r * logs[0]
                    + n * logs[1]
                    + s * (logs[2] + logs[3])
                    + softplus(odds)
                    + n * (t / alpha).ln_1p());
            let slope_sizes = [
                longrun_kernels::special::digamma_rising(r, x) + logs[0] + logs[1],
                n / alpha,
                1.0 / s + logs[2] + logs[3],
                (s + 1.0) / beta,
            ];
            for k in 0..4 {
                gradient[[g, k]] += w * slopes[k];
                sizes[[g, k]] += w * slope_sizes[k];
            }
        }
        let close = |what: &str, seen: f64, expected: f64, size: f64| {
            let theta = params.index_axis(Axis(0), chain);
            assert!(
                (seen - expected).abs() <= tolerance * size,
                "{what}: {seen:e}, one by one {expected:e} of {size:e} at {theta}"
            );
        };
        close("log_lik", seen.log_lik[chain], value, size);
        for ((g, k), expected) in gradient.indexed_iter() {
            close(&format!("slope {k} of group {g}"), seen.per_group[[chain, g, k]], *expected, sizes[[g, k]]);
        }
    }
}

#[test]
fn the_sum_is_that_of_its_customers() {
    let data = cells(3, 2000, 0.0);
    let params = batch::<4>(4, 3, CENTRE, 0.7);
    let mut likelihood = pareto_nbd::Cpu::new(data.clone()).expect("cells");
    assert_judged(&evaluate(&mut likelihood, &params), &data, &params, TOLERANCE);
    let mut out = PointwiseBatch { log_lik: Array2::zeros((4, 50)) };
    let shared = Array2::zeros((4, 0));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    likelihood.pointwise(view, 100..150, &mut out).expect("rows exist");
    for ((chain, i), seen) in out.log_lik.indexed_iter() {
        let row = 100 + i;
        let theta = std::array::from_fn(|k| params[[chain, data.group[row] as usize, k]]);
        assert_eq!(*seen, pareto_nbd::log_lik(theta, data.frequency[row], data.recency[row], data.age[row]));
    }
}

#[test]
fn a_chain_knows_nothing_of_its_neighbours_or_of_threads() {
    let mut likelihood = pareto_nbd::Cpu::new(cells(3, 5000, 0.0)).expect("cells");
    let params = batch::<4>(3, 3, CENTRE, 0.5);
    let together = evaluate(&mut likelihood, &params);
    let one_thread = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
    for chain in 0..3 {
        let only = params.slice(s![chain..=chain, .., ..]).to_owned();
        let alone = one_thread.install(|| evaluate(&mut likelihood, &only));
        assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
        assert_eq!(alone.per_group.index_axis(Axis(0), 0), together.per_group.index_axis(Axis(0), chain));
    }
}

fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>) {
    let shared = Array2::zeros((1, 0));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
}

fn on_device(cells: Cells, device: &longrun_kernels::device::Device) -> pareto_nbd::Gpu {
    pareto_nbd::Gpu::new(pareto_nbd::Cpu::new(cells).expect("cells"), device).expect("the device works")
}

/// Largest error of a log-likelihood and of a slope in the logarithm of a parameter, both in nats.
fn errors(points: &Array3<f64>, seen: &LikelihoodBatch, judge: &LikelihoodBatch) -> (f64, f64) {
    let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
    let slopes = (&seen.per_group - &judge.per_group) * points;
    (largest(&mut (&seen.log_lik - &judge.log_lik).into_iter()), largest(&mut slopes.into_iter()))
}

/// Points within ±10 % of the reference, many posterior standard deviations at this size, and within a factor of 3. 0.01 nat is
/// what a Metropolis decision needs; away from the posterior, where |Δℓ| is thousands of nats, f32 keeps about 1e-6 of it.
#[test]
fn the_device_is_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    let data = cells(3, 20_000, 0.001);
    let (mut gpu, mut cpu) = (on_device(data.clone(), &device), pareto_nbd::Cpu::new(data).expect("cells"));
    refer_to(&mut gpu, &batch(1, 3, CENTRE, 0.0));
    for (spread, nats, slopes) in [(0.1, 0.01, 0.02), (3f64.ln(), 0.05, 0.1)] {
        let points = batch::<4>(6, 3, CENTRE, spread);
        let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
        let (nat, slope) = errors(&points, &seen, &judge);
        eprintln!("within e^{spread:.1}: {nat:.1e} nat, slopes {slope:.1e}");
        assert!(nat < nats && slope < slopes, "{nat} nat, slopes {slope}");
    }
}

/// One golden customer at a time, with the reference 10 % away from the golden parameters in every direction: an f32 of the
/// difference, which is of order one, and f64 for the rest.
#[test]
fn golden_rows_from_a_displaced_reference() {
    let Some(device) = device() else { return };
    let file: serde_json::Value =
        serde_json::from_str(include_str!("golden/customer_models.json")).expect("the golden file is JSON");
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let mut rows = 0;
    for row in file["rows"].as_array().expect("rows").iter().filter(|row| row["model"] == "pareto_nbd") {
        let (data, names) = (&row["data"], ["r", "alpha", "s", "beta"]);
        let cells = Cells {
            n_groups: 1,
            group: vec![0],
            frequency: vec![number(&data["x"]) as u32],
            recency: vec![number(&data["t_x"])],
            age: vec![number(&data["T"])],
            weight: vec![1.0],
        };
        let mut gpu = on_device(cells, &device);
        let theta = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| number(&row["params"][names[k]]));
        let displaced = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| theta[[0, 0, k]] * [1.1, 0.9][k % 2]);
        refer_to(&mut gpu, &displaced);
        let out = evaluate(&mut gpu, &theta);
        let log_lik = number(&row["log_lik"]);
        // Rounding of f32, 6e-8, on differences of up to some tens of nats (x = 150).
        assert!((out.log_lik[0] - log_lik).abs() < 2e-6 * log_lik.abs().max(1.0), "{} {row}", out.log_lik[0]);
        for (k, name) in names.iter().enumerate() {
            let (seen, golden) = (out.per_group[[0, 0, k]], number(&row["grad"][*name]));
            // Terms of up to 30 cancel in a slope.
            assert!((seen - golden).abs() < 5e-6 * golden.abs().max(5.0), "{name}: {seen} in {row}");
        }
        rows += 1;
    }
    assert_eq!(rows, 24);
}

/// All histories at all extremes, a group each, with the reference 10 % and a factor of 3 away. A chain moves every twelfth
/// group from its reference to its extreme and leaves the others.
#[test]
fn the_device_stays_finite_everywhere() {
    let Some(device) = device() else { return };
    let (histories, extremes, chains) = (histories(), extremes(), 12);
    let mut data = Cells { n_groups: extremes.len(), ..Default::default() };
    for group in 0..extremes.len() as u32 {
        for (x, t_x, t) in &histories {
            data.group.push(group);
            data.frequency.push(*x);
            data.recency.push(*t_x);
            data.age.push(*t);
            data.weight.push(1.0);
        }
    }
    let (mut gpu, mut cpu) = (on_device(data.clone(), &device), pareto_nbd::Cpu::new(data).expect("cells"));
    for (factor, values, slopes_within) in [(1.1, 1e-6, 1e-5), (1.5, 1e-6, 1e-4), (3.0, 1e-4, 0.1)] {
        let away = |g: usize, k: usize| extremes[g][k] * if g >> k & 1 == 0 { factor } else { 1.0 / factor };
        let reference = Array3::from_shape_fn((1, extremes.len(), 4), |(_, g, k)| away(g, k));
        let params = Array3::from_shape_fn((chains, extremes.len(), 4), |(chain, g, k)| {
            if g % chains == chain { extremes[g][k] } else { away(g, k) }
        });
        refer_to(&mut gpu, &reference);
        let (seen, judge) = (evaluate(&mut gpu, &params), evaluate(&mut cpu, &params));
        let begun = evaluate(&mut cpu, &reference).log_lik[0];
        for chain in 0..chains {
            let (value, expected) = (seen.log_lik[chain], judge.log_lik[chain]);
            let off = (value - expected).abs() / (1.0 + (expected - begun).abs());
            // f32 holds seven digits of the largest terms.
            assert!(off < values, "{value} {expected}");
        }
        let (mut worst, mut at) = (0.0, None);
        for (g, theta) in extremes.iter().enumerate() {
            let of = |out: &LikelihoodBatch| out.per_group.slice(s![g % chains, g, ..]).to_owned();
            let (slopes, judged) = (of(&seen), of(&judge));
            // A device that gave up would have been replaced by the judge, bit by bit.
            assert!(slopes != judged, "the device gave no finite sum at {theta:?}");
            for k in 0..4 {
                let off = (slopes[k] - judged[k]).abs() * theta[k] / (1.0 + judged[k].abs() * theta[k]);
                assert!(off.is_finite(), "{slopes} at {theta:?}");
                if off > worst {
                    (worst, at) = (off, Some((theta, k, slopes[k], judged[k])));
                }
            }
        }
        eprintln!("factor {factor}: slopes {worst:.1e} at {at:?}");
        // Fixed nodes: at a factor of 3 the worst integrand falls nine times as fast as the one the nodes were made for.
        assert!(worst < slopes_within, "factor {factor}: {worst:e} at {at:?}");
    }
}

#[test]
fn far_impossible_and_empty() {
    let Some(device) = device() else { return };
    let data = cells(1, 2000, 0.0);
    let mut points = batch::<4>(4, 1, CENTRE, 0.1);
    points[[1, 0, 1]] = CENTRE[1] * 4.5;
    points[[2, 0, 3]] = -1.0;
    let (mut gpu, mut cpu) = (on_device(data.clone(), &device), pareto_nbd::Cpu::new(data).expect("cells"));
    refer_to(&mut gpu, &batch(1, 1, CENTRE, 0.0));
    let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
    assert_eq!(seen.log_lik[1], judge.log_lik[1]);
    assert_eq!(seen.log_lik[2], f64::NEG_INFINITY);
    assert!((seen.log_lik[3] - judge.log_lik[3]).abs() < 0.01);
    let mut none = on_device(Cells { n_groups: 2, ..Default::default() }, &device);
    assert!(evaluate(&mut none, &batch::<4>(3, 2, CENTRE, 0.1)).log_lik.iter().all(|value| *value == 0.0));
}

/// Sixteen nodes at other places: what the judge's own nodes may be off by at the spread of these points, and roundings.
const OTHER_NODES: f64 = 1e-9;

#[test]
fn the_fast_path_agrees_with_the_judge() {
    for (groups, n, heavy) in [(1, 3000, 0.0), (3, 2000, 0.01), (40, 700, 0.0), (5, 3, 0.0)] {
        let (data, params) = (cells(groups, n, heavy), batch::<4>(4, groups as usize, CENTRE, 1.5));
        let seen = evaluate(&mut pareto_nbd::Simd::new(data.clone()).expect("cells"), &params);
        assert_judged(&seen, &data, &params, OTHER_NODES);
        // Near the posterior of a shop.
        let params = batch::<4>(4, groups as usize, CENTRE, 0.3);
        let seen = evaluate(&mut pareto_nbd::Simd::new(data.clone()).expect("cells"), &params);
        assert_judged(&seen, &data, &params, 1e-11);
    }
}

#[test]
fn the_fast_path_agrees_with_the_judge_at_all_extremes() {
    let (histories, extremes) = (histories(), extremes());
    let data = Cells {
        n_groups: 1,
        group: vec![0; histories.len()],
        frequency: histories.iter().map(|(x, ..)| *x).collect(),
        recency: histories.iter().map(|(_, t_x, _)| *t_x).collect(),
        age: histories.iter().map(|(.., t)| *t).collect(),
        weight: vec![1.0; histories.len()],
    };
    let params = Array3::from_shape_fn((extremes.len(), 1, 4), |(chain, _, k)| extremes[chain][k]);
    let seen = evaluate(&mut pareto_nbd::Simd::new(data.clone()).expect("cells"), &params);
    // The bound of the judge's own error, of terms that are at least of order one.
    assert_judged(&seen, &data, &params, 1e-7);
    // Far beyond anything that data could say: finite still.
    let ends = [1e-30, 1e-9, 1e4, 1e30];
    let params = Array3::from_shape_fn((256, 1, 4), |(chain, _, k)| ends[chain >> (2 * k) & 3]);
    for likelihood in [
        &mut pareto_nbd::Simd::new(data.clone()).expect("cells") as &mut dyn Likelihood,
        &mut pareto_nbd::Cpu::new(data).expect("cells"),
    ] {
        let out = evaluate(likelihood, &params);
        for (chain, value) in out.log_lik.iter().enumerate() {
            let slopes = out.per_group.index_axis(Axis(0), chain);
            let all = value.is_finite() && slopes.iter().all(|slope| slope.is_finite());
            assert!(all, "{value} {slopes} at {}", params.index_axis(Axis(0), chain));
        }
    }
}

#[test]
fn no_bit_of_the_fast_path_depends_on_threads_or_on_other_chains() {
    for (groups, n, chains) in [(2, 20_000, 5), (700, 5000, 3)] {
        let mut likelihood = pareto_nbd::Simd::new(cells(groups, n, 0.0)).expect("cells");
        let params = batch::<4>(chains, groups as usize, CENTRE, 0.5);
        let together = evaluate(&mut likelihood, &params);
        let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().expect("a thread");
        for chain in 0..chains {
            let only = params.slice(s![chain..=chain, .., ..]).to_owned();
            let alone = one.install(|| evaluate(&mut likelihood, &only));
            assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits());
            assert_eq!(alone.per_group.index_axis(Axis(0), 0), together.per_group.index_axis(Axis(0), chain));
        }
        assert_eq!(likelihood.work().evaluations, n * 2 * chains as u64);
    }
    let mut params = batch::<4>(2, 1, CENTRE, 0.0);
    params[[1, 0, 3]] = 1e61;
    let out = evaluate(&mut pareto_nbd::Simd::new(cells(1, 100, 0.0)).expect("cells"), &params);
    assert!(out.log_lik[0].is_finite() && out.log_lik[1] == f64::NEG_INFINITY);
    let none = Cells { n_groups: 2, ..Default::default() };
    let out = evaluate(&mut pareto_nbd::Simd::new(none).expect("no rows"), &batch(2, 2, CENTRE, 0.1));
    assert!(out.log_lik.iter().chain(&out.per_group).all(|zero| *zero == 0.0));
}

/// `cargo test --release -p longrun-kernels --test pareto_nbd measured -- --ignored --nocapture`
#[test]
#[ignore = "a measurement: run alone, in release"]
fn speeds_measured() {
    let data = cells(4, 100_000, 0.0);
    let params = batch::<4>(4, 4, CENTRE, 0.1);
    let best = |likelihood: &mut dyn Likelihood| {
        let once = |_| {
            let start = std::time::Instant::now();
            std::hint::black_box(evaluate(likelihood, &params));
            start.elapsed().as_secs_f64()
        };
        4e5 / (0..5).map(once).fold(f64::INFINITY, f64::min)
    };
    let judge = best(&mut pareto_nbd::Cpu::new(data.clone()).expect("cells"));
    let fast = best(&mut pareto_nbd::Simd::new(data).expect("cells"));
    eprintln!("rows x chains a second: judge {judge:.2e}, fast {fast:.2e}, {:.1} times", fast / judge);
}
