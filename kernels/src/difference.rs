//! Sums a density over rows on a device in f32, as the difference from a reference point θ₀, and keeps what f32 cannot hold
//! in f64 on the host. Knows lanes, chunks and chains; which density it is, a [`Difference`] says.
//!
//! ```text
//! ℓ(θ) = group terms(θ)                                    Γ functions and totals        host, f64
//!      + Σ light rows at θ₀ + linear(θ₀)·(θ − θ₀)          once per reference            host, f64
//!      + Σ light rows [ rest of ℓ_i(θ) − ℓ_i(θ₀) ]         every evaluation              device, f32 lanes summed in f64
//!      + Σ heavy rows at θ                                 mass above HEAVY_MASS         host, f64
//! ```
//!
//! A group of a chain whose parameters leave [θ₀/[`REACH`], θ₀·[`REACH`]] is summed by the f64 code instead: a rule of the point
//! and the reference alone, so that no result depends on what was evaluated before.
//!
//! Measured against f64 (llvmpipe; largest error of ℓ in nats, BG/NBD / Gamma-Gamma; θ within the given factor of θ₀):
//!
//! | rows | ±2 % | ±10 % | ×3 |
//! | --- | --- | --- | --- |
//! | 20,000 | | 0.0001 / 0.0001 | 0.001 / 0.003 |
//! | 1,000,000 | 0.0006 / 0.0006 | 0.004 / 0.003 | 0.02 / 0.01 |

use std::ops::Range;

use bytemuck::{Pod, Zeroable};
use ndarray::ArrayView3;
use rayon::prelude::*;
use wgpu::BufferUsages;

use crate::buffer::{Buffer, Readback};
use crate::device::{Adapter, Device};
use crate::pipeline::{Binding, Pipeline};
use crate::rows::{Density, Layout, Point, Sum, add_to, check_params, group_sums, point_at, possible_points, sum_rows};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch};

/// Declares a struct that crosses to the device, with the names and offsets that a test reads back from the shader.
macro_rules! crossing {
    ($(#[$doc:meta])* struct $name:ident as $wgsl:literal { $($field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[repr(C)]
        #[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
        pub struct $name {
            $(pub $field: $type,)*
        }

        impl $crate::difference::Crossing for $name {
            const NAME: &'static str = $wgsl;
            const MEMBERS: &'static [(&'static str, usize)] =
                &[$((stringify!($field), std::mem::offset_of!($name, $field)),)*];
        }
    };
}
pub(crate) use crossing;

/// A struct with a twin in WGSL.
pub trait Crossing: Pod {
    const NAME: &'static str;
    /// (member, byte offset).
    const MEMBERS: &'static [(&'static str, usize)];
}

/// A density whose rows a device can sum as differences from a reference.
pub trait Difference<const K: usize>: Density<K> + Likelihood + Sized {
    /// Stem of the shader.
    const STEM: &'static str;
    /// The family's part of the shader.
    const WGSL: &'static str;
    type Row: Crossing + Send;
    type Point: Crossing + Send;

    /// A reference to begin with, from the data alone.
    fn first_reference(&self) -> [f64; K];

    /// What a row's rounding error on the device grows with.
    fn mass(&self, row: usize) -> f64;

    /// The density of the given rows (as handed in) alone.
    fn only(&self, rows: &[u32]) -> Result<Self, KernelError>;

    /// A sorted row's constants at the reference, with weight zero unless it is `light`; and the coefficients of θ − θ₀ that
    /// the host keeps.
    fn reference_row(&self, group: usize, row: usize, light: bool, reference: &[f64; K]) -> (Self::Row, [f64; K]);

    /// A point as the shader wants it; differences are formed in f64.
    fn difference(theta: &[f64; K], reference: &[f64; K]) -> Self::Point;
}

/// Beyond this factor from the reference, f64 on the host takes over.
pub(crate) const REACH: f64 = 4.0;

/// Rows with more customers × (x + 1) than this are summed on the host: f32 rounding would show, and few rows can be so heavy.
pub(crate) const HEAVY_MASS: f64 = 4096.0;

/// Rows per f32 lane.
pub(crate) const LANE_ROWS: usize = 512;

