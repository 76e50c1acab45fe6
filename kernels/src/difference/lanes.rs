//! The order of rows on the device, their cut into f32 lanes, and chunks of whole lanes. Not their contents.

use std::ops::Range;

use rayon::prelude::*;

use super::crossing;
use crate::rows::{Layout, Sum};

crossing! {
    struct DeviceLane as "Lane" {
        first: u32,
        split: u32,
        end: u32,
        group: u32,
    }
}

/// Longest lane: the rows that one f32 sum may hold before f64 takes over.
const MOST_LANE_ROWS: usize = 1024;

/// Most steps ([`Difference::steps`](super::Difference::steps)) of a lane. llvmpipe ends all loops of a thread, without a word,
/// once they have turned 65,535 times; a thread may have a lane's long rows all to itself and walk them for eight chains.
pub(super) const MOST_LANE_STEPS: usize = 7168;

/// Lanes that keep a large device busy; more rows make lanes longer before they make more of them.
const ENOUGH_LANES: usize = 2048;

/// A run of device rows of one group: brief ones up to `split`, full ones from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Lane {
    pub rows: Range<usize>,
    pub split: usize,
    pub group: usize,
    /// Of all its rows, for one chain.
    pub steps: usize,
}

/// Where each row lies on the device, and how its rows are cut into lanes.
#[derive(Debug)]
pub(super) struct Lanes {
    /// Device position → row as the judge sorted it: the light rows of a group, brief before full.
    pub order: Vec<u32>,
    pub lanes: Vec<Lane>,
    /// Per group, its range in `lanes`.
    lanes_of: Vec<Range<usize>>,
}

impl Lanes {
    /// Orders the rows that `is_light` and cuts each group into lanes, whose length depends on the number of rows alone as long
    /// as their `steps` are few.
    pub fn new(
        layout: &Layout,
        is_light: impl Fn(usize) -> bool,
        is_brief: impl Fn(usize) -> bool,
        steps: impl Fn(usize) -> usize,
        least_lane_rows: usize,
    ) -> Self {
        let mut order = Vec::with_capacity(layout.n_rows());
        let groups: Vec<(Range<usize>, usize)> = (0..layout.n_groups())
            .map(|group| {
                let first = order.len();
                let rows = || layout.rows_of(group).filter(|row| is_light(*row));
                order.extend(rows().filter(|row| is_brief(*row)).map(|row| row as u32));
                let split = order.len();
                order.extend(rows().filter(|row| !is_brief(*row)).map(|row| row as u32));
                (first..order.len(), split)
            })
            .collect();
        let wanted = (order.len() / ENOUGH_LANES).next_power_of_two();
        let lane_rows = wanted.clamp(least_lane_rows, MOST_LANE_ROWS);
        let (mut lanes, mut lanes_of) = (Vec::new(), Vec::with_capacity(groups.len()));
        for (group, (rows, split)) in groups.into_iter().enumerate() {
            let first = lanes.len();
            let mut start = rows.start;
            while start < rows.end {
                let (mut end, mut taken) = (start, 0);
                while end < rows.end.min(start + lane_rows) {
                    let next = steps(order[end] as usize);
                    if end > start && taken + next > MOST_LANE_STEPS {
                        break;
                    }
                    (end, taken) = (end + 1, taken + next);
                }
                lanes.push(Lane { rows: start..end, split: split.clamp(start, end), group, steps: taken });
                start = end;
            }
            lanes_of.push(first..lanes.len());
        }
        Self { order, lanes, lanes_of }
    }

    pub fn n_groups(&self) -> usize {
        self.lanes_of.len()
    }

    /// Device rows of a run of lanes.
    pub fn rows_of(&self, lanes: &Range<usize>) -> Range<usize> {
        match &self.lanes[lanes.clone()] {
            [] => 0..0,
            [first, .., last] => first.rows.start..last.rows.end,
            [only] => only.rows.clone(),
        }
    }

    /// Cuts a run of lanes into runs of at most `most_lanes` lanes and of a total `size` of at most `most`, or single lanes.
    pub fn runs(
        &self,
        lanes: Range<usize>,
        most_lanes: usize,
        size: impl Fn(&Lane) -> usize,
        most: usize,
    ) -> Vec<Range<usize>> {
        let (mut runs, mut total): (Vec<Range<usize>>, usize) = (Vec::new(), 0);
        for lane in lanes {
            let own = size(&self.lanes[lane]);
            total += own;
            match runs.last_mut() {
                Some(run) if run.len() < most_lanes && total <= most => run.end = lane + 1,
                _ => {
                    runs.push(lane..lane + 1);
                    total = own;
                }
            }
        }
        runs
    }

    /// The table of all lanes as the shader reads it.
    pub fn table(&self) -> Vec<DeviceLane> {
        let lane = |lane: &Lane| DeviceLane {
            first: lane.rows.start as u32,
            split: lane.split as u32,
            end: lane.rows.end as u32,
            group: lane.group as u32,
        };
        self.lanes.iter().map(lane).collect()
    }

    /// Adds the device's `[lane, number, chain]` sums up in f64, in lane order: `[group, chain]`. A value and at most K slopes each.
    pub fn add_up<const K: usize>(&self, sums: &[f32], numbers: usize, chains: usize) -> Vec<Sum<K>> {
        /// Neighbouring chains that one task adds up: a cache line of f32.
        const BLOCK: usize = 16;
        let blocks: Vec<(usize, usize)> = (0..self.n_groups())
            .flat_map(|group| (0..chains).step_by(BLOCK).map(move |chain| (group, chain)))
            .collect();
        let of_block = |&(group, first): &(usize, usize)| {
            let width = BLOCK.min(chains - first);
            let (mut values, mut slopes) = ([0.0; BLOCK], [[0.0; BLOCK]; K]);
            for lane in self.lanes_of[group].clone() {
                for (k, totals) in std::iter::once(&mut values).chain(&mut slopes).take(numbers).enumerate() {
                    let from = &sums[(lane * numbers + k) * chains + first..][..width];
                    totals.iter_mut().zip(from).for_each(|(total, sum)| *total += f64::from(*sum));
                }
            }
            let of_chain =
                |chain: usize| Sum { value: values[chain], gradient: std::array::from_fn(|k| slopes[k][chain]) };
            (0..width).map(of_chain).collect::<Vec<_>>()
        };
        // A block is cheap; only many are worth other threads.
        let least = (16_384 * blocks.len()).div_ceil(sums.len().max(1));
        let added: Vec<_> = blocks.par_iter().with_min_len(least).map(of_block).collect();
        added.concat()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_rows_make_short_lanes() {
        let layout = Layout::new(2, &[0, 0, 0, 0, 0, 0, 1], usize::MAX).expect("two groups");
        let steps = [3000, 3000, 1168, 1, 9000, 2, 5];
        let cut = |steps: &dyn Fn(usize) -> usize| {
            let lanes = Lanes::new(&layout, |_| true, |_| false, steps, 4).lanes;
            lanes.into_iter().map(|lane| (lane.rows, lane.steps)).collect::<Vec<_>>()
        };
        assert_eq!(cut(&|row| steps[row]), [(0..3, 7168), (3..4, 1), (4..5, 9000), (5..6, 2), (6..7, 5)]);
        // Where rows have no loops, their number alone decides.
        assert_eq!(cut(&|_| 1), [(0..4, 4), (4..6, 2), (6..7, 1)]);
    }
}
