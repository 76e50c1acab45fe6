//! Partial pooling over groups. The likelihood is not known here, only the values it will be given.
//!
//! | symbol  | meaning                                                                        | support |
//! | ------- | ------------------------------------------------------------------------------ | ------- |
//! | x_gk    | value of parameter k (of the family's derived chart) in group g                 | domain of k |
//! | z_gk    | x_gk on the scale of its link: ln x, ln(x − low) or logit x                     | ℝ       |
//! | μ_k, σ_k | centre and spread of z_gk over groups, with priors from the configuration      | ℝ, > 0  |
//! | η_gk    | (z_gk − μ_k) / σ_k                                                              | ℝ       |
//!
//! z_gk ~ N(μ_k, σ_k²). A group is sampled either *non-centred*, in η ~ N(0, 1), which is the shape of the prior and right
//! wherever the data say little beside it, or *centred*, in z itself, right where the data fix z far more closely than σ does
//! (Papaspiliopoulos, Roberts & Sköld 2007).

use ndarray::{Array2, ArrayView1};

use super::coordinate::Coordinate;
use super::{Family, Scale};
use crate::data::Groups;
use crate::dist::{Centring, HierarchySpec, Prior, Transform};
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::target::{Schema, Variable};

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// The dimension of μ and σ.
pub const PARAMETER_DIM: &str = "parameter";

/// `auto` centres a group where the data alone should fix z this many times more closely than σ's prior median.
///
/// Non-centred coordinates cost leapfrog steps in proportion to that ratio; centred ones of groups that turn out to be all
/// alike (σ → 0) diverge. So the rule waits until the first is dear.
const CENTRE_ABOVE: f64 = 50.0;

/// μ and σ per parameter, z or η per group and parameter.
///
/// A point is μ coordinates `[k]`, σ coordinates `[k]`, then `[group, k]`.
#[derive(Debug, Clone)]
pub(super) struct Hierarchy {
    mu: Vec<Coordinate>,
    sigma: Vec<Coordinate>,
    links: Vec<Transform>,
    /// `[group, k]`.
    centred: Array2<bool>,
}

impl Hierarchy {
    /// From a resolved specification: priors for μ and σ of every parameter of the derived chart.
    pub fn new(family: &Family, groups: &Groups, spec: &HierarchySpec, scale: &Scale) -> Result<Self> {
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
        let centred = Array2::from_shape_fn((groups.labels.len(), family.k()), |(g, k)| match spec.centring {
            Centring::NonCentred => false,
            Centring::Centred => true,
            Centring::Auto => {
                let repeaters = scale.repeaters.get(g).copied().unwrap_or(0) as f64;
                let typical_sigma = sigma[k].prior.quantile(0.5).unwrap_or(0.0);
                family.spread[k] * CENTRE_ABOVE < typical_sigma * repeaters.sqrt()
            }
        });
        Ok(Self { mu, sigma, links, centred })
    }

    fn k(&self) -> usize {
        self.links.len()
    }

    fn groups(&self) -> usize {
        self.centred.nrows()
    }

    pub fn dim(&self) -> usize {
        (2 + self.groups()) * self.k()
    }

