//! Simulation-based calibration: whether posteriors mean what they say, for a model as it is computed and sampled here.
//!
//! Talts, Betancourt, Simpson, Vehtari & Gelman (2018), "Validating Bayesian inference algorithms with simulation-based calibration";
//! Modrák, Moon, Kim, Bürkner, Huurre, Faltejsková, Gelman & Vehtari (2023), "Simulation-based calibration checking for Bayesian computation:
//! the choice of test quantities shapes sensitivity", Bayesian Analysis. Per replication a truth is drawn from frozen priors, customers are
//! made under it, their posterior is sampled, and the truth takes its rank among thinned draws: for every parameter, and for the
//! log-likelihood of all customers, which sees faults that no single parameter shows. Ranks of right posteriors are uniform.
//!
//! Replications are independent and addressed by number, so that they run on all threads and in any order. What the diagnostics refuse is
//! counted and stays in.

mod band;
mod journal;
#[cfg(test)]
mod tests;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

use ndarray::{Array2, Array3, ArrayView2, Axis, concatenate};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use self::band::Uniform;
use self::journal::Journal;
use self::world::{Truth, World};
use crate::diagnose::{FitInput, Thresholds, Verdict, diagnose_fit};
use crate::dist::PriorSpec;
use crate::error::Result;
use crate::kernels::rng::{Purpose, Stream};
use crate::kernels::{LikelihoodBatch, ParamBatch};
use crate::model::{Posterior, is_shared_dim};
use crate::sampler::{self, Settings, Start, Watch};
use crate::target::{Checkpoint, DrawBlock, DrawSink, LogDensity, SinkError};

pub use band::COVERAGE;

/// Draws among which a truth takes its rank: it has one of a hundred.
pub const DRAWS: usize = 99;
/// The test quantity that is no parameter.
const JOINT: &str = "log-likelihood";
/// What a fit of so few draws is held against: chains that agree, and more effective draws than are kept.
const THRESHOLDS: Thresholds = Thresholds {
    r_hat: 1.05,
    r_hat_group_share: 0.99,
    r_hat_group: 1.1,
    ess: 100.0,
    divergence_share: 0.005,
    e_bfmi: 0.3,
    pareto_k: 0.7,
};

/// What to calibrate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setup {
    /// Key of the model.
    pub model: String,
    /// Groups that share information; 1 for none.
    pub groups: usize,
    /// Covariates of every customer, standard normal numbers that move how often they buy and when they stop.
    #[serde(default)]
    pub covariates: u32,
    /// Customers of each replication, spread evenly over groups.
    pub customers: u32,
    /// Number of replications.
    pub replications: u32,
    /// Chains of each fit.
    pub chains: usize,
    /// Most warm-up transitions per chain.
    pub warmup: usize,
    /// Draws per chain, of which [`DRAWS`] in all are kept.
    pub draws: usize,
    /// Seed of everything.
    pub seed: u64,
}

impl Setup {
    /// Short fits of small data: enough for a hundred ranks.
    pub fn new(model: &str, groups: usize) -> Self {
        Self {
            model: model.to_owned(),
            groups,
            covariates: 0,
            customers: 200,
            replications: 500,
            chains: 4,
            warmup: 300,
            draws: 250,
            seed: 1,
        }
    }
}

/// One replication.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Replication {
    /// Its number, from 0.
    pub replication: u32,
    /// The truth's rank for every quantity, 0 to [`DRAWS`].
    pub ranks: Vec<u32>,
    /// Whether the diagnostics pass the fit.
    pub passed: bool,
    /// Divergent transitions.
    pub divergences: u64,
}

/// What all replications came to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Version of these keys.
    pub schema_version: u32,
    /// The program.
    pub longrun_version: String,
    /// What was calibrated.
    pub setup: Setup,
    /// The frozen priors.
    pub priors: PriorSpec,
    /// Draws among which each truth took its rank.
    pub draws: usize,
    /// Replications whose fit the diagnostics refuse; they are counted below like the others.
    pub refused: u32,
    /// Replications with a divergent transition.
    pub divergent: u32,
    /// Whether no quantity leaves its band for good: every p-value is above 5 % divided by the number of quantities.
    pub passed: bool,
    /// Every quantity.
    pub quantities: Vec<Quantity>,
}

