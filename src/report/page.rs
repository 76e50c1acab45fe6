//! The view with every number put into words: what the template lays out. Strings named after a drawing are SVG and safe;
//! all others are plain text that the template escapes.

use std::cmp::Reverse;

use serde::Serialize;

use super::covariates::{self, CovariatePart};
use super::facts::{FactPart, facts};
use super::numbers::{
    self, count, count_range, decimals_for, fixed, money, money_range, percent, percent_whole, whole,
};
use super::plots::{self, Mark, responsive};
use super::shrinkage::{self, ShrinkagePart};
use super::view::{Class, Group, Groups, Holdout, Parameter, View};
use super::words;
use crate::diagnose::Method;

/// Rows of the parameter table at most.
const PARAMETERS: usize = 200;
/// Group parameters with a problem that are shown beside the population's at most; the rest are folded away.
const TROUBLED: usize = 20;
/// Parameters with traces and ranks at most.
const CHAINS: usize = 12;
/// Groups at most.
const GROUPS: usize = 40;

/// What the template knows.
#[derive(Debug, Serialize)]
pub(super) struct Page {
    title: String,
    subtitle: String,
    passed: bool,
    sampled: bool,
    caution: Option<&'static str>,
    columns: [&'static str; 2],
    meaning: String,
    reasons: Vec<String>,
    advice: Vec<String>,
    horizon: String,
    summary: Option<String>,
    tiles: Vec<Tile>,
    tiers: Vec<ClassRow>,
    segments: Vec<ClassRow>,
    events: String,
    tracking: Option<[String; 2]>,
    check: String,
    frequency: Option<String>,
    holdout: Option<HoldoutPart>,
    alive: Option<AlivePart>,
    groups: Option<GroupPart>,
    shrinkage: Option<ShrinkagePart>,
    covariates: Option<CovariatePart>,
    parameters: Option<ParameterPart>,
    chains: Option<ChainPart>,
    facts: FactPart,
}

#[derive(Debug, Serialize)]
struct Tile {
    label: String,
    value: String,
    note: String,
    estimate: bool,
}

#[derive(Debug, Serialize)]
struct ClassRow {
    name: String,
    rule: String,
    action: String,
    customers: String,
    value: String,
    range: String,
    each: String,
    share: String,
    bar: String,
}

#[derive(Debug, Serialize)]
struct HoldoutPart {
    sentence: String,
    coverage_sentence: Option<String>,
    scores: Vec<[String; 6]>,
    coverage: Vec<[String; 3]>,
    by_frequency: Option<String>,
}

#[derive(Debug, Serialize)]
struct AlivePart {
    age: String,
    unit: String,
    map: String,
}

#[derive(Debug, Serialize)]
struct GroupPart {
    column: String,
    total: String,
    cut: bool,
    axis: String,
    rows: Vec<GroupRow>,
}

#[derive(Debug, Serialize)]
struct GroupRow {
    label: String,
    customers: String,
    customers_raw: u64,
    alive: String,
    purchases: String,
    value: String,
    range: String,
    value_raw: f64,
    each: String,
    strip: String,
}

#[derive(Debug, Serialize)]
struct ParameterPart {
    open: Vec<ParameterRow>,
    folded: Vec<ParameterRow>,
    total: String,
    shown: String,
    cut: bool,
    concerns: usize,
}

#[derive(Debug, Serialize)]
struct ParameterRow {
    fit: String,
    name: String,
    coords: String,
    figures: [String; 5],
    r_hat: String,
    ess: [String; 2],
    concern: String,
    density: String,
}

#[derive(Debug, Serialize)]
struct ChainPart {
    panels: Vec<Panel>,
    cut: bool,
    total: String,
}

#[derive(Debug, Serialize)]
struct Panel {
    name: String,
    fit: String,
    r_hat: String,
    ess: String,
    concern: bool,
    low: String,
    high: String,
    trace: String,
    ranks: String,
}

impl Page {
    /// Puts a view into words and drawings.
    pub(super) fn new(view: &View) -> Self {
        let (currency, method) = (&view.currency, view.verdict.method);
        Self {
            title: view.title.clone(),
            subtitle: view.subtitle.clone(),
            passed: view.verdict.passed,
            sampled: method == Method::Sampling,
            caution: method.caution(),
            columns: if method == Method::Map { ["Mode", "Standard error"] } else { ["Mean", "SD"] },
            meaning: words::meaning(&view.verdict),
            reasons: view.verdict.reasons.clone(),
            advice: words::advice(&view.verdict),
            horizon: view.horizon.clone(),
            summary: view.headline.as_ref().filter(|_| view.verdict.passed).map(|h| words::summary(view, h)),
            tiles: tiles(view),
            tiers: class_rows(&view.tiers, currency),
            segments: class_rows(&view.segments, currency),
            tracking: view
                .tracking
                .as_ref()
                .map(|t| [responsive(|size| plots::weekly(t, size)), responsive(|size| plots::cumulative(t, size))]),
            events: words::upper_first(&view.words.events),
            check: view.words.check.clone(),
            frequency: (!view.frequency.is_empty()).then(|| {
                let title = format!("{}, counted and predicted", view.words.check);
                responsive(|size| plots::checks(&view.frequency, Mark::Bars, &title, &view.words.check_axis, size))
            }),
            holdout: view.holdout.as_ref().map(holdout),
            alive: view.alive.as_ref().map(|a| AlivePart {
                age: numbers::short(a.age),
                unit: view.time_unit.clone(),
                map: responsive(|size| plots::heat_map(a, &view.time_unit, size)),
            }),
            groups: view.groups.as_ref().filter(|g| !g.rows.is_empty()).map(|g| groups(g, currency)),
            shrinkage: shrinkage::part(&view.shrinkage),
            covariates: covariates::part(&view.covariates),
            parameters: parameters(&view.parameters),
            chains: chains(&view.parameters),
            facts: facts(&view.facts),
        }
    }
}

fn tiles(view: &View) -> Vec<Tile> {
    let Some(h) = &view.headline else { return Vec::new() };
    let tile = |label: &str, value: String, note: String| Tile {
        label: label.to_owned(),
        value,
        note,
        estimate: label != "Customers",
    };
    let mut out = Vec::new();
    if let Some(value) = &h.value {
        out.push(tile("Lifetime value", money(value.mean, &view.currency), money_range(value, &view.currency)));
    }
    let each = h.value.filter(|_| h.customers > 0 && view.verdict.passed);
    out.extend([
        tile(
            &format!("{} to come", words::upper_first(&view.words.events)),
            count(h.purchases.mean),
            count_range(&h.purchases),
        ),
        tile(
            "Customers",
            whole(h.customers),
            each.map_or_else(String::new, |value| {
                format!("worth {} each on average", money(value.mean / h.customers as f64, &view.currency))
            }),
        ),
    ]);
    if let Some(alive) = h.alive {
        let still = whole((alive * h.customers as f64).round().max(0.0) as u64);
        out.push(tile("Still customers", percent_whole(alive), format!("about {still} of {}", whole(h.customers))));
    }
    out
}

fn class_rows(classes: &[Class], currency: &str) -> Vec<ClassRow> {
    classes
        .iter()
        .map(|c| ClassRow {
            name: c.name.clone(),
            rule: c.rule.clone().unwrap_or_default(),
            action: c.action.clone().unwrap_or_default(),
            customers: whole(c.customers),
            value: money(c.value.mean, currency),
            range: money_range(&c.value, currency),
            each: each(c.value.mean, c.customers, currency),
            share: percent(c.share),
            bar: plots::share_bar(c.share, &format!("{} of the value", percent(c.share))),
        })
        .collect()
}

/// The mean per customer, as `$12.31 each`; nothing when there is nobody.
fn each(total: f64, customers: u64, currency: &str) -> String {
    if customers == 0 { String::new() } else { format!("{} each", money(total / customers as f64, currency)) }
}

fn holdout(h: &Holdout) -> HoldoutPart {
    let optional = |v: Option<f64>| v.map_or_else(|| numbers::NONE.to_owned(), |v| fixed(v, 3));
    HoldoutPart {
        sentence: words::holdout(h),
        coverage_sentence: words::coverage(&h.coverage),
        scores: h
            .scores
            .iter()
            .map(|s| {
                [
                    s.name.clone(),
                    count(s.total),
                    fixed(s.mae, 3),
                    fixed(s.rmse, 3),
                    optional(s.spearman),
                    optional(s.gini),
                ]
            })
            .collect(),
        coverage: h.coverage.iter().map(|c| [percent_whole(c.level), percent(c.covered), percent(c.raw)]).collect(),
        by_frequency: (!h.by_frequency.is_empty()).then(|| {
            let title = "Mean purchases per customer in the holdout, counted and predicted";
            let axis = "repeat purchases before";
            responsive(|size| plots::checks(&h.by_frequency, Mark::Rings, title, axis, size))
        }),
    }
}

fn groups(groups: &Groups, currency: &str) -> GroupPart {
    let mut shown: Vec<&Group> = groups.rows.iter().collect();
    let cut = shown.len() > GROUPS;
    if cut {
        shown.sort_by(|a, b| b.value.mean.total_cmp(&a.value.mean));
        shown.truncate(GROUPS);
    }
    // Groups differ in size, so what can be compared is the value of one customer.
    let per_customer: Vec<_> = shown
        .iter()
        .map(|g| {
            let n = (g.customers as f64).max(1.0);
            super::view::Interval { mean: g.value.mean / n, q05: g.value.q05 / n, q95: g.value.q95 / n }
        })
        .collect();
    let customers: u64 = groups.rows.iter().map(|g| g.customers).sum();
    let total: f64 = groups.rows.iter().map(|g| g.value.mean).sum();
    let overall = (customers > 0).then(|| total / customers as f64);
    let axis = plots::IntervalAxis::over(&per_customer, overall);
    let rows = shown
        .iter()
        .zip(&per_customer)
        .map(|(g, one)| GroupRow {
            label: g.label.clone(),
            customers: whole(g.customers),
            customers_raw: g.customers,
            alive: g.alive.map_or_else(|| numbers::NONE.to_owned(), percent_whole),
            purchases: count(g.purchases.mean),
            value: money(g.value.mean, currency),
            range: money_range(&g.value, currency),
            value_raw: if g.value.mean.is_finite() { g.value.mean } else { 0.0 },
            each: money(one.mean, currency),
            strip: axis.row(one, &format!("{} a customer, {}", money(one.mean, currency), money_range(one, currency))),
        })
        .collect();
    GroupPart {
        column: groups.column.clone(),
        total: whole(groups.rows.len() as u64),
        cut,
        axis: axis.head(currency),
        rows,
    }
}

/// Parameters in the order in which trouble should be seen: population first, then by R-hat; not a number is the worst.
fn worst_first(all: &[Parameter]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..all.len()).collect();
    let badness = |p: &Parameter| if p.r_hat.is_finite() { p.r_hat } else { f64::MAX };
    order.sort_by(|&a, &b| badness(&all[b]).total_cmp(&badness(&all[a])));
    order
}

