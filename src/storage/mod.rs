//! Files where they live: on this machine, or in a bucket at `gs://` or `s3://`. Lists, reads, writes, fetches and sends them; a lock
//! with an expiry ([`Lease`]); a folder kept in a bucket ([`Home`]).
//!
//! Everything here is called and answers: what waits on a network does so inside this room. Each call is tried again with growing
//! pauses, up to a limit, where a second try may help, and fails at once, with what to do, where it cannot. Nothing here knows what a
//! file means, and none of its decisions asks a clock: who knows the time passes it.

#[cfg(feature = "cloud")]
#[path = "cloud/mod.rs"]
mod buckets;
#[cfg(not(feature = "cloud"))]
#[path = "no_cloud.rs"]
mod buckets;
mod expand;
mod home;
mod hurry;
mod lease;
mod local;
mod manifest;
mod place;
mod settings;
mod store;

pub use home::{Home, Moved, Standing};
pub use hurry::hurry;
pub use lease::{Holder, Lease, Taken};
pub use place::{Cloud, Place, RemotePlace, is_address};
pub use settings::StorageSettings;
pub use store::{Listed, Sent, Storage, Tag, When, Written};

#[cfg(all(test, feature = "cloud"))]
mod tests;
