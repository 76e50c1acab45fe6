//! A posterior as a log density over unconstrained coordinates: priors, pooling and transforms here, the likelihood behind the
//! kernels' contract, the chain rule between them. How it is sampled is not known here.
//!
//! ln π(u) = L(θ(x(u))) + ln prior(u) [+ ln |dx/du|], with x the values of a chart and θ the family's natural parameters.

use ndarray::{Array, Array1, Array2, Array3, ArrayView1, ArrayView2, Dimension, s};
use rayon::prelude::*;

use super::direct::Direct;
use super::hierarchy::{Hierarchy, Pilot};
use super::{Family, Scale, priors};
use crate::data::Groups;
use crate::dist::PriorSpec;
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::kernels::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, Work};
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

/// From unconstrained points to the family's parameters.
struct Coordinates {
    family: &'static Family,
    chart: Vec<bool>,
    layout: Layout,
}

impl Coordinates {
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

/// The posterior of one family's parameters given a likelihood.
pub struct Posterior {
    coordinates: Coordinates,
    likelihood: Box<dyn Likelihood>,
    schema: Schema,
    groups: usize,
    dim: usize,
    start: Array1<f64>,
    jacobian: bool,
    scratch: Scratch,
}

/// Coordinates of a batch, of all its points together, from which the chain rule is worth other threads.
const PARALLEL_FROM_COORDINATES: usize = 4096;

/// Room for one batch.
struct Scratch {
    /// `[point, group, k]` natural parameters and chart values of the possible points.
    natural: Array3<f64>,
    values: Array3<f64>,
    /// ∂L/∂values, flat.
    d_values: Vec<f64>,
    likelihood: LikelihoodBatch,
}

/// A possible point, and where its results go.
struct Slot<'a> {
    slot: usize,
    point: ArrayView1<'a, f64>,
    d_values: &'a mut [f64],
    gradient: &'a mut [f64],
    log_density: &'a mut f64,
}

impl Scratch {
    fn new(points: usize, groups: usize, k: usize) -> Self {
        Self {
            natural: Array3::zeros((points, groups, k)),
            values: Array3::zeros((points, groups, k)),
            d_values: vec![0.0; points * groups * k],
            likelihood: LikelihoodBatch::new(points, groups, k, 0),
        }
    }

    fn make_room(&mut self, points: usize) {
        let (held, groups, k) = self.natural.dim();
        if held < points {
            *self = Self::new(points, groups, k);
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
            coordinates: Coordinates { family, chart, layout },
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
        if let Layout::Hierarchy(h) = &mut self.coordinates.layout {
            h.inform(pilot);
            self.start = h
                .start(&priors::start_values(&self.coordinates.family.chart_parameters(&self.coordinates.chart), scale))
                .into();
        }
        self
    }

    /// The model family.
    pub fn family(&self) -> &'static Family {
        self.coordinates.family
    }

    /// A sensible point to begin a search for the mode, in the data's own scale.
    pub fn start(&self) -> Array1<f64> {
        self.start.clone()
    }

    /// The family's parameters `[group, k]` at one unconstrained point.
    pub fn parameters(&self, point: ArrayView1<'_, f64>) -> Array2<f64> {
        let (mut values, mut natural) = (
            vec![0.0; self.groups * self.coordinates.family.k()],
            vec![0.0; self.groups * self.coordinates.family.k()],
        );
        self.coordinates.map(point, &mut values, &mut natural);
        Array2::from_shape_fn((self.groups, self.coordinates.family.k()), |(g, k)| {
            natural[g * self.coordinates.family.k() + k]
        })
    }

    /// Log-likelihood alone at one unconstrained point; −∞ where it is impossible.
    pub fn log_likelihood(&mut self, point: ArrayView1<'_, f64>) -> Result<f64, EvalError> {
        let natural = self.parameters(point);
        if !natural.iter().all(|&x| possible(x)) {
            return Ok(f64::NEG_INFINITY);
        }
        let mut out = LikelihoodBatch::new(1, self.groups, self.coordinates.family.k(), 0);
        self.likelihood
            .evaluate(batch(&natural.insert_axis(ndarray::Axis(0)), &no_shared(1)), &mut out)
            .map_err(broken)?;
        Ok(if out.log_lik[0].is_nan() { f64::NEG_INFINITY } else { out.log_lik[0] })
    }

