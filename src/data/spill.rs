//! One temporary file that takes whatever does not fit in memory, and gives it back by place. It goes when its owner goes, and
//! with its folder when the program was killed. Nothing here knows what the bytes are.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::rejects::lock;
use crate::error::{Error, Result};

/// Where some bytes stand in a [`Spill`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    /// First byte.
    pub(super) start: u64,
    /// Number of bytes.
    pub(super) length: u64,
}

/// A temporary file, made when it is first needed; one open file however much it holds.
pub(super) struct Spill {
    path: PathBuf,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    file: Option<File>,
    length: u64,
}

impl Spill {
    /// A spill that would stand at `path`.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, state: Mutex::default() }
    }

    /// Appends `bytes` and says where they stand.
    pub(super) fn append(&self, bytes: &[u8]) -> Result<Extent> {
        let fail = |e| Error::io("spill rows to disk", &self.path, e);
        let mut state = lock(&self.state);
        if state.file.is_none() {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(true);
            state.file = Some(options.open(&self.path).map_err(fail)?);
        }
        let start = state.length;
        if let Some(file) = &mut state.file {
            file.seek(SeekFrom::Start(start)).and_then(|_| file.write_all(bytes)).map_err(fail)?;
        }
        state.length += bytes.len() as u64;
        Ok(Extent { start, length: bytes.len() as u64 })
    }

    /// Appends to `out` the `length` bytes from `start` on.
    pub(super) fn read(&self, extent: Extent, out: &mut Vec<u8>) -> Result<()> {
        let fail = |e| Error::io("read spilled rows", &self.path, e);
        let mut state = lock(&self.state);
        let Some(file) = &mut state.file else { return Ok(()) };
        file.seek(SeekFrom::Start(extent.start)).map_err(fail)?;
        let before = out.len();
        file.take(extent.length).read_to_end(out).map_err(fail)?;
        if ((out.len() - before) as u64) < extent.length {
            return Err(Error::new("spilled rows are gone")
                .at(self.path.display())
                .advice("another program changed the file; run the step again"));
        }
        Ok(())
    }
}

impl Drop for Spill {
    fn drop(&mut self) {
        if lock(&self.state).file.take().is_some() {
            // A file that cannot be removed now is removed with its folder.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

/// Bytes of a [`Spill`], read on from their beginning through a small window.
pub(super) struct Window {
    /// What of the extent has not been read yet.
    rest: Extent,
    buffer: Vec<u8>,
    place: usize,
}

impl Window {
    /// A window on `extent`.
    pub(super) fn on(extent: Extent) -> Self {
        Self { rest: extent, buffer: Vec::new(), place: 0 }
    }

    /// A window on bytes that never left the memory.
    pub(super) fn held(bytes: Vec<u8>) -> Self {
        Self { rest: Extent { start: 0, length: 0 }, buffer: bytes, place: 0 }
    }

    /// What is in sight; at least `least` bytes unless the extent ends before. `window` bytes are read at a time.
    pub(super) fn sight(&mut self, spill: &Spill, least: usize, window: usize) -> Result<&[u8]> {
        let seen = self.buffer.len() - self.place;
        if seen < least && self.rest.length > 0 {
            self.buffer.drain(..self.place);
            self.place = 0;
            let length = self.rest.length.min(window.max(least) as u64);
            spill.read(Extent { start: self.rest.start, length }, &mut self.buffer)?;
            self.rest = Extent { start: self.rest.start + length, length: self.rest.length - length };
        }
        Ok(&self.buffer[self.place..])
    }

    /// What the last [`Window::sight`] showed, less what was left behind since.
    pub(super) fn in_sight(&self) -> &[u8] {
        &self.buffer[self.place..]
    }

    /// Leaves the first `bytes` bytes behind.
    pub(super) fn advance(&mut self, bytes: usize) {
        self.place += bytes;
    }
}

/// Makes an empty folder for temporary files, removing what a killed program left there.
pub(super) fn fresh_folder(path: &Path) -> Result<()> {
    let fail = |e| Error::io("make the folder of temporary files", path, e);
    if path.exists() {
        std::fs::remove_dir_all(path).map_err(fail)?;
    }
    std::fs::create_dir_all(path).map_err(fail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_by_place_and_the_file_goes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("spill");
        let spill = Spill::new(path.clone());
        assert!(!path.exists(), "no file before it is needed");
        let extents: Vec<Extent> = (0..10_u8).map(|i| spill.append(&vec![i; 100 + usize::from(i)]).unwrap()).collect();
        for (i, extent) in extents.iter().enumerate().rev() {
            let mut window = Window::on(*extent);
            let mut seen = Vec::new();
            loop {
                let sight = window.sight(&spill, 1, 7).unwrap().to_vec();
                if sight.is_empty() {
                    break;
                }
                window.advance(sight.len());
                seen.extend(sight);
            }
            assert_eq!(seen, vec![i as u8; 100 + i]);
        }
        drop(spill);
        assert!(!path.exists());
    }
}
