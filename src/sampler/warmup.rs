//! When warm-up windows close, and when warm-up ends.
//!
//! A window is a function of the most warm-up transitions allowed, of where the last one closed, and of whether anything was left to learn
//! then. All three are in the checkpoint, so that every chain closes a window after the same number of its own transitions and a resumed
//! run finds the same boundaries. What happens at a boundary is `run`'s business; whether everything has settled is judged by `settled`.
//!
//! A short opening window leaves the overdispersed starts behind, windows that double learn the metric, a closing window tunes the step
//! size (and trajectory length) to the final metric. The division follows Stan's; the windows are shorter because they pool chains and
//! because the coordinates are already those of the mode.
//!
//! A run that began warm has neither an overdispersed start to leave nor a metric to find. Its first window *recognises*: it asks whether
//! what was handed over still holds, tunes the step size meanwhile, and is the whole of warm-up if the answer is yes. If it is no, windows
//! follow as they do after a cold start.

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
    /// Whether warm-up is over when it closes and nothing has moved from where it was handed over.
    pub(super) recognises: bool,
}

impl Window {
    /// Whether a divergence under `step_size` is a doubt about the metric, when `began` was the step size at the window's beginning. Under a
    /// longer one than was handed over it only says that such a step is too long, which is what the window finds out anyway.
    pub(super) fn counts(&self, step_size: f64, began: f64) -> bool {
        !self.recognises || step_size <= began
    }
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
/// The window that recognises, at least: after the first quarter twenty-four transitions of each chain are looked at.
const RECOGNISING: u64 = 32;

/// Length of the first window of a run that began warm, in which `chains` show what was handed over in `draws` draws or more.
pub(super) fn recognising(chains: usize, draws: f64) -> u64 {
    let looked_at = (draws / chains.max(1) as f64).ceil() as u64;
    (looked_at + looked_at.div_ceil(3)).max(RECOGNISING)
}

/// The window that begins after `done` transitions, of at most `most`; none when warm-up is over. `recognising` is the length of the first
/// one of a run that began warm.
pub(super) fn next(most: u64, done: u64, progress: Progress, recognising: Option<u64>) -> Option<Window> {
    if done >= most || progress.used.is_some() {
        return None;
    }
    let window = |end: u64, learn_from: u64, moves_metric: bool, last: bool| {
        Some(Window { first: done, end, learn_from, moves_metric, last, recognises: false })
    };
    if most < SHORTEST {
        return window(most, done, false, true);
    }
    let (opening, closing) = ((most / 10).clamp(5, OPENING), (most * 3 / 20).clamp(5, CLOSING));
    let slow_end = most - closing;
    if progress.settled || done >= slow_end {
        return window((done + closing).min(most), done, false, true);
    }
    if let (0, Some(length)) = (done, recognising) {
        let end = length.min(slow_end);
        return window(end, end / 4, true, false).map(|window| Window { recognises: true, ..window });
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
    fn all(most: u64, settles: usize, recognising: Option<u64>) -> Vec<Window> {
        let (mut progress, mut done, mut out) = (Progress::default(), 0, Vec::new());
        while let Some(w) = next(most, done, progress, recognising) {
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
            let cases =
                [1, 2, 4, usize::MAX].map(|settles| [(settles, None), (settles, Some(32)), (settles, Some(400))]);
            for (settles, recognising) in cases.into_iter().flatten() {
                let windows = all(most, settles, recognising);
                let mut at = 0;
                for w in &windows {
                    assert_eq!(w.first, at, "gap in {most}");
                    assert!(w.end > w.first && w.learn_from >= w.first && w.learn_from < w.end, "{w:?} in {most}");
                    assert_eq!(w.last, w.end == windows[windows.len() - 1].end, "{w:?} in {most}");
                    at = w.end;
                }
                assert!(at == most || (at < most && settles < usize::MAX), "{at} of {most}");
                assert!(windows.iter().skip(1).all(|w| !w.recognises));
                assert!(windows.last().is_none_or(|w| !w.moves_metric), "the last window must not move the metric");
            }
        }
    }

    #[test]
    fn windows_double_until_nothing_is_left_to_learn() {
        let ends = |settles| -> Vec<u64> { all(1000, settles, None).iter().map(|w| w.end).collect() };
        assert_eq!(ends(usize::MAX), [24, 52, 108, 220, 444, 950, 1000]);
        assert_eq!(ends(2), [24, 52, 102]);
    }

    /// What was handed over is looked at for as long as its size asks; where it does not hold, windows double from there.
    #[test]
    fn a_warm_start_is_recognised_or_windows_follow() {
        assert_eq!([recognising(4, 60.0), recognising(4, 300.0), recognising(64, 300.0)], [32, 100, 32]);
        let ends = |settles| -> Vec<u64> { all(1000, settles, Some(32)).iter().map(|w| w.end).collect() };
        assert_eq!(ends(1), [32, 82]);
        assert_eq!(ends(usize::MAX), [32, 96, 224, 950, 1000]);
        let first = all(1000, 1, Some(32))[0];
        assert!(first.recognises && first.learn_from == 8 && !first.last);
        let later = all(1000, 2, Some(32))[1];
        assert!([first.counts(0.9, 1.0), first.counts(1.1, 1.0), later.counts(1.1, 1.0)] == [true, false, true]);
    }
}
