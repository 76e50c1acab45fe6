//! Sums a density over rows on a device in f32, as the difference from a reference point θ₀, and keeps what f32 cannot hold
//! in f64 on the host. Knows lanes, chunks and chains; which density it is, a [`Difference`] says.
//!
//! ```text
//! ℓ(θ) = group terms(θ)                                    Γ functions and totals        host, f64
//!      + Σ light rows at θ₀ + what sums once for all θ    once per reference            host, f64
//!      + Σ light rows [ rest of ℓ_i(θ) − ℓ_i(θ₀) ]         every evaluation              device, f32 lanes summed in f64
//!      + Σ heavy rows at θ                                 mass above HEAVY_MASS         host, f64
//! ```
//!
//! A group of a chain whose parameters leave [θ₀/[`REACH`], θ₀·[`REACH`]] is summed by the f64 code instead: a rule of the point
//! and the reference alone, so that no result depends on what was evaluated before.
//!
//! The rows lie on the device, or stream through it chunk by chunk when they exceed [`Options::budget_bytes`]; threads own rows or
//! chains ([`Arrangement`]). An evaluation is one upload of points, a dispatch per chunk (or more, for watchdogs) and one
//! readback of a value and K slopes per lane and chain; between submission and readback the host computes its share.
//!
//! Measured against f64 (llvmpipe; largest error of a difference of two ℓ in nats, BG/NBD / Gamma-Gamma, both arrangements alike;
//! θ within the given share of θ₀):
//!
//! | rows | θ within | apart by | error |
//! | --- | --- | --- | --- |
//! | 20,000 | 7 % | 95 / 1,300 | 0.00004 / 0.0001 |
//! | 20,000, some of weight 10⁶ | 7 % | 240,000 / 1,500,000 | 0.00005 / 0.0001 |
//! | 1,000,000 | 1 % | 720 / 8,500 | 0.0002 / 0.0003 |
//! | 10,000,000, some of weight 10⁶ | 0.3 % | 31,000 / 220,000 | 0.002 / 0.001 |

mod arrangement;
pub(crate) mod elementary;
mod engine;
mod lanes;
mod stopwatch;

use std::ops::Range;

use bytemuck::Pod;
use rayon::prelude::*;

pub use arrangement::{ARRANGEMENT_RULE, Arrangement, Options};
use engine::{BUFFER_BYTES, Engine, Sizes};
use lanes::Lanes;

use crate::device::{Adapter, Device};
use crate::rows::{Density, Point, Sum, group_sums, possible_points, settle, sum_rows};
use crate::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, PointwiseBatch, Work};

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
    type Row: Crossing + Send + Sync;
    type Point: Crossing + Send + Sync;
    /// Sums over a group's rows at the reference, of which [`Difference::kept`] makes a part of the density at any point.
    type Sums: AsRef<[f64]> + AsMut<[f64]> + Clone + Copy + std::fmt::Debug + Default + Send + Sync;

    /// A reference to begin with, from the data alone.
    fn first_reference(&self) -> [f64; K];

    /// What a sorted row's rounding error on the device grows with.
    fn mass(&self, row: usize) -> f64;

    /// Whether the shader's `brief_terms` are all that a sorted row needs.
    fn is_brief(&self, _row: usize) -> bool {
        false
    }

    /// How often the shader's loops turn for a sorted row, or as many turns as it is worth, at most [`MOST_STEPS`]; one where it has none.
    fn steps(&self, _row: usize) -> usize {
        1
    }

    /// The density of the given rows (as handed in) alone.
    fn only(&self, rows: &[u32]) -> Result<Self, KernelError>;

    /// A sorted row's constants at the reference, and its part of the sums that the host keeps.
    fn reference_row(&self, group: usize, row: usize, reference: &[f64; K]) -> (Self::Row, Self::Sums);

    /// The part of a group's difference from the reference that the device leaves to the host.
    fn kept(sums: &Self::Sums, theta: &[f64; K], reference: &[f64; K]) -> Sum<K>;

    /// A point as the shader wants it; differences are formed in f64.
    fn difference(theta: &[f64; K], reference: &[f64; K]) -> Self::Point;

    /// How the driver's part of the shader sees rows, points and sums.
    const LANE_WGSL: &'static str = include_str!("../../shaders/lib/plain.wgsl");

    /// The same, or more, where rows have parameters of their own.
    fn lane_wgsl(&self) -> String {
        Self::LANE_WGSL.to_owned()
    }

    /// Numbers that follow the struct of every row, and that of every point.
    fn tails(&self) -> [usize; 2] {
        [0, 0]
    }

    /// What follows a sorted row.
    fn row_tail(&self, _row: usize, _reference: &[f64; K], _tail: &mut [f32]) {}

    /// What follows a point.
    fn point_tail(&self, _theta: &[f64; K], _reference: &[f64; K], _tail: &mut [f32]) {}

    /// Whether the device can tell the difference of a point.
    fn is_near(&self, theta: &[f64; K], reference: &[f64; K]) -> bool {
        within_reach(theta, reference)
    }
}

