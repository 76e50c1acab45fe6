//! Eight rows on their lattices in one register's width, at all points of a batch. Knows nothing of groups' sums or threads.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use crate::covariates::Term;
use crate::pareto_abe::integrand::Population;
use crate::pareto_abe::moments::{Moments, RowSums};
use crate::pareto_abe::quadrature::{Lattice, MOST_EXCESS, Placer, REACH, TAIL};
use crate::pareto_abe::rows::Rows;
use crate::pareto_abe::shift;
use crate::pareto_abe::tilt::{Normal, Tilt, Walk};
use crate::simd::V;
use crate::simd::ln::ln;

/// By what factor of variances a group's Σ may be wider than where its rows' lattices were placed, in any direction, and as much narrower
/// than what they are meant for, before rows are not asked.
const FARTHEST_VARIANCE: f64 = 4.0;

/// What is known of each of eight rows at the reference.
#[derive(Debug, Clone, Copy)]
#[repr(C, align(64))]
struct Lanes {
    corner: [[f64; 8]; 2],
    step: [[f64; 8]; 3],
    /// Means of ln λ and ln μ at the reference.
    mean: [[f64; 8]; 2],
    ln_lik: [f64; 8],
    weight: [f64; 8],
    /// Posterior mean of i and j, and 1/variance.
    place: [[f64; 8]; 2],
    per_variance: [[f64; 8]; 2],
}

/// Eight rows of one group, the last of them repeated without weight.
#[derive(Debug, Clone)]
pub(super) struct Block {
    columns: usize,
    /// `[row][column][lane]`.
    shares: Vec<[f32; 8]>,
    lanes: Box<Lanes>,
    /// `[term][lane]`.
    covariates: Vec<[f64; 8]>,
    /// Rows as handed in.
    inputs: Vec<u32>,
}

impl Block {
    /// Places the nodes of up to eight rows at their populations.
    pub fn new(placer: &mut Placer, rows: &Rows, group: &Population, gammas: &[f64], inputs: Vec<u32>) -> Self {
        let mut lanes = Lanes {
            corner: [[0.0; 8]; 2],
            step: [[0.0; 8]; 3],
            mean: [[0.0; 8]; 2],
            ln_lik: [0.0; 8],
            weight: [0.0; 8],
            place: [[0.0; 8]; 2],
            per_variance: [[0.0; 8]; 2],
        };
        let mut covariates = vec![[0.0; 8]; gammas.len()];
        let mut placed: Vec<(Lattice, Vec<f32>)> = Vec::with_capacity(8);
        for lane in 0..8 {
            let row = inputs[lane.min(inputs.len() - 1)] as usize;
            let population = group.shifted(shift(&rows.covariates, row, gammas));
            if lane < inputs.len() {
                let ln_lik = placer.place(&rows.history(row), &population);
                let shares: Vec<f32> = placer.shares.iter().map(|share| *share as f32).collect();
                let total: f64 = shares.iter().map(|share| f64::from(*share)).sum();
                lanes.ln_lik[lane] = ln_lik - total.ln();
                lanes.weight[lane] = rows.cells.weight[row];
                placed.push((placer.lattice, shares));
            } else {
                lanes.ln_lik[lane] = lanes.ln_lik[lane - 1];
            }
            let (mean, [ii, _, jj]) = placer.spread();
            let lattice = placer.lattice;
            for (k, variance) in [ii, jj].into_iter().enumerate() {
                lanes.corner[k][lane] = lattice.corner[k];
                lanes.mean[k][lane] = population.mean[k];
                lanes.place[k][lane] = mean[k];
                lanes.per_variance[k][lane] = 1.0 / variance;
            }
            (0..3).for_each(|k| lanes.step[k][lane] = lattice.step[k]);
            covariates.iter_mut().zip(rows.terms(row)).for_each(|(term, (_, z))| term[lane] = z);
        }
        let height = placed.iter().map(|(lattice, _)| lattice.rows).max().unwrap_or(0);
        let width = placed.iter().map(|(lattice, _)| lattice.columns).max().unwrap_or(0);
        let mut shares = vec![[0.0; 8]; height * width];
        for lane in 0..8 {
            let (lattice, of_lane) = &placed[lane.min(placed.len() - 1)];
            for (node, share) in of_lane.iter().enumerate() {
                shares[node / lattice.columns * width + node % lattice.columns][lane] = *share;
            }
        }
        Self { columns: width, shares, lanes: Box::new(lanes), covariates, inputs }
    }

