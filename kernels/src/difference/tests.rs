//! The shaders' own tests: both sides of every declaration, the elementary functions on the device, chunks.

use ndarray::{Array2, Array3};

use super::elementary::{floats, map_on, worst_ulps};
use super::engine::Shape;
use super::lanes::DeviceLane;
use super::*;
use crate::adapter::device;
use crate::simulated::{batch, cells, evaluate, spenders};
use crate::{bg_bb, bg_nbd, gamma_gamma, mbg_nbd, nbd, pareto_abe, pareto_nbd, s_bg};

#[test]
fn structs_are_declared_alike_on_both_sides() {
    fn check<C: Crossing>(module: &naga::Module) {
        let (_, twin) = (module.types.iter())
            .find(|(_, declared)| declared.name.as_deref() == Some(C::NAME))
            .unwrap_or_else(|| panic!("the shader declares no {}", C::NAME));
        let naga::TypeInner::Struct { members, span } = &twin.inner else { panic!("{} is no struct", C::NAME) };
        let seen: Vec<_> = (members.iter()).map(|m| (m.name.as_deref().unwrap_or(""), m.offset as usize)).collect();
        assert_eq!(seen, C::MEMBERS, "{}", C::NAME);
        assert_eq!(*span as usize, size_of::<C>(), "{}", C::NAME);
    }
    fn family<const K: usize, D: Difference<K>>(arrangement: Arrangement) {
        let wgsl = wgsl::<K, D>(D::LANE_WGSL, K + 1, arrangement, true);
        let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&wgsl)));
        check::<Shape>(&module);
        check::<DeviceLane>(&module);
        check::<D::Row>(&module);
        check::<D::Point>(&module);
        for (name, expected) in [("TERMS", K + 1), ("CHAINS", arrangement.chains_per_workgroup(K + 1))] {
            let (_, constant) = (module.constants.iter())
                .find(|(_, constant)| constant.name.as_deref() == Some(name))
                .unwrap_or_else(|| panic!("the shader has no {name}"));
            let value = &module.global_expressions[constant.init];
            let seen = naga::Expression::Literal(naga::Literal::U32(expected as u32));
            assert_eq!(format!("{value:?}"), format!("{seen:?}"), "{name}");
        }
    }
    for arrangement in Arrangement::ALL {
        family::<4, bg_bb::Cpu>(arrangement);
        family::<4, bg_nbd::Cpu>(arrangement);
        family::<3, gamma_gamma::Cpu>(arrangement);
        family::<4, mbg_nbd::Cpu>(arrangement);
        family::<2, nbd::Cpu>(arrangement);
        family::<2, s_bg::Cpu>(arrangement);
        family::<4, pareto_nbd::Cpu>(arrangement);
        family::<5, pareto_abe::Cpu>(arrangement);
    }
}

#[test]
fn elementary_functions_are_good_to_two_units_in_the_last_place() {
    let Some(device) = device() else { return };
    let check = |function: &str, inputs: Vec<f32>, exact: fn(f64) -> f64, allowed: f64| {
        let seen = map_on(&device, function, &inputs).expect("the device answers");
        let (ulps, at) = worst_ulps(&inputs, &seen, exact);
        eprintln!("{function}: {ulps:.2} units in the last place at {at:e}, {} points", inputs.len());
        assert!(ulps <= allowed, "{function}({at:e}) is off by {ulps:.2} units in the last place");
    };
    // Subnormal inputs may be flushed; from the smallest normal number on, both signs, to the ends of the domains.
    let tiny = f32::MIN_POSITIVE;
    let both = |most: f32, least: f32| floats(tiny, most, 1021).chain(floats(-tiny, least, 1021)).collect::<Vec<_>>();
    check("log1p", both(8.5e37, -1.0f32.next_down()), f64::ln_1p, 2.0);
    check("expm1", both(87.5, -87.0), f64::exp_m1, 2.0);
    check("exp_", both(87.5, -86.0), f64::exp, 2.0);
    // From where f64 itself tells the difference; the larger half is formed by subtraction, a tenth of its terms at worst.
    let seen = |most: f32, least: f32| floats(1e-5, most, 1021).chain(floats(-1e-5, least, 1021)).collect::<Vec<_>>();
    check("log1p_left", seen(64.0, -0.98), |x| x - x.ln_1p(), 24.0);
    // A composition of three of them, and a division good to 2.5 units.
    check("softplus", both(80.0, -80.0), crate::special::softplus, 4.0);
    check("logistic", both(80.0, -80.0), crate::special::logistic, 6.0);
}