    /// A draw from the prior: the unconstrained point and its constrained row. Fails for improper priors.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<(Array1<f64>, Array1<f64>)> {
        let point: Array1<f64> = match &self.coordinates.layout {
            Layout::Direct(d) => d.prior_draw(stream)?,
            Layout::Hierarchy(h) => h.prior_draw(stream)?,
        }
        .into();
        let mut row = vec![0.0; self.schema.size()];
        self.constrain(point.view(), &mut row);
        Ok((point, row.into()))
    }

    /// What the likelihood underneath has done so far.
    pub fn work(&self) -> Work {
        self.likelihood.work()
    }

    /// The likelihood underneath, for pointwise densities.
    pub fn likelihood_mut(&mut self) -> &mut dyn Likelihood {
        &mut *self.likelihood
    }

    fn evaluate_in(
        &mut self,
        scratch: &mut Scratch,
        points: ArrayView2<'_, f64>,
        out: &mut Evaluation,
    ) -> Result<(), EvalError> {
        let (k, width) = (self.coordinates.family.k(), self.groups * self.coordinates.family.k());
        let Scratch { natural, values, d_values, likelihood } = scratch;

        // Only possible points reach the likelihood, packed to the front.
        let (values, room) = (flat(values), flat(natural));
        let slots = values.chunks_mut(width).zip(room.chunks_mut(width)).zip(points.rows());
        let map = |((values, natural), point): ((&mut [f64], &mut [f64]), ArrayView1<'_, f64>)| {
            self.coordinates.map(point, values, natural);
            natural.iter().all(|&x| possible(x))
        };
        let possible: Vec<bool> = if self.is_large(points.nrows()) {
            slots.collect::<Vec<_>>().into_par_iter().map(map).collect()
        } else {
            slots.map(map).collect()
        };
        let packed: Vec<usize> = (0..points.nrows()).filter(|&i| possible[i]).collect();
        for (slot, &i) in packed.iter().enumerate().filter(|&(slot, &i)| slot != i) {
            values.copy_within(i * width..(i + 1) * width, slot * width);
            room.copy_within(i * width..(i + 1) * width, slot * width);
        }
        if packed.is_empty() {
            return Ok(());
        }
        if likelihood.log_lik.len() != packed.len() {
            *likelihood = LikelihoodBatch::new(packed.len(), self.groups, k, 0);
        }
        let params = ParamBatch {
            per_group: natural.slice(s![..packed.len(), .., ..]),
            shared: ArrayView2::from_shape((packed.len(), 0), &[]).expect("an array without columns needs no elements"),
        };
        self.likelihood.evaluate(params, likelihood).map_err(broken)?;

        let (natural, d_natural) = (flat(natural), flat(&mut likelihood.per_group));
        let mut rows = flat(&mut out.gradient).chunks_mut(self.dim).zip(&mut out.log_density);
        let mut passed = 0;
        let slots = packed.iter().zip(d_values.chunks_mut(width)).enumerate().filter_map(|(slot, (&i, d_values))| {
            let (gradient, log_density) = rows.nth(i - std::mem::replace(&mut passed, i + 1))?;
            Some(Slot { slot, point: points.row(i), d_values, gradient, log_density })
        });
        let slots: Vec<Slot<'_>> = slots.collect();
        let chain_rule = |Slot { slot, point, d_values, gradient, log_density }: Slot<'_>| {
            let at = slot * width..(slot + 1) * width;
            let groups = values[at.clone()].chunks(k).zip(natural[at.clone()].chunks(k)).zip(d_natural[at].chunks(k));
            for (((values, natural), d_natural), d_values) in groups.zip(d_values.chunks_mut(k)) {
                (self.coordinates.family.pull_back)(&self.coordinates.chart, values, natural, d_natural, d_values);
            }
            let prior = match &self.coordinates.layout {
                Layout::Direct(l) => l.log_prior(point, d_values, self.jacobian, gradient),
                Layout::Hierarchy(l) => l.log_prior(point, d_values, self.jacobian, gradient),
            };
            let total = likelihood.log_lik[slot] + prior;
            if total.is_finite() && gradient.iter().all(|g| g.is_finite()) {
                *log_density = total;
            } else {
                gradient.fill(0.0);
            }
        };
        if self.is_large(packed.len()) {
            slots.into_par_iter().for_each(chain_rule);
        } else {
            slots.into_iter().for_each(chain_rule);
        }
        Ok(())
    }

    /// Whether a batch is worth waking other threads for.
    fn is_large(&self, points: usize) -> bool {
        points > 1 && points * self.dim >= PARALLEL_FROM_COORDINATES
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
        out.log_density.fill(f64::NEG_INFINITY);
        out.gradient.fill(0.0);
        let mut scratch =
            std::mem::replace(&mut self.scratch, Scratch::new(0, self.groups, self.coordinates.family.k()));
        scratch.make_room(points.nrows());
        let done = self.evaluate_in(&mut scratch, points, out);
        self.scratch = scratch;
        done
    }

    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        let k = self.coordinates.family.k();
        let (mut values, mut natural) = (vec![0.0; self.groups * k], vec![0.0; self.groups * k]);
        self.coordinates.map(point, &mut values, &mut natural);
        for g in 0..self.groups {
            for j in 0..k {
                out[j * self.groups + g] = natural[g * k + j];
            }
        }
        let rest = &mut out[self.groups * k..];
        match &self.coordinates.layout {
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

fn flat<D: Dimension>(array: &mut Array<f64, D>) -> &mut [f64] {
    array.as_slice_mut().expect("arrays made by `zeros` are contiguous")
}

fn broken(error: KernelError) -> EvalError {
    EvalError(Error::new(error.what).advice(error.advice))
}

#[cfg(test)]
mod tests;
