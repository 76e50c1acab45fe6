//! What is integrated for one customer: a normal density of (ln λ, ln μ) times L, and the bound under which it is looked for.
//!
//! ```text
//! L(λ, μ) ≤ λ^x e^−(λ+μ)t_x                  log-concave and separable
//! ```

use pulp::{Simd, WithSimd};

use super::K;
use crate::simd::V;
use crate::simd::exp::exp;

/// ln λ and ln μ of one customer before anything is known of the purchases: N₂(mean, Σ).
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Population {
    pub mean: [f64; 2],
    pub sd: [f64; 2],
    pub corr: f64,
}

impl Population {
    /// From possible parameters, without covariates.
    pub fn new(&[rate, death, sd_rate, sd_death, corr]: &[f64; K]) -> Self {
        Self { mean: [rate.ln(), death.ln()], sd: [sd_rate, sd_death], corr }
    }

    /// The same with other means.
    pub fn shifted(self, [u, v]: [f64; 2]) -> Self {
        Self { mean: [self.mean[0] + u, self.mean[1] + v], ..self }
    }

    /// The same with variances that are so many times larger.
    pub fn widened(self, by: f64) -> Self {
        Self { sd: self.sd.map(|sd| sd * by.sqrt()), ..self }
    }

    /// 1 − ρ².
    pub fn independence(&self) -> f64 {
        (1.0 - self.corr) * (1.0 + self.corr)
    }

    /// Σ⁻¹: uu, uv, vv.
    pub fn precision(&self) -> [f64; 3] {
        let ([a, b], q) = (self.sd, self.independence());
        [1.0 / (a * a * q), -self.corr / (a * b * q), 1.0 / (b * b * q)]
    }

    /// The least and the most variance, in any direction, in units of another's: eigenvalues of Σ₀⁻¹ Σ.
    pub fn variances_in(&self, other: &Self) -> [f64; 2] {
        let ([q_uu, q_uv, q_vv], [a, b]) = (other.precision(), self.sd);
        let half = 0.5 * (q_uu * a * a + 2.0 * q_uv * self.corr * a * b + q_vv * b * b);
        let product = (q_uu * q_vv - q_uv * q_uv) * a * a * b * b * self.independence();
        let most = half + (half * half - product).max(0.0).sqrt();
        [product / most, most]
    }

    /// How far its means are from another's, in the other's sds, squared.
    pub fn distance_in(&self, other: &Self) -> f64 {
        let [p_uu, p_uv, p_vv] = other.precision();
        let (u, v) = (self.mean[0] - other.mean[0], self.mean[1] - other.mean[1]);
        p_uu * u * u + 2.0 * p_uv * u * v + p_vv * v * v
    }

    /// ln of the density's factor before the exponential.
    pub fn ln_peak(&self) -> f64 {
        -(std::f64::consts::TAU * self.sd[0] * self.sd[1]).ln() - 0.5 * self.independence().ln()
    }
}

/// A customer's purchases; t_x is 0 where x is.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct History {
    pub x: f64,
    pub t_x: f64,
    pub t: f64,
}

impl History {
    pub fn new(x: u32, t_x: f64, t: f64) -> Self {
        Self { x: f64::from(x), t_x: if x > 0 { t_x } else { 0.0 }, t }
    }
}

/// The integrand without the normal density's factor, and the bound it is looked for under: L ≤ λ^x e^−(λ+μ)t_x.
pub(super) struct Integrand<'a> {
    pub history: &'a History,
    population: &'a Population,
    pub precision: [f64; 3],
}

/// The bound along ln μ at one ln λ: concave, at most `height` − ½ ((v − crest)/sd)².
pub(super) struct Profile {
    /// The largest of the bound, and without what μ costs.
    pub height: f64,
    without: f64,
    /// Where it is the largest.
    pub crest: f64,
    /// The sd of v given u.
    pub sd: f64,
    /// e^crest t_x: the slope of what μ costs.
    cost: f64,
}

impl<'a> Integrand<'a> {
    pub fn new(history: &'a History, population: &'a Population) -> Self {
        Self { history, population, precision: population.precision() }
    }

    /// x u − e^u t_x − ½ ξ² − ½ ((v − mean)/sd)² − e^v t_x, whose crest is mean − W(sd² t_x e^mean).
    fn profile(&self, u: f64) -> Profile {
        let Population { mean, sd: [a, b], corr } = *self.population;
        let xi = (u - mean[0]) / a;
        let (given, sd) = (mean[1] + corr * b * xi, b * self.population.independence().sqrt());
        let w = lambert((sd * sd * self.history.t_x).ln() + given);
        let cost = w / (sd * sd);
        let without = self.history.x * u - u.exp() * self.history.t_x - 0.5 * xi * xi;
        Profile { height: without - cost * (1.0 + 0.5 * w), without, crest: given - w, sd, cost }
    }

