//! Short cycles that learn: a small run, its diagnostics as a packet, advice, the changes applied, and again; then everything that the
//! configuration says, once, to confirm it.
//!
//! ```text
//! DIR/cycle-01/{run/, packet.json, packet.md, decision.json, prompt.txt, answer.txt}   DIR/cycle-02/…   DIR/tuned.toml
//! ```
//!
//! A cycle whose `decision.json` stands is done and is not repeated: an interrupted tuning goes on where it stopped. Nothing here prints or
//! knows a terminal; nothing here judges a figure, which is `diagnose`'s and `advise`'s business.

mod counsel;
mod cycles;
mod decision;
mod figures;
mod files;
mod http;
mod names;
mod reading;
mod tuned;

pub use counsel::{Counsel, Counselled};
pub use cycles::{Settings, Tuning, Watcher, tune};
pub use decision::{DECISION_VERSION, Decision, Fallback, Next};
pub use figures::packet_of;
pub use files::forget;
pub use http::Http;
pub use names::Names;
pub use tuned::tuned_text;
