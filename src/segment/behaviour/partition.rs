//! Points into k sets: k-means by `smartcore` from several beginnings, the best of them kept, and k by mean silhouette (Rousseeuw
//! 1987, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis") unless it is given.
//!
//! Equal points give equal sets for any number of threads: every beginning has a seed by address, and results are compared in order.

use std::collections::HashSet;

use rand::TryRng;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use smartcore::cluster::kmeans::{KMeans, KMeansParameters};
use smartcore::linalg::basic::matrix::DenseMatrix;

use super::Clusters;
use super::features::{FEATURES, Point, square_distance};
use crate::error::{Error, Result};
use crate::kernels::rng::{Purpose, Stream};

/// Beginnings per k.
const RESTARTS: u32 = 8;
/// Iterations per beginning at most; the library stops when the sum of squares no longer falls.
const ITERATIONS: usize = 100;
/// Points that k is chosen on: every k is fitted to them.
const CHOOSE_ON: usize = 10_000;
/// Points that silhouettes are taken of: their price is the square of it.
const SILHOUETTES_OF: usize = 2_000;
/// The fewest and the most clusters that are tried.
const TRIED: std::ops::RangeInclusive<usize> = 2..=10;

/// How well k clusters are kept apart.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Silhouette {
    /// Clusters.
    pub k: u32,
    /// Mean silhouette, from −1 to 1; the higher, the nearer customers are to their own cluster than to the next.
    pub mean: f64,
}

/// The points' sets.
pub(super) struct Partition {
    /// Index of each point's set; no set is empty.
    pub(super) of_point: Vec<u32>,
    /// How many sets.
    pub(super) k: usize,
    /// Of every k that was tried, in order; none of k = 1.
    pub(super) silhouettes: Vec<Silhouette>,
}

/// Sets of `points`, which come in random order. Fewer distinct points than clusters give as many clusters as there are points.
///
/// `last_k`, where k is not given, stays unless another is better by more than chance: a picture that has eight clusters today and five
/// in a fortnight, for a hundredth of a silhouette, is of no use to anyone.
pub(super) fn partition(points: &[Point], clusters: Clusters, last_k: Option<usize>, seed: u64) -> Result<Partition> {
    let few = &points[..points.len().min(CHOOSE_ON)];
    let tried: Vec<usize> = match clusters {
        Clusters::Auto => TRIED.take_while(|&k| distinct(few, k) == k).collect(),
        Clusters::Fixed(k) => vec![distinct(points, k as usize)],
    };
    let fits: Vec<Vec<u32>> = match clusters {
        Clusters::Auto => tried.par_iter().map(|&k| k_means(few, k, seed)).collect::<Result<_>>()?,
        Clusters::Fixed(_) => tried.iter().map(|&k| k_means(points, k, seed)).collect::<Result<_>>()?,
    };
    let of_points = silhouettes(&few[..few.len().min(SILHOUETTES_OF)], &fits);
    let mean = |of_points: &[f64]| of_points.iter().sum::<f64>() / of_points.len().max(1) as f64;
    let several = || tried.iter().zip(&of_points).filter(|(k, _)| **k > 1);
    let silhouettes = several().map(|(&k, of_points)| Silhouette { k: k as u32, mean: mean(of_points) }).collect();
    // The first of equal ones: fewer clusters.
    let highest = several().rev().max_by(|a, b| mean(a.1).total_cmp(&mean(b.1)));
    let last = several().find(|(k, _)| Some(**k) == last_k);
    let stays = |highest: &(&usize, &Vec<f64>)| last.filter(|last| !surely_higher(highest.1, last.1));
    let best = highest.map_or(1, |highest| *stays(&highest).unwrap_or(highest).0);
    let fitted = fits.into_iter().zip(&tried).find(|(fit, k)| **k == best && fit.len() == points.len());
    let of_point = fitted.map_or_else(|| k_means(points, best, seed), |(fit, _)| Ok(fit))?;
    let k = of_point.iter().max().map_or(0, |&last| last as usize + 1);
    Ok(Partition { of_point, k, silhouettes })
}

/// How many distinct points there are, counted up to `most`.
fn distinct(points: &[Point], most: usize) -> usize {
    let mut seen = HashSet::new();
    for point in points {
        if seen.len() == most {
            break;
        }
        seen.insert(point.map(f64::to_bits));
    }
    seen.len()
}

