//! How long judging takes: a draw store of made-up chains, judged by the road of a run, with a clock beside it. Decides nothing.

use std::path::PathBuf;

use ndarray::{Array2, Array3};
use rayon::prelude::*;
use serde::Serialize;

use super::diagnose::judge_within;
use super::meter::Meter;
use crate::diagnose::{Thresholds, Verdict};
use crate::draws::DrawStore;
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};
use crate::target::{Checkpoint, DrawBlock, DrawSink, Schema, Variable};

/// Correlation of a draw with the one before.
const CORRELATION: f64 = 0.5;

/// What to make up and judge.
#[derive(Debug, Clone, PartialEq)]
pub struct RehearsalOptions {
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Elements of one array.
    pub parameters: usize,
    /// Draws per chain in one file.
    pub shard_draws: usize,
    /// Draws that may be in memory at once, bytes.
    pub budget_bytes: usize,
    /// Folder that must not be there yet; it is removed afterwards.
    pub dir: PathBuf,
}

/// What it took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rehearsal {
    /// Number of chains.
    pub chains: usize,
    /// Draws per chain.
    pub draws: usize,
    /// Number of parameters.
    pub parameters: usize,
    /// Seconds to judge them, checksums included; writing them is not.
    pub seconds: f64,
    /// The most memory that the process held while judging, where the system tells.
    pub peak_memory_bytes: Option<u64>,
    /// Bytes read from files.
    pub bytes_read: u64,
    /// Bytes that the draws take: what must be read once.
    pub bytes_counted: u64,
    /// What the verdict was.
    pub verdict: Verdict,
    /// The greatest R-hat, and the least effective sample size.
    pub worst_r_hat: Option<f64>,
    /// The least effective sample size for the bulk.
    pub least_ess_bulk: Option<f64>,
}

/// Makes up chains that agree, writes them to a draw store, judges it and removes it.
///
/// # Errors
/// A folder that is there already or cannot be written.
pub fn rehearse(options: &RehearsalOptions) -> Result<Rehearsal> {
    if options.dir.exists() {
        return Err(Error::new("the folder for made-up draws is there already")
            .at(options.dir.display())
            .advice("name one that is not; it is removed afterwards"));
    }
    let result = write(options).and_then(|()| judge(options));
    let removed = std::fs::remove_dir_all(&options.dir);
    let result = result?;
    removed.map_err(|e| Error::io("remove the made-up draws", &options.dir, e))?;
    Ok(result)
}

fn write(options: &RehearsalOptions) -> Result<()> {
    let RehearsalOptions { chains, draws, parameters, .. } = *options;
    let schema = Schema {
        variables: vec![Variable { name: "x".into(), dims: vec!["element".into()] }],
        coords: [("element".into(), (0..parameters).map(|i| i.to_string()).collect())].into(),
        unconstrained: vec![],
    };
    let mut store = DrawStore::create(&options.dir, serde_json::json!({ "rehearsal": [chains, draws, parameters] }))?;
    let mut writer = store.writer("draws", &schema, chains, 0)?;
    let mut at = Array2::<f64>::zeros((chains, parameters));
    let mut first = 0;
    while first < draws {
        let held = options.shard_draws.min(draws - first);
        let mut values = Array3::<f64>::zeros((chains, held, parameters));
        let rows: Vec<_> = values.outer_iter_mut().zip(at.outer_iter_mut()).enumerate().collect();
        rows.into_par_iter().for_each(|(chain, (mut block, mut at))| {
            // Fewer than 2²⁴ draws, so the address holds them.
            let mut stream = Stream::new(1, Purpose::Simulation, chain as u64, first as u32);
            for mut row in block.outer_iter_mut() {
                for (to, x) in row.iter_mut().zip(at.iter_mut()) {
                    *x = CORRELATION * *x + stream.uniform() - 0.5;
                    *to = *x;
                }
            }
        });
        let flat = |value: f64| Array2::from_elem((chains, held), value);
        let energy = Array2::from_shape_fn((chains, held), |(c, t)| values[[c, t, 0]]);
        let none = Array3::zeros((chains, held, 0));
        let block = DrawBlock {
            first_draw: first as u64,
            unconstrained: none.view(),
            constrained: values.view(),
            stats: &[("lp", flat(0.0)), ("energy", energy), ("diverging", flat(0.0))],
        };
        first += held;
        let checkpoint = Checkpoint { draws_done: first as u64, state: vec![] };
        writer.commit(&block, &checkpoint).map_err(|e| e.0)?;
    }
    store.finish("draws", serde_json::Value::Null)
}

fn judge(options: &RehearsalOptions) -> Result<Rehearsal> {
    let store = DrawStore::open(&options.dir)?;
    let meter = Meter::start(None);
    let columns = store.columns("draws")?;
    // As the elements of a group: among thousands some R-hat exceeds the limit by chance.
    let thresholds = Thresholds::default();
    let facts = judge_within(options.budget_bytes, &columns, "draws", &|_| true, None, &thresholds)?.facts;
    let (cost, _) = meter.finish();
    Ok(Rehearsal {
        chains: options.chains,
        draws: options.draws,
        parameters: options.parameters,
        seconds: cost.wall_s,
        peak_memory_bytes: cost.peak_memory_bytes,
        bytes_read: columns.bytes_read(),
        bytes_counted: (options.chains * options.draws * options.parameters * size_of::<f64>()) as u64,
        verdict: facts.verdict,
        worst_r_hat: facts.worst_r_hat.map(|n| n.value),
        least_ess_bulk: facts.worst_ess_bulk.map(|n| n.value),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same figures for every budget, the folder gone, and more reading for less memory.
    #[test]
    fn a_rehearsal_judges_alike_within_every_budget() {
        let scratch = tempfile::tempdir().expect("a folder");
        let options = RehearsalOptions {
            chains: 8,
            draws: 60,
            parameters: 11,
            shard_draws: 25,
            budget_bytes: 1 << 30,
            dir: scratch.path().join("made-up"),
        };
        let whole = rehearse(&options).expect("a rehearsal");
        let narrow = rehearse(&RehearsalOptions { budget_bytes: 1, ..options.clone() }).expect("a rehearsal");
        assert_eq!((whole.worst_r_hat, whole.least_ess_bulk), (narrow.worst_r_hat, narrow.least_ess_bulk));
        assert!(whole.worst_r_hat.is_some_and(|r| r > 1.0));
        assert!(narrow.bytes_read > whole.bytes_read && whole.bytes_read >= 2 * whole.bytes_counted);
        assert!(!options.dir.exists());
    }
}
