//! A tree as a Zarr v3 store in a folder: a group per group, an array per variable and per coordinate, and at the root a copy of all
//! metadata, so that readers open one file to know everything. The bytes of arrays are `zarr_array`'s.
//!
//! xarray finds dimensions by `dimension_names`, and takes a one-dimensional array of a dimension's name for its coordinate.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value, json};

use super::zarr_array::{ArrayWriter, Layout, write_json};
use super::{Attributes, Coordinate, Group, Progress, Tree, failed};
use crate::error::{Error, Result};

/// Bytes of a chunk before compression, at most.
const CHUNK_BYTES: usize = 4 << 20;
/// The same of all chunks of a group that are being filled.
const GROUP_BYTES: usize = 256 << 20;
/// Fewer would make many tiny files.
const LEAST_CHUNK_BYTES: usize = 64 << 10;

/// Writes `tree` into the new folder `folder`; returns the bytes of its files.
///
/// # Errors
/// A folder that cannot be written, names that no file can have, or blocks that do not fit their variables.
pub fn write_zarr(tree: Tree<'_>, folder: &Path, progress: &mut Progress<'_>) -> Result<u64> {
    fs::create_dir_all(folder).map_err(|e| failed(folder, e))?;
    let (mut bytes, mut nodes, mut done) = (0, Map::new(), 0);
    for group in tree.groups {
        bytes += write_group(group, folder, &mut nodes, &mut |values| {
            done += values;
            progress(done);
        })?;
    }
    let mut root = of_group(&tree.attributes);
    root["consolidated_metadata"] = json!({ "kind": "inline", "must_understand": false, "metadata": nodes });
    Ok(bytes + write_json(&folder.join("zarr.json"), &root)?)
}

fn of_group(attributes: &Attributes) -> Value {
    json!({ "zarr_format": 3, "node_type": "group", "attributes": attributes })
}

fn write_group(
    group: Group<'_>,
    root: &Path,
    nodes: &mut Map<String, Value>,
    written: &mut dyn FnMut(u64),
) -> Result<u64> {
    let folder = root.join(checked(&group.name)?);
    fs::create_dir_all(&folder).map_err(|e| failed(&folder, e))?;
    let metadata = of_group(&group.attributes);
    let mut bytes = write_json(&folder.join("zarr.json"), &metadata)?;
    nodes.insert(group.name.clone(), metadata);
    let mut create = |name: &str, layout: Layout| {
        nodes.insert(format!("{}/{name}", group.name), layout.metadata());
        ArrayWriter::create(folder.join(checked(name)?), layout)
    };
    for Coordinate { dim, labels } in &group.coordinates {
        let layout = Layout {
            dims: vec![dim.clone()],
            shape: vec![labels.len()],
            dtype: labels.dtype(),
            attributes: Attributes::new(),
            axis: 0,
            chunk_bytes: CHUNK_BYTES,
        };
        let mut writer = create(dim, layout)?;
        writer.push(labels, labels.len())?;
        bytes += writer.finish()?;
    }
    let chunk_bytes = (GROUP_BYTES / group.variables.len().max(1)).clamp(LEAST_CHUNK_BYTES, CHUNK_BYTES);
    let mut writers = Vec::with_capacity(group.variables.len());
    for variable in &group.variables {
        let axis = variable.dims.iter().position(|dim| *dim == group.along).ok_or_else(|| {
            Error::new(format!("variable `{}` lacks the dimension along which its values come", variable.name))
                .seen(variable.dims.join(", "))
        })?;
        let layout = Layout {
            dims: variable.dims.clone(),
            shape: group.shape(variable)?,
            dtype: variable.dtype,
            attributes: variable.attributes.clone(),
            axis,
            chunk_bytes,
        };
        writers.push(create(&variable.name, layout)?);
    }
    for block in group.blocks {
        let block = block?;
        for (writer, values) in writers.iter_mut().zip(&block.values) {
            writer.push(values, block.length)?;
        }
        written(block.values.iter().map(|v| v.len() as u64).sum());
    }
    for writer in writers {
        bytes += writer.finish()?;
    }
    Ok(bytes)
}

/// A name that a node and a folder can have.
fn checked(name: &str) -> Result<&str> {
    let plain = !name.is_empty()
        && !name.starts_with("__")
        && !name.chars().all(|c| c == '.')
        && !name.contains(['/', '\\', '\0'])
        && name != "zarr.json";
    if plain {
        Ok(name)
    } else {
        Err(Error::new("an array in a Zarr store cannot have this name").seen(format!("{name:?}")))
    }
}
