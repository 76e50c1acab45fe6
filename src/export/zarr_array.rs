//! One Zarr v3 array: its metadata, and its chunks as blocks along one axis fill them. Nothing here knows of groups.
//!
//! [Zarr v3](https://zarr-specs.readthedocs.io/en/latest/v3/core/): little-endian bytes, or UTF-8 texts each after its length, compressed
//! by Zstandard; chunk (i, j, …) in the file `c/i/j/…`. Chunks at the end are padded with the fill value.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Attributes, Dtype, Values, failed};
use crate::error::{Error, Result};

/// Zstandard's: doubles of a sampler hardly compress, and harder trying costs ten times the seconds for a hundredth of the bytes.
const LEVEL: i32 = 1;

/// What an array is.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) dims: Vec<String>,
    pub(super) shape: Vec<usize>,
    pub(super) dtype: Dtype,
    pub(super) attributes: Attributes,
    /// The axis along which values come.
    pub(super) axis: usize,
    /// Bytes of a chunk before compression, at most, but for one place along the axis.
    pub(super) chunk_bytes: usize,
}

impl Layout {
    /// Values of one place along the axis.
    fn place(&self) -> usize {
        self.shape.iter().enumerate().filter(|(k, _)| *k != self.axis).map(|(_, n)| n).product()
    }

    /// Places along the axis in one chunk.
    fn chunk(&self) -> usize {
        let at_most = self.chunk_bytes / (size_of::<f64>() * self.place().max(1));
        at_most.min(self.shape[self.axis]).max(1)
    }

    /// The content of `zarr.json`.
    pub(super) fn metadata(&self) -> Value {
        let mut chunks = self.shape.clone();
        chunks[self.axis] = self.chunk();
        chunks.iter_mut().for_each(|n| *n = (*n).max(1));
        let little = json!({ "name": "bytes", "configuration": { "endian": "little" } });
        let (data_type, fill, bytes) = match self.dtype {
            Dtype::F64 => ("float64", json!("NaN"), little),
            Dtype::I64 => ("int64", json!(0), little),
            Dtype::Bool => ("bool", json!(false), json!({ "name": "bytes" })),
            Dtype::Text => ("string", json!(""), json!({ "name": "vlen-utf8" })),
        };
        json!({
            "zarr_format": 3,
            "node_type": "array",
            "shape": self.shape,
            "data_type": data_type,
            "chunk_grid": { "name": "regular", "configuration": { "chunk_shape": chunks } },
            "chunk_key_encoding": { "name": "default", "configuration": { "separator": "/" } },
            "fill_value": fill,
            "codecs": [bytes, { "name": "zstd", "configuration": { "level": LEVEL, "checksum": false } }],
            "attributes": self.attributes,
            "dimension_names": self.dims,
            "storage_transformers": [],
        })
    }
}

/// Writes the chunks of one array.
pub(super) struct ArrayWriter {
    folder: PathBuf,
    layout: Layout,
    /// Products of the lengths before and after the axis.
    outer: usize,
    inner: usize,
    chunk: usize,
    /// Places in the chunk under way.
    filled: usize,
    /// Index of the chunk under way.
    index: usize,
    waiting: Values,
    /// Bytes written.
    pub(super) bytes: u64,
}

impl ArrayWriter {
    /// Makes the folder of an array and its metadata.
    pub(super) fn create(folder: PathBuf, layout: Layout) -> Result<Self> {
        fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
        let bytes = write_json(&folder.join("zarr.json"), &layout.metadata())?;
        let (outer, inner) =
            (layout.shape[..layout.axis].iter().product(), layout.shape[layout.axis + 1..].iter().product());
        let chunk = layout.chunk();
        let waiting = empty(layout.dtype, outer * chunk * inner);
        Ok(Self { folder, layout, outer, inner, chunk, filled: 0, index: 0, waiting, bytes })
    }

