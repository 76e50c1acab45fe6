//! The population's draws laid out for simulation, and bounds that hold for many of them at once.
//!
//! Most customers do nothing under most draws. A bound on the probability of any purchase, over a box of similar draws, tells so
//! with one comparison and no logarithm. Bounds only ever save work: what is not ruled out is asked of the draw itself.

use ndarray::{ArrayView1, Axis};
use rayon::prelude::*;

use super::{CovariateDraws, Population};
use crate::kernels::pareto_abe::{self, Strata};
use crate::kernels::pareto_nbd;
use crate::model::Dropout;

/// Draws that share a bound. Fewer make tighter bounds and more of them.
const DRAWS_PER_BOX: usize = 24;

/// Boxes per group at most, so that a box's number fits a byte.
pub(super) const MAX_BOXES: usize = 64;

/// Above this mean number of purchases they are drawn from their rate, below it by inversion ([`super::future`]).
pub(super) const MANY: f64 = 24.0;

/// What rounding could make of a bound, relative: many times more than it does.
const SLACK: f64 = 1e-9;

/// One draw's parameters of one group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Law {
    /// Where rates are lognormal together, the median of λ.
    pub r: f64,
    /// Or the median of μ.
    pub alpha: f64,
    /// The two parameters of dropout: a, b or s, β; or the sds of ln λ and ln μ. Both 1 where there is none.
    pub leaving: [f64; 2],
    /// Where rates go together, the correlation of ln λ and ln μ.
    pub corr: f64,
    pub dropout: Dropout,
    /// Gamma-Gamma p, q, v; zero without a spend model.
    pub spend: [f64; 3],
}

impl Law {
    /// From r, α and the two parameters of dropout; without spend.
    pub fn new(dropout: Dropout, [r, alpha, first, second]: [f64; 4]) -> Self {
        Self { r, alpha, leaving: [first, second], corr: 0.0, dropout, spend: [0.0; 3] }
    }

    /// From the parameters of a population's draw, as many as its dropout has; without spend.
    pub fn of(dropout: Dropout, parameters: ArrayView1<'_, f64>) -> Self {
        let law = Self::new(dropout, std::array::from_fn(|k| parameters.get(k).copied().unwrap_or(1.0)));
        Self { corr: if dropout == Dropout::AnyTimeTogether { parameters[4] } else { 0.0 }, ..law }
    }

    /// The parameters but for a correlation.
    pub fn four(&self) -> [f64; 4] {
        [self.r, self.alpha, self.leaving[0], self.leaving[1]]
    }

    /// That of a customer whom covariates move.
    pub fn moved(&self, covariates: &CovariateDraws, draw: usize, customer: usize) -> Self {
        let own = covariates.own(self.dropout, self.four(), draw, customer);
        Self { spend: self.spend, corr: self.corr, ..Self::new(self.dropout, own) }
    }

    /// The parameters of lognormal rates.
    pub fn together(&self) -> [f64; 5] {
        [self.r, self.alpha, self.leaving[0], self.leaving[1], self.corr]
    }

    /// P(alive at T) of a customer with that history.
    pub fn p_alive(&self, x: u32, recency: f64, age: f64) -> f64 {
        let Self { r, alpha, leaving: [a, b], dropout, .. } = *self;
        let odds = |per: f64| {
            let n = r + f64::from(x);
            1.0 / (1.0 + a / per * (n * ((alpha + age) / (alpha + recency)).ln()).exp())
        };
        match dropout {
            Dropout::AfterRepeat if x == 0 => 1.0,
            Dropout::AfterRepeat => odds(b + f64::from(x - 1)),
            Dropout::AfterAny => odds(b + f64::from(x)),
            Dropout::AnyTime => pareto_nbd::p_alive([r, alpha, a, b], x, recency, age),
            Dropout::Never => 1.0,
            Dropout::AnyTimeTogether => pareto_abe::p_alive(self.together(), x, recency, age),
        }
    }
}

/// Draws whose rates go together.
pub(super) fn strata(by_draw: &[Law]) -> Strata {
    Strata::new(&by_draw.iter().map(Law::together).collect::<Vec<_>>())
}

