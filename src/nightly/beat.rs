//! Keeps a lock while work goes on, and lets the work be heard of: renews the one and calls the other at equal distances.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

use tracing::{error, warn};

use crate::error::Result;

/// What beats.
pub(super) struct Heart<'a> {
    /// From one beat to the next.
    pub(super) every: Duration,
    /// How long a lock lives without a renewal.
    pub(super) lock: Duration,
    /// Renews the lock; false if another took it.
    pub(super) renew: &'a (dyn Fn() -> Result<bool> + Sync),
    /// Gives a sign of life.
    pub(super) tell: &'a (dyn Fn() + Sync),
    /// Hears that the lock was lost.
    pub(super) lose: &'a (dyn Fn() + Sync),
}

impl Heart<'_> {
    /// Does `work` while the heart beats.
    pub(super) fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        let (end, ended) = mpsc::channel::<()>();
        std::thread::scope(|scope| {
            scope.spawn(move || self.beat(&ended));
            let result = work();
            drop(end);
            result
        })
    }

    fn beat(&self, ended: &mpsc::Receiver<()>) {
        let mut renewed_at = Instant::now();
        loop {
            (self.tell)();
            match ended.recv_timeout(self.every) {
                Err(RecvTimeoutError::Timeout) => {}
                _ => return,
            }
            let held = match (self.renew)() {
                Ok(true) => {
                    renewed_at = Instant::now();
                    true
                }
                Ok(false) => false,
                // A lock that cannot be renewed ends by itself, and another may take it.
                Err(why) => {
                    warn!(event = "lock", "the lock could not be renewed: {why}");
                    renewed_at.elapsed() < self.lock
                }
            };
            if !held {
                error!(event = "lock", "the lock was lost: this work stops, and sends nothing home");
                return (self.lose)();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    use crate::error::Error;

    /// Beats until the work ends; returns the result of the work, the signs of life and the losses.
    fn beats(lock_ms: u64, renew: &(dyn Fn() -> Result<bool> + Sync)) -> (u32, u32) {
        let (told, lost) = (AtomicU32::new(0), AtomicU32::new(0));
        let count = |counter: &AtomicU32| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        let heart = Heart {
            every: Duration::from_millis(5),
            lock: Duration::from_millis(lock_ms),
            renew,
            tell: &|| count(&told),
            lose: &|| count(&lost),
        };
        let began = Instant::now();
        heart.during(|| {
            while began.elapsed() < Duration::from_secs(20)
                && told.load(Ordering::Relaxed) < 4
                && lost.load(Ordering::Relaxed) == 0
            {
                std::thread::sleep(Duration::from_millis(1));
            }
        });
        (told.load(Ordering::Relaxed), lost.load(Ordering::Relaxed))
    }

    #[test]
    fn a_heart_beats_until_the_work_ends_or_the_lock_is_lost() {
        let (told, lost) = beats(1000, &|| Ok(true));
        assert!(told >= 4 && lost == 0, "{told} signs, {lost} losses");
        assert_eq!(beats(1000, &|| Ok(false)), (1, 1), "another took it");
        assert_eq!(beats(0, &|| Err(Error::new("no network"))), (1, 1), "it may have ended");
        let (told, lost) = beats(60_000, &|| Err(Error::new("no network")));
        assert!(told >= 4 && lost == 0, "{told} signs, {lost} losses");
    }
}
