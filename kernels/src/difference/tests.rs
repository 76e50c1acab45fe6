//! The shaders' own tests: both sides of every declaration, the elementary functions on the device, chunks.

use ndarray::{Array2, Array3};
use wgpu::BufferUsages;

use super::engine::Shape;
use super::lanes::DeviceLane;
use super::*;
use crate::adapter::device;
use crate::buffer::{Buffer, Readback};
use crate::pipeline::Binding::{Input, Output, Uniform};
use crate::pipeline::Pipeline;
use crate::simulated::{batch, cells, evaluate, spenders};
use crate::{bg_nbd, gamma_gamma};

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
        let wgsl = wgsl::<K, D>(arrangement);
        let module = naga::front::wgsl::parse_str(&wgsl).unwrap_or_else(|e| panic!("{}", e.emit_to_string(&wgsl)));
        check::<Shape>(&module);
        check::<DeviceLane>(&module);
        check::<D::Row>(&module);
        check::<D::Point>(&module);
        for (name, expected) in [("TERMS", K + 1), ("CHAINS", arrangement.chains_per_workgroup())] {
            let (_, constant) = (module.constants.iter())
                .find(|(_, constant)| constant.name.as_deref() == Some(name))
                .unwrap_or_else(|| panic!("the shader has no {name}"));
            let value = &module.global_expressions[constant.init];
            let seen = naga::Expression::Literal(naga::Literal::U32(expected as u32));
            assert_eq!(format!("{value:?}"), format!("{seen:?}"), "{name}");
        }
    }
    for arrangement in Arrangement::ALL {
        family::<4, bg_nbd::Cpu>(arrangement);
        family::<3, gamma_gamma::Cpu>(arrangement);
    }
}

/// Applies one function of lib/log1p_expm1.wgsl to every input on the device.
fn map_on(device: &Device, function: &str, inputs: &[f32]) -> Vec<f32> {
    let wgsl = format!(
        "{}
        @group(0) @binding(0) var<uniform> n: vec4<u32>;
        @group(0) @binding(1) var<storage, read> x: array<f32>;
        @group(0) @binding(2) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64)
        fn main(@builtin(global_invocation_id) id: vec3<u32>) {{ if id.x < n.x {{ y[id.x] = {function}(x[id.x]); }} }}",
        include_str!("../../../shaders/lib/log1p_expm1.wgsl")
    );
    let pipeline = Pipeline::new(device, function, &wgsl, &[Uniform, Input, Output]);
    let n = Buffer::<[u32; 4]>::new(device, "n", BufferUsages::UNIFORM, 1);
    let x = Buffer::<f32>::new(device, "x", BufferUsages::STORAGE, inputs.len());
    let y = Buffer::<f32>::new(device, "y", BufferUsages::STORAGE | BufferUsages::COPY_SRC, inputs.len());
    let mut back = Readback::new(device, "y", inputs.len());
    n.write(device, &[[inputs.len() as u32, 0, 0, 0]]);
    x.write(device, inputs);
    let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
    let bindings = pipeline.bind(device, &[n.raw(), x.raw(), y.raw()]);
    pipeline.dispatch(&mut encoder, &bindings, [inputs.len().div_ceil(64) as u32, 1]);
    back.copy(device, &mut encoder, &y, inputs.len());
    device.queue.submit([encoder.finish()]);
    back.read(device, inputs.len(), <[f32]>::to_vec).expect("the device answers")
}

/// Largest distance of `seen` from `exact`, in units of the last place of the exact result.
fn worst_ulps(inputs: &[f32], seen: &[f32], exact: impl Fn(f64) -> f64) -> (f64, f32) {
    inputs.iter().zip(seen).fold((0.0, 0.0), |worst, (x, y)| {
        let truth = exact(f64::from(*x));
        let exponent = truth.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
        let ulps = (f64::from(*y) - truth).abs() / (exponent - 23.0).exp2();
        if ulps > worst.0 || ulps.is_nan() { (ulps, *x) } else { worst }
    })
}

/// Every 1024th float of a range, both signs as the range has them.
fn floats(from: f32, to: f32) -> impl Iterator<Item = f32> {
    (from.to_bits()..to.to_bits()).step_by(1021).map(f32::from_bits)
}

#[test]
fn elementary_functions_are_good_to_two_units_in_the_last_place() {
    let Some(device) = device() else { return };
    let check = |function: &str, inputs: Vec<f32>, exact: fn(f64) -> f64, allowed: f64| {
        let seen = map_on(&device, function, &inputs);
        let (ulps, at) = worst_ulps(&inputs, &seen, exact);
        eprintln!("{function}: {ulps:.2} units in the last place at {at:e}, {} points", inputs.len());
        assert!(ulps <= allowed, "{function}({at:e}) is off by {ulps:.2} units in the last place");
    };
    // Subnormal inputs may be flushed; from the smallest normal number on, both signs, to the ends of the domains.
    let tiny = f32::MIN_POSITIVE;
    let near_minus_one = -1.0f32.next_down();
    check("log1p", floats(tiny, 8.5e37).chain(floats(-tiny, near_minus_one)).collect(), f64::ln_1p, 2.0);
    check("expm1", floats(tiny, 87.5).chain(floats(-tiny, -87.0)).collect(), f64::exp_m1, 2.0);
    check("exp_", floats(tiny, 87.5).chain(floats(-tiny, -86.0)).collect(), f64::exp, 2.0);
    // A composition of three of them, and a division good to 2.5 units.
    check("softplus", floats(tiny, 80.0).chain(floats(-tiny, -80.0)).collect(), crate::special::softplus, 4.0);
    check("logistic", floats(tiny, 80.0).chain(floats(-tiny, -80.0)).collect(), crate::special::logistic, 6.0);
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
