//! The posterior part of a view: parameters with what the diagnostics hold against them, and the chains of each fit.

use super::super::view;
use crate::diagnose::{Diagnostics, Method, Parameter, Thresholds};
use crate::run::{self, ParameterPicture, Pictures};

/// Parameters whose chains are shown.
const IN_FULL: usize = 12;

/// What the diagnostics were held against.
pub(super) fn limits(diagnostics: &Diagnostics) -> view::Limits {
    let Thresholds { r_hat, ess, e_bfmi, .. } = thresholds(diagnostics);
    view::Limits { r_hat, ess, e_bfmi }
}

/// The fits of a run are held against the same thresholds.
fn thresholds(diagnostics: &Diagnostics) -> Thresholds {
    diagnostics.fits.first().map_or_else(Thresholds::default, |fit| fit.thresholds)
}

fn is_shared(p: &Parameter) -> bool {
    p.coords.keys().all(|dim| run::is_shared_dim(dim))
}

/// What speaks against a parameter, in a few words.
fn concern(p: &Parameter, t: &Thresholds, method: Method) -> Option<String> {
    if method != Method::Sampling {
        return None;
    }
    let r_hat = if is_shared(p) { t.r_hat } else { t.r_hat_group };
    if !p.r_hat.is_finite() {
        return Some("it never changes, or is not finite".to_owned());
    }
    if p.r_hat >= r_hat {
        return Some(format!("R-hat {:.3}, not below {r_hat}: its chains disagree", p.r_hat));
    }
    let worth = |name: &str, ess: f64| {
        (ess <= t.ess).then(|| format!("{name} ESS {ess:.0}, not above {}: too few effective draws", t.ess))
    };
    worth("bulk", p.ess_bulk).or_else(|| worth("tail", p.ess_tail))
}

/// How near a parameter comes to its limits, 1 being at one; what is no number is the worst.
fn trouble(p: &Parameter, t: &Thresholds) -> f64 {
    let apart = (p.r_hat - 1.0) / (t.r_hat - 1.0);
    let few = t.ess / p.ess_bulk.min(p.ess_tail);
    if apart.is_finite() && few.is_finite() { apart.max(few) } else { f64::INFINITY }
}

/// The parameters whose chains are shown, worst first: those with a concern, then those of the population.
pub(super) fn in_full(diagnostics: &Diagnostics) -> Vec<usize> {
    let (all, t) = (&diagnostics.parameters, thresholds(diagnostics));
    let mut order: Vec<usize> = (0..all.len()).collect();
    order.sort_by(|&a, &b| trouble(&all[b], &t).total_cmp(&trouble(&all[a], &t)));
    order.sort_by_key(|&i| (concern(&all[i], &t, diagnostics.method).is_none(), !is_shared(&all[i])));
    order.truncate(IN_FULL);
    order
}

/// A parameter's name, with the labels that all groups share.
fn name(p: &Parameter) -> String {
    let shared: Vec<&str> =
        p.coords.iter().filter(|(dim, _)| run::is_shared_dim(dim)).map(|(_, label)| label.as_str()).collect();
    if shared.is_empty() { p.name.clone() } else { format!("{}[{}]", p.name, shared.join(", ")) }
}

/// Every parameter with its curves.
pub(super) fn parameters(diagnostics: &Diagnostics, pictures: &[ParameterPicture]) -> Vec<view::Parameter> {
    let limits = thresholds(diagnostics);
    let curve = |curve: &Option<(Vec<f64>, Vec<f64>)>| curve.clone().map(|(x, y)| view::Density { x, y });
    diagnostics
        .parameters
        .iter()
        .zip(pictures)
        .map(|(p, picture)| {
            debug_assert!(p.name == picture.name && p.fit == picture.fit, "both follow the schema's order");
            let coords = p.coords.iter().filter(|(dim, _)| !run::is_shared_dim(dim));
            view::Parameter {
                fit: p.fit.clone(),
                // What groups share is a population parameter; its label belongs to its name.
                name: name(p),
                coords: coords.map(|(dim, label)| (dim.clone(), label.clone())).collect(),
                mean: p.mean,
                sd: p.sd,
                q05: p.q05,
                q50: p.q50,
                q95: p.q95,
                r_hat: p.r_hat,
                ess_bulk: p.ess_bulk,
                ess_tail: p.ess_tail,
                concern: concern(p, &limits, diagnostics.method),
                density: curve(&picture.density),
                trace: picture.trace.clone(),
                ranks: picture.ranks.iter().map(|r| r.iter().map(|&n| n as u32).collect()).collect(),
                autocorrelation: picture.autocorrelation.clone(),
                growth: picture.growth.iter().map(|&(draws, bulk, tail)| view::Growth { draws, bulk, tail }).collect(),
                prior: curve(&picture.prior),
            }
        })
        .collect()
}

/// The chains of each fit.
pub(super) fn chains(diagnostics: &Diagnostics, pictures: &Pictures) -> Vec<view::FitChains> {
    let density = |(x, y): &(Vec<f64>, Vec<f64>)| view::Density { x: x.clone(), y: y.clone() };
    let mut first = 0;
    let mut out = Vec::new();
    for (fit, picture) in diagnostics.fits.iter().zip(&pictures.fits) {
        let own: Vec<&Parameter> = diagnostics.parameters[first..].iter().take_while(|p| p.fit == fit.fit).collect();
        first += own.len();
        let energy = picture.energy.as_ref().map(|[marginal, transition]| view::Energy {
            marginal: density(marginal),
            transition: density(transition),
            e_bfmi: fit.e_bfmi.clone(),
        });
        let pairs = picture.pairs.as_ref().map(|pairs| view::Pairs {
            names: pairs.elements.iter().filter_map(|&ix| own.get(ix)).map(|p| name(p)).collect(),
            points: pairs.points.clone(),
            divergent: pairs.divergent.clone(),
            strongest: pairs.strongest,
        });
        out.push(view::FitChains {
            fit: fit.fit.clone(),
            chains: fit.chains as u64,
            draws: fit.draws as u64,
            divergences: fit.divergences,
            energy,
            pairs,
        });
    }
    out
}