fn parameters(all: &[Parameter]) -> Option<ParameterPart> {
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

fn label(p: &Parameter) -> String {
    if p.coords.is_empty() { p.name.clone() } else { format!("{} · {}", p.name, coords(p)) }
}

fn chains(all: &[Parameter]) -> Option<ChainPart> {
    let mut keep: Vec<usize> =
        worst_first(all).into_iter().filter(|&i| !all[i].trace.is_empty() || !all[i].ranks.is_empty()).collect();
    let total = keep.len();
    keep.truncate(CHAINS);
    keep.sort_unstable();
    if keep.is_empty() {
        return None;
    }
    let panels = keep
        .into_iter()
        .map(|i| {
            let p = &all[i];
            let decimals = decimals_for(p.sd, p.mean).saturating_sub(1);
            let (trace, low, high) =
                plots::trace(p, &format!("Trace of {}", label(p))).unwrap_or((String::new(), f64::NAN, f64::NAN));
            Panel {
                name: label(p),
                fit: p.fit.clone(),
                r_hat: fixed(p.r_hat, 3),
                ess: fixed(p.ess_bulk, 0),
                concern: p.concern.is_some(),
                low: fixed(low, decimals),
                high: fixed(high, decimals),
                trace,
                ranks: plots::rank_plot(p, &format!("Ranks of {} by chain", label(p))).unwrap_or_default(),
            }
        })
        .collect();
    Some(ChainPart { panels, cut: total > CHAINS, total: whole(total as u64) })
}
