//! BG/BB in f64: the scalar functions against 40-digit arithmetic, against each other and against a published maximum, and the
//! sums over many customers against the scalar functions.

#[expect(dead_code, reason = "histories in continuous time are not for this family")]
mod simulated;

mod histories;

use std::path::PathBuf;

use histories::{CENTRE, histories};
use longrun_kernels::bg_bb::{self, Rows};
use longrun_kernels::rng::{Purpose, Stream};
use longrun_kernels::{Likelihood, ParamBatch, PointwiseBatch};
use ndarray::{Array2, Array3};
use simulated::{batch, evaluate};

/// mpmath 1.3, 60 digits, from the sum as the paper has it; slopes by central differences with a relative step of 1e-20:
/// (α β γ δ), (x, t_x, n), log-likelihood, slopes, P(alive).
type Known = ([f64; 4], (u32, u32, u32), f64, [f64; 4], f64);

#[rustfmt::skip]
const HARD: [Known; 7] = [
    ([1.25, 0.75, 0.66, 2.78], (0, 0, 1000), -1.2572672472533024, [-0.2910980874991124, 0.3331192418384699, 1.069189901152193, -0.22079878406403444], 1.0057068069340468e-05),
    ([0.3, 4.0, 0.05, 9.0], (12, 40, 1000), -32.732715655640376, [3.468940748580106, -0.22650065978108758, 18.189881230220628, -0.014470750309707264], 6.899970070421663e-16),
    ([2.0, 0.5, 1e-4, 3.0], (3, 400, 1000), -31.644560990707642, [-5.121860989720046, 2.6616535079822805, 13.362834715504539, 3.53577747902724e-05], 0.9980651134080759),
    ([1e-6, 1e-6, 1e-6, 1e-6], (1, 1, 1000), -15.200805433721548, [499999.9925140021, -498999.01596012345, 498999.00747149886, 499999.001002629], 0.000999986045130548),
    ([1e5, 2e6, 3e4, 5e6], (40, 900, 1000), -171.28159366373427, [-3.823611736372909e-05, 1.9118648401511253e-06, -0.00015101644177275254, 9.060328365720996e-07], 0.036180513018076926),
    ([0.7, 2.0, 1.5, 60.0], (300, 990, 1000), -618.1486623941363, [0.8124517319578054, 0.016771553084439103, -2.759414993433143, 0.023344392186052595], 0.8564218235519951),
    ([5.0, 1e-3, 20.0, 0.1], (2, 3, 12), -19.59260673403953, [-0.1448956426557791, 999.5051799273763, -0.13639157818239928, 11.204349945938818], 3.0512578689181366e-10),
];

#[test]
fn hard_rows() {
    for (params, (x, t_x, n), log_lik, slopes, p_alive) in HARD {
        let (value, gradient) = bg_bb::log_lik_gradient(params, x, t_x, n);
        let alive = bg_bb::p_alive(params, x, t_x, n);
        // A few roundings at each of a thousand steps.
        assert!((value / log_lik - 1.0).abs() < 1e-13, "{value} in {params:?}");
        assert!((alive / p_alive - 1.0).abs() < 2e-13, "P(alive) {alive} in {params:?}");
        for (seen, expected) in gradient.into_iter().zip(slopes) {
            // The part until t_x and the part after it may cancel: here to a thousandth at worst.
            assert!((seen / expected - 1.0).abs() < 1e-10, "{seen} not {expected} in {params:?}");
        }
    }
}

