//! The device against the f64 judge: accuracy of differences, gradients, batches, groups, far points, edge rows.

mod adapter;
mod simulated;

use adapter::device;
use longrun_kernels::{Cells, Likelihood, LikelihoodBatch, ParamBatch, bg_nbd, gamma_gamma};
use ndarray::{Array2, Array3, Axis, s};
use simulated::{batch, cells, evaluate, spenders};

const BG_NBD: [f64; 4] = [0.4, 7.0, 0.9, 2.2];
const GAMMA_GAMMA: [f64; 3] = [6.0, 4.0, 15.0];

fn everywhere<const K: usize>(groups: usize, theta: [f64; K]) -> Array3<f64> {
    batch(1, groups, theta, 0.0)
}

fn refer_to(likelihood: &mut dyn Likelihood, at: &Array3<f64>) {
    let shared = Array2::zeros((1, 0));
    likelihood.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).expect("a possible reference");
}

/// Largest error of a log-likelihood and of a slope in the logarithm of a parameter, both in nats.
fn errors(points: &Array3<f64>, seen: &LikelihoodBatch, judge: &LikelihoodBatch) -> (f64, f64) {
    let largest = |off: &mut dyn Iterator<Item = f64>| off.fold(0.0, |worst: f64, off| worst.max(off.abs()));
    let slopes = (&seen.per_group - &judge.per_group) * points;
    (largest(&mut (&seen.log_lik - &judge.log_lik).into_iter()), largest(&mut slopes.into_iter()))
}

