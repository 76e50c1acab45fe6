//! What a million customers cost in both lenses: a measurement that is run by hand, not a test of what they show.

use std::time::Instant;

use rand_distr::{Beta, Distribution, Exp, Gamma};
use rayon::prelude::*;

use super::{BehaviourSettings, Clusters, Snapshot, behaviour_lens, movement, value_lens};
use crate::data::Summary;
use crate::kernels::rng::{Purpose, Stream};

/// A BG/NBD and gamma–gamma world with the parameters published for CDNOW (Fader, Hardie & Lee 2005; Fader & Hardie 2013), ages even up
/// to a year and a half; values grow with purchases and spend and fall with silence.
fn simulated(n: u64) -> (Summary, Vec<f64>) {
    let customer = |i: u64| {
        let mut stream = Stream::new(4, Purpose::Test, i, 1);
        let rate: f64 = Gamma::new(0.243, 1.0 / 4.414).unwrap().sample(&mut stream);
        let leaves = Beta::new(0.793, 2.426).unwrap().sample(&mut stream);
        let age = 78.0 * stream.uniform();
        let (mut x, mut t_x) = (0, 0.0);
        loop {
            let next = t_x + Exp::new(rate.max(1e-300)).unwrap().sample(&mut stream);
            if next > age {
                break;
            }
            (x, t_x) = (x + 1, next);
            if stream.uniform() < leaves {
                break;
            }
        }
        let scale = Gamma::new(3.74, 1.0 / 15.44).unwrap().sample(&mut stream);
        let m = if x == 0 {
            0.0
        } else {
            Gamma::new(6.25 * f64::from(x), 1.0 / (scale * f64::from(x))).unwrap().sample(&mut stream)
        };
        (x, t_x, age, m)
    };
    let rows: Vec<_> = (0..n).into_par_iter().map(customer).collect();
    let value =
        rows.iter().map(|&(x, t_x, t, m)| (f64::from(x) + 0.2) * (m + 1.0) * (-(t - t_x) / 20.0).exp()).collect();
    let summary = Summary {
        customer_id: (0..n).map(|i| format!("{i:07}")).collect(),
        frequency: rows.iter().map(|row| row.0).collect(),
        recency: rows.iter().map(|row| row.1).collect(),
        age: rows.iter().map(|row| row.2).collect(),
        monetary: rows.iter().map(|row| row.3).collect(),
        ..Summary::default()
    };
    (summary, value)
}

/// Seconds and peak memory of both lenses and their movements over a million customers:
/// `cargo test --release --lib a_million_customers -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement: a million customers"]
fn a_million_customers_through_both_lenses() {
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or("VmHWM unknown").to_owned();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    let (then, value_then) = simulated(1_000_000);
    let mut now = then.clone();
    now.age.iter_mut().for_each(|age| *age += 2.0);
    let value: Vec<f64> = value_then.iter().enumerate().map(|(i, v)| v * (0.9 + 0.2 * (i % 7) as f64 / 6.0)).collect();
    println!("customers made: peak {}", peak());

    let settings = BehaviourSettings { clusters: Clusters::Auto, seed: 1 };
    let clock = Instant::now();
    let first = value_lens(&then.customer_id, &value_then, None).unwrap();
    println!("value lens: {:.2} s, peak {}", clock.elapsed().as_secs_f64(), peak());
    let clock = Instant::now();
    let first_clusters = behaviour_lens(&then, &value_then, &settings, None).unwrap();
    println!("behaviour lens: {:.2} s, peak {}", clock.elapsed().as_secs_f64(), peak());
    let clock = Instant::now();
    let last = Snapshot::of(&then.customer_id, &first.tiers.labelling);
    let second = value_lens(&now.customer_id, &value, Some(last)).unwrap();
    println!("value lens with movements: {:.2} s, peak {}", clock.elapsed().as_secs_f64(), peak());
    let clock = Instant::now();
    let second_clusters = behaviour_lens(&now, &value, &settings, Some(&first_clusters.for_next)).unwrap();
    println!("behaviour lens, matched: {:.2} s, peak {}", clock.elapsed().as_secs_f64(), peak());
    let clock = Instant::now();
    let (was, is) = (first_clusters.labelling(), second_clusters.labelling());
    let moved = movement(Snapshot::of(&then.customer_id, &was), Snapshot::of(&now.customer_id, &is)).unwrap();
    println!("movements of clusters: {:.2} s, peak {}", clock.elapsed().as_secs_f64(), peak());

    for cluster in &second_clusters.clusters {
        println!("{} {}: {} customers, index {:?}", cluster.id, cluster.profile, cluster.customers, cluster.clv_index);
    }
    println!("{:?}\nstayed: {:?}", second_clusters.silhouettes, moved.stayed);
    assert_eq!(second_clusters.clusters.iter().map(|cluster| cluster.customers).sum::<u64>(), 1_000_000);
    assert_eq!(moved.counts.iter().flatten().sum::<u64>(), 1_000_000);
    assert_eq!(second.rows[0].customers, 10_000);
}
