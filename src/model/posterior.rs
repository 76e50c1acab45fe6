//! A posterior as a log density over unconstrained coordinates: priors, pooling and transforms here, the likelihood behind the
//! kernels' contract, the chain rule between them. How it is sampled is not known here.
//!
//! ln π(u) = L(θ(x(u))) + ln prior(u) [+ ln |dx/du|], with x the values of a chart and θ the family's natural parameters.

use ndarray::{Array1, Array2, Array3, ArrayView1, ArrayView2, s};

use super::direct::Direct;
use super::hierarchy::{Hierarchy, Pilot};
use super::{Family, MAX_PARAMETERS, Scale, priors};
use crate::data::Groups;
use crate::dist::PriorSpec;
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::kernels::{KernelError, Likelihood, LikelihoodBatch, ParamBatch};
use crate::target::{EvalError, Evaluation, LogDensity, Schema};

/// Natural parameters outside (1e-30, 1e30) count as impossible. No data in any unit puts mass there, and every product a
/// float32 likelihood forms of two of them with times and counts stays representable inside the region it is asked about.
const REACH: std::ops::Range<f64> = 1e-30..1e30;

/// How u becomes chart values.
#[derive(Debug)]
enum Layout {
    Direct(Direct),
    Hierarchy(Hierarchy),
}

/// The posterior of one family's parameters given a likelihood.
pub struct Posterior {
    family: &'static Family,
    chart: Vec<bool>,
    layout: Layout,
    likelihood: Box<dyn Likelihood>,
    schema: Schema,
    groups: usize,
    dim: usize,
    start: Array1<f64>,
    jacobian: bool,
    scratch: Scratch,
}

/// Room for one batch.
struct Scratch {
    /// `[point, group, k]` natural parameters and chart values of the possible points.
    natural: Array3<f64>,
    values: Array3<f64>,
    likelihood: LikelihoodBatch,
}

impl Scratch {
    fn new(points: usize, groups: usize, k: usize) -> Self {
        Self {
            natural: Array3::zeros((points, groups, k)),
            values: Array3::zeros((points, groups, k)),
            likelihood: LikelihoodBatch::new(points, groups, k, 0),
        }
    }
}

impl Posterior {
    /// The posterior of `family` over `groups`, with every prior that `spec` leaves out taken from `scale`.
    ///
    /// Two or more groups make a hierarchy; otherwise priors sit on the parameters. Fails where a prior does not fit its
    /// parameter, or the likelihood was built for other groups.
    pub fn new(
        family: &'static Family,
        likelihood: Box<dyn Likelihood>,
        groups: &Groups,
        spec: &PriorSpec,
        scale: &Scale,
    ) -> Result<Self> {
        let group_count = groups.labels.len().max(1);
        if likelihood.groups() != group_count {
            return Err(Error::new("the likelihood was built for other groups than the model")
                .seen(format!("{} against {group_count}", likelihood.groups()))
                .advice("build cells and model from the same summary"));
        }
        let spec = spec.resolve(family, groups, scale)?;
        let (chart, layout, schema, start);
        if let Some(hierarchy) = &spec.hierarchy {
            chart = family.derived_chart();
            let h = Hierarchy::new(family, groups, hierarchy)?;
            schema = h.schema(family, groups.column.as_deref().unwrap_or("group"), &groups.labels)?;
            start = h.start(&priors::start_values(&family.chart_parameters(&chart), scale));
            layout = Layout::Hierarchy(h);
        } else {
            chart = family.chart_of(&spec.priors)?;
            let d = Direct::new(family, &chart, &spec)?;
            schema = d.schema(family);
            start = d.start(&priors::start_values(&family.chart_parameters(&chart), scale));
            layout = Layout::Direct(d);
        }
        let dim = match &layout {
            Layout::Direct(d) => d.dim(),
            Layout::Hierarchy(h) => h.dim(),
        };
        Ok(Self {
            family,
            chart,
            layout,
            likelihood,
            schema,
            groups: group_count,
            dim,
            start: start.into(),
            jacobian: true,
            scratch: Scratch::new(0, group_count, family.k()),
        })
    }

