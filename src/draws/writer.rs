//! The writing end of a store: blocks of draws and the sampler's state in, one atomic commit each.
//!
//! Order of a commit: the shard, then the checkpoint, each whole under a new name; the directory; then the manifest, whose
//! rename makes both count at once; last the checkpoint that is superseded goes. Nothing here knows what a state says.

use super::disk::checksum;
use super::manifest::{CheckpointFile, FitEntry, ShardFile};
use super::shard;
use super::store::DrawStore;
use crate::error::{Error, Result};
use crate::target::{Checkpoint, DrawBlock, DrawSink, SinkError};

/// Which part of a fit draws belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Warmup,
    Sampling,
}

/// Writes one fit into its store.
#[derive(Debug)]
pub struct ShardWriter<'a> {
    store: &'a mut DrawStore,
    fit: String,
    entry: FitEntry,
}

impl<'a> ShardWriter<'a> {
    pub(super) fn new(store: &'a mut DrawStore, fit: String, entry: FitEntry) -> Self {
        Self { store, fit, entry }
    }

    /// Draws per chain committed so far.
    pub fn draws_done(&self) -> u64 {
        self.entry.draws_done()
    }

    /// A block must continue exactly where the store stands, in the store's layout.
    fn check(&self, block: &DrawBlock<'_>, checkpoint: &Checkpoint, of: Of) -> Result<()> {
        let (entry, draws) = (&self.entry, block.draws());
        let (due, stands) = match of {
            Of::Sampling => (entry.draws_done(), entry.draws_done() + draws as u64),
            Of::Warmup => (entry.warmup_kept(), entry.draws_done()),
        };
        if checkpoint.draws_done != stands {
            return Err(Error::new(format!("the checkpoint should stand at draw {stands}"))
                .seen(checkpoint.draws_done)
                .advice("continue the fit from the store's own checkpoint"));
        }
        if draws == 0 {
            return Ok(());
        }
        if block.first_draw != due {
            return Err(Error::new(format!("the block should begin at draw {due}"))
                .seen(block.first_draw)
                .advice("continue the fit from the store's own checkpoint"));
        }
        let size = entry.schema.size();
        if block.unconstrained.dim() != (entry.chains, draws, entry.dim)
            || block.constrained.dim() != (entry.chains, draws, size)
        {
            return Err(Error::new(format!(
                "a block should hold [{}, draws, {}] and [{}, draws, {size}]",
                entry.chains, entry.dim, entry.chains
            ))
            .seen(format!("{:?} and {:?}", block.unconstrained.shape(), block.constrained.shape())));
        }
        if let Some((name, values)) = block.stats.iter().find(|(_, values)| values.dim() != (entry.chains, draws)) {
            return Err(Error::new(format!("sample statistic `{name}` should be [{}, {draws}]", entry.chains))
                .seen(format!("{:?}", values.shape())));
        }
        let names = || block.stats.iter().map(|(name, _)| *name);
        let begun = !entry.shards.is_empty() || !entry.warmup.is_empty();
        if begun && !names().eq(entry.stats.iter().map(String::as_str)) {
            return Err(Error::new(format!("every block should hold the sample statistics {:?}", entry.stats))
                .seen(format!("{:?}", names().collect::<Vec<_>>())));
        }
        Ok(())
    }

    fn try_commit(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint, of: Of) -> Result<()> {
        self.check(block, checkpoint, of).map_err(|e| e.at(self.store.dir().display()))?;
        let mut next = self.entry.clone();
        if block.draws() > 0 {
            next.stats = block.stats.iter().map(|(name, _)| (*name).to_owned()).collect();
            let file = match of {
                Of::Sampling => format!("{}-{:05}.safetensors", self.fit, next.shards.len() + 1),
                Of::Warmup => format!("{}-warmup-{:05}.safetensors", self.fit, next.warmup.len() + 1),
            };
            let bytes = shard::encode(&next, block)?;
            self.store.disk().put(&file, &bytes)?;
            let shards = match of {
                Of::Sampling => &mut next.shards,
                Of::Warmup => &mut next.warmup,
            };
            shards.push(ShardFile {
                file,
                sha256: checksum(&bytes),
                bytes: bytes.len() as u64,
                first_draw: block.first_draw,
                draws: block.draws() as u64,
            });
        }
        let commit = next.checkpoint.as_ref().map_or(0, |c| c.commit) + 1;
        let file = format!("{}-checkpoint-{commit:05}.bin", self.fit);
        let bytes =
            postcard::to_stdvec(checkpoint).map_err(|e| Error::new("could not encode the checkpoint").because(e))?;
        self.store.disk().put(&file, &bytes)?;
        let superseded = next.checkpoint.replace(CheckpointFile {
            file,
            sha256: checksum(&bytes),
            bytes: bytes.len() as u64,
            draws_done: checkpoint.draws_done,
            commit,
        });
        self.store.disk().sync()?;

        let mut manifest = self.store.manifest().clone();
        manifest.fits.insert(self.fit.clone(), next.clone());
        let committed = self.store.replace_manifest(manifest);
        if let Some(entry) = self.store.manifest().fits.get(&self.fit) {
            self.entry = entry.clone();
        }
        committed?;
        if let Some(old) = superseded {
            // Already without meaning: if it cannot go now, the next writer sweeps it away.
            let _ = self.store.disk().remove(&old.file);
        }
        Ok(())
    }
}

impl ShardWriter<'_> {
    fn commit_of(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint, of: Of) -> Result<(), SinkError> {
        self.try_commit(block, checkpoint, of).map_err(|e| {
            // Give back the room that the failed commit took; the store stands at its last commit either way.
            let _ = self.store.sweep();
            SinkError(e)
        })
    }
}

impl DrawSink for ShardWriter<'_> {
    fn commit(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint) -> Result<(), SinkError> {
        self.commit_of(block, checkpoint, Of::Sampling)
    }

    fn commit_warmup(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint) -> Result<(), SinkError> {
        self.commit_of(block, checkpoint, Of::Warmup)
    }
}
