//! The draw store: posterior draws on disk, together with the state to continue from.
//!
//! A store is one directory. `manifest.json` names everything that counts; `<fit>-00001.safetensors`, `-00002`, … hold the
//! draws in sampling order, `<fit>-warmup-00001.safetensors`, … those of warm-up where they are kept; `<fit>-checkpoint-00001.bin` holds the sampler's state. A commit becomes real by one atomic rename
//! of the manifest, so a process killed at any moment leaves the store at its last commit. Nothing is dated: equal runs are
//! equal bytes, interrupted or not.
//!
//! Nothing here knows what the numbers mean, which sampler drew them, or what its state says.
//!
//! ```
//! use longrun::draws::DrawStore;
//! use longrun::target::{Checkpoint, DrawBlock, DrawSink, Schema, Variable};
//! use ndarray::{Array2, Array3};
//!
//! # let scratch = tempfile::tempdir()?;
//! # let dir = scratch.path().join("draws");
//! let schema = Schema {
//!     variables: vec![Variable { name: "alpha".into(), dims: vec![] }],
//!     unconstrained: vec!["log_alpha".into()],
//!     ..Schema::default()
//! };
//! let mut store = DrawStore::create(&dir, serde_json::json!({ "seed": 1 }))?;
//! let mut writer = store.writer("purchase", &schema, 4, 1)?;
//! let (unconstrained, constrained) = (Array3::zeros((4, 10, 1)), Array3::ones((4, 10, 1)));
//! let stats = [("lp", Array2::zeros((4, 10)))];
//! let block =
//!     DrawBlock { first_draw: 0, unconstrained: unconstrained.view(), constrained: constrained.view(), stats: &stats };
//! writer.commit(&block, &Checkpoint { draws_done: 10, state: vec![1, 2, 3] })?;
//! store.finish("purchase", serde_json::json!({ "warmup": 1000 }))?;
//!
//! let draws = DrawStore::open(&dir)?.read("purchase")?;
//! assert_eq!(draws.variable("alpha").map(|a| a.dim()), Some((4, 10, 1)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod cmdstan;
mod columns;
mod disk;
mod manifest;
mod reader;
mod shard;
mod store;
mod writer;

#[cfg(test)]
mod tests;

pub use cmdstan::{Chains, read_cmdstan};
pub use columns::Columns;
pub use manifest::{CheckpointFile, FitEntry, Manifest, SCHEMA_VERSION, ShardFile};
pub use reader::{FitDraws, thinned_rows};
pub use store::DrawStore;
pub use writer::ShardWriter;
