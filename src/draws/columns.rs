//! Draws of some elements at a time: a fit larger than memory, read column by column of its shards.
//!
//! A shard holds one draw's elements side by side, so that a block of elements is a strip of every row. Checksums are of whole files:
//! they are held once, when the reader is made, and the strips are taken from the files as they were then. Nothing here writes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array2, Array3, ArrayViewMut2, Axis, s};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, Metadata};
use sha2::{Digest, Sha256};

use super::manifest::FitEntry;
use super::shard::STATS;
use super::store::DrawStore;
use crate::error::{Error, Result};
use crate::target::Schema;

/// Bytes read at once.
const PIECE_BYTES: usize = 1 << 20;
/// A header longer than this is none.
const LONGEST_HEADER_BYTES: u64 = 100 << 20;
/// Rows are skipped to where less than this share of a row is wanted and the rest is longer than a page; elsewhere reading on is cheaper.
const SKIP_SHARE: usize = 4;
const PAGE_BYTES: usize = 4096;

/// Reads a fit's draws by elements.
#[derive(Debug)]
pub struct Columns<'a> {
    entry: &'a FitEntry,
    shards: Vec<Shard>,
    bytes_read: AtomicU64,
}

/// Where one shard's tensors lie.
#[derive(Debug)]
struct Shard {
    path: PathBuf,
    first_draw: usize,
    draws: usize,
    /// Tensor name to the offset of its first byte.
    tensors: BTreeMap<String, u64>,
}

impl DrawStore {
    /// A reader of some elements of `fit` at a time; holds every shard against its checksum now.
    ///
    /// # Errors
    /// No such fit, or a shard that is missing, damaged or not laid out as the manifest says.
    pub fn columns(&self, fit: &str) -> Result<Columns<'_>> {
        let entry = self.entry(fit)?;
        let one = |file: &super::manifest::ShardFile| {
            let path = self.disk().path(&file.file);
            check(&path, file.bytes, &file.sha256)?;
            let tensors = layout(entry, file.draws as usize, &path).map_err(|e| e.at(path.display()))?;
            Ok(Shard { path, first_draw: file.first_draw as usize, draws: file.draws as usize, tensors })
        };
        let shards: Vec<Result<Shard>> = entry.shards.par_iter().map(one).collect();
        let shards = shards.into_iter().collect::<Result<_>>()?;
        let read = entry.shards.iter().map(|s| s.bytes).sum();
        Ok(Columns { entry, shards, bytes_read: AtomicU64::new(read) })
    }
}

impl Columns<'_> {
    /// Names, dimensions and labels of the values.
    pub fn schema(&self) -> &Schema {
        &self.entry.schema
    }

    /// Number of chains.
    pub fn chains(&self) -> usize {
        self.entry.chains
    }

    /// Draws per chain.
    pub fn draws(&self) -> usize {
        self.entry.draws_done() as usize
    }

    /// Bytes read from files so far, those for the checksums included.
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// How many elements fit into `bytes` of memory; at least one.
    pub fn elements_within(&self, bytes: usize) -> usize {
        (bytes / (self.chains() * self.draws() * size_of::<f64>()).max(1)).max(1)
    }

    /// Draws of a range of elements, in the schema's order: `[element, chain, draw]`.
    ///
    /// # Errors
    /// A file that can no longer be read.
    pub fn read(&self, elements: Range<usize>) -> Result<Array3<f64>> {
        let mut out = Array3::zeros((elements.len(), self.chains(), self.draws()));
        for (variable, held) in self.entry.schema.variables.iter().zip(self.entry.schema.ranges()) {
            let wanted = elements.start.max(held.start)..elements.end.min(held.end);
            if wanted.is_empty() {
                continue;
            }
            let strip = Strip {
                tensor: &variable.name,
                row: held.len(),
                within: wanted.start - held.start..wanted.end - held.start,
            };
            let to = out.slice_mut(s![wanted.start - elements.start..wanted.end - elements.start, .., ..]);
            self.fill(&strip, to)?;
        }
        Ok(out)
    }

    /// Sample statistics by name, each `[chain, draw]`.
    ///
    /// # Errors
    /// As [`Columns::read`].
    pub fn stats(&self) -> Result<BTreeMap<String, Array2<f64>>> {
        let mut out = BTreeMap::new();
        for name in &self.entry.stats {
            let mut values = Array3::zeros((1, self.chains(), self.draws()));
            let tensor = format!("{STATS}{name}");
            self.fill(&Strip { tensor: &tensor, row: 1, within: 0..1 }, values.view_mut())?;
            out.insert(name.clone(), values.index_axis_move(Axis(0), 0));
        }
        Ok(out)
    }

    /// Fills `[element, chain, draw]` from every shard, chains side by side.
    fn fill(&self, strip: &Strip<'_>, mut to: ndarray::ArrayViewMut3<'_, f64>) -> Result<()> {
        let chains: Vec<ArrayViewMut2<'_, f64>> = to.axis_iter_mut(Axis(1)).collect();
        // Enough chains together that opening the files costs nothing.
        let together = chains.len().div_ceil(4 * rayon::current_num_threads()).max(1);
        let mut groups: Vec<(usize, Vec<ArrayViewMut2<'_, f64>>)> = Vec::new();
        for (chain, view) in chains.into_iter().enumerate() {
            match groups.last_mut() {
                Some((_, group)) if group.len() < together => group.push(view),
                _ => groups.push((chain, vec![view])),
            }
        }
        groups.into_par_iter().try_for_each(|(first, mut group)| {
            self.shards.iter().try_for_each(|shard| {
                let read = strip.read(shard, first, &mut group);
                let bytes = read.map_err(|e| Error::io("read the draws", &shard.path, e))?;
                self.bytes_read.fetch_add(bytes, Ordering::Relaxed);
                Ok(())
            })
        })
    }
}

