//! A posterior as a log density over unconstrained coordinates: priors, pooling and transforms here, the likelihood behind the
//! kernels' contract, the chain rule between them. How it is sampled is not known here.
//!
//! ln π(u) = L(θ(x(u))) + ln prior(u) [+ ln |dx/du|], with x the values of a chart and θ the family's natural parameters.

use ndarray::{Array, Array1, Array2, Array3, ArrayView1, ArrayView2, ArrayViewMut1, Axis, Dimension, s};
use rayon::prelude::*;

use super::direct::Direct;
use super::hierarchy::{Effects, Hierarchy, Pilot};
use super::regression::Regression;
use super::{Family, Scale, priors};
use crate::data::Groups;
use crate::dist::{PriorSpec, Transform};
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::kernels::{KernelError, Likelihood, LikelihoodBatch, ParamBatch, Work};
use crate::target::{EvalError, Evaluation, LogDensity, Schema};

/// How u becomes chart values.
#[derive(Debug)]
enum Layout {
    Direct(Direct),
    Hierarchy(Box<Hierarchy>),
}

/// From unconstrained points to the family's parameters.
struct Coordinates {
    family: &'static Family,
    chart: Vec<bool>,
    layout: Layout,
    /// Covariates, whose coordinates follow the layout's.
    regression: Option<Regression>,
    /// Coordinates of the layout.
    own: usize,
}

impl Coordinates {
    /// Number of coefficients shared by all groups.
    fn shared(&self) -> usize {
        self.regression.as_ref().map_or(0, Regression::len)
    }

    /// Chart values and natural parameters `[group, k]`, flat, and coefficients, at `point`.
    fn map(&self, point: ArrayView1<'_, f64>, values: &mut [f64], natural: &mut [f64], shared: ArrayViewMut1<'_, f64>) {
        if let Some(regression) = &self.regression {
            regression.values(point.slice(s![self.own..]), shared);
        }
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

/// What a posterior holds besides the likelihood, at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LogPrior {
    /// ln density, up to a constant, of the priors that a user states: of parameters without groups; of centres, spreads and correlations with them; of
    /// coefficients. Not of what these make of the groups.
    pub stated: f64,
    /// All of it, as it is sampled: effects of the groups and Jacobians too.
    pub whole: f64,
}

/// Coordinates of a batch, of all its points together, from which the chain rule is worth other threads.
const PARALLEL_FROM_COORDINATES: usize = 4096;

/// Room for one batch.
struct Scratch {
    /// `[point, group, k]` natural parameters and chart values of the possible points, and `[point, p]` their coefficients.
    natural: Array3<f64>,
    values: Array3<f64>,
    shared: Array2<f64>,
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
    fn new(points: usize, groups: usize, k: usize, p: usize) -> Self {
        Self {
            natural: Array3::zeros((points, groups, k)),
            values: Array3::zeros((points, groups, k)),
            shared: Array2::zeros((points, p)),
            d_values: vec![0.0; points * groups * k],
            likelihood: LikelihoodBatch::new(points, groups, k, p),
        }
    }

    fn make_room(&mut self, points: usize) {
        let ((held, groups, k), p) = (self.natural.dim(), self.shared.ncols());
        if held < points {
            *self = Self::new(points, groups, k, p);
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
            schema = h.schema(family)?;
            start = h.start(&priors::start_values(&family.chart_parameters(&chart), scale));
            layout = Layout::Hierarchy(Box::new(h));
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
            coordinates: Coordinates { family, chart, layout, regression: None, own: dim },
            likelihood,
            schema,
            groups: group_count,
            dim,
            start: start.into(),
            jacobian: true,
            scratch: Scratch::new(0, group_count, family.k(), 0),
        })
    }

    /// Lets covariates move the parameters of the likelihood's customers; the likelihood was made with the terms of the same regression.
    #[must_use]
    pub fn with_regression(mut self, regression: Regression) -> Self {
        regression.extend_schema(&mut self.schema);
        self.dim = self.coordinates.own + regression.len();
        self.scratch = Scratch::new(0, self.groups, self.coordinates.family.k(), regression.len());
        self.coordinates.regression = Some(regression);
        self.set_start(self.start.to_vec());
        self
    }

