//! Rows sorted by group and cut into lanes, and the f64 driver that sums a density over them on all cores.
//!
//! Which density is summed is the family's business; who asks for the sum, and at which points, is the caller's. A lane is a
//! run of rows of one group. Rows add up within a lane and lanes add up in lane order, so that no thread count, no batch and
//! no other chain can change a bit of a result.

use std::ops::{Add, AddAssign, Range};

use rayon::prelude::*;

pub(crate) use crate::extent::{Extent, Point, settle};
use crate::{KernelError, LikelihoodBatch, ParamBatch};

/// A log-likelihood and its gradient in the K parameters of one group.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sum<const K: usize> {
    pub value: f64,
    pub gradient: [f64; K],
}

impl<const K: usize> Sum<K> {
    pub const ZERO: Self = Self { value: 0.0, gradient: [0.0; K] };
}

impl<const K: usize> AddAssign for Sum<K> {
    fn add_assign(&mut self, other: Self) {
        self.value += other.value;
        for (own, other) in self.gradient.iter_mut().zip(other.gradient) {
            *own += other;
        }
    }
}

impl<const K: usize> Add for Sum<K> {
    type Output = Self;

    fn add(mut self, other: Self) -> Self {
        self += other;
        self
    }
}

/// A run of rows of one group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lane {
    pub group: usize,
    pub rows: Range<usize>,
}

/// Where the rows of each group lie after sorting, and how they are cut into lanes.
#[derive(Debug, Clone)]
pub struct Layout {
    /// Sorted position → row as handed in.
    pub order: Vec<u32>,
    pub lanes: Vec<Lane>,
    /// Per group, its range in `lanes`.
    lanes_of: Vec<Range<usize>>,
    /// Per group, its range of sorted rows.
    rows_of: Vec<Range<usize>>,
    /// Group of each row as handed in.
    group: Vec<u32>,
}

impl Layout {
    /// Sorts rows by group, keeping their order within a group, and cuts each group into lanes of `lane_rows` rows.
    pub fn new(n_groups: usize, group: &[u32], lane_rows: usize) -> Result<Self, KernelError> {
        if u32::try_from(group.len()).is_err() {
            return Err(KernelError::new(
                format!("{} rows are more than a kernel can index", group.len()),
                "split the data and add the likelihoods of its parts",
            ));
        }
        if let Some((row, seen)) = group.iter().enumerate().find(|(_, g)| **g as usize >= n_groups) {
            return Err(KernelError::new(
                format!("row {row} belongs to group {seen} of {n_groups}"),
                "number the groups from 0 and pass their count",
            ));
        }
        let mut first = vec![0; n_groups + 1];
        for g in group {
            first[*g as usize + 1] += 1;
        }
        for g in 0..n_groups {
            first[g + 1] += first[g];
        }
        let rows_of: Vec<Range<usize>> = first.windows(2).map(|pair| pair[0]..pair[1]).collect();
        let mut order = vec![0; group.len()];
        for (row, g) in group.iter().enumerate() {
            order[first[*g as usize]] = row as u32;
            first[*g as usize] += 1;
        }
        let (lanes, lanes_of) = Self::cut(&rows_of, lane_rows);
        Ok(Self { order, lanes, lanes_of, rows_of, group: group.to_vec() })
    }

    fn cut(rows_of: &[Range<usize>], lane_rows: usize) -> (Vec<Lane>, Vec<Range<usize>>) {
        let mut lanes = Vec::new();
        let mut lanes_of = Vec::with_capacity(rows_of.len());
        for (group, rows) in rows_of.iter().enumerate() {
            let first = lanes.len();
            for start in rows.clone().step_by(lane_rows) {
                lanes.push(Lane { group, rows: start..rows.end.min(start.saturating_add(lane_rows)) });
            }
            lanes_of.push(first..lanes.len());
        }
        (lanes, lanes_of)
    }

