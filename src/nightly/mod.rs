//! An unattended night over a project that may live in a bucket: takes its lock, fetches it, folds in what was bought, fits a model to it,
//! compares that with the champion, does what the calendar says, sends everything home, and tells how it ended.
//!
//! ```text
//! lock ─ fetch ─ summarize ─ refit ─ compare ─ pipeline ─ upload ─ tell
//!   └── signs of life, and the lock's renewal, all the while ──┘
//! ```
//!
//! A night may be cut anywhere. What was written is whole, the next night takes up what it finds, and the models come out as if nothing
//! had happened. Nobody is promoted here. Nothing here knows what a model is, HTML or a terminal.

mod beat;
mod checkout;
mod control;
mod night;
mod record;
mod stages;
mod status;
mod watch;
mod whereabouts;

pub use checkout::{Checkout, is_kept};
pub use control::{Control, Halt};
pub use night::{Request, night};
pub use record::{
    HEARTBEAT_FILE, Heartbeat, LOCK_FILE, NightRecord, Outcome, STATUS_FILE, Stage, StageCost, Worker, night_schema,
};
pub use status::{Health, Report, status};
pub use whereabouts::Whereabouts;