    /// Begins at the layout's `start`, with coefficients that move nothing.
    fn set_start(&mut self, mut start: Vec<f64>) {
        start.truncate(self.coordinates.own);
        start.extend(self.coordinates.regression.iter().flat_map(Regression::start));
        self.start = start.into();
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
            let chart = self.coordinates.family.chart_parameters(&self.coordinates.chart);
            let start = h.start(&priors::start_values(&chart, scale));
            self.set_start(start);
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
        self.natural_and_shared(point).0
    }

    /// Natural parameters `[group, k]` and coefficients `[p]` at one unconstrained point.
    fn natural_and_shared(&self, point: ArrayView1<'_, f64>) -> (Array2<f64>, Array1<f64>) {
        let k = self.coordinates.family.k();
        let mut values = vec![0.0; self.groups * k];
        let (mut natural, mut shared) = (Array2::zeros((self.groups, k)), Array1::zeros(self.coordinates.shared()));
        self.coordinates.map(point, &mut values, flat(&mut natural), shared.view_mut());
        (natural, shared)
    }

    /// The links of the hierarchy's parameters, from their values to effects; none without a hierarchy.
    pub fn links(&self) -> &[Transform] {
        match &self.coordinates.layout {
            Layout::Direct(_) => &[],
            Layout::Hierarchy(h) => h.links(),
        }
    }

    /// How precisely the priors alone fix each coordinate near one unconstrained point, −∂² ln prior/∂u², 0 at least; none with a
    /// hierarchy, whose coordinates have no prior each.
    pub fn prior_precision(&self, point: ArrayView1<'_, f64>) -> Vec<f64> {
        match &self.coordinates.layout {
            Layout::Direct(d) => d.prior_precision(point, self.jacobian),
            Layout::Hierarchy(_) => Vec::new(),
        }
    }

    /// The log density of everything but the likelihood at one unconstrained point.
    pub fn log_prior(&self, point: ArrayView1<'_, f64>) -> LogPrior {
        let (mut gradient, none) = (vec![0.0; self.dim], vec![0.0; self.groups * self.coordinates.family.k()]);
        let (own, slopes) = (self.coordinates.own, Array1::zeros(self.coordinates.shared()));
        let mut of = |jacobian: bool| {
            let layout = match &self.coordinates.layout {
                Layout::Direct(d) => d.log_prior(point, &none, jacobian, &mut gradient),
                Layout::Hierarchy(h) if jacobian => h.log_prior(point, &none, true, &mut gradient),
                Layout::Hierarchy(h) => h.stated_log_prior(point),
            };
            let regression = self.coordinates.regression.as_ref().map_or(0.0, |regression| {
                regression.log_prior(point.slice(s![own..]), slopes.view(), jacobian, &mut gradient[own..])
            });
            layout + regression
        };
        LogPrior { stated: of(false), whole: of(true) }
    }

    /// The groups' effects at one unconstrained point; none without a hierarchy.
    pub fn effects(&self, point: ArrayView1<'_, f64>) -> Option<Effects> {
        match &self.coordinates.layout {
            Layout::Direct(_) => None,
            Layout::Hierarchy(h) => Some(h.effects(point)),
        }
    }

    /// Log-likelihood alone at one unconstrained point; −∞ where it is impossible.
    pub fn log_likelihood(&mut self, point: ArrayView1<'_, f64>) -> Result<f64, EvalError> {
        let (natural, shared) = self.natural_and_shared(point);
        if !natural.rows().into_iter().all(|group| self.coordinates.family.is_possible(group)) {
            return Ok(f64::NEG_INFINITY);
        }
        let mut out = LikelihoodBatch::new(1, self.groups, self.coordinates.family.k(), shared.len());
        let (natural, shared) = (natural.insert_axis(Axis(0)), shared.insert_axis(Axis(0)));
        let params = ParamBatch { per_group: natural.view(), shared: shared.view() };
        self.likelihood.evaluate(params, &mut out).map_err(broken)?;
        Ok(if out.log_lik[0].is_nan() { f64::NEG_INFINITY } else { out.log_lik[0] })
    }

