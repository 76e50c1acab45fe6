//! Gamma-Gamma's rows, and what a group's histogram of x and totals say by themselves: the terms that need no pass over rows.

use super::K;
use crate::KernelError;
use crate::rows::{Sum, check_columns};
use crate::special::{digamma, ln_gamma};

/// Customers with repeat purchases, as parallel columns in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Number of groups.
    pub n_groups: usize,
    /// Group, from 0.
    pub group: Vec<u32>,
    /// x ≥ 1, repeat purchases.
    pub frequency: Vec<u32>,
    /// m > 0, mean spend of the repeat purchases.
    pub monetary: Vec<f64>,
    /// Customers in the row.
    pub weight: Vec<f64>,
}

impl Rows {
    /// Refuses columns of unequal length, customers without repeat purchases or spend, and weights that count nobody.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let lengths =
            [("frequency", self.frequency.len()), ("monetary", self.monetary.len()), ("weight", self.weight.len())];
        check_columns(self.group.len(), &lengths, &self.weight)?;
        for (row, (x, m)) in self.frequency.iter().zip(&self.monetary).enumerate() {
            if *x == 0 || !(*m > 0.0 && m.is_finite()) {
                return Err(KernelError::new(
                    format!("row {row} has x = {x}, m = {m}"),
                    "spend is modelled for customers with x >= 1 and a positive mean; leave the others out",
                ));
            }
        }
        Ok(())
    }

    /// The rows at `keep`, in that order.
    pub(crate) fn select(&self, keep: &[u32]) -> Self {
        let pick = |column: &[f64]| keep.iter().map(|row| column[*row as usize]).collect();
        let count = |column: &[u32]| keep.iter().map(|row| column[*row as usize]).collect();
        Self {
            n_groups: self.n_groups,
            group: count(&self.group),
            frequency: count(&self.frequency),
            monetary: pick(&self.monetary),
            weight: pick(&self.weight),
        }
    }
}

/// Σ w [ lnΓ(px+q) − lnΓ(px) − lnΓ(q) + q ln v + px ln(xm) − ln m ] per group.
#[derive(Debug, Clone)]
pub(crate) struct GroupTerms {
    groups: Vec<Totals>,
}

#[derive(Debug, Clone, Default)]
struct Totals {
    /// (x, customers) of the distinct x.
    counts: Vec<(u32, f64)>,
    customers: f64,
    /// Σ w x ln(xm) and Σ w ln m.
    x_ln_spend: f64,
    ln_mean: f64,
}

impl GroupTerms {
    pub fn new(rows: &Rows) -> Self {
        let mut groups = vec![Totals::default(); rows.n_groups];
        for (((group, x), m), w) in rows.group.iter().zip(&rows.frequency).zip(&rows.monetary).zip(&rows.weight) {
            let totals = &mut groups[*group as usize];
            totals.counts.push((*x, *w));
            totals.customers += w;
            totals.x_ln_spend += w * f64::from(*x) * (f64::from(*x) * m).ln();
            totals.ln_mean += w * m.ln();
        }
        for totals in &mut groups {
            totals.counts.sort_by_key(|(x, _)| *x);
            totals.counts.dedup_by(|next, kept| {
                let equal = next.0 == kept.0;
                if equal {
                    kept.1 += next.1;
                }
                equal
            });
        }
        Self { groups }
    }

    pub fn at(&self, group: usize, [p, q, v]: [f64; K]) -> Sum<K> {
        let totals = &self.groups[group];
        let n = totals.customers;
        let mut value = p * totals.x_ln_spend - totals.ln_mean + n * (q * v.ln() - ln_gamma(q));
        let mut gradient = [totals.x_ln_spend, n * (v.ln() - digamma(q)), n * q / v];
        for (x, w) in &totals.counts {
            let x = f64::from(*x);
            let psi = digamma(p * x + q);
            value += w * (ln_gamma(p * x + q) - ln_gamma(p * x));
            gradient[0] += w * x * (psi - digamma(p * x));
            gradient[1] += w * psi;
        }
        Sum { value, gradient }
    }
}
