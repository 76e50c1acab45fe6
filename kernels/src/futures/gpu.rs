//! The chunks of a prediction on a device: buffers, dispatches, and the way back, with one chunk computing while another is read.
//! Knows sizes and order; laws, quantiles and labels are its neighbours'.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::mpsc::Receiver;

use bytemuck::Pod;
use wgpu::BufferUsages;

use super::simulate::{self, DeviceCustomer};
use super::summarise::{self, Summary};
use super::totals::{self, Cut, Segment};
use super::{Customer, Future, Horizon, Population, Totals};
use crate::buffer::Buffer;
use crate::device::Device;
use crate::pipeline::{Binding, Pipeline};
use crate::{KernelError, Work};

/// Bytes that one chunk's futures and sums may take on the device.
const CHUNK_BYTES: u64 = 64 << 20;

/// Customers of one chunk at most: few draws would make it endless.
const CHUNK_CUSTOMERS: usize = 16_384;

/// Chunks that may be submitted and not yet collected: one computes while one is read.
const IN_FLIGHT: usize = 2;

/// Threads of a workgroup; `THREADS` in every shader of the room.
const THREADS: usize = 64;

/// Simulates the futures of customers, chunk by chunk: [`Gpu::submit`] and [`Gpu::collect`] each chunk, then take [`Gpu::totals`].
#[derive(Debug)]
pub struct Gpu {
    device: Device,
    draws: usize,
    groups: usize,
    with_spend: bool,
    /// Labels of each labelling.
    sizes: Vec<usize>,
    chunk: usize,
    simulation: simulate::Shape,
    simulate: Stage<simulate::Shape>,
    summarise: Stage<summarise::Shape>,
    add: Stage<totals::Shape>,
    customers: Buffer<DeviceCustomer>,
    segments: Buffer<Segment>,
    members: Buffer<u32>,
    #[cfg_attr(not(test), expect(dead_code, reason = "bound to every stage; only tests look inside"))]
    raw: Buffer<u32>,
    summaries: Buffer<Summary>,
    sums: Buffer<u32>,
    waiting: VecDeque<Submitted>,
    /// Ways back that no chunk uses.
    idle: Vec<Buffer<u32>>,
    totals: Vec<Totals>,
    work: Work,
}

/// One shader with its buffers.
#[derive(Debug)]
struct Stage<S> {
    pipeline: Pipeline,
    shape: Buffer<S>,
    bindings: wgpu::BindGroup,
}

/// One chunk on its way.
#[derive(Debug)]
struct Submitted {
    customers: usize,
    owner: Vec<(u32, u32)>,
    /// `None` where nothing had to be computed.
    back: Option<Back>,
}

/// Summaries, then sums, in memory that the host can read once `submission` is done.
#[derive(Debug)]
struct Back {
    staging: Buffer<u32>,
    submission: wgpu::SubmissionIndex,
    mapped: Receiver<Result<(), wgpu::BufferAsyncError>>,
}

impl<S: Pod> Stage<S> {
    /// A shape, `inputs`, and one output.
    fn new(device: &Device, label: &'static str, wgsl: &str, inputs: &[&wgpu::Buffer], output: &wgpu::Buffer) -> Self {
        let mut kinds = vec![Binding::Uniform];
        kinds.extend(inputs.iter().map(|_| Binding::Input));
        kinds.push(Binding::Output);
        let pipeline = Pipeline::new(device, label, wgsl, &kinds);
        let shape = Buffer::new(device, label, BufferUsages::UNIFORM, 1);
        let buffers: Vec<_> = [shape.raw()].into_iter().chain(inputs.iter().copied()).chain([output]).collect();
        let bindings = pipeline.bind(device, &buffers);
        Self { pipeline, shape, bindings }
    }
}

