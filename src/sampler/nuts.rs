//! One NUTS transition as a state machine that asks for one gradient at a time.
//!
//! Knows one trajectory of one chain: how it grows, which leaf is drawn, why it ended. Nothing here knows other chains, adaptation, or
//! how a batch is evaluated.
//!
//! Multinomial NUTS (Betancourt 2017): a trajectory doubles in a random direction until it turns; leaf i has weight
//! exp(H₀ − H_i); within the new subtree leaves replace each other with probability weight / weight so far, and the new subtree's choice
//! replaces the old one's with probability min(1, W_new / W_old) (biased progressive sampling). Iterative, as `uturn` explains.

use super::leapfrog::{MAX_ENERGY_ERROR, draw_momentum, energy, kick, kick_and_drift, kinetic_energy};
use super::uturn::{Checkpoints, Joined};
use super::{Purpose, Stream};

/// Why a trajectory stopped growing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// It, or a subtree of its last doubling, turned back.
    Turned,
    /// It doubled `max_depth` times without turning.
    DepthReached,
    /// The energy error passed the bound, or the density was impossible.
    Diverged,
}

/// What one transition came to. The new position is read from the [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ended {
    pub(super) ending: Ending,
    /// Doublings that were completed and kept.
    pub(super) depth: u32,
    /// Gradients asked for.
    pub(super) steps: u32,
    /// Mean of min(1, exp(H₀ − H)) over all leaves.
    pub(super) acceptance: f64,
    /// H at the point drawn.
    pub(super) energy: f64,
    /// Whether the point drawn is another one than the start.
    pub(super) moved: bool,
}

/// A phase-space point with its gradient.
#[derive(Debug, Clone)]
struct Point {
    q: Vec<f64>,
    p: Vec<f64>,
    g: Vec<f64>,
}

/// A leaf that may become the draw.
#[derive(Debug, Clone)]
pub(super) struct Leaf {
    pub(super) q: Vec<f64>,
    pub(super) g: Vec<f64>,
    pub(super) log_density: f64,
    energy: f64,
}

/// What a transition is to do: where it starts and what is held fixed until it ends.
pub(super) struct Begin<'a> {
    pub(super) q: &'a [f64],
    pub(super) g: &'a [f64],
    pub(super) log_density: f64,
    pub(super) inverse_mass: &'a [f64],
    pub(super) step_size: f64,
    pub(super) max_depth: u32,
    pub(super) seed: u64,
    pub(super) chain: u64,
    pub(super) transition: u32,
}

/// A trajectory under construction. Reused from transition to transition; allocates once.
#[derive(Debug)]
pub(super) struct Tree {
    inverse_mass: Vec<f64>,
    step_size: f64,
    max_depth: u32,
    choices: Stream,
    /// The two ends: backwards in time, forwards in time.
    ends: [Point; 2],
    /// Which end is growing.
    forwards: usize,
    /// Momentum at the growing end before this doubling.
    p_near: Vec<f64>,
    /// Sum of the momenta of every leaf kept.
    sum: Vec<f64>,
    log_weight: f64,
    drawn: Leaf,
    moved: bool,
    subtree: Checkpoints,
    subtree_log_weight: f64,
    candidate: Leaf,
    depth: u32,
    steps: u32,
    acceptance_sum: f64,
    energy_start: f64,
}

impl Tree {
    /// Room for trajectories of `2^max_depth` leaves in `dim` coordinates.
    pub(super) fn new(dim: usize, max_depth: u32) -> Self {
        let point = Point { q: vec![0.0; dim], p: vec![0.0; dim], g: vec![0.0; dim] };
        let leaf = Leaf { q: vec![0.0; dim], g: vec![0.0; dim], log_density: 0.0, energy: 0.0 };
        Self {
            inverse_mass: vec![1.0; dim],
            step_size: 1.0,
            max_depth,
            choices: Stream::new(0, Purpose::Trajectory, 0, 0),
            ends: [point.clone(), point],
            forwards: 0,
            p_near: vec![0.0; dim],
            sum: vec![0.0; dim],
            log_weight: 0.0,
            drawn: leaf.clone(),
            moved: false,
            subtree: Checkpoints::new(dim, max_depth),
            subtree_log_weight: f64::NEG_INFINITY,
            candidate: leaf,
            depth: 0,
            steps: 0,
            acceptance_sum: 0.0,
            energy_start: 0.0,
        }
    }

