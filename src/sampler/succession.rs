//! Runs that begin where others ended: as right as those that begin anew, as repeatable, and shorter where nothing has moved.
//!
//! What a run hands over is `warm`'s; whether two posteriors are near enough for it is known where models are.

use ndarray::{Array1, Array2};

use super::targets::{Memory, Toy, mean_and_mcse};
use super::*;
use crate::target::LogDensity;

const BOTH: [Kind; 2] = [Kind::Nuts, Kind::Chees];

fn settings(kind: Kind, chains: usize, draws: usize) -> Settings {
    Settings { kind, chains, warmup: 1000, draws, shard_draws: draws.div_ceil(4), seed: 20, ..Settings::default() }
}

fn begin(toy: &Toy, warm: Option<WarmStart>) -> Start {
    Start { warm, ..Start::at(Array1::from_elem(toy.dim(), 0.1)) }
}

fn run(toy: &mut Toy, settings: &Settings, warm: Option<WarmStart>) -> (Memory, Outcome) {
    let (mut memory, start) = (Memory::default(), begin(toy, warm));
    let outcome = sample(toy, settings, &start, None, &mut memory, &mut |_| Watch::Continue).expect("it finishes");
    (memory, outcome)
}

/// What the last checkpoint of a run hands over, by way of a file.
fn handed_over(memory: &Memory) -> WarmStart {
    let warm = hand_over(&memory.commits.last().expect("it committed").checkpoint).expect("a finished run");
    let text = serde_json::to_string(&warm).expect("JSON");
    let read: WarmStart = serde_json::from_str(&text).expect("what was written can be read");
    assert_eq!(read, warm, "a file loses nothing");
    read
}

/// A normal with correlations of 3/4 whose mean is `moved` standard deviations (along every axis) from 0 and whose scales are `wide` times
/// what they were.
fn moved(by: f64, wide: f64) -> Toy {
    let sd: Vec<f64> = (0..6).map(|i| wide * 10f64.powi(i % 3 - 1)).collect();
    let mean: Vec<f64> = sd.iter().map(|s| 2.0 * s / wide * by).collect();
    let (n, c) = (6.0, 3.0);
    let shrink = c / (1.0 + c * n);
    Toy::new(6, move |q, g| {
        let z: Vec<f64> = (0..6).map(|i| (q[i] - mean[i]) / sd[i]).collect();
        let total: f64 = z.iter().sum();
        let mut lp = 0.0;
        for i in 0..6 {
            let w = z[i] - shrink * total;
            lp -= 0.5 * z[i] * w;
            g[i] = -w / sd[i];
        }
        lp
    })
}

/// Gradients before the first draw.
fn before_drawing(outcome: &Outcome) -> u64 {
    outcome.pooled.warmup_gradients + outcome.other_gradients
}

/// Where nothing has moved one window is enough; where the posterior has changed its scale, windows follow until it is known. In each
/// case mean and variance come out as they are: within five of their own standard errors (some three hundred comparisons: a bound of
/// four would fail one seed in sixty).
#[test]
fn it_is_short_where_nothing_has_moved_and_right_wherever_it_has() {
    for (kind, chains, draws) in
        [(Kind::Nuts, 4, 1500), (Kind::Nuts, 32, 200), (Kind::Chees, 16, 500), (Kind::Chees, 64, 200)]
    {
        let settings = settings(kind, chains, draws);
        let (first, cold) = run(&mut moved(0.0, 1.0), &settings, None);
        for (by, wide) in [(0.0, 1.0), (0.3, 0.97), (2.0, 0.9), (10.0, 0.7), (0.0, 4.0), (0.0, 0.2)] {
            let name = format!("{kind}, {chains} chains, moved by {by} and {wide} times as wide");
            let (memory, warm) = run(&mut moved(by, wide), &settings, Some(handed_over(&first)));
            let draws = memory.draws();
            for i in 0..6 {
                let sd = 2.0 * wide * 10f64.powi(i as i32 % 3 - 1);
                let mean = 2.0 * 10f64.powi(i as i32 % 3 - 1) * by;
                let (m, se) = mean_and_mcse(&draws, |q| q[i]);
                assert!((m - mean).abs() < 5.0 * se && se < 0.1 * sd, "{name}: mean {i} is {m} ± {se}, not {mean}");
                let (v, se) = mean_and_mcse(&draws, |q| (q[i] - mean).powi(2));
                assert!((v - sd * sd).abs() < 5.0 * se && se < 0.25 * sd * sd, "{name}: variance {i} is {v} ± {se}");
            }
            assert!(warm.mode.is_none() && warm.notes[0].contains("began warm"), "{:?}", warm.notes);
            // A third of an sd among six coordinates is what a night of new customers does.
            if by < 0.5 && (0.9..1.1).contains(&wide) {
                assert!(warm.warmup < cold.warmup, "{name}: {} against {}", warm.warmup, cold.warmup);
                assert!(before_drawing(&warm) < before_drawing(&cold), "{name}");
            }
            // A place that chains reach within eight transitions is no reason to learn a metric anew; another scale is.
            assert!(warm.warmup > 32 || (0.5..2.0).contains(&wide), "{name}: recognised what is not there");
        }
        let (_, warm) = run(&mut moved(0.0, 1.0), &settings, Some(handed_over(&first)));
        assert_eq!(warm.warmup, 32, "{kind}, {chains} chains");
    }
}

