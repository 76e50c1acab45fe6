//! Whole runs against closed answers, and against themselves: moments, resumption, failures, economy.
//!
//! Proofs of single parts stand beside them; what needs a run stands here.

use ndarray::Array1;

use super::targets::{Full, Memory, Toy, mean_and_mcse};
use super::*;

fn settings(kind: Kind, chains: usize, warmup: usize, draws: usize) -> Settings {
    Settings { kind, chains, warmup, draws, shard_draws: draws.div_ceil(4), seed: 20, ..Settings::default() }
}

fn run(density: &mut Toy, settings: &Settings) -> (Memory, Outcome) {
    let mut memory = Memory::default();
    let start = Start::at(Array1::from_elem(crate::target::LogDensity::dim(density), 0.1));
    let outcome =
        sample(density, settings, &start, None, &mut memory, &mut |_| Watch::Continue).expect("the run must finish");
    (memory, outcome)
}

/// Means within five standard errors and second moments within five, of every coordinate. With some hundred comparisons in this file a
/// four-sigma bound would fail one seed in a hundred.
fn check_moments(name: &str, memory: &Memory, mean: impl Fn(usize) -> f64, variance: impl Fn(usize) -> f64) {
    let draws = memory.draws();
    for i in 0..draws.dim().2 {
        let (m, se) = mean_and_mcse(&draws, |q| q[i]);
        assert!((m - mean(i)).abs() < 5.0 * se, "{name}: mean {i} is {m} ± {se}, not {}", mean(i));
        let (v, se) = mean_and_mcse(&draws, |q| (q[i] - mean(i)).powi(2));
        assert!((v - variance(i)).abs() < 5.0 * se, "{name}: variance {i} is {v} ± {se}, not {}", variance(i));
        // An estimate that knows nothing passes any number of its own standard errors.
        assert!(se < 0.25 * variance(i), "{name}: variance {i} is known only to {se}");
    }
}

#[test]
fn nuts_probe() {
    let sd: Vec<f64> = (0..10).map(|i| 10f64.powi(i % 3 - 1)).collect();
    let mut toy = Toy::independent(sd.clone());
    let s = settings(Kind::Nuts, 4, 300, 500);
    let (memory, outcome) = run(&mut toy, &s);
    eprintln!("{:?} step {} {:?}", outcome.pooled, outcome.step_size, outcome.notes);
    check_moments("independent", &memory, |i| (i + 1) as f64, |i| sd[i] * sd[i]);
}

#[test]
fn chees_probe() {
    let sd: Vec<f64> = (0..10).map(|i| 10f64.powi(i % 3 - 1)).collect();
    let mut toy = Toy::independent(sd.clone());
    let s = settings(Kind::Chees, 64, 300, 100);
    let (memory, outcome) = run(&mut toy, &s);
    eprintln!("{:?} step {} T {:?} {:?}", outcome.pooled, outcome.step_size, outcome.trajectory_length, outcome.notes);
    check_moments("independent", &memory, |i| (i + 1) as f64, |i| sd[i] * sd[i]);
}