impl Gpu {
    /// Uploads the population and makes room for one chunk; `labels` says how many labels each labelling has.
    ///
    /// # Errors
    /// Draws or a horizon that no device can predict from, more draws × groups than the adapter can bind, or the device fails.
    pub fn new(
        device: &Device,
        population: Population<'_>,
        horizon: &Horizon,
        seed: u64,
        labels: &[usize],
    ) -> Result<Self, KernelError> {
        population.check()?;
        horizon.check()?;
        let (draws, groups, _) = population.purchase.dim();
        let with_spend = population.spend.is_some();
        let chunk = chunk_customers(draws, labels, with_spend);
        let values = usize::from(with_spend);
        let purchase_draws = simulate::by_group(population.purchase);
        let spend_draws = population.spend.map_or(vec![1.0; 3], simulate::by_group);
        let adapter = device.adapter();
        let most = adapter.max_binding_bytes.min(adapter.max_buffer_bytes);
        if size_of_val(&purchase_draws[..]) as u64 > most {
            return Err(KernelError::new(
                format!(
                    "{draws} draws of {groups} groups do not fit {}, which binds {most} bytes at once",
                    adapter.name
                ),
                "thin the draws, or predict on the CPU",
            ));
        }
        let discount = simulate::discount(&population, horizon);
        let input = BufferUsages::STORAGE;
        let output = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
        let upload = |label, items: &[f32]| {
            let buffer = Buffer::new(device, label, input, items.len());
            buffer.write(device, items);
            buffer
        };
        let (purchase, spend) = (upload("purchase draws", &purchase_draws), upload("spend draws", &spend_draws));
        let worth = upload("discount", &discount);
        let segments = Cut::most_segments(chunk, labels);
        let customers = Buffer::new(device, "customers", input, chunk);
        let segment_table = Buffer::new(device, "segments", input, segments);
        let members = Buffer::new(device, "members", input, chunk * labels.len());
        let raw = Buffer::new(device, "futures", output, chunk * draws * (1 + values));
        let summaries = Buffer::new(device, "summaries", output, chunk);
        let sums = Buffer::new(device, "sums", output, segments * draws * (1 + values));
        let (customer, purchase) = (customers.raw(), purchase.raw());
        let stages = (
            Stage::new(
                device,
                "simulate",
                &simulate::wgsl(),
                &[customer, purchase, spend.raw(), worth.raw()],
                raw.raw(),
            ),
            Stage::new(device, "summarise", &summarise::wgsl(), &[customer, purchase, raw.raw()], summaries.raw()),
            Stage::new(device, "totals", totals::WGSL, &[segment_table.raw(), members.raw(), raw.raw()], sums.raw()),
        );
        let (simulate, summarise, add) = stages;
        let values_at = chunk * draws;
        let simulation = simulate::Shape {
            customers: 0,
            draws: draws as u32,
            periods: discount.len() as u32,
            with_spend: values as u32,
            seed_low: seed as u32,
            seed_high: (seed >> 32) as u32,
            values_at: values_at as u32,
            ln_length: (horizon.width * horizon.discount.len() as f64).ln() as f32,
        };
        summarise.shape.write(device, &[summarise::Shape::new(draws, values_at, with_spend)]);
        let bytes_up = 4 * (purchase_draws.len() + spend_draws.len() + discount.len()) as u64;
        let mut new = Self {
            device: device.clone(),
            draws,
            groups,
            with_spend,
            sizes: labels.to_vec(),
            chunk,
            simulation,
            simulate,
            summarise,
            add,
            customers,
            segments: segment_table,
            members,
            raw,
            summaries,
            sums,
            waiting: VecDeque::new(),
            idle: Vec::new(),
            totals: labels.iter().map(|labels| Totals::new(*labels, draws)).collect(),
            work: Work { bytes_up, ..Work::default() },
        };
        new.work.device_bytes = bytes_up + new.scratch_bytes();
        device.finish()?;
        Ok(new)
    }

    /// Most customers that one chunk may have. It depends on the draws and labels alone, so that equal predictions are cut alike.
    pub fn chunk_customers(&self) -> usize {
        self.chunk
    }

    /// Bytes on the device beside the population's draws: one chunk's customers, futures, summaries and sums.
    pub fn scratch_bytes(&self) -> u64 {
        scratch_bytes(self.chunk, self.draws, &self.sizes, self.with_spend)
    }

    /// What has been done so far; one evaluation is one future.
    pub fn work(&self) -> Work {
        self.work
    }

    /// Starts the futures of a chunk and returns at once. `labels` is customer-major: customers × labellings.
    ///
    /// # Errors
    /// More customers than [`Gpu::chunk_customers`], two chunks that wait to be collected, customers or labels that do not exist.
    pub fn submit(&mut self, customers: &[Customer], labels: &[u32]) -> Result<(), KernelError> {
        if customers.len() > self.chunk || self.waiting.len() >= IN_FLIGHT {
            return Err(KernelError::new(
                format!("{} customers beside {} chunks that wait", customers.len(), self.waiting.len()),
                format!("submit at most {} at a time, and collect before a third chunk", self.chunk),
            ));
        }
        let cut = Cut::new(customers.len(), labels, &self.sizes)?;
        let table: Vec<DeviceCustomer> =
            customers.iter().map(|customer| DeviceCustomer::new(customer, self.groups)).collect::<Result<_, _>>()?;
        let back = if customers.is_empty() { None } else { Some(self.compute(&table, &cut)) };
        self.waiting.push_back(Submitted { customers: customers.len(), owner: cut.owner, back });
        Ok(())
    }

