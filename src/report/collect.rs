//! Fills a [`View`] from the files of a finished run. Rewords and joins; computes no statistic.

mod draws;
mod made;

use super::view::{self, View};
use crate::config::GroupsPlan;
use crate::diagnose::{Diagnostics, Sensitivity, Verdict};
use crate::error::Result;
use crate::evaluate::{Baseline, HoldoutScores};

use crate::run::{
    self, BandRow, CheckFacts, DataFacts, FitShrinkage, GroupTotal, PredictionFacts, RunDir, SegmentFacts,
    ShrinkageFacts, TestQuantity,
};

/// The view of a run whose steps are all done but the report.
///
/// # Errors
/// A file of an earlier step that is missing or damaged; the message names the step that writes it.
pub fn collect(dir: &RunDir) -> Result<View> {
    let data: DataFacts = dir.read_json("facts.json", "summarize")?;
    let diagnostics: Diagnostics = dir.read_json("diagnostics.json", "diagnose")?;
    let predictions: PredictionFacts = dir.read_json("predictions.json", "predict")?;
    let checks: CheckFacts = dir.read_json("checks.json", "predict")?;
    let segments: Vec<SegmentFacts> = dir.read_json("segments.json", "segment")?;
    let telemetry = run::read_telemetry(dir);
    let holdout: Option<HoldoutScores> =
        if dir.has("holdout.json") { Some(dir.read_json("holdout.json", "evaluate")?) } else { None };
    let shrinkage: Option<ShrinkageFacts> =
        if dir.has("shrinkage.json") { Some(dir.read_json("shrinkage.json", "diagnose")?) } else { None };
    let sensitivity: Option<Sensitivity> =
        if dir.has("sensitivity.json") { Some(dir.read_json("sensitivity.json", "diagnose")?) } else { None };
    let pictures = run::pictures(dir, &draws::in_full(&diagnostics))?;
    let plan = &dir.plan;
    let words = run::words(plan)?;
    let unit = words.periods.map_or_else(|| time_unit(plan.data.time_unit_days), str::to_owned);
    let horizon = match words.periods {
        Some(periods) => format!("{} months ({} {periods})", predictions.horizon_months, predictions.ahead.len()),
        None => format!("{} months", predictions.horizon_months),
    };
    let has_money = predictions.clv.is_some();
    Ok(View {
        title: plan.output.title.clone(),
        subtitle: subtitle(dir, &data, words),
        // Without amounts a set of customers is worth the purchases it will make.
        currency: if has_money { plan.data.currency.clone() } else { words.events.to_owned() },
        time_unit: unit.clone(),
        horizon,
        words: view::Words {
            events: words.events.to_owned(),
            verb: words.verb.to_owned(),
            check: words.check[0].to_owned(),
            check_axis: words.check[1].to_owned(),
        },
        verdict: verdict(&diagnostics),
        headline: Some(view::Headline {
            customers: data.customers,
            purchases: interval(&predictions.purchases),
            value: predictions.clv.as_ref().map(interval),
            alive: Some(predictions.alive_mean / data.customers as f64),
        }),
        tiers: segments.iter().filter(|s| s.kind == "tier").map(|s| class(s, plan, words)).collect(),
        segments: segments.iter().filter(|s| s.kind == "rfm").map(|s| class(s, plan, words)).collect(),
        tracking: tracking(&checks),
        frequency: checks
            .frequency_histogram
            .iter()
            .map(|row| view::Check {
                label: row.repeat_purchases.clone(),
                actual: row.actual as f64,
                predicted: interval(&row.predicted),
            })
            .collect(),
        recency: checks.recency_histogram.iter().map(band).collect(),
        spend: checks.spend_histogram.iter().map(band).collect(),
        quantities: checks.quantities.iter().map(quantity).collect(),
        holdout: holdout.as_ref().map(|h| holdout_view(h, data.holdout_length.unwrap_or(0.0), &unit)),
        alive: alive(dir)?,
        groups: groups(&data, &predictions.groups),
        shrinkage: shrinkage.iter().flat_map(|s| &s.fits).map(shrinkage_view).collect(),
        covariates: covariates(&diagnostics, &data),
        parameters: draws::parameters(&diagnostics, &pictures.parameters),
        chains: draws::chains(&diagnostics, &pictures),
        limits: draws::limits(&diagnostics),
        sensitivity,
        resources: view::Resources {
            samples: telemetry.timeline.clone(),
            findings: telemetry.findings.iter().map(|finding| finding.text.clone()).collect(),
            processors: telemetry.cpus as u64,
        },
        facts: made::facts(dir, &data, &diagnostics, &telemetry, &predictions.left_out),
    })
}

