//! The worlds that are calibrated: frozen priors, customers made by a model exactly as it says, and the posterior that a run would make of
//! them. Priors and customers go by a family's role, and its dropout: a new one is asked for here by the compiler.
//!
//! | family | a customer |
//! | --- | --- |
//! | BG/NBD, MBG/NBD | λ ~ Gamma(r, α), p ~ Beta(a, b): purchases at rate λ, after each repeat purchase (or each one) an end with chance p |
//! | Pareto/NBD | λ ~ Gamma(r, α), μ ~ Gamma(s, β): purchases at rate λ for a life of Exponential(μ) |
//! | Pareto/NBD (Abe) | (ln λ, ln μ) bivariate normal; the rest as Pareto/NBD |
//! | NBD | λ ~ Gamma(r, α): purchases at rate λ without end |
//! | BG/BB | p ~ Beta(α, β), θ ~ Beta(γ, δ): before each of n opportunities an end with chance θ, at it a purchase with chance p |
//! | sBG | θ ~ Beta(α, β): at the end of each period a loss with chance θ |
//! | Gamma-Gamma | ν ~ Gamma(q, rate v): the mean of x amounts of Gamma(p, rate ν) |
//!
//! Times are continuous and money is not rounded, as the likelihoods mean it; `data::simulate` writes days and cents instead.

use std::collections::BTreeMap;

use ndarray::{Array2, ArrayView1, ArrayView2};
use rand_distr::{Beta, Distribution, Exp, Gamma};

use crate::config::ModelPlan;
use crate::data::{Cells, Design, DesignColumn, Groups, Observations, SpendRows};
use crate::dist::{CovariateSpec, HierarchySpec, Prior};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::{Likelihood, bg_bb, s_bg};
use crate::model::{Dropout, Family, Posterior, Regression, Role, Scale, family};
use crate::run;
use crate::target::Schema;

/// Time units between a first purchase and the end of the window: spread evenly between these over customers.
const AGES: (f64, f64) = (26.0, 52.0);
/// Opportunities of BG/BB.
const OPPORTUNITIES: u32 = 12;
/// Periods of sBG.
const PERIODS: u32 = 10;
/// Repeat purchases of Gamma-Gamma's customers: 1 to this many, in turn.
const MOST_SPENDS: u32 = 6;

const fn lognormal(median: f64, log_sd: f64) -> Prior {
    Prior::LogNormal { median, log_sd }
}

const fn beta(alpha: f64, beta: f64) -> Prior {
    Prior::Beta { alpha, beta }
}

const fn normal(mean: f64, sd: f64) -> Prior {
    Prior::Normal { mean, sd }
}

/// Proper priors under which a few hundred customers say something of every parameter, and none is beyond a sampler: without groups by
/// parameter, with groups on the centre of each (on its link's scale).
fn priors(role: Role, groups: usize) -> Vec<(&'static str, Prior)> {
    let rows: &[(&str, Prior, Prior)] = match role {
        Role::Purchase(Dropout::AfterRepeat | Dropout::AfterAny) => &[
            ("r", lognormal(0.8, 0.5), normal(-0.2, 0.4)),
            ("rate", lognormal(0.15, 0.5), normal(-1.9, 0.4)),
            ("phi", beta(3.0, 7.0), normal(-0.9, 0.5)),
            ("kappa", lognormal(3.0, 0.5), normal(1.1, 0.4)),
        ],
        Role::Purchase(Dropout::AnyTime) => &[
            ("r", lognormal(0.8, 0.5), normal(-0.2, 0.4)),
            ("rate", lognormal(0.15, 0.5), normal(-1.9, 0.4)),
            ("s", lognormal(0.8, 0.5), normal(-0.2, 0.4)),
            ("dropout_rate", lognormal(0.03, 0.5), normal(-3.5, 0.4)),
        ],
        Role::Purchase(Dropout::AnyTimeTogether) => &[
            ("rate", lognormal(0.1, 0.5), normal(-2.3, 0.4)),
            ("death", lognormal(0.02, 0.5), normal(-3.9, 0.4)),
            ("sd_rate", lognormal(0.8, 0.3), normal(-0.2, 0.3)),
            ("sd_death", lognormal(0.8, 0.3), normal(-0.2, 0.3)),
            ("corr", Prior::Uniform { low: -1.0, high: 1.0 }, normal(0.0, 1.0)),
        ],
        Role::Purchase(Dropout::Never) => {
            &[("r", lognormal(0.8, 0.5), normal(-0.2, 0.4)), ("rate", lognormal(0.15, 0.5), normal(-1.9, 0.4))]
        }
        Role::Opportunity => &[
            ("purchase_chance", beta(4.0, 6.0), normal(-0.4, 0.5)),
            ("purchase_kappa", lognormal(3.0, 0.5), normal(1.1, 0.4)),
            ("dropout_chance", beta(2.0, 8.0), normal(-1.4, 0.5)),
            ("dropout_kappa", lognormal(3.0, 0.5), normal(1.1, 0.4)),
        ],
        Role::Contract => {
            &[("churn", beta(3.0, 7.0), normal(-0.9, 0.5)), ("churn_kappa", lognormal(3.0, 0.5), normal(1.1, 0.4))]
        }
        Role::Spend => &[
            ("p", lognormal(4.0, 0.4), normal(1.4, 0.3)),
            ("q", lognormal(3.5, 0.3), normal(0.9, 0.3)),
            ("mean_spend", lognormal(30.0, 0.3), normal(3.4, 0.3)),
        ],
    };
    rows.iter().map(|(name, alone, centre)| (*name, if groups > 1 { *centre } else { *alone })).collect()
}

