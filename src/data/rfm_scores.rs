//! RFM classes of more customers than memory holds: the values of all are counted in order, spilling where they are many, and give
//! the steps between scores. Within the budget, no memory per customer is needed.

use std::path::Path;

use super::customer_rows::CustomerRows;
use super::grouping::rfm_class;
use super::rfm::QuintileSteps;
use super::tally::Tally;
use crate::error::Result;

/// Recency, frequency and monetary values of all customers, counted.
pub(super) struct RfmCounts {
    values: [Tally<2>; 3],
}

/// What the scores of all customers are read from.
pub(super) struct RfmSteps([QuintileSteps; 3]);

/// What RFM scores: time since the last purchase (negative, so that more is better), x, m. Adding zero makes −0 and 0 one value.
fn values(rows: &CustomerRows, i: usize) -> [f64; 3] {
    [rows.recency[i] - rows.age[i] + 0.0, f64::from(rows.frequency[i]), rows.monetary[i] + 0.0]
}

impl RfmCounts {
    /// Nothing counted; each measure may hold `budget_bytes` and spills into `folder`.
    pub(super) fn new(budget_bytes: usize, folder: &Path) -> Self {
        let values = ["recency", "frequency", "monetary"];
        Self { values: values.map(|name| Tally::new(budget_bytes, folder.join(format!("spill-rfm-{name}")))) }
    }

    /// Counts customers.
    pub(super) fn add(&self, rows: &CustomerRows) -> Result<()> {
        for (measure, tally) in self.values.iter().enumerate() {
            tally.add((0..rows.len()).map(|i| [0, sortable(values(rows, i)[measure])]).collect())?;
        }
        Ok(())
    }

    /// The steps between scores; all in all there were `n` customers.
    pub(super) fn steps(self, n: u64) -> Result<RfmSteps> {
        let mut all = [QuintileSteps::new(n); 3];
        for (steps, tally) in all.iter_mut().zip(self.values) {
            tally.finish(&[0], 1 << 16, |counts| {
                counts.into_iter().for_each(|(key, count)| steps.add(value_of(key[1]), count));
                Ok(())
            })?;
        }
        Ok(RfmSteps(all))
    }
}

impl RfmSteps {
    /// The class of customer number `i`.
    pub(super) fn class(&self, rows: &CustomerRows, i: usize) -> usize {
        let [r, f, m] = values(rows, i);
        rfm_class(self.0[0].score(r), self.0[1].score(f), self.0[2].score(m))
    }
}

/// Bits that sort as the numbers do: those of negative ones turned round, those of others above them.
fn sortable(value: f64) -> u64 {
    let bits = value.to_bits();
    if bits >> 63 == 1 { !bits } else { bits | 1 << 63 }
}

/// The number with the given [`sortable`] bits.
fn value_of(sortable: u64) -> f64 {
    f64::from_bits(if sortable >> 63 == 1 { sortable & !(1 << 63) } else { !sortable })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sortable_bits_sort_as_numbers_and_come_back() {
        let numbers = [f64::NEG_INFINITY, -2.5, -2.0, -f64::MIN_POSITIVE, 0.0, 1e-300, 2.0, 2.5, f64::INFINITY];
        let bits = numbers.map(sortable);
        assert!(bits.is_sorted_by(|a, b| a < b));
        assert_eq!(bits.map(value_of), numbers);
    }
}
