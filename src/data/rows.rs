//! Every row of every file of a source, handed block by block to consumers on all cores.
//!
//! The order in which blocks are handed out depends on threads; the address of a row does not. Whoever consumes rows must give
//! the same result for any order, and can, by their addresses.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::columns::{Wanted, wanted};
use super::field::Field;
use super::rejects::lock;
use super::source::{Format, Source};
use super::{csv_reader, parquet_reader};
use crate::error::{Error, Result};

/// Where a row stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address {
    /// Index of the file among the source's files.
    pub(super) file: usize,
    /// Grows with the row's place in the file.
    pub(super) place: u64,
    /// Line of a text file or row of a Parquet file, from 1.
    pub(super) line: u64,
}

/// Takes the rows of one block.
pub(super) trait Consumer {
    /// One row: the wanted fields in their order.
    fn row(&mut self, at: Address, fields: &[Field<'_>]);

    /// A row that has no fields to look at: the column at fault, what stood there, and why it cannot be used.
    fn malformed(&mut self, at: Address, column: &str, value: &str, reason: &str);

    /// The block is over.
    fn finish(self) -> Result<()>;
}

/// How far the reading has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IngestProgress {
    /// Bytes read from disk.
    pub bytes_done: u64,
    /// Bytes of all files.
    pub bytes_total: u64,
}

/// Counts what has been done of one pass and tells it, never less than before.
pub(super) struct Meter<'a> {
    total: u64,
    done: AtomicU64,
    told: Mutex<u64>,
    tell: &'a (dyn Fn(IngestProgress) + Sync),
}

impl<'a> Meter<'a> {
    /// A pass over `total` bytes.
    pub(super) fn new(total: u64, tell: &'a (dyn Fn(IngestProgress) + Sync)) -> Self {
        Self { total, done: AtomicU64::new(0), told: Mutex::new(0), tell }
    }

    /// Counts bytes as done.
    pub(super) fn advance(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Says that `done` of `all` things are done, however many bytes each has, and tells it.
    pub(super) fn tell_share(&self, done: u64, all: u64) {
        let bytes = (self.total as f64 * (done as f64 / all.max(1) as f64)) as u64;
        self.done.fetch_max(bytes, Ordering::Relaxed);
        self.tell();
    }

    /// Tells how far the pass has come.
    pub(super) fn tell(&self) {
        let mut told = lock(&self.told);
        let done = self.done.load(Ordering::Relaxed).min(self.total);
        if done > *told {
            *told = done;
            (self.tell)(IngestProgress { bytes_done: done, bytes_total: self.total });
        }
    }
}

/// What all blocks of one reading share.
pub(super) struct Reading<'a> {
    pub(super) source: &'a Source,
    pub(super) files: Vec<PathBuf>,
    pub(super) wanted: Vec<Wanted>,
    /// Bytes of text in one block.
    pub(super) block_bytes: usize,
    pub(super) bytes_total: u64,
    meter: Meter<'a>,
}

impl<'a> Reading<'a> {
    /// Finds the files of a source, for the columns of its kind.
    pub(super) fn new(
        source: &'a Source,
        block_bytes: usize,
        progress: &'a (dyn Fn(IngestProgress) + Sync),
    ) -> Result<Self> {
        source.check()?;
        Self::of(source, wanted(source), block_bytes, progress)
    }

    /// Finds the files of a source, for these columns.
    pub(super) fn of(
        source: &'a Source,
        wanted: Vec<Wanted>,
        block_bytes: usize,
        progress: &'a (dyn Fn(IngestProgress) + Sync),
    ) -> Result<Self> {
        let files = source.files()?;
        let mut bytes_total = 0;
        for file in &files {
            bytes_total += std::fs::metadata(file).map_err(|e| Error::io("read the input file", file, e))?.len();
        }
        if bytes_total == 0 {
            return Err(nothing_in(source, files.first().map(|f| f.display().to_string())));
        }
        Ok(Self::over(source, files, bytes_total, wanted, block_bytes, progress))
    }

    /// A reading of `files`, which have `bytes_total` bytes and are laid out as the source says.
    pub(super) fn over(
        source: &'a Source,
        files: Vec<PathBuf>,
        bytes_total: u64,
        wanted: Vec<Wanted>,
        block_bytes: usize,
        progress: &'a (dyn Fn(IngestProgress) + Sync),
    ) -> Self {
        Self { source, files, wanted, block_bytes, bytes_total, meter: Meter::new(bytes_total, progress) }
    }

