//! Histories of repeat purchases, as every purchase likelihood in continuous time takes them, and sums over a histogram of x: the
//! terms that need no pass over rows. Knows no family.

use crate::KernelError;
use crate::rows::check_columns;
use crate::special::{digamma_rising, ln_rising};

/// Customers of equal (group, x, t_x, T) counted together, as parallel columns in any order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells {
    /// Number of groups.
    pub n_groups: usize,
    /// Group, from 0.
    pub group: Vec<u32>,
    /// x, repeat purchases.
    pub frequency: Vec<u32>,
    /// t_x, time of the last repeat purchase; not used where x = 0.
    pub recency: Vec<f64>,
    /// T, time observed, in the same unit.
    pub age: Vec<f64>,
    /// Customers in the cell.
    pub weight: Vec<f64>,
}

impl Cells {
    /// Refuses columns of unequal length, times that are not 0 ≤ t_x ≤ T < ∞, and weights that count nobody.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let lengths = [
            ("frequency", self.frequency.len()),
            ("recency", self.recency.len()),
            ("age", self.age.len()),
            ("weight", self.weight.len()),
        ];
        check_columns(self.group.len(), &lengths, &self.weight)?;
        for (row, ((x, t_x), t)) in self.frequency.iter().zip(&self.recency).zip(&self.age).enumerate() {
            let ordered = *x == 0 || (*t_x >= 0.0 && t_x <= t);
            if !(ordered && *t >= 0.0 && t.is_finite()) {
                return Err(KernelError::new(
                    format!("row {row} has x = {x}, t_x = {t_x}, T = {t}"),
                    "times must be finite with 0 <= t_x <= T",
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
            recency: pick(&self.recency),
            age: pick(&self.age),
            weight: pick(&self.weight),
        }
    }
}

/// (T, Σw, Σwx) of the distinct T ascending, and (0, −Σw, 0).
pub(crate) fn ages(rows: impl Iterator<Item = (f64, f64, u32)>) -> Vec<[f64; 3]> {
    let mut ages: Vec<[f64; 3]> = rows.map(|(t, w, x)| [t, w, w * f64::from(x)]).collect();
    ages.sort_by(|[one, ..], [other, ..]| one.total_cmp(other));
    ages.dedup_by(|[t, w, wx], [kept, sum_w, sum_wx]| {
        let same = t == kept;
        if same {
            *sum_w += *w;
            *sum_wx += *wx;
        }
        same
    });
    if !ages.is_empty() {
        ages.push([0.0, -ages.iter().map(|[_, w, _]| w).sum::<f64>(), 0.0]);
    }
    ages
}

/// (x, Σw) of the distinct x > 0, ascending.
pub(crate) fn histogram(rows: impl Iterator<Item = (u32, f64)>) -> Vec<(u32, f64)> {
    let mut counts: Vec<(u32, f64)> = rows.filter(|(x, _)| *x > 0).collect();
    counts.sort_by_key(|(x, _)| *x);
    counts.dedup_by(|(x, w), (kept, sum)| {
        let same = x == kept;
        if same {
            *sum += *w;
        }
        same
    });
    counts
}

/// Σ w [lnΓ(c+x) − lnΓ(c)] over a weighted histogram of counts, as a function of c.
#[derive(Debug, Clone)]
pub(crate) struct RisingSum {
    /// Weight of counts above j, for j below [`DENSE_COUNTS`].
    above: Vec<f64>,
    /// (x, weight) of distinct larger counts.
    large: Vec<(u32, f64)>,
}

/// Counts below this add up factor by factor for all customers at once; each distinct larger one is evaluated on its own.
const DENSE_COUNTS: u32 = 64;

impl RisingSum {
    pub fn new(mut counts: Vec<(u32, f64)>) -> Self {
        counts.sort_by_key(|(x, _)| *x);
        let mut above = vec![0.0; counts.last().map_or(0, |(x, _)| (*x).min(DENSE_COUNTS)) as usize];
        let mut large: Vec<(u32, f64)> = Vec::new();
        // Suffix sums: after the loop below, above[j] is the weight of x > j.
        for (x, weight) in counts {
            if x > 0 {
                above[x.min(DENSE_COUNTS) as usize - 1] += weight;
            }
            match large.last_mut() {
                Some((last, sum)) if *last == x => *sum += weight,
                _ if x > DENSE_COUNTS => large.push((x, weight)),
                _ => {}
            }
        }
        for j in (1..above.len()).rev() {
            above[j - 1] += above[j];
        }
        Self { above, large }
    }

    /// Value and derivative at c > 0.
    pub fn at(&self, c: f64) -> (f64, f64) {
        let (mut value, mut slope) = (0.0, 0.0);
        for (j, weight) in self.above.iter().enumerate() {
            let factor = c + j as f64;
            value += weight * factor.ln();
            slope += weight / factor;
        }
        let dense = f64::from(DENSE_COUNTS);
        for (x, weight) in &self.large {
            value += weight * ln_rising(c + dense, x - DENSE_COUNTS);
            slope += weight * digamma_rising(c + dense, x - DENSE_COUNTS);
        }
        (value, slope)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rising_sum_is_the_weighted_sum_of_rising_factorials() {
        let counts = vec![(0, 5.0), (3, 2.0), (1, 7.0), (63, 1.0), (64, 4.0), (65, 2.0), (65, 1.0), (100_000, 3.0)];
        let sum = RisingSum::new(counts.clone());
        assert_eq!(sum.large, [(65, 3.0), (100_000, 3.0)]);
        for c in [0.05, 0.9, 4.0, 700.0] {
            let value: f64 = counts.iter().map(|(x, w)| w * ln_rising(c, *x)).sum();
            let slope: f64 = counts.iter().map(|(x, w)| w * digamma_rising(c, *x)).sum();
            let (seen, seen_slope) = sum.at(c);
            // Both sides are sums of about a hundred rounded terms.
            assert!((seen - value).abs() < 1e-13 * value.abs(), "{c}: {seen} {value}");
            assert!((seen_slope - slope).abs() < 1e-13 * slope, "{c}: {seen_slope} {slope}");
        }
    }
}
