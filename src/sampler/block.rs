//! Collects draws until every chain has a block's worth, then commits the block together with the state at its end.
//!
//! Chains may run ahead of each other: their draws wait here, and so do snapshots of where each chain stood at a block's end. Knows nothing
//! of how a draw was made.

use std::collections::VecDeque;

use ndarray::{Array2, Array3, ArrayView1};

use super::checkpoint::{Chain, State};
use super::nuts::{Ended, Ending};
use super::{Kind, SampleError, Settings};
use crate::target::{DrawBlock, DrawSink, LogDensity};

/// Facts about one draw.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stat {
    pub(super) lp: f64,
    pub(super) acceptance: f64,
    pub(super) energy: f64,
    pub(super) diverging: bool,
    pub(super) steps: u32,
    pub(super) step_size: f64,
    /// NUTS: doublings. ChEES leaves it 0 and reports none.
    pub(super) depth: u32,
    pub(super) capped: bool,
}

impl Stat {
    /// What a NUTS transition with this step size came to.
    pub(super) fn of_nuts(lp: f64, step_size: f64, ended: &Ended) -> Self {
        Self {
            lp,
            acceptance: ended.acceptance,
            energy: ended.energy,
            diverging: ended.ending == Ending::Diverged,
            steps: ended.steps,
            step_size,
            depth: ended.depth,
            capped: ended.ending == Ending::DepthReached,
        }
    }
}

#[derive(Debug, Default)]
struct Waiting {
    /// `[draw × dim]`.
    u: Vec<f64>,
    stats: Vec<Stat>,
    /// Where the chain stood at the end of each block begun.
    ends: VecDeque<Chain>,
    /// Draws taken in, counted after warm-up.
    drawn: u64,
}

/// Draws not yet committed.
pub(super) struct Blocks {
    chains: Vec<Waiting>,
    /// Draws per chain committed.
    committed: u64,
    shard: u64,
    total: u64,
}

impl Blocks {
    /// Continues after `committed` draws per chain.
    pub(super) fn new(settings: &Settings, committed: u64) -> Self {
        let waiting = || Waiting { drawn: committed, ..Waiting::default() };
        Self {
            chains: (0..settings.chains).map(|_| waiting()).collect(),
            committed,
            shard: settings.shard_draws as u64,
            total: settings.draws as u64,
        }
    }

    /// Draws per chain committed so far.
    pub(super) fn committed(&self) -> u64 {
        self.committed
    }

    /// Blocks end at multiples of the shard's length, wherever counting began, and at the last draw.
    fn end_of_block(&self, draw: u64) -> u64 {
        ((draw / self.shard + 1) * self.shard).min(self.total)
    }

    /// Takes in where `chain` stands after a transition, `u` being what the draw is called outside.
    pub(super) fn push(&mut self, chain: usize, at: &Chain, u: &[f64], stat: Stat) {
        let end = self.end_of_block(self.chains[chain].drawn);
        let waiting = &mut self.chains[chain];
        waiting.u.extend_from_slice(u);
        waiting.stats.push(stat);
        waiting.drawn += 1;
        if waiting.drawn == end {
            waiting.ends.push_back(at.clone());
        }
    }

    /// Whether every chain has reached the end of the next block.
    pub(super) fn ready(&self) -> bool {
        self.committed < self.total && self.chains.iter().all(|c| !c.ends.is_empty())
    }

    /// Commits the next block; `state` becomes the state at its end.
    pub(super) fn commit(
        &mut self,
        density: &dyn LogDensity,
        settings: &Settings,
        state: &mut State,
        sink: &mut dyn DrawSink,
    ) -> Result<(), SampleError> {
        let first = self.committed;
        let end = self.end_of_block(first);
        let draws = (end - first) as usize;
        let dim = density.dim();
        let gathered: Vec<(&[f64], &[Stat])> = self.chains.iter().map(|c| (&c.u[..], &c.stats[..])).collect();
        let Gathered { unconstrained, constrained, stats } = Gathered::of(density, settings.kind, draws, &gathered);
        for (chain, waiting) in state.chains.iter_mut().zip(&mut self.chains) {
            waiting.u.drain(..draws * dim);
            waiting.stats.drain(..draws);
            if let Some(at_end) = waiting.ends.pop_front() {
                *chain = at_end;
            }
        }
        state.transitions += end - first;
        let block = DrawBlock {
            first_draw: first,
            unconstrained: unconstrained.view(),
            constrained: constrained.view(),
            stats: &stats,
        };
        sink.commit(&block, &state.encode(settings)?).map_err(SampleError::Storage)?;
        self.committed = end;
        Ok(())
    }
}

/// Draws of all chains as a sink takes them.
pub(super) struct Gathered {
    /// `[chain, draw, dim]`
    pub(super) unconstrained: Array3<f64>,
    /// `[chain, draw, size]`
    pub(super) constrained: Array3<f64>,
    /// `[chain, draw]` each
    pub(super) stats: Vec<(&'static str, Array2<f64>)>,
}

impl Gathered {
    /// The first `draws` of every chain, of each its points `[draw × dim]` and what happened there.
    pub(super) fn of(density: &dyn LogDensity, kind: Kind, draws: usize, of_chains: &[(&[f64], &[Stat])]) -> Self {
        let (chains, dim, size) = (of_chains.len(), density.dim(), density.schema().size());
        let mut unconstrained = Array3::zeros((chains, draws, dim));
        let mut constrained = Array3::zeros((chains, draws, size));
        let mut row = vec![0.0; size];
        for (c, (points, _)) in of_chains.iter().enumerate() {
            for (t, u) in points.chunks_exact(dim.max(1)).take(draws).enumerate() {
                let u = ArrayView1::from(u);
                unconstrained.slice_mut(ndarray::s![c, t, ..]).assign(&u);
                density.constrain(u, &mut row);
                constrained.slice_mut(ndarray::s![c, t, ..]).assign(&ArrayView1::from(&row));
            }
        }
        let column =
            |of: &dyn Fn(&Stat) -> f64| Array2::from_shape_fn((chains, draws), |(c, t)| of(&of_chains[c].1[t]));
        let flag = |is: bool| f64::from(u8::from(is));
        let mut stats = vec![
            ("lp", column(&|s| s.lp)),
            ("acceptance_rate", column(&|s| s.acceptance)),
            ("energy", column(&|s| s.energy)),
            ("diverging", column(&|s| flag(s.diverging))),
            ("n_steps", column(&|s| f64::from(s.steps))),
            ("step_size", column(&|s| s.step_size)),
        ];
        match kind {
            Kind::Nuts => {
                stats.push(("tree_depth", column(&|s| f64::from(s.depth))));
                stats.push(("reached_max_treedepth", column(&|s| flag(s.capped))));
            }
            Kind::Chees => stats.push(("reached_max_leapfrogs", column(&|s| flag(s.capped)))),
        }
        Self { unconstrained, constrained, stats }
    }
}

/// Commits a checkpoint without draws, as warm-up does.
pub(super) fn commit_checkpoint(
    density: &dyn LogDensity,
    settings: &Settings,
    state: &State,
    sink: &mut dyn DrawSink,
) -> Result<(), SampleError> {
    let unconstrained = Array3::zeros((settings.chains, 0, density.dim()));
    let constrained = Array3::zeros((settings.chains, 0, density.schema().size()));
    let block = DrawBlock {
        first_draw: state.draws_done(),
        unconstrained: unconstrained.view(),
        constrained: constrained.view(),
        stats: &[],
    };
    sink.commit(&block, &state.encode(settings)?).map_err(SampleError::Storage)
}
