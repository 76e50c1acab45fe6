//! Named arrays as files that other programs read: a tree of groups in the schema of ArviZ in, Zarr, Parquet or CSV out.
//!
//! Values arrive in blocks along one dimension and leave as soon as a chunk or a row group is full, so that memory does not grow with
//! the number of draws. What is written appears whole or not at all ([`Staged`]). Nothing here knows what a draw or a customer is, or
//! where values come from.

mod csv;
mod parquet;
mod staged;
mod table;
mod zarr;
mod zarr_array;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::csv::write_csv;
pub use self::parquet::write_parquet;
pub use staged::Staged;
pub use table::column_name;
pub use zarr::write_zarr;

use crate::error::{Error, Result};

/// Dimension of the chains.
pub const CHAIN: &str = "chain";
/// Dimension of the draws of one chain.
pub const DRAW: &str = "draw";

/// What is known of a node beside its values, as JSON; keys keep their order.
pub type Attributes = serde_json::Map<String, serde_json::Value>;

/// Told how many values were written, now and then.
pub type Progress<'a> = dyn FnMut(u64) + 'a;

/// The kinds of values that every format has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dtype {
    /// 64-bit floating point.
    F64,
    /// 64-bit integers.
    I64,
    /// Truth values.
    Bool,
    /// UTF-8 text.
    Text,
}

/// Values of one kind, row-major.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// 64-bit integers.
    I64(Vec<i64>),
    /// Truth values.
    Bool(Vec<bool>),
    /// UTF-8 text.
    Text(Vec<String>),
}

impl Values {
    /// Their kind.
    pub fn dtype(&self) -> Dtype {
        match self {
            Self::F64(_) => Dtype::F64,
            Self::I64(_) => Dtype::I64,
            Self::Bool(_) => Dtype::Bool,
            Self::Text(_) => Dtype::Text,
        }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        match self {
            Self::F64(v) => v.len(),
            Self::I64(v) => v.len(),
            Self::Bool(v) => v.len(),
            Self::Text(v) => v.len(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A dimension with what its places are called. Groups of a tree share those that are long.
#[derive(Debug, Clone, PartialEq)]
pub struct Coordinate {
    /// Name of the dimension.
    pub dim: String,
    /// One value per place.
    pub labels: Arc<Values>,
}

impl Coordinate {
    /// A dimension with named places.
    pub fn text(dim: impl Into<String>, labels: Vec<String>) -> Self {
        Self { dim: dim.into(), labels: Arc::new(Values::Text(labels)) }
    }

    /// A dimension whose places are numbered 0, 1, ….
    pub fn counted(dim: impl Into<String>, length: usize) -> Self {
        Self { dim: dim.into(), labels: Arc::new(Values::I64((0..length as i64).collect())) }
    }
}

/// An array to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Variable {
    /// Its name.
    pub name: String,
    /// Its dimensions, outermost first, at least one; each has a [`Coordinate`] in the group, and one is the group's `along`.
    pub dims: Vec<String>,
    /// Kind of its values.
    pub dtype: Dtype,
    /// What is known of it.
    pub attributes: Attributes,
}

/// The next places of every variable of a group along its dimension `along`.
#[derive(Debug, Clone, PartialEq)]
pub struct Block {
    /// How many places.
    pub length: usize,
    /// Values of each variable in the group's order, row-major over its dimensions with `length` places along `along`.
    pub values: Vec<Values>,
}

/// Where the values of a group come from.
pub type Blocks<'a> = Box<dyn Iterator<Item = Result<Block>> + 'a>;

/// Variables that share coordinates, and whose values come together.
pub struct Group<'a> {
    /// Its name: `posterior`, `sample_stats`, ….
    pub name: String,
    /// What is known of it.
    pub attributes: Attributes,
    /// Its dimensions.
    pub coordinates: Vec<Coordinate>,
    /// Its arrays.
    pub variables: Vec<Variable>,
    /// The dimension along which values come.
    pub along: String,
    /// The values, from the first place to the last.
    pub blocks: Blocks<'a>,
}

/// What becomes one store or one file.
pub struct Tree<'a> {
    /// What is known of all of it.
    pub attributes: Attributes,
    /// Its groups.
    pub groups: Vec<Group<'a>>,
}

impl Group<'_> {
    /// The lengths along a variable's dimensions.
    ///
    /// # Errors
    /// A dimension without coordinates.
    pub fn shape(&self, variable: &Variable) -> Result<Vec<usize>> {
        let length = |dim: &String| {
            let found = self.coordinates.iter().find(|c| c.dim == *dim);
            found.map(|c| c.labels.len()).ok_or_else(|| {
                Error::new(format!("variable `{}` has a dimension without coordinates", variable.name)).seen(dim)
            })
        };
        variable.dims.iter().map(length).collect()
    }

    /// How many values its variables have in all.
    ///
    /// # Errors
    /// As [`Group::shape`].
    pub fn values(&self) -> Result<u64> {
        self.variables.iter().map(|v| Ok(self.shape(v)?.iter().map(|&n| n as u64).product::<u64>())).sum()
    }
}

impl Tree<'_> {
    /// How many values its groups have in all, coordinates not counted.
    ///
    /// # Errors
    /// As [`Group::shape`].
    pub fn values(&self) -> Result<u64> {
        self.groups.iter().map(Group::values).sum()
    }
}

/// What an input or output failure on a file of an export reads like.
fn failed(path: &std::path::Path, cause: std::io::Error) -> Error {
    match cause.kind() {
        std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded | std::io::ErrorKind::FileTooLarge => {
            Error::new("could not write the export: the disk is full")
                .at(path.display())
                .advice("nothing was replaced; free some space or choose another folder with --output")
                .because(cause)
        }
        _ => Error::io("write the export", path, cause),
    }
}