/// The sets with the least sum of squares among all beginnings, numbered without gaps.
fn k_means(points: &[Point], k: usize, seed: u64) -> Result<Vec<u32>> {
    if k < 2 {
        return Ok(vec![0; points.len()]);
    }
    let failed = |cause: String| Error::new("could not cluster the customers").seen(cause);
    let values = points.as_flattened().to_vec();
    let matrix = DenseMatrix::new(points.len(), FEATURES, values, false).map_err(|cause| failed(cause.to_string()))?;
    let begin = |restart: u32| -> Result<(f64, Vec<u32>)> {
        let Ok(start) = Stream::new(seed, Purpose::Clustering, k as u64, 1 + restart).try_next_u64();
        let parameters = KMeansParameters { k, max_iter: ITERATIONS, seed: Some(start) };
        let fit = KMeans::<f64, u32, DenseMatrix<f64>, Vec<u32>>::fit(&matrix, parameters);
        let of_point = fit.and_then(|fit| fit.predict(&matrix)).map_err(|cause| failed(cause.to_string()))?;
        let of_point = without_gaps(of_point, k);
        Ok((sum_of_squares(points, &of_point, k), of_point))
    };
    let ended: Vec<_> = (0..RESTARTS).into_par_iter().map(begin).collect::<Result<_>>()?;
    let best = ended.into_iter().min_by(|a, b| a.0.total_cmp(&b.0));
    Ok(best.map_or_else(Vec::new, |(_, of_point)| of_point))
}

/// Sets that nobody is in lose their number.
fn without_gaps(mut of_point: Vec<u32>, k: usize) -> Vec<u32> {
    let mut number = vec![None; k];
    let mut next = 0;
    for set in &mut of_point {
        *set = *number[*set as usize].get_or_insert_with(|| {
            next += 1;
            next - 1
        });
    }
    of_point
}

/// Squared distances of the points from the means of their sets.
fn sum_of_squares(points: &[Point], of_point: &[u32], k: usize) -> f64 {
    let mut means = vec![([0.0; FEATURES], 0.0); k];
    for (point, &set) in points.iter().zip(of_point) {
        let (mean, count) = &mut means[set as usize];
        mean.iter_mut().zip(point).for_each(|(mean, v)| *mean += v);
        *count += 1.0;
    }
    let means: Vec<Point> = means.into_iter().map(|(sum, count)| sum.map(|v| v / count)).collect();
    points.iter().zip(of_point).map(|(point, &set)| square_distance(point, &means[set as usize])).sum()
}

/// Whether the mean of `a` is above that of `b`, the same points' other silhouettes, by more than two standard errors of the difference.
fn surely_higher(a: &[f64], b: &[f64]) -> bool {
    let n = a.len() as f64;
    let differences = || a.iter().zip(b).map(|(a, b)| a - b);
    let mean = differences().sum::<f64>() / n;
    let variance = differences().map(|d| (d - mean) * (d - mean)).sum::<f64>() / n;
    mean > 2.0 * (variance / n).sqrt()
}

