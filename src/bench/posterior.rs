//! The posterior of simulated customers as a normal at the maximum of the f64 likelihood: where a sampler's chains would be, without
//! sampling. Flat priors in ln θ; groups are independent, so every matrix is K × K and one per group.

use ndarray::Array3;

use super::candidate::{evaluate, room};
use crate::error::{Error, Result};
use crate::kernels::Likelihood;
use crate::kernels::rng::{Purpose, Stream};

/// A normal in ln θ per group.
#[derive(Debug, Clone)]
pub struct Posterior {
    /// `[1, group, K]`: the maximum, in θ.
    pub mode: Array3<f64>,
    /// Per group the lower triangular L, row by row, with L Lᵀ = −Hessian in ln θ.
    precision_factor: Vec<Vec<f64>>,
    /// Newton steps taken.
    pub steps: usize,
}

/// Step of the central differences in ln θ: the truncation error is about its square.
const DIFFERENCE: f64 = 1e-4;

/// Newton's decrement g H⁻¹ g, in nats, at which the maximum is found: a hundredth of a standard deviation.
const NEAR: f64 = 1e-4;

/// A start at the truth needs three or four steps; one at the parameters of other customers some more.
const MOST_STEPS: usize = 50;

/// Largest change of ln θ in one step.
const LONGEST: f64 = 0.5;

impl Posterior {
    /// Climbs from `start` (K parameters, the same in every group) by Newton's method on central differences of the gradient.
    ///
    /// # Errors
    /// The likelihood breaks, or it has no maximum near: too few customers for a group.
    pub fn at_maximum(judge: &mut dyn Likelihood, start: &[f64]) -> Result<Self> {
        let (groups, k) = (judge.groups(), start.len());
        let mut mode = Array3::from_shape_fn((1, groups, k), |(_, _, i)| start[i]);
        for steps in 0..MOST_STEPS {
            // Point 0 is the middle, 2i + 1 and 2i + 2 lie to the right and left of it in ln θ_i of every group at once.
            let points = Array3::from_shape_fn((2 * k + 1, groups, k), |(point, group, i)| {
                let shift = match point {
                    _ if point == 2 * i + 1 => DIFFERENCE,
                    _ if point == 2 * i + 2 => -DIFFERENCE,
                    _ => 0.0,
                };
                mode[[0, group, i]] * f64::exp(shift)
            });
            let mut out = room(&points);
            evaluate(judge, &points, &mut out)?;
            let slopes = &out.per_group * &points;
            let mut decrement = 0.0_f64;
            let mut precision_factor = Vec::with_capacity(groups);
            for group in 0..groups {
                let hessian = |i: usize, j: usize| {
                    (slopes[[2 * i + 1, group, j]] - slopes[[2 * i + 2, group, j]]) / (2.0 * DIFFERENCE)
                };
                let precision: Vec<f64> =
                    (0..k * k).map(|at| -0.5 * (hessian(at / k, at % k) + hessian(at % k, at / k))).collect();
                let (factor, is_hill) = climb(&precision, k).ok_or_else(|| no_maximum(steps, group))?;
                if !is_hill {
                    decrement = f64::INFINITY;
                }
                // Solves L y = g, then Lᵀ s = y; the decrement is |y|².
                let mut s: Vec<f64> = (0..k).map(|i| slopes[[0, group, i]]).collect();
                forward(&factor, &mut s);
                decrement = decrement.max(s.iter().map(|y| y * y).sum());
                backward(&factor, &mut s);
                for (i, s) in s.into_iter().enumerate() {
                    mode[[0, group, i]] *= s.clamp(-LONGEST, LONGEST).exp();
                }
                precision_factor.push(factor);
            }
            if decrement < NEAR {
                return Ok(Self { mode, precision_factor, steps: steps + 1 });
            }
        }
        Err(no_maximum(MOST_STEPS, 0))
    }

    /// `[draw, group, K]`: independent draws, by address.
    pub fn draws(&self, n: usize, seed: u64) -> Array3<f64> {
        let (_, groups, k) = self.mode.dim();
        let mut draws = Array3::zeros((n, groups, k));
        for draw in 0..n {
            for group in 0..groups {
                let mut stream = Stream::new(seed, Purpose::Start, draw as u64, group as u32);
                let mut z: Vec<f64> = (0..k).map(|_| stream.normal()).collect();
                // Covariance (L Lᵀ)⁻¹ = L⁻ᵀ L⁻¹.
                backward(&self.precision_factor[group], &mut z);
                for (i, z) in z.into_iter().enumerate() {
                    draws[[draw, group, i]] = self.mode[[0, group, i]] * z.exp();
                }
            }
        }
        draws
    }
}

