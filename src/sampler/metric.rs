//! The diagonal inverse mass matrix, learnt from draws and gradients pooled over chains.
//!
//! Knows moments; not which sampler asks, nor when a window closes (that is `warmup`).
//!
//! D_i = √( var(q_i) / var(g_i) ), with g the gradient of the log density. For a normal with covariance Σ it is √(Σ_ii / (Σ⁻¹)_ii): between
//! the variance and the inverse precision, and exact after a few draws when coordinates are independent. (The rule of nuts-rs: among
//! diagonal scalings it minimises the Fisher divergence to a standard normal.)

use ndarray::Array2;

/// Smallest and largest entry of an inverse mass that is believed.
const BOUNDS: (f64, f64) = (1e-20, 1e20);

/// Running means and sums of squared deviations of one chain's draws and gradients (Welford), mergeable (Chan et al. 1983).
#[derive(Debug, Clone)]
pub(super) struct Moments {
    count: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl Moments {
    pub(super) fn new(dim: usize) -> Self {
        Self { count: 0.0, mean: vec![0.0; dim], square: vec![0.0; dim] }
    }

    pub(super) fn count(&self) -> f64 {
        self.count
    }

    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Takes in one vector.
    pub(super) fn push(&mut self, x: &[f64]) {
        self.count += 1.0;
        for ((mean, square), x) in self.mean.iter_mut().zip(&mut self.square).zip(x) {
            let before = x - *mean;
            *mean += before / self.count;
            *square += before * (x - *mean);
        }
    }

    /// Takes in everything another accumulator saw.
    pub(super) fn merge(&mut self, other: &Self) {
        if other.count == 0.0 {
            return;
        }
        let total = self.count + other.count;
        for i in 0..self.mean.len() {
            let delta = other.mean[i] - self.mean[i];
            self.mean[i] += delta * other.count / total;
            self.square[i] += other.square[i] + delta * delta * self.count * other.count / total;
        }
        self.count = total;
    }

    /// Sample variance of one coordinate (NaN below two vectors).
    pub(super) fn variance(&self, i: usize) -> f64 {
        if self.count < 2.0 { f64::NAN } else { self.square[i] / (self.count - 1.0) }
    }
}

/// The last few vectors of many.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    dim: usize,
    keep: usize,
    next: usize,
    flat: Vec<f64>,
}

impl Rows {
    fn new(dim: usize, keep: usize) -> Self {
        Self { dim, keep, next: 0, flat: Vec::new() }
    }

    fn push(&mut self, x: &[f64]) {
        if self.keep == 0 {
            return;
        }
        if self.flat.len() < self.keep * self.dim {
            self.flat.extend_from_slice(x);
        } else {
            self.flat[self.next * self.dim..(self.next + 1) * self.dim].copy_from_slice(x);
        }
        self.next = (self.next + 1) % self.keep;
    }
}

/// What one chain contributes to the next metric, and to the question whether there is anything left to learn.
#[derive(Debug, Clone)]
pub(super) struct Contribution {
    pub(super) draws: Moments,
    pub(super) gradients: Moments,
    /// Draws and gradients themselves, where a dense metric wants them.
    rows: [Rows; 2],
    /// Log density of every draw, in order.
    pub(super) levels: Vec<f64>,
}

impl Contribution {
    /// Keeps the last `keep` draws and gradients besides their moments.
    pub(super) fn new(dim: usize, keep: usize) -> Self {
        let rows = [Rows::new(dim, keep), Rows::new(dim, keep)];
        Self { draws: Moments::new(dim), gradients: Moments::new(dim), rows, levels: Vec::new() }
    }

    pub(super) fn push(&mut self, draw: &[f64], gradient: &[f64], log_density: f64) {
        self.draws.push(draw);
        self.gradients.push(gradient);
        self.rows[0].push(draw);
        self.rows[1].push(gradient);
        self.levels.push(log_density);
    }

    /// The moments of several chains together.
    pub(super) fn pool(all: &[Self], dim: usize) -> Self {
        let mut pooled = Self::new(dim, 0);
        for one in all {
            pooled.draws.merge(&one.draws);
            pooled.gradients.merge(&one.gradients);
        }
        pooled
    }

    /// The draws and the gradients kept, `[row, dim]` each, chain after chain.
    pub(super) fn rows(all: &[Self], dim: usize) -> [Array2<f64>; 2] {
        [0, 1].map(|which| {
            let n: usize = all.iter().map(|c| c.rows[which].flat.len() / dim).sum();
            let flat = all.iter().flat_map(|c| &c.rows[which].flat);
            let mut out = Array2::zeros((n, dim));
            out.iter_mut().zip(flat).for_each(|(to, from)| *to = *from);
            out
        })
    }

    /// Replaces every entry of `inverse_mass` that the moments can speak for; a coordinate that did not move keeps its entry.
    pub(super) fn update(&self, inverse_mass: &mut [f64]) {
        for (i, entry) in inverse_mass.iter_mut().enumerate() {
            let ratio = (self.draws.variance(i) / self.gradients.variance(i)).sqrt();
            if ratio.is_finite() && ratio > 0.0 {
                *entry = ratio.clamp(BOUNDS.0, BOUNDS.1);
            }
        }
    }
}

