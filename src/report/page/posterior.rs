//! The posterior for those who ask how it was found: every parameter in a table, the worst in full, energies, pairs, groups.

use std::cmp::Reverse;

use serde::Serialize;

use super::super::numbers::{self, decimals_for, fixed, whole};
use super::super::plots::{self, responsive};
use super::super::view::{Parameter, View};

/// Rows of the parameter table at most.
const PARAMETERS: usize = 200;
/// Group parameters with a problem that are shown beside the population's at most; the rest are folded away.
const TROUBLED: usize = 20;
/// Parameters with chains in full at most.
const CHAINS: usize = 12;
/// Parameters with their priors at most.
const PRIORS: usize = 20;
/// Groups of a forest plot: all, or of more the highest and the lowest.
const FOREST: usize = 24;
/// Forest plots in sight; the others are folded away.
const OPEN: usize = 2;

#[derive(Debug, Serialize)]
pub(in crate::report) struct ParameterPart {
    open: Vec<ParameterRow>,
    folded: Vec<ParameterRow>,
    total: String,
    shown: String,
    cut: bool,
    concerns: usize,
}

#[derive(Debug, Serialize)]
pub(in crate::report) struct ParameterRow {
    fit: String,
    name: String,
    coords: String,
    figures: [String; 5],
    r_hat: String,
    ess: [String; 2],
    concern: String,
    density: String,
}

/// A drawing and what it shows.
#[derive(Debug, Serialize)]
pub(in crate::report) struct Figure {
    pub(in crate::report) caption: String,
    pub(in crate::report) plot: String,
}

/// The chains: the worst parameters in full, energies and pairs.
#[derive(Debug, Serialize)]
pub(in crate::report) struct ChainPart {
    panels: Vec<Panel>,
    cut: bool,
    total: String,
    drawn: Option<[String; 2]>,
    limit: String,
}

#[derive(Debug, Serialize)]
struct Panel {
    name: String,
    fit: String,
    r_hat: String,
    ess: String,
    concern: bool,
    plot: String,
}

/// Forest plots.
#[derive(Debug, Serialize)]
pub(in crate::report) struct ForestPart {
    open: Vec<Figure>,
    folded: Vec<Figure>,
    column: String,
    cut: Option<String>,
    ends: String,
}

/// Parameters in the order in which trouble should be seen: by R-hat; not a number is the worst.
fn worst_first(all: &[Parameter]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    let badness = |p: &Parameter| if p.r_hat.is_finite() { p.r_hat } else { f64::MAX };
    order.sort_by(|&a, &b| badness(&all[b]).total_cmp(&badness(&all[a])));
    order
}

/// The table of parameters; none without any.
pub(super) fn parameters(all: &[Parameter]) -> Option<ParameterPart> {
    if all.is_empty() {
        return None;
    }
    let mut keep = worst_first(all);
    keep.sort_by_key(|&i| (!all[i].coords.is_empty(), Reverse(all[i].concern.is_some())));
    keep.truncate(PARAMETERS);
    let population = keep.iter().filter(|&&i| all[i].coords.is_empty()).count();
    let troubled = keep[population..].iter().take(TROUBLED).filter(|&&i| all[i].concern.is_some()).count();
    let mut folded = keep.split_off(population + troubled);
    let shown = keep.len() + folded.len();
    keep.sort_unstable();
    folded.sort_unstable();
    let rows = |of: &[usize]| of.iter().map(|&i| parameter_row(&all[i])).collect();
    Some(ParameterPart {
        open: rows(&keep),
        folded: rows(&folded),
        total: whole(all.len() as u64),
        shown: whole(shown as u64),
        cut: shown < all.len(),
        concerns: all.iter().filter(|p| p.concern.is_some()).count(),
    })
}

fn parameter_row(p: &Parameter) -> ParameterRow {
    let decimals = decimals_for(p.sd, p.mean);
    ParameterRow {
        fit: p.fit.clone(),
        name: p.name.clone(),
        coords: coords(p),
        figures: [p.mean, p.sd, p.q05, p.q50, p.q95].map(|v| fixed(v, decimals)),
        r_hat: fixed(p.r_hat, 3),
        ess: [p.ess_bulk, p.ess_tail].map(|v| fixed(v, 0)),
        concern: p.concern.clone().unwrap_or_default(),
        density: plots::density(p, &format!("Posterior density of {}", label(p))).unwrap_or_default(),
    }
}

/// The labels of a parameter's coordinates: `1997-01-01` or `north, web`.
fn coords(p: &Parameter) -> String {
    p.coords.iter().map(|(_, label)| label.as_str()).collect::<Vec<_>>().join(", ")
}

/// Name and labels: `alpha · 1997-01-01`.
pub(in crate::report) fn label(p: &Parameter) -> String {
    if p.coords.is_empty() { p.name.clone() } else { format!("{} · {}", p.name, coords(p)) }
}

/// Whether a parameter's chains are there to be shown.
fn has_chains(p: &Parameter) -> bool {
    !(p.trace.is_empty() && p.ranks.is_empty() && p.growth.is_empty())
}