    /// What the customers of the oldest submitted chunk will do, in the order in which they were submitted; waits for it alone.
    ///
    /// # Errors
    /// The device failed, or nothing was submitted.
    pub fn collect(&mut self) -> Result<Vec<Future>, KernelError> {
        let Some(Submitted { customers, owner, back }) = self.waiting.pop_front() else {
            return Err(KernelError::new("no chunk waits to be collected", "submit one first"));
        };
        let Some(Back { staging, submission, mapped }) = back else { return Ok(Vec::new()) };
        self.device.finish_until(submission)?;
        let broken =
            |why: String| KernelError::new(format!("the futures cannot be read back: {why}"), "predict on the CPU");
        match mapped.try_recv() {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(broken(error.to_string())),
            Err(_) => return Err(broken("the device never answered".to_owned())),
        }
        let (summary_words, sum_words) = self.words(customers, owner.len());
        let futures = {
            let slice = staging.raw().slice(..4 * (summary_words + sum_words) as u64);
            let view = slice.get_mapped_range().map_err(|error| broken(format!("{error:?}")))?;
            let words: &[u32] = bytemuck::cast_slice(&view);
            let (counts, values) = words[summary_words..].split_at(owner.len() * self.draws);
            let values = values.chunks(self.draws).chain(std::iter::repeat(&[][..]));
            for ((&(labelling, label), counts), values) in owner.iter().zip(counts.chunks(self.draws)).zip(values) {
                self.totals[labelling as usize].add(label, counts, values);
            }
            bytemuck::cast_slice::<_, Summary>(&words[..summary_words]).iter().map(Future::from).collect()
        };
        staging.raw().unmap();
        self.idle.push(staging);
        Ok(futures)
    }

    /// Sums over all customers submitted so far, one entry per labelling; sums go on if more chunks follow.
    ///
    /// # Errors
    /// A chunk has not been collected.
    pub fn totals(&mut self) -> Result<Vec<Totals>, KernelError> {
        match self.waiting.len() {
            0 => Ok(self.totals.clone()),
            waiting => {
                Err(KernelError::new(format!("{waiting} chunks are not in the totals yet"), "collect them first"))
            }
        }
    }

    /// Words that come back for a chunk: summaries, sums.
    fn words(&self, customers: usize, segments: usize) -> (usize, usize) {
        let planes = 1 + usize::from(self.with_spend);
        (customers * size_of::<Summary>() / 4, segments * self.draws * planes)
    }

    /// Uploads, dispatches and sends back one chunk.
    fn compute(&mut self, customers: &[DeviceCustomer], cut: &Cut) -> Back {
        let device = &self.device;
        self.customers.write(device, customers);
        self.simulate.shape.write(device, &[simulate::Shape { customers: customers.len() as u32, ..self.simulation }]);
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.simulate.dispatch(&mut encoder, grid(customers.len() * self.draws));
        self.summarise.dispatch(&mut encoder, [customers.len() as u32, 1]);
        if !cut.segments.is_empty() {
            self.segments.write(device, &cut.segments);
            self.members.write(device, &cut.members);
            let shape = totals::Shape {
                draws: self.draws as u32,
                segments: cut.segments.len() as u32,
                values_at: self.simulation.values_at,
                with_spend: self.simulation.with_spend,
            };
            self.add.shape.write(device, &[shape]);
            self.add.dispatch(&mut encoder, grid(cut.segments.len() * self.draws));
        }
        let (summary_words, sum_words) = self.words(customers.len(), cut.segments.len());
        let mut staging = self
            .idle
            .pop()
            .unwrap_or_else(|| Buffer::new(device, "futures", BufferUsages::MAP_READ, summary_words + sum_words));
        staging.reserve(device, summary_words + sum_words);
        let (summary_bytes, sum_bytes) = (4 * summary_words as u64, 4 * sum_words as u64);
        encoder.copy_buffer_to_buffer(self.summaries.raw(), 0, staging.raw(), 0, summary_bytes);
        encoder.copy_buffer_to_buffer(self.sums.raw(), 0, staging.raw(), summary_bytes, sum_bytes);
        let submission = device.queue.submit([encoder.finish()]);
        let (send, mapped) = std::sync::mpsc::channel();
        staging.raw().slice(..summary_bytes + sum_bytes).map_async(wgpu::MapMode::Read, move |done| {
            // Nobody is left to tell when the chunk was dropped.
            let _ = send.send(done);
        });
        self.work.evaluations += (customers.len() * self.draws) as u64;
        let cut_bytes = size_of_val(&cut.segments[..]) + size_of_val(&cut.members[..]);
        self.work.bytes_up += (size_of_val(customers) + cut_bytes) as u64;
        self.work.bytes_down += summary_bytes + sum_bytes;
        Back { staging, submission, mapped }
    }
}