/// Chains that one workgroup serves; `CHAINS` in lib/lanes.wgsl.
const CHAINS_PER_WORKGROUP: usize = 8;

/// What one dispatch may take on, so that no watchdog barks: rows × chains, about 70 ms at a thousand million a second.
const MAX_ROW_CHAINS: usize = 1 << 26;

/// Rows live in buffers of at most this many bytes, or the adapter's limit.
const CHUNK_BYTES: u64 = 128 << 20;

const LIBRARY: &str =
    concat!(include_str!("../../shaders/lib/log1p_expm1.wgsl"), include_str!("../../shaders/lib/lanes.wgsl"));

crossing! {
    struct Shape as "Shape" {
        chains: u32,
        groups: u32,
        lanes: u32,
        first_lane: u32,
    }
}

crossing! {
    struct DeviceLane as "Lane" {
        first: u32,
        end: u32,
        group: u32,
        unused: u32,
    }
}

/// A likelihood on a device, with the f64 likelihood of the same rows, its judge, beside it.
///
/// `Differenced::new(judge, &device)` uploads the rows at a first reference that depends on the data alone;
/// [`Likelihood::set_reference`] moves it.
#[derive(Debug)]
pub struct Differenced<const K: usize, D: Difference<K>> {
    judge: D,
    heavy: D,
    /// Whether a sorted row is summed on the device.
    light: Vec<bool>,
    /// The device's lanes over the judge's sorted rows.
    layout: Layout,
    device: Device,
    pipeline: Pipeline,
    chunks: Vec<Chunk<D::Row>>,
    points: Buffer<D::Point>,
    sums: Buffer<f32>,
    readback: Readback<f32>,
    reference: Vec<Reference<K>>,
}

/// Whole lanes whose rows share a buffer.
#[derive(Debug)]
struct Chunk<R> {
    lanes: Range<usize>,
    rows: Buffer<R>,
    lane_table: Buffer<DeviceLane>,
    shape: Buffer<Shape>,
    bindings: wgpu::BindGroup,
}

/// What the host knows of one group at its θ₀.
#[derive(Debug, Clone, Copy)]
struct Reference<const K: usize> {
    theta: [f64; K],
    light_rows: f64,
    linear: [f64; K],
}

impl<const K: usize, D: Difference<K>> Differenced<K, D> {
    /// Numbers that come back per lane and chain: the value and K slopes.
    const TERMS: usize = K + 1;

    /// Uploads the judge's rows at a first reference.
    ///
    /// # Errors
    /// The device fails.
    pub fn new(judge: D, device: &Device) -> Result<Self, KernelError> {
        Self::with_chunks(judge, device, CHUNK_BYTES)
    }

    fn with_chunks(judge: D, device: &Device, chunk_bytes: u64) -> Result<Self, KernelError> {
        let old = judge.layout();
        let order = &old.order;
        let light: Vec<bool> = (0..order.len()).map(|row| judge.mass(row) <= HEAVY_MASS).collect();
        let heavy: Vec<u32> = (0..order.len()).filter(|row| !light[*row]).map(|row| order[row]).collect();
        let layout = old.recut(LANE_ROWS);
        let pipeline = {
            use Binding::{Input, Output, Uniform};
            let wgsl = [D::WGSL, LIBRARY].concat();
            Pipeline::new(device, D::STEM, &wgsl, &[Uniform, Input, Input, Input, Output])
        };
        let points = Buffer::new(device, "points", BufferUsages::STORAGE, 1);
        let sums = Buffer::new(device, "sums", BufferUsages::STORAGE | BufferUsages::COPY_SRC, 1);
        let adapter = device.adapter();
        let most_bytes = chunk_bytes.min(adapter.max_binding_bytes).min(adapter.max_buffer_bytes);
        let most_lanes = (most_bytes as usize / (LANE_ROWS * size_of::<D::Row>())).max(1);
        let most_lanes = most_lanes.min(adapter.max_workgroups as usize);
        let chunks = (0..layout.lanes.len())
            .step_by(most_lanes)
            .map(|first| first..layout.lanes.len().min(first + most_lanes))
            .map(|lanes| Chunk::new(device, &pipeline, &layout, lanes, &points, &sums))
            .collect();
        let first = judge.first_reference();
        let groups = vec![first; layout.n_groups()];
        let mut new = Self {
            heavy: judge.only(&heavy)?,
            judge,
            light,
            layout,
            device: device.clone(),
            pipeline,
            chunks,
            points,
            sums,
            readback: Readback::new(device, "sums", 1),
            reference: Vec::new(),
        };
        new.refer_to(&groups)?;
        Ok(new)
    }

