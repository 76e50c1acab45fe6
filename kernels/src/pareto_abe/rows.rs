//! Customers as rows with covariates, and how the sums of rows become a likelihood's results. Knows no lattice.

use std::ops::Range;

use super::integrand::{History, Population};
use super::moments::RowSums;
use super::{K, check_covariates, is_possible, shift};
use crate::covariates::Covariates;
use crate::rows::{Extent, Layout};
use crate::{Cells, KernelError, LikelihoodBatch, ParamBatch};

/// Customers with their covariates, sorted into lanes of one group each.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    pub cells: Cells,
    pub covariates: Covariates,
    pub layout: Layout,
}

impl Rows {
    pub fn new(cells: Cells, covariates: Covariates, lane_rows: usize) -> Result<Self, KernelError> {
        cells.check()?;
        check_covariates(&cells, &covariates)?;
        let layout = Layout::new(cells.n_groups, &cells.group, lane_rows)?;
        Ok(Self { cells, covariates, layout })
    }

    /// A row as handed in.
    pub fn history(&self, row: usize) -> History {
        History::new(self.cells.frequency[row], self.cells.recency[row], self.cells.age[row])
    }

    /// Its population: that of its group, moved by its covariates.
    pub fn population(&self, group: &Population, row: usize, gammas: &[f64]) -> Population {
        group.shifted(shift(&self.covariates, row, gammas))
    }

    /// Each term's parameter and the row's covariate.
    pub fn terms(&self, row: usize) -> impl Iterator<Item = (usize, f64)> {
        self.covariates.terms.iter().map(move |term| (term.parameter, self.covariates.values[[row, term.column]]))
    }

    /// What a point is made of.
    pub fn extent(&self) -> Extent {
        Extent { groups: self.cells.n_groups, per_group: K, shared: self.covariates.terms.len() }
    }
}

/// One chain's parameters, all of which are possible.
#[derive(Debug, Clone)]
pub(super) struct Chain {
    pub index: usize,
    pub thetas: Vec<[f64; K]>,
    pub gammas: Vec<f64>,
}

impl Chain {
    /// The possible ones of a batch, of which the first `terms` coefficients count.
    pub fn all(params: ParamBatch<'_>, terms: usize) -> Vec<Self> {
        let (chains, groups, _) = params.per_group.dim();
        let chain = |index: usize| {
            let theta = |group: usize| std::array::from_fn(|k| params.per_group[[index, group, k]]);
            let thetas: Vec<[f64; K]> = (0..groups).map(theta).collect();
            let gammas: Vec<f64> = (0..terms).map(|t| params.shared[[index, t]]).collect();
            let possible = thetas.iter().all(is_possible) && gammas.iter().all(|gamma| gamma.is_finite());
            possible.then_some(Self { index, thetas, gammas })
        };
        (0..chains).filter_map(chain).collect()
    }

    pub fn population(&self, group: usize) -> Population {
        Population::new(&self.thetas[group])
    }
}

/// Marks the impossible chains, which are all that are not in `chains`.
pub(super) fn mark_impossible(chains: &[Chain], out: &mut LikelihoodBatch) {
    out.log_lik.fill(f64::NEG_INFINITY);
    chains.iter().for_each(|chain| out.log_lik[chain.index] = 0.0);
}

/// Adds one group's sums to a chain's results.
pub(super) fn add_to(out: &mut LikelihoodBatch, chain: &Chain, group: usize, covariates: &Covariates, sums: &RowSums) {
    let theta = &chain.thetas[group];
    out.log_lik[chain.index] += sums.moments.ln_lik;
    for (k, slope) in sums.moments.gradient(theta).into_iter().enumerate() {
        out.per_group[[chain.index, group, k]] += slope;
    }
    let [_, _, sd_rate, sd_death, corr] = *theta;
    let per_pull = [sd_rate, sd_death].map(|sd| 1.0 / (sd * (1.0 - corr) * (1.0 + corr)));
    for (t, (term, pull)) in covariates.terms.iter().zip(&sums.pulls).enumerate() {
        out.shared[[chain.index, t]] += pull * per_pull[term.parameter];
    }
}

/// Refuses rows that do not exist or results of another shape.
pub(super) fn check_pointwise(
    rows: &Rows,
    params: ParamBatch<'_>,
    asked: &Range<u64>,
    shape: (usize, usize),
) -> Result<(), KernelError> {
    rows.extent().check(params)?;
    let (chains, n) = (params.per_group.dim().0, rows.layout.n_rows() as u64);
    if asked.start <= asked.end && asked.end <= n && shape == (chains, (asked.end - asked.start) as usize) {
        return Ok(());
    }
    Err(KernelError::new(
        format!("rows {asked:?} of {n} for results of shape {shape:?}"),
        "ask for rows that exist and allocate [chain, rows asked for]",
    ))
}