fn interval(i: &run::Interval) -> view::Interval {
    view::Interval { mean: i.mean, q05: i.q05, q95: i.q95 }
}

fn band(row: &BandRow) -> view::Check {
    view::Check { label: row.label.clone(), actual: row.actual as f64, predicted: interval(&row.predicted) }
}

fn quantity(q: &TestQuantity) -> view::Quantity {
    view::Quantity {
        what: q.what.clone(),
        unit: q.unit.clone(),
        observed: q.observed,
        replicated: interval(&q.replicated),
        p_value: q.p_value,
        concern: q.concern.clone(),
    }
}

fn time_unit(days: f64) -> String {
    match days {
        1.0 => "days".to_owned(),
        7.0 => "weeks".to_owned(),
        30.4375 => "months".to_owned(),
        other => format!("units of {other} days"),
    }
}

fn subtitle(dir: &RunDir, data: &DataFacts, words: &run::Words) -> String {
    let purchases = format!("{} {}", run::model_name(&dir.plan, run::PURCHASE), words.events);
    let mut parts = vec![match &dir.plan.spend {
        Some(_) => format!("{purchases}, {} spend", run::model_name(&dir.plan, run::SPEND)),
        None => purchases,
    }];
    parts.push(match &dir.plan.groups {
        GroupsPlan::None => "one group".to_owned(),
        _ => format!("{} groups by {}", data.groups.len(), data.group_column.as_deref().unwrap_or("group")),
    });
    match (data.calibration_start, data.calibration_end) {
        (Some(start), Some(end)) => parts.push(format!("learned from purchases from {start} to {end}")),
        (None, Some(end)) => parts.push(format!("learned from purchases up to {end}")),
        (_, None) => {}
    }
    parts.join(" · ")
}

fn verdict(diagnostics: &Diagnostics) -> view::Verdict {
    view::Verdict {
        passed: diagnostics.verdict == Verdict::Pass,
        method: diagnostics.method,
        reasons: diagnostics.reasons.clone(),
        meaning: None,
        advice: Vec::new(),
    }
}

/// Without a spend model a set's value is its purchases.
fn value(total: &GroupTotal) -> view::Interval {
    interval(total.clv.as_ref().unwrap_or(&total.purchases))
}

fn class(segment: &SegmentFacts, plan: &crate::config::Plan, words: &run::Words) -> view::Class {
    let rule = segment.cut_value.map(|cut| match plan.spend {
        Some(_) => format!("worth at least {}", super::money(cut, &plan.data.currency)),
        None => format!("at least {} {} expected", super::figure(cut), words.events),
    });
    view::Class {
        name: segment.total.label.clone(),
        rule,
        customers: segment.total.customers,
        value: value(&segment.total),
        share: segment.revenue_share,
        action: Some(segment.action.clone()),
    }
}

fn tracking(checks: &CheckFacts) -> Option<view::Tracking> {
    if checks.tracking.is_empty() {
        return None;
    }
    Some(view::Tracking {
        week_start: checks.tracking.iter().map(|w| w.week_start).collect(),
        actual: checks.tracking.iter().map(|w| w.actual as f64).collect(),
        predicted: checks.tracking.iter().map(|w| interval(&w.predicted)).collect(),
        cumulative: checks.tracking.iter().map(|w| interval(&w.cumulative)).collect(),
        calibration_weeks: checks.calibration_weeks,
    })
}

