//! Partial pooling over groups within groups. The likelihood is not known here, only the values it will be given.
//!
//! | symbol  | meaning                                                                        | support |
//! | ------- | ------------------------------------------------------------------------------ | ------- |
//! | x_gk    | value of parameter k (of the family's derived chart) in group g                 | domain of k |
//! | z_gk    | x_gk on the scale of its link: ln x, ln(x − low) or logit x                     | ℝ       |
//! | μ_k     | centre of z_k over the groups of the first level                                | ℝ       |
//! | σ_lk    | spread of z_k over the groups of level l around what they belong to             | > 0     |
//! | Ω = L Lᵀ | correlation of effects across parameters, one for all levels; 1 unless asked for | K×K    |
//! | η_g     | D_l⁻¹ L⁻¹ (z_g − z_parent), with D_l = diag(σ_l)                                  | ℝᴷ      |
//!
//! z_g ~ N(z_parent, D_l Ω D_l), with μ in the place of a parent on the first level; m below is a parent's z and s the σ of a level.
//! In which coordinates a group is sampled changes the speed, never the posterior:
//!
//! - *non-centred*, in η ~ N(0, 1), the shape of the prior: right where the data say little beside it;
//! - *centred*, in z itself: right where the data fix z far more closely than σ does (Papaspiliopoulos, Roberts & Sköld 2007);
//! - *informed*, in between. A [`Pilot`] says what the group's own data make of z, about N(ẑ, 1/τ). Were that exact, z given m
//!   and s would be N(w m + (1 − w) ẑ, s² w) with w = 1/(1 + s²τ), so ε in z = w m + (1 − w) ẑ + s √w ε would be N(0, 1) whatever
//!   m and s are. A group tells the one it belongs to that its z is about N(ẑ, 1/τ + σ²); the sum of what its children say is the
//!   parent's own ẑ and τ. Likewise μ given the spreads would be N(c, 1/P) with P = Σ τ w over the first level and c the mean of ẑ
//!   weighted so; μ is sampled as (μ − c) √P. Neither the funnel of few groups nor the ridge of groups rich in data is left.
//!   τ = 0 gives the non-centred form. With correlation the same is done for all parameters of a group at once (`coupled`).

mod correlation;
mod coupled;
mod density;
mod forward;
mod linear;
mod tree;

use ndarray::{Array2, ArrayView1};

use super::Family;
use super::coordinate::Coordinate;
use crate::data::Groups;
use crate::dist::{Centring, Correlation as CorrelationSpec, HierarchySpec, Prior, Transform};
use crate::error::{Error, Result};
use crate::kernels::rng::Stream;
use crate::target::{Schema, Variable};
use correlation::{Correlation, pairs};
use forward::{Place, Top, weight};
use tree::Tree;

/// ln √(2π).
const LN_SQRT_TAU: f64 = 0.918_938_533_204_672_8;

/// The dimension of μ and σ.
pub const PARAMETER_DIM: &str = "parameter";

/// The dimension of σ along levels, where groups are nested.
pub const LEVEL_DIM: &str = "group_level";

/// The dimension of correlations.
pub const PAIR_DIM: &str = "parameter_pair";

/// The dimensions of what groups share; along any other a variable has a value per group.
pub const SHARED_DIMS: [&str; 3] = [PARAMETER_DIM, LEVEL_DIM, PAIR_DIM];

/// What each group's own data make of its parameters, on the scale of z: a rough normal approximation will do.
#[derive(Debug, Clone, PartialEq)]
pub struct Pilot {
    /// `[group, k]`: ẑ.
    pub centre: Array2<f64>,
    /// `[group, k]`: τ, 1/variance; 0 where nothing is known.
    pub precision: Array2<f64>,
}

/// The effects of the groups at one point, on the scale of z.
#[derive(Debug, Clone, PartialEq)]
pub struct Effects {
    /// `[group, k]`: z.
    pub own: Array2<f64>,
    /// `[group, k]`: z of what the group belongs to; μ where groups are not nested.
    pub parent: Array2<f64>,
    /// `[k]`: σ of the last level.
    pub spread: Vec<f64>,
}

impl Pilot {
    fn ignorant(groups: usize, k: usize) -> Self {
        Self { centre: Array2::zeros((groups, k)), precision: Array2::zeros((groups, k)) }
    }
}

/// What coordinates come to, whatever they are.
#[derive(Debug, Clone)]
struct State {
    /// `[k]`.
    mu: Vec<f64>,
    /// `[level, k]`.
    sigma: Vec<f64>,
    /// Ω below its diagonal, row by row; empty where it is 1.
    correlations: Vec<f64>,
    /// `[k, node]`.
    z: Vec<f64>,
}

