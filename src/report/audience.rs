//! The result in plain words, three times: for who decides, for who works with the numbers, for who doubts them. Rules over the view;
//! every figure in a sentence is one of the view's. Plain text; whoever writes the page escapes it.

use super::numbers::{count, fixed, money, percent, percent_whole, short, whole};
use super::page::{label, leaning};
use super::view::{Holdout, Parameter, View};
use super::words;
use crate::diagnose::Method;

/// One reader and what they are told.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(super) struct Reader {
    /// For ids: `executive`.
    pub(super) key: &'static str,
    /// As the control names them: `Executive`.
    pub(super) name: &'static str,
    /// A few paragraphs.
    pub(super) said: Vec<String>,
}

/// The three texts.
pub(super) fn readers(view: &View) -> [Reader; 3] {
    [
        Reader { key: "executive", name: "Executive", said: executive(view) },
        Reader { key: "analyst", name: "Analyst", said: analyst(view) },
        Reader { key: "statistician", name: "Statistician", said: statistician(view) },
    ]
}

/// What will come, how sure, and what to do first.
fn executive(view: &View) -> Vec<String> {
    if !view.verdict.passed {
        return vec![
            String::from(
                "Do not plan with these numbers yet. The computation did not finish its work reliably, so any figure in this report can \
                 be wrong by an unknown amount. That says nothing about the business: the model has to be run again.",
            ),
            format!("What stands in the way: {}", listed(&view.verdict.reasons, 2)),
        ];
    }
    let mut out = Vec::new();
    if let Some(h) = &view.headline {
        out.push(words::summary(view, h));
    }
    if let Some(h) = &view.holdout {
        out.push(track_record(h, view));
    }
    let held = view.segments.iter().filter(|s| s.share.is_finite()).max_by(|a, b| a.share.total_cmp(&b.share));
    if let Some(best) = held {
        let action = best.action.as_deref().map_or_else(String::new, |a| format!(" {a}"));
        out.push(format!(
            "Begin with {}: {} customers who hold {} of the value to come.{action}",
            best.name,
            whole(best.customers),
            percent_whole(best.share)
        ));
    }
    out
}

/// How well the last prediction went, for who will rely on the next.
fn track_record(h: &Holdout, view: &View) -> String {
    let events = &view.words.events;
    let inside = (h.predicted.q05..=h.predicted.q95).contains(&h.actual);
    let off =
        if h.actual > 0.0 { percent((h.predicted.mean - h.actual).abs() / h.actual) } else { String::from("far") };
    let side = if h.predicted.mean < h.actual { "too few" } else { "too many" };
    let text = format!(
        "As a test, the last {} were kept from the model: it expected {} {events} and {} came, {off} {side}",
        h.length,
        count(h.predicted.mean),
        count(h.actual)
    );
    if inside {
        format!("{text}, and within the range it gave.")
    } else {
        format!("{text}, and outside the range it gave: take the range of the total as too narrow.")
    }
}

/// What the data were, where the model fits and where not, how it compares.
fn analyst(view: &View) -> Vec<String> {
    let mut out = Vec::new();
    if !view.verdict.passed {
        out.push(format!("The diagnostics refused this run: {}", listed(&view.verdict.reasons, 3)));
    }
    if let Some(d) = &view.facts.data {
        let models: Vec<&str> = view.facts.fits.iter().map(|fit| fit.model.as_str()).collect();
        let rejected = if d.rejects == 0 {
            String::from("none was rejected")
        } else {
            format!("{} were rejected (see rejects.csv)", whole(d.rejects))
        };
        out.push(format!(
            "{} learned from {} lines; {rejected}. They are {} customers with {} distinct histories.",
            models.join(" and "),
            whole(d.rows),
            whole(d.customers),
            whole(d.cells)
        ));
    }
    if let Some(text) = view.holdout.as_ref().and_then(|h| against_naive(h, view)) {
        out.push(text);
    }
    if let Some(text) = predictive(view) {
        out.push(text);
    }
    if let Some(g) = view.groups.as_ref().filter(|g| g.rows.len() > 1) {
        let shares = view.shrinkage.iter().flat_map(|s| s.parameters.first()).flat_map(|p| &p.groups);
        let (n, borrowing) = shares.fold((0, 0), |(n, b), row| (n + 1, b + usize::from(row.share >= 0.5)));
        let borrowed = match (n, borrowing) {
            (0, _) => String::new(),
            (_, 0) => String::from(" All of them stand mostly on their own data."),
            (n, b) => format!(
                " {} of {} take half of their estimate or more from the others: read those as the average until they have data.",
                whole(b as u64),
                whole(n as u64)
            ),
        };
        out.push(format!("There are {} groups by {}.{borrowed}", whole(g.rows.len() as u64), g.column));
    }
    out
}

