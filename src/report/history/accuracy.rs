//! How good predictions were, cutoff by cutoff: measures against their baselines and limits, and totals beside what came.

use serde::Serialize;

use super::horizon::{Horizon, Names};
use super::{Figure, Table, TableCell, TableRow, counted, day, or_nan, said};
use crate::evaluate::{Better, Judgement, Measure, Metric, State};
use crate::lifecycle::HistoryRow;
use crate::report::numbers::{self, from_to};
use crate::report::plots::{self, Level, Said, Seen, Total, Totals, Unit, Watch, responsive};
use crate::report::words::upper_first;

/// What is drawn, in this order.
const METRICS: [Metric; 5] =
    [Metric::Rmse, Metric::R2, Metric::GiniNormalized, Metric::CalibrationSlope, Metric::Coverage90];

/// One horizon's snapshots.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    name: String,
    sentence: String,
    not_judged: Option<String>,
    measures: Vec<Figure>,
    totals: Vec<Figure>,
    table: Table,
}

pub(super) fn part(h: &Horizon<'_>, names: &Names<'_>, currency: &str) -> Part {
    let money = h.money(currency);
    let matured = h.rows.iter().filter(|row| row.outcome.is_some()).count();
    let breaches = h.rows.iter().filter(|row| row.monitor.as_ref().is_some_and(|m| m.breach)).count();
    let snapshots = upper_first(&counted(h.rows.len(), "snapshot", "snapshots"));
    let sentence = match matured {
        0 => format!("{snapshots}; no window has passed yet."),
        _ => format!(
            "{snapshots}; {} passed, {} broken.",
            if matured == 1 {
                "one window has".to_owned()
            } else {
                format!("{} windows have", numbers::whole(matured as u64))
            },
            match breaches {
                0 => "no limit was".to_owned(),
                1 => "limits of one of them were".to_owned(),
                n => format!("limits of {} of them were", numbers::whole(n as u64)),
            }
        ),
    };
    let measures =
        if matured > 0 { METRICS.iter().map(|&metric| measure(h, metric, names, money)).collect() } else { Vec::new() };
    Part {
        name: h.name.clone(),
        sentence,
        not_judged: h.rows.iter().rev().find_map(|row| row.monitor.as_ref()).and_then(|m| m.not_judged.clone()),
        measures,
        totals: totals(h, names, money),
        table: table(h, names, money),
    }
}

fn judgement(row: &HistoryRow, metric: Metric) -> Option<&Judgement> {
    row.monitor.as_ref()?.judgements.iter().find(|j| j.metric == metric)
}

fn state(row: &HistoryRow, metric: Metric) -> Said {
    match judgement(row, metric).map(|j| &j.state) {
        Some(State::Within) => Said::Within,
        Some(State::BeyondButUncertain) => Said::Uncertain,
        Some(State::Breach) => Said::Breach,
        Some(State::NotJudged { .. }) | None => Said::Unjudged,
    }
}

fn in_words(said: Said) -> &'static str {
    match said {
        Said::Within => "within its limit",
        Said::Uncertain => "beyond its limit, perhaps by chance",
        Said::Breach => "a breach",
        Said::Unjudged => "not judged",
    }
}

fn baseline(row: &HistoryRow, metric: Metric) -> Option<f64> {
    row.monitor.as_ref()?.baseline.as_ref()?.accuracy.get(metric).value
}

fn limit(row: &HistoryRow, metric: Metric) -> Option<f64> {
    judgement(row, metric)?.threshold_value
}

fn range(metric: Metric, measure: &Measure, money: Option<&str>) -> Option<String> {
    let (low, high) = measure.low.zip(measure.high)?;
    Some(from_to(&said(metric, low, money), &said(metric, high, money)))
}

