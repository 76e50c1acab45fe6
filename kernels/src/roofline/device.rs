//! Keeps a device busy with one kind of work. Counterpart of `shaders/roofline/device.wgsl`, whose amounts it counts.

use wgpu::BufferUsages;

use super::{Probe, Resource};
use crate::KernelError;
use crate::buffer::{Buffer, Readback};
use crate::device::Device;
use crate::pipeline::{Binding, Pipeline};

const WGSL: &str = include_str!("../../../shaders/roofline/device.wgsl");

/// `THREADS`, `PER_THREAD` and `UNROLLED` of the shader.
const THREADS: usize = 64;
const PER_THREAD: usize = 16;
const UNROLLED: usize = 4;

/// Numbers that one step of the shader turns: two vectors of four.
const STEP_WIDTH: usize = 8;

/// Vectors that one workgroup reads.
const BLOCK: usize = THREADS * PER_THREAD;

/// What is read: more than caches hold, if the adapter takes so large a binding.
const READ_BYTES: u64 = 256 << 20;

/// Workgroups that operate: enough to fill the largest devices several times.
const WORKGROUPS: usize = 16_384;

type Vector = [f32; 4];

/// Reading and operating on one device.
#[derive(Debug)]
pub struct DeviceProbe {
    device: Device,
    kinds: Vec<(Pipeline, wgpu::BindGroup)>,
    shape: Buffer<[u32; 4]>,
    _data: Buffer<Vector>,
    results: Buffer<f32>,
    readback: Readback<f32>,
    blocks: usize,
}

impl DeviceProbe {
    /// Allocates what will be read and compiles one shader per resource.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(device: &Device) -> Result<Self, KernelError> {
        let adapter = device.adapter();
        let bytes = READ_BYTES.min(adapter.max_binding_bytes).min(adapter.max_buffer_bytes) as usize;
        let blocks = (bytes / (BLOCK * size_of::<Vector>())).clamp(1, adapter.max_workgroups as usize);
        let data = Buffer::<Vector>::new(device, "read", BufferUsages::STORAGE, blocks * BLOCK);
        let shape = Buffer::new(device, "shape", BufferUsages::UNIFORM, 1);
        let threads = blocks.max(WORKGROUPS) * THREADS;
        let results = Buffer::new(device, "results", BufferUsages::STORAGE | BufferUsages::COPY_SRC, threads);
        let kind = |number: usize| {
            let wgsl = format!("const KIND: u32 = {number}u;\n{WGSL}");
            let pipeline =
                Pipeline::new(device, "roofline", &wgsl, &[Binding::Uniform, Binding::Input, Binding::Output]);
            let bindings = pipeline.bind(device, &[shape.raw(), data.raw(), results.raw()]);
            (pipeline, bindings)
        };
        let kinds = (0..Resource::ALL.len()).map(kind).collect();
        let readback = Readback::new(device, "results", 1);
        device.finish()?;
        Ok(Self { device: device.clone(), kinds, shape, _data: data, results, readback, blocks })
    }
}

impl Probe for DeviceProbe {
    fn run(&mut self, resource: Resource, passes: u32) -> Result<f64, KernelError> {
        let reads = resource == Resource::Bytes;
        // Reads are repeated by dispatching again: inside one dispatch a compiler may see that nothing changed.
        let (dispatches, workgroups) = if reads { (passes, self.blocks) } else { (1, WORKGROUPS) };
        let kind = Resource::ALL.iter().position(|kind| *kind == resource).unwrap_or(0);
        let (pipeline, bindings) = &self.kinds[kind];
        self.shape.write(&self.device, &[[passes, 0, 0, 0]]);
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        for _ in 0..dispatches {
            pipeline.dispatch(&mut encoder, bindings, [workgroups as u32, 1]);
        }
        self.readback.copy(&self.device, &mut encoder, &self.results, 1);
        self.device.queue.submit([encoder.finish()]);
        self.readback.read(&self.device, 1, |_| ())?;
        let each = if reads {
            self.blocks * (BLOCK * size_of::<Vector>() + THREADS * size_of::<f32>())
        } else {
            WORKGROUPS * THREADS * STEP_WIDTH * UNROLLED
        };
        Ok(f64::from(passes) * each as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every kind of work runs, is counted in proportion to the passes, and leaves the numbers that its fixed point says.
    #[test]
    fn work_is_done_and_counted() {
        let Some(device) = crate::adapter::device() else { return };
        let mut probe = DeviceProbe::new(&device).expect("the device works");
        for resource in Resource::ALL {
            let one = probe.run(resource, 1).expect("the device works");
            assert!(one > 0.0);
            // 2⁵ passes of four steps: within a hundredth of the fixed point (x = ln x + 2, e^-x, 1.5/(x+0.5)), eight numbers each.
            let passes = if resource == Resource::Bytes { 2 } else { 32 };
            assert_eq!(probe.run(resource, passes).expect("the device works"), f64::from(passes) * one);
            let seen = probe.readback.read(&probe.device, 1, |numbers| numbers[0]).expect("mapped again");
            let expected = match resource {
                Resource::Bytes => 0.0,
                // x ← 0.999 x + 0.001 goes from 1 and 1.5 towards 1 by 0.999¹²⁸ = 0.8798.
                Resource::Fmas => 8.0 + 4.0 * 0.5 * 0.8798,
                Resource::Logs => 8.0 * 3.146_193,
                Resource::Exps => 8.0 * 0.567_143,
                Resource::Divisions => 8.0,
            };
            assert!((seen - expected).abs() < 0.01, "{resource:?}: {seen} for {expected}");
        }
    }

    #[test]
    fn the_counts_are_the_shaders() {
        for (name, value) in [("THREADS", THREADS), ("PER_THREAD", PER_THREAD), ("UNROLLED", UNROLLED)] {
            assert!(WGSL.contains(&format!("const {name}: u32 = {value}u;")), "{name}");
        }
    }
}