fn against_naive(h: &Holdout, view: &View) -> Option<String> {
    let (ours, naive) = h.scores.split_first()?;
    let best = naive.iter().filter(|s| s.mae.is_finite()).min_by(|a, b| a.mae.total_cmp(&b.mae))?;
    let verdict = if ours.mae < best.mae {
        format!("{} less than", percent_whole(1.0 - ours.mae / best.mae))
    } else {
        format!("{} more than", percent_whole(ours.mae / best.mae - 1.0))
    };
    let mut text = format!(
        "In the test window of {} the mean error was {} {} a customer, {verdict} the best naive guess (“{}”)",
        h.length,
        fixed(ours.mae, 3),
        view.words.events,
        best.name
    );
    if let Some(rank) = ours.spearman {
        text += &format!("; the ranking of customers had a rank correlation of {}", fixed(rank, 2));
    }
    text.push('.');
    if let Some(said) = words::coverage(&h.coverage) {
        text += &format!(" {said}");
    }
    Some(text)
}

/// What the checks against the data themselves say.
fn predictive(view: &View) -> Option<String> {
    let rows = || view.frequency.iter().chain(&view.recency).chain(&view.spend);
    let inside = rows().filter(|r| (r.predicted.q05..=r.predicted.q95).contains(&r.actual)).count();
    let wrong: Vec<String> = view.quantities.iter().filter_map(|q| q.concern.clone()).collect();
    let classes = match rows().count() {
        0 => None,
        n => Some(format!(
            "Of {n} classes of customers that were counted, {inside} lie within the model’s 90\u{a0}% interval."
        )),
    };
    let quantities = match (view.quantities.len(), wrong.len()) {
        (0, _) => None,
        (n, 0) => Some(format!("All {n} test quantities look as the model makes them.")),
        (n, k) => Some(format!("{k} of {n} test quantities do not: {}", listed(&wrong, 2))),
    };
    let said: Vec<String> = [classes, quantities].into_iter().flatten().collect();
    (!said.is_empty()).then(|| said.join(" "))
}

/// The figures behind the verdict.
fn statistician(view: &View) -> Vec<String> {
    let mut out = Vec::new();
    if view.verdict.method != Method::Sampling {
        out.push(format!(
            "These draws are {}; there were no chains, so neither R-hat nor effective sample sizes.",
            view.verdict.method.named()
        ));
        for fit in &view.facts.fits {
            if let Some(k) = fit.pareto_k {
                let k = if k.is_finite() { fixed(k, 2) } else { String::from("infinite") };
                out.push(format!("Pareto k of the {} fit is {k}.", fit.fit));
            }
        }
    } else if let Some(text) = convergence(view) {
        out.push(text);
        out.extend(energies(view));
    }
    if !view.verdict.passed {
        out.push(format!("Refused because: {}", listed(&view.verdict.reasons, 4)));
    }
    if let Some(worst) = extreme(view) {
        out.push(worst);
    }
    if let Some(h) = view.holdout.as_ref().filter(|h| !h.coverage.is_empty()) {
        let rows: Vec<String> =
            h.coverage.iter().map(|c| format!("{} intervals {}", percent_whole(c.level), percent(c.covered))).collect();
        out.push(format!("Coverage of single customers by randomised PIT: {}.", rows.join(", ")));
    }
    if let Some(s) = &view.sensitivity {
        let (n, all) = leaning(s);
        out.push(format!(
            "Power-scaling: {n} of {all} marginals move with their prior (figure {} or more).",
            short(s.threshold)
        ));
    }
    out
}