/// Over the C(t−1, x−1) sequences of every (x, t), the probabilities are 1 and their slopes 0.
#[test]
fn all_histories_are_certain() {
    let sequences = |t: u32, x: u32| (1..x).fold(1.0, |c, j| c * f64::from(t - j) / f64::from(j));
    for (params, n) in [([1.2, 0.75, 0.66, 2.8], 6), ([0.3, 5.0, 2.0, 0.4], 6), ([3.0, 1.0, 1.0, 1.0], 17)] {
        let (mut total, mut slopes) = (0.0, [0.0; 4]);
        for (x, t) in (1..=n).flat_map(|t| (1..=t).map(move |x| (x, t))).chain([(0, 0)]) {
            let (log_lik, gradient) = bg_bb::log_lik_gradient(params, x, t, n);
            let probability = log_lik.exp() * if x == 0 { 1.0 } else { sequences(t, x) };
            total += probability;
            slopes = std::array::from_fn(|k| slopes[k] + probability * gradient[k]);
        }
        // Roundings of up to 150 terms.
        assert!((total - 1.0).abs() < 1e-14, "{params:?}: {total}");
        assert!(slopes.iter().all(|slope| slope.abs() < 1e-13), "{params:?}: {slopes:?}");
    }
}

/// Annual gifts of 11,104 people in six years (Fader, Hardie & Shang 2010, the donations of 1995 by the years 1996 to 2001), from
/// `$LONGRUN_DONATIONS_DIR` or `data/donations/`.
fn donations() -> Option<Rows> {
    let folder = std::env::var_os("LONGRUN_DONATIONS_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../data/donations"), PathBuf::from);
    let path = folder.join("donations.csv");
    let Ok(text) = std::fs::read_to_string(&path) else {
        let required = std::env::var("LONGRUN_REQUIRE_DATA").is_ok_and(|v| v == "1");
        assert!(!required, "{} is required (LONGRUN_REQUIRE_DATA=1) and not there", path.display());
        eprintln!("skipped: {} is not there; scripts/fetch_cdnow.sh fetches it", path.display());
        return None;
    };
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some("frequency,recency,periods,weights"));
    let mut rows = Rows { n_groups: 1, ..Default::default() };
    for line in lines {
        let [x, t_x, n, weight] = line.split(',').collect::<Vec<_>>()[..] else { panic!("four fields in {line}") };
        let count = |field: &str| field.parse::<u32>().expect("a count");
        rows.group.push(0);
        rows.frequency.push(count(x));
        rows.recency.push(count(t_x));
        rows.opportunities.push(count(n));
        rows.weight.push(f64::from(count(weight)));
    }
    Some(rows)
}

#[test]
fn donations_have_their_published_maximum() {
    let Some(rows) = donations() else { return };
    assert_eq!((rows.weight.len(), rows.weight.iter().sum::<f64>()), (22, 11_104.0));
    let published = [1.203523, 0.749716, 0.656718, 2.783442];
    let mut likelihood = bg_bb::Cpu::new(rows).expect("histories");
    let at = |likelihood: &mut bg_bb::Cpu, theta: [f64; 4]| {
        let out = evaluate(likelihood, &batch::<4>(1, 1, theta, 0.0));
        (out.log_lik[0], out.per_group.into_raw_vec_and_offset().0)
    };
    let (value, gradient) = at(&mut likelihood, published);
    // The published value has five decimals.
    assert!((value - -33225.58127).abs() < 1e-5, "{value}");
    for (k, slope) in gradient.iter().enumerate() {
        // Half a unit of each printed digit moves a slope by half a unit times the curvature: that is how far from 0 it may be.
        let moved = |j: usize| {
            let mut theta = published;
            theta[j] += 5e-7;
            (at(&mut likelihood.clone(), theta).1[k] - slope).abs()
        };
        let allowed: f64 = (0..4).map(moved).sum();
        assert!(slope.abs() <= allowed && allowed < 0.02, "slope {k} is {slope}, allowed {allowed}");
    }
}

