//! NUTS once more, recursively and from its definition, as the judge of the iterative state machine in `nuts`.
//!
//! Follows Betancourt 2017 and Stan's `base_nuts`: every leaf is kept, every balanced subtree is tested when its halves join, every sum of
//! momenta is taken afresh. Shares the leapfrog step and the addresses of random numbers with `nuts`, and nothing else.

use super::leapfrog::{draw_momentum, energy, kick, kick_and_drift};
use super::nuts::{Begin, Ended, Ending, Tree};
use super::targets::Toy;
use super::{Purpose, Stream};
use crate::target::{Evaluation, LogDensity};

#[derive(Debug, Clone)]
struct State {
    q: Vec<f64>,
    p: Vec<f64>,
    g: Vec<f64>,
    h: f64,
}

fn evaluate(toy: &mut Toy, q: &[f64]) -> (f64, Vec<f64>) {
    let mut out = Evaluation::new(1, q.len());
    let points = ndarray::Array2::from_shape_fn((1, q.len()), |(_, i)| q[i]);
    toy.evaluate(points.view(), &mut out).expect("toys do not break");
    (out.log_density[0], out.gradient.row(0).to_vec())
}

/// p_aᵀDρ > 0 and p_bᵀDρ > 0 over a run of momenta in the order of time.
fn straight(run: &[State], d: &[f64]) -> bool {
    let rho: Vec<f64> = (0..d.len()).map(|i| run.iter().map(|s| s.p[i]).sum()).collect();
    let along = |s: &State| (0..d.len()).map(|i| d[i] * s.p[i] * rho[i]).sum::<f64>() > 0.0;
    along(&run[0]) && along(&run[run.len() - 1])
}

/// Both halves, each with its neighbour, and the whole.
fn halves_straight(run: &[State], middle: usize, d: &[f64]) -> bool {
    straight(run, d) && straight(&run[..=middle], d) && straight(&run[middle - 1..], d)
}

struct Naive<'a> {
    toy: &'a mut Toy,
    d: Vec<f64>,
    epsilon: f64,
    choices: Stream,
    h_start: f64,
    steps: u32,
    acceptance: f64,
    /// Weights exp(H₀ − H) of the growing subtree so far, and its candidate.
    weight: f64,
    candidate: Option<State>,
}

impl Naive<'_> {
    /// 2^depth further leaves from `from` in direction `sign`, in the order of time; or why there are not as many.
    fn build(&mut self, from: &State, sign: f64, depth: u32) -> Result<Vec<State>, Ending> {
        if depth == 0 {
            let mut s = from.clone();
            kick_and_drift(&mut s.q, &mut s.p, &s.g, &self.d, sign * self.epsilon);
            let (lp, g) = evaluate(self.toy, &s.q);
            kick(&mut s.p, &g, sign * self.epsilon);
            (s.g, s.h) = (g, energy(lp, &s.p, &self.d));
            self.steps += 1;
            let weight = (self.h_start - s.h).exp();
            self.acceptance += weight.min(1.0);
            if s.h - self.h_start > 1000.0 {
                return Err(Ending::Diverged);
            }
            self.weight += weight;
            if self.candidate.is_none() || self.choices.uniform() < weight / self.weight {
                self.candidate = Some(s.clone());
            }
            return Ok(vec![s]);
        }
        let near = self.build(from, sign, depth - 1)?;
        let edge = if sign > 0.0 { near[near.len() - 1].clone() } else { near[0].clone() };
        let far = self.build(&edge, sign, depth - 1)?;
        let middle = near.len();
        let run = if sign > 0.0 { [near, far].concat() } else { [far, near].concat() };
        if halves_straight(&run, middle, &self.d) { Ok(run) } else { Err(Ending::Turned) }
    }
}