    /// The f64 likelihood of the same rows.
    pub fn judge(&self) -> &D {
        &self.judge
    }

    /// The judge, to evaluate it.
    pub fn judge_mut(&mut self) -> &mut D {
        &mut self.judge
    }

    /// The adapter it runs on.
    pub fn adapter(&self) -> &Adapter {
        self.device.adapter()
    }

    /// Bytes on the device while `chains` chains are evaluated together; the host's copy of the sums is as large as theirs.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        let pass = chains.min(self.chains_per_pass());
        let rows = self.layout.n_rows() * size_of::<D::Row>();
        let lanes = self.layout.lanes.len() * (size_of::<DeviceLane>() + 2 * pass * Self::TERMS * size_of::<f32>());
        (rows + lanes + pass * self.layout.n_groups() * size_of::<D::Point>()) as u64
    }

    /// Computes and uploads every row's constants at the groups' reference points.
    fn refer_to(&mut self, groups: &[[f64; K]]) -> Result<(), KernelError> {
        let points: Vec<_> = groups.iter().enumerate().map(|(group, theta)| Point { group, theta: *theta }).collect();
        let (all, heavy) = (sum_rows(&self.judge, &points), sum_rows(&self.heavy, &points));
        self.reference = (groups.iter().zip(all).zip(heavy))
            .map(|((theta, all), heavy)| Reference {
                theta: *theta,
                light_rows: all.value - heavy.value,
                linear: [0.0; K],
            })
            .collect();
        for chunk in &self.chunks {
            let of_lane = |lane: &crate::rows::Lane| {
                let mut linear = [0.0; K];
                let rows: Vec<D::Row> = (lane.rows.clone())
                    .map(|row| {
                        let theta = &groups[lane.group];
                        let (constants, part) = self.judge.reference_row(lane.group, row, self.light[row], theta);
                        linear.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
                        constants
                    })
                    .collect();
                (rows, linear)
            };
            let lanes = &self.layout.lanes[chunk.lanes.clone()];
            let computed: Vec<_> = lanes.par_iter().map(of_lane).collect();
            for (lane, (_, linear)) in lanes.iter().zip(&computed) {
                let sum = &mut self.reference[lane.group].linear;
                sum.iter_mut().zip(linear).for_each(|(sum, part)| *sum += part);
            }
            let rows: Vec<D::Row> = computed.into_iter().flat_map(|(rows, _)| rows).collect();
            chunk.rows.write(&self.device, &rows);
        }
        self.device.finish()
    }

    /// The light rows' sum at a point: the device's part, the reference and what is linear in between.
    fn complete(&self, point: &Point<K>, device: &Sum<K>) -> Sum<K> {
        let Reference { theta, light_rows, linear } = &self.reference[point.group];
        let mut sum = *device;
        sum.value += light_rows;
        for k in 0..K {
            sum.value += linear[k] * (point.theta[k] - theta[k]);
            sum.gradient[k] += linear[k];
        }
        sum
    }

    /// Σ over the lanes of each group, `[chain, group]` flattened; meaningless where a point is not near.
    fn device_sums(&mut self, per_group: ArrayView3<'_, f64>) -> Result<Vec<Sum<K>>, KernelError> {
        let (chains, groups, _) = per_group.dim();
        let mut sums = Vec::with_capacity(chains * groups);
        let pass = self.chains_per_pass();
        for first in (0..chains).step_by(pass) {
            let chains = first..chains.min(first + pass);
            let points: Vec<D::Point> = chains
                .clone()
                .flat_map(|chain| (0..groups).map(move |group| (chain, group)))
                .map(|(chain, group)| {
                    let Point { theta, .. } = point_at::<K>(per_group, chain, group);
                    let point = D::difference(&theta, &self.reference[group].theta);
                    let finite = bytemuck::cast_slice::<_, f32>(&[point]).iter().all(|part| part.is_finite());
                    if finite { point } else { D::Point::zeroed() }
                })
                .collect();
            sums.extend(self.pass(&points, chains.len())?);
        }
        Ok(sums)
    }

    /// One upload, one dispatch per chunk, one readback.
    fn pass(&mut self, points: &[D::Point], chains: usize) -> Result<Vec<Sum<K>>, KernelError> {
        let (device, lanes, groups) = (&self.device, self.layout.lanes.len(), self.layout.n_groups());
        let items = chains * lanes * Self::TERMS;
        let moved = [self.points.reserve(device, points.len()), self.sums.reserve(device, items)];
        if moved.contains(&true) {
            for chunk in &mut self.chunks {
                chunk.bind(device, &self.pipeline, &self.points, &self.sums);
            }
        }
        self.points.write(device, points);
        for chunk in &self.chunks {
            let shape = Shape {
                chains: chains as u32,
                groups: groups as u32,
                lanes: lanes as u32,
                first_lane: chunk.lanes.start as u32,
            };
            chunk.shape.write(device, &[shape]);
            let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor::default());
            let size = [chunk.lanes.len() as u32, chains.div_ceil(CHAINS_PER_WORKGROUP) as u32];
            self.pipeline.dispatch(&mut encoder, &chunk.bindings, size);
            if chunk.lanes.end == lanes {
                self.readback.copy(device, &mut encoder, &self.sums, items);
            }
            device.queue.submit([encoder.finish()]);
        }
        if self.chunks.is_empty() {
            return Ok(vec![Sum::ZERO; chains * groups]);
        }
        let layout = &self.layout;
        self.readback.read(device, items, |sums| {
            let of_group = |i: usize| {
                let (chain, group) = (i / groups, i % groups);
                let mut total = Sum::ZERO;
                for lane in layout.lanes_of(group) {
                    let terms = &sums[(chain * lanes + lane) * Self::TERMS..][..Self::TERMS];
                    let gradient = std::array::from_fn(|k| f64::from(terms[1 + k]));
                    total += Sum { value: f64::from(terms[0]), gradient };
                }
                total
            };
            // A sum per group is cheap; only many are worth other threads.
            let least = (4096 * groups).div_ceil(lanes);
            (0..chains * groups).into_par_iter().with_min_len(least).map(of_group).collect()
        })
    }

    /// Chains that one pass may hold, by the watchdog, the adapter's limits and a whole number of workgroups.
    fn chains_per_pass(&self) -> usize {
        let rows = self.chunks.iter().map(|chunk| chunk.rows_len(&self.layout)).max().unwrap_or(0).max(1);
        let adapter = self.device.adapter();
        let bytes = CHUNK_BYTES.min(adapter.max_binding_bytes).min(adapter.max_buffer_bytes) as usize;
        let by_sums = bytes / (self.layout.lanes.len().max(1) * Self::TERMS * size_of::<f32>());
        let by_points = bytes / (self.layout.n_groups().max(1) * size_of::<D::Point>());
        let by_grid = adapter.max_workgroups as usize * CHAINS_PER_WORKGROUP;
        let most = (MAX_ROW_CHAINS / rows).min(by_sums).min(by_points).min(by_grid);
        (most / CHAINS_PER_WORKGROUP * CHAINS_PER_WORKGROUP).max(CHAINS_PER_WORKGROUP)
    }
}