    /// Nodes of each lane.
    pub fn nodes(&self) -> usize {
        self.shares.len()
    }

    pub fn bytes(&self) -> u64 {
        (size_of_val(self.shares.as_slice()) + size_of::<Lanes>() + size_of_val(self.covariates.as_slice())) as u64
    }

    /// Whether any of its rows is asked for.
    pub fn has_any(&self, asked: &Range<usize>) -> bool {
        self.inputs.iter().any(|row| asked.contains(&(*row as usize)))
    }
}

/// One group of one chain, seen from the reference.
#[derive(Debug, Clone)]
pub(super) struct Point {
    mean: [f64; 2],
    per_sd: [f64; 2],
    corr: f64,
    precision: [f64; 3],
    reference_precision: [f64; 3],
    /// `precision` beyond the most that lattices are meant for.
    excess: [f64; 3],
    /// ln of the ratio of the two densities' factors.
    ln_ratio: f64,
    gammas: Vec<f64>,
    /// Whether any row may use the reference's nodes.
    is_near: bool,
}

impl Point {
    /// Seen from a reference whose lattices are meant for Σ that is narrower by a factor of variances, too.
    pub fn new(population: &Population, reference: &Population, narrower: f64, gammas: &[f64]) -> Self {
        let Population { mean, sd: [a, b], corr } = *population;
        let [least, most] = population.variances_in(reference);
        let (precision, reference_precision) = (population.precision(), reference.precision());
        Self {
            mean,
            per_sd: [1.0 / a, 1.0 / b],
            corr,
            precision,
            reference_precision,
            excess: std::array::from_fn(|k| precision[k] - narrower * reference_precision[k]),
            ln_ratio: population.ln_peak() - reference.ln_peak(),
            gammas: gammas.to_vec(),
            is_near: most <= FARTHEST_VARIANCE && least * narrower >= 1.0 / FARTHEST_VARIANCE,
        }
    }
}

/// Sums over blocks, lane by lane.
#[derive(Debug, Clone)]
pub(super) struct Totals {
    /// ln L, customers, ξ, η, ξ², ξη, η².
    moments: [[f64; 8]; 7],
    pulls: Vec<[f64; 8]>,
}

impl Totals {
    pub fn new(terms: usize) -> Self {
        Self { moments: [[0.0; 8]; 7], pulls: vec![[0.0; 8]; terms] }
    }

    /// The eight lanes, pairwise.
    pub fn add_up(&self) -> RowSums {
        let pairwise = |[a, b, c, d, e, f, g, h]: [f64; 8]| ((a + e) + (c + g)) + ((b + f) + (d + h));
        let [ln_lik, customers, xi, eta, uu, uv, vv] = self.moments.map(pairwise);
        RowSums {
            moments: Moments { ln_lik, customers, first: [xi, eta], second: [uu, uv, vv] },
            pulls: self.pulls.iter().map(|pull| pairwise(*pull)).collect(),
        }
    }
}

/// What is wanted of the rows, and where it goes.
pub(super) enum Wanted<'a> {
    /// Weighted sums, one for each point.
    Totals(&'a mut [Totals]),
    /// ln L of single rows: place in the batch, row as handed in, value.
    Rows(&'a Range<usize>, &'a mut Vec<(usize, usize, f64)>),
}

/// Some blocks of one group at all points of a batch. Rows that need nodes of their own are left out, and named in `far` by place in
/// the batch and row as handed in.
pub(super) struct Evaluate<'a, 'b> {
    pub blocks: &'a [Block],
    pub points: &'a [Point],
    pub terms: &'a [Term],
    pub wanted: &'a mut Wanted<'b>,
    pub far: &'a mut Vec<(usize, usize)>,
}