    /// Whether the log density counts the transforms' log-Jacobian (it does unless told otherwise). Without it, and under flat
    /// priors, the mode is the maximum likelihood in constrained space; such a density is not for sampling.
    #[must_use]
    pub fn jacobian(mut self, on: bool) -> Self {
        self.jacobian = on;
        self
    }

    /// Chooses the groups' coordinates by what their own data say (see [`Pilot`]), unless the specification fixes them. Changes the
    /// speed of sampling and the meaning of unconstrained coordinates, never the posterior.
    #[must_use]
    pub fn informed(mut self, pilot: Pilot, scale: &Scale) -> Self {
        if let Layout::Hierarchy(h) = &mut self.layout {
            h.inform(pilot);
            self.start = h.start(&priors::start_values(&self.family.chart_parameters(&self.chart), scale)).into();
        }
        self
    }

    /// The model family.
    pub fn family(&self) -> &'static Family {
        self.family
    }

    /// A sensible point to begin a search for the mode, in the data's own scale.
    pub fn start(&self) -> Array1<f64> {
        self.start.clone()
    }

    /// The family's parameters `[group, k]` at one unconstrained point.
    pub fn parameters(&self, point: ArrayView1<'_, f64>) -> Array2<f64> {
        let (mut values, mut natural) =
            (vec![0.0; self.groups * self.family.k()], vec![0.0; self.groups * self.family.k()]);
        self.map(point, &mut values, &mut natural);
        Array2::from_shape_fn((self.groups, self.family.k()), |(g, k)| natural[g * self.family.k() + k])
    }

    /// Log-likelihood alone at one unconstrained point; −∞ where it is impossible.
    pub fn log_likelihood(&mut self, point: ArrayView1<'_, f64>) -> Result<f64, EvalError> {
        let natural = self.parameters(point);
        if !natural.iter().all(|&x| possible(x)) {
            return Ok(f64::NEG_INFINITY);
        }
        let mut out = LikelihoodBatch::new(1, self.groups, self.family.k(), 0);
        self.likelihood
            .evaluate(batch(&natural.insert_axis(ndarray::Axis(0)), &no_shared(1)), &mut out)
            .map_err(broken)?;
        Ok(if out.log_lik[0].is_nan() { f64::NEG_INFINITY } else { out.log_lik[0] })
    }

    /// A draw from the prior: the unconstrained point and its constrained row. Fails for improper priors.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<(Array1<f64>, Array1<f64>)> {
        let point: Array1<f64> = match &self.layout {
            Layout::Direct(d) => d.prior_draw(stream)?,
            Layout::Hierarchy(h) => h.prior_draw(stream)?,
        }
        .into();
        let mut row = vec![0.0; self.schema.size()];
        self.constrain(point.view(), &mut row);
        Ok((point, row.into()))
    }

    /// The likelihood underneath, for pointwise densities.
    pub fn likelihood_mut(&mut self) -> &mut dyn Likelihood {
        &mut *self.likelihood
    }

    /// Chart values and natural parameters `[group, k]`, flat, at `point`.
    fn map(&self, point: ArrayView1<'_, f64>, values: &mut [f64], natural: &mut [f64]) {
        match &self.layout {
            Layout::Direct(d) => d.values(point, values),
            Layout::Hierarchy(h) => h.values(point, values),
        }
        let k = self.family.k();
        for (v, n) in values.chunks(k).zip(natural.chunks_mut(k)) {
            (self.family.to_natural)(&self.chart, v, n);
        }
    }
}

impl LogDensity for Posterior {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn dim(&self) -> usize {
        self.dim
    }

