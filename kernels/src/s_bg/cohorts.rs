//! Shifted beta-geometric's rows, and what they come to period by period: how many were at risk, and how many of them stayed.

use super::K;
use crate::KernelError;
use crate::rows::check_columns;

/// Customers under contract counted together, as parallel columns in any order. A cohort table (1000, 631, 468, …) is one row per
/// year for the 369, 163, … lost in it, and one for those who are still active.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Number of groups.
    pub n_groups: usize,
    /// Group, from 0.
    pub group: Vec<u32>,
    /// T: the period at whose end the customer was lost, from 1; of an active customer, the periods survived.
    pub period: Vec<u32>,
    /// Whether the customer was lost.
    pub lost: Vec<bool>,
    /// Customers in the row.
    pub weight: Vec<f64>,
}

/// Longest lifetime that is counted period by period.
pub const MOST_PERIODS: u32 = 1 << 16;

impl Rows {
    /// Refuses columns of unequal length, losses before the first period, lifetimes beyond [`MOST_PERIODS`] and weights that count
    /// nobody.
    pub(crate) fn check(&self) -> Result<(), KernelError> {
        let lengths = [("period", self.period.len()), ("lost", self.lost.len()), ("weight", self.weight.len())];
        check_columns(self.group.len(), &lengths, &self.weight)?;
        for (row, (period, lost)) in self.period.iter().zip(&self.lost).enumerate() {
            if (*lost && *period == 0) || *period > MOST_PERIODS {
                return Err(KernelError::new(
                    format!("row {row} has T = {period}, lost: {lost}"),
                    "periods of a loss count from 1; beyond 65536 of them, make periods longer",
                ));
            }
        }
        Ok(())
    }
}

/// What happened to the customers of one group at the end of their (j+1)-th period.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Period {
    pub j: f64,
    /// Customers who stayed, and all who could have left.
    pub stayed: f64,
    pub at_risk: f64,
}

/// The periods of each group in which anybody was at risk, in order.
pub(crate) fn periods(rows: &Rows) -> Vec<Vec<Period>> {
    // Per group and j, the customers whose last period is the (j+1)-th, lost at its end or active beyond it.
    let mut ends: Vec<Vec<[f64; 2]>> = vec![Vec::new(); rows.n_groups];
    for (((group, period), lost), weight) in rows.group.iter().zip(&rows.period).zip(&rows.lost).zip(&rows.weight) {
        let of_group = &mut ends[*group as usize];
        let count = *period as usize;
        if count > of_group.len() {
            of_group.resize(count, [0.0; 2]);
        }
        if count > 0 {
            of_group[count - 1][usize::from(*lost)] += weight;
        }
    }
    let life_table = |ends: Vec<[f64; 2]>| {
        let mut later = 0.0;
        let mut periods: Vec<Period> = (ends.into_iter().enumerate().rev())
            .map(|(j, [active, lost])| {
                let stayed = later + active;
                later = stayed + lost;
                Period { j: j as f64, stayed, at_risk: later }
            })
            .collect();
        periods.reverse();
        periods
    };
    ends.into_iter().map(life_table).collect()
}

/// Customers lost in each group: Σ_j (at risk − stayed), added up from the rows themselves.
pub(crate) fn lost(rows: &Rows) -> Vec<f64> {
    let mut lost = vec![0.0; rows.n_groups];
    for ((group, weight), _) in rows.group.iter().zip(&rows.weight).zip(&rows.lost).filter(|(_, lost)| **lost) {
        lost[*group as usize] += weight;
    }
    lost
}

/// −stayed ln(1 + α/(β+j)) − (at risk − stayed) ln(α+β+j), and its slopes in α and β.
pub(crate) fn terms(&Period { j, stayed, at_risk }: &Period, &[alpha, beta]: &[f64; K]) -> (f64, [f64; K]) {
    let of_beta = beta + j;
    let (ratio, per_both, lost) = (alpha / of_beta, 1.0 / (alpha + of_beta), at_risk - stayed);
    (-stayed * ratio.ln_1p() - lost * (alpha + of_beta).ln(), [-at_risk * per_both, (stayed * ratio - lost) * per_both])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_become_life_tables() {
        let rows = Rows {
            n_groups: 2,
            group: vec![1, 1, 1, 1, 1, 1],
            period: vec![1, 3, 3, 0, 1, 3],
            lost: vec![true, true, false, false, false, true],
            weight: vec![4.0, 2.0, 5.0, 100.0, 7.0, 1.0],
        };
        rows.check().expect("good rows");
        let table = periods(&rows);
        assert!(table[0].is_empty());
        let expected = [(0.0, 15.0, 19.0), (1.0, 8.0, 8.0), (2.0, 5.0, 8.0)];
        assert_eq!(table[1], expected.map(|(j, stayed, at_risk)| Period { j, stayed, at_risk }));
        assert_eq!(lost(&rows), [0.0, 7.0]);
    }
}