/// Chunks on the device or streamed through it, in one piece or a hundred: the same bits.
#[test]
fn chunks_and_budgets_change_no_bit() {
    let Some(device) = device() else { return };
    let data = cells(5, 6000, 0.001);
    let params = batch::<4>(11, 5, [0.4, 7.0, 0.9, 2.2], 0.3);
    for arrangement in Arrangement::ALL {
        let run = |chunk_bytes: u64, budget_bytes: Option<u64>| {
            let judge = bg_nbd::Cpu::new(data.clone()).expect("cells");
            let options = Options { arrangement, budget_bytes };
            let mut whole = Differenced::with_chunks(judge, &device, &options, chunk_bytes).expect("the device works");
            let at = Array3::from_shape_fn((1, 5, 4), |(_, _, k)| [0.4, 7.0, 0.9, 2.2][k]);
            let none = Array2::zeros((1, 0));
            whole.set_reference(ParamBatch { per_group: at.view(), shared: none.view() }).expect("possible");
            // Twice, so that a ring begins again where it stopped.
            evaluate(&mut whole, &params);
            (whole.chunks(), evaluate(&mut whole, &params))
        };
        let (chunks, expected) = run(BUFFER_BYTES, None);
        assert_eq!(chunks, (1, false));
        let all = 6000 * size_of::<<bg_nbd::Cpu as Difference<4>>::Row>() as u64;
        for (wanted, budget) in [(1, false), (7, false), (90, false), (7, true), (90, true)] {
            let bytes = all / wanted + 600;
            let ((chunks, streamed), seen) = if budget { run(BUFFER_BYTES, Some(3 * bytes)) } else { run(bytes, None) };
            assert!(chunks as u64 >= wanted && streamed == budget, "{chunks} chunks, streamed: {streamed}");
            assert_eq!(expected.log_lik, seen.log_lik, "{arrangement} {chunks}");
            assert_eq!(expected.per_group, seen.per_group, "{arrangement} {chunks}");
        }
    }
}

#[test]
fn heavy_rows_stay_on_the_host() {
    let Some(device) = device() else { return };
    let judge = gamma_gamma::Cpu::new(spenders(2, 2000, 0.01)).expect("rows");
    let mut split = Differenced::new(judge.clone(), &device).expect("the device works");
    let (heavy, light) = (split.heavy.rows(), split.engine.lanes.order.len() as u64);
    assert!(heavy > 5 && heavy + light == 2000, "{heavy} heavy rows, {light} light ones");
    let points = batch::<3>(4, 2, [5.0, 4.0, 20.0], 0.1);
    let (shared, mut out) = (Array2::zeros((4, 0)), LikelihoodBatch::new(4, 2, 3, 0));
    split.evaluate(ParamBatch { per_group: points.view(), shared: shared.view() }, &mut out).expect("works");
    let judged = evaluate(&mut { judge }, &points);
    for (seen, judged) in out.log_lik.iter().zip(&judged.log_lik) {
        // Two million customers in heavy rows: in f32 they would be off by several nats.
        assert!((seen - judged).abs() < 0.01, "{seen} {judged}");
    }
}

/// Ten thousand small groups, some of them empty, and more chains than a workgroup holds.
#[test]
fn many_small_groups_agree_with_the_judge() {
    let Some(device) = device() else { return };
    let (groups, chains) = (2000, 70);
    let judge = bg_nbd::Cpu::new(cells(groups, 9000, 0.0)).expect("cells");
    let points = batch::<4>(chains, groups as usize, [0.5, 8.0, 1.0, 2.0], 0.2);
    let judged = evaluate(&mut judge.clone(), &points);
    for arrangement in Arrangement::ALL {
        let options = Options { arrangement, budget_bytes: None };
        let mut on = Differenced::with(judge.clone(), &device, &options).expect("the device works");
        let seen = evaluate(&mut on, &points);
        let worst = (&seen.log_lik - &judged.log_lik).iter().fold(0.0, |worst: f64, error| worst.max(error.abs()));
        // Every group moves by itself, so that 2,000 errors of rounding add up like a random walk.
        assert!(worst < 0.01, "{arrangement}: {worst}");
    }
}