impl<const K: usize, D: Difference<K>> Likelihood for Differenced<K, D> {
    fn groups(&self) -> usize {
        self.judge.groups()
    }

    fn rows(&self) -> u64 {
        self.judge.rows()
    }

    fn evaluate(&mut self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        let all = possible_points::<K>(self.layout.n_groups(), params, out)?;
        let is_near = |point: &Point<K>| {
            let reference = &self.reference[point.group].theta;
            point.theta.iter().zip(reference).all(|(p, at)| *p <= at * REACH && *p >= at / REACH)
        };
        let (mut near, mut far): (Vec<_>, Vec<_>) = all.iter().partition(|(_, point)| is_near(point));
        if !near.is_empty() {
            let sums = self.device_sums(params.per_group)?;
            let mut kept = Vec::with_capacity(near.len());
            for (chain, point) in near {
                let sum = self.complete(&point, &sums[chain * self.layout.n_groups() + point.group]);
                if sum.value.is_finite() && sum.gradient.iter().all(|slope| slope.is_finite()) {
                    add_to(out, chain, point.group, sum);
                    kept.push((chain, point));
                } else {
                    far.push((chain, point));
                }
            }
            near = kept;
        }
        let alone = |points: &[(usize, Point<K>)]| points.iter().map(|(_, point)| *point).collect::<Vec<_>>();
        let heavy = sum_rows(&self.heavy, &alone(&near));
        let whole = sum_rows(&self.judge, &alone(&far));
        for ((chain, point), sum) in near.iter().zip(heavy).chain(far.iter().zip(whole)) {
            add_to(out, *chain, point.group, sum);
        }
        for ((chain, point), sum) in all.iter().zip(group_sums(&self.judge, &alone(&all))) {
            add_to(out, *chain, point.group, sum);
        }
        Ok(())
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        check_params::<K>(self.layout.n_groups(), at.per_group)?;
        let possible = at.per_group.iter().all(|p| *p > 0.0 && p.is_finite());
        if at.per_group.dim().0 != 1 || !possible {
            return Err(KernelError::new(
                format!("a reference of {} points, possible: {possible}", at.per_group.dim().0),
                "pass one point with positive, finite parameters",
            ));
        }
        let groups: Vec<[f64; K]> =
            (0..self.layout.n_groups()).map(|group| point_at(at.per_group, 0, group).theta).collect();
        self.refer_to(&groups)
    }

