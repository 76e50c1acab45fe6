//! A project that is kept in a bucket, brought to this machine to be worked on: locked there and here, fetched, and sent back.
//!
//! The lock in the bucket keeps machines apart; the lock on the local folder keeps processes of one machine apart, and tells a lock whose
//! holder died here from one whose holder lives.

use std::fs::File;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use tracing::warn;

use super::beat::Heart;
use super::record::{HEARTBEAT_FILE, LOCK_FILE, STATUS_FILE};
use super::whereabouts::Whereabouts;
use crate::error::{Error, Result};
use crate::lifecycle::CONFIG;
use crate::lock::lock_folder;
use crate::storage::{Holder, Home, Lease, Moved, Place, Standing, Storage, Taken, When};

/// Where this machine notes what it knows of a home, and locks it.
const OWN: &str = ".longrun";

/// Whether a file of a project's folder is kept in its home. Data stay where they are; signs of life are no part of a project.
/// The configuration goes its own way: people change it in the bucket, or here.
pub fn is_kept(name: &str) -> bool {
    let hidden = name.split('/').any(|part| part.starts_with('.'));
    let passing = name.split('/').any(|part| part.ends_with(".partial"));
    let told = [CONFIG, HEARTBEAT_FILE, STATUS_FILE, LOCK_FILE].contains(&name);
    !(hidden || passing || told || name.starts_with("data/"))
}

/// Whether a file of a project may be removed from its home by people, or by the bucket's own rules: what snapshots hold of customers.
pub fn may_go(name: &str) -> bool {
    name.starts_with("outputs/") && name.split('/').count() > 2
}

/// A project on this machine, for as long as it is worked on.
#[derive(Debug)]
pub struct Checkout<'a> {
    storage: &'a Storage,
    place: Whereabouts,
    lease: Mutex<Option<Lease>>,
    lost: AtomicBool,
    _lock: File,
}

impl<'a> Checkout<'a> {
    /// Locks the project in its home and its folder here. Nothing is fetched yet.
    ///
    /// # Errors
    /// Another that works on it ([`Error::is_busy`]); a place that cannot be reached or written to.
    pub fn take(storage: &'a Storage, place: &Whereabouts, what: &str, length: Duration) -> Result<Self> {
        let folder = &place.folder;
        let own = folder.join(OWN);
        std::fs::create_dir_all(&own).map_err(|e| Error::io("make the project's folder", folder, e))?;
        let lock = lock_folder(&own)?.ok_or_else(|| {
            Error::new("another longrun process of this machine is working on this project")
                .at(folder.display())
                .advice("nothing was changed; run the command again when it is done")
                .busy()
        })?;
        let what = format!("{what} in {}", folder.display());
        let lease = place.home.as_ref().map(|home| take_lease(storage, home, &what, length)).transpose()?;
        if let Some(dead) = lease.as_ref().and_then(Lease::taken_from) {
            warn!(
                event = "lock",
                "the lock of {} ({}, process {}, since {}), which gave no sign of life, was taken over",
                dead.host,
                dead.what,
                dead.pid,
                at_second(dead.since)
            );
        }
        Ok(Self { storage, place: place.clone(), lease: Mutex::new(lease), lost: AtomicBool::new(false), _lock: lock })
    }

    /// Where signs of life are written.
    pub fn outside(&self) -> Place {
        self.place.home.clone().unwrap_or_else(|| Place::Local(self.place.folder.clone()))
    }

    /// Brings the project here. What this machine did after it sent the project last, and nobody else followed on, is kept.
    ///
    /// # Errors
    /// As [`Home::pull`].
    pub fn fetch(&self, told: &(dyn Fn(u64) + Sync)) -> Result<Moved> {
        let Some(home) = self.home() else { return Ok(Moved::default()) };
        let moved = match home.standing()? {
            Standing::Elsewhere => home.pull(&is_kept, told)?,
            // Nothing is there, or nothing new: what this folder holds beyond it was not sent yet.
            Standing::Nothing => Moved::default(),
            Standing::Stems => Moved { removed: home.let_go(&is_kept)?, ..Moved::default() },
        };
        if !self.place.own_config {
            let path = self.place.folder.join(CONFIG);
            std::fs::write(&path, &self.place.config).map_err(|e| Error::io("write the configuration", &path, e))?;
        }
        Ok(moved)
    }

    /// Sends the project home.
    ///
    /// # Errors
    /// As [`Home::push`].
    pub fn send(&self, told: &(dyn Fn(u64) + Sync)) -> Result<Moved> {
        if self.lost.load(Ordering::Relaxed) {
            return Err(Error::new("the lock was lost to another, and nothing was sent")
                .at(self.outside())
                .advice("run the command again: it begins with what the other left"));
        }
        let Some(home) = self.home() else { return Ok(Moved::default()) };
        let moved = home.push(&is_kept, told)?;
        if self.place.own_config {
            self.storage.write(&self.outside().join(CONFIG), self.place.config.as_bytes(), When::Always)?;
        }
        Ok(moved)
    }

