//! Customers with parameters of their own on a device against the judge: single customers from a displaced reference, thousands near
//! and far, streamed, beside other chains, beyond reach.

mod adapter;
#[path = "covariates/known.rs"]
mod known;
#[expect(dead_code, reason = "shared with tests that need spenders and batches without coefficients")]
mod simulated;

use adapter::device;
use known::{Case, FAMILIES, evaluate, gammas, known};
use longrun_kernels::bg_nbd::BgNbd;
use longrun_kernels::covariates::{Cpu, Gpu, Personal};
use longrun_kernels::device::Device;
use longrun_kernels::mbg_nbd::MbgNbd;
use longrun_kernels::pareto_nbd::ParetoNbd;
use longrun_kernels::{Arrangement, Cells, Covariates, Likelihood, LikelihoodBatch, Options, ParamBatch};
use ndarray::{Array2, Array3, Axis, s};
use simulated::{batch, cells};

fn options(arrangement: Arrangement) -> Options {
    Options { arrangement, budget_bytes: None }
}

fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>, gamma: &Array2<f64>) {
    let at = ParamBatch { per_group: at.view(), shared: gamma.view() };
    likelihood.set_reference(at).expect("a possible reference");
}

/// Runs a check for each family and every choice of moved parameters.
fn each_case(device: &Device, check: [fn(&Device, &Case); 3]) {
    for case in FAMILIES {
        match case.name {
            "BG/NBD" => check[0](device, case),
            "MBG/NBD" => check[1](device, case),
            _ => check[2](device, case),
        }
    }
}

/// Largest error of a log-likelihood, and of a slope in the logarithm of a parameter or in a coefficient, in nats.
fn errors(points: &Array3<f64>, seen: &LikelihoodBatch, judge: &LikelihoodBatch) -> (f64, f64) {
    let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
    let slopes = (&seen.per_group - &judge.per_group) * points;
    let shared = &seen.shared - &judge.shared;
    (
        largest(&mut (&seen.log_lik - &judge.log_lik).into_iter()),
        largest(&mut slopes.into_iter().chain(shared.into_iter().collect::<Vec<_>>())),
    )
}

/// Each customer a group of their own, the reference 10 % away in every parameter and 0.05 in every coefficient.
#[test]
fn single_customers_from_a_displaced_reference() {
    let Some(device) = device() else { return };
    each_case(&device, [check::<BgNbd>, check::<MbgNbd>, check::<ParetoNbd>]);
    fn check<L: Personal>(device: &Device, case: &Case) {
        let ordinary = [
            (0, 0.0, 0.0),
            (0, 0.0, 38.9),
            (1, 10.0, 10.0),
            (1, 1.5, 80.0),
            (2, 30.4, 38.9),
            (9, 38.9, 38.9),
            (12, 4.0, 104.0),
        ];
        check_each::<L>(device, case, &ordinary);
        // Apart, so that their hundreds of nats hide no small error.
        check_each::<L>(device, case, &[(150, 50.0, 52.0), (1000, 51.9, 52.0), (1000, 52.0, 52.0)]);
    }
    fn check_each<L: Personal>(device: &Device, case: &Case, histories: &[(u32, f64, f64)]) {
        let n = histories.len();
        let each = Cells {
            n_groups: n,
            group: (0..n as u32).collect(),
            frequency: histories.iter().map(|h| h.0).collect(),
            recency: histories.iter().map(|h| h.1).collect(),
            age: histories.iter().map(|h| h.2).collect(),
            weight: vec![1.0; n],
        };
        let mut known = known(n as u64, 2, case.parameters);
        known.values *= 1.5;
        let (theta, gamma) = (batch::<4>(2, n, case.centre, 0.5), gammas(2, known.terms.len(), 0.5));
        let mut judge = Cpu::<L>::new(each, known).expect("rows");
        let mut gpu = Gpu::<L>::with(judge.clone(), device, &Options::default()).expect("device");
        let judged = evaluate(&mut judge, &theta, &gamma);
        let most = f64::from(histories.iter().map(|h| h.0).max().unwrap_or(0));
        for chain in 0..2 {
            let displaced =
                Array3::from_shape_fn((1, n, 4), |(_, g, k)| theta[[chain, g, k]] * [1.1, 0.9][(g + k) % 2]);
            let gamma_0 = Array2::from_shape_fn((1, gamma.ncols()), |(_, t)| gamma[[chain, t]] + [0.05, -0.05][t % 2]);
            refer_to(&mut gpu, &displaced, &gamma_0);
            let seen = evaluate(&mut gpu, &theta, &gamma);
            let name = format!("{} {:?} {histories:?}", L::NAME, case.parameters);
            let (value, off) = (judged.log_lik[chain], (seen.log_lik[chain] - judged.log_lik[chain]).abs());
            // Rounding of f32, 6e-8, on differences of up to some hundreds of nats (x = 1000); the nodes' own error for Pareto/NBD.
            assert!(off < 2e-6 * value.abs().max(1.0), "{name}: {} not {value}", seen.log_lik[chain]);
            // In logarithms of parameters and in coefficients, where terms of up to n = r + x times z cancel.
            let close = |what: &str, x: f64, seen: f64, judged: f64| {
                let size = judged.abs().max(5.0).max(0.2 * x);
                assert!((seen - judged).abs() < 5e-6 * size, "{name} {what}: {seen} not {judged}");
            };
            for ((g, k), seen) in seen.per_group.index_axis(Axis(0), chain).indexed_iter() {
                let (scale, x) = (theta[[chain, g, k]], f64::from(histories[g].0));
                close(&format!("slope {k} of {g}"), x, seen * scale, judged.per_group[[chain, g, k]] * scale);
            }
            for (t, seen) in seen.shared.row(chain).iter().enumerate() {
                close(&format!("term {t}"), most, *seen, judged.shared[[chain, t]]);
            }
        }
    }
}

