//! Customers that the purchase likelihood cannot tell apart, merged into one weighted cell. Equal means equal bits: nothing is
//! binned or rounded.

use super::summary::Summary;

/// Distinct (group, x, t_x, T) with the number of customers in each, sorted; the exact BTYD likelihood needs no more.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Cells {
    /// Group index.
    pub group: Vec<u32>,
    /// x.
    pub frequency: Vec<u32>,
    /// t_x, time units.
    pub recency: Vec<f64>,
    /// T, time units.
    pub age: Vec<f64>,
    /// Customers in the cell.
    pub weight: Vec<f64>,
}

impl Cells {
    /// Number of cells.
    pub fn len(&self) -> usize {
        self.weight.len()
    }

    /// Whether there is no cell at all.
    pub fn is_empty(&self) -> bool {
        self.weight.is_empty()
    }
}

impl Summary {
    /// Merges customers with equal (group, x, t_x, T), compared bit by bit.
    pub fn cells(&self) -> Cells {
        // Times are not negative, so their bits sort as they do.
        let key = |i: usize| (self.group[i], self.frequency[i], self.recency[i].to_bits(), self.age[i].to_bits());
        let mut keys: Vec<_> = (0..self.len()).map(key).collect();
        keys.sort_unstable();
        let mut cells = Cells::default();
        for same in keys.chunk_by(|a, b| a == b) {
            let (group, frequency, recency, age) = same[0];
            cells.group.push(group);
            cells.frequency.push(frequency);
            cells.recency.push(f64::from_bits(recency));
            cells.age.push(f64::from_bits(age));
            cells.weight.push(same.len() as f64);
        }
        cells
    }
}

#[cfg(test)]
mod tests {
    use super::super::summary::Groups;
    use super::*;

    #[test]
    fn equal_customers_merge_and_no_others() {
        let next_up = 3.0_f64.next_up();
        let summary = Summary {
            customer_id: (0..6).map(|i| i.to_string()).collect(),
            frequency: vec![1, 0, 1, 1, 0, 1],
            recency: vec![2.0, 0.0, 2.0, 2.0, 0.0, 2.0],
            age: vec![3.0, 3.0, 3.0, next_up, 3.0, 3.0],
            monetary: vec![0.0; 6],
            group: vec![0, 0, 0, 0, 0, 1],
            groups: Groups { column: Some("g".into()), labels: vec!["a".into(), "b".into()] },
            ..Summary::default()
        };
        let cells = summary.cells();
        assert_eq!(cells.group, [0, 0, 0, 1]);
        assert_eq!(cells.frequency, [0, 1, 1, 1]);
        assert_eq!(cells.age, [3.0, 3.0, next_up, 3.0]);
        assert_eq!(cells.weight, [2.0, 2.0, 1.0, 1.0]);
    }
}