/// The parameters whose chains are shown, those with a concern first, then in the order of the view: of many, the largest R-hat.
pub(in crate::report) fn in_full(all: &[Parameter]) -> Vec<usize> {
    let mut keep: Vec<usize> = worst_first(all).into_iter().filter(|&i| has_chains(&all[i])).collect();
    keep.sort_by_key(|&i| all[i].concern.is_none());
    keep.truncate(CHAINS);
    keep.sort_unstable_by_key(|&i| (all[i].concern.is_none(), i));
    keep
}

/// The chains in full; none where none are to be shown.
pub(super) fn chains(view: &View) -> Option<ChainPart> {
    let all = &view.parameters;
    let keep = in_full(all);
    let first = all.get(*keep.first()?)?;
    let drawn = first.trace.len().max(first.ranks.len()).min(plots::CHAINS) as u64;
    let ran = view.chains.iter().map(|fit| fit.chains).max().unwrap_or(0);
    let panels = keep
        .iter()
        .filter_map(|&i| {
            let p = &all[i];
            Some(Panel {
                name: label(p),
                fit: p.fit.clone(),
                r_hat: fixed(p.r_hat, 3),
                ess: fixed(p.ess_bulk, 0),
                concern: p.concern.is_some(),
                plot: plots::panel(p, &label(p), &view.limits)?,
            })
        })
        .collect();
    Some(ChainPart {
        panels,
        cut: keep.len() < all.len(),
        total: whole(all.len() as u64),
        drawn: (drawn > 0 && drawn < ran).then(|| [whole(drawn), whole(ran)]),
        limit: numbers::short(view.limits.ess),
    })
}

/// Energies of every fit that has any.
pub(super) fn energies(view: &View) -> Vec<Figure> {
    let figure = |fit: &super::super::view::FitChains| {
        let energy = fit.energy.as_ref()?;
        Some(Figure {
            caption: format!("Energy ({} fit)", fit.fit),
            plot: responsive(|size| plots::energy(energy, view.limits.e_bfmi, size)),
        })
    };
    view.chains.iter().filter_map(figure).collect()
}

/// Pairs of every fit that has any.
pub(super) fn pairs(view: &View) -> Vec<Figure> {
    let figure = |fit: &super::super::view::FitChains| {
        let pairs = fit.pairs.as_ref().filter(|p| p.names.len() > 1)?;
        Some(Figure {
            caption: format!("Population parameters two by two ({} fit)", fit.fit),
            plot: responsive(|size| plots::pairs(pairs, fit.divergences, size)),
        })
    };
    view.chains.iter().filter_map(figure).collect()
}

/// Priors under their posteriors.
pub(super) fn priors(view: &View) -> Vec<Figure> {
    let figure = |p: &Parameter| Some(Figure { caption: p.fit.clone(), plot: plots::prior(p, &label(p))? });
    view.parameters.iter().filter_map(figure).take(PRIORS).collect()
}

/// One parameter of every group: the rows to show, highest first, and after how many of them some are left out.
pub(in crate::report) struct Forest<'a> {
    pub(in crate::report) fit: &'a str,
    pub(in crate::report) name: &'a str,
    pub(in crate::report) rows: Vec<(&'a Parameter, String)>,
    pub(in crate::report) cut: Option<usize>,
    groups: usize,
}

/// The forests of a view, in the order of its parameters.
pub(in crate::report) fn forest_rows(all: &[Parameter]) -> Vec<Forest<'_>> {
    let mut out: Vec<Forest<'_>> = Vec::new();
    for p in all.iter().filter(|p| !p.coords.is_empty()) {
        match out.iter_mut().find(|f| f.fit == p.fit && f.name == p.name) {
            Some(forest) => forest.rows.push((p, coords(p))),
            None => out.push(Forest { fit: &p.fit, name: &p.name, rows: vec![(p, coords(p))], cut: None, groups: 0 }),
        }
    }
    out.retain(|forest| forest.rows.len() > 1);
    for forest in &mut out {
        forest.groups = forest.rows.len();
        forest.rows.sort_by(|a, b| b.0.mean.total_cmp(&a.0.mean));
        if forest.rows.len() > FOREST {
            forest.rows.drain(FOREST / 2..forest.rows.len() - FOREST / 2);
            forest.cut = Some(FOREST / 2);
        }
    }
    out
}

/// Forest plots; none without groups.
pub(super) fn forests(view: &View) -> Option<ForestPart> {
    let rows = forest_rows(&view.parameters);
    let first = rows.first()?;
    let column = first.rows[0].0.coords.iter().map(|(dim, _)| dim.as_str()).collect::<Vec<_>>().join(", ");
    let groups = rows.iter().map(|f| f.groups).max().unwrap_or(0);
    let cut = (groups > FOREST).then(|| whole(groups as u64));
    let mut open: Vec<Figure> = rows
        .iter()
        .map(|f| Figure {
            caption: format!("{} ({} fit)", f.name, f.fit),
            plot: responsive(|size| plots::forest(&f.rows, f.cut, f.name, size)),
        })
        .collect();
    let folded = open.split_off(OPEN.min(open.len()));
    Some(ForestPart { open, folded, column, cut, ends: (FOREST / 2).to_string() })
}
