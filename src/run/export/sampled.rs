//! Groups of draws: the posterior and its sample statistics, warm-up's twins of both, and the prior. Shard by shard; nothing here knows
//! which file they go to.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{Array2, Array3, s};

use super::super::models;
use super::super::summarize::read_observations;
use super::super::{Observer, RunDir};
use crate::draws::{DrawStore, FitDraws};
use crate::error::Result;
use crate::export::{Attributes, Block, Blocks, CHAIN, Coordinate, DRAW, Dtype, Group, Values, Variable};
use crate::kernels::rng::{Purpose, Stream};
use crate::model::Place;
use crate::target::{LogDensity, Schema};

/// Draws from the prior that are held at once.
const PRIOR_BLOCK: usize = 100;

/// `posterior` and `sample_stats`, and `warmup_posterior` and `warmup_sample_stats` where warm-up was kept.
pub(super) fn posterior<'a>(
    store: &'a DrawStore,
    fit: &'a str,
    dims: &BTreeMap<String, String>,
    sampling: &Attributes,
) -> Result<Vec<Group<'a>>> {
    let entry = store.entry(fit)?;
    let group = |name: &str, variables: Vec<Variable>, draws: u64, blocks: Blocks<'a>| Group {
        name: name.to_owned(),
        attributes: sampling.clone(),
        coordinates: coordinates(&entry.schema, &variables, dims, entry.chains, draws as usize),
        variables,
        along: DRAW.to_owned(),
        blocks,
    };
    let variables = || parameters(&entry.schema, dims);
    // As a shard is read: by name.
    let names: BTreeSet<&String> = entry.stats.iter().collect();
    let stats = || names.iter().map(|name| variable(name, stat_dtype(name), vec![])).collect();
    let draws = entry.draws_done();
    let parameters_of = |part: Result<FitDraws>| part.map(|part| columns(&part.schema, &part.constrained));
    let stats_of = |part: Result<FitDraws>| part.map(|part| of_stats(&part));
    let mut groups = vec![
        group("posterior", variables(), draws, Box::new(store.shards(fit)?.map(parameters_of))),
        group("sample_stats", stats(), draws, Box::new(store.shards(fit)?.map(stats_of))),
    ];
    let kept = entry.warmup_kept();
    if kept > 0 {
        let (first, second) = (store.warmup_shards(fit)?, store.warmup_shards(fit)?);
        groups.push(group("warmup_posterior", variables(), kept, Box::new(first.map(parameters_of))));
        groups.push(group("warmup_sample_stats", stats(), kept, Box::new(second.map(stats_of))));
    }
    Ok(groups)
}

/// `prior`: draws from the prior, as `longrun prior` makes them; none, with a note, where a prior cannot be drawn from.
pub(super) fn prior(
    dir: &RunDir,
    fit: &str,
    dims: &BTreeMap<String, String>,
    draws: usize,
    observer: &dyn Observer,
) -> Result<Option<Group<'static>>> {
    let Some((_, plan)) = models::fits(&dir.plan).into_iter().find(|(name, _)| *name == fit).filter(|_| draws > 0)
    else {
        return Ok(None);
    };
    let posterior = models::posterior(plan, &read_observations(dir)?, &Place::CPU)?;
    let (schema, seed) = (posterior.schema().clone(), models::seed(&dir.plan, fit));
    let draw = move |draw: usize| {
        let mut stream = Stream::new(seed, Purpose::Prior, draw as u64, 0);
        posterior.prior_draw(&mut stream).map(|(_, constrained)| constrained)
    };
    if let Err(improper) = draw(0) {
        observer.note(&format!("{fit}: no prior group: {improper}"));
        return Ok(None);
    }
    let variables = parameters(&schema, dims);
    let coordinates = coordinates(&schema, &variables, dims, 1, draws);
    let blocks = (0..draws).step_by(PRIOR_BLOCK).map(move |start| {
        let end = draws.min(start + PRIOR_BLOCK);
        let mut rows = Array3::zeros((1, end - start, schema.size()));
        for (ix, d) in (start..end).enumerate() {
            rows.slice_mut(s![0, ix, ..]).assign(&draw(d)?);
        }
        Ok(columns(&schema, &rows))
    });
    Ok(Some(Group {
        name: "prior".to_owned(),
        attributes: Attributes::new(),
        coordinates,
        variables,
        along: DRAW.to_owned(),
        blocks: Box::new(blocks),
    }))
}

fn variable(name: &str, dtype: Dtype, more_dims: Vec<String>) -> Variable {
    let dims = [CHAIN, DRAW].into_iter().map(str::to_owned).chain(more_dims).collect();
    Variable { name: name.to_owned(), dims, dtype, attributes: Attributes::new() }
}

fn parameters(schema: &Schema, dims: &BTreeMap<String, String>) -> Vec<Variable> {
    let called = |dim: &String| dims.get(dim).unwrap_or(dim).clone();
    schema.variables.iter().map(|v| variable(&v.name, Dtype::F64, v.dims.iter().map(called).collect())).collect()
}

/// Chains, draws, and the dimensions that some variable has.
fn coordinates(
    schema: &Schema,
    variables: &[Variable],
    dims: &BTreeMap<String, String>,
    chains: usize,
    draws: usize,
) -> Vec<Coordinate> {
    let used = dims.iter().filter(|(_, name)| variables.iter().any(|v| v.dims.contains(name)));
    let named = used.map(|(dim, name)| Coordinate::text(name, schema.coords.get(dim).cloned().unwrap_or_default()));
    [Coordinate::counted(CHAIN, chains), Coordinate::counted(DRAW, draws)].into_iter().chain(named).collect()
}

/// Kinds of the sample statistics: shards hold them all as doubles.
fn stat_dtype(name: &str) -> Dtype {
    match name {
        "diverging" | "reached_max_treedepth" => Dtype::Bool,
        "tree_depth" | "n_steps" | "path" => Dtype::I64,
        _ => Dtype::F64,
    }
}

fn columns(schema: &Schema, constrained: &Array3<f64>) -> Block {
    let values = |range| Values::F64(constrained.slice(s![.., .., range]).iter().copied().collect());
    Block { length: constrained.dim().1, values: schema.ranges().into_iter().map(values).collect() }
}

fn of_stats(part: &FitDraws) -> Block {
    let values = |(name, values): (&String, &Array2<f64>)| match stat_dtype(name) {
        Dtype::Bool => Values::Bool(values.iter().map(|&x| x != 0.0).collect()),
        Dtype::I64 => Values::I64(values.iter().map(|&x| x as i64).collect()),
        _ => Values::F64(values.iter().copied().collect()),
    };
    Block { length: part.draws, values: part.stats.iter().map(values).collect() }
}