/// μ and σ per parameter, correlations if asked for, z or η or ε per group of every level and parameter.
///
/// A point is μ coordinates `[k]`, σ coordinates `[level, k]`, correlation coordinates `[pair]`, then `[node, k]`, nodes from the
/// first level to the last.
#[derive(Debug, Clone)]
pub(super) struct Hierarchy {
    mu: Vec<Coordinate>,
    /// `[level, k]`.
    sigma: Vec<Coordinate>,
    correlation: Option<Correlation>,
    links: Vec<Transform>,
    names: Vec<&'static str>,
    centring: Vec<Centring>,
    /// `[k]`: whether z is the coordinate.
    centred: Vec<bool>,
    tree: Tree,
    pilot: Pilot,
}

impl Hierarchy {
    /// From a resolved specification: priors for μ and for σ of every level, of every parameter of the derived chart.
    pub fn new(family: &Family, groups: &Groups, spec: &HierarchySpec) -> Result<Self> {
        let parameters = family.chart_parameters(&family.derived_chart());
        let take = |priors: Option<&std::collections::BTreeMap<String, Prior>>, what: &str, place: &str, low: f64| {
            parameters
                .iter()
                .map(|p| {
                    let key = format!("hierarchy.{place}.{}", p.name);
                    let prior = priors.and_then(|priors| priors.get(p.name)).ok_or_else(|| {
                        Error::new(format!("{key} is missing"))
                            .advice("resolve the specification against the data first")
                    })?;
                    Coordinate::new(&what.replace('*', p.name), (low, f64::INFINITY), *prior, &key)
                })
                .collect::<Result<Vec<_>>>()
        };
        let tree = Tree::of(groups);
        let mu = take(Some(&spec.mu), "mu[*]", "mu", f64::NEG_INFINITY)?;
        let mut sigma = Vec::new();
        for level in &tree.levels {
            sigma.extend(if tree.depth() == 1 {
                take(Some(&spec.sigma), "sigma[*]", "sigma", 0.0)?
            } else {
                let place = format!("sigma_at.{}", level.name);
                take(spec.sigma_at.get(&level.name), &format!("sigma[{}, *]", level.name), &place, 0.0)?
            });
        }
        let links = parameters
            .iter()
            .map(|p| {
                Transform::onto(p.low, p.high).ok_or_else(|| Error::new(format!("`{}` has an empty domain", p.name)))
            })
            .collect::<Result<Vec<_>>>()?;
        let centring: Vec<Centring> = parameters.iter().map(|p| spec.centring.of(p.name)).collect();
        let CorrelationSpec::Lkj { eta } = spec.correlation.unwrap_or(CorrelationSpec::Lkj { eta: 1.0 });
        let wanted = spec.correlation.is_some() && family.k() > 1;
        if wanted && family.k() > linear::MOST {
            return Err(Error::new("the model has too many parameters for correlated effects")
                .at("hierarchy.correlation")
                .seen(format!("{} parameters", family.k()))
                .advice("leave hierarchy.correlation out"));
        }
        Ok(Self {
            mu,
            sigma,
            correlation: wanted.then(|| Correlation::new(eta, family.k())),
            links,
            names: parameters.iter().map(|p| p.name).collect(),
            centred: centring.iter().map(|&c| c == Centring::Centred).collect(),
            centring,
            pilot: Pilot::ignorant(groups.labels.len(), family.k()),
            tree,
        })
    }

    /// Takes the groups' own data into account, for the parameters whose coordinates the specification leaves to us.
    pub fn inform(&mut self, pilot: Pilot) {
        self.pilot = pilot;
        for (k, _) in self.centring.iter().enumerate().filter(|&(_, &centring)| centring != Centring::Auto) {
            self.pilot.centre.column_mut(k).fill(0.0);
            self.pilot.precision.column_mut(k).fill(0.0);
        }
    }

    fn k(&self) -> usize {
        self.links.len()
    }

    /// Where the correlation coordinates begin.
    fn pairs_at(&self) -> std::ops::Range<usize> {
        let first = (1 + self.tree.depth()) * self.k();
        first..first + self.correlation.map_or(0, Correlation::dim)
    }

    fn pair_coordinates(&self, point: ArrayView1<'_, f64>) -> Vec<f64> {
        self.pairs_at().map(|i| point[i]).collect()
    }

    /// The place of a node's coordinate of parameter k.
    fn at(&self, node: usize, k: usize) -> usize {
        self.pairs_at().end + node * self.k() + k
    }

    pub fn dim(&self) -> usize {
        self.at(self.tree.len(), 0)
    }

