//! Rows on a device, and one evaluation of them: submit, let the host work, read back. Knows buffers, chunks, dispatches and how
//! many numbers a row or a point has; what they mean, and what the host adds, it does not know.
//!
//! A chunk is a run of whole lanes whose rows share a buffer. All chunks lie on the device, or, beyond a budget, pass through a
//! ring of [`RING`] buffers: the device computes one while the host copies the next. A dispatch covers a part of a chunk, so
//! that no dispatch is too long for a watchdog or too wide for the adapter. None of this changes which numbers are added in which
//! order.

use std::ops::Range;

use wgpu::BufferUsages;

use super::arrangement::Arrangement;
use super::crossing;
use super::lanes::{DeviceLane, Lanes};
use super::stopwatch::Stopwatch;
use crate::buffer::{Buffer, Pending, Readback};
use crate::device::{Adapter, Device};
use crate::pipeline::{Binding, Pipeline};
use crate::rows::Sum;
use crate::{KernelError, Work};

crossing! {
    struct Shape as "Shape" {
        chains: u32,
        groups: u32,
        first_lane: u32,
        first_row: u32,
    }
}

/// What one dispatch may take on, so that no watchdog barks: steps of rows × chains, about 70 ms at a thousand million a second.
const MAX_STEP_CHAINS: usize = 1 << 26;

/// Buffers are at most this large, or the adapter's limit.
pub(super) const BUFFER_BYTES: u64 = 128 << 20;

/// Buffers that streamed chunks take turns in: one computed, one on its way, one being filled.
const RING: usize = 3;

/// How many numbers of f32 there are of what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub row: usize,
    pub point: usize,
    /// A row's results: what comes back per lane and chain.
    pub result: usize,
}

impl Sizes {
    /// Bytes of so many numbers.
    fn bytes(numbers: usize) -> usize {
        numbers * size_of::<f32>()
    }
}

/// Rows on a device, evaluated at points.
#[derive(Debug)]
pub(super) struct Engine {
    device: Device,
    pipeline: Pipeline,
    arrangement: Arrangement,
    sizes: Sizes,
    pub lanes: Lanes,
    pub chunks: Vec<Range<usize>>,
    /// A buffer per chunk, or the ring.
    slots: Vec<Buffer<f32>>,
    /// All rows in device order, when they are streamed.
    streamed: Option<Vec<f32>>,
    lane_table: Buffer<DeviceLane>,
    points: Buffer<f32>,
    sums: Buffer<f32>,
    readback: Readback<f32>,
    stopwatch: Option<Stopwatch>,
    parts: Vec<Part>,
    /// Chains that the parts were cut for, and those their shapes say.
    cut_for: usize,
    chains: usize,
    work: Work,
}

/// One dispatch.
#[derive(Debug)]
struct Part {
    chunk: usize,
    lanes: Range<usize>,
    shape: Buffer<Shape>,
    bindings: wgpu::BindGroup,
}

/// An evaluation that the device is at work on.
#[derive(Debug)]
pub(super) struct Running {
    chains: usize,
    /// Submissions of the chunks so far.
    submitted: Vec<wgpu::SubmissionIndex>,
    pending: Option<(Pending, Option<Pending>)>,
}

impl Engine {
    /// Room for the rows of `lanes`; they are still to be written.
    pub fn new(
        device: &Device,
        (stem, wgsl): (&str, &str),
        sizes: Sizes,
        lanes: Lanes,
        arrangement: Arrangement,
        (chunk_bytes, budget_bytes): (u64, Option<u64>),
    ) -> Self {
        use Binding::{Input, Output, Uniform};
        let pipeline = Pipeline::new(device, stem, wgsl, &[Uniform, Input, Input, Input, Output]);
        let whole = 0..lanes.lanes.len();
        let row_bytes = Sizes::bytes(sizes.row);
        let all_bytes = lanes.order.len() * row_bytes;
        let streams = budget_bytes.is_some_and(|budget| budget < all_bytes as u64);
        let most_bytes = chunk_bytes.min(most_buffer_bytes(device.adapter()));
        let most_bytes = budget_bytes.filter(|_| streams).map_or(most_bytes, |b| most_bytes.min(b / RING as u64));
        let chunks = lanes.runs(whole, usize::MAX, |lane| lane.rows.len(), most_bytes as usize / row_bytes);
        let longest = chunks.iter().map(|chunk| lanes.rows_of(chunk).len()).max().unwrap_or(0);
        let room = |rows| Buffer::new(device, "rows", BufferUsages::STORAGE, rows * sizes.row);
        let slots = if streams {
            (0..RING.min(chunks.len())).map(|_| room(longest)).collect()
        } else {
            chunks.iter().map(|chunk| room(lanes.rows_of(chunk).len())).collect()
        };
        let lane_table = Buffer::new(device, "lanes", BufferUsages::STORAGE, lanes.lanes.len());
        lane_table.write(device, &lanes.table());
        Self {
            pipeline,
            arrangement,
            sizes,
            chunks,
            slots,
            streamed: streams.then(|| vec![0.0; lanes.order.len() * sizes.row]),
            lanes,
            lane_table,
            points: Buffer::new(device, "points", BufferUsages::STORAGE, 1),
            sums: Buffer::new(device, "sums", BufferUsages::STORAGE | BufferUsages::COPY_SRC, 1),
            readback: Readback::new(device, "sums", 1),
            stopwatch: Stopwatch::new(device),
            parts: Vec::new(),
            cut_for: 0,
            chains: 0,
            work: Work::default(),
            device: device.clone(),
        }
    }