    pub fn n_groups(&self) -> usize {
        self.rows_of.len()
    }

    pub fn n_rows(&self) -> usize {
        self.order.len()
    }

    /// Sorted rows of a group.
    pub fn rows_of(&self, group: usize) -> Range<usize> {
        self.rows_of[group].clone()
    }

    /// Lanes of a group.
    pub fn lanes_of(&self, group: usize) -> Range<usize> {
        self.lanes_of[group].clone()
    }

    /// Group of a row as handed in.
    pub fn group_of_input(&self, row: usize) -> usize {
        self.group[row] as usize
    }
}

/// A family's f64 arithmetic over its own rows.
pub trait Density<const K: usize>: Send + Sync {
    /// What the rows of one group share at one point, computed once: logarithms of the distinct times, say.
    type Prepared: Send + Sync;

    fn layout(&self) -> &Layout;

    /// Rows as handed in: those of [`Density::layout`], where these are not merged further.
    fn handed_in(&self) -> &Layout {
        self.layout()
    }

    /// What a point is made of.
    fn extent(&self) -> Extent {
        Extent::apart(self.layout().n_groups(), K)
    }

    /// Whether a group's parameters, which come first among the numbers of a point, are possible.
    fn is_possible(&self, point: &[f64; K]) -> bool {
        point[..self.extent().per_group].iter().all(|p| *p > 0.0 && p.is_finite())
    }

    fn prepare(&self, group: usize, theta: &[f64; K]) -> Self::Prepared;

    /// Bytes of the largest [`Density::prepare`].
    fn prepared_bytes(&self) -> usize;

    /// The weighted sum over sorted rows of one group.
    fn rows_sum(&self, prepared: &Self::Prepared, theta: &[f64; K], rows: Range<usize>) -> Sum<K>;

    /// What depends on the group's histograms and totals alone (Γ functions, linear terms).
    fn group_sum(&self, group: usize, theta: &[f64; K]) -> Sum<K>;
}

/// Rows in an f64 lane: long enough that a lane is worth a task, short enough that one group keeps all cores busy.
pub(crate) const CPU_LANE_ROWS: usize = 2048;

/// Fewer row evaluations than this are done on the calling thread; waking others would take longer.
const PARALLEL_FROM_ROWS: usize = 4096;

/// Tables of at most this many bytes are held at a time; more points are done block by block.
const SCRATCH_BYTES: usize = 64 << 20;

/// The sums over rows ([`Density::rows_sum`], all lanes) at each point, which must be possible. Not the group terms.
pub(crate) fn sum_rows<const K: usize, D: Density<K>>(density: &D, points: &[Point<K>]) -> Vec<Sum<K>> {
    let layout = density.layout();
    let block = (SCRATCH_BYTES / density.prepared_bytes().max(1)).max(1);
    let mut sums = Vec::with_capacity(points.len());
    for points in points.chunks(block) {
        let rows: usize = points.iter().map(|point| layout.rows_of(point.group).len()).sum();
        let tasks: Vec<(usize, usize)> = (points.iter().enumerate())
            .flat_map(|(i, point)| layout.lanes_of(point.group).map(move |lane| (i, lane)))
            .collect();
        let prepare = |point: &Point<K>| density.prepare(point.group, &point.theta);
        let lane_sum = |prepared: &[D::Prepared], (i, lane): (usize, usize)| {
            density.rows_sum(&prepared[i], &points[i].theta, layout.lanes[lane].rows.clone())
        };
        let partials: Vec<Sum<K>> = if rows < PARALLEL_FROM_ROWS {
            let prepared: Vec<_> = points.iter().map(prepare).collect();
            tasks.iter().map(|task| lane_sum(&prepared, *task)).collect()
        } else {
            let prepared: Vec<_> = points.par_iter().map(prepare).collect();
            tasks.par_iter().map(|task| lane_sum(&prepared, *task)).collect()
        };
        let first = sums.len();
        sums.resize(first + points.len(), Sum::ZERO);
        for ((i, _), partial) in tasks.iter().zip(partials) {
            sums[first + i] += partial;
        }
    }
    sums
}

