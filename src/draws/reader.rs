//! Draws read back: whole fits, shard by shard, or evenly thinned.
//!
//! Every file is held against its checksum as it is read. Nothing here writes.

use std::collections::BTreeMap;

use ndarray::{Array2, Array3, ArrayView3, s};

use super::manifest::{FitEntry, ShardFile};
use super::shard;
use super::store::DrawStore;
use crate::error::{Error, Result};
use crate::target::Schema;

/// The draws of one fit, or of one of its shards.
#[derive(Debug, Clone, PartialEq)]
pub struct FitDraws {
    /// Index of the first draw held here, counted after warm-up (0 for a whole fit).
    pub first_draw: u64,
    /// Names, dimensions and labels of the values.
    pub schema: Schema,
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain held here.
    pub draws: usize,
    /// `[chain, draw, Schema::size()]`, laid out as the schema says.
    pub constrained: Array3<f64>,
    /// `[chain, draw, dim]`.
    pub unconstrained: Array3<f64>,
    /// Sample statistics by name, each `[chain, draw]`.
    pub stats: BTreeMap<String, Array2<f64>>,
}

impl FitDraws {
    fn empty(schema: Schema, chains: usize, draws: usize, dim: usize, stats: &[String]) -> Self {
        Self {
            first_draw: 0,
            chains,
            draws,
            constrained: Array3::zeros((chains, draws, schema.size())),
            unconstrained: Array3::zeros((chains, draws, dim)),
            stats: stats.iter().map(|name| (name.clone(), Array2::zeros((chains, draws)))).collect(),
            schema,
        }
    }

    /// The draws of one variable, `[chain, draw, element]` with its elements row-major over its dimensions (one for a scalar);
    /// `None` where the fit has no such variable.
    pub fn variable(&self, name: &str) -> Option<ArrayView3<'_, f64>> {
        Some(self.constrained.slice(s![.., .., self.schema.range(name)?]))
    }

    /// `n` draws pooled over the chains, evenly thinned: `[draw, Schema::size()]`, by [`thinned_rows`].
    pub fn thinned(&self, n: usize) -> Array2<f64> {
        let rows = thinned_rows(self.chains, self.draws, n);
        let mut out = Array2::zeros((rows.len(), self.schema.size()));
        for (mut to, (chain, draw)) in out.rows_mut().into_iter().zip(rows) {
            to.assign(&self.constrained.slice(s![chain, draw, ..]));
        }
        out
    }
}

/// Which `(chain, draw)` stand for all when only `n` draws are wanted: the middles of `n` equal stretches of the chains laid end
/// to end, so that every chain gives as many as the next (within one) and they lie as far apart as they can. All of them, in
/// that order, where there are no more than `n`.
pub fn thinned_rows(chains: usize, draws: usize, n: usize) -> Vec<(usize, usize)> {
    let total = chains * draws;
    let n = n.min(total);
    (0..n)
        .map(|k| {
            // floor((k + ½) · total / n), in integers so that it is the same everywhere.
            let row = ((2 * k as u128 + 1) * total as u128 / (2 * n as u128)) as usize;
            (row / draws, row % draws)
        })
        .collect()
}

impl DrawStore {
    /// All draws of `fit`, in memory at once.
    ///
    /// # Errors
    /// No such fit, or a shard that is missing, damaged or not laid out as the manifest says.
    pub fn read(&self, fit: &str) -> Result<FitDraws> {
        let entry = self.entry(fit)?;
        let draws = entry.draws_done() as usize;
        let mut all = FitDraws::empty(entry.schema.clone(), entry.chains, draws, entry.dim, &entry.stats);
        for part in self.shards(fit)? {
            let part = part?;
            let start = part.first_draw as usize;
            let held = start..start + part.draws;
            all.constrained.slice_mut(s![.., held.clone(), ..]).assign(&part.constrained);
            all.unconstrained.slice_mut(s![.., held.clone(), ..]).assign(&part.unconstrained);
            for (to, from) in all.stats.values_mut().zip(part.stats.values()) {
                to.slice_mut(s![.., held.clone()]).assign(from);
            }
        }
        Ok(all)
    }

