//! The two contracts everything else hangs on: what a sampler knows of a model, and what it knows of storage.
//!
//! A model is a batched log density with a gradient over unconstrained f64 points; storage is a place that commits a block of
//! draws together with the state to continue from. Nothing here has heard of customers, files or devices.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;

use ndarray::{Array1, Array2, ArrayView1, ArrayView2, ArrayView3, s};
use serde::{Deserialize, Serialize};

/// One named quantity that a model reports, with the names of its dimensions (none for a scalar).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Variable {
    /// The name users see: `alpha`, `sigma`.
    pub name: String,
    /// Names of its dimensions, outermost first; each is a key of [`Schema::coords`].
    pub dims: Vec<String>,
}

/// What a model's constrained values are called: variables in storage order, and the labels along each dimension.
///
/// Constrained values of one draw are one flat row: variables one after another, each row-major over its dims.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schema {
    /// The variables, in storage order.
    pub variables: Vec<Variable>,
    /// Dimension name to labels.
    pub coords: BTreeMap<String, Vec<String>>,
    /// Names of the unconstrained coordinates, in order.
    pub unconstrained: Vec<String>,
}

impl Schema {
    /// The lengths along a variable's dimensions (empty for a scalar).
    pub fn shape(&self, variable: &Variable) -> Vec<usize> {
        variable.dims.iter().map(|d| self.coords.get(d).map_or(0, Vec::len)).collect()
    }

    /// How many constrained values one draw has.
    pub fn size(&self) -> usize {
        self.variables.iter().map(|v| self.shape(v).iter().product::<usize>()).sum()
    }

    /// Where each variable's values lie in a constrained row.
    pub fn ranges(&self) -> Vec<Range<usize>> {
        let mut start = 0;
        self.variables
            .iter()
            .map(|v| {
                let range = start..start + self.shape(v).iter().product::<usize>();
                start = range.end;
                range
            })
            .collect()
    }

    /// Where the values of the variable called `name` lie in a constrained row.
    pub fn range(&self, name: &str) -> Option<Range<usize>> {
        let ix = self.variables.iter().position(|v| v.name == name)?;
        self.ranges().into_iter().nth(ix)
    }

    /// The coordinates of every constrained value, in storage order: `(variable, [(dim, label), …])`.
    pub fn elements(&self) -> Vec<(&str, Vec<(&str, &str)>)> {
        let mut out = Vec::with_capacity(self.size());
        for v in &self.variables {
            let shape = self.shape(v);
            for flat in 0..shape.iter().product::<usize>() {
                let mut rest = flat;
                let mut coords: Vec<(&str, &str)> = Vec::with_capacity(shape.len());
                for (dim, &len) in v.dims.iter().zip(&shape).rev() {
                    coords.push((dim, &self.coords[dim][rest % len]));
                    rest /= len;
                }
                coords.reverse();
                out.push((v.name.as_str(), coords));
            }
        }
        out
    }
}

/// Log densities and gradients of a batch of points. Sized by the caller once and reused.
#[derive(Debug, Clone)]
pub struct Evaluation {
    /// `[point]`; negative infinity for an impossible point.
    pub log_density: Array1<f64>,
    /// `[point, dim]`; zeros for an impossible point.
    pub gradient: Array2<f64>,
}

impl Evaluation {
    /// Room for `points` points of dimension `dim`.
    pub fn new(points: usize, dim: usize) -> Self {
        Self { log_density: Array1::zeros(points), gradient: Array2::zeros((points, dim)) }
    }
}

/// The machinery under a density broke (a device was lost, a buffer could not be made). Never an impossible point.
#[derive(Debug)]
pub struct EvalError(pub crate::error::Error);

impl fmt::Display for EvalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for EvalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// All a sampler knows of a model: C points in, C log densities and gradients out. f64, unconstrained space.
///
/// An impossible point is data (−∞ and zero gradient); `Err` means the machine broke.
pub trait LogDensity {
    /// Named variables with dims and coords.
    fn schema(&self) -> &Schema;

    /// Number of unconstrained coordinates.
    fn dim(&self) -> usize;

    /// Log density (with the transform's log-Jacobian) and gradient at each row of `points` `[point, dim]`.
    ///
    /// A point's result is a function of that point and the reference alone: it does not depend on how many points are in the
    /// batch, nor on its place among them. Asynchronous chains and exact resumption rest on this.
    fn evaluate(&mut self, points: ArrayView2<'_, f64>, out: &mut Evaluation) -> Result<(), EvalError>;

    /// Writes the constrained values of one unconstrained point, laid out as [`Schema`] says (`out.len() == schema().size()`).
    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]);

    /// Moves the reference point θ₀ of a float32 backend; nothing to do in f64. A pure function of `at`, so that resuming
    /// can restore it. Cached log densities must be evaluated again afterwards.
    fn recentre(&mut self, _at: ArrayView1<'_, f64>) -> Result<(), EvalError> {
        Ok(())
    }
}

/// Draws of every chain, equal numbers each, in sampling order.
#[derive(Debug)]
pub struct DrawBlock<'a> {
    /// Index of the first draw of this block, counted after warm-up (of warm-up's own draws, from its beginning).
    pub first_draw: u64,
    /// `[chain, draw, dim]`.
    pub unconstrained: ArrayView3<'a, f64>,
    /// `[chain, draw, Schema::size()]`.
    pub constrained: ArrayView3<'a, f64>,
    /// Per-draw facts under ArviZ's `sample_stats` names (`lp`, `acceptance_rate`, `energy`, `diverging`, `tree_depth`,
    /// `n_steps`, `step_size`, `reached_max_treedepth`), each `[chain, draw]`; booleans are 0 and 1.
    pub stats: &'a [(&'static str, Array2<f64>)],
}

impl DrawBlock<'_> {
    /// Number of draws per chain.
    pub fn draws(&self) -> usize {
        self.unconstrained.dim().1
    }
}

/// Everything a sampler needs to continue as if it had never stopped. Opaque to whoever stores it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// Draws per chain committed so far, after warm-up.
    pub draws_done: u64,
    /// The sampler's state, in the sampler's own encoding.
    pub state: Vec<u8>,
}

/// Storage refused a block (full disk, lost folder).
#[derive(Debug)]
pub struct SinkError(pub crate::error::Error);

impl fmt::Display for SinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for SinkError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

/// All a sampler knows of storage: a block of draws and the state to continue from, committed as one atomic step.
pub trait DrawSink {
    /// Commits both or neither. A block of zero draws (during warm-up) commits only the checkpoint.
    fn commit(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint) -> Result<(), SinkError>;

    /// The same of draws made during warm-up, whose `first_draw` counts from the beginning of warm-up. A sink that does not keep them
    /// commits the checkpoint alone.
    fn commit_warmup(&mut self, block: &DrawBlock<'_>, checkpoint: &Checkpoint) -> Result<(), SinkError> {
        let none = DrawBlock {
            first_draw: checkpoint.draws_done,
            unconstrained: block.unconstrained.slice(s![.., ..0, ..]),
            constrained: block.constrained.slice(s![.., ..0, ..]),
            stats: &[],
        };
        self.commit(&none, checkpoint)
    }
}
