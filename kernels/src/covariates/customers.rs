//! Histories with what is known of each customer, checked and sorted by group. Not what they add up to.

use std::marker::PhantomData;
use std::ops::Range;

use super::{Covariates, K, MOST_TERMS, N, Personal, Term};
use crate::KernelError;
use crate::cells::Cells;
use crate::rows::{Extent, Layout, Sum};

/// Rows of a family and what is known of them.
#[derive(Debug, Clone)]
pub(super) struct Customers<L> {
    pub cells: Cells,
    pub covariates: Covariates,
    pub layout: Layout,
    law: PhantomData<L>,
}

impl<L: Personal> Customers<L> {
    /// Sorts and checks the rows; lanes are `lane_rows` long.
    pub fn new(cells: Cells, covariates: Covariates, lane_rows: usize) -> Result<Self, KernelError> {
        cells.check()?;
        check_values(&covariates, cells.group.len())?;
        check_terms::<L>(&covariates)?;
        let layout = Layout::new(cells.n_groups, &cells.group, lane_rows)?;
        Ok(Self { cells, covariates, layout, law: PhantomData })
    }

    /// What a point is made of.
    pub fn extent(&self) -> Extent {
        Extent { groups: self.cells.n_groups, per_group: K, shared: self.covariates.terms.len() }
    }

    /// Which parameters terms move.
    pub fn moved(&self) -> [bool; K] {
        std::array::from_fn(|k| self.covariates.terms.iter().any(|term| term.parameter == k))
    }

    /// Whether a or b, of families that have them, are the customers' own.
    pub fn own_chances(&self) -> bool {
        L::CHANCES.is_some() && (self.moved()[2] || self.moved()[3])
    }

    /// (x, t_x, T, weight) of a row as handed in; t_x is 0 where x is.
    pub fn history(&self, row: usize) -> (u32, f64, f64, f64) {
        let Cells { frequency, recency, age, weight, .. } = &self.cells;
        let t_x = if frequency[row] == 0 { 0.0 } else { recency[row] + 0.0 };
        (frequency[row], t_x, age[row] + 0.0, weight[row])
    }

    /// z of a row as handed in.
    pub fn known(&self, row: usize) -> impl Fn(usize) -> f64 + '_ {
        move |column| self.covariates.values[[row, column]]
    }

    /// The parameters of a row at a point.
    pub fn own(&self, point: &[f64; N], row: usize) -> [f64; K] {
        let z = self.covariates.values.row(row);
        let theta = std::array::from_fn(|k| point[k]);
        match z.as_slice() {
            Some(z) => super::own::<L>(theta, &point[K..], &self.covariates.terms, z),
            None => super::own::<L>(theta, &point[K..], &self.covariates.terms, &z.to_vec()),
        }
    }

    /// Adds a row's value and its slopes in the parameters of its own, `weight` times, as slopes in those of its group and in the
    /// coefficients.
    fn add(&self, sum: &mut Sum<N>, point: &[f64; N], row: usize, own: &[f64; K], part: &Part) {
        let weight = self.cells.weight[row];
        sum.value += weight * part.value;
        for k in 0..K {
            sum.gradient[k] += weight * part.slopes[k] * if own[k] == point[k] { 1.0 } else { own[k] / point[k] };
        }
        for (t, Term { parameter: k, column }) in self.covariates.terms.iter().enumerate() {
            let z = self.covariates.values[[row, *column]];
            sum.gradient[K + t] += weight * part.slopes[*k] * own[*k] * L::SIGNS[*k] * z;
        }
    }
    /// The rows at `keep`, in that order.
    pub fn select(&self, keep: &[u32], lane_rows: usize) -> Result<Self, KernelError> {
        let rows: Vec<usize> = keep.iter().map(|row| *row as usize).collect();
        let values = self.covariates.values.select(ndarray::Axis(0), &rows);
        Self::new(self.cells.select(keep), Covariates { values, terms: self.covariates.terms.clone() }, lane_rows)
    }

    /// The sum of what `part` says of each sorted row at parameters of its own, as a function of a point.
    pub fn sum(&self, point: &[f64; N], rows: Range<usize>, part: impl Fn(&[f64; K], u32, f64, f64) -> Part) -> Sum<N> {
        let mut sum = Sum::ZERO;
        for row in &self.layout.order[rows] {
            let row = *row as usize;
            let own = self.own(point, row);
            let (x, t_x, t, _) = self.history(row);
            self.add(&mut sum, point, row, &own, &part(&own, x, t_x, t));
        }
        sum
    }
}

/// A log-likelihood and its slopes in K parameters.
pub(super) struct Part {
    pub value: f64,
    pub slopes: [f64; K],
}

fn check_values(covariates: &Covariates, rows: usize) -> Result<(), KernelError> {
    let seen = covariates.values.nrows();
    if seen != rows {
        return Err(KernelError::new(
            format!("covariates of {seen} rows for {rows} rows"),
            "pass one row of covariates for each row of histories",
        ));
    }
    if let Some(((row, column), value)) = covariates.values.indexed_iter().find(|(_, value)| !value.is_finite()) {
        return Err(KernelError::new(
            format!("row {row} has {value} in covariate column {column}"),
            "covariates must be finite; fill what is missing, with 0 where columns are standardised",
        ));
    }
    Ok(())
}

fn check_terms<L: Personal>(covariates: &Covariates) -> Result<(), KernelError> {
    let Covariates { values, terms } = covariates;
    if terms.is_empty() || terms.len() > MOST_TERMS {
        return Err(KernelError::new(
            format!("{} covariate terms", terms.len()),
            format!("pass 1 to {MOST_TERMS}, or use the model without covariates"),
        ));
    }
    for (t, term) in terms.iter().enumerate() {
        let Term { parameter, column } = *term;
        if L::SIGNS.get(parameter).is_none_or(|sign| *sign == 0.0) {
            let movable = (0..K).filter(|k| L::SIGNS[*k] != 0.0).map(|k| format!("{k} ({})", L::PARAMETERS[k]));
            return Err(KernelError::new(
                format!("covariate term {t} moves parameter {parameter} of {}", L::NAME),
                format!("terms may move {}", movable.collect::<Vec<_>>().join(", ")),
            ));
        }
        if column >= values.ncols() {
            return Err(KernelError::new(
                format!("covariate term {t} reads column {column} of {}", values.ncols()),
                "number the columns from 0",
            ));
        }
        if let Some(other) = terms[..t].iter().position(|other| other == term) {
            return Err(KernelError::new(
                format!(
                    "covariate terms {other} and {t} move {} by the same column {column}",
                    L::PARAMETERS[parameter]
                ),
                "keep one of them: no data can tell their coefficients apart",
            ));
        }
    }
    Ok(())
}
