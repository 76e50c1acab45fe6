//! The device's quantiles against a sort on the host, of simulated futures and of samples made to be awkward.

use super::*;
use crate::rng::{Purpose, Stream};

/// The definitions, on a sorted sample.
fn sorted_quantiles(mut counts: Vec<u32>, mut values: Vec<f32>) -> ([u32; 5], [f64; 5]) {
    counts.sort_unstable();
    values.sort_unstable_by(f32::total_cmp);
    let n = counts.len();
    let count = |q: f64| counts[((q * n as f64 - 1e-9).ceil().max(1.0) as usize).min(n) - 1];
    let value = |q: f64| {
        let place = q * (n - 1) as f64;
        let (from, to) = (values[place as usize], values[(place as usize + 1).min(n - 1)]);
        f64::from(from) + place.fract() * (f64::from(to) - f64::from(from))
    };
    (PROBABILITIES.map(count), PROBABILITIES.map(value))
}

#[track_caller]
fn agrees(what: &str, future: &Future, counts: Vec<u32>, values: Vec<f32>) {
    let (of_counts, of_values) = sorted_quantiles(counts, values);
    assert_eq!(future.purchases, of_counts, "{what}");
    for (seen, expected) in future.value.iter().zip(of_values) {
        // One f32 interpolation between the same two order statistics.
        assert!((seen - expected).abs() <= 2e-7 * expected, "{what}: {seen} {expected}");
    }
}

#[test]
fn quantiles_are_those_of_a_sort() {
    let Some(device) = device() else { return };
    for draws in [1, 2, 3, 19, 64, 500, 1001, 4096] {
        let (purchase, spend) = (everywhere(draws, 2, BG_NBD), everywhere(draws, 2, GAMMA_GAMMA));
        let mut gpu = gpu(&device, &purchase, Some(&spend), &months(&[1.0, 0.99, 0.98]));
        let mut customers = shop(5, 2);
        customers.push(customer(1, 3, 29.0, 30.0, 40.0));
        customers.push(customer(2, 100_000, 52.0, 52.0, 1e6));
        gpu.submit(&customers, &[]).expect("submitted");
        for (i, future) in gpu.collect().expect("collected").iter().enumerate() {
            let (counts, values) = gpu.futures_of(i);
            agrees(&format!("{draws} draws, customer {i}"), future, counts, values);
        }
    }
}

/// Ties, clusters beside outliers, more keys in one bin than are ranked at once.
#[test]
fn awkward_samples_are_selected_exactly() {
    let Some(device) = device() else { return };
    let draws = 4096;
    let (purchase, spend) = (everywhere(draws, 1, BG_NBD), everywhere(draws, 1, GAMMA_GAMMA));
    let mut gpu = gpu(&device, &purchase, Some(&spend), &months(&[1.0]));
    gpu.submit(&[customer(1, 3, 29.0, 30.0, 40.0)], &[]).expect("submitted");
    gpu.collect().expect("collected");
    let sample = |of: &dyn Fn(usize, f64) -> f64| -> Vec<f64> {
        (0..draws).map(|i| of(i, Stream::new(8, Purpose::Test, i as u64, 0).uniform())).collect()
    };
    let samples = [
        ("all equal", sample(&|_, _| 7.0)),
        ("all zero", sample(&|_, _| 0.0)),
        ("one in a thousand is not zero", sample(&|_, u| if u < 1e-3 { 1e3 * u } else { 0.0 })),
        ("a cluster and one far away", sample(&|i, u| if i == 17 { 1e27 } else { 100.0 + u })),
        ("two clusters", sample(&|i, u| if i % 3 == 0 { 1e-6 * (1.0 + 1e-4 * u) } else { 3e5 + (9.0 * u).floor() })),
        ("ties", sample(&|_, u| (5.0 * u).floor() * 1000.0)),
        ("one of each", sample(&|i, _| i as f64 + 1.0)),
        ("from one to the largest", sample(&|_, u| (16_777_215.0 * u).max(1.0))),
    ];
    for (what, sample) in samples {
        let counts: Vec<u32> = sample.iter().map(|x| (*x).min(f64::from(MAX_PURCHASES)) as u32).collect();
        let values: Vec<f32> = sample.iter().map(|x| *x as f32).collect();
        let future = gpu.summary_of(&counts, &values);
        let n = draws as f64;
        let mean = values.iter().map(|v| f64::from(*v)).sum::<f64>() / n;
        let squares = values.iter().map(|v| (f64::from(*v) - mean).powi(2)).sum::<f64>();
        let (sd, largest) = ((squares / (n - 1.0)).sqrt(), sample.iter().fold(0.0, |a: f64, b| a.max(*b)));
        assert!((future.value_mean - mean).abs() <= 5e-6 * mean, "{what}: {} {mean}", future.value_mean);
        // A spread far below the mean is a difference of rounded numbers.
        assert!(
            (future.value_sd - sd).abs() <= 1e-5 * sd + 1e-6 * largest.min(mean),
            "{what}: {} {sd}",
            future.value_sd
        );
        agrees(what, &future, counts, values);
    }
}