fn naive_transition(toy: &mut Toy, b: &Begin<'_>) -> (Vec<f64>, Ended) {
    let mut p = vec![0.0; b.q.len()];
    draw_momentum(&mut p, b.inverse_mass, &mut Stream::new(b.seed, Purpose::Momentum, b.chain, b.transition));
    let h_start = energy(b.log_density, &p, b.inverse_mass);
    let start = State { q: b.q.to_vec(), p, g: b.g.to_vec(), h: h_start };
    let mut naive = Naive {
        toy,
        d: b.inverse_mass.to_vec(),
        epsilon: b.step_size,
        choices: Stream::new(b.seed, Purpose::Trajectory, b.chain, b.transition),
        h_start,
        steps: 0,
        acceptance: 0.0,
        weight: 0.0,
        candidate: None,
    };
    let (mut run, mut drawn, mut weight, mut moved, mut depth) = (vec![start.clone()], start, 1.0, false, 0);
    let ending = loop {
        if depth == b.max_depth {
            break Ending::DepthReached;
        }
        let sign = if naive.choices.uniform() < 0.5 { 1.0 } else { -1.0 };
        let edge = if sign > 0.0 { run[run.len() - 1].clone() } else { run[0].clone() };
        (naive.weight, naive.candidate) = (0.0, None);
        let grown = match naive.build(&edge, sign, depth) {
            Ok(grown) => grown,
            Err(ending) => break ending,
        };
        if naive.choices.uniform() < naive.weight / weight {
            drawn = naive.candidate.clone().expect("a grown subtree has a candidate");
            moved = true;
        }
        weight += naive.weight;
        depth += 1;
        let middle = if sign > 0.0 { run.len() } else { grown.len() };
        run = if sign > 0.0 { [run, grown].concat() } else { [grown, run].concat() };
        if !halves_straight(&run, middle, b.inverse_mass) {
            break Ending::Turned;
        }
    };
    let acceptance = naive.acceptance / f64::from(naive.steps);
    (drawn.q, Ended { ending, depth, steps: naive.steps, acceptance, energy: drawn.h, moved })
}

/// The same trees, endings and draws, transition by transition, on densities that turn, wind, diverge and have edges.
#[test]
fn the_state_machine_grows_the_same_trees() {
    let half_plane = Toy::new(2, |q, g| {
        (g[0], g[1]) = (-q[0], -q[1]);
        if q[0] > 0.5 { f64::NEG_INFINITY } else { -0.5 * (q[0] * q[0] + q[1] * q[1]) }
    });
    let rows: Vec<(&str, Toy, f64, u32)> = vec![
        ("independent", Toy::independent(vec![0.5, 1.0, 2.0]), 0.2, 10),
        ("strongly correlated", Toy::rank_one(vec![1.0, 1.0], 50.0), 0.3, 10),
        ("rank one", Toy::rank_one(vec![0.3, 1.0, 2.0, 1.0], 3.0), 0.15, 10),
        ("depth 4", Toy::rank_one(vec![1.0, 1.0], 2000.0), 0.1, 4),
        ("funnel", Toy::funnel(3), 0.4, 8),
        ("student", Toy::student(3, 3.0), 0.7, 10),
        ("edge", half_plane, 0.25, 10),
    ];
    let (mut turned, mut reached, mut diverged, mut deepest) = (0, 0, 0, 0);
    for (name, mut toy, step_size, max_depth) in rows {
        let dim = toy.dim();
        let inverse_mass: Vec<f64> = (0..dim).map(|i| 1.0 + 0.2 * i as f64).collect();
        let mut tree = Tree::new(dim, max_depth);
        let mut q = vec![0.2; dim];
        for transition in 0..150 {
            let (log_density, g) = evaluate(&mut toy, &q);
            let begin = Begin {
                q: &q,
                g: &g,
                log_density,
                inverse_mass: &inverse_mass,
                step_size,
                max_depth,
                seed: 5,
                chain: 3,
                transition,
            };
            let (expected_q, expected) = naive_transition(&mut toy, &begin);
            tree.begin(&begin);
            let ended = loop {
                let (lp, g) = evaluate(&mut toy, tree.request());
                if let Some(ended) = tree.receive(lp, &g) {
                    break ended;
                }
            };
            assert_eq!(tree.drawn().q, expected_q, "{name}, transition {transition}");
            // Acceptance is a sum of at most 1023 terms in two orders of operations.
            assert!((ended.acceptance - expected.acceptance).abs() < 1e-12, "{name}, transition {transition}");
            assert_eq!(Ended { acceptance: expected.acceptance, ..ended }, expected, "{name}, transition {transition}");
            match ended.ending {
                Ending::Turned => turned += 1,
                Ending::DepthReached => reached += 1,
                Ending::Diverged => diverged += 1,
            }
            deepest = deepest.max(ended.depth);
            q = expected_q;
        }
    }
    assert!(turned > 300 && reached > 50 && diverged > 50 && deepest >= 5, "{turned} {reached} {diverged} {deepest}");
}