    fn evaluate(&mut self, points: ArrayView2<'_, f64>, out: &mut Evaluation) -> Result<(), EvalError> {
        let (k, width) = (self.family.k(), self.groups * self.family.k());
        out.log_density.fill(f64::NEG_INFINITY);
        out.gradient.fill(0.0);

        // Only possible points reach the likelihood, packed to the front.
        let mut scratch = std::mem::replace(&mut self.scratch, Scratch::new(0, self.groups, k));
        if scratch.natural.dim().0 < points.nrows() {
            scratch = Scratch::new(points.nrows(), self.groups, k);
        }
        let (values, natural) = (flat(&mut scratch.values), flat(&mut scratch.natural));
        let mut packed = Vec::with_capacity(points.nrows());
        for (i, point) in points.rows().into_iter().enumerate() {
            let room = packed.len() * width..(packed.len() + 1) * width;
            self.map(point, &mut values[room.clone()], &mut natural[room.clone()]);
            if natural[room].iter().all(|&x| possible(x)) {
                packed.push(i);
            }
        }
        if packed.is_empty() {
            self.scratch = scratch;
            return Ok(());
        }
        if scratch.likelihood.log_lik.len() != packed.len() {
            scratch.likelihood = LikelihoodBatch::new(packed.len(), self.groups, k, 0);
        }
        let params = ParamBatch {
            per_group: scratch.natural.slice(s![..packed.len(), .., ..]),
            shared: ArrayView2::from_shape((packed.len(), 0), &[]).expect("an array without columns needs no elements"),
        };
        self.likelihood.evaluate(params, &mut scratch.likelihood).map_err(broken)?;

        let (values, natural) = (flat(&mut scratch.values), flat(&mut scratch.natural));
        let d_natural = flat(&mut scratch.likelihood.per_group);
        let mut d_values = vec![0.0; width];
        let mut gradient = vec![0.0; self.dim];
        for (slot, &i) in packed.iter().enumerate() {
            for g in 0..self.groups {
                let at = slot * width + g * k..slot * width + (g + 1) * k;
                let mut d = [0.0; MAX_PARAMETERS];
                (self.family.pull_back)(
                    &self.chart,
                    &values[at.clone()],
                    &natural[at.clone()],
                    &d_natural[at],
                    &mut d[..k],
                );
                d_values[g * k..(g + 1) * k].copy_from_slice(&d[..k]);
            }
            let prior = match &self.layout {
                Layout::Direct(l) => l.log_prior(points.row(i), &d_values, self.jacobian, &mut gradient),
                Layout::Hierarchy(l) => l.log_prior(points.row(i), &d_values, self.jacobian, &mut gradient),
            };
            let total = scratch.likelihood.log_lik[slot] + prior;
            if total.is_finite() && gradient.iter().all(|g| g.is_finite()) {
                out.log_density[i] = total;
                out.gradient.row_mut(i).assign(&ArrayView1::from(&gradient));
            }
        }
        self.scratch = scratch;
        Ok(())
    }

    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        let k = self.family.k();
        let (mut values, mut natural) = (vec![0.0; self.groups * k], vec![0.0; self.groups * k]);
        self.map(point, &mut values, &mut natural);
        for g in 0..self.groups {
            for j in 0..k {
                out[j * self.groups + g] = natural[g * k + j];
            }
        }
        let rest = &mut out[self.groups * k..];
        match &self.layout {
            Layout::Direct(d) => d.report(&values, rest),
            Layout::Hierarchy(h) => h.report(point, rest),
        }
    }

    fn recentre(&mut self, at: ArrayView1<'_, f64>) -> Result<(), EvalError> {
        let natural = self.parameters(at).insert_axis(ndarray::Axis(0));
        self.likelihood.set_reference(batch(&natural, &no_shared(1))).map_err(broken)
    }
}

/// Whether a natural parameter is one that a likelihood should be asked about.
fn possible(x: f64) -> bool {
    REACH.contains(&x)
}

fn no_shared(points: usize) -> Array2<f64> {
    Array2::zeros((points, 0))
}

fn batch<'a>(natural: &'a Array3<f64>, shared: &'a Array2<f64>) -> ParamBatch<'a> {
    ParamBatch { per_group: natural.view(), shared: shared.view() }
}

fn flat(array: &mut Array3<f64>) -> &mut [f64] {
    array.as_slice_mut().expect("arrays made by `zeros` are contiguous")
}

fn broken(error: KernelError) -> EvalError {
    EvalError(Error::new(error.what).advice(error.advice))
}

#[cfg(test)]
mod tests;
