//! Typed buffers on a device: constants, what goes up with every evaluation, and what comes back. Knows bytes, not meanings.

use std::marker::PhantomData;

use bytemuck::Pod;
use wgpu::BufferUsages;

use crate::KernelError;
use crate::device::Device;

/// A storage or uniform buffer of `T` that grows when asked to hold more and is reused otherwise.
#[derive(Debug)]
pub(crate) struct Buffer<T> {
    raw: wgpu::Buffer,
    label: &'static str,
    items: PhantomData<T>,
}

impl<T: Pod> Buffer<T> {
    /// Room for at least one item and at most `items`.
    pub fn new(device: &Device, label: &'static str, usage: BufferUsages, items: usize) -> Self {
        let size = (items.max(1) * size_of::<T>()).next_multiple_of(16) as u64;
        let usage = usage | BufferUsages::COPY_DST;
        let descriptor = wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        Self { raw: device.raw.create_buffer(&descriptor), label, items: PhantomData }
    }

    /// Makes room for `items`; true when that took a new buffer, whose bindings must be made again.
    pub fn reserve(&mut self, device: &Device, items: usize) -> bool {
        let grows = (items * size_of::<T>()) as u64 > self.raw.size();
        if grows {
            *self = Self::new(device, self.label, self.raw.usage(), items);
        }
        grows
    }

    /// Queues the upload of `items` from the start of the buffer.
    pub fn write(&self, device: &Device, items: &[T]) {
        device.queue.write_buffer(&self.raw, 0, bytemuck::cast_slice(items));
    }

    pub fn raw(&self) -> &wgpu::Buffer {
        &self.raw
    }

    /// Bytes that it takes on the device.
    pub fn bytes(&self) -> u64 {
        self.raw.size()
    }
}

/// Items on their way back.
#[derive(Debug)]
pub(crate) struct Pending {
    bytes: u64,
    answer: std::sync::mpsc::Receiver<Result<(), wgpu::BufferAsyncError>>,
}

/// The way back: a host-visible copy of a device buffer.
#[derive(Debug)]
pub(crate) struct Readback<T> {
    staging: Buffer<T>,
}

impl<T: Pod> Readback<T> {
    pub fn new(device: &Device, label: &'static str, items: usize) -> Self {
        Self { staging: Buffer::new(device, label, BufferUsages::MAP_READ, items) }
    }

    /// Bytes that the copy takes.
    pub fn bytes(&self) -> u64 {
        self.staging.bytes()
    }

    /// Adds the copy of the first `items` of `from` to `encoder`.
    pub fn copy(&mut self, device: &Device, encoder: &mut wgpu::CommandEncoder, from: &Buffer<T>, items: usize) {
        self.staging.reserve(device, items);
        encoder.copy_buffer_to_buffer(from.raw(), 0, self.staging.raw(), 0, (items * size_of::<T>()) as u64);
    }

    /// Waits for the submitted copy and hands its items to `read`.
    ///
    /// # Errors
    /// The device failed before or during the copy.
    pub fn read<R>(&self, device: &Device, items: usize, read: impl FnOnce(&[T]) -> R) -> Result<R, KernelError> {
        self.finish(device, self.request(items), read)
    }

    /// Asks for the first `items` of the submitted copy, and does not wait.
    pub fn request(&self, items: usize) -> Pending {
        let (send, answer) = std::sync::mpsc::channel();
        let bytes = (items * size_of::<T>()) as u64;
        self.staging.raw().slice(..bytes).map_async(wgpu::MapMode::Read, move |mapped| {
            // The receiver lives as long as somebody wants to know; after that nobody is left to tell.
            let _ = send.send(mapped);
        });
        Pending { bytes, answer }
    }

    /// Waits for what was asked for and hands it to `read`.
    ///
    /// # Errors
    /// The device failed before or during the copy.
    pub fn finish<R>(&self, device: &Device, pending: Pending, read: impl FnOnce(&[T]) -> R) -> Result<R, KernelError> {
        let broken = |error: String| {
            KernelError::new(format!("{} cannot be read back: {error}", self.staging.label), "use the CPU backend")
        };
        device.finish()?;
        match pending.answer.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(error.to_string())),
            Err(_) => return Err(broken("the device never answered".to_owned())),
        }
        let slice = self.staging.raw().slice(..pending.bytes);
        let result = {
            let view = slice.get_mapped_range().map_err(|error| broken(format!("{error:?}")))?;
            read(bytemuck::cast_slice(&view))
        };
        self.staging.raw().unmap();
        Ok(result)
    }
}
