//! Partial pooling over groups. The likelihood is not known here, only the values it will be given.
//!
//! | symbol  | meaning                                                                        | support |
//! | ------- | ------------------------------------------------------------------------------ | ------- |
//! | x_gk    | value of parameter k (of the family's derived chart) in group g                 | domain of k |
//! | z_gk    | x_gk on the scale of its link: ln x, ln(x − low) or logit x                     | ℝ       |
//! | μ_k, σ_k | centre and spread of z_gk over groups, with priors from the configuration      | ℝ, > 0  |
//! | η_gk    | (z_gk − μ_k) / σ_k                                                              | ℝ       |
//!
//! z_gk ~ N(μ_k, σ_k²). In which coordinates a group is sampled changes the speed, never the posterior:
//!
//! - *non-centred*, in η ~ N(0, 1), the shape of the prior: right where the data say little beside it;
//! - *centred*, in z itself: right where the data fix z far more closely than σ does (Papaspiliopoulos, Roberts & Sköld 2007);
//! - *informed*, in between. A [`Pilot`] says what the group's own data make of z, about N(ẑ, 1/τ). Were that exact, z given μ
//!   and σ would be N(w μ + (1 − w) ẑ, σ² w) with w = 1/(1 + σ²τ), so ε in z = w μ + (1 − w) ẑ + σ √w ε would be N(0, 1) whatever
//!   μ and σ are, and μ given σ would be N(c, 1/P) with P = Σ τ w over groups and c the mean of ẑ weighted so. μ is then sampled
//!   as (μ − c) √P. Neither the funnel of few groups nor the ridge of groups rich in data is left. τ = 0 gives the non-centred form.

use ndarray::{Array2, ArrayView1};

use super::Family;
use super::coordinate::Coordinate;
use crate::data::Groups;
use crate::dist::{Centring, HierarchySpec, Prior, Transform};
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::target::{Schema, Variable};

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// The dimension of μ and σ.
pub const PARAMETER_DIM: &str = "parameter";

/// What each group's own data make of its parameters, on the scale of z: a rough normal approximation will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Pilot {
    /// `[group, k]`: ẑ.
    pub centre: Array2<f64>,
    /// `[group, k]`: τ, 1/variance; 0 where nothing is known.
    pub precision: Array2<f64>,
}

impl Pilot {
    fn ignorant(groups: usize, k: usize) -> Self {
        Self { centre: Array2::zeros((groups, k)), precision: Array2::zeros((groups, k)) }
    }
}

/// μ and σ of one parameter at a point, and how μ follows its coordinate and σ.
struct Centre {
    mu: f64,
    sigma: f64,
    /// ∂μ/∂coordinate and ln of it.
    slope: f64,
    ln_slope: f64,
    /// ∂μ/∂σ and ∂ ln slope/∂σ.
    along_sigma: f64,
    ln_slope_along_sigma: f64,
}

/// μ and σ per parameter, z or η per group and parameter.
///
/// A point is μ coordinates `[k]`, σ coordinates `[k]`, then `[group, k]`.
#[derive(Debug, Clone)]
pub(super) struct Hierarchy {
    mu: Vec<Coordinate>,
    sigma: Vec<Coordinate>,
    links: Vec<Transform>,
    centring: Centring,
    pilot: Pilot,
}

