//! Customers with parameters of their own: how covariates move those of their group, draw by draw. What the covariates are called is
//! not known here.

use std::collections::HashMap;

use ndarray::Array2;

use crate::kernels::covariates::own;
use crate::kernels::{Term, bg_nbd, mbg_nbd, pareto_abe, pareto_nbd};
use crate::model::Dropout;

/// Coefficients by draw, and what is known of every customer.
#[derive(Debug, Clone, PartialEq)]
pub struct CovariateDraws {
    /// `[draw, term]`: coefficients of standardised covariates.
    pub gamma: Array2<f64>,
    /// What each coefficient moves.
    pub terms: Vec<Term>,
    /// `[customer, column]`: standardised, in the order of the summary.
    pub values: Array2<f64>,
}

impl CovariateDraws {
    /// The parameters of one customer under one draw, given those of the group.
    pub(super) fn own(&self, dropout: Dropout, theta: [f64; 4], draw: usize, customer: usize) -> [f64; 4] {
        let (gamma, z) = (self.gamma.row(draw), self.values.row(customer));
        // Rows of arrays in standard order are slices.
        let (gamma, z) = (gamma.as_slice().unwrap_or_default(), z.as_slice().unwrap_or_default());
        match dropout {
            Dropout::AfterRepeat => own::<bg_nbd::BgNbd>(theta, gamma, &self.terms, z),
            Dropout::AfterAny => own::<mbg_nbd::MbgNbd>(theta, gamma, &self.terms, z),
            Dropout::AnyTime => own::<pareto_nbd::ParetoNbd>(theta, gamma, &self.terms, z),
            // Covariates do not move it.
            Dropout::Never => theta,
            Dropout::AnyTimeTogether => pareto_abe::own(theta, gamma, &self.terms, z),
        }
    }

    /// For every customer the number of its row among the distinct ones, by first appearance.
    pub(super) fn kinds(&self) -> Vec<u32> {
        let mut known: HashMap<Vec<u64>, u32> = HashMap::new();
        let bits = |row: ndarray::ArrayView1<'_, f64>| row.iter().map(|z| z.to_bits()).collect::<Vec<u64>>();
        self.values
            .rows()
            .into_iter()
            .map(|row| {
                let next = known.len() as u32;
                *known.entry(bits(row)).or_insert(next)
            })
            .collect()
    }
}
