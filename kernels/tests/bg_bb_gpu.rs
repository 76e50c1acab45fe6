//! BG/BB on a device against the f64 judge: accuracy of differences and slopes, long silences, far points, edge rows.

#[expect(dead_code, reason = "histories in continuous time are not for this family")]
mod simulated;

mod adapter;
mod histories;

use adapter::device;
use histories::{CENTRE, histories};
use longrun_kernels::bg_bb::{self, Rows};
use longrun_kernels::device::Device;
use longrun_kernels::{Arrangement, Likelihood, LikelihoodBatch, Options, ParamBatch};
use ndarray::{Array2, Array3, s};
use serde_json::Value;
use simulated::{batch, evaluate};

/// The rows on the device, at a reference, and their judge.
fn both(rows: Rows, device: &Device, arrangement: Arrangement, at: &Array3<f64>) -> (bg_bb::Gpu, bg_bb::Cpu) {
    let judge = bg_bb::Cpu::new(rows).expect("histories");
    let options = Options { arrangement, budget_bytes: None };
    let mut gpu = bg_bb::Gpu::with(judge.clone(), device, &options).expect("the device works");
    let shared = Array2::zeros((1, 0));
    gpu.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
    (gpu, judge)
}

/// Largest error of a log-likelihood and of a slope in the logarithm of a parameter, both in nats.
fn errors(points: &Array3<f64>, seen: &LikelihoodBatch, judge: &LikelihoodBatch) -> (f64, f64) {
    let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
    let slopes = (&seen.per_group - &judge.per_group) * points;
    (largest(&mut (&seen.log_lik - &judge.log_lik).into_iter()), largest(&mut slopes.into_iter()))
}

/// 20,000 histories of up to 40 and of up to 1,000 opportunities, some of them of 100,000 customers, points within 1 % of the
/// reference (several posterior standard deviations at this size), 10 %, and a factor of 3, beyond which f64 takes over soon.
/// 0.01 nat is what a Metropolis decision needs; the linear part of a difference is f64, so that near the reference far less is
/// lost. Slopes are f32 sums of 10⁵.
#[test]
fn differences_of_log_likelihoods_are_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    for (most, arrangement) in [(40, Arrangement::Chains), (40, Arrangement::Rows), (1000, Arrangement::Chains)] {
        let rows = histories(3, 20_000, most, 0.001);
        let (mut gpu, mut cpu) = both(rows, &device, arrangement, &batch::<4>(1, 3, CENTRE, 0.0));
        for (spread, nats, slopes) in [(0.01, 1e-6, 0.02), (0.1, 1e-4, 0.02), (3f64.ln(), 0.01, 0.02)] {
            let points = batch::<4>(8, 3, CENTRE, spread);
            let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
            let (nat, slope) = errors(&points, &seen, &judge);
            let apart = judge.log_lik.iter().fold(0.0, |most: f64, ll| most.max((ll - judge.log_lik[0]).abs()));
            eprintln!(
                "n <= {most} {arrangement} within e^{spread:.2}: {nat:.1e} nat of {apart:.1e}, slopes {slope:.1e}"
            );
            assert!(nat < nats && slope < slopes, "{most} {arrangement} {spread}: {nat} nat, slopes {slope}");
        }
    }
}

/// One golden customer at a time, with the reference 10 % away from the golden parameters in every direction.
#[test]
fn golden_rows_from_a_displaced_reference() {
    let Some(device) = device() else { return };
    let file: Value =
        serde_json::from_str(include_str!("golden/customer_models.json")).expect("the golden file is JSON");
    let names = ["alpha", "beta", "gamma", "delta"];
    let number = |value: &Value| value.as_f64().expect("a number");
    let golden = file["rows"].as_array().expect("rows").iter().filter(|row| row["model"] == "bg_bb");
    let mut seen = 0;
    for row in golden {
        let count = |name: &str| vec![number(&row["data"][name]) as u32];
        let (frequency, recency, opportunities) = (count("x"), count("t_x"), count("n"));
        let rows = Rows { n_groups: 1, group: vec![0], frequency, recency, opportunities, weight: vec![1.0] };
        let theta = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| number(&row["params"][names[k]]));
        let displaced = Array3::from_shape_fn((1, 1, 4), |(_, _, k)| theta[[0, 0, k]] * [1.1, 0.9][k % 2]);
        let (mut gpu, _) = both(rows, &device, Arrangement::Chains, &displaced);
        let out = evaluate(&mut gpu, &theta);
        // Rounding of f32, 6e-8, on differences below one nat, a few times.
        assert!((out.log_lik[0] - number(&row["log_lik"])).abs() < 2e-7, "{} {row}", out.log_lik[0]);
        for (k, name) in names.iter().enumerate() {
            let (slope, golden) = (out.per_group[[0, 0, k]], number(&row["grad"][*name]));
            // Slopes of ln R are below 10 here.
            assert!((slope - golden).abs() < 2e-6 * golden.abs().max(1.0), "{name}: {slope} in {row}");
        }
        seen += 1;
    }
    assert_eq!(seen, 24);
}

