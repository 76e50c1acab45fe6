//! How well predictions order customers. Ties are averaged over their possible orders, so that no row order can flatter a score.

use rayon::prelude::*;

/// Rows by ascending value. The order of equal values is left open: nothing below depends on it.
fn ascending(values: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.par_sort_unstable_by(|&i, &j| values[i].total_cmp(&values[j]));
    order
}

/// Ranks from 1; equal values share the mean of their ranks.
fn mid_ranks(values: &[f64]) -> Vec<f64> {
    let order = ascending(values);
    let mut ranks = vec![0.0; values.len()];
    let mut start = 0;
    for tied in order.chunk_by(|&i, &j| values[i] == values[j]) {
        let rank = start as f64 + (tied.len() as f64 + 1.0) / 2.0;
        tied.iter().for_each(|&i| ranks[i] = rank);
        start += tied.len();
    }
    ranks
}

/// Spearman's rank correlation; `None` when either side is constant.
pub fn spearman(actual: &[f64], predicted: &[f64]) -> Option<f64> {
    // Everyone the same: there is nothing to rank.
    if predicted.windows(2).all(|pair| pair[0] == pair[1]) {
        return None;
    }
    let (a, p) = (mid_ranks(actual), mid_ranks(predicted));
    // The mean rank is (n + 1)/2 whatever the ties.
    let mean = (a.len() as f64 + 1.0) / 2.0;
    let product =
        |one: &[f64], other: &[f64]| -> f64 { one.iter().zip(other).map(|(r, s)| (r - mean) * (s - mean)).sum() };
    let scale = (product(&a, &a) * product(&p, &p)).sqrt();
    (scale > 0.0).then(|| product(&a, &p) / scale)
}

/// The Gini coefficient of `actual` in the order of `predicted`, over its Gini coefficient in its own order: 1 is the best order
/// there is, 0 a random one. `None` when `actual` is constant.
///
/// Both are proportional to Σ a_i (rank_i − (n+1)/2), ranks by the ordering variable.
pub fn gini_normalized(actual: &[f64], predicted: &[f64]) -> Option<f64> {
    let mean = (actual.len() as f64 + 1.0) / 2.0;
    let gini = |by: &[f64]| -> f64 { actual.iter().zip(mid_ranks(by)).map(|(a, rank)| a * (rank - mean)).sum() };
    let best = gini(actual);
    (best > 0.0).then(|| gini(predicted) / best)
}

/// Mean of `actual` among the tenth of rows (rounded up) with the highest predictions, over the mean among all; rows tied at the
/// cut count in proportion. `None` when `actual` is zero throughout.
pub fn top_decile_lift(actual: &[f64], predicted: &[f64]) -> Option<f64> {
    let n = actual.len();
    let wanted = n.div_ceil(10);
    let mut order = ascending(predicted);
    order.reverse();
    let (mut taken, mut sum) = (0, 0.0);
    for tied in order.chunk_by(|&i, &j| predicted[i] == predicted[j]) {
        let take = tied.len().min(wanted - taken);
        // Purchases are whole numbers: their sum does not depend on the order of ties.
        let mean = tied.iter().map(|&i| actual[i]).sum::<f64>() / tied.len() as f64;
        sum += take as f64 * mean;
        taken += take;
        if taken == wanted {
            break;
        }
    }
    let all: f64 = actual.iter().sum::<f64>() / n as f64;
    (all > 0.0).then(|| sum / wanted as f64 / all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_cases() {
        assert_eq!(mid_ranks(&[3.0, 1.0, 3.0, 0.0]), [3.5, 2.0, 3.5, 1.0]);
        let a = [0.0, 1.0, 2.0, 5.0];
        assert_eq!(spearman(&a, &[1.0, 2.0, 3.0, 4.0]), Some(1.0));
        assert_eq!(spearman(&a, &[4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(spearman(&a, &[7.0; 4]), None);
        // Ranks (1, 2, 3, 4) against (2, 1, 4, 3): 1 − 6·4/(4·15) = 0.6.
        assert!((spearman(&a, &[2.0, 1.0, 4.0, 3.0]).unwrap() - 0.6).abs() < 1e-15);

        assert_eq!(gini_normalized(&a, &a), Some(1.0));
        assert_eq!(gini_normalized(&a, &[4.0, 3.0, 2.0, 1.0]), Some(-1.0));
        assert_eq!(gini_normalized(&a, &[1.0; 4]), Some(0.0));
        assert_eq!(gini_normalized(&[2.0; 4], &a), None);
        // Best: −1.5·0 − 0.5·1 + 0.5·2 + 1.5·5 = 8; with the last two swapped −0.5 + 1.5·2 + 0.5·5 = 5.
        assert_eq!(gini_normalized(&a, &[1.0, 2.0, 4.0, 3.0]), Some(5.0 / 8.0));
    }

    #[test]
    fn lift_of_the_top_tenth() {
        // Two of twenty rows make the top tenth; all value sits in the best one: mean 5 against 0.5.
        let mut actual = [0.0; 20];
        actual[7] = 10.0;
        let predicted: Vec<f64> = (0..20).map(|i| if i == 7 { 1.0 } else { f64::from(i) * 0.01 }).collect();
        assert_eq!(top_decile_lift(&actual, &predicted), Some(10.0));
        // All tied: no lift, whatever the order of rows.
        assert_eq!(top_decile_lift(&actual, &[1.0; 20]), Some(1.0));
        assert_eq!(top_decile_lift(&[0.0; 20], &predicted), None);
    }
}
