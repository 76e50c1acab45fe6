//! Whether this process has little time left: a machine that is about to be taken away waits for no store that does not answer.

use std::sync::atomic::{AtomicBool, Ordering};

static HURRY: AtomicBool = AtomicBool::new(false);

/// From now on every call of this process to a store gets a second try at most, and no answer that takes longer than some seconds.
pub fn hurry() {
    HURRY.store(true, Ordering::Relaxed);
}

#[cfg(feature = "cloud")]
pub(super) fn is_hurried() -> bool {
    HURRY.load(Ordering::Relaxed)
}