/// Every draw of every group, a group's draws side by side.
#[derive(Debug)]
pub(super) struct Laws<'a> {
    /// How customers stop buying.
    pub dropout: Dropout,
    draws: usize,
    covariates: Option<&'a CovariateDraws>,
    has_spend: bool,
    laws: Vec<Law>,
    /// The box of each law.
    box_of: Vec<u8>,
    boxes_per_group: usize,
    boxes: Vec<Bounds>,
    /// Of each group, where rates go together and customers have no parameters of their own.
    strata: Vec<Strata>,
}

/// A set of draws of one group: the ends of r, α, and where chances decide about dropout of a and b/a.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    r: [f64; 2],
    alpha: [f64; 2],
    least_a: f64,
    greatest_b_over_a: f64,
    dropout: Dropout,
}

impl<'a> Laws<'a> {
    pub fn new(population: &'a Population) -> Self {
        let (draws, groups) = (population.draws(), population.groups());
        let has_spend = population.spend.is_some();
        let boxes_per_group = (draws / DRAWS_PER_BOX).next_power_of_two().clamp(1, MAX_BOXES);
        let mut laws = vec![Law::new(population.dropout, [0.0; 4]); draws * groups];
        let mut box_of = vec![0; draws * groups];
        let mut boxes = vec![Bounds::of(population.dropout, []); boxes_per_group * groups];
        laws.par_chunks_mut(draws)
            .zip(box_of.par_chunks_mut(draws))
            .zip(boxes.par_chunks_mut(boxes_per_group))
            .enumerate()
            .for_each(|(group, ((laws, box_of), boxes))| {
                let purchase = population.purchase.index_axis(Axis(1), group);
                for (law, row) in laws.iter_mut().zip(purchase.rows()) {
                    *law = Law::of(population.dropout, row);
                }
                if let Some(spend) = &population.spend {
                    for (law, row) in laws.iter_mut().zip(spend.index_axis(Axis(1), group).rows()) {
                        law.spend = [row[0], row[1], row[2]];
                    }
                }
                let mut order: Vec<u32> = (0..draws as u32).collect();
                split(laws, &mut order, boxes_per_group, &mut |number, members| {
                    boxes[number] = Bounds::of(population.dropout, members.iter().map(|&draw| &laws[draw as usize]));
                    members.iter().for_each(|&draw| box_of[draw as usize] = number as u8);
                });
            });
        let (covariates, dropout) = (population.covariates.as_ref(), population.dropout);
        let mut new =
            Self { dropout, draws, covariates, has_spend, laws, box_of, boxes_per_group, boxes, strata: Vec::new() };
        if dropout == Dropout::AnyTimeTogether && covariates.is_none() {
            new.strata = (0..groups as u32).into_par_iter().map(|group| strata(new.of(group))).collect();
        }
        new
    }

    pub fn draws(&self) -> usize {
        self.draws
    }

    pub fn has_spend(&self) -> bool {
        self.has_spend
    }

    /// The laws of a group, by draw.
    pub fn of(&self, group: u32) -> &[Law] {
        &self.laws[group as usize * self.draws..][..self.draws]
    }

    /// The laws of a customer of a group, by draw; `room` holds those that are the customer's own.
    pub fn of_customer<'l>(&'l self, group: u32, customer: usize, room: &'l mut Vec<Law>) -> &'l [Law] {
        let Some(covariates) = self.covariates else { return self.of(group) };
        room.clear();
        room.extend(self.of(group).iter().enumerate().map(|(draw, law)| law.moved(covariates, draw, customer)));
        room
    }

    /// The draws of a group in strata, where rates go together and customers have no parameters of their own.
    pub fn strata_of(&self, group: u32) -> Option<&Strata> {
        self.strata.get(group as usize)
    }

    /// The box of every draw of a group.
    pub fn boxes_of(&self, group: u32) -> &[u8] {
        &self.box_of[group as usize * self.draws..][..self.draws]
    }

    /// For each box of the group, a bound on P(any purchase in the horizon), as the first 32 binary places of a uniform number:
    /// one whose places are above it means no purchase under any draw of the box. Boxes the group does not have stay untouched. Where
    /// customers have parameters of their own, nothing is ruled out.
    pub fn bounds(&self, group: u32, x: u32, recency: f64, age: f64, horizon: f64, out: &mut [u32; MAX_BOXES]) {
        if self.covariates.is_some() {
            return out.fill(u32::MAX);
        }
        let boxes = &self.boxes[group as usize * self.boxes_per_group..][..self.boxes_per_group];
        for (bounds, out) in boxes.iter().zip(out) {
            let greatest = bounds.any_purchase(f64::from(x), recency, age, horizon) * (1.0 + SLACK) + SLACK;
            // `as` saturates at the last number, which rules nothing out.
            *out = (greatest * 4_294_967_296.0) as u32;
        }
    }
}

