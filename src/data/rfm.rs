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
}