impl Hierarchy {
    /// From a resolved specification: priors for μ and σ of every parameter of the derived chart.
    pub fn new(family: &Family, groups: &Groups, spec: &HierarchySpec) -> Result<Self> {
        let parameters = family.chart_parameters(&family.derived_chart());
        let take = |priors: &std::collections::BTreeMap<String, Prior>, what: &str, low: f64| {
            parameters
                .iter()
                .map(|p| {
                    let key = format!("hierarchy.{what}.{}", p.name);
                    let prior = priors.get(p.name).ok_or_else(|| {
                        Error::new(format!("{key} is missing"))
                            .advice("resolve the specification against the data first")
                    })?;
                    Coordinate::new(&format!("{what}[{}]", p.name), (low, f64::INFINITY), *prior, &key)
                })
                .collect::<Result<Vec<_>>>()
        };
        let mu = take(&spec.mu, "mu", f64::NEG_INFINITY)?;
        let sigma = take(&spec.sigma, "sigma", 0.0)?;
        let links = parameters
            .iter()
            .map(|p| {
                Transform::onto(p.low, p.high).ok_or_else(|| Error::new(format!("`{}` has an empty domain", p.name)))
            })
            .collect::<Result<Vec<_>>>()?;
        let pilot = Pilot::ignorant(groups.labels.len(), family.k());
        Ok(Self { mu, sigma, links, centring: spec.centring, pilot })
    }

    /// Takes the groups' own data into account, where the specification leaves the coordinates to us.
    pub fn inform(&mut self, pilot: Pilot) {
        if self.centring == Centring::Auto {
            self.pilot = pilot;
        }
    }

    fn is_centred(&self) -> bool {
        self.centring == Centring::Centred
    }

    /// (w, τ w) of one group and parameter at σ.
    fn weight(&self, g: usize, k: usize, sigma: f64) -> (f64, f64) {
        let tau = self.pilot.precision[[g, k]];
        let w = 1.0 / (1.0 + sigma * sigma * tau);
        (w, tau * w)
    }

    /// μ and σ of parameter k. μ is whitened where the pilot knows something and the prior of μ has no bounds.
    fn centre(&self, point: ArrayView1<'_, f64>, k: usize) -> Centre {
        let sigma = self.sigma[k].value(point[self.k() + k]);
        let plain = Centre { mu: 0.0, sigma, slope: 1.0, ln_slope: 0.0, along_sigma: 0.0, ln_slope_along_sigma: 0.0 };
        if self.mu[k].transform != Transform::Identity || self.pilot.precision.column(k).iter().all(|&tau| tau == 0.0) {
            return Centre { mu: self.mu[k].value(point[k]), ..plain };
        }
        let (mut sum, mut weighted, mut squares, mut weighted_squares) = (0.0, 0.0, 0.0, 0.0);
        for g in 0..self.groups() {
            let (_, p) = self.weight(g, k, sigma);
            let z = self.pilot.centre[[g, k]];
            sum += p;
            weighted += p * z;
            squares += p * p;
            weighted_squares += p * p * z;
        }
        let (c, slope) = (weighted / sum, sum.powf(-0.5));
        // ∂p/∂σ = −2σp².
        let ln_slope_along_sigma = sigma * squares / sum;
        let c_along_sigma = -2.0 * sigma * (weighted_squares - c * squares) / sum;
        Centre {
            mu: c + slope * point[k],
            slope,
            ln_slope: slope.ln(),
            along_sigma: c_along_sigma + point[k] * slope * ln_slope_along_sigma,
            ln_slope_along_sigma,
            ..plain
        }
    }

    fn k(&self) -> usize {
        self.links.len()
    }

    fn groups(&self) -> usize {
        self.pilot.centre.nrows()
    }

    pub fn dim(&self) -> usize {
        (2 + self.groups()) * self.k()
    }

