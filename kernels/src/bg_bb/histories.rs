//! BG/BB's rows: histories of purchases at counted opportunities, and what a history can be. No model of them.

use crate::KernelError;
use crate::rows::check_columns;

/// Customers of equal (group, x, t_x, n) counted together, as parallel columns in any order.
///
/// With n opportunities there are at most n (n + 1) / 2 + 1 different histories, however many the customers. Rows that are
/// equal may be handed in as they are; merging them saves time and changes nothing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Number of groups.
    pub n_groups: usize,
    /// Group, from 0.
    pub group: Vec<u32>,
    /// x, opportunities at which there was a purchase.
    pub frequency: Vec<u32>,
    /// t_x, the last of them, counted from 1; 0 where x = 0.
    pub recency: Vec<u32>,
    /// n, opportunities observed, at most [`MOST_OPPORTUNITIES`].
    pub opportunities: Vec<u32>,
    /// Customers in the row.
    pub weight: Vec<f64>,
}

/// Most opportunities of a customer: every day of 19 years. A row costs a step for each opportunity after its last purchase.
pub const MOST_OPPORTUNITIES: u32 = 7_000;

impl Rows {
    /// Refuses columns of unequal length, histories that cannot be, too many opportunities, and weights that count nobody.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let lengths = [
            ("frequency", self.frequency.len()),
            ("recency", self.recency.len()),
            ("opportunities", self.opportunities.len()),
            ("weight", self.weight.len()),
        ];
        check_columns(self.group.len(), &lengths, &self.weight)?;
        for (row, ((x, t_x), n)) in self.frequency.iter().zip(&self.recency).zip(&self.opportunities).enumerate() {
            let advice = if x > t_x || t_x > n {
                "counts must be x <= t_x <= n".to_owned()
            } else if (*x == 0) != (*t_x == 0) {
                "x is 0 exactly where t_x is 0: opportunities are counted from 1".to_owned()
            } else if *n > MOST_OPPORTUNITIES {
                format!("at most {MOST_OPPORTUNITIES} opportunities are possible; count weeks or months instead")
            } else {
                continue;
            };
            return Err(KernelError::new(format!("row {row} has x = {x}, t_x = {t_x}, n = {n}"), advice));
        }
        Ok(())
    }

    /// (x, t_x, n) of a row.
    pub(crate) fn history(&self, row: usize) -> (u32, u32, u32) {
        (self.frequency[row], self.recency[row], self.opportunities[row])
    }

    /// The rows at `keep`, in that order.
    pub(crate) fn select(&self, keep: &[u32]) -> Self {
        let count = |column: &[u32]| keep.iter().map(|row| column[*row as usize]).collect();
        Self {
            n_groups: self.n_groups,
            group: count(&self.group),
            frequency: count(&self.frequency),
            recency: count(&self.recency),
            opportunities: count(&self.opportunities),
            weight: keep.iter().map(|row| self.weight[*row as usize]).collect(),
        }
    }
}