/// Spread between groups of every parameter, on its link's scale.
const SPREAD: Prior = Prior::HalfNormal { scale: 0.4 };

/// Prior of every coefficient of a standard normal covariate.
const COEFFICIENT: Prior = normal(0.0, 0.3);

/// A family under frozen priors.
#[derive(Debug)]
pub(super) struct World {
    pub(super) family: &'static Family,
    pub(super) plan: ModelPlan,
    groups: Groups,
    /// What the columns of covariates are, and the coefficients that they have.
    columns: Vec<DesignColumn>,
    regression: Option<Regression>,
}

/// What customers are made under.
pub(super) struct Truth<'a> {
    /// `[group, k]`.
    pub natural: ArrayView2<'a, f64>,
    /// `[term]`.
    pub gamma: ArrayView1<'a, f64>,
}

/// Customers, as the likelihood of their family takes them.
enum Customers {
    Shop(Box<Observations>),
    Opportunities(bg_bb::Rows),
    Contracts(s_bg::Rows),
}

impl World {
    pub(super) fn new(key: &str, groups: usize, covariates: u32) -> Result<Self> {
        let family = family(key)?;
        let named: BTreeMap<String, Prior> =
            priors(family.role, groups).into_iter().map(|(name, prior)| (name.to_owned(), prior)).collect();
        let pooled = (groups > 1).then(|| HierarchySpec {
            sigma: named.keys().map(|name| (name.clone(), SPREAD)).collect(),
            mu: named.clone(),
            ..HierarchySpec::default()
        });
        let names: Vec<String> = (1..=covariates).map(|c| format!("z{c}")).collect();
        let column = |name: &String| DesignColumn {
            name: name.clone(),
            covariate: name.clone(),
            centre: 0.0,
            scale: 1.0,
            farthest: 0.0,
        };
        let columns: Vec<DesignColumn> = names.iter().map(column).collect();
        let spec =
            (covariates > 0).then(|| CovariateSpec { purchase: names.clone(), dropout: names, prior: COEFFICIENT });
        let regression = spec.as_ref().map(|spec| Regression::new(family, spec, &columns)).transpose()?;
        let plan = ModelPlan {
            model: key.to_owned(),
            priors_resolved: true,
            priors: if pooled.is_some() { BTreeMap::new() } else { named },
            hierarchy: pooled,
            covariates: spec,
        };
        let labels = (0..groups.max(1)).map(|g| format!("g{g:02}")).collect();
        let column = (groups > 1).then(|| "group".to_owned());
        let groups = if groups > 1 { Groups { column, labels } } else { Groups::all() };
        Ok(Self { family, plan, groups, columns, regression })
    }

    /// The posterior of `count` customers made under `natural` `[group, k]`, from the random numbers of one replication.
    pub(super) fn posterior_of(&self, truth: &Truth<'_>, count: u32, seed: u64, replication: u32) -> Result<Posterior> {
        let made = customers(self, truth, count, seed, replication)?;
        posterior(self, made)
    }

    /// The coefficients of each row of a posterior of this world, `[row, term]`.
    pub(super) fn coefficients(&self, schema: &Schema, rows: ArrayView2<'_, f64>) -> Result<Array2<f64>> {
        match &self.regression {
            Some(regression) => regression.of_draws(schema, rows),
            None => Ok(Array2::zeros((rows.nrows(), 0))),
        }
    }

    /// The parameters of a customer with covariates `z`, given those of the group.
    fn own(&self, theta: &[f64], gamma: ArrayView1<'_, f64>, z: &[f64]) -> Vec<f64> {
        match self.regression.as_ref().zip(self.family.movable.as_ref()) {
            Some((regression, movable)) => (movable.own)(theta, &gamma.to_vec(), &regression.terms(), z),
            None => theta.to_vec(),
        }
    }

