//! When warm-up windows close.
//!
//! A schedule is a function of the number of warm-up transitions alone, so that every chain closes a window after the same number of its own
//! transitions and a resumed run finds the same boundaries. What happens at a boundary is `run`'s business.
//!
//! A short opening window leaves the overdispersed starts behind, windows that double learn the metric, a closing window tunes the step
//! size (and trajectory length) to the final metric. The division follows Stan's; the windows can be shorter because they pool chains.

use serde::{Deserialize, Serialize};

/// One window of warm-up, in transitions of each chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Window {
    pub(super) first: u64,
    /// One past the last transition.
    pub(super) end: u64,
    /// Draws from here on are pooled at the window's end.
    pub(super) learn_from: u64,
    /// Whether they move the metric; they always move the reference point.
    pub(super) moves_metric: bool,
}

/// Fewest warm-up transitions for which the metric is touched at all.
const SHORTEST: u64 = 20;

/// The windows of `warmup` transitions, one after another and without a gap.
pub(super) fn windows(warmup: u64) -> Vec<Window> {
    if warmup == 0 {
        return Vec::new();
    }
    if warmup < SHORTEST {
        return vec![Window { first: 0, end: warmup, learn_from: 0, moves_metric: false }];
    }
    let opening = (warmup / 10).clamp(5, 50);
    let closing = (warmup * 3 / 20).clamp(5, 100);
    // The opening window's second half already improves on the curvature at the mode.
    let mut out = vec![Window { first: 0, end: opening, learn_from: opening / 2, moves_metric: true }];
    let slow_end = warmup - closing;
    let (mut first, mut length) = (opening, 25);
    while first < slow_end {
        // A window that would leave less than its successor's length behind swallows the rest.
        let end = if first + 3 * length > slow_end { slow_end } else { first + length };
        out.push(Window { first, end, learn_from: first, moves_metric: true });
        first = end;
        length *= 2;
    }
    out.push(Window { first: slow_end, end: warmup, learn_from: slow_end, moves_metric: false });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_cover_every_transition_once() {
        for warmup in 0..2500 {
            let windows = windows(warmup);
            let mut at = 0;
            for w in &windows {
                assert_eq!(w.first, at, "gap in {warmup}");
                assert!(w.end > w.first && w.learn_from >= w.first && w.learn_from < w.end, "{w:?} in {warmup}");
                at = w.end;
            }
            assert_eq!(at, warmup);
            assert!(windows.last().is_none_or(|w| !w.moves_metric), "the last window must not move the metric");
        }
    }

    #[test]
    fn a_thousand_transitions_double_as_planned() {
        let ends: Vec<u64> = windows(1000).iter().map(|w| w.end).collect();
        assert_eq!(ends, [50, 75, 125, 225, 425, 900, 1000]);
    }
}