/// Bytes of temporary tables that [`sum_rows`] holds for `points` points.
pub(crate) fn sum_rows_scratch_bytes<const K: usize, D: Density<K>>(density: &D, points: usize) -> u64 {
    let lanes = (points as u64) * (density.layout().lanes.len().max(1) as u64);
    let tables = (density.prepared_bytes() * points).min(SCRATCH_BYTES.max(density.prepared_bytes()));
    tables as u64 + lanes * (size_of::<Sum<K>>() + size_of::<(usize, usize)>()) as u64
}

/// The whole likelihood in f64: rows and group terms of every chain.
pub(crate) fn evaluate<const K: usize, D: Density<K>>(
    density: &D,
    params: ParamBatch<'_>,
    out: &mut LikelihoodBatch,
) -> Result<(), KernelError> {
    let extent = density.extent();
    let points = possible_points(density, params, out)?;
    let each: Vec<Point<K>> = points.iter().map(|(_, point)| *point).collect();
    let rows = sum_rows(density, &each);
    let groups: Vec<Sum<K>> = group_sums(density, &each);
    for (((chain, point), rows), group) in points.iter().zip(rows).zip(groups) {
        extent.add_to(out, *chain, point.group, &(rows + group));
    }
    settle(out);
    Ok(())
}

/// [`Density::group_sum`] at each point.
pub(crate) fn group_sums<const K: usize, D: Density<K>>(density: &D, points: &[Point<K>]) -> Vec<Sum<K>> {
    let sum = |point: &Point<K>| density.group_sum(point.group, &point.theta);
    if points.len() < 64 {
        points.iter().map(sum).collect()
    } else {
        points.par_iter().with_min_len(16).map(sum).collect()
    }
}

/// Checks shapes, clears `out`, marks impossible chains with −∞ and lists (chain, point) of all others, chain by chain.
pub(crate) fn possible_points<const K: usize, D: Density<K>>(
    density: &D,
    params: ParamBatch<'_>,
    out: &mut LikelihoodBatch,
) -> Result<Vec<(usize, Point<K>)>, KernelError> {
    let extent = density.extent();
    extent.check(params)?;
    extent.clear(params, out)?;
    let chains = params.per_group.dim().0;
    let mut points = Vec::with_capacity(chains * extent.groups);
    for chain in 0..chains {
        if extent.is_possible(params, chain, |theta: &[f64; K]| density.is_possible(theta)) {
            points.extend((0..extent.groups).map(|group| (chain, extent.point(params, chain, group))));
        } else {
            out.log_lik[chain] = f64::NEG_INFINITY;
        }
    }
    Ok(points)
}

/// Makes a family's [`Density`] a likelihood that needs no reference: `log_lik` is that of one row as handed in.
macro_rules! judge {
    ($cpu:ty, |$own:ident, $theta:ident, $row:ident| $log_lik:expr) => {
        impl $crate::Likelihood for $cpu {
            fn groups(&self) -> usize {
                self.layout().n_groups()
            }

            fn rows(&self) -> u64 {
                self.handed_in().n_rows() as u64
            }

            fn evaluate(
                &mut self,
                params: $crate::ParamBatch<'_>,
                out: &mut $crate::LikelihoodBatch,
            ) -> Result<(), $crate::KernelError> {
                $crate::rows::evaluate(self, params, out)
            }

            fn set_reference(&mut self, at: $crate::ParamBatch<'_>) -> Result<(), $crate::KernelError> {
                self.extent().check(at)
            }

            fn pointwise(
                &mut self,
                params: $crate::ParamBatch<'_>,
                rows: std::ops::Range<u64>,
                out: &mut $crate::PointwiseBatch,
            ) -> Result<(), $crate::KernelError> {
                let $own = &*self;
                $crate::rows::pointwise($own.handed_in(), params, rows, out, |$theta, $row| $log_lik)
            }
        }
    };
}
pub(crate) use judge;

