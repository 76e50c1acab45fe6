//! The shaders' elementary functions, applied to numbers of one's choice on a device: how the self-test and the tests hold them
//! against f64. No likelihood uses this.

use wgpu::BufferUsages;

use crate::KernelError;
use crate::buffer::{Buffer, Readback};
use crate::device::Device;
use crate::pipeline::Binding::{Input, Output, Uniform};
use crate::pipeline::Pipeline;

/// One function of `shaders/lib/log1p_expm1.wgsl` of every input, computed on the device.
pub(crate) fn map_on(device: &Device, function: &str, inputs: &[f32]) -> Result<Vec<f32>, KernelError> {
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
    back.read(device, inputs.len(), <[f32]>::to_vec)
}

/// Largest distance of `seen` from `exact`, in units of the last place of the exact result, and where; NaN if there is one.
pub(crate) fn worst_ulps(inputs: &[f32], seen: &[f32], exact: impl Fn(f64) -> f64) -> (f64, f32) {
    inputs.iter().zip(seen).fold((0.0, 0.0), |worst, (x, y)| {
        let truth = exact(f64::from(*x));
        let exponent = truth.abs().max(f64::from(f32::MIN_POSITIVE)).log2().floor();
        let ulps = (f64::from(*y) - truth).abs() / (exponent - 23.0).exp2();
        if ulps > worst.0 || ulps.is_nan() { (ulps, *x) } else { worst }
    })
}

/// Every `step`-th float from one to another of the same sign, by rising magnitude.
pub(crate) fn floats(from: f32, to: f32, step: usize) -> impl Iterator<Item = f32> {
    (from.to_bits()..to.to_bits()).step_by(step).map(f32::from_bits)
}
