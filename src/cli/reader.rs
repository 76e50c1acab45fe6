//! `longrun … | head` closes standard output early: that is the end of what is read, not a fault of the program.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};

use super::Ending;
use crate::error::Result;

/// Whether there is work to finish after the printing.
static WORK_IS_LEFT: AtomicBool = AtomicBool::new(false);

/// From now on the process ends quietly when nobody reads any more.
pub(super) fn quiet_when_gone() {
    let told = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !is_about_the_reader(panic.payload()) {
            told(panic);
        } else if !WORK_IS_LEFT.load(Ordering::Relaxed) {
            std::process::exit(0);
        }
    }));
}

/// Does work that prints, and comes back although nobody reads: what it did is still to be sent somewhere.
pub(super) fn read_or_not(work: impl FnOnce() -> Result<Ending>) -> Result<Ending> {
    WORK_IS_LEFT.store(true, Ordering::Relaxed);
    let ending = match catch_unwind(AssertUnwindSafe(work)) {
        Ok(ending) => ending,
        Err(panic) if is_about_the_reader(panic.as_ref()) => Ok(Ending::Healthy),
        Err(panic) => resume_unwind(panic),
    };
    WORK_IS_LEFT.store(false, Ordering::Relaxed);
    ending
}

fn is_about_the_reader(panic: &(dyn Any + Send)) -> bool {
    let message = panic.downcast_ref::<String>();
    message.is_some_and(|m| m.starts_with("failed printing to stdout") && m.contains("Broken pipe"))
}
