//! What a point is made of: the numbers of one group in one chain, where they lie in a batch, and where their slopes go. Knows no
//! family and no row.

use ndarray::Axis;

use crate::rows::Sum;
use crate::{KernelError, LikelihoodBatch, ParamBatch};

/// One group at one value of its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point<const K: usize> {
    pub group: usize,
    pub theta: [f64; K],
}

/// How the K numbers of a point lie in a [`ParamBatch`]: the group's own parameters, then the coefficients that all groups share,
/// then zeros that nobody reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extent {
    pub groups: usize,
    pub per_group: usize,
    pub shared: usize,
}

impl Extent {
    /// Groups with `per_group` parameters each and nothing shared.
    pub fn apart(groups: usize, per_group: usize) -> Self {
        Self { groups, per_group, shared: 0 }
    }

    /// Refuses parameters of another shape. Without coefficients of their own, families do not look at `shared`.
    pub fn check(&self, params: ParamBatch<'_>) -> Result<(), KernelError> {
        let (chains, groups, k) = params.per_group.dim();
        if (groups, k) != (self.groups, self.per_group) {
            return Err(KernelError::new(
                format!(
                    "parameters for {groups} groups of {k}, but the data has {} groups of {}",
                    self.groups, self.per_group
                ),
                "pass an array [chain, group, parameter] of that shape",
            ));
        }
        if self.shared > 0 && params.shared.dim() != (chains, self.shared) {
            return Err(KernelError::new(
                format!(
                    "coefficients of shape {:?} for {chains} chains and {} terms",
                    params.shared.dim(),
                    self.shared
                ),
                "pass an array [chain, term] of that shape",
            ));
        }
        Ok(())
    }

    /// Sets all of `out` to zero, or refuses it where its shape is not that of `params`.
    pub fn clear(&self, params: ParamBatch<'_>, out: &mut LikelihoodBatch) -> Result<(), KernelError> {
        let shape = params.per_group.dim();
        let shared = (shape.0, if self.shared > 0 { self.shared } else { out.shared.ncols() });
        if out.per_group.dim() != shape || out.log_lik.len() != shape.0 || out.shared.dim() != shared {
            return Err(KernelError::new(
                format!(
                    "results of shapes {:?} and {:?} for parameters of shape {shape:?}",
                    out.per_group.dim(),
                    out.shared.dim()
                ),
                "allocate them with LikelihoodBatch::new for the same chains, groups, parameters and coefficients",
            ));
        }
        out.log_lik.fill(0.0);
        out.per_group.fill(0.0);
        out.shared.fill(0.0);
        Ok(())
    }

    /// Whether a chain's coefficients are numbers and the parameters of all its groups `are_possible`.
    pub fn is_possible<const K: usize>(
        &self,
        params: ParamBatch<'_>,
        chain: usize,
        are_possible: impl Fn(&[f64; K]) -> bool,
    ) -> bool {
        let own = (0..self.groups).all(|group| are_possible(&self.point(params, chain, group).theta));
        own && (self.shared == 0 || params.shared.row(chain).iter().all(|gamma| gamma.is_finite()))
    }

    /// One group of one chain.
    pub fn point<const K: usize>(&self, params: ParamBatch<'_>, chain: usize, group: usize) -> Point<K> {
        let number = |k: usize| match k.checked_sub(self.per_group) {
            None => params.per_group[[chain, group, k]],
            Some(t) if t < self.shared => params.shared[[chain, t]],
            Some(_) => 0.0,
        };
        Point { group, theta: std::array::from_fn(number) }
    }

    /// Adds one group's sum to a chain's result.
    pub fn add_to<const K: usize>(&self, out: &mut LikelihoodBatch, chain: usize, group: usize, sum: &Sum<K>) {
        out.log_lik[chain] += sum.value;
        let (own, shared) = sum.gradient.split_at(self.per_group);
        for (k, slope) in own.iter().enumerate() {
            out.per_group[[chain, group, k]] += slope;
        }
        for (t, slope) in shared[..self.shared].iter().enumerate() {
            out.shared[[chain, t]] += slope;
        }
    }
}

/// Makes chains impossible whose sums are no numbers: some row's own parameters were.
pub(crate) fn settle(out: &mut LikelihoodBatch) {
    for chain in 0..out.log_lik.len() {
        if !out.log_lik[chain].is_finite() {
            out.log_lik[chain] = f64::NEG_INFINITY;
            out.per_group.index_axis_mut(Axis(0), chain).fill(0.0);
            out.shared.row_mut(chain).fill(0.0);
        }
    }
}