/// Some neighbouring values of every row of a tensor `[chain, draw, row]`.
struct Strip<'a> {
    tensor: &'a str,
    row: usize,
    within: Range<usize>,
}

impl Strip<'_> {
    /// Reads the strip of the chains from `first` on, each into its `[element, draw]`; returns how many bytes were read.
    fn read(&self, shard: &Shard, first: usize, chains: &mut [ArrayViewMut2<'_, f64>]) -> std::io::Result<u64> {
        const WORD: usize = size_of::<f64>();
        let Some(&begin) = shard.tensors.get(self.tensor) else { return Ok(0) };
        let (wanted, row) = (self.within.len() * WORD, self.row * WORD);
        let skip = wanted * SKIP_SHARE < row && row - wanted > PAGE_BYTES;
        // What is read of a row, and where the strip begins in it.
        let (taken, offset) = if skip { (wanted, 0) } else { (row, self.within.start * WORD) };
        let rows_at_once = (PIECE_BYTES / taken).clamp(1, shard.draws.max(1));
        let mut file = File::open(&shard.path)?;
        let mut piece = vec![0_u8; rows_at_once * taken];
        let mut bytes = 0;
        for (ix, chain) in chains.iter_mut().enumerate() {
            let mut draw = 0;
            while draw < shard.draws {
                let rows = rows_at_once.min(shard.draws - draw);
                let at = begin + (((first + ix) * shard.draws + draw) * row) as u64;
                let piece = &mut piece[..rows * taken];
                if skip {
                    for (r, part) in piece.chunks_exact_mut(taken).enumerate() {
                        file.seek(SeekFrom::Start(at + (r * row + self.within.start * WORD) as u64))?;
                        file.read_exact(part)?;
                    }
                } else {
                    file.seek(SeekFrom::Start(at))?;
                    file.read_exact(piece)?;
                }
                bytes += piece.len() as u64;
                for (element, mut to) in chain.rows_mut().into_iter().enumerate() {
                    let held = to.slice_mut(s![shard.first_draw + draw..shard.first_draw + draw + rows]);
                    for (to, from) in held.into_iter().zip(piece.chunks_exact(taken)) {
                        let at = offset + element * WORD;
                        let mut word = [0; WORD];
                        word.copy_from_slice(&from[at..at + WORD]);
                        *to = f64::from_le_bytes(word);
                    }
                }
                draw += rows;
            }
        }
        Ok(bytes)
    }
}

/// Holds a file against its length and checksum without keeping it.
fn check(path: &Path, bytes: u64, sha256: &str) -> Result<()> {
    use std::fmt::Write as _;
    let failed = |e| Error::io("read the draws", path, e);
    let mut file = File::open(path).map_err(failed)?;
    let (mut digest, mut piece, mut length) = (Sha256::new(), vec![0_u8; PIECE_BYTES], 0);
    loop {
        let read = file.read(&mut piece).map_err(failed)?;
        if read == 0 {
            break;
        }
        length += read as u64;
        digest.update(&piece[..read]);
    }
    let found = digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}"); // writing to a String cannot fail
        hex
    });
    let damaged = |what: String, seen: String| {
        Error::new(what)
            .at(path.display())
            .seen(seen)
            .advice("restore the file from a copy, or fit again into a new run directory")
    };
    if length != bytes {
        return Err(damaged(format!("the file is damaged: it should have {bytes} bytes"), length.to_string()));
    }
    if found != sha256 {
        return Err(damaged(format!("the file is damaged: its SHA-256 should be {sha256}"), found));
    }
    Ok(())
}

/// Where the tensors that the manifest promises lie in a shard. Errors do not name the file; the caller does.
fn layout(entry: &FitEntry, draws: usize, path: &Path) -> Result<BTreeMap<String, u64>> {
    let none = || Error::new("the shard is not a safetensors file");
    let mut file = File::open(path).map_err(|e| none().because(e))?;
    let mut length = [0; 8];
    file.read_exact(&mut length).map_err(|e| none().because(e))?;
    let length = u64::from_le_bytes(length);
    if length > LONGEST_HEADER_BYTES {
        return Err(none());
    }
    let mut header = vec![0; length as usize];
    file.read_exact(&mut header).map_err(|e| none().because(e))?;
    let metadata: Metadata = serde_json::from_slice(&header).map_err(|e| none().because(e))?;
    let mut out = BTreeMap::new();
    let mut expect = |name: String, shape: Vec<usize>| {
        let Some(info) = metadata.info(&name) else {
            return Err(Error::new(format!("the shard has no tensor `{name}`")));
        };
        if info.dtype != Dtype::F64 || info.shape != shape {
            return Err(Error::new(format!("tensor `{name}` should be F64 {shape:?}"))
                .seen(format!("{:?} {:?}", info.dtype, info.shape)));
        }
        out.insert(name, 8 + length + info.data_offsets.0 as u64);
        Ok(())
    };
    for variable in &entry.schema.variables {
        let mut shape = vec![entry.chains, draws];
        shape.extend(entry.schema.shape(variable));
        expect(variable.name.clone(), shape)?;
    }
    for name in &entry.stats {
        expect(format!("{STATS}{name}"), vec![entry.chains, draws])?;
    }
    Ok(out)
}
