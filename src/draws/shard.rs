//! One shard as bytes: a safetensors file of f64 tensors, and back.
//!
//! Per named variable a tensor `[chain, draw, …dims]`, the unconstrained values as `unconstrained` `[chain, draw, dim]`, and each
//! sample statistic as `sample_stats.<name>` `[chain, draw]`. One metadata key at most: the map has no order, and equal draws must
//! be equal bytes. Nothing here opens a file.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};

use ndarray::{Array2, Array3, ArrayView3, ArrayViewMut3, Axis, s};
use safetensors::tensor::{Dtype, SafeTensors, View};

use super::manifest::{FitEntry, ShardFile};
use super::reader::FitDraws;
use crate::error::{Error, Result};
use crate::target::DrawBlock;

/// Name of the tensor of unconstrained values.
pub(super) const UNCONSTRAINED: &str = "unconstrained";
/// What the names of sample statistics begin with.
pub(super) const STATS: &str = "sample_stats.";

/// A tensor to be written: any view, in row-major order.
struct Tensor<'a> {
    shape: Vec<usize>,
    values: ArrayView3<'a, f64>,
}

impl View for Tensor<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F64
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Owned(self.values.iter().flat_map(|x| x.to_le_bytes()).collect())
    }

    fn data_len(&self) -> usize {
        self.values.len() * size_of::<f64>()
    }
}

/// The bytes of a shard.
pub(super) fn encode(fit: &FitEntry, block: &DrawBlock<'_>) -> Result<Vec<u8>> {
    let (chains, draws, dim) = block.unconstrained.dim();
    let mut tensors =
        vec![(UNCONSTRAINED.to_owned(), Tensor { shape: vec![chains, draws, dim], values: block.unconstrained })];
    for (variable, range) in fit.schema.variables.iter().zip(fit.schema.ranges()) {
        let mut shape = vec![chains, draws];
        shape.extend(fit.schema.shape(variable));
        tensors
            .push((variable.name.clone(), Tensor { shape, values: block.constrained.slice_move(s![.., .., range]) }));
    }
    for (name, values) in block.stats {
        let values = values.view().insert_axis(Axis(2));
        tensors.push((format!("{STATS}{name}"), Tensor { shape: vec![chains, draws], values }));
    }
    let metadata = HashMap::from([("first_draw".to_owned(), block.first_draw.to_string())]);
    safetensors::serialize(tensors, Some(metadata))
        .map_err(|e| Error::new("could not encode a block of draws").because(e))
}

/// The draws in a shard's bytes. Errors do not name the file; the caller does.
pub(super) fn decode(fit: &FitEntry, shard: &ShardFile, bytes: &[u8]) -> Result<FitDraws> {
    let tensors =
        SafeTensors::deserialize(bytes).map_err(|e| Error::new("the shard is not a safetensors file").because(e))?;
    let (chains, draws) = (fit.chains, shard.draws as usize);

    let mut unconstrained = Array3::zeros((chains, draws, fit.dim));
    fill(unconstrained.view_mut(), &tensors, UNCONSTRAINED, &[chains, draws, fit.dim])?;
    let mut constrained = Array3::zeros((chains, draws, fit.schema.size()));
    for (variable, range) in fit.schema.variables.iter().zip(fit.schema.ranges()) {
        let mut shape = vec![chains, draws];
        shape.extend(fit.schema.shape(variable));
        fill(constrained.slice_mut(s![.., .., range]), &tensors, &variable.name, &shape)?;
    }
    let mut stats = BTreeMap::new();
    for name in &fit.stats {
        let mut values = Array2::zeros((chains, draws));
        fill(values.view_mut().insert_axis(Axis(2)), &tensors, &format!("{STATS}{name}"), &[chains, draws])?;
        stats.insert(name.clone(), values);
    }
    Ok(FitDraws {
        first_draw: shard.first_draw,
        schema: fit.schema.clone(),
        chains,
        draws,
        constrained,
        unconstrained,
        stats,
    })
}

fn fill(mut out: ArrayViewMut3<'_, f64>, tensors: &SafeTensors<'_>, name: &str, shape: &[usize]) -> Result<()> {
    let tensor =
        tensors.tensor(name).map_err(|e| Error::new(format!("the shard has no tensor `{name}`")).because(e))?;
    if tensor.dtype() != Dtype::F64 || tensor.shape() != shape {
        return Err(Error::new(format!("tensor `{name}` should be F64 {shape:?}")).seen(format!(
            "{:?} {:?}",
            tensor.dtype(),
            tensor.shape()
        )));
    }
    let (values, _) = tensor.data().as_chunks::<8>();
    for (to, from) in out.iter_mut().zip(values) {
        *to = f64::from_le_bytes(*from);
    }
    Ok(())
}
