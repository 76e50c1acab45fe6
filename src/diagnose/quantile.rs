//! Quantiles by linear interpolation (type 7 of Hyndman & Fan 1996; the default of R and NumPy).

/// The `prob` quantile of `values`, NaN where there are none or one of them is NaN.
pub fn quantile(values: &[f64], prob: f64) -> f64 {
    if values.iter().any(|x| x.is_nan()) {
        return f64::NAN;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    quantile_sorted(&sorted, prob)
}

/// The `prob` quantile of values in ascending order; NaN where there are none.
pub fn quantile_sorted(sorted: &[f64], prob: f64) -> f64 {
    let Some(last) = sorted.len().checked_sub(1) else { return f64::NAN };
    let place = prob.clamp(0.0, 1.0) * last as f64;
    let (low, share) = (place.floor() as usize, place.fract());
    let (x, y) = (sorted[low], sorted[(low + 1).min(last)]);
    // Equal neighbours are taken as they are, so that infinite ones do not become NaN.
    if share == 0.0 || x == y { x } else { (1.0 - share) * x + share * y }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_interpolate_linearly() {
        // By hand: the median of four is between the middle two; the 5 % point of 0 … 20 is 1.
        assert_eq!(quantile(&[4.0, 1.0, 3.0, 2.0], 0.5), 2.5);
        let ramp: Vec<f64> = (0..=20).map(f64::from).collect();
        assert_eq!((quantile(&ramp, 0.05), quantile(&ramp, 1.0)), (1.0, 20.0));
        assert!(quantile(&[], 0.5).is_nan() && quantile(&[1.0, f64::NAN], 0.5).is_nan());
    }
}