    /// The draws of `fit` one shard at a time, in sampling order, so that memory stays at one shard.
    ///
    /// # Errors
    /// No such fit; each item as [`DrawStore::read`].
    pub fn shards(&self, fit: &str) -> Result<impl Iterator<Item = Result<FitDraws>> + '_> {
        let entry = self.entry(fit)?;
        Ok(self.parts(entry, &entry.shards))
    }

    /// The draws that were kept of the warm-up of `fit`, as [`DrawStore::shards`]; nothing where none were.
    ///
    /// # Errors
    /// No such fit; each item as [`DrawStore::read`].
    pub fn warmup_shards(&self, fit: &str) -> Result<impl Iterator<Item = Result<FitDraws>> + '_> {
        let entry = self.entry(fit)?;
        Ok(self.parts(entry, &entry.warmup))
    }

    fn parts<'a>(&'a self, entry: &'a FitEntry, files: &'a [ShardFile]) -> impl Iterator<Item = Result<FitDraws>> + 'a {
        files.iter().map(move |file| {
            let bytes = self.disk().read(&file.file, file.bytes, &file.sha256)?;
            shard::decode(entry, file, &bytes).map_err(|e| e.at(self.disk().path(&file.file).display()))
        })
    }

    /// `n` draws of `fit` pooled over its chains as if they were one, evenly thinned by [`thinned_rows`], with everything that is held of
    /// each; one shard in memory at a time.
    ///
    /// # Errors
    /// As [`DrawStore::read`].
    pub fn sample(&self, fit: &str, n: usize) -> Result<FitDraws> {
        let entry = self.entry(fit)?;
        let rows = thinned_rows(entry.chains, entry.draws_done() as usize, n);
        let mut out = FitDraws::empty(entry.schema.clone(), 1, rows.len(), entry.dim, &entry.stats);
        for part in self.shards(fit)? {
            let part = part?;
            let start = part.first_draw as usize;
            for (ix, &(chain, draw)) in rows.iter().enumerate() {
                if !(start..start + part.draws).contains(&draw) {
                    continue;
                }
                let at = draw - start;
                out.constrained.slice_mut(s![0, ix, ..]).assign(&part.constrained.slice(s![chain, at, ..]));
                out.unconstrained.slice_mut(s![0, ix, ..]).assign(&part.unconstrained.slice(s![chain, at, ..]));
                for (to, from) in out.stats.values_mut().zip(part.stats.values()) {
                    to[[0, ix]] = from[[chain, at]];
                }
            }
        }
        Ok(out)
    }

    /// `n` draws of `fit` pooled over its chains, evenly thinned by [`thinned_rows`], holding one shard at a time:
    /// `[draw, Schema::size()]`, the same rows as [`FitDraws::thinned`].
    ///
    /// # Errors
    /// As [`DrawStore::read`], and a fit without draws.
    pub fn thinned(&self, fit: &str, n: usize) -> Result<Array2<f64>> {
        let entry = self.entry(fit)?;
        let rows = thinned_rows(entry.chains, entry.draws_done() as usize, n);
        if rows.is_empty() {
            return Err(Error::new(format!("fit `{fit}` has no draws yet"))
                .at(self.dir().display())
                .advice("let it run on: `longrun resume` on the run directory"));
        }
        let mut out = Array2::zeros((rows.len(), entry.schema.size()));
        for part in self.shards(fit)? {
            let part = part?;
            let start = part.first_draw as usize;
            for (ix, &(chain, draw)) in rows.iter().enumerate() {
                if (start..start + part.draws).contains(&draw) {
                    out.row_mut(ix).assign(&part.constrained.slice(s![chain, draw - start, ..]));
                }
            }
        }
        Ok(out)
    }
}