    /// The design of `values`, row by row; none without covariates.
    fn design(&self, values: Vec<f64>) -> Option<Design> {
        self.regression.as_ref()?;
        let shape = (values.len() / self.columns.len(), self.columns.len());
        // The shape was made from the length.
        Some(Design {
            columns: self.columns.clone(),
            values: Array2::from_shape_vec(shape, values).unwrap_or_default(),
        })
    }

    /// A posterior of one customer per group, to draw from its prior.
    pub(super) fn specimen(&self) -> Result<Posterior> {
        let n = self.groups.labels.len();
        let group: Vec<u32> = (0..n as u32).collect();
        let weight = vec![1.0; n];
        posterior(
            self,
            match self.family.role {
                Role::Opportunity => Customers::Opportunities(bg_bb::Rows {
                    n_groups: n,
                    group,
                    frequency: vec![1; n],
                    recency: vec![1; n],
                    opportunities: vec![2; n],
                    weight,
                }),
                Role::Contract => Customers::Contracts(s_bg::Rows {
                    n_groups: n,
                    group,
                    period: vec![1; n],
                    lost: vec![true; n],
                    weight,
                }),
                Role::Purchase(_) | Role::Spend => Customers::Shop(Box::new(Observations {
                    groups: self.groups.clone(),
                    cells: Cells {
                        group: group.clone(),
                        frequency: vec![1; n],
                        recency: vec![1.0; n],
                        age: vec![2.0; n],
                        weight: weight.clone(),
                    },
                    covariates: self.design(vec![0.0; n * self.columns.len()]),
                    spend: SpendRows { group, frequency: vec![1; n], monetary: vec![30.0; n], weight },
                })),
            },
        )
    }
}

/// The posterior of some customers: for a family of runs the one that a run would sample.
fn posterior(world: &World, customers: Customers) -> Result<Posterior> {
    let of = |likelihood: Box<dyn Likelihood>| {
        // Every prior is given, so no default is measured in any scale.
        let scale = Scale { purchase_rate: 1.0, mean_spend: 1.0 };
        Posterior::new(world.family, likelihood, &world.groups, &world.plan.spec(), &scale)
    };
    let broken = |e| Error::new(format!("the {} likelihood could not be made", world.family.key)).because(e);
    match customers {
        Customers::Shop(observed) => run::posterior_on_cpu(&world.plan, &observed),
        Customers::Opportunities(rows) => of(Box::new(bg_bb::Cpu::new(rows).map_err(broken)?)),
        Customers::Contracts(rows) => of(Box::new(s_bg::Cpu::new(rows).map_err(broken)?)),
    }
}

/// Makes the customers of one replication, those of each group in turn.
fn customers(
    world: &World,
    &Truth { natural, gamma }: &Truth<'_>,
    count: u32,
    seed: u64,
    replication: u32,
) -> Result<Customers> {
    let n_groups = natural.nrows();
    let of = |i: u32| {
        let group = i % n_groups as u32;
        let stream = Stream::new(seed, Purpose::Calibration, u64::from(replication) << 32 | u64::from(i), 2);
        (group, natural.row(group as usize).to_vec(), stream)
    };
    match world.family.role {
        Role::Opportunity => {
            let mut rows = bg_bb::Rows { n_groups, ..bg_bb::Rows::default() };
            for (group, theta, mut stream) in (0..count).map(of) {
                let (x, t_x) = donor(&theta, &mut stream)?;
                rows.group.push(group);
                rows.frequency.push(x);
                rows.recency.push(t_x);
                rows.opportunities.push(OPPORTUNITIES);
                rows.weight.push(1.0);
            }
            Ok(Customers::Opportunities(rows))
        }
        Role::Contract => {
            let mut rows = s_bg::Rows { n_groups, ..s_bg::Rows::default() };
            for (group, theta, mut stream) in (0..count).map(of) {
                let (period, lost) = contract(&theta, &mut stream)?;
                rows.group.push(group);
                rows.period.push(period);
                rows.lost.push(lost);
                rows.weight.push(1.0);
            }
            Ok(Customers::Contracts(rows))
        }
        role @ (Role::Purchase(_) | Role::Spend) => {
            let mut observed = Observations { groups: world.groups.clone(), ..Observations::default() };
            let mut values = Vec::new();
            for i in 0..count {
                let (group, theta, mut stream) = of(i);
                let z: Vec<f64> = world.columns.iter().map(|_| stream.normal()).collect();
                let theta = world.own(&theta, gamma, &z);
                values.extend(z);
                if let Role::Purchase(dropout) = role {
                    let age = AGES.0 + (AGES.1 - AGES.0) * f64::from(i) / f64::from(count);
                    let (x, t_x) = buyer(dropout, &theta, age, &mut stream)?;
                    observed.cells.group.push(group);
                    observed.cells.frequency.push(x);
                    observed.cells.recency.push(t_x);
                    observed.cells.age.push(age);
                    observed.cells.weight.push(1.0);
                } else {
                    let x = 1 + i / n_groups as u32 % MOST_SPENDS;
                    observed.spend.group.push(group);
                    observed.spend.frequency.push(x);
                    observed.spend.monetary.push(mean_spend(&theta, x, &mut stream)?);
                    observed.spend.weight.push(1.0);
                }
            }
            observed.covariates = world.design(values);
            Ok(Customers::Shop(Box::new(observed)))
        }
    }
}

