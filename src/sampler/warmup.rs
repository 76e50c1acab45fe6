//! When warm-up windows close, and when warm-up ends.
//!
//! A window is a function of the most warm-up transitions allowed, of where the last one closed, and of whether anything was left to learn
//! then. All three are in the checkpoint, so that every chain closes a window after the same number of its own transitions and a resumed
//! run finds the same boundaries. What happens at a boundary is `run`'s business; whether everything has settled is judged by `settled`.
//!
//! A short opening window leaves the overdispersed starts behind, windows that double learn the metric, a closing window tunes the step
//! size (and trajectory length) to the final metric. The division follows Stan's; the windows are shorter because they pool chains and
//! because the coordinates are already those of the mode.

use serde::{Deserialize, Serialize};

/// One window of warm-up, in transitions of each chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Window {
    pub(super) first: u64,
    /// One past the last transition.
    pub(super) end: u64,
    /// Draws from here on are pooled at the window's end.
    pub(super) learn_from: u64,
    /// Whether they move the metric; they always move the reference point.
    pub(super) moves_metric: bool,
    /// Whether warm-up is over when it closes.
    pub(super) last: bool,
}

/// How far warm-up has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Progress {
    /// Length of the last window that moved the metric; 0 before the first.
    pub(super) length: u64,
    /// Nothing was left to learn when the last window closed: the next one is the closing window.
    pub(super) settled: bool,
    /// Transitions of warm-up, once it is over.
    pub(super) used: Option<u64>,
}

/// Fewest warm-up transitions for which the metric is touched at all.
const SHORTEST: u64 = 20;
/// The opening window, at most.
const OPENING: u64 = 24;
/// The first window after it.
const FIRST: u64 = 28;
/// The closing window, at most.
const CLOSING: u64 = 50;

/// The window that begins after `done` transitions, of at most `most`; none when warm-up is over.
pub(super) fn next(most: u64, done: u64, progress: Progress) -> Option<Window> {
    if done >= most || progress.used.is_some() {
        return None;
    }
    let window = |end: u64, learn_from: u64, moves_metric: bool, last: bool| {
        Some(Window { first: done, end, learn_from, moves_metric, last })
    };
    if most < SHORTEST {
        return window(most, done, false, true);
    }
    let (opening, closing) = ((most / 10).clamp(5, OPENING), (most * 3 / 20).clamp(5, CLOSING));
    let slow_end = most - closing;
    if progress.settled || done >= slow_end {
        return window((done + closing).min(most), done, false, true);
    }
    if done == 0 {
        // Its second half already improves on the curvature at the mode.
        return window(opening, opening / 2, true, false);
    }
    let length = if progress.length <= OPENING { FIRST } else { 2 * progress.length };
    // A window that would leave less than its successor's length behind swallows the rest.
    window(if done + 3 * length > slow_end { slow_end } else { done + length }, done, true, false)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every window of a warm-up that settles after `settles` windows.
    fn all(most: u64, settles: usize) -> Vec<Window> {
        let (mut progress, mut done, mut out) = (Progress::default(), 0, Vec::new());
        while let Some(w) = next(most, done, progress) {
            out.push(w);
            done = w.end;
            progress.length = w.end - w.first;
            progress.settled = out.len() >= settles;
            progress.used = w.last.then_some(done);
        }
        out
    }

    #[test]
    fn windows_cover_every_transition_once() {
        for most in 0..2500 {
            for settles in [1, 2, 4, usize::MAX] {
                let windows = all(most, settles);
                let mut at = 0;
                for w in &windows {
                    assert_eq!(w.first, at, "gap in {most}");
                    assert!(w.end > w.first && w.learn_from >= w.first && w.learn_from < w.end, "{w:?} in {most}");
                    assert_eq!(w.last, w.end == windows[windows.len() - 1].end, "{w:?} in {most}");
                    at = w.end;
                }
                assert!(at == most || (at < most && settles < usize::MAX), "{at} of {most}");
                assert!(windows.last().is_none_or(|w| !w.moves_metric), "the last window must not move the metric");
            }
        }
    }

    #[test]
    fn windows_double_until_nothing_is_left_to_learn() {
        let ends = |settles| -> Vec<u64> { all(1000, settles).iter().map(|w| w.end).collect() };
        assert_eq!(ends(usize::MAX), [24, 52, 108, 220, 444, 950, 1000]);
        assert_eq!(ends(2), [24, 52, 102]);
    }
}