/// With coordinates too many for a dense metric, where a cold warm-up runs its full length, a warm one may settle sooner: not before a fifth of
/// it. The slow ones (centres and spreads of three hundred groups) come out the same.
#[test]
fn very_many_coordinates_settle_sooner_than_cold_ones() {
    let settings = Settings { warmup: 400, ..settings(Kind::Nuts, 4, 400) };
    let (first, cold) = run(&mut Toy::population(300), &settings, None);
    let (memory, warm) = run(&mut Toy::population(300), &settings, Some(handed_over(&first)));
    assert_eq!(cold.warmup, 400);
    assert!((80..400).contains(&warm.warmup), "{}", warm.warmup);
    assert!(before_drawing(&warm) < before_drawing(&cold));
    let (there, here) = (first.draws(), memory.draws());
    for i in 0..8 {
        let ((a, sa), (b, sb)) = (mean_and_mcse(&there, |q| q[i]), mean_and_mcse(&here, |q| q[i]));
        assert!((a - b).abs() < 5.0 * sa.hypot(sb), "{i}: {a} ± {sa} and {b} ± {sb}");
    }
}

/// Killed after any commit and resumed, a run that began warm gives the bits that it would have given.
#[test]
fn every_checkpoint_continues_to_the_same_bits() {
    for kind in BOTH {
        let settings = settings(kind, 8, 60);
        let warm = handed_over(&run(&mut moved(0.0, 1.0), &settings, None).0);
        // Where nothing has moved, and where windows follow the first.
        for by in [0.0, 5.0] {
            let (whole, outcome) = run(&mut moved(by, 1.0), &settings, Some(warm.clone()));
            let (again, _) = run(&mut moved(by, 1.0), &settings, Some(warm.clone()));
            assert!(whole.commits == again.commits, "{kind}: another run of the same");
            for k in 0..whole.commits.len() {
                let (mut rest, mut toy) = (Memory::default(), moved(by, 1.0));
                let (from, start) = (&whole.commits[k].checkpoint, begin(&toy, Some(warm.clone())));
                let end = sample(&mut toy, &settings, &start, Some(from), &mut rest, &mut |_| Watch::Continue);
                assert_eq!(end.expect("it finishes"), outcome, "{kind}: resumed after commit {k}");
                assert!(rest.commits == whole.commits[k + 1..], "{kind}: resumed after commit {k}");
            }
        }
    }
}