#[test]
fn edge_rows_agree_with_the_judge() {
    let Some(device) = device() else { return };
    let rows = Rows {
        n_groups: 3,
        group: vec![0, 0, 0, 0, 2, 2, 2, 2],
        frequency: vec![0, 0, 1, 5, 1000, 1, 400, 0],
        recency: vec![0, 0, 1, 9, 1000, 1, 400, 0],
        opportunities: vec![0, 1, 1000, 9, 1000, 2, 1000, 7000],
        weight: vec![1e6, 1e6, 4000.0, 1.0, 1.0, 1.0, 1.0, 4000.0],
    };
    for (i, centre) in
        [CENTRE, [1e-3, 1e-2, 1e-3, 1e-2], [1e4, 3e4, 2e4, 8e5], [30.0, 1e-4, 1e-4, 30.0]].iter().enumerate()
    {
        let (mut gpu, mut cpu) = both(rows.clone(), &device, Arrangement::Rows, &batch::<4>(1, 3, *centre, 0.0));
        let points = batch::<4>(16, 3, *centre, 1.3);
        let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
        let (nat, slope) = errors(&points, &seen, &judge);
        let size = judge.per_group.iter().zip(&points).fold(1.0, |most: f64, (slope, at)| most.max((slope * at).abs()));
        eprintln!("edge rows at {centre:?}: {nat:.1e} nat, slopes {slope:.1e} of {size:.1e}");
        // Two rows of 4,000 customers and thousands of steps: seven digits of some ten thousand nats.
        assert!(nat < 2e-2 && slope < 3e-6 * size, "{i}: {nat} nat, slopes {slope} of {size}");
    }
}

/// Parameters so small that f32 could not hold R, beyond the device's reach, or impossible: the judge's result, bit by bit, or −∞.
#[test]
fn far_tiny_and_impossible_points() {
    let Some(device) = device() else { return };
    let rows = histories(1, 3000, 100, 0.0);
    let (mut gpu, mut cpu) = both(rows.clone(), &device, Arrangement::Chains, &batch::<4>(1, 1, CENTRE, 0.0));
    let mut points = batch::<4>(4, 1, CENTRE, 0.1);
    points[[1, 0, 1]] = CENTRE[1] * 4.5;
    points[[2, 0, 3]] = -1.0;
    let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
    assert_eq!((seen.log_lik[1], seen.log_lik[2]), (judge.log_lik[1], f64::NEG_INFINITY));
    assert_ne!(seen.log_lik[0], judge.log_lik[0], "the device has no part in this");
    // Nobody drops out, and hardly anybody is silent for 900 opportunities: R is below what f32 holds.
    let tiny = [200.0, 0.02, 1e-60, 5.0];
    let rows = Rows { opportunities: vec![900], recency: vec![3], frequency: vec![3], ..one_row() };
    let (mut gpu, mut cpu) = both(rows, &device, Arrangement::Chains, &batch::<4>(1, 1, tiny, 0.0));
    let points = batch::<4>(3, 1, tiny, 0.5);
    let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
    for (seen, judge) in seen.log_lik.iter().zip(&judge.log_lik) {
        assert!(judge.is_finite() && (seen / judge - 1.0).abs() < 1e-12, "{seen} {judge}");
    }
}

fn one_row() -> Rows {
    Rows { n_groups: 1, group: vec![0], weight: vec![1.0], ..Default::default() }
}

#[test]
fn a_chain_knows_nothing_of_its_batch() {
    let Some(device) = device() else { return };
    for arrangement in Arrangement::ALL {
        let (mut gpu, _) = both(histories(4, 5000, 60, 0.001), &device, arrangement, &batch::<4>(1, 4, CENTRE, 0.0));
        let points = batch::<4>(19, 4, CENTRE, 0.2);
        let together = evaluate(&mut gpu, &points);
        for chain in [0, 7, 18] {
            let alone = evaluate(&mut gpu, &points.slice(s![chain..=chain, .., ..]).to_owned());
            assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits(), "chain {chain}");
            assert_eq!(alone.per_group.slice(s![0, .., ..]), together.per_group.slice(s![chain, .., ..]));
        }
    }
}
