//! What SIGTERM and SIGINT (Ctrl-C) mean to a command: while it fits, the first asks it to stop where nothing is lost, and the second ends
//! it. Whatever else it does, the first ends it, as everywhere. (Nights have a grace period of their own: `nightly`.)

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

#[derive(Default)]
struct Signals {
    asked: Arc<AtomicBool>,
    /// Whether the next signal ends the process.
    ends: Arc<AtomicBool>,
}

/// Listens from the first call on. Where that cannot be, signals end the process.
fn signals() -> &'static Signals {
    static SIGNALS: OnceLock<Signals> = OnceLock::new();
    SIGNALS.get_or_init(|| {
        let signals = Signals::default();
        signals.ends.store(true, Ordering::Relaxed);
        let _ = listen(&signals);
        signals
    })
}

fn listen(signals: &Signals) -> io::Result<()> {
    for signal in [SIGTERM, SIGINT] {
        // In this order: the signal that asks makes the next one end.
        flag::register_conditional_default(signal, Arc::clone(&signals.ends))?;
        flag::register(signal, Arc::clone(&signals.asked))?;
        flag::register(signal, Arc::clone(&signals.ends))?;
    }
    Ok(())
}

/// Says whether the work under way looks now and then whether it was [`asked`] to stop.
pub(super) fn work_listens(listens: bool) {
    let signals = signals();
    signals.ends.store(!listens || asked(), Ordering::Relaxed);
}

/// Whether the command was asked to stop.
pub(super) fn asked() -> bool {
    signals().asked.load(Ordering::Relaxed)
}