/// What only tests see: futures themselves, and summaries of made-up ones.
#[cfg(test)]
impl Gpu {
    /// Counts and values of one customer of the last submitted chunk.
    pub(super) fn futures_of(&self, customer: usize) -> (Vec<u32>, Vec<f32>) {
        let values_at = self.simulation.values_at as usize;
        let counts = self.read_raw(customer * self.draws);
        let values = if self.with_spend { self.read_raw(values_at + customer * self.draws) } else { Vec::new() };
        (counts, values.into_iter().map(f32::from_bits).collect())
    }

    fn read_raw(&self, from: usize) -> Vec<u32> {
        let row = Buffer::new(&self.device, "row", BufferUsages::COPY_SRC, self.draws);
        let mut back = crate::buffer::Readback::new(&self.device, "row", self.draws);
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        encoder.copy_buffer_to_buffer(self.raw.raw(), 4 * from as u64, row.raw(), 0, 4 * self.draws as u64);
        back.copy(&self.device, &mut encoder, &row, self.draws);
        self.device.queue.submit([encoder.finish()]);
        back.read(&self.device, self.draws, <[u32]>::to_vec).expect("the device answers")
    }

    /// The summary of one customer with the given futures.
    pub(super) fn summary_of(&self, counts: &[u32], values: &[f32]) -> Future {
        self.device.queue.write_buffer(self.raw.raw(), 0, bytemuck::cast_slice(counts));
        let values_at = 4 * u64::from(self.simulation.values_at);
        self.device.queue.write_buffer(self.raw.raw(), values_at, bytemuck::cast_slice(values));
        let mut back = crate::buffer::Readback::new(&self.device, "summaries", 1);
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        self.summarise.dispatch(&mut encoder, [1, 1]);
        back.copy(&self.device, &mut encoder, &self.summaries, 1);
        self.device.queue.submit([encoder.finish()]);
        back.read(&self.device, 1, |summaries| Future::from(&summaries[0])).expect("the device answers")
    }

    /// Repeats one stage of the last submitted chunk of `customers` customers and `segments` segments, and waits.
    pub(super) fn repeat(&self, stage: usize, customers: usize, segments: usize) {
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
        match stage {
            0 => self.simulate.dispatch(&mut encoder, grid(customers * self.draws)),
            1 => self.summarise.dispatch(&mut encoder, [customers as u32, 1]),
            _ => self.add.dispatch(&mut encoder, grid(segments * self.draws)),
        }
        self.device.queue.submit([encoder.finish()]);
        self.device.finish().expect("the device answers");
    }
}

impl<S: Pod> Stage<S> {
    fn dispatch(&self, encoder: &mut wgpu::CommandEncoder, size: [u32; 2]) {
        self.pipeline.dispatch(encoder, &self.bindings, size);
    }
}

/// Workgroups for `threads` threads, in two dimensions where one is too short.
fn grid(threads: usize) -> [u32; 2] {
    const WIDEST: usize = 1 << 15;
    let workgroups = threads.div_ceil(THREADS);
    let wide = workgroups.min(WIDEST);
    [wide as u32, workgroups.div_ceil(wide.max(1)) as u32]
}

fn scratch_bytes(customers: usize, draws: usize, sizes: &[usize], with_spend: bool) -> u64 {
    let segments = Cut::most_segments(customers, sizes);
    let planes = 1 + usize::from(with_spend);
    let futures = (customers + segments) * draws * planes * size_of::<u32>();
    let tables = customers * (size_of::<DeviceCustomer>() + size_of::<Summary>() + sizes.len() * size_of::<u32>());
    (futures + tables + segments * size_of::<Segment>()) as u64
}

/// The most customers, in whole sixteens, whose chunk keeps to [`CHUNK_BYTES`]; sixteen where even they do not.
fn chunk_customers(draws: usize, sizes: &[usize], with_spend: bool) -> usize {
    let fits = |sixteens: usize| scratch_bytes(16 * sixteens, draws, sizes, with_spend) <= CHUNK_BYTES;
    let (mut most, mut too_many) = (1, CHUNK_CUSTOMERS / 16 + 1);
    while too_many - most > 1 {
        let middle = usize::midpoint(most, too_many);
        if fits(middle) { most = middle } else { too_many = middle }
    }
    16 * most
}