fn measure(h: &Horizon<'_>, metric: Metric, names: &Names<'_>, money: Option<&str>) -> Figure {
    let seen = h.each(|row| {
        let m = row.outcome.as_ref()?.accuracy.get(metric);
        Some(Seen { value: or_nan(m.value), low: or_nan(m.low), high: or_nan(m.high), said: state(row, metric) })
    });
    let title = format!("{}, {}", metric.label(), h.name);
    let with = |wanted: Said| seen.iter().flatten().filter(|s| s.said == wanted).count();
    let description = format!(
        "{} of {} windows have passed: {} within the limit, {} beyond it perhaps by chance, {} in breach, {} not judged. A table below has every figure.",
        seen.iter().flatten().count(),
        seen.len(),
        with(Said::Within),
        with(Said::Uncertain),
        with(Said::Breach),
        with(Said::Unjudged)
    );
    let mut levels =
        vec![Level { class: "baseline", name: "baseline", at: h.each(|row| or_nan(baseline(row, metric))) }];
    let limits = h.each(|row| or_nan(limit(row, metric)));
    let limits = if metric == Metric::CalibrationSlope { both_sides(&limits) } else { vec![limits] };
    levels.extend(limits.into_iter().map(|at| Level { class: "reference", name: "limit", at }));
    let drawing = plots::watch(&Watch {
        title: &title,
        description: &description,
        span: h.span,
        days: &h.days,
        seen: &seen,
        tips: &h.each(|row| tip(row, metric, names, money)),
        levels: &levels,
        chance: &[],
        eras: &h.eras,
        unit: match (metric, money) {
            (Metric::Rmse, Some(currency)) => Unit::Money(currency.to_owned()),
            (Metric::Coverage90, _) => Unit::Percent,
            _ => Unit::Plain,
        },
        from_zero: false,
        at_least: f64::NAN,
    });
    let rule = match metric.better() {
        Better::Higher => "higher is better".to_owned(),
        Better::Lower => "lower is better".to_owned(),
        Better::Towards(target) => format!("best at {}", numbers::short(target)),
        Better::AtLeast(bound) => format!("should be {} or more", numbers::percent_whole(bound)),
        Better::AtMost(bound) => format!("should be {} or less", numbers::percent_whole(bound)),
        Better::Neither => String::new(),
    };
    Figure { caption: upper_first(metric.label()), rule, drawing }
}

/// The slope is judged on the side where it lies, above 1 or below; both limits hold all the time. One line each, over every judged
/// cutoff, with the side's nearest known limit where a value lay on the other.
fn both_sides(limits: &[f64]) -> Vec<Vec<f64>> {
    let side = |is_above: bool| {
        let known = |i: usize| Some(limits[i]).filter(|v| v.is_finite() && (*v > 1.0) == is_above);
        let nearest =
            |i: usize| (0..limits.len()).filter(|&j| known(j).is_some()).min_by_key(|j| j.abs_diff(i)).and_then(known);
        (0..limits.len()).map(|i| or_nan(nearest(i).filter(|_| limits[i].is_finite()))).collect::<Vec<f64>>()
    };
    [side(true), side(false)].into_iter().filter(|line| line.iter().any(|v| v.is_finite())).collect()
}

fn tip(row: &HistoryRow, metric: Metric, names: &Names<'_>, money: Option<&str>) -> String {
    let s = &row.snapshot;
    let head = format!("{}, {}", day(s.cutoff), names.short(&s.model_id));
    let Some(outcome) = &row.outcome else { return format!("{head}: the window ends on {}", day(s.window_end)) };
    let m = outcome.accuracy.get(metric);
    let mut out = format!("{head}: {} {}", metric.label(), said(metric, or_nan(m.value), money));
    if let Some(range) = range(metric, &m, money) {
        out += &format!(", {range} (90\u{a0}%)");
    }
    for (name, value) in [("baseline", baseline(row, metric)), ("limit", limit(row, metric))] {
        if let Some(value) = value {
            out += &format!(", {name} {}", said(metric, value, money));
        }
    }
    format!("{out}: {}", in_words(state(row, metric)))
}

