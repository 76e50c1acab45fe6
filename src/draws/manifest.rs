//! The manifest: the one file that says which other files of a draw store count.
//!
//! Plain data with its checks; it opens no shard. It holds no timestamp, so that equal runs write equal manifests.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, Result};
use crate::target::Schema;

/// The layout of store that this program writes, and the only one it reads.
pub const SCHEMA_VERSION: u32 = 1;

/// The manifest's name inside the store.
pub(super) const MANIFEST: &str = "manifest.json";

/// What `manifest.json` holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The layout's version, [`SCHEMA_VERSION`].
    pub schema_version: u32,
    /// What the draws belong to (plan hash, versions, seeds, adapter), in the caller's words.
    pub identity: Value,
    /// The fits by name.
    pub fits: BTreeMap<String, FitEntry>,
}

/// One fit: its layout, its files, and how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FitEntry {
    /// Names, dimensions and labels of the values.
    pub schema: Schema,
    /// Number of chains.
    pub chains: usize,
    /// Number of unconstrained coordinates.
    pub dim: usize,
    /// Names of the sample statistics, in the order in which the sampler gave them; empty until the first draws.
    pub stats: Vec<String>,
    /// The shards in sampling order.
    pub shards: Vec<ShardFile>,
    /// Draws of warm-up, where they were kept: shards as those above, their draws counted from the beginning of warm-up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warmup: Vec<ShardFile>,
    /// The state to continue from, if any was committed.
    pub checkpoint: Option<CheckpointFile>,
    /// Whether the fit has all the draws it was asked for.
    pub complete: bool,
    /// What the sampler had to say at the end.
    pub report: Option<Value>,
}

/// One file of draws.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardFile {
    /// File name inside the store.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Index of its first draw, counted after warm-up (of a shard of warm-up, from its beginning).
    pub first_draw: u64,
    /// Draws per chain in it.
    pub draws: u64,
}

/// The file with the sampler's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckpointFile {
    /// File name inside the store.
    pub file: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Length of the file in bytes.
    pub bytes: u64,
    /// Draws per chain done at this state, after warm-up.
    pub draws_done: u64,
    /// How many commits the fit has had, warm-up included; it numbers the file.
    pub commit: u64,
}

impl FitEntry {
    /// A fit without draws.
    pub(super) fn new(schema: Schema, chains: usize, dim: usize) -> Self {
        Self {
            schema,
            chains,
            dim,
            stats: vec![],
            shards: vec![],
            warmup: vec![],
            checkpoint: None,
            complete: false,
            report: None,
        }
    }

    /// Draws per chain committed so far.
    pub fn draws_done(&self) -> u64 {
        self.shards.iter().map(|s| s.draws).sum()
    }

    /// Draws per chain kept of warm-up so far.
    pub fn warmup_kept(&self) -> u64 {
        self.warmup.iter().map(|s| s.draws).sum()
    }
}

impl Manifest {
    /// A manifest without fits.
    pub(super) fn new(identity: Value) -> Self {
        Self { schema_version: SCHEMA_VERSION, identity, fits: BTreeMap::new() }
    }

    /// Names of the files that count, with their lengths.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, u64)> {
        self.fits.values().flat_map(|fit| {
            let shards = fit.shards.iter().chain(&fit.warmup).map(|s| (s.file.as_str(), s.bytes));
            shards.chain(fit.checkpoint.iter().map(|c| (c.file.as_str(), c.bytes)))
        })
    }

    /// The manifest as the bytes of its file.
    pub(super) fn to_bytes(&self) -> Result<Vec<u8>> {
        let mut bytes =
            serde_json::to_vec_pretty(self).map_err(|e| Error::new("could not write the manifest").because(e))?;
        bytes.push(b'\n');
        Ok(bytes)
    }

    /// Reads and checks `dir/manifest.json`.
    pub(super) fn read(dir: &Path) -> Result<Self> {
        let path = dir.join(MANIFEST);
        let bytes = std::fs::read(&path).map_err(|e| match e.kind() {
            std::io::ErrorKind::NotFound => Error::new("there are no draws here: the manifest is missing")
                .at(path.display())
                .advice("check the run directory, or run its `fit` step first"),
            _ => Error::io("read the manifest of the draws", &path, e),
        })?;
        let damaged = |e: serde_json::Error| {
            Error::new("the manifest of the draws is damaged")
                .at(path.display())
                .advice("restore it from a copy, or fit again into a new run directory")
                .because(e)
        };
        let value: Value = serde_json::from_slice(&bytes).map_err(damaged)?;
        let version = value.get("schema_version").and_then(Value::as_u64);
        if version != Some(u64::from(SCHEMA_VERSION)) {
            let seen = version.map_or_else(|| "none".to_owned(), |v| v.to_string());
            return Err(Error::new(format!("the draws must have schema_version {SCHEMA_VERSION}"))
                .at(path.display())
                .seen(seen)
                .advice("read them with the version of longrun that wrote them"));
        }
        let manifest: Self = serde_json::from_value(value).map_err(damaged)?;
        manifest.check().map_err(|e| e.at(path.display()))?;
        Ok(manifest)
    }

    /// What must hold between the entries: shards follow one another, and no file lies outside the store.
    fn check(&self) -> Result<()> {
        for (name, fit) in &self.fits {
            for shards in [&fit.shards, &fit.warmup] {
                let mut next = 0;
                for shard in shards {
                    if shard.first_draw != next {
                        return Err(Error::new(format!(
                            "shards of `{name}` do not follow one another: {}",
                            shard.file
                        ))
                        .seen(format!("first_draw {} where {next} was due", shard.first_draw)));
                    }
                    next += shard.draws;
                }
            }
        }
        match self.files().find(|(file, _)| file.contains(['/', '\\']) || file.starts_with('.')) {
            Some((file, _)) => Err(Error::new("the manifest names a file outside the store").seen(file)),
            None => Ok(()),
        }
    }
}