/// The largest eigenvalue of a symmetric positive semidefinite operator by power iteration from `start`, to about 0.1 %.
/// `apply(v, out)` writes the product.
pub(super) fn largest_eigenvalue(start: &[f64], mut apply: impl FnMut(&[f64], &mut [f64])) -> f64 {
    let mut v = start.to_vec();
    let mut out = vec![0.0; v.len()];
    let mut value = 0.0;
    for round in 0..200 {
        let norm = v.iter().map(|x| x * x).sum::<f64>().sqrt();
        if !(norm > 0.0 && norm.is_finite()) {
            return value;
        }
        v.iter_mut().for_each(|x| *x /= norm);
        apply(&v, &mut out);
        let next = v.iter().zip(&out).map(|(a, b)| a * b).sum::<f64>();
        std::mem::swap(&mut v, &mut out);
        let settled = (next - value).abs() <= 1e-3 * next.abs();
        value = next;
        // A start nearly orthogonal to the widest direction looks settled at first.
        if settled && round >= 10 {
            break;
        }
    }
    value
}

/// The largest eigenvalue of the sample covariance of `rows` `[n × dim]`, each coordinate divided by √(its inverse mass).
pub(super) fn whitened_largest_eigenvalue(rows: &[f64], inverse_mass: &[f64]) -> f64 {
    let dim = inverse_mass.len();
    let n = rows.len() / dim;
    if n < 2 {
        return f64::NAN;
    }
    let scale: Vec<f64> = inverse_mass.iter().map(|d| 1.0 / d.sqrt()).collect();
    let mut all = Moments::new(dim);
    rows.chunks_exact(dim).for_each(|row| all.push(row));
    let white: Vec<f64> = rows
        .chunks_exact(dim)
        .flat_map(|row| row.iter().zip(all.mean()).zip(&scale).map(|((x, m), s)| (x - m) * s))
        .collect();
    // The row furthest from the mean leans towards the widest direction; a little of every coordinate keeps it from being orthogonal.
    let norm = |row: &[f64]| row.iter().map(|x| x * x).sum::<f64>();
    let furthest = white.chunks_exact(dim).max_by(|a, b| norm(a).total_cmp(&norm(b))).unwrap_or(&white[..dim]);
    let nudge = 1e-3 * norm(furthest).sqrt();
    let start: Vec<f64> = furthest.iter().map(|x| x + nudge).collect();
    largest_eigenvalue(&start, |v, out| {
        out.fill(0.0);
        for row in white.chunks_exact(dim) {
            let along = row.iter().zip(v).map(|(a, b)| a * b).sum::<f64>() / (n - 1) as f64;
            out.iter_mut().zip(row).for_each(|(o, r)| *o += along * r);
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::{Purpose, Stream};

    #[test]
    fn merging_in_parts_equals_pushing_all() {
        let mut stream = Stream::new(1, Purpose::Test, 0, 0);
        let rows: Vec<[f64; 2]> = (0..50).map(|_| [stream.normal() + 1e3, 5.0 * stream.normal()]).collect();
        let mut whole = Moments::new(2);
        let mut parts = [Moments::new(2), Moments::new(2), Moments::new(2)];
        for (i, row) in rows.iter().enumerate() {
            whole.push(row);
            parts[i % 2].push(row);
        }
        let mut merged = Moments::new(2);
        parts.iter().for_each(|p| merged.merge(p));
        for i in 0..2 {
            // Both are sums of 50 terms in double precision.
            assert!((merged.mean()[i] / whole.mean()[i] - 1.0).abs() < 1e-12);
            assert!((merged.variance(i) / whole.variance(i) - 1.0).abs() < 1e-9);
        }
    }

    /// For an independent normal g = −q/σ², so var(q)/var(g) = σ⁴ whatever the draws were: exact after three of them.
    #[test]
    fn independent_scales_are_exact_at_once() {
        let sds = [1e-3, 1.0, 250.0];
        let mut c = Contribution::new(3, 0);
        for z in [0.3, -1.2, 0.8] {
            let q: Vec<f64> = sds.iter().map(|s| z * s).collect();
            let g: Vec<f64> = sds.iter().map(|s| -z / s).collect();
            c.push(&q, &g, 0.0);
        }
        let mut d = vec![1.0; 3];
        c.update(&mut d);
        for (d, s) in d.iter().zip(sds) {
            assert!((d / (s * s) - 1.0).abs() < 1e-12, "{d} for sd {s}");
        }
    }

    #[test]
    fn a_constant_coordinate_keeps_its_mass() {
        let mut c = Contribution::new(2, 0);
        c.push(&[1.0, 2.0], &[0.0, 1.0], 0.0);
        c.push(&[1.0, 3.0], &[0.0, 2.0], 0.0);
        let mut d = vec![0.125, 7.0];
        c.update(&mut d);
        assert_eq!(d, [0.125, 1.0]);
    }

    /// Four points of a two-dimensional cross: covariance diag(2·3²/3, 2·1²/3), so λmax = 6; whitened by D = (9, 1) both are 2/3.
    #[test]
    fn power_iteration_finds_the_widest_direction() {
        let rows = [3.0, 0.0, -3.0, 0.0, 0.0, 1.0, 0.0, -1.0];
        assert!((whitened_largest_eigenvalue(&rows, &[1.0, 1.0]) - 6.0).abs() < 0.01);
        assert!((whitened_largest_eigenvalue(&rows, &[9.0, 1.0]) - 2.0 / 3.0).abs() < 0.001);
        assert!(whitened_largest_eigenvalue(&rows[..2], &[1.0, 1.0]).is_nan());
        assert_eq!(whitened_largest_eigenvalue(&[1.0; 8], &[1.0, 1.0]), 0.0);
    }
}