    /// `column` is the groups' own name.
    pub fn schema(&self, family: &Family, column: &str, labels: &[String]) -> Result<Schema> {
        if column == PARAMETER_DIM {
            return Err(Error::new("the group column cannot be called `parameter`")
                .advice("that name is taken by the dimension of mu and sigma; rename the column"));
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
        let local = labels.iter().zip(self.centred.rows()).flat_map(|(label, centred)| {
            let row: Vec<String> = (0..self.k())
                .map(|k| {
                    if centred[k] {
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

    /// z of a local coordinate.
    fn z(&self, local: f64, mu: f64, sigma: f64, centred: bool) -> f64 {
        if centred { local } else { mu + sigma * local }
    }

    /// Chart values `[group, k]`, flat, at `point`.
    pub fn values(&self, point: ArrayView1<'_, f64>, values: &mut [f64]) {
        let k_all = self.k();
        for k in 0..k_all {
            let (mu, sigma) = (self.mu[k].value(point[k]), self.sigma[k].value(point[k_all + k]));
            for g in 0..self.groups() {
                let z = self.z(point[(2 + g) * k_all + k], mu, sigma, self.centred[[g, k]]);
                values[g * k_all + k] = self.links[k].value(z);
            }
        }
    }

    /// Log prior at `point`; writes the gradient of log prior + L, given `d_values` = ∂L/∂values `[group, k]`.
    ///
    /// With e = (z − μ)/σ: non-centred −½η²; centred −½e² − ln σ, whose slopes are −e/σ in z, e/σ in μ, (e² − 1)/σ in σ.
    pub fn log_prior(&self, point: ArrayView1<'_, f64>, d_values: &[f64], jacobian: bool, gradient: &mut [f64]) -> f64 {
        let k_all = self.k();
        let mut total = 0.0;
        for k in 0..k_all {
            let (lp_mu, d_lp_mu, mu_slope) = self.mu[k].log_prior(point[k], jacobian);
            let (lp_sigma, d_lp_sigma, sigma_slope) = self.sigma[k].log_prior(point[k_all + k], jacobian);
            let (mu, sigma) = (self.mu[k].value(point[k]), self.sigma[k].value(point[k_all + k]));
            let (mut d_mu, mut d_sigma) = (0.0, 0.0);
            total += lp_mu + lp_sigma;
            for g in 0..self.groups() {
                let at = (2 + g) * k_all + k;
                let (local, centred) = (point[at], self.centred[[g, k]]);
                let d_z = d_values[g * k_all + k] * self.links[k].at(self.z(local, mu, sigma, centred)).slope;
                if centred {
                    let e = (local - mu) / sigma;
                    total -= 0.5 * e * e + sigma.ln() + LN_SQRT_TAU;
                    gradient[at] = d_z - e / sigma;
                    d_mu += e / sigma;
                    d_sigma += (e * e - 1.0) / sigma;
                } else {
                    total -= 0.5 * local * local + LN_SQRT_TAU;
                    gradient[at] = d_z * sigma - local;
                    d_mu += d_z;
                    d_sigma += d_z * local;
                }
            }
            gradient[k] = d_lp_mu + d_mu * mu_slope;
            gradient[k_all + k] = d_lp_sigma + d_sigma * sigma_slope;
        }
        total
    }

    /// Writes what a row reports beside the natural parameters: μ, then σ.
    pub fn report(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        for (i, (c, x)) in self.mu.iter().chain(&self.sigma).zip(out).enumerate() {
            *x = c.value(point[i]);
        }
    }

    /// The point at which every group has chart values near `values` `[k]`, and a modest spread.
    pub fn start(&self, values: &[f64]) -> Vec<f64> {
        let k_all = self.k();
        let mut point = vec![0.0; self.dim()];
        for k in 0..k_all {
            point[k] = self.mu[k].inverse(self.links[k].inverse(values[k]));
            point[k_all + k] = self.sigma[k].inverse(0.1);
            let mu = self.mu[k].value(point[k]);
            for g in (0..self.groups()).filter(|&g| self.centred[[g, k]]) {
                point[(2 + g) * k_all + k] = mu;
            }
        }
        point
    }

    /// A point drawn from the prior.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<Vec<f64>> {
        let k_all = self.k();
        let mut point = Vec::with_capacity(self.dim());
        for c in self.mu.iter().chain(&self.sigma) {
            point.push(c.transform.inverse(c.sample(stream)?));
        }
        for g in 0..self.groups() {
            for k in 0..k_all {
                let eta = stream.normal();
                let (mu, sigma) = (self.mu[k].value(point[k]), self.sigma[k].value(point[k_all + k]));
                point.push(if self.centred[[g, k]] { mu + sigma * eta } else { eta });
            }
        }
        Ok(point)
    }
}