    /// `column` is the groups' own name.
    pub fn schema(&self, family: &Family, column: &str, labels: &[String]) -> Result<Schema> {
        if super::is_shared_dim(column) {
            return Err(Error::new(format!("the group column cannot be called `{column}`"))
                .advice("that name is taken by a dimension of what groups share; rename the column"));
        }
        let chart = family.chart_parameters(&family.derived_chart());
        let mut variables: Vec<Variable> = family
            .parameters
            .iter()
            .map(|p| Variable { name: p.name.to_owned(), dims: vec![column.to_owned()] })
            .collect();
        for name in ["mu", "sigma"] {
            variables.push(Variable { name: name.to_owned(), dims: vec![PARAMETER_DIM.to_owned()] });
        }
        let names = chart.iter().map(|p| p.name.to_owned()).collect();
        let hyper = self.mu.iter().chain(&self.sigma).map(|c| c.transform.coordinate_name(&c.name));
        let local = labels.iter().flat_map(|label| {
            let row: Vec<String> = (0..self.k())
                .map(|k| {
                    if self.is_centred() {
                        format!("{}[{label}]", self.links[k].coordinate_name(chart[k].name))
                    } else {
                        format!("eta[{label}, {}]", chart[k].name)
                    }
                })
                .collect();
            row
        });
        Ok(Schema {
            variables,
            coords: [(column.to_owned(), labels.to_vec()), (PARAMETER_DIM.to_owned(), names)].into(),
            unconstrained: hyper.chain(local).collect(),
        })
    }

    /// z of group g's local coordinate.
    fn z(&self, local: f64, g: usize, k: usize, &Centre { mu, sigma, .. }: &Centre) -> f64 {
        if self.is_centred() {
            return local;
        }
        let (w, _) = self.weight(g, k, sigma);
        mu + (1.0 - w) * (self.pilot.centre[[g, k]] - mu) + sigma * w.sqrt() * local
    }

    /// The local coordinate at which z is reached.
    fn local(&self, z: f64, g: usize, k: usize, centre: &Centre) -> f64 {
        if self.is_centred() {
            return z;
        }
        let (w, _) = self.weight(g, k, centre.sigma);
        (z - self.z(0.0, g, k, centre)) / (centre.sigma * w.sqrt())
    }

    /// Chart values `[group, k]`, flat, at `point`.
    pub fn values(&self, point: ArrayView1<'_, f64>, values: &mut [f64]) {
        let k_all = self.k();
        for k in 0..k_all {
            let centre = self.centre(point, k);
            for g in 0..self.groups() {
                let z = self.z(point[(2 + g) * k_all + k], g, k, &centre);
                values[g * k_all + k] = self.links[k].value(z);
            }
        }
    }

    /// Log prior at `point`; writes the gradient of log prior + L, given `d_values` = ∂L/∂values `[group, k]`.
    ///
    /// With e = (z − μ)/σ the prior of z is −½e² − ln σ. Centred, its slopes are −e/σ in z, e/σ in μ, (e² − 1)/σ in σ. Otherwise
    /// ln |dz/dε| = ln(σ√w) comes in, which leaves −½e² + ½ ln w, and with d = ẑ − μ, p = τw:
    /// e = σ d p + √w ε; ∂e/∂(ε, μ, σ) = √w, −σp, d p (2w − 1) − σp√w ε; ∂z/∂(ε, μ, σ) = σ√w, w, 2σ w d p + w√w ε.
    pub fn log_prior(&self, point: ArrayView1<'_, f64>, d_values: &[f64], jacobian: bool, gradient: &mut [f64]) -> f64 {
        let k_all = self.k();
        let mut total = 0.0;
        for k in 0..k_all {
            let centre = self.centre(point, k);
            let Centre { mu, sigma, .. } = centre;
            // A whitened μ has the identity for its transform: the prior is taken at μ itself.
            let mu_at = if self.mu[k].transform == Transform::Identity { mu } else { point[k] };
            let (lp_mu, d_lp_mu, mu_slope) = self.mu[k].log_prior(mu_at, jacobian);
            let (lp_sigma, d_lp_sigma, sigma_slope) = self.sigma[k].log_prior(point[k_all + k], jacobian);
            let (mut d_mu, mut d_sigma) = (0.0, 0.0);
            total += lp_mu + lp_sigma + centre.ln_slope;
            for g in 0..self.groups() {
                let at = (2 + g) * k_all + k;
                let local = point[at];
                let d_z = d_values[g * k_all + k] * self.links[k].at(self.z(local, g, k, &centre)).slope;
                if self.is_centred() {
                    let e = (local - mu) / sigma;
                    total -= 0.5 * e * e + sigma.ln() + LN_SQRT_TAU;
                    gradient[at] = d_z - e / sigma;
                    d_mu += e / sigma;
                    d_sigma += (e * e - 1.0) / sigma;
                } else {
                    let (w, p) = self.weight(g, k, sigma);
                    let (root, d) = (w.sqrt(), self.pilot.centre[[g, k]] - mu);
                    let e = sigma * d * p + root * local;
                    total += 0.5 * w.ln() - 0.5 * e * e - LN_SQRT_TAU;
                    gradient[at] = d_z * sigma * root - e * root;
                    d_mu += d_z * w + e * sigma * p;
                    d_sigma += d_z * (2.0 * sigma * w * d * p + w * root * local)
                        - e * (d * p * (2.0 * w - 1.0) - sigma * p * root * local)
                        - sigma * p;
                }
            }
            // A plain μ has slope 1 here and its transform's slope in `mu_slope`; a whitened one the other way round.
            d_sigma += (d_lp_mu + d_mu) * centre.along_sigma + centre.ln_slope_along_sigma;
            gradient[k] = (d_lp_mu + d_mu * mu_slope) * centre.slope;
            gradient[k_all + k] = d_lp_sigma + d_sigma * sigma_slope;
        }
        total
    }

