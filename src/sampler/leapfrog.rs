//! One leapfrog step, cut in two where the gradient is asked for, and the Hamiltonian it conserves.
//!
//! Knows positions, momenta and a diagonal inverse mass; not why a step is taken, nor when to stop.
//!
//! | symbol | meaning |
//! | --- | --- |
//! | q, p | position and momentum |
//! | g | gradient of the log density at q |
//! | D | diagonal of the inverse mass matrix M⁻¹ |
//! | ε | step size, negative backwards in time |
//!
//! H(q, p) = −ln π(q) + ½ pᵀ D p, up to a constant (Neal 2011, "MCMC using Hamiltonian dynamics").

use super::Stream;

/// An energy error above this, in nats, is a divergence (Stan's bound).
pub(super) const MAX_ENERGY_ERROR: f64 = 1000.0;

/// Half a kick, then the drift: p ← p + ½εg, q ← q + εDp. The gradient at the new q is wanted next.
pub(super) fn kick_and_drift(q: &mut [f64], p: &mut [f64], g: &[f64], d: &[f64], epsilon: f64) {
    let half = 0.5 * epsilon;
    for (((q, p), g), d) in q.iter_mut().zip(p.iter_mut()).zip(g).zip(d) {
        *p += half * g;
        *q += epsilon * d * *p;
    }
}

/// The second half of the kick, with the gradient at the new position.
pub(super) fn kick(p: &mut [f64], g: &[f64], epsilon: f64) {
    let half = 0.5 * epsilon;
    for (p, g) in p.iter_mut().zip(g) {
        *p += half * g;
    }
}

/// ½ pᵀ D p, in four sums side by side: a single one would wait for every addition.
pub(super) fn kinetic_energy(p: &[f64], d: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let (p, d) = (p.chunks_exact(4), d.chunks_exact(4));
    let rest: f64 = p.remainder().iter().zip(d.remainder()).map(|(p, d)| d * p * p).sum();
    for (p, d) in p.zip(d) {
        for lane in 0..4 {
            sums[lane] += d[lane] * p[lane] * p[lane];
        }
    }
    0.5 * ((sums[0] + sums[1]) + (sums[2] + sums[3]) + rest)
}

/// H(q, p). Infinite wherever the density is impossible or not a number, so that such a point is never accepted.
pub(super) fn energy(log_density: f64, p: &[f64], d: &[f64]) -> f64 {
    let h = kinetic_energy(p, d) - log_density;
    if log_density.is_finite() && h.is_finite() { h } else { f64::INFINITY }
}

/// A fresh momentum p ~ N(0, M). Both branches of Box–Muller are used: this is the dearest thing a transition does by itself.
pub(super) fn draw_momentum(p: &mut [f64], d: &[f64], stream: &mut Stream) {
    for (p, d) in p.chunks_mut(2).zip(d.chunks(2)) {
        let radius = (-2.0 * stream.uniform().ln()).sqrt();
        let (sine, cosine) = (std::f64::consts::TAU * stream.uniform()).sin_cos();
        for ((p, d), branch) in p.iter_mut().zip(d).zip([cosine, sine]) {
            *p = radius * branch / d.sqrt();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernels::rng::Purpose;

    /// Forty steps through a quartic well and forty back with ε negated end where they began: the integrator is reversible. What is left is
    /// rounding, about 80 · 2⁻⁵² on numbers of order one.
    #[test]
    fn going_back_ends_at_the_start() {
        let gradient = |q: &[f64]| -> Vec<f64> { vec![-q[0].powi(3) - 0.3 * q[1], -q[1] - 0.3 * q[0]] };
        let d = [0.7, 1.9];
        let (q_start, p_start) = (vec![0.4, -1.1], vec![0.8, 0.3]);
        let (mut q, mut p) = (q_start.clone(), p_start.clone());
        for epsilon in [0.13, -0.13] {
            let mut g = gradient(&q);
            for _ in 0..40 {
                kick_and_drift(&mut q, &mut p, &g, &d, epsilon);
                g = gradient(&q);
                kick(&mut p, &g, epsilon);
            }
            if epsilon > 0.0 {
                assert!((q[0] - q_start[0]).abs() > 1e-3, "it never left");
            }
        }
        for (a, b) in q.iter().chain(&p).zip(q_start.iter().chain(&p_start)) {
            assert!((a - b).abs() < 1e-12, "{a} against {b}");
        }
    }

    /// The energy error of one trajectory of fixed length falls as ε²: a quarter at half the step (second-order integrator).
    #[test]
    fn energy_error_is_second_order() {
        let worst = |epsilon: f64, steps: usize| -> f64 {
            let d = [1.0];
            let (mut q, mut p): (Vec<f64>, Vec<f64>) = (vec![1.0], vec![0.5]);
            let h0 = energy(-0.25 * q[0].powi(4), &p, &d);
            let mut worst: f64 = 0.0;
            for _ in 0..steps {
                let g = [-q[0].powi(3)];
                kick_and_drift(&mut q, &mut p, &g, &d, epsilon);
                kick(&mut p, &[-q[0].powi(3)], epsilon);
                worst = worst.max((energy(-0.25 * q[0].powi(4), &p, &d) - h0).abs());
            }
            worst
        };
        let ratio = worst(0.1, 100) / worst(0.05, 200);
        assert!((3.5..4.5).contains(&ratio), "{ratio}");
    }

    #[test]
    fn momentum_has_the_mass_as_its_variance() {
        let d = [0.25, 4.0];
        let n = 20_000;
        let mut square = [0.0; 2];
        for i in 0..n {
            let mut p = [0.0; 2];
            draw_momentum(&mut p, &d, &mut Stream::new(3, Purpose::Test, i, 0));
            square[0] += p[0] * p[0];
            square[1] += p[1] * p[1];
        }
        for k in 0..2 {
            // Five standard errors of a variance estimate, √(2/n).
            let ratio = square[k] / n as f64 * d[k];
            assert!((ratio - 1.0).abs() < 5.0 * (2.0 / n as f64).sqrt(), "{ratio}");
        }
    }

    #[test]
    fn impossible_points_have_infinite_energy() {
        for lp in [f64::NEG_INFINITY, f64::INFINITY, f64::NAN] {
            assert_eq!(energy(lp, &[1.0], &[1.0]), f64::INFINITY);
        }
        assert_eq!(energy(0.0, &[f64::NAN], &[1.0]), f64::INFINITY);
    }
}
