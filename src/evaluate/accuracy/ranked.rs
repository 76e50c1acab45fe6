//! Customers in an order, once sorted: what the best so many of them did, and Gini coefficients, over all of them and without each
//! block. Ties share their places, so that no row order can flatter a measure.

use rayon::prelude::*;

use super::super::measure::BLOCKS;

/// What a customer brings to an order.
#[derive(Debug, Clone, Copy)]
struct Place {
    key: f64,
    actual: f64,
    block: u8,
}

/// Rows by falling key; equal keys are tied.
pub(super) struct Ranked(Vec<Place>);

/// Sums over the rows before a cut.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Before {
    pub rows: usize,
    pub key: f64,
    pub actual: f64,
}

impl Ranked {
    pub fn by(key: &[f64], actual: &[f64], block: &[u8]) -> Self {
        let mut places: Vec<Place> =
            (key.iter().zip(actual).zip(block)).map(|((&key, &actual), &block)| Place { key, actual, block }).collect();
        // The order is total but for rows that are equal in everything, so that sums do not depend on the order of rows.
        places.par_sort_unstable_by(|a, b| {
            b.key.total_cmp(&a.key).then(b.actual.total_cmp(&a.actual)).then(a.block.cmp(&b.block))
        });
        Self(places)
    }

    /// Sums before each of ten cuts, after the best tenth (rounded up), two tenths and so on, over `rows` rows: all, or all `without`
    /// a block. Rows tied at a cut count in proportion.
    pub fn tenths(&self, without: Option<u8>, rows: usize) -> [Before; 10] {
        let mut before = std::array::from_fn(|d| Before { rows: ((d + 1) * rows).div_ceil(10), ..Before::default() });
        let (mut next, mut so_far) = (0, Before::default());
        for tied in self.0.chunk_by(|a, b| a.key == b.key) {
            let (mut m, mut actual) = (0, 0.0);
            for place in tied.iter().filter(|place| Some(place.block) != without) {
                m += 1;
                actual += place.actual;
            }
            while next < 10 && m > 0 && before[next].rows <= so_far.rows + m {
                let taken = (before[next].rows - so_far.rows) as f64;
                before[next].key = so_far.key + taken * tied[0].key;
                before[next].actual = so_far.actual + taken / m as f64 * actual;
                next += 1;
            }
            so_far.rows += m;
            so_far.key += m as f64 * tied[0].key;
            so_far.actual += actual;
        }
        before
    }

    /// Σ_ij a_i sgn(key_i − key_j), to which the Gini coefficient of `actual` in this order is proportional: over all rows, and over
    /// those without each block.
    ///
    /// One pass for all blocks: leaving out block k takes away the pairs whose first is in k and those whose second is, and gives back
    /// those with both in it.
    pub fn concentration(&self) -> (f64, [f64; BLOCKS]) {
        let n = self.0.len();
        let (mut size, mut total) = ([0usize; BLOCKS], 0.0);
        for place in &self.0 {
            size[place.block as usize] += 1;
            total += place.actual;
        }
        // Of each block: its rows above the tied ones, and those among them.
        let (mut above, mut among) = ([0usize; BLOCKS], [0usize; BLOCKS]);
        let (mut rows_above, mut actual_above) = (0usize, 0.0);
        let (mut all, mut taken) = (0.0, [0.0; BLOCKS]);
        for tied in self.0.chunk_by(|a, b| a.key == b.key) {
            let mut actual_among = 0.0;
            for place in tied {
                among[place.block as usize] += 1;
                actual_among += place.actual;
            }
            let balance = n as f64 - 2.0 * rows_above as f64 - tied.len() as f64;
            let actual_balance = actual_above - (total - actual_above - actual_among);
            for place in tied {
                let k = place.block as usize;
                let within = size[k] as f64 - 2.0 * above[k] as f64 - among[k] as f64;
                all += place.actual * balance;
                taken[k] += place.actual * (balance - within) + actual_balance;
            }
            for place in tied {
                let k = place.block as usize;
                above[k] += among[k];
                among[k] = 0;
            }
            rows_above += tied.len();
            actual_above += actual_among;
        }
        (all, taken.map(|taken| all - taken))
    }
}