/// Whether no number is beyond [`REACH`].
pub(crate) fn within_reach(theta: &[f64], reference: &[f64]) -> bool {
    theta.iter().zip(reference).all(|(p, at)| *p <= at * REACH && *p >= at / REACH)
}

fn add<S: AsRef<[f64]> + AsMut<[f64]>>(sums: &mut S, part: &S) {
    sums.as_mut().iter_mut().zip(part.as_ref()).for_each(|(sum, part)| *sum += part);
}

/// Beyond this factor from the reference, f64 on the host takes over.
pub(crate) const REACH: f64 = 4.0;

/// Rows with more customers × (x + 1) than this are summed on the host, where f32 rounding would show. At most (customers +
/// purchases) / HEAVY_MASS rows can be so heavy: a hundred million customers who buy twice have fewer than 5,000.
pub(crate) const HEAVY_MASS: f64 = 65_536.0;

/// Most steps of a row: what a lane can hold.
pub(crate) const MOST_STEPS: usize = lanes::MOST_LANE_STEPS;

/// The whole shader of a family.
fn wgsl<const K: usize, D: Difference<K>>(
    lane_wgsl: &str,
    numbers: usize,
    arrangement: Arrangement,
    is_software: bool,
) -> String {
    let log1p_expm1 = include_str!("../../shaders/lib/log1p_expm1.wgsl");
    let lanes = include_str!("../../shaders/lib/lanes.wgsl");
    [D::WGSL, log1p_expm1, lanes, lane_wgsl, &arrangement.constants(is_software, numbers), arrangement.wgsl()].concat()
}

/// How many numbers a row, a point and a row's results are.
fn sizes<const K: usize, D: Difference<K>>(judge: &D) -> Sizes {
    let numbers = |bytes: usize| bytes / size_of::<f32>();
    let ([of_row, of_point], extent) = (judge.tails(), judge.extent());
    Sizes {
        row: numbers(size_of::<D::Row>()) + of_row,
        point: numbers(size_of::<D::Point>()) + of_point,
        result: 1 + extent.per_group + extent.shared,
    }
}

/// The whole shader of a family's rows, for tests.
#[cfg(test)]
pub(crate) fn whole_wgsl<const K: usize, D: Difference<K>>(
    judge: &D,
    arrangement: Arrangement,
    is_software: bool,
) -> String {
    wgsl::<K, D>(&judge.lane_wgsl(), sizes::<K, D>(judge).result, arrangement, is_software)
}

/// A likelihood on a device, with the f64 likelihood of the same rows, its judge, beside it.
///
/// `Differenced::new(judge, &device)` puts the rows on the device at a first reference that depends on the data alone;
/// [`Likelihood::set_reference`] moves it.
#[derive(Debug)]
pub struct Differenced<const K: usize, D: Difference<K>> {
    judge: D,
    heavy: D,
    engine: Engine,
    reference: Vec<Reference<K, D::Sums>>,
    evaluations: u64,
}

/// What the host knows of one group at its θ₀.
#[derive(Debug, Clone, Copy)]
struct Reference<const K: usize, S> {
    theta: [f64; K],
    light_rows: f64,
    sums: S,
}

impl<const K: usize, D: Difference<K>> Differenced<K, D> {
    /// The judge's rows on a device, with [`Options::default`].
    ///
    /// # Errors
    /// The device fails.
    pub fn new(judge: D, device: &Device) -> Result<Self, KernelError> {
        Self::with(judge, device, &Options::default())
    }

    /// The judge's rows on a device.
    ///
    /// # Errors
    /// The device fails.
    pub fn with(judge: D, device: &Device, options: &Options) -> Result<Self, KernelError> {
        Self::with_chunks(judge, device, options, BUFFER_BYTES)
    }