    /// The next `length` places along the axis.
    pub(super) fn push(&mut self, values: &Values, length: usize) -> Result<()> {
        let (done, whole) = (self.index * self.chunk + self.filled, self.layout.shape[self.layout.axis]);
        if values.dtype() != self.layout.dtype
            || values.len() != self.outer * length * self.inner
            || done + length > whole
        {
            return Err(Error::new(format!(
                "an array {:?} of {:?} was given a block it cannot hold",
                self.layout.shape, self.layout.dtype
            ))
            .at(self.folder.display())
            .seen(format!("{} of {:?} for {length} places after {done}", values.len(), values.dtype())));
        }
        let mut at = 0;
        while at < length {
            let take = (self.chunk - self.filled).min(length - at);
            let places = Places {
                outer: self.outer,
                inner: self.inner,
                from: (at, length),
                to: (self.filled, self.chunk),
                take,
            };
            match (&mut self.waiting, values) {
                (Values::F64(to), Values::F64(from)) => places.copy(from, to),
                (Values::I64(to), Values::I64(from)) => places.copy(from, to),
                (Values::Bool(to), Values::Bool(from)) => places.copy(from, to),
                (Values::Text(to), Values::Text(from)) => places.copy(from, to),
                _ => {}
            }
            at += take;
            self.filled += take;
            if self.filled == self.chunk {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left; returns the bytes of the array.
    pub(super) fn finish(mut self) -> Result<u64> {
        let (done, whole) = (self.index * self.chunk + self.filled, self.layout.shape[self.layout.axis]);
        if done != whole {
            return Err(Error::new(format!("an array of {whole} places was given fewer"))
                .at(self.folder.display())
                .seen(done));
        }
        if self.filled > 0 {
            self.flush()?;
        }
        Ok(self.bytes)
    }

    fn flush(&mut self) -> Result<()> {
        let (index, axis) = (self.index, self.layout.axis);
        self.index += 1;
        self.filled = 0;
        let fresh = empty(self.layout.dtype, self.waiting.len());
        if self.waiting.is_empty() {
            return Ok(());
        }
        let values = std::mem::replace(&mut self.waiting, fresh);
        let mut path = self.folder.join("c");
        (0..self.layout.shape.len())
            .for_each(|k| path.push(if k == axis { index.to_string() } else { "0".to_owned() }));
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        let packed = zstd::bulk::compress(&encode(&values), LEVEL).map_err(|e| failed(&path, e))?;
        self.bytes += write_file(&path, &packed)?;
        Ok(())
    }
}

/// Places that move from a block to a chunk: `take` of them, from and to an offset among so many.
struct Places {
    outer: usize,
    inner: usize,
    from: (usize, usize),
    to: (usize, usize),
    take: usize,
}

impl Places {
    fn copy<T: Clone>(&self, from: &[T], to: &mut [T]) {
        let count = self.take * self.inner;
        for o in 0..self.outer {
            let source = (o * self.from.1 + self.from.0) * self.inner;
            let target = (o * self.to.1 + self.to.0) * self.inner;
            to[target..target + count].clone_from_slice(&from[source..source + count]);
        }
    }
}

/// A chunk that holds nothing but fill values.
fn empty(dtype: Dtype, length: usize) -> Values {
    match dtype {
        Dtype::F64 => Values::F64(vec![f64::NAN; length]),
        Dtype::I64 => Values::I64(vec![0; length]),
        Dtype::Bool => Values::Bool(vec![false; length]),
        Dtype::Text => Values::Text(vec![String::new(); length]),
    }
}

/// The bytes of a chunk before compression.
fn encode(values: &Values) -> Vec<u8> {
    match values {
        Values::F64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::I64(v) => v.iter().flat_map(|x| x.to_le_bytes()).collect(),
        Values::Bool(v) => v.iter().map(|x| u8::from(*x)).collect(),
        Values::Text(v) => {
            // A count, then each text after its length in bytes, all little-endian of 32 bits.
            let mut bytes = (v.len() as u32).to_le_bytes().to_vec();
            for text in v {
                bytes.extend((text.len() as u32).to_le_bytes());
                bytes.extend(text.as_bytes());
            }
            bytes
        }
    }
}

/// Writes one node's metadata; returns its bytes.
pub(super) fn write_json(path: &std::path::Path, value: &Value) -> Result<u64> {
    let text = serde_json::to_vec_pretty(value).map_err(|e| Error::new("could not write as JSON").because(e))?;
    write_file(path, &text)
}

fn write_file(path: &std::path::Path, bytes: &[u8]) -> Result<u64> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|e| failed(path, e))?;
    Ok(bytes.len() as u64)
}