/// 20,000 rows in three groups. 0.01 nat is what a Metropolis decision needs; away from the posterior, where |Δℓ| is thousands of
/// nats, f32 keeps about 1e-6 of it. Slopes are of the order of √20,000 at the posterior and may be off by a ten-thousandth of that.
/// Within a factor of 3, Pareto/NBD's slopes are off by what its fixed nodes are.
#[test]
fn differences_of_log_likelihoods_are_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    each_case(&device, [check::<BgNbd>, check::<MbgNbd>, check::<ParetoNbd>]);
    fn check<L: Personal>(device: &Device, case: &Case) {
        let (data, known) = (cells(3, 20_000, 0.0005), known(20_000, 3, case.parameters));
        let at = batch::<4>(1, 3, case.centre, 0.0);
        let gamma_0 = gammas(1, known.terms.len(), 0.3);
        let mut judge = Cpu::<L>::new(data, known).expect("rows");
        let mut gpus = Arrangement::ALL.map(|arrangement| {
            let mut gpu = Gpu::<L>::with(judge.clone(), device, &options(arrangement)).expect("device");
            refer_to(&mut gpu, &at, &gamma_0);
            gpu
        });
        for (spread, nats, slopes) in [(0.1, 0.01, 0.02), (3f64.ln(), 0.05, 0.05)] {
            let points = batch::<4>(6, 3, case.centre, spread);
            let gamma = Array2::from_shape_fn((6, gamma_0.ncols()), |(chain, t)| {
                gamma_0[[0, t]] + 0.02 * (((chain * 7 + t * 3) % 11) as f64 / 5.0 - 1.0)
            });
            let judged = evaluate(&mut judge, &points, &gamma);
            for gpu in &mut gpus {
                let (seen, arrangement) = (evaluate(gpu, &points, &gamma), gpu.arrangement());
                let (nat, slope) = errors(&points, &seen, &judged);
                eprintln!(
                    "{} {:?} {arrangement} within e^{spread:.1}: {nat:.1e} nat, slopes {slope:.1e}",
                    L::NAME,
                    case.parameters
                );
                assert!(nat < nats && slope < slopes, "{} {:?}: {nat} nat, slopes {slope}", L::NAME, case.parameters);
            }
        }
    }
}

/// All that a chain's bits could depend on and must not: its neighbours, what was evaluated before, streaming.
#[test]
fn the_same_bits_beside_any_chains_and_streamed() {
    let Some(device) = device() else { return };
    let (data, known) = (cells(4, 5000, 0.0005), known(5000, 7, &[1, 2, 3]));
    let centre = [0.4, 7.0, 0.9, 2.2];
    let (points, gamma) = (batch::<4>(19, 4, centre, 0.2), gammas(19, 21, 0.02));
    let (at, none) = (batch::<4>(1, 4, centre, 0.0), Array2::zeros((1, 21)));
    for arrangement in Arrangement::ALL {
        let on = |budget_bytes: Option<u64>| {
            let judge = Cpu::<BgNbd>::new(data.clone(), known.clone()).expect("rows");
            let mut gpu = Gpu::<BgNbd>::with(judge, &device, &Options { arrangement, budget_bytes }).expect("device");
            refer_to(&mut gpu, &at, &none);
            gpu
        };
        let together = evaluate(&mut on(None), &points, &gamma);
        // A row of 19 numbers: a third of them at a time.
        let streamed = on(Some(5000 * 19 * 4 / 3));
        assert!(streamed.chunks().1 && streamed.chunks().0 > 3, "{:?}", streamed.chunks());
        for mut other in [on(None), streamed] {
            for chain in [0, 7, 18] {
                let slot = chain..chain + 1;
                let (point, gamma) =
                    (points.slice(s![slot.clone(), .., ..]).to_owned(), gamma.slice(s![slot, ..]).to_owned());
                let alone = evaluate(&mut other, &point, &gamma);
                assert_eq!(
                    alone.log_lik[0].to_bits(),
                    together.log_lik[chain].to_bits(),
                    "{arrangement} chain {chain}"
                );
                assert_eq!(alone.shared.row(0), together.shared.row(chain), "{arrangement} chain {chain}");
                let slopes = alone.per_group.index_axis(Axis(0), 0);
                assert_eq!(slopes, together.per_group.index_axis(Axis(0), chain), "{arrangement} chain {chain}");
            }
        }
    }
}