/// Unweighted log-likelihoods of rows as handed in: `row_log_lik(θ of its group, row)` for every chain and row.
pub(crate) fn pointwise<const K: usize>(
    layout: &Layout,
    params: ParamBatch<'_>,
    rows: Range<u64>,
    out: &mut crate::PointwiseBatch,
    row_log_lik: impl Fn([f64; K], usize) -> f64 + Sync,
) -> Result<(), KernelError> {
    pointwise_at(Extent::apart(layout.n_groups(), K), layout, params, rows, out, row_log_lik)
}

/// As [`pointwise`], with coefficients behind the parameters of the group.
pub(crate) fn pointwise_at<const K: usize>(
    extent: Extent,
    layout: &Layout,
    params: ParamBatch<'_>,
    rows: Range<u64>,
    out: &mut crate::PointwiseBatch,
    row_log_lik: impl Fn([f64; K], usize) -> f64 + Sync,
) -> Result<(), KernelError> {
    extent.check(params)?;
    let (chains, first, end) = (params.per_group.dim().0, rows.start as usize, rows.end as usize);
    if rows.start > rows.end || end > layout.n_rows() || out.log_lik.dim() != (chains, end - first) {
        return Err(KernelError::new(
            format!("rows {rows:?} of {} for results of shape {:?}", layout.n_rows(), out.log_lik.dim()),
            "ask for rows that exist and allocate [chain, rows asked for]",
        ));
    }
    for (chain, mut values) in out.log_lik.outer_iter_mut().enumerate() {
        let at = |row: usize| {
            let group = layout.group_of_input(row);
            row_log_lik(extent.point::<K>(params, chain, group).theta, row)
        };
        let computed: Vec<f64> = (first..end).into_par_iter().with_min_len(1024).map(at).collect();
        values.assign(&ndarray::ArrayView1::from(&computed));
    }
    Ok(())
}

/// Refuses columns of unequal length and weights that are negative or not finite.
pub(crate) fn check_columns(n_rows: usize, lengths: &[(&str, usize)], weight: &[f64]) -> Result<(), KernelError> {
    if let Some((name, seen)) = lengths.iter().find(|(_, length)| *length != n_rows) {
        return Err(KernelError::new(
            format!("column {name} has {seen} rows where group has {n_rows}"),
            "pass columns of equal length",
        ));
    }
    if let Some((row, seen)) = weight.iter().enumerate().find(|(_, w)| !(w.is_finite() && **w >= 0.0)) {
        return Err(KernelError::new(
            format!("row {row} has weight {seen}"),
            "a weight is the number of customers in the row: finite and not negative",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lanes_never_straddle_groups() {
        let group = [2, 0, 0, 2, 0, 2, 2, 2];
        let layout = Layout::new(4, &group, 2).expect("groups 0, 2 of 4");
        assert_eq!(layout.order, [1, 2, 4, 0, 3, 5, 6, 7]);
        let lanes: Vec<_> = layout.lanes.iter().map(|lane| (lane.group, lane.rows.clone())).collect();
        assert_eq!(lanes, [(0, 0..2), (0, 2..3), (2, 3..5), (2, 5..7), (2, 7..8)]);
        assert_eq!((layout.rows_of(0), layout.rows_of(1), layout.rows_of(2)), (0..3, 3..3, 3..8));
        assert_eq!((layout.lanes_of(1), layout.lanes_of(2)), (2..2, 2..5));
        assert_eq!(layout.group_of_input(5), 2);
    }

    #[test]
    fn a_group_out_of_range_is_an_error() {
        let error = Layout::new(2, &[0, 1, 2], 4).expect_err("group 2 of 2");
        assert!(error.to_string().contains("row 2 belongs to group 2 of 2"), "{error}");
    }
}