/// Central differences with relative steps of 1e-3 and 2e-3, extrapolated once: what is left is their fourth power and rounding over
/// a step, both about 1e-11 of ln L.
#[test]
fn gradients_are_slopes() {
    for i in 0..1000 {
        let mut stream = Stream::new(31, Purpose::Test, i, 0);
        let mut uniform = || stream.uniform();
        let params = CENTRE.map(|centre| centre * (4.0 * uniform() - 2.0).exp());
        let n = (1.0 + 120.0 * uniform() * uniform()) as u32;
        let t_x = (f64::from(n + 1) * uniform()) as u32;
        let x = if t_x == 0 { 0 } else { 1 + (f64::from(t_x) * uniform()) as u32 };
        let (value, gradient) = bg_bb::log_lik_gradient(params, x, t_x, n);
        assert_eq!(value, bg_bb::log_lik(params, x, t_x, n));
        for k in 0..4 {
            let slope = |step: f64| {
                let [up, down] = [step, -step].map(|step| {
                    let mut moved = params;
                    moved[k] *= 1.0 + step;
                    bg_bb::log_lik(moved, x, t_x, n)
                });
                (up - down) / (2.0 * step)
            };
            let expected = (4.0 * slope(1e-3) - slope(2e-3)) / 3.0;
            let tolerance = 1e-10 * value.abs().max(1.0);
            assert!(
                (gradient[k] * params[k] - expected).abs() < tolerance,
                "{params:?} {x} {t_x} {n}: {k} {gradient:?}"
            );
        }
    }
}

/// What comes next, from the likelihood alone: P(future | past) = Σ over futures of L(past and future)/L(past).
#[test]
fn futures_are_ratios_of_likelihoods() {
    for params in [[1.2, 0.75, 0.66, 2.8], [0.4, 6.0, 1.0, 3.0], [20.0, 9.0, 4.0, 0.5]] {
        for (x, t_x, n) in [(0, 0, 0), (0, 0, 4), (1, 1, 1), (3, 5, 6), (7, 7, 12), (30, 44, 50)] {
            let past = bg_bb::log_lik(params, x, t_x, n);
            for horizon in [0, 1, 2, 9] {
                let futures = |k: u32| -> f64 {
                    if k == 0 {
                        return (bg_bb::log_lik(params, x, t_x, n + horizon) - past).exp();
                    }
                    let ending_at = |l: u32| {
                        let sequences = (1..k).fold(1.0, |c, j| c * f64::from(l - j) / f64::from(j));
                        sequences * (bg_bb::log_lik(params, x + k, n + l, n + horizon) - past).exp()
                    };
                    (k..=horizon).map(ending_at).sum()
                };
                let mut mean = 0.0;
                for k in 0..=horizon {
                    let (seen, expected) = (bg_bb::probability_of(params, x, t_x, n, horizon, k), futures(k));
                    assert!(
                        (seen / expected - 1.0).abs() < 1e-11,
                        "{params:?} {x} {t_x} {n}: {k} of {horizon}: {seen}"
                    );
                    mean += f64::from(k) * expected;
                }
                let seen = bg_bb::expected_purchases(params, x, t_x, n, horizon);
                // Up to 200 logarithms of size 50 cancel in each ratio.
                assert!((seen - mean).abs() <= 1e-11 * mean, "{params:?} {x} {t_x} {n} in {horizon}: {seen} {mean}");
            }
            // Alive next time: the only way to buy then, at a share that is known.
            let share = (params[0] + f64::from(x)) / (params[0] + params[1] + f64::from(n));
            let next = bg_bb::probability_of(params, x, t_x, n, 1, 1) / share;
            assert!((bg_bb::p_alive_next(params, x, t_x, n) / next - 1.0).abs() < 1e-13);
            assert_eq!(bg_bb::probability_of(params, x, t_x, n, 3, 4), 0.0);
        }
        assert_eq!(bg_bb::expected_purchases_new(params, 7), bg_bb::expected_purchases(params, 0, 0, 0, 7));
    }
}

