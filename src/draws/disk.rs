//! The few things a draw store does to its directory: put a whole file, make names durable, remove a file.
//!
//! Every step that a crash could come between goes through here, which is how the tests stop the store after each of them.
//! Nothing here knows what the files hold.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Ending of a file that is still being written.
pub(super) const PARTIAL: &str = ".partial";

/// One directory.
#[derive(Debug)]
pub(super) struct Disk {
    dir: PathBuf,
    #[cfg(test)]
    pub(super) fuse: std::sync::Arc<fuse::Fuse>,
}

impl Disk {
    /// The directory `dir`, which need not exist yet.
    pub(super) fn new(dir: &Path) -> Self {
        Self {
            dir: dir.to_owned(),
            #[cfg(test)]
            fuse: std::sync::Arc::default(),
        }
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Puts `bytes` under `name`, whole or not at all: written beside it, flushed to the device, renamed. The name itself is
    /// durable only after [`Disk::sync`].
    pub(super) fn put(&self, name: &str, bytes: &[u8]) -> Result<()> {
        let (path, partial) = (self.path(name), self.path(&format!("{name}{PARTIAL}")));
        self.write(&partial, bytes).map_err(|e| io_error("write the draws", &partial, bytes.len(), e))?;
        self.step()
            .and_then(|()| fs::rename(&partial, &path))
            .map_err(|e| io_error("write the draws", &path, bytes.len(), e))
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create(path)?;
        #[cfg(test)]
        if let Some(error) = self.fuse.burns_while_writing() {
            file.write_all(&bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        file.write_all(bytes)?;
        self.step()?;
        file.sync_all()
    }

    /// Makes the directory's names durable.
    pub(super) fn sync(&self) -> Result<()> {
        let synced = self.step().and_then(|()| {
            // Only Unix can open a directory; elsewhere the rename is all there is.
            if cfg!(unix) { File::open(&self.dir)?.sync_all() } else { Ok(()) }
        });
        synced.map_err(|e| io_error("write the draws", &self.dir, 0, e))
    }

    /// Removes `name`.
    pub(super) fn remove(&self, name: &str) -> Result<()> {
        let path = self.path(name);
        self.step().and_then(|()| fs::remove_file(&path)).map_err(|e| Error::io("remove a leftover file", &path, e))
    }

    /// Names of the files in the directory, sorted.
    pub(super) fn names(&self) -> Result<Vec<String>> {
        let read = || -> io::Result<Vec<String>> {
            let mut names = vec![];
            for entry in fs::read_dir(&self.dir)? {
                names.extend(entry?.file_name().into_string());
            }
            names.sort();
            Ok(names)
        };
        read().map_err(|e| Error::io("list the folder of the draws", &self.dir, e))
    }

    /// Reads a file that the manifest names, and holds it against its length and checksum.
    pub(super) fn read(&self, name: &str, bytes: u64, sha256: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        let content = fs::read(&path).map_err(|e| Error::io("read the draws", &path, e))?;
        let damaged = |what: String, seen: String| {
            Error::new(what)
                .at(path.display())
                .seen(seen)
                .advice("restore the file from a copy, or fit again into a new run directory")
        };
        if content.len() as u64 != bytes {
            return Err(damaged(
                format!("the file is damaged: it should have {bytes} bytes"),
                content.len().to_string(),
            ));
        }
        let found = checksum(&content);
        if found != sha256 {
            return Err(damaged(format!("the file is damaged: its SHA-256 should be {sha256}"), found));
        }
        Ok(content)
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, reason = "the tests' counterpart asks the fuse")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }

    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.fuse.step()
    }
}

/// SHA-256 in hexadecimal.
pub(super) fn checksum(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    })
}

fn io_error(doing: &str, path: &Path, bytes: usize, cause: io::Error) -> Error {
    match cause.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::new(format!("could not {doing}: the disk is full"))
                .at(path.display())
                .advice(format!(
                    "everything committed before is safe; free at least {:.1} MB, then run `longrun resume` on the run directory",
                    (bytes as f64 / 1e6).max(0.1)
                ))
                .because(cause)
        }
        _ => Error::io(doing, path, cause),
    }
}

/// Makes a chosen step fail, in tests.
#[cfg(test)]
pub(super) mod fuse {
    use std::io;
    use std::sync::atomic::{AtomicBool, AtomicI64, Ordering::Relaxed};

    /// Counts steps down; at zero the disk fails.
    #[derive(Debug)]
    pub(in crate::draws) struct Fuse {
        left: AtomicI64,
        full: AtomicBool,
    }

    impl Default for Fuse {
        fn default() -> Self {
            Self { left: AtomicI64::new(i64::MAX), full: AtomicBool::new(false) }
        }
    }

    impl Fuse {
        /// From `steps` steps on nothing happens any more, as if the process had been killed there.
        pub(in crate::draws) fn kill_after(&self, steps: i64) {
            self.left.store(steps, Relaxed);
            self.full.store(false, Relaxed);
        }

        /// The writes after `steps` steps find a full disk; renames and removals still work.
        pub(in crate::draws) fn fill_after(&self, steps: i64) {
            self.left.store(steps, Relaxed);
            self.full.store(true, Relaxed);
        }

        /// Steps still to go.
        pub(in crate::draws) fn left(&self) -> i64 {
            self.left.load(Relaxed)
        }

        pub(super) fn step(&self) -> io::Result<()> {
            let burnt = self.left.fetch_sub(1, Relaxed) <= 0;
            if burnt && !self.full.load(Relaxed) { Err(io::Error::other("killed")) } else { Ok(()) }
        }

        pub(super) fn burns_while_writing(&self) -> Option<io::Error> {
            let burnt = self.left.fetch_sub(1, Relaxed) <= 0;
            match (burnt, self.full.load(Relaxed)) {
                (false, _) => None,
                (true, true) => Some(io::Error::from(io::ErrorKind::StorageFull)),
                (true, false) => Some(io::Error::other("killed")),
            }
        }
    }
}