/// The other sampler may go on from where one ended, with more chains or fewer, and in superchains.
#[test]
fn samplers_and_numbers_of_chains_may_change() {
    let (memory, _) = run(&mut moved(0.0, 1.0), &settings(Kind::Nuts, 8, 200), None);
    let warm = handed_over(&memory);
    for (kind, chains, superchains) in [(Kind::Chees, 16, None), (Kind::Nuts, 3, None), (Kind::Chees, 32, Some(4))] {
        let settings = Settings { superchains, ..settings(kind, chains, 400) };
        let state = warm::begin_warm(&mut moved(0.0, 1.0), &settings, &warm).expect("a start");
        let mut starts: Vec<Vec<u64>> =
            state.chains.iter().map(|c| c.q.iter().map(|q| q.to_bits()).collect()).collect();
        starts.dedup();
        assert_eq!(starts.len(), superchains.unwrap_or(chains), "starts in a row differ");
        starts.sort();
        starts.dedup();
        assert_eq!(starts.len(), superchains.unwrap_or(chains).min(8), "as many places as there are");
        let (memory, outcome) = run(&mut moved(0.0, 1.0), &settings, Some(warm.clone()));
        let (m, se) = mean_and_mcse(&memory.draws(), |q| q[2]);
        assert!(m.abs() < 5.0 * se && se < 2.0, "{kind}: {m} ± {se}");
        assert_eq!(outcome.notes.iter().any(|n| n.contains("shared 8 positions")), chains == 16, "{:?}", outcome.notes);
    }
}

/// What is not of these coordinates, or is no number, is refused; a run under way hands nothing over.
#[test]
fn what_cannot_be_begun_from_is_refused() {
    let settings = settings(Kind::Nuts, 4, 40);
    let (memory, _) = run(&mut moved(0.0, 1.0), &settings, None);
    let warm = handed_over(&memory);
    type Spoil = fn(&mut WarmStart);
    let cases: [(&str, Spoil); 6] = [
        ("no positions", |w| w.positions.clear()),
        ("short", |w| w.positions[1].truncate(5)),
        ("not a number", |w| w.positions[0][0] = f64::NAN),
        ("a reference of another size", |w| w.reference.push(0.0)),
        ("no step", |w| w.step_size = 0.0),
        ("no metric", |w| w.metric = Metric::diagonal(vec![1.0; 5])),
    ];
    for (name, spoil) in cases {
        let mut spoilt = warm.clone();
        spoil(&mut spoilt);
        let toy = &mut moved(0.0, 1.0);
        let start = begin(toy, Some(spoilt));
        let end = sample(toy, &settings, &start, None, &mut Memory::default(), &mut |_| Watch::Continue);
        assert!(matches!(end, Err(SampleError::Start(_))), "{name}: {end:?}");
    }
    let early = hand_over(&memory.commits[0].checkpoint).expect_err("it had not warmed up");
    assert!(early.to_string().contains("has not finished its warm-up"), "{early}");
}

/// Replications of the calibration.
const REPLICATIONS: usize = 200;
/// Thinned draws that a truth is ranked among.
const RANKED: usize = 39;

/// Eight groups of which each has `seen` observations with sd 1: y_g the mean of them.
fn groups(y: Vec<f64>, seen: f64) -> Toy {
    // μ, ln σ, η_g: non-centred, θ_g = μ + σ η_g, under μ ~ N(0, 1) and ln σ ~ N(−1, ½).
    Toy::new(2 + y.len(), move |q, grad| {
        let (mu, log_sigma) = (q[0], q[1]);
        let (sigma, off) = (log_sigma.exp(), (log_sigma + 1.0) / 0.5);
        (grad[0], grad[1]) = (-mu, -off / 0.5);
        let mut lp = -0.5 * mu * mu - 0.5 * off * off;
        for (g, y) in y.iter().enumerate() {
            let eta = q[2 + g];
            let slope = seen * (y - mu - sigma * eta);
            lp += -0.5 * slope * slope / seen - 0.5 * eta * eta;
            grad[0] += slope;
            grad[1] += slope * sigma * eta;
            grad[2 + g] = slope * sigma - eta;
        }
        lp
    })
}

/// One group: y the mean of `seen` observations of N(θ₁ + θ₂, 1) and x that of N(θ₁ θ₂ / 2, 1), under θ ~ N(0, 1).
fn single(y: f64, x: f64, seen: f64) -> Toy {
    Toy::new(2, move |q, g| {
        let (a, b) = (seen * (y - q[0] - q[1]), seen * (x - 0.5 * q[0] * q[1]));
        (g[0], g[1]) = (a + 0.5 * b * q[1] - q[0], a + 0.5 * b * q[0] - q[1]);
        -0.5 * (a * a + b * b) / seen - 0.5 * (q[0] * q[0] + q[1] * q[1])
    })
}