    /// Draws a momentum and takes the first half step. Ask for [`Tree::request`] next.
    pub(super) fn begin(&mut self, b: &Begin<'_>) {
        self.inverse_mass.copy_from_slice(b.inverse_mass);
        self.step_size = b.step_size;
        self.max_depth = b.max_depth;
        self.choices = Stream::new(b.seed, Purpose::Trajectory, b.chain, b.transition);
        let [back, front] = &mut self.ends;
        back.q.copy_from_slice(b.q);
        back.g.copy_from_slice(b.g);
        draw_momentum(&mut back.p, b.inverse_mass, &mut Stream::new(b.seed, Purpose::Momentum, b.chain, b.transition));
        front.q.copy_from_slice(&back.q);
        front.p.copy_from_slice(&back.p);
        front.g.copy_from_slice(&back.g);
        self.energy_start = kinetic_energy(&back.p, b.inverse_mass) - b.log_density;
        self.sum.copy_from_slice(&back.p);
        self.drawn.q.copy_from_slice(b.q);
        self.drawn.g.copy_from_slice(b.g);
        self.drawn.log_density = b.log_density;
        self.drawn.energy = self.energy_start;
        self.log_weight = 0.0;
        self.moved = false;
        self.depth = 0;
        self.steps = 0;
        self.acceptance_sum = 0.0;
        self.begin_doubling();
    }

    /// The position whose log density and gradient are wanted.
    pub(super) fn request(&self) -> &[f64] {
        &self.ends[self.forwards].q
    }

    /// The point drawn, once [`Tree::receive`] has said that the transition ended.
    pub(super) fn drawn(&self) -> &Leaf {
        &self.drawn
    }

    /// Takes the log density and gradient at [`Tree::request`] and moves on: to the next request (`None`) or to the end.
    pub(super) fn receive(&mut self, log_density: f64, gradient: &[f64]) -> Option<Ended> {
        let epsilon = self.signed_step();
        let tip = &mut self.ends[self.forwards];
        tip.g.copy_from_slice(gradient);
        kick(&mut tip.p, gradient, epsilon);
        self.steps += 1;
        let h = energy(log_density, &tip.p, &self.inverse_mass);
        let log_weight = self.energy_start - h;
        self.acceptance_sum += log_weight.min(0.0).exp();
        if log_weight.is_nan() || -log_weight > MAX_ENERGY_ERROR {
            return Some(self.end(Ending::Diverged));
        }

        let first = self.subtree.leaves() == 0;
        self.subtree_log_weight = log_add_exp(self.subtree_log_weight, log_weight);
        if first || self.choices.uniform() < (log_weight - self.subtree_log_weight).exp() {
            self.candidate.q.copy_from_slice(&tip.q);
            self.candidate.g.copy_from_slice(gradient);
            self.candidate.log_density = log_density;
            self.candidate.energy = h;
        }
        if self.subtree.push(&tip.p, &self.inverse_mass) {
            return Some(self.end(Ending::Turned));
        }
        if self.subtree.leaves() == 1 << self.depth {
            if let Some(ending) = self.keep_subtree() {
                return Some(self.end(ending));
            }
            self.begin_doubling();
        } else {
            self.step();
        }
        None
    }

    /// Joins a completed subtree to the trajectory; says if that is its end.
    fn keep_subtree(&mut self) -> Option<Ending> {
        if self.choices.uniform() < (self.subtree_log_weight - self.log_weight).exp() {
            std::mem::swap(&mut self.drawn, &mut self.candidate);
            self.moved = true;
        }
        self.depth += 1;
        self.log_weight = log_add_exp(self.log_weight, self.subtree_log_weight);
        let turned = Joined {
            old_far: &self.ends[1 - self.forwards].p,
            old_near: &self.p_near,
            old_sum: &self.sum,
            new_near: self.subtree.first(),
            new_far: &self.ends[self.forwards].p,
            new_sum: &self.subtree.sum,
        }
        .turned(&self.inverse_mass);
        if turned {
            return Some(Ending::Turned);
        }
        if self.depth == self.max_depth {
            return Some(Ending::DepthReached);
        }
        self.sum.iter_mut().zip(&self.subtree.sum).for_each(|(s, new)| *s += new);
        None
    }

    fn begin_doubling(&mut self) {
        self.forwards = usize::from(self.choices.uniform() < 0.5);
        self.p_near.copy_from_slice(&self.ends[self.forwards].p);
        self.subtree.clear();
        self.subtree_log_weight = f64::NEG_INFINITY;
        self.step();
    }

    fn step(&mut self) {
        let epsilon = self.signed_step();
        let tip = &mut self.ends[self.forwards];
        kick_and_drift(&mut tip.q, &mut tip.p, &tip.g, &self.inverse_mass, epsilon);
    }

    fn signed_step(&self) -> f64 {
        if self.forwards == 1 { self.step_size } else { -self.step_size }
    }

    fn end(&self, ending: Ending) -> Ended {
        Ended {
            ending,
            depth: self.depth,
            steps: self.steps,
            acceptance: self.acceptance_sum / f64::from(self.steps),
            energy: self.drawn.energy,
            moved: self.moved,
        }
    }
}

/// ln(eᵃ + eᵇ), with −∞ for nothing.
fn log_add_exp(a: f64, b: f64) -> f64 {
    let (low, high) = if a < b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}