fn totals(h: &Horizon<'_>, names: &Names<'_>, money: Option<&str>) -> Vec<Figure> {
    let tip = |row: &HistoryRow, predicted: String, actual: Option<String>| {
        let s = &row.snapshot;
        let head = format!("{}, {}: predicted {predicted}", day(s.cutoff), names.short(&s.model_id));
        match actual {
            Some(actual) => format!("{head}, happened {actual}"),
            None => format!("{head}; the window ends on {}", day(s.window_end)),
        }
    };
    let purchases = h.each(|row| {
        let (p, actual) = (row.snapshot.purchases, row.outcome.as_ref().map(|o| o.total.actual_purchases));
        let range = numbers::plain_range(p.q05, p.q95, 0);
        Total {
            predicted: p.mean,
            low: p.q05,
            high: p.q95,
            actual: or_nan(actual.map(|n| n as f64)),
            tip: tip(row, format!("{}, {range} (90\u{a0}%)", numbers::count(p.mean)), actual.map(numbers::whole)),
        }
    });
    let mut figures = vec![total_figure(h, "Purchases", &purchases, Unit::Plain)];
    if let Some(currency) = money.filter(|_| h.rows.iter().any(|row| row.outcome.is_some())) {
        let value = h.each(|row| {
            let total = row.outcome.as_ref().map(|o| &o.total);
            let amount = |value: f64| numbers::money(value, currency);
            Total {
                predicted: or_nan(total.map(|t| t.predicted_value)),
                low: f64::NAN,
                high: f64::NAN,
                actual: or_nan(total.map(|t| t.actual_value)),
                tip: tip(
                    row,
                    total.map_or(numbers::NONE.to_owned(), |t| amount(t.predicted_value)),
                    total.map(|t| amount(t.actual_value)),
                ),
            }
        });
        figures.push(total_figure(h, "Value, not discounted", &value, Unit::Money(currency.to_owned())));
    }
    figures
}

fn total_figure(h: &Horizon<'_>, what: &str, totals: &[Total], unit: Unit) -> Figure {
    let known = || totals.iter().filter(|t| t.actual.is_finite());
    let with = known().filter(|t| t.low.is_finite() && t.high.is_finite()).count();
    let inside = known().filter(|t| (t.low..=t.high).contains(&t.actual)).count();
    let description = if with > 0 {
        format!("What happened lies within the 90 % interval of what was predicted in {inside} of {with} windows.")
    } else {
        format!("{} windows have passed.", known().count())
    };
    let title = format!("{what} of all customers, predicted and happened, {}", h.name);
    let draw = |size| {
        plots::totals(
            &Totals {
                title: &title,
                description: &description,
                span: h.span,
                days: &h.days,
                totals,
                eras: &h.eras,
                unit: unit.clone(),
            },
            size,
        )
    };
    let rule = if with > 0 { format!("{inside} of {with} within the 90\u{a0}% interval") } else { String::new() };
    Figure { caption: what.to_owned(), rule, drawing: responsive(draw) }
}

fn table(h: &Horizon<'_>, names: &Names<'_>, money: Option<&str>) -> Table {
    let mut columns = vec!["Model".to_owned(), "Customers".to_owned(), "Purchases".to_owned()];
    if money.is_some() {
        columns.push("Value".to_owned());
    }
    columns.extend(METRICS.iter().map(|metric| upper_first(metric.label())));
    let rows = h.each(|row| {
        let s = &row.snapshot;
        let mut cells = vec![
            TableCell::plain(names.short(&s.model_id)),
            TableCell::plain(numbers::whole(s.customers)),
            beside(
                numbers::count(s.purchases.mean),
                row.outcome.as_ref().map(|o| numbers::whole(o.total.actual_purchases)),
            ),
        ];
        if let Some(currency) = money {
            let amount = |of: fn(&crate::lifecycle::Slice) -> f64| {
                row.outcome.as_ref().map(|o| numbers::money(of(&o.total), currency))
            };
            cells.push(beside(
                amount(|t| t.predicted_value).unwrap_or(numbers::NONE.to_owned()),
                amount(|t| t.actual_value),
            ));
        }
        cells.extend(METRICS.iter().map(|&metric| match &row.outcome {
            None => TableCell::plain("pending".to_owned()),
            Some(outcome) => {
                let m = outcome.accuracy.get(metric);
                let said_of = state(row, metric);
                let range = range(metric, &m, money).map_or(String::new(), |range| format!("{range}; "));
                let limit = limit(row, metric).map_or(String::new(), |v| format!(" of {}", said(metric, v, money)));
                TableCell {
                    main: said(metric, or_nan(m.value), money),
                    aside: format!("{range}{}{limit}", in_words(said_of)),
                    bad: said_of == Said::Breach,
                }
            }
        }));
        TableRow { head: day(s.cutoff), aside: format!("to {}", day(s.window_end)), cells }
    });
    let caption = format!("Every snapshot, {}: what was predicted, what happened, and how it was judged", h.name);
    Table { caption, columns, rows }
}

/// What was predicted, and below it what happened.
fn beside(predicted: String, actual: Option<String>) -> TableCell {
    TableCell { main: predicted, aside: actual.map_or("pending".to_owned(), |a| format!("happened {a}")), bad: false }
}
