//! A lock that others can see and that ends by itself: a small object, changed only on condition that nobody else changed it.
//!
//! Whoever asks says what time it is. Clocks of two machines may differ: let a lease be minutes longer than they ever do.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{Cloud, Place, Storage, Tag, When, Written};
use crate::error::{Error, Result};

/// Who holds a lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Holder {
    /// The machine's name.
    pub host: String,
    /// The process there.
    pub pid: u32,
    /// Since when.
    pub since: DateTime<Utc>,
    /// What it does, in a few words.
    pub what: String,
}

/// A lease that is held.
#[derive(Debug)]
pub struct Lease {
    place: Place,
    holder: Holder,
    length: Duration,
    tag: Tag,
    dead: Option<Holder>,
}

/// What came of asking for a lease.
#[derive(Debug)]
pub enum Taken {
    /// It is the caller's.
    Mine(Lease),
    /// Another holds it until then.
    Held(Holder, DateTime<Utc>),
}

/// The object itself.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Record {
    schema_version: u32,
    holder: Holder,
    expires: DateTime<Utc>,
    released: bool,
}

impl Lease {
    /// Takes the lease if it is free: never taken, released, or expired at `now`.
    ///
    /// # Errors
    /// A store that does not answer or refuses; an object at that place that is no lease.
    pub fn take(
        storage: &Storage,
        place: &Place,
        holder: &Holder,
        length: Duration,
        now: DateTime<Utc>,
    ) -> Result<Taken> {
        loop {
            let there = storage.read(place)?;
            let mut dead = None;
            let when = match &there {
                None => When::IfAbsent,
                Some((bytes, tag)) => {
                    let record = read(bytes, place)?;
                    if !record.released && record.expires > now && record.holder != *holder {
                        return Ok(Taken::Held(record.holder, record.expires));
                    }
                    dead = (!record.released && record.holder != *holder).then_some(record.holder);
                    When::IfUnchanged(tag.clone())
                }
            };
            let bytes = write(holder, now + length, false, place)?;
            match storage.write(place, &bytes, when)? {
                Written::Done(tag) => {
                    return Ok(Taken::Mine(Self { place: place.clone(), holder: holder.clone(), length, tag, dead }));
                }
                // Another was faster: it holds the lease now, or has given it back already.
                Written::Refused => {}
            }
        }
    }

    /// Holds it for its length from `now` on; false if it was lost to another.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub fn renew(&mut self, storage: &Storage, now: DateTime<Utc>) -> Result<bool> {
        let bytes = write(&self.holder, now + self.length, false, &self.place)?;
        match storage.write(&self.place, &bytes, When::IfUnchanged(self.tag.clone()))? {
            Written::Done(tag) => {
                self.tag = tag;
                Ok(true)
            }
            Written::Refused => Ok(false),
        }
    }

    /// Gives it back at `now`, unless it was lost to another meanwhile. The object stays, and says who held it last.
    ///
    /// # Errors
    /// A store that does not answer or refuses.
    pub fn release(self, storage: &Storage, now: DateTime<Utc>) -> Result<()> {
        let bytes = write(&self.holder, now, true, &self.place)?;
        storage.write(&self.place, &bytes, When::IfUnchanged(self.tag)).map(drop)
    }

    /// Who held it before, and let it expire.
    pub fn taken_from(&self) -> Option<&Holder> {
        self.dead.as_ref()
    }

    /// Who holds it: the caller of [`Lease::take`].
    pub fn holder(&self) -> &Holder {
        &self.holder
    }
}

fn read(bytes: &[u8], place: &Place) -> Result<Record> {
    serde_json::from_slice(bytes).map_err(|e| {
        let remove = match place {
            Place::Remote(remote) if remote.cloud == Cloud::Google => format!("gcloud storage rm {place}"),
            Place::Remote(_) => format!("aws s3 rm {place}"),
            Place::Local(path) => format!("rm {}", path.display()),
        };
        Error::new("the lock cannot be read: it is damaged, or of another version of longrun")
            .at(place)
            .advice(format!("make sure that nothing works on the project, then remove the lock: {remove}"))
            .because(e)
    })
}

