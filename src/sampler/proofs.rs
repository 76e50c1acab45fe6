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

#[test]
#[ignore = "exploration"]
fn explore() {
    type Make = fn() -> Toy;
    let rows: Vec<(&str, Make)> = vec![
        ("independent 10", || Toy::independent(vec![1.0; 10])),
        ("rank one 20, c 10", || Toy::rank_one((0..20).map(|i| 10f64.powi(i % 3 - 1)).collect(), 10.0)),
        ("student 5", || Toy::student(5, 5.0)),
        ("funnel 1+9", || Toy::funnel(9)),
        ("hierarchy 12", || Toy::hierarchy(12)),
    ];
    for (name, make) in rows {
        for (kind, chains, draws) in [
            (Kind::Nuts, 1, 1000),
            (Kind::Nuts, 4, 1000),
            (Kind::Nuts, 64, 200),
            (Kind::Chees, 4, 1000),
            (Kind::Chees, 64, 200),
        ] {
            let mut toy = make();
            let s = settings(kind, chains, 500, draws);
            let clock = std::time::Instant::now();
            let mut memory = Memory::default();
            let start = Start::at(Array1::from_elem(crate::target::LogDensity::dim(&toy), 0.1));
            let outcome = match sample(&mut toy, &s, &start, None, &mut memory, &mut |_| Watch::Continue) {
                Ok(o) => o,
                Err(e) => {
                    eprintln!("{name} {kind} {chains}: {e}");
                    continue;
                }
            };
            let secs = clock.elapsed().as_secs_f64();
            let all = memory.draws();
            let n = (chains * draws) as f64;
            let ess: Vec<f64> = (0..all.dim().2)
                .map(|i| {
                    let (m, se) = mean_and_mcse(&all, |q| q[i]);
                    let v = mean_and_mcse(&all, |q| (q[i] - m).powi(2)).0;
                    v / se.powi(2) / n
                })
                .collect();
            let min = ess.iter().copied().fold(f64::INFINITY, f64::min);
            let mean = ess.iter().sum::<f64>() / ess.len() as f64;
            let f = &outcome.pooled;
            eprintln!(
                "{name:18} {kind:5} C{chains:2}: warm {:6} grads/transition {:5.1} sample {:5.1} div {}/{} cap {} eps {:.3} T {:?} ESS/draw min {min:.2} mean {mean:.2} acc {:.3} us/grad {:.2} mode {} it {:?} notes {:?}",
                f.warmup_gradients,
                f.warmup_gradients as f64 / (chains * 500) as f64,
                f.sampling_gradients as f64 / n,
                f.warmup_divergences,
                f.divergences,
                f.cap_hits,
                outcome.step_size,
                outcome.trajectory_length,
                memory.stat("acceptance_rate").mean().unwrap(),
                secs * 1e6 / toy.points as f64,
                outcome.mode.as_ref().unwrap().converged,
                outcome.mode.as_ref().unwrap().iterations,
                outcome.notes
            );
        }
    }
}
