//! Whole runs against closed answers, and against themselves: moments, resumption, failures, economy.
//!
//! Proofs of single parts stand beside them; what needs a run stands here.

use ndarray::{Array1, Array2, s};

use super::async_nuts::{Fixed, Fleet};
use super::checkpoint::Chain;
use super::nuts::{Begin, Tree};
use super::targets::{Full, Memory, Toy, mean_and_mcse};
use super::*;
use crate::target::{Checkpoint, Evaluation, LogDensity};

const BOTH: [Kind; 2] = [Kind::Nuts, Kind::Chees];

fn settings(kind: Kind, chains: usize, warmup: usize, draws: usize) -> Settings {
    Settings { kind, chains, warmup, draws, shard_draws: draws.div_ceil(4), seed: 20, ..Settings::default() }
}

fn run(density: &mut Toy, settings: &Settings) -> (Memory, Outcome) {
    let mut memory = Memory::default();
    let start = Start::at(Array1::from_elem(density.dim(), 0.1));
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

/// Both samplers with few and with many chains, on densities whose moments are known.
#[test]
fn moments_are_those_of_the_density() {
    let sd: Vec<f64> = (0..10).map(|i| 10f64.powi(i % 3 - 1)).collect();
    let wide: Vec<f64> = (0..4).map(|i| 10f64.powi(i - 2)).collect();
    for (kind, chains, draws) in
        [(Kind::Nuts, 4, 1500), (Kind::Nuts, 64, 120), (Kind::Chees, 4, 1500), (Kind::Chees, 64, 200)]
    {
        let settings = settings(kind, chains, 300, draws);
        let name = |what: &str| format!("{what}, {kind}, {chains} chains");

        let (memory, outcome) = run(&mut Toy::independent(sd.clone()), &settings);
        check_moments(&name("independent"), &memory, |i| (i + 1) as f64, |i| sd[i] * sd[i]);
        assert_eq!(outcome.stuck_chains, Vec::<usize>::new());

        // Correlation 3/4 between any two of four coordinates, scales over three decades.
        let (memory, _) = run(&mut Toy::rank_one(wide.clone(), 3.0), &settings);
        check_moments(&name("rank one"), &memory, |_| 0.0, |i| 4.0 * wide[i] * wide[i]);

        // ν = 8, so that the variance of the squares that are compared is finite: variance 8/6.
        let (memory, _) = run(&mut Toy::student(5, 8.0), &settings);
        check_moments(&name("student"), &memory, |_| 0.0, |_| 8.0 / 6.0);
    }
}

/// The funnel as models should write it: v ~ N(0, 3²) and x = e^(v/2) η with η standard normal. The share of draws in its neck is
/// P(v < −3) = Φ(−1) = 0.158655, which a sampler that cannot enter the neck misses.
#[test]
fn a_non_centred_funnel_is_explored_to_its_neck() {
    for kind in BOTH {
        let mut toy = Toy::new(10, |q, g| {
            g[0] = -q[0] / 9.0;
            (1..10).for_each(|i| g[i] = -q[i]);
            -q[0] * q[0] / 18.0 - 0.5 * q[1..].iter().map(|x| x * x).sum::<f64>()
        });
        let (memory, _) = run(&mut toy, &settings(kind, 16, 300, 500));
        let (neck, se) = mean_and_mcse(&memory.draws(), |q| f64::from(u8::from(q[0] < -3.0)));
        assert!((neck - 0.158_655).abs() < 5.0 * se && se < 0.02, "{kind}: P(v < -3) = {neck} ± {se}");
    }
}

/// A 56-dimensional hierarchy has no closed moments, but two samplers that share nothing but the leapfrog step must agree on it.
#[test]
fn both_samplers_agree_on_a_hierarchy() {
    let moments = |kind| -> Vec<(f64, f64)> {
        let (memory, outcome) = run(&mut Toy::hierarchy(12), &settings(kind, 32, 400, 150));
        assert!(outcome.pooled.divergences < 10, "{kind}: {:?}", outcome.pooled);
        let draws = memory.draws();
        (0..8)
            .map(|i| mean_and_mcse(&draws, |q| q[i]))
            .chain((0..8).map(|i| mean_and_mcse(&draws, |q| q[i] * q[i])))
            .collect()
    };
    let (nuts, chees) = (moments(Kind::Nuts), moments(Kind::Chees));
    for (i, ((a, se_a), (b, se_b))) in nuts.iter().zip(&chees).enumerate() {
        assert!((a - b).abs() < 5.0 * se_a.hypot(*se_b), "moment {i}: nuts {a} ± {se_a}, chees {b} ± {se_b}");
    }
}

/// Half of the plane is impossible. Draws stay inside, endings over the edge count as divergences, and the moments are the half-normal's.
#[test]
fn an_edge_is_respected_and_reported() {
    for kind in BOTH {
        let mut toy = Toy::new(2, |q, g| {
            (g[0], g[1]) = (-q[0], -q[1]);
            if q[0] > 0.0 { -0.5 * (q[0] * q[0] + q[1] * q[1]) } else { f64::NEG_INFINITY }
        });
        let (memory, outcome) = run(&mut toy, &settings(kind, 8, 300, 1500));
        let draws = memory.draws();
        assert!(draws.slice(s![.., .., 0]).iter().all(|x| *x > 0.0));
        assert!(outcome.pooled.divergences > 0);
        assert_eq!(memory.stat("diverging").sum(), outcome.pooled.divergences as f64);
        assert!(outcome.notes.iter().any(|n| n.contains("diverged")), "{:?}", outcome.notes);
        let (mean, se) = mean_and_mcse(&draws, |q| q[0]);
        assert!((mean - (2.0 / std::f64::consts::PI).sqrt()).abs() < 5.0 * se && se < 0.1, "{kind}: {mean} ± {se}");
    }
}

/// What a user pays for: NUTS on ten standard normals takes about seven leapfrog steps and draws that are as good as independent.
#[test]
fn ten_standard_normals_are_cheap() {
    let (memory, outcome) = run(&mut Toy::independent(vec![1.0; 10]), &settings(Kind::Nuts, 4, 500, 1000));
    let per_draw = outcome.pooled.sampling_gradients as f64 / 4000.0;
    assert!((3.0..8.0).contains(&per_draw), "{per_draw} leapfrog steps per draw");
    let draws = memory.draws();
    for i in 0..10 {
        let (mean, se) = mean_and_mcse(&draws, |q| q[i]);
        let variance = mean_and_mcse(&draws, |q| (q[i] - mean).powi(2)).0;
        // 80 batches know their variance to 16 %.
        assert!(
            variance / se.powi(2) > 0.5 * 4000.0,
            "coordinate {i}: {} effective draws of 4000",
            variance / se.powi(2)
        );
    }
    let acceptance = memory.stat("acceptance_rate").mean().expect("there are draws");
    assert!((0.75..0.92).contains(&acceptance), "{acceptance} for a target of 0.8");
}

/// Chains only share batches: every chain of the fleet makes the same draws as a tree that is run for it alone.
#[test]
fn a_chain_does_not_notice_the_others() {
    let (chains, transitions) = (7, 40);
    let inverse_mass = vec![0.5, 1.0, 2.0];
    let start = |c: usize| -> Chain {
        let q = vec![0.3 * c as f64, -1.0, 0.1];
        let mut out = Evaluation::new(1, 3);
        let points = Array2::from_shape_fn((1, 3), |(_, i)| q[i]);
        Toy::funnel(2).evaluate(points.view(), &mut out).expect("toys do not break");
        let (log_density, gradient) = (out.log_density[0], out.gradient.row(0).to_vec());
        Chain { q, log_density, gradient, facts: Facts::default(), refusals: 0 }
    };
    let fixed = Fixed { inverse_mass: &inverse_mass, step_size: 0.3, max_depth: 7, seed: 77, sampling: true };
    let mut fleet = Fleet::new(&(0..chains).map(start).collect::<Vec<_>>(), 0, 3, 7);
    let mut toy = Toy::funnel(2);
    let mut together: Vec<Vec<Vec<f64>>> = vec![Vec::new(); chains];
    while fleet.batch(&mut toy, &fixed, transitions, &mut |c, lane, _| together[c].push(lane.chain.q.clone())).unwrap()
        > 0
    {}

    let mut longest = 0;
    for (c, together) in together.iter().enumerate() {
        let mut chain = start(c);
        let mut tree = Tree::new(3, 7);
        let mut asked = 0;
        for (t, seen) in together.iter().enumerate() {
            tree.begin(&Begin {
                q: &chain.q,
                g: &chain.gradient,
                log_density: chain.log_density,
                inverse_mass: &inverse_mass,
                step_size: 0.3,
                max_depth: 7,
                seed: 77,
                chain: c as u64,
                transition: t as u32,
            });
            let mut out = Evaluation::new(1, 3);
            loop {
                let points = Array2::from_shape_fn((1, 3), |(_, i)| tree.request()[i]);
                toy.evaluate(points.view(), &mut out).expect("toys do not break");
                asked += 1;
                if tree.receive(out.log_density[0], &out.gradient.row(0).to_vec()).is_some() {
                    break;
                }
            }
            let drawn = tree.drawn();
            (chain.q, chain.gradient, chain.log_density) = (drawn.q.clone(), drawn.g.clone(), drawn.log_density);
            assert_eq!(&chain.q, seen, "chain {c}, transition {t}");
        }
        longest = longest.max(asked);
    }
    // Nobody waits: as many batches as the busiest chain needs, and not one more. (The single evaluations above are batches too.)
    let alone: u64 = fleet.lanes.iter().map(|l| l.chain.facts.sampling_gradients).sum();
    assert_eq!(toy.batches - alone, longest);
}

/// From some size of batch on, trees grow on all cores; ten chains that are too few for that make the same draws as among a hundred.
#[test]
fn many_cores_change_no_bit() {
    let dim = 100;
    let draws = |chains: usize| -> Vec<Vec<f64>> {
        let mut toy = Toy::independent(vec![1.0; dim]);
        let start: Vec<Chain> = (0..chains)
            .map(|c| {
                let q = vec![0.01 * c as f64; dim];
                let mut out = Evaluation::new(1, dim);
                let points = Array2::from_shape_fn((1, dim), |(_, i)| q[i]);
                toy.evaluate(points.view(), &mut out).expect("toys do not break");
                let (log_density, gradient) = (out.log_density[0], out.gradient.row(0).to_vec());
                Chain { q, log_density, gradient, facts: Facts::default(), refusals: 0 }
            })
            .collect();
        let inverse_mass = vec![1.0; dim];
        let fixed = Fixed { inverse_mass: &inverse_mass, step_size: 0.4, max_depth: 8, seed: 4, sampling: true };
        let mut fleet = Fleet::new(&start, 0, dim, 8);
        while fleet.batch(&mut toy, &fixed, 5, &mut |_, _, _| {}).unwrap() > 0 {}
        fleet.lanes.iter().take(10).map(|l| l.chain.q.clone()).collect()
    };
    assert_eq!(draws(100), draws(10));
}

/// Runs with a density whose values depend on the reference point, as a float32 backend's do.
fn drifting() -> Toy {
    let mut toy = Toy::rank_one(vec![0.5, 1.0, 2.0, 1.0], 1.0);
    toy.drift = 0.37;
    toy
}

fn small(kind: Kind) -> Settings {
    Settings { kind, chains: 5, warmup: 160, draws: 70, shard_draws: 20, seed: 6, ..Settings::default() }
}

fn resume(settings: &Settings, from: &Checkpoint) -> (Memory, Outcome) {
    let mut memory = Memory::default();
    let start = Start::at(Array1::zeros(4));
    let outcome = sample(&mut drifting(), settings, &start, Some(from), &mut memory, &mut |_| Watch::Continue)
        .expect("a checkpoint of the run itself must do");
    (memory, outcome)
}

/// From every checkpoint there is, the rest of the run comes out with the same bits: draws, statistics, later checkpoints, outcome.
#[test]
fn every_checkpoint_continues_to_the_same_bits() {
    for kind in BOTH {
        let settings = small(kind);
        let (whole, outcome) = run(&mut drifting(), &settings);
        let draws: Vec<usize> = whole.commits.iter().map(|c| c.unconstrained.dim().1).collect();
        // The start, warm-up windows, then blocks of 20, 20, 20 and 10.
        let windows = draws.iter().take_while(|n| **n == 0).count();
        assert!(windows >= 4, "{kind}: {draws:?}");
        assert_eq!(draws[windows..], [20, 20, 20, 10], "{kind}");
        assert_eq!(whole.commits.iter().map(|c| c.checkpoint.draws_done).max(), Some(70));
        for k in 0..whole.commits.len() {
            let (rest, again) = resume(&settings, &whole.commits[k].checkpoint);
            assert!(rest.commits == whole.commits[k + 1..], "{kind}: resumed after commit {k}");
            assert_eq!(again, outcome, "{kind}: resumed after commit {k}");
        }
    }
}

/// Stopped after any number of batches and resumed from the last commit, the pieces make up the whole.
#[test]
fn a_run_stopped_anywhere_is_the_same_run() {
    for kind in BOTH {
        let settings = small(kind);
        let (whole, outcome) = run(&mut drifting(), &settings);
        let start = Start::at(Array1::from_elem(4, 0.1));
        let mut calls = 0u64;
        sample(&mut drifting(), &settings, &start, None, &mut Memory::default(), &mut |_| {
            calls += 1;
            Watch::Continue
        })
        .expect("it finished before");
        for part in 1..8 {
            let stop_at = calls * part / 8;
            let (mut memory, mut n) = (Memory::default(), 0);
            let end = sample(&mut drifting(), &settings, &start, None, &mut memory, &mut |_| {
                n += 1;
                if n > stop_at { Watch::Stop } else { Watch::Continue }
            });
            assert!(matches!(end, Err(SampleError::Stopped)), "{kind}");
            let Some(last) = memory.commits.last() else { continue };
            let (rest, again) = resume(&settings, &last.checkpoint);
            memory.commits.extend(rest.commits);
            assert!(memory.commits == whole.commits, "{kind}: stopped after {stop_at} of {calls} batches");
            assert_eq!(again, outcome);
        }
    }
}

/// Asked to stop when it has saved, a run ends with a commit, and goes on from there. Chains of ChEES move together, so that nothing is
/// computed again; of NUTS only what some chains were ahead of the slowest.
#[test]
fn a_run_that_stops_when_saved_ends_with_a_commit() {
    for kind in BOTH {
        let settings = small(kind);
        let (whole, outcome) = run(&mut drifting(), &settings);
        let start = Start::at(Array1::from_elem(4, 0.1));
        let (mut memory, mut gradients, mut stops) = (Memory::default(), 0, 0);
        loop {
            let last = memory.commits.last().map(|commit| commit.checkpoint.clone());
            let before = memory.commits.len();
            let mut first = true;
            let end = sample(&mut drifting(), &settings, &start, last.as_ref(), &mut memory, &mut |progress| {
                if std::mem::take(&mut first) && kind == Kind::Chees {
                    assert!(progress.gradient_evaluations >= gradients, "{kind}: gradients are lost");
                }
                gradients = progress.gradient_evaluations;
                Watch::StopWhenSaved
            });
            assert!(memory.commits.len() > before, "{kind}: stopped without a commit");
            match end {
                Err(SampleError::Stopped) => stops += 1,
                ended => break assert_eq!(ended.expect("it finishes"), outcome, "{kind}"),
            }
        }
        assert!(memory.commits == whole.commits, "{kind}: another run");
        // Every window of warm-up and every block but the last is a place to stop at.
        assert!(stops + 1 >= whole.commits.len() - 1, "{kind}: {stops} stops, {} commits", whole.commits.len());
    }
}

/// How draws are cut into blocks changes no draw, and a finished run can be made longer.
#[test]
fn blocks_and_extensions_do_not_change_draws() {
    for kind in BOTH {
        let settings = small(kind);
        let (whole, _) = run(&mut drifting(), &settings);
        let (finer, _) = run(&mut drifting(), &Settings { shard_draws: 7, ..settings.clone() });
        assert_eq!(whole.draws(), finer.draws(), "{kind}");
        let (short, _) = run(&mut drifting(), &Settings { draws: 40, ..settings.clone() });
        let (rest, _) = resume(&settings, &short.commits.last().expect("it committed").checkpoint);
        assert_eq!(rest.draws(), whole.draws().slice(s![.., 40.., ..]), "{kind}");
        let (other, _) = run(&mut drifting(), &Settings { seed: 7, ..settings });
        assert_ne!(whole.draws(), other.draws(), "{kind}: the seed must matter");
    }
}

#[test]
fn blocks_say_what_they_hold() {
    for kind in BOTH {
        let (memory, outcome) = run(&mut drifting(), &small(kind));
        let blocks: Vec<_> = memory.commits.iter().filter(|c| c.unconstrained.dim().1 > 0).collect();
        assert_eq!(blocks.iter().map(|b| b.first_draw).collect::<Vec<_>>(), [0, 20, 40, 60]);
        for block in blocks {
            assert_eq!(block.constrained, block.unconstrained.mapv(f64::exp), "constrained by the density's own map");
            let names: Vec<&str> = block.stats.iter().map(|(n, _)| *n).collect();
            let shared = ["lp", "acceptance_rate", "energy", "diverging", "n_steps", "step_size"];
            assert_eq!(names[..6], shared);
            let own: &[&str] = match kind {
                Kind::Nuts => &["tree_depth", "reached_max_treedepth"],
                Kind::Chees => &["reached_max_leapfrogs"],
            };
            assert_eq!(names[6..], *own);
        }
        assert_eq!(memory.stat("n_steps").sum(), outcome.pooled.sampling_gradients as f64);
        assert!(memory.stat("step_size").iter().all(|e| *e == outcome.step_size));
        // H = −lp + kinetic energy, so energy exceeds −lp, on average by dim/2 = 2 for a normal.
        let kinetic = memory.stat("energy") + memory.stat("lp");
        assert!(kinetic.iter().all(|k| *k > 0.0));
        assert!((1.0..3.0).contains(&kinetic.mean().expect("there are draws")), "{kind}: {:?}", kinetic.mean());
    }
}

/// Positions with a unit metric and a step size of 0.8.
fn handed_over(positions: Array2<f64>, trajectory_length: Option<f64>) -> WarmStart {
    WarmStart {
        reference: positions.mean_axis(ndarray::Axis(0)).expect("there are positions").to_vec(),
        metric: Metric::diagonal(vec![1.0; positions.ncols()]),
        positions: positions.outer_iter().map(|row| row.to_vec()).collect(),
        step_size: 0.8,
        trajectory_length,
    }
}

/// A spike from which no step leads away holds chain 3. It is named; the others keep their step size and their moments.
#[test]
fn a_stuck_chain_is_named_and_does_not_spoil_the_rest() {
    for kind in BOTH {
        let mut toy = Toy::new(2, |q, g| {
            let square = (q[0] - 50.0).powi(2) + (q[1] - 50.0).powi(2);
            if square < 1e-12 {
                (g[0], g[1]) = (-1e9 * (q[0] - 50.0), -1e9 * (q[1] - 50.0));
                return 1e6 - 0.5e9 * square;
            }
            (g[0], g[1]) = (-q[0], -q[1]);
            -0.5 * (q[0] * q[0] + q[1] * q[1])
        });
        let mut start = Start::at(Array1::zeros(2));
        let positions =
            Array2::from_shape_fn((8, 2), |(c, i)| if c == 3 { 50.0 } else { 0.3 * (c as f64 - 4.0) + i as f64 });
        start.warm = Some(handed_over(positions, Some(1.5)));
        let settings = settings(kind, 8, 400, 400);
        let mut memory = Memory::default();
        let outcome =
            sample(&mut toy, &settings, &start, None, &mut memory, &mut |_| Watch::Continue).expect("it finishes");
        assert_eq!(outcome.stuck_chains, [3], "{kind}");
        assert!(outcome.step_size > 0.3, "{kind}: step size {}", outcome.step_size);
        assert!(outcome.inverse_mass.iter().all(|d| (0.7..1.4).contains(d)), "{kind}: {:?}", outcome.inverse_mass);
        assert!(outcome.notes.iter().any(|n| n.contains("Stuck chains (counted from 0): 3")), "{:?}", outcome.notes);
        assert!(outcome.notes.iter().any(|n| n.contains("began warm")), "{:?}", outcome.notes);
        assert!(outcome.mode.is_none());
    }
}

/// When most chains are stuck the run fails and names them, instead of reporting the few.
#[test]
fn too_many_stuck_chains_fail_the_run() {
    let mut toy = Toy::new(1, |q, g| {
        let square = (q[0] - 50.0).powi(2);
        if square < 1e-12 {
            g[0] = -1e9 * (q[0] - 50.0);
            return 1e6 - 0.5e9 * square;
        }
        g[0] = -q[0];
        -0.5 * q[0] * q[0]
    });
    let mut start = Start::at(Array1::zeros(1));
    let positions = Array2::from_shape_fn((8, 1), |(c, _)| if c < 3 { 50.0 } else { 0.1 });
    start.warm = Some(handed_over(positions, None));
    let end = sample(&mut toy, &settings(Kind::Chees, 8, 400, 10), &start, None, &mut Memory::default(), &mut |_| {
        Watch::Continue
    });
    let Err(SampleError::Stuck(error)) = end else { panic!("{end:?}") };
    assert!(error.to_string().contains("3 of 8: chains 0, 1, 2"), "{error}");
}

/// The slowest direction of a nearly degenerate normal asks for more leapfrog steps than allowed: the cap wins, and the outcome says so.
/// (With so many coordinates that its correlations are not learnt.)
#[test]
fn a_binding_leapfrog_cap_is_reported() {
    let settings = Settings { max_leapfrogs: 10, ..settings(Kind::Chees, 8, 150, 20) };
    let (memory, outcome) = run(&mut Toy::rank_one(vec![1.0; MAX_HESSIAN_DIM + 1], 1000.0), &settings);
    assert!(memory.stat("n_steps").iter().all(|n| *n <= 10.0));
    // Jittered trajectories are all shorter than the cap, and all of them are bound by it.
    assert_eq!((outcome.pooled.cap_hits, memory.stat("reached_max_leapfrogs").sum()), (160, 160.0));
    assert!(outcome.notes.iter().any(|n| n.contains("max_leapfrogs caps them at 10")), "{:?}", outcome.notes);
}

/// Chains of a superchain begin at one point and part; chains without superchains begin where they always did.
#[test]
fn superchains_share_their_starts_and_nothing_else() {
    let plain = settings(Kind::Nuts, 8, 20, 4);
    let begin = |settings: &Settings| {
        let mut watch = |_: &Progress| Watch::Continue;
        let mut report = progress::Report::new(settings, &mut watch);
        let start = Start::at(Array1::zeros(3));
        let state = begin::begin_cold(&mut Toy::rank_one(vec![1.0, 2.0, 3.0], 1.0), settings, &start, &mut report);
        state.expect("a start").chains.into_iter().map(|c| c.q).collect::<Vec<_>>()
    };
    let (own, shared) = (begin(&plain), begin(&Settings { superchains: Some(4), ..plain.clone() }));
    assert_eq!((own.len(), shared.len()), (8, 8));
    for (c, point) in shared.iter().enumerate() {
        assert_eq!(*point, own[c / 2], "chain {c}");
    }
    assert!(own.windows(2).all(|pair| pair[0] != pair[1]));

    let (memory, _) = run(&mut Toy::rank_one(vec![1.0; 3], 1.0), &Settings { superchains: Some(4), ..plain });
    let lp = memory.stat("lp");
    assert!((0..4).all(|k| lp.row(2 * k) != lp.row(2 * k + 1)), "chains of a superchain part");
}

#[test]
fn depth_hits_are_counted_and_reported() {
    let settings = Settings { max_treedepth: 2, ..settings(Kind::Nuts, 4, 200, 50) };
    let (memory, outcome) = run(&mut Toy::rank_one(vec![1.0; MAX_HESSIAN_DIM + 1], 1000.0), &settings);
    assert!(outcome.pooled.cap_hits > 100, "{:?}", outcome.pooled);
    assert_eq!(memory.stat("reached_max_treedepth").sum(), outcome.pooled.cap_hits as f64);
    assert!(memory.stat("n_steps").iter().all(|n| *n <= 3.0));
    assert!(outcome.notes.iter().any(|n| n.contains("maximum tree depth 2")), "{:?}", outcome.notes);
}

/// A machine that breaks ends the run with its own words, wherever that happens; so does a full disk.
#[test]
fn broken_machines_are_errors_and_not_points() {
    for kind in BOTH {
        let start = Start::at(Array1::zeros(4));
        for batch in [0, 3, 12, 60, 150] {
            let mut toy = drifting();
            toy.breaks_at = Some(batch);
            let end = sample(&mut toy, &small(kind), &start, None, &mut Memory::default(), &mut |_| Watch::Continue);
            let Err(error @ SampleError::Density(_)) = end else { panic!("{kind}, batch {batch}: {end:?}") };
            assert_eq!(Error::from(error).to_string(), "adapter 0: the device was lost");
        }
        let end = sample(&mut drifting(), &small(kind), &start, None, &mut Full, &mut |_| Watch::Continue);
        assert!(matches!(end, Err(SampleError::Storage(_))), "{end:?}");
    }
}

#[test]
fn impossible_settings_and_foreign_checkpoints_are_refused() {
    let refuse = |settings: Settings, from: Option<&Checkpoint>| -> String {
        let start = Start::at(Array1::zeros(4));
        sample(&mut drifting(), &settings, &start, from, &mut Memory::default(), &mut |_| Watch::Continue)
            .expect_err("it must be refused")
            .to_string()
    };
    let good = small(Kind::Nuts);
    for (bad, says) in [
        (Settings { chains: 0, ..good.clone() }, "sampler.chains"),
        (Settings { draws: 0, ..good.clone() }, "sampler.draws"),
        (Settings { warmup: 1 << 24, ..good.clone() }, "16777215"),
        (Settings { max_treedepth: 0, ..good.clone() }, "1 to 20"),
        (Settings { max_leapfrogs: 0, ..good.clone() }, "max_leapfrogs"),
        (Settings { superchains: Some(3), ..good.clone() }, "divide the"),
        (Settings { superchains: Some(1), ..good.clone() }, "superchains must be at least 2"),
        (Settings { shard_draws: 0, ..good.clone() }, "shard_draws"),
        (Settings { target_accept: Some(f64::NAN), ..good.clone() }, "found NaN"),
    ] {
        let said = refuse(bad, None);
        assert!(said.contains(says), "{said}");
    }
    let (whole, _) = run(&mut drifting(), &good);
    let checkpoint = &whole.commits[6].checkpoint;
    for (other, says) in [
        (Settings { seed: 7, ..good.clone() }, "seed must be 6, as when the run began (found 7)"),
        (Settings { kind: Kind::Chees, ..good.clone() }, "kind must be nuts"),
        (Settings { chains: 4, ..good.clone() }, "chains must be 5"),
        (Settings { target_accept: Some(0.9), ..good.clone() }, "target_accept must be 0.8"),
    ] {
        let said = refuse(other, Some(checkpoint));
        assert!(said.contains(says), "{said}");
    }
    let mut damaged = checkpoint.clone();
    damaged.state.truncate(damaged.state.len() / 2);
    assert!(refuse(good.clone(), Some(&damaged)).contains("damaged"));
    damaged = checkpoint.clone();
    damaged.state[0] = 99;
    assert!(refuse(good, Some(&damaged)).contains("found 99"));
}

#[test]
fn the_watcher_sees_every_phase_to_its_end() {
    for kind in BOTH {
        let mut seen: Vec<Progress> = Vec::new();
        let (mut toy, settings) = (drifting(), small(kind));
        let start = Start::at(Array1::from_elem(4, 2.0));
        let outcome = sample(&mut toy, &settings, &start, None, &mut Memory::default(), &mut |p| {
            seen.push(*p);
            Watch::Continue
        })
        .expect("it finishes");
        let last = |phase| *seen.iter().rfind(|p| p.phase == phase).expect("every phase is seen");
        assert!(last(Phase::ModeSearch).done > 0);
        assert!(outcome.warmup <= 160);
        assert_eq!((last(Phase::Warmup).done, last(Phase::Warmup).total), (5 * outcome.warmup, 5 * outcome.warmup));
        let end = last(Phase::Sampling);
        assert_eq!((end.done, end.total), (5 * 70, 5 * 70));
        assert!(end.r_hat.is_some_and(|r| (0.9..1.5).contains(&r)), "{end:?}");
        assert!(seen.windows(2).all(|w| w[0].gradient_evaluations <= w[1].gradient_evaluations));
        // Every point the density was asked for is accounted for.
        let pooled = &outcome.pooled;
        assert_eq!(pooled.warmup_gradients + pooled.sampling_gradients + outcome.other_gradients, toy.points);
        // One call per batch at most, and one to say that all is done.
        assert!(seen.len() as u64 <= toy.batches + 1);
    }
}

/// A single chain without warm-up is still a valid, if slow, sampler.
#[test]
fn no_warmup_and_one_chain_still_sample() {
    for kind in BOTH {
        let settings = Settings { chains: 1, warmup: 0, draws: 3000, kind, ..settings(kind, 1, 0, 3000) };
        let (memory, _) = run(&mut Toy::independent(vec![0.5, 2.0]), &settings);
        check_moments(&format!("{kind} alone"), &memory, |i| (i + 1) as f64, |i| [0.25, 4.0][i]);
    }
}