    /// In f64 on the host: rows are asked for one by one, which is not what a device is for.
    fn pointwise(
        &mut self,
        params: ParamBatch<'_>,
        rows: Range<u64>,
        out: &mut PointwiseBatch,
    ) -> Result<(), KernelError> {
        self.judge.pointwise(params, rows, out)
    }
}

impl<R: Pod> Chunk<R> {
    fn new<P: Pod>(
        device: &Device,
        pipeline: &Pipeline,
        layout: &Layout,
        lanes: Range<usize>,
        points: &Buffer<P>,
        sums: &Buffer<f32>,
    ) -> Self {
        let table: Vec<DeviceLane> = {
            let first_row = layout.lanes[lanes.start].rows.start;
            let lane = |lane: &crate::rows::Lane| DeviceLane {
                first: (lane.rows.start - first_row) as u32,
                end: (lane.rows.end - first_row) as u32,
                group: lane.group as u32,
                unused: 0,
            };
            layout.lanes[lanes.clone()].iter().map(lane).collect()
        };
        let n_rows = layout.lanes[lanes.end - 1].rows.end - layout.lanes[lanes.start].rows.start;
        let rows = Buffer::new(device, "rows", BufferUsages::STORAGE, n_rows);
        let lane_table = Buffer::new(device, "lanes", BufferUsages::STORAGE, table.len());
        lane_table.write(device, &table);
        let shape = Buffer::new(device, "shape", BufferUsages::UNIFORM, 1);
        let buffers = [shape.raw(), rows.raw(), lane_table.raw(), points.raw(), sums.raw()];
        let bindings = pipeline.bind(device, &buffers);
        Self { lanes, rows, lane_table, shape, bindings }
    }

    fn bind<P: Pod>(&mut self, device: &Device, pipeline: &Pipeline, points: &Buffer<P>, sums: &Buffer<f32>) {
        let buffers = [self.shape.raw(), self.rows.raw(), self.lane_table.raw(), points.raw(), sums.raw()];
        self.bindings = pipeline.bind(device, &buffers);
    }

    fn rows_len(&self, layout: &Layout) -> usize {
        layout.lanes[self.lanes.end - 1].rows.end - layout.lanes[self.lanes.start].rows.start
    }
}

#[cfg(test)]
mod tests;