fn write(holder: &Holder, expires: DateTime<Utc>, released: bool, place: &Place) -> Result<Vec<u8>> {
    let record = Record { schema_version: 1, holder: holder.clone(), expires, released };
    serde_json::to_vec_pretty(&record).map_err(|e| Error::new("could not write as JSON").at(place).because(e))
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::storage::StorageSettings;

    pub(in crate::storage) fn holder(host: &str) -> Holder {
        Holder { host: host.into(), pid: 7, since: at(0), what: "nightly".into() }
    }

    pub(in crate::storage) fn at(minute: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_790_000_000 + 60 * minute, 0).unwrap()
    }

    /// Two machines and one lease: what holds of a folder holds of a bucket, whose tests call this too.
    pub(in crate::storage) fn two_holders(storage: &Storage, place: &Place) {
        let length = Duration::from_secs(600);
        let take = |who: &str, minute| Lease::take(storage, place, &holder(who), length, at(minute)).unwrap();
        let Taken::Mine(mut first) = take("a", 0) else { panic!("nobody held it") };
        let Taken::Held(by, until) = take("b", 9) else { panic!("a holds it") };
        assert_eq!((by.host.as_str(), until), ("a", at(10)));
        assert!(first.renew(storage, at(8)).unwrap(), "it is a's still");
        assert!(matches!(take("b", 17), Taken::Held(_, until) if until == at(18)));
        // a died: at its end the lease is anybody's, and a learns of it.
        let Taken::Mine(second) = take("b", 18) else { panic!("it expired") };
        assert_eq!((first.taken_from(), second.taken_from().map(|a| a.host.as_str())), (None, Some("a")));
        assert!(!first.renew(storage, at(19)).unwrap(), "it is b's");
        first.release(storage, at(20)).unwrap();
        assert!(matches!(take("a", 20), Taken::Held(by, _) if by.host == "b"), "what a gives back is not b's");
        second.release(storage, at(21)).unwrap();
        assert!(matches!(take("a", 21), Taken::Mine(_)), "b gave it back");
        // Whoever died after the write and before its answer asks again.
        assert!(matches!(take("a", 22), Taken::Mine(_)));
    }

    #[test]
    fn a_lease_is_held_by_one_and_ends_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::from(dir.path()).join("locks/nightly.json");
        two_holders(&Storage::new(StorageSettings::default()), &place);
    }

    #[test]
    fn a_damaged_lock_says_how_it_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, place) = (Storage::new(StorageSettings::default()), Place::from(dir.path()).join("lock"));
        storage.write(&place, b"{", When::Always).unwrap();
        let taken = Lease::take(&storage, &place, &holder("a"), Duration::from_secs(60), at(0));
        let said = taken.unwrap_err().to_string();
        assert!(said.contains("the lock cannot be read") && said.contains(&format!("rm {place}")), "{said}");
    }

    #[test]
    fn of_many_at_once_one_holds_it() {
        let dir = tempfile::tempdir().unwrap();
        let (storage, place) = (Storage::new(StorageSettings::default()), Place::from(dir.path()).join("lock"));
        let mine: usize = std::thread::scope(|scope| {
            let take = |ix: usize| {
                let taken =
                    Lease::take(&storage, &place, &holder(&format!("host {ix}")), Duration::from_secs(60), at(0));
                usize::from(matches!(taken.unwrap(), Taken::Mine(_)))
            };
            let all: Vec<_> = (0..8).map(|ix| scope.spawn(move || take(ix))).collect();
            all.into_iter().map(|one| one.join().unwrap()).sum()
        });
        assert_eq!(mine, 1);
    }
}