    /// The variables of a row: natural parameters of the groups, then of every level above, μ, σ, correlations.
    pub fn schema(&self, family: &Family) -> Result<Schema> {
        let names: Vec<String> = self.names.iter().map(|&name| name.to_owned()).collect();
        let mut coords = vec![(PARAMETER_DIM, names)];
        let nested = self.tree.depth() > 1;
        if nested {
            coords.push((LEVEL_DIM, self.tree.levels.iter().map(|level| level.name.clone()).collect()));
        }
        if self.correlation.is_some() {
            let name = |(i, j): (usize, usize)| format!("{}, {}", self.names[j], self.names[i]);
            coords.push((PAIR_DIM, pairs(self.k()).map(name).collect()));
        }
        let mut coords: std::collections::BTreeMap<String, Vec<String>> =
            coords.into_iter().map(|(dim, labels)| (dim.to_owned(), labels)).collect();
        let mut variables = Vec::new();
        let (leaves, above) = self.tree.levels.split_last().ok_or_else(|| Error::new("a hierarchy needs groups"))?;
        for (suffix, level) in std::iter::once((String::new(), leaves))
            .chain(above.iter().map(|level| (format!("_{}", level.name), level)))
        {
            if coords.insert(level.column.clone(), level.labels.clone()).is_some() {
                return Err(Error::new(format!("the group column cannot be called `{}`", level.column))
                    .advice("that name is taken by a dimension of the draws; rename the column"));
            }
            variables.extend(
                family
                    .parameters
                    .iter()
                    .map(|p| Variable { name: format!("{}{suffix}", p.name), dims: vec![level.column.clone()] }),
            );
        }
        let shared = |name: &str, dims: &[&str]| Variable {
            name: name.to_owned(),
            dims: dims.iter().map(|&dim| dim.to_owned()).collect(),
        };
        variables.push(shared("mu", &[PARAMETER_DIM]));
        variables.push(shared("sigma", if nested { &[LEVEL_DIM, PARAMETER_DIM] } else { &[PARAMETER_DIM] }));
        variables.extend(self.correlation.map(|_| shared("correlation", &[PAIR_DIM])));
        Ok(Schema { variables, coords, unconstrained: self.coordinate_names() })
    }

    fn coordinate_names(&self) -> Vec<String> {
        let hyper = self.mu.iter().chain(&self.sigma).map(|c| c.transform.coordinate_name(&c.name));
        let correlations = pairs(self.correlation.map_or(0, |_| self.k()))
            .map(|(i, j)| format!("atanh(correlation[{}, {}])", self.names[j], self.names[i]));
        let local = self.tree.walk().flat_map(|(level, node)| {
            let label = self.tree.label(level, node);
            (0..self.k()).map(move |k| {
                if self.centred[k] {
                    format!("{}[{label}]", self.links[k].coordinate_name(self.names[k]))
                } else {
                    format!("eta[{label}, {}]", self.names[k])
                }
            })
        });
        hyper.chain(correlations).chain(local).collect()
    }

    /// Chart values `[group, k]`, flat, at `point`.
    pub fn values(&self, point: ArrayView1<'_, f64>, values: &mut [f64]) {
        self.values_of(&self.state(point), self.tree.leaves(), values);
    }

    fn state(&self, point: ArrayView1<'_, f64>) -> State {
        match self.correlation {
            Some(correlation) => self.coupled(correlation, point).state(self),
            None => self.forward(point).state(),
        }
    }

    fn values_of(&self, state: &State, nodes: std::ops::Range<usize>, values: &mut [f64]) {
        for (node, values) in nodes.zip(values.chunks_mut(self.k())) {
            for (k, value) in values.iter_mut().enumerate() {
                *value = self.links[k].value(state.z[k * self.tree.len() + node]);
            }
        }
    }

    /// ln density of the priors of μ, σ and Ω at `point`, in their own values, up to a constant: without effects, without Jacobians.
    pub fn stated_log_prior(&self, point: ArrayView1<'_, f64>) -> f64 {
        let state = self.state(point);
        let priors = self.mu.iter().chain(&self.sigma).zip(state.mu.iter().chain(&state.sigma));
        let own: f64 = priors.map(|(coordinate, &value)| coordinate.prior.ln_density(value).0).sum();
        own + self.correlation.map_or(0.0, |correlation| correlation.ln_kernel(&self.pair_coordinates(point)))
    }

    /// The effects of the groups, and of what they belong to.
    pub fn effects(&self, point: ArrayView1<'_, f64>) -> Effects {
        let (state, leaves) = (self.state(point), self.tree.leaves());
        let z = |node: usize, k: usize| state.z[k * self.tree.len() + node];
        let shape = (leaves.len(), self.k());
        let node = |g: usize| leaves.start + g;
        let parent = |g: usize, k: usize| self.tree.parent(node(g)).map_or(state.mu[k], |p| z(p, k));
        Effects {
            own: Array2::from_shape_fn(shape, |(g, k)| z(node(g), k)),
            parent: Array2::from_shape_fn(shape, |(g, k)| parent(g, k)),
            spread: state.sigma[(self.tree.depth() - 1) * self.k()..].to_vec(),
        }
    }

