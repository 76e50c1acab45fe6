//! Chunks, batches and labels change no future; totals are the sums of the futures.

use ndarray::Array2;

use super::*;

fn population(draws: usize, groups: usize) -> (Array3<f64>, Array3<f64>) {
    let around = |centre: f64, i: usize| centre * (1.0 + 0.2 * (i as f64).sin());
    (
        Array3::from_shape_fn((draws, groups, 4), |(d, g, k)| around(BG_NBD[k], d * 7 + g * 3 + k)),
        Array3::from_shape_fn((draws, groups, 3), |(d, g, k)| around(GAMMA_GAMMA[k], d * 5 + g * 11 + k)),
    )
}

/// Submits in pieces of `piece` and collects one behind.
fn predict(gpu: &mut Gpu, customers: &[Customer], labels: &[u32], piece: usize) -> Vec<Future> {
    let per = labels.len() / customers.len().max(1);
    let mut futures = Vec::new();
    for (i, chunk) in customers.chunks(piece).enumerate() {
        gpu.submit(chunk, &labels[i * piece * per..][..chunk.len() * per]).expect("submitted");
        if i > 0 {
            futures.extend(gpu.collect().expect("collected"));
        }
    }
    if !customers.is_empty() {
        futures.extend(gpu.collect().expect("collected"));
    }
    futures
}

#[test]
fn a_customer_knows_nothing_of_chunk_batch_or_labels() {
    let Some(device) = device() else { return };
    let (purchase, spend) = population(150, 3);
    let customers = shop(500, 3);
    let labels: Vec<u32> = (0..500).flat_map(|i| [0, i % 7]).collect();
    let horizon = months(&[0.99; 12]);
    let population = Population { purchase: purchase.view(), spend: Some(spend.view()) };
    let new = |labels: &[usize]| Gpu::new(&device, population, &horizon, 5, labels).expect("the device works");
    let together = predict(&mut new(&[1, 7]), &customers, &labels, 500);
    assert_eq!(together, predict(&mut new(&[1, 7]), &customers, &labels, 500), "run again");
    assert_eq!(together, predict(&mut new(&[1, 7]), &customers, &labels, 33), "in pieces");
    assert_eq!(together, predict(&mut new(&[]), &customers, &[], 129), "without labels");
    let mut backwards: Vec<_> = customers.iter().rev().copied().collect();
    backwards.truncate(77);
    let seen = predict(&mut new(&[]), &backwards, &[], 50);
    assert!(seen.iter().zip(together.iter().rev()).all(|(a, b)| a == b), "in another order");
    let other = Gpu::new(&device, population, &horizon, 6, &[]).expect("the device works");
    assert_ne!(together[..20], predict(&mut { other }, &customers[..20], &[], 20), "another seed");
}

#[test]
fn totals_are_the_sums_of_the_futures() {
    let Some(device) = device() else { return };
    let draws = 100;
    let (purchase, spend) = population(draws, 2);
    let customers = shop(1500, 2);
    let labels: Vec<u32> = (0..1500u32).flat_map(|i| [0, i * i % 5, i % 400]).collect();
    let sizes = [1, 6, 400];
    let population = Population { purchase: purchase.view(), spend: Some(spend.view()) };
    let mut gpu = Gpu::new(&device, population, &months(&[1.0; 12]), 5, &sizes).expect("the device works");
    let piece = 700;
    let mut expected: Vec<_> = sizes.iter().map(|size| Totals::new(*size, draws)).collect();
    for (i, chunk) in customers.chunks(piece).enumerate() {
        let of_chunk = &labels[i * piece * 3..][..chunk.len() * 3];
        gpu.submit(chunk, of_chunk).expect("submitted");
        assert!(gpu.totals().is_err());
        gpu.collect().expect("collected");
        for (customer, labels) in of_chunk.chunks(3).enumerate() {
            let (counts, values) = gpu.futures_of(customer);
            let bits: Vec<u32> = values.iter().map(|value| value.to_bits()).collect();
            expected.iter_mut().zip(labels).for_each(|(totals, label)| totals.add(*label, &counts, &bits));
        }
    }
    for (seen, expected) in gpu.totals().expect("collected").iter().zip(&expected) {
        assert_eq!(seen.purchases, expected.purchases);
        let off = |a: &Array2<f64>, b: &Array2<f64>| {
            a.iter().zip(b).fold(0.0, |worst: f64, (a, b)| worst.max((a - b).abs() / b.max(1e-30)))
        };
        let worst = off(&seen.value, &expected.value);
        // At most 32 roundings of 6e-8 between a value and its sum.
        assert!(worst < 2e-6, "{worst}");
        eprintln!("{} labels: totals off by {worst:.1e}", seen.value.dim().0);
    }
}

