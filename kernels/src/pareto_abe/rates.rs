//! One customer's λ and μ under many draws of the population's parameters: means, and exact draws.
//!
//! Draws that are not too far from one another make a stratum ([`Strata`]) and share a customer's lattice, which is placed amid them,
//! wide enough for the widest Σ and fine enough for the narrowest; eight draws are weighed side by side (`tilt`).
//!
//! A pair (ln λ, ln μ) is drawn by rejection: a node by its weight, a point of its lattice cell, kept with probability
//! f(point)/([`STEEPEST`] f(node)) for the density f. That is exact wherever f grows by less than [`STEEPEST`] from a node to the edge of its
//! cell, which is all but some 1e-4 of a customer's probability.

use pulp::{Simd, WithSimd};

use super::future::{alive, purchases};
use super::integrand::{History, Integrand, Population};
use super::quadrature::{Lattice, Placer, REACH, TAIL, USUAL};
use super::tilt::{Normal, Tilt};
use super::{K, nearest};
use crate::simd::V;

/// By what factor the density may grow from a node to the edge of its cell: steps are at most some 0.8 posterior sds.
const STEEPEST: f64 = 4.0;

/// Draws tried before a node stands for one.
const MOST_TRIES: usize = 1000;

/// By what factor the variances of a stratum's draws may differ from those in their middle, in any direction, up and down.
const WIDEST: f64 = 2.0;

/// How far their means may be from the middle, in sds.
const FARTHEST: f64 = 1.0;

/// Draws of a population's parameters, in strata of draws that are near each other.
#[derive(Debug, Clone)]
pub struct Strata(Vec<Stratum>);

#[derive(Debug, Clone)]
struct Stratum {
    /// Where lattices are placed: wider than any draw is.
    reference: Population,
    /// By what factor of variances a draw may be narrower than the reference.
    narrower: f64,
    draws: Vec<u32>,
    populations: Vec<Population>,
    eights: Vec<Eight>,
}

/// Eight draws side by side, the last of them repeated.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Eight {
    mean: [[f64; 8]; 2],
    precision: [[f64; 8]; 3],
}

impl Strata {
    /// Draws that are not possible, as those of an approximation may be, become the nearest that are.
    pub fn new(by_draw: &[[f64; K]]) -> Self {
        let populations: Vec<Population> = by_draw.iter().map(|theta| Population::new(&nearest(theta))).collect();
        let mut left: Vec<u32> = (0..populations.len() as u32).collect();
        let mut strata = Vec::new();
        while !left.is_empty() {
            let first = populations[left[0] as usize];
            let around = |middle: &Population| -> (Vec<u32>, Vec<u32>) {
                left.iter().partition(|draw| is_near(&populations[**draw as usize], middle))
            };
            let mut middle = amid(left.iter().map(|draw| &populations[*draw as usize]));
            let (mut near, mut far) = around(&middle);
            if near.is_empty() {
                middle = first;
                (near, far) = around(&middle);
            }
            strata.push(Stratum::new(&middle, near, |draw| populations[draw as usize]));
            left = far;
        }
        Self(strata)
    }
}

/// The mean of some populations.
fn amid<'a>(some: impl ExactSizeIterator<Item = &'a Population>) -> Population {
    let share = 1.0 / some.len() as f64;
    some.fold(Population { mean: [0.0; 2], sd: [0.0; 2], corr: 0.0 }, |sum, one| Population {
        mean: [0, 1].map(|k| sum.mean[k] + share * one.mean[k]),
        sd: [0, 1].map(|k| sum.sd[k] + share * one.sd[k]),
        corr: sum.corr + share * one.corr,
    })
}

fn is_near(population: &Population, middle: &Population) -> bool {
    let [least, most] = population.variances_in(middle);
    least * WIDEST >= 1.0 && most <= WIDEST && population.distance_in(middle) <= FARTHEST * FARTHEST
}

impl Stratum {
    fn new(middle: &Population, draws: Vec<u32>, of: impl Fn(u32) -> Population) -> Self {
        let populations: Vec<Population> = draws.iter().map(|draw| of(*draw)).collect();
        let (mut wider, mut least) = (1.0_f64, 1.0_f64);
        for population in &populations {
            let [narrow, wide] = population.variances_in(middle);
            let reach = (TAIL * wide.sqrt() + population.distance_in(middle).sqrt()) / REACH;
            (wider, least) = (wider.max(reach * reach), least.min(narrow));
        }
        let eights = populations.chunks(8).map(Eight::new).collect();
        Self { reference: middle.widened(wider), narrower: wider / least, draws, populations, eights }
    }
}

