//! Many NUTS chains over one batch: every batch holds one request of every chain that still has work.
//!
//! No chain waits for another's deeper tree: whoever ends a transition begins the next at once. Results do not depend on that,
//! because a transition reads only its own chain, the frozen metric and its own address of random numbers. When to stop, and what a
//! transition is worth, is the caller's (`run`).

use ndarray::{Array2, ArrayView1, s};
use rayon::prelude::*;

use super::SampleError;
use super::checkpoint::Chain;
use super::metric::Contribution;
use super::nuts::{Begin, Ended, Ending, Tree};
use super::step_size::DualAveraging;
use crate::target::{Evaluation, LogDensity};

/// One chain on its way.
pub(super) struct Lane {
    tree: Tree,
    busy: bool,
    /// This chain's row in the batch under way.
    row: Option<usize>,
    /// How its transition ended, if the batch ended it.
    ended: Option<Ended>,
    pub(super) chain: Chain,
    /// Transitions made, warm-up included.
    pub(super) transitions: u64,
    /// While adapting: this chain's own step size in this window.
    pub(super) averaging: Option<DualAveraging>,
    /// While adapting: this chain's share of the next metric.
    pub(super) contribution: Contribution,
}

/// What all chains hold fixed.
pub(super) struct Fixed<'a> {
    pub(super) inverse_mass: &'a [f64],
    pub(super) step_size: f64,
    pub(super) max_depth: u32,
    pub(super) seed: u64,
    /// Whether warm-up is over: for the books only.
    pub(super) sampling: bool,
}

/// All chains and the room for their batch.
pub(super) struct Fleet {
    pub(super) lanes: Vec<Lane>,
    requests: Array2<f64>,
    out: Evaluation,
}

/// Numbers per batch (chains × dimension) from which trees grow on all cores. Trees share nothing, so it changes no bit; below this,
/// waking threads costs more than the arithmetic.
const PARALLEL_FROM: usize = 1 << 13;

impl Fleet {
    pub(super) fn new(chains: &[Chain], transitions: u64, dim: usize, max_depth: u32) -> Self {
        let lane = |chain: &Chain| Lane {
            tree: Tree::new(dim, max_depth),
            busy: false,
            row: None,
            ended: None,
            chain: chain.clone(),
            transitions,
            averaging: None,
            contribution: Contribution::new(dim, 0),
        };
        Self {
            lanes: chains.iter().map(lane).collect(),
            requests: Array2::zeros((chains.len(), dim)),
            out: Evaluation::new(chains.len(), dim),
        }
    }

    /// Evaluates one request of every chain that has made fewer than `limit` transitions, and calls `ended` for each transition this
    /// completes. Returns the number of points evaluated: 0 when no chain has work.
    pub(super) fn batch(
        &mut self,
        density: &mut dyn LogDensity,
        fixed: &Fixed<'_>,
        limit: u64,
        ended: &mut dyn FnMut(usize, &mut Lane, &Ended),
    ) -> Result<usize, SampleError> {
        let dim = self.requests.ncols();
        let parallel = self.lanes.len() * dim >= PARALLEL_FROM;
        let begin = |(ix, lane): (usize, &mut Lane)| {
            if !lane.busy && lane.transitions < limit {
                lane.begin(ix, fixed);
            }
        };
        if parallel {
            self.lanes.par_iter_mut().enumerate().for_each(begin);
        } else {
            self.lanes.iter_mut().enumerate().for_each(begin);
        }
        let mut points = 0;
        for lane in &mut self.lanes {
            lane.row = lane.busy.then_some(points);
            if lane.busy {
                self.requests.row_mut(points).assign(&ArrayView1::from(lane.tree.request()));
                points += 1;
            }
        }
        if points == 0 {
            return Ok(0);
        }
        if self.out.log_density.len() != points {
            self.out = Evaluation::new(points, dim);
        }
        density.evaluate(self.requests.slice(s![..points, ..]), &mut self.out).map_err(SampleError::Density)?;
        let out = &self.out;
        if parallel {
            self.lanes.par_iter_mut().for_each(|lane| lane.receive(out));
        } else {
            self.lanes.iter_mut().for_each(|lane| lane.receive(out));
        }
        for (ix, lane) in self.lanes.iter_mut().enumerate() {
            if let Some(end) = lane.ended.take() {
                lane.finish(&end, fixed.sampling);
                ended(ix, lane, &end);
            }
        }
        Ok(points)
    }
}

impl Lane {
    fn begin(&mut self, ix: usize, fixed: &Fixed<'_>) {
        self.tree.begin(&Begin {
            q: &self.chain.q,
            g: &self.chain.gradient,
            log_density: self.chain.log_density,
            inverse_mass: fixed.inverse_mass,
            step_size: self.averaging.as_ref().map_or(fixed.step_size, DualAveraging::current),
            max_depth: fixed.max_depth,
            seed: fixed.seed,
            chain: ix as u64,
            // `Settings::check` keeps transitions below 2²⁴.
            transition: self.transitions as u32,
        });
        self.busy = true;
    }

    fn receive(&mut self, out: &Evaluation) {
        let Some(row) = self.row else { return };
        let gradient = out.gradient.row(row);
        self.ended = match gradient.as_slice() {
            Some(gradient) => self.tree.receive(out.log_density[row], gradient),
            None => self.tree.receive(out.log_density[row], &gradient.to_vec()),
        };
    }

    fn finish(&mut self, end: &Ended, sampling: bool) {
        let drawn = self.tree.drawn();
        self.chain.q.copy_from_slice(&drawn.q);
        self.chain.gradient.copy_from_slice(&drawn.g);
        self.chain.log_density = drawn.log_density;
        let diverged = end.ending == Ending::Diverged;
        let capped = end.ending == Ending::DepthReached;
        self.chain.facts.count(sampling, u64::from(end.steps), diverged, capped, end.moved);
        self.transitions += 1;
        self.busy = false;
    }
}
