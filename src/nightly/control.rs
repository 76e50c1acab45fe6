//! Who may end a night before its end, and how gently: a signal, the deadline, a lock that was lost. What is computed never depends on it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::run::Wish;

/// Why a night stops early.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Halt {
    /// The machine is about to be taken away, or somebody wants it to end.
    Signal,
    /// It has taken as long as it may.
    Deadline,
    /// Another machine holds the lock.
    LockLost,
}

/// What a night listens to.
#[derive(Debug)]
pub struct Control {
    signal: Arc<AtomicBool>,
    lock_lost: AtomicBool,
    deadline: OnceLock<Instant>,
    grace: OnceLock<Duration>,
    heard: OnceLock<(Halt, Instant)>,
}

impl Control {
    /// Listens to a flag that a signal raises.
    pub fn new(signal: Arc<AtomicBool>) -> Self {
        Self {
            signal,
            lock_lost: AtomicBool::new(false),
            deadline: OnceLock::new(),
            grace: OnceLock::new(),
            heard: OnceLock::new(),
        }
    }

    /// Sets how long the night may take, and how long a fit may go on to a place where nothing is lost. The first word counts.
    pub fn allow(&self, time: Option<Duration>, grace: Duration) {
        if let Some(time) = time {
            self.deadline.get_or_init(|| Instant::now() + time);
        }
        self.grace.get_or_init(|| grace);
    }

    /// Tells that another holds the lock.
    pub fn lose_lock(&self) {
        self.lock_lost.store(true, Ordering::Relaxed);
    }

    /// Whether another holds the lock.
    pub fn has_lost_lock(&self) -> bool {
        self.lock_lost.load(Ordering::Relaxed)
    }

    /// Why the night is to stop, if it is.
    pub fn halt(&self) -> Option<Halt> {
        if let Some((halt, _)) = self.heard.get() {
            return Some(*halt);
        }
        let now = Instant::now();
        let halt = if self.has_lost_lock() {
            Halt::LockLost
        } else if self.signal.load(Ordering::Relaxed) {
            Halt::Signal
        } else if self.deadline.get().is_some_and(|end| now >= *end) {
            Halt::Deadline
        } else {
            return None;
        };
        Some(self.heard.get_or_init(|| (halt, now)).0)
    }

    /// What the work is to do now.
    pub fn wish(&self) -> Wish {
        if self.halt().is_none() {
            return Wish::GoOn;
        }
        let patience = self.grace.get().copied().unwrap_or_default();
        let heard = self.heard.get().map_or(Duration::ZERO, |(_, at)| at.elapsed());
        // What another machine may be writing already must not be written here.
        if self.has_lost_lock() || heard >= patience { Wish::StopNow } else { Wish::StopWhenSaved }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_obeyed_gently_and_then_at_once() {
        let flag = Arc::new(AtomicBool::new(false));
        let control = Control::new(Arc::clone(&flag));
        control.allow(Some(Duration::from_secs(3600)), Duration::from_millis(60));
        assert_eq!((control.wish(), control.halt()), (Wish::GoOn, None));
        flag.store(true, Ordering::Relaxed);
        assert_eq!((control.wish(), control.halt()), (Wish::StopWhenSaved, Some(Halt::Signal)));
        std::thread::sleep(Duration::from_millis(80));
        assert_eq!(control.wish(), Wish::StopNow);
        // The first reason stays the reason.
        control.lose_lock();
        assert_eq!(control.halt(), Some(Halt::Signal));
    }

    #[test]
    fn a_deadline_and_a_lost_lock_end_a_night() {
        let control = Control::new(Arc::default());
        control.allow(Some(Duration::ZERO), Duration::from_secs(3600));
        assert_eq!((control.wish(), control.halt()), (Wish::StopWhenSaved, Some(Halt::Deadline)));
        let control = Control::new(Arc::default());
        control.allow(None, Duration::from_secs(3600));
        control.lose_lock();
        assert_eq!((control.wish(), control.halt()), (Wish::StopNow, Some(Halt::LockLost)));
    }
}
