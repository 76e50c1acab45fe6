//! Columns of a design that say nearly the same of every customer. What to do about them is for others to say.

use super::Design;

/// Products of two numbers that are added up at most; of more, evenly spaced rows stand for all.
const MOST_PRODUCTS: usize = 100_000_000;

impl Design {
    /// Pairs of columns whose correlation, of either sign, is beyond `limit`, the strongest first.
    pub fn alike(&self, limit: f64) -> Vec<(usize, usize, f64)> {
        let columns = self.columns.len();
        let stride = (self.len().saturating_mul(columns * columns) / MOST_PRODUCTS).max(1);
        let unit: Vec<Vec<f64>> =
            self.values.columns().into_iter().map(|column| to_unit(column.iter().step_by(stride).copied())).collect();
        let pairs = (0..columns).flat_map(|a| (a + 1..columns).map(move |b| (a, b)));
        let correlation =
            |(a, b): (usize, usize)| (a, b, unit[a].iter().zip(&unit[b]).map(|(x, y)| x * y).sum::<f64>());
        let mut found: Vec<_> = pairs.map(correlation).filter(|(_, _, r)| r.abs() > limit).collect();
        found.sort_by(|(.., one), (.., other)| other.abs().total_cmp(&one.abs()));
        found
    }
}

/// Numbers less their mean, of length one; zeros where they are all the same.
fn to_unit(values: impl Iterator<Item = f64>) -> Vec<f64> {
    let mut values: Vec<f64> = values.collect();
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter_mut().for_each(|value| *value -= mean);
    let length = values.iter().map(|value| value * value).sum::<f64>().sqrt();
    let factor = if length > 0.0 { 1.0 / length } else { 0.0 };
    values.iter_mut().for_each(|value| *value *= factor);
    values
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::super::DesignColumn;
    use super::*;

    fn design(values: Array2<f64>) -> Design {
        let column = |c: usize| DesignColumn {
            name: c.to_string(),
            covariate: c.to_string(),
            centre: 0.0,
            scale: 1.0,
            farthest: 0.0,
        };
        Design { columns: (0..values.ncols()).map(column).collect(), values }
    }

    /// Columns i, −i and i plus a saw of period 4 whose spread is a sixtieth of it; a saw alone; nothing but ones.
    #[test]
    fn columns_that_say_the_same_are_found_whatever_their_sign() {
        let saw = |i: usize| (i % 4) as f64;
        let values = Array2::from_shape_fn((200, 5), |(i, column)| match column {
            0 => i as f64,
            1 => 7.0 - i as f64,
            2 => i as f64 + saw(i),
            3 => saw(i),
            _ => 1.0,
        });
        let found = design(values).alike(0.95);
        let pairs: Vec<(usize, usize)> = found.iter().map(|&(a, b, _)| (a, b)).collect();
        assert_eq!(pairs[0], (0, 1));
        assert_eq!((pairs.len(), pairs.contains(&(0, 2)), pairs.contains(&(1, 2))), (3, true, true));
        assert!((found[0].2 + 1.0).abs() < 1e-12 && found[1].2.abs() < 1.0 - 1e-6, "{found:?}");
    }

    #[test]
    fn rows_that_stand_for_all_are_enough() {
        // 256 million products are more than are made.
        let values = Array2::from_shape_fn((1_000_000, 16), |(i, column)| ((i / 7) % (50 + column / 2)) as f64);
        let pairs: Vec<(usize, usize)> = design(values).alike(0.95).iter().map(|&(a, b, _)| (a, b)).collect();
        let mut sorted = pairs.clone();
        sorted.sort_unstable();
        assert_eq!(sorted, (0..8).map(|k| (2 * k, 2 * k + 1)).collect::<Vec<_>>());
    }
}
