//! What is said of clusters once it is settled who is in which: sizes, typical customers, what they are worth, and the CSV of it.

use std::path::Path;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::BehaviourLens;
use super::profile::{Usual, profiles};
use crate::data::Summary;
use crate::error::Result;
use crate::segment::csv_file::{self, cell, header};

/// What `clv_index` compares.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum IndexOf {
    /// The cluster's median value with that of all customers.
    #[default]
    Median,
    /// The means, because the median of all customers is 0.
    Mean,
}

impl IndexOf {
    fn name(self) -> &'static str {
        match self {
            Self::Median => "median",
            Self::Mean => "mean",
        }
    }
}

/// A typical customer: medians, in the summary's units.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Typical {
    /// Repeat purchases.
    pub frequency: f64,
    /// Time since the last purchase, time units.
    pub recency_gap: f64,
    /// Time since the first purchase, time units.
    pub age: f64,
    /// Mean time between purchases of those with a repeat purchase, time units; null without any.
    pub purchase_gap: Option<f64>,
    /// Mean spend per repeat purchase of those with one, currency; null without any.
    pub spend: Option<f64>,
    /// Share of those who bought once (no median).
    pub bought_once: f64,
}

/// A cluster of customers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Cluster {
    /// Its name from run to run, never given to another.
    pub id: u32,
    /// Whether the last run did not have it; so is every cluster of a first run.
    pub is_new: bool,
    /// What its customers are like, in words; no two clusters of a run have the same.
    pub profile: String,
    /// Customers in it.
    pub customers: u64,
    /// Share of all customers.
    pub share: f64,
    /// Median value of its customers.
    pub median_value: f64,
    /// Mean value of its customers.
    pub mean_value: f64,
    /// 100 times its median value over that of all customers, or its mean over theirs where their median is 0; null where that is 0 too.
    pub clv_index: Option<f64>,
    /// 1 for the highest index; ties by mean value, then by id.
    pub rank: u32,
    /// Its typical customer.
    pub centre: Typical,
}

/// What a cluster is called as a label.
pub fn cluster_label(id: u32) -> String {
    format!("Cluster {id}")
}

/// The rows of each of `k` clusters, ascending.
pub(super) fn members(of_customer: &[u32], k: usize) -> Vec<Vec<u32>> {
    let mut sizes = vec![0; k];
    of_customer.iter().for_each(|&c| sizes[c as usize] += 1);
    let mut members: Vec<Vec<u32>> = sizes.into_iter().map(Vec::with_capacity).collect();
    of_customer.iter().zip(0..).for_each(|(&c, row)| members[c as usize].push(row));
    members
}

/// The clusters of these (id, rows), in their order.
pub(super) fn describe(
    summary: &Summary,
    value: &[f64],
    clusters: &[(u32, Vec<u32>)],
    was_there: &dyn Fn(u32) -> bool,
) -> (Vec<Cluster>, IndexOf) {
    let everyone: Vec<u32> = (0..summary.len() as u32).collect();
    let worth: Vec<Worth> = clusters.par_iter().map(|(_, rows)| Worth::of(value, rows)).collect();
    let typical: Vec<Typical> = clusters.par_iter().map(|(_, rows)| Typical::of(summary, rows)).collect();
    let usual = Usual::of(summary, Typical::of(summary, &everyone));
    let all = Worth {
        median: median(everyone.par_iter().map(|&row| value[row as usize]).collect()).unwrap_or(0.0),
        total: worth.iter().map(|worth| worth.total).sum(),
        customers: summary.len() as f64,
    };

    let index_of = if all.median > 0.0 { IndexOf::Median } else { IndexOf::Mean };
    let index = |worth: &Worth| match index_of {
        IndexOf::Median => Some(100.0 * worth.median / all.median),
        IndexOf::Mean => (all.mean() > 0.0).then(|| 100.0 * worth.mean() / all.mean()),
    };
    let mut by_rank: Vec<usize> = (0..clusters.len()).collect();
    let key = |&i: &usize| (index(&worth[i]).unwrap_or(0.0), worth[i].mean());
    by_rank.sort_by(|a, b| key(b).0.total_cmp(&key(a).0).then(key(b).1.total_cmp(&key(a).1)));
    let mut rank = vec![0; clusters.len()];
    by_rank.iter().zip(1..).for_each(|(&i, place)| rank[i] = place);

    let ids: Vec<u32> = clusters.iter().map(|(id, _)| *id).collect();
    let rows = profiles(&ids, &typical, &usual).into_iter().enumerate().map(|(i, profile)| Cluster {
        id: ids[i],
        is_new: !was_there(ids[i]),
        profile,
        customers: clusters[i].1.len() as u64,
        share: worth[i].customers / all.customers,
        median_value: worth[i].median,
        mean_value: worth[i].mean(),
        clv_index: index(&worth[i]),
        rank: rank[i],
        centre: typical[i],
    });
    (rows.collect(), index_of)
}