/// The error of differences of log-likelihoods near the posterior: points within 10/√n of the reference in every parameter,
/// which is several posterior standard deviations, with weights up to a million. What a Metropolis decision needs is 0.01 nat.
fn near_the_posterior(rows: u64, heavy: f64) {
    let Some(device) = device() else { return };
    let spread = 10.0 / (rows as f64).sqrt();
    fn check<const K: usize, D: Difference<K> + Clone>(judge: D, device: &Device, centre: [f64; K], spread: f64) {
        let groups = judge.groups();
        let mut points = batch::<K>(4, groups, centre, spread);
        let at = batch::<K>(1, groups, centre, 0.0);
        points.index_axis_mut(ndarray::Axis(0), 0).assign(&at.index_axis(ndarray::Axis(0), 0));
        let judged = evaluate(&mut judge.clone(), &points).log_lik;
        for arrangement in Arrangement::ALL {
            let options = Options { arrangement, budget_bytes: None };
            let mut on = Differenced::with(judge.clone(), device, &options).expect("the device works");
            let none = Array2::zeros((1, 0));
            on.set_reference(ParamBatch { per_group: at.view(), shared: none.view() }).expect("possible");
            let seen = evaluate(&mut on, &points).log_lik;
            let pairs = (0..4).flat_map(|a| (0..a).map(move |b| (a, b)));
            let errors = pairs.map(|(a, b)| ((seen[a] - seen[b]) - (judged[a] - judged[b])).abs());
            let worst = errors.fold(0.0, f64::max);
            eprintln!(
                "{} {arrangement}: {} rows, {:.1} nat apart, error {worst:.1e}",
                D::STEM,
                judge.rows(),
                judged[0] - judged[1]
            );
            assert!(worst < 0.01, "{} {arrangement}: {worst} nat", D::STEM);
        }
    }
    let (mut purchases, mut spend) = (cells(2, rows, heavy), spenders(2, rows, heavy));
    for weight in purchases.weight.iter_mut().chain(&mut spend.weight) {
        *weight *= if *weight == 1e5 { 10.0 } else { 1.0 };
    }
    check(bg_nbd::Cpu::new(purchases.clone()).expect("cells"), &device, [0.4, 7.0, 0.9, 2.2], spread);
    check(mbg_nbd::Cpu::new(purchases).expect("cells"), &device, [0.5, 6.0, 0.9, 1.6], spread);
    check(gamma_gamma::Cpu::new(spend).expect("rows"), &device, [6.0, 4.0, 15.0], spread);
}

#[test]
fn differences_near_the_posterior_of_ten_thousands() {
    near_the_posterior(20_000, 0.0);
    near_the_posterior(20_000, 0.001);
}

#[test]
fn differences_near_the_posterior_of_a_million() {
    near_the_posterior(1_000_000, 0.0);
}

#[test]
#[ignore = "needs three gigabytes and a minute"]
fn differences_near_the_posterior_of_ten_millions() {
    near_the_posterior(10_000_000, 0.00001);
}

#[test]
fn work_is_counted() {
    let Some(device) = device() else { return };
    let judge = bg_nbd::Cpu::new(cells(2, 1000, 0.0)).expect("cells");
    let mut on = Differenced::new(judge, &device).expect("the device works");
    let points = batch::<4>(3, 2, [0.5, 8.0, 1.0, 2.0], 0.1);
    let before = on.work();
    assert_eq!((before.evaluations, before.bytes_down), (0, 0));
    // The rows went up once, at the first reference.
    assert_eq!(before.bytes_up, 1000 * size_of::<<bg_nbd::Cpu as Difference<4>>::Row>() as u64);
    evaluate(&mut on, &points);
    let work = on.work();
    assert_eq!(work.evaluations, 3000);
    assert_eq!(work.bytes_up - before.bytes_up, 6 * size_of::<<bg_nbd::Cpu as Difference<4>>::Point>() as u64);
    assert_eq!(work.bytes_down, (3 * on.engine.lanes.lanes.len() * 5 * size_of::<f32>()) as u64);
    assert!(work.device_bytes >= before.bytes_up && work.device_bytes <= on.scratch_bytes(3) + 4096, "{work:?}");
    assert!(work.device_ns.is_none_or(|ns| ns > 0), "{work:?}");
}
