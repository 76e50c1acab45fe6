//! A table in a second place: what another run goes on from. Its files are never written to again, so a second name will do where the file
//! system has it.

use std::path::Path;

use super::manifest::Manifest;
use crate::error::{Error, Result};

/// Makes the table in the folder `from` (`…/transactions`) the one in the folder `to`, in place of what was there.
///
/// # Errors
/// When there is no whole table in `from`, or `to` cannot be written.
pub fn take_over_table(from: &Path, to: &Path) -> Result<()> {
    let same = |a: &Path, b: &Path| a.canonicalize().ok().zip(b.canonicalize().ok()).is_some_and(|(a, b)| a == b);
    let manifest = Manifest::read(from)?;
    manifest.whole(from)?;
    if same(from, to) {
        return Ok(());
    }
    for stored in manifest.stored() {
        let (old, new) = (from.join(&stored.name), to.join(&stored.name));
        let failed = |e| Error::io("take over the transactions table", &new, e);
        if let Some(folder) = new.parent() {
            std::fs::create_dir_all(folder).map_err(failed)?;
        }
        if stored.missing(to).is_none() {
            continue;
        }
        match std::fs::remove_file(&new) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(failed(e)),
            _ => {}
        }
        std::fs::hard_link(&old, &new).or_else(|_| std::fs::copy(&old, &new).map(|_| ())).map_err(failed)?;
    }
    manifest.commit(to)
}
