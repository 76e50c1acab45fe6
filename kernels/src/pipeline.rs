//! One compiled shader and its bindings. The order of bindings is the same for every shader of the project: shape (uniform),
//! inputs, outputs.

use std::borrow::Cow;

use crate::device::Device;

/// How a binding is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Binding {
    Uniform,
    Input,
    Output,
}

#[derive(Debug)]
pub(crate) struct Pipeline {
    raw: wgpu::ComputePipeline,
    layout: wgpu::BindGroupLayout,
}

impl Pipeline {
    /// Compiles `wgsl`, whose entry point is `main` and whose group 0 has `bindings` in order.
    ///
    /// Compile errors are bugs of ours, not of the user's machine; they surface at [`Device::finish`].
    pub fn new(device: &Device, label: &str, wgsl: &str, bindings: &[Binding]) -> Self {
        let entry = |(binding, kind): (usize, &Binding)| wgpu::BindGroupLayoutEntry {
            binding: binding as u32,
            visibility: wgpu::ShaderStages::COMPUTE,
            ty: wgpu::BindingType::Buffer {
                ty: match kind {
                    Binding::Uniform => wgpu::BufferBindingType::Uniform,
                    Binding::Input => wgpu::BufferBindingType::Storage { read_only: true },
                    Binding::Output => wgpu::BufferBindingType::Storage { read_only: false },
                },
                has_dynamic_offset: false,
                min_binding_size: None,
            },
            count: None,
        };
        let entries: Vec<_> = bindings.iter().enumerate().map(entry).collect();
        let layout = device
            .raw
            .create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: Some(label), entries: &entries });
        let pipeline_layout = device.raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(label),
            bind_group_layouts: &[Some(&layout)],
            immediate_size: 0,
        });
        let raw = device.raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(label),
            layout: Some(&pipeline_layout),
            module: &module(device, label, wgsl),
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions {
                zero_initialize_workgroup_memory: false,
                ..Default::default()
            },
            cache: None,
        });
        Self { raw, layout }
    }

    /// Binds `buffers` in the order of the layout.
    pub fn bind(&self, device: &Device, buffers: &[&wgpu::Buffer]) -> wgpu::BindGroup {
        let entries: Vec<_> = (buffers.iter().enumerate())
            .map(|(binding, buffer)| wgpu::BindGroupEntry {
                binding: binding as u32,
                resource: buffer.as_entire_binding(),
            })
            .collect();
        let descriptor = wgpu::BindGroupDescriptor { label: None, layout: &self.layout, entries: &entries };
        device.raw.create_bind_group(&descriptor)
    }

    /// Adds one dispatch to `encoder`.
    pub fn dispatch(&self, encoder: &mut wgpu::CommandEncoder, bindings: &wgpu::BindGroup, size: [u32; 2]) {
        self.dispatch_timed(encoder, bindings, size, None);
    }

    /// Adds one dispatch to `encoder`, with a note of when it began and ended.
    pub fn dispatch_timed(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        bindings: &wgpu::BindGroup,
        [x, y]: [u32; 2],
        timestamp_writes: Option<wgpu::ComputePassTimestampWrites<'_>>,
    ) {
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor { label: None, timestamp_writes });
        pass.set_pipeline(&self.raw);
        pass.set_bind_group(0, bindings, &[]);
        pass.dispatch_workgroups(x, y, 1);
    }
}

/// Builds with debug assertions, the tests among them, keep the bounds and loop checks that wgpu injects; others trust the
/// shaders, since forced loop bounds can cost a factor.
fn module(device: &Device, label: &str, wgsl: &str) -> wgpu::ShaderModule {
    let source = wgpu::ShaderSource::Wgsl(Cow::Borrowed(wgsl));
    let descriptor = wgpu::ShaderModuleDescriptor { label: Some(label), source };
    if cfg!(debug_assertions) {
        return device.raw.create_shader_module(descriptor);
    }
    #[expect(
        unsafe_code,
        reason = "our own shaders: every index is below a length that the host wrote, every loop counts up to one, and the \
                  same sources run with all checks in the tests"
    )]
    unsafe {
        device.raw.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked())
    }
}
