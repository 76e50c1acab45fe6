//! What needs no pass over rows even where customers have parameters of their own: the terms in distinct x, and the logarithms of
//! scales, which are linear in the coefficients.
//!
//! ```text
//! Σ w ln (r)ₓ                                                from the histogram of x
//! Σ w r ln α_i = r ( N ln α_g + s Σ_t γ_t Z_t )              Z_t = Σ w z_{i,c(t)}; and so for every pair of a shape and its scale
//! Σ w [ ln (b)_{y−m} − ln (a+b)_y ],   y = x + chances        from the histogram of x, where a and b are the group's
//! ```

use super::customers::Part;
use super::{Customers, K, N, Personal, Scale, Term};
use crate::cells::RisingSum;
use crate::rows::Sum;
use crate::special::{digamma_rising, ln_rising};

/// Totals of every group.
#[derive(Debug, Clone)]
pub(super) struct Counted {
    groups: Vec<Totals>,
    terms: Vec<Term>,
}

#[derive(Debug, Clone)]
struct Totals {
    customers: f64,
    /// Z of each term.
    known: Vec<f64>,
    /// Of x.
    frequencies: RisingSum,
    /// Of y − m and of y, where they are counted.
    chances: Option<[RisingSum; 2]>,
}

impl Counted {
    /// `missing`, m: how many factors of (b)_y are left to the rows.
    pub fn new<L: Personal>(customers: &Customers<L>, missing: u32) -> Self {
        let start = L::CHANCES.filter(|_| !customers.own_chances());
        let totals = |group: usize| {
            let rows = || customers.layout.order[customers.layout.rows_of(group)].iter().map(|row| *row as usize);
            let (x, weight) = (&customers.cells.frequency, &customers.cells.weight);
            let known = |term: &Term| rows().map(|row| weight[row] * customers.known(row)(term.column)).sum();
            let counts = |more: u32, less: u32| {
                RisingSum::new(
                    rows().map(|row| (x[row].saturating_add(more).saturating_sub(less), weight[row])).collect(),
                )
            };
            Totals {
                customers: rows().map(|row| weight[row]).sum(),
                known: customers.covariates.terms.iter().map(known).collect(),
                frequencies: counts(0, 0),
                chances: start.map(|start| [counts(start, missing), counts(start, 0)]),
            }
        };
        let groups = (0..customers.cells.n_groups).map(totals).collect();
        Self { groups, terms: customers.covariates.terms.clone() }
    }

    /// The sum over a group at a point.
    pub fn at<L: Personal>(&self, group: usize, point: &[f64; N]) -> Sum<N> {
        let Totals { customers, known, frequencies, chances } = &self.groups[group];
        let mut sum = Sum::ZERO;
        let (value, slope) = frequencies.at(point[0]);
        sum.value += value;
        sum.gradient[0] += slope;
        for Scale { shape, scale } in L::SCALES {
            let moves = |t: &usize| self.terms[*t].parameter == *scale;
            let terms = || (0..self.terms.len()).filter(moves);
            let logs = customers * point[*scale].ln()
                + L::SIGNS[*scale] * terms().map(|t| point[K + t] * known[t]).sum::<f64>();
            sum.value += point[*shape] * logs;
            sum.gradient[*shape] += logs;
            sum.gradient[*scale] += point[*shape] * customers / point[*scale];
            for t in terms() {
                sum.gradient[K + t] += point[*shape] * L::SIGNS[*scale] * known[t];
            }
        }
        if let Some([of_b, of_ab]) = chances {
            let (value_b, slope_b) = of_b.at(point[3]);
            let (value_ab, slope_ab) = of_ab.at(point[2] + point[3]);
            sum.value += value_b - value_ab;
            sum.gradient[2] -= slope_ab;
            sum.gradient[3] += slope_b - slope_ab;
        }
        sum
    }

    /// What is counted of one customer, at parameters of their own, with m = 0.
    pub fn of_one<L: Personal>(own: &[f64; K], x: u32, own_chances: bool) -> Part {
        let mut part = Part { value: ln_rising(own[0], x), slopes: [digamma_rising(own[0], x), 0.0, 0.0, 0.0] };
        for Scale { shape, scale } in L::SCALES {
            part.value += own[*shape] * own[*scale].ln();
            part.slopes[*shape] += own[*scale].ln();
            part.slopes[*scale] += own[*shape] / own[*scale];
        }
        if let Some(start) = L::CHANCES.filter(|_| !own_chances) {
            let (b, ab, y) = (own[3], own[2] + own[3], x.saturating_add(start));
            part.value += ln_rising(b, y) - ln_rising(ab, y);
            part.slopes[2] -= digamma_rising(ab, y);
            part.slopes[3] += digamma_rising(b, y) - digamma_rising(ab, y);
        }
        part
    }
}