impl WithSimd for Evaluate<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let Self { blocks, points, terms, wanted, far } = self;
        let mut shares: Vec<[f64; 8]> = Vec::new();
        for block in blocks {
            shares.resize(block.shares.len(), [0.0; 8]);
            for (wide, narrow) in shares.as_flattened_mut().iter_mut().zip(block.shares.as_flattened()) {
                *wide = f64::from(*narrow);
            }
            for (slot, point) in points.iter().enumerate() {
                let (mut near, mut values) = ([0.0; 8], [0.0; 8]);
                if point.is_near {
                    for part in 0..8 / S::F64_LANES {
                        let said = at(simd, block, &shares, part, point, terms);
                        said.is_near.store(&mut near, part);
                        said.moments[0].store(&mut values, part);
                        if let Wanted::Totals(totals) = wanted {
                            add(simd, block, &said, part, point.corr, terms, &mut totals[slot]);
                        }
                    }
                }
                for ((row, near), value) in block.inputs.iter().zip(near).zip(values) {
                    let row = *row as usize;
                    let is_asked = if let Wanted::Rows(asked, _) = wanted { asked.contains(&row) } else { true };
                    match wanted {
                        _ if !is_asked => {}
                        _ if near == 0.0 => far.push((slot, row)),
                        Wanted::Rows(_, all) => all.push((slot, row, value)),
                        Wanted::Totals(_) => {}
                    }
                }
            }
        }
    }
}

/// What a register of rows says: ln L, one, ξ, η, ξ², ξη, η², all zero in lanes that are not near.
#[derive(Clone, Copy)]
struct Said<S: Simd> {
    /// One or zero.
    is_near: V<S>,
    moments: [V<S>; 7],
}

/// Adds what near rows say, times their weights.
#[inline(always)]
fn add<S: Simd>(simd: S, block: &Block, said: &Said<S>, part: usize, corr: f64, terms: &[Term], totals: &mut Totals) {
    let weight = V::load(simd, &block.lanes.weight, part);
    for (sum, moment) in totals.moments.iter_mut().zip(said.moments) {
        weight.times_plus(moment, V::load(simd, sum, part)).store(sum, part);
    }
    if terms.is_empty() {
        return;
    }
    let ([_, _, xi, eta, ..], corr) = (said.moments, weight.all(corr));
    let pulls = [weight * corr.times_from(eta, xi), weight * corr.times_from(xi, eta)];
    for ((sum, term), z) in totals.pulls.iter_mut().zip(terms).zip(&block.covariates) {
        let z = V::load(simd, z, part);
        z.times_plus(pulls[term.parameter], V::load(simd, sum, part)).store(sum, part);
    }
}

/// Sums over a lattice of p⁰ e^Δ and its moments in i and j, e^Δ being one at the corner.
struct Sums<S: Simd> {
    total: V<S>,
    i: V<S>,
    j: V<S>,
    ii: V<S>,
    ij: V<S>,
    jj: V<S>,
}

/// Sums over a lattice of shares, e^Δ being one at the corner.
#[inline(always)]
fn lattice_sums<S: Simd>(simd: S, (shares, columns): (&[[f64; 8]], usize), part: usize, mut walk: Walk<S>) -> Sums<S> {
    let (zero, one) = (V::splat(simd, 0.0), V::splat(simd, 1.0));
    let mut sums = Sums { total: zero, i: zero, j: zero, ii: zero, ij: zero, jj: zero };
    let mut i = zero;
    for row in shares.chunks_exact(columns) {
        let (mut e_delta, mut ratio) = (walk.start, walk.ratio);
        let (mut total, mut first, mut second, mut j) = (zero, zero, zero, zero);
        for share in row {
            let p = V::load(simd, share, part) * e_delta;
            let p_j = p * j;
            total = total + p;
            first = first + p_j;
            second = p_j.times_plus(j, second);
            e_delta = e_delta * ratio;
            ratio = ratio * walk.growth;
            j = j + one;
        }
        let i_total = i * total;
        sums.total = sums.total + total;
        sums.i = sums.i + i_total;
        sums.j = sums.j + first;
        sums.ii = i.times_plus(i_total, sums.ii);
        sums.ij = i.times_plus(first, sums.ij);
        sums.jj = sums.jj + second;
        walk.next_line();
        i = i + one;
    }
    sums
}