    pub fn adapter(&self) -> &Adapter {
        self.device.adapter()
    }

    pub fn arrangement(&self) -> Arrangement {
        self.arrangement
    }

    pub fn is_streamed(&self) -> bool {
        self.streamed.is_some()
    }

    /// What has been done so far; [`Work::evaluations`] is the caller's to count.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Lets `fill` write the rows of each chunk in turn, and keeps or uploads them.
    pub fn write_rows(&mut self, mut fill: impl FnMut(&Lanes, Range<usize>, &mut [f32])) -> Result<(), KernelError> {
        let mut buffer = Vec::new();
        for (chunk, lanes) in self.chunks.iter().enumerate() {
            let rows = numbers_of(self.lanes.rows_of(lanes), self.sizes.row);
            if let Some(streamed) = &mut self.streamed {
                fill(&self.lanes, lanes.clone(), &mut streamed[rows]);
                continue;
            }
            buffer.resize(rows.len(), 0.0);
            fill(&self.lanes, lanes.clone(), &mut buffer);
            self.slots[chunk].write(&self.device, &buffer);
            self.work.bytes_up += size_of_val(buffer.as_slice()) as u64;
            // The copies that wait for the queue must not pile up.
            self.device.queue.submit([]);
            self.device.finish()?;
        }
        self.note_bytes();
        self.device.finish()
    }