/// One quantity over all replications.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Quantity {
    /// The parameter with its coordinates, or `log-likelihood`.
    pub name: String,
    /// Largest distance between the ranks' distribution function and the uniform one.
    pub deviation: f64,
    /// How far it reaches out of the simultaneous band of [`COVERAGE`]; 0 inside.
    pub outside: f64,
    /// Chance that uniform ranks come as near to the edge of such a band.
    pub p_value: f64,
    /// Whether it stays inside.
    pub inside: bool,
    /// The rank of every replication.
    pub ranks: Vec<u32>,
}

/// Calibrates; replications that `journal` holds already are not made again, and new ones are added to it. `told` hears how many are done,
/// from any thread.
///
/// # Errors
/// A model without frozen priors, a journal of another setup, a fit that cannot begin.
pub fn calibrate(setup: &Setup, journal: Option<&Path>, told: &(dyn Fn(u32) + Sync)) -> Result<Calibration> {
    let world = World::new(&setup.model, setup.groups, setup.covariates)?;
    let names = quantities(&world.specimen()?);
    let journal = journal.map(|path| Journal::open(path, setup)).transpose()?;
    let mut done: BTreeMap<u32, Replication> = journal.as_ref().map(Journal::done).unwrap_or_default();
    done.retain(|number, _| *number < setup.replications);
    let count = AtomicU32::new(done.len() as u32);
    told(count.load(Ordering::Relaxed));
    let missing: Vec<u32> = (0..setup.replications).filter(|number| !done.contains_key(number)).collect();
    let made = missing
        .into_par_iter()
        .with_max_len(1)
        .map(|number| {
            let replication = replicate(setup, &world, number)?;
            if let Some(journal) = &journal {
                journal.add(&replication)?;
            }
            told(count.fetch_add(1, Ordering::Relaxed) + 1);
            Ok(replication)
        })
        .collect::<Result<Vec<_>>>()?;
    done.extend(made.into_iter().map(|r| (r.replication, r)));
    Ok(sum_up(setup, &world, names, &done.into_values().collect::<Vec<_>>()))
}

/// Names of everything that is ranked.
fn quantities(posterior: &Posterior) -> Vec<String> {
    let name = |(name, coords): (&str, Vec<(&str, &str)>)| {
        let labels: Vec<&str> = coords.into_iter().map(|(_, label)| label).collect();
        if labels.is_empty() { name.to_owned() } else { format!("{name}[{}]", labels.join(", ")) }
    };
    posterior.schema().elements().into_iter().map(name).chain([JOINT.to_owned()]).collect()
}

fn sum_up(setup: &Setup, world: &World, names: Vec<String>, done: &[Replication]) -> Calibration {
    let uniform = Uniform::new(done.len(), DRAWS + 1);
    let gamma = uniform.gamma();
    let quantities: Vec<Quantity> = names
        .into_iter()
        .enumerate()
        .map(|(ix, name)| {
            let ranks: Vec<u32> = done.iter().map(|r| r.ranks[ix]).collect();
            let judged = uniform.judge(&ranks, gamma);
            let (deviation, outside, p_value) = (judged.deviation, judged.outside, judged.p_value);
            Quantity { name, deviation, outside, p_value, inside: outside == 0.0, ranks }
        })
        .collect();
    let least = (1.0 - COVERAGE) / quantities.len() as f64;
    Calibration {
        schema_version: 1,
        longrun_version: env!("CARGO_PKG_VERSION").to_owned(),
        setup: setup.clone(),
        priors: world.plan.spec(),
        draws: DRAWS,
        refused: done.iter().filter(|r| !r.passed).count() as u32,
        divergent: done.iter().filter(|r| r.divergences > 0).count() as u32,
        passed: quantities.iter().all(|q| q.p_value >= least),
        quantities,
    }
}

