//! The behaviour lens of a snapshot: customers clustered by what they did, with ids that last, an index of what each cluster is worth,
//! and words for it. What customers are worth decides nothing about who is in which cluster: the two lenses are independent.
//!
//! ```text
//! summary ─ sample (50,000 ids) ─ features, scale ─ partition (k-means, k by silhouette) ─▶ centres
//! summary ─ features, the same scale ─ nearest centre ─▶ everyone's cluster ─┬ matching (previous run) ─▶ ids
//!                                                                   value ──┴ medians, index, rank, profile ─▶ clusters
//! ```
//!
//! Equal input gives equal output for any number of threads, and in any order of rows.

mod clusters;
mod features;
mod matching;
mod partition;
mod profile;
mod sample;

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use clusters::{Cluster, IndexOf, Typical, cluster_label, write_clusters};
pub use features::{Centre, Feature};
pub use matching::{KnownCluster, PreviousClusters};
pub use partition::Silhouette;

use crate::data::Summary;
use crate::error::{Error, Result};
use crate::predict::Labelling;
use features::{Point, Scale, features, square_distance};

/// Customers among whom the clusters are looked for.
const SAMPLE: usize = 50_000;
/// The most clusters that may be asked for: nobody plans for more.
const CLUSTERS_AT_MOST: u32 = 50;

/// How many clusters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Clusters {
    /// As many of 2 to 10 as have the highest mean silhouette; as many as last time where that is higher by chance only.
    #[default]
    Auto,
    /// So many, or as many as there are distinct customers in the sample.
    Fixed(u32),
}

/// What the behaviour lens is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BehaviourSettings {
    /// How many clusters.
    pub clusters: Clusters,
    /// Decides the sample and where the search begins.
    pub seed: u64,
}

/// What the behaviour lens shows. As JSON it is everything but the customers, whose clusters are a column of their own file.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BehaviourLens {
    /// Index into `clusters`, parallel to the summary's rows. Not in the JSON.
    #[serde(skip)]
    pub of_customer: Vec<u32>,
    /// The clusters by ascending id, each with customers.
    pub clusters: Vec<Cluster>,
    /// How many clusters.
    pub k: u32,
    /// Mean silhouettes of the numbers of clusters that were tried, or of the one that was asked for.
    pub silhouettes: Vec<Silhouette>,
    /// What `clv_index` compares.
    pub index_of: IndexOf,
    /// The features that are the same for everyone, and decide nothing.
    pub left_out: Vec<Feature>,
    /// The customers among whom the clusters were looked for.
    pub sampled: u64,
    /// What the next run needs so that ids go on.
    pub for_next: PreviousClusters,
}

impl BehaviourLens {
    /// The clusters as labels of customers.
    pub fn labelling(&self) -> Labelling {
        Labelling {
            name: "cluster".into(),
            labels: self.clusters.iter().map(|cluster| cluster_label(cluster.id)).collect(),
            of_customer: self.of_customer.clone(),
        }
    }
}

/// Looks at customers by behaviour. `value` is what each is worth, parallel to the rows, and is only reported on; `previous` is
/// [`BehaviourLens::for_next`] of the last run.
///
/// # Errors
/// Values that are not one finite number per customer; numbers of clusters that make no sense.
pub fn behaviour_lens(
    summary: &Summary,
    value: &[f64],
    settings: &BehaviourSettings,
    previous: Option<&PreviousClusters>,
) -> Result<BehaviourLens> {
    check(summary, value, settings)?;
    let sample = sample::sample(&summary.customer_id, settings.seed, SAMPLE);
    let scale = Scale::of(summary, &sample);
    let place = |row: u32| scale.place(&features(summary, row as usize));
    let points: Vec<Point> = sample.par_iter().map(|&row| place(row)).collect();
    let last_k = previous.map(|previous| previous.clusters.len());
    let found = partition::partition(&points, settings.clusters, last_k, settings.seed)?;

    // The search numbers its sets as it comes upon them; from here on they are in an order of their own.
    let mut centres = features::Centre::all(summary, &sample, &found.of_point, found.k);
    let order = |a: &Point, b: &Point| a.iter().zip(b).map(|(a, b)| a.total_cmp(b)).find(|o| o.is_ne());
    centres.sort_by(|a, b| order(&a.place(&scale), &b.place(&scale)).unwrap_or(std::cmp::Ordering::Equal));
    let places: Vec<Point> = centres.iter().map(|centre| centre.place(&scale)).collect();
    let nearest: Vec<u32> =
        (0..summary.len() as u32).into_par_iter().map(|row| nearest(&place(row), &places)).collect();
    let mut members = clusters::members(&nearest, centres.len());

    // The largest first, so that the first run's ids read in that order; a centre that nobody is nearest to is none.
    let mut kept: Vec<usize> = (0..centres.len()).filter(|&c| !members[c].is_empty()).collect();
    kept.sort_by_key(|&c| std::cmp::Reverse(members[c].len()));
    let places: Vec<Point> = kept.iter().map(|&c| places[c]).collect();
    let first = PreviousClusters::default();
    let (ids, next_id) = matching::ids(&places, &scale, previous.unwrap_or(&first));
    let mut by_id: Vec<(u32, usize)> = ids.into_iter().zip(kept).collect();
    by_id.sort_unstable();

    let mut index = vec![0; centres.len()];
    by_id.iter().zip(0..).for_each(|(&(_, c), i)| index[c] = i);
    let of_customer: Vec<u32> = nearest.par_iter().map(|&c| index[c as usize]).collect();
    let known = by_id.iter().map(|&(id, c)| KnownCluster { id, centre: centres[c] }).collect();
    let members: Vec<(u32, Vec<u32>)> = by_id.iter().map(|&(id, c)| (id, std::mem::take(&mut members[c]))).collect();
    let was_there = |id: u32| previous.is_some_and(|previous| previous.clusters.iter().any(|known| known.id == id));
    let (clusters, index_of) = clusters::describe(summary, value, &members, &was_there);
    Ok(BehaviourLens {
        of_customer,
        k: clusters.len() as u32,
        clusters,
        silhouettes: found.silhouettes,
        index_of,
        left_out: scale.left_out(),
        sampled: sample.len() as u64,
        for_next: PreviousClusters { clusters: known, next_id },
    })
}

fn check(summary: &Summary, value: &[f64], settings: &BehaviourSettings) -> Result<()> {
    if summary.len() != value.len() {
        return Err(Error::new("the behaviour lens needs one value per customer").seen(format!(
            "{} customers, {} values",
            summary.len(),
            value.len()
        )));
    }
    if let Some(row) = value.iter().position(|value| !value.is_finite()) {
        return Err(Error::new("a customer's value must be a finite number")
            .at(format!("customer {}", &summary.customer_id[row]))
            .seen(value[row]));
    }
    match settings.clusters {
        Clusters::Fixed(k) if !(1..=CLUSTERS_AT_MOST).contains(&k) => {
            Err(Error::new(format!("the number of clusters must be from 1 to {CLUSTERS_AT_MOST}"))
                .seen(k)
                .advice("leave it out to have it chosen from 2 to 10"))
        }
        Clusters::Fixed(_) | Clusters::Auto => Ok(()),
    }
}

/// The centre that a point is nearest to, the first of equal ones.
#[inline]
fn nearest(point: &Point, centres: &[Point]) -> u32 {
    let mut best = (f64::INFINITY, 0);
    for (centre, i) in centres.iter().zip(0..) {
        let distance = square_distance(point, centre);
        if distance < best.0 {
            best = (distance, i);
        }
    }
    best.1
}

#[cfg(test)]
mod tests;