    /// Reads every row; `consumer` makes the consumer of one block.
    pub(super) fn run<C: Consumer>(&self, consumer: &(impl Fn() -> C + Sync)) -> Result<()> {
        // The first file in order that fails is the one told, whichever thread finds its error first.
        let results: Vec<Result<()>> =
            (0..self.files.len()).into_par_iter().map(|file| self.run_file(file, consumer)).collect();
        results.into_iter().collect()
    }

    /// Reads every row, some blocks at a time, and hands on the consumers of blocks in the order of rows until `each` says no; says
    /// whether it never did.
    pub(super) fn run_in_order<C: Consumer + Send>(
        &self,
        consumer: &(impl Fn() -> C + Sync),
        each: &mut dyn FnMut(C) -> Result<bool>,
    ) -> Result<bool> {
        for file in 0..self.files.len() {
            let goes_on = match self.layout(file)? {
                FileLayout::Empty => true,
                FileLayout::Parquet => parquet_reader::read_in_order(self, file, consumer, each)?,
                FileLayout::Text { gzip } => csv_reader::read_in_order(self, file, gzip, consumer, each)?,
            };
            if !goes_on {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Blocks that are read at once when their order matters.
    pub(super) fn blocks_at_once(&self) -> usize {
        2 * rayon::current_num_threads().clamp(1, 8)
    }

    fn run_file<C: Consumer>(&self, file_ix: usize, consumer: &(impl Fn() -> C + Sync)) -> Result<()> {
        match self.layout(file_ix)? {
            FileLayout::Empty => Ok(()),
            FileLayout::Parquet => parquet_reader::read(self, file_ix, consumer),
            FileLayout::Text { gzip } => csv_reader::read(self, file_ix, gzip, consumer),
        }
    }

    /// How one file is laid out, or why it cannot be what the source says.
    fn layout(&self, file_ix: usize) -> Result<FileLayout> {
        let path = &self.files[file_ix];
        let first = first_bytes(path)?;
        let is_parquet = first.starts_with(b"PAR1");
        match (self.source.format, is_parquet) {
            _ if first.is_empty() => Ok(FileLayout::Empty),
            (Format::Auto | Format::Parquet, true) => Ok(FileLayout::Parquet),
            (Format::Parquet, false) => Err(Error::new("the file is not Parquet")
                .at(path.display())
                .seen(format!("a file that begins with {:?}", String::from_utf8_lossy(&first)))
                .advice("set data.format to \"csv\" or \"auto\"")),
            (Format::Csv, true) => Err(Error::new("the file is Parquet, not text")
                .at(path.display())
                .advice("set data.format to \"parquet\" or \"auto\"")),
            (Format::Auto | Format::Csv, false) => {
                refuse_foreign(path, &first)?;
                Ok(FileLayout::Text { gzip: first.starts_with(&[0x1f, 0x8b]) })
            }
        }
    }

    /// Counts bytes as read.
    pub(super) fn advance(&self, bytes: u64) {
        self.meter.advance(bytes);
    }

    /// Tells the caller how far the reading has come.
    pub(super) fn tell(&self) {
        self.meter.tell();
    }
}

/// What kind of file one is.
enum FileLayout {
    Empty,
    Parquet,
    Text { gzip: bool },
}

/// What to say of a source without a byte.
pub(super) fn nothing_in(source: &Source, first: Option<String>) -> Error {
    let place = first.unwrap_or_else(|| source.paths.join(", "));
    Error::new("the input is empty (0 bytes)").at(place).advice("check how the file was exported")
}

fn first_bytes(path: &Path) -> Result<Vec<u8>> {
    let mut first = Vec::new();
    let file = File::open(path).map_err(|e| Error::io("open the input file", path, e))?;
    file.take(8).read_to_end(&mut first).map_err(|e| Error::io("read the input file", path, e))?;
    Ok(first)
}

/// Kinds of files that people hand over in place of a text table.
fn refuse_foreign(path: &Path, first: &[u8]) -> Result<()> {
    let (what, advice) = match first {
        [b'P', b'K', 3, 4, ..] => ("a zip archive or an Excel workbook", "save it as CSV"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => ("UTF-16 text", "save it as UTF-8"),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => ("a zstd archive", "unpack it, or pack it with gzip"),
        _ => return Ok(()),
    };
    Err(Error::new("the input file is not a text table").at(path.display()).seen(what).advice(advice))
}