fn holdout_view(h: &HoldoutScores, length: f64, unit: &str) -> view::Holdout {
    let baseline = |name: &str, b: &Baseline| view::Score {
        name: name.to_owned(),
        total: b.total,
        mae: b.mae,
        rmse: b.rmse,
        spearman: b.spearman,
        gini: None,
    };
    let covered = |level, covered, raw| view::Coverage { level, covered, raw };
    view::Holdout {
        length: format!("{} {unit}", super::short(length)),
        actual: h.total.actual,
        predicted: view::Interval { mean: h.total.mean, q05: h.total.q05, q95: h.total.q95 },
        scores: vec![
            view::Score {
                name: "longrun".to_owned(),
                total: h.total.mean,
                mae: h.mae,
                rmse: h.rmse,
                spearman: h.spearman,
                gini: h.gini_normalized,
            },
            baseline("same rate as before", &h.baselines.same_rate),
            baseline("everyone average", &h.baselines.everyone_average),
        ],
        coverage: vec![
            covered(0.5, h.coverage.half, h.coverage_raw.half),
            covered(0.9, h.coverage.ninety, h.coverage_raw.ninety),
        ],
        by_frequency: h
            .calibration
            .iter()
            .filter_map(|c| {
                let (actual, predicted) = (c.actual_mean?, c.predicted_mean?);
                let predicted = view::Interval { mean: predicted, q05: predicted, q95: predicted };
                Some(view::Check { label: c.frequency.clone(), actual, predicted })
            })
            .collect(),
    }
}

fn alive(dir: &RunDir) -> Result<Option<view::AliveMap>> {
    Ok(run::alive_grid(dir)?.map(|run::AliveGrid { age, frequency, recency, probability }| view::AliveMap {
        age,
        frequency,
        recency,
        probability,
    }))
}

fn groups(data: &DataFacts, totals: &[GroupTotal]) -> Option<view::Groups> {
    let column = data.group_column.clone()?;
    let rows = totals
        .iter()
        .map(|t| view::Group {
            label: t.label.clone(),
            customers: t.customers,
            alive: t.p_alive_mean,
            purchases: interval(&t.purchases),
            value: value(t),
        })
        .collect();
    Some(view::Groups { column, rows })
}

fn shrinkage_view(fit: &FitShrinkage) -> view::Shrinkage {
    let rows = |k: usize| {
        fit.groups
            .iter()
            .map(|g| view::Shrunk {
                label: g.label.clone(),
                customers: g.customers,
                alone: g.alone[k],
                centre: g.centre[k],
                pooled: g.pooled[k],
                share: g.share[k],
            })
            .collect()
    };
    let parameter = |(k, name): (usize, &String)| view::ShrunkParameter { name: name.clone(), groups: rows(k) };
    view::Shrinkage {
        fit: fit.fit.clone(),
        column: fit.column.clone(),
        parameters: fit.parameters.iter().enumerate().map(parameter).collect(),
    }
}

fn covariates(diagnostics: &Diagnostics, data: &DataFacts) -> Vec<view::CovariateEffect> {
    let effect = |p: &crate::diagnose::Parameter| {
        let moves = match p.name.as_str() {
            "purchase_coefficient" => view::Moves::Buying,
            "dropout_coefficient" => view::Moves::Leaving,
            "dropout_coefficient_a" => view::Moves::LeavingA,
            "dropout_coefficient_b" => view::Moves::LeavingB,
            _ => return None,
        };
        let column = data.covariates.iter().find(|column| p.coords.values().any(|label| *label == column.name))?;
        let level = column.name.strip_prefix(&column.covariate).and_then(|rest| rest.strip_prefix('='));
        let step = match level {
            Some(level) => view::CovariateStep::Level(level.to_owned()),
            None if column.name == column.covariate => view::CovariateStep::Unit(column.scale),
            None => view::CovariateStep::Missing,
        };
        let covariate = column.covariate.clone();
        Some(view::CovariateEffect { moves, covariate, step, q05: p.q05, q50: p.q50, q95: p.q95 })
    };
    diagnostics.parameters.iter().filter_map(effect).collect()
}