/// Register `part` of a block at a point.
#[inline(always)]
fn at<S: Simd>(simd: S, block: &Block, shares: &[[f64; 8]], part: usize, point: &Point, terms: &[Term]) -> Said<S> {
    let load = |eight: &[f64; 8]| V::load(simd, eight, part);
    let all = |value: f64| V::splat(simd, value);
    let lanes = &block.lanes;
    let mut mean = [all(point.mean[0]), all(point.mean[1])];
    for ((term, gamma), z) in terms.iter().zip(&point.gammas).zip(&block.covariates) {
        mean[term.parameter] = all(*gamma).times_plus(load(z), mean[term.parameter]);
    }
    let (corner, [a, b, c]) = ([0, 1].map(|k| load(&lanes.corner[k])), [0, 1, 2].map(|k| load(&lanes.step[k])));
    let from =
        Normal { mean: [load(&lanes.mean[0]), load(&lanes.mean[1])], precision: point.reference_precision.map(all) };
    let tilt = Tilt::new(corner, [a, b, c], from, Normal { mean, precision: point.precision.map(all) });
    let sums = lattice_sums(simd, (shares, block.columns), part, tilt.walk());

    let half = all(0.5);
    let (u, v) = (corner[0] - mean[0], corner[1] - mean[1]);
    let per = all(1.0) / sums.total;
    let (i, j) = (sums.i * per, sums.j * per);
    let (ii, ij, jj) = (i.times_from(i, sums.ii * per), i.times_from(j, sums.ij * per), j.times_from(j, sums.jj * per));
    let (xi, eta) = ((u + a * i) * all(point.per_sd[0]), (v + b.times_plus(i, c * j)) * all(point.per_sd[1]));
    let (x_i, e_i, e_j) = (a * all(point.per_sd[0]), b * all(point.per_sd[1]), c * all(point.per_sd[1]));
    let across = e_i.times_plus(ii, e_j * ij);
    let mut moments = [
        load(&lanes.ln_lik) + all(point.ln_ratio) + tilt.at_corner + ln(sums.total),
        all(1.0),
        xi,
        eta,
        xi.times_plus(xi, x_i * x_i * ii),
        xi.times_plus(eta, x_i * across),
        eta.times_plus(eta, e_i * across + e_j * e_i.times_plus(ij, e_j * jj)),
    ];

    // A lane that is no number passes no comparison.
    let mut is_near = all(1.0);
    for (axis, (mean, variance)) in [(i, ii), (j, jj)].into_iter().enumerate() {
        let (moved, per_variance) = (mean - load(&lanes.place[axis]), load(&lanes.per_variance[axis]));
        // √z ≤ (1 + z)/2.
        let sd = half.times_plus(variance * per_variance, half);
        let room = all(TAIL).times_from(sd, all(REACH)).at_least(0.0);
        is_near = (moved * moved).times_plus(per_variance, -(room * room)).if_below(0.0, is_near, all(0.0));
    }
    // In (i, j) the excess of precision is below what is allowed where its allowance's both leading minors are positive.
    let ([e_uu, e_uv, e_vv], most) = (point.excess.map(all), all(MOST_EXCESS));
    let (e_u, e_v) = (a.times_plus(e_uu, b * e_uv), a.times_plus(e_uv, b * e_vv));
    let (over_i, over_j, both) = (a.times_plus(e_u, b * e_v) - most, c * c * e_vv - most, c * e_v);
    is_near = over_i.if_below(0.0, is_near, all(0.0));
    is_near = (both * both - over_i * over_j).if_below(0.0, is_near, all(0.0));
    for moment in &mut moments {
        *moment = (-is_near).if_below(0.0, *moment, all(0.0));
    }
    Said { is_near, moments }
}