#[test]
fn chunks_keep_to_their_memory() {
    let Some(device) = device() else { return };
    for (draws, labels) in [(1, vec![1]), (500, vec![1]), (500, vec![1, 10_000, 10_000]), (4096, vec![1, 10_000])] {
        let purchase = everywhere(draws, 1, BG_NBD);
        let spend = everywhere(draws, 1, GAMMA_GAMMA);
        let population = Population { purchase: purchase.view(), spend: Some(spend.view()) };
        let gpu = Gpu::new(&device, population, &months(&[1.0]), 5, &labels).expect("the device works");
        eprintln!(
            "{draws} draws, {labels:?} labels: {} customers, {} bytes",
            gpu.chunk_customers(),
            gpu.scratch_bytes()
        );
        assert!(gpu.scratch_bytes() <= 64 << 20 && gpu.chunk_customers() >= 512);
    }
}

#[test]
fn none_and_too_many() {
    let Some(device) = device() else { return };
    let purchase = everywhere(3, 1, BG_NBD);
    let population = Population { purchase: purchase.view(), spend: None };
    let mut gpu = Gpu::new(&device, population, &months(&[1.0; 3]), 5, &[2]).expect("the device works");
    gpu.submit(&[], &[]).expect("nobody is fine");
    assert_eq!(gpu.collect().expect("nobody"), []);
    assert_eq!(gpu.totals().expect("nothing waits")[0], Totals::new(2, 3));
    let one = [customer(4, 2, 1.0, 9.0, 0.0)];
    assert!(gpu.submit(&one, &[2]).expect_err("no such label").what.contains("label 2"));
    assert!(gpu.submit(&one, &[]).expect_err("no label").what.contains("0 labels"));
    let crowd = vec![one[0]; gpu.chunk_customers() + 1];
    assert!(gpu.submit(&crowd, &vec![0; crowd.len()]).is_err());
    gpu.submit(&one, &[0]).expect("first");
    gpu.submit(&one, &[1]).expect("second");
    assert!(gpu.submit(&one, &[0]).expect_err("third").advice.contains("collect"));
    assert_eq!(gpu.collect().expect("first"), gpu.collect().expect("second"));
    let totals = gpu.totals().expect("collected");
    assert_eq!(totals[0].purchases.row(0), totals[0].purchases.row(1));
    assert_eq!(gpu.work().evaluations, 6);
}

/// 10,000 groups with different parameters; each customer sees its own.
#[test]
fn many_groups() {
    let Some(device) = device() else { return };
    let groups = 10_000;
    let purchase = Array3::from_shape_fn((20, groups, 4), |(_, g, k)| {
        // Group 7777 buys a thousand times as often as the others.
        if k == 1 && g == 7777 { BG_NBD[1] / 1000.0 } else { BG_NBD[k] }
    });
    let mut gpu = gpu(&device, &purchase, None, &months(&[1.0]));
    let at = |group| Customer { group, ..customer(9, 0, 0.0, 0.0, 0.0) };
    gpu.submit(&[at(0), at(7777), at(9999)], &[]).expect("submitted");
    let futures = gpu.collect().expect("collected");
    assert_eq!(futures[0], futures[2]);
    assert!(futures[1].purchases_mean > 3.0 * futures[0].purchases_mean, "{futures:?}");
}