    /// Writes what a row reports beside the natural parameters: μ, then σ.
    pub fn report(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        let (mu, sigma) = out.split_at_mut(self.k());
        for (k, (mu, sigma)) in mu.iter_mut().zip(sigma).enumerate() {
            let centre = self.centre(point, k);
            (*mu, *sigma) = (centre.mu, centre.sigma);
        }
    }

    /// The point at which every group has chart values near `values` `[k]` (or, where the pilot knows better, near its own), and a
    /// modest spread.
    pub fn start(&self, values: &[f64]) -> Vec<f64> {
        let k_all = self.k();
        let mut point = vec![0.0; self.dim()];
        for k in 0..k_all {
            point[k_all + k] = self.sigma[k].inverse(0.1);
            let mu = self.links[k].inverse(values[k]);
            self.set_mu(&mut point, k, mu);
            if self.pilot.precision.column(k).iter().any(|&tau| tau > 0.0) {
                point[k] = 0.0;
            }
            if self.is_centred() {
                let mu = self.centre(ArrayView1::from(&point), k).mu;
                (0..self.groups()).for_each(|g| point[(2 + g) * k_all + k] = mu);
            }
        }
        point
    }

    /// Writes the coordinate of μ_k at which μ_k is `mu`, given σ_k's.
    fn set_mu(&self, point: &mut [f64], k: usize, mu: f64) {
        point[k] = 0.0;
        let origin = self.centre(ArrayView1::from(&*point), k);
        let whitened = origin.slope != 1.0 || origin.mu != self.mu[k].value(0.0);
        point[k] = if whitened { (mu - origin.mu) / origin.slope } else { self.mu[k].inverse(mu) };
    }

    /// A point drawn from the prior.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<Vec<f64>> {
        let k_all = self.k();
        let mut point = vec![0.0; self.dim()];
        let drawn: Vec<f64> = self.mu.iter().chain(&self.sigma).map(|c| c.sample(stream)).collect::<Result<_>>()?;
        for k in 0..k_all {
            point[k_all + k] = self.sigma[k].transform.inverse(drawn[k_all + k]);
            self.set_mu(&mut point, k, drawn[k]);
        }
        for k in 0..k_all {
            let centre = self.centre(ArrayView1::from(&point), k);
            for g in 0..self.groups() {
                point[(2 + g) * k_all + k] = self.local(centre.mu + centre.sigma * stream.normal(), g, k, &centre);
            }
        }
        Ok(point)
    }
}
