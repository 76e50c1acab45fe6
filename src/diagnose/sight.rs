//! What one parameter's draws show beside their figures: stuck chains, distinct places, motion, heavy tails, two humps, where divergences
//! lie. And what all of them come to, block after block, in room that does not grow with chains × parameters.

use std::collections::BTreeMap;

use ndarray::ArrayView2;

use super::chains::varies;
use super::divergence::{DivergencePlace, place};
use super::drift::{Drift, drift};
use super::modes::{Places, places};
use super::parameter::Parameter;
use super::stuck::{Sign, stuck};
use super::tails::{HEAVY, Valley, tail_k, valley};

/// How many of a kind are told one by one.
pub(super) const LISTED: usize = 3;

/// Whether there is anything to judge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Condition {
    Fine,
    NotFinite,
    Constant,
}

/// What is asked of every parameter alike.
pub(super) struct Question<'a> {
    /// R-hat from which its cause is looked for.
    pub(super) r_hat: f64,
    /// `(chain, draw)` of the divergent transitions.
    pub(super) divergent: &'a [(usize, usize)],
}

/// What one parameter's draws show.
pub(super) struct Sight {
    pub(super) condition: Condition,
    pub(super) stuck: Vec<(usize, Sign)>,
    pub(super) places: Option<Places>,
    pub(super) drift: Option<Drift>,
    pub(super) tail_k: f64,
    pub(super) valley: Option<Valley>,
    pub(super) divergence: Option<DivergencePlace>,
}

impl Sight {
    /// Of draws `[chain, draw]` with their order, their halves' scores if they can be judged, and their figures.
    pub(super) fn of(
        draws: ArrayView2<'_, f64>,
        sorted: &[f64],
        z: Option<ArrayView2<'_, f64>>,
        figures: &Parameter,
        question: &Question<'_>,
    ) -> Self {
        let condition = if draws.iter().any(|x| !x.is_finite()) {
            Condition::NotFinite
        } else if draws.len() > 1 && !varies(draws) {
            Condition::Constant
        } else {
            Condition::Fine
        };
        let mut out = Self {
            condition,
            stuck: vec![],
            places: None,
            drift: None,
            tail_k: f64::NAN,
            valley: None,
            divergence: None,
        };
        let Some(z) = z else { return out };
        out.stuck = stuck(draws);
        if figures.r_hat >= question.r_hat {
            let stuck: Vec<usize> = out.stuck.iter().map(|(chain, _)| *chain).collect();
            out.places = places(draws, &stuck);
            out.drift = drift(z);
        }
        out.tail_k = tail_k(sorted, figures.ess_tail);
        out.valley = valley(sorted, figures.ess_bulk);
        if !question.divergent.is_empty() {
            let mut there: Vec<f64> = question.divergent.iter().map(|place| draws[*place]).collect();
            out.divergence = place(sorted, &mut there);
        }
        out
    }
}

/// A stuck chain, over all parameters.
#[derive(Debug, Clone)]
pub(super) struct StuckChain {
    /// Parameters in which it is stuck.
    pub(super) parameters: usize,
    /// The one that shows it best.
    pub(super) clearest: String,
    pub(super) sign: Sign,
}

/// Why a parameter's chains differ.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Apart {
    Unknown,
    /// In distinct places.
    Places,
    /// One chain, from 0, is stuck.
    Stuck(usize),
    Moving(Drift),
}

/// What all parameters show.
#[derive(Default)]
pub(super) struct Sights {
    /// Per parameter, in order.
    pub(super) conditions: Vec<Condition>,
    pub(super) apart: Vec<Apart>,
    /// By chain.
    pub(super) stuck: BTreeMap<usize, StuckChain>,
    /// Parameters whose chains sit in distinct places, and the clearest of them.
    pub(super) with_places: usize,
    pub(super) places: Vec<(String, Places)>,
    /// The heaviest tails, and how many are heavy.
    pub(super) heavy: Vec<(String, f64)>,
    pub(super) with_heavy: usize,
    /// The deepest valleys, and how many there are.
    pub(super) valleys: Vec<(String, Valley)>,
    pub(super) with_valleys: usize,
    pub(super) divergences: Vec<DivergencePlace>,
}

impl Sights {
    /// Takes in the next parameter.
    pub(super) fn push(&mut self, parameter: &Parameter, sight: Sight) {
        self.conditions.push(sight.condition);
        self.apart.push(match (&sight.places, sight.stuck.first(), sight.drift) {
            (Some(_), ..) => Apart::Places,
            (None, Some((chain, _)), _) => Apart::Stuck(*chain),
            (None, None, Some(drift)) => Apart::Moving(drift),
            (None, None, None) => Apart::Unknown,
        });
        for (chain, sign) in sight.stuck {
            let clearer = |a: Sign, b: Sign| {
                let rank = |s: Sign| (matches!(s, Sign::Spread(_)), s.share());
                rank(a).partial_cmp(&rank(b)) == Some(std::cmp::Ordering::Less)
            };
            let known = self.stuck.entry(chain).or_insert_with(|| StuckChain {
                parameters: 0,
                clearest: parameter.to_string(),
                sign,
            });
            known.parameters += 1;
            if clearer(sign, known.sign) {
                (known.clearest, known.sign) = (parameter.to_string(), sign);
            }
        }
        if let Some(places) = sight.places {
            self.with_places += 1;
            keep(&mut self.places, (parameter.to_string(), places), |(_, p)| -p.gap);
        }
        if sight.tail_k >= HEAVY {
            self.with_heavy += 1;
            keep(&mut self.heavy, (parameter.to_string(), sight.tail_k), |(_, k)| -k);
        }
        if let Some(valley) = sight.valley {
            self.with_valleys += 1;
            keep(&mut self.valleys, (parameter.to_string(), valley), |(_, v)| v.depth);
        }
        if let Some(mut place) = sight.divergence {
            place.parameter = parameter.to_string();
            keep(&mut self.divergences, place, |p| -p.shift.abs());
        }
    }
}

/// Keeps the [`LISTED`] entries of least `order`, earlier ones first among equals.
fn keep<T>(list: &mut Vec<T>, new: T, order: impl Fn(&T) -> f64) {
    let at = list.partition_point(|known| order(known) <= order(&new));
    list.insert(at, new);
    list.truncate(LISTED);
}
