//! Groups of customers: what a fit observed of each, what it took as given, and, where it is asked for, the log-likelihood of each under
//! posterior draws. The customers of a fit are in the order of `summary.parquet`, the same in every group.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde_json::json;

use super::super::RunDir;
use super::super::models;
use super::super::pointwise::Pointwise;
use super::super::summarize::read_summary;
use super::ExportSettings;
use crate::config::Plan;
use crate::data::{Observations, Summary};
use crate::draws::{DrawStore, thinned_rows};
use crate::error::{Error, Result};
use crate::export::{Attributes, Block, CHAIN, Coordinate, DRAW, Dtype, Group, Values, Variable};
use crate::model::{Role, family};

/// Dimension of the customers.
pub(super) const CUSTOMER: &str = "customer";
/// What customers' groups call their variables.
pub(super) const VARIABLES: [&str; 5] = ["frequency", "recency", "age", "monetary", "group_index"];

/// Customers that are written at once.
const AT_ONCE: usize = 1 << 16;
/// Log-likelihoods that are computed at once: 32 MB.
const LIKELIHOODS_AT_ONCE: usize = 1 << 22;
/// Log-likelihoods that nobody asks for by accident: 2 GiB.
const MOST_LIKELIHOODS: u64 = 1 << 28;

/// The customers that a fit learns from.
struct Customers {
    summary: Summary,
    /// Their rows of the summary.
    rows: Vec<usize>,
    ids: Coordinate,
    spends: bool,
    contracts: bool,
}

/// `log_likelihood` on request, `observed_data` and `constant_data` of one fit.
pub(super) fn groups<'a>(
    dir: &'a RunDir,
    store: &'a DrawStore,
    fit: &'a str,
    dims: &BTreeMap<String, String>,
    settings: &ExportSettings,
) -> Result<Vec<Group<'a>>> {
    let customers = Arc::new(customers(dir, fit)?);
    let mut groups = Vec::new();
    if settings.log_likelihood {
        groups.push(log_likelihood(dir, store, fit, &customers, settings.draws)?);
    }
    groups.push(observed(&dir.plan, &customers));
    groups.extend(constant(&customers, dims));
    Ok(groups)
}

fn customers(dir: &RunDir, fit: &str) -> Result<Customers> {
    let summary = read_summary(dir)?;
    let role = models::fits(&dir.plan).into_iter().find(|(name, _)| *name == fit).map(|(_, plan)| family(&plan.model));
    let role = role.transpose()?.map(|family| family.role);
    let spends = role == Some(Role::Spend);
    // As `Observations::read` has them.
    let rows: Vec<usize> =
        (0..summary.len()).filter(|&i| !spends || (summary.frequency[i] > 0 && summary.monetary[i] > 0.0)).collect();
    let ids = Coordinate::text(CUSTOMER, rows.iter().map(|&i| summary.customer_id[i].to_owned()).collect());
    Ok(Customers { ids, rows, summary, spends, contracts: role == Some(Role::Contract) })
}

/// The values of some customers, by their rows of the summary.
type ValuesOf = Box<dyn Fn(&[usize]) -> Values>;
/// A column of customers: its name, what it means, and its values.
type Column = (&'static str, Dtype, Attributes, ValuesOf);

fn by_customer(name: &str, customers: &Customers, more: Vec<Coordinate>, columns: Vec<Column>) -> Group<'static> {
    let variable = |(name, dtype, attributes, _): &Column| Variable {
        name: (*name).to_owned(),
        dims: vec![CUSTOMER.to_owned()],
        dtype: *dtype,
        attributes: attributes.clone(),
    };
    let variables = columns.iter().map(variable).collect();
    let rows = customers.rows.clone();
    let blocks = (0..rows.len()).step_by(AT_ONCE).map(move |start| {
        let part = &rows[start..rows.len().min(start + AT_ONCE)];
        Ok(Block { length: part.len(), values: columns.iter().map(|(_, _, _, of)| of(part)).collect() })
    });
    Group {
        name: name.to_owned(),
        attributes: Attributes::new(),
        coordinates: std::iter::once(customers.ids.clone()).chain(more).collect(),
        variables,
        along: CUSTOMER.to_owned(),
        blocks: Box::new(blocks),
    }
}

fn observed(plan: &Plan, customers: &Arc<Customers>) -> Group<'static> {
    let words = |symbol: &str, meaning: &str, units: String| {
        let pairs = [("symbol", symbol.to_owned()), ("long_name", meaning.to_owned()), ("units", units)];
        pairs.into_iter().map(|(key, text)| (key.to_owned(), json!(text))).collect::<Attributes>()
    };
    let of = |pick: fn(&Summary, usize) -> f64| -> ValuesOf {
        let customers = Arc::clone(customers);
        Box::new(move |rows| Values::F64(rows.iter().map(|&i| pick(&customers.summary, i)).collect()))
    };
    let counts = Arc::clone(customers);
    let count =
        move |rows: &[usize]| Values::I64(rows.iter().map(|&i| i64::from(counts.summary.frequency[i])).collect());
    let unit = format!("time units of {} days", plan.data.time_unit_days);
    let what = if customers.contracts { ("renewals", "renewals") } else { ("repeat purchases", "purchases") };
    let mut columns: Vec<Column> =
        vec![("frequency", Dtype::I64, words("x", what.0, what.1.to_owned()), Box::new(count))];
    if customers.spends {
        let meaning = words("m", "mean spend per repeat purchase", plan.data.currency.clone());
        columns.push(("monetary", Dtype::F64, meaning, of(|s, i| s.monetary[i])));
    } else {
        if !customers.contracts {
            let meaning = words("t_x", "time of the last purchase since the first", unit.clone());
            columns.push(("recency", Dtype::F64, meaning, of(|s, i| s.recency[i])));
        }
        let meaning = words("T", "time from the first purchase to the end of calibration", unit);
        columns.push(("age", Dtype::F64, meaning, of(|s, i| s.age[i])));
    }
    by_customer("observed_data", customers, vec![], columns)
}