/// Points that some customer's own parameters take beyond reach are the judge's; impossible ones are data.
#[test]
fn far_and_impossible_points() {
    let Some(device) = device() else { return };
    let (data, known) = (cells(1, 3000, 0.0), known(3000, 2, &[1, 3]));
    let centre = [0.6, 10.0, 0.6, 12.0];
    let (points, mut gamma) = (batch::<4>(5, 1, centre, 0.1), gammas(5, 4, 0.05));
    let (near, near_gamma) = (points.clone(), gamma.clone());
    gamma[[1, 0]] = 3.0;
    gamma[[2, 1]] = 400.0;
    gamma[[3, 3]] = f64::NAN;
    let mut judge = Cpu::<ParetoNbd>::new(data, known).expect("rows");
    let mut gpu = Gpu::<ParetoNbd>::new(judge.clone(), &device).expect("device");
    refer_to(&mut gpu, &batch::<4>(1, 1, centre, 0.0), &Array2::zeros((1, 4)));
    let (seen, judged) = (evaluate(&mut gpu, &points, &gamma), evaluate(&mut judge, &points, &gamma));
    // Added up in two parts by the one and in one by the other.
    assert!((seen.log_lik[1] / judged.log_lik[1] - 1.0).abs() < 1e-12, "{} {}", seen.log_lik[1], judged.log_lik[1]);
    for (seen, judged) in seen.shared.row(1).iter().zip(judged.shared.row(1)) {
        assert!((seen - judged).abs() < 1e-9 * judged.abs().max(100.0), "{seen} {judged}");
    }
    for chain in [2, 3] {
        assert_eq!(seen.log_lik[chain], f64::NEG_INFINITY);
        assert!(
            seen.per_group.index_axis(Axis(0), chain).iter().chain(seen.shared.row(chain)).all(|slope| *slope == 0.0)
        );
    }
    let neighbours = evaluate(&mut gpu, &near, &near_gamma);
    assert_eq!((seen.log_lik[0], seen.log_lik[4]), (neighbours.log_lik[0], neighbours.log_lik[4]));

    let (at, gamma) = (batch::<4>(1, 1, centre, 0.0), Array2::from_elem((1, 4), 400.0));
    let at = ParamBatch { per_group: at.view(), shared: gamma.view() };
    let error = gpu.set_reference(at).expect_err("no customer can have such parameters");
    assert!(error.what.contains("impossible for a customer of group 0"), "{error}");
}

/// A row moved far by itself: BG/NBD's differences know no nodes, and reach as far as one customer's own parameters may go.
#[test]
fn one_customer_may_move_far() {
    let Some(device) = device() else { return };
    let data = cells(1, 4000, 0.0);
    let mut known: Covariates = known(4000, 1, &[1, 3]);
    known.values[[7, 0]] = 40.0;
    known.values[[8, 0]] = -40.0;
    let centre = [0.4, 7.0, 0.9, 2.2];
    let at = batch::<4>(1, 1, centre, 0.0);
    let points = batch::<4>(4, 1, centre, 0.02);
    let gamma = Array2::from_shape_fn((4, 2), |(chain, t)| [0.12, -0.12, 0.03, 0.1][(chain + t) % 4]);
    let mut judge = Cpu::<MbgNbd>::new(data, known).expect("rows");
    let mut gpu = Gpu::<MbgNbd>::new(judge.clone(), &device).expect("device");
    refer_to(&mut gpu, &at, &Array2::zeros((1, 2)));
    let before = gpu.work().bytes_down;
    let (seen, judged) = (evaluate(&mut gpu, &points, &gamma), evaluate(&mut judge, &points, &gamma));
    assert!(gpu.work().bytes_down > before, "the device was not asked");
    let (nat, slope) = errors(&points, &seen, &judged);
    // As within 10 % for all rows: the two rows move by at most e^4.8.
    assert!(nat < 0.01 && slope < 0.02, "{nat} nat, slopes {slope}");
}