    /// The u at which the bound is largest, and its profile there.
    pub fn crest(&self) -> (f64, Profile) {
        let Population { mean: [m, _], sd: [a, b], corr } = *self.population;
        let rises = |u: f64| {
            self.history.x - u.exp() * self.history.t_x - (u - m) / (a * a) - self.profile(u).cost * corr * b / a > 0.0
        };
        let upward = rises(m);
        let mut step = if upward { a } else { -a };
        let mut beyond = m + step;
        while rises(beyond) == upward {
            step *= 2.0;
            beyond += step;
        }
        let (crest, _) = halve(16, m, beyond, |u| rises(u) == upward);
        (crest, self.profile(crest))
    }

    /// A u on one side beyond which the bound is below `least`.
    pub fn edge(&self, crest: f64, side: f64, least: f64) -> f64 {
        let mut step = side * self.population.sd[0];
        let mut beyond = crest + step;
        while self.profile(beyond).height >= least {
            step *= 2.0;
            beyond += step;
        }
        let (_, edge) = halve(8, crest, beyond, |u| self.profile(u).height >= least);
        edge
    }

    /// Where v may lie, at one u, for the integrand to be at least `least`.
    pub fn reach(&self, u: f64, least: f64) -> (f64, f64) {
        let Profile { height, without, crest, sd, .. } = self.profile(u);
        let half = (2.0 * (height - least).max(0.0)).sqrt() * sd;
        let cut =
            if self.history.t_x > 0.0 { ((without - least).max(0.0) / self.history.t_x).ln() } else { f64::INFINITY };
        (crest - half, (crest + half).min(cut))
    }

    /// ln of the integrand.
    pub fn ln_at(&self, u: f64, v: f64) -> f64 {
        let ([m_u, m_v], [p_uu, p_uv, p_vv]) = (self.population.mean, self.precision);
        let (u_m, v_m, lambda, mu) = (u - m_u, v - m_v, u.exp(), v.exp());
        let (both, History { x, t_x, t }) = (lambda + mu, self.history);
        let relative = (mu + lambda * (-both * (t - t_x)).exp()) / both;
        x * u - both * t_x - 0.5 * (p_uu * u_m * u_m + p_vv * v_m * v_m) - p_uv * u_m * v_m + relative.ln()
    }
}

/// The integrand, divided by e^`height`, along a line of nodes at one u: at v, v + step, v + 2 step, …
pub(super) struct Line<'a> {
    pub integrand: &'a Integrand<'a>,
    pub u: f64,
    pub v: f64,
    pub step: f64,
    pub height: f64,
    pub out: &'a mut [f64],
}

impl WithSimd for Line<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { integrand, u, v, step, height, out } = self;
        let ([m_u, m_v], [p_uu, p_uv, p_vv]) = (integrand.population.mean, integrand.precision);
        let (History { x, t_x, t }, lambda, u_m) = (*integrand.history, u.exp(), u - m_u);
        let all = |value: f64| V::splat(simd, value);
        let of_u = all(x * u - lambda * t_x - 0.5 * p_uu * u_m * u_m - height);
        let (gap, t_x, lambda) = (all(t - t_x), all(t_x), all(lambda));
        for (chunk, out) in out.chunks_mut(8).enumerate() {
            let mut values: [f64; 8] = std::array::from_fn(|j| v + step * (8 * chunk + j) as f64);
            for part in 0..8 / S::F64_LANES {
                let v = V::load(simd, &values, part);
                let (mu, v_m) = (exp(v), v - all(m_v));
                let both = lambda + mu;
                let relative = lambda.times_plus(exp(-(both * gap)), mu) / both;
                let pull = (all(0.5 * p_vv) * v_m).times_plus(v_m, all(p_uv * u_m) * v_m);
                let exponent = of_u - mu.times_plus(t_x, pull);
                (relative * exp(exponent.at_most(700.0))).store(&mut values, part);
            }
            out.copy_from_slice(&values[..out.len()]);
        }
    }
}

/// W(z) ≥ 0 with W e^W = z, from ln z, to 1e-6 relative: one step of fourth order (Fritsch, Shafer and Crowley 1973, Comm. ACM
/// 16(2)) from ln(1 + z).
fn lambert(ln_z: f64) -> f64 {
    if ln_z < -40.0 {
        return ln_z.exp();
    }
    let w = if ln_z < 500.0 { ln_z.exp().ln_1p() } else { ln_z };
    let miss = ln_z - w.ln() - w;
    let q = 2.0 * (1.0 + w) * (1.0 + w + 2.0 / 3.0 * miss);
    w * (1.0 + miss / (1.0 + w) * (q - miss) / (q - 2.0 * miss))
}

/// Halves the way from a point that passes to one that does not, so many times; returns both ends.
fn halve(times: u32, mut passes: f64, mut fails: f64, test: impl Fn(f64) -> bool) -> (f64, f64) {
    for _ in 0..times {
        let middle = 0.5 * (passes + fails);
        if test(middle) { passes = middle } else { fails = middle }
    }
    (passes, fails)
}
