//! The same calls on this machine's disk, where most files are. Conditions are kept by a lock file beside what is written.

use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use super::{Listed, Place, Sent, Tag, When, Written};
use crate::error::{Error, Result};

/// How the names of files end that this room keeps beside others while it writes.
const BESIDE: [&str; 3] = [".lock", ".partial", ".fetching"];

/// Everything below a folder.
pub(super) fn list(folder: &Path) -> Result<Vec<Listed>> {
    let mut found = Vec::new();
    let mut waiting = vec![(folder.to_owned(), String::new())];
    while let Some((folder, name)) = waiting.pop() {
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            Err(e) => return Err(Error::io("list the folder", &folder, e)),
        };
        for entry in entries {
            let entry = entry.map_err(|e| Error::io("list the folder", &folder, e))?;
            let own = entry.file_name().to_string_lossy().into_owned();
            if own.starts_with('.') && BESIDE.iter().any(|what| own.ends_with(what)) {
                continue;
            }
            let name = if name.is_empty() { own } else { format!("{name}/{own}") };
            let path = entry.path();
            if path.is_dir() {
                waiting.push((path, name));
            } else if let Some(listed) = look_as(&path, name)? {
                found.push(listed);
            }
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// One file, if there is one.
pub(super) fn look(path: &Path) -> Result<Option<Listed>> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    look_as(path, name)
}

fn look_as(path: &Path, name: String) -> Result<Option<Listed>> {
    let facts = match fs::metadata(path) {
        Ok(facts) if facts.is_file() => facts,
        Ok(_) => return Ok(None),
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) => return Err(Error::io("look at", path, e)),
    };
    let tag = stands(&facts);
    Ok(Some(Listed { place: Place::Local(path.to_owned()), name, bytes: facts.len(), tag }))
}

/// What tells a file's content from an earlier one without reading it: time of change and size.
pub(super) fn stands(facts: &fs::Metadata) -> String {
    let changed = facts.modified().ok().and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    format!("{}-{}", changed.map_or(0, |time| time.as_nanos()), facts.len())
}

pub(super) fn read(path: &Path) -> Result<Option<(Vec<u8>, Tag)>> {
    match fs::read(path) {
        Ok(bytes) => {
            let tag = tag_of(&bytes);
            Ok(Some((bytes, tag)))
        }
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => Ok(None),
        Err(e) => Err(Error::io("read", path, e)),
    }
}

fn tag_of(bytes: &[u8]) -> Tag {
    Tag { e_tag: Some(hex(&Sha256::digest(bytes))), version: None }
}

pub(super) fn write(path: &Path, bytes: &[u8], when: &When) -> Result<Written> {
    make_parent(path)?;
    // Held until the end: nobody writes between the condition and what it allows.
    let lock = beside(path, "lock");
    let guard = File::options().create(true).truncate(false).write(true).open(&lock);
    let guard = guard.map_err(|e| Error::io("write", path, e))?;
    match guard.try_lock() {
        Err(TryLockError::WouldBlock) => guard.lock().map_err(|e| Error::io("lock", path, e))?,
        Err(TryLockError::Error(e)) => return Err(Error::io("lock", path, e)),
        Ok(()) => {}
    }
    let there = read(path)?.map(|(_, tag)| tag);
    let holds = match when {
        When::Always => true,
        When::IfAbsent => there.is_none(),
        When::IfUnchanged(tag) => there.as_ref() == Some(tag),
    };
    if !holds {
        return Ok(Written::Refused);
    }
    let partial = beside(path, "partial");
    File::create(&partial)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .and_then(|()| fs::rename(&partial, path))
        .map_err(|e| Error::io("write", path, e))?;
    Ok(Written::Done(tag_of(bytes)))
}

/// Copies a file, beside its place and into it; its SHA-256.
pub(super) fn copy(from: &Path, to: &Path, told: &(dyn Fn(u64) + Sync)) -> Result<Sent> {
    make_parent(to)?;
    let partial = beside(to, "partial");
    let mut source = File::open(from).map_err(|e| Error::io("read", from, e))?;
    let mut target = File::create(&partial).map_err(|e| Error::io("write", &partial, e))?;
    let (mut sha256, mut bytes, mut block) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = source.read(&mut block).map_err(|e| Error::io("read", from, e))?;
        if read == 0 {
            break;
        }
        sha256.update(&block[..read]);
        target.write_all(&block[..read]).map_err(|e| Error::io("write", &partial, e))?;
        bytes += read as u64;
        told(bytes);
    }
    target.sync_all().and_then(|()| fs::rename(&partial, to)).map_err(|e| Error::io("write", to, e))?;
    let facts = fs::metadata(to).map_err(|e| Error::io("look at", to, e))?;
    Ok(Sent { bytes, sha256: hex(&sha256.finalize()), tag: stands(&facts) })
}

pub(super) fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(e) if !matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Err(Error::io("remove", path, e))
        }
        _ => Ok(()),
    }
}

pub(super) fn make_parent(path: &Path) -> Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) => fs::create_dir_all(folder).map_err(|e| Error::io("make the folder", folder, e)),
        None => Ok(()),
    }
}

/// A hidden file beside another.
pub(super) fn beside(path: &Path, what: &str) -> PathBuf {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    path.with_file_name(format!(".{name}.{what}"))
}

/// A file's SHA-256, in hexadecimal digits.
pub(super) fn sha256(path: &Path) -> Result<String> {
    let mut file = File::open(path).map_err(|e| Error::io("read", path, e))?;
    let (mut sha256, mut block) = (Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut block).map_err(|e| Error::io("read", path, e))? {
            0 => return Ok(hex(&sha256.finalize())),
            read => sha256.update(&block[..read]),
        }
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
