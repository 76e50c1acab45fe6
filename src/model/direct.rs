//! One group: priors sit on the parameters themselves, or on the derived ones of a chart. No pooling happens here.
//!
//! ln π(u) = Σ_k ln π_k(x_k(u_k)) + ln |dx_k/du_k|, with x the values of the chart.

use ndarray::ArrayView1;

use super::Family;
use super::coordinate::Coordinate;
use crate::dist::PriorSpec;
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::target::{Schema, Variable};

/// K coordinates, one per slot of a chart.
#[derive(Debug, Clone)]
pub(super) struct Direct {
    coordinates: Vec<Coordinate>,
    /// Slots whose value is a derived parameter, reported beside the natural ones.
    derived: Vec<usize>,
}

impl Direct {
    /// From a resolved specification: a prior for every parameter of `chart`.
    pub fn new(family: &Family, chart: &[bool], spec: &PriorSpec) -> Result<Self> {
        let parameters = family.chart_parameters(chart);
        let coordinates = parameters
            .iter()
            .map(|p| {
                let key = format!("priors.{}", p.name);
                let prior = spec.priors.get(p.name).ok_or_else(|| {
                    Error::new(format!("{key} is missing")).advice("resolve the specification against the data first")
                })?;
                Coordinate::new(p.name, (p.low, p.high), *prior, &key)
            })
            .collect::<Result<Vec<_>>>()?;
        let derived = (0..family.k()).filter(|&k| parameters[k].name != family.parameters[k].name).collect();
        Ok(Self { coordinates, derived })
    }

    pub fn dim(&self) -> usize {
        self.coordinates.len()
    }

    pub fn schema(&self, family: &Family) -> Schema {
        let natural = family.parameters.iter().map(|p| p.name.to_owned());
        let derived = self.derived.iter().map(|&k| self.coordinates[k].name.clone());
        Schema {
            variables: natural.chain(derived).map(|name| Variable { name, dims: vec![] }).collect(),
            coords: [].into(),
            unconstrained: self.coordinates.iter().map(|c| c.transform.coordinate_name(&c.name)).collect(),
        }
    }

    /// Chart values `[k]` at `point`.
    pub fn values(&self, point: ArrayView1<'_, f64>, values: &mut [f64]) {
        for ((c, &u), x) in self.coordinates.iter().zip(point).zip(values) {
            *x = c.value(u);
        }
    }

    /// Log prior at `point`; writes the gradient of log prior + L, given `d_values` = ∂L/∂values.
    pub fn log_prior(&self, point: ArrayView1<'_, f64>, d_values: &[f64], jacobian: bool, gradient: &mut [f64]) -> f64 {
        let mut total = 0.0;
        for (k, c) in self.coordinates.iter().enumerate() {
            let (lp, d_lp, slope) = c.log_prior(point[k], jacobian);
            total += lp;
            gradient[k] = d_lp + d_values[k] * slope;
        }
        total
    }

    /// −∂² ln prior/∂u² of every coordinate, 0 at least, by central differences of the slope.
    pub fn prior_precision(&self, point: ArrayView1<'_, f64>, jacobian: bool) -> Vec<f64> {
        const STEP: f64 = 1e-4;
        let slope = |c: &Coordinate, u: f64| c.log_prior(u, jacobian).1;
        let precision = |(c, &u): (&Coordinate, &f64)| (slope(c, u - STEP) - slope(c, u + STEP)) / (2.0 * STEP);
        self.coordinates.iter().zip(point).map(precision).map(|p| p.max(0.0)).collect()
    }

    /// Writes what a row reports beside the natural parameters.
    pub fn report(&self, values: &[f64], out: &mut [f64]) {
        for (&k, x) in self.derived.iter().zip(out) {
            *x = values[k];
        }
    }

    /// The point with chart values near `values`.
    pub fn start(&self, values: &[f64]) -> Vec<f64> {
        self.coordinates.iter().zip(values).map(|(c, &x)| c.inverse(x)).collect()
    }

    /// A point drawn from the prior.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<Vec<f64>> {
        self.coordinates.iter().map(|c| Ok(c.transform.inverse(c.sample(stream)?))).collect()
    }
}
