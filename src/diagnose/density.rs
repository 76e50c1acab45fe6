//! Densities for a plot: a smooth curve or a histogram through draws. A picture, not an inference.

use super::chains::sd_all;
use super::quantile::quantile_sorted;

/// Cells of the fine grid on which draws are counted before smoothing.
const CELLS: usize = 1024;

/// A Gaussian kernel density of `values` at `points` even places from their least to their greatest: `(x, y)`, with y in 1 / unit of x.
///
/// Bandwidth 0.9 min(sd, IQR / 1.34) n^(−1/5) (Silverman 1986, eq. 3.31). The curve is reflected at both ends, so that it neither
/// leaks over a bound such as 0 nor dips before it. `None` for fewer than two points or values, equal values, or values that are
/// not finite.
pub fn density(values: &[f64], points: usize) -> Option<(Vec<f64>, Vec<f64>)> {
    if points < 2 || values.len() < 2 || values.iter().any(|x| !x.is_finite()) {
        return None;
    }
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let (low, high) = (sorted[0], sorted[sorted.len() - 1]);
    if !(high - low).is_finite() || high <= low {
        return None;
    }
    let n = values.len() as f64;
    let sd = sd_all(ndarray::aview1(&sorted).insert_axis(ndarray::Axis(0)));
    let quartiles = (quantile_sorted(&sorted, 0.75) - quantile_sorted(&sorted, 0.25)) / 1.34;
    let spread = if quartiles > 0.0 { sd.min(quartiles) } else { sd };
    let cell = (high - low) / CELLS as f64;
    // Under one cell the grid would show, not the draws.
    let bandwidth = (0.9 * spread * n.powf(-0.2)).max(cell);

    // Draws counted on the grid's edges, each shared between its two neighbours.
    let mut mass = vec![0.0; CELLS + 1];
    for x in &sorted {
        let place = ((x - low) / cell).min(CELLS as f64);
        let ix = (place as usize).min(CELLS - 1);
        mass[ix + 1] += place - ix as f64;
        mass[ix] += 1.0 - (place - ix as f64);
    }
    // The two end edges stand for half a cell each; with their mirror images they are whole.
    mass[0] *= 2.0;
    mass[CELLS] *= 2.0;
    let reach = (4.0 * bandwidth / cell).ceil() as usize;
    let kernel: Vec<f64> = (0..=reach).map(|k| (-0.5 * (k as f64 * cell / bandwidth).powi(2)).exp()).collect();
    let whole = kernel[0] + 2.0 * kernel[1..].iter().sum::<f64>();
    let at = |place: isize| mass[reflect(place)];
    let smooth: Vec<f64> = (0..=CELLS as isize)
        .map(|i| {
            let sides = (1..=reach as isize).map(|k| kernel[k as usize] * (at(i - k) + at(i + k)));
            (kernel[0] * at(i) + sides.sum::<f64>()) / (whole * n * cell)
        })
        .collect();
    let curve = |x: f64| {
        let place = ((x - low) / cell).clamp(0.0, CELLS as f64);
        let ix = (place as usize).min(CELLS - 1);
        smooth[ix] + (place - ix as f64) * (smooth[ix + 1] - smooth[ix])
    };
    let x: Vec<f64> = (0..points).map(|i| low + (high - low) * i as f64 / (points - 1) as f64).collect();
    let y = x.iter().map(|&x| curve(x)).collect();
    Some((x, y))
}

/// Folds a place on the endless line back onto the grid 0 … CELLS, mirrored at both ends.
fn reflect(place: isize) -> usize {
    let folded = place.rem_euclid(2 * CELLS as isize) as usize;
    if folded > CELLS { 2 * CELLS - folded } else { folded }
}

/// A histogram of `values` in `bins` equal bins from their least to their greatest: `bins + 1` edges and the counts. `None` for no
/// bins, no values, equal values, or values that are not finite.
pub fn histogram(values: &[f64], bins: usize) -> Option<(Vec<f64>, Vec<u64>)> {
    let low = values.iter().copied().reduce(f64::min)?;
    let high = values.iter().copied().reduce(f64::max)?;
    if bins == 0 || values.iter().any(|x| !x.is_finite()) || !(high - low).is_finite() || high <= low {
        return None;
    }
    let width = (high - low) / bins as f64;
    let mut counts = vec![0; bins];
    for x in values {
        counts[(((x - low) / width) as usize).min(bins - 1)] += 1;
    }
    Some(((0..=bins).map(|i| low + width * i as f64).collect(), counts))
}

#[cfg(test)]
mod tests {
    use statrs::distribution::{ContinuousCDF, Exp, Normal};

    use super::*;

    fn trapezoid(x: &[f64], y: &[f64]) -> f64 {
        x.windows(2).zip(y.windows(2)).map(|(x, y)| (x[1] - x[0]) * (y[0] + y[1]) / 2.0).sum()
    }

    #[test]
    fn a_normal_density_is_found() {
        let normal = Normal::standard();
        let values: Vec<f64> = (0..4000).map(|i| normal.inverse_cdf((f64::from(i) + 0.5) / 4000.0)).collect();
        let (x, y) = density(&values, 201).unwrap();
        let peak = y.iter().copied().fold(0.0, f64::max);
        // 1/√2π = 0.39894; smoothing with bandwidth h lowers the peak by 1/√(1 + h²), here 1.5 %.
        assert!((peak - 0.398_94).abs() < 0.008, "{peak}");
        // Mass is kept by reflection; 2e-3 is the trapezoid's error over 201 points.
        assert!((trapezoid(&x, &y) - 1.0).abs() < 2e-3, "{}", trapezoid(&x, &y));
    }

    #[test]
    fn a_bound_is_neither_crossed_nor_dipped_at() {
        let exp = Exp::new(1.0).unwrap();
        let values: Vec<f64> = (0..4000).map(|i| exp.inverse_cdf((f64::from(i) + 0.5) / 4000.0)).collect();
        let (x, y) = density(&values, 201).unwrap();
        // e⁰ = 1 at the bound; without reflection it would be a half. Reflecting a slope of −1 costs about 0.8 h = 0.12.
        assert!(x[0] >= 0.0 && y[0] > 0.85 && y[0] < 1.0, "{} {}", x[0], y[0]);
    }

    #[test]
    fn what_has_no_density_has_none() {
        assert!(
            density(&[1.0, 1.0], 10).is_none() && density(&[1.0, f64::NAN], 10).is_none() && density(&[], 10).is_none()
        );
        assert!(histogram(&[2.0, 2.0], 4).is_none() && histogram(&[1.0, f64::INFINITY], 4).is_none());
    }

    #[test]
    fn a_histogram_counts_everyone_once() {
        let (edges, counts) = histogram(&[0.0, 0.1, 0.5, 0.9, 1.0], 2).unwrap();
        assert_eq!((edges, counts), (vec![0.0, 0.5, 1.0], vec![2, 3]));
    }
}
