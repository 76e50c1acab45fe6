//! Quantiles of sorted samples. Two definitions, because counts and amounts are different things; nothing else lives here.

/// The probabilities reported everywhere: the ends of the 90 % and 50 % intervals, and the median.
pub(super) const PROBABILITIES: [f64; 5] = [0.05, 0.25, 0.50, 0.75, 0.95];

/// The smallest value with at least a share `q` of the sample at or below it (type 1 of Hyndman & Fan 1996): for counts, so that
/// a quantile is a count.
pub(super) fn of_counts(sorted: &[u32], q: f64) -> u32 {
    // 0.05 × 500 may round to just above 25; the small step down keeps it the 25th.
    let rank = (q * sorted.len() as f64 - 1e-9).ceil().max(1.0) as usize;
    sorted[rank.min(sorted.len()) - 1]
}

/// Linear interpolation between order statistics (type 7 of Hyndman & Fan 1996), for amounts and totals.
pub(super) fn of_amounts(sorted: &[f64], q: f64) -> f64 {
    let place = q * (sorted.len() - 1) as f64;
    let below = place.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (place - below as f64) * (sorted[above] - sorted[below])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closed_cases() {
        let counts: Vec<u32> = (1..=500).collect();
        assert_eq!(PROBABILITIES.map(|q| of_counts(&counts, q)), [25, 125, 250, 375, 475]);
        assert_eq!(of_counts(&[7], 0.05), 7);
        // Type 7 of 0, 1, …, 100 is 100 q exactly (up to rounding in q × 100).
        let amounts: Vec<f64> = (0..=100).map(f64::from).collect();
        for q in PROBABILITIES {
            assert!((of_amounts(&amounts, q) - 100.0 * q).abs() < 1e-12);
        }
        assert_eq!(of_amounts(&[3.5], 0.95), 3.5);
    }
}