    /// Bytes on the device while `chains` chains are evaluated together, and the host's copy of the sums.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        let pass = chains.min(self.most_chains());
        let sums = Sizes::bytes(2 * pass * self.lanes.lanes.len() * self.sizes.result);
        let points = Sizes::bytes(pass * self.lanes.n_groups() * self.sizes.point);
        self.slots.iter().map(Buffer::bytes).sum::<u64>() + self.lane_table.bytes() + (sums + points) as u64
    }

    /// Chains that one evaluation may hold, by the adapter's limits and a whole number of workgroups.
    pub fn most_chains(&self) -> usize {
        let bytes = most_buffer_bytes(self.device.adapter()) as usize;
        let by_sums = bytes / Sizes::bytes(self.lanes.lanes.len().max(1) * self.sizes.result);
        let by_points = bytes / Sizes::bytes(self.lanes.n_groups().max(1) * self.sizes.point);
        let width = self.arrangement.chains_per_workgroup(self.sizes.result);
        let by_grid = self.device.adapter().max_workgroups as usize * width;
        let most = by_sums.min(by_points).min(by_grid);
        if most < width { most.max(1) } else { most / width * width }
    }

    /// Begins an evaluation at points `[group, chain]`, and does not wait.
    pub fn begin(&mut self, points: &[f32], chains: usize) -> Running {
        self.make_ready(chains);
        self.points.write(&self.device, points);
        self.work.bytes_up += size_of_val(points) as u64;
        let mut running = Running { chains, submitted: Vec::new(), pending: None };
        // What streams goes on in `finish`: until then the device has a ring full to compute.
        let first = self.streamed.as_ref().map_or(self.chunks.len(), |_| self.slots.len());
        (0..first).for_each(|chunk| self.submit(chunk, &mut running));
        running
    }

    /// The rest of an evaluation: sums in f64, `[group, chain]`.
    pub fn finish<const K: usize>(&mut self, mut running: Running) -> Result<Vec<Sum<K>>, KernelError> {
        for chunk in running.submitted.len()..self.chunks.len() {
            self.submit(chunk, &mut running);
        }
        let chains = running.chains;
        let Some((sums, laps)) = running.pending else {
            return Ok(vec![Sum::ZERO; chains * self.lanes.n_groups()]);
        };
        self.work.bytes_down += Sizes::bytes(chains * self.lanes.lanes.len() * self.sizes.result) as u64;
        let added =
            self.readback.finish(&self.device, sums, |sums| self.lanes.add_up(sums, self.sizes.result, chains))?;
        if let (Some(stopwatch), Some(laps)) = (&mut self.stopwatch, laps) {
            *self.work.device_ns.get_or_insert(0) += stopwatch.read(&self.device, laps)?;
        }
        Ok(added)
    }

    /// Submits a chunk's dispatches, and the way back with the last.
    fn submit(&mut self, chunk: usize, running: &mut Running) {
        let device = &self.device;
        if let Some(streamed) = &self.streamed {
            // The buffer is free once the chunk before in it is computed.
            if let Some(before) = chunk.checked_sub(self.slots.len()) {
                device.wait_for(running.submitted[before].clone());
            }
            let rows = &streamed[numbers_of(self.lanes.rows_of(&self.chunks[chunk]), self.sizes.row)];
            self.slots[chunk % self.slots.len()].write(device, rows);
            self.work.bytes_up += size_of_val(rows) as u64;
        }
        let mut encoders = Vec::new();
        for part in self.parts.iter().filter(|part| part.chunk == chunk) {
            let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let columns = running.chains.div_ceil(self.arrangement.chains_per_workgroup(self.sizes.result));
            let size = [part.lanes.len() as u32, columns as u32];
            let lap = self.stopwatch.as_mut().and_then(Stopwatch::lap);
            self.pipeline.dispatch_timed(&mut encoder, &part.bindings, size, lap);
            encoders.push(encoder);
        }
        let items = running.chains * self.lanes.lanes.len() * self.sizes.result;
        let is_last = chunk + 1 == self.chunks.len();
        if let (true, Some(encoder)) = (is_last, encoders.last_mut()) {
            self.readback.copy(device, encoder, &self.sums, items);
            if let Some(stopwatch) = &mut self.stopwatch {
                stopwatch.collect(device, encoder);
            }
        }
        // One submission each, so that a watchdog sees dispatches and not their sum.
        for encoder in encoders {
            let submission = device.queue.submit([encoder.finish()]);
            running.submitted.truncate(chunk);
            running.submitted.push(submission);
        }
        if is_last {
            running.pending = Some((self.readback.request(items), self.stopwatch.as_ref().map(Stopwatch::request)));
        }
    }

    /// Makes room for `chains` chains and cuts the dispatches, where that has not been done before.
    fn make_ready(&mut self, chains: usize) {
        let (device, lanes) = (&self.device, &self.lanes);
        let grown = [
            self.points.reserve(device, chains * lanes.n_groups() * self.sizes.point),
            self.sums.reserve(device, chains * lanes.lanes.len() * self.sizes.result),
        ];
        if grown.contains(&true) || chains > self.cut_for {
            self.cut_for = self.cut_for.max(chains);
            let most_steps = MAX_STEP_CHAINS / self.cut_for;
            let most_lanes = device.adapter().max_workgroups as usize;
            self.parts.clear();
            for (chunk, run) in self.chunks.iter().enumerate() {
                let rows = &self.slots[chunk % self.slots.len()];
                for lanes in lanes.runs(run.clone(), most_lanes, |lane| lane.steps, most_steps) {
                    let shape = Buffer::new(device, "shape", BufferUsages::UNIFORM, 1);
                    let buffers =
                        [&shape.raw(), &rows.raw(), &self.lane_table.raw(), &self.points.raw(), &self.sums.raw()];
                    let bindings = self.pipeline.bind(device, &buffers.map(|raw| *raw));
                    self.parts.push(Part { chunk, lanes, shape, bindings });
                }
            }
            self.chains = 0;
        }
        if chains != self.chains {
            for part in &self.parts {
                let shape = Shape {
                    chains: chains as u32,
                    groups: lanes.n_groups() as u32,
                    first_lane: part.lanes.start as u32,
                    first_row: lanes.rows_of(&self.chunks[part.chunk]).start as u32,
                };
                part.shape.write(device, &[shape]);
            }
            self.chains = chains;
        }
        self.note_bytes();
    }

    fn note_bytes(&mut self) {
        let shapes: u64 = self.parts.iter().map(|part| part.shape.bytes()).sum();
        let rows: u64 = self.slots.iter().map(Buffer::bytes).sum();
        let others = self.lane_table.bytes() + self.points.bytes() + self.sums.bytes() + self.readback.bytes();
        self.work.device_bytes = self.work.device_bytes.max(rows + shapes + others);
    }
}

/// Where the numbers of a run of rows lie.
fn numbers_of(rows: Range<usize>, each: usize) -> Range<usize> {
    rows.start * each..rows.end * each
}

fn most_buffer_bytes(adapter: &Adapter) -> u64 {
    BUFFER_BYTES.min(adapter.max_binding_bytes).min(adapter.max_buffer_bytes)
}