/// Three nights of data that grow: the first fitted cold, the next begun from the one before. Over 200 truths drawn from the prior, the rank of
/// the truth among the last night's draws must be uniform, warm as cold; and the same of a mean over both.
#[test]
fn posteriors_begun_warm_are_calibrated() {
    // Observations of a group by the end of each night.
    let nights = [20.0, 22.0, 24.0];
    for kind in BOTH {
        for grouped in [false, true] {
            let mut ranks = [vec![[0u32; RANKED + 1]; 2], vec![[0u32; RANKED + 1]; 2]];
            for replication in 0..REPLICATIONS {
                let mut stream = Stream::new(9, Purpose::Test, replication as u64, u32::from(grouped));
                let mut normal = || stream.normal();
                let (mu, log_sigma) = (normal(), if grouped { -1.0 + 0.5 * normal() } else { normal() });
                let centres: Vec<f64> = match grouped {
                    true => (0..8).map(|_| mu + log_sigma.exp() * normal()).collect(),
                    false => vec![mu + log_sigma, 0.5 * mu * log_sigma],
                };
                // Observations come night by night and stay: sums grow.
                let mut sums = vec![0.0; centres.len()];
                let mut before = 0.0;
                let mut toys = Vec::new();
                for &seen in &nights {
                    let new: f64 = seen - before;
                    for (sum, centre) in sums.iter_mut().zip(&centres) {
                        *sum += new * centre + new.sqrt() * normal();
                    }
                    before = seen;
                    let means: Vec<f64> = sums.iter().map(|s| s / seen).collect();
                    toys.push(if grouped { groups(means, seen) } else { single(means[0], means[1], seen) });
                }
                let chains = if kind == Kind::Nuts { 4 } else { 16 };
                let settings = Settings {
                    seed: replication as u64,
                    ..settings(kind, chains, if kind == Kind::Nuts { 100 } else { 50 })
                };
                let mut warm = None;
                let mut last = None;
                for toy in &mut toys {
                    let (memory, _) = run(toy, &settings, warm.take());
                    warm = Some(handed_over(&memory));
                    last = Some(memory);
                }
                let warm = last.expect("three nights").draws();
                let cold = run(&mut toys[2], &settings, None).0.draws();
                for (way, draws) in [warm, cold].iter().enumerate() {
                    let (_, n, _) = draws.dim();
                    let flat: Vec<Array2<f64>> = draws.outer_iter().map(|c| c.to_owned()).collect();
                    let total = chains * n;
                    let mut rank = [0usize; 2];
                    for k in 0..RANKED {
                        let row = (2 * k + 1) * total / (2 * RANKED);
                        let draw = flat[row / n].row(row % n);
                        rank[0] += usize::from(draw[0] < mu);
                        rank[1] += usize::from(draw[1] < log_sigma);
                    }
                    (0..2).for_each(|p| ranks[way][p][rank[p]] += 1);
                }
            }
            for (way, ranks) in ["warm", "cold"].iter().zip(&ranks) {
                for (p, counts) in ranks.iter().enumerate() {
                    let bins: Vec<f64> =
                        counts.chunks(4).map(|bin| bin.iter().map(|&n| f64::from(n)).sum::<f64>()).collect();
                    let expected = REPLICATIONS as f64 / bins.len() as f64;
                    let chi2: f64 = bins.iter().map(|n| (n - expected).powi(2) / expected).sum();
                    // χ² with 9 degrees of freedom exceeds 27.9 once in a thousand, and there are sixteen of them.
                    assert!(chi2 < 27.9, "{kind}, groups {grouped}, {way}, parameter {p}: χ² {chi2:.1} of {bins:?}");
                    let mean: f64 = counts.iter().enumerate().map(|(r, n)| r as f64 * f64::from(*n)).sum::<f64>()
                        / REPLICATIONS as f64;
                    // The rank of a uniform truth has mean 19.5 and sd 11.5: its mean over 200 is known to 0.82; four of those.
                    assert!(
                        (mean - 19.5).abs() < 3.3,
                        "{kind}, groups {grouped}, {way}, parameter {p}: mean rank {mean}"
                    );
                }
            }
        }
    }
}