impl Bounds {
    fn of<'a>(dropout: Dropout, laws: impl IntoIterator<Item = &'a Law>) -> Self {
        let none = Self {
            r: [f64::INFINITY, 0.0],
            alpha: [f64::INFINITY, 0.0],
            least_a: f64::INFINITY,
            greatest_b_over_a: 0.0,
            dropout,
        };
        laws.into_iter().fold(none, |all, law| Self {
            r: [all.r[0].min(law.r), all.r[1].max(law.r)],
            alpha: [all.alpha[0].min(law.alpha), all.alpha[1].max(law.alpha)],
            least_a: all.least_a.min(law.leaving[0]),
            greatest_b_over_a: all.greatest_b_over_a.max(law.leaving[1] / law.leaving[0]),
            dropout,
        })
    }

    /// At least P(alive) · P(N > 0 | alive), where purchases are drawn by inversion; at least P(alive) where they may not be.
    ///
    /// The odds of having left, a/(b+k) · ((α+T)/(α+t_x))^(r+x) with k = x − 1 (or x, where the first purchase counts), grow with
    /// a/(b+k) = 1/(b/a + k/a) and with r, and fall with α; P(N > 0) = 1 − (1 + H/(α+T))^−(r+x) grows with r and falls with α. For
    /// dropout at any time, 1 bounds P(alive).
    fn any_purchase(&self, x: f64, recency: f64, age: f64, horizon: f64) -> f64 {
        let chances = match self.dropout {
            Dropout::AfterRepeat if x > 0.0 => Some(x - 1.0),
            Dropout::AfterAny => Some(x),
            Dropout::AfterRepeat | Dropout::AnyTime | Dropout::AnyTimeTogether | Dropout::Never => None,
        };
        let alive = chances.map_or(1.0, |k| {
            let least_odds = (1.0 / (self.greatest_b_over_a + k / self.least_a))
                * ((self.r[0] + x) * ((self.alpha[1] + age) / (self.alpha[1] + recency)).ln()).exp();
            1.0 / (1.0 + least_odds)
        });
        let (n, h) = (self.r[1] + x, horizon / (self.alpha[0] + age));
        if n * h > MANY { alive } else { alive * -(-n * h.ln_1p()).exp_m1() }
    }
}

/// Halves a group's draws `boxes` ways (a power of two), each time across the parameter that differs most among them; `found` hears
/// each part's number and members.
fn split(laws: &[Law], members: &mut [u32], boxes: usize, found: &mut impl FnMut(usize, &[u32])) {
    split_from(laws, members, 0..boxes, found);
}

fn split_from(laws: &[Law], members: &mut [u32], boxes: std::ops::Range<usize>, found: &mut impl FnMut(usize, &[u32])) {
    if boxes.len() == 1 {
        return found(boxes.start, members);
    }
    let coordinates = |&draw: &u32| {
        let law = &laws[draw as usize];
        // What decides about a bound; at any time, dropout does not.
        let [first, second] = if law.dropout == Dropout::AnyTime { [1.0, 1.0] } else { law.leaving };
        [law.r, law.alpha, second / first, first]
    };
    let width = |k: usize| {
        let values = || members.iter().map(|draw| coordinates(draw)[k]);
        values().fold(0.0, f64::max) / values().fold(f64::INFINITY, f64::min)
    };
    let widest = (0..4).max_by(|&i, &j| width(i).total_cmp(&width(j))).unwrap_or(0);
    let middle = members.len() / 2;
    if middle > 0 {
        members.select_nth_unstable_by(middle, |i, j| {
            coordinates(i)[widest].total_cmp(&coordinates(j)[widest]).then(i.cmp(j))
        });
    }
    let (low, high) = members.split_at_mut(middle);
    let half = boxes.start + boxes.len() / 2;
    split_from(laws, low, boxes.start..half, found);
    split_from(laws, high, half..boxes.end, found);
}