/// What some customers are worth.
struct Worth {
    median: f64,
    total: f64,
    customers: f64,
}

impl Worth {
    fn of(value: &[f64], rows: &[u32]) -> Self {
        let mut values: Vec<f64> = rows.iter().map(|&row| value[row as usize]).collect();
        // Added up in order of size, so that the sum does not depend on the order of the rows.
        values.par_sort_unstable_by(f64::total_cmp);
        let total = values.iter().sum();
        Self { median: median(values).unwrap_or(0.0), total, customers: rows.len() as f64 }
    }

    fn mean(&self) -> f64 {
        if self.customers > 0.0 { self.total / self.customers } else { 0.0 }
    }
}

/// The middle value, or the mean of the middle two.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    let middle = values.len() / 2;
    if values.is_empty() {
        return None;
    }
    let odd = values.len() % 2 == 1;
    let (below, &mut upper, _) = values.select_nth_unstable_by(middle, f64::total_cmp);
    let lower = if odd { upper } else { below.iter().copied().fold(f64::NEG_INFINITY, f64::max) };
    Some((lower + upper) / 2.0)
}

impl Typical {
    fn of(summary: &Summary, rows: &[u32]) -> Self {
        let again = || rows.iter().map(|&row| row as usize).filter(|&row| summary.frequency[row] > 0);
        let all = |figure: &dyn Fn(usize) -> f64| median(rows.iter().map(|&row| figure(row as usize)).collect());
        Self {
            frequency: all(&|row| f64::from(summary.frequency[row])).unwrap_or(0.0),
            recency_gap: all(&|row| summary.age[row] - summary.recency[row]).unwrap_or(0.0),
            age: all(&|row| summary.age[row]).unwrap_or(0.0),
            purchase_gap: median(again().map(|row| summary.recency[row] / f64::from(summary.frequency[row])).collect()),
            spend: median(again().map(|row| summary.monetary[row]).collect()),
            bought_once: 1.0 - again().count() as f64 / rows.len().max(1) as f64,
        }
    }
}

const COLUMNS: [&str; 16] = [
    "id",
    "is_new",
    "profile",
    "customers",
    "share",
    "median_value",
    "mean_value",
    "clv_index",
    "index_of",
    "rank",
    "frequency",
    "recency_gap",
    "age",
    "purchase_gap",
    "spend",
    "bought_once",
];

/// Writes the table of clusters at `path`, beside first and then renamed. What does not exist is empty.
///
/// # Errors
/// A path that cannot be written to.
pub fn write_clusters(path: &Path, lens: &BehaviourLens) -> Result<()> {
    let record = |cluster: &Cluster| {
        vec![
            cluster.id.to_string(),
            cluster.is_new.to_string(),
            cluster.profile.clone(),
            cluster.customers.to_string(),
            cluster.share.to_string(),
            cluster.median_value.to_string(),
            cluster.mean_value.to_string(),
            cell(cluster.clv_index),
            lens.index_of.name().to_owned(),
            cluster.rank.to_string(),
            cluster.centre.frequency.to_string(),
            cluster.centre.recency_gap.to_string(),
            cluster.centre.age.to_string(),
            cell(cluster.centre.purchase_gap),
            cell(cluster.centre.spend),
            cluster.centre.bought_once.to_string(),
        ]
    };
    csv_file::write(path, "clusters file", std::iter::once(header(&COLUMNS)).chain(lens.clusters.iter().map(record)))
}
