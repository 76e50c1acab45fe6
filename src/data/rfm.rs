//! Recency, frequency and monetary quintile scores that stay sensible under heavy ties.

use rayon::prelude::*;

/// Scores 1 (lowest values) to 5 (highest values) by mid-rank percentile; equal values get equal scores.
///
/// The lowest distinct value always scores 1 and the highest always 5, so neither end is ever empty, however heavy the ties
/// (60 % of CDNOW has x = 0). A single distinct value scores 3.
pub fn quintile_scores(values: &[f64]) -> Vec<u8> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    // Equal values score equally, whatever their order.
    order.par_sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut scores = vec![3; values.len()];
    let n = values.len() as f64;
    let mut start = 0;
    while start < order.len() {
        let value = values[order[start]];
        let end = start + order[start..].iter().take_while(|&&i| values[i] == value).count();
        let mid = (start + end) as f64 / 2.0 / n;
        let score = match (start == 0, end == order.len()) {
            (true, true) => 3,
            (true, false) => 1,
            (false, true) => 5,
            (false, false) => 1 + (mid * 5.0).floor().min(4.0) as u8,
        };
        for &i in &order[start..end] {
            scores[i] = score;
        }
        start = end;
    }
    scores
}

/// The least value of each score from 2 to 5, found by counting values in order rather than holding them all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct QuintileSteps {
    least: [f64; 4],
    counted: u64,
    n: u64,
}

impl QuintileSteps {
    /// The steps of `n` values, none of them counted yet.
    pub fn new(n: u64) -> Self {
        Self { least: [f64::INFINITY; 4], counted: 0, n }
    }

    /// Counts the next greater distinct value, which comes `count` times.
    pub fn add(&mut self, value: f64, count: u64) {
        let start = self.counted;
        self.counted += count;
        let mid = (start + self.counted) as f64 / 2.0 / self.n as f64;
        let score = match (start == 0, self.counted == self.n) {
            (true, true) => 3,
            (true, false) => 1,
            (false, true) => 5,
            (false, false) => 1 + (mid * 5.0).floor().min(4.0) as usize,
        };
        // Scores do not decrease from value to value, so each keeps the first value that reached it.
        self.least[..score - 1].iter_mut().filter(|least| **least == f64::INFINITY).for_each(|least| *least = value);
    }

    /// The score of one of the values, 1 to 5, once all are counted: that of [`quintile_scores`].
    pub fn score(&self, value: f64) -> u8 {
        1 + self.least.iter().filter(|least| value >= **least).count() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distinct_values_split_into_fifths() {
        let values: Vec<f64> = (0..100).map(f64::from).collect();
        let scores = quintile_scores(&values);
        for score in 1..=5 {
            assert_eq!(scores.iter().filter(|&&s| s == score).count(), 20);
        }
    }

    #[test]
    fn heavy_ties_leave_neither_end_empty() {
        let values: Vec<f64> = (0..100).map(|i| if i < 60 { 0.0 } else { f64::from(i % 4) }).collect();
        let scores = quintile_scores(&values);
        assert!(scores[..60].iter().all(|&s| s == 1));
        assert!(scores.contains(&5));
        assert_eq!(quintile_scores(&[2.0; 4]), vec![3; 4]);
    }

    #[test]
    fn steps_of_counts_score_as_all_values_do() {
        let sets: [Vec<f64>; 5] = [
            (0..100).map(f64::from).collect(),
            (0..100).map(|i| if i < 60 { 0.0 } else { f64::from(i % 4) }).collect(),
            vec![2.0; 4],
            vec![1.0, 2.0],
            (0..1000).map(|i| f64::from((i * i) % 37) - 20.0).collect(),
        ];
        for values in sets {
            let mut sorted = values.clone();
            sorted.sort_by(f64::total_cmp);
            let mut steps = QuintileSteps::new(values.len() as u64);
            sorted.chunk_by(|a, b| a == b).for_each(|same| steps.add(same[0], same.len() as u64));
            let scores: Vec<u8> = values.iter().map(|&v| steps.score(v)).collect();
            assert_eq!(scores, quintile_scores(&values));
        }
    }
}