    fn home(&self) -> Option<Home<'a>> {
        let place = self.place.home.clone()?;
        Some(Home::new(self.storage, place, self.place.folder.clone()).letting_go(may_go))
    }

    /// Brings a project here to be looked at, without the lock of its home; returns its folder.
    ///
    /// # Errors
    /// As [`Checkout::take`] and [`Checkout::fetch`].
    pub fn look(storage: &'a Storage, place: &Whereabouts) -> Result<PathBuf> {
        let alone = Whereabouts { home: None, ..place.clone() };
        let mut checkout = Self::take(storage, &alone, "", Duration::ZERO)?;
        checkout.place = place.clone();
        checkout.fetch(&|_| {})?;
        Ok(place.folder.clone())
    }

    /// Does `work` while the lock is kept. Work that outlives its lock fails in the end.
    ///
    /// # Errors
    /// As `work`; a lock that was lost to another.
    pub fn held<T>(&self, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let lock = Duration::from_secs(60 * u64::from(self.place.nightly.lock_minutes));
        let every = Duration::from_secs(self.place.nightly.heartbeat_seconds.into());
        let lose = || self.lost.store(true, Ordering::Relaxed);
        Heart { every, lock, renew: &|| self.renew(), tell: &|| {}, lose: &lose }.during(work)
    }

    /// Keeps the lock; false if another took it.
    ///
    /// # Errors
    /// As [`Lease::renew`].
    pub(super) fn renew(&self) -> Result<bool> {
        match self.lease.lock().unwrap_or_else(PoisonError::into_inner).as_mut() {
            Some(lease) => lease.renew(self.storage, Utc::now()),
            None => Ok(true),
        }
    }

    /// Gives the lock back.
    ///
    /// # Errors
    /// As [`Lease::release`].
    pub fn release(self) -> Result<()> {
        match self.lease.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(lease) => lease.release(self.storage, Utc::now()),
            None => Ok(()),
        }
    }
}

/// Takes the lock of a home. The caller holds the lock of the local folder: a holder of this machine, and this folder, is dead.
fn take_lease(storage: &Storage, home: &Place, what: &str, length: Duration) -> Result<Lease> {
    let place = home.join(LOCK_FILE);
    let now = Utc::now();
    let holder = Holder { host: host(), pid: std::process::id(), since: now, what: what.to_owned() };
    let (other, expires) = match Lease::take(storage, &place, &holder, length, now)? {
        Taken::Mine(lease) => return Ok(lease),
        Taken::Held(other, expires) => (other, expires),
    };
    if other.host == holder.host && other.what == holder.what {
        // As if its time were over already.
        if let Taken::Mine(mut lease) = Lease::take(storage, &place, &holder, length, expires)?
            && lease.renew(storage, now)?
        {
            return Ok(lease);
        }
    }
    Err(Error::new("another process is working on this project")
        .at(&place)
        .seen(format!(
            "{} since {}, {} (process {}); its lock ends at {} unless it is renewed",
            other.host,
            at_second(other.since),
            other.what,
            other.pid,
            at_second(expires)
        ))
        .advice("nothing was changed; run the command again when it is done")
        .busy())
}

fn at_second(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// This machine's name.
pub(super) fn host() -> String {
    let told =
        std::fs::read_to_string("/proc/sys/kernel/hostname").or_else(|_| std::fs::read_to_string("/etc/hostname"));
    let told = told.ok().or_else(|| std::env::var("HOSTNAME").ok()).or_else(|| std::env::var("COMPUTERNAME").ok());
    told.map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_the_project_and_no_more() {
        for name in
            ["state.json", "models/a/run/draws/x.safetensors", "runs/log/transactions/manifest.json", "models/champion"]
        {
            assert!(is_kept(name), "{name}");
        }
        for name in [
            ".lock",
            ".longrun/facts.json",
            "runs/log/.lock",
            "runs/x.partial/a",
            "state.json.partial",
            "data/a.csv",
            "nightly/lock.json",
            "nightly/heartbeat.json",
            "longrun.toml",
        ] {
            assert!(!is_kept(name), "{name}");
        }
    }

    #[test]
    fn snapshots_may_go_and_models_may_not() {
        assert!(may_go("outputs/2026-01-01_pred3m/clv_predictions_2026-01-01_pred3m.parquet"));
        for name in ["outputs/history.json", "models/a/run/draws/manifest.json", "state.json", "ledger.jsonl"] {
            assert!(!may_go(name), "{name}");
        }
    }
}
