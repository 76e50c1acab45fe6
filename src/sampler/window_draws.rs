//! The draws of one warm-up window, where they are kept: they wait here until the window closes and are committed with the state at its
//! end. Whether anyone stores them is the sink's business.

use super::block::{Gathered, Stat, commit_checkpoint};
use super::checkpoint::State;
use super::warmup::Window;
use super::whitening::Whitening;
use super::{SampleError, Settings};
use crate::target::{DrawBlock, DrawSink, LogDensity};

/// Draws of one window; nothing where warm-up is not kept.
pub(super) struct WindowDraws {
    /// Of each chain its points `[draw × dim]`, and what happened there; no chains where warm-up is not kept.
    chains: Vec<(Vec<f64>, Vec<Stat>)>,
}

impl WindowDraws {
    pub(super) fn new(settings: &Settings) -> Self {
        let chains = if settings.save_warmup { settings.chains } else { 0 };
        Self { chains: (0..chains).map(|_| (Vec::new(), Vec::new())).collect() }
    }

    /// Takes in where a chain stands after a transition: `q` in the coordinates of `whitening`.
    pub(super) fn push(&mut self, chain: usize, q: &[f64], whitening: Option<&Whitening>, stat: impl FnOnce() -> Stat) {
        let Some((points, stats)) = self.chains.get_mut(chain) else { return };
        let start = points.len();
        points.extend_from_slice(q);
        if let Some(whitening) = whitening {
            whitening.leave(q, &mut points[start..]);
        }
        stats.push(stat());
    }

    /// Commits the window with `state`, the state at its end.
    pub(super) fn commit(
        self,
        density: &dyn LogDensity,
        settings: &Settings,
        window: &Window,
        state: &State,
        sink: &mut dyn DrawSink,
    ) -> Result<(), SampleError> {
        if self.chains.is_empty() {
            return commit_checkpoint(density, settings, state, sink);
        }
        let of_chains: Vec<(&[f64], &[Stat])> = self.chains.iter().map(|(u, stats)| (&u[..], &stats[..])).collect();
        let draws = (window.end - window.first) as usize;
        let gathered = Gathered::of(density, settings.kind, draws, &of_chains);
        let block = DrawBlock {
            first_draw: window.first,
            unconstrained: gathered.unconstrained.view(),
            constrained: gathered.constrained.view(),
            stats: &gathered.stats,
        };
        sink.commit_warmup(&block, &state.encode(settings)?).map_err(SampleError::Storage)
    }
}