/// The silhouettes of `points` under each of the partitions, whose further points are not looked at. A point alone in its set has
/// silhouette 0, and so has every point where there is one set only.
fn silhouettes(points: &[Point], partitions: &[Vec<u32>]) -> Vec<Vec<f64>> {
    let sizes = |of_point: &Vec<u32>| {
        let mut sizes = vec![0.0_f64; of_point.iter().max().map_or(0, |&last| last as usize + 1)];
        of_point[..points.len()].iter().for_each(|&set| sizes[set as usize] += 1.0);
        sizes
    };
    let sizes: Vec<Vec<f64>> = partitions.iter().map(sizes).collect();
    let of_one = |i: usize| -> Vec<f64> {
        let distances: Vec<f64> = points.iter().map(|other| square_distance(&points[i], other).sqrt()).collect();
        let silhouette = |(of_point, sizes): (&Vec<u32>, &Vec<f64>)| {
            let mut sums = vec![0.0; sizes.len()];
            distances.iter().zip(of_point).for_each(|(distance, &set)| sums[set as usize] += distance);
            let own = of_point[i] as usize;
            if sizes[own] < 2.0 {
                return 0.0;
            }
            let others = (0..sizes.len()).filter(|&set| set != own && sizes[set] > 0.0);
            let nearest = others.map(|set| sums[set] / sizes[set]).fold(f64::INFINITY, f64::min);
            let within = sums[own] / (sizes[own] - 1.0);
            let wider = within.max(nearest);
            if nearest.is_finite() && wider > 0.0 { (nearest - within) / wider } else { 0.0 }
        };
        partitions.iter().zip(&sizes).map(silhouette).collect()
    };
    let of_all: Vec<Vec<f64>> = (0..points.len()).into_par_iter().map(of_one).collect();
    (0..partitions.len()).map(|which| of_all.iter().map(|one| one[which]).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn on_a_line(places: &[f64]) -> Vec<Point> {
        places.iter().map(|&v| [v, 0.0, 0.0, 0.0, 0.0, 0.0]).collect()
    }

    /// From the definition: points 0, 1 against 4, 6. Of 0: within 1, nearest 5, 4/5. Of 1: 1, 4, 3/4. Of 4: 2, 3.5, 3/7. Of 6: 2, 5.5,
    /// 7/11.
    #[test]
    fn silhouettes_are_those_of_the_definition() {
        let points = on_a_line(&[0.0, 1.0, 4.0, 6.0]);
        let partitions = [vec![0, 0, 1, 1], vec![0, 0, 0, 0], vec![0, 1, 2, 3], vec![0, 0, 1, 2]];
        let seen = silhouettes(&points, &partitions);
        let expected = [
            (0.8 + 0.75 + 3.0 / 7.0 + 7.0 / 11.0) / 4.0,
            0.0,
            0.0,
            // 0: within 1, nearest 4; 1: within 1, nearest 3; the others are alone.
            (0.75 + 2.0 / 3.0) / 4.0,
        ];
        for (seen, expected) in seen.iter().zip(expected) {
            let seen = seen.iter().sum::<f64>() / 4.0;
            assert!((seen - expected).abs() < 1e-15, "{seen} {expected}");
        }
    }

    /// All 2^7 partitions of eight points into two sets, against the search.
    #[test]
    fn the_library_finds_the_least_sum_of_squares() {
        let points: Vec<Point> =
            (0..8).map(|i| [f64::from(i * 5 % 8), f64::from(i * i % 7), 0.0, 0.0, 0.0, 1.0]).collect();
        let all = (1..128u32).map(|bits| (0..8).map(|i| bits >> i & 1).collect::<Vec<u32>>());
        let least = all.map(|sets| sum_of_squares(&points, &sets, 2)).fold(f64::INFINITY, f64::min);
        let found = k_means(&points, 2, 1).unwrap();
        assert!((sum_of_squares(&points, &found, 2) - least).abs() < 1e-12);
    }

    #[test]
    fn fewer_distinct_points_than_clusters_give_fewer_clusters() {
        for (places, k, expected) in [
            (vec![], 3, 0),
            (vec![1.0], 3, 1),
            (vec![1.0; 50], 3, 1),
            ([1.0, 2.0].repeat(20), 5, 2),
            ([1.0, 2.0, 9.0].repeat(20), 3, 3),
            ([1.0, 2.0, 9.0].repeat(20), 10, 3),
        ] {
            let found = partition(&on_a_line(&places), Clusters::Fixed(k), None, 3).unwrap();
            assert_eq!((found.k, found.of_point.len()), (expected, places.len()), "{places:?}");
            assert!((0..expected as u32).all(|set| found.of_point.contains(&set)));
            assert_eq!(found.silhouettes.len(), usize::from(expected > 1));
            let chosen = partition(&on_a_line(&places), Clusters::Auto, Some(2), 3).unwrap();
            assert!(chosen.k <= expected, "{places:?}");
        }
    }

    #[test]
    fn k_is_where_silhouettes_are_highest() {
        let places: Vec<f64> = (0..300).map(|i| f64::from(i % 3) * 10.0 + f64::from(i * 37 % 100) / 100.0).collect();
        let found = partition(&on_a_line(&places), Clusters::Auto, None, 5).unwrap();
        assert_eq!(found.k, 3);
        // Last time's number does not stand in the way of one that is better by far.
        assert_eq!(partition(&on_a_line(&places), Clusters::Auto, Some(7), 5).unwrap().k, 3);
        assert_eq!(found.silhouettes.iter().map(|s| s.k).collect::<Vec<_>>(), (2..=10).collect::<Vec<_>>());
        assert!((0..300).all(|i| found.of_point[i] == found.of_point[i % 3]));
    }

    /// Places without any sets: one number is as good as another, so the last one stays.
    #[test]
    fn k_stays_where_others_are_better_by_chance_only() {
        let mut stream = Stream::new(5, Purpose::Test, 0, 0);
        let points: Vec<Point> = (0..1500).map(|_| std::array::from_fn(|_| stream.normal())).collect();
        let of_last = |last_k| partition(&points, Clusters::Auto, last_k, 5).unwrap();
        let first = of_last(None);
        let mean = |k: usize| first.silhouettes[k - 2].mean;
        // Of the others, the one that comes nearest.
        let next = (2..=10).filter(|&k| k != first.k).max_by(|&a, &b| mean(a).total_cmp(&mean(b))).unwrap();
        assert!(mean(next) < mean(first.k));
        assert_eq!((of_last(Some(next)).k, of_last(Some(first.k)).k, of_last(Some(40)).k), (next, first.k, first.k));
    }

    /// Differences 0.1 and 0.3 by turns: mean 0.2, standard deviation 0.1; of four, two standard errors are 0.1.
    #[test]
    fn chance_is_two_standard_errors_of_the_difference() {
        assert!(surely_higher(&[0.5, 0.7, 0.5, 0.7], &[0.4, 0.4, 0.4, 0.4]));
        assert!(!surely_higher(&[0.5, 0.3], &[0.4, 0.4]) && !surely_higher(&[0.4; 3], &[0.4; 3]));
        // Mean 0.1, standard deviation 0.3; of eight, two standard errors are 0.21.
        let swinging: Vec<f64> = [0.4, -0.2, 0.4, -0.2, 0.4, -0.2, 0.4, -0.2].into();
        assert!(!surely_higher(&swinging, &[0.0; 8]));
    }

    #[test]
    fn sets_without_points_lose_their_number() {
        assert_eq!(without_gaps(vec![4, 4, 0, 2, 0], 6), [0, 0, 1, 2, 1]);
    }
}
