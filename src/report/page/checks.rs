//! The model held against what customers did: what it was fitted on, one number at a time, and the window that it had not seen.

use serde::Serialize;

use super::super::numbers::{self, count, fixed, money, percent, percent_whole};
use super::super::plots::{self, Mark, responsive};
use super::super::view::{Check, Holdout, Quantity, View};
use super::super::words;

/// Caption and axis of the histograms of recency and spend.
pub(in crate::report) const RECENCY: [&str; 2] =
    ["Customers by when they bought last", "last purchase, as a share of the time they were watched"];
pub(in crate::report) const SPEND: [&str; 2] = ["Customers by mean spend", "mean spend per purchase"];

/// The posterior predictive checks.
#[derive(Debug, Serialize)]
pub(in crate::report) struct CheckPart {
    tracking: Option<[String; 2]>,
    figures: Vec<Figure>,
    quantities: Vec<QuantityRow>,
    concerns: usize,
}

#[derive(Debug, Serialize)]
struct Figure {
    caption: String,
    plot: String,
}

#[derive(Debug, Serialize)]
struct QuantityRow {
    what: String,
    observed: String,
    expected: String,
    range: String,
    strip: String,
    p_value: String,
    concern: String,
}

#[derive(Debug, Serialize)]
pub(in crate::report) struct HoldoutPart {
    sentence: String,
    coverage_sentence: Option<String>,
    scores: Vec<[String; 6]>,
    coverage: Vec<[String; 3]>,
    by_frequency: Option<String>,
}

/// The part; none where nothing was checked.
pub(super) fn checks(view: &View) -> Option<CheckPart> {
    let tracking = view
        .tracking
        .as_ref()
        .map(|t| [responsive(|size| plots::weekly(t, size)), responsive(|size| plots::cumulative(t, size))]);
    let of = |rows: &[Check], caption: &str, axis: &str| Figure {
        caption: caption.to_owned(),
        plot: responsive(|size| {
            plots::checks(rows, Mark::Bars, &format!("{caption}, counted and predicted"), axis, size)
        }),
    };
    let rows = [
        (&view.frequency, view.words.check.as_str(), view.words.check_axis.as_str()),
        (&view.recency, RECENCY[0], RECENCY[1]),
        (&view.spend, SPEND[0], SPEND[1]),
    ];
    let figures: Vec<Figure> = rows
        .into_iter()
        .filter(|(rows, ..)| !rows.is_empty())
        .map(|(rows, caption, axis)| of(rows, caption, axis))
        .collect();
    if tracking.is_none() && figures.is_empty() && view.quantities.is_empty() {
        return None;
    }
    Some(CheckPart {
        tracking,
        figures,
        quantities: view.quantities.iter().map(|q| quantity(q, view)).collect(),
        concerns: view.quantities.iter().filter(|q| q.concern.is_some()).count(),
    })
}

/// A test quantity in its unit.
pub(in crate::report) fn in_unit(value: f64, unit: &str, view: &View) -> String {
    match unit {
        "share" => percent(value),
        "currency" => money(value, &view.currency),
        "time units" => format!("{} {}", numbers::short(value), view.time_unit),
        _ => numbers::short(value),
    }
}

fn quantity(q: &Quantity, view: &View) -> QuantityRow {
    let [low, mean, high] = [q.replicated.q05, q.replicated.mean, q.replicated.q95].map(|v| in_unit(v, &q.unit, view));
    let observed = in_unit(q.observed, &q.unit, view);
    let inside = (q.replicated.q05..=q.replicated.q95).contains(&q.observed);
    let title = format!(
        "Observed {observed}, {} the 90 % interval {low} to {high} of data that the model makes",
        if inside { "within" } else { "outside" }
    );
    QuantityRow {
        what: words::upper_first(&q.what),
        strip: plots::observed_strip(q.observed, &q.replicated, &title),
        observed,
        expected: mean,
        range: format!("{low} to {high}"),
        p_value: fixed(q.p_value, if q.p_value < 0.01 || q.p_value > 0.99 { 3 } else { 2 }),
        // The row begins with what it is about.
        concern: q.concern.as_deref().map_or_else(String::new, |said| {
            said.strip_prefix(&q.what).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(said).to_owned()
        }),
    }
}

/// Scores, coverage and calibration on the window that the model had not seen.
pub(super) fn holdout(h: &Holdout) -> HoldoutPart {
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
