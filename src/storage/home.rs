//! A folder kept in a bucket: what is on the local disk and what is there are made equal, as a whole.
//!
//! `.longrun/manifest.json` lists every file with its size and SHA-256, and is the truth. A push
//!
//! 1. sends new files to their own names,
//! 2. and changed ones to `.longrun/pending/<sha256>`;
//! 3. replaces the manifest, on condition that nobody else did: from here on the new state counts;
//! 4. writes the changed ones at their own names, removes what is gone, and what was pending.
//!
//! Cut anywhere, it leaves the whole old state or the whole new one, and whoever pushes or pulls next does what is left of step 4.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::manifest::{Content, FACTS, Facts, INCOMING, MANIFEST, Manifest, OWN_FOLDER, PENDING};
use super::{Listed, Place, Storage, Tag, When, Written, local};
use crate::error::{Error, Result};

/// A folder kept in a bucket. One writer at a time: that is a [`Lease`](super::Lease)'s business.
#[derive(Debug)]
pub struct Home<'a> {
    storage: &'a Storage,
    place: Place,
    folder: PathBuf,
    may_go: fn(&str) -> bool,
    /// Where a test cuts the power.
    #[cfg(test)]
    pub(super) cut_after: std::cell::Cell<Option<Cut>>,
}

/// The moments at which a push may be cut off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cut {
    /// One new file is there.
    OneNew,
    /// All new files are there.
    New,
    /// Changed files are there, pending.
    Pending,
    /// The manifest is replaced.
    Committed,
    /// One changed file is at its own name.
    OneApplied,
    /// All are.
    Applied,
    /// What is gone is removed; what was pending is not.
    Removed,
}

/// What a push or a pull did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files that crossed the network.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files that were the same already, or had arrived before an interruption.
    pub skipped: u64,
    /// Files removed on the receiving side.
    pub removed: u64,
    /// How often the home had been pushed, this time included; 0 where it never was.
    pub pushes: u64,
}

/// How a folder and its home stand to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing was ever pushed there.
    Nothing,
    /// The folder was last equal to the state that is there: what differs was changed here since, and a pull would undo it.
    Stems,
    /// The state there is another's, or newer.
    Elsewhere,
}

/// A content that is not what the manifest says is asked for this often: somebody may be pushing.
const TRIES_OF_A_MOVING_HOME: u32 = 3;

/// S3 copies no larger object by itself: it stays pending, where every pull finds it.
const LARGEST_COPY_BYTES: u64 = 5 << 30;

impl<'a> Home<'a> {
    /// A home at `place` for the local `folder`; neither need exist.
    pub fn new(storage: &'a Storage, place: Place, folder: PathBuf) -> Self {
        Self {
            storage,
            place,
            folder,
            may_go: |_| false,
            #[cfg(test)]
            cut_after: std::cell::Cell::new(None),
        }
    }

    /// Names of files that people, or the bucket's own rules, may remove there: then they are removed here too, and the next push takes them
    /// from the list. Any other file that is missing there is sent again by a folder that has it, and an error for one that has not.
    pub fn letting_go(self, may_go: fn(&str) -> bool) -> Self {
        Self { may_go, ..self }
    }

    /// The local folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// How the folder and the home stand to each other.
    ///
    /// # Errors
    /// As [`Storage::read`].
    pub fn standing(&self) -> Result<Standing> {
        let facts = Facts::read(&self.folder, &self.place);
        let Some((manifest, _)) = Manifest::read(self.storage, &self.place)? else {
            return if facts.knows_of_a_push() { Err(self.list_is_gone()) } else { Ok(Standing::Nothing) };
        };
        Ok(if facts.stems_from(&manifest) { Standing::Stems } else { Standing::Elsewhere })
    }

    /// Lets the next push replace what is there, though the folder does not stem from it.
    ///
    /// # Errors
    /// As [`Storage::read`]; a local disk that is full.
    pub fn take_over(&self) -> Result<()> {
        let mut facts = Facts::read(&self.folder, &self.place);
        let there = Manifest::read(self.storage, &self.place)?;
        facts.equal(&there.map(|(manifest, _)| manifest).unwrap_or_default());
        facts.write(&self.folder)
    }

