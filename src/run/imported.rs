//! Other people's draws: judged where they lie, or kept in a draw store without a plan.
//!
//! A directory made by an import holds `draws/` and, once it was judged, `diagnostics.json`. It has no `plan.toml`, so that no step of a
//! run takes it for one.

use std::path::{Path, PathBuf};

use ndarray::s;

use super::diagnose::judge_columns;
use crate::diagnose::{Diagnostics, FitLayout, Thresholds, diagnose_fit_by_blocks, verdict};
use crate::draws::{Chains, DrawStore, read_cmdstan};
use crate::error::{Error, Result};
use crate::target::{Checkpoint, DrawBlock, DrawSink};

/// Name of the fit that imported draws are.
pub const IMPORTED_FIT: &str = "draws";

/// Values of one block of draws in the store.
const BLOCK_VALUES: usize = 1 << 24;

/// What an import kept.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Imported {
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Values of one draw.
    pub parameters: usize,
    /// What was left out, in sentences.
    pub notes: Vec<String>,
}

/// Judges the chains of CmdStan's CSV files, one each.
///
/// # Errors
/// As [`read_cmdstan`].
pub fn diagnose_files(files: &[PathBuf], thresholds: &Thresholds) -> Result<Diagnostics> {
    let chains = read_cmdstan(files)?;
    let (m, n, _) = chains.values.dim();
    let stats = chains.stats.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect();
    let layout = FitLayout {
        fit: IMPORTED_FIT,
        elements: &chains.schema.elements(),
        chains: m,
        draws: n,
        stats: &stats,
        per_group: &|_| false,
        chains_per_superchain: None,
    };
    let mut read = |held: std::ops::Range<usize>| {
        let block = chains.values.slice(s![.., .., held]).permuted_axes([2, 0, 1]);
        Ok(block.as_standard_layout().into_owned())
    };
    let mut found = diagnose_fit_by_blocks(&layout, 64, &mut read, thresholds)?;
    found.facts.notes.extend(chains.notes.iter().cloned());
    Ok(verdict(vec![found]))
}

/// Keeps the chains of CmdStan's CSV files in `output/draws`.
///
/// # Errors
/// As [`read_cmdstan`]; an output directory that holds something already, or cannot be written.
pub fn import(files: &[PathBuf], output: &Path) -> Result<Imported> {
    let chains = read_cmdstan(files)?;
    if std::fs::read_dir(output).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::new("the output directory is not empty")
            .at(output.display())
            .advice("choose another with --output"));
    }
    let names: Vec<String> =
        files.iter().map(|f| f.file_name().map_or_else(String::new, |n| n.to_string_lossy().into_owned())).collect();
    let identity = serde_json::json!({ "longrun": env!("CARGO_PKG_VERSION"), "imported": names });
    let mut store = DrawStore::create(&output.join("draws"), identity)?;
    write(&mut store, &chains).map_err(|e| e.at(output.display()))?;
    let (m, n, size) = chains.values.dim();
    store.finish(IMPORTED_FIT, serde_json::json!({ "kind": "imported", "notes": chains.notes }))?;
    Ok(Imported { chains: m, draws: n, parameters: size, notes: chains.notes })
}

fn write(store: &mut DrawStore, chains: &Chains) -> Result<()> {
    let (m, n, size) = chains.values.dim();
    let mut writer = store.writer(IMPORTED_FIT, &chains.schema, m, 0)?;
    let together = (BLOCK_VALUES / (m * size).max(1)).max(1);
    let mut first = 0;
    while first < n {
        let held = first..(first + together).min(n);
        let unconstrained = ndarray::Array3::zeros((m, held.len(), 0));
        let stats: Vec<_> =
            chains.stats.iter().map(|(name, x)| (*name, x.slice(s![.., held.clone()]).to_owned())).collect();
        let block = DrawBlock {
            first_draw: held.start as u64,
            unconstrained: unconstrained.view(),
            constrained: chains.values.slice(s![.., held.clone(), ..]),
            stats: &stats,
        };
        let checkpoint = Checkpoint { draws_done: held.end as u64, state: vec![] };
        writer.commit(&block, &checkpoint).map_err(|e| e.0)?;
        first = held.end;
    }
    Ok(())
}

/// Whether a directory holds imported draws: a draw store without a plan.
pub fn is_imported(dir: &Path) -> bool {
    dir.join("draws/manifest.json").is_file() && !dir.join("plan.toml").exists()
}

/// Judges imported draws and writes `diagnostics.json` beside them.
///
/// # Errors
/// As [`DrawStore::columns`]; a directory that cannot be written.
pub fn diagnose_imported(dir: &Path, thresholds: &Thresholds) -> Result<Diagnostics> {
    let store = DrawStore::open(&dir.join("draws"))?;
    let mut fits = Vec::new();
    for fit in store.fits() {
        let mut found = judge_columns(&store.columns(fit)?, fit, &|_| false, None, thresholds)?;
        let told = store.entry(fit)?.report.as_ref().and_then(|r| r.get("notes")?.as_array());
        found.facts.notes.extend(told.into_iter().flatten().filter_map(|n| Some(n.as_str()?.to_owned())));
        fits.push(found);
    }
    let found = verdict(fits);
    let path = dir.join("diagnostics.json");
    let text = serde_json::to_string_pretty(&found)
        .map_err(|e| Error::new("could not write as JSON").at(path.display()).because(e))?;
    let partial = dir.join("diagnostics.json.partial");
    std::fs::write(&partial, text + "\n")
        .and_then(|()| std::fs::rename(&partial, &path))
        .map_err(|e| Error::io("write", &path, e))?;
    Ok(found)
}
