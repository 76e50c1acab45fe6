//! How long the device computed, by its own clock, where the adapter offers one. Nothing is ever decided by it.

use wgpu::BufferUsages;

use crate::KernelError;
use crate::buffer::{Buffer, Pending, Readback};
use crate::device::Device;

/// Dispatches of one evaluation that are timed; the others are taken to be as quick.
const TIMED: u32 = 64;

#[derive(Debug)]
pub(super) struct Stopwatch {
    queries: wgpu::QuerySet,
    resolved: Buffer<u64>,
    readback: Readback<u64>,
    /// Dispatches begun since the last [`Stopwatch::collect`].
    dispatches: u32,
}

impl Stopwatch {
    /// None where the adapter has no clock.
    pub fn new(device: &Device) -> Option<Self> {
        device.raw.features().contains(wgpu::Features::TIMESTAMP_QUERY).then(|| Self {
            queries: device.raw.create_query_set(&wgpu::QuerySetDescriptor {
                label: None,
                ty: wgpu::QueryType::Timestamp,
                count: 2 * TIMED,
            }),
            resolved: Buffer::new(
                device,
                "timestamps",
                BufferUsages::QUERY_RESOLVE | BufferUsages::COPY_SRC,
                2 * TIMED as usize,
            ),
            readback: Readback::new(device, "timestamps", 2 * TIMED as usize),
            dispatches: 0,
        })
    }

    /// What the next dispatch writes at its beginning and end.
    pub fn lap(&mut self) -> Option<wgpu::ComputePassTimestampWrites<'_>> {
        let lap = self.dispatches;
        self.dispatches += 1;
        (lap < TIMED).then(|| wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * lap),
            end_of_pass_write_index: Some(2 * lap + 1),
        })
    }

    /// Adds the way back of the laps to the last encoder of an evaluation.
    pub fn collect(&mut self, device: &Device, encoder: &mut wgpu::CommandEncoder) {
        let stamps = 2 * self.dispatches.min(TIMED);
        encoder.resolve_query_set(&self.queries, 0..stamps, self.resolved.raw(), 0);
        self.readback.copy(device, encoder, &self.resolved, stamps as usize);
    }

    /// Asks for the laps that were collected.
    pub fn request(&self) -> Pending {
        self.readback.request(2 * self.dispatches.min(TIMED) as usize)
    }

    /// Nanoseconds of all dispatches since the last time, once the device is done with them.
    pub fn read(&mut self, device: &Device, pending: Pending) -> Result<u64, KernelError> {
        let nanoseconds = f64::from(device.queue.get_timestamp_period());
        let dispatches = std::mem::take(&mut self.dispatches);
        self.readback.finish(device, pending, |stamps| {
            let ticks: u64 = stamps.chunks_exact(2).map(|lap| lap[1].saturating_sub(lap[0])).sum();
            let share = f64::from(dispatches) / f64::from(dispatches.clamp(1, TIMED));
            (ticks as f64 * nanoseconds * share) as u64
        })
    }
}