    /// Makes the local folder equal to the bucket, among files whose names are `wanted`: fetches what differs, removes what the bucket
    /// has no longer. Names have `/` between their parts. `told` hears bytes.
    ///
    /// # Errors
    /// A store that does not answer or refuses; a content that is not what the manifest says; a local disk that is full.
    pub fn pull(&self, wanted: &dyn Fn(&str) -> bool, told: &(dyn Fn(u64) + Sync)) -> Result<Moved> {
        let mut tries = 0;
        loop {
            tries += 1;
            let Some((manifest, _)) = Manifest::read(self.storage, &self.place)? else { return Ok(Moved::default()) };
            // Whoever may only read leaves this to others; what is pending is found below.
            let _ = self.apply(&manifest, Sweep::Nothing);
            match self.pull_state(&manifest, wanted, told) {
                Err(Halted::Moving(_)) if tries < TRIES_OF_A_MOVING_HOME => {}
                Err(Halted::Moving(error) | Halted::Failed(error)) => return Err(error),
                Ok(moved) => return Ok(moved),
            }
        }
    }

    fn pull_state(
        &self,
        manifest: &Manifest,
        wanted: &dyn Fn(&str) -> bool,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<Moved, Halted> {
        let mut facts = Facts::read(&self.folder, &self.place);
        let local = self.local_files(wanted)?;
        let mut moved = Moved { pushes: manifest.pushes, ..Moved::default() };
        let mut differing = Vec::new();
        let there = self.there()?;
        let gone = self.gone(manifest, &there);
        for (name, content) in manifest.files.iter().filter(|(name, _)| wanted(name) && !gone.contains(name)) {
            let same = match local.get(name).filter(|file| file.bytes == content.bytes) {
                Some(file) => facts.content(&self.folder, file)?.sha256 == content.sha256,
                None => false,
            };
            if same { moved.skipped += 1 } else { differing.push((name, content)) }
        }
        // Everything is here before anything is put into place.
        let mut begun = 0;
        for (name, content) in &differing {
            let incoming = self.incoming(content);
            let is_here = local::look(&incoming)?.is_some_and(|file| file.bytes == content.bytes);
            if !is_here || local::sha256(&incoming)? != content.sha256 {
                let so_far = |bytes: u64| told(begun + bytes);
                self.bring(name, content, &there, &incoming, &so_far)?;
                moved.bytes += content.bytes;
                moved.files += 1;
            } else {
                moved.skipped += 1;
            }
            begun += content.bytes;
        }
        for name in local.keys().filter(|name| !manifest.files.contains_key(*name)) {
            local::remove(&self.folder.join(name))?;
            moved.removed += 1;
        }
        moved.removed += self.remove_here(&gone, wanted)?;
        for (name, content) in &differing {
            let path = self.folder.join(name);
            local::make_parent(&path)?;
            let incoming = self.incoming(content);
            // Two files may hold the same.
            let again = differing.iter().filter(|(_, other)| other.sha256 == content.sha256).count() > 1;
            let put = || if again { fs::copy(&incoming, &path).map(drop) } else { fs::rename(&incoming, &path) };
            put().map_err(|e| Error::io("put a download into place", &path, e))?;
            facts.stands(&self.folder, name, &content.sha256);
        }
        let incoming = self.folder.join(INCOMING);
        if incoming.exists() {
            fs::remove_dir_all(&incoming).map_err(|e| Error::io("remove old downloads", &incoming, e))?;
        }
        facts.equal(manifest);
        facts.write(&self.folder)?;
        Ok(moved)
    }

    fn incoming(&self, content: &Content) -> PathBuf {
        self.folder.join(INCOMING).join(&content.sha256)
    }

    /// Fetches a content from where it is pending, or from its own name.
    fn bring(
        &self,
        name: &str,
        content: &Content,
        there: &BTreeMap<String, Listed>,
        incoming: &Path,
        told: &(dyn Fn(u64) + Sync),
    ) -> Result<(), Halted> {
        let pending = format!("{PENDING}/{}", content.sha256);
        let found = there.get(&pending).or_else(|| there.get(name));
        let wrong = |seen: String, advice: &str| {
            Halted::Moving(
                Error::new(format!("{name} is not what the list of files says"))
                    .at(&self.place)
                    .seen(seen)
                    .advice(advice),
            )
        };
        let other = "unless somebody is writing there: restore its older version; or remove it there, and run the command again on the \
                     machine that made it";
        let missing = "restore its older version, or run the command again on the machine that made it";
        let Some(found) = found else { return Err(wrong("no such object".to_owned(), missing)) };
        if found.bytes != content.bytes {
            return Err(wrong(format!("{} bytes, not {}", found.bytes, content.bytes), other));
        }
        self.storage.fetch(found, incoming, told)?;
        let sha256 = local::sha256(incoming)?;
        if sha256 != content.sha256 {
            local::remove(incoming)?;
            return Err(wrong(format!("SHA-256 {sha256}, not {}", content.sha256), other));
        }
        Ok(())
    }

    /// Makes the bucket equal to the local folder, among files whose names are `kept`; others are neither sent nor removed there.
    ///
    /// # Errors
    /// A store that does not answer or refuses; another writer meanwhile, which [`Error::is_busy`] tells.
    pub fn push(&self, kept: &dyn Fn(&str) -> bool, told: &(dyn Fn(u64) + Sync)) -> Result<Moved> {
        let before = Manifest::read(self.storage, &self.place)?;
        let mut facts = Facts::read(&self.folder, &self.place);
        if before.is_none() && facts.knows_of_a_push() {
            return Err(self.list_is_gone());
        }
        if let Some((manifest, _)) = &before {
            if !facts.stems_from(manifest) {
                return Err(self.another_wrote());
            }
            self.apply(manifest, Sweep::Removed)?;
        }
        let there = self.there()?;
        if let Some((manifest, _)) = &before {
            self.remove_here(&self.gone(manifest, &there), kept)?;
        }
        let (old, tag) = before.map_or((None, None), |(manifest, tag)| (Some(manifest), Some(tag)));
        let new = self.next(old.as_ref(), kept, &mut facts)?;
        facts.write(&self.folder)?;
        let old = old.unwrap_or_default();
        let mut moved = Moved { pushes: old.pushes, ..Moved::default() };
        let sending = Sending { there, told, facts: &mut facts, moved: &mut moved };
        let changed = self.send_all(&old, &new, sending)?;
        if new.files == old.files && tag.is_some() {
            facts.equal(&old);
            facts.write(&self.folder)?;
            return Ok(moved);
        }
        self.reached(Cut::Pending)?;
        self.commit(&new, tag, &mut facts)?;
        self.reached(Cut::Committed)?;
        moved.pushes = new.pushes;
        moved.removed = new.removed.len() as u64;
        facts.equal(&new);
        facts.write(&self.folder)?;
        // A pull of another that found the same content pending for another file may have done away with it.
        let pending = self.storage.list(&self.place.join(PENDING))?;
        for (name, content) in changed {
            if !pending.iter().any(|entry| entry.name == content.sha256) {
                self.storage.send(&self.folder.join(name), &self.place.join(name), told)?;
            }
        }
        self.apply(&new, Sweep::All)?;
        Ok(moved)
    }

    fn list_is_gone(&self) -> Error {
        let memory = self.folder.join(FACTS);
        Error::new("the list of what is kept here is gone: this folder remembers that there was one")
            .at(self.place.join(MANIFEST))
            .advice(format!(
                "restore an older version of it, where the bucket keeps them; or, to send this folder as it is, remove {}",
                memory.display()
            ))
    }

    /// Removes here what was removed there, and may be, among files whose names are `wanted`. Returns how many there were.
    ///
    /// # Errors
    /// As [`Storage::list`].
    pub fn let_go(&self, wanted: &dyn Fn(&str) -> bool) -> Result<u64> {
        let Some((manifest, _)) = Manifest::read(self.storage, &self.place)? else { return Ok(0) };
        self.remove_here(&self.gone(&manifest, &self.there()?), wanted)
    }

    fn remove_here(&self, gone: &BTreeSet<&String>, wanted: &dyn Fn(&str) -> bool) -> Result<u64> {
        let mut removed = 0;
        for path in gone.iter().filter(|name| wanted(name)).map(|name| self.folder.join(name)) {
            removed += u64::from(path.exists());
            local::remove(&path)?;
            // A folder that is empty now goes too; one that is not stays, and that is no error.
            let _ = path.parent().map(fs::remove_dir);
        }
        Ok(removed)
    }

    /// Files of the list that were removed there, and may be.
    fn gone<'m>(&self, manifest: &'m Manifest, there: &BTreeMap<String, Listed>) -> BTreeSet<&'m String> {
        let is_there = |name: &str, content: &Content| {
            there.contains_key(name) || there.contains_key(&format!("{PENDING}/{}", content.sha256))
        };
        let gone = manifest.files.iter().filter(|(name, content)| (self.may_go)(name) && !is_there(name, content));
        gone.map(|(name, _)| name).collect()
    }

    fn another_wrote(&self) -> Error {
        Error::new("another process wrote there since, and its state stands")
            .at(&self.place)
            .advice("let one write at a time; what was made here is in the local folder still")
            .busy()
    }

    /// The state that the folder would have the home in.
    fn next(&self, old: Option<&Manifest>, kept: &dyn Fn(&str) -> bool, facts: &mut Facts) -> Result<Manifest> {
        let mut files = BTreeMap::new();
        for (name, file) in self.local_files(kept)? {
            files.insert(name, facts.content(&self.folder, &file)?);
        }
        let mut removed = Vec::new();
        for (name, content) in old.map(|old| &old.files).into_iter().flatten() {
            if !kept(name) {
                files.insert(name.clone(), content.clone());
            } else if !files.contains_key(name) {
                removed.push(name.clone());
            }
        }
        Ok(Manifest { schema_version: 1, pushes: old.map_or(0, |old| old.pushes) + 1, files, removed })
    }

    /// Steps 1 and 2: the changed files.
    fn send_all<'m>(
        &self,
        old: &Manifest,
        new: &'m Manifest,
        mut sending: Sending<'_>,
    ) -> Result<Vec<(&'m String, &'m Content)>> {
        let (same, other): (Vec<_>, Vec<_>) =
            new.files.iter().partition(|(name, content)| old.files.get(*name) == Some(content));
        let (fresh, changed): (Vec<_>, Vec<_>) =
            other.into_iter().partition(|(name, _)| !old.files.contains_key(*name));
        for (name, content) in same {
            // Somebody removed it there, or wrote over it.
            let whole = sending.there.get(name).is_some_and(|there| there.bytes == content.bytes);
            let here = self.folder.join(name).exists();
            self.send(name, content, name, whole || !here, &mut sending)?;
        }
        for (ix, (name, content)) in fresh.into_iter().enumerate() {
            let there = sending.there.get(name);
            let arrived = there.is_some_and(|there| sending.facts.arrived(name, &content.sha256, &there.tag));
            self.send(name, content, name, arrived, &mut sending)?;
            if ix == 0 {
                self.reached(Cut::OneNew)?;
            }
        }
        self.reached(Cut::New)?;
        let mut sent = BTreeSet::new();
        for (name, content) in &changed {
            let pending = format!("{PENDING}/{}", content.sha256);
            // Its name says what it holds, and objects appear whole.
            let there = sending.there.get(&pending).is_some_and(|there| there.bytes == content.bytes);
            let known = there || !sent.insert(pending.clone());
            self.send(name, content, &pending, known, &mut sending)?;
        }
        Ok(changed)
    }

    fn send(&self, name: &str, content: &Content, to: &str, is_there: bool, sending: &mut Sending<'_>) -> Result<()> {
        if is_there {
            sending.moved.skipped += 1;
            return Ok(());
        }
        let begun = sending.moved.bytes;
        let path = self.folder.join(name);
        let sent = self.storage.send(&path, &self.place.join(to), &|bytes| (sending.told)(begun + bytes))?;
        if sent.sha256 != content.sha256 {
            self.storage.remove(&self.place.join(to))?;
            return Err(Error::new("a file changed while it was sent")
                .at(path.display())
                .advice("run the command again when nobody writes it"));
        }
        sending.facts.sent(to, &content.sha256, &sent.tag);
        // Remembered at once: a kill loses what is in memory.
        sending.facts.write(&self.folder)?;
        sending.moved.files += 1;
        sending.moved.bytes += content.bytes;
        Ok(())
    }

    /// Step 3.
    fn commit(&self, manifest: &Manifest, tag: Option<Tag>, facts: &mut Facts) -> Result<()> {
        let place = self.place.join(MANIFEST);
        let text = serde_json::to_vec_pretty(manifest)
            .map_err(|e| Error::new("could not write as JSON").at(&place).because(e))?;
        // A kill between the commit and the note of it must not look like another's commit.
        facts.means_to_commit(manifest);
        facts.write(&self.folder)?;
        let when = tag.map_or(When::IfAbsent, When::IfUnchanged);
        match self.storage.write(&place, &text, when)? {
            Written::Done(_) => Ok(()),
            Written::Refused => Err(self.another_wrote()),
        }
    }

    /// Step 4, or what is left of it.
    fn apply(&self, manifest: &Manifest, sweep: Sweep) -> Result<()> {
        let pending = self.storage.list(&self.place.join(PENDING))?;
        let mut done = BTreeSet::new();
        for (name, content) in &manifest.files {
            let Some(source) = pending.iter().find(|entry| entry.name == content.sha256) else { continue };
            if self.is_amazon() && content.bytes > LARGEST_COPY_BYTES {
                continue;
            }
            self.storage.copy(&source.place, &self.place.join(name))?;
            if done.is_empty() && sweep == Sweep::All {
                self.reached(Cut::OneApplied)?;
            }
            done.insert(source.name.as_str());
        }
        if sweep == Sweep::All {
            self.reached(Cut::Applied)?;
        }
        // Only who writes removes: a pull may be late, and the name in use again.
        if sweep != Sweep::Nothing && !manifest.removed.is_empty() {
            let there = self.there()?;
            let gone = manifest.removed.iter().filter(|name| there.contains_key(*name));
            gone.map(|name| self.place.join(name)).try_for_each(|place| self.storage.remove(&place))?;
        }
        if sweep == Sweep::All {
            self.reached(Cut::Removed)?;
        }
        let needed = |entry: &Listed| manifest.files.values().any(|content| content.sha256 == entry.name);
        for entry in &pending {
            // What no manifest names yet may be part of a push that was cut off, and is not sent twice.
            if done.contains(entry.name.as_str()) || (sweep == Sweep::All && !needed(entry)) {
                self.storage.remove(&entry.place)?;
            }
        }
        Ok(())
    }

    fn is_amazon(&self) -> bool {
        matches!(&self.place, Place::Remote(place) if place.cloud == super::Cloud::Amazon)
    }

    /// Everything in the bucket below the home, by name.
    fn there(&self) -> Result<BTreeMap<String, Listed>> {
        Ok(self.storage.list(&self.place)?.into_iter().map(|entry| (entry.name.clone(), entry)).collect())
    }

    /// The folder's files of these names.
    fn local_files(&self, named: &dyn Fn(&str) -> bool) -> Result<BTreeMap<String, Listed>> {
        let own = |name: &str| name.split('/').next() == Some(OWN_FOLDER);
        let files = local::list(&self.folder)?.into_iter().filter(|file| !own(&file.name) && named(&file.name));
        Ok(files.map(|file| (file.name.clone(), file)).collect())
    }

    #[cfg(test)]
    fn reached(&self, moment: Cut) -> Result<()> {
        match self.cut_after.get() == Some(moment) {
            true => Err(Error::new(format!("cut after {moment:?}"))),
            false => Ok(()),
        }
    }

    #[cfg(not(test))]
    #[expect(clippy::unnecessary_wraps, reason = "a test cuts here")]
    fn reached(&self, _: Cut) -> Result<()> {
        Ok(())
    }
}

/// What is swept away after the pending contents are at their own names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sweep {
    Nothing,
    /// Files that the manifest took away.
    Removed,
    /// And contents that it does not name.
    All,
}

/// What a push works with while it sends.
struct Sending<'s> {
    there: BTreeMap<String, Listed>,
    told: &'s (dyn Fn(u64) + Sync),
    facts: &'s mut Facts,
    moved: &'s mut Moved,
}

/// Why a pull did not come to its end.
enum Halted {
    /// A content is not what the manifest said: a push may be under way.
    Moving(Error),
    /// Anything else.
    Failed(Error),
}

impl From<Error> for Halted {
    fn from(error: Error) -> Self {
        Self::Failed(error)
    }
}