    fn with_chunks(judge: D, device: &Device, options: &Options, chunk_bytes: u64) -> Result<Self, KernelError> {
        let Options { arrangement, budget_bytes } = *options;
        let layout = judge.layout();
        let is_light = |row: usize| judge.mass(row) <= HEAVY_MASS;
        let heavy: Vec<u32> = (0..layout.n_rows()).filter(|row| !is_light(*row)).map(|row| layout.order[row]).collect();
        let (is_brief, steps) = (|row: usize| judge.is_brief(row), |row: usize| judge.steps(row));
        let lanes = Lanes::new(layout, is_light, is_brief, steps, arrangement.least_lane_rows());
        let sizes = sizes::<K, D>(&judge);
        let wgsl = wgsl::<K, D>(&judge.lane_wgsl(), sizes.result, arrangement, device.adapter().is_software());
        let engine = Engine::new(device, (D::STEM, &wgsl), sizes, lanes, arrangement, (chunk_bytes, budget_bytes));
        let first = vec![judge.first_reference(); layout.n_groups()];
        let heavy = judge.only(&heavy)?;
        let mut new = Self { judge, heavy, engine, reference: Vec::new(), evaluations: 0 };
        new.refer_to(&first)?;
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
        self.engine.adapter()
    }

    /// How threads share rows and chains.
    pub fn arrangement(&self) -> Arrangement {
        self.engine.arrangement()
    }

    /// Buffers' worth of rows, and whether they are streamed for every evaluation.
    pub fn chunks(&self) -> (usize, bool) {
        (self.engine.chunks.len(), self.engine.is_streamed())
    }

    /// Bytes on the device while `chains` chains are evaluated together; the host's copy of the sums is as large as theirs.
    pub fn scratch_bytes(&self, chains: usize) -> u64 {
        self.engine.scratch_bytes(chains)
    }

    /// Computes every row's constants at the groups' reference points.
    fn refer_to(&mut self, groups: &[[f64; K]]) -> Result<(), KernelError> {
        let points: Vec<_> = groups.iter().enumerate().map(|(group, theta)| Point { group, theta: *theta }).collect();
        let (all, heavy) = (sum_rows(&self.judge, &points), sum_rows(&self.heavy, &points));
        if let Some(group) = all.iter().position(|sum| !sum.value.is_finite()) {
            return Err(KernelError::new(
                format!("the reference is impossible for a customer of group {group}"),
                "pass one nearer to what fits the data",
            ));
        }
        self.reference = (groups.iter().zip(all).zip(heavy))
            .map(|((theta, all), heavy)| Reference {
                theta: *theta,
                light_rows: all.value - heavy.value,
                sums: D::Sums::default(),
            })
            .collect();
        let (judge, reference, size) = (&self.judge, &mut self.reference, sizes::<K, D>(&self.judge).row);
        self.engine.write_rows(|lanes, run, mut rows| {
            let mut tasks = Vec::with_capacity(run.len());
            for lane in &lanes.lanes[run] {
                let (own, others) = rows.split_at_mut(lane.rows.len() * size);
                tasks.push((lane, own));
                rows = others;
            }
            let of_lane = |(lane, rows): (&lanes::Lane, &mut [f32])| {
                let mut sums = D::Sums::default();
                for (row, sorted) in rows.chunks_exact_mut(size).zip(&lanes.order[lane.rows.clone()]) {
                    let (sorted, at) = (*sorted as usize, &groups[lane.group]);
                    let (head, tail) = row.split_at_mut(size_of::<D::Row>() / size_of::<f32>());
                    let (computed, part) = judge.reference_row(lane.group, sorted, at);
                    head.copy_from_slice(bytemuck::cast_slice(&[computed]));
                    judge.row_tail(sorted, at, tail);
                    add(&mut sums, &part);
                }
                (lane.group, sums)
            };
            let computed: Vec<_> = tasks.into_par_iter().map(of_lane).collect();
            for (group, part) in computed {
                add(&mut reference[group].sums, &part);
            }
        })
    }

    /// Whether the device can tell the difference of a point.
    fn is_near(&self, point: &Point<K>) -> bool {
        self.judge.is_near(&point.theta, &self.reference[point.group].theta)
    }

    /// The light rows' sum at a point: the device's part, the reference and what the host keeps of the way between.
    fn complete(&self, point: &Point<K>, device: &Sum<K>) -> Sum<K> {
        let Reference { theta, light_rows, sums } = &self.reference[point.group];
        let mut sum = *device + D::kept(sums, &point.theta, theta);
        sum.value += light_rows;
        sum
    }

