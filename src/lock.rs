//! One process at a time may change a folder: a lock on a file in it, which goes with the process that holds it, however that ends.
//! Nothing here knows what the folder holds.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, Result};

/// How often a held lock is tried again, and how long to wait in between: two seconds in all.
const TRIES: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// Takes the lock of a folder, `.lock` in it; none where another process holds it. It is let go when the file is dropped.
///
/// # Errors
/// A folder that cannot be written to, or a file system without locks.
pub fn lock_folder(folder: &Path) -> Result<Option<File>> {
    let path = folder.join(".lock");
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|e| Error::io("write to the folder", folder, e))?;
    match lock_patiently(&file) {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(e)) => Err(Error::io("lock the folder", folder, e)),
    }
}

/// Locks a file for this process alone. The lock of a process that was killed goes with its last thread, and one that was
/// handed to a child goes when the child begins its own program, so that a held lock is tried again for two seconds.
///
/// # Errors
/// As [`File::try_lock`].
pub fn lock_patiently(file: &File) -> std::result::Result<(), TryLockError> {
    for _ in 0..TRIES {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => std::thread::sleep(PAUSE),
            other => return other,
        }
    }
    file.try_lock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_let_go_in_time_is_taken() {
        let scratch = tempfile::tempdir().unwrap();
        let held = lock_folder(scratch.path()).unwrap().unwrap();
        let wanted = File::create(scratch.path().join(".lock")).unwrap();
        assert!(wanted.try_lock().is_err());
        let letting_go = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(250));
            drop(held);
        });
        let again = lock_folder(scratch.path()).unwrap();
        letting_go.join().unwrap();
        assert!(again.is_some());
        assert!(lock_folder(scratch.path()).unwrap().is_none(), "held by this process as by any other");
    }
}