    /// A draw from the prior: the unconstrained point and its constrained row. Fails for improper priors.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<(Array1<f64>, Array1<f64>)> {
        let mut point = match &self.coordinates.layout {
            Layout::Direct(d) => d.prior_draw(stream)?,
            Layout::Hierarchy(h) => h.prior_draw(stream)?,
        };
        if let Some(regression) = &self.coordinates.regression {
            point.extend(regression.prior_draw(stream)?);
        }
        let point = Array1::from(point);
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
        let Scratch { natural, values, shared, d_values, likelihood } = scratch;

        // Only possible points reach the likelihood, packed to the front.
        let p = self.coordinates.shared();
        let (values, room) = (flat(values), flat(natural));
        let slots = values.chunks_mut(width).zip(room.chunks_mut(width)).zip(shared.rows_mut()).zip(points.rows());
        let map = |(((values, natural), shared), point): Room<'_>| {
            self.coordinates.map(point, values, natural, shared);
            natural.chunks(k).all(|group| self.coordinates.family.is_possible(group))
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
            flat(shared).copy_within(i * p..(i + 1) * p, slot * p);
        }
        if packed.is_empty() {
            return Ok(());
        }
        if likelihood.log_lik.len() != packed.len() {
            *likelihood = LikelihoodBatch::new(packed.len(), self.groups, k, p);
        }
        let params = ParamBatch {
            per_group: natural.slice(s![..packed.len(), .., ..]),
            shared: shared.slice(s![..packed.len(), ..]),
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
            let prior = prior
                + self.coordinates.regression.as_ref().map_or(0.0, |regression| {
                    let own = self.coordinates.own;
                    let (point, slopes) = (point.slice(s![own..]), likelihood.shared.row(slot));
                    regression.log_prior(point, slopes, self.jacobian, &mut gradient[own..])
                });
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
            std::mem::replace(&mut self.scratch, Scratch::new(0, self.groups, self.coordinates.family.k(), 0));
        scratch.make_room(points.nrows());
        let done = self.evaluate_in(&mut scratch, points, out);
        self.scratch = scratch;
        done
    }

    fn constrain(&self, point: ArrayView1<'_, f64>, out: &mut [f64]) {
        let k = self.coordinates.family.k();
        let (mut values, mut natural) = (vec![0.0; self.groups * k], vec![0.0; self.groups * k]);
        let mut shared = Array1::zeros(self.coordinates.shared());
        self.coordinates.map(point, &mut values, &mut natural, shared.view_mut());
        for g in 0..self.groups {
            for j in 0..k {
                out[j * self.groups + g] = natural[g * k + j];
            }
        }
        let rest = &mut out[self.groups * k..];
        let (rest, coefficients) = rest.split_at_mut(rest.len() - shared.len());
        match &self.coordinates.layout {
            Layout::Direct(d) => d.report(&values, rest),
            Layout::Hierarchy(h) => {
                let Coordinates { family, chart, .. } = &self.coordinates;
                h.report(point, |values, natural| (family.to_natural)(chart, values, natural), rest);
            }
        }
        if let Some(own) = &self.coordinates.regression {
            own.report(point.slice(s![self.coordinates.own..]), coefficients);
        }
    }

    fn recentre(&mut self, at: ArrayView1<'_, f64>) -> Result<(), EvalError> {
        let (natural, shared) = self.natural_and_shared(at);
        let (natural, shared) = (natural.insert_axis(Axis(0)), shared.insert_axis(Axis(0)));
        let params = ParamBatch { per_group: natural.view(), shared: shared.view() };
        self.likelihood.set_reference(params).map_err(broken)
    }
}

/// Where one point's values, natural parameters and coefficients go, and the point.
type Room<'a> = (((&'a mut [f64], &'a mut [f64]), ArrayViewMut1<'a, f64>), ArrayView1<'a, f64>);

fn flat<D: Dimension>(array: &mut Array<f64, D>) -> &mut [f64] {
    array.as_slice_mut().expect("arrays made by `zeros` are contiguous")
}

fn broken(error: KernelError) -> EvalError {
    EvalError(Error::new(error.what).advice(error.advice))
}

#[cfg(test)]
mod tests;