    /// The points of `chains` as the device wants them, `[group, chain]`; zero where a point is not near or not finite in f32.
    fn device_points(&self, params: ParamBatch<'_>, chains: &[usize]) -> Vec<f32> {
        let (groups, extent, size) = (self.reference.len(), self.judge.extent(), sizes::<K, D>(&self.judge).point);
        let at = |(i, numbers): (usize, &mut [f32])| {
            let (group, chain) = (i / chains.len(), chains[i % chains.len()]);
            let point = extent.point::<K>(params, chain, group);
            if !self.is_near(&point) {
                return;
            }
            let reference = &self.reference[group].theta;
            let (head, tail) = numbers.split_at_mut(size_of::<D::Point>() / size_of::<f32>());
            head.copy_from_slice(bytemuck::cast_slice(&[D::difference(&point.theta, reference)]));
            self.judge.point_tail(&point.theta, reference, tail);
            if !numbers.iter().all(|number| number.is_finite()) {
                numbers.fill(0.0);
            }
        };
        let mut points = vec![0.0; groups * chains.len() * size];
        points.par_chunks_exact_mut(size).enumerate().with_min_len(4096).for_each(at);
        points
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
        let extent = self.judge.extent();
        let all = possible_points::<K, D>(&self.judge, params, out)?;
        let alone = |points: &[(usize, Point<K>)]| points.iter().map(|(_, point)| *point).collect::<Vec<_>>();
        let (near, mut far): (Vec<_>, Vec<_>) = all.iter().partition(|(_, point)| self.is_near(point));
        let mut chains: Vec<usize> = near.iter().map(|(chain, _)| *chain).collect();
        chains.dedup();
        let mut passes = chains.chunks(self.engine.most_chains());
        let running = passes.next().map(|chains| (chains, self.device_points(params, chains)));
        let mut running = running.map(|(chains, points)| (chains, self.engine.begin(&points, chains.len())));
        // The host's share, while the device computes.
        let whole = sum_rows(&self.judge, &alone(&far));
        let heavy = if self.heavy.layout().n_rows() == 0 {
            vec![Sum::ZERO; near.len()]
        } else {
            sum_rows(&self.heavy, &alone(&near))
        };
        let terms = group_sums(&self.judge, &alone(&all));
        for ((chain, point), sum) in far.iter().zip(whole) {
            extent.add_to(out, *chain, point.group, &sum);
        }
        far.clear();
        let mut near = near.into_iter().zip(heavy).peekable();
        while let Some((chains, pass)) = running {
            let sums = self.engine.finish::<K>(pass)?;
            running = passes.next().map(|chains| {
                let points = self.device_points(params, chains);
                (chains, self.engine.begin(&points, chains.len()))
            });
            for (slot, of_chain) in chains.iter().enumerate() {
                while let Some(((chain, point), heavy)) = near.next_if(|((chain, _), _)| chain == of_chain) {
                    let sum = self.complete(&point, &sums[point.group * chains.len() + slot]);
                    if sum.value.is_finite() && sum.gradient.iter().all(|slope| slope.is_finite()) {
                        extent.add_to(out, chain, point.group, &(sum + heavy));
                    } else {
                        far.push((chain, point));
                    }
                }
            }
        }
        for ((chain, point), sum) in far.iter().zip(sum_rows(&self.judge, &alone(&far))) {
            extent.add_to(out, *chain, point.group, &sum);
        }
        for ((chain, point), sum) in all.iter().zip(terms) {
            extent.add_to(out, *chain, point.group, &sum);
        }
        settle(out);
        self.evaluations +=
            all.iter().map(|(_, point)| self.judge.layout().rows_of(point.group).len() as u64).sum::<u64>();
        Ok(())
    }

    fn set_reference(&mut self, at: ParamBatch<'_>) -> Result<(), KernelError> {
        let extent = self.judge.extent();
        extent.check(at)?;
        let points = at.per_group.dim().0;
        let possible = (0..points).all(|i| extent.is_possible(at, i, |theta| self.judge.is_possible(theta)));
        if points != 1 || !possible {
            return Err(KernelError::new(
                format!("a reference of {points} points, possible: {possible}"),
                "pass one point whose parameters the model allows",
            ));
        }
        let points: Vec<[f64; K]> = (0..extent.groups).map(|group| extent.point(at, 0, group).theta).collect();
        self.refer_to(&points)
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

    fn work(&self) -> Work {
        Work { evaluations: self.evaluations, ..self.engine.work() }
    }
}

#[cfg(test)]
mod measured;
#[cfg(test)]
mod tests;