/// A factor to climb by, and whether it is that of `precision` itself: away from a maximum a ridge stands in, the smallest that will do.
fn climb(precision: &[f64], k: usize) -> Option<(Vec<f64>, bool)> {
    let size = (0..k).map(|i| precision[i * k + i].abs()).fold(0.0, f64::max);
    [0.0, 0.01, 0.1, 1.0, 10.0].into_iter().find_map(|ridge| {
        let mut raised = precision.to_vec();
        (0..k).for_each(|i| raised[i * k + i] += ridge * size);
        cholesky(&raised, k).map(|factor| (factor, ridge == 0.0))
    })
}

fn no_maximum(steps: usize, group: usize) -> Error {
    Error::new("the likelihood of the simulated customers has no maximum near the truth")
        .at(format!("bench, group {group}, Newton step {steps}"))
        .advice("ask for more customers, or for fewer groups")
}

/// Lower L, row by row, with L Lᵀ = a; none when a is not positive definite.
fn cholesky(a: &[f64], k: usize) -> Option<Vec<f64>> {
    let mut l = vec![0.0; k * k];
    for i in 0..k {
        for j in 0..=i {
            let sum = a[i * k + j] - (0..j).map(|m| l[i * k + m] * l[j * k + m]).sum::<f64>();
            l[i * k + j] = if i == j { sum.sqrt() } else { sum / l[j * k + j] };
        }
        let pivot = l[i * k + i];
        if !(pivot.is_finite() && pivot > 0.0) {
            return None;
        }
    }
    Some(l)
}

/// Solves L y = b in place.
fn forward(l: &[f64], b: &mut [f64]) {
    let k = b.len();
    for i in 0..k {
        let known: f64 = (0..i).map(|j| l[i * k + j] * b[j]).sum();
        b[i] = (b[i] - known) / l[i * k + i];
    }
}

/// Solves Lᵀ y = b in place.
fn backward(l: &[f64], b: &mut [f64]) {
    let k = b.len();
    for i in (0..k).rev() {
        let known: f64 = (i + 1..k).map(|j| l[j * k + i] * b[j]).sum();
        b[i] = (b[i] - known) / l[i * k + i];
    }
}

#[cfg(test)]
mod tests {
    use super::super::candidate::Judge;
    use super::super::{Data, Family, Shop};
    use super::*;

    /// At the maximum slopes vanish; the truth lies within five standard deviations; the log-likelihood of draws falls short of the
    /// maximum by half a χ² of K degrees, K/2 on average.
    #[test]
    fn the_normal_is_the_likelihoods() {
        let shop = Shop::two_years(20_000, 2);
        let customers = shop.open().expect("a shop");
        for family in Family::ALL {
            let data = Data::of(family, &shop, &customers, true);
            let mut judge = Judge::new(data).expect("rows");
            let judge = judge.likelihood();
            let posterior = Posterior::at_maximum(judge, family.centre()).expect("a maximum");
            let k = family.centre().len();
            for group in 0..2 {
                // Lᵀ (ln truth − ln mode) is standard normal.
                let l = &posterior.precision_factor[group];
                let off: Vec<f64> = (0..k).map(|i| (family.centre()[i] / posterior.mode[[0, group, i]]).ln()).collect();
                let squares = (0..k).map(|j| (j..k).map(|i| l[i * k + j] * off[i]).sum::<f64>().powi(2)).sum::<f64>();
                // The customers are BG/NBD's and Gamma-Gamma's own.
                let is_own = matches!(family, Family::BgNbd | Family::GammaGamma);
                assert!(squares < 25.0 || !is_own, "{family:?}, group {group}: {squares}");
            }
            let draws = posterior.draws(200, 7);
            let (mut at_mode, mut at_draws) = (room(&posterior.mode), room(&draws));
            evaluate(judge, &posterior.mode, &mut at_mode).expect("f64");
            evaluate(judge, &draws, &mut at_draws).expect("f64");
            let short = at_mode.log_lik[0] - at_draws.log_lik.mean().expect("draws");
            // Two groups: K nats on average; five standard errors of a mean of 200, plus what is not normal at 10,000 customers.
            let expected = k as f64;
            assert!((short - expected).abs() < 5.0 * (expected / 200.0).sqrt() + 0.1 * expected, "{family:?}: {short}");
        }
    }

    #[test]
    fn triangles_solve_what_they_factor() {
        let a = [4.0, 2.0, 2.0, 5.0];
        let l = cholesky(&a, 2).expect("positive definite");
        assert_eq!(l, [2.0, 0.0, 1.0, 2.0]);
        let mut b = vec![8.0, 12.0];
        forward(&l, &mut b);
        backward(&l, &mut b);
        // 4·1 + 2·2 = 8, 2·1 + 5·2 = 12.
        assert_eq!(b, [1.0, 2.0]);
        assert!(cholesky(&[1.0, 2.0, 2.0, 1.0], 2).is_none());
    }
}