/// A truth, its customers, their posterior, and the truth's ranks.
fn replicate(setup: &Setup, world: &World, number: u32) -> Result<Replication> {
    let mut stream = Stream::new(setup.seed, Purpose::Calibration, u64::from(number), 0);
    let (_, truth) = world.specimen()?.prior_draw(&mut stream)?;
    let mut posterior = {
        let schema = world.specimen()?.schema().clone();
        let row = truth.view().insert_axis(Axis(0));
        let (natural, gamma) = (world.family.parameters_of(&schema, row)?, world.coefficients(&schema, row)?);
        let truth = Truth { natural: natural.index_axis(Axis(0), 0), gamma: gamma.row(0) };
        world.posterior_of(&truth, setup.customers, setup.seed, number)?
    };
    let settings = Settings {
        chains: setup.chains,
        warmup: setup.warmup,
        draws: setup.draws,
        shard_draws: setup.draws,
        seed: setup.seed ^ (u64::from(number) + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15),
        ..Settings::default()
    };
    let mut kept = Kept::default();
    let start = Start::at(posterior.start());
    sampler::sample(&mut posterior, &settings, &start, None, &mut kept, &mut |_| Watch::Continue)?;
    let (passed, divergences) = judge(&posterior, &kept)?;
    let rows = thinned(&kept.values);
    let likelihoods = {
        let truth = truth.view().insert_axis(Axis(0));
        // Rows of one schema have one length, so they always stack.
        let all = concatenate(Axis(0), &[rows.view(), truth]).unwrap_or_default();
        log_likelihoods(world, &mut posterior, all.view())?
    };
    let mut ties = Stream::new(setup.seed, Purpose::Calibration, u64::from(number), 1);
    let mut ranks: Vec<u32> = rows.columns().into_iter().zip(&truth).map(|(d, t)| rank(d, *t, &mut ties)).collect();
    ranks.push(rank(likelihoods.slice(ndarray::s![..DRAWS]), likelihoods[DRAWS], &mut ties));
    Ok(Replication { replication: number, ranks, passed, divergences })
}

/// How many draws lie below the truth; one that equals it does so with chance ½.
fn rank(draws: ndarray::ArrayView1<'_, f64>, truth: f64, ties: &mut Stream) -> u32 {
    draws.iter().filter(|d| **d < truth || (**d == truth && ties.uniform() < 0.5)).count() as u32
}

/// Log-likelihood of all customers under every row.
fn log_likelihoods(
    world: &World,
    posterior: &mut Posterior,
    rows: ArrayView2<'_, f64>,
) -> Result<ndarray::Array1<f64>> {
    let natural = posterior.family().parameters_of(posterior.schema(), rows)?;
    let (draws, groups, k) = natural.dim();
    let shared = world.coefficients(posterior.schema(), rows)?;
    let mut out = LikelihoodBatch::new(draws, groups, k, shared.ncols());
    posterior
        .likelihood_mut()
        .evaluate(ParamBatch { per_group: natural.view(), shared: shared.view() }, &mut out)
        .map_err(|e| crate::error::Error::new(e.what).advice(e.advice))?;
    Ok(out.log_lik)
}

/// [`DRAWS`] rows, the middles of equal stretches of all chains laid end to end.
fn thinned(values: &Array3<f64>) -> Array2<f64> {
    let (chains, draws, size) = values.dim();
    let total = chains * draws;
    Array2::from_shape_fn((DRAWS, size), |(i, element)| {
        let row = (2 * i + 1) * total / (2 * DRAWS);
        values[[row / draws, row % draws, element]]
    })
}

fn judge(posterior: &Posterior, kept: &Kept) -> Result<(bool, u64)> {
    let schema = posterior.schema();
    let per_group =
        |name: &str| schema.variables.iter().any(|v| v.name == name && v.dims.iter().any(|dim| !is_shared_dim(dim)));
    let input = FitInput {
        fit: "calibration",
        elements: &schema.elements(),
        values: kept.values.view(),
        stats: &kept.stats,
        per_group: &per_group,
        chains_per_superchain: None,
    };
    let facts = diagnose_fit(&input, &THRESHOLDS)?.facts;
    Ok((facts.verdict == Verdict::Pass, facts.divergences))
}

/// Draws in memory: all of them come as one block.
#[derive(Debug, Default)]
struct Kept {
    values: Array3<f64>,
    stats: BTreeMap<String, Array2<f64>>,
}

impl DrawSink for Kept {
    fn commit(&mut self, block: &DrawBlock<'_>, _: &Checkpoint) -> std::result::Result<(), SinkError> {
        if block.draws() > 0 {
            self.values = block.constrained.to_owned();
            self.stats = block.stats.iter().map(|(name, values)| ((*name).to_owned(), values.clone())).collect();
        }
        Ok(())
    }
}