/// 20,000 cells, points within ±10 % of the reference (many posterior standard deviations at this size), and within a factor
/// of 3. 0.01 nat is what a Metropolis decision needs; away from the posterior, where |Δℓ| is thousands of nats, f32 keeps
/// about 1e-6 of it. Slopes are of the order of √20,000 at the posterior and may be off by a ten-thousandth of that.
#[test]
fn differences_of_log_likelihoods_are_good_to_a_hundredth_of_a_nat() {
    let Some(device) = device() else { return };
    let bg_nbd_data = cells(3, 20_000, 0.001);
    check(
        "bg_nbd",
        &mut bg_nbd::Gpu::new(bg_nbd::Cpu::new(bg_nbd_data.clone()).expect("rows"), &device).expect("device"),
        &mut bg_nbd::Cpu::new(bg_nbd_data).expect("cells"),
        BG_NBD,
    );
    let spend_data = spenders(3, 20_000, 0.001);
    check(
        "gamma_gamma",
        &mut gamma_gamma::Gpu::new(gamma_gamma::Cpu::new(spend_data.clone()).expect("rows"), &device).expect("device"),
        &mut gamma_gamma::Cpu::new(spend_data).expect("rows"),
        GAMMA_GAMMA,
    );
    fn check<const K: usize>(name: &str, gpu: &mut dyn Likelihood, cpu: &mut dyn Likelihood, centre: [f64; K]) {
        refer_to(gpu, &everywhere(3, centre));
        for (spread, nats, slopes) in [(0.1, 0.01, 0.02), (3f64.ln(), 0.05, 0.05)] {
            let points = batch::<K>(12, 3, centre, spread);
            let (seen, judge) = (evaluate(gpu, &points), evaluate(cpu, &points));
            let (nat, slope) = errors(&points, &seen, &judge);
            eprintln!("{name} within e^{spread:.1}: {nat:.1e} nat, slopes {slope:.1e}");
            assert!(nat < nats && slope < slopes, "{name}: {nat} nat, slopes {slope}");
        }
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
    for row in file["rows"].as_array().expect("rows") {
        let (data, params, grad) = (&row["data"], &row["params"], &row["grad"]);
        let (mut gpu, names): (Box<dyn Likelihood>, &[&str]) = match row["model"].as_str() {
            Some("bg_nbd") => {
                let cells = Cells {
                    n_groups: 1,
                    group: vec![0],
                    frequency: vec![number(&data["x"]) as u32],
                    recency: vec![number(&data["t_x"])],
                    age: vec![number(&data["T"])],
                    weight: vec![1.0],
                };
                (
                    Box::new(bg_nbd::Gpu::new(bg_nbd::Cpu::new(cells).expect("rows"), &device).expect("device")),
                    &["r", "alpha", "a", "b"],
                )
            }
            Some("gamma_gamma") => {
                let spender = gamma_gamma::Rows {
                    n_groups: 1,
                    group: vec![0],
                    frequency: vec![number(&data["x"]) as u32],
                    monetary: vec![number(&data["m"])],
                    weight: vec![1.0],
                };
                (
                    Box::new(
                        gamma_gamma::Gpu::new(gamma_gamma::Cpu::new(spender).expect("rows"), &device).expect("device"),
                    ),
                    &["p", "q", "v"],
                )
            }
            _ => continue,
        };
        let theta = Array3::from_shape_fn((1, 1, names.len()), |(_, _, k)| number(&params[names[k]]));
        let displaced = Array3::from_shape_fn(theta.dim(), |(i, j, k)| theta[[i, j, k]] * [1.1, 0.9][k % 2]);
        refer_to(gpu.as_mut(), &displaced);
        let out = evaluate(gpu.as_mut(), &theta);
        let log_lik = number(&row["log_lik"]);
        // Rounding of f32, 6e-8, on differences of up to some tens of nats (x = 150).
        assert!((out.log_lik[0] - log_lik).abs() < 2e-6 * log_lik.abs().max(1.0), "{} {row}", out.log_lik[0]);
        for (k, name) in names.iter().enumerate() {
            let (seen, golden) = (out.per_group[[0, 0, k]], number(&grad[*name]));
            // Terms of up to 30 cancel in a slope.
            assert!((seen - golden).abs() < 5e-6 * golden.abs().max(5.0), "{name}: {seen} in {row}");
        }
        rows += 1;
    }
    assert_eq!(rows, 48);
}

#[test]
fn a_chain_knows_nothing_of_its_batch_slot_or_history() {
    let Some(device) = device() else { return };
    let data = cells(4, 5000, 0.001);
    let points = batch::<4>(19, 4, BG_NBD, 0.2);
    let mut gpu = bg_nbd::Gpu::new(bg_nbd::Cpu::new(data.clone()).expect("rows"), &device).expect("device");
    refer_to(&mut gpu, &everywhere(4, BG_NBD));
    let together = evaluate(&mut gpu, &points);
    let mut fresh = bg_nbd::Gpu::new(bg_nbd::Cpu::new(data).expect("rows"), &device).expect("device");
    evaluate(&mut fresh, &points);
    refer_to(&mut fresh, &everywhere(4, BG_NBD));
    for chain in 0..19 {
        let alone = evaluate(&mut fresh, &points.slice(s![chain..=chain, .., ..]).to_owned());
        assert_eq!(alone.log_lik[0].to_bits(), together.log_lik[chain].to_bits(), "chain {chain}");
        let (alone, together) = (alone.per_group.index_axis(Axis(0), 0), together.per_group.index_axis(Axis(0), chain));
        assert_eq!(alone, together, "chain {chain}");
    }
}

/// Parameters beyond the device's reach are the judge's, bit by bit; impossible ones are data; neighbours do not notice.
#[test]
fn far_and_impossible_points() {
    let Some(device) = device() else { return };
    let data = cells(1, 3000, 0.0);
    let mut points = batch::<4>(5, 1, BG_NBD, 0.1);
    let near = points.clone();
    points[[1, 0, 1]] = 7.0 * 4.5;
    points[[2, 0, 3]] = -1.0;
    points[[3, 0, 0]] = 1e-12;
    let (mut gpu, mut cpu) = (
        bg_nbd::Gpu::new(bg_nbd::Cpu::new(data.clone()).expect("rows"), &device).expect("device"),
        bg_nbd::Cpu::new(data).expect("cells"),
    );
    refer_to(&mut gpu, &everywhere(1, BG_NBD));
    let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
    for chain in [1, 3] {
        assert_eq!(seen.log_lik[chain], judge.log_lik[chain]);
        assert_eq!(seen.per_group.index_axis(Axis(0), chain), judge.per_group.index_axis(Axis(0), chain));
    }
    assert_eq!(seen.log_lik[2], f64::NEG_INFINITY);
    assert!(seen.per_group.index_axis(Axis(0), 2).iter().all(|slope| *slope == 0.0));
    let neighbours = evaluate(&mut gpu, &near);
    assert_eq!((seen.log_lik[0], seen.log_lik[4]), (neighbours.log_lik[0], neighbours.log_lik[4]));
}

#[test]
fn edge_cells_agree_with_the_judge() {
    let Some(device) = device() else { return };
    let data = Cells {
        n_groups: 3,
        group: vec![0, 0, 0, 0, 2, 2, 2, 2],
        frequency: vec![0, 0, 1, 5, 100_000, 3, 150, 1],
        recency: vec![0.0, 0.0, 10.0, 10.0, 51.9, 0.0, 3.0, 0.5],
        age: vec![0.0, 1e-3, 10.0, 10.0, 52.0, 500.0, 600.0, 0.5],
        weight: vec![1e6, 1.0, 1e6, 1.0, 1.0, 1.0, 1.0, 4000.0],
    };
    let (mut gpu, mut cpu) = (
        bg_nbd::Gpu::new(bg_nbd::Cpu::new(data.clone()).expect("rows"), &device).expect("device"),
        bg_nbd::Cpu::new(data).expect("cells"),
    );
    refer_to(&mut gpu, &everywhere(3, BG_NBD));
    let points = batch::<4>(16, 3, BG_NBD, 1.3);
    let (seen, judge) = (evaluate(&mut gpu, &points), evaluate(&mut cpu, &points));
    for (chain, (seen, judge)) in seen.log_lik.iter().zip(&judge.log_lik).enumerate() {
        // Heavy and far rows are f64; of the light ones, the cell of 4,000 customers moves by ten thousand nats here, of which
        // f32 keeps seven digits.
        assert!((seen - judge).abs() < 5e-3, "chain {chain}: {seen} {judge}");
    }
}

#[test]
fn a_reference_must_be_one_possible_point() {
    let Some(device) = device() else { return };
    let mut gpu =
        gamma_gamma::Gpu::new(gamma_gamma::Cpu::new(spenders(2, 50, 0.0)).expect("rows"), &device).expect("device");
    let shared = Array2::zeros((1, 0));
    let mut at = everywhere(2, GAMMA_GAMMA);
    at[[0, 1, 2]] = 0.0;
    assert!(gpu.set_reference(ParamBatch { per_group: at.view(), shared: shared.view() }).is_err());
    let two = batch::<3>(2, 2, GAMMA_GAMMA, 0.0);
    assert!(gpu.set_reference(ParamBatch { per_group: two.view(), shared: shared.view() }).is_err());
}

#[test]
fn no_rows_and_empty_groups_are_fine() {
    let Some(device) = device() else { return };
    let none = Cells { n_groups: 2, ..Default::default() };
    let mut gpu = bg_nbd::Gpu::new(bg_nbd::Cpu::new(none).expect("rows"), &device).expect("device");
    let out = evaluate(&mut gpu, &batch::<4>(3, 2, BG_NBD, 0.1));
    assert!(out.log_lik.iter().all(|value| *value == 0.0), "{:?}", out.log_lik);
}