impl Eight {
    fn new(populations: &[Population]) -> Self {
        let mut eight = Self { mean: [[0.0; 8]; 2], precision: [[0.0; 8]; 3] };
        for lane in 0..8 {
            let population = &populations[lane.min(populations.len() - 1)];
            let precision = population.precision();
            eight.mean.iter_mut().zip(population.mean).for_each(|(lanes, mean)| lanes[lane] = mean);
            eight.precision.iter_mut().zip(precision).for_each(|(lanes, entry)| lanes[lane] = entry);
        }
        eight
    }
}

/// What purchases say of λ and μ, one customer after another in the same room.
#[derive(Debug)]
pub struct Rates {
    placer: Placer,
    lines: Vec<Line>,
}

/// One lattice line under eight draws: how weights begin and grow, and the sum of weights times first values.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Line {
    start: [f64; 8],
    ratio: [f64; 8],
    sum: [f64; 8],
}

impl Default for Rates {
    fn default() -> Self {
        Self { placer: Placer::new(USUAL), lines: Vec::new() }
    }
}

/// What the purchases say under one draw.
pub struct Told<'a, F, const N: usize> {
    /// Means of the values.
    pub means: [f64; N],
    value: &'a F,
    history: &'a History,
    population: &'a Population,
    lattice: &'a Lattice,
    shares: &'a [f64],
    values: &'a [[f64; N]],
    lines: &'a [Line],
    growth: f64,
    lane: usize,
}

impl Rates {
    /// Takes what `value` makes of (P(alive | λ, μ), λ, μ) to what a history (x, t_x, T) says of λ and μ under each draw; tells each draw's
    /// place and what was said, stratum by stratum and so in no order.
    pub fn each<F: Fn(f64, f64, f64) -> [f64; N], const N: usize>(
        &mut self,
        strata: &Strata,
        (x, t_x, t): (u32, f64, f64),
        value: F,
        mut tell: impl FnMut(usize, Told<'_, F, N>),
    ) {
        let (history, mut astray) = (History::new(x, t_x, t), Vec::new());
        for stratum in &strata.0 {
            self.each_of(stratum, &history, &value, &mut astray, &mut tell);
        }
        for (draw, population) in std::mem::take(&mut astray) {
            let alone = Stratum::new(&population, vec![draw], |_| population);
            self.each_of(&alone, &history, &value, &mut astray, &mut tell);
        }
    }

    /// The same of one stratum. Draws under which a weight outgrows its number are put into `astray`, if there are others.
    fn each_of<F: Fn(f64, f64, f64) -> [f64; N], const N: usize>(
        &mut self,
        stratum: &Stratum,
        history: &History,
        value: &F,
        astray: &mut Vec<(u32, Population)>,
        tell: &mut impl FnMut(usize, Told<'_, F, N>),
    ) {
        self.placer.set_fineness(USUAL.for_narrower(stratum.narrower));
        self.placer.place(history, &stratum.reference);
        let Placer { lattice, shares, arch, .. } = &self.placer;
        let at = |node: usize| {
            let [lambda, mu] = lattice.node(node / lattice.columns, node % lattice.columns).map(f64::exp);
            value(alive(lambda, mu, history.t - history.t_x), lambda, mu)
        };
        let values: Vec<[f64; N]> = (0..shares.len()).map(at).collect();
        for (k, eight) in stratum.eights.iter().enumerate() {
            self.lines.clear();
            let reference = &stratum.reference;
            let weigh = Weigh { lattice, shares, values: &values, reference, eight, lines: &mut self.lines };
            let Weighed { total, sums, growth } = arch.dispatch(weigh);
            let draws = stratum.draws.iter().zip(&stratum.populations).skip(8 * k).take(8);
            for (lane, (draw, population)) in draws.enumerate() {
                let is_sum = total[lane] > 0.0 && total[lane].is_finite();
                if !is_sum && stratum.draws.len() > 1 {
                    astray.push((*draw, *population));
                    continue;
                }
                let told = Told {
                    means: sums.map(|sum| sum[lane] / total[lane]),
                    value,
                    history,
                    population,
                    lattice,
                    shares,
                    values: &values,
                    lines: &self.lines,
                    growth: growth[lane],
                    lane,
                };
                tell(*draw as usize, told);
            }
        }
    }
}

/// Sums of weights and of weights times values, under eight draws.
struct Weighed<const N: usize> {
    total: [f64; 8],
    sums: [[f64; 8]; N],
    growth: [f64; 8],
}

/// Weighs a lattice under eight draws.
struct Weigh<'a, const N: usize> {
    lattice: &'a Lattice,
    shares: &'a [f64],
    values: &'a [[f64; N]],
    reference: &'a Population,
    eight: &'a Eight,
    lines: &'a mut Vec<Line>,
}

impl<const N: usize> WithSimd for Weigh<'_, N> {
    type Output = Weighed<N>;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> Weighed<N> {
        let Self { lattice, shares, values, reference, eight, lines } = self;
        let all = |value: f64| V::splat(simd, value);
        let from = Normal { mean: reference.mean.map(all), precision: reference.precision().map(all) };
        let mut weighed = Weighed { total: [0.0; 8], sums: [[0.0; 8]; N], growth: [0.0; 8] };
        lines.resize(lattice.rows, Line { start: [0.0; 8], ratio: [0.0; 8], sum: [0.0; 8] });
        for part in 0..8 / S::F64_LANES {
            let to = Normal {
                mean: [0, 1].map(|k| V::load(simd, &eight.mean[k], part)),
                precision: [0, 1, 2].map(|k| V::load(simd, &eight.precision[k], part)),
            };
            let mut walk = Tilt::new(lattice.corner.map(all), lattice.step.map(all), from, to).walk();
            let (mut total, mut sums) = (all(0.0), [all(0.0); N]);
            let nodes = shares.chunks_exact(lattice.columns).zip(values.chunks_exact(lattice.columns));
            for ((shares, values), line) in nodes.zip(lines.iter_mut()) {
                let (mut e_delta, mut ratio) = (walk.start, walk.ratio);
                let mut of_line = [all(0.0); N];
                for (share, values) in shares.iter().zip(values) {
                    let weight = all(*share) * e_delta;
                    total = total + weight;
                    for (sum, value) in of_line.iter_mut().zip(values) {
                        *sum = weight.times_plus(all(*value), *sum);
                    }
                    e_delta = e_delta * ratio;
                    ratio = ratio * walk.growth;
                }
                walk.start.store(&mut line.start, part);
                walk.ratio.store(&mut line.ratio, part);
                of_line[0].store(&mut line.sum, part);
                sums.iter_mut().zip(of_line).for_each(|(sum, add)| *sum = *sum + add);
                walk.next_line();
            }
            total.store(&mut weighed.total, part);
            sums.iter().zip(&mut weighed.sums).for_each(|(sum, lanes)| sum.store(lanes, part));
            walk.growth.store(&mut weighed.growth, part);
        }
        weighed
    }
}