fn impossible(e: impl std::fmt::Display) -> Error {
    Error::new("a prior draw is impossible as a parameter of customers").seen(e)
}

/// (x, t_x) of a customer observed for `age` after a first purchase at 0.
fn buyer(dropout: Dropout, theta: &[f64], age: f64, stream: &mut Stream) -> Result<(u32, f64)> {
    let gamma = |shape: usize, stream: &mut Stream| -> Result<f64> {
        Ok(Gamma::new(theta[shape], 1.0 / theta[shape + 1]).map_err(impossible)?.sample(stream))
    };
    let (mut chance, mut end) = (0.0, f64::INFINITY);
    let rate = match dropout {
        Dropout::AfterRepeat | Dropout::AfterAny => {
            let rate = gamma(0, stream)?;
            chance = Beta::new(theta[2], theta[3]).map_err(impossible)?.sample(stream);
            rate
        }
        Dropout::AnyTime => {
            let (rate, leaving) = (gamma(0, stream)?, gamma(2, stream)?);
            end = -stream.uniform().ln() / leaving;
            rate
        }
        Dropout::Never => gamma(0, stream)?,
        Dropout::AnyTimeTogether => {
            let (u, v) = (stream.normal(), stream.normal());
            let corr = theta[4];
            let leaving = theta[1] * (theta[3] * (corr * u + (1.0 - corr * corr).sqrt() * v)).exp();
            end = -stream.uniform().ln() / leaving;
            theta[0] * (theta[2] * u).exp()
        }
    };
    let (mut x, mut t_x) = (0, 0.0);
    // Whoever may leave after any purchase may leave after the first.
    if dropout == Dropout::AfterAny && stream.uniform() < chance {
        return Ok((x, t_x));
    }
    let Ok(wait) = Exp::new(rate) else { return Err(impossible(rate)) };
    let mut time: f64 = wait.sample(stream);
    while time < age.min(end) {
        (x, t_x) = (x + 1, time);
        if stream.uniform() < chance {
            break;
        }
        time += wait.sample(stream);
    }
    Ok((x, t_x))
}

/// (x, t_x) of a customer with [`OPPORTUNITIES`].
fn donor(theta: &[f64], stream: &mut Stream) -> Result<(u32, u32)> {
    let buys: f64 = Beta::new(theta[0], theta[1]).map_err(impossible)?.sample(stream);
    let leaves: f64 = Beta::new(theta[2], theta[3]).map_err(impossible)?.sample(stream);
    let (mut x, mut t_x) = (0, 0);
    for opportunity in 1..=OPPORTUNITIES {
        if stream.uniform() < leaves {
            break;
        }
        if stream.uniform() < buys {
            (x, t_x) = (x + 1, opportunity);
        }
    }
    Ok((x, t_x))
}

/// (T, lost) of a customer under contract, watched for [`PERIODS`].
fn contract(theta: &[f64], stream: &mut Stream) -> Result<(u32, bool)> {
    let leaves: f64 = Beta::new(theta[0], theta[1]).map_err(impossible)?.sample(stream);
    let lost = (1..=PERIODS).find(|_| stream.uniform() < leaves);
    Ok(lost.map_or((PERIODS, false), |period| (period, true)))
}

/// The mean of x amounts: Gamma(p x, rate ν x).
fn mean_spend(theta: &[f64], x: u32, stream: &mut Stream) -> Result<f64> {
    let rate: f64 = Gamma::new(theta[1], 1.0 / theta[2]).map_err(impossible)?.sample(stream);
    let x = f64::from(x);
    Ok(Gamma::new(theta[0] * x, 1.0 / (rate * x)).map_err(impossible)?.sample(stream))
}