/// Against the sum of what each further opportunity brings, by differences of expectations or of what they are made of.
#[test]
fn discounted_futures_are_discounted_sums() {
    for params in [[1.2, 0.75, 0.66, 2.8], [0.4, 6.0, 1.0, 3.0], [20.0, 9.0, 4.0, 0.5], [1.0, 1.0, 1e-4, 0.1]] {
        for (x, t_x, n) in [(0, 0, 0), (3, 5, 6), (30, 44, 50)] {
            for rate in [0.5, 0.1, 0.01, 1e-3] {
                let (mut sum, mut before, mut worth) = (0.0, 0.0, 1.0);
                let mut alive = bg_bb::p_alive(params, x, t_x, n);
                let share = (params[0] + f64::from(x)) / (params[0] + params[1] + f64::from(n));
                for j in 1..=(40.0 / rate) as u32 {
                    worth /= 1.0 + rate;
                    let at = f64::from(n + j - 1);
                    alive *= (params[3] + at) / (params[2] + params[3] + at);
                    sum += worth * share * alive;
                    if j < 20 {
                        let expected = bg_bb::expected_purchases(params, x, t_x, n, j);
                        assert!((expected - before - share * alive).abs() < 1e-12, "{params:?} {j}");
                        before = expected;
                    }
                }
                let seen = bg_bb::discounted_expected_purchases(params, x, t_x, n, rate);
                // (1 + rate)^(−40/rate) is 4e-18; forty thousand additions.
                assert!((seen / sum - 1.0).abs() < 1e-11, "{params:?} {x} {t_x} {n} at {rate}: {seen} {sum}");
            }
        }
    }
    let never = |rate: f64| bg_bb::discounted_expected_purchases([1.0, 1.0, 3.0, 2.0], 1, 1, 1, rate);
    // Σ s_j = d/(γ−1): the limit is met at its own speed, rate ln rate.
    assert!(
        (never(0.0) / (2.0 / 3.0 * 3.0 / 2.0) - 1.0).abs() < 1e-14 && (never(1e-6) / never(0.0) - 1.0).abs() < 1e-5
    );
    assert_eq!((never(-0.1), never(f64::NAN).is_nan()), (f64::INFINITY, true));
}

#[test]
fn far_horizons_stay_probabilities() {
    let params = [0.4, 6.0, 1.0, 3.0];
    let seen: f64 = (0..=3000).map(|k| bg_bb::probability_of(params, 2, 9, 14, 3000, k)).sum();
    // Three thousand probabilities, each of three thousand steps.
    assert!((seen - 1.0).abs() < 1e-11, "{seen}");
    let mean: f64 = (0..=3000).map(|k| f64::from(k) * bg_bb::probability_of(params, 2, 9, 14, 3000, k)).sum();
    let expected = bg_bb::expected_purchases(params, 2, 9, 14, 3000);
    assert!((mean / expected - 1.0).abs() < 1e-11, "{mean} {expected}");
}

#[test]
fn the_whole_is_the_sum_of_its_customers() {
    let rows = histories(3, 3000, 200, 0.0);
    let params = batch::<4>(4, 3, CENTRE, 0.7);
    let mut likelihood = bg_bb::Cpu::new(rows.clone()).expect("histories");
    let seen = evaluate(&mut likelihood, &params);
    let shared = Array2::zeros((4, 0));
    let view = ParamBatch { per_group: params.view(), shared: shared.view() };
    let mut each = PointwiseBatch { log_lik: Array2::zeros((4, 3000)) };
    likelihood.pointwise(view, 0..3000, &mut each).expect("rows exist");
    for chain in 0..4 {
        let (mut value, mut slopes) = (0.0, Array2::<(f64, f64)>::from_elem((3, 4), (0.0, 0.0)));
        for i in 0..3000 {
            let g = rows.group[i] as usize;
            let theta = std::array::from_fn(|k| params[[chain, g, k]]);
            let history = (rows.frequency[i], rows.recency[i], rows.opportunities[i]);
            let (log_lik, gradient) = bg_bb::log_lik_gradient(theta, history.0, history.1, history.2);
            assert_eq!(each.log_lik[[chain, i]], log_lik);
            value += rows.weight[i] * log_lik;
            for (k, slope) in gradient.into_iter().enumerate() {
                slopes[[g, k]].0 += rows.weight[i] * slope;
                slopes[[g, k]].1 += rows.weight[i] * slope.abs();
            }
        }
        // Sums of thousands of rounded terms in two different orders; terms of a histogram cancel to about a tenth.
        assert!((seen.log_lik[chain] - value).abs() < 1e-11 * value.abs(), "{} {value}", seen.log_lik[chain]);
        for ((g, k), (slope, size)) in slopes.indexed_iter() {
            assert!((seen.per_group[[chain, g, k]] - slope).abs() < 1e-10 * size, "chain {chain} group {g} slope {k}");
        }
    }
}