/// Which group each customer belongs to; none without groups.
fn constant(customers: &Arc<Customers>, dims: &BTreeMap<String, String>) -> Option<Group<'static>> {
    let groups = &customers.summary.groups;
    let column = groups.column.as_ref()?;
    let dim = dims.get(column).unwrap_or(column);
    let attributes = Attributes::from_iter([
        ("dimension".to_owned(), json!(dim)),
        ("long_name".to_owned(), json!(format!("index of the customer's {column} along {dim}"))),
    ]);
    let of = Arc::clone(customers);
    let index = move |rows: &[usize]| Values::I64(rows.iter().map(|&i| i64::from(of.summary.group[i])).collect());
    let labels = vec![Coordinate::text(dim, groups.labels.clone())];
    let columns: Vec<Column> = vec![("group_index", Dtype::I64, attributes, Box::new(index))];
    Some(by_customer("constant_data", customers, labels, columns))
}

/// Draws of each chain under which the log-likelihood of `count` customers is taken: as many of every chain.
fn per_chain(chains: usize, done: usize, count: usize, wanted: Option<usize>) -> Result<usize> {
    if let Some(n) = wanted {
        return Ok((n / chains).clamp(1, done.max(1)));
    }
    let values = chains as u64 * done as u64 * count as u64;
    if values <= MOST_LIKELIHOODS {
        return Ok(done);
    }
    let fitting = (MOST_LIKELIHOODS / count.max(1) as u64).clamp(chains as u64, 1000.max(chains as u64));
    Err(Error::new(format!(
        "the log-likelihood of {count} customers under {} draws would take {:.1} GiB",
        chains * done,
        values as f64 * 8.0 / f64::from(1 << 30)
    ))
    .advice(format!("thin the draws, as with --draws {fitting}; leave-one-out rarely needs more than 1000")))
}

fn log_likelihood<'a>(
    dir: &RunDir,
    store: &'a DrawStore,
    fit: &'a str,
    customers: &Customers,
    draws: Option<usize>,
) -> Result<Group<'a>> {
    if !dir.plan.sampler.kind.samples() {
        return Err(Error::new("leave-one-out needs samples of the posterior, and so does its log-likelihood")
            .at(dir.root().display())
            .seen(format!("sampler.kind = \"{}\"", dir.plan.sampler.kind.key()))
            .advice("fit it with nuts or chees"));
    }
    let entry = store.entry(fit)?;
    let (chains, done) = (entry.chains, entry.draws_done() as usize);
    let count = customers.rows.len();
    let per_chain = per_chain(chains, done, count, draws).map_err(|e| e.at(dir.root().display()))?;
    let n = chains * per_chain;
    let places = thinned_rows(chains, done, n);
    // Equal numbers of every chain lie at the same draws of each.
    let draw_of: Vec<i64> = places[..per_chain].iter().map(|(_, draw)| *draw as i64).collect();
    let plan = models::fits(&dir.plan).into_iter().find(|(name, _)| *name == fit).map(|(_, plan)| plan);
    let plan = plan.ok_or_else(|| Error::new(format!("the plan has no fit `{fit}`")))?;
    let observed = Observations::read(dir.root(), false)?;
    let mut pointwise = Pointwise::new(plan, &observed, &entry.schema, store.thinned(fit, n)?.view())?;
    let step = (LIKELIHOODS_AT_ONCE / n).max(1);
    let blocks = (0..count).step_by(step).map(move |start| {
        let rows: Range<usize> = start..count.min(start + step);
        let log_lik = pointwise.of(rows.clone())?;
        Ok(Block { length: rows.len(), values: vec![Values::F64(log_lik.into_iter().collect())] })
    });
    Ok(Group {
        name: "log_likelihood".to_owned(),
        attributes: Attributes::new(),
        coordinates: vec![
            Coordinate::counted(CHAIN, chains),
            Coordinate { dim: DRAW.to_owned(), labels: Arc::new(Values::I64(draw_of)) },
            customers.ids.clone(),
        ],
        variables: vec![Variable {
            name: fit.to_owned(),
            dims: [CHAIN, DRAW, CUSTOMER].into_iter().map(str::to_owned).collect(),
            dtype: Dtype::F64,
            attributes: Attributes::new(),
        }],
        along: CUSTOMER.to_owned(),
        blocks: Box::new(blocks),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_fill_a_disk_is_asked_for_by_number() {
        assert_eq!(per_chain(4, 1000, 23_570, None).unwrap(), 1000);
        assert_eq!(per_chain(4, 1000, 23_570, Some(402)).unwrap(), 100);
        assert_eq!(per_chain(64, 1000, 10, Some(3)).unwrap(), 1);
        assert_eq!(per_chain(4, 100, 10, Some(10_000)).unwrap(), 100);
        let error = per_chain(4, 1000, 1_000_000, None).unwrap_err().to_string();
        assert!(error.contains("29.8 GiB") && error.contains("--draws 268"), "{error}");
        assert_eq!(per_chain(4, 1000, 1_000_000, Some(4000)).unwrap(), 1000);
    }
}