impl<F: Fn(f64, f64, f64) -> [f64; N], const N: usize> Told<'_, F, N> {
    /// λ and μ drawn in proportion to what the purchases say of them times the first value, from uniform numbers of which the first
    /// is handed in.
    pub fn draw(&self, first: f64, mut uniform: impl FnMut() -> f64) -> [f64; 2] {
        let integrand = Integrand::new(self.history, self.population);
        let [a, b, c] = self.lattice.step;
        let total: f64 = self.lines.iter().map(|line| line.sum[self.lane]).sum();
        let mut place = first;
        for _ in 0..MOST_TRIES {
            let (i, j) = self.node(place * total);
            let [u_0, v_0] = self.lattice.node(i, j);
            let (down, across) = (uniform() - 0.5, uniform() - 0.5);
            let (u, v) = (u_0 + a * down, v_0 + b * down + c * across);
            let (lambda, mu) = (u.exp(), v.exp());
            let value = (self.value)(alive(lambda, mu, self.history.t - self.history.t_x), lambda, mu)[0];
            let grown = (integrand.ln_at(u, v) - integrand.ln_at(u_0, v_0)).exp() * value;
            if uniform() * STEEPEST * self.values[i * self.lattice.columns + j][0] < grown {
                return [lambda, mu];
            }
            place = uniform();
        }
        let (i, j) = self.node(0.5 * total);
        self.lattice.node(i, j).map(f64::exp)
    }

    /// The node at which the sum of weights times first values passes `place`.
    fn node(&self, mut place: f64) -> (usize, usize) {
        let columns = self.lattice.columns;
        let mut last = (0, 0);
        for (i, line) in self.lines.iter().enumerate() {
            let sum = line.sum[self.lane];
            if place >= sum {
                place -= sum;
                continue;
            }
            let (mut e_delta, mut ratio) = (line.start[self.lane], line.ratio[self.lane]);
            let nodes = self.shares[i * columns..].iter().zip(&self.values[i * columns..]).take(columns);
            for (j, (share, values)) in nodes.enumerate() {
                let weight = share * e_delta * values[0];
                if weight > 0.0 {
                    last = (i, j);
                    if place < weight {
                        return last;
                    }
                    place -= weight;
                }
                e_delta *= ratio;
                ratio *= self.growth;
            }
        }
        last
    }
}

/// Expected purchases within h of a customer who is alive and has these λ and μ: λ (1 − e^−μh)/μ.
pub fn expected_purchases_given([lambda, mu]: [f64; 2], horizon: f64) -> f64 {
    purchases(lambda, mu, horizon)
}