#[test]
fn extremes_stay_finite() {
    let rows = Rows {
        n_groups: 1,
        group: vec![0; 8],
        frequency: vec![0, 0, 1, 1000, 1, 500, 1, 0],
        recency: vec![0, 0, 1, 1000, 1000, 500, 1, 0],
        opportunities: vec![0, 1000, 1000, 1000, 1000, 1000, 1, 7000],
        weight: vec![1e6, 1.0, 1e6, 1.0, 1.0, 1.0, 1.0, 1.0],
    };
    let mut likelihood = bg_bb::Cpu::new(rows).expect("histories");
    for i in 0..256 {
        let theta = std::array::from_fn(|k| [1e-9, 1e-3, 50.0, 1e9][i >> (2 * k) & 3]);
        let out = evaluate(&mut likelihood, &batch::<4>(1, 1, theta, 0.0));
        assert!(out.log_lik[0] <= 0.0 && out.log_lik[0].is_finite(), "{theta:?} {out:?}");
        assert!(out.per_group.iter().all(|slope| slope.is_finite()), "{theta:?} {out:?}");
        for alive in [bg_bb::p_alive(theta, 1, 1, 1000), bg_bb::p_alive_next(theta, 0, 0, 1000)] {
            assert!((0.0..=1.0).contains(&alive), "{theta:?}: {alive}");
        }
        let left = bg_bb::discounted_expected_purchases(theta, 1, 1, 1000, 0.01);
        assert!((0.0..=100.0 + 1e-9).contains(&left), "{theta:?}: {left}");
    }
}

#[test]
fn impossible_points_and_histories_are_data() {
    for bad in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        assert_eq!(bg_bb::log_lik_gradient([1.0, bad, 1.0, 1.0], 1, 2, 3), (f64::NEG_INFINITY, [0.0; 4]));
        let mut params: Array3<f64> = batch::<4>(3, 2, CENTRE, 0.0);
        params[[1, 1, 2]] = bad;
        let out = evaluate(&mut bg_bb::Cpu::new(histories(2, 100, 20, 0.0)).expect("histories"), &params);
        assert_eq!(out.log_lik[1], f64::NEG_INFINITY);
        assert!(out.log_lik[0].is_finite() && out.log_lik[2] == out.log_lik[0]);
    }
    for (x, t_x, n) in [(2, 1, 3), (1, 4, 3), (0, 1, 3), (1, 0, 3)] {
        assert_eq!(bg_bb::log_lik_gradient(CENTRE, x, t_x, n), (f64::NEG_INFINITY, [0.0; 4]));
    }
}

#[test]
fn bad_rows_are_refused_with_their_place() {
    let refuse = |history: (u32, u32, u32), words: &str| {
        let mut rows = histories(1, 10, 20, 0.0);
        (rows.frequency[3], rows.recency[3], rows.opportunities[3]) = history;
        let error = bg_bb::Cpu::new(rows).expect_err(words).to_string();
        assert!(error.starts_with("row 3 has x = ") && error.contains(words), "{error}");
    };
    refuse((3, 2, 5), "row 3 has x = 3, t_x = 2, n = 5; counts must be x <= t_x <= n");
    refuse((1, 6, 5), "x <= t_x <= n");
    refuse((0, 2, 5), "x is 0 exactly where t_x is 0");
    refuse((1, 1, bg_bb::MOST_OPPORTUNITIES + 1), "at most 7000 opportunities");
    let mut short = histories(1, 10, 20, 0.0);
    short.opportunities.pop();
    let error = bg_bb::Cpu::new(short).expect_err("a short column").to_string();
    assert!(error.contains("column opportunities has 9 rows"), "{error}");
    let mut nobody = histories(1, 10, 20, 0.0);
    nobody.weight[4] = -1.0;
    assert!(bg_bb::Cpu::new(nobody).expect_err("a negative weight").to_string().contains("row 4 has weight -1"));
}