fn convergence(view: &View) -> Option<String> {
    let all = &view.parameters;
    let finite = |of: fn(&Parameter) -> f64| all.iter().filter(move |p| of(p).is_finite()).map(move |p| (of(p), p));
    let (r_hat, worst) = finite(|p| p.r_hat).max_by(|a, b| a.0.total_cmp(&b.0))?;
    let (bulk, few) = finite(|p| p.ess_bulk).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let (tail, thin) = finite(|p| p.ess_tail).min_by(|a, b| a.0.total_cmp(&b.0))?;
    let divergences: u64 = view.facts.fits.iter().map(|fit| fit.divergences).sum();
    let draws: u64 = view.facts.fits.iter().map(|fit| fit.chains * fit.draws).sum();
    Some(format!(
        "{} parameters. Largest rank-normalised split R-hat {} ({}; limit {}), smallest bulk ESS {} ({}), smallest tail ESS {} ({}; both \
         must exceed {}), {} divergent of {} transitions.",
        whole(all.len() as u64),
        fixed(r_hat, 4),
        label(worst),
        short(view.limits.r_hat),
        fixed(bulk, 0),
        label(few),
        fixed(tail, 0),
        label(thin),
        short(view.limits.ess),
        whole(divergences),
        whole(draws)
    ))
}

fn energies(view: &View) -> Option<String> {
    let all = view.chains.iter().filter_map(|fit| fit.energy.as_ref()).flat_map(|e| &e.e_bfmi).copied();
    let least = all.filter(|v| v.is_finite()).min_by(f64::total_cmp)?;
    Some(format!("Smallest E-BFMI {} (limit {}).", fixed(least, 2), short(view.limits.e_bfmi)))
}

/// The test quantity that is farthest out.
fn extreme(view: &View) -> Option<String> {
    let far = |p: f64| p.min(1.0 - p);
    let worst = view
        .quantities
        .iter()
        .filter(|q| q.p_value.is_finite())
        .min_by(|a, b| far(a.p_value).total_cmp(&far(b.p_value)))?;
    Some(format!(
        "Posterior predictive p-values of {} test quantities; the most extreme is {} ({}).",
        view.quantities.len(),
        fixed(worst.p_value, 3),
        worst.what
    ))
}

/// The first few of a list as one line that ends with a full stop.
fn listed(items: &[String], most: usize) -> String {
    let ended = |s: &String| s.trim_end_matches('.').to_owned();
    let mut text = items.iter().take(most).map(ended).collect::<Vec<_>>().join("; ");
    if items.len() > most {
        text += &format!("; and {} more", items.len() - most);
    }
    if text.is_empty() { String::from("no reason is recorded.") } else { text + "." }
}

/// What the tiles hold, in words for a list: (label, value, range).
pub(super) fn tiles(view: &View) -> Vec<[String; 3]> {
    let Some(h) = &view.headline else { return Vec::new() };
    let mut out = Vec::new();
    if let Some(value) = &h.value {
        let range = super::numbers::money_range(value, &view.currency);
        out.push([String::from("Lifetime value"), money(value.mean, &view.currency), range]);
    }
    let to_come = format!("{} to come", words::upper_first(&view.words.events));
    out.push([to_come, count(h.purchases.mean), super::numbers::count_range(&h.purchases)]);
    let each = h.value.filter(|_| h.customers > 0 && view.verdict.passed);
    let each = each.map_or_else(String::new, |value| {
        format!("worth {} each on average", money(value.mean / h.customers as f64, &view.currency))
    });
    out.push([String::from("Customers"), whole(h.customers), each]);
    if let Some(alive) = h.alive {
        let still = whole((alive * h.customers as f64).round().max(0.0) as u64);
        out.push([
            String::from("Still customers"),
            percent_whole(alive),
            format!("about {still} of {}", whole(h.customers)),
        ]);
    }
    out
}