    /// The link of each parameter: from x to z.
    pub fn links(&self) -> &[Transform] {
        &self.links
    }

    /// Writes what a row reports beside the groups' natural parameters: those of the levels above (`to_natural` makes them of chart
    /// values), then μ, σ and correlations.
    pub fn report(&self, point: ArrayView1<'_, f64>, to_natural: impl Fn(&[f64], &mut [f64]), out: &mut [f64]) {
        let (state, k_all) = (self.state(point), self.k());
        let mut rest = out;
        for level in 0..self.tree.depth() - 1 {
            let nodes = self.tree.nodes(level);
            let count = nodes.len();
            let (mut values, mut natural) = (vec![0.0; count * k_all], vec![0.0; k_all]);
            self.values_of(&state, nodes, &mut values);
            let (here, below) = rest.split_at_mut(count * k_all);
            for (g, values) in values.chunks(k_all).enumerate() {
                to_natural(values, &mut natural);
                (0..k_all).for_each(|k| here[k * count + g] = natural[k]);
            }
            rest = below;
        }
        let shared = state.mu.iter().chain(&state.sigma).chain(&state.correlations);
        rest.iter_mut().zip(shared).for_each(|(out, &value)| *out = value);
    }

    /// The point at which every group has chart values near `values` `[k]` (or, where the pilot knows better, near its own), and a
    /// modest spread.
    pub fn start(&self, values: &[f64]) -> Vec<f64> {
        let k_all = self.k();
        let mut point = vec![0.0; self.dim()];
        for (i, sigma) in self.sigma.iter().enumerate() {
            point[k_all + i] = sigma.inverse(0.1);
        }
        for k in 0..k_all {
            let mu = self.links[k].inverse(values[k]);
            if self.correlation.is_some() {
                point[k] = if self.whitens_mu() { 0.0 } else { self.mu[k].inverse(mu) };
                continue;
            }
            self.set_mu(&mut point, k, mu);
            if self.pilot.precision.column(k).iter().any(|&tau| tau > 0.0) {
                point[k] = 0.0;
            }
            if self.centred[k] {
                let mu = self.top_at(&point, k).mu;
                (0..self.tree.len()).for_each(|node| point[self.at(node, k)] = mu);
            }
        }
        point
    }

    fn top_at(&self, point: &[f64], k: usize) -> Top {
        let sigma = self.spreads(ArrayView1::from(point));
        self.top(point[k], k, sigma[k], &self.known(k, &sigma))
    }

    /// Writes the coordinate of μ_k at which μ_k is `mu`, given the spreads'.
    fn set_mu(&self, point: &mut [f64], k: usize, mu: f64) {
        point[k] = 0.0;
        let origin = self.top_at(point, k);
        point[k] = if origin.whitened.is_some() { (mu - origin.mu) / origin.slope } else { self.mu[k].inverse(mu) };
    }

    /// The coordinate at which z is reached.
    fn local(&self, z: f64, k: usize, place: &Place, (centre, precision): (f64, f64)) -> f64 {
        if self.centred[k] {
            return z;
        }
        let (w, _) = weight(precision, place.s);
        (z - (place.m + (1.0 - w) * (centre - place.m))) / (place.s * w.sqrt())
    }

    /// A point drawn from the prior.
    pub fn prior_draw(&self, stream: &mut Stream) -> Result<Vec<f64>> {
        let k_all = self.k();
        let mut point = vec![0.0; self.dim()];
        let mu: Vec<f64> = self.mu.iter().map(|c| c.sample(stream)).collect::<Result<_>>()?;
        for (i, sigma) in self.sigma.iter().enumerate() {
            point[k_all + i] = sigma.transform.inverse(sigma.sample(stream)?);
        }
        if let Some(correlation) = self.correlation {
            point[self.pairs_at()].copy_from_slice(&correlation.draw(stream)?);
            self.set_coupled(correlation, &mut point, &mu, || stream.normal());
            return Ok(point);
        }
        for (k, &mu) in mu.iter().enumerate() {
            self.set_mu(&mut point, k, mu);
        }
        let mut forward = self.begin(ArrayView1::from(&point));
        for k in 0..k_all {
            self.open(&mut forward, ArrayView1::from(&point));
            for (level, node) in self.tree.walk() {
                let place = forward.place(self, k, level, node);
                let e = stream.normal();
                let z = place.m + place.s * e;
                let known = &forward.known[k];
                point[self.at(node, k)] = self.local(z, k, &place, (known.centre[node], known.precision[node]));
                let at = k * self.tree.len() + node;
                (forward.z[at], forward.e[at]) = (z, e);
            }
        }
        Ok(point)
    }
}
