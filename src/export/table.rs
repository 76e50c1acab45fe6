//! A tree as one wide table: a row per chain and draw, a column per element of every variable. The formats are `parquet`'s and `csv`'s.
//!
//! Rows come draw by draw, and of each draw chain by chain, as they are held: a table in another order would have to be held whole.

use std::sync::Arc;

use super::{Block, Blocks, CHAIN, Coordinate, DRAW, Dtype, Group, Tree, Values};
use crate::error::{Error, Result};

/// What a column is called: `alpha`, `alpha[cohort=1997-01]`, `beta[term=age,effect=rate]`.
pub fn column_name(variable: &str, coordinates: &[(&str, &str)]) -> String {
    let places: Vec<String> = coordinates.iter().map(|(dim, label)| format!("{dim}={label}")).collect();
    if places.is_empty() { variable.to_owned() } else { format!("{variable}[{}]", places.join(",")) }
}

/// One column.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Column {
    pub(super) name: String,
    pub(super) dtype: Dtype,
    group: usize,
    variable: usize,
    element: usize,
    elements: usize,
}

/// The columns of a tree, and its rows as they come.
pub(super) struct Table<'a> {
    /// In the order of groups, variables and elements; `chain` and `draw` come before them.
    pub(super) columns: Vec<Column>,
    sources: Vec<Blocks<'a>>,
    chains: Arc<Values>,
    draws: Arc<Values>,
    next_draw: usize,
}

/// Rows that came together.
pub(super) struct Rows {
    /// `(chain, draw)` of each row, as their coordinates say.
    pub(super) labels: Vec<(i64, i64)>,
    blocks: Vec<Block>,
    chains: usize,
    draws: usize,
}

impl<'a> Table<'a> {
    /// The table of a tree whose variables all begin with the dimensions chain and draw. Columns of the first group carry their
    /// variable's name, those of others their group's name before it.
    ///
    /// # Errors
    /// Other dimensions, groups of different lengths, or nothing at all.
    pub(super) fn of(tree: Tree<'a>) -> Result<Self> {
        let mut table = Self {
            columns: Vec::new(),
            sources: Vec::new(),
            chains: Arc::new(Values::I64(vec![])),
            draws: Arc::new(Values::I64(vec![])),
            next_draw: 0,
        };
        for (ix, group) in tree.groups.into_iter().enumerate() {
            let labels = |dim: &str| match group.coordinates.iter().find(|c| c.dim == dim) {
                Some(c) => Ok(Arc::clone(&c.labels)),
                None => Err(not_a_table(&group.name, "", "no such dimension")),
            };
            let (chains, draws) = (labels(CHAIN)?, labels(DRAW)?);
            if ix == 0 {
                (table.chains, table.draws) = (chains, draws);
            } else if (&table.chains, &table.draws) != (&chains, &draws) {
                return Err(not_a_table(&group.name, "", "other chains and draws than the first group"));
            }
            let prefix = if ix == 0 { String::new() } else { format!("{}.", group.name) };
            for (variable, v) in group.variables.iter().enumerate() {
                if v.dims.len() < 2 || v.dims[0] != CHAIN || v.dims[1] != DRAW || group.along != DRAW {
                    return Err(not_a_table(&group.name, &v.name, &v.dims.join(", ")));
                }
                let names = elements(&group, &v.dims[2..]);
                table.columns.extend(names.iter().enumerate().map(|(element, places)| {
                    let places: Vec<(&str, &str)> = places.iter().map(|(dim, label)| (*dim, label.as_str())).collect();
                    Column {
                        name: format!("{prefix}{}", column_name(&v.name, &places)),
                        dtype: v.dtype,
                        group: ix,
                        variable,
                        element,
                        elements: names.len(),
                    }
                }));
            }
            table.sources.push(group.blocks);
        }
        if table.columns.is_empty() {
            return Err(Error::new("there is nothing to write into a table"));
        }
        Ok(table)
    }

    /// The next rows; `None` after the last.
    pub(super) fn next(&mut self) -> Result<Option<Rows>> {
        let blocks = self.sources.iter_mut().map(|s| s.next().transpose()).collect::<Result<Vec<_>>>()?;
        if blocks.iter().all(Option::is_none) {
            return match self.draws.len() {
                whole if whole == self.next_draw => Ok(None),
                whole => Err(Error::new(format!("a table of {whole} draws was given fewer")).seen(self.next_draw)),
            };
        }
        let blocks: Vec<Block> = blocks.into_iter().flatten().collect();
        let (Values::I64(chains), Values::I64(draws)) = (&*self.chains, &*self.draws) else {
            return Err(Error::new("chains and draws are numbered"));
        };
        let length = blocks.first().map_or(0, |b| b.length);
        let ours = self.next_draw..self.next_draw + length;
        let fit = |c: &Column| {
            blocks.get(c.group).is_some_and(|b| {
                let values = b.values.get(c.variable);
                b.length == length && values.is_some_and(|v| v.len() == chains.len() * length * c.elements)
            })
        };
        if blocks.len() != self.sources.len() || ours.end > draws.len() || !self.columns.iter().all(fit) {
            return Err(Error::new("the groups of a table should come in equal blocks").seen(length));
        }
        let labels = draws[ours].iter().flat_map(|&draw| chains.iter().map(move |&chain| (chain, draw))).collect();
        self.next_draw += length;
        Ok(Some(Rows { labels, blocks, chains: chains.len(), draws: length }))
    }
}

impl Rows {
    /// How many values they have.
    pub(super) fn values(&self) -> u64 {
        self.blocks.iter().flat_map(|b| &b.values).map(|v| v.len() as u64).sum()
    }

    /// The values that a column is taken from.
    pub(super) fn values_of(&self, column: &Column) -> &Values {
        &self.blocks[column.group].values[column.variable]
    }

    /// Where among them the value of a row is.
    pub(super) fn place(&self, column: &Column, row: usize) -> usize {
        let (draw, chain) = (row / self.chains, row % self.chains);
        (chain * self.draws + draw) * column.elements + column.element
    }
}

/// The places of every element over some dimensions, row-major.
fn elements<'g>(group: &'g Group<'_>, dims: &[String]) -> Vec<Vec<(&'g str, String)>> {
    let mut out = vec![vec![]];
    for dim in dims {
        let Some(Coordinate { dim, labels }) = group.coordinates.iter().find(|c| c.dim == *dim) else { return vec![] };
        let name = |ix: usize| match &**labels {
            Values::Text(labels) => labels[ix].clone(),
            Values::I64(labels) => labels[ix].to_string(),
            Values::F64(labels) => labels[ix].to_string(),
            Values::Bool(labels) => labels[ix].to_string(),
        };
        let longer = |places: &Vec<(&'g str, String)>| {
            (0..labels.len())
                .map(|ix| places.iter().cloned().chain([(dim.as_str(), name(ix))]).collect())
                .collect::<Vec<_>>()
        };
        out = out.iter().flat_map(longer).collect();
    }
    out
}

fn not_a_table(group: &str, variable: &str, seen: &str) -> Error {
    Error::new(format!("a table has a row per chain and draw, which {group} {variable} has not"))
        .seen(seen)
        .advice("write it as zarr")
}
